/*
 * sub.c: a melody as a task of another: a scope of its own within the same run.
 *
 * What limits, stops or observes the run does so with all its scopes; that is how budget, priority, cancellation and
 * parallelism are inherited.
 */
#include "pit/engine_impl.h"

#include <stdio.h>

enum { MAX_DEPTH = 32 };

/* The parameters, checked and completed with their defaults. */
static int
make_params(sy__stage *s, sy__task *t, const sy__plan_sub *sub, sy__value *out, sy__error *err)
{
    sy__value given;
    int status = sy__input_fill(s, t, t->spec->targets[0].input, &given, err);
    if (status) return status;
    t->input = sy__blob_new(s->engine->alloc, given);
    if (!t->input) return sy__error_set(err, SY_ENOMEM, "no memory for the parameters");
    sy__vbuf_reset(&s->checked);
    status = sy__schema_check(sub->params, sy__blob_value(t->input), &s->checked, err);
    if (status == SY_EFIELD) err->code = status = SY_EPARAM;
    return status ? status : sy__vbuf_done(&s->checked, out);
}

static int
make_scope(sy__stage *s, sy__task *t, sy__error *err)
{
    sy__run *r = t->run;
    const sy__plan_sub *sub = sy__plan_sub_find(r->plan, t->spec->melody);
    sy__value params = {0};
    sy__dag *dag;
    if (!sub) return sy__error_set(err, SY_EMELODY, "the melody `%s` is not in the definition", t->spec->melody);
    if (t->scope->depth + 1 > MAX_DEPTH)
        return sy__error_set(err, SY_EMELODY, "sub-melodies are nested more than %d deep", MAX_DEPTH);
    int status = make_params(s, t, sub, &params, err);
    if (status) return status;
    status = sy__dag_copy(&dag, sub->dag);
    sy__scope *inner = NULL;
    if (!status) status = sy__scope_new(&inner, r, t, sub->plan, dag, params);
    if (!status && r->past) status = sy__scope_restore(inner);
    (void)pthread_mutex_lock(&r->lock); /* others look into it when it is whole */
    t->inner = inner;
    (void)pthread_mutex_unlock(&r->lock);
    return status ? sy__error_set(err, status, "no memory for the melody `%s`", t->spec->melody) : SY_OK;
}

void
sy__sub_begin(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    t->started_ms = sy__stage_ms(s);
    t->status = SY__TASK_EXECUTING;
    t->attempts = 1;
    if (make_scope(s, t, &err)) {
        sy__task_fail(s, t, &err);
        return;
    }
    sy__attempt_show(s, t);
    if (t->spec->timeout_ms) {
        (void)pthread_mutex_lock(&t->run->lock);
        t->run->timed = true;
        (void)sy__wait_cut(s, t); /* its time may have been up while no process lived */
        (void)pthread_mutex_unlock(&t->run->lock);
    }
    sy__scope_launch(s, t->inner);
}

/* "sub/inner failed" → the error of the inner task, at its own place. */
void
sy__sub_end(sy__stage *s, sy__task *t)
{
    sy__scope *c = t->inner;
    sy__error why = c->error;
    bool failed = c->halting;
    t->output = failed ? NULL : sy__blob_hold(c->outputs);
    (void)pthread_mutex_lock(&t->run->lock);
    t->inner = NULL;
    sy__task *closed = sy__subtasks_take(c);
    (void)pthread_mutex_unlock(&t->run->lock);
    sy__subtasks_free(closed);
    sy__scope_free(c);
    if (failed)
        sy__task_fail(s, t, &why);
    else
        sy__task_end(s, t, SY__TASK_COMPLETED, SY__OUTCOME_OK);
}
