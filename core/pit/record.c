/*
 * record.c: what a run leaves in the database: rows of tasks, the run, events, artifacts, the Pit's decisions.
 *
 * Every put writes a whole row, so that a row that changes twice within one commit group is written once, in
 * its last form (the slot). JSON is produced here, once.
 */
#include "base/bounds.h"
#include "base/text.h"
#include "pit/engine_impl.h"
#include "pit/state.h"
#include "pit/statements.h"

#include <stdio.h>
#include <string.h>

static const char SQL_TASK[] =
    "INSERT INTO task (id, conductor_id, extension_id, melody_id, task_type, task_payload, task_status,"
    " execution_context, created_at, dispatched_at, completed_at, orchestra_kit_id, pipeline_orchestration_id, key,"
    " parent_task_id, position, operation, extension_version_id, outcome, attempts, output, output_hash, error,"
    " cost_usd, cost_tokens, cost_ms, started_at)"
    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27)"
    " ON CONFLICT (id) DO UPDATE SET extension_id=?3, task_payload=?6, task_status=?7, execution_context=?8,"
    " dispatched_at=?10, completed_at=?11, operation=?17, extension_version_id=?18, outcome=?19, attempts=?20,"
    " output=?21, output_hash=?22, error=?23, cost_usd=?24, cost_tokens=?25, cost_ms=?26, started_at=?27";

static const char SQL_RUN[] =
    "UPDATE pipeline_orchestration SET status=?2, outputs=?3, error=?4, cost_usd=?5, cost_tokens=?6, cost_ms=?7,"
    " completed_at=?8, owner_host=?9 WHERE id=?1";

static const char SQL_PIT[] =
    "INSERT INTO pit_operation (id, task_id, operation_type, operation_context, resource_allocations, performed_at)"
    " VALUES (?1,?2,?3,?4,?5,?6)"
    " ON CONFLICT (id) DO UPDATE SET operation_context=?4, resource_allocations=?5, performed_at=?6";

static const char SQL_ARTIFACT[] =
    "INSERT INTO artifact (id, event_id, extension_id, melody_id, artifact_type, content_hash, metadata,"
    " quality_metrics, created_at, task_id, pipeline_orchestration_id, size)"
    " VALUES (?1,?2,?3,?4,?5,?6,?7,'[]',?8,?9,?10,?11)";

static const char SQL_EVENT_ARTIFACT[] = "INSERT INTO event_artifact (artifact_id, event_id) VALUES (?1,?2)";
static const char SQL_PIT_ARTIFACT[] =
    "INSERT INTO artifact_pit_operation (artifact_id, pit_operation_id) VALUES (?1,?2)";
static const char SQL_QUALITY[] =
    "UPDATE artifact SET quality_metrics = json_insert(quality_metrics, '$[#]', json_object('judge', 'schema',"
    " 'version', ?2, 'verdict', ?3, 'value', ?4, 'at', ?5)) WHERE id = ?1";

static const char *const status_names[] = {"pending", "dispatched", "executing", "completed", "failed"};
static const char *const outcome_names[] = {NULL,    "ok",     "cached",  "fallback", "skipped",
                                            "error", "timeout", "denied", "cancelled"};
static const char *const run_names[] = {"pending", "running", "waiting", "paused", "completed", "failed", "cancelled"};
static const char *const member_names[] = {"pool_allocation", "dag_tracking", "artifact_storage", "arbitration",
                                           "stale_management"};

const char *
sy__status_name(sy__task_status status)
{
    return status_names[status];
}

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

/* ---- the engine's constants ---- */

static int
read_text(sqlite3 *conn, const char *sql, char *to, size_t room)
{
    sqlite3_stmt *stmt = NULL;
    int found = 0;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        (void)snprintf(to, room, "%s", (const char *)sqlite3_column_text(stmt, 0));
        found = 1;
    }
    (void)sqlite3_finalize(stmt);
    return found;
}

int
sy__statements_new(sy__engine *e, sy__error *err)
{
    sy__statements *st = e->statements = sy__calloc(e->alloc, 1, sizeof *st);
    if (!st) return sy__error_set(err, SY_ENOMEM, "no memory for the statements");
    sqlite3 *conn = sy__db_reader(e->o.db, err);
    if (!conn) return err && err->code ? err->code : SY_EDAMAGED;
    int ok = read_text(conn, "SELECT id FROM conductor", st->conductor, sizeof st->conductor) &&
             read_text(conn, "SELECT id FROM orchestra_kit", st->kit, sizeof st->kit) &&
             read_text(conn, "SELECT id FROM extension WHERE name = 'host'", st->host, sizeof st->host) &&
             read_text(conn, "SELECT extension_version_id FROM extension WHERE name = 'host'", st->host_version,
                       sizeof st->host_version);
    sy__db_reader_release(e->o.db, conn);
    if (!ok) return sy__error_set(err, SY_EDAMAGED, "the database lacks the rows every project has");
    st->task = sy__db_statement(e->o.db, SQL_TASK);
    st->run = sy__db_statement(e->o.db, SQL_RUN);
    st->pit = sy__db_statement(e->o.db, SQL_PIT);
    st->artifact = sy__db_statement(e->o.db, SQL_ARTIFACT);
    st->event_artifact = sy__db_statement(e->o.db, SQL_EVENT_ARTIFACT);
    st->pit_artifact = sy__db_statement(e->o.db, SQL_PIT_ARTIFACT);
    st->quality = sy__db_statement(e->o.db, SQL_QUALITY);
    st->handled = sy__db_statement(e->o.db, "UPDATE control SET handled_at=?2 WHERE id=?1");
    st->uncertain = sy__db_statement(e->o.db, "UPDATE task SET error=?2 WHERE id=?1");
    return sy__state_statements(e) || sy__chore_statements(e) || st->uncertain < 0 ? sy__error_set(err, SY_ENOMEM, "no memory for the statements") : SY_OK;
}

/* ---- parameters ---- */

static sy__param
text(const char *s)
{
    return s ? (sy__param){.kind = SY__P_TEXT, .p = s, .len = strlen(s)} : (sy__param){.kind = SY__P_NULL};
}

static sy__param
bytes(const char *s, size_t len)
{
    return s ? (sy__param){.kind = SY__P_TEXT, .p = s, .len = len} : (sy__param){.kind = SY__P_NULL};
}

static sy__param
integer(int64_t i)
{
    return (sy__param){.kind = SY__P_INT, .i = i};
}

static sy__param
number(double d)
{
    return (sy__param){.kind = SY__P_NUM, .d = d};
}

/* A stamp in `room`, or NULL for 0. */
static sy__param
stamp(int64_t ms, char room[SY__STAMP_BYTES])
{
    if (!ms) return (sy__param){.kind = SY__P_NULL};
    sy__stamp(ms, room);
    return (sy__param){.kind = SY__P_TEXT, .p = room, .len = SY__STAMP_BYTES - 1};
}

static void
check_put(sy__run *r, int status)
{
    if (status) sy__run_unwritten(r, status);
}

static sy__durability
level_of(const sy__run *r)
{
    return r->level == SY__LEVEL_NONE ? SY__LEVEL_PROCESS : r->level;
}

/*
 * JSON of a value at `from` of `out`; above 8 KiB it goes to the artifact store and `hash` is set, and what is
 * appended is {"$artifact":hash,"size":n}.
 */
static void
put_json(sy__stage *s, sy__run *r, sy__value v, sy__buf *out, char hash[SY__HASH_BYTES])
{
    size_t from = out->len;
    sy__value_to_json(v, SY__JSON_COMPACT, out);
    size_t len = out->len - from;
    hash[0] = '\0';
    if (len <= SY_MAX_INLINE_BYTES || out->failed) return;
    sy__stored stored;
    sy__error err = {0};
    if (sy__artifact_put(s->engine->o.artifacts, level_of(r), out->data + from, len, &stored, &err)) {
        sy__run_unwritten(r, err.code);
        return;
    }
    if (sy__artifacts_flush(s->engine->o.artifacts, &err)) sy__run_unwritten(r, err.code);
    memcpy(hash, stored.hash, SY__HASH_BYTES);
    out->len = from;
    sy__buf_addf(out, "{\"$artifact\":\"%s\",\"size\":%zu}", hash, len);
}

/* ---- tasks ---- */

static void
put_context(sy__stage *s, const sy__task *t, sy__buf *out)
{
    sy__buf_addf(out, "{\"attempts\":%u,\"stage\":%d,\"cpu_ms\":%.3f,\"peak_bytes\":%zu", t->attempts, s->number,
                 (double)t->cpu_ns / 1e6, t->peak_bytes);
    if (t->target) sy__buf_addf(out, ",\"fallback\":%u", t->target);
    if (t->job.waited_at) {
        sy__buf_adds(out, ",\"waited_at\":");
        sy__json_string(out, t->job.waited_at->name, strlen(t->job.waited_at->name));
    }
    if (t->own_code[0]) {
        sy__buf_adds(out, ",\"code\":");
        sy__json_string(out, t->own_code, strlen(t->own_code));
    }
    sy__buf_addc(out, '}');
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
        put_json(s, t->run, sy__blob_value(t->input), b, at->payload_hash);
    else
        sy__buf_adds(b, "{}");
    at->context = b->len;
    put_context(s, t, b);
    at->key = b->len;
    sy__task_key(t, b);
    at->output = b->len;
    at->output_hash[0] = '\0';
    if (t->output && t->status == SY__TASK_COMPLETED) put_json(s, t->run, sy__blob_value(t->output), b, at->output_hash);
    at->error = b->len;
    if (t->error) sy__error_json(t->error, b);
    at->end = b->len;
}

void
sy__record_task(sy__stage *s, sy__task *t)
{
    sy__run *r = t->run;
    const sy__statements *st = s->engine->statements;
    const sy__target *target = &t->spec->targets[t->target];
    bool map = t->spec->verb == SY__VERB_EACH && !t->parent;
    char created[SY__STAMP_BYTES], dispatched[SY__STAMP_BYTES], completed[SY__STAMP_BYTES], started[SY__STAMP_BYTES];
    task_texts at;
    make_texts(s, t, &at);
    const char *b = sy__buf_cstr(&s->text2);
    if (!b) {
        sy__run_unwritten(r, SY_ENOMEM);
        return;
    }
    int64_t ms = t->completed_ms && t->started_ms ? t->completed_ms - t->started_ms : 0;
    sy__param none = {.kind = SY__P_NULL};
    sy__param p[] = {
        text(t->id),
        text(st->conductor),
        text(map ? st->host : target->extension->id),
        text(r->melody_id),
        text("extension_activation"),
        bytes(b + at.payload, at.context - at.payload),
        text(status_names[t->status]),
        bytes(b + at.context, at.key - at.context),
        stamp(t->created_ms, created),
        stamp(t->dispatched_ms, dispatched),
        stamp(t->completed_ms, completed),
        text(st->kit),
        text(r->id),
        bytes(b + at.key, at.output - at.key),
        text(t->parent ? t->parent->id : r->root_id),
        t->parent ? integer((int64_t)t->number + 1) : none,
        text(map ? "host.each" : target->name),
        text(map ? st->host_version : target->extension->version_id),
        text(outcome_names[t->outcome]),
        integer(t->attempts),
        at.error > at.output && !at.output_hash[0] ? bytes(b + at.output, at.error - at.output) : none,
        text(at.output_hash[0] ? at.output_hash : NULL),
        at.end > at.error ? bytes(b + at.error, at.end - at.error) : none,
        number((double)t->usd_micro / 1e6),
        integer(t->tokens),
        integer(ms),
        stamp(t->started_ms, started),
    };
    check_put(r, sy__db_put(s->engine->o.db, r->level, st->task, r->id, p, sizeof p / sizeof *p, &t->slot));
}

void
sy__record_uncertain(sy__stage *s, sy__task *t)
{
    sy__buf_reset(&s->text2);
    sy__error_json(t->error, &s->text2);
    sy__param p[] = {text(t->id), text(sy__buf_cstr(&s->text2))};
    check_put(t->run, sy__db_put(s->engine->o.db, t->run->level, s->engine->statements->uncertain, t->run->id, p, 2, NULL));
}

/* ---- events ---- */

static void
emit(sy__stage *s, sy__run *r, const sy__task *t, const char *extension_id, const char *key, const char *type,
     const char *payload, char id[SY__ID_BYTES])
{
    char topic[768], context[sizeof s->context + 32];
    if (t)
        (void)snprintf(context, sizeof context, "%s,\"attempt\":%u}", s->context, t->attempts);
    else
        (void)snprintf(context, sizeof context, "%s,\"epoch\":%lld}", s->context, (long long)r->epoch);
    (void)snprintf(topic, sizeof topic, "run.%s.%s.%s", r->id, key, type);
    sy__id_next(&s->ids, id);
    sy__event event = {
        .id = id,
        .run = r->id,
        .task = t ? t->id : r->root_id,
        .extension = extension_id,
        .type = type,
        .topic = topic,
        .payload = payload,
        .context = context,
        .occurred_ms = sy__wall_ms(s->engine->o.clock),
    };
    if (r->level == SY__LEVEL_NONE)
        sy__router_publish(s->engine->o.router, &event);
    else
        check_put(r, sy__db_put_event(s->engine->o.db, r->level, &event));
}

/* A task's key as one word of a topic: `/` and `.` separate words, so `/` stays and nothing else is in a key. */
static void
put_payload(const sy__task *t, sy__buf *out)
{
    sy__buf_adds(out, "{\"key\":\"");
    sy__task_key(t, out);
    sy__buf_addf(out, "\",\"operation\":\"%s\",\"status\":\"%s\"", t->spec->targets[t->target].name, status_names[t->status]);
    if (t->outcome) sy__buf_addf(out, ",\"outcome\":\"%s\"", outcome_names[t->outcome]);
    if (t->completed_ms && t->started_ms) sy__buf_addf(out, ",\"ms\":%lld", (long long)(t->completed_ms - t->started_ms));
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
    char id[SY__ID_BYTES];
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
    bool map = t->spec->verb == SY__VERB_EACH && !t->parent;
    emit(s, t->run, t, map ? s->engine->statements->host : t->spec->targets[t->target].extension->id, b, type, b + from, id);
}

void
sy__record_run_event(sy__stage *s, sy__run *r, const char *type, const char *payload)
{
    char id[SY__ID_BYTES], own[128];
    (void)snprintf(own, sizeof own, "{\"number\":%lld,\"status\":\"%s\"}", (long long)r->number, run_names[r->status]);
    emit(s, r, NULL, s->engine->statements->host, "run", type, payload ? payload : own, id);
}

/* ---- the run ---- */

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
        text(r->root_id),
        text(st->conductor),
        text(st->host),
        text(r->melody_id),
        text("extension_activation"),
        text(payload),
        text(!over ? "executing" : ok ? "completed" : "failed"),
        text(context),
        stamp(r->created_ms, created),
        stamp(r->started_ms, started),
        over ? stamp(r->completed_ms, completed) : none,
        text(st->kit),
        text(r->id),
        text(""),
        none,
        none,
        text("host.run"),
        text(st->host_version),
        text(!over ? NULL : ok ? "ok" : r->status == SY__RUN_CANCELLED ? "cancelled" : "error"),
        integer(1),
        none,
        none,
        none,
        number((double)r->usd_micro / 1e6),
        integer(r->tokens),
        integer(over ? r->completed_ms - r->started_ms : 0),
        stamp(r->started_ms, started),
    };
    check_put(r, sy__db_put(s->engine->o.db, level_of(r), st->task, r->id, p, sizeof p / sizeof *p, &r->root_slot));
}

void
sy__record_run(sy__stage *s, sy__run *r)
{
    char completed[SY__STAMP_BYTES], hash[SY__HASH_BYTES];
    const sy__statements *st = s->engine->statements;
    bool over = r->status >= SY__RUN_COMPLETED;
    sy__buf_reset(&s->text2);
    if (r->outputs) put_json(s, r, sy__blob_value(r->outputs), &s->text2, hash);
    size_t split = s->text2.len;
    bool failed = r->status == SY__RUN_FAILED && r->error.code;
    if (failed) sy__error_json(&r->error, &s->text2);
    const char *b = sy__buf_cstr(&s->text2);
    int64_t ms = r->ms_before + (sy__mono_ns(s->engine->o.clock) - r->first_ns) / 1000000;
    sy__param none = {.kind = SY__P_NULL};
    sy__param p[] = {
        text(r->id),
        text(run_names[r->status]),
        r->outputs ? bytes(b, split) : none,
        failed ? text(b + split) : none,
        number((double)r->usd_micro / 1e6),
        integer(r->tokens),
        integer(ms),
        over ? stamp(r->completed_ms, completed) : none,
        r->status != SY__RUN_RUNNING ? none : text(sy__db_host_id(s->engine->o.db)),
    };
    char type[32] = "run.";
    (void)strcat(type, run_names[r->status]);
    sy__db_begin(s->engine->o.db);
    check_put(r, sy__db_put(s->engine->o.db, level_of(r), st->run, r->id, p, sizeof p / sizeof *p, &r->slot));
    record_root(s, r);
    sy__record_run_event(s, r, type, NULL);
    sy__state_run_ended(r);
    sy__db_end(s->engine->o.db);
}

/* ---- the Pit ---- */

static void
put_pit(sy__stage *s, sy__run *r, const char *id, const char *task_id, int member, const char *context,
        const char *resources, sy__db_slot *slot)
{
    char at[SY__STAMP_BYTES];
    sy__param p[] = {text(id),      text(task_id),
                     text(member_names[member]), text(context),
                     text(resources ? resources : "{}"), stamp(sy__wall_ms(s->engine->o.clock), at)};
    check_put(r, sy__db_put(s->engine->o.db, r->level, s->engine->statements->pit, r->id, p, 6, slot));
}

void
sy__record_pit(sy__stage *s, sy__run *r, sy__task *t, int member, const char *context, const char *resources)
{
    char id[SY__ID_BYTES];
    if (r->level == SY__LEVEL_NONE) return;
    sy__id_next(&s->ids, id);
    put_pit(s, r, id, t ? t->id : r->root_id, member, context, resources, NULL);
}

void
sy__record_count(sy__run *r, int member, int64_t n)
{
    (void)atomic_fetch_add_explicit(&r->counts[member].count, n, memory_order_relaxed);
}

/* One row a member for what was immediate since the last call; run.lock held. */
void
sy__record_counts(sy__stage *s, sy__run *r)
{
    for (int i = 0; i < SY__MEMBERS; i++) {
        char context[64], used[96], id[SY__ID_BYTES];
        int64_t n = atomic_exchange_explicit(&r->counts[i].count, 0, memory_order_relaxed);
        (void)atomic_fetch_add_explicit(&s->engine->done.decisions[i], n, memory_order_relaxed);
        if (n == 0 || r->level == SY__LEVEL_NONE) continue;
        (void)snprintf(context, sizeof context, "{\"decision\":\"immediate\",\"count\":%lld}", (long long)n);
        (void)snprintf(used, sizeof used, "{\"cpu_ms\":%.3f,\"peak_bytes\":%zu}", (double)r->cpu_ns / 1e6, r->peak_bytes);
        sy__id_next(&s->ids, id);
        put_pit(s, r, id, r->root_id, i, context, i == SY__MEMBER_POOL ? used : NULL, NULL);
    }
}

/* ---- judged artifacts ---- */

void
sy__record_judged(sy__stage *s, sy__attempt *a, bool valid)
{
    sy__run *r = a->task->run;
    char at[SY__STAMP_BYTES];
    if (r->level == SY__LEVEL_NONE) return;
    for (size_t i = 0; i < a->artifact_count; i++) {
        sy__param p[] = {text(a->artifacts[i]), text(sy_version()), text(valid ? "valid" : "invalid"), integer(valid),
                         stamp(sy__wall_ms(s->engine->o.clock), at)};
        check_put(r, sy__db_put(s->engine->o.db, r->level, s->engine->statements->quality, r->id, p, 5, NULL));
    }
}

/* Remembers an artifact until the output that names it is judged. */
static int
remember(sy__stage *s, sy__attempt *a, const char *id)
{
    if ((a->artifact_count & 7) == 0) {
        void *list = sy__realloc(s->engine->alloc, a->artifacts, (a->artifact_count + 8) * sizeof *a->artifacts);
        if (!list) return SY_ENOMEM;
        a->artifacts = list;
    }
    memcpy(a->artifacts[a->artifact_count++], id, SY__ID_BYTES);
    return SY_OK;
}

/* ---- artifacts ---- */

int
sy__record_artifact(sy__stage *s, sy__task *t, const char *type, const sy__stored *stored, sy__value metadata,
                    sy__vbuf *ref, sy__error *err)
{
    sy__run *r = t->run;
    const sy__statements *st = s->engine->statements;
    const char *extension = t->spec->targets[t->target].extension->id;
    char id[SY__ID_BYTES], event_id[SY__ID_BYTES], pit_id[SY__ID_BYTES], at[SY__STAMP_BYTES], context[256], used[64];
    sy__id_next(&s->ids, id);
    sy__vbuf_map(ref);
    sy__vbuf_key(ref, "$artifact", 9);
    sy__vbuf_cstr(ref, stored->hash);
    sy__vbuf_key(ref, "id", 2);
    sy__vbuf_cstr(ref, id);
    sy__vbuf_key(ref, "size", 4);
    sy__vbuf_int(ref, stored->size);
    sy__vbuf_key(ref, "type", 4);
    sy__vbuf_cstr(ref, type);
    sy__vbuf_end(ref);
    t->artifacts++;
    if (r->level == SY__LEVEL_NONE) return SY_OK;
    if (!t->started) sy__record_task(s, t);
    sy__buf_reset(&s->text);
    sy__task_key(t, &s->text);
    sy__buf_addc(&s->text, '\0');
    size_t from = s->text.len;
    sy__buf_adds(&s->text, "{\"key\":\"");
    sy__task_key(t, &s->text);
    sy__buf_addf(&s->text, "\",\"artifact\":\"%s\",\"hash\":\"%s\",\"size\":%lld,\"type\":", id,
                 stored->hash, (long long)stored->size);
    sy__json_string(&s->text, type, strlen(type));
    sy__buf_addc(&s->text, '}');
    sy__buf_addc(&s->text, '\0');
    size_t meta = s->text.len;
    if (sy__value_kind(metadata) == SY__MAP)
        sy__value_to_json(metadata, SY__JSON_COMPACT, &s->text);
    else
        sy__buf_adds(&s->text, "{}");
    const char *b = sy__buf_cstr(&s->text);
    if (!b) return sy__error_set(err, SY_ENOMEM, "no memory for an artifact's row");
    emit(s, r, t, extension, b, "artifact_produced", b + from, event_id);
    sy__param p[] = {text(id),           text(event_id), text(extension), text(r->melody_id), text(type), text(stored->hash),
                     text(b + meta), stamp(sy__wall_ms(s->engine->o.clock), at), text(t->id), text(r->id),
                     integer(stored->size)};
    int status = sy__db_put(s->engine->o.db, r->level, st->artifact, r->id, p, sizeof p / sizeof *p, NULL);
    sy__param link[] = {text(id), text(event_id)};
    if (!status) status = sy__db_put(s->engine->o.db, r->level, st->event_artifact, r->id, link, 2, NULL);
    (void)snprintf(context, sizeof context, "{\"decision\":\"%s\",\"hash\":\"%s\",\"size\":%lld,\"stored\":%lld}",
                   stored->dedup ? "dedup_hit" : "store", stored->hash, (long long)stored->size,
                   (long long)stored->stored_size);
    sy__id_next(&s->ids, pit_id);
    (void)snprintf(used, sizeof used, "{\"bytes\":%lld}", stored->dedup ? 0LL : (long long)stored->stored_size);
    put_pit(s, r, pit_id, t->id, SY__MEMBER_ARTIFACT, context, used, NULL);
    sy__param pair[] = {text(id), text(pit_id)};
    if (!status) status = sy__db_put(s->engine->o.db, r->level, st->pit_artifact, r->id, pair, 2, NULL);
    if (!status && t->attempt) status = remember(s, t->attempt, id);
    return status ? sy__error_set(err, status, "the artifact cannot be recorded") : SY_OK;
}
