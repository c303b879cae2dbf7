/*
 * retry.c: what follows a failed attempt: the same again later, or the next fallback.
 */
#include "pit/engine_impl.h"

#include "base/crash.h"

#include <sodium.h>
#include <stdio.h>

static bool
retryable(const sy__task *t, int code, bool transient)
{
    const sy__plan_task *spec = t->spec;
    if (t->attempts - t->forgiven > (uint64_t)spec->retry_max || code == SY_ECANCELLED) return false;
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
    case SY_ESUSPENDED:
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

int64_t
sy__retry_left_ns(const sy__stage *s, const sy__task *t)
{
    return t->spec->timeout_ms ? t->first_ns + t->spec->timeout_ms * 1000000 - sy__mono_ns(s->engine->o.clock)
                               : INT64_MAX;
}

bool
sy__retry_late(const sy__stage *s, const sy__task *t, sy__error *err)
{
    bool has_clock = (sy__task_calls(t) || t->spec->verb == SY__VERB_FLOW) && !t->undoes;
    if (!has_clock || sy__retry_left_ns(s, t) > 0) return false;
    (void)sy__error_set(err, SY_ETIMEOUT, "its %lld ms in all were over before the run went on",
                        (long long)t->spec->timeout_ms);
    return true;
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

bool
sy__retry_later(sy__stage *s, sy__task *t, bool transient)
{
    int64_t ms = retry_delay_ms(t);
    if (!retryable(t, t->error->code, transient) || ms * 1000000 >= sy__retry_left_ns(s, t)) return false;
    sy__attempt *a = sy__attempt_new(s, t);
    if (!a) return false;
    a->waiting_retry = true;
    if (!sy__attempt_arm(a, ms * 1000000)) {
        sy__attempt_free(a);
        return false;
    }
    t->status = SY__TASK_PENDING;
    t->approved = false;
    sy__task_leave(s, t);
    record_try(s, t, "task.retry");
    SY__CRASH_POINT("retry.recorded");
    record_re_execution(s, t, ms);
    return true;
}

/* Whether it stops only because the run parks. */
static bool
parks(const sy__task *t)
{
    sy__run *r = t->run;
    (void)pthread_mutex_lock(&r->lock);
    bool halting = r->cancelled || !r->parking;
    for (const sy__scope *c = t->scope; c && !halting; c = c->owner ? c->owner->scope : NULL) halting = c->halting;
    (void)pthread_mutex_unlock(&r->lock);
    return !halting;
}

bool
sy__retry_stopped(sy__stage *s, sy__task *t, bool transient)
{
    if (t->undoes || t->error->code == SY_ECANCELLED) return false;
    bool again = retryable(t, t->error->code, transient);
    if (!again && t->target + 1 >= t->spec->target_count) return false;
    if (!parks(t)) {
        sy__error err = {0};
        (void)sy__error_set(&err, SY_ECANCELLED, "the run was stopped before its next attempt; the last one: %.400s",
                            t->error->message);
        sy__task_fail(s, t, &err);
        return true;
    }
    t->status = SY__TASK_PENDING;
    t->approved = false;
    if (!again) t->target++;
    record_try(s, t, again ? "task.retry" : "task.fallback");
    sy__task_drop(s, t);
    return true;
}

bool
sy__retry_fallback(sy__stage *s, sy__task *t)
{
    if (t->target + 1 >= t->spec->target_count || t->error->code == SY_ECANCELLED) return false;
    record_try(s, t, "task.fallback");
    SY__CRASH_POINT("fallback.recorded");
    t->target++;
    t->approved = false;
    sy__blob_release(t->input);
    t->input = NULL;
    sy__task_leave(s, t);
    sy__task_gates(t);
    t->job.next = NULL;
    sy__run_submit(s->engine, s, &t->job);
    return true;
}
