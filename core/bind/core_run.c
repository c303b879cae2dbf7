/* core_run.c: runs for trusted Lua: start, resume, cancel, pause, state. Methods of the host of core.c. */
#include "bind/core.h"
#include "kit/luavalue.h"

#include <string.h>

/* The text of a field, kept on the stack; NULL when it is absent or null. */
static const char *
text_of(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    return lua_isnil(L, -1) || lua_islightuserdata(L, -1) ? NULL : luaL_checkstring(L, -1);
}

static int
value_of(lua_State *L, int index, const char *name, sy__value *out, sy__error *err)
{
    lua_getfield(L, index, name);
    *out = (sy__value){0};
    if (lua_isnil(L, -1)) return SY_OK;
    sy__vbuf *b = sy__lib_vbuf(L);
    int status = sy__lua_to_value(L, -2, b, err);
    return status ? status : sy__vbuf_done(b, out);
}

static sy__durability
level_of(lua_State *L, const char *name)
{
    if (!name || strcmp(name, "full") == 0) return SY__LEVEL_FULL;
    if (strcmp(name, "process") == 0) return SY__LEVEL_PROCESS;
    if (strcmp(name, "none") != 0) (void)luaL_error(L, "durability is full, process or none");
    return SY__LEVEL_NONE;
}

static const char *
shown_status(const sy__run_info *info)
{
    return info->committed ? info->status : "running";
}

static int
push_run(lua_State *L, const sy__run_info *info)
{
    lua_createtable(L, 0, 4);
    if (info->existing) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "existing");
    }
    lua_pushstring(L, info->id);
    lua_setfield(L, -2, "run");
    lua_pushinteger(L, info->number);
    lua_setfield(L, -2, "number");
    lua_pushstring(L, shown_status(info));
    lua_setfield(L, -2, "status");
    return 1;
}

int
sy__core_start(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    sy__error err = {0};
    sy__run_info info = {0};
    sy__run_request q = {0};
    q.melody_id = text_of(L, 2, "melody_id");
    q.melody_hash = text_of(L, 2, "version_hash");
    q.orchestration_type = text_of(L, 2, "mode");
    q.durability = level_of(L, text_of(L, 2, "durability"));
    lua_getfield(L, 2, "parallel");
    q.parallel = luaL_optinteger(L, -1, 0);
    const char *definition = text_of(L, 2, "definition");
    luaL_argcheck(L, definition != NULL, 2, "a definition is needed");
    sy__vbuf *b = sy__lib_vbuf(L);
    int status = sy__value_from_json(b, definition, strlen(definition), &err);
    if (!status) status = sy__vbuf_done(b, &q.definition);
    if (!status) status = value_of(L, 2, "params", &q.params, &err);
    if (!status) status = value_of(L, 2, "options", &q.options, &err);
    if (!q.params.data) q.params = (sy__value){"\x07\0\0\0\0\0\0\0\0", 9}; /* an empty map */
    if (!status) status = sy__engine_start(sy__project_engine(h->project), &q, &info, &err);
    return status ? sy__core_fail(L, &err) : push_run(L, &info);
}

int
sy__core_resume(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    sy__error err = {0};
    sy__run_info info = {0};
    sy__resume_request q = {
        .run = text_of(L, 2, "run"), .retry = text_of(L, 2, "retry"), .skip = text_of(L, 2, "skip")};
    luaL_argcheck(L, q.run != NULL, 2, "a run is needed");
    q.budget = text_of(L, 2, "budget");
    lua_getfield(L, 2, "accept_code");
    q.accept_code = lua_toboolean(L, -1);
    lua_getfield(L, 2, "cancel");
    q.cancel = lua_toboolean(L, -1);
    lua_getfield(L, 2, "result");
    int status = SY_OK;
    if (lua_istable(L, -1)) {
        int result = lua_gettop(L);
        q.result_task = text_of(L, result, "task");
        status = value_of(L, result, "value", &q.result, &err);
    }
    if (!status) status = sy__engine_resume(sy__project_engine(h->project), &q, &info, &err);
    return status ? sy__core_fail(L, &err) : push_run(L, &info);
}

static int
stop(lua_State *L, int (*fn)(sy__engine *e, const char *run, sy__error *err))
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    if (fn(sy__project_engine(h->project), luaL_checkstring(L, 2), &err)) return sy__core_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

int
sy__core_cancel(lua_State *L)
{
    return stop(L, sy__engine_cancel);
}

int
sy__core_pause(lua_State *L)
{
    return stop(L, sy__engine_pause);
}

/* host:tell(run, "answer" | "skip" | "retry", task, value) → true: durable, for a run that lives here */
int
sy__core_tell(lua_State *L)
{
    static const char *const names[] = {"answer", "retry", "skip", NULL};
    static const sy__decision decisions[] = {SY__DECIDE_RESULT, SY__DECIDE_RETRY, SY__DECIDE_SKIP};
    sy__lua_host *h = sy__lua_host_check(L, 1);
    const char *run = luaL_checkstring(L, 2), *task = luaL_checkstring(L, 4);
    sy__decision what = decisions[luaL_checkoption(L, 3, NULL, names)];
    sy__error err = {0};
    sy__value v = sy__value_null();
    sy__vbuf *b = sy__lib_vbuf(L);
    int status = SY_OK;
    if (lua_gettop(L) > 5) status = sy__lua_to_value(L, 5, b, &err);
    if (!status && lua_gettop(L) > 5) status = sy__vbuf_done(b, &v);
    if (!status) status = sy__engine_decide(sy__project_engine(h->project), run, what, task, v, &err);
    if (status) return sy__core_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

/* host:run_state(id) → {status=, exit=, error=} | nil; ended only when that is committed */
int
sy__core_run_state(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__run_info info = {0};
    if (sy__engine_info(sy__project_engine(h->project), luaL_checkstring(L, 2), &info)) {
        lua_pushnil(L);
        return 1;
    }
    const char *status = shown_status(&info);
    bool ok = strcmp(status, "completed") == 0;
    int exit_code = ok ? 0 : strcmp(status, "paused") == 0 ? 130 : strcmp(status, "waiting") == 0 ? 5 : 1;
    lua_createtable(L, 0, 3);
    lua_pushstring(L, status);
    lua_setfield(L, -2, "status");
    lua_pushinteger(L, exit_code);
    lua_setfield(L, -2, "exit");
    if (info.error.code) {
        sy__lib_push_errtable(L, &info.error);
        lua_setfield(L, -2, "error");
    }
    return 1;
}

int
sy__core_running(lua_State *L)
{
    lua_pushinteger(L, sy__engine_living(sy__project_engine(sy__lua_host_check(L, 1)->project)));
    return 1;
}
