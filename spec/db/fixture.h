/* fixture.h: a project's database in a folder of its own, with the rows that tasks refer to. */
#ifndef SY_SPEC_DB_FIXTURE_H
#define SY_SPEC_DB_FIXTURE_H

#include "db/db.h"

#include "test.h"

#include <ftw.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static sy__log fixture_log;
static char fixture_last[4096]; /* the last line of the log */

static void
fixture_sink(void *ud, sy__log_level level, int64_t wall_ms, const char *area, const char *line)
{
    (void)ud, (void)wall_ms;
    if (getenv("SYMPHONY_TEST_LOG")) (void)fprintf(stderr, "%d %s: %s\n", (int)level, area, line);
    (void)snprintf(fixture_last, sizeof fixture_last, "%s", line);
}

/* A new folder in the build tree's place for temporary files; the caller removes it with fixture_remove. */
UNUSED static void
fixture_dir(char out[256])
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(out, 256, "%s/symphony-db-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(out)) abort();
    if (!fixture_log.sink) {
        sy__log_init(&fixture_log, &sy__clock_system);
        fixture_log.sink = fixture_sink;
    }
}

static int
fixture_unlink(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st, (void)flag, (void)at;
    return remove(path);
}

UNUSED static void
fixture_remove(const char *dir)
{
    (void)nftw(dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* Opens dir/.symphony; NULL with err set on failure. */
UNUSED static sy__db *
fixture_open(const char *dir, void (*on_event)(void *, const sy__event *), void *ud, int retry_ms, sy__error *err)
{
    char path[300];
    sy__db *db = NULL;
    (void)snprintf(path, sizeof path, "%s/.symphony", dir);
    const sy__db_options o = {.alloc = &sy__alloc_default,
                              .clock = &sy__clock_system,
                              .log = &fixture_log,
                              .dir = path,
                              .on_event = on_event,
                              .on_event_ud = ud,
                              .retry_ms = retry_ms};
    (void)sy__db_open(&db, &o, err);
    return db;
}

UNUSED static sy__db *
fixture_open_with_project(const char *dir, void (*on_event)(void *, const sy__event *), void *ud, int retry_ms)
{
    sy__error err = {0};
    sy__db *db = fixture_open(dir, on_event, ud, retry_ms, &err);
    if (!db || sy__db_identity(db, "01900000-0000-7000-8000-00000000000a", "ann", "", "{}", "demo", "{}", &err)) {
        (void)fprintf(stderr, "%s\n", err.message);
        abort();
    }
    return db;
}

#define T(s) ((sy__param){.kind = SY__P_TEXT, .p = (s), .len = strlen(s)})
#define I(n) ((sy__param){.kind = SY__P_INT, .i = (n)})
#define NIL ((sy__param){.kind = SY__P_NULL})

/* Queues a run's row. */
UNUSED static int
fixture_run(sy__db *db, const char *run, int number, int64_t epoch)
{
    const sy__db_ids *ids = sy__db_known(db);
    int s = sy__db_statement(db, "INSERT INTO pipeline_orchestration (id, conductor_id, task_dag, execution_sequence,"
                                 " orchestration_type, project_id, number, status, durability, owner_host, owner_epoch,"
                                 " created_at) VALUES (?1, ?2, '{}', '[]', 'manual', ?3, ?4, 'running', 'full', ?5, ?6,"
                                 " '2026-11-22T13:00:00.000Z')");
    const sy__param p[] = {T(run), T(ids->conductor), T(ids->project), I(number), T(sy__db_host_id(db)), I(epoch)};
    return sy__db_put(db, SY__LEVEL_FULL, s, run, p, 6, NULL);
}

/* Queues a task's whole row, as the engine does. */
UNUSED static int
fixture_task(sy__db *db, sy__durability level, const char *run, const char *id, const char *key, const char *status,
             sy__db_slot *slot)
{
    const sy__db_ids *ids = sy__db_known(db);
#define INSERT_TASK                                                                                              \
    "INSERT INTO task (id, conductor_id, extension_id, task_type, task_payload, task_status, execution_context," \
    " created_at, dispatched_at, completed_at, orchestra_kit_id, pipeline_orchestration_id, key, operation,"     \
    " extension_version_id, attempts, output) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)"
    int s = sy__db_rows(db, INSERT_TASK,
                        INSERT_TASK " ON CONFLICT (id) DO UPDATE SET task_status = ?6, dispatched_at = ?9,"
                                    " completed_at = ?10, attempts = ?16, output = ?17");
#undef INSERT_TASK
    const char *at = "2026-11-22T13:00:00.000Z";
    const sy__param p[] = {T(id),
                           T(ids->conductor),
                           T(ids->host_extension),
                           T("extension_activation"),
                           T("{\"n\":1}"),
                           T(status),
                           T("{}"),
                           T(at),
                           T(at),
                           T(at),
                           T(ids->orchestra_kit),
                           T(run),
                           T(key),
                           T("host.each"),
                           T(ids->host_version),
                           I(1),
                           T("{\"ok\":true}")};
    return sy__db_put(db, level, s, run, p, sizeof p / sizeof *p, slot);
}

UNUSED static int
fixture_event(sy__db *db, sy__durability level, const char *id, const char *run, const char *task, const char *payload)
{
    char topic[128];
    (void)snprintf(topic, sizeof topic, "run.%s.%s.task_started", run, task);
    const sy__event e = {.id = id,
                         .run = run,
                         .task = task,
                         .extension = sy__db_known(db)->host_extension,
                         .type = "task_started",
                         .topic = topic,
                         .payload = payload,
                         .context = "{}",
                         .occurred_ms = 1795352400123};
    return sy__db_put_event(db, level, &e);
}

/* The first column of a query; -1 when it fails. */
UNUSED static int64_t
fixture_int(sy__db *db, const char *sql)
{
    sqlite3 *conn = sy__db_reader(db, NULL);
    sqlite3_stmt *s = NULL;
    int64_t n = -1;
    if (conn && sqlite3_prepare_v2(conn, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    sy__db_reader_release(db, conn);
    return n;
}

UNUSED static void
fixture_text(sy__db *db, const char *sql, char *out, size_t bytes)
{
    sqlite3 *conn = sy__db_reader(db, NULL);
    sqlite3_stmt *s = NULL;
    out[0] = '\0';
    if (conn && sqlite3_prepare_v2(conn, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW &&
        sqlite3_column_text(s, 0))
        (void)snprintf(out, bytes, "%s", (const char *)sqlite3_column_text(s, 0));
    (void)sqlite3_finalize(s);
    sy__db_reader_release(db, conn);
}

#endif
