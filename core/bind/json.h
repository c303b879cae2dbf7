/* json.h: the parts of the module json, for its two files. Thread of the Lua state; both may raise. */
#ifndef SY_BIND_JSON_H
#define SY_BIND_JSON_H

#include "bind/support.h"

enum { SY__JSON_DEPTH = 128 /* nesting that text may have; a value that crosses may have 64 */ };

/* Pushes the value of a JSON text; false: it is not JSON, and a message with line and column is pushed. */
bool sy__json_read(lua_State *L, const char *text, size_t len);

/* A lua_CFunction: pushes the module `json`. */
int sy__open_json(lua_State *L);

#endif
