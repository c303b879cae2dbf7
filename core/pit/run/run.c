/*
 * run.c: the life of a run: made, launched, ended, told.
 *
 * A run ends with its own scope. Its final row is queued then; it counts as ended for others when that row is
 * durable.
 */
#include "pit/arbiter/flow.h"
#include "base/crash.h"
#include "pit/budget/budget_task.h"
#include "pit/player/players.h"
#include "pit/run/past.h"
#include "pit/stream/stream_impl.h"
#include "pit/run/watch.h"

#include <stdio.h>
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
    while (r->children) { /* those that wait for a person */
        sy__task *child = r->children;
        r->children = child->siblings;
        sy__subtask_free(child);
    }
    sy__scope_free(r->root);
    sy__budget_run_free(r);
    sy__plan_free(r->plan);
    sy__past_free(r->past);
    sy__stream_forget(r);
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
    sy__map_init(&r->rings, e->alloc);
    atomic_init(&r->refs, 1);
    (void)pthread_mutex_init(&r->lock, NULL);
    r->gate = (sy__gate){.name = "run", .limit = DEFAULT_PARALLEL};
    sy__share_init(&r->share, &r->gate, 1);
    r->status = SY__RUN_RUNNING;
    r->level = SY__LEVEL_FULL;
    r->created_ms = r->started_ms = sy__wall_ms(e->o.clock);
    r->first_ns = sy__mono_ns(e->o.clock);
    sy__id_source ids;
    sy__id_source_init(&ids, e->o.clock);
    sy__id_next(&ids, r->id);
    sy__id_next(&ids, r->root_id);
    r->root_slot.group = SY__DB_STORED; /* written with the row of the run */
    sy__dag *dag;
    int status = sy__plan_new(&r->plan, &dag, e->alloc, definition, e->o.registry, err);
    if (!status && sy__scope_new(&r->root, r, NULL, r->plan, dag, params))
        status = sy__error_set(err, SY_ENOMEM, "no memory for a run");
    if (status)
        sy__run_release(r);
    else
        *out = r;
    return status;
}

void
sy__run_submit(sy__engine *e, sy__stage *s, sy__job *list)
{
    if (!list) return;
    if (s) sy__flow_enter(s, list);
    sy__job *own = s && !s->next_task ? list : NULL;
    if (own) list = list->next;
    size_t ready = list ? sy__arbiter_submit(e->arbiter, list) : 0;
    if (own) own->next = NULL;
    if (own && sy__arbiter_admit(e->arbiter, own)) s->next_task = (sy__task *)own;
    if (ready) sy__stages_wake(e, ready);
}

/* Stage thread. */
static void
launch(sy__stage *s, void *ud)
{
    sy__run *r = ud;
    sy__record_run_event(s, r, r->epoch > 1 ? "run.resumed" : "run.started", NULL);
    sy__scope_launch(s, r->root);
    if (!atomic_load(&r->stopping)) sy__prewarm(s, r);
    sy__run_release(r);
}

int
sy__run_launch(sy__run *r)
{
    sy__engine *e = r->engine;
    sy__players_look(e);
    sy__scope_enter(r->root); /* it does not end before it was launched */
    (void)pthread_mutex_lock(&e->lock);
    r->next = e->runs;
    e->runs = sy__run_hold(r);
    (void)pthread_mutex_unlock(&e->lock);
    sy__watch_wake(e->watch);
    sy__stage *s = &e->stages[(size_t)r->number % (size_t)e->stage_count];
    return sy__stage_post(s, launch, sy__run_hold(r)) ? SY_OK : SY_ENOMEM;
}

void
sy__run_unwritten(sy__run *r, int status)
{
    int none = SY_OK;
    if (!atomic_compare_exchange_strong(&r->put_status, &none, status)) return;
    atomic_store(&r->stopping, true);
    atomic_store(&r->cutting, true);
    sy__engine_settle_soon(r);
}

/* ---- the end ---- */

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

static sy__run_status
final_status(const sy__run *r, size_t open)
{
    const sy__scope *c = r->root;
    bool undoes = sy__undo_open(c) || sy__undo_below(c);
    if (r->cancelled && (sy__scope_cut(c) || undoes)) return SY__RUN_CANCELLED;
    if (r->parking && (open > 0 || undoes)) return SY__RUN_PAUSED;
    if (c->halting) return undoes ? SY__RUN_WAITING : SY__RUN_FAILED;
    return open > 0 ? SY__RUN_WAITING : SY__RUN_COMPLETED;
}

static void
record_finished(sy__stage *s, sy__run *r)
{
    char context[128], used[96];
    bool over = r->status >= SY__RUN_COMPLETED;
    (void)snprintf(context, sizeof context, "{\"decision\":\"%s\",\"status\":\"%s\",\"tasks\":%zu,\"open\":%zu}",
                   over ? "run_finished" : "checkpoint", sy__run_status_name(r->status), r->root->plan->count,
                   sy__dag_open(r->root->dag));
    (void)snprintf(used, sizeof used, "{\"cpu_ms\":%.3f}", (double)r->cpu_ns / 1e6);
    sy__record_pit(s, r, NULL, SY__MEMBER_DAG, context, used);
}

static void
write_end(sy__stage *s, sy__run *r)
{
    r->completed_ms = sy__stage_ms(s);
    r->error = r->root->error;
    if (r->status == SY__RUN_FAILED || r->status == SY__RUN_CANCELLED) sy__scope_close(s, r->root);
    sy__record_counts(s, r);
    record_finished(s, r);
    (void)sy__artifacts_flush(r->engine->o.artifacts, NULL);
    SY__CRASH_POINT("run.before_end");
    sy__record_run(s, r);
    SY__CRASH_POINT("run.ended");
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
    sy__scope *c = r->root;
    size_t open = sy__dag_open(c->dag);
    bool stopping = atomic_load(&r->stopping);
    if (r->ended || c->active > 0 || (open > 0 && !stopping && c->waiting == 0)) return;
    int put_status = atomic_load(&r->put_status);
    if (c->halting && !atomic_load(&r->cutting) && sy__undo_next(s, c)) return;
    if (!stopping && c->waiting > 0 && sy__wait_due(s, r)) return; /* the tick goes on with it */
    r->ended = true;
    if (c->flows > 0) sy__engine_settle_soon(r); /* they leave their isolates */
    if (put_status || r->lost) {
        r->status = r->lost ? SY__RUN_PAUSED : SY__RUN_FAILED;
        committed(r, put_status);
        return;
    }
    r->status = final_status(r, open);
    if (r->status == SY__RUN_COMPLETED && !sy__scope_outputs(s, c)) r->status = SY__RUN_FAILED;
    write_end(s, r);
}
