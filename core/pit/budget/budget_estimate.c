/*
 * budget_estimate.c: what a call will use at most: from its manifest, or from a function beside the operation, called
 * in the extension's isolate with the input.
 */
#include "pit/budget/budget_shared.h"

#include <stdio.h>
#include <string.h>

/* What an estimate may take: it is arithmetic on the input. */
static const int64_t ESTIMATE_CPU_MS = 200, ESTIMATE_NS = INT64_C(1000000000);

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
        status = sy__isolate_await(iso, &call);
        if (status == SY_ETIMEOUT) status = sy__error_set(&call.error, SY_EEXTENSION, "an estimate does not wait");
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
    int status = sy__pool_take(s->pool, target->extension, sy__pool_isolation(t), &iso, &cold_ns, err);
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

/* Whether an operation that declares no way to spend has done it in this run. */
static bool
is_spender(const sy__task *t)
{
    const char *name = t->spec->targets[t->target].name;
    (void)pthread_mutex_lock(&t->run->engine->ledger.lock);
    bool found = sy__map_get(&t->run->budget->spenders, name, strlen(name)) != NULL;
    (void)pthread_mutex_unlock(&t->run->engine->ledger.lock);
    return found;
}

void
sy__budget_spends(const sy__task *t)
{
    const sy__target *target = &t->spec->targets[t->target];
    if (target->operation->spends) return;
    (void)pthread_mutex_lock(&t->run->engine->ledger.lock);
    (void)sy__map_put(&t->run->budget->spenders, target->name, strlen(target->name), t->run);
    (void)pthread_mutex_unlock(&t->run->engine->ledger.lock);
}

static bool
is_limited(const sy__task *t, sy__unit unit)
{
    return sy__budget_limiting(t->budget->hold.budget, unit) || sy__shared_limits(t->run->engine, unit);
}

int
sy__budget_estimate(sy__stage *s, sy__task *t, sy__error *err)
{
    const sy__target *target = &t->spec->targets[t->target];
    sy__hold *h = &t->budget->hold;
    int64_t declared[2] = {target->operation->estimate_usd, target->operation->estimate_tokens}, own[2] = {-1, -1};
    bool asked = false, spends = target->operation->spends || is_spender(t);
    h->uses = 0;
    h->need = (sy__amounts){{0}};
    for (int u = 0; u < SY__UNIT_CPU; u++) {
        if (!(spends || target->operation->estimates) || !is_limited(t, (sy__unit)u)) continue;
        if (declared[u] < 0 && !asked) {
            asked = true;
            int status = run_estimate(s, t, own, err);
            if (status) return status;
        }
        if (declared[u] < 0 && own[u] < 0 && !spends) continue; /* no function speaks of it: it costs nothing */
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
