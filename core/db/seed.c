/*
 * seed.c: what a project's database begins with: one conductor, one orchestra kit, and the operator `host`,
 * which stands for what the engine does itself, so that no task is without an extension.
 */
#include "db/internal.h"

#include "db/sql.h"

#include <stdio.h>

static const char CONDUCTOR[] =
    "INSERT INTO conductor (id, rl_model_state, orchestration_strategies, performance_metrics, training_data,"
    " event_router_config) VALUES (?1, '{\"algorithm\":null,\"decisions\":0,\"seq\":0}',"
    " '{\"active\":\"manual\",\"available\":[\"manual\"],\"runs\":{\"manual\":0}}',"
    " '{\"runs\":0,\"completed\":0,\"failed\":0,\"cancelled\":0,\"seq\":0}', '{\"samples\":0,\"seq\":0}',"
    " '{\"queue_events\":1024,\"overflow\":\"replay\"}')";

static const char KIT[] =
    "INSERT INTO orchestra_kit (id, version, configuration, extension_registry, security_context, performance_state,"
    " task_queue) VALUES (?1, ?2, '{\"max_isolates\":1000}', '{\"installed\":[]}', '{\"default\":\"deny\"}',"
    " '{\"isolates\":0}', '{\"depth\":0,\"oldest\":[]}')";

#define HOST_OPERATIONS                                                                                   \
    "{\"run\":{\"doc\":\"A run of a melody.\"},\"each\":{\"doc\":\"One task for each item of a list.\"}," \
    "\"loop\":{\"doc\":\"A task again and again, until a condition holds.\"},"                            \
    "\"ask\":{\"doc\":\"A question to a person.\"},\"sub\":{\"doc\":\"Another melody as a task.\"},"      \
    "\"kit\":{\"doc\":\"Loading, installing, updating and checking extensions.\"},"                       \
    "\"pool\":{\"doc\":\"Pre-warming, leases and budget grants.\"},"                                      \
    "\"artifacts\":{\"doc\":\"Collecting, verifying and exporting artifacts.\"}}"

static const char EXTENSION[] =
    "INSERT INTO extension (id, orchestra_kit_id, manifest, capabilities, extension_type, lifecycle_state, "
    "installed_at,"
    " name, source) SELECT ?1, id, '{\"extension\":{\"name\":\"host\",\"type\":\"operator\",\"category\":\"engine\","
    "\"description\":\"What Symphony does itself.\"},\"operation\":" HOST_OPERATIONS "}', '{\"all\":true}', 'operator',"
    " 'activated', ?2, 'host', 'bundled' FROM orchestra_kit";

static const char OPERATOR[] =
    "INSERT INTO operator (extension_id, operator_type, input_schema, output_schema) VALUES (?1, 'host',"
    " '{\"run\":{\"type\":\"object\"},\"each\":{\"type\":\"array\"},\"loop\":{},\"ask\":{\"type\":\"object\"},"
    "\"sub\":{\"type\":\"object\"}}',"
    " '{\"run\":{\"type\":\"object\"},\"each\":{\"type\":\"array\"},\"loop\":{},\"ask\":{},\"sub\":{\"type\":"
    "\"object\"}}')";

static const char HOST_ID[] = "SELECT id FROM extension WHERE name = 'host'";

static void
stamp_now(const sy__db *db, char out[SY__STAMP_BYTES])
{
    sy__stamp(sy__wall_ms(db->clock), out);
}

int
sy__seed(sqlite3 *conn, void *ud, sy__error *err)
{
    sy__db *db = ud;
    sy__id_source ids;
    char conductor[SY__ID_BYTES], kit[SY__ID_BYTES], host[SY__ID_BYTES], now[SY__STAMP_BYTES];
    sy__id_source_init(&ids, db->clock);
    sy__id_next(&ids, conductor);
    sy__id_next(&ids, kit);
    sy__id_next(&ids, host);
    stamp_now(db, now);
    int code = sy__sql_texts(conn, CONDUCTOR, (const char *[]){conductor}, 1, err);
    if (code == SY_OK) code = sy__sql_texts(conn, KIT, (const char *[]){kit, sy_version()}, 2, err);
    if (code == SY_OK) code = sy__sql_texts(conn, EXTENSION, (const char *[]){host, now}, 2, err);
    if (code == SY_OK) code = sy__sql_texts(conn, OPERATOR, (const char *[]){host}, 1, err);
    return code;
}

/* This program's row of extension_version, made when a program of this version is here for the first time. */
static int
add_version(sy__db *db, sqlite3 *conn, sy__error *err)
{
    sy__id_source ids;
    char id[SY__ID_BYTES], now[SY__STAMP_BYTES];
    sy__id_source_init(&ids, db->clock);
    sy__id_next(&ids, id);
    stamp_now(db, now);
    const char *texts[] = {id, db->ids.host_extension, sy_version(), now};
    int code = sy__sql_exec(conn, "BEGIN IMMEDIATE", err);
    if (code) return code;
    code = sy__sql_texts(conn,
                         "INSERT INTO extension_version (id, extension_id, version, code_hash, manifest, installed_at)"
                         " SELECT ?1, id, ?3, 'builtin', manifest, ?4 FROM extension WHERE id = ?2"
                         " ON CONFLICT DO NOTHING",
                         texts, 4, err);
    if (code == SY_OK)
        code = sy__sql_texts(conn,
                             "UPDATE extension SET extension_version_id = (SELECT v.id FROM extension_version v"
                             " WHERE v.extension_id = ?1 AND v.version = ?2) WHERE id = ?1",
                             texts + 1, 2, err);
    if (code == SY_OK) code = sy__sql_texts(conn, "UPDATE orchestra_kit SET version = ?1", texts + 2, 1, err);
    if (code == SY_OK) code = sy__sql_exec(conn, "COMMIT", err);
    if (code && !sqlite3_get_autocommit(conn)) (void)sy__sql_exec(conn, "ROLLBACK", NULL);
    return code;
}

static int
find_version(sy__db *db, sqlite3 *conn, sy__error *err)
{
    const char *texts[] = {db->ids.host_extension, sy_version()};
    return sy__sql_text(conn, "SELECT id FROM extension_version WHERE extension_id = ?1 AND version = ?2", texts, 2,
                        db->ids.host_version, SY__ID_BYTES, err);
}

int
sy__seed_known(sy__db *db, sqlite3 *conn, sy__error *err)
{
    sy__db_ids *ids = &db->ids;
    int code = sy__sql_text(conn, "SELECT id FROM conductor", NULL, 0, ids->conductor, SY__ID_BYTES, err);
    if (code == SY_OK)
        code = sy__sql_text(conn, "SELECT id FROM orchestra_kit", NULL, 0, ids->orchestra_kit, SY__ID_BYTES, err);
    if (code == SY_OK) code = sy__sql_text(conn, HOST_ID, NULL, 0, ids->host_extension, SY__ID_BYTES, err);
    if (code == SY_OK) code = find_version(db, conn, err);
    if (code || ids->host_version[0]) return code;
    code = add_version(db, conn, err);
    return code ? code : find_version(db, conn, err);
}
