/* stdlib.h: the modules in C that `require` finds inside an isolate. Thread of the isolate; they may raise. */
#ifndef SY_BIND_STDLIB_H
#define SY_BIND_STDLIB_H

#include "kit/isolate.h"

/* For sy__isolate_options.modules; the entry behind the last has no name. */
extern const sy__isolate_module sy__stdlib_modules[];

/* lua_CFunctions: each pushes its module. */
int sy__open_json(lua_State *L);
int sy__open_re(lua_State *L);
int sy__open_hash(lua_State *L);
int sy__open_time(lua_State *L);
int sy__open_text(lua_State *L);
int sy__open_schema(lua_State *L);
int sy__open_toml(lua_State *L);
int sy__open_log(lua_State *L);
int sy__open_fs(lua_State *L);

#endif
