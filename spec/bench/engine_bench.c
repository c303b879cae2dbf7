/*
 * engine_bench.c: tasks per second of whole runs, durable, counted in the database afterwards.
 *
 *     engine_bench [fan N | lattice N | chain N | each N] [full|process|none]
 *
 * Shapes: fan N no-op tasks and a join; lattice N x N with two parents each; chain of N; each over N items.
 * The operation is a Lua function in an isolate that returns its input. A figure counts only when every task's
 * row with its stamps, its events and the Pit's rows are found; the counts are printed.
 */
#include "host/project.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void
die(const char *what, const sy__error *err)
{
    (void)fprintf(stderr, "engine_bench: %s: %s\n", what, err ? err->message : "");
    exit(1);
}

static void
add_task(sy__buf *b, int i, const int *parents, int count)
{
    sy__buf_addf(b, "%s{\"key\":\"t%d\",\"operation\":\"bench.noop\",\"extension\":\"bench\",\"input\":{}", i ? "," : "", i);
    if (count > 0) {
        sy__buf_adds(b, ",\"options\":{\"after\":[");
        for (int k = 0; k < count; k++) sy__buf_addf(b, "%s\"t%d\"", k ? "," : "", parents[k]);
        sy__buf_adds(b, "]}");
    }
    sy__buf_addc(b, '}');
}

static int
make_definition(const char *shape, int n, sy__buf *b)
{
    int tasks = 0;
    sy__buf_addf(b, "{\"format\":1,\"name\":\"%s\",\"tasks\":[", shape);
    if (strcmp(shape, "each") == 0) {
        sy__buf_adds(b, "{\"key\":\"t\",\"verb\":\"each\",\"operation\":\"bench.noop\",\"extension\":\"bench\",\"list\":[");
        for (int i = 0; i < n; i++) sy__buf_adds(b, i ? ",{}" : "{}");
        sy__buf_adds(b, "]}]}");
        return n + 1;
    }
    if (strcmp(shape, "lattice") == 0) {
        for (int row = 0; row < n; row++)
            for (int col = 0; col < n; col++) {
                int parents[2] = {tasks - n, tasks - n + (col + 1 < n ? 1 : 0)};
                add_task(b, tasks++, parents, row == 0 ? 0 : col + 1 < n ? 2 : 1);
            }
    } else {
        int *all = calloc((size_t)n, sizeof *all);
        for (; tasks < n; tasks++) {
            int parent = tasks - 1;
            all[tasks] = tasks;
            add_task(b, tasks, &parent, strcmp(shape, "chain") == 0 && tasks > 0);
        }
        if (strcmp(shape, "fan") == 0) add_task(b, tasks++, all, n);
        free(all);
    }
    sy__buf_adds(b, "]}");
    return tasks;
}

static long long
count(sqlite3 *conn, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    long long n = -1;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return n;
}

static sy__value
parse(sy__vbuf *b, const char *json)
{
    sy__value v;
    sy__error err = {0};
    sy__vbuf_init(b, &sy__alloc_default);
    if (sy__value_from_json(b, json, strlen(json), &err) || sy__vbuf_done(b, &v)) die("json", &err);
    return v;
}

static int
write_rows(sqlite3 *conn, void *ud, sy__error *err)
{
    static const char sql[] =
        "INSERT INTO extension (id, orchestra_kit_id, manifest, capabilities, extension_type, installed_at, name, source)"
        " SELECT 'bench', id, '{}', '{}', 'operator', '2026-01-01T00:00:00.000Z', 'bench', 'dev' FROM orchestra_kit;"
        "INSERT INTO extension_version (id, extension_id, version, code_hash, manifest, installed_at)"
        " VALUES ('bench-1', 'bench', '1.0.0', 'x', '{}', '2026-01-01T00:00:00.000Z');";
    (void)ud;
    char *why = NULL;
    if (sqlite3_exec(conn, sql, NULL, NULL, &why) == SQLITE_OK) return SY_OK;
    return sy__error_set(err, SY_EIO, "%s", why);
}

static void
report(sqlite3 *conn, const char *shape, const char *level, int tasks, double seconds)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("{\"bench\":\"engine\",\"shape\":\"%s\",\"level\":\"%s\",\"tasks\":%d,\"seconds\":%.4f,"
                 "\"tasks_per_s\":%.0f,\"us_per_task\":%.2f,\"peak_mib\":%.1f,"
                 "\"rows\":{\"task\":%lld,\"stamped\":%lld,\"event\":%lld,\"pit_operation\":%lld,\"run_completed\":%lld}}\n",
                 shape, level, tasks, seconds, tasks / seconds, seconds / tasks * 1e6, (double)usage.ru_maxrss / 1024,
                 count(conn, "SELECT count(*) FROM task WHERE key <> ''"),
                 count(conn, "SELECT count(*) FROM task WHERE key <> '' AND outcome = 'ok' AND created_at IS NOT NULL"
                             " AND dispatched_at IS NOT NULL AND completed_at IS NOT NULL"),
                 count(conn, "SELECT count(*) FROM event WHERE event_type IN ('task_started', 'task.completed')"),
                 count(conn, "SELECT count(*) FROM pit_operation"),
                 count(conn, "SELECT count(*) FROM pipeline_orchestration WHERE status = 'completed' AND outputs IS NOT NULL"));
}

int
main(int argc, char **argv)
{
    const char *shape = argc > 1 ? argv[1] : "fan", *level = argc > 3 ? argv[3] : "full";
    int n = argc > 2 ? atoi(argv[2]) : 10000;
    char dir[] = "/tmp/symphony-bench-XXXXXX", command[128];
    sy__error err = {0};
    sy__project *p;
    sy__vbuf extension, definition, params;
    sy__buf json;
    if (!mkdtemp(dir)) die("mkdtemp", NULL);
    sy__project_options o = {.alloc = &sy__alloc_default, .dir = dir};
    if (sy__project_open(&p, &o, &err)) die("open", &err);
    if (sy__db_identity(sy__project_db(p), "0192d3b0-0000-7000-8000-000000000001", "bench", "", "{}", "bench", "{}", &err))
        die("identity", &err);
    if (sy__db_exclusive(sy__project_db(p), write_rows, NULL, &err)) die("rows", &err);
    sy__value e = parse(&extension, "{\"id\":\"bench\",\"version_id\":\"bench-1\",\"name\":\"bench\",\"type\":\"operator\","
                                    "\"entry\":\"init.lua\",\"capabilities\":{},\"operations\":{\"noop\":{\"effects\":\"none\","
                                    "\"idempotent\":true}},\"sources\":{\"init.lua\":"
                                    "\"return { noop = function(input) return input end }\"}}");
    if (sy__registry_add(sy__project_registry(p), e, dir, &err)) die("extension", &err);
    sy__buf_init(&json, &sy__alloc_default);
    int tasks = make_definition(shape, n, &json);
    sy__run_request q = {.definition = parse(&definition, sy__buf_cstr(&json)), .params = parse(&params, "{}")};
    q.durability = strcmp(level, "none") == 0 ? SY__LEVEL_NONE : strcmp(level, "process") == 0 ? SY__LEVEL_PROCESS : SY__LEVEL_FULL;
    sy__run_info info = {0};
    int64_t start = sy__mono_ns(&sy__clock_system);
    if (sy__engine_start(sy__project_engine(p), &q, &info, &err)) die("start", &err);
    while (!info.committed) {
        (void)sy__project_step(p, 1000);
        (void)sy__engine_info(sy__project_engine(p), info.id, &info);
    }
    double seconds = (double)(sy__mono_ns(&sy__clock_system) - start) / 1e9;
    if (info.error.code) die("run", &info.error);
    sqlite3 *conn = sy__db_reader(sy__project_db(p), &err);
    report(conn, shape, level, tasks, seconds);
    sy__db_reader_release(sy__project_db(p), conn);
    sy__project_close(p);
    sy__vbuf_close(&extension);
    sy__vbuf_close(&definition);
    sy__vbuf_close(&params);
    sy__buf_close(&json);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
