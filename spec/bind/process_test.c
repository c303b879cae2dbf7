/* process_test.c: process.run and sleeping inside isolates: what they wait for, what ends them, what is refused. */
#include "bind/process.h"
#include "bind/sleep.h"
#include "io/spawn.h"
#include "kit/isolate.h"

#include "test.h"

#include <event2/event.h>
#include <lauxlib.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct world {
    struct event_base *loop;
    sy__spawner *spawner;
    sy__caps *caps;
    sy__isolate *iso;
    sy__call call;
    int ended, status;
    char stream[64];
    size_t stream_len;
    char project[64];
} world;

static int
open_sleep(lua_State *L)
{
    static const luaL_Reg functions[] = {{"sleep", sy__lua_sleep}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

static const sy__isolate_module modules[] = {
    {"process", sy__open_process, 1u << SY__PROFILE_EXTENSION},
    {"timer", open_sleep, 1u << SY__PROFILE_EXTENSION},
    {NULL, NULL, 0},
};

static const char source[] =
    "local process, timer = require 'process', require 'timer'\n"
    "local M = {}\n"
    "local function sh(script, more)\n"
    "  local o = {argv = {'sh', '-c', script}}\n"
    "  for k, v in pairs(more or {}) do o[k] = v end\n"
    "  return process.run(o)\n"
    "end\n"
    "local function said(r, message, code) return r and {r.exit_code, r.stdout, r.stderr} or {message, code} end\n"
    "function M.plain() return said(sh('echo out; echo err >&2; exit 4')) end\n"
    "function M.twice() return {said(sh('echo 1')), said(sh('echo 2'))} end\n"
    "function M.inside_coroutine()\n"
    "  return coroutine.wrap(function() return said(sh('echo deep')) end)()\n"
    "end\n"
    "function M.pieces()\n"
    "  local seen = {}\n"
    "  sh('echo one; echo two >&2', {on_output = function(stream, bytes) timer.sleep(0.001) seen[stream] = bytes "
    "end})\n"
    "  return {seen.stdout, seen.stderr}\n"
    "end\n"
    "function M.raising() sh('echo x; exec sleep 60', {on_output = function() error('no more', 0) end}) end\n"
    "function M.streamed() return said(sh('echo live', {stream = true})) end\n"
    "function M.refused() return said(process.run {argv = {'true'}}) end\n"
    "function M.folder(input) return said(sh('pwd', {cwd = input})) end\n"
    "function M.environment() return said(sh('echo $GRANTED,$HIDDEN,$MINE', {env = {MINE = 'm'}})) end\n"
    "function M.steering() return pcall(sh, 'true', {env = {LD_PRELOAD = '/x.so'}}) and 'ran' or 'refused' end\n"
    "function M.checked() return said(sh('echo why >&2; exit 1', {check = true})) end\n"
    "function M.late() return said(sh('sleep 60', {timeout = 0.05})) end\n"
    "function M.forever() return said(sh('echo $$ >out/pid; exec sleep 60')) end\n"
    "function M.nap(input) timer.sleep(input) return 'awake' end\n"
    "return M\n";

static void
on_done(sy__call *call, int status)
{
    world *w = call->ud;
    w->ended++;
    w->status = status;
    (void)event_base_loopbreak(w->loop);
}

static int
on_stream(void *ud, const char *bytes, size_t len)
{
    world *w = ud;
    if (w->stream_len + len >= sizeof w->stream) return SY_OK;
    memcpy(w->stream + w->stream_len, bytes, len);
    w->stream_len += len;
    return SY_OK;
}

static const sy__call_services services = {.stream = on_stream};

static void
open_world(world *w)
{
    static const char grants[] =
        "{\"fs.read\":[\"$PROJECT/**\"],\"fs.write\":[\"$PROJECT/out/**\"],\"process\":[\"sh\"],\"env\":[\"GRANTED\"]}";
    sy__vbuf b;
    sy__value v;
    sy__error err = {0};
    *w = (world){.loop = event_base_new()};
    (void)snprintf(w->project, sizeof w->project, "/tmp/process_testXXXXXX");
    CHECK(mkdtemp(w->project) != NULL);
    CHECK_INT(sy__spawner_new(&w->spawner, &sy__alloc_default, &err), SY_OK);
    sy__vbuf_init(&b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&b, grants, strlen(grants), &err), SY_OK);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
    CHECK_INT(sy__caps_new(&w->caps, &sy__alloc_default, v, w->project, &err), SY_OK);
    sy__vbuf_close(&b);
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = "test",
                             .profile = SY__PROFILE_EXTENSION,
                             .caps = w->caps,
                             .loop = w->loop,
                             .spawner = w->spawner,
                             .modules = modules};
    CHECK_INT(sy__isolate_new(&w->iso, &o, &err), SY_OK);
    CHECK_INT(sy__isolate_load(w->iso, source, sizeof source - 1, "init.lua", 0, &err), SY_OK);
    CHECK_STR(err.message, "");
}

static void
close_world(world *w)
{
    char command[96];
    sy__call_close(&w->call);
    sy__isolate_free(w->iso);
    sy__caps_release(w->caps);
    sy__spawner_free(w->spawner);
    event_base_free(w->loop);
    (void)snprintf(command, sizeof command, "rm -rf %s", w->project);
    CHECK_INT(system(command), 0); // NOLINT: a folder of our own
}

/* Starts an operation with a JSON input; SY_EAGAIN when it waits. */
static int
start(world *w, const char *operation, const char *input_json)
{
    static char keep[256];
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&b, input_json, strlen(input_json), NULL), SY_OK);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
    memcpy(keep, v.data, v.size);
    sy__call_close(&w->call);
    w->call =
        (sy__call){.operation = operation, .input = {keep, v.size}, .services = &services, .ud = w, .done = on_done};
    sy__vbuf_close(&b);
    return sy__isolate_call(w->iso, &w->call);
}

/* Runs an operation to its end and compares its output, as JSON. */
static void
gives(world *w, const char *operation, const char *input, const char *want)
{
    sy__buf text;
    sy__value v;
    int e = start(w, operation, input);
    int before = w->ended;
    while (e == SY_EAGAIN && w->ended == before) (void)event_base_loop(w->loop, EVLOOP_ONCE);
    if (e == SY_EAGAIN) e = w->status;
    if (e != SY_OK) (void)fprintf(stderr, "%s: %s\n", operation, w->call.error.message);
    CHECK_INT(e, SY_OK);
    if (e != SY_OK || sy__vbuf_done(&w->call.output, &v) != SY_OK) return;
    sy__buf_init(&text, &sy__alloc_default);
    sy__value_to_json(v, SY__JSON_COMPACT, &text);
    CHECK_STR(sy__buf_cstr(&text), want);
    sy__buf_close(&text);
}

static void
runs_and_waits(void)
{
    world w;
    open_world(&w);
    gives(&w, "plain", "null", "[4,\"out\\n\",\"err\\n\"]");
    gives(&w, "twice", "null", "[[0,\"1\\n\",\"\"],[0,\"2\\n\",\"\"]]");
    gives(&w, "inside_coroutine", "null", "[0,\"deep\\n\",\"\"]");
    gives(&w, "pieces", "null", "[\"one\\n\",\"two\\n\"]");
    gives(&w, "streamed", "null", "[0,\"live\\n\",\"\"]");
    CHECK_STR(w.stream, "live\n");
    gives(&w, "checked", "null", "[\"sh exited with 1: why\",\"process_failed\"]");
    gives(&w, "late", "null", "[\"sh took longer than 0.05 s\",\"timeout\"]");
    gives(&w, "nap", "0.01", "\"awake\"");
    CHECK(sy__isolate_reusable(w.iso));
    close_world(&w);
}

static void
keeps_to_the_capabilities(void)
{
    world w;
    char path[128], want[256];
    open_world(&w);
    gives(&w, "refused", "null",
          "[\"test may not start true (the manifest's [capabilities] would need process = "
          "[\\\"true\\\"])\",\"permission_denied\"]");
    (void)snprintf(path, sizeof path, "%s/sub", w.project);
    CHECK_INT(mkdir(path, 0700), 0);
    (void)snprintf(want, sizeof want, "[0,\"%s/sub\\n\",\"\"]", w.project);
    gives(&w, "folder", "\"sub\"", want);
    (void)setenv("GRANTED", "g", 1);
    (void)setenv("HIDDEN", "h", 1);
    gives(&w, "environment", "null", "[0,\"g,,m\\n\",\"\"]");
    gives(&w, "steering", "null", "\"refused\"");
    CHECK_INT(start(&w, "folder", "\"/etc\""), SY_OK); /* a result: message and code */
    close_world(&w);
}

static void
ends_the_child_when_a_callback_raises(void)
{
    world w;
    open_world(&w);
    CHECK_INT(start(&w, "raising", "null"), SY_EAGAIN);
    while (!w.ended) (void)event_base_loop(w.loop, EVLOOP_ONCE);
    CHECK_INT(w.status, SY_EEXTENSION);
    CHECK(strstr(w.call.error.message, "no more") != NULL);
    close_world(&w);
}

static pid_t
read_pid(const char *project)
{
    char path[128], text[32] = "";
    (void)snprintf(path, sizeof path, "%s/out/pid", project);
    for (int64_t until = sy__mono_ms(&sy__clock_system) + 5000; sy__mono_ms(&sy__clock_system) < until; sched_yield()) {
        FILE *f = fopen(path, "r");
        if (!f) continue;
        (void)!fgets(text, sizeof text, f);
        (void)fclose(f);
        if (strchr(text, '\n')) return (pid_t)atoi(text);
    }
    return 0;
}

static bool
dies(pid_t pid)
{
    for (int64_t until = sy__mono_ms(&sy__clock_system) + 5000; sy__mono_ms(&sy__clock_system) < until; sched_yield())
        if (kill(pid, 0) < 0) return true;
    return false;
}

static void
ends_the_child_when_the_call_is_cancelled(void)
{
    world w;
    open_world(&w);
    CHECK_INT(start(&w, "forever", "null"), SY_EAGAIN);
    pid_t pid = read_pid(w.project);
    CHECK(pid > 0);
    sy__isolate_cancel(w.iso, SY_ECANCELLED);
    CHECK_INT(w.ended, 1);
    CHECK_INT(w.status, SY_ECANCELLED);
    CHECK(dies(pid));
    close_world(&w);
}

static void
ends_the_child_with_the_isolate(void)
{
    world w;
    open_world(&w);
    CHECK_INT(start(&w, "forever", "null"), SY_EAGAIN);
    pid_t pid = read_pid(w.project);
    sy__isolate_free(w.iso);
    w.iso = NULL;
    CHECK(dies(pid));
    close_world(&w);
}

static void
drops_the_timer_when_a_sleeper_is_cancelled(void)
{
    world w;
    open_world(&w);
    CHECK_INT(start(&w, "nap", "1000"), SY_EAGAIN);
    CHECK_INT(event_base_get_num_events(w.loop, EVENT_BASE_COUNT_ADDED), 1);
    sy__isolate_cancel(w.iso, SY_ETIMEOUT);
    CHECK_INT(w.status, SY_ETIMEOUT);
    CHECK_INT(event_base_get_num_events(w.loop, EVENT_BASE_COUNT_ADDED), 0);
    close_world(&w);
}

int
main(void)
{
    runs_and_waits();
    keeps_to_the_capabilities();
    ends_the_child_when_a_callback_raises();
    ends_the_child_when_the_call_is_cancelled();
    ends_the_child_with_the_isolate();
    drops_the_timer_when_a_sleeper_is_cancelled();
    TEST_END();
}
