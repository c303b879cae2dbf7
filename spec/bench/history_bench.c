/*
 * history_bench.c: what a project with a thousand runs answers, beside one with ten.
 *
 *     history_bench [RUNS]
 *
 * Makes RUNS (1,000) runs of 30 tasks each with the Release binary beside this program, then measures, from fork to
 * exit, what people do every day, median of 9; then all old runs but the newest hundred are removed. The numbers of
 * rows and bytes are printed, so that it is known what was asked.
 */
#include "bench/bench.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 9, FEW = 10 };

extern char **environ;

static const char MELODY[] =
    "local m = require 'melody' 'many'\n"
    "local list = {}\n"
    "for i = 1, 28 do list[i] = 'f' .. i end\n"
    "local each = m:each('each', list, 'file.stat', function(name) return { path = '.' } end)\n"
    "local report = m:task('report', 'report.write', { title = 'Many', notes = 'none' }, { after = { 'each' } })\n"
    "m:output('report', report)\n"
    "return m\n";

static double
once(char *const argv[])
{
    posix_spawn_file_actions_t quiet;
    pid_t child;
    int status = 1;
    (void)posix_spawn_file_actions_init(&quiet);
    (void)posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    double start = bench_seconds();
    bench_need(posix_spawn(&child, argv[0], &quiet, NULL, argv, environ) == 0, "the binary does not start");
    (void)waitpid(child, &status, 0);
    double ms = (bench_seconds() - start) * 1e3;
    if (status != 0) (void)fprintf(stderr, "history_bench: %s %s\n", argv[1], argv[2] ? argv[2] : "");
    bench_need(status == 0, "the binary failed");
    (void)posix_spawn_file_actions_destroy(&quiet);
    return ms;
}

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
measure(const char *what, int runs, char *const argv[])
{
    double ms[ROUNDS];
    char name[80];
    for (int i = 0; i < ROUNDS; i++) ms[i] = once(argv);
    qsort(ms, ROUNDS, sizeof *ms, by_size);
    (void)snprintf(name, sizeof name, "%s, %d runs", what, runs);
    bench_print("history", name, ms[ROUNDS / 2], "ms", 0);
}

/* What people do in a project every day. */
static void
measure_all(char *binary, char *melody, int runs)
{
    char first[16];
    (void)snprintf(first, sizeof first, "%d", runs / 2);
    measure("runs", runs, (char *[]){binary, "runs", NULL});
    measure("show last", runs, (char *[]){binary, "show", NULL});
    measure("show, half way back", runs, (char *[]){binary, "show", first, NULL});
    measure("logs, half way back", runs, (char *[]){binary, "logs", first, NULL});
    measure("why", runs, (char *[]){binary, "why", "last", "report", NULL});
    measure("artifact ls", runs, (char *[]){binary, "artifact", "ls", NULL});
    measure("run hello", runs, (char *[]){binary, "run", "hello", NULL});
    measure("run, 30 tasks", runs, (char *[]){binary, "run", melody, NULL});
    measure("gc --dry-run", runs, (char *[]){binary, "gc", "--dry-run", NULL});
}

static double
number(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    bench_need(sqlite3_open(".symphony/symphony.db", &db) == SQLITE_OK, "the database");
    bench_need(sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK, sql);
    double n = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_double(q, 0) : 0;
    (void)sqlite3_finalize(q);
    (void)sqlite3_close(db);
    return n;
}

static void
tables(int runs)
{
    static const char *const names[] = {"task",    "event", "pit_operation",          "artifact",
                                        "session", "blob",  "pipeline_orchestration", "extension_session"};
    char sql[160], what[80];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", names[i]);
        (void)snprintf(what, sizeof what, "rows of %s", names[i]);
        bench_print("history", what, number(sql), "rows", 0);
    }
    double bytes = number("SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM "
                          "pragma_page_size)");
    bench_print("history", "database", bytes / (1 << 20), "MiB", 0);
    bench_print("history", "database, each run", bytes / 1024 / runs, "KiB", 0);
}

static void
collect(char *binary)
{
    (void)number("UPDATE pipeline_orchestration SET completed_at = '2020' || substr(completed_at, 5)");
    (void)number("UPDATE task SET completed_at = '2020' || substr(completed_at, 5)");
    double ms = once((char *[]){binary, "gc", NULL});
    double kept = number("SELECT count(*) FROM pipeline_orchestration");
    bench_print("history", "gc, all but the newest hundred of each melody", ms, "ms", 0);
    bench_print("history", "runs kept", kept, "runs", 0);
    double bytes = number("SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM "
                          "pragma_page_size)");
    bench_print("history", "database after gc", bytes / (1 << 20), "MiB", 0);
}

int
main(int argc, char **argv)
{
    char dir[] = "/var/tmp/symphony-history-XXXXXX", self[PATH_MAX], binary[PATH_MAX + 16], melody[128], command[160];
    int runs = argc > 1 ? atoi(argv[1]) : 1000;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    bench_need(n > 0 && mkdtemp(dir) && runs > FEW, "a scratch folder, and more than ten runs");
    self[n] = '\0';
    (void)snprintf(binary, sizeof binary, "%s/symphony", dirname(self));
    bench_need(access(binary, X_OK) == 0, "build the program first: ninja symphony");
    (void)snprintf(melody, sizeof melody, "%s/many.lua", dir);
    (void)setenv("HOME", dir, 1);
    (void)unsetenv("XDG_DATA_HOME");
    (void)unsetenv("XDG_CONFIG_HOME");
    FILE *f = fopen(melody, "w");
    bench_need(f && fputs(MELODY, f) > 0 && fclose(f) == 0, "the melody");
    (void)snprintf(command, sizeof command, "%s/project", dir);
    bench_need(mkdir(command, 0700) == 0 && chdir(command) == 0 && mkdir(".symphony", 0700) == 0, "the project");
    for (int i = 0; i < runs; i++) {
        if (i == FEW) measure_all(binary, melody, FEW);
        (void)once((char *[]){binary, "run", melody, "--no-cache", NULL});
    }
    measure_all(binary, melody, runs);
    tables(runs + 4 * ROUNDS);
    collect(binary);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
