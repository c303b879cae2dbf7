/* near.h: 'did you mean': whether two names differ by a slip of the keyboard. Any thread. */
#ifndef SY_KIT_NEAR_H
#define SY_KIT_NEAR_H

#include <stddef.h>

/* Names longer than this many bytes are near nothing. */
enum { SY__NEAR_MAX_BYTES = 64 };

/*
 * The edits (insert, delete, replace, swap of neighbours) that turn one name into the other, when at most 2
 * and few enough for names so short; else -1. Allocates nothing.
 */
int sy__near(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
