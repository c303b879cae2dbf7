/*
 * topic.c: words are found with memchr and hashed eight bytes at a time and only when needed, since a topic
 * of a task holds two 36-byte ids and is split once for each publish.
 */
#include "router/topic.h"

#include "router/router.h"

#include <string.h>

static uint32_t
hash_of(const char *s, size_t len)
{
    uint64_t h = 0x9E3779B97F4A7C15u ^ len, part;
    for (; len >= 8; s += 8, len -= 8) {
        memcpy(&part, s, 8);
        h = (h ^ part) * 0xFF51AFD7ED558CCDu;
        h ^= h >> 32;
    }
    part = 0;
    memcpy(&part, s, len);
    h = (h ^ part) * 0xC4CEB9FE1A85EC53u;
    uint32_t hash = (uint32_t)(h ^ h >> 29 ^ h >> 43);
    return hash ? hash : 1;
}

uint32_t
sy__word_hash(sy__word *w)
{
    if (w->hash == 0) w->hash = hash_of(w->text, w->len);
    return w->hash;
}

bool
sy__words_split(sy__words *w, const char *text)
{
    const char *end = text + strlen(text);
    w->count = 0;
    w->more = false;
    for (const char *at = text;;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        size_t len = (size_t)((dot ? dot : end) - at);
        if (len == 0 || len > UINT32_MAX) return false;
        if (w->count <= SY__TOPIC_WORDS)
            w->list[w->count++] = (sy__word){at, (uint32_t)len, 0};
        else
            w->more = true;
        if (!dot) return true;
        at = dot + 1;
    }
}

bool
sy__word_is(const sy__word *w, char c)
{
    return w->len == 1 && *w->text == c;
}

bool
sy__word_equal(const sy__word *a, const sy__word *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* A wildcard is a word of its own: `a*` would look as if it matched a part of a word. */
static bool
word_valid(const sy__word *w, bool last)
{
    if (sy__word_is(w, '*')) return true;
    if (sy__word_is(w, '>')) return last;
    return !memchr(w->text, '*', w->len) && !memchr(w->text, '>', w->len);
}

bool
sy__topic_pattern_valid(const char *pattern)
{
    sy__words w;
    if (!pattern || strnlen(pattern, SY__TOPIC_BYTES + 1) > SY__TOPIC_BYTES) return false;
    if (!sy__words_split(&w, pattern) || w.count > SY__TOPIC_WORDS) return false;
    for (int i = 0; i < w.count; i++)
        if (!word_valid(&w.list[i], i == w.count - 1)) return false;
    return true;
}

bool
sy__topic_match(const char *pattern, const char *topic)
{
    sy__words p, t;
    if (!sy__words_split(&p, pattern) || !sy__words_split(&t, topic)) return false;
    for (int i = 0; i < p.count; i++) {
        if (i == t.count) return false;
        if (sy__word_is(&p.list[i], '>')) return true;
        if (!sy__word_is(&p.list[i], '*') && !sy__word_equal(&p.list[i], &t.list[i])) return false;
    }
    return p.count == t.count && !t.more;
}
