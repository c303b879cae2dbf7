/*
 * budget_task.c: the budgets of a run's tasks: accounts, estimates, admission, settlement, breaches.
 *
 * A task that has to wait for room gives back its gates first and is then the ledger's; whoever makes room submits
 * it again, with its reservation. Every way out of a turn passes sy__budget_leave, so nothing stays reserved.
 */
#include "pit/budget_task.h"

#include "base/text.h"
#include "pit/budget_shared.h"
#include "pit/past.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What an estimate may take: it is arithmetic on the input. */
static const int64_t ESTIMATE_CPU_MS = 200, ESTIMATE_NS = INT64_C(1000000000);
/* By how much a timer may be early. */
static const int64_t TIMER_NS = 5000000;

/* ---- accounts ---- */

/* The task whose children, iterations or sub-melody this one belongs to. */
static const sy__task *
owner_of(const sy__task *t)
{
    if (t->undoes) t = t->parent; /* what undoes a task is not paid by it */
    return t->parent ? t->parent : t->scope->owner;
}

static sy__budget *
account_above(const sy__task *t)
{
    for (const sy__task *up = owner_of(t); up; up = owner_of(up))
        if (up->budget && sy__budget_limited(&up->budget->account.limits)) return &up->budget->account;
    return &t->run->budget->account;
}

static const sy__budget_limits *
limits_of(const sy__task *t, const char *key)
{
    const sy__budget_limits *typed = sy__map_get(&t->run->budget->tasks, key, strlen(key));
    return typed ? typed : t->parent ? NULL : t->spec->budget;
}

/* What rows say it has used before this process, itself and all below it. */
static sy__amounts
used_before(const sy__run *r, const char *key)
{
    sy__amounts used = {{0}};
    sy__past_spent(r->past, key, &used);
    return used;
}

static sy__task_budget *
budget_of(sy__stage *s, sy__task *t)
{
    if (t->budget) return t->budget;
    sy__task_budget *b = sy__calloc(s->engine->alloc, 1, sizeof *b);
    if (!b) return NULL;
    b->task = t;
    b->stage = s;
    sy__buf_reset(&s->text);
    sy__task_key(t, &s->text);
    const char *key = sy__buf_cstr(&s->text);
    const sy__budget_limits *limits = key ? limits_of(t, key) : NULL;
    (void)snprintf(b->name, sizeof b->name, "%s", key ? key : "");
    b->account = (sy__budget){.parent = account_above(t), .name = b->name, .limits = sy__budget_limits_none()};
    b->hold.budget = b->account.parent;
    const sy__past *past = sy__past_of(t);
    if (past) b->assumed = past->assumed;
    if (limits && sy__budget_limited(limits)) {
        sy__amounts used = used_before(t->run, b->name);
        b->account.limits = *limits;
        b->account.own = t->spec->verb == SY__VERB_TASK || t->parent;
        b->hold.budget = &b->account;
        sy__ledger_open(&s->engine->ledger, &b->account, &used);
    }
    t->budget = b;
    return b;
}

void
sy__budget_open(sy__stage *s, sy__task *t)
{
    sy__task_budget *b = budget_of(s, t);
    if (!b || b->account.limits.wall_ms < 0) return;
    int64_t before = sy__past_wall_ms(t->run->past, b->name);
    b->account.ends_ns = t->first_ns + (b->account.limits.wall_ms - before) * 1000000;
    if (b->account.ends_ns <= 0) b->account.ends_ns = 1;
}

void
sy__budget_task_free(sy__task *t)
{
    sy__free(t->run->engine->alloc, t->budget);
    t->budget = NULL;
}

/* ---- of a run ---- */

static bool
has_budget(sy__value definition)
{
    sy__value tasks, options, budget, melodies;
    sy__value_iter it;
    if (sy__value_get(definition, "tasks", 5, &tasks)) {
        sy__value_iter_init(&it, tasks);
        while (sy__value_iter_next(&it))
            if (sy__value_get(it.value, "options", 7, &options) && sy__value_get(options, "budget", 6, &budget))
                return true;
    }
    if (!sy__value_get(definition, "melodies", 8, &melodies)) return false;
    sy__value_iter_init(&it, melodies);
    while (sy__value_iter_next(&it))
        if (has_budget(it.value)) return true;
    return false;
}

/* `--budget TASK=…`: limits by key. */
static int
read_tasks(sy__run *r, sy__value budget, sy__error *err)
{
    sy__value tasks;
    sy__value_iter it;
    int status = SY_OK;
    if (!sy__value_get(budget, "tasks", 5, &tasks)) return SY_OK;
    sy__value_iter_init(&it, tasks);
    while (!status && sy__value_iter_next(&it)) {
        sy__budget_limits *limits = sy__calloc(r->engine->alloc, 1, sizeof *limits);
        status = limits ? sy__plan_budget(it.value, limits, err) : SY_ENOMEM;
        if (!status) status = sy__map_put(&r->budget->tasks, it.key, it.key_len, limits);
        if (status) sy__free(r->engine->alloc, limits);
    }
    return status;
}

/* `budget` may be no value. */
static int
open_run(sy__run *r, sy__value budget, sy__error *err)
{
    sy__engine *e = r->engine;
    bool given = budget.data && sy__value_kind(budget) == SY__MAP;
    if (!given && !sy__shared_limited(e) && !has_budget(sy__blob_value(r->plan->definition))) return SY_OK;
    r->budget = sy__calloc(e->alloc, 1, sizeof *r->budget);
    if (!r->budget) return sy__error_set(err, SY_ENOMEM, "no memory for a budget");
    sy__map_init(&r->budget->tasks, e->alloc);
    sy__budget *account = &r->budget->account;
    *account = (sy__budget){.name = "", .limits = sy__budget_limits_none()};
    int status = given ? sy__plan_budget(budget, &account->limits, err) : SY_OK;
    if (!status && given) status = read_tasks(r, budget, err);
    if (status) return status;
    sy__amounts used = used_before(r, NULL);
    sy__ledger_open(&e->ledger, account, &used);
    if (account->limits.wall_ms < 0) return SY_OK;
    int64_t before = sy__past_wall_ms(r->past, NULL);
    if (before < r->ms_before) before = r->ms_before;
    account->ends_ns = r->first_ns + (account->limits.wall_ms - before) * 1000000;
    if (account->ends_ns <= 0) account->ends_ns = 1;
    return SY_OK;
}

int
sy__budget_run(sy__run *r, sy__value options, sy__error *err)
{
    sy__value budget = {0};
    if (options.data && !sy__value_get(options, "budget", 6, &budget)) budget = (sy__value){0};
    return open_run(r, budget, err);
}

int
sy__budget_resume(sy__run *r, const char *options, const char *budget, sy__error *err)
{
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, r->engine->alloc);
    const char *json = budget ? budget : options;
    int status = sy__value_from_json(&b, json, strlen(json), err);
    if (!status) status = sy__vbuf_done(&b, &v);
    if (!status) status = budget ? open_run(r, v, err) : sy__budget_run(r, v, err);
    sy__vbuf_close(&b);
    return status;
}

void
sy__budget_run_free(sy__run *r)
{
    if (!r->budget) return;
    size_t at = 0, len;
    const char *key;
    void *limits;
    while (sy__map_next(&r->budget->tasks, &at, &key, &len, &limits)) sy__free(r->engine->alloc, limits);
    sy__map_close(&r->budget->tasks);
    sy__free(r->engine->alloc, r->budget);
    r->budget = NULL;
}

/* ---- words and rows ---- */

void
sy__budget_amount(sy__unit unit, int64_t n, char *out, size_t size)
{
    if (unit == SY__UNIT_USD)
        (void)snprintf(out, size, "%.10g usd", (double)n / 1e6);
    else if (unit == SY__UNIT_TOKENS)
        (void)snprintf(out, size, "%lld tokens", (long long)n);
    else
        (void)snprintf(out, size, "%.10g s%s", (double)n / (unit == SY__UNIT_CPU ? 1e6 : 1e3),
                       unit == SY__UNIT_CPU ? " of CPU" : "");
}

/* What to type to raise it; twice the limit is a guess that a person can change. */
static void
hint_raise(const sy__task *t, const sy__budget *at, sy__unit unit, sy__error *err)
{
    int64_t limit = unit == SY__UNIT_WALL ? at->limits.wall_ms : at->limits.of[unit];
    bool ask = at->limits.on_breach == SY__BREACH_ASK;
    char amount[64], retry[SY__ERROR_NAME_BYTES + 16] = "";
    if (unit == SY__UNIT_USD)
        (void)snprintf(amount, sizeof amount, "%.10gusd", (double)limit * 2 / 1e6);
    else if (unit == SY__UNIT_TOKENS)
        (void)snprintf(amount, sizeof amount, "%lldtok", (long long)limit * 2);
    else
        (void)snprintf(amount, sizeof amount, unit == SY__UNIT_CPU ? "%lldmscpu" : "%lldms",
                       (long long)(unit == SY__UNIT_CPU ? limit / 500 : limit * 2));
    if (ask) (void)snprintf(retry, sizeof retry, " --retry %s", t->budget->name);
    sy__error_hint(err, "symphony resume %lld%s --budget %s%s%s   goes on with more", (long long)t->run->number, retry,
                   at->name, at->name[0] ? "=" : "", amount);
}

/* `used`: what the call had used when it was ended; NULL: it was refused before. */
static void
describe(sy__stage *s, const sy__task *t, const sy__budget *at, sy__unit unit, const sy__amounts *used, sy__error *err)
{
    char limit[64], spent[64], asked[64], whose[SY__ERROR_NAME_BYTES + 32];
    sy__amounts settled, reserved;
    const char *operation = t->spec->targets[t->target].name;
    sy__ledger_look(&s->engine->ledger, at, &settled, &reserved);
    (void)snprintf(whose, sizeof whose, at->name[0] ? "the budget of `%s`" : "the run's budget%s", at->name);
    sy__budget_amount(unit, unit == SY__UNIT_WALL ? at->limits.wall_ms : at->limits.of[unit], limit, sizeof limit);
    if (unit == SY__UNIT_WALL) {
        (void)sy__error_set(err, SY_EBUDGET, "%s of %s is used up", whose, limit);
    } else {
        sy__budget_amount(unit, settled.of[unit], spent, sizeof spent);
        sy__budget_amount(unit, (used ? used : &t->budget->hold.need)->of[unit], asked, sizeof asked);
        (void)sy__error_set(err, SY_EBUDGET,
                            used ? "%s is %s: %s spent; `%s` was ended when it had used %s"
                                 : "%s is %s: %s spent, and `%s` asks for %s",
                            whose, limit, spent, operation, asked);
    }
    hint_raise(t, at, unit, err);
}

static void
put_amounts(sy__buf *b, const sy__amounts *a)
{
    sy__buf_addf(b, "{\"usd\":%.10g,\"tokens\":%lld,\"cpu_ms\":%.10g}", (double)a->of[SY__UNIT_USD] / 1e6,
                 (long long)a->of[SY__UNIT_TOKENS], (double)a->of[SY__UNIT_CPU] / 1e3);
}

/* A decision about the task's reservation, with its reason; `at` NULL: none. */
static void
record(sy__stage *s, sy__task *t, const char *decision, const sy__budget *at, sy__unit unit, const sy__amounts *amounts)
{
    static const char *const units[] = {"usd", "tokens", "cpu_ms", "wall_ms"};
    if (t->run->level == SY__LEVEL_NONE) return;
    sy__buf context, used;
    sy__buf_init(&context, s->engine->alloc);
    sy__buf_init(&used, s->engine->alloc);
    sy__buf_addf(&context, "{\"decision\":\"%s\",\"operation\":", decision);
    const char *operation = t->spec->targets[t->target].name;
    sy__json_string(&context, operation, strlen(operation));
    if (at) {
        sy__amounts settled, reserved;
        sy__ledger_look(&s->engine->ledger, at, &settled, &reserved);
        sy__buf_adds(&context, ",\"budget\":");
        sy__json_string(&context, at->name[0] ? at->name : "run", strlen(at->name[0] ? at->name : "run"));
        double limit = unit == SY__UNIT_WALL     ? (double)at->limits.wall_ms
                       : unit == SY__UNIT_USD    ? (double)at->limits.of[unit] / 1e6
                       : unit == SY__UNIT_TOKENS ? (double)at->limits.of[unit]
                                                 : (double)at->limits.of[unit] / 1e3;
        sy__buf_addf(&context, ",\"unit\":\"%s\",\"limit\":%.10g,\"settled\":", units[unit], limit);
        put_amounts(&context, &settled);
        sy__buf_adds(&context, ",\"reserved\":");
        put_amounts(&context, &reserved);
    }
    sy__buf_addc(&context, '}');
    put_amounts(&used, amounts);
    const char *text = sy__buf_cstr(&context), *resources = sy__buf_cstr(&used);
    if (!t->started) sy__record_task(s, t);
    if (text && resources) sy__record_pit(s, t->run, t, SY__MEMBER_ARBITER, text, resources);
    sy__buf_close(&context);
    sy__buf_close(&used);
}

static bool
any(const sy__amounts *a)
{
    for (int u = 0; u < SY__UNITS; u++)
        if (a->of[u]) return true;
    return false;
}

void
sy__budget_context(const sy__task *t, sy__buf *out)
{
    const sy__task_budget *b = t->budget;
    sy__amounts rest = b->assumed;
    for (int u = 0; b->hold.held && u < SY__UNIT_CPU; u++)
        if (b->hold.reserved.of[u] > b->hold.charged.of[u])
            rest.of[u] += b->hold.reserved.of[u] - b->hold.charged.of[u];
    if (any(&rest))
        sy__buf_addf(out, ",\"unsettled\":{\"usd_micro\":%lld,\"tokens\":%lld}", (long long)rest.of[SY__UNIT_USD],
                     (long long)rest.of[SY__UNIT_TOKENS]);
}

/* ---- estimates ---- */

/* One number of what `estimate` returned, or -1. */
static int64_t
told(sy__value v, const char *unit, double scale)
{
    sy__value part;
    if (!sy__value_get(v, unit, strlen(unit), &part)) return -1;
    double n = sy__value_num(part) * scale;
    return n >= 0 && n < 9e15 ? (int64_t)(n + 0.999999) : -1;
}

/* Calls a function of the extension's code; SY_EOPERATION: it has none of that name. */
static int
call_estimate(sy__stage *s, sy__task *t, const char *name, sy__isolate *iso, int64_t out[2], sy__error *err)
{
    sy__value v;
    sy__call call = {.operation = name,
                     .input = sy__blob_value(t->input),
                     .cpu_ms = ESTIMATE_CPU_MS,
                     .deadline_ns = sy__stage_ns(s) + ESTIMATE_NS};
    int status = sy__isolate_call(iso, &call);
    if (status == SY_EAGAIN) {
        sy__isolate_cancel(iso, SY_ETIMEOUT);
        status = sy__error_set(&call.error, SY_EEXTENSION, "an estimate does not wait");
    }
    if (!status) status = sy__vbuf_done(&call.output, &v);
    if (!status) {
        out[0] = told(v, "usd", 1e6);
        out[1] = told(v, "tokens", 1);
    } else {
        *err = call.error;
    }
    sy__call_close(&call);
    return status;
}

/* `estimate.NAME(input)` of the extension, or `estimate(input)` for all its operations. */
static int
run_estimate(sy__stage *s, sy__task *t, int64_t out[2], sy__error *err)
{
    const sy__target *target = &t->spec->targets[t->target];
    sy__isolate *iso;
    int64_t cold_ns = 0;
    char name[SY__ERROR_NAME_BYTES];
    (void)snprintf(name, sizeof name, "estimate.%s", target->operation->name);
    int status = sy__pool_take(s->pool, target->extension, &iso, &cold_ns, err);
    if (status) return status;
    status = call_estimate(s, t, name, iso, out, err);
    if (status == SY_EOPERATION && sy__isolate_reusable(iso)) status = call_estimate(s, t, "estimate", iso, out, err);
    sy__pool_give(s->pool, target->extension, iso, status != SY_OK && status != SY_EOPERATION);
    if (status == SY_EOPERATION) {
        sy__error_clear(err);
        return SY_OK;
    }
    return status;
}

static int
no_estimate(const sy__task *t, sy__unit unit, sy__error *err)
{
    const sy__target *target = &t->spec->targets[t->target];
    bool usd = unit == SY__UNIT_USD;
    (void)sy__error_set(err, SY_EBUDGET, "a budget of %s applies, and `%s` does not say how %s it may use",
                        usd ? "money" : "tokens", target->name, usd ? "much" : "many");
    sy__error_hint(err, "its extension needs `estimate = { %s = … }` for the operation, or a function `estimate`",
                   usd ? "usd" : "tokens");
    return SY_EBUDGET;
}

static bool
is_limited(const sy__task *t, sy__unit unit)
{
    return sy__budget_limiting(t->budget->hold.budget, unit) || sy__shared_limits(t->run->engine, unit);
}

/* Fills hold.need and hold.uses for the target that is tried. */
static int
estimate(sy__stage *s, sy__task *t, sy__error *err)
{
    const sy__target *target = &t->spec->targets[t->target];
    sy__hold *h = &t->budget->hold;
    int64_t declared[2] = {target->operation->estimate_usd, target->operation->estimate_tokens}, own[2] = {-1, -1};
    bool asked = false;
    h->uses = 0;
    h->need = (sy__amounts){{0}};
    for (int u = 0; u < SY__UNIT_CPU; u++) {
        if (!target->operation->spends || !is_limited(t, (sy__unit)u)) continue;
        if (declared[u] < 0 && !asked) {
            asked = true;
            int status = run_estimate(s, t, own, err);
            if (status) return status;
        }
        if (declared[u] < 0 && own[u] < 0) return no_estimate(t, (sy__unit)u, err);
        h->uses |= 1u << u;
        h->need.of[u] = declared[u] < 0 ? own[u] : declared[u];
    }
    if (sy__budget_limiting(h->budget, SY__UNIT_CPU)) {
        h->uses |= 1u << SY__UNIT_CPU;
        h->need.of[SY__UNIT_CPU] = sy__caps_cpu_ms(target->extension->caps) * 1000;
    }
    t->budget->estimated = t->target + 1;
    return SY_OK;
}

/* ---- admission ---- */

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
        record(s, t, "budget_downgrade", NULL, SY__UNIT_USD, &none);
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
    describe(s, t, at, unit, used, &err);
    record(s, t, used ? "budget_ended" : "budget_refused", at, unit, &t->budget->hold.need);
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
    record(s, t, "budget_wait", h->at, h->unit, &h->need);
    t->attempts--;
    t->status = SY__TASK_DISPATCHED;
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
    if (!any(&b->hold.reserved)) return;
    sy__attempt_show(s, t);
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(s, t); /* with what a resume has to assume as spent */
    sy__unit unit = b->hold.uses & 1u << SY__UNIT_USD      ? SY__UNIT_USD
                    : b->hold.uses & 1u << SY__UNIT_TOKENS ? SY__UNIT_TOKENS
                                                           : SY__UNIT_CPU;
    record(s, t, "budget_reserve", sy__budget_limiting(b->hold.budget, unit), unit, &b->hold.reserved);
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
    sy__task_budget *b = budget_of(s, t);
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
        if (b->estimated != t->target + 1 && estimate(s, t, &err)) {
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
    const sy__budget *over = sy__ledger_report(&a->stage->engine->ledger, &b->hold, &more, &unit);
    sy__attempt_show(a->stage, t);
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(a->stage, t); /* a kill does not forget it */
    if (!over || b->broken) return;
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
        return;
    }
    bool told = any(&b->hold.reserved) || charge.of[SY__UNIT_USD] || charge.of[SY__UNIT_TOKENS];
    sy__hold *list = sy__ledger_settle(&s->engine->ledger, &b->hold, &charge);
    if (told) record(s, t, "budget_settle", NULL, SY__UNIT_USD, &charge);
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
    if (!at) return false;
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
