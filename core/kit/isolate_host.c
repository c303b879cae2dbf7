/*
 * isolate_host.c: what a C function that runs inside an isolate asks of it: whose it is, what it may, to wait for
 * something, to account for its work, to fail.
 */
#include "kit/isolate_impl.h"

#include <lauxlib.h>

sy__isolate *
sy__isolate_of(lua_State *L)
{
    return *(sy__isolate **)lua_getextraspace(L);
}

const sy__caps *
sy__isolate_caps(const sy__isolate *iso)
{
    return iso->caps;
}

struct event_base *
sy__isolate_loop(const sy__isolate *iso)
{
    return iso->options.loop;
}

struct sy__spawner *
sy__isolate_spawner(const sy__isolate *iso)
{
    return iso->options.spawner;
}

const sy__isolate_options *
sy__isolate_options_of(const sy__isolate *iso)
{
    return &iso->options;
}

sy__call *
sy__isolate_call_now(const sy__isolate *iso)
{
    return iso->call;
}

struct sy__reads *
sy__isolate_reads(const sy__isolate *iso)
{
    return iso->call ? iso->call->reads : NULL;
}

size_t
sy__isolate_stack_bytes(const sy__isolate *iso)
{
    const char *here = __builtin_frame_address(0);
    return here < iso->stack_base ? (size_t)(iso->stack_base - here) : (size_t)(here - iso->stack_base);
}

/* Every coroutine between the one that runs and the host must be able to yield. */
static bool
can_wait(const sy__isolate *iso, lua_State *L)
{
    if (!iso->call || !iso->options.loop || !lua_isyieldable(L)) return false;
    for (const sy__resumer *r = iso->chain; r; r = r->outer)
        if (!lua_isyieldable(r->L)) return false;
    return true;
}

bool
sy__isolate_can_wait(lua_State *L)
{
    const sy__isolate *iso = sy__isolate_of(L);
    return !iso->limits.why && can_wait(iso, L);
}

int
sy__isolate_park(lua_State *L, void (*abort_wait)(void *ud), void *ud, lua_KFunction k, lua_KContext kctx)
{
    sy__isolate *iso = sy__isolate_of(L);
    if (iso->limits.why || !can_wait(iso, L)) {
        if (abort_wait) abort_wait(ud);
        if (iso->limits.why) return sy__limits_raise(&iso->limits, L);
        return sy__isolate_fail(L, SY_EUSAGE,
                                "this has to wait, which is not possible while loading or inside a metamethod, "
                                "an iterator, or a function called by sort or gsub");
    }
    iso->abort = abort_wait;
    iso->abort_ud = ud;
    iso->waiting = true;
    return lua_yieldk(L, 0, kctx, k);
}

bool
sy__isolate_step_aside(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    if (iso->limits.why || !can_wait(iso, L)) return false;
    iso->abort = NULL;
    iso->waiting = iso->aside = true;
    return true;
}

int
sy__isolate_settle(lua_State *L, int status, lua_KFunction k, lua_KContext kctx)
{
    sy__call *call = sy__isolate_of(L)->call;
    if (status != SY_EAGAIN) return k(L, LUA_OK, kctx);
    return sy__isolate_park(L, call->services->no_wait, call->ud, k, kctx);
}

int
sy__isolate_stream(lua_State *L, const char *bytes, size_t len)
{
    const sy__call *call = sy__isolate_of(L)->call;
    const sy__call_services *s = call ? call->services : NULL;
    return s && s->stream ? s->stream(call->ud, bytes, len) : SY_OK;
}

void
sy__isolate_charge(lua_State *L, size_t work_bytes)
{
    sy__limits *l = &sy__isolate_of(L)->limits;
    if (sy__limits_charge(l, work_bytes)) (void)sy__limits_raise(l, L);
}

int
sy__isolate_fail(lua_State *L, int code, const char *format, ...)
{
    va_list args;
    sy__isolate_of(L)->fail_code = code;
    luaL_where(L, 1);
    va_start(args, format);
    (void)lua_pushvfstring(L, format, args);
    va_end(args);
    lua_concat(L, 2);
    return lua_error(L);
}
