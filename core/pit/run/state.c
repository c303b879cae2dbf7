/*
 * state.c: what the singletons, a melody's history and the lives of extensions say.
 *
 * What counts runs is written in the transaction that ends the run, so that it never differs from the table of
 * runs. What is a picture of this host (its isolates, the queue) is written there too, but once a second at most,
 * and when the engine closes; a picture that was left out is made up for by the tick.
 */
#include "db/params.h"
#include "pit/run/state.h"

#include "pit/record/statements.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { SNAPSHOT_NS = 1000000000 };

#define OPEN_RUN "status IN ('pending', 'running', 'waiting', 'paused')"
#define LAST_SEQ "(SELECT coalesce(max(seq), 0) FROM event)"

/* The last 100 runs, the oldest first, and totals over all. */
static const char SQL_HISTORY[] =
    "UPDATE melody SET execution_history = json_set(CASE WHEN json_array_length(execution_history, '$.runs') < 100"
    " THEN execution_history ELSE json_remove(execution_history, '$.runs[0]') END, '$.runs[#]',"
    " json_object('run', ?2, 'number', ?3, 'status', ?4, 'completed_at', ?5, 'ms', ?6, 'usd', ?7, 'tokens', ?8),"
    " '$.totals.' || ?4, coalesce(json_extract(execution_history, '$.totals.' || ?4), 0) + 1,"
    " '$.totals.ms', coalesce(json_extract(execution_history, '$.totals.ms'), 0) + ?6,"
    " '$.totals.usd', coalesce(json_extract(execution_history, '$.totals.usd'), 0) + ?7,"
    " '$.totals.tokens', coalesce(json_extract(execution_history, '$.totals.tokens'), 0) + ?8) WHERE id = ?1";

static const char SQL_METRICS[] =
    "UPDATE conductor SET performance_metrics = json_set(performance_metrics,"
    " '$.runs', coalesce(json_extract(performance_metrics, '$.runs'), 0) + 1,"
    " '$.' || ?1, coalesce(json_extract(performance_metrics, '$.' || ?1), 0) + 1,"
    " '$.ms', coalesce(json_extract(performance_metrics, '$.ms'), 0) + ?2,"
    " '$.usd', coalesce(json_extract(performance_metrics, '$.usd'), 0) + ?3,"
    " '$.tokens', coalesce(json_extract(performance_metrics, '$.tokens'), 0) + ?4,"
    " '$.as_of', ?5, '$.seq', " LAST_SEQ "),"
    " orchestration_strategies = json_set(CASE WHEN json_type(orchestration_strategies) = 'object'"
    " THEN orchestration_strategies ELSE json_object('available', json(orchestration_strategies), 'runs', json('{}')) "
    "END,"
    " '$.active', ?6, '$.runs.' || ?6, coalesce(json_extract(orchestration_strategies, '$.runs.' || ?6), 0) + 1)";

static const char SQL_KIT[] = "UPDATE orchestra_kit SET performance_state = json_set(?1, '$.seq', " LAST_SEQ ")";

/* Tasks that have begun and not ended, and nodes of open runs that have no row yet; depth of each extension. CROSS
 * JOIN goes from the open runs to their tasks: without it SQLite looks at every task there ever was. */
static const char SQL_QUEUE[] =
    "UPDATE orchestra_kit SET task_queue = (WITH waiting AS (SELECT o.number AS number, o.id AS run, t.key AS key,"
    " t.id AS id, x.name AS extension, t.created_at AS at FROM pipeline_orchestration o"
    " CROSS JOIN task t ON t.pipeline_orchestration_id = o.id CROSS JOIN extension x ON x.id = t.extension_id"
    " WHERE o." OPEN_RUN " AND t.key <> '' AND t.task_status IN ('pending', 'dispatched', 'executing')"
    " UNION ALL SELECT o.number, o.id, json_extract(n.value, '$.key'), NULL,"
    " substr(json_extract(n.value, '$.operation'), 1, instr(json_extract(n.value, '$.operation'), '.') - 1), "
    "o.created_at"
    " FROM pipeline_orchestration o, json_each(o.task_dag, '$.nodes') n WHERE o." OPEN_RUN
    " AND NOT EXISTS (SELECT 1 FROM task t WHERE t.pipeline_orchestration_id = o.id"
    " AND t.key = json_extract(n.value, '$.key')))"
    " SELECT json_object('as_of', ?1, 'seq', " LAST_SEQ ", 'depth', (SELECT count(*) FROM waiting),"
    " 'extensions', json((SELECT json_group_object(extension, n) FROM"
    " (SELECT extension, count(*) AS n FROM waiting GROUP BY extension))),"
    " 'oldest', json((SELECT json_group_array(json_object('run', number, 'key', key, 'id', id)) FROM"
    " (SELECT * FROM waiting ORDER BY at, number, id IS NULL, id LIMIT 100)))))";

/* Extensions of this host that no running run of it uses any more. */
static const char SQL_REST[] =
    "UPDATE extension_session SET lifecycle_state = 'activated', updated_at = ?2 WHERE session_id = ?1"
    " AND lifecycle_state = 'running' AND extension_id NOT IN (SELECT v.extension_id FROM pipeline_orchestration p,"
    " json_each(p.options, '$.code') c JOIN extension_version v ON v.id = c.value"
    " WHERE p." OPEN_RUN " AND p.status = 'running' AND p.owner_host = ?1)";

static const char SQL_REST_SHOWN[] =
    "UPDATE extension SET lifecycle_state = 'activated' WHERE lifecycle_state = 'running' AND NOT EXISTS"
    " (SELECT 1 FROM session n CROSS JOIN extension_session o ON o.session_id = n.id AND o.extension_id = extension.id"
    " WHERE n.ended_at IS NULL AND o.lifecycle_state = 'running')";

static const char SQL_BROKEN[] = "UPDATE extension_session SET lifecycle_state = 'error', error = ?3, updated_at = ?4"
                                 " WHERE extension_id = ?1 AND session_id = ?2";

static const char SQL_BROKEN_SHOWN[] = "UPDATE extension SET lifecycle_state = 'error' WHERE id = ?1";

int
sy__state_statements(sy__engine *e)
{
    struct {
        int *number;
        const char *sql;
    } all[] = {
        {&e->statements->history, SQL_HISTORY}, {&e->statements->metrics, SQL_METRICS},
        {&e->statements->kit_state, SQL_KIT},   {&e->statements->queue, SQL_QUEUE},
        {&e->statements->rest, SQL_REST},       {&e->statements->rest_shown, SQL_REST_SHOWN},
        {&e->statements->broken, SQL_BROKEN},   {&e->statements->broken_shown, SQL_BROKEN_SHOWN},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((*all[i].number = sy__db_statement(e->o.db, all[i].sql)) < 0) return SY_ENOMEM;
    return SY_OK;
}

static sy__durability
stored_level(const sy__run *r)
{
    return r->level == SY__LEVEL_NONE ? SY__LEVEL_PROCESS : r->level;
}

/* ---- pictures of this host ---- */

static int64_t
cpu_ms(const struct rusage *u)
{
    return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000 + (u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000;
}

static void
put_picture(sy__engine *e)
{
    char state[768], at[SY__STAMP_BYTES];
    struct rusage used = {0};
    (void)getrusage(RUSAGE_SELF, &used);
    sy__stamp(sy__wall_ms(e->o.clock), at);
    (void)snprintf(state, sizeof state,
                   "{\"as_of\":\"%s\",\"session\":\"%s\",\"stages\":%d,\"runs_ended\":%lld,\"warm_starts\":%lld,"
                   "\"isolates\":{\"live\":%d,\"peak\":%d,\"made\":%lld,\"limit\":%lld},"
                   "\"cpu_ms\":%lld,\"peak_rss_bytes\":%lld}",
                   at, sy__db_host_id(e->o.db), e->stage_count, (long long)atomic_load(&e->done.runs),
                   (long long)atomic_load(&e->done.decisions[SY__MEMBER_POOL]), atomic_load(&e->live_isolates),
                   atomic_load(&e->done.peak_isolates), (long long)atomic_load(&e->done.isolates),
                   (long long)e->max_tasks, (long long)cpu_ms(&used), (long long)used.ru_maxrss * 1024);
    sy__param kit[] = {sy__p_text(state)}, queue[] = {sy__p_text(at)};
    (void)sy__db_put(e->o.db, SY__LEVEL_PROCESS, e->statements->kit_state, NULL, kit, 1, NULL);
    (void)sy__db_put(e->o.db, SY__LEVEL_PROCESS, e->statements->queue, NULL, queue, 1, NULL);
}

/* Whoever wins the exchange writes. */
static void
picture_if_due(sy__engine *e)
{
    int64_t now = sy__mono_ns(e->o.clock), last = atomic_load(&e->picture_ns);
    bool due = last == 0 || now - last >= SNAPSHOT_NS;
    atomic_store(&e->picture_owed, !due);
    if (due && atomic_compare_exchange_strong(&e->picture_ns, &last, now)) put_picture(e);
}

void
sy__state_tick(sy__engine *e)
{
    if (atomic_load(&e->picture_owed)) picture_if_due(e);
}

void
sy__state_close(sy__engine *e)
{
    if (e->statements && atomic_load(&e->picture_ns) != 0) put_picture(e);
}

/* ---- the end of a run ---- */

static void
count_run(sy__run *r, int64_t ms, const char *at)
{
    sy__engine *e = r->engine;
    const char *status = sy__run_status_name(r->status);
    double usd = (double)r->usd_micro / 1e6;
    sy__param history[] = {sy__p_text(r->melody_id), sy__p_text(r->id),       sy__p_integer(r->number),
                           sy__p_text(status),       sy__p_text(at),          sy__p_integer(ms),
                           sy__p_number(usd),        sy__p_integer(r->tokens)};
    sy__param metrics[] = {sy__p_text(status),       sy__p_integer(ms), sy__p_number(usd),
                           sy__p_integer(r->tokens), sy__p_text(at),    sy__p_text(r->orchestration_type)};
    if (r->melody_id) (void)sy__db_put(e->o.db, stored_level(r), e->statements->history, r->id, history, 8, NULL);
    (void)sy__db_put(e->o.db, stored_level(r), e->statements->metrics, r->id, metrics, 6, NULL);
    (void)atomic_fetch_add(&e->done.runs, 1);
}

void
sy__state_run_ended(sy__run *r, int64_t ms)
{
    sy__engine *e = r->engine;
    char at[SY__STAMP_BYTES];
    sy__stamp(r->completed_ms, at);
    if (r->status >= SY__RUN_COMPLETED) count_run(r, ms, at);
    sy__param rest[] = {sy__p_text(sy__db_host_id(e->o.db)), sy__p_text(at)};
    (void)sy__db_put(e->o.db, stored_level(r), e->statements->rest, r->id, rest, 2, NULL);
    (void)sy__db_put(e->o.db, stored_level(r), e->statements->rest_shown, r->id, NULL, 0, NULL);
    picture_if_due(e);
}

/* ---- extensions ---- */

void
sy__state_broken(sy__stage *s, sy__task *t, const sy__extension *ext, const sy__error *why)
{
    sy__engine *e = s->engine;
    char at[SY__STAMP_BYTES];
    sy__buf json;
    sy__buf_init(&json, e->alloc);
    sy__error_json(why, &json);
    sy__stamp(sy__wall_ms(e->o.clock), at);
    sy__param p[] = {sy__p_text(ext->id), sy__p_text(sy__db_host_id(e->o.db)), sy__p_text(sy__buf_cstr(&json)),
                     sy__p_text(at)};
    (void)sy__db_put(e->o.db, SY__LEVEL_PROCESS, e->statements->broken, NULL, p, 4, NULL);
    (void)sy__db_put(e->o.db, SY__LEVEL_PROCESS, e->statements->broken_shown, NULL, p, 1, NULL);
    sy__attempt_show(s, t); /* the event refers to its row */
    if (sy__buf_cstr(&json)) sy__record_kit_event(s, t, "kit.extension.error", sy__buf_cstr(&json));
    sy__buf_close(&json);
}

int
sy__state_running(sqlite3 *conn, const char *host, const char *options, const char *at, sy__error *err)
{
#define USED "(SELECT v.extension_id FROM json_each(?2, '$.code') c JOIN extension_version v ON v.id = c.value)"
    static const char *const steps[] = {
        "UPDATE extension_session SET lifecycle_state = 'running', error = NULL, updated_at = ?3 WHERE session_id = ?1"
        " AND lifecycle_state <> 'running' AND extension_id IN " USED,
        "UPDATE extension SET lifecycle_state = 'running' WHERE lifecycle_state <> 'running' AND id IN " USED
        " AND EXISTS (SELECT 1 FROM extension_session o WHERE o.extension_id = extension.id AND o.session_id = ?1)",
    };
#undef USED
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        sqlite3_stmt *stmt = NULL;
        const char *const texts[] = {host, options, at};
        int rc = sqlite3_prepare_v2(conn, steps[i], -1, &stmt, NULL);
        for (int k = 0; k < 3 && rc == SQLITE_OK && k < sqlite3_bind_parameter_count(stmt); k++)
            rc = sqlite3_bind_text(stmt, k + 1, texts[k], -1, SQLITE_STATIC);
        if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
        (void)sqlite3_finalize(stmt);
        if (rc != SQLITE_DONE)
            return sy__error_set(err, SY_EIO, "the extensions cannot be written: %s", sqlite3_errmsg(conn));
    }
    return SY_OK;
}
