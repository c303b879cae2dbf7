/*
 * prewarm.c: while the first task of a run works, another stage makes isolates for the extensions that come later.
 *
 * It is a chore (resource_allocation), told only when it made something. A failure is left to the task that will
 * meet it.
 */
#include "pit/chore.h"
#include "pit/engine_impl.h"

#include <stdio.h>
#include <string.h>

enum { MAX_WARM = 16 };

/* The extensions of a run but the one that begins; each once. */
static int
later_extensions(const sy__run *r, sy__extension *out[MAX_WARM])
{
    int count = 0;
    const sy__extension *first = r->plan->tasks[sy__dag_order(r->root->dag)[0]].targets[0].extension;
    for (uint32_t i = 0; i < r->plan->count && count < MAX_WARM; i++) {
        sy__extension *ext = r->plan->tasks[i].targets[0].extension;
        bool seen = ext == first;
        for (int k = 0; k < count; k++) seen = seen || out[k] == ext;
        if (!seen) out[count++] = ext;
    }
    return count;
}

static void
tell(sy__chore *c, const sy__extension *ext, int64_t ns, size_t bytes)
{
    char context[384], used[64];
    (void)snprintf(context, sizeof context, "{\"decision\":\"pre_warm\",\"extension\":\"%s\",\"ms\":%.3f}", ext->name,
                   (double)ns / 1e6);
    (void)snprintf(used, sizeof used, "{\"bytes\":%zu}", bytes);
    sy__chore_decision(c, "pool_allocation", context, used);
    sy__chore_event(c, "resource_allocated", context);
}

static void
warm_all(sy__stage *s, sy__run *r)
{
    sy__extension *list[MAX_WARM];
    char payload[96], output[64];
    sy__chore *c = NULL;
    int count = later_extensions(r, list), made = 0;
    (void)snprintf(payload, sizeof payload, "{\"run\":\"%s\",\"extensions\":%d}", r->id, count);
    sy__chore_about about = {"resource_allocation", "host.pool", payload};
    for (int i = 0; i < count && !atomic_load(&r->stopping); i++) {
        int64_t ns;
        size_t bytes = 0;
        sy__error err = {0};
        if (sy__pool_warm(s->pool, list[i], &ns, &bytes, &err) || ns == 0) continue;
        if (!c && sy__chore_begin(&c, s->engine, &about, &err)) return;
        tell(c, list[i], ns, bytes);
        made++;
    }
    (void)snprintf(output, sizeof output, "{\"isolates\":%d}", made);
    if (c) sy__chore_end(c, output, NULL);
}

static void
on_note(sy__stage *s, void *ud)
{
    sy__run *r = ud;
    if (!atomic_load(&s->stop) && !atomic_load(&r->stopping)) warm_all(s, r);
    sy__run_release(r);
}

void
sy__prewarm(sy__stage *s, sy__run *r)
{
    sy__extension *list[MAX_WARM];
    sy__engine *e = s->engine;
    if (r->level == SY__LEVEL_NONE || r->plan->count == 0 || later_extensions(r, list) == 0) return;
    sy__stage *other = &e->stages[(s->number + 1) % e->stage_count];
    if (!sy__stage_post(other, on_note, sy__run_hold(r))) sy__run_release(r);
}
