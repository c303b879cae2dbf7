/* registry.h: extensions from Lua's description into the registry. */
#ifndef SY_BIND_REGISTRY_H
#define SY_BIND_REGISTRY_H

#include "kit/registry.h"

#include <lua.h>

/* Adds the extension that the table at `index` describes (sy__registry_add says how). Raises only when there
 * is no table. SY_EMANIFEST, SY_EINVAL for what cannot be a value, SY_ENOMEM. */
int sy__registry_add_lua(sy__registry *r, lua_State *L, int index, const char *project_dir, sy__error *err);

#endif
