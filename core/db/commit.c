/*
 * commit.c: one group, one transaction. A constraint that refuses a change rolls the group back and runs it
 * again without that change's run (or without the change alone, when it names no run), so that a fault stays
 * with the run that has it. A full disk or a busy database is waited for; any other failure is the end of
 * writing: after a failed fsync nobody knows what the disk has, so the connection is closed.
 *
 * New rows and events of a group are written many at once (rows.h); what a constraint refuses there is not named, so
 * that the group is then written change by change, every row as one that may be there already. The foreign keys of many
 * are looked up by refs.h instead of SQLite.
 */
#include "db/internal.h"

#include "base/crash.h"

#include "base/text.h"
#include "db/sql.h"

#include <string.h>
#include <time.h>

enum {
    WAIT_STEP_MS = 100,              /* one wait for a busy database or for space */
    CHECKPOINT_BYTES = 16 << 20,     /* of pages: copy them into the database when nothing is written for a while */
    BUSY_BYTES = 48 << 20,           /* also in the middle of work */
    TRUNCATE_BYTES = 64 << 20,       /* insist */
    CHECKPOINT_STEP_BYTES = 4 << 20, /* after a reader kept a checkpoint from ending */
    MANY_CHANGES = 300,              /* of a group of rows and events: their references are found here */
};

static int
run(sqlite3_stmt *s)
{
    (void)sqlite3_step(s);
    return sqlite3_reset(s);
}

static int
set_fsync(sy__writer *w, bool on)
{
    if (w->fsyncs == on) return SQLITE_OK;
    int rc = sqlite3_exec(w->conn, on ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    if (rc == SQLITE_OK) w->fsyncs = on;
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
    (void)sqlite3_busy_timeout(conn, WAIT_STEP_MS);
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

/* ---- one change ---- */

/* The fault of a change, not of the database. */
static bool
is_refusal(int rc)
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

static bool
may_pass(int rc)
{
    switch (rc & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_NOMEM: return true;
    default: return false;
    }
}

static int
last_seq(sy__writer *w, int64_t *seq)
{
    *seq = sqlite3_step(w->last_seq) == SQLITE_ROW ? sqlite3_column_int64(w->last_seq, 0) : 0;
    return sqlite3_reset(w->last_seq);
}

static const char *
sql_of(sy__db *db, int number)
{
    (void)pthread_mutex_lock(&db->queue.lock);
    const char *sql = db->queue.statements[number];
    (void)pthread_mutex_unlock(&db->queue.lock);
    return sql;
}

static sqlite3_stmt *
statement(sy__db *db, int number, int *rc)
{
    sy__writer *w = &db->writer;
    if (w->statements[number]) return w->statements[number];
    (void)pthread_mutex_lock(&db->queue.lock);
    const char *sql = db->queue.again[number] ? db->queue.again[number] : db->queue.statements[number];
    (void)pthread_mutex_unlock(&db->queue.lock);
    *rc = sqlite3_prepare_v3(w->conn, sql, -1, SQLITE_PREPARE_PERSISTENT, &w->statements[number], NULL);
    return w->statements[number];
}

static int
bind_one(sqlite3_stmt *s, int at, const sy__param *p)
{
    switch (p->kind) {
    case SY__P_INT: return sqlite3_bind_int64(s, at, p->i);
    case SY__P_NUM: return sqlite3_bind_double(s, at, p->d);
    case SY__P_TEXT: return sqlite3_bind_text64(s, at, p->p, p->len, SQLITE_STATIC, SQLITE_UTF8);
    case SY__P_BLOB: return sqlite3_bind_blob64(s, at, p->p, p->len, SQLITE_STATIC);
    case SY__P_NULL: break;
    }
    return sqlite3_bind_null(s, at);
}

static int
write_params(sy__db *db, const sy__change *c)
{
    int rc = SQLITE_OK;
    sqlite3_stmt *s = statement(db, c->statement, &rc);
    if (!s) return rc;
    int slots = sqlite3_bind_parameter_count(s);
    for (int i = 0; i < c->count && rc == SQLITE_OK; i++) rc = bind_one(s, i + 1, &c->params[i]);
    for (int i = c->count; i < slots && rc == SQLITE_OK; i++) rc = sqlite3_bind_null(s, i + 1);
    if (rc != SQLITE_OK) return rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) continue;
    return sqlite3_reset(s);
}

/* Whether this host still owns the run, compared once in each transaction. */
static int
check_epoch(sy__db *db, sy__run *r)
{
    sy__writer *w = &db->writer;
    if (r->lost || !r->owned || r->checked == w->attempt) return SQLITE_OK;
    r->checked = w->attempt;
    int rc = sqlite3_bind_text(w->epoch, 1, r->id, -1, SQLITE_STATIC);
    if (rc != SQLITE_OK) return rc;
    bool there = sqlite3_step(w->epoch) == SQLITE_ROW;
    int64_t epoch = there ? sqlite3_column_int64(w->epoch, 0) : 0;
    rc = sqlite3_reset(w->epoch);
    if (rc != SQLITE_OK || !there || epoch == r->epoch) return rc;
    r->lost = true;
    sy__logf(db->log, SY__LOG_WARN, "db", "run %s has another owner now (epoch %lld)", r->id, (long long)epoch);
    return SQLITE_OK;
}

/* Its number in commit order and, when it came without one, its id. */
static void
name_event(sy__writer *w, const sy__change *c, int64_t *seq)
{
    c->params[SY__EV_SEQ] = (sy__param){.kind = SY__P_INT, .i = ++*seq};
    if (c->nameless) sy__id_next(&w->ids, (char *)(uintptr_t)c->params[SY__EV_ID].p);
}

/* Whether a change is to be written: nothing refused it, and its run is ours. An SQLITE_… code. */
static int
admit(sy__db *db, const sy__change *c, bool *yes)
{
    *yes = false;
    if (c->statement == SY__STATEMENT_EVENT) c->params[SY__EV_SEQ] = (sy__param){.kind = SY__P_NULL};
    if (c->refused) return SQLITE_OK;
    int rc = c->run ? check_epoch(db, c->run) : SQLITE_OK;
    *yes = rc == SQLITE_OK && !(c->run && c->run->lost);
    return rc;
}

static int
write_change(sy__db *db, const sy__change *c, int64_t *seq)
{
    bool yes;
    int rc = admit(db, c, &yes);
    if (!yes) return rc;
    if (c->statement == SY__STATEMENT_EVENT) name_event(&db->writer, c, seq);
    return write_params(db, c);
}

/* ---- references ---- */

/* Whether SQLite looks at foreign keys (else refs.c does). Statements prepare themselves anew after a change, so only
 * many rows and events are worth it; it then stays until there is something else to write. */
static int
set_keys(sy__writer *w, bool own)
{
    if (w->own_keys == own) return SQLITE_OK;
    int rc = sqlite3_db_config(w->conn, SQLITE_DBCONFIG_ENABLE_FKEY, own ? 0 : 1, NULL);
    if (rc == SQLITE_OK) w->own_keys = own;
    return rc;
}

static int
choose_keys(sy__writer *w, const sy__group *g, bool careful)
{
    bool can = !careful && !w->no_own_keys;
    return set_keys(w, can && (w->own_keys || g->count - g->others >= MANY_CHANGES));
}

/* What these changes of one statement refer to must be there, or in the rows written last. */
static int
check_refs(sy__db *db, const sy__change *const *list, size_t count, int statement)
{
    sy__writer *w = &db->writer;
    sy__refs **refs = &w->refs[statement];
    if (!w->own_keys) return SQLITE_OK;
    int rc = *refs ? SQLITE_OK : sy__refs_new(refs, db->alloc, w->conn, sql_of(db, statement));
    if (rc == SQLITE_MISUSE) w->no_own_keys = true;
    if (rc != SQLITE_OK) return rc == SQLITE_MISUSE ? SQLITE_CONSTRAINT_FOREIGNKEY : rc;
    sy__refs_forget(*refs, w->attempt);
    const sy__refs *rows = w->sorted > 0 ? w->refs[w->rows.statement] : NULL;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = sy__refs_check(*refs, list[i], &w->rows, w->sorted, rows ? rows->table : NULL);
    return rc;
}

/* ---- many changes at once ---- */

static int
flush_rows(sy__db *db, sy__rows *rows)
{
    sy__writer *w = &db->writer;
    if (rows->count == 0) return SQLITE_OK;
    sqlite3_stmt **s = &w->many[rows->statement];
    int rc = *s ? SQLITE_OK : sy__rows_prepare(w->conn, sql_of(db, rows->statement), s);
    if (rows->statement != SY__STATEMENT_EVENT) sy__rows_sort(rows);
    if (rows == &w->rows) w->sorted = rows->count;
    if (rc == SQLITE_OK) rc = check_refs(db, rows->list, rows->count, rows->statement);
    w->source = rows;
    if (rc == SQLITE_OK) rc = run(*s);
    w->source = NULL;
    rows->count = 0;
    return rc;
}

/* Rows first: events refer to them, never the other way round. */
static int
flush_all(sy__db *db)
{
    int rc = flush_rows(db, &db->writer.rows);
    return rc == SQLITE_OK ? flush_rows(db, &db->writer.events) : rc;
}

static int
collect(sy__db *db, sy__rows *to, const sy__change *c)
{
    int rc = to->count > 0 && to->statement != c->statement ? flush_rows(db, to) : SQLITE_OK;
    if (to == &db->writer.rows) db->writer.sorted = 0; /* the list is used again */
    to->statement = c->statement;
    if (rc == SQLITE_OK && sy__rows_add(to, db->alloc, c)) rc = SQLITE_NOMEM;
    return rc;
}

/* As write_change, but a new row or an event waits for more of its kind. */
static int
write_soon(sy__db *db, const sy__change *c, int64_t *seq)
{
    sy__writer *w = &db->writer;
    bool yes;
    int rc = admit(db, c, &yes);
    if (!yes) return rc;
    if (c->statement == SY__STATEMENT_EVENT) {
        name_event(w, c, seq);
        return collect(db, &w->events, c);
    }
    bool row = db->queue.again[c->statement] != NULL;
    if (row && !c->again) return collect(db, &w->rows, c);
    rc = row ? flush_rows(db, &w->rows) : flush_all(db);
    if (rc == SQLITE_OK) rc = row ? check_refs(db, &c, 1, c->statement) : set_keys(w, false);
    return rc == SQLITE_OK ? write_params(db, c) : rc;
}

/* In the order they were put, but for what rows.h says; *bad is the change that was refused, NULL: not known. */
static int
write_group(sy__db *db, sy__group *g, bool careful, sy__change **bad)
{
    sy__writer *w = &db->writer;
    int64_t seq = 0;
    int rc = g->events > 0 ? last_seq(w, &seq) : SQLITE_OK;
    w->rows.count = w->events.count = w->sorted = 0;
    for (size_t i = 0; i < g->count && rc == SQLITE_OK; i++) {
        rc = careful ? write_change(db, &g->changes[i], &seq) : write_soon(db, &g->changes[i], &seq);
        if (careful && is_refusal(rc)) *bad = &g->changes[i];
    }
    return rc == SQLITE_OK && !careful ? flush_all(db) : rc;
}

/* ---- one group ---- */

static int
sync_log(sy__writer *w)
{
    sqlite3_file *log;
    int rc = log_file(w, &log);
    if (rc != SQLITE_OK || !log || !log->pMethods) return rc;
    SY__CRASH_POINT("log.before_sync");
    rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    SY__CRASH_POINT("log.synced");
    return rc;
}

/* A transaction that changed nothing writes no frames and fsyncs nothing, but earlier groups may wait for it. */
static int
commit_now(sy__writer *w, bool full, int64_t changes_before)
{
    SY__CRASH_POINT("commit.before");
    int rc = run(w->commit);
    SY__CRASH_POINT("commit.done");
    if (rc != SQLITE_OK || !full || sqlite3_total_changes64(w->conn) != changes_before) return rc;
    return sync_log(w);
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
    int rc = set_fsync(w, full);
    if (rc == SQLITE_OK) rc = choose_keys(w, g, careful);
    if (rc == SQLITE_OK) rc = run(w->begin);
    if (rc == SQLITE_OK) rc = write_group(db, g, careful, bad);
    if (rc == SQLITE_OK) rc = commit_now(w, full, before);
    if (rc != SQLITE_OK) (void)sy__sql_error(err, w->conn, rc, "cannot write");
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(w->conn)) (void)run(w->rollback);
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
        if (!careful && is_refusal(rc)) {
            careful = true;
            continue;
        }
        if (!may_pass(rc) || waited_ms >= db->retry_ms) return err->code;
        wait_a_bit(db, rc);
        waited_ms += WAIT_STEP_MS;
    }
}

int
sy__writer_sync(sy__db *db, sy__error *err)
{
    int rc = sync_log(&db->writer);
    return rc == SQLITE_OK ? SY_OK : sy__sql_error(err, db->writer.conn, rc, "cannot fsync the log");
}

/* ---- errands ---- */

static int
begin_patiently(sy__db *db)
{
    int rc = set_fsync(&db->writer, true);
    if (rc == SQLITE_OK) rc = set_keys(&db->writer, false);
    if (rc == SQLITE_OK) rc = run(db->writer.begin);
    for (int waited_ms = 0; may_pass(rc) && waited_ms < db->retry_ms; waited_ms += WAIT_STEP_MS) {
        wait_a_bit(db, rc);
        rc = run(db->writer.begin);
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
        rc = run(w->commit);
        SY__CRASH_POINT("errand.done");
        if (rc != SQLITE_OK) code = sy__sql_error(e->err, w->conn, rc, "cannot write");
        if ((rc & 0xFF) == SQLITE_IOERR) (void)sy__sql_error(fatal, w->conn, rc, "cannot write");
    }
    if (!sqlite3_get_autocommit(w->conn)) (void)run(w->rollback);
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

/* ---- the log's length ---- */

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
    if (rc == SQLITE_OK || may_pass(rc)) return SY_OK;
    return sy__sql_error(err, w->conn, rc, "cannot move the log into the database");
}
