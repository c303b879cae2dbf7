/* isolate_world.c: capabilities, loop and library of an isolate of trusted Lua. The loop turns only inside a call. */
#include "bind/isolate_world.h"

#include "bind/http.h"
#include "bind/isolate_testing.h"
#include "bind/process.h"
#include "bind/stdlib.h"
#include "bind/support.h"
#include "io/http.h"
#include "io/spawn.h"
#include "kit/luavalue.h"

#include <event2/event.h>

enum { EXTENSION = 1u << SY__PROFILE_EXTENSION };

/* The library of a test: what reaches out of the project has another name. */
static const sy__isolate_module testing_modules[] = {
    {"fs", sy__open_fs, EXTENSION},
    {"hash", sy__open_hash, EXTENSION},
    {"json", sy__open_json, EXTENSION},
    {"re", sy__open_re, EXTENSION},
    {"real.http", sy__open_http, EXTENSION},
    {"real.process", sy__open_process, EXTENSION},
    {"real.time", sy__open_time, EXTENSION},
    {"schema", sy__open_schema, EXTENSION},
    {"testing.host", sy__open_testing_host, EXTENSION},
    {"text", sy__open_text, EXTENSION},
    {"toml", sy__open_toml, EXTENSION},
    {NULL, NULL, 0},
};

static int
open_caps(sy__world *w, lua_State *L, sy__error *err)
{
    if (lua_getfield(L, 1, "capabilities") == LUA_TNIL) return SY_OK;
    luaL_checktype(L, -1, LUA_TTABLE);
    int at = lua_gettop(L);
    const char *project = sy__lib_text_field(L, 1, "project", "");
    sy__value v;
    sy__vbuf *b = sy__lib_vbuf(L);
    int rc = sy__lua_to_value(L, at, b, err);
    if (rc == SY_OK) rc = sy__vbuf_done(b, &v);
    if (rc) return rc;
    return sy__caps_new(&w->caps, &sy__alloc_default, v, *project ? project : NULL, err);
}

static int
open_loop(sy__world *w, sy__error *err)
{
    w->loop = event_base_new();
    if (!w->loop) return sy__error_set(err, SY_ENOMEM, "no memory for a loop");
    int rc = sy__spawner_new(&w->spawner, &sy__alloc_default, err);
    return rc ? rc : sy__http_new(&w->http, &sy__alloc_default, w->loop, err);
}

static bool
flag(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

int
sy__world_open(sy__world *w, lua_State *L, sy__isolate_options *o, sy__error *err)
{
    *w = (sy__world){0};
    bool waits = flag(L, "waits");
    o->modules = flag(L, "testing") ? testing_modules : sy__stdlib_modules;
    o->trusted = flag(L, "trusted");
    o->foreign = flag(L, "foreign");
    int rc = open_caps(w, L, err);
    if (rc == SY_OK && waits) rc = open_loop(w, err);
    o->caps = w->caps;
    o->loop = w->loop;
    o->spawner = w->spawner;
    o->http = w->http;
    return rc;
}

void
sy__world_close(sy__world *w)
{
    sy__http_free(w->http);
    sy__spawner_free(w->spawner);
    if (w->loop) event_base_free(w->loop);
    sy__caps_release(w->caps);
    *w = (sy__world){0};
}

static void
on_done(sy__call *call, int status)
{
    *(int *)call->ud = status;
}

int
sy__world_call(const sy__world *w, sy__isolate *iso, sy__call *call, int64_t limit_ms)
{
    int status = SY_EAGAIN;
    call->ud = &status;
    call->done = on_done;
    if (w->loop && limit_ms > 0) call->deadline_ns = sy__mono_ns(&sy__clock_system) + limit_ms * 1000000;
    int rc = sy__isolate_call(iso, call);
    if (rc != SY_EAGAIN) return rc;
    while (status == SY_EAGAIN && event_base_loop(w->loop, EVLOOP_ONCE) == 0) {
    }
    if (status == SY_EAGAIN) sy__isolate_cancel(iso, SY_ECANCELLED); /* the loop has nothing left that could wake it */
    return status;
}
