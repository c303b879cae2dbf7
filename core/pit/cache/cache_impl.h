/* cache_impl.h: what the files of the action cache share. Stage thread.
 *
 *     cache_key.c    the parts a result depends on, and the key over them
 *     cache_rows.c   rows: candidates, entries, hashes of files
 *     cache.c        look-up, and keeping a result
 *     cache_hit.c    giving a result again
 *     cache_trim.c   retention
 */
#ifndef SY_PIT_CACHE_IMPL_H
#define SY_PIT_CACHE_IMPL_H

#include "kit/reads.h"
#include "pit/cache/cache.h"

enum {
    SY__CACHE_CANDIDATES = 8,        /* states of what was read that are compared for one key */
    SY__CACHE_SHOWN = 10,            /* changed reads that `why` names */
    SY__CACHE_FRESH_MS = 60 * 60000, /* used within this time: that it was used again is not written */
};

/* An artifact of the call that runs, as it is kept with the result. */
typedef struct sy__produced {
    char id[SY__ID_BYTES];
    char *type;
    sy__stored stored;
    sy__blob *metadata;
} sy__produced;

typedef enum sy__verdict { SY__CACHE_MISS, SY__CACHE_HIT } sy__verdict;

struct sy__memo {
    const sy__alloc *alloc;
    sy__verdict verdict;
    bool restoring;
    char key[SY__HASH_BYTES];
    sy__buf parts;  /* JSON, for cache_key */
    sy__buf detail; /* JSON members of the context: what was found */
    sy__hash_memo hashes;
    sy__reads *reads; /* of the call; NULL after a hit */
    sy__produced *produced;
    size_t produced_count;
    bool kept;
    char not_kept[256]; /* "" : it was kept, or has not ended */
};

/* A stored result. Texts are its own. */
typedef struct sy__candidate_result {
    char reads_hash[SY__HASH_BYTES], output_hash[SY__HASH_BYTES];
    char *reads, *output, *artifacts, *run, *task_key;
    size_t reads_len, output_len, artifacts_len;
    int64_t run_number, cost_ms;
    char last_used[SY__STAMP_BYTES];
} sy__candidate_result;

/* ---- cache_key.c ---- */
/* Fills key and parts. SY_ENOMEM and friends: the task runs without the cache. */
int sy__cache_key(const sy__task *t, bool trusted, struct sy__memo *m);

/* ---- cache_rows.c ---- */
/* The results of a key that were made at `since` or later, the last used first; their number or a negative code. */
int sy__cache_find(sy__stage *s, const char *key, const char *since, sy__candidate_result out[SY__CACHE_CANDIDATES]);
void sy__cache_candidate_close(const sy__alloc *a, sy__candidate_result *c);
/* The hash of a large file, remembered in the database. ud is the stage. */
bool sy__cache_file_get(void *ud, const struct stat *st, char digest[SY__DIGEST_BYTES]);
void sy__cache_file_put(void *ud, const struct stat *st, const char *digest);
void sy__cache_put_key(sy__stage *s, const sy__task *t, const struct sy__memo *m);
void sy__cache_put_entry(sy__stage *s, sy__task *t, const struct sy__memo *m);
/* Writes that a result was used, unless it was of late. */
void sy__cache_touch(sy__stage *s, const char *key, const sy__candidate_result *c);
void sy__cache_drop(sy__stage *s, const char *key, const char *reads_hash);
/* Text that may lie in the artifact store as {"$artifact":…}: replaces it. SY_EDAMAGED. */
int sy__cache_inflate(sy__stage *s, char **text, size_t *len);

/* ---- cache_hit.c ---- */
/* Makes the task's output out of a result; SY_OK, or it cannot be used. */
int sy__cache_restore(sy__stage *s, sy__task *t, sy__candidate_result *c);

#endif
