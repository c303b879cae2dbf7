/*
 * each.c: the children of a map.
 *
 * Only a window of children exists at a time (max_parallel, else the run's parallelism): a child that ends makes the
 * next one, which its thread takes itself. So a map over a million items costs the results and one window of tasks.
 */
#include "pit/past.h"

#include "base/bounds.h"

#include <stdio.h>
#include <string.h>

void
sy__each_free(const sy__alloc *a, sy__each *e)
{
    if (!e) return;
    for (size_t i = 0; e->outputs && i < e->count; i++) sy__blob_release(e->outputs[i]);
    sy__free(a, e->outputs);
    sy__blob_release(e->list);
    sy__free(a, e);
}

/* The result of a child that ended before a resume; false: it had not. run.lock held. */
static bool
take_past(sy__task *parent, uint32_t number)
{
    sy__each *e = parent->each;
    if (!parent->run->past) return false;
    const sy__task child = {
        .run = parent->run, .scope = parent->scope, .spec = parent->spec, .parent = parent, .number = number};
    const sy__past *p = sy__past_of(&child);
    if (!p || !p->outcome) return false;
    e->outputs[number] = p->output ? sy__blob_hold(p->output) : NULL;
    e->failed += p->status == SY__TASK_FAILED;
    e->ended++;
    return true;
}

static void
no_memory(sy__task *parent)
{
    sy__error err = {0};
    (void)sy__error_set(&err, SY_ENOMEM, "no memory for a child of `%s`", parent->spec->key);
    sy__scope_fail(parent->scope, &err, parent->spec->key);
}

sy__task *
sy__each_next(sy__stage *s, sy__task *parent)
{
    sy__each *e = parent->each;
    while (e->next < e->count && sy__value_iter_next(&e->items)) {
        uint32_t number = (uint32_t)e->next++;
        if (take_past(parent, number)) continue;
        sy__task *child = sy__subtask_new(s, parent, parent->spec, number);
        if (!child) {
            no_memory(parent);
            return NULL;
        }
        child->item = e->items.value;
        e->living++;
        if (!parent->run->past || !sy__past_waits(sy__past_of(child), child->spec)) return child;
        sy__scope_leave(child->scope);
        sy__wait_on(s, child);
    }
    return NULL;
}

/* All results in order as the parent's output. */
static int
collect(sy__stage *s, sy__task *parent)
{
    sy__each *e = parent->each;
    sy__value v;
    sy__vbuf_reset(&s->scratch);
    sy__vbuf_array(&s->scratch);
    for (size_t i = 0; i < e->count; i++) sy__vbuf_value(&s->scratch, sy__blob_value(e->outputs[i]));
    sy__vbuf_end(&s->scratch);
    int status = sy__vbuf_done(&s->scratch, &v);
    if (!status) parent->output = sy__blob_new(s->engine->alloc, v);
    return status ? status : parent->output ? SY_OK : SY_ENOMEM;
}

/* Ends the parent after its last child; or lets go of it when the run stops. */
static void
finish(sy__stage *s, sy__task *parent)
{
    sy__run *r = parent->run;
    sy__each *e = parent->each;
    sy__error err = {0};
    if (e->ended == e->count && (e->failed == 0 || parent->spec->on_error == SY__ON_ERROR_SKIP)) {
        if (collect(s, parent) == SY_OK) {
            sy__task_end(s, parent, SY__TASK_COMPLETED, SY__OUTCOME_OK);
            return;
        }
        (void)sy__error_set(&err, SY_EINVAL, "the results together are larger than a value may be (16 MiB)");
    } else if (e->failed) {
        (void)sy__error_set(&err, SY_EEXTENSION, "%zu of its %zu calls failed", e->failed, e->count);
    } else if (r->cancelled || parent->scope->halting || r->root->halting) {
        (void)sy__error_set(&err, SY_ECANCELLED, "the run was stopped");
    } else { /* parking: it begins again where it was */
        (void)pthread_mutex_lock(&r->lock);
        sy__each_free(s->engine->alloc, e);
        parent->each = NULL;
        parent->status = SY__TASK_PENDING;
        parent->first_ns = 0;
        sy__scope_leave(parent->scope);
        sy__run_hold(r);
        sy__scope_settle(s, parent->scope);
        (void)pthread_mutex_unlock(&r->lock);
        sy__run_release(r);
        return;
    }
    if (!parent->error) parent->error = sy__malloc(s->engine->alloc, sizeof err);
    if (parent->error) *parent->error = err;
    sy__task_end(s, parent, SY__TASK_FAILED, err.code == SY_ECANCELLED ? SY__OUTCOME_CANCELLED : SY__OUTCOME_ERROR);
}

static void
record_fan_out(sy__stage *s, sy__task *t)
{
    char context[96];
    int64_t window = t->spec->max_parallel > 0 ? t->spec->max_parallel : t->run->gate.limit;
    (void)snprintf(context, sizeof context, "{\"decision\":\"fan_out\",\"items\":%zu,\"window\":%lld}", t->each->count,
                   (long long)window);
    sy__record_pit(s, t->run, t, SY__MEMBER_DAG, context, NULL);
}

void
sy__each_begin(sy__stage *s, sy__task *t, sy__value list)
{
    sy__run *r = t->run;
    sy__each *e = t->each = sy__calloc(s->engine->alloc, 1, sizeof *t->each);
    sy__error err = {0};
    bool empty = sy__value_kind(list) == SY__NULL || (sy__value_kind(list) == SY__MAP && sy__value_count(list) == 0);
    if (e && !empty && sy__value_kind(list) != SY__ARRAY) {
        (void)sy__error_set(&err, SY_ETYPE, "`%s` needs a list to go over", t->spec->key);
        t->error = sy__malloc(s->engine->alloc, sizeof err);
        if (t->error) *t->error = err;
        sy__task_end(s, t, SY__TASK_FAILED, SY__OUTCOME_ERROR);
        return;
    }
    t->started_ms = sy__wall_ms(s->engine->o.clock);
    t->status = SY__TASK_EXECUTING;
    t->attempts = 1;
    if (e) e->list = sy__blob_new(s->engine->alloc, list);
    if (e) e->count = empty ? 0 : sy__value_count(list);
    if (e && e->count <= SY_MAX_EACH) e->outputs = sy__calloc(s->engine->alloc, e->count + 1, sizeof *e->outputs);
    if (!e || !e->list || !e->outputs) {
        sy__task_end(s, t, SY__TASK_FAILED, SY__OUTCOME_ERROR);
        return;
    }
    sy__value_iter_init(&e->items, sy__blob_value(e->list));
    if (r->level != SY__LEVEL_NONE) sy__record_task(s, t);
    if (!t->started) sy__record_event(s, t, "task_started", NULL);
    t->started = true;
    record_fan_out(s, t);
    sy__job *jobs = NULL, **end = &jobs;
    size_t window = (size_t)(t->spec->max_parallel > 0 ? t->spec->max_parallel : r->gate.limit);
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < window; i++) {
        sy__task *child = sy__each_next(s, t);
        if (!child) break;
        *end = &child->job;
        end = &child->job.next;
    }
    bool done = e->living == 0;
    if (!done) sy__scope_leave(t->scope);
    sy__scope_settle(s, t->scope); /* all of them may wait for a person */
    (void)pthread_mutex_unlock(&r->lock);
    if (done)
        finish(s, t);
    else
        sy__run_submit(s->engine, s, jobs);
}

/* Takes the child's outcome into its parent. run.lock held. */
static void
take_result(sy__task *child)
{
    sy__run *r = child->run;
    sy__each *e = child->parent->each;
    e->ended++;
    e->failed += child->status == SY__TASK_FAILED;
    if (sy__task_has_value(child)) e->outputs[child->number] = sy__blob_hold(child->output);
    sy__subtask_cost(child);
    if (child->status != SY__TASK_FAILED || child->spec->on_error == SY__ON_ERROR_SKIP || r->parking || r->cancelled)
        return;
    if (child->spec->on_error == SY__ON_ERROR_COMPENSATE) child->scope->undoing = true;
    sy__scope_fail(child->scope, child->error, child->error ? child->error->task : child->spec->key);
}

void
sy__each_child_end(sy__stage *s, sy__task *child, bool dropped)
{
    sy__run *r = child->run;
    sy__task *parent = child->parent;
    sy__each *e = parent->each;
    (void)pthread_mutex_lock(&r->lock);
    if (!dropped) take_result(child);
    sy__task *next = sy__task_stopped(parent) ? NULL : sy__each_next(s, parent);
    sy__subtask_leave(child);
    bool done = --e->living == 0;
    if (done) sy__scope_enter(parent->scope);
    if (!done && !next) sy__scope_settle(s, parent->scope); /* the others may wait for a person */
    (void)pthread_mutex_unlock(&r->lock);
    sy__subtask_free(child);
    if (next) sy__run_submit(s->engine, s, &next->job);
    if (done) finish(s, parent);
}
