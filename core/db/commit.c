/*
 * commit.c: one group, one transaction. A constraint that refuses a change rolls the group back and runs it
 * again without that change's run (or without the change alone, when it names no run), so that a fault stays
 * with the run that has it. A full disk or a busy database is waited for; any other failure is the end of
 * writing: after a failed fsync nobody knows what the disk has, so the connection is closed.
 */
#include "db/internal.h"

#include "base/crash.h"

#include "db/sql.h"

#include <time.h>

enum { WAIT_STEP_MS = 100 }; /* one wait for a busy database or for space */

/* ---- one group ---- */

/* A transaction that changed nothing writes no frames and fsyncs nothing, but earlier groups may wait for it. */
static int
commit_now(sy__writer *w, bool full, int64_t changes_before)
{
    SY__CRASH_POINT("commit.before");
    int rc = sy__sql_run(w->commit);
    SY__CRASH_POINT("commit.done");
    if (rc != SQLITE_OK || !full || sqlite3_total_changes64(w->conn) != changes_before) return rc;
    return sy__log_sync(w);
}

/* One attempt; careful: change by change. *bad is the change that was refused, if any. */
static int
attempt(sy__db *db, sy__group *g, bool careful, sy__change **bad, sy__error *err)
{
    sy__writer *w = &db->writer;
    bool full = g->level == SY__LEVEL_FULL;
    int64_t before = sqlite3_total_changes64(w->conn);
    w->attempt++;
    *bad = NULL;
    int rc = sy__writer_fsync(w, full);
    if (rc == SQLITE_OK) rc = sy__keys_choose(w, g, careful);
    if (rc == SQLITE_OK) rc = sy__sql_run(w->begin);
    if (rc == SQLITE_OK) rc = sy__group_write(db, g, careful, bad);
    if (rc == SQLITE_OK) rc = commit_now(w, full, before);
    if (rc != SQLITE_OK) (void)sy__sql_error(err, w->conn, rc, "cannot write");
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(w->conn)) (void)sy__sql_run(w->rollback);
    return rc;
}

static void
refuse(sy__db *db, const sy__group *g, sy__change *bad, const sy__error *err)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    const char *sql = q->statements[bad->statement];
    bad->refused = true;
    if (bad->run)
        bad->run->lost = true;
    else
        q->refused_group = g->id;
    (void)pthread_mutex_unlock(&q->lock);
    sy__logf(db->log, SY__LOG_ERROR, "db", "%s%s: refused: %s: %.200s", bad->run ? "run " : "a change",
             bad->run ? bad->run->id : "", err->message, sql);
}

static void
wait_a_bit(sy__db *db, int rc)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
    (void)pthread_mutex_lock(&db->queue.lock);
    db->queue.stuck = true;
    sy__queue_measure(&db->queue);
    (void)pthread_mutex_unlock(&db->queue.lock);
    if ((rc & 0xFF) != SQLITE_BUSY) (void)nanosleep(&step, NULL); /* busy: SQLite has waited already */
}

int
sy__writer_commit(sy__db *db, sy__group *g, sy__error *err)
{
    int waited_ms = 0;
    for (bool careful = false;;) {
        sy__change *bad;
        int rc = attempt(db, g, careful, &bad, err);
        if (rc == SQLITE_OK) return SY_OK;
        if (bad) {
            refuse(db, g, bad, err);
            continue;
        }
        if (!careful && sy__sql_is_refusal(rc)) {
            careful = true;
            continue;
        }
        if (!sy__sql_may_pass(rc) || waited_ms >= db->retry_ms) return err->code;
        wait_a_bit(db, rc);
        waited_ms += WAIT_STEP_MS;
    }
}

/* ---- errands ---- */

static int
begin_patiently(sy__db *db)
{
    int rc = sy__writer_fsync(&db->writer, true);
    if (rc == SQLITE_OK) rc = sy__writer_keys(&db->writer, false);
    if (rc == SQLITE_OK) rc = sy__sql_run(db->writer.begin);
    for (int waited_ms = 0; sy__sql_may_pass(rc) && waited_ms < db->retry_ms; waited_ms += WAIT_STEP_MS) {
        wait_a_bit(db, rc);
        rc = sy__sql_run(db->writer.begin);
    }
    (void)pthread_mutex_lock(&db->queue.lock);
    db->queue.stuck = false;
    sy__queue_measure(&db->queue);
    (void)pthread_mutex_unlock(&db->queue.lock);
    return rc;
}

static int
in_transaction(sy__db *db, sy__errand *e, sy__error *fatal)
{
    sy__writer *w = &db->writer;
    int rc = begin_patiently(db);
    if (rc != SQLITE_OK) return sy__sql_error(e->err, w->conn, rc, "cannot write");
    int code = e->fn(w->conn, e->ud, e->err);
    if (code == SY_OK) {
        SY__CRASH_POINT("errand.before");
        rc = sy__sql_run(w->commit);
        SY__CRASH_POINT("errand.done");
        if (rc != SQLITE_OK) code = sy__sql_error(e->err, w->conn, rc, "cannot write");
        if ((rc & 0xFF) == SQLITE_IOERR) (void)sy__sql_error(fatal, w->conn, rc, "cannot write");
    }
    if (!sqlite3_get_autocommit(w->conn)) (void)sy__sql_run(w->rollback);
    return code;
}

int
sy__writer_errand(sy__db *db, sy__errand *e, sy__error *fatal)
{
    sqlite3 *conn = db->writer.conn;
    if (e->kind == SY__ERRAND_BARE) return e->fn(conn, e->ud, e->err);
    if (e->kind == SY__ERRAND_CHECKED) return in_transaction(db, e, fatal);
    (void)sqlite3_db_config(conn, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
    int code = in_transaction(db, e, fatal);
    (void)sqlite3_db_config(conn, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    return code;
}
