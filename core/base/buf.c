/* buf.c: growth by doubling; one flag instead of a check at every append. */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

enum { SY__BUF_FIRST_BYTES = 64 };

void
sy__buf_init(sy__buf *b, const sy__alloc *a)
{
    *b = (sy__buf){.alloc = a};
}

void
sy__buf_close(sy__buf *b)
{
    sy__free(b->alloc, b->data);
    *b = (sy__buf){.alloc = b->alloc};
}

void
sy__buf_reset(sy__buf *b)
{
    b->len = 0;
    b->failed = false;
}

char *
sy__buf_reserve(sy__buf *b, size_t bytes)
{
    if (b->failed) return NULL;
    if (b->data && b->cap - b->len >= bytes) return b->data + b->len;
    size_t need, cap = b->cap ? b->cap : SY__BUF_FIRST_BYTES;
    if (__builtin_add_overflow(b->len, bytes, &need) || need > PTRDIFF_MAX / 2) {
        b->failed = true;
        return NULL;
    }
    while (cap < need) cap *= 2;
    char *data = sy__realloc(b->alloc, b->data, cap);
    if (!data) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->cap = cap;
    return data + b->len;
}

void
sy__buf_addi(sy__buf *b, int64_t n)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (n < 0) *--at = '-';
    sy__buf_add(b, at, (size_t)(digits + sizeof digits - at));
}

void
sy__buf_addf(sy__buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sy__buf_addv(b, format, args);
    va_end(args);
}

void
sy__buf_addv(sy__buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *to = n < 0 ? NULL : sy__buf_reserve(b, (size_t)n + 1);
    if (!to) return;
    (void)vsnprintf(to, (size_t)n + 1, format, args);
    b->len += (size_t)n;
}

const char *
sy__buf_cstr(sy__buf *b)
{
    char *end = sy__buf_reserve(b, 1);
    if (!end) return NULL;
    *end = '\0';
    return b->data;
}

char *
sy__buf_take(sy__buf *b, size_t *len)
{
    if (!sy__buf_cstr(b)) return NULL;
    char *data = b->data;
    if (len) *len = b->len;
    *b = (sy__buf){.alloc = b->alloc};
    return data;
}
