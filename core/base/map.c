/* map.c: slots hold the full hash, so that probing and growing never compare or rehash keys in vain. */
#include "base/map.h"

#include <string.h>

struct sy__map_slot {
    uint64_t hash;
    char *key; /* NULL: free */
    size_t len;
    void *value; /* NULL with a key: a tombstone */
};

static uint64_t
hash_of(const char *key, size_t len)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)key[i]) * 0x100000001B3u;
    return h ^ h >> 32;
}

void
sy__map_init(sy__map *m, const sy__alloc *a)
{
    *m = (sy__map){.alloc = a};
}

void
sy__map_close(sy__map *m)
{
    for (size_t i = 0; i < m->cap; i++) sy__free(m->alloc, m->slots[i].key);
    sy__free(m->alloc, m->slots);
    sy__map_init(m, m->alloc);
}

static struct sy__map_slot *
find(const sy__map *m, const char *key, size_t len, uint64_t hash)
{
    if (m->cap == 0) return NULL;
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct sy__map_slot *s = &m->slots[i];
        if (!s->key) return NULL;
        if (s->value && s->hash == hash && s->len == len && memcmp(s->key, key, len) == 0) return s;
    }
}

void *
sy__map_get(const sy__map *m, const char *key, size_t len)
{
    struct sy__map_slot *s = find(m, key, len, hash_of(key, len));
    return s ? s->value : NULL;
}

static struct sy__map_slot *
free_slot(struct sy__map_slot *slots, size_t cap, uint64_t hash)
{
    size_t i = hash & (cap - 1);
    while (slots[i].key) i = (i + 1) & (cap - 1);
    return &slots[i];
}

static int
grow(sy__map *m)
{
    size_t cap = m->cap ? m->cap : 16;
    while (cap < (m->count + 1) * 2) cap *= 2;
    struct sy__map_slot *slots = sy__calloc(m->alloc, cap, sizeof *slots);
    if (!slots) return SY_ENOMEM;
    for (size_t i = 0; i < m->cap; i++) {
        struct sy__map_slot *s = &m->slots[i];
        if (s->value)
            *free_slot(slots, cap, s->hash) = *s;
        else
            sy__free(m->alloc, s->key);
    }
    sy__free(m->alloc, m->slots);
    m->slots = slots;
    m->cap = cap;
    m->used = m->count;
    return SY_OK;
}

int
sy__map_put(sy__map *m, const char *key, size_t len, void *value)
{
    uint64_t hash = hash_of(key, len);
    struct sy__map_slot *s = find(m, key, len, hash);
    if (s) {
        s->value = value;
        return SY_OK;
    }
    if ((m->used + 1) * 4 > m->cap * 3 && grow(m)) return SY_ENOMEM;
    char *copy = sy__strndup(m->alloc, key, len);
    if (!copy) return SY_ENOMEM;
    *free_slot(m->slots, m->cap, hash) = (struct sy__map_slot){hash, copy, len, value};
    m->count++;
    m->used++;
    return SY_OK;
}

void *
sy__map_del(sy__map *m, const char *key, size_t len)
{
    struct sy__map_slot *s = find(m, key, len, hash_of(key, len));
    if (!s) return NULL;
    void *value = s->value;
    s->value = NULL;
    m->count--;
    return value;
}

bool
sy__map_next(const sy__map *m, size_t *at, const char **key, size_t *len, void **value)
{
    while (*at < m->cap) {
        const struct sy__map_slot *s = &m->slots[(*at)++];
        if (!s->value) continue;
        *key = s->key;
        *len = s->len;
        *value = s->value;
        return true;
    }
    return false;
}
