/*
 * isolate_bench.c: what an isolate costs: made, loaded and called once; called again; an expression; a wait; a
 * thousand. The limits of free, waits and expressions are our own.
 */
#include "kit/expr.h"
#include "kit/isolate.h"
#include "kit/watchdog.h"

#include "bench/bench.h"

#include <event2/event.h>
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 2000, MANY = 1000, CALLS = 500000, WAITS = 100000, EXPRESSIONS = 200000 };

static const char source[] =
    "local M = {}\n"
    "function M.noop(input, ctx) return input end\n"
    "function M.sum(input) local s = 0 for _, n in ipairs(input.list) do s = s + n end return { sum = s } end\n"
    "return M\n";

static sy__watchdog watchdog; /* as in the program */

static void
die(const sy__error *err)
{
    (void)fprintf(stderr, "isolate_bench: %s:%d: %s\n", err->file, err->line, err->message);
    exit(1);
}

static int64_t
now_ns(void)
{
    return sy__mono_ns(&sy__clock_system);
}

static sy__isolate *
open_isolate(sy__caps *caps, struct event_base *loop, const sy__isolate_module *modules, const char *text)
{
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = "bench",
                             .caps = caps,
                             .loop = loop,
                             .watchdog = &watchdog,
                             .modules = modules};
    sy__isolate *iso;
    sy__error err = {0};
    if (sy__isolate_new(&iso, &o, &err)) die(&err);
    if (sy__isolate_load(iso, text, strlen(text), "init.lua", 0, &err)) die(&err);
    return iso;
}

static void
call_once(sy__isolate *iso, const char *operation, sy__value input)
{
    sy__call call = {.operation = operation, .input = input};
    if (sy__isolate_call(iso, &call)) die(&call.error);
    sy__call_close(&call);
}

static sy__value
value_of(sy__vbuf *b, const char *json)
{
    sy__error err = {0};
    sy__value v;
    sy__vbuf_init(b, &sy__alloc_default);
    if (sy__value_from_json(b, json, strlen(json), &err) || sy__vbuf_done(b, &v)) die(&err);
    return v;
}

static int
by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The median over many isolates, each made, loaded, called once and freed. */
static void
cold(sy__caps *caps, sy__value input)
{
    static int64_t made[ROUNDS], freed[ROUNDS];
    size_t bytes = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = now_ns();
        sy__isolate *iso = open_isolate(caps, NULL, NULL, source);
        call_once(iso, "noop", input);
        int64_t called = now_ns();
        bytes = sy__isolate_bytes(iso);
        sy__isolate_free(iso);
        made[i] = called - start;
        freed[i] = now_ns() - called;
    }
    qsort(made, ROUNDS, sizeof *made, by_size);
    qsort(freed, ROUNDS, sizeof *freed, by_size);
    bench_print("isolate", "create load call", (double)made[ROUNDS / 2] / 1e3, "us", -100);
    bench_print("isolate", "create load call, 99 of 100", (double)made[ROUNDS * 99 / 100] / 1e3, "us", 0);
    bench_print("isolate", "bytes", (double)bytes / 1024, "KiB", -60);
    bench_print("isolate", "free", (double)freed[ROUNDS / 2] / 1e3, "us", -100);
}

static void
warm(sy__caps *caps, const char *figure, const char *operation, sy__value input, double limit)
{
    sy__isolate *iso = open_isolate(caps, NULL, NULL, source);
    for (int i = 0; i < CALLS / 10; i++) call_once(iso, operation, input);
    int64_t start = now_ns();
    for (int i = 0; i < CALLS; i++) call_once(iso, operation, input);
    bench_print("isolate", figure, (double)(now_ns() - start) / CALLS / 1e3, "us", -limit);
    sy__isolate_free(iso);
}

/* ---- many at once ---- */

static double
resident_mib(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    bench_need(f && fscanf(f, "%ld %ld", &pages, &resident) == 2, "no /proc");
    if (f) (void)fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* All of the process, not only what the isolates count. */
static void
many(sy__caps *caps, sy__value input)
{
    static sy__isolate *live[MANY];
    double before = resident_mib();
    for (int i = 0; i < MANY; i++) {
        live[i] = open_isolate(caps, NULL, NULL, source);
        call_once(live[i], "noop", input);
    }
    double with = resident_mib();
    bench_print("isolate", "1,000 live: resident memory", with, "MiB", -100);
    bench_print("isolate", "1,000 live: of one", (with - before) * 1024 / MANY, "KiB", 0);
    for (int i = 0; i < MANY; i++) sy__isolate_free(live[i]);
}

/* ---- a call that waits once ---- */

static int
wait_finish(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 0;
}

static int
wait_park(lua_State *L)
{
    return sy__isolate_park(L, NULL, NULL, wait_finish, 0);
}

static int
open_wait(lua_State *L)
{
    lua_pushcfunction(L, wait_park);
    return 1;
}

static void
waiting(sy__caps *caps, sy__value input)
{
    static const sy__isolate_module modules[] = {{"wait", open_wait, 1u << SY__PROFILE_EXTENSION}, {NULL, NULL, 0}};
    struct event_base *loop = event_base_new();
    sy__isolate *iso =
        open_isolate(caps, loop, modules, "local wait = require 'wait' return {w = function() wait() end}");
    int64_t start = now_ns();
    for (int i = 0; i < WAITS; i++) {
        sy__call call = {.operation = "w", .input = input};
        if (sy__isolate_call(iso, &call) != SY_EAGAIN) die(&call.error);
        sy__isolate_wake(iso);
        sy__call_close(&call);
    }
    bench_print("isolate", "call park wake", (double)(now_ns() - start) / WAITS / 1e3, "us", -4);
    sy__isolate_free(iso);
    event_base_free(loop);
}

/* ---- expressions ---- */

static void
expression(const char *figure, const char *text, sy__value task, sy__value item)
{
    sy__expr *e;
    sy__vbuf out;
    sy__error err = {0};
    sy__binding globals[] = {{"diff", task}};
    sy__expr_call call = {.source = text,
                          .source_len = strlen(text),
                          .args = &item,
                          .arg_count = 1,
                          .globals = globals,
                          .global_count = 1,
                          .file = "bench.lua",
                          .line = 1};
    if (sy__expr_new(&e, &sy__alloc_default, &sy__clock_system, NULL)) exit(1);
    sy__expr_watch(e, &watchdog);
    sy__vbuf_init(&out, &sy__alloc_default);
    int64_t start = now_ns();
    for (int i = 0; i < EXPRESSIONS; i++) {
        sy__vbuf_reset(&out);
        if (sy__expr_eval(e, &call, &out, &err)) die(&err);
    }
    bench_print("isolate", figure, (double)(now_ns() - start) / EXPRESSIONS / 1e3, "us", -5);
    sy__vbuf_close(&out);
    sy__expr_free(e);
}

int
main(void)
{
    sy__vbuf empty, list, diff, item;
    sy__caps *caps;
    sy__error err = {0};
    int signum = sy__watchdog_free_signal();
    if (sy__watchdog_take(signum, &err)) die(&err);
    bench_need(sy__watchdog_begin(&watchdog, signum), "no watchdog");
    if (sy__caps_new(&caps, &sy__alloc_default, sy__value_null(), NULL, &err)) die(&err);
    sy__value none = value_of(&empty, "{}");
    many(caps, none);
    cold(caps, none);
    warm(caps, "warm call", "noop", none, 2);
    warm(caps, "warm call, list of 8", "sum", value_of(&list, "{\"list\":[1,2,3,4,5,6,7,8]}"), 4);
    waiting(caps, none);
    sy__value task = value_of(&diff, "{\"files\":[{\"path\":\"a\"},{\"path\":\"b\"}]}");
    expression("when", "#diff.files > 0", task, none);
    expression("map", "function(item) return { path = item.path } end", task, value_of(&item, "{\"path\":\"x\"}"));
    sy__vbuf_close(&empty);
    sy__vbuf_close(&list);
    sy__vbuf_close(&diff);
    sy__vbuf_close(&item);
    sy__caps_release(caps);
    sy__watchdog_end(&watchdog);
    return 0;
}
