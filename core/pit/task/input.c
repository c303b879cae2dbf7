/*
 * input.c: what a task is called with: templates filled, functions of the melody evaluated. Stage thread.
 */
#include "pit/engine_impl.h"

#include <string.h>

static bool
output_of(void *ud, uint32_t task, bool weak, sy__value *out)
{
    const sy__task *asker = ud;
    if (task == SY__TEMPLATE_ITEM) {
        *out = asker->item;
        return asker->item.data != NULL;
    }
    const sy__task *t = &asker->scope->tasks[task];
    const sy__blob *output = t->output;
    if (asker->undoes && t == asker->parent && asker->number) output = t->each->outputs[asker->number - 1];
    if ((weak && !t->ended) || !output) return false;
    *out = sy__blob_value(output);
    return true;
}

/* Fills a template; under run.lock where an optional predecessor may be ending just now. */
int
sy__input_fill(sy__stage *s, sy__task *t, const sy__template *template, sy__value *out, sy__error *err)
{
    sy__run *r = t->run;
    sy__template_source source = {output_of, sy__blob_value(t->scope->params), t};
    if (sy__template_constant(template, out)) return SY_OK;
    sy__vbuf_reset(&s->scratch);
    if (t->spec->waits_weakly) (void)pthread_mutex_lock(&r->lock);
    sy__template_fill(template, &source, &s->scratch);
    if (t->spec->waits_weakly) (void)pthread_mutex_unlock(&r->lock);
    int status = sy__vbuf_done(&s->scratch, out);
    return status ? sy__error_set(err, status, "the input is larger than a value may be (16 MiB)") : SY_OK;
}

/* From here on, until NULL is set, a cancellation of the run ends what the expression isolate does. */
static void
set_evaluating(sy__stage *s, sy__run *r)
{
    (void)pthread_mutex_lock(&s->current_lock);
    s->evaluating = r;
    if (r && r->cancelled && atomic_load(&r->stopping)) sy__expr_poison(s->expr);
    (void)pthread_mutex_unlock(&s->current_lock);
}

enum { MAX_GLOBALS = 64 };

/* Calls a function of the melody; the result is appended to stage.scratch. */
static int
call_fn(sy__stage *s, sy__task *t, const sy__fn *fn, const sy__value *args, int arg_count, const sy__binding *seen,
        int seen_count, sy__value *out, sy__error *err)
{
    sy__run *r = t->run;
    const sy__plan *plan = t->scope->plan;
    sy__binding globals[MAX_GLOBALS] = {{"params", sy__blob_value(t->scope->params)}};
    int count = 1;
    for (int i = 0; i < seen_count; i++) globals[count++] = seen[i];
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < fn->task_count && count < MAX_GLOBALS; i++) {
        sy__binding *b = &globals[count++];
        *b = (sy__binding){plan->tasks[fn->tasks[i]].key, sy__value_null()};
        (void)output_of(t, fn->tasks[i], true, &b->value);
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (!s->expr) {
        if (sy__expr_new(&s->expr, s->engine->alloc, s->engine->o.clock, s->engine->o.log))
            return sy__error_set(err, SY_ENOMEM, "no memory for an expression");
        sy__expr_modules(s->expr, s->engine->o.modules, s->engine->o.stdlib, s->engine->o.stdlib_ud);
        sy__expr_watch(s->expr, &s->watchdog);
    }
    sy__expr_call call = {
        .source = fn->source,
        .source_len = fn->len,
        .captures = fn->captures ? sy__blob_value(fn->captures) : (sy__value){0},
        .args = args,
        .arg_count = arg_count,
        .globals = globals,
        .global_count = count,
        .file = plan->source,
        .line = fn->line,
    };
    sy__vbuf_reset(&s->scratch);
    int status = sy__expr_ready(s->expr, err);
    if (!status) {
        set_evaluating(s, r);
        status = sy__expr_eval(s->expr, &call, &s->scratch, err);
        set_evaluating(s, NULL);
    }
    return status ? status : sy__vbuf_done(&s->scratch, out);
}

/* `when`: false or null skips. 1 go on, 0 skip, negative: failed. */
int
sy__input_when(sy__stage *s, sy__task *t, sy__error *err)
{
    sy__value v;
    if (t->parent || !t->spec->when.source) return 1;
    int status = call_fn(s, t, &t->spec->when, NULL, 0, NULL, 0, &v, err);
    if (status) return status;
    return sy__value_kind(v) != SY__NULL && sy__value_kind(v) != SY__FALSE;
}

/* A number as a value; `room` holds 9 bytes. */
static sy__value
number_in(char *room, int64_t n)
{
    room[0] = SY__INT;
    memcpy(room + 1, &n, sizeof n);
    return (sy__value){room, 9};
}

int
sy__input_until(sy__stage *s, sy__task *t, sy__error *err)
{
    char room[9];
    sy__value v = {0}, it = sy__blob_value(t->loop->last), i = number_in(room, t->loop->done);
    sy__value args[2] = {it, i};
    sy__binding seen[2] = {{"it", it}, {"i", i}};
    int status = call_fn(s, t, &t->spec->until, args, 2, seen, 2, &v, err);
    if (status) return status;
    return sy__value_kind(v) != SY__NULL && sy__value_kind(v) != SY__FALSE;
}

/* What a child of a map or loop is called with; an iteration's item is the last output. */
static int
child_input(sy__stage *s, sy__task *t, sy__value *out, sy__error *err)
{
    const sy__plan_task *spec = t->spec;
    char room[9];
    sy__value args[2] = {t->item, number_in(room, (int64_t)t->number + 1)};
    if (spec->verb == SY__VERB_LOOP && t->number == 0) return sy__input_fill(s, t, spec->targets[0].input, out, err);
    *out = t->item;
    return spec->map.source ? call_fn(s, t, &spec->map, args, 2, NULL, 0, out, err) : SY_OK;
}

int
sy__input_make(sy__stage *s, sy__task *t, sy__error *err)
{
    const sy__plan_task *spec = t->spec;
    const sy__template *own = t->target > 0 || t->undoes ? spec->targets[t->target].input : NULL;
    sy__value v;
    int status = own                   ? sy__input_fill(s, t, own, &v, err)
                 : sy__task_is_item(t) ? child_input(s, t, &v, err)
                                       : sy__input_fill(s, t, spec->targets[0].input, &v, err);
    if (status) return status;
    t->input = sy__blob_new(s->engine->alloc, v);
    return t->input ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for the input");
}
