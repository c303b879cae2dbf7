/*
 * id.h: UUIDv7 as text (RFC 9562, section 5.7), so that ids sort by the time they were made.
 *
 * Within one millisecond a source counts upwards in the 12 + 62 random bits (the RFC's method 2), so the
 * ids of one source are strictly increasing and insert at the end of a b-tree.
 */
#ifndef SY_BASE_ID_H
#define SY_BASE_ID_H

#include "base/clock.h"

enum { SY__ID_BYTES = 37 /* 36 characters and NUL */ };

/* One sequence of ids. Not thread-safe: each thread has its own. */
typedef struct sy__id_source {
    const sy__clock *clock;
    int64_t last_ms;
    uint64_t high; /* 12 bits */
    uint64_t low;  /* 62 bits */
} sy__id_source;

/* A source of ids over a borrowed clock. */
void sy__id_source_init(sy__id_source *s, const sy__clock *clock);
/* The next id, NUL-terminated and greater than all before it. One thread at a time. */
void sy__id_next(sy__id_source *s, char out[SY__ID_BYTES]);
/* Whether `text` has the shape of a full id. */
bool sy__id_valid(const char *text);

#endif
