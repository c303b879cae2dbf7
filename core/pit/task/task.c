/*
 * task.c: a task from its turn to its end: gates, `when`, input, outcome, successors.
 *
 *   run ──> when? ──> input ──> attempt.c: schema ──> fence? ──> isolate ──> call ──> output ──> end ──> successors
 *            │                                          │                     │
 *            └ skipped                        waits for the commit   retry.c: retry, fallback, failure
 */
#include "pit/budget/budget_task.h"
#include "base/crash.h"
#include "pit/cache/cache.h"
#include "pit/arbiter/flow.h"
#include "pit/task/journal.h"
#include "pit/stream/stream_impl.h"
#include "pit/task/tape.h"

#include <stdio.h>
#include <string.h>

bool
sy__task_has_value(const sy__task *t)
{
    return t->status == SY__TASK_COMPLETED && t->outcome != SY__OUTCOME_SKIPPED;
}

void
sy__task_key(const sy__task *t, sy__buf *out)
{
    sy__buf_adds(out, t->scope->prefix);
    sy__buf_adds(out, t->spec->key);
    if (t->undoes) {
        if (t->number) sy__buf_addf(out, "/%u", t->number);
        sy__buf_adds(out, "/compensate");
    } else if (sy__task_is_item(t)) {
        sy__buf_addc(out, '/');
        sy__buf_addi(out, (int64_t)t->number + 1);
    }
}

void
sy__task_close(sy__task *t)
{
    const sy__alloc *a = t->run->engine->alloc;
    sy__blob_release(t->input);
    sy__blob_release(t->output);
    sy__blob_release(t->holds);
    sy__free(a, t->error);
    sy__each_free(a, t->each);
    sy__cache_forget(t);
    sy__loop_free(a, t->loop);
    sy__journal_free(a, t->journal);
    sy__scope_free(t->inner);
    sy__flow_leave(t);
    sy__streams_free(t);
    sy__budget_task_free(t);
    sy__free(a, t->wait_row);
    t->wait_row = NULL;
    t->input = t->output = t->holds = NULL;
    t->error = NULL;
    t->each = NULL;
    t->loop = NULL;
    t->journal = NULL;
    t->inner = NULL;
}

/* ---- gates ---- */

void
sy__task_leave(sy__stage *s, sy__task *t)
{
    if (t->budget) sy__budget_leave(s, t);
    if (!t->inside) return;
    t->inside = false;
    size_t ready = sy__arbiter_release(s->engine->arbiter, &t->job);
    if (ready > 1) sy__stages_wake(s->engine, ready - 1);
}

/* ---- ending ---- */

void
sy__task_note_error(sy__stage *s, sy__task *t, const sy__error *why)
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
    return code == SY_ETIMEOUT                     ? SY__OUTCOME_TIMEOUT
           : code == SY_EPERM || code == SY_ETRUST ? SY__OUTCOME_DENIED
           : code == SY_ECANCELLED                 ? SY__OUTCOME_CANCELLED
                                                   : SY__OUTCOME_ERROR;
}

void
sy__task_fail(sy__stage *s, sy__task *t, const sy__error *why)
{
    if (t->spec->on_error == SY__ON_ERROR_ASK && sy__task_calls(t) && why->code != SY_ECANCELLED &&
        !sy__task_stopped(t)) {
        sy__wait_begin(s, t, SY__WAIT_ERROR, why);
        return;
    }
    sy__task_note_error(s, t, why);
    sy__task_end(s, t, SY__TASK_FAILED, outcome_of(why->code));
}

/* A run that stops lets go of a task that has not begun: it stays pending. */
void
sy__task_drop(sy__stage *s, sy__task *t)
{
    sy__task_leave(s, t);
    sy__flow_leave(t);
    if (t->parent) {
        sy__subtask_end(s, t, true);
        return;
    }
    sy__run *r = sy__run_hold(t->run);
    (void)pthread_mutex_lock(&r->lock);
    t->status = SY__TASK_PENDING;
    if (t->started && !t->uncertain && r->level != SY__LEVEL_NONE) sy__record_task(s, t);
    sy__scope_leave(t->scope);
    sy__scope_settle(s, t->scope);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_release(r);
}

static void
record_end(sy__stage *s, sy__task *t)
{
    bool failed = t->status == SY__TASK_FAILED, stored = t->run->level != SY__LEVEL_NONE;
    if (stored) sy__db_begin(s->engine->o.db); /* a crash leaves the row with its events, or neither */
    if (stored) sy__record_task(s, t);
    if (!t->started && t->attempts > 0) {
        t->started = true;
        sy__record_event(s, t, "task_started", NULL);
    }
    sy__record_event(s, t,
                     failed                              ? "error_occurred"
                     : t->outcome == SY__OUTCOME_SKIPPED ? "task.skipped"
                                                         : "task.completed",
                     NULL);
    if (stored) sy__db_end(s->engine->o.db);
}

void
sy__task_end(sy__stage *s, sy__task *t, sy__task_status status, sy__outcome outcome)
{
    sy__task_leave(s, t);
    t->status = status;
    t->outcome = outcome;
    t->completed_ms = sy__stage_ms(s);
    record_end(s, t);
    sy__flow_leave(t);
    SY__CRASH_POINT("task.recorded");
    if (t->parent) {
        sy__subtask_end(s, t, false);
        return;
    }
    sy__run *r = sy__run_hold(t->run);
    sy__scope *c = t->scope;
    (void)pthread_mutex_lock(&r->lock);
    t->ended = true;
    t->ended_as = ++r->ends;
    sy__scope_leave(c);
    r->cpu_ns += t->cpu_ns;
    if (t->peak_bytes > r->peak_bytes) r->peak_bytes = t->peak_bytes;
    if (status == SY__TASK_FAILED && t->spec->on_error != SY__ON_ERROR_SKIP && !sy__task_cut(t)) {
        if (t->spec->on_error == SY__ON_ERROR_COMPENSATE) c->undoing = true;
        sy__scope_fail(c, t->error, t->spec->key);
    }
    sy__job *list = sy__scope_follow(s, c, t->number, sy__task_has_value(t));
    sy__scope_settle(s, c);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_submit(s->engine, s, list);
    sy__run_release(r);
}

/* ---- its turn ---- */

static bool
queued_too_long(sy__stage *s, sy__task *t, sy__error *err)
{
    int64_t waited_ms = (sy__stage_ns(s) - t->job.queued_ns) / 1000000;
    if (!t->spec->queue_timeout_ms || t->attempts > 0 || waited_ms <= t->spec->queue_timeout_ms) return false;
    (void)sy__error_set(err, SY_ETIMEOUT, "it waited %lld ms for its turn", (long long)waited_ms);
    return true;
}

static void
begin_verb(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    sy__value list;
    switch (t->spec->verb) {
    case SY__VERB_LOOP: sy__loop_begin(s, t); break;
    case SY__VERB_ASK: sy__ask_begin(s, t); break;
    case SY__VERB_SUB: sy__sub_begin(s, t); break;
    case SY__VERB_EACH:
        if (t->early && sy__each_begin_early(s, t)) break;
        if (sy__input_fill(s, t, t->spec->list, &list, &err))
            sy__task_fail(s, t, &err);
        else
            sy__each_begin(s, t, list);
        break;
    case SY__VERB_FLOW: sy__journal_begin(s, t); break;
    case SY__VERB_SLEEP: sy__journal_sleep(s, t); break;
    case SY__VERB_TASK:
    case SY__VERB_NOW:
    case SY__VERB_RANDOM: break; /* calls, and what never has a turn */
    }
}

/* Its time in all counts from its first turn. That may have been in an earlier process, which only the wall's clock can
 * tell: where it was set back since, the time begins anew. */
static void
begin_clock(sy__stage *s, sy__task *t)
{
    int64_t now = sy__stage_ms(s), ago = t->dispatched_ms ? now - t->dispatched_ms : 0;
    t->first_ns = sy__stage_ns(s);
    if (ago > 0) t->first_ns -= ago * 1000000;
    if (ago < 0 || !t->dispatched_ms) t->dispatched_ms = now;
    if (!t->first_ns) t->first_ns = 1; /* 0 says that it has not begun */
}

/* The first time a task comes up here: stamps, `when`, the list of a map. True: go on with its input. */
static bool
first_time(sy__stage *s, sy__task *t)
{
    sy__error err;
    sy__error_clear(&err);
    begin_clock(s, t);
    t->status = SY__TASK_DISPATCHED;
    sy__flow_admitted(s, t);
    if (t->run->budget) sy__budget_open(s, t);
    bool late = !t->reopens && (queued_too_long(s, t, &err) || sy__retry_late(s, t, &err));
    int go = t->reopens ? 1 : late ? err.code : sy__input_when(s, t, &err);
    if (go == 0) {
        sy__task_end(s, t, SY__TASK_COMPLETED, SY__OUTCOME_SKIPPED);
        return false;
    }
    if (go < 0) {
        sy__task_fail(s, t, &err);
        return false;
    }
    if (sy__task_calls(t)) return true;
    if (s->engine->tape && sy__tape_play_whole(s, t)) return false;
    begin_verb(s, t);
    return false;
}

/* Whether its turn is for nothing: it is not begun any more. */
static bool
comes_too_late(const sy__task *t)
{
    if (t->reopens) return atomic_load(&t->run->cutting);
    return sy__task_stopped(t);
}

void
sy__task_run(sy__stage *s, sy__task *t)
{
    sy__error err;
    sy__error_clear(&err);
    t->inside = true;
    if (t->wait_row && t->first_ns) sy__flow_admitted(s, t); /* before another attempt */
    if (t->inner && t->inner->ended) {
        sy__sub_end(s, t);
        return;
    }
    if (t->each && sy__each_returns(s, t)) return;
    if (t->decided) {
        sy__task_end(s, t, t->status, t->outcome);
        return;
    }
    if (comes_too_late(t)) {
        sy__task_drop(s, t);
        return;
    }
    if (!t->first_ns && !first_time(s, t)) return;
    if (!t->input && sy__input_make(s, t, &err)) {
        sy__task_fail(s, t, &err);
        return;
    }
    sy__attempt_begin(s, t);
}
