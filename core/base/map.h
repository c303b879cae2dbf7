/* map.h: a hash map from byte strings to pointers; open addressing with linear probing, keys copied. */
#ifndef SY_BASE_MAP_H
#define SY_BASE_MAP_H

#include "base/alloc.h"

#include <stdbool.h>

/* One thread at a time, or a lock of the owner's. */
typedef struct sy__map {
    const sy__alloc *alloc;
    struct sy__map_slot *slots;
    size_t cap;   /* a power of two, or 0 */
    size_t count; /* live entries */
    size_t used;  /* live entries and tombstones */
} sy__map;

/* An empty map; its memory comes from `a`. Allocates nothing yet. */
void sy__map_init(sy__map *m, const sy__alloc *a);
/* Frees keys and slots; the values are the owner's. */
void sy__map_close(sy__map *m);
/* The value, or NULL. */
void *sy__map_get(const sy__map *m, const char *key, size_t len);
/* Adds or replaces; value must not be NULL. SY_ENOMEM leaves the map as it was. */
int sy__map_put(sy__map *m, const char *key, size_t len, void *value);
/* Removes and returns the value, or NULL. */
void *sy__map_del(sy__map *m, const char *key, size_t len);
/* Walks all entries in no order: start with *at = 0; false at the end. Deleting the current one is legal. */
bool sy__map_next(const sy__map *m, size_t *at, const char **key, size_t *len, void **value);

#endif
