/*
 * isolate_ctx.c: `ctx`, what an operation may ask of the engine. One table for the life of an isolate; the two
 * fields that differ from call to call are set when the call begins, the functions look at the call that runs.
 *
 * Contents of artifacts that are being written or read lie outside of the state, in buffers that userdata point to.
 * The isolate lists them: should a finalizer fail for want of memory, closing the isolate gives them back.
 */
#include "kit/isolate_impl.h"

#include "kit/luavalue.h"

#include <lauxlib.h>
#include <string.h>

enum { MAX_BUFFER_BYTES = 256 << 20, MAX_TOPIC_BYTES = 200 };

static const char blob_name[] = "artifact";

/* ---- reaching the engine ---- */

static sy__call *
call_of(lua_State *L)
{
    sy__call *call = sy__isolate_of(L)->call;
    if (!call) (void)luaL_error(L, "ctx belongs to a call that has ended");
    return call;
}

static const sy__call_services *
services_of(lua_State *L)
{
    static const sy__call_services none = {0};
    const sy__call_services *services = call_of(L)->services;
    return services ? services : &none;
}

static void
need(lua_State *L, bool there, const char *what)
{
    if (!there) (void)luaL_error(L, "ctx.%s is not available in this call", what);
}

/* nil, message, code. */
static int
push_failure(lua_State *L, const sy__error *err)
{
    lua_pushnil(L);
    lua_pushstring(L, err->message);
    lua_pushstring(L, sy_errname(err->code));
    return 3;
}

/* Encodes the value at `index` (none: null) into `b`; false: err says why. */
static bool
encode(lua_State *L, int index, sy__vbuf *b, sy__value *out, sy__error *err)
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

/* ---- artifacts ---- */

/* A buffer of the host's with a place in it. */
typedef struct sy__blob_buffer {
    sy__buf buf;
    size_t at;
    bool writer;
    size_t *bytes;                        /* the isolate's count */
    struct sy__blob_buffer *next, **link; /* in the isolate's list */
} blob;

static void
drop_blob(blob *b)
{
    const sy__alloc *a = b->buf.alloc;
    *b->bytes -= b->buf.len;
    *b->link = b->next;
    if (b->next) b->next->link = b->link;
    sy__buf_close(&b->buf);
    sy__free(a, b);
}

void
sy__isolate_drop_buffers(sy__isolate *iso)
{
    while (iso->buffers) drop_blob(iso->buffers);
}

/* Pushes a userdata that points to a new buffer, or to NULL once closed. User value 1: type, 2: metadata of a writer.
 */
static blob *
push_blob(lua_State *L, bool writer)
{
    sy__isolate *iso = sy__isolate_of(L);
    blob **slot = lua_newuserdatauv(L, sizeof *slot, 2);
    *slot = NULL;
    luaL_setmetatable(L, blob_name);
    blob *b = sy__calloc(iso->options.alloc, 1, sizeof *b);
    if (!b) (void)luaL_error(L, "no memory for an artifact");
    sy__buf_init(&b->buf, iso->options.alloc);
    b->writer = writer;
    b->bytes = &iso->buffer_bytes;
    b->next = iso->buffers;
    b->link = &iso->buffers;
    if (b->next) b->next->link = &b->next;
    iso->buffers = b;
    return *slot = b;
}

/* Pushes the reference that the engine made; its bytes go to `hold`, which frees them should this raise. */
static void
push_reference(lua_State *L, blob *hold, sy__vbuf *ref, sy__value made)
{
    hold->buf = ref->buf;
    *hold->bytes += hold->buf.len;
    sy__buf_init(&ref->buf, hold->buf.alloc);
    sy__vbuf_close(ref);
    sy__value_to_lua(L, made);
}

/* Stores bytes; pushes the reference, or nil, message, code. */
static int
store(lua_State *L, const char *type, const char *bytes, size_t size, int metadata)
{
    const sy__call_services *s = services_of(L);
    need(L, s->artifact != NULL, "artifact");
    sy__isolate_charge(L, size);
    sy__error err = {0};
    blob *hold = push_blob(L, false);
    sy__vbuf meta, ref;
    sy__value v, made;
    sy__vbuf_init(&ref, hold->buf.alloc);
    int rc = SY_EINVAL;
    if (encode(L, metadata, &meta, &v, &err)) rc = s->artifact(call_of(L)->ud, type, bytes, size, v, &ref, &err);
    sy__vbuf_close(&meta);
    if (rc == SY_OK) rc = sy__vbuf_done(&ref, &made);
    if (rc == SY_OK) {
        push_reference(L, hold, &ref, made);
        return 1;
    }
    sy__vbuf_close(&ref);
    if (!err.code) (void)sy__error_set(&err, rc, "%s", sy_strerror(rc));
    return push_failure(L, &err);
}

static int
ctx_artifact(lua_State *L)
{
    size_t size;
    const char *type = luaL_checkstring(L, 1), *bytes = luaL_checklstring(L, 2, &size);
    lua_settop(L, 3);
    return store(L, type, bytes, size, 3);
}

static blob *
check_blob(lua_State *L, bool writer)
{
    blob *b = *(blob **)luaL_checkudata(L, 1, blob_name);
    if (!b) (void)luaL_error(L, "the artifact has been closed");
    if (b->writer != writer) (void)luaL_error(L, "the artifact is open for %s", writer ? "reading" : "writing");
    return b;
}

/* __gc and __close: they may not fail, so nothing here allocates; only Lua itself reaches them. */
static int
blob_gc(lua_State *L)
{
    blob **slot = lua_touserdata(L, 1);
    if (*slot) drop_blob(*slot);
    *slot = NULL;
    return 0;
}

static int
ctx_writer(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 2);
    (void)push_blob(L, true);
    lua_pushvalue(L, 1);
    (void)lua_setiuservalue(L, 3, 1);
    lua_pushvalue(L, 2);
    (void)lua_setiuservalue(L, 3, 2);
    return 1;
}

static int
blob_write(lua_State *L)
{
    blob *b = check_blob(L, true);
    for (int i = 2; i <= lua_gettop(L); i++) {
        size_t len;
        const char *bytes = luaL_checklstring(L, i, &len);
        sy__isolate_charge(L, len);
        if (*b->bytes + len > MAX_BUFFER_BYTES)
            return sy__isolate_fail(L, SY_EMEMORY, "open artifacts of more than %d MiB", MAX_BUFFER_BYTES >> 20);
        sy__buf_add(&b->buf, bytes, len);
        if (!b->buf.failed) *b->bytes += len;
    }
    if (b->buf.failed) return luaL_error(L, "no memory for the artifact");
    lua_settop(L, 1);
    return 1;
}

static int
blob_close(lua_State *L)
{
    const blob *b = *(blob **)luaL_checkudata(L, 1, blob_name);
    lua_settop(L, 1);
    if (!b || !b->writer) return blob_gc(L);
    (void)lua_getiuservalue(L, 1, 1);
    (void)lua_getiuservalue(L, 1, 2);
    int results = store(L, lua_tostring(L, 2), b->buf.data, b->buf.len, 3);
    (void)blob_gc(L); /* the userdata is still at 1 */
    return results;
}

/* The collector does not know these bytes: it is asked once before they are too many. */
static int
refuse_buffers(lua_State *L, const blob *b, sy__error *err)
{
    (void)lua_gc(L, LUA_GCCOLLECT);
    if (*b->bytes <= MAX_BUFFER_BYTES) return SY_OK;
    return sy__error_set(err, SY_EMEMORY, "open artifacts of more than %d MiB", MAX_BUFFER_BYTES >> 20);
}

/* The hash of a reference: {"$artifact" = hash} or the hash itself. */
static const char *
check_reference(lua_State *L, int arg)
{
    if (lua_istable(L, arg)) {
        lua_pushliteral(L, "$artifact");
        (void)lua_rawget(L, arg);
        lua_replace(L, arg);
    }
    luaL_argexpected(L, lua_type(L, arg) == LUA_TSTRING, arg, "artifact reference");
    return lua_tostring(L, arg);
}

static int
ctx_open(lua_State *L)
{
    const sy__call_services *s = services_of(L);
    need(L, s->artifact_read != NULL, "open");
    const char *hash = check_reference(L, 1);
    sy__error err = {0};
    blob *b = push_blob(L, false);
    int rc = s->artifact_read(call_of(L)->ud, hash, &b->buf, &err);
    *b->bytes += b->buf.len;
    if (rc == SY_OK && *b->bytes > MAX_BUFFER_BYTES) rc = refuse_buffers(L, b, &err);
    sy__isolate_charge(L, b->buf.len);
    if (rc == SY_OK) return 1;
    if (!err.code) (void)sy__error_set(&err, rc, "%s", sy_strerror(rc));
    return push_failure(L, &err);
}

/* read([n]): n bytes, or all that is left; nil at the end. */
static int
blob_read(lua_State *L)
{
    blob *b = check_blob(L, false);
    size_t left = b->buf.len - b->at;
    lua_Integer n = luaL_optinteger(L, 2, (lua_Integer)left);
    luaL_argcheck(L, n >= 0, 2, "must not be negative");
    if (left == 0 && (n > 0 || lua_isnoneornil(L, 2)) && b->at > 0) {
        lua_pushnil(L);
        return 1;
    }
    if ((size_t)n > left) n = (lua_Integer)left;
    sy__isolate_charge(L, (size_t)n);
    lua_pushlstring(L, b->buf.data ? b->buf.data + b->at : "", (size_t)n);
    b->at += (size_t)n;
    return 1;
}

static int
next_line(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    blob *b = check_blob(L, false);
    if (b->at >= b->buf.len) return 0;
    const char *start = b->buf.data + b->at;
    size_t left = b->buf.len - b->at;
    const char *end = memchr(start, '\n', left);
    size_t len = end ? (size_t)(end - start) : left;
    sy__isolate_charge(L, len);
    lua_pushlstring(L, start, len);
    b->at += len + (end != NULL);
    return 1;
}

static int
blob_lines(lua_State *L)
{
    (void)check_blob(L, false);
    lua_settop(L, 1);
    lua_pushcclosure(L, next_line, 1);
    return 1;
}

/* ---- events, progress, log ---- */

static int
ctx_emit(lua_State *L)
{
    const sy__call_services *s = services_of(L);
    need(L, s->emit != NULL, "emit");
    size_t len;
    const char *type = luaL_checklstring(L, 1, &len);
    luaL_argcheck(L, len > 0 && len <= MAX_TOPIC_BYTES && strlen(type) == len, 1, "no event type");
    sy__vbuf b;
    sy__value payload;
    sy__error err = {0};
    int rc = encode(L, 2, &b, &payload, &err) ? s->emit(call_of(L)->ud, type, payload, &err) : SY_EINVAL;
    sy__vbuf_close(&b);
    sy__isolate_charge(L, 4096);
    if (rc == SY_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (!err.code) (void)sy__error_set(&err, rc, "%s", sy_strerror(rc));
    return push_failure(L, &err);
}

static int
ctx_progress(lua_State *L)
{
    double done = luaL_checknumber(L, 1), total = luaL_optnumber(L, 2, 0);
    const char *text = luaL_optstring(L, 3, "");
    const sy__call_services *s = services_of(L);
    if (s->progress) s->progress(call_of(L)->ud, done, total, text);
    sy__isolate_charge(L, 1024);
    return 0;
}

static int
ctx_stream(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    const sy__call_services *s = services_of(L);
    if (s->stream) s->stream(call_of(L)->ud, bytes, len);
    sy__isolate_charge(L, len + 1024);
    return 0;
}

static int
ctx_log(lua_State *L)
{
    static const char *const names[] = {"debug", "info", "warn", "error", NULL};
    int level = luaL_checkoption(L, 1, NULL, names);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    sy__isolate_charge(L, len + 1024);
    sy__safe_log(sy__isolate_of(L), (sy__log_level)level, text);
    return 0;
}

static int
ctx_usage(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const sy__call_services *s = services_of(L);
    lua_settop(L, 1);
    lua_pushliteral(L, "usd");
    (void)lua_rawget(L, 1);
    lua_pushliteral(L, "tokens");
    (void)lua_rawget(L, 1);
    double usd = luaL_optnumber(L, 2, 0);
    double tokens = luaL_optnumber(L, 3, 0);
    luaL_argcheck(L, usd >= 0 && tokens >= 0 && tokens < 9e15, 1, "usd and tokens are not negative");
    if (s->usage) s->usage(call_of(L)->ud, usd, (int64_t)tokens);
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
make_blob_type(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"write", blob_write}, {"close", blob_close}, {"read", blob_read}, {"lines", blob_lines}, {NULL, NULL},
    };
    static const luaL_Reg meta[] = {{"__gc", blob_gc}, {"__close", blob_gc}, {NULL, NULL}};
    if (luaL_newmetatable(L, blob_name)) {
        luaL_setfuncs(L, meta, 0);
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
}

static void
make_ctx(lua_State *L, sy__isolate *iso)
{
    static const luaL_Reg functions[] = {
        {"artifact", ctx_artifact}, {"writer", ctx_writer},       {"open", ctx_open}, {"emit", ctx_emit},
        {"progress", ctx_progress}, {"stream", ctx_stream},       {"log", ctx_log},   {"usage", ctx_usage},
        {"retry", ctx_retry},       {"cancelled", ctx_cancelled}, {NULL, NULL},
    };
    make_blob_type(L);
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
