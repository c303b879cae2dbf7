/* core_chore.c: tasks of the host itself, for trusted Lua. Methods of the host of core.c. */
#include "bind/core.h"
#include "pit/chore.h"

#include <string.h>

/* host:begin_task{type=, operation=, payload=JSON} → id of a task without a run; one at a time */
int
sy__core_begin_task(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_argcheck(L, h->chore == NULL, 1, "a task of the host has begun already");
    sy__chore_about about = {sy__lib_text_field(L, 2, "type", NULL), sy__lib_text_field(L, 2, "operation", NULL),
                             sy__lib_text_field(L, 2, "payload", NULL)};
    luaL_argcheck(L, about.task_type && about.operation, 2, "a type and an operation are needed");
    if (sy__chore_begin(&h->chore, sy__project_engine(h->project), &about, &err)) return sy__core_fail(L, &err);
    lua_pushstring(L, sy__chore_id(h->chore));
    return 1;
}

/* host:decide(member, context JSON, resources JSON) → true: a decision of the Pit in the task that has begun */
int
sy__core_decide(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    luaL_argcheck(L, h->chore != NULL, 1, "no task of the host has begun");
    sy__chore_decision(h->chore, luaL_checkstring(L, 2), luaL_checkstring(L, 3), luaL_optstring(L, 4, NULL));
    lua_pushboolean(L, 1);
    return 1;
}

/* host:tell_task{extension=ID, type=, topic=, payload=JSON} → true: an event of the task that has begun */
int
sy__core_tell_task(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_argcheck(L, h->chore != NULL, 1, "no task of the host has begun");
    const char *extension = sy__lib_text_field(L, 2, "extension", NULL), *type = sy__lib_text_field(L, 2, "type", NULL),
               *topic = sy__lib_text_field(L, 2, "topic", NULL);
    luaL_argcheck(L, extension && type && topic, 2, "an extension, a type and a topic are needed");
    sy__chore_tell(h->chore, extension, type, topic, sy__lib_text_field(L, 2, "payload", "{}"));
    lua_pushboolean(L, 1);
    return 1;
}

/* host:end_task{output=JSON | code=, message=} → true */
int
sy__core_end_task(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_argcheck(L, h->chore != NULL, 1, "no task of the host has begun");
    const char *output = sy__lib_text_field(L, 2, "output", NULL), *code = sy__lib_text_field(L, 2, "code", NULL),
               *message = sy__lib_text_field(L, 2, "message", NULL);
    int number = code ? sy__error_code(code) : SY_OK;
    if (code) (void)sy__error_set(&err, number ? number : SY_EIO, "%s", message ? message : code);
    sy__chore_end(h->chore, output, &err);
    h->chore = NULL;
    lua_pushboolean(L, 1);
    return 1;
}
