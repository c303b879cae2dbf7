/* http_options.h: what http.request is asked for, and the headers of the answer. Thread of the Lua state. */
#ifndef SY_BIND_HTTP_OPTIONS_H
#define SY_BIND_HTTP_OPTIONS_H

#include "bind/secret_use.h"
#include "io/http.h"

#include <lua.h>

/* Reads the table at `index` into `out`, whose texts stay on the stack; raises for what cannot be sent. out->url is
 * NULL when it has a blank or a control character in it. Headers that are references to secrets go to `uses`. */
void sy__http_read(lua_State *L, int index, sy__http_request *out, sy__secret_uses *uses, bool *stream, bool *on_body);
/* Pushes a table: names in lower case → values; several of one name are joined by ", ", cookies by a newline. */
void sy__http_push_headers(lua_State *L, const char *head);

#endif
