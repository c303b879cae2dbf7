/* dedupe.c: the run that a dedupe id stands for. Writer thread, inside the transaction that would insert another. */
#include "pit/run/dedupe.h"

#include <stdio.h>
#include <string.h>

/* The status of a run as a text that lives for ever. */
static const char *
known_status(const char *text)
{
    for (int i = SY__RUN_PENDING; i <= SY__RUN_CANCELLED; i++)
        if (strcmp(sy__run_status_name((sy__run_status)i), text) == 0) return sy__run_status_name((sy__run_status)i);
    return sy__run_status_name(SY__RUN_RUNNING);
}

int
sy__dedupe_check(sy__value options, sy__error *err)
{
    sy__value v;
    size_t len;
    if (!options.data || !sy__value_get(options, "dedupe", 6, &v) || sy__value_kind(v) == SY__NULL) return SY_OK;
    const char *id = sy__value_str(v, &len);
    if (id && len > 0 && len <= SY__MAX_DEDUPE_BYTES && !memchr(id, '\0', len)) return SY_OK;
    return sy__error_set(err, SY_EUSAGE, "a dedupe id is a text of 1 to %d bytes", SY__MAX_DEDUPE_BYTES);
}

int
sy__dedupe_find(sqlite3 *conn, const char *options, sy__run_info *out, sy__error *err)
{
    static const char sql[] = "SELECT id, number, status FROM pipeline_orchestration"
                              " WHERE options ->> '$.dedupe' = ?1 ->> '$.dedupe'"
                              " AND options ->> '$.dedupe' IS NOT NULL AND status NOT IN ('failed', 'cancelled')";
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) || sqlite3_bind_text(stmt, 1, options, -1, SQLITE_STATIC)) {
        (void)sqlite3_finalize(stmt);
        return sy__error_set(err, SY_EIO, "the runs cannot be read: %s", sqlite3_errmsg(conn));
    }
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        (void)snprintf(out->id, sizeof out->id, "%s", (const char *)sqlite3_column_text(stmt, 0));
        out->number = sqlite3_column_int64(stmt, 1);
        out->status = known_status((const char *)sqlite3_column_text(stmt, 2));
        out->committed = out->existing = true;
    }
    (void)sqlite3_finalize(stmt);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) return SY_OK;
    return sy__error_set(err, SY_EIO, "the runs cannot be read: %s", sqlite3_errmsg(conn));
}
