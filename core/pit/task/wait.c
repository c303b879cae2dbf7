/*
 * wait.c: tasks that wait for a person: what sets them aside, what they are told.
 *
 * Such a task is `executing`, holds no gate, no isolate and no thread, and counts as waiting instead of active. When
 * nothing else is left, the run parks as `waiting`, and what is decided then is decided by a resume.
 */
#include "pit/task/journal.h"
#include "pit/run/past.h"

#include <stdio.h>
#include <string.h>

const char *
sy__wait_name(sy__wait why)
{
    static const char *const names[] = {NULL, "effect", "error", "budget", "answer", "time"};
    return names[why];
}

/* ---- setting aside ---- */

static void
hint(sy__task *t)
{
    sy__buf key;
    sy__buf_init(&key, t->run->engine->alloc);
    sy__task_key(t, &key);
    const char *k = sy__buf_cstr(&key);
    if (k) {
        sy__error_hint(t->error, "symphony resume %lld --retry %s | --skip %s | --result %s=JSON",
                       (long long)t->run->number, k, k, k);
        sy__error_where(t->error, NULL, t->spec->line, k);
    }
    sy__buf_close(&key);
}

void
sy__wait_on(sy__stage *s, sy__task *t)
{
    const sy__past *p = sy__past_of(t);
    t->waits = p && p->waits ? p->waits : SY__WAIT_EFFECT;
    t->status = SY__TASK_EXECUTING;
    sy__scope_wait(t->scope, 1);
    if (!t->error) t->error = sy__calloc(s->engine->alloc, 1, sizeof *t->error);
    if (!t->error) return;
    if (t->waits == SY__WAIT_EFFECT)
        (void)sy__error_set(t->error, SY_EUNCERTAIN,
                            "`%s` was being done when its process ended; whether it took effect is not known",
                            t->spec->targets[0].name);
    else
        (void)sy__error_set(t->error, t->waits == SY__WAIT_BUDGET ? SY_EBUDGET : SY_EEXTENSION,
                            "`%s` had failed, and waits for a decision", t->spec->key);
    hint(t);
    if (t->waits == SY__WAIT_EFFECT && t->run->level != SY__LEVEL_NONE) sy__record_uncertain(s, t);
}

static bool
is_of_map(const sy__task *t)
{
    return sy__task_is_item(t) && t->parent->spec->verb == SY__VERB_EACH;
}

/* A map goes on with another child while one waits. run.lock held. */
static sy__task *
replacement(sy__stage *s, sy__task *t)
{
    if (!is_of_map(t)) return NULL;
    t->parent->each->waiting++;
    return sy__task_stopped(t->parent) ? NULL : sy__each_next(s, t->parent);
}

void
sy__wait_begin(sy__stage *s, sy__task *t, sy__wait why, const sy__error *err)
{
    sy__run *r = sy__run_hold(t->run);
    sy__task_leave(s, t);
    if (err) {
        sy__task_note_error(s, t, err);
        if (t->error && why != SY__WAIT_BUDGET) hint(t);
    }
    (void)pthread_mutex_lock(&r->lock);
    t->waits = why;
    t->status = SY__TASK_EXECUTING;
    if (why == SY__WAIT_TIME || (why == SY__WAIT_ANSWER && t->spec->timeout_ms)) r->timed = true;
    if (r->level != SY__LEVEL_NONE) sy__record_task(s, t);
    if (why == SY__WAIT_ANSWER)
        sy__ask_event(s, t);
    else
        sy__record_event(s, t, "task.waiting", NULL);
    sy__task *next = replacement(s, t);
    sy__scope_leave(t->scope);
    sy__scope_wait(t->scope, 1);
    sy__scope_settle(s, t->scope);
    (void)pthread_mutex_unlock(&r->lock);
    if (next) sy__run_submit(s->engine, s, &next->job);
    sy__run_release(r);
}

/* ---- deciding ---- */

int
sy__wait_check(const sy__plan_task *spec, sy__value result, sy__error *err)
{
    char message[SY__ERROR_MESSAGE_BYTES];
    bool asks = spec->verb == SY__VERB_ASK;
    const sy__schema *schema = asks ? spec->schema : spec->targets[0].operation->output;
    if (!schema || sy__schema_check(schema, result, NULL, err) == SY_OK) return SY_OK;
    (void)snprintf(message, sizeof message, "%s", err->message);
    return sy__error_set(err, SY_ETYPE, "the %s `%s`: %s", asks ? "answer to" : "result of", spec->key, message);
}

/* The task counts as active again. run.lock held. */
static void
go_on(sy__task *t)
{
    t->waits = SY__WAIT_NONE;
    if (is_of_map(t)) t->parent->each->waiting--;
    sy__scope_wait(t->scope, -1);
    sy__scope_enter(t->scope);
}

/* Finds what is meant and checks what is said. run.lock held. */
static int
find(sy__run *r, sy__decision what, const char *key, sy__value result, sy__task **out, sy__error *err)
{
    sy__task *t = *out = r->ended ? NULL : sy__scope_task(r->root, key);
    if (!t) {
        (void)sy__error_set(err, SY_ENOTFOUND, "run #%lld has no task `%s`", (long long)r->number, key);
        return SY_ENOTFOUND;
    }
    if (!t->waits) return sy__error_set(err, SY_EUSAGE, "task `%s` does not wait for a decision", key);
    if (t->waits == SY__WAIT_ANSWER && what == SY__DECIDE_RETRY)
        return sy__error_set(err, SY_EUSAGE, "task `%s` is a question: answer it", key);
    if (t->waits == SY__WAIT_TIME)
        return sy__error_set(err, SY_EUSAGE, "task `%s` sleeps: it waits for no decision", key);
    return what == SY__DECIDE_RESULT ? sy__wait_check(t->spec, result, err) : SY_OK;
}

static void
retry(sy__stage *s, sy__task *t)
{
    t->forgiven = t->attempts;
    t->first_ns = sy__stage_ns(s); /* how long a person took is not held against it, also after a resume */
    t->dispatched_ms = sy__stage_ms(s);
    t->approved = false;
    t->status = SY__TASK_PENDING;
    t->target = 0;
    t->job.next = NULL;
    sy__task_gates(t);
    sy__run_submit(s->engine, s, &t->job);
}

int
sy__wait_decide(sy__stage *s, sy__run *r, sy__decision what, const char *key, sy__value result, sy__error *err)
{
    sy__task *t;
    (void)pthread_mutex_lock(&r->lock);
    int status = find(r, what, key, result, &t, err);
    if (!status && what == SY__DECIDE_RESULT) {
        t->output = sy__blob_new(s->engine->alloc, result);
        if (!t->output) status = sy__error_set(err, SY_ENOMEM, "no memory for the result");
    }
    if (!status) go_on(t);
    (void)pthread_mutex_unlock(&r->lock);
    if (status) return status;
    if (what == SY__DECIDE_RETRY)
        retry(s, t);
    else
        sy__task_end(s, t, SY__TASK_COMPLETED, what == SY__DECIDE_SKIP ? SY__OUTCOME_SKIPPED : SY__OUTCOME_OK);
    return SY_OK;
}

/* ---- time ---- */

/* A question counts by the wall's clock, for it outlives processes; a sub-melody by the monotonic one. */
static bool
is_late(sy__stage *s, const sy__task *t)
{
    int64_t ms = t->spec->timeout_ms;
    if (t->waits == SY__WAIT_TIME) return t->started_ms + t->spec->max <= sy__stage_ms(s);
    if (!ms) return false;
    if (t->waits == SY__WAIT_ANSWER) return t->started_ms + ms <= sy__stage_ms(s);
    return t->inner && !t->inner->halting && !t->inner->ended && sy__stage_ns(s) - t->first_ns >= ms * 1000000;
}

/* The first task of a scope whose time is up. *timed: there are others that have one. run.lock held. */
static sy__task *
late_node(sy__stage *s, sy__scope *c, bool *timed)
{
    for (uint32_t i = 0; i < c->plan->count; i++) {
        sy__task *t = &c->tasks[i];
        if (is_late(s, t)) return t;
        *timed = *timed || (t->spec->timeout_ms && (t->waits == SY__WAIT_ANSWER || t->inner));
        sy__task *below = t->inner ? late_node(s, t->inner, timed) : NULL;
        if (below) return below;
    }
    return NULL;
}

/* The same among nodes and the calls of flows. run.lock held. */
static sy__task *
late(sy__stage *s, sy__run *r, bool *timed)
{
    for (sy__task *t = r->children; t; t = t->siblings) {
        bool clock = t->waits == SY__WAIT_TIME || (t->waits == SY__WAIT_ANSWER && t->spec->timeout_ms);
        if (clock && is_late(s, t)) return t;
        *timed = *timed || clock;
    }
    return late_node(s, r->root, timed);
}

bool
sy__wait_due(sy__stage *s, sy__run *r)
{
    bool timed = false;
    return r->timed && late(s, r, &timed) != NULL;
}

bool
sy__wait_cut(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    if (!is_late(s, t)) return false;
    (void)sy__error_set(&err, SY_ETIMEOUT, "the melody `%s` took longer than %lld ms", t->spec->melody,
                        (long long)t->spec->timeout_ms);
    sy__scope_fail(t->inner, &err, NULL);
    return true;
}

/* What a sub-melody still does is cancelled; it fails when that has ended. run.lock held. */
static void
cut(sy__stage *s, sy__task *t)
{
    (void)sy__wait_cut(s, t);
    (void)sy__engine_stop_scope(t->inner);
    sy__scope_settle(s, t->inner);
}

void
sy__wait_tick(sy__stage *s, sy__run *r)
{
    for (;;) {
        bool timed = false;
        (void)pthread_mutex_lock(&r->lock);
        sy__task *t = r->ended || atomic_load(&r->stopping) ? NULL : late(s, r, &timed);
        bool question = t && t->waits == SY__WAIT_ANSWER, sleeper = t && t->waits == SY__WAIT_TIME;
        if (question || sleeper)
            go_on(t);
        else if (t)
            cut(s, t);
        if (!t) r->timed = timed;
        (void)pthread_mutex_unlock(&r->lock);
        if (!t) return;
        if (question) sy__ask_late(s, t);
        if (sleeper) sy__journal_sleep(s, t);
    }
}

/* ---- from outside ---- */

typedef struct told {
    sy__run *run;
    sy__decision what;
    const char *key;
    sy__value result;
    sy__error *err;
    int status;
    sy__db_ticket ticket;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
} told;

static void
on_told(sy__stage *s, void *ud)
{
    told *n = ud;
    n->status = sy__wait_decide(s, n->run, n->what, n->key, n->result, n->err);
    n->ticket = sy__db_now(s->engine->o.db);
    (void)pthread_mutex_lock(&n->lock);
    n->done = true;
    (void)pthread_cond_signal(&n->cond);
    (void)pthread_mutex_unlock(&n->lock);
}

int
sy__engine_decide(sy__engine *e, const char *run, sy__decision what, const char *task, sy__value result, sy__error *err)
{
    sy__error local = {0};
    sy__error_clear(err);
    sy__run *r = sy__engine_find(e, run);
    if (!r) return sy__error_set(err, SY_ENOTFOUND, "run %s does not live in this process", run);
    told n = {.run = r, .what = what, .key = task, .result = result, .err = err ? err : &local};
    (void)pthread_mutex_init(&n.lock, NULL);
    (void)pthread_cond_init(&n.cond, NULL);
    if (sy__stage_post(&e->stages[0], on_told, &n)) {
        (void)pthread_mutex_lock(&n.lock);
        while (!n.done) (void)pthread_cond_wait(&n.cond, &n.lock);
        (void)pthread_mutex_unlock(&n.lock);
        if (!n.status) n.status = sy__db_wait(e->o.db, n.ticket, r->level == SY__LEVEL_FULL, err);
    } else {
        n.status = sy__error_set(err, SY_ENOMEM, "no memory for a decision");
    }
    (void)pthread_cond_destroy(&n.cond);
    (void)pthread_mutex_destroy(&n.lock);
    sy__run_release(r);
    return n.status;
}
