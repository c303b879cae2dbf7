/* cache_trim.c: how long results are kept: by last use, and by size. In one transaction of the writer. */
#include "pit/cache/cache.h"

typedef struct trimming {
    const sy__cache_policy *policy;
    int64_t deleted;
} trimming;

/* The least recently used results that stand above the limit. */
static const char ABOVE[] =
    "DELETE FROM cache_entry WHERE (key, reads_hash) IN (SELECT key, reads_hash FROM (SELECT key, reads_hash,"
    " sum(bytes) OVER (ORDER BY last_used_at DESC, key, reads_hash) AS total FROM cache_entry) WHERE total > ?1)";
static const char UNUSED[] = "DELETE FROM cache_entry WHERE last_used_at < ?1";
static const char KEYS[] = "DELETE FROM cache_key WHERE last_used_at < ?1"
                           " AND NOT EXISTS (SELECT 1 FROM cache_entry e WHERE e.key = cache_key.key)";
/* Which files there still are is not known; what is not asked for again is learnt again. */
static const char FILES[] = "DELETE FROM file_hash WHERE (SELECT count(*) FROM file_hash) > 100000";

static int
step(sqlite3 *conn, const char *sql, const char *text, int64_t number, int64_t *changes, sy__error *err)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(conn, sql, -1, &q, NULL);
    if (rc == SQLITE_OK && text) rc = sqlite3_bind_text(q, 1, text, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK && !text && sqlite3_bind_parameter_count(q)) rc = sqlite3_bind_int64(q, 1, number);
    if (rc == SQLITE_OK) rc = sqlite3_step(q);
    (void)sqlite3_finalize(q);
    if (rc != SQLITE_DONE) return sy__error_set(err, SY_EIO, "cannot trim the cache: %s", sqlite3_errmsg(conn));
    if (changes) *changes += sqlite3_changes(conn);
    return SY_OK;
}

static int
trim(sqlite3 *conn, void *ud, sy__error *err)
{
    trimming *t = ud;
    const sy__cache_policy *p = t->policy;
    int status = SY_OK;
    if (*p->unused_since) status = step(conn, UNUSED, p->unused_since, 0, &t->deleted, err);
    if (!status && p->max_bytes > 0) status = step(conn, ABOVE, NULL, p->max_bytes, &t->deleted, err);
    if (!status && *p->unused_since) status = step(conn, KEYS, p->unused_since, 0, NULL, err);
    if (!status) status = step(conn, FILES, NULL, 0, NULL, err);
    return !status && p->dry_run ? SY_EINTERRUPTED : status; /* undone */
}

int
sy__cache_trim(sy__db *db, const sy__cache_policy *p, int64_t *deleted, sy__error *err)
{
    trimming t = {.policy = p};
    *deleted = 0;
    int status = sy__db_exclusive(db, trim, &t, err);
    *deleted = t.deleted;
    return p->dry_run && status == SY_EINTERRUPTED ? SY_OK : status;
}
