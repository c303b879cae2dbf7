/*
 * stale_impl.h: what the files of the stale manager share. Nobody else includes it. The thread that collects.
 *
 *     stale.c          one collection from end to end, and pins
 *     stale_refs.c     which contents something living refers to
 *     stale_archive.c  packing harder what is old
 *     stale_delete.c   deleting under pressure, rechecked in the transaction that deletes
 *     stale_sweep.c    files that no row refers to any more
 */
#ifndef SY_PIT_STALE_IMPL_H
#define SY_PIT_STALE_IMPL_H

#include "pit/artifact/artifact_impl.h"
#include "pit/stale/stale.h"

enum { SY__STALE_BATCH = 32 /* contents a step changes while it holds the writer */ };

/* A content that may be archived or deleted. */
typedef struct sy__candidate {
    char hash[SY__HASH_BYTES];
    char last_used[SY__STAMP_BYTES];
    int64_t size, stored_size;
    sy__encoding encoding;
    bool in_file;
    bool done; /* it was changed */
} sy__candidate;

typedef struct sy__candidates {
    sy__candidate *list;
    int count, cap;
} sy__candidates;

/* One collection. */
typedef struct sy__collection {
    sy__artifacts *store;
    const sy__stale_policy *policy;
    sy__stale_report *report;
    sqlite3 *conn;                        /* a reader */
    char started[SY__STAMP_BYTES];        /* when it began */
    char hot_since[SY__STAMP_BYTES];      /* runs that ended later are left alone */
    char archive_before[SY__STAMP_BYTES]; /* "" : nothing is archived */
    char grace_before[SY__STAMP_BYTES];   /* what was used later is not deleted */
    sy__map referenced;                   /* hashes that something living refers to */
    sy__map pinned;
} sy__collection;

/* Adds every hash that runs refer to which live, or ended at `since` or later. */
int sy__stale_references(sqlite3 *conn, const char *since, sy__map *out, sy__error *err);
int sy__stale_pins(sqlite3 *conn, sy__map *out, sy__error *err);
bool sy__stale_has(const sy__map *set, const char *hash);

/* The rows of a query with the columns hash, last_used_at, size, stored_size, encoding, content IS NULL and one
 * text parameter, for which `wanted` says yes. */
int sy__stale_candidates(sy__collection *c, const char *sql, const char *text,
                         bool (*wanted)(sy__collection *c, const sy__candidate *one), sy__candidates *out,
                         sy__error *err);
void sy__stale_candidates_close(sy__collection *c, sy__candidates *list);

/* The steps of a collection, in this order, and the row that says what one of them did to a content. */
int sy__stale_archive(sy__collection *c, sy__error *err);
int sy__stale_delete(sy__collection *c, sy__error *err);
/* Deletes what no row refers to. */
int sy__stale_orphans(sy__collection *c, sy__error *err);
int sy__stale_sweep(sy__collection *c, sy__error *err);
void sy__stale_tell(sy__collection *c, const char *action, const char *hash, int64_t before, int64_t after);

#endif
