/*
 * tight_bench.c: what limits cost a loop in Lua: the same file run by an isolate that counts instructions, by one with
 * a watchdog, by one in a process of its own, and by the system's lua5.4, in turn. A figure is the ratio of the best
 * rounds. Tables and strings go through an allocator and a library that count, so theirs is only a measure. This
 * program is the cell, too.
 *
 *     tight_bench [ROUNDS]
 */
#include "kit/cell.h"
#include "kit/isolate.h"
#include "kit/watchdog.h"

#include "bench/bench.h"

#include <libgen.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 5, CPU_MS = 60000, MAX_SOURCE = 8192 };
enum { LOOP, FIB33, TABLES, WHATS };

typedef enum place { BARE, HOOKS, WATCHDOG, PROCESS, PLACES } place;

static const char *const place_names[PLACES] = {"lua5.4", "hooks", "watchdog", "process"};
static const char *const whats[WHATS] = {"loop", "fib33", "tables"};

typedef struct bench {
    char path[4096], self[4096], source[MAX_SOURCE];
    size_t len;
    sy__watchdog watchdog;
    sy__isolate *isolates[PLACES];
    double best[PLACES][WHATS];
} bench;

static void
read_source(bench *b)
{
    char here[] = __FILE__;
    bench_need(realpath(dirname(here), b->path) != NULL, "run it where it was built");
    (void)snprintf(b->path + strlen(b->path), sizeof b->path - strlen(b->path), "/tight.lua");
    FILE *f = fopen(b->path, "rb");
    bench_need(f != NULL, "no tight.lua");
    if (!f) return;
    b->len = fread(b->source, 1, sizeof b->source, f);
    (void)fclose(f);
    bench_need(readlink("/proc/self/exe", b->self, sizeof b->self - 1) > 0, "no /proc");
}

static void
open_isolate(bench *b, place where)
{
    sy__error err = {0};
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = "tight",
                             .watchdog = where == WATCHDOG ? &b->watchdog : NULL,
                             .isolation = where == PROCESS ? SY__OWN_PROCESS : SY__IN_PROCESS,
                             .helper = b->self};
    bench_need(sy__isolate_new(&b->isolates[where], &o, &err) == SY_OK, err.message);
    bench_need(sy__isolate_load(b->isolates[where], b->source, b->len, "tight.lua", CPU_MS, &err) == SY_OK,
               err.message);
}

static double
in_isolate(sy__isolate *iso, const char *what)
{
    sy__value v;
    sy__call call = {.operation = what, .cpu_ms = CPU_MS};
    bench_need(sy__isolate_call(iso, &call) == SY_OK, call.error.message);
    bench_need(sy__vbuf_done(&call.output, &v) == SY_OK, "no result");
    double seconds = sy__value_num(v);
    sy__call_close(&call);
    return seconds;
}

static double
in_lua(const bench *b, const char *what)
{
    char command[8192];
    double seconds = 0;
    (void)snprintf(command, sizeof command, "lua5.4 -e 'print(dofile([[%s]]).%s())'", b->path, what);
    FILE *out = popen(command, "r"); // NOLINT(cert-env33-c): a fixed command
    bench_need(out && fscanf(out, "%lf", &seconds) == 1, "lua5.4 is needed beside this");
    if (out) (void)pclose(out);
    return seconds;
}

static void
measure(bench *b, place where, int what)
{
    double seconds = where == BARE ? in_lua(b, whats[what]) : in_isolate(b->isolates[where], whats[what]);
    double *best = &b->best[where][what];
    if (*best == 0 || seconds < *best) *best = seconds;
}

static void
print_ratios(const bench *b, int what)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s, lua5.4", whats[what]);
    bench_print("tight", name, b->best[BARE][what] * 1e3, "ms", 0);
    for (int where = HOOKS; where < PLACES; where++) {
        (void)snprintf(name, sizeof name, "%s, %s to lua5.4", whats[what], place_names[where]);
        bool asked = where != HOOKS && what != TABLES;
        bench_print("tight", name, b->best[where][what] / b->best[BARE][what], "ratio", asked ? -1.05 : 0);
    }
}

int
main(int argc, char **argv)
{
    static const sy__isolate_module modules[] = {{NULL, NULL, 0}};
    static bench b;
    sy__error err = {0};
    if (argc == 2 && strcmp(argv[1], SY__CELL_MODE) == 0) return sy__cell_main(modules);
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS, signum = sy__watchdog_free_signal();
    read_source(&b);
    bench_need(signum && sy__watchdog_take(signum, &err) == SY_OK && sy__watchdog_begin(&b.watchdog, signum),
               "no signal for a watchdog");
    for (int where = HOOKS; where < PLACES; where++) open_isolate(&b, where);
    for (int round = 0; round < rounds; round++)
        for (int what = 0; what < WHATS; what++)
            for (int where = 0; where < PLACES; where++) measure(&b, where, what);
    for (int what = 0; what < WHATS; what++) print_ratios(&b, what);
    for (int where = HOOKS; where < PLACES; where++) sy__isolate_free(b.isolates[where]);
    sy__watchdog_end(&b.watchdog);
    return 0;
}
