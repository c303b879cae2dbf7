/* support.c: errors, buffers and descriptors for the modules of the standard library. */
#include "bind/support.h"

#include "kit/isolate.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
sy__lib(lua_State *L, const luaL_Reg *functions, bool isolated)
{
    lua_newtable(L);
    lua_pushboolean(L, isolated);
    luaL_setfuncs(L, functions, 1);
}

void
sy__lib_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc, bool isolated)
{
    if (!luaL_newmetatable(L, name)) return;
    sy__lib(L, methods, isolated);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

bool
sy__lib_isolated(lua_State *L)
{
    return lua_toboolean(L, lua_upvalueindex(1));
}

void
sy__lib_charge(lua_State *L, size_t work_bytes)
{
    if (sy__lib_isolated(L)) sy__isolate_charge(L, work_bytes);
}

const sy__alloc *
sy__lib_alloc(lua_State *L)
{
    const sy__alloc *a = sy__lib_isolated(L) ? sy__isolate_options_of(sy__isolate_of(L))->alloc : NULL;
    return a ? a : &sy__alloc_default;
}

int
sy__lib_fail(lua_State *L, int code, const char *format, ...)
{
    char message[SY__ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    lua_pushnil(L);
    lua_pushstring(L, message);
    lua_pushstring(L, sy_errname(code));
    return 3;
}

int
sy__lib_error(lua_State *L, const sy__error *err)
{
    return sy__lib_fail(L, err->code, "%s%s%s", err->message, err->hint[0] ? "; " : "", err->hint);
}

static void
set_text(lua_State *L, const char *key, const char *text)
{
    if (!*text) return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

void
sy__lib_push_errtable(lua_State *L, const sy__error *err)
{
    lua_createtable(L, 0, 4);
    set_text(L, "code", sy_errname(err->code));
    set_text(L, "message", err->message);
    set_text(L, "hint", err->hint);
    lua_createtable(L, 0, 3);
    set_text(L, "file", err->file);
    set_text(L, "task", err->task);
    if (err->line > 0) {
        lua_pushinteger(L, err->line);
        lua_setfield(L, -2, "line");
    }
    lua_setfield(L, -2, "where");
}

/* ---- fields ---- */

const char *
sy__lib_text_field(lua_State *L, int index, const char *name, const char *fallback)
{
    lua_getfield(L, index, name);
    return lua_isnil(L, -1) ? fallback : luaL_checkstring(L, -1);
}

int64_t
sy__lib_int_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    int64_t n = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return n;
}

void
sy__lib_set_int(lua_State *L, const char *name, int64_t n)
{
    lua_pushinteger(L, (lua_Integer)n);
    lua_setfield(L, -2, name);
}

/* ---- what has to be given back ---- */

static int
gc_vbuf(lua_State *L)
{
    sy__vbuf_close(lua_touserdata(L, 1));
    return 0;
}

static int
gc_buf(lua_State *L)
{
    sy__buf_close(lua_touserdata(L, 1));
    return 0;
}

static int
gc_fd(lua_State *L)
{
    sy__lib_fd_close(lua_touserdata(L, 1));
    return 0;
}

/* Pushes a userdata whose __gc is `collect`. */
static void *
push_owned(lua_State *L, size_t size, const char *name, lua_CFunction collect)
{
    void *p = lua_newuserdatauv(L, size, 0);
    memset(p, 0, size);
    if (luaL_newmetatable(L, name)) {
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    return p;
}

sy__vbuf *
sy__lib_vbuf(lua_State *L)
{
    sy__vbuf *b = push_owned(L, sizeof *b, "symphony.value", gc_vbuf);
    sy__vbuf_init(b, sy__lib_alloc(L));
    lua_setmetatable(L, -2);
    return b;
}

sy__buf *
sy__lib_buf(lua_State *L)
{
    sy__buf *b = push_owned(L, sizeof *b, "symphony.bytes", gc_buf);
    sy__buf_init(b, sy__lib_alloc(L));
    lua_setmetatable(L, -2);
    return b;
}

int *
sy__lib_fd(lua_State *L)
{
    int *fd = push_owned(L, sizeof *fd, "symphony.descriptor", gc_fd);
    *fd = -1;
    lua_setmetatable(L, -2);
    return fd;
}

void
sy__lib_fd_close(int *fd)
{
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

/* ---- text that grows ---- */

void
sy__out_init(sy__out *o, lua_State *L, size_t cap)
{
    *o = (sy__out){.L = L, .cap = cap < 64 ? 64 : cap};
    o->data = lua_newuserdatauv(L, o->cap, 0);
    o->slot = lua_gettop(L);
}

char *
sy__out_reserve(sy__out *o, size_t bytes)
{
    if (bytes > o->cap - o->len) {
        size_t cap = o->cap + (o->cap > bytes ? o->cap : bytes);
        char *data = lua_newuserdatauv(o->L, cap, 0);
        memcpy(data, o->data, o->len);
        lua_replace(o->L, o->slot);
        o->data = data;
        o->cap = cap;
    }
    return o->data + o->len;
}

void
sy__out_add(sy__out *o, const char *s, size_t len)
{
    if (len == 0) return;
    memcpy(sy__out_reserve(o, len), s, len);
    o->len += len;
}

void
sy__out_addc(sy__out *o, char c)
{
    *sy__out_reserve(o, 1) = c;
    o->len++;
}

void
sy__out_push(sy__out *o)
{
    lua_pushlstring(o->L, o->data, o->len);
}
