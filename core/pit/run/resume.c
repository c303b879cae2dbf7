/*
 * resume.c: a run from its rows.
 *
 *   row of the run ──> take over (owner_epoch + 1) ──> definition ──> plan ──> rows of its tasks ──> launch
 *
 * What ended keeps its outcome and output; what had begun begins again, unless its effect must not be repeated
 * unasked: such a task is uncertain and waits for `--retry`, `--skip` or `--result`.
 */
#include "base/bounds.h"
#include "base/crash.h"
#include "pit/budget/budget_task.h"
#include "pit/cache/cache.h"
#include "pit/arbiter/flow.h"
#include "pit/run/past.h"
#include "pit/record/statements.h"
#include "pit/run/state.h"

#include <stdio.h>
#include <string.h>

/* What the run's row says. */
typedef struct run_row {
    char *status, *owner, *melody_id, *melody_hash, *type, *level, *root, *params, *options, *definition, *error;
    int64_t number, epoch, ms;
} run_row;

static void
row_close(const sy__alloc *a, run_row *row)
{
    char *texts[] = {row->status, row->owner,  row->melody_id, row->melody_hash, row->type, row->level,
                     row->root,   row->params, row->options,   row->definition,  row->error};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) sy__free(a, texts[i]);
}

static char *
column(const sy__alloc *a, sqlite3_stmt *stmt, int i)
{
    const char *s = (const char *)sqlite3_column_text(stmt, i);
    return s ? sy__strndup(a, s, (size_t)sqlite3_column_bytes(stmt, i)) : NULL;
}

static int
read_row(sqlite3 *conn, const sy__alloc *a, const char *run, run_row *row, sy__error *err)
{
    static const char sql[] =
        "SELECT p.status, p.owner_host, p.melody_id, p.melody_hash, p.orchestration_type, p.durability,"
        " p.root_task_id, p.params, p.options,"
        " coalesce(v.definition, p.task_dag ->> '$.definition'), p.error, p.number, p.owner_epoch, p.cost_ms"
        " FROM pipeline_orchestration p"
        " LEFT JOIN melody_version v ON v.melody_id = p.melody_id AND v.hash = p.melody_hash WHERE p.id = ?1";
    sqlite3_stmt *stmt = NULL;
    char **texts[] = {&row->status, &row->owner,  &row->melody_id, &row->melody_hash, &row->type, &row->level,
                      &row->root,   &row->params, &row->options,   &row->definition,  &row->error};
    int status = SY_OK;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL)) {
        status = sy__error_set(err, SY_EDAMAGED, "the run cannot be read: %s", sqlite3_errmsg(conn));
    } else {
        (void)sqlite3_bind_text(stmt, 1, run, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) != SQLITE_ROW) status = sy__error_set(err, SY_ENOTFOUND, "there is no run %s", run);
    }
    for (int i = 0; !status && i < 11; i++) *texts[i] = column(a, stmt, i);
    if (!status) {
        row->number = sqlite3_column_int64(stmt, 11);
        row->epoch = sqlite3_column_int64(stmt, 12);
        row->ms = sqlite3_column_int64(stmt, 13);
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

static bool
is_over(const char *status)
{
    return strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0;
}

static const char *
lasting_name(const char *status)
{
    for (int i = SY__RUN_PENDING; i <= SY__RUN_CANCELLED; i++)
        if (strcmp(sy__run_status_name((sy__run_status)i), status) == 0) return sy__run_status_name((sy__run_status)i);
    return "failed";
}

/* An ended run is only reported. */
static void
report(const char *run, const run_row *row, sy__run_info *out)
{
    (void)snprintf(out->id, sizeof out->id, "%s", run);
    out->number = row->number;
    out->status = lasting_name(row->status);
    sy__error_clear(&out->error);
    out->committed = true;
}

/* ---- taking over ---- */

typedef struct takeover {
    const char *run, *host, *options;
    const char *budget; /* JSON; NULL: as it was */
    int64_t epoch;      /* the one seen */
    char stamp[SY__STAMP_BYTES];
} takeover;

/* Writer thread, in a transaction: two who try at once, one wins. */
static int
take_over(sqlite3 *conn, void *ud, sy__error *err)
{
    const takeover *t = ud;
    sqlite3_stmt *stmt = NULL;
    static const char sql[] = "UPDATE pipeline_orchestration SET owner_host=?2, owner_epoch=?3 + 1, status='running',"
                              " completed_at=NULL, error=NULL, options=CASE WHEN ?4 IS NULL THEN options"
                              " ELSE json_set(options, '$.budget', json(?4)) END,"
                              " started_at=coalesce(started_at, created_at) WHERE id=?1 AND owner_epoch=?3";
    int status = SY_OK;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL)) return sy__error_set(err, SY_EIO, "%s", sqlite3_errmsg(conn));
    (void)sqlite3_bind_text(stmt, 1, t->run, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 2, t->host, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 3, t->epoch);
    (void)sqlite3_bind_text(stmt, 4, t->budget, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        status = sy__error_set(err, SY_EIO, "the run cannot be taken over: %s", sqlite3_errmsg(conn));
    else if (sqlite3_changes(conn) != 1)
        status = sy__error_set(err, SY_EOWNED, "another process took the run over at the same moment");
    (void)sqlite3_finalize(stmt);
    return status ? status : sy__state_running(conn, t->host, t->options, t->stamp, err);
}

static int
check_owner(sy__engine *e, const run_row *row, sy__error *err)
{
    if (!row->owner || strcmp(row->owner, sy__db_host_id(e->o.db)) == 0 || !sy__db_host_alive(e->o.db, row->owner))
        return SY_OK;
    (void)sy__error_set(err, SY_EOWNED, "run #%lld is executed by another process that is alive",
                        (long long)row->number);
    sy__error_hint(err, "symphony show %lld   follows it; symphony cancel %lld   ends it", (long long)row->number,
                   (long long)row->number);
    return SY_EOWNED;
}

/* ---- decisions of a person ---- */

/* The answer to a question of a flow is held to the schema in its row. */
static int
check_call(sy__run *r, const sy__past *p, sy__value result, sy__error *err)
{
    char message[SY__ERROR_MESSAGE_BYTES];
    sy__vbuf b;
    sy__value payload, written = {0};
    sy__schema *schema = NULL;
    sy__vbuf_init(&b, r->engine->alloc);
    int status = p->payload ? sy__value_from_json(&b, p->payload, strlen(p->payload), err) : SY_OK;
    if (!status && p->payload && sy__vbuf_done(&b, &payload) == SY_OK &&
        sy__value_get(payload, "schema", 6, &written) && sy__value_kind(written) != SY__NULL)
        status = sy__schema_new(&schema, r->engine->alloc, written, err);
    if (!status) status = sy__schema_check(schema, result, NULL, err);
    if (status) {
        (void)snprintf(message, sizeof message, "%s", err->message);
        (void)sy__error_set(err, SY_ETYPE, "the answer to `%s`: %s", p->key, message);
    }
    sy__schema_free(schema);
    sy__vbuf_close(&b);
    return status;
}

static int
decide_row(sy__run *r, const sy__plan_task *spec, sy__past *p, sy__decision what, sy__value result, sy__error *err)
{
    if (what == SY__DECIDE_RESULT) {
        int status = spec->verb == SY__VERB_FLOW ? check_call(r, p, result, err) : sy__wait_check(spec, result, err);
        if (status) return status;
        p->result = sy__blob_new(r->engine->alloc, result);
        if (!p->result) return sy__error_set(err, SY_ENOMEM, "no memory for the result");
    }
    p->decision = what;
    return SY_OK;
}

static bool
is_below(const char *path, const char *key)
{
    size_t len = strlen(key);
    return strncmp(path, key, len) == 0 && path[len] == '/';
}

/* A map, loop or sub-melody: whatever waits below it. */
static int
decide_below(sy__run *r, const char *key, sy__decision what, sy__error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < r->past->count; i++) {
        sy__past *p = &r->past->at[i];
        const sy__plan_task *spec = is_below(p->key, key) ? sy__plan_at(r->plan, p->key) : NULL;
        if (!spec || (what == SY__DECIDE_RESULT) || !sy__past_waits(p, spec)) continue;
        p->decision = what;
        count++;
    }
    return count ? SY_OK : sy__error_set(err, SY_EUSAGE, "task `%s` does not wait for a decision", key);
}

static int
decide_one(sy__run *r, const char *key, sy__decision what, sy__value result, sy__error *err)
{
    const sy__plan_task *spec = sy__plan_at(r->plan, key);
    sy__past *p = sy__past_find(r->past, key);
    if (!spec) return sy__error_set(err, SY_ENOTFOUND, "the run has no task `%s`", key);
    bool asks = p && !p->outcome && p->waits == SY__WAIT_ANSWER;
    bool parent = p && strncmp(p->operation, "host.", 5) == 0 && !asks;
    if (parent) return decide_below(r, key, what, err);
    if (!p || (!asks && !sy__past_waits(p, spec)))
        return sy__error_set(err, SY_EUSAGE, "task `%s` does not wait for a decision", key);
    if (asks && what == SY__DECIDE_RETRY)
        return sy__error_set(err, SY_EUSAGE, "task `%s` is a question: answer it", key);
    return decide_row(r, spec, p, what, result, err);
}

static int
decide(sy__run *r, const sy__resume_request *q, sy__error *err)
{
    int status = SY_OK;
    if (q->retry) status = decide_one(r, q->retry, SY__DECIDE_RETRY, q->result, err);
    if (!status && q->skip) status = decide_one(r, q->skip, SY__DECIDE_SKIP, q->result, err);
    if (!status && q->result_task) status = decide_one(r, q->result_task, SY__DECIDE_RESULT, q->result, err);
    if (q->budget && !q->retry && !q->skip && !q->result_task) sy__past_retry_budgets(r->past);
    return status;
}

/* What its tasks had cost before. */
static void
add_costs(sy__run *r)
{
    for (size_t i = 0; i < r->past->count; i++) {
        const sy__past *p = &r->past->at[i];
        r->usd_micro += p->usd_micro;
        r->tokens += p->tokens;
    }
}

/* ---- code ---- */

static int
check_code(sy__run *r, const run_row *row, sy__error *err)
{
    sy__vbuf before, now;
    sy__value options, code = {0}, current;
    sy__vbuf_init(&before, r->engine->alloc);
    sy__vbuf_init(&now, r->engine->alloc);
    sy__run_code(r, &now);
    int status = sy__value_from_json(&before, row->options, strlen(row->options), err);
    if (!status) status = sy__vbuf_done(&before, &options);
    if (!status) status = sy__vbuf_done(&now, &current);
    if (!status && sy__value_get(options, "code", 4, &code) && !sy__value_equal(code, current)) {
        status = sy__error_set(err, SY_EUSAGE, "the code of an extension has changed since run #%lld began",
                               (long long)row->number);
        sy__error_hint(err, "symphony resume %lld --accept-code   goes on with the new code", (long long)row->number);
    }
    sy__vbuf_close(&before);
    sy__vbuf_close(&now);
    return status;
}

/* ---- all of it ---- */

static int
make_run(sy__engine *e, const run_row *row, const char *id, sy__run **out, sy__error *err)
{
    sy__vbuf definition, params;
    sy__value d, p;
    sy__vbuf_init(&definition, e->alloc);
    sy__vbuf_init(&params, e->alloc);
    int status = row->definition ? sy__value_from_json(&definition, row->definition, strlen(row->definition), err)
                                 : sy__error_set(err, SY_EDAMAGED, "the run's melody is not stored any more");
    if (!status) status = sy__value_from_json(&params, row->params, strlen(row->params), err);
    if (!status) status = sy__vbuf_done(&definition, &d);
    if (!status) status = sy__vbuf_done(&params, &p);
    if (!status) status = sy__run_new(out, e, d, p, err);
    sy__vbuf_close(&definition);
    sy__vbuf_close(&params);
    if (status) return status;
    sy__run *r = *out;
    (void)snprintf(r->id, sizeof r->id, "%s", id);
    (void)snprintf(r->root_id, sizeof r->root_id, "%s", row->root);
    r->number = row->number;
    r->epoch = row->epoch + 1;
    r->ms_before = row->ms;
    r->no_cache = sy__cache_off_json(e->alloc, row->options);
    sy__flow_weigh_json(r, row->options);
    r->level = strcmp(row->level, "full") == 0   ? SY__LEVEL_FULL
               : strcmp(row->level, "none") == 0 ? SY__LEVEL_NONE
                                                 : SY__LEVEL_PROCESS;
    r->melody_id = sy__strdup(e->alloc, row->melody_id);
    r->melody_hash = sy__strdup(e->alloc, row->melody_hash);
    r->orchestration_type = sy__strdup(e->alloc, row->type);
    return SY_OK;
}

static int
go_on(sy__engine *e, sqlite3 *conn, const sy__resume_request *q, const run_row *row, sy__run_info *out, sy__error *err)
{
    sy__run *r = NULL;
    takeover t = {.run = q->run,
                  .host = sy__db_host_id(e->o.db),
                  .options = row->options,
                  .budget = q->budget,
                  .epoch = row->epoch};
    sy__stamp(sy__wall_ms(e->o.clock), t.stamp);
    int status = make_run(e, row, q->run, &r, err);
    if (!status && !q->accept_code) status = check_code(r, row, err);
    if (!status) status = sy__past_read(&r->past, e, conn, q->run, err);
    if (!status && is_over(row->status)) status = sy__past_reopen(r->past, err);
    if (!status) status = decide(r, q, err);
    if (!status) status = sy__budget_resume(r, row->options, q->budget, err);
    if (!status) status = sy__db_exclusive(e->o.db, take_over, &t, err);
    SY__CRASH_POINT("run.taken_over");
    if (!status) status = sy__db_run_own(e->o.db, r->id, r->epoch);
    if (!status) add_costs(r);
    if (!status) status = sy__scope_restore(r->root);
    if (!status) status = sy__run_launch(r);
    if (!status) (void)sy__engine_info(e, r->id, out);
    sy__run_release(r);
    return status;
}

/* A run that failed for want of a budget goes on with a larger one. */
static bool
reopens(const run_row *row, const sy__resume_request *q)
{
    return q->budget && !q->cancel && strcmp(row->status, "failed") == 0 && row->error &&
           strstr(row->error, "\"code\":\"budget_exceeded\"");
}

/* ---- cancelling a run whose process is gone ---- */

/* Runs one statement of a take-over with ?1 the run, ?2 now, ?3 the epoch seen; *changed may be NULL. */
static int
run_sql(sqlite3 *conn, const char *sql, const takeover *t, int *changed, sy__error *err)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL)) return sy__error_set(err, SY_EIO, "%s", sqlite3_errmsg(conn));
    (void)sqlite3_bind_text(stmt, 1, t->run, -1, SQLITE_STATIC);
    if (sqlite3_bind_parameter_count(stmt) > 1) (void)sqlite3_bind_text(stmt, 2, t->stamp, -1, SQLITE_STATIC);
    if (sqlite3_bind_parameter_count(stmt) > 2) (void)sqlite3_bind_int64(stmt, 3, t->epoch);
    int status = sqlite3_step(stmt) == SQLITE_DONE
                     ? SY_OK
                     : sy__error_set(err, SY_EIO, "the run cannot be cancelled: %s", sqlite3_errmsg(conn));
    if (changed) *changed = sqlite3_changes(conn);
    (void)sqlite3_finalize(stmt);
    return status;
}

/* Writer thread, in a transaction. Its code and melody need not be there: nothing of it runs any more. */
static int
cancel_rows(sqlite3 *conn, void *ud, sy__error *err)
{
    const takeover *t = ud;
    int changed = 0;
    int status = run_sql(conn,
                         "UPDATE pipeline_orchestration SET status='cancelled', owner_host=NULL, owner_epoch=?3 + 1,"
                         " completed_at=?2 WHERE id=?1 AND owner_epoch=?3",
                         t, &changed, err);
    if (!status && changed != 1)
        status = sy__error_set(err, SY_EOWNED, "another process took the run over at the same moment");
    if (!status)
        status = run_sql(conn,
                         "UPDATE task SET task_status='failed', outcome='cancelled', completed_at=?2"
                         " WHERE pipeline_orchestration_id=?1 AND outcome IS NULL",
                         t, NULL, err);
    return status;
}

static int
cancel_dead(sy__engine *e, const char *run, const run_row *row, sy__run_info *out, sy__error *err)
{
    char id[SY__ID_BYTES], topic[128];
    takeover t = {.run = run, .host = sy__db_host_id(e->o.db), .epoch = row->epoch};
    sy__id_source ids;
    sy__stamp(sy__wall_ms(e->o.clock), t.stamp);
    int status = sy__db_exclusive(e->o.db, cancel_rows, &t, err);
    if (status) return status;
    sy__id_source_init(&ids, e->o.clock);
    sy__id_next(&ids, id);
    (void)snprintf(topic, sizeof topic, "run.%s.run.run.cancelled", run);
    sy__event event = {.id = id,
                       .run = run,
                       .task = row->root,
                       .extension = e->statements->host,
                       .type = "run.cancelled",
                       .topic = topic,
                       .payload = "{\"status\":\"cancelled\"}",
                       .context = "{}",
                       .occurred_ms = sy__wall_ms(e->o.clock)};
    (void)sy__db_put_event(e->o.db, SY__LEVEL_FULL, &event);
    report(run, row, out);
    out->status = sy__run_status_name(SY__RUN_CANCELLED);
    return sy__db_wait(e->o.db, sy__db_now(e->o.db), true, err);
}

int
sy__engine_resume(sy__engine *e, const sy__resume_request *q, sy__run_info *out, sy__error *err)
{
    run_row row = {0};
    sy__error_clear(err);
    sy__engine_forget(e, q->run);
    sqlite3 *conn = sy__db_reader(e->o.db, err);
    if (!conn) return err && err->code ? err->code : SY_EDAMAGED;
    int status = read_row(conn, e->alloc, q->run, &row, err);
    if (!status && is_over(row.status) && !reopens(&row, q)) {
        report(q->run, &row, out);
    } else if (!status && strcmp(row.level, "none") == 0 && !q->cancel) {
        status = sy__error_set(err, SY_EUSAGE, "run #%lld was durable `none`: what it had done is not known",
                               (long long)row.number);
        sy__error_hint(err, "symphony cancel %lld   ends it; run its melody again", (long long)row.number);
    } else if (!status) {
        status = check_owner(e, &row, err);
        sy__run *living = status ? NULL : sy__engine_find(e, q->run);
        if (living)
            status = sy__engine_info(e, q->run, out);
        else if (!status && q->cancel)
            status = cancel_dead(e, q->run, &row, out, err);
        else if (!status)
            status = go_on(e, conn, q, &row, out, err);
        sy__run_release(living);
    }
    if (status && err && !err->code) (void)sy__error_set(err, status, "%s", sy_strerror(status));
    row_close(e->alloc, &row);
    sy__db_reader_release(e->o.db, conn);
    return status;
}
