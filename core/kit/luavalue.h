/*
 * luavalue.h: values between a Lua state and their encoded form.
 *
 * null is the light userdata NULL (json.null). A table is an array when it carries the array mark (a shared
 * metatable set by sy__value_to_lua for empty arrays and by json.array), or when it is a non-empty sequence
 * 1..n with no other key; else a map, whose keys must be strings. Access is raw: no metamethod ever runs.
 * An empty unmarked table is a map; a schema that says array turns it into one (schema.h). Thread of the Lua state.
 */
#ifndef SY_KIT_LUAVALUE_H
#define SY_KIT_LUAVALUE_H

#include "base/value.h"

#include <lua.h>

/* Appends the value at `index`. SY_EINVAL names the path of what cannot cross (function, cycle, too deep, a
 * key that is no string, NaN is legal); SY_ENOMEM. Raises nothing. */
int sy__lua_to_value(lua_State *L, int index, sy__vbuf *out, sy__error *err);
/* Pushes the value. Raises a Lua memory error when there is none: call it protected. Needs stack for depth. */
void sy__value_to_lua(lua_State *L, sy__value v);
/* Pushes the array mark's metatable (made once per state). */
void sy__lua_push_array_mt(lua_State *L);
/* Whether the value at `index` is a table that carries the array mark. Raises nothing. */
bool sy__lua_is_array_marked(lua_State *L, int index);

#endif
