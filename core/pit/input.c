/*
 * input.c: what a task is called with: templates filled, functions of the melody evaluated. Stage thread.
 */
#include "pit/engine_impl.h"

#include <string.h>

static bool
output_of(void *ud, uint32_t task, bool weak, sy__value *out)
{
    const sy__task *t = &((sy__run *)ud)->tasks[task];
    if ((weak && !t->ended) || !t->output) return false;
    *out = sy__blob_value(t->output);
    return true;
}

/* Fills a template; under run.lock where an optional predecessor may be ending just now. */
int
sy__input_fill(sy__stage *s, sy__task *t, const sy__template *template, sy__value *out, sy__error *err)
{
    sy__run *r = t->run;
    sy__template_source source = {output_of, sy__blob_value(r->params), r};
    if (sy__template_constant(template, out)) return SY_OK;
    sy__vbuf_reset(&s->scratch);
    if (t->spec->waits_weakly) (void)pthread_mutex_lock(&r->lock);
    sy__template_fill(template, &source, &s->scratch);
    if (t->spec->waits_weakly) (void)pthread_mutex_unlock(&r->lock);
    int status = sy__vbuf_done(&s->scratch, out);
    return status ? sy__error_set(err, status, "the input is larger than a value may be (16 MiB)") : SY_OK;
}

enum { MAX_GLOBALS = 64 };

/* Calls a function of the melody; the result is appended to stage.scratch. */
static int
call_fn(sy__stage *s, sy__task *t, const sy__fn *fn, const sy__value *args, int arg_count, sy__value *out,
        sy__error *err)
{
    sy__run *r = t->run;
    sy__binding globals[MAX_GLOBALS] = {{"params", sy__blob_value(r->params)}};
    int count = 1;
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < fn->task_count && count < MAX_GLOBALS; i++) {
        sy__binding *b = &globals[count++];
        *b = (sy__binding){r->plan->tasks[fn->tasks[i]].key, sy__value_null()};
        (void)output_of(r, fn->tasks[i], true, &b->value);
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (!s->expr) {
        if (sy__expr_new(&s->expr, s->engine->alloc, s->engine->o.clock, s->engine->o.log))
            return sy__error_set(err, SY_ENOMEM, "no memory for an expression");
        sy__expr_modules(s->expr, s->engine->o.modules, s->engine->o.stdlib, s->engine->o.stdlib_ud);
    }
    sy__expr_call call = {
        .source = fn->source,
        .source_len = fn->len,
        .captures = fn->captures ? sy__blob_value(fn->captures) : (sy__value){0},
        .args = args,
        .arg_count = arg_count,
        .globals = globals,
        .global_count = count,
        .file = r->plan->source,
        .line = fn->line,
    };
    sy__vbuf_reset(&s->scratch);
    int status = sy__expr_eval(s->expr, &call, &s->scratch, err);
    return status ? status : sy__vbuf_done(&s->scratch, out);
}

/* `when`: false or null skips. 1 go on, 0 skip, negative: failed. */
int
sy__input_when(sy__stage *s, sy__task *t, sy__error *err)
{
    sy__value v;
    if (t->parent || !t->spec->when.source) return 1;
    int status = call_fn(s, t, &t->spec->when, NULL, 0, &v, err);
    if (status) return status;
    return sy__value_kind(v) != SY__NULL && sy__value_kind(v) != SY__FALSE;
}

int
sy__input_make(sy__stage *s, sy__task *t, sy__error *err)
{
    const sy__plan_task *spec = t->spec;
    const sy__template *own = spec->targets[t->target].input;
    sy__value v = t->item;
    int status = SY_OK;
    if (own) {
        status = sy__input_fill(s, t, own, &v, err);
    } else if (t->parent) {
        char position[10] = {SY__INT};
        int64_t index = (int64_t)t->number + 1;
        memcpy(position + 1, &index, sizeof index);
        sy__value args[2] = {t->item, {position, 9}};
        if (spec->map.source) status = call_fn(s, t, &spec->map, args, 2, &v, err);
    } else {
        status = sy__input_fill(s, t, spec->targets[0].input, &v, err);
    }
    if (status) return status;
    t->input = sy__blob_new(s->engine->alloc, v);
    return t->input ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for the input");
}
