/*
 * isolate_artifact.c: the part of `ctx` that stores and reads artifacts: whole, or through a userdata piece by piece.
 *
 * Contents that are being written or read lie outside of the state, in buffers that userdata point to. The isolate
 * lists them: should a finalizer fail for want of memory, closing the isolate gives them back.
 */
#include "kit/isolate_ctx.h"

#include "kit/luavalue.h"

#include <lauxlib.h>
#include <string.h>

enum { MAX_BUFFER_BYTES = 256 << 20 };

static const char blob_name[] = "artifact";

/* ---- buffers ---- */

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
    if (!b) sy__ctx_raise(L, "no memory for an artifact");
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
    const sy__call_services *s = sy__ctx_services(L);
    if (!s->artifact) sy__ctx_missing(L, "artifact");
    sy__isolate_charge(L, size);
    sy__error err = {0};
    blob *hold = push_blob(L, false);
    sy__vbuf meta, ref;
    sy__value v, made;
    sy__vbuf_init(&ref, hold->buf.alloc);
    int rc = SY_EINVAL;
    if (sy__ctx_encode(L, metadata, &meta, &v, &err))
        rc = s->artifact(sy__ctx_call(L)->ud, type, bytes, size, v, &ref, &err);
    sy__vbuf_close(&meta);
    if (rc == SY_OK) rc = sy__vbuf_done(&ref, &made);
    if (rc == SY_OK) {
        push_reference(L, hold, &ref, made);
        return 1;
    }
    sy__vbuf_close(&ref);
    if (!err.code) (void)sy__error_set(&err, rc, "%s", sy_strerror(rc));
    return sy__ctx_failure(L, &err);
}

int
sy__ctx_artifact(lua_State *L)
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
    if (!b) sy__ctx_raise(L, "the artifact has been closed");
    if (b->writer != writer) sy__ctx_raise(L, "the artifact is open for %s", writer ? "reading" : "writing");
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

int
sy__ctx_writer(lua_State *L)
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
    if (b->buf.failed) return sy__isolate_fail(L, SY_EMEMORY, "no memory for the artifact");
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

int
sy__ctx_open(lua_State *L)
{
    const sy__call_services *s = sy__ctx_services(L);
    if (!s->artifact_read) sy__ctx_missing(L, "open");
    const char *hash = check_reference(L, 1);
    sy__error err = {0};
    blob *b = push_blob(L, false);
    int rc = s->artifact_read(sy__ctx_call(L)->ud, hash, &b->buf, &err);
    *b->bytes += b->buf.len;
    if (rc == SY_OK && *b->bytes > MAX_BUFFER_BYTES) rc = refuse_buffers(L, b, &err);
    sy__isolate_charge(L, b->buf.len);
    if (rc == SY_OK) return 1;
    if (!err.code) (void)sy__error_set(&err, rc, "%s", sy_strerror(rc));
    return sy__ctx_failure(L, &err);
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

/* ---- making the type ---- */

void
sy__ctx_open_artifacts(lua_State *L)
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
