/* isolate_impl.h: what the files of an isolate share: its fields, and the parts of its library. All of it in the thread
 * that runs the isolate, but for `limits.request`, which any thread may set. */
#ifndef SY_KIT_ISOLATE_IMPL_H
#define SY_KIT_ISOLATE_IMPL_H

#include "kit/isolate.h"
#include "kit/limits.h"

struct event;

typedef enum sy__isolate_state {
    SY__IDLE,
    SY__RUNNING,
    SY__PARKED, /* a call waits for the host */
    SY__DEAD,   /* it can only be freed */
} sy__isolate_state;

/* Who resumes whom, from the coroutine that runs outwards; lives on the C stack of coroutine.resume. */
typedef struct sy__resumer {
    lua_State *L;
    struct sy__resumer *outer;
} sy__resumer;

/* Lua's own functions that ours check for and then continue in. */
typedef struct sy__originals {
    lua_CFunction format, rep, byte, lower, upper, reverse, sub, pack, packsize, unpack;
    lua_CFunction u_len, u_codepoint, u_offset, u_codes, u_iter[2];
    lua_CFunction tonumber, random;
} sy__originals;

struct sy__isolate {
    sy__isolate_options options; /* `name` is a copy of ours */
    sy__caps *own_caps;          /* made when the options had none */
    const sy__caps *caps;
    lua_State *main; /* never runs the extension's code: nothing of it is there to close */
    lua_State *co;   /* where calls run, one after the other */
    sy__limits limits;
    sy__isolate_state state;
    sy__call *call;                  /* the one that runs or waits */
    size_t buffer_bytes;             /* held by them */
    struct sy__blob_buffer *buffers; /* contents of artifacts, outside of the state */
    struct sy__remote *remote;       /* its process (remote.h); NULL: it runs here */
    void *run_ud;                    /* what sy__isolate_run was given */
    sy__resumer *chain;
    const char *stack_base;  /* of the C stack, when the call was entered */
    bool waiting;            /* a host function yields: coroutine.resume hands it outwards */
    bool transient;          /* ctx.retry was called */
    bool kept;               /* a table of operations is loaded */
    void (*abort)(void *ud); /* of the parked call */
    void *abort_ud;
    struct event *timer; /* the deadline of a parked call */
    struct event *again; /* a call that stepped aside goes on */
    bool aside;          /* it did, in this slice */
    int fail_code;       /* code of an error our own C code raises on purpose; 0: none */
    int64_t log_ms;      /* when log_tokens was last filled */
    int log_tokens, log_dropped;
    int live_coroutines; /* upper bound: slots used in the weak list */
    bool address_key_made;
    unsigned char address_key[16]; /* hides addresses in tostring */
    sy__originals lua;
};

/* Runs `body` with `ud` (light userdata) in the isolate's coroutine, limited; nothing may wait. isolate.c */
int sy__isolate_run(sy__isolate *iso, lua_CFunction body, void *ud, int64_t cpu_ms, sy__error *err);
/* In a hook, when a call has had its share of the thread: whether it can wait now, to go on at the loop's next turn. */
bool sy__isolate_step_aside(lua_State *L);
/* Fills err from the error object on top of the coroutine, and pops it. isolate_error.c */
int sy__isolate_explain(sy__isolate *iso, int status, sy__error *err);
/* Pushes the ctx table, made at the first call. isolate_ctx.c */
void sy__isolate_push_ctx(lua_State *L, sy__isolate *iso);
/* Frees the contents that finalizers left behind. isolate_artifact.c */
void sy__isolate_drop_buffers(sy__isolate *iso);
/* Raises an error whose code in sy__error is `code`. */
int sy__isolate_fail(lua_State *L, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* C stack used since the call began. */
size_t sy__isolate_stack_bytes(const sy__isolate *iso);

/* The library: each fills what it says. All run protected. */
void sy__safe_open(lua_State *L, sy__isolate *iso);           /* safe.c: the globals */
void sy__safe_open_base(lua_State *L, sy__isolate *iso);      /* safe_base.c */
void sy__safe_open_coroutine(lua_State *L, sy__isolate *iso); /* pushes a table, as the next ones */
void sy__safe_open_string(lua_State *L, sy__isolate *iso);
void sy__safe_open_patterns(lua_State *L); /* adds to the table on top. safe_pattern.c */
void sy__safe_open_utf8(lua_State *L, sy__isolate *iso);
void sy__safe_open_table(lua_State *L, sy__isolate *iso);
void sy__safe_open_require(lua_State *L, sy__isolate *iso); /* safe_require.c */
void sy__safe_open_debug(lua_State *L);                     /* safe_debug.c: melodies only */

/* tostring of the value at `index`, without addresses; pushes it. May run __tostring. safe_base.c */
const char *sy__safe_tostring(lua_State *L, int index, size_t *len);
/* Loads text onto the stack, looking at the clock on the way; a lua status, with the message on top when it is none.
 * Raises when a limit was hit. safe_load.c */
int sy__safe_load(lua_State *L, const char *source, size_t len, const char *chunk_name);
/* print and warn: one line to the log, rate-limited. */
void sy__safe_log(sy__isolate *iso, sy__log_level level, const char *text);
/* A module by name, as require does; pushes it or raises. It is kept in the table at `loaded`. `env` 0, or the index
 * of the globals it is to see: then it is made anew, with nothing shared but code. */
void sy__safe_require(lua_State *L, sy__isolate *iso, const char *name, int loaded, int env);
/* Whether it is words joined by dots, behind "publisher/package" or not, and never a path. */
bool sy__safe_name(const char *name);
/* The same, with the package that asks before it: "publisher/package:NAME". */
bool sy__safe_full_name(const char *name);
/* Whether there may be a module of this name at all. */
bool sy__safe_has_module(sy__isolate *iso, const char *name);

#endif
