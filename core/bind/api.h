/* api.h: what program.c and core.c need of a host of symphony.h. Caller's thread. */
#ifndef SY_BIND_API_H
#define SY_BIND_API_H

#include "bind/trusted.h"
#include "host/project.h"

/* As sy_open (close *out also after a failure), with a tree to read our Lua from instead of the binary (NULL: none). */
int sy__host_open(sy_host **out, const sy_options *options, const char *root, sy__error *err);
/* The trusted state of the host; lives as long as it. */
lua_State *sy__host_lua(sy_host *host);
/* The host whose trusted state this is, or NULL (the host of the specs has none). */
sy_host *sy__host_of(lua_State *L);
/* Fills in what the host was opened with: memory, threads. */
void sy__host_fill(const sy_host *host, sy__project_options *o);
/* The project that is open, or NULL. */
sy__project *sy__host_project(const sy_host *host);
/* The project that Lua opened for the host, or NULL when it was closed. */
void sy__host_attach(sy_host *host, sy__project *project);

#endif
