/* sleep.h: waiting without holding a thread. */
#ifndef SY_BIND_SLEEP_H
#define SY_BIND_SLEEP_H

#include <lua.h>

/* sleep(seconds), for the module `time` of an isolate: parks the running call. Raises when nothing may wait here. */
int sy__lua_sleep(lua_State *L);

#endif
