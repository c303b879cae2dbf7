/*
 * budget_task.c: the budgets of a run's tasks: admission, settlement, breaches, stopping.
 *
 * A task that has to wait for room gives back its gates first and is then the ledger's; whoever makes room submits
 * it again, with its reservation. Every way out of a turn passes sy__budget_leave, so nothing stays reserved.
 */
#include "pit/budget/budget_task.h"

#include "pit/budget/budget_shared.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* By how much a timer may be early. */
static const int64_t TIMER_NS = 5000000;

/* The whole run halts: nothing new starts. */
static void
halt(sy__run *r, const sy__error *why)
{
    (void)pthread_mutex_lock(&r->lock);
    if (!r->ended) sy__scope_fail(r->root, why, why->task[0] ? why->task : NULL);
    (void)pthread_mutex_unlock(&r->lock);
}

void
sy__budget_breach(sy__stage *s, sy__task *t, sy__on_breach policy, bool run, const sy__error *err)
{
    sy__task_note_error(s, t, err);
    if (policy == SY__BREACH_DOWNGRADE && t->error && sy__retry_fallback(s, t)) {
        sy__amounts none = {{0}};
        sy__budget_record(s, t, "budget_downgrade", NULL, SY__UNIT_USD, &none);
        return;
    }
    if (policy == SY__BREACH_ASK) {
        sy__wait_begin(s, t, SY__WAIT_BUDGET, err);
        return;
    }
    if (run) halt(t->run, t->error ? t->error : err);
    sy__task_fail(s, t, err);
}

static void
breach(sy__stage *s, sy__task *t, const sy__budget *at, sy__unit unit, const sy__amounts *used)
{
    sy__error err = {0};
    sy__budget_describe(s, t, at, unit, used, &err);
    sy__budget_record(s, t, used ? "budget_ended" : "budget_refused", at, unit, &t->budget->hold.need);
    sy__budget_breach(s, t, at->limits.on_breach, at == &t->run->budget->account, &err);
}

void
sy__budget_again(sy__stage *s, sy__task *t)
{
    t->job.next = NULL;
    sy__run_submit(s->engine, s, &t->job);
}

/* Those whom a settlement let in, or who are to be refused when they ask again. */
static void
submit(sy__stage *s, sy__hold *list)
{
    while (list) {
        sy__task_budget *b = (sy__task_budget *)(void *)((char *)list - offsetof(sy__task_budget, hold));
        list = list->next;
        sy__budget_again(s, b->task);
    }
}

/* Its gates are free while it waits. After sy__ledger_wait it may be another thread's. */
static void
wait_for_room(sy__stage *s, sy__task *t)
{
    sy__hold *h = &t->budget->hold;
    t->attempts--;
    t->status = SY__TASK_DISPATCHED;
    sy__budget_record(s, t, "budget_wait", h->at, h->unit, &h->need);
    sy__task_leave(s, t);
    if (sy__task_stopped(t) || sy__ledger_wait(&s->engine->ledger, h) != SY__MUST_WAIT) sy__budget_again(s, t);
}

void
sy__budget_begin(sy__stage *s, sy__task *t)
{
    sy__task_budget *b = t->budget;
    b->usd_before = t->usd_micro;
    b->tokens_before = t->tokens;
    b->broken = NULL;
    if (!sy__budget_any(&b->hold.reserved)) return;
    sy__attempt_show(s, t);
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(s, t); /* with what a resume has to assume as spent */
    sy__unit unit = b->hold.uses & 1u << SY__UNIT_USD      ? SY__UNIT_USD
                    : b->hold.uses & 1u << SY__UNIT_TOKENS ? SY__UNIT_TOKENS
                                                           : SY__UNIT_CPU;
    sy__budget_record(s, t, "budget_reserve", sy__budget_limiting(b->hold.budget, unit), unit, &b->hold.reserved);
}

/* What follows when an operation does not say how much it may use, or says it wrongly. */
static sy__on_breach
policy_of(const sy__task *t, int code)
{
    const sy__budget *b = t->budget->hold.budget;
    const sy__budget *usd = sy__budget_limiting(b, SY__UNIT_USD), *tokens = sy__budget_limiting(b, SY__UNIT_TOKENS);
    if (code != SY_EBUDGET) return SY__BREACH_STOP;
    return usd ? usd->limits.on_breach : tokens ? tokens->limits.on_breach : t->run->engine->o.budget.on_breach;
}

bool
sy__budget_admit(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    sy__task_budget *b = sy__budget_of(s, t);
    if (!b) {
        (void)sy__error_set(&err, SY_ENOMEM, "no memory for a budget");
        sy__task_fail(s, t, &err);
        return false;
    }
    b->stage = s;
    if (t->undoes) return true;
    if (!b->hold.held) {
        const sy__budget *late = sy__budget_deadline(b->hold.budget);
        if (late && sy__stage_ns(s) >= late->ends_ns) {
            t->attempts--;
            breach(s, t, late, SY__UNIT_WALL, NULL);
            return false;
        }
        if (b->estimated != t->target + 1 && sy__budget_estimate(s, t, &err)) {
            t->attempts--;
            sy__budget_breach(s, t, policy_of(t, err.code), false, &err);
            return false;
        }
        sy__admission how = sy__ledger_reserve(&s->engine->ledger, &b->hold);
        if (how == SY__MUST_WAIT) {
            wait_for_room(s, t);
            return false;
        }
        if (how == SY__BREACH) {
            t->attempts--;
            breach(s, t, b->hold.at, b->hold.unit, NULL);
            return false;
        }
    }
    if (!sy__shared_admit(s, t)) return false;
    sy__budget_begin(s, t);
    return true;
}

void
sy__budget_limit(const sy__task *t, sy__call *call)
{
    if (t->undoes) return; /* what is done is undone whatever it costs */
    const sy__hold *h = &t->budget->hold;
    const sy__budget *first = sy__budget_deadline(h->budget);
    if (first && first->ends_ns < call->deadline_ns) call->deadline_ns = first->ends_ns;
    if (!h->held || !(h->uses & 1u << SY__UNIT_CPU)) return;
    int64_t ms = h->reserved.of[SY__UNIT_CPU] / 1000;
    call->cpu_ms = ms > 0 ? ms : 1;
}

/* ---- during and after the call ---- */

void
sy__budget_report(sy__attempt *a, int64_t usd_micro, int64_t tokens)
{
    sy__task *t = a->task;
    sy__task_budget *b = t->budget;
    sy__amounts more = {{usd_micro, tokens, 0}};
    sy__unit unit = SY__UNIT_USD;
    sy__budget_spends(t);
    const sy__budget *over = sy__ledger_report(&a->stage->engine->ledger, &b->hold, &more, &unit);
    sy__attempt_show(a->stage, t);
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(a->stage, t); /* a kill does not forget it */
    if (!over || b->broken || t->undoes) return;
    b->broken = over;
    b->unit = unit;
    sy__isolate_cancel(a->isolate, SY_EBUDGET);
}

void
sy__budget_settle(sy__stage *s, sy__task *t, int64_t cpu_ns)
{
    sy__task_budget *b = t->budget;
    sy__amounts charge = {{t->usd_micro - b->usd_before, t->tokens - b->tokens_before, cpu_ns / 1000}};
    b->usd_before = t->usd_micro;
    b->tokens_before = t->tokens;
    b->used = charge;
    if (!b->hold.held) {
        sy__ledger_charge(&s->engine->ledger, b->hold.budget, &charge);
        sy__shared_settle(s, t, &charge);
        return;
    }
    bool told = sy__budget_any(&b->hold.reserved) || charge.of[SY__UNIT_USD] || charge.of[SY__UNIT_TOKENS];
    sy__hold *list = sy__ledger_settle(&s->engine->ledger, &b->hold, &charge);
    if (told) sy__budget_record(s, t, "budget_settle", NULL, SY__UNIT_USD, &charge);
    sy__shared_settle(s, t, &charge);
    submit(s, list);
}

bool
sy__budget_ended(sy__stage *s, sy__task *t, int status)
{
    sy__task_budget *b = t->budget;
    const sy__budget *at = b->broken, *late = sy__budget_deadline(b->hold.budget);
    sy__unit unit = b->unit;
    if (!at && status == SY_ETIMEOUT && late && sy__stage_ns(s) + TIMER_NS >= late->ends_ns)
        at = late, unit = SY__UNIT_WALL;
    if (!at && status == SY_ETIMEOUT && (b->hold.uses & 1u << SY__UNIT_CPU)) {
        const sy__target *target = &t->spec->targets[t->target];
        bool cut = b->hold.reserved.of[SY__UNIT_CPU] < sy__caps_cpu_ms(target->extension->caps) * 1000;
        if (cut) at = sy__budget_limiting(b->hold.budget, SY__UNIT_CPU), unit = SY__UNIT_CPU;
    }
    b->broken = NULL;
    if (!at || t->undoes) return false;
    breach(s, t, at, unit, &b->used);
    return true;
}

void
sy__budget_leave(sy__stage *s, sy__task *t)
{
    sy__amounts nothing = {{0}};
    if (!t->budget->hold.held) return;
    sy__hold *list = sy__ledger_settle(&s->engine->ledger, &t->budget->hold, &nothing);
    sy__shared_settle(s, t, &nothing);
    submit(s, list);
}

/* ---- stopping and time ---- */

static bool
of_run(void *ud, sy__hold *h)
{
    const sy__task_budget *b = (const sy__task_budget *)(void *)((char *)h - offsetof(sy__task_budget, hold));
    return b->task->run == ud;
}

void
sy__budget_withdraw(sy__stage *s, sy__run *r)
{
    if (!r->budget) return;
    submit(s, sy__ledger_withdraw(&s->engine->ledger, of_run, r));
    sy__shared_withdraw(s, r);
}

typedef struct look {
    sy__run *run;
    int64_t now;
} look;

static bool
is_late(void *ud, sy__hold *h)
{
    const sy__budget *first = sy__budget_deadline(h->budget);
    (void)ud;
    return first && ((const look *)ud)->now >= first->ends_ns;
}

/* The run's wall time is used up: nothing new starts; what runs has had the same deadline. */
static void
stop_late(sy__run *r, int64_t now)
{
    const sy__budget *b = &r->budget->account;
    char limit[64];
    sy__error err = {0};
    if (!b->ends_ns || now < b->ends_ns || b->limits.on_breach != SY__BREACH_STOP) return;
    if (atomic_load(&r->stopping)) return;
    sy__budget_amount(SY__UNIT_WALL, b->limits.wall_ms, limit, sizeof limit);
    (void)sy__error_set(&err, SY_EBUDGET, "the run's budget of %s is used up", limit);
    sy__error_hint(&err, "symphony resume %lld --budget %lldms   goes on with more", (long long)r->number,
                   (long long)b->limits.wall_ms * 2);
    halt(r, &err);
    sy__engine_settle_soon(r);
}

void
sy__budget_tick(sy__stage *s)
{
    sy__engine *e = s->engine;
    look now = {.now = sy__stage_ns(s)};
    bool any_budget = false;
    (void)pthread_mutex_lock(&e->lock);
    for (sy__run *r = e->runs; r; r = r->next) {
        if (!r->budget || r->committed) continue;
        any_budget = true;
        stop_late(r, now.now);
    }
    (void)pthread_mutex_unlock(&e->lock);
    if (!any_budget) return;
    submit(s, sy__ledger_withdraw(&e->ledger, is_late, &now));
    sy__shared_tick(s);
}
