/*
 * start_bench.c: how soon the program answers, and what an idle host takes.
 *
 * Starts the Release binary beside this program in a scratch project: `version`, and `run` of a melody with one
 * task, from fork to exit, best and median of 20. The idle host is this process after sy_open and one sy_step.
 */
#include "symphony.h"

#include "bench/bench.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 20 };

extern char **environ;

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
once(char *const argv[])
{
    posix_spawn_file_actions_t quiet;
    pid_t child;
    int status = 1;
    (void)posix_spawn_file_actions_init(&quiet);
    (void)posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    double start = bench_seconds();
    bench_need(posix_spawn(&child, argv[0], &quiet, NULL, argv, environ) == 0, "the binary does not start");
    (void)waitpid(child, &status, 0);
    double ms = (bench_seconds() - start) * 1e3;
    bench_need(status == 0, "the binary failed");
    (void)posix_spawn_file_actions_destroy(&quiet);
    return ms;
}

static void
measure(const char *what, char *const argv[], double most_ms)
{
    double ms[ROUNDS];
    char name[64];
    (void)once(argv);
    for (int i = 0; i < ROUNDS; i++) ms[i] = once(argv);
    qsort(ms, ROUNDS, sizeof *ms, by_size);
    bench_print("start", what, ms[ROUNDS / 2], "ms", -most_ms);
    (void)snprintf(name, sizeof name, "%s, best", what);
    bench_print("start", name, ms[0], "ms", 0);
}

/* Resident memory of this process, in MiB. */
static double
resident(void)
{
    long total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    bench_need(f && fscanf(f, "%ld %ld", &total, &pages) == 2, "statm");
    (void)fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void
idle_host(const char *project)
{
    sy_host *host;
    sy_options o = {.size = sizeof o, .project_dir = project};
    bench_need(sy_open(&host, &o) == SY_OK, "sy_open");
    (void)sy_step(host, 100);
    bench_print("start", "idle host, resident", resident(), "MiB", -20);
    sy_close(host);
}

int
main(void)
{
    char dir[] = "/var/tmp/symphony-start-XXXXXX", self[PATH_MAX], binary[PATH_MAX + 16], melody[128], project[128],
         command[160];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    bench_need(n > 0 && mkdtemp(dir), "a scratch folder");
    self[n] = '\0';
    (void)snprintf(binary, sizeof binary, "%s/symphony", dirname(self));
    bench_need(access(binary, X_OK) == 0, "build the program first: ninja symphony");
    (void)snprintf(melody, sizeof melody, "%s/one.lua", dir);
    (void)snprintf(project, sizeof project, "%s/project", dir);
    (void)setenv("HOME", dir, 1);
    (void)unsetenv("XDG_DATA_HOME");
    (void)unsetenv("XDG_CONFIG_HOME");
    FILE *f = fopen(melody, "w");
    bench_need(f && fputs("local m = require 'melody' 'one'\nm:output('r', m:task('list', 'file.list', { path = '.' "
                          "}))\nreturn m\n",
                          f) > 0,
               "the melody");
    (void)fclose(f);
    bench_need(mkdir(project, 0700) == 0, "the project");
    measure("symphony version", (char *[]){binary, "version", NULL}, 10);
    measure("symphony run, one task", (char *[]){binary, "run", melody, "--project", project, NULL}, 60);
    idle_host(project);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
