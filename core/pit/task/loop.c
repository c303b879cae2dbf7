/*
 * loop.c: one operation again and again, each time on what the last one gave.
 *
 *   input ──> iteration 1 ──> until_? ──> fn(output, 2) ──> iteration 2 ──> …  ──> the last output
 *
 * Iterations are children one after the other. Those that ended before a resume are taken from their rows, and `until_`
 * is asked again about the last of them.
 */
#include "pit/run/past.h"

#include <stdio.h>

void
sy__loop_free(const sy__alloc *a, sy__loop *l)
{
    if (!l) return;
    sy__blob_release(l->last);
    sy__free(a, l);
}

static void
keep_last(sy__loop *l, sy__blob *output)
{
    sy__blob_release(l->last);
    l->last = sy__blob_hold(output);
    l->done++;
}

/* Iterations that ended with a value before a resume. */
static void
take_past(sy__task *t)
{
    sy__task child = {.run = t->run, .scope = t->scope, .spec = t->spec, .parent = t};
    for (;;) {
        child.number = t->loop->done;
        const sy__past *p = t->run->past ? sy__past_of(&child) : NULL;
        if (!p || p->status != SY__TASK_COMPLETED || !p->outcome || !p->output) return;
        keep_last(t->loop, p->output);
    }
}

static void
end(sy__stage *s, sy__task *t, bool max_reached)
{
    t->loop->max_reached = max_reached;
    t->output = t->loop->last ? sy__blob_hold(t->loop->last) : sy__blob_new(s->engine->alloc, sy__value_null());
    sy__task_end(s, t, SY__TASK_COMPLETED, SY__OUTCOME_OK);
}

/* Starts the next iteration; the loop counts as active until then. */
static void
begin_iteration(sy__stage *s, sy__task *t)
{
    sy__run *r = t->run;
    sy__error err = {0};
    (void)pthread_mutex_lock(&r->lock);
    sy__task *child = sy__subtask_new(s, t, t->spec, t->loop->done);
    bool waits = child && r->past && sy__past_waits(sy__past_of(child), child->spec);
    if (child) {
        child->item = t->loop->last ? sy__blob_value(t->loop->last) : sy__value_null();
        sy__scope_leave(t->scope);
    }
    if (waits) {
        sy__scope_leave(child->scope);
        sy__wait_on(s, child);
        sy__scope_settle(s, t->scope);
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (!child) {
        (void)sy__error_set(&err, SY_ENOMEM, "no memory for an iteration of `%s`", t->spec->key);
        sy__task_fail(s, t, &err);
    } else if (!waits) {
        sy__run_submit(s->engine, s, &child->job);
    }
}

/* After an iteration, or before the first one. */
static void
advance(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    sy__loop *l = t->loop;
    int over = l->done > 0 && t->spec->until.source ? sy__input_until(s, t, &err) : 0;
    if (over < 0)
        sy__task_fail(s, t, &err);
    else if (over > 0)
        end(s, t, false);
    else if (l->done >= (uint64_t)t->spec->max)
        end(s, t, t->spec->until.source != NULL);
    else if (sy__task_stopped(t))
        sy__task_drop(s, t);
    else
        begin_iteration(s, t);
}

void
sy__loop_begin(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    t->started_ms = sy__stage_ms(s);
    t->status = SY__TASK_EXECUTING;
    t->attempts = 1;
    t->loop = sy__calloc(s->engine->alloc, 1, sizeof *t->loop);
    if (!t->loop) {
        (void)sy__error_set(&err, SY_ENOMEM, "no memory for `%s`", t->spec->key);
        sy__task_fail(s, t, &err);
        return;
    }
    sy__attempt_show(s, t);
    take_past(t);
    advance(s, t);
}

/* The loop ends as its iteration did. */
static void
fail_as(sy__stage *s, sy__task *t, const sy__task *child)
{
    sy__error why = {0};
    if (child->error)
        why = *child->error;
    else
        (void)sy__error_set(&why, SY_ECANCELLED, "the run was stopped");
    sy__task_fail(s, t, &why);
}

void
sy__loop_child_end(sy__stage *s, sy__task *child, bool dropped)
{
    sy__run *r = sy__run_hold(child->run);
    sy__task *parent = child->parent;
    (void)pthread_mutex_lock(&r->lock);
    sy__subtask_leave(child);
    sy__scope_enter(parent->scope);
    if (!dropped) sy__subtask_cost(child);
    if (!dropped && sy__task_has_value(child)) keep_last(parent->loop, child->output);
    (void)pthread_mutex_unlock(&r->lock);
    if (dropped) {
        sy__loop_free(s->engine->alloc, parent->loop);
        parent->loop = NULL;
        parent->first_ns = 0;
        sy__task_drop(s, parent);
    } else if (child->status == SY__TASK_FAILED) {
        fail_as(s, parent, child);
    } else {
        if (!sy__task_has_value(child)) parent->loop->done++; /* a person skipped it: the last output stays */
        advance(s, parent);
    }
    sy__subtask_free(child);
    sy__run_release(r);
}
