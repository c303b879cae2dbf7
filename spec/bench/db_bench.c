/*
 * db_bench.c: what the writer costs: a task's final row and its two events through sy__db_put, for each level.
 * Each figure counts only when every row is found afterwards. Argument: tasks (100,000).
 */
#include "db/db.h"

#include "bench.h"

#include <ftw.h>
#include <string.h>
#include <time.h>

enum { TASKS = 100000, BATCH = 64 };

static double
cpu_us(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st, (void)flag, (void)at;
    return remove(path);
}

static sy__param
text(const char *s)
{
    return (sy__param){.kind = SY__P_TEXT, .p = s, .len = strlen(s)};
}

static int
must(int code, const char *what)
{
    if (code >= 0) return code;
    (void)fprintf(stderr, "%s: %s\n", what, sy_strerror(code));
    exit(1);
}

static const char AT[] = "2026-11-22T13:00:00.000Z";

static void
put_run(sy__db *db, const char *run, int number)
{
    const sy__db_ids *ids = sy__db_known(db);
    int s = sy__db_statement(
        db, "INSERT INTO pipeline_orchestration (id, conductor_id, task_dag, execution_sequence,"
            " orchestration_type, project_id, number, status, durability, owner_host, owner_epoch,"
            " created_at) VALUES (?1, ?2, '{}', '[]', 'manual', ?3, ?4, 'running', 'full', ?5, 1, ?6)");
    const sy__param p[] = {
        text(run), text(ids->conductor), text(ids->project), {.kind = SY__P_INT, .i = number}, text(sy__db_host_id(db)),
        text(AT)};
    (void)must(sy__db_put(db, SY__LEVEL_FULL, s, run, p, 6, NULL), "run");
    (void)must(sy__db_run_own(db, run, 1), "own");
}

static void
put_event(sy__db *db, sy__durability level, const char *run, const char *task, const char *type)
{
    char topic[160];
    (void)snprintf(topic, sizeof topic, "run.%s.%s.%s", run, task, type);
    const sy__event e = {.run = run,
                         .task = task,
                         .extension = sy__db_known(db)->host_extension,
                         .type = type,
                         .topic = topic,
                         .payload = "{\"attempt\":1}",
                         .context = "{}",
                         .occurred_ms = 1795352400123};
    (void)must(sy__db_put_event(db, level, &e), "event");
}

static void
put_task(sy__db *db, sy__durability level, sy__id_source *source, const char *run, const char *parent, int n)
{
    static const char sql[] =
        "INSERT INTO task (id, conductor_id, extension_id, melody_id, task_type, task_payload, task_status,"
        " execution_context, created_at, dispatched_at, completed_at, orchestra_kit_id, pipeline_orchestration_id, key,"
        " parent_task_id, operation, extension_version_id, outcome, attempts, output, cost_ms)"
        " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21)";
    const sy__db_ids *ids = sy__db_known(db);
    char id[SY__ID_BYTES], key[32], payload[32];
    sy__id_next(source, id);
    (void)snprintf(key, sizeof key, "fan/%d", n);
    (void)snprintf(payload, sizeof payload, "{\"n\":%d}", n);
    const sy__param p[] = {text(id),
                           text(ids->conductor),
                           text(ids->host_extension),
                           {.kind = SY__P_NULL},
                           text("extension_activation"),
                           text(payload),
                           text("completed"),
                           text("{}"),
                           text(AT),
                           text(AT),
                           text(AT),
                           text(ids->orchestra_kit),
                           text(run),
                           text(key),
                           parent ? text(parent) : (sy__param){0},
                           text("host.each"),
                           text(ids->host_version),
                           text("ok"),
                           {.kind = SY__P_INT, .i = 1},
                           text("{\"ok\":true}"),
                           {.kind = SY__P_INT, .i = 0}};
    sy__db_slot slot = {0};
    (void)must(sy__db_put(db, level, sy__db_rows(db, sql, NULL), run, p, sizeof p / sizeof *p, &slot), "task");
    put_event(db, level, run, id, "task_started");
    put_event(db, level, run, id, "task.completed");
}

/* Rows of the run. */
static int64_t
count(sy__db *db, const char *select, const char *run)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "%s WHERE pipeline_orchestration_id = '%s'", select, run);
    sqlite3 *conn = sy__db_reader(db, NULL);
    sqlite3_stmt *s = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(conn, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    sy__db_reader_release(db, conn);
    return n;
}

static void
say(const char *level, const char *what, double value, const char *unit, double least)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s, %s", what, level);
    bench_print("db", text, value, unit, least);
}

static void
measure(sy__db *db, sy__durability level, const char *name, int number, int tasks)
{
    sy__id_source source;
    char run[SY__ID_BYTES];
    sy__id_source_init(&source, &sy__clock_system);
    sy__id_next(&source, run);
    put_run(db, run, number);
    (void)must(sy__db_wait(db, sy__db_now(db), true, NULL), "wait");
    double from = bench_seconds(), all = cpu_us(CLOCK_PROCESS_CPUTIME_ID), own = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    for (int n = 0; n < tasks; n += BATCH) {
        while (sy__db_full(db)) (void)must(sy__db_wait(db, sy__db_now(db), false, NULL), "wait");
        sy__db_begin(db);
        for (int i = n; i < n + BATCH && i < tasks; i++) put_task(db, level, &source, run, NULL, i);
        sy__db_end(db);
    }
    own = cpu_us(CLOCK_THREAD_CPUTIME_ID) - own;
    (void)must(sy__db_wait(db, sy__db_now(db), level == SY__LEVEL_FULL, NULL), "wait");
    double seconds = bench_seconds() - from;
    all = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - all;
    bench_need(count(db, "SELECT count(*) FROM task", run) == tasks, "a task's row is missing");
    bench_need(count(db, "SELECT count(*) FROM event", run) == 2 * (int64_t)tasks, "an event's row is missing");
    say(name, "tasks with 2 events", tasks / seconds, "tasks/s", 20000);
    say(name, "CPU of the writer", (all - own) / tasks, "us/task", -15);
    say(name, "CPU of the putter", own / tasks, "us/task", 0);
}

static void
measure_put(sy__db *db, int changes)
{
    int s = sy__db_statement(db, "UPDATE pin SET created_at = ?3 WHERE content_hash = ?1 AND created_at = ?2");
    const sy__param p[] = {text("sha256:none"), text(AT), text(AT)};
    sy__db_begin(db);
    double from = bench_seconds();
    for (int i = 0; i < changes; i++) (void)must(sy__db_put(db, SY__LEVEL_PROCESS, s, NULL, p, 3, NULL), "put");
    double ns = (bench_seconds() - from) * 1e9 / changes;
    sy__db_end(db);
    (void)must(sy__db_wait(db, sy__db_now(db), false, NULL), "wait");
    bench_print("db", "one put", ns, "ns", -300);
}

int
main(int argc, char **argv)
{
    char dir[256], path[300];
    int tasks = argc > 1 ? atoi(argv[1]) : TASKS;
    const char *base = getenv("TMPDIR");
    sy__db *db = NULL;
    sy__error err = {0};
    (void)snprintf(dir, sizeof dir, "%s/symphony-bench-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(dir)) return 1;
    (void)snprintf(path, sizeof path, "%s/.symphony", dir);
    const sy__db_options o = {.alloc = &sy__alloc_default, .clock = &sy__clock_system, .dir = path};
    double from = bench_seconds();
    (void)must(sy__db_open(&db, &o, &err), err.message);
    bench_print("db", "create", (bench_seconds() - from) * 1e3, "ms", 0);
    sy__db_close(db);
    from = bench_seconds();
    (void)must(sy__db_open(&db, &o, &err), err.message);
    bench_print("db", "open", (bench_seconds() - from) * 1e3, "ms", 0);
    (void)must(sy__db_identity(db, "01900000-0000-7000-8000-00000000000a", "bench", "", "{}", "bench", "{}", &err),
               err.message);
    measure_put(db, 15000);
    measure(db, SY__LEVEL_PROCESS, "process", 1, tasks);
    measure(db, SY__LEVEL_FULL, "full", 2, tasks);
    sy__db_close(db);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
