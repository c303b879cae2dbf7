/*
 * isolate_memory_test.c: allocations that fail. First each one in turn, then at random: no crash, no leak, an error
 * that says so, and an isolate that was not harmed goes on. And poison from another thread.
 */
#include "kit/expr.h"
#include "kit/isolate.h"

#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- an allocator that fails when told ---- */

typedef struct failing {
    long countdown;  /* grown blocks until one fails; < 0: none fails */
    bool lasting;    /* all further ones fail as well */
    unsigned chance; /* out of 65536, for each growth */
    unsigned seed;
    long live; /* blocks */
    long failed;
} failing;

static bool
fails_now(failing *f)
{
    if (f->chance) {
        f->seed = f->seed * 1664525u + 1013904223u;
        if ((f->seed >> 16) < f->chance) return true;
    }
    if (f->countdown < 0) return false;
    if (f->countdown > 0) {
        f->countdown--;
        return false;
    }
    if (!f->lasting) f->countdown = -1;
    return true;
}

static void *
failing_alloc(void *ud, void *ptr, size_t bytes)
{
    failing *f = ud;
    if (bytes == 0) {
        f->live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (fails_now(f)) {
        f->failed++;
        return NULL;
    }
    f->live += ptr == NULL;
    return realloc(ptr, bytes);
}

/* ---- what is done with it ---- */

static const char source[] =
    "local M = {}\n"
    "local helper = require 'helper'\n"
    "function M.work(input, ctx)\n"
    "  local parts = {}\n"
    "  for i = 1, 20 do parts[i] = ('%s %d'):format(helper(input.name), i):gsub('%d', '<%0>') end\n"
    "  local co = coroutine.wrap(function() coroutine.yield(table.concat(parts)) return {} end)\n"
    "  local ok, why = pcall(function() error({ message = co() }) end)\n"
    "  local f = load('return function(a) return a end')\n"
    "  table.sort(parts, function(a, b) return a > b end)\n"
    "  print(ok, why)\n"
    "  local ref = ctx.artifact('text', 'bytes', { a = 1 })\n"
    "  return { parts = parts, why = why.message, last = f()(co()), ref = ref }\n"
    "end\n"
    "function M.bad() error('no ' .. tostring({})) end\n"
    "return M";

static bool
helper_module(void *ud, const char *name, const char **text, size_t *len, const char **chunk)
{
    (void)ud;
    if (strcmp(name, "helper") != 0) return false;
    *text = "return function(name) return name .. '!' end";
    *len = strlen(*text);
    *chunk = "helper.lua";
    return true;
}

static int
store(void *ud, const char *type, const void *bytes, size_t size, sy__value metadata, sy__vbuf *ref, sy__error *err)
{
    (void)ud, (void)type, (void)bytes, (void)size, (void)metadata, (void)err;
    sy__vbuf_map(ref);
    sy__vbuf_key(ref, "$artifact", 9);
    sy__vbuf_cstr(ref, "sha256:00");
    sy__vbuf_end(ref);
    return SY_OK;
}

static const sy__call_services services = {.artifact = store};

/* One life of an isolate; returns the first failure, or SY_OK. */
static int
live_once(const sy__alloc *a, sy__value input)
{
    sy__isolate *iso = NULL;
    sy__error err = {0};
    sy__isolate_options o = {.alloc = a, .clock = &sy__clock_system, .name = "memory", .module = helper_module};
    int rc = sy__isolate_new(&iso, &o, &err);
    if (rc == SY_OK) rc = sy__isolate_load(iso, source, sizeof source - 1, "init.lua", 0, &err);
    static const char *const operations[] = {"work", "bad", "work"};
    for (int i = 0; rc == SY_OK && i < 3; i++) {
        sy__call call = {.operation = operations[i], .input = input, .services = &services};
        int status = sy__isolate_call(iso, &call);
        if (status && i != 1) rc = status;
        if (status) CHECK(call.error.message[0] != '\0');
        sy__call_close(&call);
    }
    if (rc && iso) CHECK(rc == SY_EMEMORY || rc == SY_ENOMEM || rc == SY_EEXTENSION);
    sy__isolate_free(iso);
    return rc;
}

static int
express_once(const sy__alloc *a, sy__value input)
{
    sy__expr *e = NULL;
    sy__vbuf out;
    sy__error err = {0};
    static const char text[] = "function(item) return { item.name .. string.rep('x', 3), tasks.t, #t.name } end";
    sy__binding globals[] = {{"t", input}};
    sy__expr_call call = {.source = text,
                          .source_len = sizeof text - 1,
                          .args = &input,
                          .arg_count = 1,
                          .globals = globals,
                          .global_count = 1,
                          .captures = input,
                          .file = "m.lua",
                          .line = 1};
    int rc = sy__expr_new(&e, a, &sy__clock_system, NULL);
    sy__vbuf_init(&out, a);
    for (int i = 0; rc == SY_OK && i < 3; i++) {
        sy__vbuf_reset(&out);
        rc = sy__expr_eval(e, &call, &out, &err);
    }
    sy__vbuf_close(&out);
    sy__expr_free(e);
    return rc;
}

typedef int life(const sy__alloc *a, sy__value input);

static void
each_allocation_fails(life *once, sy__value input, bool lasting)
{
    int reached_end = 0;
    for (long n = 0; n < 20000 && !reached_end; n++) {
        failing f = {.countdown = n, .lasting = lasting};
        sy__alloc a = {failing_alloc, &f};
        int rc = once(&a, input);
        CHECK_INT(f.live, 0);
        if (f.failed == 0) {
            CHECK_INT(rc, SY_OK);
            reached_end = 1;
        }
    }
    CHECK_INT(reached_end, 1);
}

static void
allocations_fail_at_random(life *once, sy__value input)
{
    for (unsigned seed = 1; seed <= 2000; seed++) {
        failing f = {.countdown = -1, .chance = 1u << seed % 12, .seed = seed * 2654435761u};
        sy__alloc a = {failing_alloc, &f};
        (void)once(&a, input);
        CHECK_INT(f.live, 0);
    }
}

/* ---- poison from another thread ---- */

typedef struct running {
    sy__isolate *iso;
    atomic_bool started;
} running;

static int
on_stream(void *ud, const char *bytes, size_t len)
{
    (void)bytes, (void)len;
    atomic_store(&((running *)ud)->started, true);
    return SY_OK;
}

static void *
poison_it(void *ud)
{
    running *r = ud;
    while (!atomic_load(&r->started)) (void)0;
    sy__isolate_poison(r->iso, SY_ECANCELLED);
    return NULL;
}

static void
dies_by_another_thread(sy__value input)
{
    static const char text[] = "return { loop = function(_, ctx) ctx.stream('go') while true do pcall(function() while "
                               "true do end end) end end }";
    static const sy__call_services with_stream = {.stream = on_stream};
    for (int round = 0; round < 20; round++) {
        running r = {0};
        pthread_t thread;
        sy__error err = {0};
        sy__isolate_options o = {.alloc = &sy__alloc_default, .clock = &sy__clock_system, .name = "poisoned"};
        CHECK_INT(sy__isolate_new(&r.iso, &o, &err), SY_OK);
        CHECK_INT(sy__isolate_load(r.iso, text, sizeof text - 1, "init.lua", 0, &err), SY_OK);
        sy__call call = {.operation = "loop", .input = input, .services = &with_stream, .ud = &r, .cpu_ms = 60000};
        CHECK_INT(pthread_create(&thread, NULL, poison_it, &r), 0);
        CHECK_INT(sy__isolate_call(r.iso, &call), SY_ECANCELLED);
        CHECK_INT(pthread_join(thread, NULL), 0);
        CHECK(!sy__isolate_reusable(r.iso));
        sy__call_close(&call);
        sy__isolate_free(r.iso);
    }
}

static void
is_refused_when_poisoned_before(sy__value input)
{
    static const char text[] = "return { f = function() return 1 end }";
    sy__isolate *iso;
    sy__isolate_options o = {.alloc = &sy__alloc_default, .clock = &sy__clock_system, .name = "poisoned"};
    CHECK_INT(sy__isolate_new(&iso, &o, NULL), SY_OK);
    CHECK_INT(sy__isolate_load(iso, text, sizeof text - 1, "init.lua", 0, NULL), SY_OK);
    sy__isolate_poison(iso, SY_ECANCELLED);
    sy__call call = {.operation = "f", .input = input};
    CHECK_INT(sy__isolate_call(iso, &call), SY_ECANCELLED);
    sy__call_close(&call);
    sy__isolate_free(iso);
}

int
main(void)
{
    sy__vbuf b;
    sy__value input;
    static const char json[] = "{\"name\":\"value\"}";
    sy__vbuf_init(&b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&b, json, sizeof json - 1, NULL), SY_OK);
    CHECK_INT(sy__vbuf_done(&b, &input), SY_OK);
    each_allocation_fails(live_once, input, false);
    each_allocation_fails(live_once, input, true);
    allocations_fail_at_random(live_once, input);
    each_allocation_fails(express_once, input, false);
    each_allocation_fails(express_once, input, true);
    allocations_fail_at_random(express_once, input);
    dies_by_another_thread(input);
    is_refused_when_poisoned_before(input);
    sy__vbuf_close(&b);
    TEST_END();
}
