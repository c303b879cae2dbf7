/* record_run.c: the rows of a run: its own and its root task's. */
#include "pit/record/record_impl.h"
#include "pit/run/state.h"

#include <stdio.h>

static void
record_root(sy__stage *s, sy__run *r)
{
    const sy__statements *st = s->engine->statements;
    bool over = r->status >= SY__RUN_COMPLETED;
    bool ok = r->status == SY__RUN_COMPLETED;
    char created[SY__STAMP_BYTES], started[SY__STAMP_BYTES], completed[SY__STAMP_BYTES], payload[96], context[192];
    sy__param none = {.kind = SY__P_NULL};
    (void)snprintf(payload, sizeof payload, "{\"number\":%lld,\"tasks\":%zu}", (long long)r->number, r->plan->count);
    (void)snprintf(context, sizeof context, "%s,\"epoch\":%lld,\"cpu_ms\":%.3f}", s->context, (long long)r->epoch,
                   (double)r->cpu_ns / 1e6);
    sy__param p[] = {
        sy__p_text(r->root_id),
        sy__p_text(st->conductor),
        sy__p_text(st->host),
        sy__p_text(r->melody_id),
        sy__p_text("extension_activation"),
        sy__p_text(payload),
        sy__p_text(!over ? "executing"
                   : ok  ? "completed"
                         : "failed"),
        sy__p_text(context),
        sy__p_stamp(r->created_ms, created),
        sy__p_stamp(r->started_ms, started),
        over ? sy__p_stamp(r->completed_ms, completed) : none,
        sy__p_text(st->kit),
        sy__p_text(r->id),
        sy__p_text(""),
        none,
        none,
        sy__p_text("host.run"),
        sy__p_text(st->host_version),
        sy__p_text(!over                            ? NULL
                   : ok                             ? "ok"
                   : r->status == SY__RUN_CANCELLED ? "cancelled"
                                                    : "error"),
        sy__p_integer(1),
        none,
        none,
        none,
        sy__p_number((double)r->usd_micro / 1e6),
        sy__p_integer(r->tokens),
        sy__p_integer(over && r->completed_ms > r->started_ms ? r->completed_ms - r->started_ms : 0),
        sy__p_stamp(r->started_ms, started),
    };
    sy__record_checked(
        r, sy__db_put(s->engine->o.db, sy__record_level(r), st->task, r->id, p, sizeof p / sizeof *p, &r->root_slot));
}

/* Rows of what did not come up: from before a resume, a call of a map or of a flow that was cut short; a call that
 * waited for its turn when the run ended. */
static void
record_left(sy__stage *s, sy__run *r)
{
    char completed[SY__STAMP_BYTES];
    sy__param p[] = {sy__p_text(r->id), sy__p_stamp(r->completed_ms, completed)};
    sy__record_checked(
        r, sy__db_put(s->engine->o.db, sy__record_level(r), s->engine->statements->left, r->id, p, 2, NULL));
}

void
sy__record_run(sy__stage *s, sy__run *r)
{
    char completed[SY__STAMP_BYTES], hash[SY__HASH_BYTES];
    const sy__statements *st = s->engine->statements;
    bool over = r->status >= SY__RUN_COMPLETED;
    const sy__blob *outputs = r->status == SY__RUN_COMPLETED ? r->root->outputs : NULL;
    sy__buf_reset(&s->text2);
    if (outputs) sy__record_json(s, r, sy__blob_value(outputs), &s->text2, hash);
    size_t split = s->text2.len;
    bool failed = r->status == SY__RUN_FAILED && r->error.code;
    if (failed) sy__error_json(&r->error, &s->text2);
    const char *b = sy__buf_cstr(&s->text2);
    int64_t ms = r->ms_before + (sy__mono_ns(s->engine->o.clock) - r->first_ns) / 1000000;
    sy__param none = {.kind = SY__P_NULL};
    sy__param p[] = {
        sy__p_text(r->id),
        sy__p_text(sy__run_status_name(r->status)),
        outputs ? sy__p_bytes(b, split) : none,
        failed ? sy__p_text(b + split) : none,
        sy__p_number((double)r->usd_micro / 1e6),
        sy__p_integer(r->tokens),
        sy__p_integer(ms),
        over ? sy__p_stamp(r->completed_ms, completed) : none,
        r->status != SY__RUN_RUNNING ? none : sy__p_text(sy__db_host_id(s->engine->o.db)),
    };
    char type[32] = "run.";
    (void)strcat(type, sy__run_status_name(r->status));
    sy__db_begin(s->engine->o.db);
    if (over && (r->past || atomic_load(&r->told_early))) record_left(s, r);
    sy__record_checked(
        r, sy__db_put(s->engine->o.db, sy__record_level(r), st->run, r->id, p, sizeof p / sizeof *p, &r->slot));
    record_root(s, r);
    sy__record_run_event(s, r, type, NULL);
    sy__state_run_ended(r, ms);
    sy__db_end(s->engine->o.db);
}
