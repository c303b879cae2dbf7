/* budget_record.c: what is said and written about budgets: errors, decisions, what a resume has to know. */
#include "pit/budget/budget_task.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

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

void
sy__budget_describe(sy__stage *s, const sy__task *t, const sy__budget *at, sy__unit unit, const sy__amounts *used,
                    sy__error *err)
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

static double
natural(sy__unit unit, int64_t n)
{
    return unit == SY__UNIT_USD ? (double)n / 1e6 : unit == SY__UNIT_CPU ? (double)n / 1e3 : (double)n;
}

/* The decision as a sentence, for `why`. */
static void
put_reason(const sy__task *t, const char *decision, const sy__budget *at, sy__unit unit, const sy__amounts *settled,
           const sy__amounts *reserved, sy__buf *b)
{
    static const char *const verbs[][2] = {{"budget_reserve", "reserved"},
                                           {"budget_wait", "it waits for room for"},
                                           {"budget_refused", "there is no room for"},
                                           {"budget_ended", "it was ended; it had asked for"}};
    char asks[64], spent[64], held[64], limit[64], reason[SY__ERROR_NAME_BYTES + 400];
    const char *verb = "about";
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i][0], decision) == 0) verb = verbs[i][1];
    sy__budget_amount(unit, t->budget->hold.need.of[unit], asks, sizeof asks);
    sy__budget_amount(unit, settled->of[unit], spent, sizeof spent);
    sy__budget_amount(unit, reserved->of[unit], held, sizeof held);
    sy__budget_amount(unit, at->limits.of[unit], limit, sizeof limit);
    int n = snprintf(reason, sizeof reason, "%s %s in the budget of %s: %s spent and %s reserved of %s", verb, asks,
                     at->name[0] ? at->name : "the run", spent, held, limit);
    sy__buf_adds(b, ",\"reason\":");
    sy__json_string(b, reason, (size_t)n < sizeof reason ? (size_t)n : sizeof reason - 1);
}

/* Which account, what is in it, and the same in words. */
static void
put_account(sy__stage *s, const sy__task *t, const char *decision, const sy__budget *at, sy__unit unit, sy__buf *b)
{
    static const char *const units[] = {"usd", "tokens", "cpu_ms", "wall_ms"};
    sy__amounts settled, reserved;
    const char *name = at->name[0] ? at->name : "run";
    int64_t limit = unit == SY__UNIT_WALL ? at->limits.wall_ms : at->limits.of[unit];
    sy__ledger_look(&s->engine->ledger, at, &settled, &reserved);
    sy__buf_adds(b, ",\"budget\":");
    sy__json_string(b, name, strlen(name));
    sy__buf_addf(b, ",\"unit\":\"%s\",\"limit\":%.10g,\"settled\":", units[unit], natural(unit, limit));
    put_amounts(b, &settled);
    sy__buf_adds(b, ",\"reserved\":");
    put_amounts(b, &reserved);
    if (unit != SY__UNIT_WALL) put_reason(t, decision, at, unit, &settled, &reserved, b);
}

void
sy__budget_record(sy__stage *s, sy__task *t, const char *decision, const sy__budget *at, sy__unit unit,
                  const sy__amounts *amounts)
{
    if (t->run->level == SY__LEVEL_NONE) return;
    sy__buf context, used;
    sy__buf_init(&context, s->engine->alloc);
    sy__buf_init(&used, s->engine->alloc);
    const char *operation = t->spec->targets[t->target].name;
    sy__buf_addf(&context, "{\"decision\":\"%s\",\"operation\":", decision);
    sy__json_string(&context, operation, strlen(operation));
    if (at) put_account(s, t, decision, at, unit, &context);
    sy__buf_addc(&context, '}');
    put_amounts(&used, amounts);
    const char *text = sy__buf_cstr(&context), *resources = sy__buf_cstr(&used);
    if (!t->started) sy__record_task(s, t);
    if (text && resources) sy__record_pit(s, t->run, t, SY__MEMBER_ARBITER, text, resources);
    sy__buf_close(&context);
    sy__buf_close(&used);
}

bool
sy__budget_any(const sy__amounts *a)
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
    if (sy__budget_any(&rest))
        sy__buf_addf(out, ",\"unsettled\":{\"usd_micro\":%lld,\"tokens\":%lld}", (long long)rest.of[SY__UNIT_USD],
                     (long long)rest.of[SY__UNIT_TOKENS]);
}
