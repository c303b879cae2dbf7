/* sleep.c: a timer on the isolate's loop. It lies in a Lua userdata on the sleeper's stack, so whatever ends the
 * call (a cancellation, an error, the state's end) also ends the timer. */
#include "bind/sleep.h"

#include "kit/isolate.h"

#include <event2/event.h>

#include <lauxlib.h>

#define TIMER_MT "sy.timer"

typedef struct timer {
    struct event *event;
    sy__isolate *isolate;
} timer;

static const double max_seconds = 86400.0 * 366;

static void
drop(void *ud)
{
    timer *t = ud;
    if (t->event) event_free(t->event);
    t->event = NULL;
}

static int
timer_gc(lua_State *L)
{
    drop(luaL_checkudata(L, 1, TIMER_MT));
    return 0;
}

static void
on_due(evutil_socket_t fd, short what, void *ud)
{
    timer *t = ud;
    (void)fd, (void)what;
    sy__isolate_wake(t->isolate); /* may free t */
}

static int
after_sleep(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    drop(luaL_checkudata(L, 2, TIMER_MT));
    return 0;
}

int
sy__lua_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= max_seconds, 1, "seconds between 0 and a year");
    lua_settop(L, 1);
    sy__isolate *iso = sy__isolate_of(L);
    struct event_base *loop = iso ? sy__isolate_loop(iso) : NULL;
    if (!loop || !sy__isolate_call_now(iso)) return luaL_error(L, "sleep: nothing can wait here");
    timer *t = lua_newuserdatauv(L, sizeof *t, 0);
    *t = (timer){.isolate = iso};
    if (luaL_newmetatable(L, TIMER_MT)) {
        lua_pushcfunction(L, timer_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    struct timeval wait = {.tv_sec = (time_t)seconds};
    wait.tv_usec = (suseconds_t)((seconds - (double)wait.tv_sec) * 1e6);
    t->event = evtimer_new(loop, on_due, t);
    if (!t->event || evtimer_add(t->event, &wait) < 0) return luaL_error(L, "sleep: no memory");
    return sy__isolate_park(L, drop, t, after_sleep, 0);
}
