/* past.c: rows of tasks → what a run that is read back goes on from. */
#include "pit/run/past.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sy__outcome
outcome_by_name(const char *name)
{
    for (int i = SY__OUTCOME_OK; name && i <= SY__OUTCOME_CANCELLED; i++)
        if (strcmp(sy__outcome_name((sy__outcome)i), name) == 0) return (sy__outcome)i;
    return SY__OUTCOME_NONE;
}

static sy__wait
wait_by_name(const char *name)
{
    for (int i = SY__WAIT_EFFECT; name && i <= SY__WAIT_TIME; i++)
        if (strcmp(sy__wait_name((sy__wait)i), name) == 0) return (sy__wait)i;
    return SY__WAIT_NONE;
}

/* The output of a row: JSON beside it, or in the artifact store. */
static int
read_output(sy__engine *e, const char *json, const char *hash, sy__blob **out, sy__error *err)
{
    sy__buf text;
    sy__vbuf b;
    sy__value v;
    int status = SY_OK;
    sy__buf_init(&text, e->alloc);
    sy__vbuf_init(&b, e->alloc);
    if (hash) status = sy__artifact_get(e->o.artifacts, hash, &text, err);
    if (!hash) sy__buf_adds(&text, json ? json : "null");
    if (!status) status = sy__value_from_json(&b, text.data, text.len, err);
    if (!status) status = sy__vbuf_done(&b, &v);
    if (!status) *out = sy__blob_new(e->alloc, v);
    if (!status && !*out) status = SY_ENOMEM;
    sy__vbuf_close(&b);
    sy__buf_close(&text);
    return status;
}

static sy__past *
add(sy__past_list *l)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        sy__past *at = sy__realloc(l->alloc, l->at, cap * sizeof *at);
        if (!at) return NULL;
        l->at = at;
        l->cap = cap;
    }
    l->at[l->count] = (sy__past){0};
    return &l->at[l->count++];
}

static const char *
text(sqlite3_stmt *stmt, int i)
{
    return (const char *)sqlite3_column_text(stmt, i);
}

enum {
    ID,
    KEY,
    OUTCOME,
    OUTPUT,
    HASH,
    ATTEMPTS,
    OPERATION,
    WAITS,
    STARTED,
    COMPLETED,
    USD,
    TOKENS,
    EXECUTING,
    CPU,
    UNSETTLED_USD,
    UNSETTLED_TOKENS,
    REOPENS,
    POSITION,
    PARENT,
    PAYLOAD,
    CODE,
    MESSAGE,
    FALLBACK,
    KEPT,
    SPENDERS,
    DISPATCHED,
};

static const char SQL[] =
    "SELECT id, key, outcome, output, output_hash, attempts, operation, execution_context ->> '$.waits',"
    " unixepoch(substr(started_at, 1, 19)) * 1000 + substr(started_at, 21, 3),"
    " unixepoch(substr(completed_at, 1, 19)) * 1000 + substr(completed_at, 21, 3),"
    " cost_usd, cost_tokens, task_status = 'executing', execution_context ->> '$.cpu_ms',"
    " execution_context ->> '$.unsettled.usd_micro', execution_context ->> '$.unsettled.tokens',"
    " outcome = 'cancelled' OR (outcome = 'skipped' AND execution_context ->> '$.decided' IS NULL) OR"
    " (outcome = 'error' AND (error ->> '$.code' = 'budget_exceeded' OR operation GLOB 'host.*')),"
    " position, parent_task_id, CASE WHEN parent_task_id IN (SELECT p.id FROM task p WHERE"
    " p.pipeline_orchestration_id = ?1 AND p.operation = 'host.flow') THEN task_payload END,"
    " error ->> '$.code', error ->> '$.message', execution_context ->> '$.fallback',"
    " outcome = 'cached' AND execution_context -> '$.forked_from' IS NOT NULL, execution_context -> '$.spenders',"
    " unixepoch(substr(dispatched_at, 1, 19)) * 1000 + substr(dispatched_at, 21, 3)"
    " FROM task WHERE pipeline_orchestration_id = ?1 AND key <> '' ORDER BY key";

/* What a flow compares its calls with, why a task failed, and what it spent with. */
static int
read_texts(const sy__past_list *l, sy__past *p, sqlite3_stmt *stmt)
{
    const char *payload = text(stmt, PAYLOAD), *message = text(stmt, MESSAGE), *code = text(stmt, CODE);
    const char *spenders = text(stmt, SPENDERS);
    p->payload = payload ? sy__strdup(l->alloc, payload) : NULL;
    p->message = message ? sy__strdup(l->alloc, message) : NULL;
    p->code = code ? sy__error_code(code) : SY_OK;
    p->spenders = spenders ? sy__strdup(l->alloc, spenders) : NULL;
    bool whole = (p->payload || !payload) && (p->message || !message) && (p->spenders || !spenders);
    return whole ? SY_OK : SY_ENOMEM;
}

static int
read_one(sy__past_list *l, sy__engine *e, sqlite3_stmt *stmt, sy__error *err)
{
    sy__past *p = add(l);
    if (!p) return SY_ENOMEM;
    (void)snprintf(p->id, sizeof p->id, "%s", text(stmt, ID));
    p->key = sy__strdup(l->alloc, text(stmt, KEY));
    p->operation = sy__strdup(l->alloc, text(stmt, OPERATION));
    if (!p->key || !p->operation) return SY_ENOMEM;
    p->position = (uint32_t)sqlite3_column_int(stmt, POSITION);
    (void)snprintf(p->parent, sizeof p->parent, "%s", text(stmt, PARENT) ? text(stmt, PARENT) : "");
    if (read_texts(l, p, stmt)) return SY_ENOMEM;
    p->outcome = outcome_by_name(text(stmt, OUTCOME));
    p->status = p->outcome >= SY__OUTCOME_ERROR       ? SY__TASK_FAILED
                : p->outcome                          ? SY__TASK_COMPLETED
                : sqlite3_column_int(stmt, EXECUTING) ? SY__TASK_EXECUTING
                                                      : SY__TASK_PENDING;
    p->waits = wait_by_name(text(stmt, WAITS));
    p->attempts = (uint32_t)sqlite3_column_int(stmt, ATTEMPTS);
    p->dispatched_ms = sqlite3_column_int64(stmt, DISPATCHED);
    p->started_ms = sqlite3_column_int64(stmt, STARTED);
    p->completed_ms = sqlite3_column_int64(stmt, COMPLETED);
    p->usd_micro = (int64_t)(sqlite3_column_double(stmt, USD) * 1e6 + 0.5);
    p->tokens = sqlite3_column_int64(stmt, TOKENS);
    p->kept = sqlite3_column_int(stmt, KEPT) != 0;
    p->reopens = sqlite3_column_int(stmt, REOPENS) != 0;
    p->target = (uint32_t)sqlite3_column_int(stmt, FALLBACK);
    p->cpu_us = (int64_t)(sqlite3_column_double(stmt, CPU) * 1000);
    p->assumed =
        (sy__amounts){{sqlite3_column_int64(stmt, UNSETTLED_USD), sqlite3_column_int64(stmt, UNSETTLED_TOKENS)}};
    if (p->status != SY__TASK_COMPLETED || p->outcome == SY__OUTCOME_SKIPPED) return SY_OK;
    return read_output(e, text(stmt, OUTPUT), text(stmt, HASH), &p->output, err);
}

int
sy__past_read(sy__past_list **out, sy__engine *e, sqlite3 *conn, const char *run, sy__error *err)
{
    sqlite3_stmt *stmt = NULL;
    int status = SY_OK;
    sy__past_list *l = *out = sy__calloc(e->alloc, 1, sizeof *l);
    if (!l) return sy__error_set(err, SY_ENOMEM, "no memory for the rows of a run");
    l->alloc = e->alloc;
    if (sqlite3_prepare_v2(conn, SQL, -1, &stmt, NULL))
        return sy__error_set(err, SY_EDAMAGED, "the run's tasks cannot be read: %s", sqlite3_errmsg(conn));
    (void)sqlite3_bind_text(stmt, 1, run, -1, SQLITE_STATIC);
    while (!status && sqlite3_step(stmt) == SQLITE_ROW) status = read_one(l, e, stmt, err);
    (void)sqlite3_finalize(stmt);
    if (status == SY_ENOMEM) (void)sy__error_set(err, status, "no memory for the rows of a run");
    return status;
}

void
sy__past_free(sy__past_list *l)
{
    if (!l) return;
    for (size_t i = 0; i < l->count; i++) {
        sy__free(l->alloc, l->at[i].key);
        sy__free(l->alloc, l->at[i].operation);
        sy__free(l->alloc, l->at[i].payload);
        sy__free(l->alloc, l->at[i].message);
        sy__free(l->alloc, l->at[i].spenders);
        sy__blob_release(l->at[i].output);
        sy__blob_release(l->at[i].result);
    }
    sy__free(l->alloc, l->at);
    sy__free(l->alloc, l);
}

static int
by_key(const void *key, const void *past)
{
    return strcmp(key, ((const sy__past *)past)->key);
}

sy__past *
sy__past_find(const sy__past_list *l, const char *key)
{
    return l && l->count ? bsearch(key, l->at, l->count, sizeof *l->at, by_key) : NULL;
}

const sy__past *
sy__past_at(const sy__past_list *l, const char *parent, uint32_t position)
{
    for (size_t i = 0; l && i < l->count; i++)
        if (l->at[i].position == position && strcmp(l->at[i].parent, parent) == 0) return &l->at[i];
    return NULL;
}

uint32_t
sy__past_positions(const sy__past_list *l, const char *parent)
{
    uint32_t last = 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].position > last && strcmp(l->at[i].parent, parent) == 0) last = l->at[i].position;
    return last;
}

sy__past *
sy__past_of(const sy__task *t)
{
    if (!t->run->past) return NULL;
    sy__buf key;
    sy__buf_init(&key, t->run->engine->alloc);
    sy__task_key(t, &key);
    const char *s = sy__buf_cstr(&key);
    sy__past *p = s ? sy__past_find(t->run->past, s) : NULL;
    sy__buf_close(&key);
    return p;
}

/* The operation it was at: a fallback may have been under way. */
static const sy__operation *
operation_of(const sy__past *p, const sy__plan_task *spec)
{
    for (size_t i = 0; i < spec->target_count; i++)
        if (strcmp(spec->targets[i].name, p->operation) == 0) return spec->targets[i].operation;
    return spec->targets[0].operation;
}

bool
sy__past_waits(const sy__past *p, const sy__plan_task *spec)
{
    if (!p || p->outcome || p->decision || p->status != SY__TASK_EXECUTING) return false;
    if (p->waits == SY__WAIT_ANSWER || p->waits == SY__WAIT_TIME) return false; /* they begin again */
    const sy__operation *op = operation_of(p, spec);
    return p->waits || (op->effects >= SY__EFFECT_WRITE && !op->idempotent);
}

/* Which of its operations used something, for its next row. */
static uint32_t
spent_of(const sy__past *p, const sy__plan_task *spec)
{
    uint32_t spent = 0;
    if (!p->spenders) return !p->target && (p->usd_micro || p->tokens);
    for (uint32_t i = 0; i < 32 && i < spec->target_count; i++) {
        const char *name = spec->targets[i].name, *at = strstr(p->spenders, name);
        size_t len = strlen(name);
        while (at && !(at > p->spenders && at[-1] == '"' && at[len] == '"')) at = strstr(at + 1, name);
        if (at) spent |= 1u << i;
    }
    return spent;
}

static void
decided(const sy__past *p, sy__task *t)
{
    t->decided = p->decision == SY__DECIDE_SKIP || p->decision == SY__DECIDE_RESULT;
    if (!t->decided) return;
    t->status = SY__TASK_COMPLETED;
    t->outcome = p->decision == SY__DECIDE_SKIP ? SY__OUTCOME_SKIPPED : SY__OUTCOME_OK;
    t->output = p->result ? sy__blob_hold(p->result) : NULL;
}

int
sy__past_restore(const sy__past *p, sy__task *t)
{
    memcpy(t->id, p->id, sizeof t->id);
    t->slot.group = SY__DB_STORED;
    t->started = p->outcome || p->waits == SY__WAIT_ANSWER || p->waits == SY__WAIT_TIME;
    t->attempts = p->attempts;
    if (p->target < t->spec->target_count) t->target = p->target;
    if (t->target) sy__task_gates(t);
    t->forgiven = p->decision == SY__DECIDE_RETRY ? p->attempts : 0;
    t->usd_micro = p->usd_micro;
    t->tokens = p->tokens;
    t->spent = spent_of(p, t->spec);
    t->dispatched_ms = p->decision == SY__DECIDE_RETRY ? 0 : p->dispatched_ms; /* a person's time is not its own */
    t->started_ms = p->started_ms;
    decided(p, t);
    if (!p->outcome) return SY_OK;
    t->kept = p->kept;
    t->outcome = p->outcome;
    t->status = p->status;
    t->completed_ms = p->completed_ms;
    t->ended = true;
    if (p->output) t->output = sy__blob_hold(p->output);
    return SY_OK;
}
