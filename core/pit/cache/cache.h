/*
 * cache.h: the action cache: a result is used again when everything it depends on is the same.
 *
 * The hooks that attempt.c, record.c and the artifacts' rows call. A task has a `memo` from its look-up to its end
 * when its operation may be cached, else NULL: for others each hook is one test. Stage thread, unless it says
 * otherwise. docs/guide/caching.md tells it from outside.
 */
#ifndef SY_PIT_CACHE_H
#define SY_PIT_CACHE_H

#include "pit/engine_impl.h"

struct sy__reads;

/* Whether the operation tried now may be cached in this run. What a tape records or plays is asked of nobody else. */
static inline bool
sy__cache_wanted(const sy__task *t)
{
    return t->spec->targets[t->target].cached && !t->run->no_cache && !t->run->engine->tape;
}

/* Looks for a result; true: the task has ended with it. Else it is about to run, and what it reads is recorded. */
bool sy__cache_hit(sy__stage *s, sy__task *t);
/* Where the call about to begin records what it reads; NULL: nowhere. */
struct sy__reads *sy__cache_reads(const sy__task *t);
/* The call ended well: keeps its result. */
void sy__cache_store(sy__stage *s, sy__task *t);
/* An artifact of the call got its row: `id` and what it is. */
void sy__cache_produced(sy__task *t, const char *id, const char *type, const sy__stored *stored, sy__value metadata);
/* Whether the artifact that gets its row now comes out of the cache. */
bool sy__cache_restoring(const sy__task *t);
/* Appends `,"cache":{…}`: what was decided, for `why`. */
void sy__cache_context(const sy__task *t, sy__buf *out);
void sy__cache_forget(sy__task *t);

/* Whether the options of a run switch the cache off. Any thread. */
bool sy__cache_off(sy__value run_options);
bool sy__cache_off_json(const sy__alloc *a, const char *run_options);
int sy__cache_statements(sy__engine *e);
/* What a stage keeps for look-ups; NULL is legal. */
struct sy__cache_reader;
void sy__cache_reader_free(sy__stage *s);

/* Limits, for the stale manager. */
typedef struct sy__cache_policy {
    const char *unused_since; /* a stamp: entries last used before it go; "" : none */
    int64_t max_bytes;        /* above it those least recently used go; 0: no limit */
    bool dry_run;
} sy__cache_policy;
/* Deletes entries and what only they needed; *deleted counts. Not on stage threads. */
int sy__cache_trim(sy__db *db, const sy__cache_policy *p, int64_t *deleted, sy__error *err);

#endif
