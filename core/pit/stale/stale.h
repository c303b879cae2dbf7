/*
 * stale.h: the stale manager: what may be archived or deleted, and when.
 *
 * Retention: hot, archived (recompressed harder), deleted under pressure (a size limit), or when no row of any run
 * refers to it any more, because the runs that did are removed (retention.h). Pins
 * and holds protect; nothing that a live run or a cache entry refers to is ever lost. Runs on the caller's
 * thread through sy__db_exclusive, in steps that hold the writer for at most some milliseconds.
 */
#ifndef SY_PIT_STALE_H
#define SY_PIT_STALE_H

#include "pit/artifact/artifact.h"

typedef struct sy__stale_policy {
    int64_t hot_ms;      /* younger runs are left alone */
    int64_t archive_ms;  /* older blobs are recompressed */
    int64_t max_bytes;   /* pressure: above it, the oldest unprotected ones go; 0: no limit */
    int64_t grace_ms;    /* a blob's file lives this long after its last use; at least an hour */
    int64_t cache_ms;    /* results of the cache that were not used for this long go; 0: they stay */
    int64_t cache_bytes; /* above it the least recently used go; 0: no limit */
    bool keep_orphans;   /* contents to which no run refers stay, too, until there is pressure */
    int64_t budget_ms;   /* only orphans, and not if finding them takes longer; 0: everything */
    bool dry_run;
} sy__stale_policy;

typedef struct sy__stale_report {
    int64_t examined, archived, deleted, kept_pinned, kept_referenced, bytes_before, bytes_after;
    int64_t cache_dropped; /* results */
    int64_t orphans;       /* of `deleted`: contents to which no run there is refers any more */
} sy__stale_report;

/* Archives and deletes by the policy; *out says what was done, also when it fails. Blocks; any thread. */
int sy__stale_collect(sy__artifacts *s, const sy__stale_policy *p, sy__stale_report *out, sy__error *err);
/* Pins protect an artifact (by id or hash) until unpinned. SY_ENOTFOUND. */
int sy__stale_pin(sy__artifacts *s, const char *id_or_hash, bool on, sy__error *err);

#endif
