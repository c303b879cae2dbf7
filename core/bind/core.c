/*
 * core.c: `sy.core`, the engine for trusted Lua: opening a project, its loop, events, extensions.
 *
 * Failures are nil, {code=, message=, where={file=,line=,task=}, hint=}, code. A closed host raises. Handlers
 * of events run inside host:step, in the main state; one that raises ends the step with its error.
 */
#include "bind/api.h"
#include "bind/core.h"

#include "bind/modules.h"
#include "bind/program.h"
#include "bind/stdlib.h"
#include "host/embed.h"
#include "kit/luavalue.h"

#include <stdio.h>
#include <string.h>

int
sy__core_fail(lua_State *L, const sy__error *err)
{
    lua_pushnil(L);
    sy__lib_push_errtable(L, err);
    lua_pushstring(L, sy_errname(err->code));
    return 3;
}

sy__lua_host *
sy__lua_host_check(lua_State *L, int index)
{
    sy__lua_host *h = luaL_checkudata(L, index, SY__HOST_MT);
    luaL_argcheck(L, h->project != NULL, index, "the host is closed");
    return h;
}

/* ---- opening and closing ---- */

/* The pure modules of the isolate library: stdlib/NAME.lua in the binary. */
static bool
stdlib_source(void *ud, const char *name, const char **source, size_t *len, const char **chunk_name)
{
    char path[128];
    (void)ud;
    int n = snprintf(path, sizeof path, "stdlib/%s.lua", name);
    const sy__embedded *file = n < (int)sizeof path ? sy__embedded_find(path) : NULL;
    if (!file) return false;
    *source = file->data;
    *len = file->size;
    *chunk_name = file->path;
    return true;
}

static int64_t
amount_field(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    lua_Integer n = luaL_optinteger(L, -1, 0);
    luaL_argcheck(L, n >= 0, 1, "a budget is 0 or more");
    lua_pop(L, 1);
    return n;
}

/* budget={project_usd=, project_tokens=, day_usd=, day_tokens=, on_breach=}; money in millionths */
static void
read_budget(lua_State *L, sy__shared_budget *out)
{
    static const char *const policies[] = {"stop", "ask", "downgrade", NULL};
    lua_getfield(L, 1, "budget");
    if (lua_istable(L, -1)) {
        out->project[SY__UNIT_USD] = amount_field(L, "project_usd");
        out->project[SY__UNIT_TOKENS] = amount_field(L, "project_tokens");
        out->day[SY__UNIT_USD] = amount_field(L, "day_usd");
        out->day[SY__UNIT_TOKENS] = amount_field(L, "day_tokens");
        lua_getfield(L, -1, "on_breach");
        out->on_breach = (sy__on_breach)luaL_checkoption(L, -1, "stop", policies);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static int
core_open(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    sy__error err = {0};
    sy__project_options o = {
        .alloc = &sy__alloc_default,
        .dir = sy__lib_text_field(L, 1, "project", "."),
        .modules = sy__stdlib_modules,
        .stdlib = stdlib_source,
        .helper = sy__program_helper(),
    };
    lua_getfield(L, 1, "stage_threads");
    o.stages = (int)luaL_optinteger(L, -1, 0);
    lua_getfield(L, 1, "trusted");
    o.trusted = lua_toboolean(L, -1);
    lua_getfield(L, 1, "audit");
    o.audit = lua_toboolean(L, -1);
    lua_getfield(L, 1, "queue_events");
    lua_Integer queue_events = luaL_optinteger(L, -1, 0);
    luaL_argcheck(L, queue_events >= 0 && queue_events <= 1 << 20, 1, "queue_events is from 0 to 1048576");
    o.queue_events = (size_t)queue_events;
    read_budget(L, &o.budget);
    lua_getfield(L, 1, "limits");
    sy__core_limits(L, lua_gettop(L), &o.limits);
    lua_getfield(L, 1, "skips");
    bool skips = lua_toboolean(L, -1);
    sy__lua_host *h = lua_newuserdatauv(L, sizeof *h, 0);
    *h = (sy__lua_host){.skips = skips};
    sy__clock clock = sy__skip_clock_make(&h->skip);
    if (skips) o.clock = &clock;
    luaL_setmetatable(L, SY__HOST_MT);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    h->L = lua_tothread(L, -1);
    lua_pop(L, 1);
    sy_host *api = sy__host_of(L);
    if (api && sy__host_project(api)) {
        (void)sy__error_set(&err, SY_EUSAGE, "this host has its project open already");
        return sy__core_fail(L, &err);
    }
    if (api) sy__host_fill(api, &o);
    if (sy__project_open(&h->project, &o, &err)) return sy__core_fail(L, &err);
    if (api) sy__host_attach(api, h->project);
    return 1;
}

static int
host_close(lua_State *L)
{
    sy__lua_host *h = luaL_checkudata(L, 1, SY__HOST_MT);
    sy_host *api = sy__host_of(L);
    if (api && h->project) sy__host_attach(api, NULL);
    sy__project_close(h->project);
    h->project = NULL;
    h->chore = NULL;
    while (h->follows) {
        sy__lua_follow *f = h->follows;
        h->follows = f->next;
        luaL_unref(L, LUA_REGISTRYINDEX, f->ref);
        sy__free(&sy__alloc_default, f);
    }
    return 0;
}

/* ---- the loop ---- */

static void
set_text(lua_State *L, const char *name, const char *value)
{
    if (!value) return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* Pushes a JSON text as a value; nil when it is none. */
static void
push_json(lua_State *L, const char *json)
{
    sy__value v;
    sy__vbuf *b = sy__lib_vbuf(L);
    if (json && sy__value_from_json(b, json, strlen(json), NULL) == SY_OK && sy__vbuf_done(b, &v) == SY_OK)
        sy__value_to_lua(L, v);
    else
        lua_pushnil(L);
    lua_remove(L, -2);
}

static int
push_event(lua_State *L)
{
    const sy__event *e = lua_touserdata(L, 1);
    char at[SY__STAMP_BYTES];
    lua_createtable(L, 0, 10);
    set_text(L, "id", e->id);
    set_text(L, "run", e->run);
    set_text(L, "task", e->task);
    set_text(L, "extension", e->extension);
    set_text(L, "event_type", e->type);
    set_text(L, "topic", e->topic);
    sy__stamp(e->occurred_ms, at);
    set_text(L, "occurred_at", at);
    lua_pushinteger(L, e->seq);
    lua_setfield(L, -2, "seq");
    push_json(L, e->payload);
    lua_setfield(L, -2, "payload");
    return 1;
}

/* Inside sy__project_step; an error is kept for host:step to raise. */
static void
call_handler(void *ud, const sy__event *event)
{
    sy__lua_follow *f = ud;
    lua_State *L = f->host->L;
    if (lua_toboolean(L, -1)) return; /* an earlier handler failed */
    lua_rawgeti(L, LUA_REGISTRYINDEX, f->ref);
    lua_pushcfunction(L, push_event);
    lua_pushlightuserdata(L, (void *)(uintptr_t)event);
    bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_pcall(L, 1, 0, 0) == LUA_OK;
    if (ok) return;
    lua_replace(L, -2); /* the error takes the place of the mark */
    if (lua_type(L, -1) != LUA_TSTRING) {
        const char *text = luaL_tolstring(L, -1, NULL);
        (void)text;
        lua_replace(L, -2);
    }
}

/* The mark on top of the main stack is false, or the first handler's error. */
static int
host_step(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    int timeout_ms = (int)luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, lua_checkstack(h->L, 8), 1, "the stack is full");
    lua_pushboolean(h->L, 0);
    int n = sy__project_step(h->project, timeout_ms);
    if (lua_toboolean(h->L, -1)) {
        if (h->L != L) lua_xmove(h->L, L, 1);
        return lua_error(L);
    }
    lua_pop(h->L, 1);
    lua_pushinteger(L, n);
    return 1;
}

static int
host_on_event(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    const char *pattern = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    int64_t since = luaL_optinteger(L, 4, -1);
    sy__error err = {0};
    sy__lua_follow *f = sy__calloc(&sy__alloc_default, 1, sizeof *f);
    if (!f) return luaL_error(L, "not enough memory");
    int id = sy__project_follow(h->project, pattern, since, call_handler, f, &err);
    if (id < 0) {
        sy__free(&sy__alloc_default, f);
        return sy__core_fail(L, &err);
    }
    lua_pushvalue(L, 3);
    *f = (sy__lua_follow){id, luaL_ref(L, LUA_REGISTRYINDEX), h, h->follows};
    h->follows = f;
    lua_pushinteger(L, id);
    return 1;
}

/* The entry is freed with the host: an event of it may be on its way. */
static int
host_off_event(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    lua_pushboolean(L, sy__project_unfollow(h->project, (int)luaL_checkinteger(L, 2)) == SY_OK);
    return 1;
}

/* ---- small things ---- */

static int
host_new_id(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__id_source ids;
    char id[SY__ID_BYTES];
    sy__id_source_init(&ids, sy__project_clock(h->project));
    sy__id_next(&ids, id);
    lua_pushstring(L, id);
    return 1;
}

static int
host_now(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    char at[SY__STAMP_BYTES];
    sy__stamp(sy__wall_ms(sy__project_clock(h->project)), at);
    lua_pushstring(L, at);
    return 1;
}

/* host:id() → the id of this opening, session.id. */
static int
host_id(lua_State *L)
{
    lua_pushstring(L, sy__db_host_id(sy__project_db(sy__lua_host_check(L, 1)->project)));
    return 1;
}

/* host:alive(session_id) → whether that opening lives. */
static int
host_alive(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    lua_pushboolean(L, sy__db_host_alive(sy__project_db(h->project), luaL_checkstring(L, 2)));
    return 1;
}

static int
host_register(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    sy__value v;
    sy__vbuf *b = sy__lib_vbuf(L);
    int status = sy__lua_to_value(L, 2, b, &err);
    if (!status) status = sy__vbuf_done(b, &v);
    if (!status) status = sy__registry_add(sy__project_registry(h->project), v, sy__project_dir(h->project), &err);
    if (status) {
        if (!err.code) (void)sy__error_set(&err, status, "%s", sy_strerror(status));
        return sy__core_fail(L, &err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int
host_unregister(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__registry_remove(sy__project_registry(h->project), luaL_checkstring(L, 2));
    return 0;
}

/* embedded(prefix) → array of {path=, data=} */
static int
core_embedded(lua_State *L)
{
    const char *prefix = luaL_checkstring(L, 1);
    size_t len = strlen(prefix);
    lua_newtable(L);
    lua_Integer n = 0;
    for (size_t i = sy__embedded_first(prefix); i < sy__embedded_count; i++) {
        const sy__embedded *file = &sy__embedded_files[i];
        if (strncmp(file->path, prefix, len) != 0) break;
        lua_createtable(L, 0, 2);
        lua_pushstring(L, file->path);
        lua_setfield(L, -2, "path");
        lua_pushlstring(L, file->data, file->size);
        lua_setfield(L, -2, "data");
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* errors() → array of {code=, number=, exit=, sentence=}, as symphony.h lists them */
static int
core_errors(lua_State *L)
{
    lua_newtable(L);
    lua_Integer n = 0;
#define ROW(no, cname, text, exit_code, words)                  \
    lua_createtable(L, 0, 4);                                   \
    lua_pushstring(L, text), lua_setfield(L, -2, "code");       \
    lua_pushinteger(L, no), lua_setfield(L, -2, "number");      \
    lua_pushinteger(L, exit_code), lua_setfield(L, -2, "exit"); \
    lua_pushstring(L, words), lua_setfield(L, -2, "sentence");  \
    lua_rawseti(L, -2, ++n);
    SY_ERRORS(ROW)
#undef ROW
    return 1;
}

static const luaL_Reg host_methods[] = {
    {"close", host_close},
    {"step", host_step},
    {"on_event", host_on_event},
    {"off_event", host_off_event},
    {"new_id", host_new_id},
    {"now", host_now},
    {"id", host_id},
    {"alive", host_alive},
    {"register", host_register},
    {"unregister", host_unregister},
    {"identity", sy__core_identity},
    {"begin_task", sy__core_begin_task},
    {"decide", sy__core_decide},
    {"tell_task", sy__core_tell_task},
    {"end_task", sy__core_end_task},
    {"query", sy__core_query},
    {"write", sy__core_write},
    {"transaction", sy__core_transaction},
    {"artifact_get", sy__core_artifact_get},
    {"artifact_put", sy__core_artifact_put},
    {"artifact_verify", sy__core_artifact_verify},
    {"collect", sy__core_collect},
    {"pin", sy__core_pin},
    {"remove_runs", sy__core_remove_runs},
    {"tidy", sy__core_tidy},
    {"give_back", sy__core_give_back},
    {"compact", sy__core_compact},
    {"start", sy__core_start},
    {"resume", sy__core_resume},
    {"cancel", sy__core_cancel},
    {"pause", sy__core_pause},
    {"tell", sy__core_tell},
    {"run_state", sy__core_run_state},
    {"stream", sy__core_stream},
    {"tape", sy__core_tape},
    {"recorded", sy__core_recorded},
    {"advance", sy__core_advance},
    {"running", sy__core_running},
    {"__gc", host_close},
    {"__close", host_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"open", core_open}, {"embedded", core_embedded}, {"errors", core_errors}, {"projects", sy__core_projects},
    {NULL, NULL},
};

int
luaopen_sy_core(lua_State *L)
{
    if (luaL_newmetatable(L, SY__HOST_MT)) {
        luaL_setfuncs(L, host_methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
