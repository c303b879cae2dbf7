/*
 * run.c: the life of a run: made from a definition, launched, followed node by node, ended, told.
 *
 * A run ends when every node of its dag has ended, or when it stops (a failure, a cancellation, parking) and
 * nothing of it is active any more. Its final row is queued then; it counts as ended for others when that row
 * is durable.
 */
#include "pit/engine_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PARALLEL = 64 };

sy__run *
sy__run_hold(sy__run *r)
{
    (void)atomic_fetch_add(&r->refs, 1);
    return r;
}

void
sy__run_release(sy__run *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1) return;
    const sy__alloc *a = r->engine->alloc;
    for (size_t i = 0; r->tasks && i < r->plan->count; i++) sy__task_close(&r->tasks[i]);
    sy__free(a, r->tasks);
    sy__plan_free(r->plan);
    sy__dag_free(r->dag);
    sy__blob_release(r->params);
    sy__blob_release(r->outputs);
    sy__nodes_close(&r->resumable);
    sy__free(a, r->melody_id);
    sy__free(a, r->melody_hash);
    sy__free(a, r->orchestration_type);
    (void)pthread_mutex_destroy(&r->lock);
    sy__free(a, r);
}

int
sy__run_new(sy__run **out, sy__engine *e, sy__value definition, sy__value params, sy__error *err)
{
    *out = NULL;
    sy__run *r = sy__calloc(e->alloc, 1, sizeof *r);
    if (!r) return sy__error_set(err, SY_ENOMEM, "no memory for a run");
    r->engine = e;
    r->resumable.alloc = e->alloc;
    atomic_init(&r->refs, 1);
    (void)pthread_mutex_init(&r->lock, NULL);
    int status = sy__plan_new(&r->plan, &r->dag, e->alloc, definition, e->o.registry, err);
    if (!status) {
        r->params = sy__blob_new(e->alloc, params);
        r->tasks = sy__calloc(e->alloc, r->plan->count, sizeof *r->tasks);
        if (!r->params || !r->tasks) status = sy__error_set(err, SY_ENOMEM, "no memory for a run");
    }
    if (status) {
        sy__run_release(r);
        return status;
    }
    r->gate = (sy__gate){.name = "run", .limit = DEFAULT_PARALLEL};
    r->status = SY__RUN_RUNNING;
    r->level = SY__LEVEL_FULL;
    r->created_ms = r->started_ms = sy__wall_ms(e->o.clock);
    r->first_ns = sy__mono_ns(e->o.clock);
    sy__id_source ids;
    sy__id_source_init(&ids, e->o.clock);
    sy__id_next(&ids, r->id);
    sy__id_next(&ids, r->root_id);
    for (uint32_t i = 0; i < r->plan->count; i++) {
        sy__task *t = &r->tasks[i];
        t->run = r;
        t->spec = &r->plan->tasks[i];
        t->number = i;
        t->created_ms = r->created_ms;
        sy__id_next(&ids, t->id);
        sy__task_gates(t);
    }
    *out = r;
    return SY_OK;
}

/* ---- following the dag ---- */

void
sy__run_skip(sy__stage *s, sy__run *r, uint32_t node)
{
    sy__task *t = &r->tasks[node];
    t->status = SY__TASK_COMPLETED;
    t->outcome = SY__OUTCOME_SKIPPED;
    t->completed_ms = sy__wall_ms(r->engine->o.clock);
    t->ended = true;
    if (r->level != SY__LEVEL_NONE) sy__record_task(s, t);
    sy__record_event(s, t, "task.skipped", NULL);
}

static sy__job *
jobs_of(sy__run *r, const sy__nodes *ready)
{
    sy__job *list = NULL;
    for (size_t i = ready->count; i-- > 0;) {
        sy__job *job = &r->tasks[ready->at[i]].job;
        job->next = list;
        list = job;
        r->active++;
    }
    return list;
}

sy__job *
sy__run_follow(sy__stage *s, sy__run *r, uint32_t node, bool has_value)
{
    s->ready.count = s->skipped.count = 0;
    if (sy__dag_end(r->dag, node, has_value, &s->ready, &s->skipped)) {
        sy__error err = {0};
        (void)sy__error_set(&err, SY_ENOMEM, "no memory to follow the run");
        sy__run_fail(r, &err, NULL);
        return NULL;
    }
    sy__record_count(r, SY__MEMBER_DAG, 1);
    for (size_t i = 0; i < s->skipped.count; i++) sy__run_skip(s, r, s->skipped.at[i]);
    return atomic_load(&r->stopping) ? NULL : jobs_of(r, &s->ready);
}

void
sy__run_submit(sy__engine *e, sy__stage *s, sy__job *list)
{
    if (!list) return;
    if (s && !s->next_task) {
        sy__job *own = list;
        list = list->next;
        own->next = NULL;
        if (sy__arbiter_admit(e->arbiter, own)) s->next_task = (sy__task *)own;
    }
    if (!list) return;
    size_t ready = sy__arbiter_submit(e->arbiter, list);
    if (ready) sy__stages_wake(e, ready);
}

/* A task of uncertain effect: its row says so, its branch waits. run.lock held. */
static void
wait_for_person(sy__stage *s, sy__run *r, sy__task *t)
{
    r->waiting++;
    if (!t->error) t->error = sy__malloc(r->engine->alloc, sizeof *t->error);
    if (!t->error) return;
    (void)sy__error_set(t->error, SY_EUNCERTAIN,
                        "`%s` was being done when its process ended; whether it took effect is not known",
                        t->spec->targets[0].name);
    sy__error_hint(t->error, "symphony resume %lld --retry %s | --skip %s | --result %s=JSON", (long long)r->number,
                   t->spec->key, t->spec->key, t->spec->key);
    sy__error_where(t->error, NULL, t->spec->line, t->spec->key);
    t->status = SY__TASK_EXECUTING;
    if (r->level != SY__LEVEL_NONE) sy__record_uncertain(s, t);
}

/* Takes out of `ready` what waits for a person, and what a person has decided. run.lock held. */
static void
set_aside(sy__stage *s, sy__run *r, sy__nodes *ready, sy__nodes *decided)
{
    size_t kept = 0;
    for (size_t i = 0; i < ready->count; i++) {
        sy__task *t = &r->tasks[ready->at[i]];
        if (t->uncertain)
            wait_for_person(s, r, t);
        else if (t->decided)
            (void)sy__nodes_add(decided, ready->at[i]);
        else
            ready->at[kept++] = ready->at[i];
    }
    ready->count = kept;
}

/* Stage thread: everything that can start now. Nodes that ended before a resume are not ready again. */
static void
launch(sy__stage *s, void *ud)
{
    sy__run *r = ud;
    sy__nodes ready = {.alloc = s->engine->alloc}, decided = {.alloc = s->engine->alloc};
    sy__error err = {0};
    (void)pthread_mutex_lock(&r->lock);
    sy__record_run_event(s, r, r->epoch > 1 ? "run.resumed" : "run.started", NULL);
    for (uint32_t i = 0; i < r->plan->count; i++) /* skipped by what ended before the crash, but not written */
        if (sy__dag_ended(r->dag, i) && !r->tasks[i].ended) sy__run_skip(s, r, i);
    if (sy__dag_start(r->dag, &ready)) {
        (void)sy__error_set(&err, SY_ENOMEM, "no memory to start the run");
        sy__run_fail(r, &err, NULL);
    }
    for (uint32_t i = 0; i < r->resumable.count; i++)
        if (!r->tasks[r->resumable.at[i]].ended) (void)sy__nodes_add(&ready, r->resumable.at[i]);
    set_aside(s, r, &ready, &decided);
    sy__job *list = atomic_load(&r->stopping) ? NULL : jobs_of(r, &ready);
    r->active += decided.count;
    sy__run_settle(s, r);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_submit(s->engine, s, list);
    for (size_t i = 0; i < decided.count; i++) {
        sy__task *t = &r->tasks[decided.at[i]];
        sy__task_end(s, t, t->status, t->outcome);
    }
    sy__nodes_close(&ready);
    sy__nodes_close(&decided);
    if (list) sy__prewarm(s, r);
    sy__run_release(r);
}

int
sy__run_launch(sy__run *r)
{
    sy__engine *e = r->engine;
    (void)pthread_mutex_lock(&e->lock);
    r->next = e->runs;
    e->runs = sy__run_hold(r);
    (void)pthread_mutex_unlock(&e->lock);
    sy__stage *s = &e->stages[(size_t)r->number % (size_t)e->stage_count];
    return sy__stage_post(s, launch, sy__run_hold(r)) ? SY_OK : SY_ENOMEM;
}

void
sy__run_code(const sy__run *r, sy__vbuf *out)
{
    sy__map seen;
    sy__map_init(&seen, r->engine->alloc);
    sy__vbuf_map(out);
    for (size_t i = 0; i < r->plan->count; i++) {
        const sy__plan_task *t = &r->plan->tasks[i];
        for (size_t k = 0; k < t->target_count; k++) {
            sy__extension *ext = t->targets[k].extension;
            if (sy__map_get(&seen, ext->name, strlen(ext->name))) continue;
            (void)sy__map_put(&seen, ext->name, strlen(ext->name), ext);
            sy__vbuf_key(out, ext->name, strlen(ext->name));
            sy__vbuf_cstr(out, ext->version_id);
        }
    }
    sy__vbuf_end(out);
    sy__map_close(&seen);
}

/* ---- stopping ---- */

void
sy__run_fail(sy__run *r, const sy__error *why, const char *task)
{
    if (!r->halting && why) {
        r->error = *why;
        if (task && !r->error.task[0]) sy__error_where(&r->error, NULL, r->error.line, task);
    }
    r->halting = true;
    atomic_store(&r->stopping, true);
}

void
sy__run_unwritten(sy__run *r, int status)
{
    int none = SY_OK;
    if (!atomic_compare_exchange_strong(&r->put_status, &none, status)) return;
    atomic_store(&r->stopping, true);
    sy__engine_settle_soon(r);
}

/* ---- the end ---- */

static bool
output_of(void *ud, uint32_t task, bool weak, sy__value *out)
{
    (void)weak;
    const sy__task *t = &((sy__run *)ud)->tasks[task];
    if (!sy__task_has_value(t) || !t->output) return false;
    *out = sy__blob_value(t->output);
    return true;
}

/* Without outputs of its own a run gives those of every task nobody depends on, by key. */
static void
leaf_outputs(sy__run *r, sy__vbuf *out)
{
    sy__vbuf_map(out);
    for (uint32_t i = 0; i < r->plan->count; i++) {
        sy__value v;
        if (!sy__dag_is_leaf(r->dag, i)) continue;
        sy__vbuf_key(out, r->plan->tasks[i].key, strlen(r->plan->tasks[i].key));
        sy__vbuf_value(out, output_of(r, i, true, &v) ? v : sy__value_null());
    }
    sy__vbuf_end(out);
}

static void
make_outputs(sy__stage *s, sy__run *r)
{
    sy__value v;
    sy__template_source source = {output_of, sy__blob_value(r->params), r};
    sy__vbuf_reset(&s->scratch);
    if (r->plan->outputs)
        sy__template_fill(r->plan->outputs, &source, &s->scratch);
    else
        leaf_outputs(r, &s->scratch);
    int status = sy__vbuf_done(&s->scratch, &v);
    if (!status) {
        r->outputs = sy__blob_new(r->engine->alloc, v);
        return;
    }
    sy__error err = {0};
    (void)sy__error_set(&err, status, "the outputs together are larger than a value may be (16 MiB)");
    sy__run_fail(r, &err, NULL);
}

/* What was never begun when a run failed or was cancelled. */
static void
close_rest(sy__stage *s, sy__run *r)
{
    for (uint32_t i = 0; i < r->plan->count; i++) {
        sy__task *t = &r->tasks[i];
        if (t->ended) continue;
        t->status = SY__TASK_FAILED;
        t->outcome = SY__OUTCOME_CANCELLED;
        t->completed_ms = sy__wall_ms(r->engine->o.clock);
        t->ended = true;
        if (r->level != SY__LEVEL_NONE) sy__record_task(s, t);
        sy__record_event(s, t, "task.cancelled", NULL);
    }
}

/* Its final row is durable, or will never be. run.lock held. */
static void
committed(sy__run *r, int status)
{
    sy__engine *e = r->engine;
    if (status) {
        r->status = SY__RUN_FAILED;
        if (sy__db_status(e->o.db, &r->error) == SY_OK)
            (void)sy__error_set(&r->error, status, "%s", sy_strerror(status));
    }
    if (!status && !r->lost && sy__db_run_lost(e->o.db, r->id)) {
        r->status = SY__RUN_FAILED;
        (void)sy__error_set(&r->error, SY_EINTERNAL,
                            "the end of the run was not written: its rows were refused, or it was taken over");
        sy__error_hint(&r->error, "symphony doctor   looks for what is wrong; symphony resume %lld",
                       (long long)r->number);
    }
    r->committed = true;
    sy__db_run_disown(e->o.db, r->id);
    if (e->o.on_change) e->o.on_change(e->o.on_change_ud);
}

/* Writer thread. */
static void
on_committed(void *ud, int status)
{
    sy__run *r = ud;
    sy__engine *e = r->engine;
    (void)pthread_mutex_lock(&r->lock);
    committed(r, status);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_release(r);
    (void)atomic_fetch_sub(&e->hooks, 1);
}

/* Whether the cancellation came in time to stop anything. */
static bool
was_cut(const sy__run *r)
{
    for (size_t i = 0; i < r->plan->count; i++)
        if (!r->tasks[i].ended || r->tasks[i].outcome == SY__OUTCOME_CANCELLED) return true;
    return false;
}

static sy__run_status
final_status(const sy__run *r, size_t open)
{
    if (r->cancelled && was_cut(r)) return SY__RUN_CANCELLED;
    if (r->parking && open > 0) return SY__RUN_PAUSED;
    if (r->halting) return SY__RUN_FAILED;
    return open > 0 ? SY__RUN_WAITING : SY__RUN_COMPLETED;
}

static void
record_finished(sy__stage *s, sy__run *r)
{
    char context[128], used[96];
    bool over = r->status >= SY__RUN_COMPLETED;
    (void)snprintf(context, sizeof context, "{\"decision\":\"%s\",\"status\":\"%s\",\"tasks\":%zu,\"open\":%zu}",
                   over ? "run_finished" : "checkpoint", sy__run_status_name(r->status), r->plan->count,
                   sy__dag_open(r->dag));
    (void)snprintf(used, sizeof used, "{\"cpu_ms\":%.3f}", (double)r->cpu_ns / 1e6);
    sy__record_pit(s, r, NULL, SY__MEMBER_DAG, context, used);
}

static void
write_end(sy__stage *s, sy__run *r)
{
    r->completed_ms = sy__wall_ms(r->engine->o.clock);
    if (r->status == SY__RUN_FAILED || r->status == SY__RUN_CANCELLED) close_rest(s, r);
    sy__record_counts(s, r);
    record_finished(s, r);
    (void)sy__artifacts_flush(r->engine->o.artifacts, NULL);
    sy__record_run(s, r);
    sy__db *db = r->engine->o.db;
    (void)atomic_fetch_add(&r->engine->hooks, 1);
    int status = sy__db_notify(db, sy__db_now(db), r->level == SY__LEVEL_FULL, on_committed, sy__run_hold(r));
    if (!status) return;
    (void)atomic_fetch_sub(&r->engine->hooks, 1);
    committed(r, status);
    sy__run_release(r);
}

void
sy__run_settle(sy__stage *s, sy__run *r)
{
    size_t open = sy__dag_open(r->dag);
    bool stopping = atomic_load(&r->stopping);
    if (r->ended || r->active > 0 || (open > 0 && !stopping && r->waiting == 0)) return;
    r->ended = true;
    int put_status = atomic_load(&r->put_status);
    if (put_status || r->lost) {
        r->status = r->lost ? SY__RUN_PAUSED : SY__RUN_FAILED;
        committed(r, put_status);
        return;
    }
    r->status = final_status(r, open);
    if (r->status == SY__RUN_COMPLETED) make_outputs(s, r);
    if (r->status == SY__RUN_COMPLETED && r->halting) r->status = SY__RUN_FAILED;
    write_end(s, r);
}
