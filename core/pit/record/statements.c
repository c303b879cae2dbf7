/* statements.c: the SQL of the engine's rows. Each statement writes a whole row, so that one which changes twice
 * within a commit group is written once, in its last form. */
#include "pit/cache/cache.h"
#include "pit/engine_impl.h"
#include "pit/chore.h"
#include "pit/run/state.h"
#include "pit/record/statements.h"
#include "pit/stream/stream_impl.h"

#include <stdio.h>
#include <string.h>

#define INSERT_TASK                                                                                                  \
    "INSERT INTO task (id, conductor_id, extension_id, melody_id, task_type, task_payload, task_status,"             \
    " execution_context, created_at, dispatched_at, completed_at, orchestra_kit_id, pipeline_orchestration_id, key," \
    " parent_task_id, position, operation, extension_version_id, outcome, attempts, output, output_hash, error,"     \
    " cost_usd, cost_tokens, cost_ms, started_at)"                                                                   \
    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27)"

static const char SQL_TASK[] = INSERT_TASK;
static const char SQL_TASK_AGAIN[] =
    INSERT_TASK " ON CONFLICT (id) DO UPDATE SET extension_id=?3, task_payload=?6, task_status=?7,"
                " execution_context=?8, dispatched_at=?10, completed_at=?11, operation=?17, extension_version_id=?18,"
                " outcome=?19, attempts=?20, output=?21, output_hash=?22, error=?23, cost_usd=?24, cost_tokens=?25,"
                " cost_ms=?26, started_at=?27";

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

/* The host as an extension, whose operations are the verbs that call none. */
static int
register_host(sy__engine *e, sy__error *err)
{
    char text[1024];
    sy__vbuf b;
    sy__value v;
    (void)snprintf(text, sizeof text,
                   "{\"id\":\"%s\",\"version_id\":\"%s\",\"name\":\"host\",\"type\":\"operator\",\"entry\":\"\","
                   "\"capabilities\":{},\"sources\":{},\"operations\":{"
                   "\"ask\":{\"effects\":\"none\",\"idempotent\":true},"
                   "\"sub\":{\"effects\":\"none\",\"idempotent\":true},"
                   "\"flow\":{\"effects\":\"none\",\"idempotent\":true},"
                   "\"sleep\":{\"effects\":\"none\",\"idempotent\":true},"
                   "\"now\":{\"effects\":\"none\",\"idempotent\":true},"
                   "\"random\":{\"effects\":\"none\",\"idempotent\":true}}}",
                   e->statements->host, e->statements->host_version);
    sy__vbuf_init(&b, e->alloc);
    int status = sy__value_from_json(&b, text, strlen(text), err);
    if (!status) status = sy__vbuf_done(&b, &v);
    if (!status) status = sy__registry_add(e->o.registry, v, NULL, err);
    sy__vbuf_close(&b);
    return status;
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
    st->task = sy__db_rows(e->o.db, SQL_TASK, SQL_TASK_AGAIN);
    st->run = sy__db_statement(e->o.db, SQL_RUN);
    st->pit = sy__db_statement(e->o.db, SQL_PIT);
    st->artifact = sy__db_statement(e->o.db, SQL_ARTIFACT);
    st->event_artifact = sy__db_statement(e->o.db, SQL_EVENT_ARTIFACT);
    st->pit_artifact = sy__db_statement(e->o.db, SQL_PIT_ARTIFACT);
    st->quality = sy__db_statement(e->o.db, SQL_QUALITY);
    st->handled = sy__db_statement(e->o.db, "UPDATE control SET handled_at=?2, result=?3 WHERE id=?1");
    st->uncertain = sy__db_statement(e->o.db, "UPDATE task SET error=?2 WHERE id=?1");
    st->compensated = sy__db_statement(
        e->o.db, "UPDATE task SET outcome='compensated' WHERE pipeline_orchestration_id=?1 AND key=?2");
    st->left = sy__db_statement(e->o.db, "UPDATE task SET task_status='failed', outcome='cancelled', completed_at=?2"
                                         " WHERE pipeline_orchestration_id=?1 AND outcome IS NULL AND key<>''");
    st->stream = sy__stream_statement(e->o.db);
    if (sy__state_statements(e) || sy__chore_statements(e) || sy__cache_statements(e) || st->uncertain < 0 ||
        st->left < 0 || st->stream < 0)
        return sy__error_set(err, SY_ENOMEM, "no memory for the statements");
    return register_host(e, err);
}
