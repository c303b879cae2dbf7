/*
 * isolate_testing.h: the module testing.host of an isolate that runs tests: a function of the host to ask, and the part
 * of `debug` that a test framework needs. It lets the code of a state look at and change that state's own Lua
 * functions; nothing of the host, and no C function, can be reached through it. Thread of the isolate.
 */
#ifndef SY_BIND_ISOLATE_TESTING_H
#define SY_BIND_ISOLATE_TESTING_H

#include "base/error.h"
#include "base/value.h"

#include <lua.h>

struct sy__isolate;

/* A lua_CFunction: pushes {allows, ask, getinfo, getupvalue, setupvalue, upvaluejoin, traceback}. */
int sy__open_testing_host(lua_State *L);

/* Given by whoever made the isolate (isolate.c): asks the function `host` of its options. */
int sy__guest_ask(struct sy__isolate *iso, const char *what, sy__value value, sy__vbuf *answer, sy__error *err);

#endif
