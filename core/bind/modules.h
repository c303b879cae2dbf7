/*
 * modules.h: the Lua modules written in C, each in one file core/bind/NAME.c that defines
 *
 *     int luaopen_sy_NAME(lua_State *L)      -- require "sy.NAME" in trusted Lua
 *
 * Nobody keeps a list: the build collects the definitions (cmake/modules.cmake). Thread of the Lua state.
 */
#ifndef SY_BIND_MODULES_H
#define SY_BIND_MODULES_H

#include <lua.h>

#define SY__MODULE(name) int luaopen_sy_##name(lua_State *L);
#include "bind/modules_list.h"
#undef SY__MODULE

/* Puts every module into package.preload of a state that has the package library. May raise for memory. */
void sy__modules_preload(lua_State *L);

#endif
