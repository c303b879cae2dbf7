/* retention_slice.c: see retention_impl.h. Statements are prepared once for each transaction. */
#include "pit/stale/retention_impl.h"

#include <string.h>

enum { SLICE_NS = 4000000 };

int
sy__slice_error(sqlite3 *conn, sy__error *err)
{
    bool full = (sqlite3_errcode(conn) & 0xFF) == SQLITE_FULL;
    return sy__error_set(err, full ? SY_EDISKFULL : SY_EIO, "cannot clean up: %s", sqlite3_errmsg(conn));
}

sy__slice
sy__slice_open(sqlite3 *conn, sy__error *err)
{
    return (sy__slice){.conn = conn, .err = err, .until_ns = sy__mono_ns(&sy__clock_system) + SLICE_NS};
}

int
sy__slice_close(sy__slice *s)
{
    while (s->count > 0) (void)sqlite3_finalize(s->statements[--s->count]);
    return s->code;
}

bool
sy__slice_over(const sy__slice *s)
{
    return s->code != SY_OK || sy__mono_ns(&sy__clock_system) >= s->until_ns;
}

/* NULL with s->code set when there is none. */
static sqlite3_stmt *
statement(sy__slice *s, const char *sql)
{
    for (int i = 0; i < s->count; i++)
        if (s->sql[i] == sql) return s->statements[i];
    if (s->code == SY_OK && s->count == SY__SLICE_STATEMENTS)
        s->code = sy__error_set(s->err, SY_EINTERNAL, "too many statements to clean up");
    if (s->code) return NULL;
    sqlite3_stmt *made = NULL;
    if (sqlite3_prepare_v2(s->conn, sql, -1, &made, NULL) != SQLITE_OK) {
        s->code = sy__slice_error(s->conn, s->err);
        return NULL;
    }
    s->sql[s->count] = sql;
    s->statements[s->count++] = made;
    return made;
}

static int64_t
finish(sy__slice *s, sqlite3_stmt *q)
{
    int64_t before = sqlite3_total_changes(s->conn);
    int rc = sqlite3_step(q);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) s->code = sy__slice_error(s->conn, s->err);
    (void)sqlite3_reset(q);
    return s->code ? 0 : sqlite3_total_changes(s->conn) - before;
}

int64_t
sy__slice_run(sy__slice *s, const char *sql, const char *text)
{
    sqlite3_stmt *q = statement(s, sql);
    if (!q) return 0;
    if (text) (void)sqlite3_bind_text(q, 1, text, -1, SQLITE_STATIC);
    return finish(s, q);
}

int64_t
sy__slice_run_at(sy__slice *s, const char *sql, const char *text, int64_t number)
{
    sqlite3_stmt *q = statement(s, sql);
    if (!q) return 0;
    (void)sqlite3_bind_text(q, 1, text, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(q, 2, number);
    return finish(s, q);
}

int
sy__slice_ids(sy__slice *s, const char *sql, const char *text, char (*out)[SY__ID_BYTES], int max)
{
    sqlite3_stmt *q = statement(s, sql);
    int count = 0, rc = SQLITE_ROW;
    if (!q) return 0;
    (void)sqlite3_bind_text(q, 1, text, -1, SQLITE_STATIC);
    while (count < max && (rc = sqlite3_step(q)) == SQLITE_ROW)
        (void)memccpy(out[count++], sqlite3_column_text(q, 0), '\0', SY__ID_BYTES);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) s->code = sy__slice_error(s->conn, s->err);
    (void)sqlite3_reset(q);
    return s->code ? 0 : count;
}
