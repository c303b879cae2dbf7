/* modules.c: registers the C modules that the build has found. */
#include "bind/modules.h"

#include <lauxlib.h>

static const luaL_Reg modules[] = {
#define SY__MODULE(name) {"sy." #name, luaopen_sy_##name},
#include "bind/modules_list.h"
#undef SY__MODULE
    {NULL, NULL},
};

void
sy__modules_preload(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, modules, 0);
    lua_pop(L, 1);
}
