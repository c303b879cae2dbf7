/* child.h: `support.child`, programs that specs start; documented in support.lua. */
#ifndef SY_SPEC_SUPPORT_CHILD_H
#define SY_SPEC_SUPPORT_CHILD_H

#include <lua.h>

int luaopen_support_child(lua_State *L);
/* Pushes the module `support.echo` (echo.c). */
int luaopen_support_echo(lua_State *L);

#endif
