/*
 * reason.c: why a task waits, or waited, for its turn: a row of pit_operation.
 *
 * A wait that lasts is written while it lasts, a tenth of a second after it began at the earliest, and the same row is
 * written again when it ends. After a crash the row says what held the task back last. What did not wait is counted.
 */
#include "pit/arbiter/flow.h"

#include "base/text.h"

#include <string.h>

static const int64_t LASTING_NS = 100000000;

/* In words, for `why`. */
static void
put_words(const sy__task *t, const sy__gate *g, double waited_ms, bool lasts, sy__buf *out)
{
    if (lasts)
        sy__buf_adds(out, "it waits ");
    else
        sy__buf_addf(out, "it waited %.0f ms ", waited_ms);
    if (g == &t->run->gate)
        sy__buf_addf(out, "for a slot of its run (%lld tasks at a time)", (long long)g->limit);
    else if (!g || strcmp(g->name, "host") == 0)
        sy__buf_adds(out, "for its turn on this host");
    else
        sy__buf_addf(out, "at %s", g->name);
    if (g && g != &t->run->gate && g->limit > 0) sy__buf_addf(out, " (%lld at a time)", (long long)g->limit);
    if (g && g->rate.every_ns)
        sy__buf_addf(out, " (one every %.3f ms, bursts of %lld)", (double)g->rate.every_ns / 1e6,
                     (long long)g->rate.burst);
    if (lasts && (!g || g == &t->run->gate || strcmp(g->name, "host") == 0))
        sy__buf_addf(out, ", with priority %d", t->job.priority);
    if (g == t->job.waited_at && t->job.ahead) sy__buf_addf(out, " behind %zu others", t->job.ahead);
}

/* {"decision","reason","waited_at","limit","rate","ahead","priority","weight","waited_ms"} */
static void
put_reason(sy__stage *s, const sy__task *t, const sy__gate *g, const char *decision, sy__buf *out)
{
    double waited_ms = (double)(sy__stage_ns(s) - t->job.queued_ns) / 1e6;
    sy__buf_addf(out, "{\"decision\":\"%s\",\"reason\":", decision);
    sy__buf_reset(&s->text);
    put_words(t, g, waited_ms, strcmp(decision, "waiting") == 0, &s->text);
    sy__json_string(out, s->text.data, s->text.len);
    if (g) {
        sy__buf_adds(out, ",\"waited_at\":");
        sy__json_string(out, g->name, strlen(g->name));
        if (g->limit > 0) sy__buf_addf(out, ",\"limit\":%lld", (long long)g->limit);
        if (g->rate.every_ns)
            sy__buf_addf(out, ",\"rate\":{\"every_ms\":%.3f,\"burst\":%lld}", (double)g->rate.every_ns / 1e6,
                         (long long)g->rate.burst);
        sy__buf_addf(out, ",\"ahead\":%zu", g == t->job.waited_at ? t->job.ahead : 0);
    }
    sy__buf_addf(out, ",\"priority\":%d,\"weight\":%lld,\"waited_ms\":%.3f}", t->job.priority,
                 (long long)(SY__STRIDE / t->run->share.stride), waited_ms);
}

/* The row of a wait at `g`: a new one, or that of the wait while it lasted. */
static void
record_decision(sy__stage *s, sy__task *t, const sy__gate *g, const char *decision, const char *used)
{
    sy__buf reason; /* stage.text is used by the record itself */
    char id[SY__ID_BYTES];
    sy__buf_init(&reason, s->engine->alloc);
    put_reason(s, t, g, decision, &reason);
    const char *text = sy__buf_cstr(&reason);
    if (t->wait_row)
        memcpy(id, t->wait_row, sizeof id);
    else
        sy__id_next(&s->ids, id);
    if (text) sy__record_wait(s, t, id, text, used);
    sy__buf_close(&reason);
}

/* The wait is over. */
static void
record_end(sy__stage *s, sy__task *t, const char *decision, const char *used)
{
    const sy__gate *g = t->job.waited_at ? t->job.waited_at : t->job.told_at;
    if (!t->wait_row) sy__record_task(s, t);
    record_decision(s, t, g, decision, used);
    sy__free(s->engine->alloc, t->wait_row);
    t->wait_row = NULL;
}

void
sy__flow_admitted(sy__stage *s, sy__task *t)
{
    bool waited = t->job.waited_at || t->wait_row;
    if (!waited || t->run->level == SY__LEVEL_NONE)
        sy__record_count(t->run, SY__MEMBER_ARBITER, 1);
    else
        record_end(s, t, "granted", "{\"slots\":1}");
}

void
sy__flow_refused(sy__stage *s, sy__task *t)
{
    if (t->run->level != SY__LEVEL_NONE) record_end(s, t, "refused", NULL);
}

/* Under the arbiter's mutex, which keeps the task where it is. Without memory the row comes when the wait has ended. */
static void
tell(void *ud, sy__job *job, const sy__gate *at)
{
    sy__stage *s = ud;
    sy__task *t = (sy__task *)job;
    if (t->run->level == SY__LEVEL_NONE || atomic_load(&t->run->stopping)) return;
    if (!t->wait_row) {
        if (t->slot.group == 0) sy__record_task(s, t);
        if (t->parent) atomic_store(&t->run->told_early, true);
        t->wait_row = sy__malloc(s->engine->alloc, SY__ID_BYTES);
        if (!t->wait_row) return;
        sy__id_next(&s->ids, t->wait_row);
    }
    record_decision(s, t, at, "waiting", NULL);
}

void
sy__flow_lasting(sy__stage *s)
{
    if (!sy__db_full(s->engine->o.db)) sy__arbiter_lasting(s->engine->arbiter, sy__stage_ns(s) - LASTING_NS, tell, s);
}
