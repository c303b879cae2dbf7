/* core.h: what the files behind `sy.core` share: the host as a Lua object. Caller's thread. */
#ifndef SY_BIND_CORE_H
#define SY_BIND_CORE_H

#include "bind/support.h"
#include "base/skip_clock.h"
#include "host/project.h"

#define SY__HOST_MT "symphony.host"

/* A Lua function that follows events. */
typedef struct sy__lua_follow {
    int id;
    int ref; /* of the function, in the registry */
    struct sy__lua_host *host;
    struct sy__lua_follow *next;
} sy__lua_follow;

typedef struct sy__lua_host {
    sy__project *project; /* NULL: closed */
    lua_State *L;         /* the main state: handlers run in it */
    sy__lua_follow *follows;
    struct sy__chore *chore; /* begun and not ended; NULL: none */
    sy__skip_clock skip;     /* the project's clock, where it was opened with one that skips */
    bool skips;
} sy__lua_host;

/* The open host at `index`; raises when it is closed. */
sy__lua_host *sy__lua_host_check(lua_State *L, int index);
/* Pushes nil, error table, code name; returns 3. */
int sy__core_fail(lua_State *L, const sy__error *err);

/* core_limits.c */
/* The limits at `index` (a table or nil). What they name lives as long as what is pushed: a userdata. */
void sy__core_limits(lua_State *L, int index, sy__limits *out);
/* core_data.c */
int sy__core_query(lua_State *L);
int sy__core_transaction(lua_State *L);
int sy__core_write(lua_State *L);
int sy__core_artifact_get(lua_State *L);
int sy__core_artifact_put(lua_State *L);
int sy__core_artifact_verify(lua_State *L);
int sy__core_collect(lua_State *L);
int sy__core_pin(lua_State *L);
/* core_storage.c */
int sy__core_remove_runs(lua_State *L);
int sy__core_tidy(lua_State *L);
int sy__core_give_back(lua_State *L);
int sy__core_compact(lua_State *L);
/* core_run.c */
int sy__core_start(lua_State *L);
int sy__core_resume(lua_State *L);
int sy__core_cancel(lua_State *L);
int sy__core_pause(lua_State *L);
int sy__core_tell(lua_State *L);
int sy__core_run_state(lua_State *L);
int sy__core_running(lua_State *L);

/* core_stream.c */
int sy__core_stream(lua_State *L);

/* core_tape.c */
int sy__core_tape(lua_State *L);
int sy__core_recorded(lua_State *L);
int sy__core_advance(lua_State *L);
/* core_chore.c */
int sy__core_begin_task(lua_State *L);
int sy__core_decide(lua_State *L);
int sy__core_tell_task(lua_State *L);
int sy__core_end_task(lua_State *L);

/* core_person.c */
int sy__core_identity(lua_State *L);
int sy__core_projects(lua_State *L);

#endif
