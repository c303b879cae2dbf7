/*
 * cell_test.c: an isolate in a process of its own answers as one in process does, asks its host for the world, and
 * whatever it does wrong ends its call with the reason and nothing else. The test program is the cell, too.
 */
#include "kit/cell.h"

#include "test.h"

#include <errno.h>
#include <event2/event.h>
#include <lauxlib.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- modules: what the host does, and what a test of the walls tries ---- */

/* world.add(a, b), world.fail(), world.raise(text), world.each{n=, on=function(i)} */
static int
world_add(lua_State *L)
{
    lua_pushinteger(L, luaL_checkinteger(L, 1) + luaL_checkinteger(L, 2));
    return 1;
}

static int
world_fail(lua_State *L)
{
    lua_pushnil(L);
    lua_pushliteral(L, "it is not there");
    lua_pushliteral(L, "not_found");
    return 3;
}

static int
world_raise(lua_State *L)
{
    return luaL_error(L, "%s", luaL_checkstring(L, 1));
}

static int
each_next(lua_State *L, int status, lua_KContext i)
{
    (void)status;
    lua_getfield(L, 1, "n");
    lua_Integer n = lua_tointeger(L, -1);
    if (++i > n) {
        lua_pushinteger(L, n);
        return 1;
    }
    lua_getfield(L, 1, "on");
    lua_pushinteger(L, i);
    lua_callk(L, 1, 0, i, each_next);
    return each_next(L, LUA_OK, i);
}

static int
world_each(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return each_next(L, LUA_OK, 0);
}

static int
world_pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

static int
open_world(lua_State *L)
{
    static const luaL_Reg functions[] = {{"add", world_add},   {"fail", world_fail}, {"raise", world_raise},
                                         {"each", world_each}, {"pid", world_pid},   {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

/* native.call(number, a, b): a system call, as hostile code would make it. */
static int
native_call(lua_State *L)
{
    long a = (long)luaL_optinteger(L, 2, 0), b = (long)luaL_optinteger(L, 3, 0), c = (long)luaL_optinteger(L, 4, 0);
    lua_pushinteger(L, syscall((long)luaL_checkinteger(L, 1), a, b, c, 0L, 0L, 0L));
    return 1;
}

static int
native_pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

/* Writes bytes to the socket, past all that is in order. */
static int
native_write(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    lua_pushinteger(L, write((int)luaL_checkinteger(L, 1), bytes, len));
    return 1;
}

/* Memory outside of Lua. */
static int
native_leak(lua_State *L)
{
    size_t bytes = (size_t)luaL_checkinteger(L, 1), held = 0;
    for (; held < bytes; held += 1 << 20) {
        char *p = malloc(1 << 20);
        if (!p) break;
        memset(p, 1, 1 << 20);
    }
    lua_pushinteger(L, (lua_Integer)(held >> 20));
    return 1;
}

static int
native_spin(lua_State *L)
{
    (void)L;
    for (volatile int i = 0;; i++) continue;
    return 0;
}

static int
native_crash(lua_State *L)
{
    (void)L;
    raise(SIGSEGV);
    volatile uintptr_t nowhere = 16;
    *(volatile int *)nowhere = 1;
    return 0;
}

static int
open_native(lua_State *L)
{
    static const luaL_Reg functions[] = {{"call", native_call}, {"pid", native_pid},   {"write", native_write},
                                         {"leak", native_leak}, {"spin", native_spin}, {"crash", native_crash},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

static const sy__isolate_module modules[] = {
    {"world", open_world, 1u << SY__PROFILE_EXTENSION | SY__HOSTED},
    {"native", open_native, 1u << SY__PROFILE_EXTENSION},
    {NULL, NULL, 0},
};

/* ---- helpers ---- */

static const char source[] =
    "local world, native = require 'world', require 'native'\n"
    "local M = {}\n"
    "local count = 0\n"
    "function M.echo(input) count = count + 1 return { input = input, count = count } end\n"
    "function M.add(input) return world.add(input.a, input.b) end\n"
    "function M.fail() return world.fail() end\n"
    "function M.raise() world.raise('as it was') end\n"
    "function M.argument() world.add('x', 1) end\n"
    "function M.each(input)\n"
    "  local sum = 0\n"
    "  world.each { n = input.n, on = function(i) sum = sum + world.add(i, 0) end }\n"
    "  return sum\n"
    "end\n"
    "function M.broken_callback() world.each { n = 3, on = function() error('in the callback', 0) end } end\n"
    "function M.loop() while true do pcall(function() while true do end end) end end\n"
    "function M.loop_in_callback() world.each { n = 1, on = function() while true do end end } end\n"
    "function M.memory() local t = {} while true do t[#t + 1] = ('x'):rep(1 << 20) .. #t end end\n"
    "function M.require() return require('lib.part').name end\n"
    "function M.pids() return { here = native.pid(), host = world.pid() } end\n"
    "function M.call(input) return native.call(input.number, input.a, input.b, input.c) end\n"
    "function M.write(input) return native.write(input.fd, input.bytes) end\n"
    "function M.leak(input) return native.leak(input.bytes) end\n"
    "function M.spin() native.spin() end\n"
    "function M.crash() native.crash() end\n"
    "function M.own() return nil, 'no such thing', 'odd' end\n"
    "function M.retry(input, ctx) return ctx.retry('later', 'busy') end\n"
    "function M.error() error('plain') end\n"
    "function M.large() return ('x'):rep(17 << 20) end\n"
    "function M.date() return os.date('%c %Z') .. tostring(math.random()) end\n"
    "function M.ctx(input, ctx)\n"
    "  ctx.progress(1, 2, 'half')\n"
    "  ctx.stream('piece')\n"
    "  ctx.log('info', 'a line')\n"
    "  ctx.emit('made', { it = 1 })\n"
    "  ctx.usage { usd = 0.5, tokens = 7 }\n"
    "  local w = ctx.writer('text')\n"
    "  for i = 1, 3 do w:write('line ', tostring(i), '\\n') end\n"
    "  local ref = w:close()\n"
    "  local lines = {}\n"
    "  for line in ctx.open(ref):lines() do lines[#lines + 1] = line end\n"
    "  return { ref = ref, lines = lines, key = ctx.idempotency_key, trusted = ctx.trusted }\n"
    "end\n"
    "return M\n";

static int cpu_ms = 300;
static char self[4096];
static char last_line[4096];
static int lines;

static void
on_line(void *ud, sy__log_level level, int64_t wall_ms, const char *area, const char *text)
{
    (void)ud, (void)level, (void)wall_ms, (void)area;
    (void)snprintf(last_line, sizeof last_line, "%s", text);
    lines++;
}

static bool
find_module(void *ud, const char *name, const char **text, size_t *len, const char **chunk_name)
{
    (void)ud;
    if (strcmp(name, "lib.part") != 0) return false;
    *text = "return { name = 'part' }";
    *len = strlen(*text);
    *chunk_name = "lib/part.lua";
    return true;
}

static sy__log test_log;

static sy__isolate *
open_isolate(sy__isolation isolation, struct event_base *loop)
{
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .log = &test_log,
                             .name = "acme/evil",
                             .memory_bytes = 32 << 20,
                             .modules = modules,
                             .module = find_module,
                             .loop = loop,
                             .trusted = true,
                             .isolation = isolation,
                             .helper = self};
    sy__isolate *iso;
    sy__error err = {0};
    int rc = sy__isolate_new(&iso, &o, &err);
    if (rc) (void)fprintf(stderr, "new: %s\n", err.message);
    CHECK_INT(rc, SY_OK);
    rc = sy__isolate_load(iso, source, sizeof source - 1, "init.lua", 0, &err);
    if (rc) (void)fprintf(stderr, "load: %s\n", err.message);
    CHECK_INT(rc, SY_OK);
    return iso;
}

static sy__value
value_of(sy__vbuf *b, const char *json)
{
    sy__error err = {0};
    sy__value v = {0};
    sy__vbuf_init(b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(b, json, strlen(json), &err), SY_OK);
    CHECK_INT(sy__vbuf_done(b, &v), SY_OK);
    return v;
}

/* The result as JSON, or "code: message". */
static const char *
call_on(sy__isolate *iso, const char *operation, const char *json, int *code)
{
    static char text[8192];
    sy__vbuf input;
    sy__value v;
    sy__buf out;
    sy__call call = {.operation = operation, .cpu_ms = cpu_ms, .input = value_of(&input, json)};
    *code = sy__isolate_call(iso, &call);
    sy__buf_init(&out, &sy__alloc_default);
    if (*code == SY_OK && sy__vbuf_done(&call.output, &v) == SY_OK)
        sy__value_to_json(v, SY__JSON_COMPACT, &out);
    else
        sy__buf_addf(&out, "%s: %s @%s:%d %s", sy_errname(*code), call.error.message, call.error.file, call.error.line,
                     call.code);
    (void)snprintf(text, sizeof text, "%s", sy__buf_cstr(&out));
    sy__buf_close(&out);
    sy__call_close(&call);
    sy__vbuf_close(&input);
    return text;
}

/* In a new cell of its own. */
static const char *
call_once(const char *operation, const char *json, int *code)
{
    sy__isolate *iso = open_isolate(SY__OWN_PROCESS, NULL);
    const char *text = call_on(iso, operation, json, code);
    sy__isolate_free(iso);
    return text;
}

/* ---- the same in both ---- */

static void
both_give_the_same(void)
{
    static const char *const calls[][2] = {
        {"echo", "{\"list\":[],\"deep\":{\"n\":null,\"x\":1.5}}"},
        {"add", "{\"a\":2,\"b\":40}"},
        {"fail", "{}"},
        {"own", "{}"},
        {"retry", "{}"},
        {"error", "{}"},
        {"raise", "{}"},
        {"argument", "{}"},
        {"each", "{\"n\":5}"},
        {"each", "{\"n\":0}"},
        {"broken_callback", "{}"},
        {"require", "{}"},
        {"none", "{}"},
        {"large", "{}"},
        {"echo", "{}"},
        {"loop", "{}"},
        {"echo", "{}"},
    };
    sy__isolate *here = open_isolate(SY__IN_PROCESS, NULL), *there = open_isolate(SY__OWN_PROCESS, NULL);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char expected[8192];
        int want, got;
        (void)snprintf(expected, sizeof expected, "%s", call_on(here, calls[i][0], calls[i][1], &want));
        const char *text = call_on(there, calls[i][0], calls[i][1], &got);
        CHECK_INT(got, want);
        CHECK_STR(text, expected);
        CHECK_INT(sy__isolate_reusable(there), sy__isolate_reusable(here));
    }
    sy__isolate_free(here);
    sy__isolate_free(there);
}

static void
it_is_another_process(void)
{
    int code;
    char host[64];
    const char *text = call_once("pids", "{}", &code);
    CHECK_INT(code, SY_OK);
    (void)snprintf(host, sizeof host, "\"host\":%d", (int)getpid());
    CHECK(strstr(text, host) != NULL);
    (void)snprintf(host, sizeof host, "\"here\":%d", (int)getpid());
    CHECK(strstr(text, host) == NULL);
    text = call_once("date", "{}", &code);
    if (code) CHECK_STR(text, "");
}

/* ---- what a call may ask of the engine ---- */

static char asked[1024];
static sy__buf stored;

static int
keep_artifact(void *ud, const char *type, const void *bytes, size_t size, sy__value metadata, sy__vbuf *ref,
              sy__error *err)
{
    (void)ud, (void)type, (void)metadata, (void)err;
    sy__buf_add(&stored, bytes, size);
    sy__vbuf_map(ref);
    sy__vbuf_key(ref, "$artifact", 9);
    sy__vbuf_cstr(ref, "sha256:1");
    sy__vbuf_end(ref);
    return SY_OK;
}

static int
read_artifact(void *ud, const char *hash, sy__buf *out, sy__error *err)
{
    (void)ud;
    if (strcmp(hash, "sha256:1") != 0) return sy__error_set(err, SY_ENOTFOUND, "no artifact");
    sy__buf_add(out, stored.data, stored.len);
    return SY_OK;
}

static void
note(const char *what, const char *text)
{
    size_t len = strlen(asked);
    (void)snprintf(asked + len, sizeof asked - len, "%s(%s) ", what, text);
}

static int
on_emit(void *ud, const char *event_type, sy__value payload, sy__error *err)
{
    (void)ud, (void)err;
    CHECK_INT(sy__value_count(payload), 1);
    note("emit", event_type);
    return SY_OK;
}

static int
on_progress(void *ud, double done, double total, const char *text)
{
    (void)ud;
    CHECK(done == 1 && total == 2);
    note("progress", text);
    return SY_OK;
}

static int
on_stream(void *ud, const char *bytes, size_t len)
{
    char text[64];
    (void)ud;
    (void)snprintf(text, sizeof text, "%.*s", (int)len, bytes);
    note("stream", text);
    return SY_OK;
}

static int
on_log(void *ud, sy__log_level level, const char *text)
{
    (void)ud;
    CHECK_INT(level, SY__LOG_INFO);
    note("log", text);
    return SY_OK;
}

static void
on_usage(void *ud, double usd, int64_t tokens)
{
    (void)ud;
    CHECK(usd == 0.5);
    CHECK_INT(tokens, 7);
}

static void
ctx_reaches_the_engine(void)
{
    static const sy__call_services services = {.artifact = keep_artifact,
                                               .artifact_read = read_artifact,
                                               .emit = on_emit,
                                               .progress = on_progress,
                                               .stream = on_stream,
                                               .log = on_log,
                                               .usage = on_usage};
    sy__isolate *iso = open_isolate(SY__OWN_PROCESS, NULL);
    sy__call call = {.operation = "ctx", .idempotency_key = "run:key", .services = &services};
    sy__value v;
    sy__buf out;
    sy__buf_init(&stored, &sy__alloc_default);
    sy__buf_init(&out, &sy__alloc_default);
    CHECK_INT(sy__isolate_call(iso, &call), SY_OK);
    CHECK_STR(call.error.message, "");
    CHECK_INT(sy__vbuf_done(&call.output, &v), SY_OK);
    sy__value_to_json(v, SY__JSON_COMPACT, &out);
    CHECK_STR(sy__buf_cstr(&out), "{\"key\":\"run:key\",\"lines\":[\"line 1\",\"line 2\",\"line 3\"],"
                                  "\"ref\":{\"$artifact\":\"sha256:1\"},\"trusted\":true}");
    CHECK_STR(asked, "progress(half) stream(piece) log(a line) emit(made) ");
    CHECK(call.cpu_ns > 0);
    CHECK(call.peak_bytes > 10000);
    sy__call_close(&call);
    sy__isolate_free(iso);
    sy__buf_close(&stored);
    sy__buf_close(&out);
}

/* ---- hostile cells ---- */

static void
check_end(const char *operation, const char *json, int code, const char *part)
{
    int got;
    const char *text = call_once(operation, json, &got);
    CHECK_INT(got, code);
    if (!strstr(text, part)) CHECK_STR(text, part);
}

static void
system_calls_end_it(void)
{
    static const struct {
        long number;
        const char *name;
    } rows[] = {{SYS_openat, "openat"}, {SYS_socket, "socket"}, {SYS_execve, "execve"}, {SYS_clone, "clone"},
                {SYS_ptrace, "ptrace"}, {SYS_kill, "kill"},     {SYS_prctl, "prctl"},   {SYS_bpf, "bpf"},
#ifdef SYS_fork
                {SYS_open, "open"},     {SYS_fork, "fork"},     {SYS_vfork, "vfork"},
#endif
                {SYS_chdir, ""},        {SYS_setuid, ""},       {SYS_reboot, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[64], part[64];
        (void)snprintf(json, sizeof json, "{\"number\":%ld}", rows[i].number);
        (void)snprintf(part, sizeof part, rows[i].name[0] ? "the system call %s," : "a system call that", rows[i].name);
        check_end("call", json, SY_EEXTENSION, part);
    }
}

static void
each_end_has_its_code(void)
{
    check_end("loop", "{}", SY_ETIMEOUT, "more than 300 ms @init.lua:");
    check_end("loop_in_callback", "{}", SY_ETIMEOUT, "more than 300 ms @init.lua:");
    cpu_ms = 10000; /* memory has to run out before time does */
    check_end("memory", "{}", SY_EMEMORY, "32768 KiB");
    cpu_ms = 300;
    check_end("spin", "{}", SY_ETIMEOUT, "did not stop by itself");
    check_end("crash", "{}", SY_EEXTENSION, "acme/evil: ");
    check_end("write", "{\"fd\":0,\"bytes\":\"garbage that is no frame\"}", SY_EEXTENSION, "no message");
    check_end("write", "{\"fd\":0,\"bytes\":\"\\u0001\"}", SY_EEXTENSION, "acme/evil: ");
#if !defined(__SANITIZE_ADDRESS__)
    int code;
    const char *text = call_once("leak", "{\"bytes\":2000000000}", &code);
    CHECK_INT(code, SY_OK);
    CHECK(atoi(text) < 200);
#endif
}

static void
chatter_goes_to_the_log(void)
{
    int code;
    last_line[0] = '\0';
    sy__isolate *iso = open_isolate(SY__OWN_PROCESS, NULL);
    (void)call_on(iso, "write", "{\"fd\":2,\"bytes\":\"a word\\n\"}", &code);
    CHECK_INT(code, SY_OK);
    for (int i = 0; i < 100 && !last_line[0]; i++) (void)call_on(iso, "echo", "{}", &code);
    CHECK_STR(last_line, "a word");
    sy__isolate_free(iso);
}

/* ---- on a loop that others use, too ---- */

static void
on_done(sy__call *call, int status)
{
    *(int *)call->ud = status;
}

static void
a_loop_is_shared(void)
{
    struct event_base *loop = event_base_new();
    sy__isolate *iso = open_isolate(SY__OWN_PROCESS, loop);
    int status = 1;
    sy__call call = {.operation = "pids", .done = on_done, .ud = &status};
    CHECK_INT(sy__isolate_call(iso, &call), SY_EAGAIN);
    CHECK(sy__isolate_parked(iso));
    while (status == 1 && event_base_loop(loop, EVLOOP_ONCE) == 0) continue;
    CHECK_INT(status, SY_OK);
    CHECK(sy__isolate_reusable(iso));
    sy__call_close(&call);
    call.deadline_ns = sy__mono_ns(&sy__clock_system) + INT64_C(60000000000);
    status = 1;
    CHECK_INT(sy__isolate_call(iso, &call), SY_EAGAIN);
    CHECK_INT(sy__isolate_await(iso, &call), SY_OK);
    CHECK_INT(status, 1); /* who waits is told by the result only */
    sy__call_close(&call);
    call.operation = "spin";
    call.deadline_ns = sy__mono_ns(&sy__clock_system) + 200000000;
    CHECK_INT(sy__isolate_call(iso, &call), SY_EAGAIN);
    CHECK_INT(sy__isolate_await(iso, &call), SY_ETIMEOUT);
    CHECK(!sy__isolate_reusable(iso));
    sy__call_close(&call);
    sy__isolate_free(iso);
    event_base_free(loop);
}

/* The process of an isolate, as it says itself. */
static pid_t
pid_of(sy__isolate *iso)
{
    int code;
    const char *here = strstr(call_on(iso, "pids", "{}", &code), "\"here\":");
    CHECK(here != NULL);
    return here ? atoi(here + 7) : -1;
}

static void
a_killed_one_is_not_used_again(void)
{
    int code;
    sy__isolate *iso = open_isolate(SY__OWN_PROCESS, NULL);
    CHECK_INT(kill(pid_of(iso), SIGKILL), 0);
    const char *text = call_on(iso, "echo", "{}", &code);
    CHECK_INT(code, SY_EEXTENSION);
    if (!strstr(text, "SIGKILL")) CHECK_STR(text, "SIGKILL");
    CHECK(!sy__isolate_reusable(iso));
    (void)call_on(iso, "echo", "{}", &code);
    CHECK_INT(code, SY_EEXTENSION);
    sy__isolate_free(iso);
}

static void
a_stopped_one_meets_the_deadline(void)
{
    sy__isolate *iso = open_isolate(SY__OWN_PROCESS, NULL);
    CHECK_INT(kill(pid_of(iso), SIGSTOP), 0);
    sy__call call = {.operation = "echo", .deadline_ns = sy__mono_ns(&sy__clock_system) + 300000000};
    CHECK_INT(sy__isolate_call(iso, &call), SY_ETIMEOUT);
    CHECK(!sy__isolate_reusable(iso));
    sy__call_close(&call);
    sy__isolate_free(iso);
}

/* Much is written at once, and the host neither keeps nor logs all of it. */
static void
a_chatty_one_is_limited(void)
{
    int code;
    sy__isolate *iso = open_isolate(SY__OWN_PROCESS, NULL);
    lines = 0;
    for (int i = 0; i < 2000; i++) (void)call_on(iso, "write", "{\"fd\":2,\"bytes\":\"a word\\n\"}", &code);
    CHECK_INT(code, SY_OK);
    CHECK(lines > 0 && lines < 1500);
    CHECK(sy__isolate_bytes(iso) < (48 << 20));
    sy__isolate_free(iso);
}

static void
no_helper_is_refused(void)
{
    sy__isolate_options o = {
        .alloc = &sy__alloc_default, .clock = &sy__clock_system, .name = "x", .isolation = SY__OWN_PROCESS};
    sy__isolate *iso;
    sy__error err = {0};
    CHECK_INT(sy__isolate_new(&iso, &o, &err), SY_EPROCESS);
    CHECK(strstr(err.hint, "SYMPHONY_BIN") != NULL);
    o.helper = "/nowhere/symphony";
    CHECK_INT(sy__isolate_new(&iso, &o, &err), SY_ENOTFOUND);
    o.helper = "/bin/true";
    CHECK_INT(sy__isolate_new(&iso, &o, &err), SY_OK);
    CHECK_INT(sy__isolate_load(iso, "return {}", 9, "init.lua", 0, &err), SY_EPROCESS);
    CHECK(strstr(err.message, "/bin/true") != NULL);
    sy__isolate_free(iso);
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], SY__CELL_MODE) == 0) return sy__cell_main(modules);
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    sy__log_init(&test_log, &sy__clock_system);
    test_log.sink = on_line;
    both_give_the_same();
    it_is_another_process();
    ctx_reaches_the_engine();
    system_calls_end_it();
    each_end_has_its_code();
    chatter_goes_to_the_log();
    a_loop_is_shared();
    a_killed_one_is_not_used_again();
    a_stopped_one_meets_the_deadline();
    a_chatty_one_is_limited();
    no_helper_is_refused();
    sy__log_close(&test_log);
    TEST_END();
}
