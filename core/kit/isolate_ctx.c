/*
 * isolate_ctx.c: `ctx`, what an operation may ask of the engine. One table for the life of an isolate; the two
 * fields that differ from call to call are set when the call begins, the functions look at the call that runs.
 */
#include "kit/isolate_ctx.h"

#include "kit/luavalue.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOPIC_BYTES = 200 };

/* ---- reaching the engine ---- */

void
sy__ctx_raise(lua_State *L, const char *format, ...)
{
    va_list args;
    luaL_where(L, 1);
    va_start(args, format);
    lua_pushvfstring(L, format, args);
    va_end(args);
    lua_concat(L, 2);
    (void)lua_error(L);
    abort(); /* not reached: lua_error jumps */
}

sy__call *
sy__ctx_call(lua_State *L)
{
    sy__call *call = sy__isolate_of(L)->call;
    if (!call) sy__ctx_raise(L, "ctx belongs to a call that has ended");
    return call;
}

const sy__call_services *
sy__ctx_services(lua_State *L)
{
    static const sy__call_services none = {0};
    const sy__call_services *services = sy__ctx_call(L)->services;
    return services ? services : &none;
}

void
sy__ctx_missing(lua_State *L, const char *what)
{
    sy__ctx_raise(L, "ctx.%s is not available in this call", what);
}

int
sy__ctx_failure(lua_State *L, const sy__error *err)
{
    lua_pushnil(L);
    lua_pushstring(L, err->message);
    lua_pushstring(L, sy_errname(err->code));
    return 3;
}

bool
sy__ctx_encode(lua_State *L, int index, sy__vbuf *b, sy__value *out, sy__error *err)
{
    sy__vbuf_init(b, sy__isolate_of(L)->options.alloc);
    if (lua_isnoneornil(L, index)) {
        sy__vbuf_null(b);
    } else if (sy__lua_to_value(L, index, b, err)) {
        return false;
    }
    int rc = sy__vbuf_done(b, out);
    if (rc) (void)sy__error_set(err, rc, "the value is too large or too deep");
    return rc == SY_OK;
}

/* ---- events, progress, log ---- */

static int
ctx_emit(lua_State *L)
{
    const sy__call_services *s = sy__ctx_services(L);
    if (!s->emit) sy__ctx_missing(L, "emit");
    size_t len;
    const char *type = luaL_checklstring(L, 1, &len);
    luaL_argcheck(L, len > 0 && len <= MAX_TOPIC_BYTES && strlen(type) == len, 1, "no event type");
    sy__vbuf b;
    sy__value payload;
    sy__error err = {0};
    int rc = sy__ctx_encode(L, 2, &b, &payload, &err) ? s->emit(sy__ctx_call(L)->ud, type, payload, &err) : SY_EINVAL;
    sy__vbuf_close(&b);
    sy__isolate_charge(L, 4096);
    if (rc == SY_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (!err.code) (void)sy__error_set(&err, rc, "%s", sy_strerror(rc));
    return sy__ctx_failure(L, &err);
}

static int
nothing(lua_State *L, int status, lua_KContext kctx)
{
    (void)L, (void)status, (void)kctx;
    return 0;
}

static int
ctx_progress(lua_State *L)
{
    double done = luaL_checknumber(L, 1), total = luaL_optnumber(L, 2, 0);
    const char *text = luaL_optstring(L, 3, "");
    const sy__call_services *s = sy__ctx_services(L);
    sy__isolate_charge(L, 1024);
    int status = s->progress ? s->progress(sy__ctx_call(L)->ud, done, total, text) : SY_OK;
    return sy__isolate_settle(L, status, nothing, 0);
}

static int
ctx_stream(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    (void)sy__ctx_call(L);
    sy__isolate_charge(L, len + 1024);
    return sy__isolate_settle(L, sy__isolate_stream(L, bytes, len), nothing, 0);
}

static int
ctx_log(lua_State *L)
{
    static const char *const names[] = {"debug", "info", "warn", "error", NULL};
    sy__log_level level = (sy__log_level)luaL_checkoption(L, 1, NULL, names);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    const sy__call_services *s = sy__ctx_services(L);
    sy__isolate_charge(L, len + 1024);
    if (s->log) return sy__isolate_settle(L, s->log(sy__ctx_call(L)->ud, level, text), nothing, 0);
    sy__safe_log(sy__isolate_of(L), level, text);
    return 0;
}

static int
ctx_usage(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const sy__call_services *s = sy__ctx_services(L);
    lua_settop(L, 1);
    lua_pushliteral(L, "usd");
    (void)lua_rawget(L, 1);
    lua_pushliteral(L, "tokens");
    (void)lua_rawget(L, 1);
    double usd = luaL_optnumber(L, 2, 0);
    double tokens = luaL_optnumber(L, 3, 0);
    luaL_argcheck(L, usd >= 0 && tokens >= 0 && tokens < 9e15, 1, "usd and tokens are not negative");
    if (s->usage) s->usage(sy__ctx_call(L)->ud, usd, (int64_t)tokens);
    return 0;
}

/* return ctx.retry(message[, code]) */
static int
ctx_retry(lua_State *L)
{
    luaL_checkstring(L, 1);
    const char *code = luaL_optstring(L, 2, "retry");
    sy__isolate_of(L)->transient = true;
    lua_pushnil(L);
    lua_pushvalue(L, 1);
    lua_pushstring(L, code);
    return 3;
}

static int
ctx_cancelled(lua_State *L)
{
    lua_pushboolean(L, atomic_load(&sy__isolate_of(L)->limits.request) != 0);
    return 1;
}

/* ---- ctx.editor ---- */

static int
no_editor(lua_State *L)
{
    lua_pushnil(L);
    lua_pushstring(L, sy_strerror(SY_ENOEDITOR));
    lua_pushstring(L, sy_errname(SY_ENOEDITOR));
    return 3;
}

static void
add_editor(lua_State *L, const sy__caps *caps)
{
    static const luaL_Reg verbs[] = {
        {"buffer", no_editor},      {"selection", no_editor}, {"edit", no_editor},
        {"diagnostics", no_editor}, {"open", no_editor},      {"pick", no_editor},
        {"input", no_editor},       {"notify", no_editor},    {NULL, NULL},
    };
    if (!sy__caps_editor(caps, "read") && !sy__caps_editor(caps, "edit") && !sy__caps_editor(caps, "ui")) return;
    luaL_newlib(L, verbs);
    lua_setfield(L, -2, "editor");
}

/* ---- making it ---- */

static void
make_ctx(lua_State *L, sy__isolate *iso)
{
    static const luaL_Reg functions[] = {
        {"artifact", sy__ctx_artifact}, {"writer", sy__ctx_writer},   {"open", sy__ctx_open}, {"emit", ctx_emit},
        {"progress", ctx_progress},     {"stream", ctx_stream},       {"log", ctx_log},       {"usage", ctx_usage},
        {"retry", ctx_retry},           {"cancelled", ctx_cancelled}, {NULL, NULL},
    };
    sy__ctx_open_artifacts(L);
    luaL_newlib(L, functions);
    add_editor(L, iso->caps);
    lua_pushboolean(L, sy__isolate_options_of(iso)->trusted);
    lua_setfield(L, -2, "trusted");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &iso->call);
}

/* Sets or clears a field of ctx only where it changes something: most calls have neither. */
static void
set_deadline(lua_State *L, const sy__isolate *iso, const sy__call *call)
{
    if (call->deadline_ns)
        lua_pushnumber(L, (lua_Number)(call->deadline_ns - sy__mono_ns(iso->limits.clock)) / 1e9);
    else
        lua_pushnil(L);
    lua_setfield(L, -2, "deadline");
}

void
sy__isolate_push_ctx(lua_State *L, sy__isolate *iso)
{
    const sy__call *call = iso->call;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &iso->call) == LUA_TNIL) {
        lua_pop(L, 1);
        make_ctx(L, iso);
    }
    set_deadline(L, iso, call);
    lua_pushstring(L, call->idempotency_key); /* NULL pushes nil */
    lua_setfield(L, -2, "idempotency_key");
}
