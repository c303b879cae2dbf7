/*
 * process.c: the module `process` of isolates, and `sy.process` of trusted Lua.
 *
 * In an isolate process.run parks the call. Output for `on_output` and `stream` is kept as records until the
 * coroutine runs again: the loop wakes it at the first one, it takes all, hands each on and parks anew. While that
 * takes its time the child is held: its pipes fill and it waits.
 * The run lives in a userdata on the coroutine's stack: whoever ends the call ends the child.
 */
#include "bind/process.h"

#include "bind/modules.h"
#include "bind/process_options.h"
#include "io/cage.h"
#include "io/which.h"
#include "kit/audit.h"
#include "kit/reads.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#define RUN_MT "sy.process.run"

enum {
    GRACE_MS = 100, /* between TERM and KILL when the call is over: cancelling is done within 250 ms */
    OPTIONS_AT = 1, /* on the stack of process.run: the table, the run, then the anchors of the request */
    RUN_AT = 2,
    PENDING_BYTES = 256 << 10, /* of records; then the child is held until they are taken */
};

typedef struct run {
    sy__child *child;
    sy__isolate *isolate; /* NULL: trusted */
    sy__process_request request;
    sy__buf pending; /* records for on_output: a header, then its bytes */
    size_t pending_at;
    struct event_base *loop; /* of a trusted run */
    lua_State *L;            /* of a trusted run */
    bool parked, exited, broken;
    char program[64]; /* for messages */
} run;

typedef struct record {
    int stream;
    size_t len;
} record;

/* ---- the run ---- */

static void
end_run(void *ud)
{
    run *r = ud;
    sy__child_abandon(r->child, GRACE_MS);
    r->child = NULL;
    r->parked = false;
}

static int
run_gc(lua_State *L)
{
    run *r = luaL_checkudata(L, 1, RUN_MT);
    end_run(r);
    sy__buf_close(&r->pending);
    if (r->loop) event_base_free(r->loop);
    r->loop = NULL;
    return 0;
}

static run *
push_run(lua_State *L, const sy__alloc *a)
{
    run *r = lua_newuserdatauv(L, sizeof *r, 0);
    memset(r, 0, sizeof *r);
    sy__buf_init(&r->pending, a);
    if (luaL_newmetatable(L, RUN_MT)) {
        lua_pushcfunction(L, run_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    return r;
}

static void
read_request(lua_State *L, run *r)
{
    sy__process_read(L, OPTIONS_AT, r->isolate, &r->request);
    r->request.child.ud = r;
    size_t len = strlen(r->request.child.argv[0]), room = sizeof r->program - 1;
    memcpy(r->program, r->request.child.argv[0], len < room ? len : room);
}

static const char *
stream_name(int stream)
{
    return stream == 1 ? "stdout" : "stderr";
}

/* ---- in an isolate ---- */

static int go_on(lua_State *L, int status, lua_KContext ctx);

static void
wake(run *r)
{
    if (!r->parked) return;
    r->parked = false;
    sy__isolate_wake(r->isolate); /* may free r */
}

static void
add_record(run *r, int stream, const char *bytes, size_t len)
{
    record head = {.stream = stream, .len = len};
    if (!sy__buf_reserve(&r->pending, sizeof head + len)) return;
    sy__buf_add(&r->pending, &head, sizeof head);
    sy__buf_add(&r->pending, bytes, len);
    if (r->pending.len >= PENDING_BYTES) sy__child_hold(r->child, true);
}

static void
on_isolate_output(void *ud, int stream, const char *bytes, size_t len)
{
    run *r = ud;
    if (!r->request.has_on_output && !r->request.stream) return;
    add_record(r, stream, bytes, len);
    wake(r);
}

static void
on_isolate_exit(void *ud, sy__child *child)
{
    run *r = ud;
    sy__child_result result;
    sy__reads *reads = sy__isolate_reads(r->isolate);
    sy__child_result_get(child, &result);
    if (reads && (result.timed_out || result.signal)) sy__reads_spoil(reads, "%s was ended from outside", r->program);
    r->exited = true;
    wake(r);
}

/* The next record, borrowed; false: none is left. */
static bool
next_record(run *r, record *head, const char **bytes)
{
    if (r->pending_at >= r->pending.len) {
        sy__buf_reset(&r->pending);
        r->pending_at = 0;
        if (r->child) sy__child_hold(r->child, false);
        return false;
    }
    memcpy(head, r->pending.data + r->pending_at, sizeof *head);
    *bytes = r->pending.data + r->pending_at + sizeof *head;
    return true;
}

enum { TAKE, STREAMED }; /* where go_on goes on: at the next record; after ctx's stream took it */

/* Moves past the record and calls on_output with it. */
static void
tell(lua_State *L, run *r, const record *head, const char *bytes)
{
    r->pending_at += sizeof *head + head->len;
    if (!r->request.has_on_output) return;
    lua_getfield(L, OPTIONS_AT, "on_output");
    lua_pushstring(L, stream_name(head->stream));
    lua_pushlstring(L, bytes, head->len);
    lua_callk(L, 2, 0, TAKE, go_on);
}

static int
go_on(lua_State *L, int status, lua_KContext step)
{
    run *r = luaL_checkudata(L, RUN_AT, RUN_MT);
    record head;
    const char *bytes;
    (void)status;
    for (; next_record(r, &head, &bytes); step = TAKE) {
        if (step == TAKE && r->request.stream && sy__isolate_stream(L, bytes, head.len) == SY_EAGAIN)
            return sy__isolate_settle(L, SY_EAGAIN, go_on, STREAMED);
        tell(L, r, &head, bytes);
    }
    if (!r->exited) {
        r->parked = true;
        return sy__isolate_park(L, end_run, r, go_on, TAKE);
    }
    int n = sy__process_result(L, r->child, &r->request, r->program);
    end_run(r);
    return n;
}

/* The folder to start in; the project's when none is named. */
static int
open_cwd(run *r, const sy__caps *caps, sy__error *err)
{
    sy__child_options *o = &r->request.child;
    if (!o->cwd) {
        o->cwd = sy__caps_project_dir(caps);
        if (!o->cwd) o->cwd = "/";
        return SY_OK;
    }
    int fd = sy__caps_open(caps, SY__READ, o->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, err);
    sy__audit_path(r->isolate, SY__READ, o->cwd, fd);
    if (fd < 0) return fd;
    o->cwd_fd = fd;
    return SY_OK;
}

/* Where the kernel cannot hold a child to its files, its task's log says so. */
static void
say_unheld(const run *r)
{
    char text[160];
    sy__call *call = sy__isolate_call_now(r->isolate);
    if (sy__land_abi() || !call->services || !call->services->log) return;
    (void)snprintf(text, sizeof text, "%s is not held to granted files: this kernel has no Landlock", r->program);
    (void)call->services->log(call->ud, SY__LOG_WARN, text);
}

static int
start_in_isolate(run *r, const sy__caps *caps, sy__error *err)
{
    sy__child_options *o = &r->request.child;
    bool allowed = sy__caps_process(caps, o->argv[0]);
    sy__audit(r->isolate, SY__USE_PROCESS, o->argv[0], allowed);
    if (!allowed) {
        (void)sy__error_set(err, SY_EPERM, "%s may not start %s", sy__isolate_options_of(r->isolate)->name, o->argv[0]);
        if (!sy__caps_withheld(caps, "process", o->argv[0], err))
            sy__error_hint(err, "the manifest's [capabilities] would need process = [\"%s\"]", r->program);
        return SY_EPERM;
    }
    int e = open_cwd(r, caps, err);
    if (e) return e;
    o->on_output = on_isolate_output;
    o->on_exit = on_isolate_exit;
    const sy__cage_options held = {.without_landlock = !sy__isolate_options_of(r->isolate)->foreign};
    e = sy__caps_cage(&o->cage, caps, o->argv[0], &held, err);
    if (e == SY_OK) say_unheld(r);
    if (e == SY_OK)
        e = sy__child_spawn(&r->child, sy__isolate_spawner(r->isolate), sy__isolate_loop(r->isolate),
                            sy__isolate_options_of(r->isolate)->alloc, o, err);
    if (o->cwd_fd >= 0) (void)close(o->cwd_fd);
    o->cwd_fd = -1;
    o->cage = NULL; /* the child's, or gone */
    return e;
}

/*
 * What the child may read is what the manifest declares and, more closely, the field `reads`: paths and globs, or
 * false: more than can be named, so that the result is not kept.
 */
static void
record_reads(lua_State *L, const run *r)
{
    sy__reads *reads = sy__isolate_reads(r->isolate);
    if (!reads) return;
    sy__reads_look(reads, SY__READ_PROGRAM, r->request.child.argv[0]);
    int top = lua_gettop(L), type = lua_getfield(L, OPTIONS_AT, "reads");
    if (type == LUA_TBOOLEAN && !lua_toboolean(L, -1))
        sy__reads_spoil(reads, "it started %s, which reads more than is declared", r->program);
    for (lua_Integer i = 1; type == LUA_TTABLE && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
        sy__reads_declare(reads, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_settop(L, top);
}

/* process.run{argv=, cwd=, stdin=, env=, timeout=, check=, max_output=, stream=, on_output=, reads=} */
static int
l_run(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    sy__isolate *iso = sy__isolate_of(L);
    if (!iso || !sy__isolate_loop(iso) || !sy__isolate_spawner(iso) || !sy__isolate_call_now(iso))
        return luaL_error(L, "process.run: no process can be started here");
    run *r = push_run(L, sy__isolate_options_of(iso)->alloc);
    r->isolate = iso;
    read_request(L, r);
    record_reads(L, r);
    sy__error err = {0};
    if (r->request.uses->error.code) return sy__process_fail(L, &r->request.uses->error);
    if (start_in_isolate(r, sy__isolate_caps(iso), &err) != SY_OK) return sy__process_fail(L, &err);
    sy__secret_uses_close(r->request.uses);
    return go_on(L, LUA_OK, 0);
}

/* process.which(name) -> path | nil, message, code */
static int
l_which(lua_State *L)
{
    char path[SY__PATH_BYTES];
    const char *name = luaL_checkstring(L, 1);
    sy__error err = {0};
    int e = strchr(name, '/') ? ENOENT : sy__which(name, NULL, path);
    if (e) {
        (void)sy__which_error(name, e, &err);
        return sy__process_fail(L, &err);
    }
    lua_pushstring(L, path);
    return 1;
}

static int
l_which_recorded(lua_State *L)
{
    sy__reads *reads = sy__isolate_reads(sy__isolate_of(L));
    const char *name = luaL_checkstring(L, 1);
    if (reads && !strchr(name, '/')) sy__reads_look(reads, SY__READ_PROGRAM, name);
    return l_which(L);
}

/* Pushes the module of an isolate; process.which is refused names only, so it needs no capability. */
int
sy__open_process(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", l_run}, {"which", l_which_recorded}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

/* ---- trusted ---- */

/* One piece of output on its way to the Lua function. */
typedef struct piece {
    int stream;
    const char *bytes;
    size_t len;
} piece;

/* (options, piece), protected because making the strings may raise. */
static int
call_on_output(lua_State *L)
{
    const piece *p = lua_touserdata(L, 2);
    lua_getfield(L, 1, "on_output");
    lua_pushstring(L, stream_name(p->stream));
    lua_pushlstring(L, p->bytes, p->len);
    lua_call(L, 2, 0);
    return 0;
}

static void
on_trusted_output(void *ud, int stream, const char *bytes, size_t len)
{
    run *r = ud;
    piece p = {.stream = stream, .bytes = bytes, .len = len};
    if (!r->request.has_on_output || r->broken) return;
    lua_pushcfunction(r->L, call_on_output);
    lua_pushvalue(r->L, OPTIONS_AT);
    lua_pushlightuserdata(r->L, &p);
    if (lua_pcall(r->L, 2, 0, 0) == LUA_OK) return;
    r->broken = true; /* its message stays on the stack */
    sy__child_kill(r->child, GRACE_MS);
}

static void
on_trusted_exit(void *ud, sy__child *child)
{
    run *r = ud;
    (void)child;
    r->exited = true;
    (void)event_base_loopbreak(r->loop);
}

/* The same as in an isolate, blocking, with all of this process's environment. */
static int
l_run_blocking(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    run *r = push_run(L, &sy__alloc_default);
    read_request(L, r);
    luaL_checkstack(L, 16, "process.run");
    r->L = L;
    r->loop = event_base_new();
    if (!r->loop) return luaL_error(L, "process.run: no memory");
    r->request.child.on_output = on_trusted_output;
    r->request.child.on_exit = on_trusted_exit;
    sy__error err = {0};
    if (sy__child_spawn(&r->child, NULL, r->loop, &sy__alloc_default, &r->request.child, &err) != SY_OK)
        return sy__process_fail(L, &err);
    while (!r->exited && event_base_dispatch(r->loop) == 0) continue;
    if (r->broken) return lua_error(L);
    int n = sy__process_result(L, r->child, &r->request, r->program);
    end_run(r);
    return n;
}

/* process.spawn_detached{argv=, env=, cwd=, output=PATH} -> pid | nil, message, code */
static int
l_spawn_detached(lua_State *L)
{
    sy__process_request request;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    sy__process_read(L, 1, NULL, &request);
    lua_getfield(L, 1, "output");
    int64_t pid = 0;
    sy__error err = {0};
    if (sy__spawn_detached(&pid, &request.child, luaL_optstring(L, -1, NULL), &err) != SY_OK)
        return sy__process_fail(L, &err);
    lua_pushinteger(L, (lua_Integer)pid);
    return 1;
}

static int
l_pid(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)getpid());
    return 1;
}

int
luaopen_sy_process(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", l_run_blocking},
                                         {"which", l_which},
                                         {"pid", l_pid},
                                         {"spawn_detached", l_spawn_detached},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
