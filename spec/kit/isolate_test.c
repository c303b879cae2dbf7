/* isolate_test.c: the life of an isolate: load, call, fail, wait, wake, cancel, limits. */
#include "kit/isolate.h"

#include "test.h"

#include <event2/event.h>
#include <lauxlib.h>

/* ---- helpers ---- */

typedef struct world {
    sy__isolate *iso;
    sy__call call;
    int done_count, done_status, aborted;
    char log[4096];
    char stream[256];
    struct event_base *loop;
} world;

static void
count_abort(void *ud)
{
    ((world *)ud)->aborted++;
}

static int
wait_finish(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    lua_pushinteger(L, (lua_Integer)ctx + 1);
    return 1;
}

/* wait.park(n): waits for the test, then gives n + 1. */
static int
wait_park(lua_State *L)
{
    lua_KContext n = (lua_KContext)luaL_checkinteger(L, 1);
    sy__call *call = sy__isolate_call_now(sy__isolate_of(L));
    return sy__isolate_park(L, count_abort, call ? call->ud : NULL, wait_finish, n);
}

static int
open_wait(lua_State *L)
{
    static const luaL_Reg functions[] = {{"park", wait_park}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

static const sy__isolate_module c_modules[] = {
    {"wait", open_wait, 1u << SY__PROFILE_EXTENSION},
    {NULL, NULL, 0},
};

static bool
lua_module(void *ud, const char *name, const char **source, size_t *len, const char **chunk)
{
    (void)ud;
    if (strcmp(name, "lib.double") == 0)
        *source = "return function(n) return 2 * n end";
    else if (strcmp(name, "broken") == 0)
        *source = "local x = = 1";
    else
        return false;
    *len = strlen(*source);
    *chunk = strcmp(name, "broken") == 0 ? "broken.lua" : "lib/double.lua";
    return true;
}

static int
keep_log(void *ud, sy__log_level level, const char *text)
{
    world *w = ud;
    size_t len = strlen(w->log);
    (void)snprintf(w->log + len, sizeof w->log - len, "%d:%s\n", (int)level, text);
    return SY_OK;
}

static int
keep_stream(void *ud, const char *bytes, size_t len)
{
    world *w = ud;
    (void)snprintf(w->stream, sizeof w->stream, "%.*s", (int)len, bytes);
    return SY_OK;
}

static int
store_artifact(void *ud, const char *type, const void *bytes, size_t size, sy__value metadata, sy__vbuf *ref,
               sy__error *err)
{
    (void)ud;
    (void)bytes;
    (void)metadata;
    if (strcmp(type, "bad") == 0) return sy__error_set(err, SY_EDISKFULL, "no room");
    sy__vbuf_map(ref);
    sy__vbuf_key(ref, "$artifact", 9);
    sy__vbuf_cstr(ref, "sha256:00");
    sy__vbuf_key(ref, "size", 4);
    sy__vbuf_int(ref, (int64_t)size);
    sy__vbuf_end(ref);
    return SY_OK;
}

static int
read_artifact(void *ud, const char *hash, sy__buf *out, sy__error *err)
{
    (void)ud;
    if (strcmp(hash, "sha256:00") != 0) return sy__error_set(err, SY_ENOTFOUND, "no artifact %s", hash);
    sy__buf_adds(out, "one\ntwo\nthree");
    return SY_OK;
}

static const sy__call_services services = {
    .log = keep_log, .stream = keep_stream, .artifact = store_artifact, .artifact_read = read_artifact};

static void
on_done(sy__call *call, int status)
{
    world *w = call->ud;
    w->done_count++;
    w->done_status = status;
}

static void
open_world(world *w, const char *source, sy__profile profile)
{
    memset(w, 0, sizeof *w);
    w->loop = event_base_new();
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = "test",
                             .profile = profile,
                             .module = lua_module,
                             .modules = c_modules,
                             .loop = w->loop};
    sy__error err = {0};
    CHECK_INT(sy__isolate_new(&w->iso, &o, &err), SY_OK);
    if (source) CHECK_INT(sy__isolate_load(w->iso, source, strlen(source), "init.lua", 0, &err), SY_OK);
    if (err.code) (void)fprintf(stderr, "%s:%d: %s\n", err.file, err.line, err.message);
}

static void
close_world(world *w)
{
    sy__isolate_free(w->iso);
    event_base_free(w->loop);
}

/* Calls an operation with a JSON input. */
static int
call(world *w, const char *operation, const char *json)
{
    static sy__vbuf input; /* outlives the call when it waits */
    sy__vbuf_close(&input);
    sy__vbuf_init(&input, &sy__alloc_default);
    sy__error err = {0};
    CHECK_INT(sy__value_from_json(&input, json, strlen(json), &err), SY_OK);
    sy__value v;
    CHECK_INT(sy__vbuf_done(&input, &v), SY_OK);
    w->call = (sy__call){.operation = operation,
                         .input = v,
                         .done = on_done,
                         .ud = w,
                         .services = &services,
                         .idempotency_key = "key-1",
                         .cpu_ms = 300};
    int rc = sy__isolate_call(w->iso, &w->call);
    if (rc != SY_EAGAIN) {
        sy__vbuf_close(&input);
        memset(&input, 0, sizeof input);
        input.buf.alloc = input.stack.alloc = &sy__alloc_default;
    }
    return rc;
}

static void
check_output(world *w, const char *want)
{
    sy__buf text;
    sy__value v;
    sy__buf_init(&text, &sy__alloc_default);
    CHECK_INT(sy__vbuf_done(&w->call.output, &v), SY_OK);
    sy__value_to_json(v, SY__JSON_COMPACT, &text);
    CHECK_STR(sy__buf_cstr(&text), want);
    sy__buf_close(&text);
    sy__call_close(&w->call);
}

/* ---- calls ---- */

static void
gives_results_back(void)
{
    world w;
    open_world(
        &w,
        "local double = require 'lib.double'\n"
        "local M = {nested = {}}\n"
        "function M.echo(input) return input end\n"
        "function M.nothing() end\n"
        "function M.double(input) return {n = double(input.n)} end\n"
        "function M.nested.deep() return 7 end\n"
        "function M.sums() return {'10' + 1, '3' * '4', -'2', 10 .. 20, os.date('%Y', 0), os.date('!*t', 0).year} end\n"
        "function M.key(_, ctx) return ctx.idempotency_key end\n"
        "return M",
        SY__PROFILE_EXTENSION);
    CHECK_INT(call(&w, "echo", "{\"a\":[1,2.5,null,\"x\"],\"b\":{}}"), SY_OK);
    check_output(&w, "{\"a\":[1,2.5,null,\"x\"],\"b\":{}}");
    CHECK_INT(call(&w, "nothing", "{}"), SY_OK);
    check_output(&w, "null");
    CHECK_INT(call(&w, "double", "{\"n\":21}"), SY_OK);
    check_output(&w, "{\"n\":42}");
    CHECK_INT(call(&w, "nested.deep", "{}"), SY_OK);
    check_output(&w, "7");
    CHECK_INT(call(&w, "sums", "{}"), SY_OK);
    check_output(&w, "[11,12,-2,\"1020\",\"1970\",1970]");
    CHECK_INT(call(&w, "key", "{}"), SY_OK);
    check_output(&w, "\"key-1\"");
    CHECK(w.call.peak_bytes > 0);
    CHECK_INT(call(&w, "absent", "{}"), SY_EOPERATION);
    sy__call_close(&w.call);
    CHECK(sy__isolate_reusable(w.iso));
    close_world(&w);
}

static void
says_how_it_failed(void)
{
    world w;
    open_world(&w,
               "local M = {}\n"
               "function M.expected() return nil, 'no such repository', 'not_found' end\n"
               "function M.own() return nil, 'odd', 'odd_code' end\n"
               "function M.busy(_, ctx) return ctx.retry('busy') end\n"
               "function M.raises()\n"
               "  error('oh no')\n"
               "end\n"
               "function M.table() error({message = 'in a table'}) end\n"
               "function M.loops() error(setmetatable({}, {__tostring = function() while true do end end})) end\n"
               "function M.io() return io.open('x') end\n"
               "function M.func() return {f = print} end\n"
               "function M.cycle() local t = {} t.t = t return t end\n"
               "return M",
               SY__PROFILE_EXTENSION);
    CHECK_INT(call(&w, "expected", "{}"), SY_ENOTFOUND);
    CHECK_STR(w.call.code, "not_found");
    CHECK_STR(w.call.error.message, "no such repository");
    CHECK(!w.call.transient);
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "own", "{}"), SY_EEXTENSION);
    CHECK_STR(w.call.code, "odd_code");
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "busy", "{}"), SY_EEXTENSION);
    CHECK(w.call.transient);
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "raises", "{}"), SY_EEXTENSION);
    CHECK_STR(w.call.error.message, "oh no");
    CHECK_STR(w.call.error.file, "init.lua");
    CHECK_INT(w.call.error.line, 6);
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "table", "{}"), SY_EEXTENSION);
    CHECK_STR(w.call.error.message, "in a table");
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "loops", "{}"), SY_EEXTENSION);
    CHECK_STR(w.call.error.message, "the error is a table value");
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "io", "{}"), SY_EEXTENSION);
    CHECK(strstr(w.call.error.hint, "require \"fs\"") != NULL);
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "func", "{}"), SY_EEXTENSION);
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "cycle", "{}"), SY_EEXTENSION);
    sy__call_close(&w.call);
    CHECK(sy__isolate_reusable(w.iso));
    close_world(&w);
}

static void
refuses_bad_sources(void)
{
    world w;
    open_world(&w, NULL, SY__PROFILE_EXTENSION);
    sy__error err = {0};
    CHECK_INT(sy__isolate_load(w.iso, "\x1bLua", 4, "init.lua", 0, &err), SY_EEXTENSION);
    CHECK_INT(sy__isolate_load(w.iso, "return 1", 8, "init.lua", 0, &err), SY_EEXTENSION);
    const char *syntax = "local a\nlocal b = = 1";
    CHECK_INT(sy__isolate_load(w.iso, syntax, strlen(syntax), "sub/init.lua", 0, &err), SY_EEXTENSION);
    CHECK_STR(err.file, "sub/init.lua");
    CHECK_INT(err.line, 2);
    const char *broken = "require 'broken'";
    CHECK_INT(sy__isolate_load(w.iso, broken, strlen(broken), "init.lua", 0, &err), SY_EEXTENSION);
    CHECK_STR(err.file, "broken.lua");
    const char *names[] = {"return require '../x'", "return require '/etc/x'",  "return require 'a/b'",
                           "return require 'a..b'", "return require 'nothing'", "return require ''"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK_INT(sy__isolate_load(w.iso, names[i], strlen(names[i]), "init.lua", 0, &err), SY_EEXTENSION);
        CHECK_INT(err.line, 1);
    }
    CHECK_INT(call(&w, "x", "{}"), SY_EUSAGE);
    sy__call_close(&w.call);
    close_world(&w);
}

static void
refuses_melodies_that_do_things(void)
{
    static const struct {
        const char *source, *word;
        int line;
    } rows[] = {
        {"local x = 1\nos.execute('ls')", "os.execute", 2},
        {"\n\nio.open('x')", "'io'", 3},
        {"return require 'host'", "'host'", 1},
        {"\nlocal f = dofile('x')", "'dofile'", 2},
        {"os.exit(1)", "os.exit", 1},
        {"local p = package.path", "'package'", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world w;
        sy__error err = {0};
        sy__vbuf out;
        sy__vbuf_init(&out, &sy__alloc_default);
        open_world(&w, NULL, SY__PROFILE_MELODY);
        CHECK_INT(sy__isolate_eval(w.iso, rows[i].source, strlen(rows[i].source), "melodies/x.lua", (sy__value){0}, 0,
                                   &out, &err),
                  SY_EMELODY);
        CHECK(strstr(err.message, rows[i].word) != NULL);
        CHECK_STR(err.file, "melodies/x.lua");
        CHECK_INT(err.line, rows[i].line);
        sy__vbuf_close(&out);
        close_world(&w);
    }
}

static void
evaluates_with_arguments(void)
{
    world w;
    open_world(&w, NULL, SY__PROFILE_MELODY);
    sy__error err = {0};
    sy__vbuf args;
    sy__value v;
    const char *json = "[\"x\",{\"n\":2}]",
               *source = "local a, b = ... return {a, b.n, os.time() > 0, debug.getinfo(1).currentline}";
    sy__vbuf_init(&args, &sy__alloc_default);
    sy__vbuf_init(&w.call.output, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&args, json, strlen(json), &err), SY_OK);
    CHECK_INT(sy__vbuf_done(&args, &v), SY_OK);
    CHECK_INT(sy__isolate_eval(w.iso, source, strlen(source), "x.lua", v, 0, &w.call.output, &err), SY_OK);
    check_output(&w, "[\"x\",2,true,1]");
    const char *loop = "while true do end";
    sy__vbuf_init(&w.call.output, &sy__alloc_default);
    CHECK_INT(sy__isolate_eval(w.iso, loop, strlen(loop), "x.lua", (sy__value){0}, 50, &w.call.output, &err),
              SY_ETIMEOUT);
    CHECK_STR(err.file, "x.lua");
    CHECK_INT(err.line, 1);
    sy__call_close(&w.call);
    sy__vbuf_close(&args);
    close_world(&w);
}

/* ---- waits ---- */

static const char *const waits =
    "local wait = require 'wait'\n"
    "local M = {}\n"
    "function M.plain() return wait.park(1) + wait.park(10) end\n"
    "function M.in_pcall() return {pcall(wait.park, 5)} end\n"
    "function M.in_coroutine()\n"
    "  local co = coroutine.create(function(a)\n"
    "    local b = wait.park(a)\n"
    "    local c = coroutine.yield(b)\n"
    "    return wait.park(c)\n"
    "  end)\n"
    "  local _, first = coroutine.resume(co, 1)\n"
    "  local _, second = coroutine.resume(co, 100)\n"
    "  return {first, second, coroutine.status(co)}\n"
    "end\n"
    "function M.in_wrap()\n"
    "  local outer = coroutine.wrap(function()\n"
    "    local inner = coroutine.wrap(function() coroutine.yield(wait.park(1)) return wait.park(2) end)\n"
    "    return {inner(), inner(), wait.park(3)}\n"
    "  end)\n"
    "  return outer()\n"
    "end\n"
    "function M.in_sort() table.sort({2, 1}, function() return wait.park(1) end) end\n"
    "function M.sort_in_coroutine()\n"
    "  local co = coroutine.wrap(function() wait.park(1) end)\n"
    "  return {pcall(table.sort, {2, 1}, function() co() end)}\n"
    "end\n"
    "function M.fails_after() wait.park(1) error('later') end\n"
    "function M.loops_after() wait.park(1) while true do end end\n"
    "return M";

static int
wake_until_done(world *w)
{
    int wakes = 0;
    while (w->done_count == 0 && wakes < 100) {
        sy__isolate_wake(w->iso);
        wakes++;
    }
    return wakes;
}

static void
waits_without_a_thread(void)
{
    static const struct {
        const char *operation, *output;
        int wakes;
    } rows[] = {
        {"plain", "13", 2},
        {"in_pcall", "[true,6]", 1},
        {"in_coroutine", "[2,101,\"dead\"]", 2},
        {"in_wrap", "[2,3,4]", 3},
    };
    world w;
    open_world(&w, waits, SY__PROFILE_EXTENSION);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(call(&w, rows[i].operation, "{}"), SY_EAGAIN);
        CHECK(!sy__isolate_reusable(w.iso));
        w.done_count = 0;
        CHECK_INT(wake_until_done(&w), rows[i].wakes);
        CHECK_INT(w.done_status, SY_OK);
        check_output(&w, rows[i].output);
        CHECK(sy__isolate_reusable(w.iso));
    }
    CHECK_INT(w.aborted, 0);
    CHECK_INT(call(&w, "in_sort", "{}"), SY_EUSAGE);
    CHECK_INT(w.aborted, 1);
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "sort_in_coroutine", "{}"), SY_OK);
    CHECK_INT(w.aborted, 2);
    sy__call_close(&w.call);
    w.done_count = 0;
    CHECK_INT(call(&w, "fails_after", "{}"), SY_EAGAIN);
    CHECK_INT(wake_until_done(&w), 1);
    CHECK_INT(w.done_status, SY_EEXTENSION);
    CHECK_STR(w.call.error.message, "later");
    sy__call_close(&w.call);
    w.done_count = 0;
    CHECK_INT(call(&w, "loops_after", "{}"), SY_EAGAIN);
    CHECK_INT(wake_until_done(&w), 1);
    CHECK_INT(w.done_status, SY_ETIMEOUT);
    CHECK(!sy__isolate_reusable(w.iso));
    sy__call_close(&w.call);
    close_world(&w);
}

static void
ends_waits_from_outside(void)
{
    world w;
    open_world(&w, waits, SY__PROFILE_EXTENSION);
    CHECK_INT(call(&w, "in_wrap", "{}"), SY_EAGAIN);
    sy__isolate_cancel(w.iso, SY_ECANCELLED);
    CHECK_INT(w.aborted, 1);
    CHECK_INT(w.done_count, 1);
    CHECK_INT(w.done_status, SY_ECANCELLED);
    CHECK(!sy__isolate_reusable(w.iso));
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "plain", "{}"), SY_ECANCELLED);
    sy__call_close(&w.call);
    close_world(&w);

    open_world(&w, waits, SY__PROFILE_EXTENSION); /* freed while it waits */
    CHECK_INT(call(&w, "plain", "{}"), SY_EAGAIN);
    close_world(&w);
    CHECK_INT(w.aborted, 1);
    sy__call_close(&w.call);

    open_world(&w, waits, SY__PROFILE_EXTENSION); /* the deadline passes while it waits */
    w.call = (sy__call){
        .operation = "plain", .done = on_done, .ud = &w, .deadline_ns = sy__mono_ns(&sy__clock_system) + 20000000};
    CHECK_INT(sy__isolate_call(w.iso, &w.call), SY_EAGAIN);
    (void)event_base_dispatch(w.loop);
    CHECK_INT(w.done_count, 1);
    CHECK_INT(w.done_status, SY_ETIMEOUT);
    CHECK_INT(w.aborted, 1);
    sy__call_close(&w.call);
    close_world(&w);
}

/* ---- ctx ---- */

static void
reaches_the_engine(void)
{
    world w;
    open_world(
        &w,
        "local M = {}\n"
        "function M.log(_, ctx) ctx.log('warn', 'careful') print('a', 1, nil) warn('@on') warn('b', 'c') end\n"
        "function M.stream(_, ctx) ctx.stream('chunk') ctx.progress(1, 2, 'x') ctx.usage{usd = 0.5, tokens = 3} end\n"
        "function M.store(_, ctx) return ctx.artifact('text', 'abc', {a = 1}) end\n"
        "function M.bad(_, ctx) return ctx.artifact('bad', 'abc') end\n"
        "function M.write(_, ctx)\n"
        "  local out = ctx.writer('text', {}) out:write('a', 'b'):write('c')\n"
        "  local ref = out:close()\n"
        "  return {ref, (pcall(out.write, out, 'd'))}\n"
        "end\n"
        "function M.read(_, ctx)\n"
        "  local all = {}\n"
        "  for line in ctx.open({['$artifact'] = 'sha256:00'}):lines() do all[#all + 1] = line end\n"
        "  local f = ctx.open('sha256:00')\n"
        "  return {all, f:read(3), f:read(), f:read() == nil, select('#', ctx.open('x'))}\n"
        "end\n"
        "function M.emit(_, ctx) return {pcall(ctx.emit, 'x', {})} end\n"
        "return M",
        SY__PROFILE_EXTENSION);
    CHECK_INT(call(&w, "log", "{}"), SY_OK);
    CHECK_STR(w.log, "2:careful\n1:a\t1\tnil\n2:bc\n");
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "stream", "{}"), SY_OK);
    CHECK_STR(w.stream, "chunk");
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "store", "{}"), SY_OK);
    check_output(&w, "{\"$artifact\":\"sha256:00\",\"size\":3}");
    CHECK_INT(call(&w, "bad", "{}"), SY_EDISKFULL);
    sy__call_close(&w.call);
    CHECK_INT(call(&w, "write", "{}"), SY_OK);
    check_output(&w, "[{\"$artifact\":\"sha256:00\",\"size\":3},false]");
    CHECK_INT(call(&w, "read", "{}"), SY_OK);
    check_output(&w, "[[\"one\",\"two\",\"three\"],\"one\",\"\\ntwo\\nthree\",true,3]");
    CHECK_INT(call(&w, "emit", "{}"), SY_OK);
    sy__call_close(&w.call);
    close_world(&w);
}

int
main(void)
{
    gives_results_back();
    says_how_it_failed();
    refuses_bad_sources();
    refuses_melodies_that_do_things();
    evaluates_with_arguments();
    waits_without_a_thread();
    ends_waits_from_outside();
    reaches_the_engine();
    TEST_END();
}
