/*
 * engine_bench.c: tasks per second of whole runs, counted in the database afterwards.
 *
 *     engine_bench                                  every figure, each in a process of its own
 *     engine_bench SHAPE N full|process|none        one: fan, lattice, chain, each, fib10, fib33 or resume
 *
 * Shapes: fan: N no-op tasks and a join; lattice: N x N with two parents each; chain of N; each: a map over N
 * items. The operation is a Lua function in an isolate that returns its input. fib10 and fib33: a chain of N tasks
 * that work out a Fibonacci number the slow way; beside fib33 the same function is called N times in an isolate
 * alone. resume: a fan is killed when its N tasks have ended, and goes on in another process.
 *
 * A figure counts only when every task's row with its stamps, its events and the Pit's rows are found (at level
 * `none`: the run's row and outputs); the counts are printed.
 */
#include "host/project.h"
#include "kit/isolate.h"
#include "kit/watchdog.h"

#include "bench/bench.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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
add_task(sy__buf *b, const char *operation, int i, const int *parents, int count)
{
    sy__buf_addf(b, "%s{\"key\":\"t%d\",\"operation\":\"bench.%s\",\"extension\":\"bench\",\"input\":{}", i ? "," : "",
                 i, operation);
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
                add_task(b, "noop", tasks++, parents, row == 0 ? 0 : col + 1 < n ? 2 : 1);
            }
    } else {
        int *all = calloc((size_t)n, sizeof *all);
        bool fan = strcmp(shape, "fan") == 0 || strcmp(shape, "resume") == 0;
        const char *operation = strncmp(shape, "fib", 3) == 0 ? shape : "noop";
        for (; tasks < n; tasks++) {
            int parent = tasks - 1;
            all[tasks] = tasks;
            add_task(b, operation, tasks, &parent, !fan && tasks > 0);
        }
        if (fan) add_task(b, strcmp(shape, "fan") == 0 ? "noop" : "last", tasks++, all, n);
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

static void
text(sqlite3 *conn, const char *sql, char *out, size_t room)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) || sqlite3_step(stmt) != SQLITE_ROW) die(sql, NULL);
    (void)snprintf(out, room, "%s", (const char *)sqlite3_column_text(stmt, 0));
    (void)sqlite3_finalize(stmt);
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
    double tasks_per_s, us_per_task, seconds, peak_mib;
} figure;

static const figure figures[] = {
    {"fan", 10000, "full", .tasks_per_s = 50000, .peak_mib = 100},
    {"fan", 10000, "process", .tasks_per_s = 50000},
    {"lattice", 100, "full", .tasks_per_s = 50000},
    {"lattice", 100, "process", .tasks_per_s = 50000},
    {"each", 10000, "full", .tasks_per_s = 50000},
    {"each", 10000, "process", .tasks_per_s = 50000},
    {"chain", 1000, "full", .us_per_task = 20},
    {"chain", 1000, "process", .us_per_task = 20},
    {"fan", 10000, "none", .tasks_per_s = 200000},
    {"lattice", 100, "none", .tasks_per_s = 200000},
    {"each", 100000, "none", .tasks_per_s = 200000},
    {"each", 1000000, "full", .seconds = 20, .peak_mib = 400},
    {"each", 1000000, "none", .seconds = 20, .peak_mib = 400},
    {"fib10", 400, "full", .seconds = 0.1},
    {"fib33", 40, "full", .seconds = 0},
    {"resume", 10000, "full", .seconds = 0},
};

/* The work must be there: rows with stamps, two events a task, rows of the Pit. */
static void
verify(sqlite3 *conn, const figure *f, long long tasks)
{
    long long rows =
        count(conn, "SELECT count(*) FROM task WHERE key <> '' AND outcome = 'ok' AND created_at IS NOT NULL"
                    " AND dispatched_at IS NOT NULL AND completed_at IS NOT NULL");
    bool resumed = strcmp(f->shape, "resume") == 0; /* its last task begins once more */
    long long events =
        count(conn, resumed ? "SELECT count(*) FROM (SELECT DISTINCT task_id, event_type FROM event"
                              " WHERE event_type IN ('task_started', 'task.completed'))"
                            : "SELECT count(*) FROM event WHERE event_type IN ('task_started', 'task.completed')");
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
    bench_print("engine", what, (double)tasks / seconds, "tasks/s", f->tasks_per_s);
    (void)snprintf(what, sizeof what, "%s %d, %s: all of it", f->shape, f->n, f->level);
    if (f->seconds > 0) bench_print("engine", what, seconds, "s", -f->seconds);
    (void)snprintf(what, sizeof what, "%s %d, %s: a task", f->shape, f->n, f->level);
    if (f->us_per_task > 0) bench_print("engine", what, seconds / (double)tasks * 1e6, "us/task", -f->us_per_task);
    for (int i = 0; i < GROUPS; i++) {
        (void)snprintf(what, sizeof what, "%s %d, %s: processor time, %s", f->shape, f->n, f->level, group_names[i]);
        bench_print("engine", what, cpu[i] / (double)tasks, "us/task", 0);
    }
    (void)snprintf(what, sizeof what, "%s %d, %s: peak memory", f->shape, f->n, f->level);
    bench_print("engine", what, (double)usage.ru_maxrss / 1024, "MiB", -f->peak_mib);
}

/* `last` never ends in the first process of a resume: it is killed there. */
#define FIB "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end "
static const char code[] =
    FIB "return { noop = function(input) return input end, fib10 = function() return fib(10) end,"
        " fib33 = function() return fib(33) end, last = function() return true end }";
static const char hanging[] =
    "return { noop = function(input) return input end, last = function() while true do end end }";

static const char description[] =
    "{\"id\":\"bench\",\"version_id\":\"bench-1\",\"name\":\"bench\",\"type\":\"operator\",\"entry\":\"init.lua\","
    "\"capabilities\":{},\"operations\":{\"noop\":{\"effects\":\"none\",\"idempotent\":true},"
    "\"fib10\":{\"effects\":\"none\"},\"fib33\":{\"effects\":\"none\"},\"last\":{\"effects\":\"none\"}},"
    "\"sources\":{\"init.lua\":\"%s\"}}";

static void
add_extension(sy__project *p, const char *dir, const char *source)
{
    char text[2048];
    sy__vbuf b;
    sy__error err = {0};
    (void)snprintf(text, sizeof text, description, source);
    if (sy__registry_add(sy__project_registry(p), parse(&b, text), dir, &err)) die("extension", &err);
    sy__vbuf_close(&b);
}

/* Opens the project in `dir`; makes it with the extension `bench`, or finds it there. */
static sy__project *
open_project(const char *dir, const char *source, bool make)
{
    sy__error err = {0};
    sy__project *p;
    sy__project_options o = {.alloc = &sy__alloc_default, .dir = dir, .watchdog_signal = sy__watchdog_free_signal()};
    if (o.watchdog_signal && sy__watchdog_take(o.watchdog_signal, &err)) die("signal", &err);
    if (sy__project_open(&p, &o, &err)) die("open", &err);
    sy__db *db = sy__project_db(p);
    if (sy__db_identity(db, "0192d3b0-0000-7000-8000-000000000001", "bench", "", "{}", "bench", "{}", &err))
        die("identity", &err);
    if (make && sy__db_exclusive(db, write_rows, NULL, &err)) die("rows", &err);
    add_extension(p, dir, source);
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

static sy__durability
level_of(const figure *f)
{
    return strcmp(f->level, "none") == 0      ? SY__LEVEL_NONE
           : strcmp(f->level, "process") == 0 ? SY__LEVEL_PROCESS
                                              : SY__LEVEL_FULL;
}

static void
verify_in(sy__project *p, const figure *f, int tasks)
{
    sqlite3 *conn = sy__db_reader(sy__project_db(p), NULL);
    verify(conn, f, tasks);
    sy__db_reader_release(sy__project_db(p), conn);
}

static void
make_dir(char *dir)
{
    if (!mkdtemp(dir)) die("mkdtemp", NULL);
}

static void
remove_dir(const char *dir)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) die("rm", NULL);
}

/* ---- the same function in an isolate alone ---- */

/* Microseconds of processor time of `n` calls of fib33, with the limits a task of it has. */
static double
bare(sy__project *p, int n)
{
    sy__watchdog watchdog = {0};
    sy__extension *ext = sy__registry_get(sy__project_registry(p), "bench");
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = "bench",
                             .profile = SY__PROFILE_EXTENSION,
                             .caps = ext->caps,
                             .watchdog = &watchdog};
    sy__isolate *iso;
    sy__vbuf b;
    sy__error err = {0};
    double before[GROUPS], after[GROUPS];
    (void)sy__watchdog_begin(&watchdog, sy__watchdog_free_signal());
    if (sy__isolate_new(&iso, &o, &err) || sy__isolate_load(iso, code, strlen(code), "init.lua", 0, &err))
        die("isolate", &err);
    sy__value input = parse(&b, "{}");
    cpu_us(before);
    for (int i = 0; i < n; i++) {
        sy__call call = {.operation = "fib33",
                         .input = input,
                         .deadline_ns =
                             sy__mono_ns(&sy__clock_system) + sy__caps_timeout_ms(ext->caps) * (int64_t)1000000};
        if (sy__isolate_call(iso, &call)) die("call", &call.error);
        sy__call_close(&call);
    }
    cpu_us(after);
    sy__isolate_free(iso);
    sy__watchdog_end(&watchdog);
    sy__vbuf_close(&b);
    return after[CALLER] - before[CALLER];
}

/* Half of the bare calls before the run and half behind it, so that a clock that drifts drifts for both. */
static void
report_overhead(const figure *f, double bare_us, const double cpu[GROUPS])
{
    char what[96];
    double all = cpu[CALLER] + cpu[STAGES] + cpu[WRITER];
    (void)snprintf(what, sizeof what, "%s %d, %s: the function alone", f->shape, f->n, f->level);
    bench_print("engine", what, bare_us / 1e6, "s", 0);
    (void)snprintf(what, sizeof what, "%s %d, %s: processor time beyond it", f->shape, f->n, f->level);
    bench_print("engine", what, (all / bare_us - 1) * 100, "%", -2);
}

static void
measure(const figure *f)
{
    char dir[] = "/var/tmp/symphony-bench-XXXXXX";
    sy__vbuf definition, params;
    sy__buf json;
    make_dir(dir);
    sy__project *p = open_project(dir, code, true);
    sy__buf_init(&json, &sy__alloc_default);
    int tasks = make_definition(f->shape, f->n, &json);
    sy__run_request q = {.definition = parse(&definition, sy__buf_cstr(&json)), .params = parse(&params, "{}")};
    q.durability = level_of(f);
    sy__buf_close(&json);
    bool compare = strcmp(f->shape, "fib33") == 0;
    double alone = compare ? bare(p, f->n / 2) : 0;
    double cpu[GROUPS], seconds = run_to_end(p, &q, cpu);
    if (compare) alone += bare(p, f->n - f->n / 2);
    report(f, tasks, seconds, cpu);
    if (compare) report_overhead(f, alone, cpu);
    verify_in(p, f, tasks);
    sy__project_close(p);
    sy__vbuf_close(&definition);
    sy__vbuf_close(&params);
    remove_dir(dir);
}

/* ---- resume ---- */

/* Runs the fan until it is killed. */
static void
run_and_hang(const char *dir, const figure *f)
{
    sy__vbuf definition, params;
    sy__buf json;
    sy__error err = {0};
    sy__run_info info = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    sy__project *p = open_project(dir, hanging, true);
    sy__buf_init(&json, &sy__alloc_default);
    (void)make_definition(f->shape, f->n, &json);
    sy__run_request q = {.definition = parse(&definition, sy__buf_cstr(&json)), .params = parse(&params, "{}")};
    q.durability = level_of(f);
    if (sy__engine_start(sy__project_engine(p), &q, &info, &err)) die("start", &err);
    for (;;) (void)sy__project_step(p, 1000);
}

/* Waits until the `n` tasks have ended. */
static void
await_tasks(const char *dir, int n)
{
    char file[128];
    long long ended = 0;
    (void)snprintf(file, sizeof file, "%s/.symphony/symphony.db", dir);
    while (ended < n) {
        sqlite3 *conn = NULL;
        (void)usleep(20000);
        if (sqlite3_open_v2(file, &conn, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK)
            ended = count(conn, "SELECT count(*) FROM task WHERE outcome = 'ok'");
        (void)sqlite3_close(conn);
    }
}

/* The command: opens the project, takes the run over; its last task begins. */
static void
measure_resume(const figure *f)
{
    char dir[] = "/var/tmp/symphony-bench-XXXXXX", what[96];
    sy__error err = {0};
    sy__run_info info = {0};
    make_dir(dir);
    pid_t child = fork();
    if (child == 0) run_and_hang(dir, f);
    await_tasks(dir, f->n);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    int64_t began_ms = sy__wall_ms(&sy__clock_system);
    sy__project *p = open_project(dir, code, false);
    char id[SY__ID_BYTES];
    sqlite3 *conn = sy__db_reader(sy__project_db(p), &err);
    text(conn, "SELECT id FROM pipeline_orchestration", id, sizeof id);
    sy__resume_request q = {.run = id};
    if (sy__engine_resume(sy__project_engine(p), &q, &info, &err)) die("resume", &err);
    while (!info.committed) {
        (void)sy__project_step(p, 1000);
        (void)sy__engine_info(sy__project_engine(p), id, &info);
    }
    char sql[160];
    (void)snprintf(sql, sizeof sql,
                   "SELECT round((julianday(started_at) - 2440587.5) * 86400000) - %lld FROM task WHERE key = 't%d'",
                   (long long)began_ms, f->n);
    (void)snprintf(what, sizeof what, "resume after %d tasks: the next one begins", f->n);
    bench_print("engine", what, (double)count(conn, sql), "ms", -200);
    sy__db_reader_release(sy__project_db(p), conn);
    verify_in(p, f, f->n + 1);
    sy__project_close(p);
    remove_dir(dir);
}

static void
measure_one(const figure *f)
{
    if (strcmp(f->shape, "resume") == 0)
        measure_resume(f);
    else
        measure(f);
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
            measure_one(&figures[i]);
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
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (strcmp(figures[i].shape, f.shape) == 0 && figures[i].n == f.n && strcmp(figures[i].level, f.level) == 0)
            f = figures[i];
    measure_one(&f);
    return 0;
}
