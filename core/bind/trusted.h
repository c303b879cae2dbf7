/*
 * trusted.h: Lua states for our own program: the command line, the kit, the specs.
 *
 * A trusted state has all of Lua's standard library and the C modules `sy.*`. `require` finds
 * lua/?.lua, lua/?/init.lua and stdlib/?.lua, in this order, in the binary or below a root folder, and
 * nothing else: package.path and package.cpath are empty. What comes from elsewhere never runs here but
 * in an isolate (kit/isolate.h). A state belongs to one thread; close it with lua_close.
 */
#ifndef SY_BIND_TRUSTED_H
#define SY_BIND_TRUSTED_H

#include "base/error.h"

#include <lua.h>

/* The bytes of a file of the tree, such as "lua/cli/main.lua", valid as long as the state; false: no such file. */
typedef bool (*sy__source_fn)(void *ud, const char *path, const char **data, size_t *size);

typedef struct sy__trusted_options {
    const sy__alloc *alloc; /* must outlive the state */
    const char *root;       /* a tree to read instead of `source`; copied; NULL: none */
    sy__source_fn source;   /* the embedded files: sy__embedded_source; NULL: none */
    void *source_ud;
} sy__trusted_options;

/* Opens a state. SY_ENOMEM. */
int sy__trusted_new(lua_State **out, const sy__trusted_options *o, sy__error *err);

#endif
