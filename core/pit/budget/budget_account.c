/* budget_account.c: the accounts of a run and of its tasks: their limits, who pays for whom, what was spent before. */
#include "pit/budget/budget_shared.h"
#include "pit/run/past.h"

#include <stdio.h>
#include <string.h>

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
    return typed ? typed : sy__task_is_item(t) ? NULL : t->spec->budget; /* that of a map is the map's */
}

/* What rows say it has used before this process, itself and all below it. */
static sy__amounts
used_before(const sy__run *r, const char *key)
{
    sy__amounts used = {{0}};
    sy__past_spent(r->past, key, &used);
    return used;
}

sy__task_budget *
sy__budget_of(sy__stage *s, sy__task *t)
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
        b->account.own = sy__task_calls(t);
        b->hold.budget = &b->account;
        sy__ledger_open(&s->engine->ledger, &b->account, &used);
    }
    t->budget = b;
    return b;
}

void
sy__budget_open(sy__stage *s, sy__task *t)
{
    sy__task_budget *b = sy__budget_of(s, t);
    if (!b || b->account.limits.wall_ms < 0) return;
    int64_t before = sy__past_wall_ms(t->run->past, b->name);
    b->account.ends_ns = sy__stage_ns(s) + (b->account.limits.wall_ms - before) * 1000000;
    if (b->account.ends_ns <= 0) b->account.ends_ns = 1;
}

void
sy__budget_task_free(sy__task *t)
{
    sy__free(t->run->engine->alloc, t->budget);
    t->budget = NULL;
}

/* ---- of a run ---- */

/* A flow says the options of its calls only when it makes them. */
static bool
is_flow(sy__value task)
{
    sy__value verb;
    size_t len;
    const char *s = sy__value_get(task, "verb", 4, &verb) ? sy__value_str(verb, &len) : NULL;
    return s && len == 4 && memcmp(s, "flow", 4) == 0;
}

static bool
has_budget(sy__value definition)
{
    sy__value tasks, options, budget, melodies;
    sy__value_iter it;
    if (sy__value_get(definition, "tasks", 5, &tasks)) {
        sy__value_iter_init(&it, tasks);
        while (sy__value_iter_next(&it))
            if (is_flow(it.value) ||
                (sy__value_get(it.value, "options", 7, &options) && sy__value_get(options, "budget", 6, &budget)))
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
    sy__map_init(&r->budget->spenders, e->alloc);
    sy__budget *account = &r->budget->account;
    *account = (sy__budget){.name = "", .limits = sy__budget_limits_none()};
    int status = given ? sy__plan_budget(budget, &account->limits, err) : SY_OK;
    if (!status && given) status = read_tasks(r, budget, err);
    if (!status && sy__past_spenders(r->past, r)) status = sy__error_set(err, SY_ENOMEM, "no memory for a budget");
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
    sy__map_close(&r->budget->spenders);
    sy__free(r->engine->alloc, r->budget);
    r->budget = NULL;
}
