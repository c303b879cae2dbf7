/* reader.c: a small pool of read-only connections, and what is read through them here: versions and events. */
#include "db/internal.h"

#include "db/sql.h"
#include "router/router.h"

#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 5000, SCAN_ROWS = 5000 /* then the read transaction ends, so that the log can be reset */ };

static int
open_reader(sy__db *db, sqlite3 **out, sy__error *err)
{
    int code = sy__sql_open(out, db->file, SQLITE_OPEN_READONLY, err);
    if (code) return code;
    (void)sqlite3_busy_timeout(*out, BUSY_MS);
    code = sy__sql_exec(*out, "PRAGMA query_only = 1; PRAGMA temp_store = MEMORY", err);
    if (code == SY_OK) return SY_OK;
    (void)sqlite3_close(*out);
    *out = NULL;
    return code;
}

int
sy__readers_init(sy__db *db, sy__error *err)
{
    if (pthread_mutex_init(&db->readers.lock, NULL) == 0) return SY_OK;
    return sy__error_set(err, SY_ENOMEM, "no memory for readers");
}

void
sy__readers_close(sy__db *db)
{
    sy__readers *r = &db->readers;
    (void)sqlite3_finalize(r->version);
    (void)sqlite3_close(r->watcher);
    while (r->count > 0) (void)sqlite3_close(r->kept[--r->count]);
    (void)pthread_mutex_destroy(&r->lock);
}

sqlite3 *
sy__db_reader(sy__db *db, sy__error *err)
{
    sy__readers *r = &db->readers;
    sqlite3 *conn = NULL;
    (void)pthread_mutex_lock(&r->lock);
    if (r->count > 0) conn = r->kept[--r->count];
    (void)pthread_mutex_unlock(&r->lock);
    if (!conn) (void)open_reader(db, &conn, err);
    return conn;
}

/* Statements that were left open would hold a read transaction: they are reset. */
void
sy__db_reader_release(sy__db *db, sqlite3 *conn)
{
    sy__readers *r = &db->readers;
    if (!conn) return;
    for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(conn, s)) != NULL;) (void)sqlite3_reset(s);
    if (!sqlite3_get_autocommit(conn)) (void)sqlite3_exec(conn, "ROLLBACK", NULL, NULL, NULL);
    (void)pthread_mutex_lock(&r->lock);
    bool keep = r->count < SY__READERS_KEPT;
    if (keep) r->kept[r->count++] = conn;
    (void)pthread_mutex_unlock(&r->lock);
    if (!keep) (void)sqlite3_close(conn);
}

int64_t
sy__db_data_version(sy__db *db)
{
    sy__readers *r = &db->readers;
    int64_t version = 0;
    (void)pthread_mutex_lock(&r->lock);
    if (!r->watcher && open_reader(db, &r->watcher, NULL) == SY_OK)
        (void)sqlite3_prepare_v3(r->watcher, "PRAGMA data_version", -1, SQLITE_PREPARE_PERSISTENT, &r->version, NULL);
    if (r->version && sqlite3_step(r->version) == SQLITE_ROW) version = sqlite3_column_int64(r->version, 0);
    if (r->version) (void)sqlite3_reset(r->version);
    (void)pthread_mutex_unlock(&r->lock);
    return version;
}

/* ---- replay ---- */

static int64_t
digits(const char *s, int count)
{
    int64_t n = 0;
    for (int i = 0; i < count; i++) n = n * 10 + (s[i] - '0');
    return n;
}

/* The reverse of sy__stamp: days by the civil calendar, counted in eras of 400 years from March. */
static int64_t
stamp_ms(const char *s)
{
    if (!s || strlen(s) != SY__STAMP_BYTES - 1) return 0;
    int64_t year = digits(s, 4), month = digits(s + 5, 2), day = digits(s + 8, 2);
    if (month <= 2) year--;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    int64_t seconds = days * 86400 + digits(s + 11, 2) * 3600 + digits(s + 14, 2) * 60 + digits(s + 17, 2);
    return seconds * 1000 + digits(s + 20, 3);
}

static const char *
column(sqlite3_stmt *s, int at)
{
    return (const char *)sqlite3_column_text(s, at);
}

static sy__event
event_of(sqlite3_stmt *s)
{
    return (sy__event){.seq = sqlite3_column_int64(s, 0),
                       .id = column(s, 1),
                       .run = column(s, 2),
                       .task = column(s, 3),
                       .extension = column(s, 4),
                       .type = column(s, 5),
                       .topic = column(s, 6),
                       .payload = column(s, 7),
                       .context = column(s, 8),
                       .occurred_ms = stamp_ms(column(s, 9))};
}

typedef struct scan {
    const char *pattern;
    int64_t after; /* moves on with each row */
    int max, found;
    void (*each)(void *ud, const sy__event *e);
    void *ud;
} scan;

/* Up to SCAN_ROWS rows in one read transaction; SQLITE_ROW: there may be more. */
static int
scan_some(sqlite3_stmt *s, scan *c)
{
    int rc = sqlite3_bind_int64(s, 1, c->after);
    for (int rows = 0; rc == SQLITE_OK && rows < SCAN_ROWS && c->found < c->max; rows++) {
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW) break;
        c->after = sqlite3_column_int64(s, 0);
        if (sy__topic_match(c->pattern, column(s, 6))) {
            const sy__event e = event_of(s);
            c->found++;
            c->each(c->ud, &e);
        }
        rc = SQLITE_OK;
    }
    int reset = sqlite3_reset(s);
    return rc == SQLITE_DONE ? SQLITE_DONE : rc == SQLITE_OK && reset == SQLITE_OK ? SQLITE_ROW : reset;
}

int
sy__db_replay(void *ud, const char *pattern, int64_t after, int max, void (*each)(void *ud, const sy__event *e),
              void *each_ud)
{
    static const char sql[] =
        "SELECT seq, id, pipeline_orchestration_id, task_id, extension_id, event_type, topic, event_payload,"
        " event_context, occurred_at FROM event WHERE seq > ?1 ORDER BY seq";
    sy__db *db = ud;
    scan c = {.pattern = pattern, .after = after, .max = max, .each = each, .ud = each_ud};
    sy__error err = {0};
    sqlite3_stmt *s = NULL;
    sqlite3 *conn = sy__db_reader(db, &err);
    if (!conn) return err.code ? err.code : SY_ENOMEM;
    int rc = sqlite3_prepare_v2(conn, sql, -1, &s, NULL);
    rc = rc == SQLITE_OK ? SQLITE_ROW : rc;
    while (rc == SQLITE_ROW && c.found < c.max) rc = scan_some(s, &c);
    (void)sqlite3_finalize(s);
    sy__db_reader_release(db, conn);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? c.found : sy__sql_code(rc);
}
