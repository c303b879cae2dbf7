/* flow_run.h: `run`, what the function of a flow asks the host with. */
#ifndef SY_BIND_FLOW_RUN_H
#define SY_BIND_FLOW_RUN_H

#include <lua.h>

/* Pushes the object; its methods work only while a flow runs. */
int sy__open_flow_run(lua_State *L);

#endif
