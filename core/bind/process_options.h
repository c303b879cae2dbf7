/* process_options.h: from the Lua table of process.run to sy__child_options: internal to core/bind.
 * Thread of the isolate; what it reads out of the table lives as long as the call. */
#ifndef SY_BIND_PROCESS_OPTIONS_H
#define SY_BIND_PROCESS_OPTIONS_H

#include "bind/secret_use.h"
#include "io/spawn.h"
#include "kit/caps.h"

#include <lua.h>

/* What process.run was asked for. Texts and lists are anchored by values left on the Lua stack. */
typedef struct sy__process_request {
    sy__child_options child;
    bool check;            /* a non-zero exit is a failure */
    bool stream;           /* to the call's stream service */
    bool has_on_output;    /* the function is the field `on_output` */
    sy__secret_uses *uses; /* one of the anchors: what it refers to; close it once the child has started */
} sy__process_request;

enum { SY__PROCESS_ANCHORS = 3 /* values that reading leaves on the stack */ };

/*
 * Reads the table at `index`; misuse raises, naming the field. The environment is: with an isolate PATH, LANG and
 * what its capabilities name; without, all of this process's; then what `env` sets, also with secrets.
 */
void sy__process_read(lua_State *L, int index, sy__isolate *iso, sy__process_request *out);
/* Pushes nil, message (with the hint), code. */
int sy__process_fail(lua_State *L, const sy__error *err);
/* Pushes {exit_code, stdout, stderr, …}, or nil, message, code for a timeout or a failed check. */
int sy__process_result(lua_State *L, const sy__child *child, const sy__process_request *r, const char *program);

#endif
