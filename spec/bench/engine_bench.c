/*
 * engine_bench.c: tasks per second of whole runs, counted in the database afterwards.
 *
 *     engine_bench                                  every figure, each in a process of its own
 *     engine_bench SHAPE N full|process|none        one: fan, lattice, chain or each
 *
 * Shapes: fan: N no-op tasks and a join; lattice: N x N with two parents each; chain of N; each: a map over N
 * items. The operation is a Lua function in an isolate that returns its input. A figure counts only when every
 * task's row with its stamps, its events and the Pit's rows are found (at level `none`: the run's row and outputs);
 * the counts are printed.
 */
#include "host/project.h"

#include "bench/bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
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
    sy__buf_addf(b, "%s{\"key\":\"t%d\",\"operation\":\"bench.noop\",\"extension\":\"bench\",\"input\":{}",
                 i ? "," : "", i);
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
        sy__buf_adds(
            b, "{\"key\":\"t\",\"verb\":\"each\",\"operation\":\"bench.noop\",\"extension\":\"bench\",\"list\":[");
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

/* ---- processor time by thread ---- */

enum { CALLER, STAGES, WRITER, GROUPS };

static const char *const group_names[GROUPS] = {"caller", "stages", "writer"};

static int
group_of(const char *tid)
{
    char path[300], name[32] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
    FILE *f = fopen(path, "r");
    if (f && !fgets(name, sizeof name, f)) name[0] = '\0';
    if (f) (void)fclose(f);
    return strncmp(name, "sy-stage", 8) == 0 ? STAGES : strncmp(name, "sy-writer", 9) == 0 ? WRITER : CALLER;
}

/* What the threads of each group have used, in microseconds. */
static void
cpu_us(double out[GROUPS])
{
    struct dirent *at;
    DIR *tasks = opendir("/proc/self/task");
    bench_need(tasks != NULL, "no /proc");
    for (int i = 0; i < GROUPS; i++) out[i] = 0;
    while ((at = readdir(tasks)) != NULL) {
        char path[300];
        double ns = 0;
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", at->d_name);
        FILE *f = at->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!f) continue;
        if (fscanf(f, "%lf", &ns) == 1) out[group_of(at->d_name)] += ns / 1e3;
        (void)fclose(f);
    }
    (void)closedir(tasks);
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
        "INSERT INTO extension (id, orchestra_kit_id, manifest, capabilities, extension_type, installed_at, name, "
        "source)"
        " SELECT 'bench', id, '{}', '{}', 'operator', '2026-01-01T00:00:00.000Z', 'bench', 'dev' FROM orchestra_kit;"
        "INSERT INTO extension_version (id, extension_id, version, code_hash, manifest, installed_at)"
        " VALUES ('bench-1', 'bench', '1.0.0', 'x', '{}', '2026-01-01T00:00:00.000Z');";
    (void)ud;
    char *why = NULL;
    if (sqlite3_exec(conn, sql, NULL, NULL, &why) == SQLITE_OK) return SY_OK;
    return sy__error_set(err, SY_EIO, "%s", why);
}

/* What a figure must reach; 0: nothing was asked of it. */
typedef struct figure {
    const char *shape;
    int n;
    const char *level;
    double tasks_per_s, us_per_task, peak_mib;
} figure;

static const figure figures[] = {
    {"fan", 10000, "full", 20000, 0, 100}, {"lattice", 100, "full", 20000, 0, 0},  {"each", 10000, "full", 0, 0, 0},
    {"fan", 10000, "none", 100000, 0, 0},  {"lattice", 100, "none", 100000, 0, 0}, {"each", 100000, "none", 0, 0, 0},
    {"chain", 1000, "process", 0, 60, 0},  {"chain", 1000, "full", 0, 0, 0},
};

/* The work must be there: rows with stamps, two events a task, rows of the Pit. */
static void
verify(sqlite3 *conn, const figure *f, long long tasks)
{
    long long rows =
        count(conn, "SELECT count(*) FROM task WHERE key <> '' AND outcome = 'ok' AND created_at IS NOT NULL"
                    " AND dispatched_at IS NOT NULL AND completed_at IS NOT NULL");
    long long events = count(conn, "SELECT count(*) FROM event WHERE event_type IN ('task_started', 'task.completed')");
    long long pit = count(conn, "SELECT count(*) FROM pit_operation");
    long long runs =
        count(conn, "SELECT count(*) FROM pipeline_orchestration WHERE status = 'completed' AND outputs IS NOT NULL");
    bool none = strcmp(f->level, "none") == 0;
    if (runs != 1 || (!none && (rows != tasks || events != 2 * tasks || pit < 3))) die("rows are missing", NULL);
    (void)printf("{\"bench\":\"engine\",\"what\":\"%s %d, %s: rows found\",\"tasks\":%lld,\"events\":%lld,"
                 "\"pit_operations\":%lld,\"runs\":%lld}\n",
                 f->shape, f->n, f->level, rows, events, pit, runs);
}

static void
report(const figure *f, long long tasks, double seconds, const double cpu[GROUPS])
{
    char what[96];
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)snprintf(what, sizeof what, "%s %d, %s", f->shape, f->n, f->level);
    if (f->us_per_task > 0)
        bench_print("engine", what, seconds / (double)tasks * 1e6, "us/task", -f->us_per_task);
    else
        bench_print("engine", what, (double)tasks / seconds, "tasks/s", f->tasks_per_s);
    for (int i = 0; i < GROUPS; i++) {
        (void)snprintf(what, sizeof what, "%s %d, %s: processor time, %s", f->shape, f->n, f->level, group_names[i]);
        bench_print("engine", what, cpu[i] / (double)tasks, "us/task", 0);
    }
    (void)snprintf(what, sizeof what, "%s %d, %s: peak memory", f->shape, f->n, f->level);
    bench_print("engine", what, (double)usage.ru_maxrss / 1024, "MiB", -f->peak_mib);
}

/* Opens a project in `dir` with the extension `bench`. */
static sy__project *
open_project(const char *dir)
{
    static const char description[] =
        "{\"id\":\"bench\",\"version_id\":\"bench-1\",\"name\":\"bench\",\"type\":\"operator\",\"entry\":\"init.lua\","
        "\"capabilities\":{},\"operations\":{\"noop\":{\"effects\":\"none\",\"idempotent\":true}},"
        "\"sources\":{\"init.lua\":\"return { noop = function(input) return input end }\"}}";
    sy__error err = {0};
    sy__project *p;
    sy__vbuf b;
    sy__project_options o = {.alloc = &sy__alloc_default, .dir = dir};
    if (sy__project_open(&p, &o, &err)) die("open", &err);
    sy__db *db = sy__project_db(p);
    if (sy__db_identity(db, "0192d3b0-0000-7000-8000-000000000001", "bench", "", "{}", "bench", "{}", &err))
        die("identity", &err);
    if (sy__db_exclusive(db, write_rows, NULL, &err)) die("rows", &err);
    if (sy__registry_add(sy__project_registry(p), parse(&b, description), dir, &err)) die("extension", &err);
    sy__vbuf_close(&b);
    return p;
}

/* From the start of the run to the commit of its end. */
static double
run_to_end(sy__project *p, const sy__run_request *q, double cpu[GROUPS])
{
    double before[GROUPS];
    sy__error err = {0};
    sy__run_info info = {0};
    cpu_us(before);
    double start = bench_seconds();
    if (sy__engine_start(sy__project_engine(p), q, &info, &err)) die("start", &err);
    if (getenv("BENCH_PHASES")) (void)fprintf(stderr, "start %.1f ms\n", (bench_seconds() - start) * 1e3);
    while (!info.committed) {
        (void)sy__project_step(p, 1000);
        (void)sy__engine_info(sy__project_engine(p), info.id, &info);
    }
    double seconds = bench_seconds() - start;
    cpu_us(cpu);
    for (int i = 0; i < GROUPS; i++) cpu[i] -= before[i];
    if (info.error.code) die("run", &info.error);
    return seconds;
}

static void
measure(const figure *f)
{
    char dir[] = "/var/tmp/symphony-bench-XXXXXX", command[128];
    sy__error err = {0};
    sy__vbuf definition, params;
    sy__buf json;
    if (!mkdtemp(dir)) die("mkdtemp", NULL);
    sy__project *p = open_project(dir);
    sy__buf_init(&json, &sy__alloc_default);
    int tasks = make_definition(f->shape, f->n, &json);
    sy__run_request q = {.definition = parse(&definition, sy__buf_cstr(&json)), .params = parse(&params, "{}")};
    q.durability = strcmp(f->level, "none") == 0      ? SY__LEVEL_NONE
                   : strcmp(f->level, "process") == 0 ? SY__LEVEL_PROCESS
                                                      : SY__LEVEL_FULL;
    double cpu[GROUPS], seconds = run_to_end(p, &q, cpu);
    report(f, tasks, seconds, cpu);
    sqlite3 *conn = sy__db_reader(sy__project_db(p), &err);
    verify(conn, f, tasks);
    sy__db_reader_release(sy__project_db(p), conn);
    sy__project_close(p);
    sy__vbuf_close(&definition);
    sy__vbuf_close(&params);
    sy__buf_close(&json);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) die("rm", NULL);
}

/* Each in a process of its own, so that one's memory is not another's. */
static int
measure_all(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            measure(&figures[i]);
            exit(0);
        }
        (void)waitpid(child, &status, 0);
        failed += status != 0;
    }
    return failed > 0;
}

int
main(int argc, char **argv)
{
    if (argc == 1) return measure_all();
    figure f = {.shape = argv[1], .n = argc > 2 ? atoi(argv[2]) : 10000, .level = argc > 3 ? argv[3] : "full"};
    measure(&f);
    return 0;
}
