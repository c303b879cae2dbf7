/* registry.c: a Lua table as the description of an extension. All of it, sources too, is one value of at most 16 MiB.
 */
#include "bind/registry.h"

#include "kit/luavalue.h"

#include <lauxlib.h>

int
sy__registry_add_lua(sy__registry *r, lua_State *L, int index, const char *project_dir, sy__error *err)
{
    sy__vbuf b;
    sy__value v;
    luaL_checktype(L, index, LUA_TTABLE);
    sy__vbuf_init(&b, &sy__alloc_default);
    int status = sy__lua_to_value(L, index, &b, err);
    if (!status) status = sy__vbuf_done(&b, &v);
    if (!status) status = sy__registry_add(r, v, project_dir, err);
    sy__vbuf_close(&b);
    return status;
}
