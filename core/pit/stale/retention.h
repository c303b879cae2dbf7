/*
 * retention.h: removing runs that ended long ago, with all that is theirs, and rows that nothing needs any more.
 *
 * Which runs is the caller's choice (lua/kit/retention.lua); here is how: in steps that hold the writer for some
 * milliseconds, so that living runs go on, and each step leaves a sound database, so that it may stop, or be killed,
 * anywhere and go on another time. Not on stage threads.
 *
 *     mark       asked again in the transaction that marks: it has ended, nothing refers to it. From then on it can
 *                be neither resumed nor forked, and whoever removes next goes on with it
 *     artifacts  their rows; contents are the stale manager's
 *     events     found by a pass over the part of all events in which those of marked runs lie (run_span)
 *     tasks      children first, with streams and decisions; at last the run's own row
 */
#ifndef SY_PIT_RETENTION_H
#define SY_PIT_RETENTION_H

#include "db/db.h"

typedef struct sy__removal {
    const char *const *runs; /* ids, a fork before what it was forked from */
    int count;
    int64_t budget_ms; /* stops about then; 0: when all is done */
} sy__removal;

typedef struct sy__removed {
    int64_t runs, tasks, events, artifacts, decisions, pieces; /* rows; pieces are of streams */
    int64_t left;                                              /* runs that are marked and not gone yet */
} sy__removed;

/* Removes the runs that may go, and what an earlier removal left. SY_EIO, SY_EDISKFULL, SY_ENOMEM. */
int sy__retention_remove(sy__db *db, const sy__alloc *a, const sy__removal *q, sy__removed *out, sy__error *err);

typedef struct sy__tidied {
    int64_t sessions, host_tasks, controls, melody_versions, extension_versions;
} sy__tidied;

/*
 * Removes what the host did on its own, openings that have ended, requests that were handled, and versions nobody
 * refers to, all older than `before` (a stamp). `budget_ms` as above; versions of extensions only without it.
 */
int sy__retention_tidy(sy__db *db, const char *before, int64_t budget_ms, sy__tidied *out, sy__error *err);

#endif
