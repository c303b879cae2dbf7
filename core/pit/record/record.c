/*
 * record.c: what a run leaves in the database: rows of tasks, the run, events, artifacts, the Pit's decisions.
 *
 * Every put writes a whole row, so that a row that changes twice within one commit group is written once, in
 * its last form (the slot). JSON is produced here, once.
 */
#include "pit/budget/budget_task.h"
#include "pit/cache/cache.h"
#include "pit/record/record_impl.h"

#include "base/bounds.h"
#include "base/text.h"

#include <stdio.h>

static const char *const status_names[] = {"pending", "dispatched", "executing", "completed", "failed"};
static const char *const outcome_names[] = {NULL,          "ok",    "cached",  "fallback", "skipped",
                                            "compensated", "error", "timeout", "denied",   "cancelled"};
static const char *const run_names[] = {"pending", "running", "waiting", "paused", "completed", "failed", "cancelled"};

const char *
sy__outcome_name(sy__outcome outcome)
{
    return outcome_names[outcome];
}

const char *
sy__run_status_name(sy__run_status status)
{
    return run_names[status];
}

void
sy__record_checked(sy__run *r, int status)
{
    if (status) sy__run_unwritten(r, status);
}

sy__durability
sy__record_level(const sy__run *r)
{
    return r->level == SY__LEVEL_NONE ? SY__LEVEL_PROCESS : r->level;
}

/*
 * JSON of a value at `from` of `out`; above 8 KiB it goes to the artifact store and `hash` is set, and what is
 * appended is {"$artifact":hash,"size":n}.
 */
void
sy__record_json(sy__stage *s, sy__run *r, sy__value v, sy__buf *out, char hash[SY__HASH_BYTES])
{
    size_t from = out->len;
    sy__value_to_json(v, SY__JSON_COMPACT, out);
    size_t len = out->len - from;
    hash[0] = '\0';
    if (len <= SY_MAX_INLINE_BYTES || out->failed) return;
    sy__stored stored;
    sy__error err = {0};
    if (sy__artifact_put(s->engine->o.artifacts, sy__record_level(r), out->data + from, len, &stored, &err)) {
        sy__run_unwritten(r, err.code);
        return;
    }
    if (sy__artifacts_flush(s->engine->o.artifacts, &err)) sy__run_unwritten(r, err.code);
    memcpy(hash, stored.hash, SY__HASH_BYTES);
    out->len = from;
    sy__buf_addf(out, "{\"$artifact\":\"%s\",\"size\":%zu}", hash, len);
}

/* ---- tasks ---- */

/* Nanoseconds as milliseconds with three decimals. */
static void
put_ms(sy__buf *out, int64_t ns)
{
    int64_t us = (ns + 500) / 1000;
    char rest[] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10), (char)('0' + us % 10)};
    sy__buf_addi(out, us / 1000);
    sy__buf_add(out, rest, sizeof rest);
}

/* Of a task that fell back: the operations that used money or tokens. Without a fallback its one operation did. */
static void
put_spenders(const sy__task *t, sy__buf *out)
{
    const char *before = ",\"spenders\":[\"";
    for (uint32_t i = 0; i < 32 && i < t->spec->target_count; i++) {
        if (!(t->spent & 1u << i)) continue;
        sy__buf_adds(out, before);
        sy__buf_adds(out, t->spec->targets[i].name);
        before = "\",\"";
    }
    sy__buf_adds(out, "\"]");
}

static void
put_context(sy__stage *s, const sy__task *t, sy__buf *out)
{
    sy__buf_adds(out, "{\"attempts\":");
    sy__buf_addi(out, t->attempts);
    sy__buf_adds(out, ",\"stage\":");
    sy__buf_addi(out, s->number);
    sy__buf_adds(out, ",\"cpu_ms\":");
    put_ms(out, t->cpu_ns);
    sy__buf_adds(out, ",\"peak_bytes\":");
    sy__buf_addi(out, (int64_t)t->peak_bytes);
    if (t->target) sy__buf_addf(out, ",\"fallback\":%u", t->target);
    if (t->job.waited_at) {
        sy__buf_adds(out, ",\"waited_at\":");
        sy__json_string(out, t->job.waited_at->name, strlen(t->job.waited_at->name));
    }
    if (t->own_code[0]) {
        sy__buf_adds(out, ",\"code\":");
        sy__json_string(out, t->own_code, strlen(t->own_code));
    }
    if (t->decided) sy__buf_adds(out, ",\"decided\":true");
    if (t->memo) sy__cache_context(t, out);
    if (t->budget) sy__budget_context(t, out);
    if (t->spent && t->target) put_spenders(t, out);
    if (t->waits) sy__buf_addf(out, ",\"waits\":\"%s\"", sy__wait_name(t->waits));
    if (t->waits == SY__WAIT_TIME) sy__buf_addf(out, ",\"until_ms\":%lld", (long long)(t->started_ms + t->spec->max));
    if (t->loop) sy__buf_addf(out, ",\"iterations\":%u", t->loop->done);
    if (t->loop && t->loop->max_reached) sy__buf_adds(out, ",\"max_reached\":true");
    sy__buf_addc(out, '}');
}

/* What a task is that the host does itself; NULL: it calls an operation. */
static const char *
host_operation(const sy__task *t)
{
    return sy__task_is_item(t) ? NULL : sy__verb_operation(t->spec->verb);
}

/* The id of the task it is below: a map's, a sub-melody's, else the run's root task. */
static const char *
parent_of(const sy__task *t)
{
    const sy__task *above = t->parent ? t->parent : t->scope->owner;
    return above ? above->id : t->run->root_id;
}

/* Offsets of the texts of one task's row in stage.text2. */
typedef struct task_texts {
    size_t payload, context, key, output, error, end;
    char payload_hash[SY__HASH_BYTES], output_hash[SY__HASH_BYTES];
} task_texts;

static void
make_texts(sy__stage *s, sy__task *t, task_texts *at)
{
    sy__buf *b = &s->text2;
    sy__buf_reset(b);
    at->payload = b->len;
    if (t->each && t->each->list)
        sy__buf_addf(b, "{\"items\":%zu}", t->each->count);
    else if (t->input)
        sy__record_json(s, t->run, sy__blob_value(t->input), b, at->payload_hash);
    else
        sy__buf_adds(b, "{}");
    at->context = b->len;
    put_context(s, t, b);
    at->key = b->len;
    sy__task_key(t, b);
    at->output = b->len;
    at->output_hash[0] = '\0';
    if (t->output && t->status == SY__TASK_COMPLETED)
        sy__record_json(s, t->run, sy__blob_value(t->output), b, at->output_hash);
    at->error = b->len;
    if (t->error) sy__error_json(t->error, b);
    at->end = b->len;
}

/* How long it took; never less than nothing, for the wall's clock may have been set back. */
static int64_t
ms_of(const sy__task *t)
{
    return t->started_ms && t->completed_ms > t->started_ms ? t->completed_ms - t->started_ms : 0;
}

void
sy__record_task(sy__stage *s, sy__task *t)
{
    sy__run *r = t->run;
    const sy__statements *st = s->engine->statements;
    const sy__target *target = &t->spec->targets[t->target];
    const char *host = host_operation(t);
    char created[SY__STAMP_BYTES], dispatched[SY__STAMP_BYTES], completed[SY__STAMP_BYTES], started[SY__STAMP_BYTES];
    task_texts at;
    make_texts(s, t, &at);
    const char *b = sy__buf_cstr(&s->text2);
    if (!b) {
        sy__run_unwritten(r, SY_ENOMEM);
        return;
    }
    int64_t ms = ms_of(t);
    sy__param none = {.kind = SY__P_NULL};
    sy__param p[] = {
        sy__p_text(t->id),
        sy__p_text(st->conductor),
        sy__p_text(host ? st->host : target->extension->id),
        sy__p_text(r->melody_id),
        sy__p_text("extension_activation"),
        sy__p_bytes(b + at.payload, at.context - at.payload),
        sy__p_text(status_names[t->status]),
        sy__p_bytes(b + at.context, at.key - at.context),
        sy__p_stamp(t->created_ms, created),
        sy__p_stamp(t->dispatched_ms, dispatched),
        sy__p_stamp(t->completed_ms, completed),
        sy__p_text(st->kit),
        sy__p_text(r->id),
        sy__p_bytes(b + at.key, at.output - at.key),
        sy__p_text(parent_of(t)),
        t->parent && !t->undoes ? sy__p_integer((int64_t)t->number + 1) : none,
        sy__p_text(host ? host : target->name),
        sy__p_text(host ? st->host_version : target->extension->version_id),
        sy__p_text(outcome_names[t->outcome]),
        sy__p_integer(t->attempts),
        at.error > at.output && !at.output_hash[0] ? sy__p_bytes(b + at.output, at.error - at.output) : none,
        sy__p_text(at.output_hash[0] ? at.output_hash : NULL),
        at.end > at.error ? sy__p_bytes(b + at.error, at.end - at.error) : none,
        sy__p_number((double)t->usd_micro / 1e6),
        sy__p_integer(t->tokens),
        sy__p_integer(ms),
        sy__p_stamp(t->started_ms, started),
    };
    sy__record_checked(r, sy__db_put(s->engine->o.db, r->level, st->task, r->id, p, sizeof p / sizeof *p, &t->slot));
}

void
sy__record_uncertain(sy__stage *s, sy__task *t)
{
    sy__buf_reset(&s->text2);
    sy__error_json(t->error, &s->text2);
    sy__param p[] = {sy__p_text(t->id), sy__p_text(sy__buf_cstr(&s->text2))};
    sy__record_checked(
        t->run, sy__db_put(s->engine->o.db, t->run->level, s->engine->statements->uncertain, t->run->id, p, 2, NULL));
}

void
sy__record_compensated(sy__stage *s, sy__run *r, const char *key)
{
    sy__param p[] = {sy__p_text(r->id), sy__p_text(key)};
    sy__record_checked(r, sy__db_put(s->engine->o.db, r->level, s->engine->statements->compensated, r->id, p, 2, NULL));
}

/* ---- events ---- */

/* `before` and a text that needs no escape, whose quote the next one closes. */
static inline void
put_word(sy__buf *out, const char *before, const char *text)
{
    sy__buf_adds(out, before);
    sy__buf_adds(out, text);
}

void
sy__record_emit(sy__stage *s, sy__run *r, const sy__task *t, const char *extension_id, const char *key,
                const char *type, const char *payload, char *id)
{
    char context[sizeof s->context + 32];
    bool first = t && t->attempts == 1;
    if (t && !first)
        (void)snprintf(context, sizeof context, "%s,\"attempt\":%u}", s->context, t->attempts);
    else if (!t)
        (void)snprintf(context, sizeof context, "%s,\"epoch\":%lld}", s->context, (long long)r->epoch);
    sy__buf *topic = &s->text2;
    sy__buf_reset(topic);
    if (key) {
        put_word(topic, "run.", r->id);
        put_word(topic, ".", key);
        sy__buf_addc(topic, '.');
    }
    sy__buf_adds(topic, type);
    const char *name = sy__buf_cstr(topic);
    if (!name) {
        sy__run_unwritten(r, SY_ENOMEM);
        return;
    }
    bool stored = r->level != SY__LEVEL_NONE;
    if (id) sy__id_next(&s->ids, id);
    char own[SY__ID_BYTES];
    if (!id && !stored) sy__id_next(&s->ids, id = own);
    sy__event event = {
        .id = id,
        .run = r->id,
        .task = t ? t->id : r->root_id,
        .extension = extension_id,
        .type = type,
        .topic = name,
        .payload = payload,
        .context = first ? s->first_context : context,
        .occurred_ms = sy__wall_ms(s->engine->o.clock),
    };
    if (!stored)
        sy__router_publish(s->engine->o.router, &event);
    else
        sy__record_checked(r, sy__db_put_event(s->engine->o.db, r->level, &event));
}

/* A task's key as one word of a topic: `/` and `.` separate words, so `/` stays and nothing else is in a key. */
static void
put_payload(const sy__task *t, sy__buf *out)
{
    sy__buf_adds(out, "{\"key\":\"");
    sy__task_key(t, out);
    put_word(out, "\",\"operation\":\"", t->spec->targets[t->target].name);
    put_word(out, "\",\"status\":\"", status_names[t->status]);
    if (t->outcome) put_word(out, "\",\"outcome\":\"", outcome_names[t->outcome]);
    sy__buf_addc(out, '"');
    if (t->completed_ms && t->started_ms) {
        sy__buf_adds(out, ",\"ms\":");
        sy__buf_addi(out, ms_of(t));
    }
    if (t->attempts > 1) sy__buf_addf(out, ",\"attempts\":%u", t->attempts);
    if (t->each && t->each->list) sy__buf_addf(out, ",\"items\":%zu,\"failed\":%zu", t->each->count, t->each->failed);
    sy__value summary;
    size_t len;
    if (t->output && sy__value_get(sy__blob_value(t->output), "summary", 7, &summary) && sy__value_str(summary, &len)) {
        sy__buf_adds(out, ",\"summary\":");
        sy__json_string(out, sy__value_str(summary, &len), len);
    }
    if (t->error && t->status != SY__TASK_COMPLETED) {
        sy__buf_adds(out, ",\"error\":");
        sy__error_json(t->error, out);
    }
    sy__buf_addc(out, '}');
}

void
sy__record_event(sy__stage *s, sy__task *t, const char *type, const char *payload)
{
    if (t->run->level == SY__LEVEL_NONE && !sy__router_listening(s->engine->o.router)) return;
    sy__buf_reset(&s->text);
    sy__task_key(t, &s->text);
    sy__buf_addc(&s->text, '\0');
    size_t from = s->text.len;
    if (payload)
        sy__buf_adds(&s->text, payload);
    else
        put_payload(t, &s->text);
    const char *b = sy__buf_cstr(&s->text);
    if (!b) {
        sy__run_unwritten(t->run, SY_ENOMEM);
        return;
    }
    sy__record_emit(s, t->run, t,
                    host_operation(t) ? s->engine->statements->host : t->spec->targets[t->target].extension->id, b,
                    type, b + from, NULL);
}

void
sy__record_kit_event(sy__stage *s, sy__task *t, const char *type, const char *payload)
{
    if (t->run->level == SY__LEVEL_NONE && !sy__router_listening(s->engine->o.router)) return;
    sy__record_emit(s, t->run, t, t->spec->targets[t->target].extension->id, NULL, type, payload, NULL);
}

void
sy__record_run_event(sy__stage *s, sy__run *r, const char *type, const char *payload)
{
    char own[128];
    (void)snprintf(own, sizeof own, "{\"number\":%lld,\"status\":\"%s\"}", (long long)r->number, run_names[r->status]);
    sy__record_emit(s, r, NULL, s->engine->statements->host, "run", type, payload ? payload : own, NULL);
}
