/* core_storage.c: what keeps storage from growing for ever, for trusted Lua. Methods of the host of core.c. */
#include "bind/core.h"
#include "pit/stale/retention.h"

/* The texts of the array at `index`, in a userdata that stays on the stack; they live as long as the array does. */
static const char **
texts(lua_State *L, int index, int *count)
{
    luaL_checktype(L, index, LUA_TTABLE);
    *count = (int)lua_rawlen(L, index);
    const char **list = lua_newuserdatauv(L, ((size_t)*count + 1) * sizeof *list, 0);
    for (int i = 0; i < *count; i++) {
        luaL_argcheck(L, lua_rawgeti(L, index, i + 1) == LUA_TSTRING, index, "ids are texts");
        list[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    return list;
}

/* host:remove_runs({ids}, budget_ms?) → {runs=, tasks=, events=, artifacts=, decisions=, pieces=, left=} */
int
sy__core_remove_runs(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    sy__removed r;
    sy__removal q = {.budget_ms = luaL_optinteger(L, 3, 0)};
    q.runs = texts(L, 2, &q.count);
    if (sy__retention_remove(sy__project_db(h->project), &sy__alloc_default, &q, &r, &err))
        return sy__core_fail(L, &err);
    lua_createtable(L, 0, 7);
    sy__lib_set_int(L, "runs", r.runs);
    sy__lib_set_int(L, "tasks", r.tasks);
    sy__lib_set_int(L, "events", r.events);
    sy__lib_set_int(L, "artifacts", r.artifacts);
    sy__lib_set_int(L, "decisions", r.decisions);
    sy__lib_set_int(L, "pieces", r.pieces);
    sy__lib_set_int(L, "left", r.left);
    return 1;
}

/* host:tidy(before, budget_ms?) → {sessions=, host_tasks=, controls=, melody_versions=, extension_versions=} */
int
sy__core_tidy(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    sy__tidied t;
    const char *before = luaL_checkstring(L, 2);
    if (sy__retention_tidy(sy__project_db(h->project), before, luaL_optinteger(L, 3, 0), &t, &err))
        return sy__core_fail(L, &err);
    lua_createtable(L, 0, 5);
    sy__lib_set_int(L, "sessions", t.sessions);
    sy__lib_set_int(L, "host_tasks", t.host_tasks);
    sy__lib_set_int(L, "controls", t.controls);
    sy__lib_set_int(L, "melody_versions", t.melody_versions);
    sy__lib_set_int(L, "extension_versions", t.extension_versions);
    return 1;
}

/* host:give_back(budget_ms?) → bytes */
int
sy__core_give_back(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    int64_t freed = 0;
    if (sy__db_give_back(sy__project_db(h->project), luaL_optinteger(L, 2, 0), &freed, &err))
        return sy__core_fail(L, &err);
    lua_pushinteger(L, freed);
    return 1;
}

/* host:compact() → true */
int
sy__core_compact(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    if (sy__db_compact(sy__project_db(h->project), &err)) return sy__core_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}
