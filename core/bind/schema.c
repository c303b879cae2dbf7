/*
 * schema.c: the module `schema`.
 *
 *     schema.compile(schema) → checker | nil, message, code
 *     schema.check(schema or checker, value) → value | nil, message, code, path
 *     checker:check(value)
 *
 * The value that comes back has defaults filled in and empty tables turned into arrays where the schema says so.
 */
#include "bind/modules.h"
#include "bind/stdlib.h"
#include "bind/support.h"
#include "kit/luavalue.h"
#include "kit/schema.h"

static const char TYPE[] = "symphony.schema";

enum { MAX_SCHEMA_BYTES = 256 << 10 /* encoded; compiled it is some forty times as large */ };

typedef struct checker {
    sy__schema *schema;
} checker;

static int
gc_checker(lua_State *L)
{
    checker *c = luaL_checkudata(L, 1, TYPE);
    sy__schema_free(c->schema);
    c->schema = NULL;
    return 0;
}

/* The value at `index`; leaves its memory on the stack. Returns how many results, 0: fine. */
static int
read_value(lua_State *L, int index, sy__value *v)
{
    sy__error err;
    sy__error_clear(&err);
    sy__vbuf *b = sy__lib_vbuf(L);
    if (sy__lua_to_value(L, index, b, &err)) return sy__lib_error(L, &err);
    (void)sy__vbuf_done(b, v);
    sy__lib_charge(L, v->size);
    return 0;
}

/* Pushes a checker of the schema at `index`; or returns how many results say why not. */
static int
compile(lua_State *L, int index)
{
    sy__value v = {0};
    sy__error err;
    sy__error_clear(&err);
    int failed = read_value(L, index, &v);
    if (failed) return failed;
    if (v.size > MAX_SCHEMA_BYTES) return sy__lib_fail(L, SY_EMANIFEST, "a schema of more than 256 KiB");
    checker *c = lua_newuserdatauv(L, sizeof *c, 0);
    c->schema = NULL;
    luaL_setmetatable(L, TYPE);
    sy__lib_charge(L, v.size * 16);
    return sy__schema_new(&c->schema, sy__lib_alloc(L), v, &err) ? sy__lib_error(L, &err) : 0;
}

static int
check(lua_State *L, const checker *c, int index)
{
    sy__value v = {0}, done = {0};
    sy__error err;
    sy__error_clear(&err);
    int failed = read_value(L, index, &v);
    if (failed) return failed;
    sy__vbuf *out = sy__lib_vbuf(L);
    sy__buf *path = sy__lib_buf(L);
    if (sy__schema_check_at(c->schema, v, out, path, &err)) {
        int n = sy__lib_error(L, &err);
        lua_pushlstring(L, path->data ? path->data : "", path->len);
        return n + 1;
    }
    int status = sy__vbuf_done(out, &done);
    if (status) return sy__lib_fail(L, status, "the value with its defaults is too large");
    sy__value_to_lua(L, done);
    return 1;
}

static int
l_compile(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    int failed = compile(L, 1);
    return failed ? failed : 1;
}

static int
l_check(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    const checker *c = luaL_testudata(L, 1, TYPE);
    if (!c) {
        int failed = compile(L, 1);
        if (failed) return failed;
        c = lua_touserdata(L, -1);
    }
    return check(L, c, 2);
}

static int
l_checker_check(lua_State *L)
{
    const checker *c = luaL_checkudata(L, 1, TYPE);
    lua_settop(L, 2);
    return check(L, c, 2);
}

static int
open_schema(lua_State *L, bool isolated)
{
    static const luaL_Reg functions[] = {{"check", l_check}, {"compile", l_compile}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"check", l_checker_check}, {NULL, NULL}};
    sy__lib_type(L, TYPE, methods, gc_checker, isolated);
    sy__lib(L, functions, isolated);
    return 1;
}

int
sy__open_schema(lua_State *L)
{
    return open_schema(L, true);
}

int
luaopen_sy_schema(lua_State *L)
{
    return open_schema(L, false);
}
