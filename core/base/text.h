/* text.h: UTF-8 (RFC 3629) and JSON strings (RFC 8259), independent of the C locale. */
#ifndef SY_BASE_TEXT_H
#define SY_BASE_TEXT_H

#include "base/buf.h"

/* Whether all `len` bytes are well-formed UTF-8 (no surrogates, no overlong forms). */
bool sy__utf8_valid(const char *s, size_t len);
/* Length in bytes (1-4) of the well-formed sequence at `s`, or 0 when there is none within `len`. */
size_t sy__utf8_next(const char *s, size_t len);
/* The longest prefix of at most `max` bytes that does not end inside a sequence. */
size_t sy__utf8_cut(const char *s, size_t max);
/* Appends a quoted, escaped JSON string; each malformed byte becomes U+FFFD. */
void sy__json_string(sy__buf *out, const char *s, size_t len);

#endif
