/* embed.h: the Lua program, stdlib, bundled extensions and other files that are part of the binary. Constants:
 * any thread; nothing is to be freed. */
#ifndef SY_HOST_EMBED_H
#define SY_HOST_EMBED_H

#include <stdbool.h>
#include <stddef.h>

/* A file by its path in the tree, such as "lua/cli/main.lua". */
typedef struct sy__embedded {
    const char *path;
    const char *data; /* NUL-terminated, not counted in size */
    size_t size;
} sy__embedded;

/* Sorted by path; generated at build into embed.c. */
extern const sy__embedded sy__embedded_files[];
extern const size_t sy__embedded_count;

/* The file of exactly this path, or NULL. */
const sy__embedded *sy__embedded_find(const char *path);
/* The index of the first file whose path starts with `prefix`; walk on while it does. */
size_t sy__embedded_first(const char *prefix);
/* sy__embedded_find in the shape of sy__source_fn (bind/trusted.h); `ud` is not used. */
bool sy__embedded_source(void *ud, const char *path, const char **data, size_t *size);

#endif
