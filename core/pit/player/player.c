/*
 * player.c: a ring of calls, and the three states.
 *
 * The judgement looks at the whole window (at most 1,000 numbers) after each call: selecting the 95th percentile of so
 * few costs less than the row that records the call.
 */
#include "pit/player/player.h"

#include "symphony.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"eligible", "suspended", "probation"};

const char *
sy__player_state_name(sy__player_state state)
{
    return names[state];
}

bool
sy__player_state_read(const char *name, sy__player_state *out)
{
    for (int i = 0; name && i < 3; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (sy__player_state)i;
        return true;
    }
    return false;
}

int
sy__player_init(sy__player *p, const sy__alloc *a, const sy__player_rules *rules, sy__player_promise promise)
{
    *p = (sy__player){.alloc = a, .rules = rules, .promise = promise};
    p->ring = sy__calloc(a, (size_t)rules->calls, sizeof *p->ring);
    return p->ring ? SY_OK : SY_ENOMEM;
}

void
sy__player_close(sy__player *p)
{
    sy__free(p->alloc, p->ring);
    p->ring = NULL;
}

/* ---- the window ---- */

static const sy__player_call *
call_at(const sy__player *p, size_t i)
{
    return &p->ring[(p->first + i) % (size_t)p->rules->calls];
}

void
sy__player_recall(sy__player *p, const sy__player_call *call)
{
    size_t room = (size_t)p->rules->calls;
    if (p->count == room) {
        p->first = (p->first + 1) % room;
        p->count--;
    }
    p->ring[(p->first + p->count++) % room] = *call;
}

static int
by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

sy__player_figures
sy__player_look(const sy__player *p, int64_t now_ms)
{
    sy__player_figures f = {0};
    int64_t ms[SY__PLAYER_CALLS_MAX];
    for (size_t i = 0; i < p->count; i++) {
        const sy__player_call *c = call_at(p, i);
        if (now_ms - c->at_ms >= p->rules->window_ms) continue;
        ms[f.calls++] = c->ms;
        f.failed += c->failed;
    }
    if (f.calls == 0) return f;
    qsort(ms, (size_t)f.calls, sizeof *ms, by_size);
    f.p95_ms = ms[(f.calls * 95 + 99) / 100 - 1];
    return f;
}

/* ---- states ---- */

static void
enter(sy__player *p, sy__player_state state, int64_t now_ms)
{
    p->state = state;
    p->since_ms = now_ms;
    p->trials = p->trials_good = 0;
    if (state != SY__PLAYER_ELIGIBLE) return;
    p->reason[0] = '\0';
    p->count = 0; /* what it did before its suspension is not held against it again */
}

static void
suspend(sy__player *p, int64_t now_ms)
{
    bool soon = p->rest_ms > 0 && now_ms - p->until_ms < p->rules->window_ms;
    p->rest_ms = soon ? p->rest_ms * 2 : p->rules->rest_ms;
    if (p->rest_ms > p->rules->rest_max_ms) p->rest_ms = p->rules->rest_max_ms;
    enter(p, SY__PLAYER_SUSPENDED, now_ms);
    p->until_ms = now_ms + p->rest_ms;
}

/* Why the window breaks the promise, in words; false: it keeps it. */
static bool
breaks(const sy__player *p, const sy__player_figures *f, char *reason, size_t room)
{
    if (f->calls < p->rules->min_calls || f->calls == 0) return false;
    double rate = (double)f->failed / (double)f->calls;
    if (p->promise.max_error_rate >= 0 && rate > p->promise.max_error_rate) {
        (void)snprintf(reason, room, "%" PRId64 " of the last %" PRId64 " calls failed, at most %g %% may", f->failed,
                       f->calls, p->promise.max_error_rate * 100);
        return true;
    }
    if (p->promise.p95_ms < 0 || f->p95_ms <= p->promise.p95_ms) return false;
    (void)snprintf(reason, room,
                   "p95 of the last %" PRId64 " calls is %" PRId64 " ms, at most %" PRId64 " ms is kept to", f->calls,
                   f->p95_ms, p->promise.p95_ms);
    return true;
}

/* Whether one call of a probation is as good as was promised. */
static bool
trial_fails(sy__player *p, const sy__player_call *call)
{
    bool slow = p->promise.p95_ms >= 0 && call->ms > p->promise.p95_ms;
    if (call->failed)
        (void)snprintf(p->reason, sizeof p->reason, "a call on probation failed");
    else if (slow)
        (void)snprintf(p->reason, sizeof p->reason,
                       "a call on probation took %" PRId64 " ms, at most %" PRId64 " ms is kept to", call->ms,
                       p->promise.p95_ms);
    return call->failed || slow;
}

static bool
rested(const sy__player *p, int64_t now_ms)
{
    return p->state == SY__PLAYER_SUSPENDED && now_ms >= p->until_ms;
}

/* Trials whose end nobody told of (their process died) are given out again after a rest. */
static bool
trials_left(const sy__player *p, int64_t now_ms)
{
    return p->trials < p->rules->trials || now_ms - p->trials_at >= p->rules->rest_ms;
}

bool
sy__player_may(const sy__player *p, int64_t now_ms)
{
    if (p->state == SY__PLAYER_ELIGIBLE || rested(p, now_ms)) return true;
    return p->state == SY__PLAYER_PROBATION && trials_left(p, now_ms);
}

bool
sy__player_choose(sy__player *p, int64_t now_ms, bool *changed)
{
    *changed = rested(p, now_ms);
    if (!sy__player_may(p, now_ms)) return false;
    if (*changed) enter(p, SY__PLAYER_PROBATION, now_ms);
    if (p->state != SY__PLAYER_PROBATION) return true;
    if (p->trials >= p->rules->trials) p->trials = p->trials_good;
    if (p->trials == p->trials_good) p->trials_at = now_ms;
    p->trials++;
    return true;
}

void
sy__player_unused(sy__player *p)
{
    if (p->state == SY__PLAYER_PROBATION && p->trials > p->trials_good) p->trials--;
}

static bool
note_trial(sy__player *p, const sy__player_call *call)
{
    if (trial_fails(p, call)) {
        suspend(p, call->at_ms);
        return true;
    }
    if (p->trials == p->trials_good) p->trials++; /* a call that was named, not chosen */
    if (++p->trials_good < p->rules->trials) return false;
    enter(p, SY__PLAYER_ELIGIBLE, call->at_ms);
    return true;
}

bool
sy__player_note(sy__player *p, const sy__player_call *call)
{
    sy__player_recall(p, call);
    if (p->state == SY__PLAYER_PROBATION) return note_trial(p, call);
    if (p->state == SY__PLAYER_SUSPENDED) return false;
    sy__player_figures f = sy__player_look(p, call->at_ms);
    if (!breaks(p, &f, p->reason, sizeof p->reason)) return false;
    suspend(p, call->at_ms);
    return true;
}
