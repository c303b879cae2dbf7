/*
 * group.c: the changes of one group, in the transaction of the caller.
 *
 * New rows and events are written many at once (rows.h); what a constraint refuses there is not named, so that the
 * group is then written change by change, every row as one that may be there already. The foreign keys of many are
 * looked up by refs.h instead of SQLite.
 */
#include "db/internal.h"
#include "db/sql.h"

enum { MANY_CHANGES = 300 }; /* of a group of rows and events: their references are found here */

/* ---- one change ---- */

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

int
sy__keys_choose(sy__writer *w, const sy__group *g, bool careful)
{
    bool can = !careful && !w->no_own_keys;
    return sy__writer_keys(w, can && (w->own_keys || g->count - g->others >= MANY_CHANGES));
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
    if (rc == SQLITE_OK) rc = sy__sql_run(*s);
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
    if (rc == SQLITE_OK) rc = row ? check_refs(db, &c, 1, c->statement) : sy__writer_keys(w, false);
    return rc == SQLITE_OK ? write_params(db, c) : rc;
}

int
sy__group_write(sy__db *db, sy__group *g, bool careful, sy__change **bad)
{
    sy__writer *w = &db->writer;
    int64_t seq = 0;
    int rc = g->events > 0 ? last_seq(w, &seq) : SQLITE_OK;
    w->rows.count = w->events.count = w->sorted = 0;
    for (size_t i = 0; i < g->count && rc == SQLITE_OK; i++) {
        rc = careful ? write_change(db, &g->changes[i], &seq) : write_soon(db, &g->changes[i], &seq);
        if (careful && sy__sql_is_refusal(rc)) *bad = &g->changes[i];
    }
    return rc == SQLITE_OK && !careful ? flush_all(db) : rc;
}
