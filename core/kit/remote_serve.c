/*
 * remote_serve.c: a call in a cell, as the coroutine of its isolate in the host lives it: send the call, then wait for
 * frames and do what they ask, until the cell says that it is done.
 *
 *     serve ── invoke ──▶ the real function ──▶ after_invoke ──▶ answer ──▶ wait
 *                             │ calls a function of the extension
 *                             ▼
 *                         callback ──▶ wait ── returned ──▶ the real function goes on
 *                                       │ invoke: as above, one level deeper, in the same coroutine
 *
 * Every wait is a park of the isolate, so whatever ends a call in process ends this one. Names are looked up in the
 * list of modules; there is no way to name anything else. What a real function raises goes back as text.
 */
#include "kit/remote.h"

#include "kit/luavalue.h"

#include <lauxlib.h>
#include <string.h>

enum { NAME_BYTES = 64, TYPE_BYTES = 201, HASH_BYTES = 128, RESULTS_AT = 2 };

static int serve(lua_State *L, int status, lua_KContext level);

static sy__remote *
remote_of(lua_State *L)
{
    return sy__isolate_of(L)->remote;
}

static void
put_int(sy__vbuf *b, const char *key, int64_t n)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_int(b, n);
}

static void
put_bytes(sy__vbuf *b, const char *key, const char *text, size_t len)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_str(b, text, len);
}

/* ---- ends ---- */

/* The call is over: on the outermost level that is the return, further in it unwinds what still stands. */
static int
leave(lua_State *L, lua_KContext level)
{
    *sy__remote_over(remote_of(L)) = true;
    lua_settop(L, 0);
    if (level == 0) return 0;
    lua_pushliteral(L, "the call has ended");
    return lua_error(L);
}

/* The cell was condemned while the coroutine ran. */
static int
leave_dead(lua_State *L, lua_KContext level)
{
    sy__remote_explain(remote_of(L), &sy__isolate_of(L)->call->error);
    return leave(L, level);
}

static int
condemn(lua_State *L, lua_KContext level, const char *what)
{
    sy__remote_condemn(remote_of(L), SY_EEXTENSION, "its process %s", what);
    return leave_dead(L, level);
}

static int
wait_on(lua_State *L, lua_KContext level)
{
    sy__error none = {0};
    lua_settop(L, 0);
    sy__remote_explain(remote_of(L), &none);
    return none.code ? leave_dead(L, level) : sy__remote_next(L, serve, level);
}

/* ---- answers ---- */

static void
answer_bytes(sy__remote *r, const char *bytes, size_t len)
{
    sy__vbuf *b = sy__remote_begin(r).body;
    sy__vbuf_key(b, "ok", 2);
    sy__vbuf_bool(b, true);
    sy__remote_send(r, SY__TO_ANSWER, bytes, len);
}

static void
answer_text(sy__remote *r, int code, const char *text, size_t len)
{
    sy__vbuf *b = sy__remote_begin(r).body;
    put_int(b, "code", code);
    put_bytes(b, "message", text, len < SY__ERROR_MESSAGE_BYTES ? len : SY__ERROR_MESSAGE_BYTES);
    sy__remote_send(r, SY__TO_ANSWER, NULL, 0);
}

static void
answer_status(sy__remote *r, int status, const sy__error *err)
{
    const char *text = err && err->code ? err->message : sy_strerror(status);
    if (status == SY_OK)
        answer_bytes(r, NULL, 0);
    else
        answer_text(r, status, text, strlen(text));
}

/* ---- services ---- */

static int
after_service(lua_State *L, int status, lua_KContext level)
{
    (void)status;
    answer_bytes(remote_of(L), NULL, 0);
    return wait_on(L, level);
}

/* Of the three that may make a call wait. */
static int
settle(lua_State *L, int status, lua_KContext level)
{
    if (status == SY_EAGAIN) return sy__isolate_settle(L, status, after_service, level);
    answer_status(remote_of(L), status, NULL);
    return wait_on(L, level);
}

static void
do_artifact(lua_State *L, const sy__frame *f, const sy__call *call)
{
    char type[TYPE_BYTES];
    sy__error err = {0};
    sy__value made, metadata = sy__value_null();
    sy__vbuf ref;
    sy__isolate_charge(L, f->blob_len);
    (void)sy__value_get(f->body, "metadata", 8, &metadata);
    (void)sy__frame_copy(f, "type", type, sizeof type);
    sy__vbuf_init(&ref, sy__isolate_of(L)->options.alloc);
    int rc = call->services->artifact(call->ud, type, f->blob, f->blob_len, metadata, &ref, &err);
    if (rc == SY_OK) rc = sy__vbuf_done(&ref, &made);
    if (rc == SY_OK)
        answer_bytes(remote_of(L), made.data, made.size);
    else
        answer_status(remote_of(L), rc, &err);
    sy__vbuf_close(&ref);
}

static void
do_artifact_read(lua_State *L, const sy__frame *f, const sy__call *call)
{
    char hash[HASH_BYTES];
    sy__error err = {0};
    sy__buf bytes;
    (void)sy__frame_copy(f, "hash", hash, sizeof hash);
    sy__buf_init(&bytes, sy__isolate_of(L)->options.alloc);
    int rc = call->services->artifact_read(call->ud, hash, &bytes, &err);
    if (rc == SY_OK && bytes.len > sy__isolate_of(L)->limits.cap_bytes)
        rc = sy__error_set(&err, SY_EMEMORY, "an artifact of %zu KiB does not fit into its memory", bytes.len >> 10);
    if (rc == SY_OK)
        answer_bytes(remote_of(L), bytes.data, bytes.len);
    else
        answer_status(remote_of(L), rc, &err);
    sy__buf_close(&bytes);
}

static void
do_emit(lua_State *L, const sy__frame *f, const sy__call *call)
{
    char type[TYPE_BYTES];
    size_t len;
    sy__error err = {0};
    sy__value payload = {f->blob, f->blob_len};
    const char *text = sy__frame_text(f, "type", &len);
    sy__isolate_charge(L, 4096);
    int rc = SY_EINVAL;
    if (text && len > 0 && len < sizeof type && !memchr(text, '\0', len) && sy__value_check(f->blob, f->blob_len)) {
        (void)sy__frame_copy(f, "type", type, sizeof type);
        rc = call->services->emit(call->ud, type, payload, &err);
    }
    answer_status(remote_of(L), rc, &err);
}

static double
number(const sy__frame *f, const char *key)
{
    sy__value v;
    return sy__value_get(f->body, key, strlen(key), &v) ? sy__value_num(v) : 0;
}

static int
do_progress(lua_State *L, const sy__frame *f, const sy__call *call)
{
    sy__isolate_charge(L, 1024);
    const char *text = lua_pushlstring(L, f->blob, f->blob_len);
    return call->services->progress(call->ud, number(f, "done"), number(f, "total"), text);
}

static int
do_log(lua_State *L, const sy__frame *f, const sy__call *call)
{
    int64_t level = sy__frame_int(f, "level", SY__LOG_INFO);
    sy__isolate_charge(L, f->blob_len + 1024);
    const char *text = lua_pushlstring(L, f->blob, f->blob_len);
    if (level < SY__LOG_DEBUG || level > SY__LOG_ERROR) level = SY__LOG_INFO;
    return call->services->log(call->ud, (sy__log_level)level, text);
}

static void
do_usage(lua_State *L, const sy__frame *f, const sy__call *call)
{
    double usd = number(f, "usd");
    int64_t tokens = sy__frame_int(f, "tokens", 0);
    if (usd >= 0 && tokens >= 0 && tokens < INT64_C(9000000000000000)) call->services->usage(call->ud, usd, tokens);
    answer_bytes(remote_of(L), NULL, 0);
}

/* The bits of what a call offers. */
static int64_t
offered(const sy__call_services *s)
{
    if (!s) return 0;
    return (s->artifact ? 1 << SY__ASK_ARTIFACT : 0) | (s->artifact_read ? 1 << SY__ASK_ARTIFACT_READ : 0) |
           (s->emit ? 1 << SY__ASK_EMIT : 0) | (s->progress ? 1 << SY__ASK_PROGRESS : 0) |
           (s->stream ? 1 << SY__ASK_STREAM : 0) | (s->log ? 1 << SY__ASK_LOG : 0) |
           (s->usage ? 1 << SY__ASK_USAGE : 0);
}

static int
serve_service(lua_State *L, const sy__frame *f, lua_KContext level)
{
    const sy__call *call = sy__isolate_of(L)->call;
    int64_t what = sy__frame_int(f, "what", -1);
    if (what < 0 || what >= SY__SERVICES || !(offered(call->services) & INT64_C(1) << what))
        return condemn(L, level, "asked for a service that this call does not have");
    switch ((sy__service)what) {
    case SY__ASK_ARTIFACT: do_artifact(L, f, call); break;
    case SY__ASK_ARTIFACT_READ: do_artifact_read(L, f, call); break;
    case SY__ASK_EMIT: do_emit(L, f, call); break;
    case SY__ASK_USAGE: do_usage(L, f, call); break;
    case SY__ASK_PROGRESS: return settle(L, do_progress(L, f, call), level);
    case SY__ASK_LOG: return settle(L, do_log(L, f, call), level);
    case SY__ASK_STREAM:
        sy__isolate_charge(L, f->blob_len + 1024);
        return settle(L, sy__isolate_stream(L, f->blob, f->blob_len), level);
    case SY__SERVICES: break;
    }
    return wait_on(L, level);
}

/* ---- functions of the extension that a real function calls ---- */

/* Upvalues: the number of the function in the cell, the level. */
static int
callback(lua_State *L)
{
    sy__remote *r = remote_of(L);
    sy__error err = {0};
    sy__value values = {0};
    lua_KContext level = (lua_KContext)lua_tointeger(L, lua_upvalueindex(2)) + 1;
    if (level > SY__MAX_NESTED) return luaL_error(L, "callbacks in callbacks, more than %d deep", SY__MAX_NESTED);
    sy__remote_reply reply = sy__remote_begin(r);
    put_int(reply.body, "id", lua_tointeger(L, lua_upvalueindex(1)));
    if (sy__cell_pack(L, 1, lua_gettop(L), 0, reply.body, reply.blob, &err)) return luaL_error(L, "%s", err.message);
    (void)sy__vbuf_done(reply.blob, &values);
    sy__remote_send(r, SY__TO_CALLBACK, values.data, values.size);
    return wait_on(L, level);
}

/* What a callback gave goes to the real function that called it. */
static int
serve_returned(lua_State *L, const sy__frame *f, lua_KContext level)
{
    size_t len;
    const char *text = sy__frame_text(f, "message", &len);
    if (level == 0) return condemn(L, level, "returned from a function that was not called");
    lua_settop(L, 0);
    if (text) {
        lua_pushlstring(L, text, len < SY__ERROR_MESSAGE_BYTES ? len : SY__ERROR_MESSAGE_BYTES);
        return lua_error(L);
    }
    int count = sy__cell_unpack(L, f);
    return count < 0 ? condemn(L, level, "returned what is no list of values") : count;
}

/* Puts a function of ours where the cell has one of its own: callbacks is a list of [argument, key]. */
static bool
add_callbacks(lua_State *L, const sy__frame *f, int first, int count, lua_KContext level)
{
    sy__value list, argument, key;
    sy__value_iter it;
    if (!sy__value_get(f->body, "callbacks", 9, &list)) return true;
    if (sy__value_kind(list) != SY__ARRAY || sy__value_count(list) > SY__MAX_CALLBACKS) return false;
    sy__value_iter_init(&it, list);
    for (int id = 1; sy__value_iter_next(&it); id++) {
        size_t len;
        if (sy__value_kind(it.value) != SY__ARRAY || !sy__value_at(it.value, 0, &argument) ||
            !sy__value_at(it.value, 1, &key) || sy__value_kind(key) != SY__STR)
            return false;
        int64_t at = sy__value_int(argument);
        if (at < 0 || at >= count || !lua_istable(L, first + (int)at)) return false;
        const char *text = sy__value_str(key, &len);
        lua_pushlstring(L, text, len);
        lua_pushinteger(L, id);
        lua_pushinteger(L, (lua_Integer)level);
        lua_pushcclosure(L, callback, 2);
        lua_rawset(L, first + (int)at);
    }
    return true;
}

/* ---- functions that the cell asks for ---- */

/* Pushes the function of a hosted module; false: there is none of this name. */
static bool
push_function(lua_State *L, sy__isolate *iso, const char *module, const char *name)
{
    const sy__isolate_module *m = iso->options.modules;
    unsigned wanted = SY__HOSTED | 1u << iso->options.profile;
    for (; m && m->name; m++)
        if (strcmp(m->name, module) == 0 && (m->profiles & wanted) == wanted) break;
    if (!m || !m->name) return false;
    (void)lua_rawgetp(L, LUA_REGISTRYINDEX, &iso->options.module);
    sy__safe_require(L, iso, module, lua_gettop(L), 0);
    lua_pushstring(L, name);
    if (!lua_istable(L, -2) || lua_rawget(L, -2) != LUA_TFUNCTION) return false;
    lua_replace(L, -3);
    lua_pop(L, 1);
    return true;
}

/* The error on top, with the name that the real function could not know. */
static void
answer_raised(lua_State *L, sy__isolate *iso)
{
    size_t len = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    if (text && strncmp(text, "bad argument #", 14) == 0) {
        lua_pushfstring(L, "'%s'", lua_tostring(L, 1));
        text = luaL_gsub(L, text, "'?'", lua_tostring(L, -1));
        len = strlen(text);
    }
    answer_text(iso->remote, iso->fail_code, text ? text : "it failed", text ? len : 9);
    iso->fail_code = 0;
}

/* The stack: the function's name, then its results or the error. */
static int
after_invoke(lua_State *L, int status, lua_KContext level)
{
    sy__isolate *iso = sy__isolate_of(L);
    sy__error err = {0};
    sy__value values = {0};
    if (*sy__remote_over(iso->remote)) return leave(L, level);
    if (iso->limits.why) return sy__limits_raise(&iso->limits, L);
    if (status != LUA_OK && status != LUA_YIELD) {
        answer_raised(L, iso);
        return wait_on(L, level);
    }
    sy__remote_reply reply = sy__remote_begin(iso->remote);
    sy__vbuf_key(reply.body, "ok", 2);
    sy__vbuf_bool(reply.body, true);
    if (sy__cell_pack(L, RESULTS_AT, lua_gettop(L), 0, reply.body, reply.blob, &err)) {
        answer_text(iso->remote, SY_EINVAL, err.message, strlen(err.message));
    } else {
        (void)sy__vbuf_done(reply.blob, &values);
        sy__isolate_charge(L, values.size);
        sy__remote_send(iso->remote, SY__TO_ANSWER, values.data, values.size);
    }
    return wait_on(L, level);
}

static int
serve_invoke(lua_State *L, const sy__frame *f, lua_KContext level)
{
    sy__isolate *iso = sy__isolate_of(L);
    char module[NAME_BYTES], name[NAME_BYTES];
    lua_settop(L, 0);
    bool named = sy__frame_copy(f, "module", module, sizeof module) && sy__frame_copy(f, "name", name, sizeof name);
    lua_pushstring(L, name);
    if (!named || !push_function(L, iso, module, name)) return condemn(L, level, "asked for what it does not have");
    sy__isolate_charge(L, f->blob_len);
    int count = sy__cell_unpack(L, f);
    if (count < 0 || !add_callbacks(L, f, 3, count, level)) return condemn(L, level, "sent what are no arguments");
    return after_invoke(L, lua_pcallk(L, count, LUA_MULTRET, 0, level, after_invoke), level);
}

/* ---- the call ---- */

static int
serve_done(lua_State *L, const sy__frame *f, lua_KContext level)
{
    sy__isolate *iso = sy__isolate_of(L);
    sy__call *call = iso->call;
    sy__remote_note(iso->remote, f);
    (void)sy__frame_copy(f, "own", call->code, sizeof call->code);
    call->transient = sy__frame_flag(f, "transient");
    if (sy__frame_get_error(f, &call->error)) return leave(L, level);
    if (!sy__value_check(f->blob, f->blob_len)) return condemn(L, level, "gave a result that is no value");
    sy__vbuf_value(&call->output, (sy__value){f->blob, f->blob_len});
    return leave(L, level);
}

/* Only when its code is there: a cell has ears for one thing at a time. */
static void
send_call(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    const sy__call *call = iso->call;
    int64_t cpu_ms = iso->limits.cpu_limit_ns / 1000000;
    sy__vbuf *b = sy__remote_begin(iso->remote).body;
    put_bytes(b, "operation", call->operation, strlen(call->operation));
    put_int(b, "cpu_ms", cpu_ms);
    if (call->deadline_ns) {
        int64_t left = call->deadline_ns - sy__mono_ns(iso->limits.clock);
        put_int(b, "left_ns", left > 1 ? left : 1);
    }
    if (call->idempotency_key) put_bytes(b, "key", call->idempotency_key, strlen(call->idempotency_key));
    put_int(b, "services", offered(call->services));
    sy__remote_watch(iso->remote, cpu_ms);
    sy__remote_send(iso->remote, SY__TO_CALL, call->input.data, call->input.size);
}

static int
serve(lua_State *L, int status, lua_KContext level)
{
    sy__remote *r = remote_of(L);
    const sy__frame *f = sy__remote_frame(r);
    (void)status;
    if (!f) return wait_on(L, level);
    switch (f->kind) {
    case SY__FROM_SERVICE: return serve_service(L, f, level);
    case SY__FROM_INVOKE: return serve_invoke(L, f, level);
    case SY__FROM_RETURNED: return serve_returned(L, f, level);
    case SY__FROM_LOADED:
        if (sy__remote_refuses(r, &sy__isolate_of(L)->call->error)) return leave(L, level);
        send_call(L);
        return wait_on(L, level);
    default: return serve_done(L, f, level);
    }
}

int
sy__remote_body(lua_State *L)
{
    sy__remote *r = remote_of(L);
    *sy__remote_over(r) = false;
    if (sy__remote_loaded(r)) send_call(L);
    return wait_on(L, 0);
}
