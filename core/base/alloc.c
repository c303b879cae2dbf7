/* alloc.c: the default allocator and the helpers over any allocator. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static void *
default_fn(void *ud, void *ptr, size_t bytes)
{
    (void)ud;
    if (bytes == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, bytes);
}

const sy__alloc sy__alloc_default = {default_fn, NULL};

void *
sy__malloc(const sy__alloc *a, size_t bytes)
{
    return a->fn(a->ud, NULL, bytes ? bytes : 1);
}

void *
sy__calloc(const sy__alloc *a, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total)) return NULL;
    void *p = sy__malloc(a, total);
    if (p) memset(p, 0, total);
    return p;
}

void *
sy__realloc(const sy__alloc *a, void *ptr, size_t bytes)
{
    return a->fn(a->ud, ptr, bytes ? bytes : 1);
}

void
sy__free(const sy__alloc *a, void *ptr)
{
    if (ptr) (void)a->fn(a->ud, ptr, 0);
}

char *
sy__strdup(const sy__alloc *a, const char *s)
{
    return s ? sy__strndup(a, s, strlen(s)) : NULL;
}

char *
sy__strndup(const sy__alloc *a, const char *s, size_t len)
{
    char *copy = sy__malloc(a, len + 1);
    if (!copy) return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}
