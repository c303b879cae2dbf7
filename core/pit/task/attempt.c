/*
 * attempt.c: one call of an operation, from the schema of its input to that of its output.
 *
 * A call that ends without waiting costs one row and two events at the end; one that waits is written as
 * executing first. A fence (effects that must not repeat unasked) is the `executing` row made durable.
 */
#include "pit/budget/budget_task.h"
#include "base/crash.h"
#include "pit/cache/cache.h"
#include "pit/player/players.h"
#include "pit/run/state.h"
#include "pit/stream/stream_impl.h"
#include "pit/task/tape.h"

#include <stdio.h>
#include <string.h>

/* ---- attempts ---- */

static void on_done(sy__call *call, int status);

sy__attempt *
sy__attempt_new(sy__stage *s, sy__task *t)
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

void
sy__attempt_free(sy__attempt *a)
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

/* Until the deadline of a parked call, or until it has been idle for too long. */
static bool
arm_clock(sy__attempt *a)
{
    int64_t now = sy__stage_ns(a->stage), at = a->call.deadline_ns, idle_ms = a->task->spec->idle_timeout_ms;
    if (idle_ms && a->touched_ns + idle_ms * 1000000 < at) at = a->touched_ns + idle_ms * 1000000;
    return sy__attempt_arm(a, at - now);
}

static void
time_up(sy__attempt *a)
{
    int64_t now = sy__stage_ns(a->stage), idle_ns = a->task->spec->idle_timeout_ms * 1000000;
    a->idle = idle_ns > 0 && now - a->touched_ns >= idle_ns;
    if (a->idle || now >= a->call.deadline_ns || !arm_clock(a)) sy__isolate_cancel(a->isolate, SY_ETIMEOUT);
}

static void
on_timer(evutil_socket_t fd, short what, void *ud)
{
    (void)fd;
    (void)what;
    sy__attempt *a = ud;
    if (!a->task) return;
    if (!a->waiting_retry) {
        time_up(a);
        return;
    }
    sy__task *t = a->task;
    sy__stage *s = a->stage;
    sy__tape_reach(s->engine, a->due_ns);
    sy__attempt_free(a);
    if (sy__task_stopped(t)) {
        sy__task_drop(s, t);
        return;
    }
    t->job.next = NULL;
    sy__run_submit(s->engine, s, &t->job);
}

/* Arms the attempt's one timer; false: no memory. */
bool
sy__attempt_arm(sy__attempt *a, int64_t ns)
{
    if (!a->timer) a->timer = event_new(a->stage->base, -1, 0, on_timer, a);
    if (ns < 0) ns = 0;
    a->due_ns = sy__stage_ns(a->stage) + ns;
    if (a->waiting_retry) ns = sy__tape_wait(a->stage->engine, ns);
    struct timeval in = {ns / 1000000000, (ns % 1000000000 + 999) / 1000};
    if (in.tv_usec >= 1000000) in.tv_sec++, in.tv_usec -= 1000000;
    return a->timer && event_add(a->timer, &in) == 0;
}

/* ---- the call ---- */

static void
attempt_failed(sy__stage *s, sy__task *t, const sy__error *why, bool transient)
{
    sy__task_note_error(s, t, why);
    if (!t->error || sy__task_stopped(t)) {
        if (!t->error || !sy__retry_stopped(s, t, transient)) sy__task_fail(s, t, why);
        return;
    }
    if (sy__retry_later(s, t, transient) || sy__retry_fallback(s, t)) return;
    sy__task_fail(s, t, t->error);
}

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
    (void)sy__error_set(&err, SY_ECANCELLED, t->run->cancelled ? "the run was cancelled" : "its melody was stopped");
    sy__task_fail(s, t, &err);
}

void
sy__attempt_fail(sy__stage *s, sy__task *t, const sy__error *why, bool transient)
{
    attempt_failed(s, t, why, transient);
}

int
sy__attempt_output(sy__stage *s, sy__task *t, sy__value v, sy__error *err)
{
    const sy__operation *op = t->spec->targets[t->target].operation;
    sy__value checked;
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
    sy__error err;
    sy__error_clear(&err);
    if (a->call.error.code) err = a->call.error;
    bool transient = a->call.transient, broken = a->call.broken;
    SY__CRASH_POINT("call.returned");
    int why = a->cancel_why;
    t->cpu_ns += a->call.cpu_ns;
    if (a->call.peak_bytes > t->peak_bytes) t->peak_bytes = a->call.peak_bytes;
    t->own_code[0] = '\0';
    if (a->call.code[0]) (void)snprintf(t->own_code, sizeof t->own_code, "%s", a->call.code);
    bool failed = status != SY_OK;
    int64_t ms = (sy__stage_ns(s) - a->began_ns) / 1000000;
    sy__stream_flush(s, t);
    if (err.file[0]) name_file(&err, target->extension);
    if (a->idle)
        (void)sy__error_set(&err, SY_ETIMEOUT, "it gave no sign of life for %lld ms",
                            (long long)t->spec->idle_timeout_ms);
    if (status == SY_OK) {
        sy__value output;
        if (sy__vbuf_done(&a->call.output, &output)) output = sy__value_null();
        status = sy__attempt_output(s, t, output, &err);
    }
    if (t->budget) sy__budget_settle(s, t, a->call.cpu_ns);
    if (a->artifact_count > 0 && target->operation->output && (status == SY_OK || status == SY_ETYPE))
        sy__record_judged(s, a, status == SY_OK);
    sy__pool_give(s->pool, target->extension, a->isolate, failed);
    sy__attempt_free(a);
    if (status && !err.code) (void)sy__error_set(&err, status, "%s", sy_strerror(status));
    sy__players_ended(s, t, ms, why ? SY_ECANCELLED : status, !failed);
    if (broken) sy__state_broken(s, t, target->extension, &err);
    if (s->engine->tape && !why) sy__tape_record(s, t, status ? &err : NULL, transient);
    if (status == SY_OK) {
        if (t->memo) sy__cache_store(s, t);
        sy__task_end(s, t, SY__TASK_COMPLETED, t->target ? SY__OUTCOME_FALLBACK : SY__OUTCOME_OK);
    } else if (why) {
        attempt_interrupted(s, t, why);
    } else if (!t->budget || !sy__budget_ended(s, t, status)) {
        attempt_failed(s, t, &err, transient);
    }
}

static void
on_done(sy__call *call, int status)
{
    attempt_finished(call->ud, status);
}

/* Writes that it executes, once, so that others can see it. */
void
sy__attempt_show(sy__stage *s, sy__task *t)
{
    if (t->started) return;
    t->started = true;
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(s, t);
    sy__record_event(s, t, "task_started", NULL);
}

/* A call in a process of its own says so, also when the process was there. */
static void
record_cold_start(sy__stage *s, sy__task *t, const sy__isolate *iso, int64_t cold_ns)
{
    char context[384], used[64];
    bool own = sy__isolate_options_of(iso)->isolation == SY__OWN_PROCESS;
    sy__attempt_show(s, t);
    (void)snprintf(context, sizeof context, "{\"decision\":\"%s\",\"extension\":\"%s\",\"ms\":%.3f%s}",
                   cold_ns ? "cold_start" : "warm", t->spec->targets[t->target].extension->name, (double)cold_ns / 1e6,
                   own ? ",\"isolation\":\"process\"" : "");
    (void)snprintf(used, sizeof used, "{\"bytes\":%zu}", sy__isolate_bytes(iso));
    sy__record_pit(s, t->run, t, SY__MEMBER_POOL, context, used);
    sy__record_event(s, t, "resource_allocated", context);
}

static int64_t
deadline_of(sy__stage *s, sy__task *t)
{
    int64_t start = sy__stage_ns(s), ms = sy__caps_timeout_ms(t->spec->targets[t->target].extension->caps);
    if (t->spec->attempt_timeout_ms)
        ms = t->spec->attempt_timeout_ms;
    else if (t->spec->timeout_ms)
        ms = t->spec->timeout_ms;
    int64_t left = sy__retry_left_ns(s, t), span = ms * 1000000;
    return start + (left < span ? left : span);
}

void
sy__attempt_current(sy__stage *s, sy__attempt *a)
{
    (void)pthread_mutex_lock(&s->current_lock);
    s->current = a;
    (void)pthread_mutex_unlock(&s->current_lock);
}

/* Its idempotency key: RUN:KEY. */
static void
name_attempt(sy__stage *s, sy__attempt *a)
{
    sy__buf *b = &s->text;
    sy__buf_reset(b);
    sy__buf_adds(b, a->task->run->id);
    sy__buf_addc(b, ':');
    sy__task_key(a->task, b);
    size_t len = b->len < sizeof a->key ? b->len : sizeof a->key - 1;
    if (len) memcpy(a->key, b->data, len);
    a->key[len] = '\0';
}

/* Also when a call that waited goes on: so that another thread can end it. */
static void
on_running(sy__call *call, bool on)
{
    sy__attempt *a = call->ud;
    sy__attempt_current(a->stage, on ? a : NULL);
}

static void
execute(sy__stage *s, sy__task *t)
{
    const sy__target *target = &t->spec->targets[t->target];
    sy__error err;
    sy__error_clear(&err);
    int64_t cold_ns = 0;
    sy__attempt *a = sy__attempt_new(s, t);
    int status = a ? sy__pool_take(s->pool, target->extension, sy__pool_isolation(t), &a->isolate, &cold_ns, &err)
                   : sy__error_set(&err, SY_ENOMEM, "no memory for a call");
    if (status) {
        if (a) sy__attempt_free(a);
        if (status != SY_ENOMEM) sy__state_broken(s, t, target->extension, &err);
        sy__players_ended(s, t, 0, status, false);
        attempt_failed(s, t, &err, false);
        return;
    }
    if (cold_ns || sy__isolate_options_of(a->isolate)->isolation == SY__OWN_PROCESS)
        record_cold_start(s, t, a->isolate, cold_ns);
    else
        sy__record_count(t->run, SY__MEMBER_POOL, 1);
    name_attempt(s, a);
    a->call.operation = target->operation->name;
    a->call.input = sy__blob_value(t->input);
    a->call.deadline_ns = deadline_of(s, t);
    if (t->budget) sy__budget_limit(t, &a->call);
    a->touched_ns = a->began_ns = sy__stage_ns(s);
    a->call.idempotency_key = a->key;
    a->call.services = &sy__task_services;
    a->call.reads = sy__cache_reads(t);
    a->call.ud = a;
    a->call.done = on_done;
    a->call.running = on_running;
    sy__attempt_current(s, a);
    if (atomic_load(&t->run->stopping) && t->run->cancelled) sy__isolate_poison(a->isolate, SY_ECANCELLED);
    status = sy__isolate_call(a->isolate, &a->call);
    sy__attempt_current(s, NULL);
    if (status != SY_EAGAIN) {
        attempt_finished(a, status);
        return;
    }
    sy__attempt_show(s, t);
    if (!arm_clock(a)) sy__isolate_cancel(a->isolate, SY_ENOMEM);
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
    if (sy__task_stopped(t)) {
        t->attempts--;
        sy__task_drop(s, t);
        return;
    }
    t->approved = true;
    SY__CRASH_POINT("fence.durable");
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
    sy__attempt_show(s, t);
    t->fence_stage = s;
    (void)atomic_fetch_add(&s->engine->hooks, 1);
    if (!status) status = sy__db_notify(s->engine->o.db, sy__db_now(s->engine->o.db), true, on_fence, t);
    if (!status) return;
    (void)atomic_fetch_sub(&s->engine->hooks, 1);
    sy__run_unwritten(t->run, status);
    t->attempts--;
    sy__task_drop(s, t);
}

void
sy__attempt_begin(sy__stage *s, sy__task *t)
{
    const sy__operation *op = t->spec->targets[t->target].operation;
    sy__error err;
    sy__value v = sy__blob_value(t->input), checked;
    sy__error_clear(&err);
    t->started_ms = sy__stage_ms(s);
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
    if (s->engine->tape && sy__tape_play(s, t)) return;
    if (t->memo) sy__cache_forget(t);
    if (sy__cache_wanted(t) && sy__cache_hit(s, t)) return;
    if (!sy__players_turn(s, t)) return;
    if (!t->run->budget || sy__budget_admit(s, t)) sy__attempt_go(s, t);
}

void
sy__attempt_go(sy__stage *s, sy__task *t)
{
    if (needs_fence(t))
        ask_fence(s, t);
    else
        execute(s, t);
}

/* ---- stopping ---- */

/* One that was to die in Lua may have come to wait before it noticed. */
static bool
is_parked(const sy__attempt *a)
{
    return a->isolate && sy__isolate_parked(a->isolate);
}

void
sy__task_sweep(sy__stage *s, sy__run *r, const char *within, int why)
{
    for (bool again = true; again;) {
        again = false;
        for (sy__attempt *a = s->attempts; a; a = a->next) {
            sy__task *t = a->task;
            if (!sy__task_within(t, r, within) || (a->cancel_why && !is_parked(a))) continue;
            const sy__operation *op = t->spec->targets[t->target].operation;
            bool effect = !a->waiting_retry && op->effects >= SY__EFFECT_WRITE && !op->idempotent;
            if (why == SY_EINTERRUPTED && effect && !r->forced) continue;
            again = true;
            if (a->waiting_retry) {
                sy__attempt_free(a);
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
