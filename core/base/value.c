/*
 * value.c: reading and building encoded values.
 *
 * A container is written with room for its two counts, which sy__vbuf_end fills in. Its open state
 * (offset, count, whether the keys came in order) lies on a small stack buffer. Keys out of order are
 * sorted once, when the map closes, through an array of entry offsets.
 */
#include "base/value.h"

#include "base/bounds.h"
#include "base/text.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 9 /* tag, u32 bytes, u32 count */, STR_HEAD = 5 };

static uint32_t
get_u32(const char *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof n);
    return n;
}

static void
put_u32(char *p, size_t n)
{
    uint32_t v = (uint32_t)n;
    memcpy(p, &v, sizeof v);
}

/* The size of the value at `p`, whose bytes are known to be well-formed. */
static size_t
size_at(const char *p)
{
    switch ((sy__kind)*p) {
    case SY__INT:
    case SY__NUM: return 9;
    case SY__STR: return STR_HEAD + (size_t)get_u32(p + 1);
    case SY__ARRAY:
    case SY__MAP: return HEAD + (size_t)get_u32(p + 1);
    default: return 1;
    }
}

sy__kind
sy__value_kind(sy__value v)
{
    return v.data ? (sy__kind)*v.data : SY__NULL;
}

bool
sy__value_bool(sy__value v)
{
    return sy__value_kind(v) == SY__TRUE;
}

int64_t
sy__value_int(sy__value v)
{
    int64_t i = 0;
    if (sy__value_kind(v) == SY__INT) memcpy(&i, v.data + 1, sizeof i);
    if (sy__value_kind(v) == SY__NUM) {
        double d = sy__value_num(v);
        i = d >= -9223372036854775808.0 && d < 9223372036854775808.0 ? (int64_t)d : 0;
    }
    return i;
}

double
sy__value_num(sy__value v)
{
    double d = 0;
    if (sy__value_kind(v) == SY__NUM) memcpy(&d, v.data + 1, sizeof d);
    if (sy__value_kind(v) == SY__INT) d = (double)sy__value_int(v);
    return d;
}

const char *
sy__value_str(sy__value v, size_t *len)
{
    if (sy__value_kind(v) != SY__STR) return NULL;
    if (len) *len = get_u32(v.data + 1);
    return v.data + STR_HEAD;
}

size_t
sy__value_count(sy__value v)
{
    sy__kind kind = sy__value_kind(v);
    return kind == SY__ARRAY || kind == SY__MAP ? get_u32(v.data + 5) : 0;
}

void
sy__value_iter_init(sy__value_iter *it, sy__value v)
{
    *it = (sy__value_iter){0};
    sy__kind kind = sy__value_kind(v);
    if (kind != SY__ARRAY && kind != SY__MAP) return;
    it->map = kind == SY__MAP;
    it->at = v.data + HEAD;
    it->end = v.data + v.size;
}

bool
sy__value_iter_next(sy__value_iter *it)
{
    if (it->at == it->end) return false;
    if (it->map) {
        it->key_len = get_u32(it->at);
        it->key = it->at + 4;
        it->at = it->key + it->key_len;
    }
    it->value = (sy__value){it->at, size_at(it->at)};
    it->at += it->value.size;
    return true;
}

bool
sy__value_get(sy__value v, const char *key, size_t key_len, sy__value *out)
{
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    if (!it.map) return false;
    while (sy__value_iter_next(&it)) {
        if (it.key_len == key_len && memcmp(it.key, key, key_len) == 0) {
            *out = it.value;
            return true;
        }
    }
    return false;
}

bool
sy__value_at(sy__value v, size_t index, sy__value *out)
{
    if (sy__value_kind(v) != SY__ARRAY) return false;
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        if (index-- == 0) {
            *out = it.value;
            return true;
        }
    }
    return false;
}

static size_t check_at(const char *p, size_t size, int depth);

/* Whether the payload of a container holds exactly `count` well-formed items, keys in strict order. */
static bool
check_items(const char *p, size_t size, size_t count, bool map, int depth)
{
    const char *key = NULL;
    size_t key_len = 0;
    while (count-- > 0) {
        if (map) {
            if (size < 4 || size - 4 < get_u32(p)) return false;
            size_t len = get_u32(p);
            if (key && sy__text_order(key, key_len, p + 4, len) >= 0) return false;
            key = p + 4;
            key_len = len;
            p += 4 + len;
            size -= 4 + len;
        }
        size_t n = check_at(p, size, depth);
        if (n == 0) return false;
        p += n;
        size -= n;
    }
    return size == 0;
}

/* The size of the well-formed value at `p`, or 0. */
static size_t
check_at(const char *p, size_t size, int depth)
{
    if (size == 0 || depth > SY_MAX_VALUE_DEPTH) return 0;
    size_t need;
    switch ((sy__kind)*p) {
    case SY__NULL:
    case SY__FALSE:
    case SY__TRUE: return 1;
    case SY__INT:
    case SY__NUM: return size >= 9 ? 9 : 0;
    case SY__STR:
        if (size < STR_HEAD) return 0;
        need = STR_HEAD + (size_t)get_u32(p + 1);
        return size >= need ? need : 0;
    case SY__ARRAY:
    case SY__MAP:
        if (size < HEAD) return 0;
        need = HEAD + (size_t)get_u32(p + 1);
        if (size < need) return 0;
        return check_items(p + HEAD, need - HEAD, get_u32(p + 5), *p == SY__MAP, depth + 1) ? need : 0;
    default: return 0;
    }
}

bool
sy__value_check(const char *data, size_t size)
{
    return size > 0 && size <= SY_MAX_VALUE_BYTES && check_at(data, size, 0) == size;
}

bool
sy__value_equal(sy__value a, sy__value b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

sy__value
sy__value_null(void)
{
    static const char null[1] = {SY__NULL};
    return (sy__value){null, 1};
}

/* ---- building ---- */

/* An open container, kept on the builder's stack. */
typedef struct open_container {
    size_t head;     /* offset of its tag */
    size_t count;    /* items so far */
    size_t last_key; /* offset of the last key's length; 0: none */
    bool map;
    bool key_given; /* a key waits for its value */
    bool unsorted;  /* a key came out of order */
} open_container;

void
sy__vbuf_init(sy__vbuf *b, const sy__alloc *a)
{
    *b = (sy__vbuf){0};
    sy__buf_init(&b->buf, a);
    sy__buf_init(&b->stack, a);
}

void
sy__vbuf_close(sy__vbuf *b)
{
    sy__buf_close(&b->buf);
    sy__buf_close(&b->stack);
}

void
sy__vbuf_reset(sy__vbuf *b)
{
    sy__buf_reset(&b->buf);
    sy__buf_reset(&b->stack);
    b->depth = 0;
    b->error = SY_OK;
}

static void
fail(sy__vbuf *b, int code)
{
    if (b->error == SY_OK) b->error = code;
}

static open_container *
top(sy__vbuf *b)
{
    return b->depth ? (open_container *)(void *)b->stack.data + b->depth - 1 : NULL;
}

/* Room for one value of `bytes`, counted in its container; NULL after any error. */
static char *
put(sy__vbuf *b, size_t bytes)
{
    if (b->error) return NULL;
    open_container *in = top(b);
    if (in && in->map != in->key_given) {
        fail(b, SY_EINVAL);
        return NULL;
    }
    if (b->buf.len + bytes > SY_MAX_VALUE_BYTES) {
        fail(b, SY_EINVAL);
        return NULL;
    }
    char *to = sy__buf_reserve(&b->buf, bytes);
    if (!to) {
        fail(b, SY_ENOMEM);
        return NULL;
    }
    b->buf.len += bytes;
    if (in) {
        in->count++;
        in->key_given = false;
    }
    return to;
}

static void
put_tag(sy__vbuf *b, sy__kind kind)
{
    char *to = put(b, 1);
    if (to) *to = (char)kind;
}

void
sy__vbuf_null(sy__vbuf *b)
{
    put_tag(b, SY__NULL);
}

void
sy__vbuf_bool(sy__vbuf *b, bool on)
{
    put_tag(b, on ? SY__TRUE : SY__FALSE);
}

void
sy__vbuf_int(sy__vbuf *b, int64_t i)
{
    char *to = put(b, 9);
    if (!to) return;
    *to = SY__INT;
    memcpy(to + 1, &i, sizeof i);
}

void
sy__vbuf_num(sy__vbuf *b, double d)
{
    char *to = put(b, 9);
    if (!to) return;
    *to = SY__NUM;
    memcpy(to + 1, &d, sizeof d);
}

void
sy__vbuf_str(sy__vbuf *b, const char *s, size_t len)
{
    if (len > SY_MAX_VALUE_BYTES) {
        fail(b, SY_EINVAL);
        return;
    }
    char *to = put(b, STR_HEAD + len);
    if (!to) return;
    *to = SY__STR;
    put_u32(to + 1, len);
    if (len) memcpy(to + STR_HEAD, s, len);
}

void
sy__vbuf_cstr(sy__vbuf *b, const char *s)
{
    sy__vbuf_str(b, s, strlen(s));
}

void
sy__vbuf_value(sy__vbuf *b, sy__value v)
{
    if (!v.data) v = sy__value_null();
    char *to = put(b, v.size);
    if (to) memcpy(to, v.data, v.size);
}

static void
open_kind(sy__vbuf *b, sy__kind kind)
{
    size_t head = b->buf.len;
    char *to = put(b, HEAD);
    if (!to) return;
    *to = (char)kind;
    if (b->depth >= SY_MAX_VALUE_DEPTH) {
        fail(b, SY_EINVAL);
        return;
    }
    open_container c = {.head = head, .map = kind == SY__MAP};
    b->stack.len = (size_t)b->depth * sizeof c;
    sy__buf_add(&b->stack, &c, sizeof c);
    if (b->stack.failed)
        fail(b, SY_ENOMEM);
    else
        b->depth++;
}

void
sy__vbuf_array(sy__vbuf *b)
{
    open_kind(b, SY__ARRAY);
}

void
sy__vbuf_map(sy__vbuf *b)
{
    open_kind(b, SY__MAP);
}

void
sy__vbuf_key(sy__vbuf *b, const char *key, size_t len)
{
    open_container *in = top(b);
    if (b->error) return;
    if (!in || !in->map || in->key_given || len > SY_MAX_VALUE_BYTES) {
        fail(b, SY_EINVAL);
        return;
    }
    char *to = sy__buf_reserve(&b->buf, 4 + len);
    if (!to) {
        fail(b, SY_ENOMEM);
        return;
    }
    put_u32(to, len);
    if (len) memcpy(to + 4, key, len);
    if (in->last_key) {
        const char *last = b->buf.data + in->last_key;
        int order = sy__text_order(last + 4, get_u32(last), key, len);
        if (order == 0) fail(b, SY_EINVAL);
        if (order > 0) in->unsorted = true;
    }
    in->last_key = b->buf.len;
    in->key_given = true;
    b->buf.len += 4 + len;
}

static int
by_key(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    return sy__text_order(x + 4, get_u32(x), y + 4, get_u32(y));
}

/* Puts the entries of the map that starts at `head` in order; false: no memory or a key twice. */
static int
sort_entries(sy__vbuf *b, size_t head, size_t count)
{
    const sy__alloc *a = b->buf.alloc;
    char *payload = b->buf.data + head + HEAD;
    size_t size = b->buf.len - head - HEAD;
    const char **entry = sy__malloc(a, count * sizeof *entry);
    char *copy = sy__malloc(a, size);
    int status = entry && copy ? SY_OK : SY_ENOMEM;
    if (status) goto out;
    memcpy(copy, payload, size);
    const char *p = copy;
    for (size_t i = 0; i < count; i++) {
        entry[i] = p;
        p += 4 + get_u32(p);
        p += size_at(p);
    }
    qsort(entry, count, sizeof *entry, by_key);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && by_key(&entry[i - 1], &entry[i]) == 0) status = SY_EINVAL;
        const char *value = entry[i] + 4 + get_u32(entry[i]);
        size_t n = (size_t)(value - entry[i]) + size_at(value);
        memcpy(payload, entry[i], n);
        payload += n;
    }
out:
    sy__free(a, entry);
    sy__free(a, copy);
    return status;
}

void
sy__vbuf_end(sy__vbuf *b)
{
    open_container *in = top(b);
    if (b->error) return;
    if (!in || in->key_given) {
        fail(b, SY_EINVAL);
        return;
    }
    char *head = b->buf.data + in->head;
    put_u32(head + 1, b->buf.len - in->head - HEAD);
    put_u32(head + 5, in->count);
    if (in->unsorted) {
        int status = sort_entries(b, in->head, in->count);
        if (status) fail(b, status);
    }
    b->depth--;
}

int
sy__vbuf_done(sy__vbuf *b, sy__value *out)
{
    if (!b->error && (b->depth || b->buf.len == 0)) fail(b, SY_EINVAL);
    *out = b->error ? (sy__value){0} : (sy__value){b->buf.data, b->buf.len};
    return b->error;
}

/* ---- shared values ---- */

struct sy__blob {
    const sy__alloc *alloc;
    atomic_int refs;
    size_t size;
    char data[];
};

sy__blob *
sy__blob_new(const sy__alloc *a, sy__value v)
{
    if (!v.data) v = sy__value_null();
    sy__blob *b = sy__malloc(a, sizeof *b + v.size);
    if (!b) return NULL;
    b->alloc = a;
    atomic_init(&b->refs, 1);
    b->size = v.size;
    memcpy(b->data, v.data, v.size);
    return b;
}

sy__blob *
sy__blob_hold(sy__blob *b)
{
    if (b) atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void
sy__blob_release(sy__blob *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) return;
    sy__free(b->alloc, b);
}

sy__value
sy__blob_value(const sy__blob *b)
{
    return b ? (sy__value){b->data, b->size} : sy__value_null();
}
