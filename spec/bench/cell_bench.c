/*
 * cell_bench.c: what a process of its own costs an isolate, beside the same in process: made, loaded and called once
 * (a bundled operator's code), called again, a question to the host. The program is the one beside this bench.
 */
#include "bind/stdlib.h"
#include "host/embed.h"
#include "io/spawn.h"
#include "kit/isolate.h"

#include "bench/bench.h"

#include <libgen.h>
#include <string.h>
#include <unistd.h>

enum { COLD = 200, WARM = 20000, MANY = 100 };

static const char source[] = "local time = require 'time'\n"
                             "local M = {}\n"
                             "function M.noop(input, ctx) return input end\n"
                             "function M.ask() return time.now_ms() end\n"
                             "return M\n";

static char helper[4096];
static sy__spawner *spawner;

static void
die(const sy__error *err)
{
    (void)fprintf(stderr, "cell_bench: %s:%d: %s\n", err->file, err->line, err->message);
    exit(1);
}

static bool
find_source(void *ud, const char *name, const char **text, size_t *len, const char **chunk_name)
{
    char path[256];
    (void)ud;
    (void)snprintf(path, sizeof path, "extensions/operators/file/%s.lua", name);
    const sy__embedded *file = sy__embedded_find(path);
    (void)snprintf(path, sizeof path, "stdlib/%s.lua", name);
    if (!file) file = sy__embedded_find(path);
    if (!file) return false;
    *text = file->data;
    *len = file->size;
    *chunk_name = file->path;
    return true;
}

static sy__isolate *
open_isolate(sy__isolation isolation, const char *text, size_t len)
{
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = "bench",
                             .modules = sy__stdlib_modules,
                             .module = find_source,
                             .spawner = spawner,
                             .isolation = isolation,
                             .helper = helper};
    sy__isolate *iso;
    sy__error err = {0};
    if (sy__isolate_new(&iso, &o, &err)) die(&err);
    if (sy__isolate_load(iso, text, len, "init.lua", 0, &err)) die(&err);
    return iso;
}

static void
call_once(sy__isolate *iso, const char *operation, const char *json, bool may_fail)
{
    sy__vbuf b;
    sy__error err = {0};
    sy__call call = {.operation = operation};
    sy__vbuf_init(&b, &sy__alloc_default);
    if (sy__value_from_json(&b, json, strlen(json), &err) || sy__vbuf_done(&b, &call.input)) die(&err);
    if (sy__isolate_call(iso, &call) && !may_fail) die(&call.error);
    sy__call_close(&call);
    sy__vbuf_close(&b);
}

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of making, loading and calling a bundled operator once; what it wants to do is refused. */
static double
cold(sy__isolation isolation)
{
    static double ms[COLD];
    const sy__embedded *file = sy__embedded_find("extensions/operators/file/init.lua");
    bench_need(file != NULL, "no bundled operator is embedded");
    for (int i = 0; i < COLD; i++) {
        double start = bench_seconds();
        sy__isolate *iso = open_isolate(isolation, file->data, file->size);
        call_once(iso, "glob", "{}", true);
        ms[i] = (bench_seconds() - start) * 1e3;
        sy__isolate_free(iso);
    }
    qsort(ms, COLD, sizeof *ms, by_size);
    bench_print("cell",
                isolation == SY__OWN_PROCESS ? "create load call, process, 99 of 100" : "create load call, 99 of 100",
                ms[COLD * 99 / 100], "ms", 0);
    return ms[COLD / 2];
}

static double
warm(sy__isolation isolation, const char *operation)
{
    sy__isolate *iso = open_isolate(isolation, source, sizeof source - 1);
    int rounds = isolation == SY__OWN_PROCESS ? WARM : WARM * 10;
    for (int i = 0; i < rounds / 10; i++) call_once(iso, operation, "{}", false);
    double start = bench_seconds();
    for (int i = 0; i < rounds; i++) call_once(iso, operation, "{}", false);
    double us = (bench_seconds() - start) / rounds * 1e6;
    sy__isolate_free(iso);
    return us;
}

static void
compare(const char *what, double here, double there, const char *unit, double limit)
{
    char name[128];
    bench_print("cell", what, here, unit, 0);
    (void)snprintf(name, sizeof name, "%s, process", what);
    bench_print("cell", name, there, unit, -limit);
    (void)snprintf(name, sizeof name, "%s, ratio", what);
    bench_print("cell", name, there / here, "x", 0);
}

static void
many(void)
{
    static sy__isolate *all[MANY];
    double start = bench_seconds();
    for (int i = 0; i < MANY; i++) all[i] = open_isolate(SY__OWN_PROCESS, source, sizeof source - 1);
    for (int i = 0; i < MANY; i++) call_once(all[i], "noop", "{}", false);
    bench_print("cell", "100 processes made and called", (bench_seconds() - start) * 1e3, "ms", 0);
    for (int i = 0; i < MANY; i++) sy__isolate_free(all[i]);
}

int
main(void)
{
    sy__error err = {0};
    char self[4000];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    bench_need(n > 0, "/proc/self/exe");
    self[n] = '\0';
    (void)snprintf(helper, sizeof helper, "%s/symphony", dirname(self));
    if (sy__spawner_new(&spawner, &sy__alloc_default, &err)) die(&err);
    compare("create load call", cold(SY__IN_PROCESS), cold(SY__OWN_PROCESS), "ms", 15);
    compare("warm call", warm(SY__IN_PROCESS, "noop"), warm(SY__OWN_PROCESS, "noop"), "us", 150);
    compare("warm call that asks its host", warm(SY__IN_PROCESS, "ask"), warm(SY__OWN_PROCESS, "ask"), "us", 300);
    many();
    sy__spawner_free(spawner);
    return 0;
}
