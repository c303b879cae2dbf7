/*
 * task.c: the life of one task on a stage thread.
 *
 *   run ──> when? ──> input ──> schema ──> fence? ──> isolate ──> call ──> output ──> end ──> successors
 *            │                               │                      │
 *            └ skipped            waits for the commit     retry, fallback, failure
 *
 * A call that ends without waiting costs one row and two events at the end; one that waits is written as
 * executing first. A fence (effects that must not repeat unasked) is the `executing` row made durable.
 */
#include "pit/engine_impl.h"
#include "pit/state.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static int64_t
now_ns(const sy__stage *s)
{
    return sy__mono_ns(s->engine->o.clock);
}

static int64_t
now_ms(const sy__stage *s)
{
    return sy__wall_ms(s->engine->o.clock);
}

bool
sy__task_has_value(const sy__task *t)
{
    return t->status == SY__TASK_COMPLETED && t->outcome != SY__OUTCOME_SKIPPED;
}

void
sy__task_key(const sy__task *t, sy__buf *out)
{
    sy__buf_adds(out, t->spec->key);
    if (t->parent) sy__buf_addf(out, "/%u", t->number + 1);
}

void
sy__task_close(sy__task *t)
{
    const sy__alloc *a = t->run->engine->alloc;
    sy__blob_release(t->input);
    sy__blob_release(t->output);
    sy__free(a, t->error);
    sy__each_free(a, t->each);
    t->input = t->output = NULL;
    t->error = NULL;
    t->each = NULL;
}

/* ---- gates ---- */

/* The engine's gate of this name, made on first use; lives as long as the engine. NULL: no memory. */
static sy__gate *
named_gate(sy__engine *e, const char *kind, const char *name, int64_t limit)
{
    char full[256];
    (void)snprintf(full, sizeof full, "%s %s", kind, name);
    (void)pthread_mutex_lock(&e->gates_lock);
    sy__gate *g = sy__map_get(&e->gates, full, strlen(full));
    if (!g) {
        g = sy__calloc(e->alloc, 1, sizeof *g);
        char *copy = sy__strdup(e->alloc, full);
        if (!g || !copy || sy__map_put(&e->gates, full, strlen(full), g)) {
            sy__free(e->alloc, g);
            sy__free(e->alloc, copy);
            g = NULL;
        } else {
            g->name = copy;
            g->limit = limit;
        }
    }
    (void)pthread_mutex_unlock(&e->gates_lock);
    return g;
}

void
sy__task_gates(sy__task *t)
{
    sy__engine *e = t->run->engine;
    sy__extension *ext = t->spec->targets[t->target].extension;
    t->job.priority = t->spec->priority;
    memset(t->job.gates, 0, sizeof t->job.gates);
    if (t->spec->verb == SY__VERB_EACH && !t->parent) return;
    t->job.gates[0] = &e->isolates;
    t->job.gates[1] = &t->run->gate;
    if (ext->max_parallel > 0) t->job.gates[2] = named_gate(e, "extension", ext->name, ext->max_parallel);
    if (t->spec->concurrency_key) t->job.gates[3] = named_gate(e, "key", t->spec->concurrency_key, 1);
}

static void
leave_gates(sy__stage *s, sy__task *t)
{
    if (!t->inside) return;
    t->inside = false;
    size_t ready = sy__arbiter_release(s->engine->arbiter, &t->job);
    if (ready > 1) sy__stages_wake(s->engine, ready - 1);
}

/* ---- ending ---- */

static void
note_error(sy__stage *s, sy__task *t, const sy__error *why)
{
    if (!t->error) t->error = sy__malloc(s->engine->alloc, sizeof *t->error);
    if (!t->error) return;
    *t->error = *why;
    sy__buf_reset(&s->text);
    sy__task_key(t, &s->text);
    const char *key = sy__buf_cstr(&s->text);
    if (key && !t->error->task[0]) sy__error_where(t->error, NULL, t->error->line, key);
}

static sy__outcome
outcome_of(int code)
{
    return code == SY_ETIMEOUT                      ? SY__OUTCOME_TIMEOUT
           : code == SY_EPERM || code == SY_ETRUST ? SY__OUTCOME_DENIED
           : code == SY_ECANCELLED                  ? SY__OUTCOME_CANCELLED
                                                    : SY__OUTCOME_ERROR;
}

static void
fail_task(sy__stage *s, sy__task *t, const sy__error *why)
{
    note_error(s, t, why);
    sy__task_end(s, t, SY__TASK_FAILED, outcome_of(why->code));
}

/* A run that stops lets go of a task that has not begun: it stays pending. */
void
sy__task_drop(sy__stage *s, sy__task *t)
{
    leave_gates(s, t);
    if (t->parent) {
        sy__each_child_end(s, t, true);
        return;
    }
    sy__run *r = sy__run_hold(t->run);
    (void)pthread_mutex_lock(&r->lock);
    t->status = SY__TASK_PENDING;
    if (t->started && !t->uncertain && r->level != SY__LEVEL_NONE) sy__record_task(s, t);
    r->active--;
    sy__run_settle(s, r);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_release(r);
}

static void
record_end(sy__stage *s, sy__task *t)
{
    bool failed = t->status == SY__TASK_FAILED;
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(s, t);
    if (!t->started && t->attempts > 0) {
        t->started = true;
        sy__record_event(s, t, "task_started", NULL);
    }
    sy__record_event(s, t, failed ? "error_occurred" : t->outcome == SY__OUTCOME_SKIPPED ? "task.skipped" : "task.completed",
                     NULL);
}

void
sy__task_end(sy__stage *s, sy__task *t, sy__task_status status, sy__outcome outcome)
{
    leave_gates(s, t);
    t->status = status;
    t->outcome = outcome;
    t->completed_ms = now_ms(s);
    record_end(s, t);
    if (t->parent) {
        sy__each_child_end(s, t, false);
        return;
    }
    sy__run *r = sy__run_hold(t->run);
    (void)pthread_mutex_lock(&r->lock);
    t->ended = true;
    r->active--;
    r->cpu_ns += t->cpu_ns;
    if (t->peak_bytes > r->peak_bytes) r->peak_bytes = t->peak_bytes;
    r->usd_micro += t->usd_micro;
    r->tokens += t->tokens;
    if (status == SY__TASK_FAILED && t->spec->on_error == SY__ON_ERROR_HALT && !r->parking && !r->cancelled)
        sy__run_fail(r, t->error, t->spec->key);
    sy__job *list = sy__run_follow(s, r, t->number, sy__task_has_value(t));
    sy__run_settle(s, r);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_submit(s->engine, s, list);
    sy__run_release(r);
}

/* ---- attempts ---- */

static void on_done(sy__call *call, int status);

static sy__attempt *
attempt_new(sy__stage *s, sy__task *t)
{
    sy__attempt *a = s->free_attempts;
    if (a)
        s->free_attempts = a->next;
    else
        a = sy__calloc(s->engine->alloc, 1, sizeof *a);
    if (!a) return NULL;
    struct event *timer = a->timer;
    *a = (sy__attempt){.task = t, .stage = s, .timer = timer, .next = s->attempts};
    sy__vbuf_init(&a->call.output, s->engine->alloc);
    if (s->attempts) s->attempts->before = a;
    s->attempts = a;
    t->attempt = a;
    return a;
}

static void
attempt_free(sy__attempt *a)
{
    sy__stage *s = a->stage;
    if (a->timer) (void)event_del(a->timer);
    sy__call_close(&a->call);
    sy__free(s->engine->alloc, a->artifacts);
    a->artifacts = NULL;
    if (a->before)
        a->before->next = a->next;
    else
        s->attempts = a->next;
    if (a->next) a->next->before = a->before;
    if (a->task) a->task->attempt = NULL;
    a->task = NULL;
    a->next = s->free_attempts;
    s->free_attempts = a;
}

static void
on_timer(evutil_socket_t fd, short what, void *ud)
{
    (void)fd;
    (void)what;
    sy__attempt *a = ud;
    if (!a->task) return;
    if (!a->waiting_retry) {
        sy__isolate_cancel(a->isolate, SY_ETIMEOUT);
        return;
    }
    sy__task *t = a->task;
    sy__stage *s = a->stage;
    attempt_free(a);
    if (atomic_load(&t->run->stopping)) {
        sy__task_drop(s, t);
        return;
    }
    t->job.next = NULL;
    sy__run_submit(s->engine, s, &t->job);
}

/* Arms the attempt's one timer; false: no memory. */
static bool
arm(sy__attempt *a, int64_t ns)
{
    if (!a->timer) a->timer = event_new(a->stage->base, -1, 0, on_timer, a);
    if (ns < 0) ns = 0;
    struct timeval in = {ns / 1000000000, ns % 1000000000 / 1000};
    return a->timer && event_add(a->timer, &in) == 0;
}

/* ---- retry and fallback ---- */

static bool
retryable(const sy__task *t, int code, bool transient)
{
    const sy__plan_task *spec = t->spec;
    if (t->attempts > (uint64_t)spec->retry_max || code == SY_ECANCELLED) return false;
    for (size_t i = 0; i < spec->retry_on_count; i++)
        if (spec->retry_on[i] == code) return true;
    if (spec->retry_on_count) return false;
    if (transient) return true;
    switch (code) { /* the same input would fail the same way */
    case SY_EPERM:
    case SY_ETRUST:
    case SY_ETYPE:
    case SY_EFIELD:
    case SY_EMISSING:
    case SY_EEXPR:
    case SY_ENOMODEL:
    case SY_EBUDGET:
    case SY_EMANIFEST: return false;
    default: return true;
    }
}

/* Full jitter on a share of the delay (AWS Architecture Blog, "Exponential Backoff and Jitter"). */
static int64_t
retry_delay_ms(const sy__task *t)
{
    const sy__plan_task *spec = t->spec;
    int64_t ms = spec->backoff == SY__BACKOFF_NONE ? 0 : spec->retry_delay_ms;
    if (spec->backoff == SY__BACKOFF_EXPONENTIAL)
        for (uint32_t i = 1; i < t->attempts && ms < 3600000; i++) ms *= 2;
    double jitter = spec->retry_jitter * (double)ms * ((double)randombytes_uniform(1000) / 1000.0);
    return ms + (int64_t)jitter;
}

static int64_t
total_left_ns(const sy__stage *s, const sy__task *t)
{
    return t->spec->timeout_ms ? t->first_ns + t->spec->timeout_ms * 1000000 - now_ns(s) : INT64_MAX;
}

/* Writes that an attempt failed and what happens next. */
static void
record_try(sy__stage *s, sy__task *t, const char *event)
{
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(s, t);
    if (!t->started) {
        t->started = true;
        sy__record_event(s, t, "task_started", NULL);
    }
    sy__record_event(s, t, event, NULL);
}

static void
record_re_execution(sy__stage *s, sy__task *t, int64_t delay_ms)
{
    char context[128];
    (void)snprintf(context, sizeof context, "{\"decision\":\"re_execution\",\"attempt\":%u,\"delay_ms\":%lld}",
                   t->attempts + 1, (long long)delay_ms);
    sy__record_pit(s, t->run, t, SY__MEMBER_DAG, context, NULL);
}

static bool
try_retry(sy__stage *s, sy__task *t, bool transient)
{
    int64_t ms = retry_delay_ms(t);
    if (!retryable(t, t->error->code, transient) || ms * 1000000 >= total_left_ns(s, t)) return false;
    sy__attempt *a = attempt_new(s, t);
    if (!a) return false;
    a->waiting_retry = true;
    if (!arm(a, ms * 1000000)) {
        attempt_free(a);
        return false;
    }
    t->status = SY__TASK_PENDING;
    t->approved = false;
    leave_gates(s, t);
    record_try(s, t, "task.retry");
    record_re_execution(s, t, ms);
    return true;
}

static bool
try_fallback(sy__stage *s, sy__task *t)
{
    if (t->target + 1 >= t->spec->target_count || t->error->code == SY_ECANCELLED) return false;
    record_try(s, t, "task.fallback");
    t->target++;
    t->approved = false;
    sy__blob_release(t->input);
    t->input = NULL;
    leave_gates(s, t);
    sy__task_gates(t);
    t->job.next = NULL;
    sy__run_submit(s->engine, s, &t->job);
    return true;
}

static void
attempt_failed(sy__stage *s, sy__task *t, const sy__error *why, bool transient)
{
    note_error(s, t, why);
    if (!t->error || atomic_load(&t->run->stopping)) {
        fail_task(s, t, why);
        return;
    }
    if (try_retry(s, t, transient) || try_fallback(s, t)) return;
    fail_task(s, t, t->error);
}

/* ---- the call ---- */

/* An interrupted call: back to pending when the run parks, cancelled when the run is. */
static void
attempt_interrupted(sy__stage *s, sy__task *t, int why)
{
    if (why == SY_EINTERRUPTED) {
        if (t->approved)
            t->uncertain = true; /* its effect was under way: the row stays `executing` for the resume to see */
        else
            t->attempts--;
        sy__task_drop(s, t);
        return;
    }
    sy__error err = {0};
    (void)sy__error_set(&err, SY_ECANCELLED, "the run was cancelled");
    fail_task(s, t, &err);
}

static int
take_output(sy__stage *s, sy__task *t, sy__call *call, const sy__operation *op, sy__error *err)
{
    sy__value v, checked;
    if (sy__vbuf_done(&call->output, &v)) v = sy__value_null();
    if (op->output) {
        bool changes = sy__schema_changes(op->output, v);
        sy__vbuf_reset(&s->checked);
        int status = sy__schema_check(op->output, v, changes ? &s->checked : NULL, err);
        if (status) {
            char message[SY__ERROR_MESSAGE_BYTES];
            (void)snprintf(message, sizeof message, "%s", err->message);
            return sy__error_set(err, SY_ETYPE, "its output breaks its own schema: %s", message);
        }
        if (changes && sy__vbuf_done(&s->checked, &checked) == SY_OK) v = checked;
    }
    sy__blob_release(t->output);
    t->output = sy__blob_new(s->engine->alloc, v);
    return t->output ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for the output");
}

/* "init.lua" of an extension becomes "git/init.lua". */
static void
name_file(sy__error *err, const sy__extension *ext)
{
    char file[SY__ERROR_NAME_BYTES];
    if ((size_t)snprintf(file, sizeof file, "%s/%s", ext->name, err->file) < sizeof file)
        sy__error_where(err, file, err->line, NULL);
}

static void
attempt_finished(sy__attempt *a, int status)
{
    sy__stage *s = a->stage;
    sy__task *t = a->task;
    const sy__target *target = &t->spec->targets[t->target];
    sy__error err = a->call.error;
    bool transient = a->call.transient;
    int why = a->cancel_why;
    t->cpu_ns += a->call.cpu_ns;
    if (a->call.peak_bytes > t->peak_bytes) t->peak_bytes = a->call.peak_bytes;
    (void)snprintf(t->own_code, sizeof t->own_code, "%s", a->call.code);
    bool failed = status != SY_OK;
    if (err.file[0]) name_file(&err, target->extension);
    if (status == SY_OK) status = take_output(s, t, &a->call, target->operation, &err);
    if (a->artifact_count > 0 && target->operation->output && (status == SY_OK || status == SY_ETYPE))
        sy__record_judged(s, a, status == SY_OK);
    sy__pool_give(s->pool, target->extension, a->isolate, failed);
    attempt_free(a);
    if (status == SY_OK) {
        sy__task_end(s, t, SY__TASK_COMPLETED, t->target ? SY__OUTCOME_FALLBACK : SY__OUTCOME_OK);
    } else if (why) {
        attempt_interrupted(s, t, why);
    } else {
        if (!err.code) (void)sy__error_set(&err, status, "%s", sy_strerror(status));
        attempt_failed(s, t, &err, transient);
    }
}

static void
on_done(sy__call *call, int status)
{
    attempt_finished(call->ud, status);
}

/* Writes that it executes, once, so that others can see it. */
static void
show_started(sy__stage *s, sy__task *t)
{
    if (t->started) return;
    t->started = true;
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(s, t);
    sy__record_event(s, t, "task_started", NULL);
}

static void
record_cold_start(sy__stage *s, sy__task *t, const sy__isolate *iso, int64_t cold_ns)
{
    char context[384], used[64];
    show_started(s, t);
    (void)snprintf(context, sizeof context, "{\"decision\":\"cold_start\",\"extension\":\"%s\",\"ms\":%.3f}",
                   t->spec->targets[t->target].extension->name, (double)cold_ns / 1e6);
    (void)snprintf(used, sizeof used, "{\"bytes\":%zu}", sy__isolate_bytes(iso));
    sy__record_pit(s, t->run, t, SY__MEMBER_POOL, context, used);
    sy__record_event(s, t, "resource_allocated", context);
}

static int64_t
deadline_of(sy__stage *s, sy__task *t)
{
    int64_t start = now_ns(s), ms = sy__caps_timeout_ms(t->spec->targets[t->target].extension->caps);
    if (t->spec->attempt_timeout_ms) ms = t->spec->attempt_timeout_ms;
    else if (t->spec->timeout_ms) ms = t->spec->timeout_ms;
    int64_t left = total_left_ns(s, t), span = ms * 1000000;
    return start + (left < span ? left : span);
}

static void
set_current(sy__stage *s, sy__attempt *a)
{
    (void)pthread_mutex_lock(&s->current_lock);
    s->current = a;
    (void)pthread_mutex_unlock(&s->current_lock);
}

static void
execute(sy__stage *s, sy__task *t)
{
    const sy__target *target = &t->spec->targets[t->target];
    sy__error err = {0};
    int64_t cold_ns;
    sy__attempt *a = attempt_new(s, t);
    int status = a ? sy__pool_take(s->pool, target->extension, &a->isolate, &cold_ns, &err)
                   : sy__error_set(&err, SY_ENOMEM, "no memory for a call");
    if (status) {
        if (a) attempt_free(a);
        if (status != SY_ENOMEM) sy__state_broken(s->engine, target->extension, &err);
        attempt_failed(s, t, &err, false);
        return;
    }
    if (cold_ns)
        record_cold_start(s, t, a->isolate, cold_ns);
    else
        sy__record_count(t->run, SY__MEMBER_POOL, 1);
    sy__buf_reset(&s->text);
    sy__task_key(t, &s->text);
    (void)snprintf(a->key, sizeof a->key, "%s:%.*s", t->run->id, (int)s->text.len, s->text.data);
    a->call.operation = target->operation->name;
    a->call.input = sy__blob_value(t->input);
    a->call.deadline_ns = deadline_of(s, t);
    a->call.idempotency_key = a->key;
    a->call.services = &sy__task_services;
    a->call.ud = a;
    a->call.done = on_done;
    set_current(s, a);
    if (atomic_load(&t->run->stopping) && t->run->cancelled) sy__isolate_poison(a->isolate, SY_ECANCELLED);
    status = sy__isolate_call(a->isolate, &a->call);
    set_current(s, NULL);
    if (status != SY_EAGAIN) {
        attempt_finished(a, status);
        return;
    }
    show_started(s, t);
    if (!arm(a, a->call.deadline_ns - now_ns(s))) sy__isolate_cancel(a->isolate, SY_ENOMEM);
}

/* ---- the fence ---- */

static bool
needs_fence(const sy__task *t)
{
    const sy__operation *op = t->spec->targets[t->target].operation;
    return op->effects >= SY__EFFECT_WRITE && !op->idempotent && !t->approved && t->run->level != SY__LEVEL_NONE;
}

static void
fence_passed(sy__stage *s, void *ud)
{
    sy__task *t = ud;
    if (atomic_load(&t->run->stopping)) {
        t->attempts--;
        sy__task_drop(s, t);
        return;
    }
    t->approved = true;
    execute(s, t);
}

/* Writer thread. */
static void
on_fence(void *ud, int status)
{
    sy__task *t = ud;
    sy__stage *s = t->fence_stage;
    sy__engine *e = s->engine;
    if (status) sy__run_unwritten(t->run, status);
    if (!sy__stage_post(s, fence_passed, t)) sy__run_unwritten(t->run, SY_ENOMEM);
    (void)atomic_fetch_sub(&e->hooks, 1);
}

static void
ask_fence(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    int status = sy__artifacts_flush(s->engine->o.artifacts, &err);
    if (t->started && t->run->level != SY__LEVEL_NONE) sy__record_task(s, t);
    show_started(s, t);
    t->fence_stage = s;
    (void)atomic_fetch_add(&s->engine->hooks, 1);
    if (!status) status = sy__db_notify(s->engine->o.db, sy__db_now(s->engine->o.db), true, on_fence, t);
    if (!status) return;
    (void)atomic_fetch_sub(&s->engine->hooks, 1);
    sy__run_unwritten(t->run, status);
    t->attempts--;
    sy__task_drop(s, t);
}

static void
begin_attempt(sy__stage *s, sy__task *t)
{
    const sy__operation *op = t->spec->targets[t->target].operation;
    sy__error err = {0};
    sy__value v = sy__blob_value(t->input), checked;
    t->started_ms = now_ms(s);
    t->status = SY__TASK_EXECUTING;
    t->attempts++;
    if (op->input) {
        bool changes = sy__schema_changes(op->input, v);
        sy__vbuf_reset(&s->checked);
        int status = sy__schema_check(op->input, v, changes ? &s->checked : NULL, &err);
        if (status) {
            attempt_failed(s, t, &err, false);
            return;
        }
        if (changes && sy__vbuf_done(&s->checked, &checked) == SY_OK) {
            sy__blob_release(t->input);
            t->input = sy__blob_new(s->engine->alloc, checked);
        }
    }
    if (needs_fence(t))
        ask_fence(s, t);
    else
        execute(s, t);
}

/* ---- input ---- */

static bool
output_of(void *ud, uint32_t task, bool weak, sy__value *out)
{
    const sy__task *t = &((sy__run *)ud)->tasks[task];
    if ((weak && !t->ended) || !t->output) return false;
    *out = sy__blob_value(t->output);
    return true;
}

/* Fills a template; under run.lock where an optional predecessor may be ending just now. */
static int
fill(sy__stage *s, sy__task *t, const sy__template *template, sy__value *out, sy__error *err)
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
call_fn(sy__stage *s, sy__task *t, const sy__fn *fn, const sy__value *args, int arg_count, sy__value *out, sy__error *err)
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
static int
check_when(sy__stage *s, sy__task *t, sy__error *err)
{
    sy__value v;
    if (t->parent || !t->spec->when.source) return 1;
    int status = call_fn(s, t, &t->spec->when, NULL, 0, &v, err);
    if (status) return status;
    return sy__value_kind(v) != SY__NULL && sy__value_kind(v) != SY__FALSE;
}

static int
make_input(sy__stage *s, sy__task *t, sy__error *err)
{
    const sy__plan_task *spec = t->spec;
    const sy__template *own = spec->targets[t->target].input;
    sy__value v = t->item;
    int status = SY_OK;
    if (own) {
        status = fill(s, t, own, &v, err);
    } else if (t->parent) {
        char position[10] = {SY__INT};
        int64_t index = (int64_t)t->number + 1;
        memcpy(position + 1, &index, sizeof index);
        sy__value args[2] = {t->item, {position, 9}};
        if (spec->map.source) status = call_fn(s, t, &spec->map, args, 2, &v, err);
    } else {
        status = fill(s, t, spec->targets[0].input, &v, err);
    }
    if (status) return status;
    t->input = sy__blob_new(s->engine->alloc, v);
    return t->input ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for the input");
}

static void
record_admission(sy__stage *s, sy__task *t)
{
    const sy__gate *gate = t->job.waited_at;
    if (!gate || t->run->level == SY__LEVEL_NONE) {
        sy__record_count(t->run, SY__MEMBER_ARBITER, 1);
        return;
    }
    char context[384];
    (void)snprintf(context, sizeof context, "{\"decision\":\"granted\",\"waited_at\":\"%s\",\"limit\":%lld,\"waited_ms\":%.3f}",
                   gate->name, (long long)gate->limit, (double)(now_ns(s) - t->job.queued_ns) / 1e6);
    sy__record_task(s, t);
    sy__record_pit(s, t->run, t, SY__MEMBER_ARBITER, context, "{\"slots\":1}");
}

static bool
queued_too_long(sy__stage *s, sy__task *t, sy__error *err)
{
    int64_t waited_ms = (now_ns(s) - t->job.queued_ns) / 1000000;
    if (!t->spec->queue_timeout_ms || t->attempts > 0 || waited_ms <= t->spec->queue_timeout_ms) return false;
    (void)sy__error_set(err, SY_ETIMEOUT, "it waited %lld ms for its turn", (long long)waited_ms);
    return true;
}

/* The first time a task comes up: stamps, `when`, the list of a map. True: go on with its input. */
static bool
first_time(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    sy__value list;
    t->first_ns = now_ns(s);
    t->dispatched_ms = now_ms(s);
    t->status = SY__TASK_DISPATCHED;
    record_admission(s, t);
    int go = queued_too_long(s, t, &err) ? err.code : check_when(s, t, &err);
    if (go == 0) {
        sy__task_end(s, t, SY__TASK_COMPLETED, SY__OUTCOME_SKIPPED);
        return false;
    }
    if (go < 0) {
        fail_task(s, t, &err);
        return false;
    }
    if (t->spec->verb == SY__VERB_TASK || t->parent) return true;
    if (fill(s, t, t->spec->list, &list, &err))
        fail_task(s, t, &err);
    else
        sy__each_begin(s, t, list);
    return false;
}

void
sy__task_run(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    t->inside = true;
    if (atomic_load(&t->run->stopping)) {
        sy__task_drop(s, t);
        return;
    }
    if (!t->first_ns && !first_time(s, t)) return;
    if (!t->input && make_input(s, t, &err)) {
        fail_task(s, t, &err);
        return;
    }
    begin_attempt(s, t);
}

/* ---- stopping ---- */

void
sy__task_sweep(sy__stage *s, sy__run *r, int why)
{
    for (bool again = true; again;) {
        again = false;
        for (sy__attempt *a = s->attempts; a; a = a->next) {
            sy__task *t = a->task;
            if (t->run != r || a->cancel_why) continue;
            const sy__operation *op = t->spec->targets[t->target].operation;
            bool effect = !a->waiting_retry && op->effects >= SY__EFFECT_WRITE && !op->idempotent;
            if (why == SY_EINTERRUPTED && effect && !r->forced) continue;
            again = true;
            if (a->waiting_retry) {
                attempt_free(a);
                if (why == SY_EINTERRUPTED)
                    sy__task_drop(s, t);
                else
                    attempt_interrupted(s, t, why);
            } else {
                a->cancel_why = why;
                sy__isolate_cancel(a->isolate, SY_ECANCELLED);
            }
            break; /* the list has changed */
        }
    }
}
