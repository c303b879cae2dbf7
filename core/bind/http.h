/* http.h: the module `http` of isolates. */
#ifndef SY_BIND_HTTP_H
#define SY_BIND_HTTP_H

#include <lua.h>

/* Pushes the module; extensions only. Thread of the isolate. */
int sy__open_http(lua_State *L);

#endif
