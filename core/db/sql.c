/* sql.c: results of SQLite in the words of symphony.h. */
#include "db/sql.h"

#include <stdio.h>
#include <string.h>

/* Opening waits for one that recovers the log after a crash, or removes it as the last one to close. */
enum { OPEN_WAIT_MS = 10000 };

int
sy__sql_code(int rc)
{
    switch (rc & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return SY_OK;
    case SQLITE_NOMEM: return SY_ENOMEM;
    case SQLITE_FULL: return SY_EDISKFULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return SY_EDAMAGED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return SY_ETIMEOUT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return SY_EIO;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE: return SY_EINVAL;
    default: return SY_EINTERNAL;
    }
}

bool
sy__sql_is_refusal(int rc)
{
    switch (rc & 0xFF) {
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG: return true;
    default: return false;
    }
}

bool
sy__sql_may_pass(int rc)
{
    switch (rc & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_NOMEM: return true;
    default: return false;
    }
}

int
sy__sql_run(sqlite3_stmt *s)
{
    (void)sqlite3_step(s);
    return sqlite3_reset(s);
}

static void
hint(sy__error *err, int code)
{
    if (code == SY_EDISKFULL) sy__error_hint(err, "free some space, then type: symphony resume");
    if (code == SY_EDAMAGED)
        sy__error_hint(err, "symphony doctor looks at all of it; copies from before upgrades are in .symphony/backup/");
    if (code == SY_EIO) sy__error_hint(err, "check that the .symphony folder and the disk can be written");
    if (code == SY_ETIMEOUT) sy__error_hint(err, "another program holds the database; close it and try again");
}

int
sy__sql_error(sy__error *err, sqlite3 *conn, int rc, const char *what)
{
    int code = sy__sql_code(rc);
    const char *file = conn ? sqlite3_db_filename(conn, "main") : NULL;
    sy__error_set(err, code, "%s: %s (%s)", what, conn ? sqlite3_errmsg(conn) : sqlite3_errstr(rc),
                  file && *file ? file : "database");
    if (err) hint(err, code);
    return code;
}

int
sy__sql_open(sqlite3 **out, const char *file, int flags, sy__error *err)
{
    sqlite3 *conn = NULL;
    *out = NULL;
    int rc = sqlite3_open_v2(file, &conn, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(conn, OPEN_WAIT_MS);
    if (rc == SQLITE_OK) rc = sqlite3_extended_result_codes(conn, 1);
    if (rc == SQLITE_OK) rc = sqlite3_db_config(conn, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    if (rc != SQLITE_OK) {
        int code = sy__sql_error(err, conn, rc, "cannot open");
        (void)sqlite3_close(conn);
        return code;
    }
    *out = conn;
    return SY_OK;
}

int
sy__sql_exec(sqlite3 *conn, const char *sql, sy__error *err)
{
    int rc = sqlite3_exec(conn, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SY_OK : sy__sql_error(err, conn, rc, "a statement failed");
}

/* Prepares, binds and steps once; *row says whether a row is there. The caller finalizes. */
static int
first(sqlite3 *conn, const char *sql, const char *const *texts, int count, sqlite3_stmt **stmt, sy__error *err)
{
    int rc = sqlite3_prepare_v2(conn, sql, -1, stmt, NULL);
    for (int i = 0; i < count && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_text(*stmt, i + 1, texts[i], -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_step(*stmt);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) return rc;
    int code = sy__sql_error(err, conn, rc, "a statement failed");
    (void)sqlite3_finalize(*stmt);
    *stmt = NULL;
    return code;
}

int
sy__sql_texts(sqlite3 *conn, const char *sql, const char *const *texts, int count, sy__error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = first(conn, sql, texts, count, &stmt, err);
    (void)sqlite3_finalize(stmt);
    return rc < 0 ? rc : SY_OK;
}

int
sy__sql_int(sqlite3 *conn, const char *sql, int64_t fallback, int64_t *out, sy__error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = first(conn, sql, NULL, 0, &stmt, err);
    if (rc < 0) return rc;
    bool there = rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL;
    *out = there ? sqlite3_column_int64(stmt, 0) : fallback;
    (void)sqlite3_finalize(stmt);
    return SY_OK;
}

int
sy__sql_text(sqlite3 *conn, const char *sql, const char *const *texts, int count, char *out, size_t bytes,
             sy__error *err)
{
    sqlite3_stmt *stmt = NULL;
    out[0] = '\0';
    int rc = first(conn, sql, texts, count, &stmt, err);
    if (rc < 0) return rc;
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    (void)snprintf(out, bytes, "%s", text ? text : "");
    (void)sqlite3_finalize(stmt);
    return SY_OK;
}
