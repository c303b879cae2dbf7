/*
 * alloc.h: memory through the host's allocator.
 *
 * Every room is handed a `const sy__alloc *`; none calls malloc itself. Any thread may call these,
 * because the allocator's function is required to be thread-safe.
 */
#ifndef SY_BASE_ALLOC_H
#define SY_BASE_ALLOC_H

#include "symphony.h"

typedef struct sy__alloc {
    sy_alloc_fn fn; /* as in symphony.h: ptr NULL allocates, bytes 0 frees */
    void *ud;
} sy__alloc;

/* malloc and free. */
extern const sy__alloc sy__alloc_default;

/* `bytes` of uninitialised memory, or NULL. Free with sy__free. */
void *sy__malloc(const sy__alloc *a, size_t bytes);
/* `count * bytes` of zeroed memory, or NULL, also when the product overflows. */
void *sy__calloc(const sy__alloc *a, size_t count, size_t bytes);
/* Resizes; on failure returns NULL and `ptr` stays valid. `ptr` NULL allocates. */
void *sy__realloc(const sy__alloc *a, void *ptr, size_t bytes);
/* NULL is legal. */
void sy__free(const sy__alloc *a, void *ptr);
/* A copy of a C string, or NULL for NULL or no memory. */
char *sy__strdup(const sy__alloc *a, const char *s);
/* A NUL-terminated copy of `len` bytes, or NULL. */
char *sy__strndup(const sy__alloc *a, const char *s, size_t len);

#endif
