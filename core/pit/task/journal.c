/*
 * journal.c: melodies in code style (`melody.flow`): one Lua function, replayed from the journal of its calls.
 *
 *   function ──call──> a task below the flow ──its end──> the function goes on
 *
 * The function runs in an isolate of its own without capabilities. Whatever it asks of the world is a request, and each
 * request is a task: KEY/diff, KEY/ask_2. After a crash the function runs again from its beginning; requests whose
 * tasks have ended are answered from their rows, the first other one is where it goes on. A request that differs from
 * the row at its place is a divergence. While a task works the coroutine is parked; when the run parks it is dropped,
 * so that sleeping for a week costs nothing.
 */
#include "pit/task/journal_impl.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { MEMORY_BYTES = 64 << 20, CPU_MS = 2000, SHORT_SLEEP_MS = 60000 };

void
sy__journal_random(sy__value request, sy__vbuf *out)
{
    sy__value low = sy__journal_field(request, "low"), high = sy__journal_field(request, "high");
    uint64_t bits;
    randombytes_buf(&bits, sizeof bits);
    if (!low.data) {
        sy__vbuf_num(out, (double)(bits >> 11) * 0x1p-53);
        return;
    }
    uint64_t from = (uint64_t)sy__value_int(low), span = (uint64_t)sy__value_int(high) - from + 1;
    sy__vbuf_int(out, (int64_t)(from + (span ? bits % span : bits)));
}

void
sy__journal_free(const sy__alloc *a, sy__journal *j)
{
    if (!j) return;
    sy__map_close(&j->names);
    sy__blob_release(j->answer);
    sy__free(a, j->failure);
    sy__free(a, j);
}

static int64_t
number_of(sy__value v, int64_t otherwise)
{
    return v.data && sy__value_kind(v) == SY__INT ? sy__value_int(v) : otherwise;
}

/* ---- answers ---- */

static void
keep_answer(sy__journal *j, const sy__alloc *a, const sy__task *child)
{
    sy__blob_release(j->answer);
    j->answer = child->output ? sy__blob_hold(child->output) : NULL;
    j->failed = child->status == SY__TASK_FAILED;
    if (!j->failure) j->failure = sy__calloc(a, 1, sizeof *j->failure);
    if (!j->failure || !j->failed) return;
    if (child->error)
        *j->failure = *child->error;
    else
        (void)sy__error_set(j->failure, SY_EEXTENSION, "`%s` failed", child->spec->key);
}

/* A request that the host answers itself at once: time and chance. */
static int
answer_at_once(sy__stage *s, sy__task *child, sy__value request)
{
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, s->engine->alloc);
    if (child->spec->verb == SY__VERB_NOW)
        sy__vbuf_num(&b, (double)sy__stage_ms(s) / 1000.0);
    else
        sy__journal_random(request, &b);
    int status = sy__vbuf_done(&b, &v);
    if (!status) child->output = sy__blob_new(s->engine->alloc, v);
    sy__vbuf_close(&b);
    if (status || !child->output) return SY_ENOMEM;
    child->started_ms = child->dispatched_ms = child->completed_ms = sy__stage_ms(s);
    child->attempts = 1;
    child->status = SY__TASK_COMPLETED;
    child->outcome = SY__OUTCOME_OK;
    if (child->run->level != SY__LEVEL_NONE) sy__record_task(s, child);
    return SY_OK;
}

/* What an ended row says. */
static int
answer_from_row(sy__journal *j, const sy__alloc *a, sy__task *child, const sy__past *p)
{
    if (p->status == SY__TASK_FAILED && p->message) {
        child->error = sy__calloc(a, 1, sizeof *child->error);
        if (!child->error) return SY_ENOMEM;
        (void)sy__error_set(child->error, p->code ? p->code : SY_EEXTENSION, "%s", p->message);
    }
    keep_answer(j, a, child);
    return SY_OK;
}

/* ---- serving the function ---- */

static void
drop_child(sy__task *child)
{
    (void)pthread_mutex_lock(&child->run->lock);
    sy__subtask_leave(child);
    (void)pthread_mutex_unlock(&child->run->lock);
    sy__subtask_free(child);
}

/* Starts the task of a request; the flow waits for its end. */
static void
begin_child(sy__stage *s, sy__task *t, sy__task *child)
{
    sy__run *r = t->run;
    (void)pthread_mutex_lock(&r->lock);
    t->journal->pending = child;
    t->journal->parked = true;
    sy__scope_park(t->scope, 1);
    sy__scope_leave(t->scope);
    bool waits = r->past && sy__task_calls(child) && sy__past_waits(sy__past_of(child), child->spec);
    if (waits) {
        sy__scope_leave(child->scope);
        sy__wait_on(s, child);
        sy__scope_settle(s, child->scope);
    }
    (void)pthread_mutex_unlock(&r->lock);
    child->job.next = NULL;
    if (!waits) sy__run_submit(s->engine, s, &child->job);
}

static sy__task *
make_child(sy__stage *s, sy__task *t, sy__plan_task *spec, uint32_t number)
{
    (void)pthread_mutex_lock(&t->run->lock);
    sy__task *child = sy__subtask_new(s, t, spec, number);
    if (child) child->own_spec = spec;
    (void)pthread_mutex_unlock(&t->run->lock);
    if (!child) sy__plan_task_free(s->engine->alloc, spec);
    return child;
}

static int
serve(sy__stage *s, sy__task *t, sy__value request, const char *key, sy__error *err)
{
    sy__journal *j = t->journal;
    sy__plan_task *spec;
    uint32_t number = ++j->requests;
    int status = sy__journal_spec(t, request, key, &spec, err);
    if (status) return status;
    spec->max = number_of(sy__journal_field(request, "ms"), 0);
    sy__task *child = make_child(s, t, spec, number - 1);
    if (!child) return sy__error_set(err, SY_ENOMEM, "no memory for a call");
    const sy__past *p = t->run->past ? sy__past_of(child) : NULL;
    status =
        t->run->past ? sy__journal_compare(s, t, number, p, spec, sy__journal_field(request, "input"), err) : SY_OK;
    if (!status && p && p->outcome) {
        status = answer_from_row(j, s->engine->alloc, child, p);
    } else if (!status && (spec->verb == SY__VERB_NOW || spec->verb == SY__VERB_RANDOM)) {
        status = answer_at_once(s, child, request);
        if (!status) keep_answer(j, s->engine->alloc, child);
    } else if (!status) {
        begin_child(s, t, child);
        return SY_EAGAIN;
    }
    drop_child(child);
    return status;
}

static int
on_request(void *ud, sy__value request, sy__error *err)
{
    sy__attempt *a = ud;
    sy__task *t = a->task;
    sy__buf key;
    sy__buf_init(&key, a->stage->engine->alloc);
    int status = sy__journal_name(t->journal, request, &key, err);
    const char *k = sy__buf_cstr(&key);
    if (!status) status = k ? serve(a->stage, t, request, k, err) : SY_ENOMEM;
    if (status == SY_ENOMEM && !err->code) (void)sy__error_set(err, status, "no memory for a call");
    sy__buf_close(&key);
    return status;
}

static bool
on_answer(void *ud, sy__value *out, const sy__error **failure)
{
    const sy__journal *j = ((sy__attempt *)ud)->task->journal;
    *failure = j->failed ? j->failure : NULL;
    *out = j->answer ? sy__blob_value(j->answer) : sy__value_null();
    return !j->failed;
}

static void
on_no_wait(void *ud)
{
    (void)ud; /* the task it waited for ends by itself, and finds the flow gone */
}

static int
on_log(void *ud, sy__log_level level, const char *text)
{
    const sy__attempt *a = ud;
    sy__logf(a->stage->engine->o.log, level, a->task->spec->key, "%s", text);
    return SY_OK;
}

static const sy__call_services services = {
    .log = on_log, .no_wait = on_no_wait, .request = on_request, .answer = on_answer};

/* ---- the flow ---- */

/* The function with its captured locals around it, at its own line: "local a,b; return {flow=function(input) …". */
static void
write_chunk(const sy__fn *fn, sy__buf *out)
{
    sy__value captures = fn->captures ? sy__blob_value(fn->captures) : (sy__value){0};
    sy__value_iter it;
    for (int i = 1; i < fn->line; i++) sy__buf_addc(out, '\n');
    sy__value_iter_init(&it, captures);
    while (it.map && sy__value_iter_next(&it)) sy__buf_addf(out, "local %.*s ", (int)it.key_len, it.key);
    sy__buf_adds(out, "local flow_function = ");
    sy__buf_add(out, fn->source, fn->len);
    sy__buf_adds(out, "\nlocal run = require \"flow_run\" return { flow = function(input) ");
    sy__value_iter_init(&it, captures);
    while (it.map && sy__value_iter_next(&it))
        sy__buf_addf(out, "%.*s = input.captures.%.*s ", (int)it.key_len, it.key, (int)it.key_len, it.key);
    sy__buf_adds(out, "return flow_function(run, input.params) end }");
}

static int
make_isolate(sy__stage *s, sy__task *t, sy__isolate **out, sy__error *err)
{
    sy__engine *e = s->engine;
    sy__isolate_options o = {
        .alloc = e->alloc,
        .clock = e->o.clock,
        .log = e->o.log,
        .name = t->scope->plan->name ? t->scope->plan->name : t->spec->key,
        .profile = SY__PROFILE_MELODY,
        .memory_bytes = MEMORY_BYTES,
        .module = e->o.stdlib,
        .module_ud = e->o.stdlib_ud,
        .loop = s->base,
        .modules = e->o.modules,
        .watchdog = &s->watchdog,
    };
    sy__buf chunk;
    sy__buf_init(&chunk, e->alloc);
    write_chunk(&t->spec->map, &chunk);
    const char *source = sy__buf_cstr(&chunk), *file = t->scope->plan->source;
    int status = source ? sy__isolate_new(out, &o, err) : sy__error_set(err, SY_ENOMEM, "no memory for a flow");
    if (!status) status = sy__isolate_load(*out, source, chunk.len, file ? file : "flow", CPU_MS, err);
    if (status && *out) {
        sy__isolate_free(*out);
        *out = NULL;
    }
    sy__buf_close(&chunk);
    return status;
}

static int
make_input(sy__stage *s, sy__task *t, sy__error *err)
{
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, s->engine->alloc);
    sy__vbuf_map(&b);
    sy__vbuf_key(&b, "captures", 8);
    if (t->spec->map.captures) {
        sy__vbuf_value(&b, sy__blob_value(t->spec->map.captures));
    } else {
        sy__vbuf_map(&b);
        sy__vbuf_end(&b);
    }
    sy__vbuf_key(&b, "params", 6);
    sy__vbuf_value(&b, sy__blob_value(t->scope->params));
    sy__vbuf_end(&b);
    int status = sy__vbuf_done(&b, &v);
    if (!status) t->input = sy__blob_new(s->engine->alloc, v);
    sy__vbuf_close(&b);
    return !status && t->input ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for a flow");
}

/* False: it was not parked. run.lock held. */
static bool
unpark(sy__task *t)
{
    if (!t->journal->parked) return false;
    t->journal->parked = false;
    sy__scope_park(t->scope, -1);
    return true;
}

/* The function has ended, or was ended. The flow counts as active again. */
static void
finish(sy__stage *s, sy__attempt *a, int status)
{
    sy__task *t = a->task;
    sy__run *r = sy__run_hold(t->run);
    sy__error err = a->call.error;
    sy__value v;
    int why = a->cancel_why;
    (void)pthread_mutex_lock(&r->lock);
    t->journal->over = true;
    if (unpark(t) && !r->ended) sy__scope_enter(t->scope);
    bool ended = r->ended;
    (void)pthread_mutex_unlock(&r->lock);
    t->cpu_ns += a->call.cpu_ns;
    if (!status && sy__vbuf_done(&a->call.output, &v)) v = sy__value_null();
    if (!status) t->output = sy__blob_new(s->engine->alloc, v);
    sy__isolate_free(a->isolate);
    sy__attempt_free(a);
    if (ended) {
        sy__run_release(r);
        return;
    }
    if (!status) {
        sy__task_end(s, t, SY__TASK_COMPLETED, SY__OUTCOME_OK);
    } else if (why == SY_EINTERRUPTED) {
        t->first_ns = 0;
        sy__task_drop(s, t);
    } else {
        if (why) (void)sy__error_set(&err, SY_ECANCELLED, "the run was cancelled");
        if (!err.code) (void)sy__error_set(&err, status, "%s", sy_strerror(status));
        sy__task_fail(s, t, &err);
    }
    sy__run_release(r);
}

static void
on_done(sy__call *call, int status)
{
    sy__attempt *a = call->ud;
    finish(a->stage, a, status);
}

void
sy__journal_begin(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    sy__isolate *iso = NULL;
    t->started_ms = sy__stage_ms(s);
    t->status = SY__TASK_EXECUTING;
    t->attempts = 1;
    sy__journal_free(s->engine->alloc, t->journal);
    t->journal = sy__calloc(s->engine->alloc, 1, sizeof *t->journal);
    int status = t->journal ? SY_OK : sy__error_set(&err, SY_ENOMEM, "no memory for a flow");
    if (!status) sy__map_init(&t->journal->names, s->engine->alloc);
    if (!status && t->journal && t->run->past) t->journal->rows = sy__past_positions(t->run->past, t->id);
    if (!status && !t->input) status = make_input(s, t, &err);
    if (!status) status = make_isolate(s, t, &iso, &err);
    sy__attempt *a = status ? NULL : sy__attempt_new(s, t);
    if (!a) {
        if (!status) (void)sy__error_set(&err, SY_ENOMEM, "no memory for a flow");
        sy__isolate_free(iso);
        sy__task_fail(s, t, &err);
        return;
    }
    sy__attempt_show(s, t);
    a->isolate = iso;
    a->call.operation = "flow";
    a->call.input = sy__blob_value(t->input);
    a->call.cpu_ms = CPU_MS;
    int64_t left = sy__retry_left_ns(s, t);
    a->call.deadline_ns = t->spec->timeout_ms ? sy__stage_ns(s) + left : INT64_MAX / 2;
    a->call.services = &services;
    a->call.ud = a;
    a->call.done = on_done;
    t->journal->attempt = a;
    sy__attempt_current(s, a);
    status = sy__isolate_call(iso, &a->call);
    sy__attempt_current(s, NULL);
    if (status != SY_EAGAIN)
        finish(s, a, status);
    else if (t->spec->timeout_ms)
        (void)sy__attempt_arm(a, left);
}

/* On the flow's own stage: the task it waited for has ended. */
static void
go_on(sy__stage *s, void *ud)
{
    sy__task *t = ud;
    sy__journal *j = t->journal;
    sy__run *r = t->run;
    (void)pthread_mutex_lock(&r->lock);
    bool gone = j->over;
    if (gone) sy__scope_leave(t->scope);
    if (gone) sy__scope_settle(s, t->scope);
    if (!gone) (void)unpark(t);
    (void)pthread_mutex_unlock(&r->lock);
    if (!gone) {
        sy__attempt *a = j->attempt;
        if (sy__task_stopped(t)) {
            a->cancel_why = r->cancelled || !r->parking ? SY_ECANCELLED : SY_EINTERRUPTED;
            sy__isolate_cancel(a->isolate, SY_ECANCELLED);
        } else {
            sy__attempt_current(s, a);
            sy__isolate_wake(a->isolate);
            sy__attempt_current(s, NULL);
        }
    }
    sy__run_release(r);
}

void
sy__journal_child_end(sy__stage *s, sy__task *child, bool dropped)
{
    sy__task *t = child->parent;
    sy__run *r = sy__run_hold(child->run);
    sy__journal *j = t->journal;
    (void)pthread_mutex_lock(&r->lock);
    if (!dropped) sy__subtask_cost(child);
    bool wanted = !j->over && j->pending == child && !dropped;
    if (j->pending == child) j->pending = NULL;
    if (wanted) {
        keep_answer(j, s->engine->alloc, child);
        sy__scope_enter(t->scope); /* the flow goes on, on its own stage */
    }
    sy__subtask_leave(child);
    sy__scope_settle(s, t->scope);
    (void)pthread_mutex_unlock(&r->lock);
    sy__stage *home = wanted ? j->attempt->stage : NULL;
    sy__subtask_free(child);
    if (!wanted || !sy__stage_post(home, go_on, t)) sy__run_release(r);
}

/* ---- sleeping ---- */

void
sy__journal_sleep(sy__stage *s, sy__task *t)
{
    if (!t->started_ms) t->started_ms = sy__stage_ms(s);
    int64_t left = t->started_ms + t->spec->max - sy__stage_ms(s);
    t->attempts = 1;
    t->status = SY__TASK_EXECUTING;
    if (left <= 0) {
        t->output = sy__blob_new(s->engine->alloc, sy__value_null());
        sy__task_end(s, t, SY__TASK_COMPLETED, SY__OUTCOME_OK);
        return;
    }
    sy__attempt *a = left <= SHORT_SLEEP_MS ? sy__attempt_new(s, t) : NULL;
    if (a) {
        a->waiting_retry = true; /* its turn comes again when the time is up */
        t->first_ns = 0;
        sy__attempt_show(s, t);
        if (sy__attempt_arm(a, left * 1000000)) return;
        sy__attempt_free(a);
    }
    sy__wait_begin(s, t, SY__WAIT_TIME, NULL);
}
