/*
 * isolate.c: the life of one state and the course of one call.
 *
 *   idle ──call──▶ running ──ends──▶ idle          (results encoded inside the coroutine, by raw access)
 *                  │    ▲
 *               park    wake
 *                  ▼    │
 *                 parked ──cancel, deadline──▶ dead
 *
 * The main state runs C functions of ours only. All code of the extension runs in one coroutine, which is used
 * again for the next call: starting a call is one lua_resume, which is also the one protected border between host
 * and state. A coroutine that died by poison is never reset, so no __close of it runs; lua_close closes what is
 * pending on the main state only, where there is nothing. That, and no __gc, is why freeing takes no time.
 */
#include "kit/isolate_impl.h"

#include "kit/luavalue.h"
#include "kit/remote.h"

#include <event2/event.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum { SHARE_NS = 20000000, DEFAULT_CPU_MS = 2000, DEFAULT_MEMORY_BYTES = 64 << 20 };

/* ---- the end of a call ---- */

static void
end_call(sy__isolate *iso)
{
    sy__call *call = iso->call;
    if (iso->timer) (void)event_del(iso->timer);
    iso->call = NULL;
    call->cpu_ns = iso->limits.cpu_used_ns;
    call->peak_bytes = iso->limits.peak_bytes;
    if (iso->remote) sy__remote_account(iso->remote, call);
}

/* A call that had stepped aside goes on or ends. */
static void
back(sy__isolate *iso)
{
    if (!iso->aside) return;
    iso->aside = false;
    (*iso->options.busy)--;
    (void)event_del(iso->again);
}

/* Ends a parked call from outside; its coroutine is left as it is and the isolate is dead. */
static void
drop_parked(sy__isolate *iso, int why)
{
    void (*abort_wait)(void *) = iso->abort;
    iso->abort = NULL;
    iso->waiting = false;
    back(iso);
    iso->state = SY__DEAD;
    sy__limits_poison(&iso->limits, why);
    if (abort_wait) abort_wait(iso->abort_ud);
    sy__call *call = iso->call;
    (void)sy__error_set(&call->error, why, "%s.%s: %s", iso->options.name, call->operation, sy_strerror(why));
    if (iso->remote) sy__remote_explain(iso->remote, &call->error);
    end_call(iso);
}

/* ---- birth and death ---- */

static int
on_panic(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "not a string";
    sy__logf(iso->options.log, SY__LOG_ERROR, "isolate", "panic in %s: %s", iso->options.name, text);
    abort();
}

static int
open_body(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    iso->co = lua_newthread(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &iso->co);
    sy__safe_open(L, iso);
    return 0;
}

static int
open_state(sy__isolate *iso, sy__error *err)
{
    iso->main = lua_newstate(sy__limits_alloc, &iso->limits);
    if (!iso->main) return sy__error_set(err, SY_ENOMEM, "no memory for the state of %s", iso->options.name);
    *(sy__isolate **)lua_getextraspace(iso->main) = iso;
    (void)lua_atpanic(iso->main, on_panic);
    (void)lua_gc(iso->main, LUA_GCSTOP);
    lua_pushcfunction(iso->main, open_body);
    int status = lua_pcall(iso->main, 0, 0, 0);
    lua_settop(iso->main, 0);
    (void)lua_gc(iso->main, LUA_GCRESTART);
    if (status == LUA_OK) return SY_OK;
    return sy__error_set(err, SY_ENOMEM, "no memory for the library of %s", iso->options.name);
}

static int
take_options(sy__isolate *iso, const sy__isolate_options *o, sy__error *err)
{
    iso->options = *o;
    iso->options.name = sy__strdup(o->alloc, o->name ? o->name : "extension");
    if (!iso->options.name) return sy__error_set(err, SY_ENOMEM, "no memory for an isolate");
    iso->caps = o->caps;
    if (!iso->caps) {
        int rc = sy__caps_new(&iso->own_caps, o->alloc, sy__value_null(), NULL, err);
        if (rc) return rc;
        iso->caps = iso->own_caps;
    }
    size_t cap = o->memory_bytes ? o->memory_bytes : o->caps ? sy__caps_memory_bytes(o->caps) : DEFAULT_MEMORY_BYTES;
    sy__limits_init(&iso->limits, o->alloc, o->clock ? o->clock : &sy__clock_system, cap, o->watchdog);
    iso->log_ms = -1;
    return SY_OK;
}

int
sy__isolate_new(sy__isolate **out, const sy__isolate_options *o, sy__error *err)
{
    *out = NULL;
    sy__isolate *iso = sy__calloc(o->alloc, 1, sizeof *iso);
    if (!iso) return sy__error_set(err, SY_ENOMEM, "no memory for an isolate");
    iso->options.alloc = o->alloc;
    int rc = take_options(iso, o, err);
    if (rc == SY_OK) rc = open_state(iso, err);
    if (rc == SY_OK && o->isolation == SY__OWN_PROCESS) rc = sy__remote_new(iso, err);
    if (rc)
        sy__isolate_free(iso);
    else
        *out = iso;
    return rc;
}

void
sy__isolate_free(sy__isolate *iso)
{
    if (!iso) return;
    if (iso->state == SY__PARKED) drop_parked(iso, SY_ECANCELLED);
    iso->limits.cap_bytes = SIZE_MAX / 2; /* finalizers of C modules may need a stack slot */
    if (iso->main) lua_close(iso->main);
    sy__isolate_drop_buffers(iso);
    if (iso->timer) event_free(iso->timer);
    if (iso->again) event_free(iso->again);
    sy__remote_free(iso->remote);
    sy__caps_release(iso->own_caps);
    sy__free(iso->options.alloc, (void *)(uintptr_t)iso->options.name);
    sy__free(iso->options.alloc, iso);
}

/* ---- one slice: from entering the coroutine to its end or its next wait ---- */

static int
run_slice(sy__isolate *iso, int args)
{
    int results = 0;
    iso->state = SY__RUNNING;
    iso->chain = NULL;
    iso->stack_base = __builtin_frame_address(0);
    sy__call *call = iso->call;
    if (call && call->running) call->running(call, true);
    sy__limits_enter(&iso->limits, iso->co);
    int status = lua_resume(iso->co, NULL, args, &results);
    if (status == LUA_ERRMEM) sy__limits_poison(&iso->limits, SY_EMEMORY);
    sy__limits_leave(&iso->limits);
    if (call && call->running) call->running(call, false);
    return status;
}

/* After an error that was no limit: runs what is to be closed, still limited, and makes the coroutine new. */
static void
reset_coroutine(sy__isolate *iso)
{
    sy__limits_enter(&iso->limits, iso->co);
    (void)lua_resetthread(iso->co);
    if (iso->limits.why == 0) lua_settop(iso->co, 0);
    sy__limits_leave(&iso->limits);
}

/* The coroutine has ended; fills err and says how. */
static int
end_slice(sy__isolate *iso, int status, sy__error *err)
{
    int rc = SY_OK;
    if (status != LUA_OK || iso->limits.why) {
        rc = sy__isolate_explain(iso, status, err);
        if (!iso->limits.why) reset_coroutine(iso);
    }
    iso->fail_code = 0;
    iso->state = iso->limits.why ? SY__DEAD : SY__IDLE;
    if (iso->state == SY__IDLE) lua_settop(iso->co, 0);
    return rc;
}

static int
refuse_unless_idle(const sy__isolate *iso, sy__error *err)
{
    int asked = atomic_load(&iso->limits.request);
    if (asked) return sy__error_set(err, asked, "%s: %s", iso->options.name, sy_strerror(asked));
    if (iso->state == SY__IDLE && !iso->limits.why) return SY_OK;
    if (iso->state == SY__RUNNING || iso->state == SY__PARKED)
        return sy__error_set(err, SY_EUSAGE, "%s runs another call", iso->options.name);
    int why = iso->limits.why ? iso->limits.why : SY_ECANCELLED;
    return sy__error_set(err, why, "%s was ended: %s", iso->options.name, sy_strerror(why));
}

static int64_t
cpu_ns_of(const sy__isolate *iso, int64_t cpu_ms)
{
    if (cpu_ms <= 0) cpu_ms = iso->options.caps ? sy__caps_cpu_ms(iso->options.caps) : DEFAULT_CPU_MS;
    return cpu_ms * 1000000;
}

int
sy__isolate_run(sy__isolate *iso, lua_CFunction body, void *ud, int64_t cpu_ms, sy__error *err)
{
    int rc = refuse_unless_idle(iso, err);
    if (rc) return rc;
    sy__limits_begin(&iso->limits, (cpu_ms > 0 ? cpu_ms : DEFAULT_CPU_MS) * 1000000, 0);
    iso->run_ud = ud;
    lua_pushcfunction(iso->co, body);
    lua_pushlightuserdata(iso->co, ud);
    return end_slice(iso, run_slice(iso, 1), err);
}

/* ---- load and eval ---- */

typedef struct chunk {
    const char *source;
    size_t len;
    const char *name;
    sy__value args;
    sy__vbuf *out; /* eval: where the result goes; NULL: keep the table */
} chunk;

static void
push_chunk(lua_State *L, const chunk *c)
{
    (void)lua_pushfstring(L, "@%s", c->name);
    if (sy__safe_load(L, c->source, c->len, lua_tostring(L, -1)) != LUA_OK) (void)lua_error(L);
    lua_remove(L, -2);
}

static int
push_args(lua_State *L, sy__value args)
{
    if (!args.data) return 0;
    sy__value_iter it;
    int n = 0;
    sy__value_iter_init(&it, args);
    while (sy__value_iter_next(&it)) {
        luaL_checkstack(L, 4, "too many arguments");
        sy__value_to_lua(L, it.value);
        n++;
    }
    return n;
}

static int
load_body(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    chunk *c = lua_touserdata(L, 1);
    push_chunk(L, c);
    lua_call(L, push_args(L, c->args), 1);
    if (c->out) {
        sy__error err = {0};
        if (sy__lua_to_value(L, -1, c->out, &err)) return sy__isolate_fail(L, err.code, "the result: %s", err.message);
        return 0;
    }
    if (!lua_istable(L, -1)) return sy__isolate_fail(L, SY_EEXTENSION, "%s must return a table of operations", c->name);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &iso->kept);
    iso->kept = true;
    return 0;
}

int
sy__isolate_load(sy__isolate *iso, const char *source, size_t len, const char *chunk_name, int64_t cpu_ms,
                 sy__error *err)
{
    chunk c = {.source = source, .len = len, .name = chunk_name};
    if (iso->remote) return sy__remote_load(iso->remote, source, len, chunk_name, cpu_ms, err);
    return sy__isolate_run(iso, load_body, &c, cpu_ms, err);
}

int
sy__isolate_eval(sy__isolate *iso, const char *source, size_t len, const char *chunk_name, sy__value args,
                 int64_t cpu_ms, sy__vbuf *out, sy__error *err)
{
    chunk c = {.source = source, .len = len, .name = chunk_name, .args = args, .out = out};
    if (iso->remote) return sy__error_set(err, SY_EUSAGE, "%s runs in a process of its own", iso->options.name);
    return sy__isolate_run(iso, load_body, &c, cpu_ms, err);
}

/* ---- a call, inside the coroutine ---- */

/* Pushes the operation's function; a dot goes one table deeper. */
static void
push_operation(lua_State *L, sy__isolate *iso, const char *path)
{
    (void)lua_rawgetp(L, LUA_REGISTRYINDEX, &iso->kept);
    for (const char *at = path; lua_istable(L, -1);) {
        const char *dot = strchr(at, '.');
        if (dot)
            lua_pushlstring(L, at, (size_t)(dot - at));
        else
            lua_pushstring(L, at);
        (void)lua_rawget(L, -2);
        lua_remove(L, -2);
        if (!dot) break;
        at = dot + 1;
    }
    if (!lua_isfunction(L, -1))
        (void)sy__isolate_fail(L, SY_EOPERATION, "%s has no operation '%s'", iso->options.name, path);
}

/* Code names that an extension may end with as if it were the host: what host functions answer it with. */
static int
code_of_name(const char *name)
{
    static const int passed_on[] = {SY_EUSAGE,   SY_EPERM, SY_ENOTFOUND, SY_ENOMODEL,  SY_ENOEDITOR, SY_ETIMEOUT,
                                    SY_EPROCESS, SY_EIO,   SY_ETYPE,     SY_EDISKFULL, SY_EINVAL};
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
        if (strcmp(name, sy_errname(passed_on[i])) == 0) return passed_on[i];
    return SY_EEXTENSION;
}

/* `return nil, message, code`. */
static void
note_failure(lua_State *L, sy__isolate *iso, sy__call *call, int first)
{
    const char *code = lua_type(L, first + 2) == LUA_TSTRING ? lua_tostring(L, first + 2) : "";
    const char *message =
        lua_type(L, first + 1) == LUA_TSTRING ? lua_tostring(L, first + 1) : "failed without a message";
    size_t len = strlen(code);
    if (len >= sizeof call->code) len = sizeof call->code - 1;
    memcpy(call->code, code, len);
    call->code[len] = '\0';
    call->transient = iso->transient;
    if (sy__error_set(&call->error, code_of_name(call->code), "%s", message) == SY_EUSAGE)
        sy__error_hint(&call->error, "symphony ext show %s.%s   shows what it takes", iso->options.name,
                       call->operation);
}

static int
call_finish(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    (void)ctx;
    sy__isolate *iso = sy__isolate_of(L);
    sy__call *call = iso->call;
    int first = lua_gettop(L) - 2;
    if (lua_isnil(L, first) && !lua_isnil(L, first + 1)) {
        note_failure(L, iso, call, first);
        return 0;
    }
    sy__error err = {0};
    sy__isolate_charge(L, 0);
    if (sy__lua_to_value(L, first, &call->output, &err))
        return sy__isolate_fail(L, SY_EEXTENSION, "the result of %s cannot leave it: %s", call->operation, err.message);
    return 0;
}

static int
call_body(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    sy__call *call = iso->call;
    if (iso->remote) return sy__remote_body(L);
    push_operation(L, iso, call->operation);
    if (call->input.data)
        sy__value_to_lua(L, call->input);
    else
        lua_newtable(L);
    sy__isolate_push_ctx(L, iso);
    lua_callk(L, 2, 3, 0, call_finish);
    return call_finish(L, LUA_OK, 0);
}

/* ---- a call, from outside ---- */

static int arm_deadline(sy__isolate *iso);

/* The loop counts from when its turn began, so that after a long turn its timers are early. */
static void
on_deadline(evutil_socket_t fd, short what, void *ud)
{
    sy__isolate *iso = ud;
    (void)fd;
    (void)what;
    if (sy__mono_ns(iso->limits.clock) < iso->call->deadline_ns && arm_deadline(iso) == SY_OK) return;
    sy__isolate_cancel(iso, SY_ETIMEOUT);
}

/* Arms the timer of a call that waits. */
static int
arm_deadline(sy__isolate *iso)
{
    int64_t deadline = iso->call->deadline_ns;
    if (!deadline) return SY_OK;
    if (!iso->timer) iso->timer = event_new(iso->options.loop, -1, 0, on_deadline, iso);
    int64_t left = deadline - sy__mono_ns(iso->limits.clock);
    if (left < 1000) left = 1000;
    struct timeval tv = {.tv_sec = (time_t)(left / 1000000000), .tv_usec = (suseconds_t)(left % 1000000000 / 1000)};
    return iso->timer && event_add(iso->timer, &tv) == 0 ? SY_OK : SY_ENOMEM;
}

static void
on_again(evutil_socket_t fd, short what, void *ud)
{
    (void)fd, (void)what;
    sy__isolate_wake(ud); /* may free it */
}

/* A call that stepped aside goes on at the loop's next turn: an event made active would still be served in this one,
 * before any descriptor is looked at. */
static void
arm_again(sy__isolate *iso)
{
    static const struct timeval now = {0, 0};
    if (!iso->aside) return;
    (*iso->options.busy)++;
    (void)event_add(iso->again, &now);
}

/* After a slice of a call: SY_EAGAIN when it waits, else its end. */
static int
settle(sy__isolate *iso, int status)
{
    sy__call *call = iso->call;
    if (status == LUA_YIELD && iso->waiting && !iso->limits.why) {
        iso->state = SY__PARKED;
        arm_again(iso);
        if (arm_deadline(iso) == SY_OK) return SY_EAGAIN;
        drop_parked(iso, SY_ENOMEM);
        return call->error.code;
    }
    sy__error err;
    sy__error_clear(&err);
    int rc = end_slice(iso, status, &err);
    if (rc) call->error = err;
    if (rc) sy__vbuf_reset(&call->output);
    end_call(iso);
    return call->error.code;
}

int
sy__isolate_call(sy__isolate *iso, sy__call *call)
{
    sy__vbuf_init(&call->output, iso->options.alloc);
    sy__error_clear(&call->error);
    call->transient = call->broken = false;
    call->code[0] = '\0';
    int rc = refuse_unless_idle(iso, &call->error);
    if (rc == SY_OK && iso->remote) rc = sy__remote_refuses(iso->remote, &call->error);
    if (rc) return rc;
    if (!iso->kept) return sy__error_set(&call->error, SY_EUSAGE, "%s has not been loaded", iso->options.name);
    iso->call = call;
    iso->transient = false;
    iso->limits.peak_bytes = iso->limits.used_bytes;
    if (iso->options.busy && iso->options.loop && !iso->again)
        iso->again = event_new(iso->options.loop, -1, 0, on_again, iso);
    iso->limits.share_ns = iso->again ? SHARE_NS : 0;
    sy__limits_begin(&iso->limits, cpu_ns_of(iso, call->cpu_ms), call->deadline_ns);
    lua_pushcfunction(iso->co, call_body);
    rc = settle(iso, run_slice(iso, 0));
    return rc == SY_EAGAIN && iso->remote ? sy__remote_wait(iso->remote, call) : rc;
}

int
sy__isolate_await(sy__isolate *iso, sy__call *call)
{
    void (*done)(struct sy__call *, int) = call->done;
    call->done = NULL;
    while (iso->state == SY__PARKED && iso->remote && sy__remote_pump(iso->remote, call->deadline_ns)) continue;
    sy__isolate_cancel(iso, SY_ETIMEOUT);
    call->done = done;
    return call->error.code;
}

void
sy__call_close(sy__call *call)
{
    sy__vbuf_close(&call->output);
}

void
sy__isolate_wake(sy__isolate *iso)
{
    if (iso->state != SY__PARKED) return;
    sy__call *call = iso->call;
    if (iso->timer) (void)event_del(iso->timer);
    iso->waiting = false;
    back(iso);
    iso->abort = NULL;
    int rc = settle(iso, run_slice(iso, 0));
    if (rc != SY_EAGAIN && call->done) call->done(call, rc);
}

void
sy__isolate_cancel(sy__isolate *iso, int why)
{
    if (iso->state == SY__RUNNING) {
        sy__limits_request(&iso->limits, why);
        sy__limits_poison(&iso->limits, why);
    }
    if (iso->state != SY__PARKED) return;
    sy__call *call = iso->call;
    drop_parked(iso, why);
    if (call->done) call->done(call, why);
}

void
sy__isolate_poison(sy__isolate *iso, int why)
{
    sy__limits_request(&iso->limits, why);
}

bool
sy__isolate_parked(const sy__isolate *iso)
{
    return iso->state == SY__PARKED;
}

bool
sy__isolate_reusable(const sy__isolate *iso)
{
    if (iso->remote && !sy__remote_reusable(iso->remote)) return false;
    return iso->state == SY__IDLE && !iso->limits.why && !atomic_load(&iso->limits.request);
}

size_t
sy__isolate_bytes(const sy__isolate *iso)
{
    return iso->limits.used_bytes + sizeof *iso + (iso->remote ? sy__remote_bytes(iso->remote) : 0);
}
