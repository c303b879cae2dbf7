/*
 * http.c: the module `http` of isolates: http.request parks the call until the answer is there.
 *
 * A streamed body (stream, on_body) is taken by the coroutine: it wakes for what has come, hands it on, which may
 * make it wait, and parks anew; meanwhile the transfer is held back. The transfer lives in a userdata on the
 * coroutine's stack: whoever ends the call ends the transfer.
 */
#include "bind/http.h"

#include "bind/http_options.h"
#include "bind/support.h"
#include "io/http.h"
#include "kit/audit.h"
#include "kit/netguard.h"

#include <stdio.h>
#include <string.h>

#define EXCHANGE_MT "sy.http.exchange"

enum { OPTIONS_AT = 1, EXCHANGE_AT = 2, PIECE_AT = 3 };

typedef struct exchange {
    sy__transfer *transfer;
    sy__isolate *isolate;
    bool stream, on_body;
    bool parked, done;
} exchange;

/* ---- its life ---- */

static void
end_exchange(void *ud)
{
    exchange *x = ud;
    sy__transfer_free(x->transfer);
    x->transfer = NULL;
    x->parked = false;
}

static int
exchange_gc(lua_State *L)
{
    end_exchange(lua_touserdata(L, 1));
    return 0;
}

static exchange *
push_exchange(lua_State *L, sy__isolate *iso)
{
    exchange *x = lua_newuserdatauv(L, sizeof *x, 0);
    *x = (exchange){.isolate = iso};
    if (luaL_newmetatable(L, EXCHANGE_MT)) {
        lua_pushcfunction(L, exchange_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    return x;
}

/* ---- what the transfer tells ---- */

static void
wake(exchange *x)
{
    if (!x->parked) return;
    x->parked = false;
    sy__isolate_wake(x->isolate); /* may free x */
}

static void
on_data(void *ud)
{
    wake(ud);
}

static void
on_done(void *ud)
{
    exchange *x = ud;
    x->done = true;
    wake(x);
}

static void
audit(const exchange *x, const char *host, int port, bool allowed)
{
    char what[300];
    (void)snprintf(what, sizeof what, "%s:%d", host, port);
    sy__audit(x->isolate, SY__USE_NET, what, allowed);
}

static int
allow_host(void *ud, const char *host, int port, sy__error *err)
{
    const exchange *x = ud;
    bool allowed = sy__caps_net(sy__isolate_caps(x->isolate), host, port);
    audit(x, host, port, allowed);
    if (allowed) return SY_OK;
    (void)sy__error_set(err, SY_EPERM, "%s may not ask %s:%d", sy__isolate_options_of(x->isolate)->name, host, port);
    char asked[300];
    (void)snprintf(asked, sizeof asked, "%s:%d", host, port);
    if (!sy__caps_withheld(sy__isolate_caps(x->isolate), "net", asked, err))
        sy__error_hint(err, "the manifest's [capabilities] would need net = [\"%s\"]", asked);
    return SY_EPERM;
}

static int
allow_address(void *ud, const char *host, const char *address, int port, sy__error *err)
{
    const exchange *x = ud;
    bool six = strchr(address, ':') != NULL;
    if (x->transfer && sy__transfer_is_bare(x->transfer) && !sy__address_is_loopback(address)) {
        (void)sy__error_set(err, SY_EPERM, "%s may not send a secret to %s:%d unencrypted",
                            sy__isolate_options_of(x->isolate)->name, host, port);
        sy__error_hint(err, "ask https://%s instead", host);
        return SY_EPERM;
    }
    if (sy__caps_net_address(sy__isolate_caps(x->isolate), host, address, port)) return SY_OK;
    audit(x, host, port, false);
    (void)sy__error_set(err, SY_EPERM, "%s may not ask %s:%d: it is at %s, which is no public address",
                        sy__isolate_options_of(x->isolate)->name, host, port, address);
    sy__error_hint(err, "the manifest's [capabilities] would need net = [\"%s%s%s:%d\"] too", six ? "[" : "", address,
                   six ? "]" : "", port);
    return SY_EPERM;
}

/* ---- the call ---- */

static int go_on(lua_State *L, int status, lua_KContext step);

static int
fail(lua_State *L, const sy__error *err)
{
    lua_pushnil(L);
    lua_pushfstring(L, err->hint[0] ? "%s (%s)" : "%s", err->message, err->hint);
    lua_pushstring(L, sy_errname(err->code));
    return 3;
}

static int
push_result(lua_State *L, exchange *x)
{
    sy__http_response r;
    sy__error err = {0};
    if (sy__transfer_result(x->transfer, &r, &err)) return fail(L, &err);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, r.status);
    lua_setfield(L, -2, "status");
    sy__http_push_headers(L, r.head);
    lua_setfield(L, -2, "headers");
    lua_pushlstring(L, r.body, r.body_len);
    lua_setfield(L, -2, "body");
    lua_pushstring(L, r.url);
    lua_setfield(L, -2, "url");
    return 1;
}

enum { TAKE, STREAMED }; /* where go_on goes on: at the next piece; after ctx's stream took the one on the stack */

/* Moves what has come to the stack; 0: nothing. */
static size_t
take_piece(lua_State *L, exchange *x)
{
    const char *bytes;
    size_t len = x->stream || x->on_body ? sy__transfer_take(x->transfer, &bytes) : 0;
    lua_settop(L, EXCHANGE_AT);
    if (len == 0) return 0;
    lua_pushlstring(L, bytes, len);
    sy__transfer_took(x->transfer);
    sy__isolate_charge(L, len);
    return len;
}

static int
go_on(lua_State *L, int status, lua_KContext step)
{
    exchange *x = luaL_checkudata(L, EXCHANGE_AT, EXCHANGE_MT);
    (void)status;
    for (; step == STREAMED || take_piece(L, x) > 0; step = TAKE) {
        if (step == TAKE && x->stream &&
            sy__isolate_stream(L, lua_tostring(L, PIECE_AT), lua_rawlen(L, PIECE_AT)) == SY_EAGAIN)
            return sy__isolate_settle(L, SY_EAGAIN, go_on, STREAMED);
        if (!x->on_body) continue;
        lua_getfield(L, OPTIONS_AT, "on_body");
        lua_pushvalue(L, PIECE_AT);
        lua_callk(L, 1, 0, TAKE, go_on);
    }
    if (!x->done) {
        x->parked = true;
        return sy__isolate_park(L, end_exchange, x, go_on, TAKE);
    }
    int n = push_result(L, x);
    end_exchange(x);
    return n;
}

/* http.request{url=, method=, headers=, body=, timeout=, follow=, max_body=, stream=, on_body=} */
static int
l_request(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    sy__isolate *iso = sy__isolate_of(L);
    struct sy__http *http = sy__isolate_options_of(iso)->http;
    if (!http || !sy__isolate_call_now(iso)) return luaL_error(L, "http.request: nothing can be asked here");
    exchange *x = push_exchange(L, iso);
    sy__http_request r;
    sy__secret_uses *uses = sy__secret_uses_push(L, iso);
    sy__http_read(L, OPTIONS_AT, &r, uses, &x->stream, &x->on_body);
    r.allow_host = allow_host;
    r.allow_address = allow_address;
    r.on_data = on_data;
    r.on_done = on_done;
    r.ud = x;
    sy__error err = {0};
    if (uses->error.code) return fail(L, &uses->error);
    if (!r.url) {
        (void)sy__error_set(&err, SY_EUSAGE, "the url has a blank or a control character in it");
        return fail(L, &err);
    }
    if (sy__transfer_start(&x->transfer, http, &r, &err)) return fail(L, &err);
    sy__secret_uses_close(uses);
    lua_settop(L, EXCHANGE_AT);
    return go_on(L, LUA_OK, TAKE);
}

int
sy__open_http(lua_State *L)
{
    static const luaL_Reg functions[] = {{"request", l_request}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
