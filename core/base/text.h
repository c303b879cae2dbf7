/* text.h: UTF-8 (RFC 3629), JSON strings (RFC 8259) and the order of keys, independent of the C locale. Any thread. */
#ifndef SY_BASE_TEXT_H
#define SY_BASE_TEXT_H

#include "base/buf.h"

#include <string.h>

/* Whether all `len` bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool sy__utf8_valid(const char *s, size_t len);
/* Length in bytes (1-4) of the well-formed sequence at `s`, or 0 when there is none within `len`. */
size_t sy__utf8_next(const char *s, size_t len);
/* The longest prefix of at most `max` bytes that does not end inside a sequence. */
size_t sy__utf8_cut(const char *s, size_t max);
/* The order of two texts by their bytes, as keys of a map have it: negative, 0 or positive. */
static inline int
sy__text_order(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}
/* Appends a quoted, escaped JSON string; each malformed byte becomes U+FFFD. */
void sy__json_string(sy__buf *out, const char *s, size_t len);
/* Whether a text is one JSON value (RFC 8259, at most SY__JSON_LEVELS levels). As SQLite's json_valid it does not ask
 * whether strings are well-formed UTF-8. */
bool sy__json_valid(const char *text, size_t len);
enum { SY__JSON_LEVELS = 2000 };

#endif
