/* process.h: the module `process` of isolates. Thread of the isolate. */
#ifndef SY_BIND_PROCESS_H
#define SY_BIND_PROCESS_H

#include <lua.h>

/* Pushes the table {run, which}; raises for memory only. `run` needs the capability `process` and a loop. */
int sy__open_process(lua_State *L);

#endif
