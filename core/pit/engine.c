/*
 * engine.c: opening and closing the engine, starting runs, stopping them from outside, what others ask.
 */
#include "pit/engine_impl.h"

#include "base/bounds.h"
#include "pit/chore.h"
#include "pit/state.h"
#include "pit/statements.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int
sy__engine_new(sy__engine **out, const sy__engine_options *o, sy__error *err)
{
    sy__error_clear(err);
    *out = NULL;
    sy__engine *e = sy__calloc(o->alloc, 1, sizeof *e);
    if (!e) return sy__error_set(err, SY_ENOMEM, "no memory for the engine");
    e->o = *o;
    e->alloc = o->alloc;
    e->isolates = (sy__gate){.name = "isolates", .limit = SY_MAX_ISOLATES};
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)pthread_mutex_init(&e->gates_lock, NULL);
    (void)pthread_mutex_init(&e->chore_lock, NULL);
    sy__map_init(&e->gates, e->alloc);
    int status = sy__arbiter_new(&e->arbiter, e->alloc, o->clock);
    if (!status) status = sy__statements_new(e, err);
    if (!status) status = sy__stages_start(e, err);
    if (status) {
        if (err && !err->code) (void)sy__error_set(err, status, "%s", sy_strerror(status));
        sy__engine_free(e);
        return status;
    }
    sy__artifacts_set_record(o->artifacts, sy__chore_pit, e);
    *out = e;
    return SY_OK;
}

static void
free_gates(sy__engine *e)
{
    size_t at = 0, len;
    const char *key;
    void *value;
    while (sy__map_next(&e->gates, &at, &key, &len, &value)) {
        sy__gate *g = value;
        sy__free(e->alloc, (void *)(uintptr_t)g->name);
        sy__free(e->alloc, g);
    }
    sy__map_close(&e->gates);
}

static void
pause_ms(void)
{
    struct timespec one = {0, 1000000};
    (void)nanosleep(&one, NULL);
}

/* Parks what lives and waits for it to be written. */
static void
park_all(sy__engine *e)
{
    (void)pthread_mutex_lock(&e->lock);
    for (sy__run *r = e->runs; r; r = r->next) (void)sy__engine_stop_run(r, SY_EINTERRUPTED);
    (void)pthread_mutex_unlock(&e->lock);
    const int64_t patience_ms = 10000;
    int64_t start = sy__mono_ms(&sy__clock_system);
    while (sy__engine_living(e) > 0 && sy__mono_ms(&sy__clock_system) - start < patience_ms) pause_ms();
    while (atomic_load(&e->hooks) > 0) pause_ms(); /* the writer always calls them, also when it has failed */
}

void
sy__engine_free(sy__engine *e)
{
    if (!e) return;
    if (e->stages) park_all(e);
    if (e->o.artifacts) sy__artifacts_set_record(e->o.artifacts, NULL, NULL);
    sy__stages_stop(e);
    sy__state_close(e);
    sy__chore_free_all(e);
    while (e->runs) {
        sy__run *r = e->runs;
        e->runs = r->next;
        sy__run_release(r);
    }
    free_gates(e);
    sy__arbiter_free(e->arbiter);
    sy__free(e->alloc, e->statements);
    (void)pthread_mutex_destroy(&e->lock);
    (void)pthread_mutex_destroy(&e->gates_lock);
    (void)pthread_mutex_destroy(&e->chore_lock);
    sy__free(e->alloc, e);
}

/* ---- starting ---- */

/* The new run's row, with the next number of the project, and its root task. Writer thread. */
typedef struct new_row {
    sy__run *run;
    const sy__statements *st;
    const char *host;
    sy__buf dag, sequence, params, options;
    char stamp[SY__STAMP_BYTES];
} new_row;

static int
bad_statement(sqlite3 *conn, sy__error *err)
{
    return sy__error_set(err, SY_EIO, "the run cannot be written: %s", sqlite3_errmsg(conn));
}

static void
bind_text(sqlite3_stmt *stmt, int index, const char *s)
{
    if (s)
        (void)sqlite3_bind_text(stmt, index, s, -1, SQLITE_STATIC);
    else
        (void)sqlite3_bind_null(stmt, index);
}

static int
next_number(sqlite3 *conn, int64_t *out, sy__error *err)
{
    sqlite3_stmt *stmt = NULL;
    int status = SY_OK;
    if (sqlite3_prepare_v2(conn, "SELECT coalesce(max(number), 0) + 1 FROM pipeline_orchestration", -1, &stmt, NULL) ||
        sqlite3_step(stmt) != SQLITE_ROW)
        status = bad_statement(conn, err);
    else
        *out = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return status;
}

static int
insert_run(sqlite3 *conn, const new_row *n, sy__error *err)
{
    static const char sql[] =
        "INSERT INTO pipeline_orchestration (id, conductor_id, melody_id, task_dag, execution_sequence,"
        " orchestration_type, project_id, number, melody_hash, status, durability, owner_host, owner_epoch,"
        " root_task_id, params, options, created_at, started_at)"
        " VALUES (?1,?2,?3,?4,?5,?6,(SELECT id FROM project LIMIT 1),?7,?8,'running',?9,?10,1,?11,?12,?13,?14,?14)";
    static const char *const levels[] = {"none", "process", "full"};
    sy__run *r = n->run;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL)) return bad_statement(conn, err);
    bind_text(stmt, 1, r->id);
    bind_text(stmt, 2, n->st->conductor);
    bind_text(stmt, 3, r->melody_id);
    bind_text(stmt, 4, n->dag.data);
    bind_text(stmt, 5, n->sequence.data);
    bind_text(stmt, 6, r->orchestration_type);
    (void)sqlite3_bind_int64(stmt, 7, r->number);
    bind_text(stmt, 8, r->melody_hash);
    bind_text(stmt, 9, levels[r->level]);
    bind_text(stmt, 10, n->host);
    bind_text(stmt, 11, r->root_id);
    bind_text(stmt, 12, n->params.data);
    bind_text(stmt, 13, n->options.data);
    bind_text(stmt, 14, n->stamp);
    int status = sqlite3_step(stmt) == SQLITE_DONE ? SY_OK : bad_statement(conn, err);
    (void)sqlite3_finalize(stmt);
    return status;
}

static int
insert_root(sqlite3 *conn, const new_row *n, sy__error *err)
{
    static const char sql[] =
        "INSERT INTO task (id, conductor_id, extension_id, melody_id, task_type, task_payload, task_status,"
        " execution_context, created_at, dispatched_at, orchestra_kit_id, pipeline_orchestration_id, key, operation,"
        " extension_version_id, attempts, started_at)"
        " VALUES (?1,?2,?3,?4,'extension_activation',json_object('number',?9,'tasks',?10),'executing',"
        "json_object('host',?11,'epoch',1),?5,?5,?6,?7,'','host.run',?8,1,?5)";
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL)) return bad_statement(conn, err);
    bind_text(stmt, 1, n->run->root_id);
    bind_text(stmt, 2, n->st->conductor);
    bind_text(stmt, 3, n->st->host);
    bind_text(stmt, 4, n->run->melody_id);
    bind_text(stmt, 5, n->stamp);
    bind_text(stmt, 6, n->st->kit);
    bind_text(stmt, 7, n->run->id);
    bind_text(stmt, 8, n->st->host_version);
    (void)sqlite3_bind_int64(stmt, 9, n->run->number);
    (void)sqlite3_bind_int64(stmt, 10, n->run->plan->count);
    bind_text(stmt, 11, n->host);
    int status = sqlite3_step(stmt) == SQLITE_DONE ? SY_OK : bad_statement(conn, err);
    (void)sqlite3_finalize(stmt);
    return status;
}

static int
write_new(sqlite3 *conn, void *ud, sy__error *err)
{
    new_row *n = ud;
    int status = next_number(conn, &n->run->number, err);
    if (!status) status = insert_run(conn, n, err);
    if (!status) status = insert_root(conn, n, err);
    if (!status) status = sy__state_running(conn, n->host, n->options.data, n->stamp, err);
    return status;
}

/* {"nodes":[…],"edges":[[from,to,kind]…]}; with the definition where no melody_version keeps it. */
static void
put_dag(const sy__run *r, sy__buf *out)
{
    static const char *const kinds[] = {"hard", "soft", "optional"};
    sy__buf_adds(out, "{\"nodes\":[");
    for (size_t i = 0; i < r->plan->count; i++)
        sy__buf_addf(out, "%s{\"key\":\"%s\",\"operation\":\"%s\"}", i ? "," : "", r->plan->tasks[i].key,
                     r->plan->tasks[i].targets[0].name);
    sy__buf_adds(out, "],\"edges\":[");
    for (size_t i = 0; i < sy__dag_edges(r->dag); i++) {
        uint32_t from, to;
        sy__edge_kind kind;
        sy__dag_edge_at(r->dag, i, &from, &to, &kind);
        sy__buf_addf(out, "%s[\"%s\",\"%s\",\"%s\"]", i ? "," : "", r->plan->tasks[from].key, r->plan->tasks[to].key,
                     kinds[kind]);
    }
    sy__buf_addc(out, ']');
    if (!r->melody_id) {
        sy__buf_adds(out, ",\"definition\":");
        sy__value_to_json(sy__blob_value(r->plan->definition), SY__JSON_COMPACT, out);
    }
    sy__buf_addc(out, '}');
}

static void
put_sequence(const sy__run *r, sy__buf *out)
{
    const uint32_t *order = sy__dag_order(r->dag);
    sy__buf_addc(out, '[');
    for (size_t i = 0; i < r->plan->count; i++)
        sy__buf_addf(out, "%s\"%s\"", i ? "," : "", r->plan->tasks[order[i]].key);
    sy__buf_addc(out, ']');
}

/* The caller's options with the versions of the code that the run is pinned to. */
static void
put_options(const sy__run *r, sy__value options, sy__buf *out)
{
    sy__vbuf b;
    sy__value v;
    sy__value_iter it;
    sy__vbuf_init(&b, out->alloc);
    sy__vbuf_map(&b);
    sy__value_iter_init(&it, options);
    while (it.map && sy__value_iter_next(&it)) {
        if (it.key_len == 4 && memcmp(it.key, "code", 4) == 0) continue;
        sy__vbuf_key(&b, it.key, it.key_len);
        sy__vbuf_value(&b, it.value);
    }
    sy__vbuf_key(&b, "code", 4);
    sy__run_code(r, &b);
    sy__vbuf_end(&b);
    if (sy__vbuf_done(&b, &v) == SY_OK)
        sy__value_to_json(v, SY__JSON_COMPACT, out);
    else
        out->failed = true;
    sy__vbuf_close(&b);
}

static int
write_run(sy__run *r, sy__value options, sy__error *err)
{
    sy__engine *e = r->engine;
    new_row n = {.run = r, .st = e->statements, .host = sy__db_host_id(e->o.db)};
    sy__buf *texts[] = {&n.dag, &n.sequence, &n.params, &n.options};
    int status = SY_OK;
    for (int i = 0; i < 4; i++) sy__buf_init(texts[i], e->alloc);
    put_dag(r, &n.dag);
    put_sequence(r, &n.sequence);
    sy__value_to_json(sy__blob_value(r->params), SY__JSON_COMPACT, &n.params);
    put_options(r, options, &n.options);
    sy__stamp(r->created_ms, n.stamp);
    for (int i = 0; i < 4; i++)
        if (!sy__buf_cstr(texts[i])) status = sy__error_set(err, SY_ENOMEM, "no memory for the run's row");
    if (!status) status = sy__db_exclusive(e->o.db, write_new, &n, err);
    for (int i = 0; i < 4; i++) sy__buf_close(texts[i]);
    return status;
}

static int
name_run(sy__run *r, const sy__run_request *q, sy__error *err)
{
    const sy__alloc *a = r->engine->alloc;
    r->melody_id = sy__strdup(a, q->melody_id);
    r->melody_hash = sy__strdup(a, q->melody_hash);
    r->orchestration_type = sy__strdup(a, q->orchestration_type ? q->orchestration_type : "manual");
    bool ok = r->orchestration_type && (!q->melody_id || r->melody_id) && (!q->melody_hash || r->melody_hash);
    return ok ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for a run");
}

int
sy__engine_start(sy__engine *e, const sy__run_request *q, sy__run_info *out, sy__error *err)
{
    sy__run *r;
    int status = sy__run_new(&r, e, q->definition, q->params, err);
    if (status) return status;
    r->level = q->durability;
    r->epoch = 1;
    if (q->parallel > 0) r->gate.limit = q->parallel;
    status = name_run(r, q, err);
    if (!status) status = write_run(r, q->options, err);
    if (!status) status = sy__db_run_own(e->o.db, r->id, r->epoch);
    if (!status) status = sy__run_launch(r);
    if (status && err && !err->code) (void)sy__error_set(err, status, "%s", sy_strerror(status));
    if (!status) (void)sy__engine_info(e, r->id, out);
    sy__run_release(r);
    return status;
}

/* ---- looking ---- */

sy__run *
sy__engine_find(sy__engine *e, const char *run)
{
    (void)pthread_mutex_lock(&e->lock);
    sy__run *r = e->runs;
    while (r && strcmp(r->id, run) != 0) r = r->next;
    if (r) sy__run_hold(r);
    (void)pthread_mutex_unlock(&e->lock);
    return r;
}

int
sy__engine_info(sy__engine *e, const char *run, sy__run_info *out)
{
    sy__run *r = sy__engine_find(e, run);
    if (!r) return SY_ENOTFOUND;
    (void)pthread_mutex_lock(&r->lock);
    memcpy(out->id, r->id, sizeof out->id);
    out->number = r->number;
    out->status = sy__run_status_name(r->status);
    out->error = r->error;
    out->committed = r->committed;
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_release(r);
    return SY_OK;
}

int
sy__engine_living(sy__engine *e)
{
    int living = 0;
    (void)pthread_mutex_lock(&e->lock);
    for (sy__run *r = e->runs; r; r = r->next) {
        (void)pthread_mutex_lock(&r->lock);
        living += !r->committed;
        (void)pthread_mutex_unlock(&r->lock);
    }
    (void)pthread_mutex_unlock(&e->lock);
    return living;
}

void
sy__engine_forget(sy__engine *e, const char *run)
{
    sy__run *gone = NULL;
    (void)pthread_mutex_lock(&e->lock);
    for (sy__run **at = &e->runs; *at; at = &(*at)->next) {
        if (strcmp((*at)->id, run) != 0) continue;
        gone = *at;
        (void)pthread_mutex_lock(&gone->lock);
        bool over = gone->committed;
        (void)pthread_mutex_unlock(&gone->lock);
        if (over)
            *at = gone->next;
        else
            gone = NULL;
        break;
    }
    (void)pthread_mutex_unlock(&e->lock);
    sy__run_release(gone);
}

/* ---- stopping from outside ---- */

typedef struct sweep_note {
    sy__run *run;
    int why;
} sweep_note;

static void
sweep(sy__stage *s, void *ud)
{
    sweep_note *n = ud;
    sy__task_sweep(s, n->run, n->why);
    (void)pthread_mutex_lock(&n->run->lock);
    sy__run_settle(s, n->run);
    (void)pthread_mutex_unlock(&n->run->lock);
    sy__run_release(n->run);
    sy__free(s->engine->alloc, n);
}

static void
drop_jobs(sy__stage *s, void *ud)
{
    for (sy__job *job = ud; job;) {
        sy__job *next = job->next;
        sy__task_drop(s, (sy__task *)job);
        job = next;
    }
}

static bool
of_run(void *ud, sy__job *job)
{
    return ((sy__task *)job)->run == ud;
}

/* Takes the run's waiting and ready jobs out of the arbiter. */
static void
withdraw(sy__engine *e, sy__run *r)
{
    (void)pthread_mutex_lock(&e->gates_lock);
    size_t count = e->gates.count + 2, n = 0, at = 0, len;
    sy__gate **gates = sy__calloc(e->alloc, count, sizeof *gates);
    const char *key;
    void *value;
    if (gates) {
        gates[n++] = &e->isolates;
        gates[n++] = &r->gate;
        while (sy__map_next(&e->gates, &at, &key, &len, &value)) gates[n++] = value;
    }
    (void)pthread_mutex_unlock(&e->gates_lock);
    sy__job *list = gates ? sy__arbiter_withdraw(e->arbiter, gates, n, of_run, r) : NULL;
    sy__free(e->alloc, gates);
    if (list) (void)sy__stage_post(&e->stages[0], drop_jobs, list);
}

static bool
effect_may_repeat(const sy__attempt *a)
{
    const sy__operation *op = a->task->spec->targets[a->task->target].operation;
    return op->effects < SY__EFFECT_WRITE || op->idempotent;
}

/* Makes the Lua that a stage runs for this run die at its next instruction. */
static void
poison_current(sy__stage *s, sy__run *r, int why)
{
    (void)pthread_mutex_lock(&s->current_lock);
    sy__attempt *a = s->current;
    if (a && a->task && a->task->run == r && (why == SY_ECANCELLED || effect_may_repeat(a))) {
        a->cancel_why = why;
        sy__isolate_poison(a->isolate, SY_ECANCELLED);
    }
    (void)pthread_mutex_unlock(&s->current_lock);
}

int
sy__engine_stop_run(sy__run *r, int why)
{
    sy__engine *e = r->engine;
    (void)pthread_mutex_lock(&r->lock);
    bool over = r->ended;
    if (!over && why == SY_ECANCELLED) r->cancelled = true;
    if (!over && why == SY_EINTERRUPTED && !r->cancelled && !r->parking) {
        r->parking = true;
        r->parking_ns = sy__mono_ns(e->o.clock);
    }
    if (!over) atomic_store(&r->stopping, true);
    (void)pthread_mutex_unlock(&r->lock);
    if (over) return SY_OK;
    for (int i = 0; i < e->stage_count; i++) {
        sweep_note *n = sy__malloc(e->alloc, sizeof *n);
        if (!n) return SY_ENOMEM;
        *n = (sweep_note){sy__run_hold(r), why};
        poison_current(&e->stages[i], r, why);
        if (!sy__stage_post(&e->stages[i], sweep, n)) return SY_ENOMEM;
    }
    withdraw(e, r);
    return SY_OK;
}

static int
stop_by_id(sy__engine *e, const char *run, int why, sy__error *err)
{
    sy__run *r = sy__engine_find(e, run);
    if (!r) return sy__error_set(err, SY_ENOTFOUND, "run %s does not live in this process", run);
    int status = sy__engine_stop_run(r, why);
    sy__run_release(r);
    return status ? sy__error_set(err, status, "no memory to stop the run") : SY_OK;
}

int
sy__engine_cancel(sy__engine *e, const char *run, sy__error *err)
{
    return stop_by_id(e, run, SY_ECANCELLED, err);
}

int
sy__engine_pause(sy__engine *e, const char *run, sy__error *err)
{
    return stop_by_id(e, run, SY_EINTERRUPTED, err);
}

static void
settle(sy__stage *s, void *ud)
{
    sy__run *r = ud;
    sy__task_sweep(s, r, SY_EINTERRUPTED);
    (void)pthread_mutex_lock(&r->lock);
    sy__run_settle(s, r);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_release(r);
}

void
sy__engine_settle_soon(sy__run *r)
{
    for (int i = 0; i < r->engine->stage_count; i++)
        (void)sy__stage_post(&r->engine->stages[i], settle, sy__run_hold(r));
}

/* ---- what other processes ask ---- */

static void
obey(sy__stage *s, sqlite3_stmt *stmt)
{
    sy__engine *e = s->engine;
    const char *id = (const char *)sqlite3_column_text(stmt, 0), *run = (const char *)sqlite3_column_text(stmt, 1);
    const char *command = (const char *)sqlite3_column_text(stmt, 2);
    sy__run *r = sy__engine_find(e, run);
    if (!r) return;
    bool pause = strcmp(command, "pause") == 0;
    if (pause || strcmp(command, "cancel") == 0) {
        char at[SY__STAMP_BYTES];
        sy__stamp(sy__wall_ms(e->o.clock), at);
        sy__param p[] = {{.kind = SY__P_TEXT, .p = id, .len = strlen(id)},
                         {.kind = SY__P_TEXT, .p = at, .len = strlen(at)}};
        (void)sy__engine_stop_run(r, pause ? SY_EINTERRUPTED : SY_ECANCELLED);
        (void)sy__db_put(e->o.db, SY__LEVEL_PROCESS, e->statements->handled, NULL, p, 2, NULL);
    }
    sy__run_release(r);
}

static void
read_control(sy__stage *s)
{
    static const char sql[] =
        "SELECT id, pipeline_orchestration_id, command FROM control WHERE handled_at IS NULL ORDER BY id";
    sqlite3_stmt *stmt = NULL;
    sqlite3 *conn = sy__db_reader(s->engine->o.db, NULL);
    if (!conn) return;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) == SQLITE_OK)
        while (sqlite3_step(stmt) == SQLITE_ROW) obey(s, stmt);
    (void)sqlite3_finalize(stmt);
    sy__db_reader_release(s->engine->o.db, conn);
}

/* How long an effect that is under way may take before parking cuts it. */
static const int64_t PARK_NS = INT64_C(2000000000);

/* Runs that another host has taken over stop here, unwritten; those that park for too long are cut. */
static bool
check_owners(sy__engine *e)
{
    bool living = false;
    (void)pthread_mutex_lock(&e->lock);
    for (sy__run *r = e->runs; r; r = r->next) {
        (void)pthread_mutex_lock(&r->lock);
        bool stop = !r->ended && !r->lost && sy__db_run_lost(e->o.db, r->id);
        if (stop) r->lost = true;
        if (!r->ended && r->parking && !r->forced && sy__mono_ns(e->o.clock) - r->parking_ns > PARK_NS) stop = r->forced = true;
        living = living || !r->ended;
        (void)pthread_mutex_unlock(&r->lock);
        if (stop) (void)sy__engine_stop_run(r, SY_EINTERRUPTED);
    }
    (void)pthread_mutex_unlock(&e->lock);
    return living;
}

void
sy__engine_tick(sy__stage *s)
{
    sy__state_tick(s->engine);
    if (!check_owners(s->engine)) return;
    int64_t version = sy__db_data_version(s->engine->o.db);
    if (version == s->engine->data_version) return;
    s->engine->data_version = version;
    read_control(s);
}
