/*
 * artifact.h: content by its SHA-256: stored once, compressed, verified on every read.
 *
 * Small content lies in the database (table blob), larger content in files artifacts/ab/cdef…: written to a
 * temporary name, fsynced, renamed, the folder fsynced. Equal bytes are one blob. Rows of ARTIFACT (one per
 * production) are the engine's; this room knows content only. Any thread may call.
 */
#ifndef SY_PIT_ARTIFACT_H
#define SY_PIT_ARTIFACT_H

#include "db/db.h"

typedef struct sy__artifacts sy__artifacts;

enum { SY__HASH_BYTES = 72 /* "sha256:" + 64 hex digits + NUL */ };

/* The database must stay open until sy__artifacts_close, which flushes and waits for the rows. */
int sy__artifacts_open(sy__artifacts **out, sy__db *db, const sy__alloc *a, sy__error *err);
void sy__artifacts_close(sy__artifacts *s);
/* Replaces the system's clock; before the first put. */
void sy__artifacts_set_clock(sy__artifacts *s, const sy__clock *clock);

/* A decision of this room or of the stale manager, for a PIT_OPERATION row. All strings are borrowed. */
typedef struct sy__pit_record {
    const char *operation_type; /* artifact_storage | stale_management */
    const char *hash;           /* the content it is about: whose artifacts the row belongs to */
    const char *context;        /* JSON: {"action":"verify_failed"|"archive"|"delete"|"pin"|"unpin", …} */
    const char *resources;      /* JSON: {"bytes": n} or {} */
} sy__pit_record;
/* Called in the thread that decided, after it took effect; may put rows, must not call this room. */
typedef void (*sy__pit_record_fn)(void *ud, const sy__pit_record *record);
/* fn NULL: nobody wants to know. Before the first put. */
void sy__artifacts_set_record(sy__artifacts *s, sy__pit_record_fn fn, void *ud);

/* What a put did. */
typedef struct sy__stored {
    char hash[SY__HASH_BYTES];
    int64_t size;        /* bytes of the content */
    int64_t stored_size; /* bytes it takes, compressed; of the existing blob when deduplicated */
    bool dedup;          /* the content was there already */
} sy__stored;

/* Stores bytes. They are durable once sy__artifacts_flush (files) and a db ticket taken after it (rows) are. */
int sy__artifact_put(sy__artifacts *s, sy__durability level, const void *bytes, size_t size, sy__stored *out,
                     sy__error *err);
/* fsyncs files put since the last flush, and their folders; called by the engine before it queues rows that refer to
 * them. */
int sy__artifacts_flush(sy__artifacts *s, sy__error *err);

/* Streams: content of any size in bounded memory. */
typedef struct sy__artifact_writer sy__artifact_writer;
int sy__artifact_writer_open(sy__artifact_writer **out, sy__artifacts *s, sy__durability level, sy__error *err);
int sy__artifact_write(sy__artifact_writer *w, const void *bytes, size_t size, sy__error *err);
/* Ends and frees the writer, also on failure. out NULL: throws the content away. */
int sy__artifact_writer_close(sy__artifact_writer *w, sy__stored *out, sy__error *err);

/* Appends the verified content to `out`. SY_ENOTFOUND; SY_EDAMAGED when the hash does not match. */
int sy__artifact_get(sy__artifacts *s, const char *hash, sy__buf *out, sy__error *err);
typedef struct sy__artifact_reader sy__artifact_reader;
int sy__artifact_reader_open(sy__artifact_reader **out, sy__artifacts *s, const char *hash, int64_t *size,
                             sy__error *err);
/* Bytes read (0: the end, verified), or a negative code. Content is verified when the end is reached. */
int64_t sy__artifact_read(sy__artifact_reader *r, void *to, size_t room, sy__error *err);
void sy__artifact_reader_close(sy__artifact_reader *r);
/* Reads all and compares; SY_OK, SY_ENOTFOUND or SY_EDAMAGED. */
int sy__artifact_verify(sy__artifacts *s, const char *hash, sy__error *err);

/* "sha256:…" of bytes. */
void sy__hash_of(const void *bytes, size_t size, char out[SY__HASH_BYTES]);

#endif
