/*
 * stream_memory.c: streams at level `none`: for each task and kind a ring of its last 1 MiB, for the whole host
 * 64 MiB. They live as long as their run is known to the engine.
 */
#include "pit/stream/stream_impl.h"

#include <stdio.h>
#include <string.h>

enum { RING_BYTES = 1 << 20, HOST_BYTES = 64 << 20, KEY_BYTES = 600 };

typedef struct kept {
    struct kept *next;
    int64_t position;
    size_t len;
    int attempt;
    char data[];
} kept;

typedef struct ring {
    kept *first, *last;
    size_t bytes;
} ring;

static int
key_of(char key[KEY_BYTES], const char *task, sy__stream_kind kind)
{
    int n = snprintf(key, KEY_BYTES, "%s %s", task, sy__stream_name(kind));
    return n < KEY_BYTES ? n : KEY_BYTES - 1;
}

static void
drop_first(sy__engine *e, ring *g)
{
    kept *k = g->first;
    g->first = k->next;
    if (!g->first) g->last = NULL;
    g->bytes -= k->len;
    (void)atomic_fetch_sub(&e->ring_bytes, (long long)k->len);
    sy__free(e->alloc, k);
}

/* The ring, made when it is missing; run.lock held. */
static ring *
ring_of(sy__run *r, const char *task, sy__stream_kind kind)
{
    char key[KEY_BYTES];
    int len = key_of(key, task, kind);
    ring *g = sy__map_get(&r->rings, key, (size_t)len);
    if (g) return g;
    g = sy__calloc(r->engine->alloc, 1, sizeof *g);
    if (g && sy__map_put(&r->rings, key, (size_t)len, g) == SY_OK) return g;
    sy__free(r->engine->alloc, g);
    return NULL;
}

static void
append(sy__engine *e, ring *g, kept *k)
{
    if (g->last)
        g->last->next = k;
    else
        g->first = k;
    g->last = k;
    g->bytes += k->len;
    (void)atomic_fetch_add(&e->ring_bytes, (long long)k->len);
    while (g->first != g->last && (g->bytes > RING_BYTES || atomic_load(&e->ring_bytes) > HOST_BYTES)) drop_first(e, g);
}

void
sy__stream_keep(sy__stage *s, sy__task *t, sy__stream_kind kind, int64_t position, const char *bytes, size_t len)
{
    sy__engine *e = s->engine;
    kept *k = sy__malloc(e->alloc, sizeof *k + len);
    if (!k) return; /* readers see a gap */
    *k = (kept){.position = position, .len = len, .attempt = (int)t->attempts};
    memcpy(k->data, bytes, len);
    sy__buf_reset(&s->text);
    sy__task_key(t, &s->text);
    const char *key = sy__buf_cstr(&s->text);
    (void)pthread_mutex_lock(&t->run->lock);
    ring *g = key ? ring_of(t->run, key, kind) : NULL;
    if (g) append(e, g, k);
    (void)pthread_mutex_unlock(&t->run->lock);
    if (!g) sy__free(e->alloc, k);
}

/* Adds what of `k` lies from out->next on; false: it belongs to another piece. */
static bool
take(const kept *k, size_t max, sy__stream_piece *out)
{
    if (out->bytes.len == 0) {
        if (k->position > out->offset) out->offset = out->next = k->position;
        out->attempt = k->attempt;
    }
    if (k->attempt != out->attempt || k->position > out->next) return false;
    size_t from = (size_t)(out->next - k->position), n = k->len - from, room = max - out->bytes.len;
    if (n > room) n = room;
    sy__buf_add(&out->bytes, k->data + from, n);
    out->next += (int64_t)n;
    return true;
}

int
sy__stream_recall(sy__run *r, const char *task, sy__stream_kind kind, int64_t offset, size_t max_bytes,
                  sy__stream_piece *out)
{
    char key[KEY_BYTES];
    int len = key_of(key, task, kind);
    bool last = false;
    (void)pthread_mutex_lock(&r->lock);
    const ring *g = sy__map_get(&r->rings, key, (size_t)len);
    out->offset = out->next = offset;
    out->epoch = r->epoch;
    for (const kept *k = g ? g->first : NULL; k && !last && out->bytes.len < max_bytes; k = k->next)
        if (k->position + (int64_t)k->len > offset) last = !take(k, max_bytes, out);
    last = last || r->ended;
    (void)pthread_mutex_unlock(&r->lock);
    sy__stream_trim(out, kind, last, max_bytes);
    return out->bytes.failed ? SY_ENOMEM : SY_OK;
}

void
sy__stream_forget(sy__run *r)
{
    size_t at = 0, len;
    const char *key;
    void *g;
    while (sy__map_next(&r->rings, &at, &key, &len, &g)) {
        while (((ring *)g)->first) drop_first(r->engine, g);
        sy__free(r->engine->alloc, g);
    }
    sy__map_close(&r->rings);
}

/* ---- whole characters and lines ---- */

static size_t
whole_lines(const sy__buf *b)
{
    size_t end = b->len;
    while (end > 0 && b->data[end - 1] != '\n') end--;
    return end;
}

/* Without the beginning of a sequence whose rest is not there; bytes that are no UTF-8 stay. */
static size_t
whole_characters(const sy__buf *b)
{
    for (size_t back = 1; back <= 3 && back <= b->len; back++) {
        unsigned char c = (unsigned char)b->data[b->len - back];
        size_t wants = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        if (c >= 0xc0) return wants > back ? b->len - back : b->len;
        if (c < 0x80) break;
    }
    return b->len;
}

void
sy__stream_trim(sy__stream_piece *p, sy__stream_kind kind, bool last, size_t max_bytes)
{
    size_t len = p->bytes.len;
    bool full = len >= max_bytes;
    if (len == 0 || (last && !full)) return;
    size_t end = kind == SY__STREAM_TOKENS ? whole_characters(&p->bytes) : whole_lines(&p->bytes);
    if (end == 0 && full) return; /* a line that is longer than all that was asked for */
    p->bytes.len = end;
    p->next -= (int64_t)(len - end);
}
