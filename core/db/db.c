/*
 * db.c: opening and closing, in this order: the folder, the schema's lock, the database (made or migrated),
 * this host's lock file, the writer, its session row. Closing goes back the same way.
 */
#include "db/internal.h"

#include "db/folder.h"
#include "db/locks.h"
#include "db/migrate.h"
#include "db/sql.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x53594D50 /* "SYMP" */, RETRY_MS = 30000 };

static const sy__migration migrations[] = {
#include "db/migrations_list.h"
};

enum { MIGRATIONS = sizeof migrations / sizeof *migrations };

const char *
sy__db_migration(int number)
{
    return number >= 1 && number <= MIGRATIONS ? migrations[number - 1].sql : NULL;
}

static int
open_lock(sy__db *db, sy__error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/schema.lock", db->dir) >= PATH_MAX)
        return sy__error_set(err, SY_EIO, "the path is too long: %s", db->dir);
    return sy__lock_open(&db->schema_fd, path, err);
}

static int
open_database(sy__db *db, sqlite3 **conn, sy__error *err)
{
    const sy__schema_set set = {.migrations = migrations,
                                .count = MIGRATIONS,
                                .application_id = APPLICATION_ID,
                                .seed = sy__seed,
                                .seed_ud = db,
                                .dir = db->dir,
                                .lock_fd = db->schema_fd,
                                .clock = db->clock};
    int code = sy__migrate_open(conn, db->file, &set, err);
    if (code) return code;
    (void)sqlite3_busy_timeout(*conn, RETRY_MS);
    code = sy__seed_known(db, *conn, err);
    if (code == SY_OK) return SY_OK;
    (void)sqlite3_close(*conn);
    *conn = NULL;
    return code;
}

static int
put_session(sy__db *db, const char *sql, int count)
{
    char now[SY__STAMP_BYTES];
    sy__stamp(sy__wall_ms(db->clock), now);
    const sy__param params[] = {
        {.kind = SY__P_TEXT, .p = db->host_id, .len = strlen(db->host_id)},
        {.kind = SY__P_TEXT, .p = now, .len = strlen(now)},
        {.kind = SY__P_INT, .i = getpid()},
        {.kind = SY__P_TEXT, .p = sy_version(), .len = strlen(sy_version())},
    };
    int statement = sy__db_statement(db, sql);
    return statement < 0 ? statement : sy__db_put(db, SY__LEVEL_PROCESS, statement, NULL, params, count, NULL);
}

/* What a dead host did on its own, outside of any run, has failed: nobody takes it over. A sy__dead_fn. */
static bool
close_tasks(void *ud, const char *host)
{
    static const char sql[] = "UPDATE task SET task_status='failed', outcome='cancelled', completed_at=?2,"
                              " error='{\"code\":\"cancelled\",\"message\":\"its process ended before it did\"}'"
                              " WHERE pipeline_orchestration_id IS NULL AND task_status='executing'"
                              " AND json_extract(execution_context, '$.host')=?1";
    sy__db *db = ud;
    char now[SY__STAMP_BYTES];
    sy__stamp(sy__wall_ms(db->clock), now);
    const sy__param params[] = {
        {.kind = SY__P_TEXT, .p = host, .len = strlen(host)},
        {.kind = SY__P_TEXT, .p = now, .len = strlen(now)},
    };
    int statement = sy__db_statement(db, sql);
    if (statement < 0 || sy__db_put(db, SY__LEVEL_PROCESS, statement, NULL, params, 2, NULL)) return false;
    return sy__db_wait(db, sy__db_now(db), false, NULL) == SY_OK;
}

static int
name_files(sy__db *db, const char *dir, sy__error *err)
{
    size_t room = strlen(dir) + sizeof "/symphony.db";
    db->dir = sy__strdup(db->alloc, dir);
    db->file = sy__malloc(db->alloc, room);
    if (!db->dir || !db->file) return sy__error_set(err, SY_ENOMEM, "no memory to open %s", dir);
    (void)snprintf(db->file, room, "%s/symphony.db", dir);
    sy__id_source ids;
    sy__id_source_init(&ids, db->clock);
    sy__id_next(&ids, db->host_id);
    return SY_OK;
}

static int
open_all(sy__db *db, const char *dir, sy__error *err)
{
    sqlite3 *conn = NULL;
    int code = name_files(db, dir, err);
    if (code == SY_OK) code = sy__folder_make(dir, err);
    if (code == SY_OK) code = open_lock(db, err);
    if (code == SY_OK) code = open_database(db, &conn, err);
    if (code == SY_OK) code = sy__host_enter(&db->host_fd, dir, db->host_id, err);
    if (code) {
        (void)sqlite3_close(conn);
        return code;
    }
    code = sy__writer_start(db, conn, err);
    if (code == SY_OK)
        code = put_session(db, "INSERT INTO session (id, started_at, pid, version) VALUES (?1, ?2, ?3, ?4)", 4);
    if (code == SY_OK) sy__hosts_dead(dir, close_tasks, db);
    return code;
}

int
sy__db_open(sy__db **out, const sy__db_options *o, sy__error *err)
{
    sy__db *db = sy__calloc(o->alloc, 1, sizeof *db);
    *out = NULL;
    if (!db) return sy__error_set(err, SY_ENOMEM, "no memory to open %s", o->dir);
    db->alloc = o->alloc;
    db->clock = o->clock;
    db->log = o->log;
    db->on_event = o->on_event;
    db->on_event_ud = o->on_event_ud;
    db->retry_ms = o->retry_ms ? o->retry_ms : RETRY_MS;
    db->schema_fd = db->host_fd = -1;
    int code = sy__queue_init(&db->queue, db->alloc, err);
    if (code == SY_OK) code = sy__readers_init(db, err);
    if (code == SY_OK) code = open_all(db, o->dir, err);
    if (code) {
        sy__db_close(db);
        return code;
    }
    *out = db;
    return SY_OK;
}

void
sy__db_close(sy__db *db)
{
    if (!db) return;
    if (db->writer.started) (void)put_session(db, "UPDATE session SET ended_at = ?2 WHERE id = ?1", 2);
    sy__writer_stop(db);
    sy__readers_close(db);
    sy__queue_close(&db->queue);
    sy__host_leave(db->host_fd, db->dir, db->host_id);
    if (db->schema_fd >= 0) (void)close(db->schema_fd);
    sy__free(db->alloc, db->file);
    sy__free(db->alloc, db->dir);
    sy__free(db->alloc, db);
}

const char *
sy__db_host_id(const sy__db *db)
{
    return db->host_id;
}

const char *
sy__db_dir(const sy__db *db)
{
    return db->dir;
}

const sy__db_ids *
sy__db_known(const sy__db *db)
{
    return &db->ids;
}

bool
sy__db_host_alive(sy__db *db, const char *host_id)
{
    return sy__host_alive(db->dir, host_id);
}
