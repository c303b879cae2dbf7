/*
 * stop.c: stopping runs from outside: cancelled or parked by this process, asked for by others through `control`,
 * or lost to a host that took them over.
 */
#include "db/params.h"
#include "pit/arbiter/flow.h"
#include "pit/budget/budget_task.h"
#include "pit/run/state.h"
#include "pit/record/statements.h"

#include <string.h>

typedef struct sweep_note {
    sy__run *run;
    int why;
    char *within; /* only the tasks of this sub-melody, by the prefix of their keys; NULL: all */
} sweep_note;

static void
sweep(sy__stage *s, void *ud)
{
    sweep_note *n = ud;
    sy__task_sweep(s, n->run, n->within, n->why);
    if (!n->within) sy__budget_withdraw(s, n->run);
    (void)pthread_mutex_lock(&n->run->lock);
    sy__scope_settle(s, n->run->root);
    (void)pthread_mutex_unlock(&n->run->lock);
    sy__run_release(n->run);
    sy__free(s->engine->alloc, n->within);
    sy__free(s->engine->alloc, n);
}

static void
drop_jobs(sy__stage *s, void *ud)
{
    for (sy__job *job = ud; job;) {
        sy__job *next = job->next;
        sy__task_drop(s, (sy__task *)job);
        job = next;
    }
}

bool
sy__task_within(const sy__task *t, const sy__run *r, const char *prefix)
{
    if (!prefix) return t->run == r;
    return t->run == r && !t->undoes && !t->reopens && strncmp(t->scope->prefix, prefix, strlen(prefix)) == 0;
}

static bool
is_meant(void *ud, sy__job *job)
{
    const sweep_note *n = ud;
    return sy__task_within((sy__task *)job, n->run, n->within);
}

/* Takes waiting and ready jobs out of the arbiter. */
static void
withdraw(sy__engine *e, sweep_note *n)
{
    sy__job *list = sy__arbiter_withdraw(e->arbiter, is_meant, n);
    if (list) (void)sy__stage_post(&e->stages[0], drop_jobs, list);
}

static bool
effect_may_repeat(const sy__attempt *a)
{
    const sy__operation *op = a->task->spec->targets[a->task->target].operation;
    return op->effects < SY__EFFECT_WRITE || op->idempotent;
}

/* Makes the Lua that a stage runs for it die at its next instruction. */
static void
poison_current(sy__stage *s, const sweep_note *n)
{
    (void)pthread_mutex_lock(&s->current_lock);
    sy__attempt *a = s->current;
    bool meant = a && a->task && sy__task_within(a->task, n->run, n->within);
    if (meant && (n->why == SY_ECANCELLED || effect_may_repeat(a))) {
        a->cancel_why = n->why;
        sy__isolate_poison(a->isolate, SY_ECANCELLED);
    }
    if (!n->within && s->evaluating == n->run && n->why == SY_ECANCELLED) sy__expr_poison(s->expr);
    (void)pthread_mutex_unlock(&s->current_lock);
}

/* Cancels or parks what runs and waits now; what follows finds the run or scope stopped. */
static int
interrupt(sy__run *r, char *within, int why)
{
    sy__engine *e = r->engine;
    sweep_note all = {.run = r, .why = why, .within = within};
    for (int i = 0; i < e->stage_count; i++) {
        sweep_note *n = sy__malloc(e->alloc, sizeof *n);
        char *prefix = within ? sy__strdup(e->alloc, within) : NULL;
        if (!n || (within && !prefix)) {
            sy__free(e->alloc, n);
            return SY_ENOMEM;
        }
        *n = (sweep_note){sy__run_hold(r), why, prefix};
        poison_current(&e->stages[i], n);
        if (!sy__stage_post(&e->stages[i], sweep, n)) return SY_ENOMEM;
    }
    withdraw(e, &all);
    return SY_OK;
}

int
sy__engine_stop_run(sy__run *r, int why)
{
    sy__engine *e = r->engine;
    (void)pthread_mutex_lock(&r->lock);
    bool over = r->ended;
    if (!over && why == SY_ECANCELLED) r->cancelled = true;
    if (!over && why == SY_EINTERRUPTED && !r->cancelled && !r->parking) {
        r->parking = true;
        r->parking_ns = sy__mono_ns(e->o.clock);
    }
    if (!over) atomic_store(&r->stopping, true), atomic_store(&r->cutting, true);
    (void)pthread_mutex_unlock(&r->lock);
    return over ? SY_OK : interrupt(r, NULL, why);
}

int
sy__engine_stop_scope(const sy__scope *c)
{
    return interrupt(c->run, c->prefix, SY_ECANCELLED);
}

static int
stop_by_id(sy__engine *e, const char *run, int why, sy__error *err)
{
    sy__run *r = sy__engine_find(e, run);
    if (!r) return sy__error_set(err, SY_ENOTFOUND, "run %s does not live in this process", run);
    int status = sy__engine_stop_run(r, why);
    sy__run_release(r);
    return status ? sy__error_set(err, status, "no memory to stop the run") : SY_OK;
}

int
sy__engine_cancel(sy__engine *e, const char *run, sy__error *err)
{
    return stop_by_id(e, run, SY_ECANCELLED, err);
}

int
sy__engine_pause(sy__engine *e, const char *run, sy__error *err)
{
    return stop_by_id(e, run, SY_EINTERRUPTED, err);
}

static void
settle(sy__stage *s, void *ud)
{
    sy__run *r = ud;
    sy__task_sweep(s, r, NULL, SY_EINTERRUPTED);
    sy__budget_withdraw(s, r);
    (void)pthread_mutex_lock(&r->lock);
    sy__scope_settle(s, r->root);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_release(r);
}

void
sy__engine_settle_soon(sy__run *r)
{
    for (int i = 0; i < r->engine->stage_count; i++)
        (void)sy__stage_post(&r->engine->stages[i], settle, sy__run_hold(r));
}

/* ---- what other processes ask, but for cancel and pause: watch.c ---- */

static sy__decision
decision_by_name(const char *command)
{
    return strcmp(command, "answer") == 0  ? SY__DECIDE_RESULT
           : strcmp(command, "retry") == 0 ? SY__DECIDE_RETRY
           : strcmp(command, "skip") == 0  ? SY__DECIDE_SKIP
                                           : SY__DECIDE_NOTHING;
}

/* What a person decided in another process; an answer is consumed once, whoever brings it. */
static int
decide(sy__stage *s, sy__run *r, sy__decision what, sqlite3_stmt *stmt, sy__error *err)
{
    const char *key = (const char *)sqlite3_column_text(stmt, 3), *json = (const char *)sqlite3_column_text(stmt, 4);
    sy__vbuf b;
    sy__value v = sy__value_null();
    if (!key) return sy__error_set(err, SY_EUSAGE, "a decision needs a task");
    sy__vbuf_init(&b, s->engine->alloc);
    int status = json ? sy__value_from_json(&b, json, strlen(json), err) : SY_OK;
    if (!status && json) status = sy__vbuf_done(&b, &v);
    if (!status) status = sy__wait_decide(s, r, what, key, v, err);
    sy__vbuf_close(&b);
    return status;
}

static int
carry_out(sy__stage *s, sy__run *r, sqlite3_stmt *stmt, sy__error *err)
{
    const char *command = (const char *)sqlite3_column_text(stmt, 2);
    sy__decision what = decision_by_name(command);
    return what ? decide(s, r, what, stmt, err)
                : sy__error_set(err, SY_EUSAGE, "this version does not know the command `%s`", command);
}

static void
obey(sy__stage *s, sqlite3_stmt *stmt)
{
    sy__engine *e = s->engine;
    const char *id = (const char *)sqlite3_column_text(stmt, 0), *run = (const char *)sqlite3_column_text(stmt, 1);
    sy__run *r = sy__engine_find(e, run);
    if (!r) return;
    char at[SY__STAMP_BYTES];
    sy__error err = {0};
    sy__buf result;
    sy__buf_init(&result, e->alloc);
    if (carry_out(s, r, stmt, &err))
        sy__error_json(&err, &result);
    else
        sy__buf_adds(&result, "{}");
    sy__stamp(sy__wall_ms(e->o.clock), at);
    sy__param p[] = {sy__p_text(id), sy__p_text(at), sy__p_text(sy__buf_cstr(&result))};
    (void)sy__db_put(e->o.db, SY__LEVEL_FULL, e->statements->handled, NULL, p, 3, NULL);
    sy__buf_close(&result);
    sy__run_release(r);
}

static void
read_control(sy__stage *s)
{
    static const char sql[] = "SELECT id, pipeline_orchestration_id, command, task_key, payload FROM control WHERE "
                              "handled_at IS NULL AND command NOT IN ('cancel', 'pause') ORDER BY id";
    sqlite3_stmt *stmt = NULL;
    sqlite3 *conn = sy__db_reader(s->engine->o.db, NULL);
    if (!conn) return;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) == SQLITE_OK)
        while (sqlite3_step(stmt) == SQLITE_ROW) obey(s, stmt);
    (void)sqlite3_finalize(stmt);
    sy__db_reader_release(s->engine->o.db, conn);
}

/* How long an effect that is under way may take before parking cuts it. */
static const int64_t PARK_NS = INT64_C(2000000000);

enum { MAX_DUE = 16 };

/* Runs with questions or sub-melodies that have a time. engine.lock and run.lock held. */
typedef struct due_runs {
    sy__run *at[MAX_DUE];
    int count;
} due_runs;

static void
note_due(due_runs *due, sy__run *r)
{
    if (!r->ended && r->timed && due->count < MAX_DUE) due->at[due->count++] = sy__run_hold(r);
}

/* Runs that another host has taken over stop here, unwritten; those that park for too long are cut. */
static bool
check_owners(sy__engine *e, due_runs *due)
{
    bool living = false;
    (void)pthread_mutex_lock(&e->lock);
    for (sy__run *r = e->runs; r; r = r->next) {
        (void)pthread_mutex_lock(&r->lock);
        bool stop = !r->ended && !r->lost && sy__db_run_lost(e->o.db, r->id);
        if (stop) r->lost = true;
        if (!r->ended && r->parking && !r->forced && sy__mono_ns(e->o.clock) - r->parking_ns > PARK_NS)
            stop = r->forced = true;
        living = living || !r->ended;
        note_due(due, r);
        (void)pthread_mutex_unlock(&r->lock);
        if (stop) (void)sy__engine_stop_run(r, SY_EINTERRUPTED);
    }
    (void)pthread_mutex_unlock(&e->lock);
    return living;
}

void
sy__engine_tick(sy__stage *s)
{
    sy__state_tick(s->engine);
    sy__flow_tick(s);
    sy__budget_tick(s);
    due_runs due = {.count = 0};
    bool living = check_owners(s->engine, &due);
    for (int i = 0; i < due.count; i++) {
        sy__wait_tick(s, due.at[i]);
        sy__run_release(due.at[i]);
    }
    if (!living) return;
    int64_t version = sy__db_data_version(s->engine->o.db);
    if (version == s->engine->data_version) return;
    s->engine->data_version = version;
    read_control(s);
}
