/* budget_past.c: what the tasks of a run had spent before this process, from their rows. */
#include "pit/budget/budget_task.h"

#include "pit/run/past.h"

#include <stdlib.h>
#include <string.h>

/* Whether a row counts for `key` (NULL: for the run): it, and what is below it, but not the host's own tasks, which
 * are as long as what is in them, or as a person's thinking. */
static bool
counts(const sy__past *p, const char *key)
{
    if (strncmp(p->operation, "host.", 5) == 0) return false;
    if (!key) return true;
    size_t len = strlen(key);
    return strncmp(p->key, key, len) == 0 && (p->key[len] == '\0' || p->key[len] == '/');
}

void
sy__past_spent(const sy__past_list *l, const char *key, sy__amounts *used)
{
    for (size_t i = 0; l && i < l->count; i++) {
        const sy__past *p = &l->at[i];
        if (!counts(p, key)) continue;
        used->of[SY__UNIT_USD] += p->usd_micro + p->assumed.of[SY__UNIT_USD];
        used->of[SY__UNIT_TOKENS] += p->tokens + p->assumed.of[SY__UNIT_TOKENS];
        used->of[SY__UNIT_CPU] += p->cpu_us;
    }
}

/* Those of one row; a row that names none and has costs is that of the only operation it was at. */
static int
add_spenders(const sy__past *p, sy__run *r)
{
    sy__vbuf b;
    sy__value list;
    sy__value_iter it;
    sy__map *to = &r->budget->spenders;
    if (!p->spenders) return p->target ? SY_OK : sy__map_put(to, p->operation, strlen(p->operation), r);
    sy__vbuf_init(&b, r->engine->alloc);
    int status = sy__value_from_json(&b, p->spenders, strlen(p->spenders), NULL);
    if (!status) status = sy__vbuf_done(&b, &list);
    if (!status) sy__value_iter_init(&it, list);
    while (!status && sy__value_iter_next(&it)) {
        size_t len;
        const char *name = sy__value_str(it.value, &len);
        if (name) status = sy__map_put(to, name, len, r);
    }
    sy__vbuf_close(&b);
    return status == SY_ENOMEM ? status : SY_OK;
}

int
sy__past_spenders(const sy__past_list *l, sy__run *r)
{
    int status = SY_OK;
    for (size_t i = 0; l && i < l->count && !status; i++)
        if (l->at[i].usd_micro || l->at[i].tokens) status = add_spenders(&l->at[i], r);
    return status;
}

static int
by_start(const void *a, const void *b)
{
    const sy__past *const *x = a, *const *y = b;
    return ((*x)->started_ms > (*y)->started_ms) - ((*x)->started_ms < (*y)->started_ms);
}

int64_t
sy__past_wall_ms(const sy__past_list *l, const char *key)
{
    if (!l || !l->count) return 0;
    const sy__past **rows = sy__calloc(l->alloc, l->count, sizeof *rows);
    size_t count = 0;
    int64_t sum = 0, until = 0;
    if (!rows) return 0;
    for (size_t i = 0; i < l->count; i++)
        if (counts(&l->at[i], key) && l->at[i].started_ms && l->at[i].completed_ms) rows[count++] = &l->at[i];
    qsort(rows, count, sizeof *rows, by_start);
    for (size_t i = 0; i < count; i++) {
        int64_t from = rows[i]->started_ms > until ? rows[i]->started_ms : until;
        if (rows[i]->completed_ms <= from) continue;
        sum += rows[i]->completed_ms - from;
        until = rows[i]->completed_ms;
    }
    sy__free(l->alloc, rows);
    return sum;
}

void
sy__past_retry_budgets(sy__past_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].waits == SY__WAIT_BUDGET && !l->at[i].outcome) l->at[i].decision = SY__DECIDE_RETRY;
}

int
sy__past_reopen(sy__past_list *l, sy__error *err)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].outcome == SY__OUTCOME_COMPENSATED)
            return sy__error_set(err, SY_EUSAGE, "what the run had done has been undone: start it again");
    for (size_t i = 0; i < l->count; i++) {
        sy__past *p = &l->at[i];
        if (!p->reopens) continue;
        p->outcome = SY__OUTCOME_NONE;
        p->status = SY__TASK_PENDING;
        p->waits = SY__WAIT_NONE;
        p->dispatched_ms = 0; /* its clocks begin anew */
    }
    return SY_OK;
}
