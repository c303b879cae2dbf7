/*
 * stale_refs.c: every query below gives texts in which hashes may occur; whatever looks like one counts. So a
 * reference inside the parameters of a run protects as well as an artifact's row does. A further kind of
 * holder is one more query.
 */
#include "pit/stale/stale_impl.h"

#include <string.h>

enum { PREFIX = 7 /* "sha256:" */, DIGITS = 64 };

#define LIVING "(p.completed_at IS NULL OR p.completed_at >= ?1)"

static const char *const holders[] = {
    "SELECT p.task_dag, p.params, p.options, p.outputs FROM pipeline_orchestration p WHERE " LIVING,
    "SELECT t.task_payload, t.execution_context, t.output, t.output_hash FROM pipeline_orchestration p"
    " JOIN task t ON t.pipeline_orchestration_id = p.id WHERE " LIVING,
    "SELECT a.content_hash FROM pipeline_orchestration p JOIN artifact a ON a.pipeline_orchestration_id = p.id"
    " WHERE " LIVING,
    "SELECT t.task_payload, t.execution_context, t.output, t.output_hash FROM task t"
    " WHERE t.pipeline_orchestration_id IS NULL AND (t.completed_at IS NULL OR t.completed_at >= ?1)",
    "SELECT a.content_hash FROM artifact a WHERE a.pipeline_orchestration_id IS NULL AND a.created_at >= ?1",
    "SELECT c.output, c.output_hash, c.artifacts, c.reads FROM cache_entry c WHERE ?1 IS NOT NULL",
};

static int
add(sy__map *set, const char *hash)
{
    static const char present = 1;
    return sy__map_put(set, hash, SY__HASH_BYTES - 1, (void *)&present);
}

bool
sy__stale_has(const sy__map *set, const char *hash)
{
    return sy__map_get(set, hash, SY__HASH_BYTES - 1) != NULL;
}

static int
add_all_in(sy__map *set, const char *text, size_t len)
{
    const char *end = text + len, *at = text;
    while ((at = memmem(at, (size_t)(end - at), "sha256:", PREFIX)) != NULL) {
        const char *digits = at + PREFIX;
        size_t n = 0;
        while (digits + n < end && n < DIGITS && strchr("0123456789abcdef", digits[n]) && digits[n]) n++;
        if (n == DIGITS && add(set, at)) return SY_ENOMEM;
        at = digits + n;
    }
    return SY_OK;
}

static int
scan(sqlite3 *conn, const char *sql, const char *since, sy__map *out, sy__error *err)
{
    sqlite3_stmt *q = NULL;
    int rc = SY_OK, step = sqlite3_prepare_v2(conn, sql, -1, &q, NULL);
    if (step == SQLITE_OK && since) step = sqlite3_bind_text(q, 1, since, -1, SQLITE_STATIC);
    while (step == SQLITE_OK && rc == SY_OK && sqlite3_step(q) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(q) && rc == SY_OK; i++) {
            const char *text = (const char *)sqlite3_column_text(q, i);
            if (text) rc = add_all_in(out, text, (size_t)sqlite3_column_bytes(q, i));
        }
    int ended = sqlite3_finalize(q);
    if (rc) return sy__error_set(err, rc, "no memory to collect artifacts");
    if (step == SQLITE_OK && ended == SQLITE_OK) return SY_OK;
    return sy__error_set(err, SY_EIO, "cannot read what is referred to: %s", sqlite3_errmsg(conn));
}

int
sy__stale_references(sqlite3 *conn, const char *since, sy__map *out, sy__error *err)
{
    int rc = SY_OK;
    for (size_t i = 0; i < sizeof holders / sizeof *holders && rc == SY_OK; i++)
        rc = scan(conn, holders[i], since, out, err);
    return rc;
}

int
sy__stale_pins(sqlite3 *conn, sy__map *out, sy__error *err)
{
    return scan(conn, "SELECT content_hash FROM pin", NULL, out, err);
}
