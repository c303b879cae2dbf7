/* plan_options.c: the options of a task: clocks, retries, cache, budget, what a failure means. */
#include "pit/plan/plan_impl.h"

#include <string.h>

/* A hundred years: what is added to a clock in nanoseconds stays a number. */
static const int64_t MAX_MS = INT64_C(3153600000000);

enum { MAX_PRIORITY = 1000000 };

static int
duration(sy__compiler *c, sy__value options, const char *key, int64_t *out)
{
    sy__value v = sy__plan_field(options, key);
    if (!v.data || sy__value_kind(v) == SY__NULL) return SY_OK;
    *out = sy__value_int(v);
    if (*out > MAX_MS) return sy__plan_invalid(c, "a duration of more than a hundred years");
    return *out < 0 ? sy__plan_invalid(c, "a duration below zero") : SY_OK;
}

static int
compile_retry(sy__compiler *c, sy__value retry)
{
    sy__plan_task *t = c->task;
    if (!retry.data || sy__value_kind(retry) == SY__NULL) return SY_OK;
    if (sy__value_kind(retry) != SY__MAP) return sy__plan_invalid(c, "retry is a table {max, backoff, jitter, on}");
    sy__value backoff = sy__plan_field(retry, "backoff"), on = sy__plan_field(retry, "on"),
              jitter = sy__plan_field(retry, "jitter");
    t->retry_max = sy__value_int(sy__plan_field(retry, "max"));
    t->backoff = sy__plan_is_text(backoff, "exponential") ? SY__BACKOFF_EXPONENTIAL
                 : sy__plan_is_text(backoff, "none")      ? SY__BACKOFF_NONE
                                                          : SY__BACKOFF_FIXED;
    t->retry_jitter = jitter.data ? sy__value_num(jitter) : 0.1;
    t->retry_delay_ms = sy__plan_field(retry, "delay_ms").data ? sy__value_int(sy__plan_field(retry, "delay_ms")) : 200;
    if (t->retry_max < 0 || t->retry_delay_ms < 0) return sy__plan_invalid(c, "retry needs numbers of 0 or more");
    if (t->retry_delay_ms > MAX_MS) return sy__plan_invalid(c, "a duration of more than a hundred years");
    if (!(t->retry_jitter >= 0 && t->retry_jitter <= 1)) return sy__plan_invalid(c, "`jitter` is from 0 to 1");
    sy__value_iter it;
    sy__value_iter_init(&it, on);
    while (t->retry_on_count < 8 && sy__value_iter_next(&it)) {
        size_t len;
        const char *s = sy__value_str(it.value, &len);
        char name[64] = "";
        if (s && len < sizeof name) memcpy(name, s, len);
        int code = sy__error_code(name);
        if (!code) return sy__plan_invalid(c, "retry.on lists error codes");
        t->retry_on[t->retry_on_count++] = code;
    }
    return SY_OK;
}

/* The option `cache`: true, false or {ttl_ms}; without it the manifest decides. */
static int
compile_cache(sy__compiler *c, sy__value cache)
{
    sy__plan_task *t = c->task;
    sy__kind kind = cache.data ? sy__value_kind(cache) : SY__NULL;
    for (size_t i = 0; i < t->target_count; i++)
        t->targets[i].cached = kind != SY__FALSE && t->targets[i].operation->cache;
    if (kind == SY__NULL || kind == SY__FALSE) return SY_OK;
    const sy__operation *op = t->targets[0].operation;
    if (kind != SY__TRUE && kind != SY__MAP) return sy__plan_invalid(c, "cache is true, false or {ttl_ms}");
    if (op->effects > SY__EFFECT_READ) return sy__plan_invalid(c, "cache is for operations that change nothing");
    if (sy__caps_starts(t->targets[0].extension->caps) && !op->reads)
        return sy__plan_invalid(c, "cache: the operation starts programs and does not declare what they read");
    t->targets[0].cached = true;
    return duration(c, cache, "ttl_ms", &t->cache_ttl_ms);
}

/* A limit of 0 or more; absent: none. */
static bool
read_limit(sy__value v, const char *key, int64_t scale, int64_t *out)
{
    sy__value n = sy__plan_field(v, key);
    *out = SY__NO_LIMIT;
    if (!n.data || sy__value_kind(n) == SY__NULL) return true;
    int64_t i = sy__value_int(n);
    if (sy__value_kind(n) != SY__INT || i < 0 || i > INT64_MAX / 8 / scale) return false;
    *out = i * scale;
    return true;
}

int
sy__plan_budget(sy__value v, sy__budget_limits *out, sy__error *err)
{
    sy__value on = sy__plan_field(v, "on_breach");
    bool ok = sy__value_kind(v) == SY__MAP && read_limit(v, "usd_micro", 1, &out->of[SY__UNIT_USD]) &&
              read_limit(v, "tokens", 1, &out->of[SY__UNIT_TOKENS]) &&
              read_limit(v, "cpu_ms", 1000, &out->of[SY__UNIT_CPU]) && read_limit(v, "wall_ms", 1, &out->wall_ms);
    out->on_breach = sy__plan_is_text(on, "ask")         ? SY__BREACH_ASK
                     : sy__plan_is_text(on, "downgrade") ? SY__BREACH_DOWNGRADE
                                                         : SY__BREACH_STOP;
    ok = ok && (!on.data || sy__value_kind(on) == SY__NULL || out->on_breach || sy__plan_is_text(on, "stop"));
    if (ok) return SY_OK;
    return sy__error_set(err, SY_EMELODY,
                         "a budget is {usd_micro, tokens, wall_ms, cpu_ms, on_breach = stop, ask or downgrade}");
}

static int
compile_budget(sy__compiler *c, sy__value budget)
{
    if (!budget.data || sy__value_kind(budget) == SY__NULL) return SY_OK;
    c->task->budget = sy__calloc(c->plan->alloc, 1, sizeof *c->task->budget);
    return c->task->budget ? sy__plan_budget(budget, c->task->budget, c->err) : SY_ENOMEM;
}

static int
bounded(int64_t n, int most)
{
    return n > most ? most : n < -most ? -most : (int)n;
}

int
sy__plan_options(sy__compiler *c, sy__value o)
{
    sy__plan_task *t = c->task;
    sy__value on_error = sy__plan_field(o, "on_error");
    t->on_error = sy__plan_is_text(on_error, "skip")         ? SY__ON_ERROR_SKIP
                  : sy__plan_is_text(on_error, "compensate") ? SY__ON_ERROR_COMPENSATE
                  : sy__plan_is_text(on_error, "ask")        ? SY__ON_ERROR_ASK
                                                             : SY__ON_ERROR_HALT;
    t->priority = bounded(sy__value_int(sy__plan_field(o, "priority")), MAX_PRIORITY);
    t->own_process = sy__plan_is_text(sy__plan_field(o, "isolation"), "process");
    t->max_parallel = sy__value_int(sy__plan_field(o, "max_parallel"));
    sy__template_names names = {sy__plan_find_task, sy__plan_add_edge, sy__plan_default_edge(o), c};
    bool children = t->verb == SY__VERB_EACH || t->verb == SY__VERB_LOOP;
    int status = sy__plan_flow_new(&t->flow, c->plan->alloc, o, children, &names, c->err);
    if (!status) status = duration(c, o, "timeout_ms", &t->timeout_ms);
    if (!status) status = duration(c, o, "attempt_timeout_ms", &t->attempt_timeout_ms);
    if (!status) status = duration(c, o, "queue_timeout_ms", &t->queue_timeout_ms);
    if (!status) status = duration(c, o, "idle_timeout_ms", &t->idle_timeout_ms);
    if (!status) status = compile_retry(c, sy__plan_field(o, "retry"));
    if (!status) status = compile_cache(c, sy__plan_field(o, "cache"));
    if (!status) status = compile_budget(c, sy__plan_field(o, "budget"));
    if (!status) status = sy__plan_fn(c, sy__plan_field(o, "when"), &t->when);
    return status;
}
