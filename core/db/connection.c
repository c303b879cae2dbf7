/*
 * connection.c: the writing connection: its settings and statements, whether it fsyncs and looks at foreign keys, and
 * its log.
 */
#include "db/internal.h"

#include "base/crash.h"

#include "base/text.h"
#include "db/sql.h"

enum {
    BUSY_WAIT_MS = 100,
    CHECKPOINT_BYTES = 16 << 20,     /* of pages: copy them into the database when nothing is written for a while */
    BUSY_BYTES = 48 << 20,           /* also in the middle of work */
    TRUNCATE_BYTES = 64 << 20,       /* insist */
    CHECKPOINT_STEP_BYTES = 4 << 20, /* after a reader kept a checkpoint from ending */
};

int
sy__writer_fsync(sy__writer *w, bool on)
{
    if (w->fsyncs == on) return SQLITE_OK;
    int rc = sqlite3_exec(w->conn, on ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    if (rc == SQLITE_OK) w->fsyncs = on;
    return rc;
}

/* Whether SQLite looks at foreign keys (else refs.c does). Statements prepare themselves anew after a change, so only
 * many rows and events are worth it; it then stays until there is something else to write. */
int
sy__writer_keys(sy__writer *w, bool own)
{
    if (w->own_keys == own) return SQLITE_OK;
    int rc = sqlite3_db_config(w->conn, SQLITE_DBCONFIG_ENABLE_FKEY, own ? 0 : 1, NULL);
    if (rc == SQLITE_OK) w->own_keys = own;
    return rc;
}

static int
on_wal(void *ud, sqlite3 *conn, const char *name, int frames)
{
    sy__writer *w = ud;
    (void)conn;
    (void)name;
    w->wal_bytes = frames * w->page_bytes;
    return SQLITE_OK;
}

static int
log_file(sy__writer *w, sqlite3_file **log)
{
    *log = NULL;
    return sqlite3_file_control(w->conn, "main", SQLITE_FCNTL_JOURNAL_POINTER, log);
}

/* What the CHECKs of JSON columns ask, six times a task: the same answer as SQLite's own, sooner. */
static void
json_valid(sqlite3_context *to, int argc, sqlite3_value **argv)
{
    (void)argc;
    int type = sqlite3_value_type(argv[0]);
    if (type == SQLITE_NULL) return;
    /* a text as it lies: sqlite3_value_text would copy it to put a zero behind it */
    const char *text = type == SQLITE_TEXT ? sqlite3_value_blob(argv[0]) : (const char *)sqlite3_value_text(argv[0]);
    sqlite3_result_int(to, text && sy__json_valid(text, (size_t)sqlite3_value_bytes(argv[0])));
}

static int
make_functions(sy__writer *w)
{
    int rc = sqlite3_create_function_v2(w->conn, "json_valid", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                        NULL, json_valid, NULL, NULL, NULL);
    return rc == SQLITE_OK ? sy__rows_open(w->conn, &w->source) : rc;
}

int
sy__writer_prepare(sy__db *db, sqlite3 *conn, sy__error *err)
{
    sy__writer *w = &db->writer;
    *w = (sy__writer){.conn = conn, .fsyncs = true, .checkpoint_at = CHECKPOINT_BYTES};
    sy__id_source_init(&w->ids, db->clock);
    const struct {
        sqlite3_stmt **to;
        const char *sql;
    } all[] = {
        {&w->begin, "BEGIN IMMEDIATE"},
        {&w->commit, "COMMIT"},
        {&w->rollback, "ROLLBACK"},
        {&w->epoch, "SELECT owner_epoch FROM pipeline_orchestration WHERE id = ?1"},
        {&w->last_seq, "SELECT max(seq) FROM event"},
    };
    int code = sy__sql_exec(conn,
                            "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;"
                            "PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = FAST",
                            err);
    if (code == SY_OK) code = sy__sql_int(conn, "PRAGMA page_size", 0, &w->page_bytes, err);
    (void)sqlite3_busy_timeout(conn, BUSY_WAIT_MS);
    (void)sqlite3_wal_hook(conn, on_wal, w);
    int made = make_functions(w);
    if (code == SY_OK && made != SQLITE_OK) code = sy__sql_error(err, conn, made, "cannot prepare the writer");
    for (size_t i = 0; i < sizeof all / sizeof *all && code == SY_OK; i++) {
        int rc = sqlite3_prepare_v3(conn, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT, all[i].to, NULL);
        if (rc != SQLITE_OK) code = sy__sql_error(err, conn, rc, "cannot prepare the writer");
    }
    sqlite3_file *log;
    if (code == SY_OK && log_file(w, &log) == SQLITE_OK) sy__frames_between(&w->frames, db->alloc, log);
    return code;
}

void
sy__writer_finalize(sy__db *db)
{
    sy__writer *w = &db->writer;
    for (int i = 0; i < SY__STATEMENTS_MAX; i++) {
        (void)sqlite3_finalize(w->statements[i]);
        (void)sqlite3_finalize(w->many[i]);
        w->statements[i] = w->many[i] = NULL;
        sy__refs_free(w->refs[i], db->alloc);
        w->refs[i] = NULL;
    }
    sy__rows_close(&w->rows, db->alloc);
    sy__rows_close(&w->events, db->alloc);
    sqlite3_stmt **own[] = {&w->begin, &w->commit, &w->rollback, &w->epoch, &w->last_seq};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        (void)sqlite3_finalize(*own[i]);
        *own[i] = NULL;
    }
    (void)sqlite3_close(w->conn);
    w->conn = NULL;
}

/* ---- its log ---- */

int
sy__log_sync(sy__writer *w)
{
    sqlite3_file *log;
    int rc = log_file(w, &log);
    if (rc != SQLITE_OK || !log || !log->pMethods) return rc;
    SY__CRASH_POINT("log.before_sync");
    rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    SY__CRASH_POINT("log.synced");
    return rc;
}

int
sy__writer_sync(sy__db *db, sy__error *err)
{
    int rc = sy__log_sync(&db->writer);
    return rc == SQLITE_OK ? SY_OK : sy__sql_error(err, db->writer.conn, rc, "cannot fsync the log");
}

bool
sy__writer_owes(const sy__db *db, bool busy)
{
    const sy__writer *w = &db->writer;
    return w->conn && w->wal_bytes >= w->checkpoint_at && (!busy || w->wal_bytes >= BUSY_BYTES);
}

int
sy__writer_checkpoint(sy__db *db, sy__error *err)
{
    sy__writer *w = &db->writer;
    int frames = 0, moved = 0;
    int mode = w->wal_bytes >= TRUNCATE_BYTES ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int rc = sqlite3_wal_checkpoint_v2(w->conn, "main", mode, &frames, &moved);
    bool all = rc == SQLITE_OK && frames == moved;
    w->checkpoint_at = all ? CHECKPOINT_BYTES : w->wal_bytes + CHECKPOINT_STEP_BYTES;
    if (all) w->wal_bytes = 0;
    if (rc == SQLITE_OK || sy__sql_may_pass(rc)) return SY_OK;
    return sy__sql_error(err, w->conn, rc, "cannot move the log into the database");
}
