/*
 * buf.h: a byte buffer that grows, for text and for encoded values.
 *
 * A failed growth sets `failed` and turns every later append into nothing, so a writer checks once at
 * the end. The memory belongs to the buffer until sy__buf_take. One thread at a time; sizes are in bytes.
 */
#ifndef SY_BASE_BUF_H
#define SY_BASE_BUF_H

#include "base/alloc.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct sy__buf {
    const sy__alloc *alloc;
    char *data; /* not NUL-terminated unless sy__buf_cstr was called; NULL while empty */
    size_t len;
    size_t cap;
    bool failed; /* an allocation failed; the content is a prefix */
} sy__buf;

/* An empty text; its memory comes from `a`, which outlives it. Allocates nothing yet. */
void sy__buf_init(sy__buf *b, const sy__alloc *a);
/* Frees the content; the buffer is as after sy__buf_init. */
void sy__buf_close(sy__buf *b);
/* Forgets the content, keeps the memory, clears `failed`. */
void sy__buf_reset(sy__buf *b);
/* Room for `bytes` more; returns where to write them (then add to len), or NULL. */
char *sy__buf_reserve(sy__buf *b, size_t bytes);
static inline void
sy__buf_add(sy__buf *b, const void *bytes, size_t len)
{
    char *to = b->data && !b->failed && b->cap - b->len >= len ? b->data + b->len : sy__buf_reserve(b, len);
    if (!to || len == 0) return;
    memcpy(to, bytes, len);
    b->len += len;
}

static inline void
sy__buf_addc(sy__buf *b, char c)
{
    sy__buf_add(b, &c, 1);
}

static inline void
sy__buf_adds(sy__buf *b, const char *s)
{
    sy__buf_add(b, s, strlen(s));
}

/* A whole number, decimal. */
void sy__buf_addi(sy__buf *b, int64_t n);
void sy__buf_addf(sy__buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sy__buf_addv(sy__buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* The content with a NUL behind it that `len` does not count; "" when empty; NULL when failed. */
const char *sy__buf_cstr(sy__buf *b);
/* Hands the NUL-terminated memory to the caller (sy__free) and empties the buffer; NULL when failed. */
char *sy__buf_take(sy__buf *b, size_t *len);

#endif
