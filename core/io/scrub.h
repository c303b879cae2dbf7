/*
 * scrub.h: what comes back from outside, with the values of secrets replaced by [secret:NAME].
 *
 * A value is found as it is, and as base64 (in each of three positions, with either alphabet), percent-encoded, in hex
 * and escaped as in JSON. What was changed in any other way is not: this keeps accidents out of what is stored, and
 * somebody who may have the value could hide it. One thread at a time; the set is immutable once streams use it.
 */
#ifndef SY_IO_SCRUB_H
#define SY_IO_SCRUB_H

#include "base/error.h"
#include "io/secret.h"

typedef struct sy__scrubber sy__scrubber;

/* An empty set; count 1, of one thread. SY_ENOMEM. */
int sy__scrubber_new(sy__scrubber **out, const sy__alloc *a, sy__error *err);
sy__scrubber *sy__scrubber_hold(sy__scrubber *s);
void sy__scrubber_release(sy__scrubber *s);
/* SY_ENOMEM: it is not looked for. */
int sy__scrubber_add(sy__scrubber *s, const sy__secret *secret, sy__error *err);

/* A stream of bytes: keeps back an end that may be the beginning of a value. `of` NULL: everything passes. */
typedef struct sy__scrub {
    const sy__scrubber *of;
    sy__buf held;
} sy__scrub;

void sy__scrub_init(sy__scrub *s, const sy__scrubber *of, const sy__alloc *a);
/* Appends to `out` what is certain. Without memory `out->failed` is set, and bytes are lost rather than shown. */
void sy__scrub_feed(sy__scrub *s, const char *bytes, size_t len, sy__buf *out);
/* The stream has ended: appends what was kept back. */
void sy__scrub_end(sy__scrub *s, sy__buf *out);
/* Forgets what was kept back: another stream begins. */
void sy__scrub_restart(sy__scrub *s);
void sy__scrub_close(sy__scrub *s);

/* A whole text; `of` NULL: as it is. */
void sy__scrub_all(const sy__scrubber *of, const char *bytes, size_t len, sy__buf *out);
/* Message and hint of an error, in place. */
void sy__scrub_error(const sy__scrubber *of, const sy__alloc *a, sy__error *err);

#endif
