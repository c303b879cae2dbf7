/*
 * start.c: a new run: its row with the next number of the project and its root task, in one transaction; then
 * its launch. What is returned is committed.
 */
#include "pit/budget/budget_task.h"
#include "pit/cache/cache.h"
#include "pit/run/dedupe.h"
#include "pit/arbiter/flow.h"
#include "pit/run/state.h"
#include "pit/record/statements.h"

#include <string.h>

/* The new run's row, with the next number of the project, and its root task. Writer thread. */
typedef struct new_row {
    sy__run *run;
    const sy__statements *st;
    const char *host;
    sy__buf dag, sequence, params, options;
    char stamp[SY__STAMP_BYTES];
    sy__run_info found; /* existing: the run that its dedupe id stands for */
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
    int status = sy__dedupe_find(conn, n->options.data, &n->found, err);
    if (status || n->found.existing) return status;
    status = next_number(conn, &n->run->number, err);
    if (!status) status = insert_run(conn, n, err);
    if (!status) status = insert_root(conn, n, err);
    if (!status) status = sy__state_running(conn, n->host, n->options.data, n->stamp, err);
    return status;
}

static void
put_edge(const sy__run *r, size_t index, sy__buf *out)
{
    static const char *const ends[] = {"\",\"hard\"]", "\",\"soft\"]", "\",\"optional\"]"};
    uint32_t from, to;
    sy__edge_kind kind;
    sy__dag_edge_at(r->root->dag, index, &from, &to, &kind);
    sy__buf_adds(out, index ? ",[\"" : "[\"");
    sy__buf_adds(out, r->plan->tasks[from].key);
    sy__buf_adds(out, "\",\"");
    sy__buf_adds(out, r->plan->tasks[to].key);
    sy__buf_adds(out, ends[kind]);
}

/* {"nodes":[…],"edges":[[from,to,kind]…]}; with the definition where no melody_version keeps it. Pieces are added one
 * by one: a formatted print for each node and edge would be a fifth of starting a large run. */
static void
put_dag(const sy__run *r, sy__buf *out)
{
    sy__buf_adds(out, "{\"nodes\":[");
    for (size_t i = 0; i < r->plan->count; i++) {
        sy__buf_adds(out, i ? ",{\"key\":\"" : "{\"key\":\"");
        sy__buf_adds(out, r->plan->tasks[i].key);
        sy__buf_adds(out, "\",\"operation\":\"");
        sy__buf_adds(out, r->plan->tasks[i].targets[0].name);
        sy__buf_adds(out, "\"}");
    }
    sy__buf_adds(out, "],\"edges\":[");
    for (size_t i = 0; i < sy__dag_edges(r->root->dag); i++) put_edge(r, i, out);
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
    const uint32_t *order = sy__dag_order(r->root->dag);
    sy__buf_addc(out, '[');
    for (size_t i = 0; i < r->plan->count; i++) {
        sy__buf_adds(out, i ? ",\"" : "\"");
        sy__buf_adds(out, r->plan->tasks[order[i]].key);
        sy__buf_addc(out, '"');
    }
    sy__buf_addc(out, ']');
}

/* ---- the code it is pinned to ---- */

static void
put_code(const sy__plan *p, sy__map *seen, sy__vbuf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const sy__plan_task *t = &p->tasks[i];
        size_t count = t->target_count + (t->compensate ? 1 : 0);
        for (size_t k = 0; k < count; k++) {
            const sy__target *target = k < t->target_count ? &t->targets[k] : &t->compensate->targets[0];
            sy__extension *ext = target->extension;
            if (strcmp(ext->name, "host") == 0 || sy__map_get(seen, ext->name, strlen(ext->name))) continue;
            (void)sy__map_put(seen, ext->name, strlen(ext->name), ext);
            sy__vbuf_key(out, ext->name, strlen(ext->name));
            sy__vbuf_cstr(out, ext->version_id);
        }
    }
}

void
sy__run_code(const sy__run *r, sy__vbuf *out)
{
    sy__map seen;
    sy__map_init(&seen, r->engine->alloc);
    sy__vbuf_map(out);
    put_code(r->plan, &seen, out);
    for (size_t i = 0; i < r->plan->sub_count; i++) put_code(r->plan->subs[i].plan, &seen, out);
    sy__vbuf_end(out);
    sy__map_close(&seen);
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
write_run(sy__run *r, sy__value options, sy__run_info *found, sy__error *err)
{
    sy__engine *e = r->engine;
    new_row n = {.run = r, .st = e->statements, .host = sy__db_host_id(e->o.db)};
    sy__buf *texts[] = {&n.dag, &n.sequence, &n.params, &n.options};
    int status = SY_OK;
    for (int i = 0; i < 4; i++) sy__buf_init(texts[i], e->alloc);
    put_dag(r, &n.dag);
    put_sequence(r, &n.sequence);
    sy__value_to_json(sy__blob_value(r->root->params), SY__JSON_COMPACT, &n.params);
    put_options(r, options, &n.options);
    sy__stamp(r->created_ms, n.stamp);
    for (int i = 0; i < 4; i++)
        if (!sy__buf_cstr(texts[i])) status = sy__error_set(err, SY_ENOMEM, "no memory for the run's row");
    if (!status) status = sy__db_exclusive(e->o.db, write_new, &n, err);
    *found = n.found;
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
    sy__run_info found = {0};
    int status = sy__dedupe_check(q->options, err);
    if (!status) status = sy__run_new(&r, e, q->definition, q->params, err);
    if (status) return status;
    r->level = q->durability;
    r->epoch = 1;
    if (q->parallel > 0) r->gate.limit = q->parallel;
    r->no_cache = sy__cache_off(q->options);
    sy__flow_weigh(r, q->options);
    status = name_run(r, q, err);
    if (!status) status = sy__budget_run(r, q->options, err);
    if (!status) status = write_run(r, q->options, &found, err);
    if (!status && !found.existing) status = sy__db_run_own(e->o.db, r->id, r->epoch);
    if (!status && !found.existing) status = sy__run_launch(r);
    if (status && err && !err->code) (void)sy__error_set(err, status, "%s", sy_strerror(status));
    if (!status && found.existing)
        *out = found;
    else if (!status)
        (void)sy__engine_info(e, r->id, out);
    sy__run_release(r);
    return status;
}
