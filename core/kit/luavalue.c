/*
 * luavalue.c: values between a Lua state and their encoded form.
 *
 * Out of Lua: tables are walked with lua_next and raw access only, so nothing an extension wrote runs.
 * A table whose first key is 1 is taken for an array and written while it is walked; only when a key
 * comes out of turn (it lies in the table's hash part) are all keys looked at first. The way from the
 * root to the current item is a list of frames on the C stack: it finds cycles and names the culprit.
 *
 * Into Lua: one table a container, made with its final size.
 */
#include "kit/luavalue.h"

#include "base/bounds.h"

#include <lauxlib.h>
#include <string.h>

enum { FEW_KEYS = 16 };

/* Its address is the registry key of the array mark. */
static const char array_key = 'a';

/* Where the walk is. */
typedef struct frame {
    const struct frame *up;
    const void *table; /* that is being walked here */
    const char *key;   /* of the current entry; NULL: `index` counts */
    size_t key_len;
    lua_Integer index;
} frame;

typedef struct walk {
    lua_State *L;
    sy__vbuf *out;
    sy__error *err;
} walk;

void
sy__lua_push_array_mt(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key) == LUA_TTABLE) return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__name");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
}

bool
sy__lua_is_array_marked(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    if (!lua_istable(L, index) || !lua_checkstack(L, 2) || !lua_getmetatable(L, index)) return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
    bool marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return marked;
}

/* ---- out of Lua ---- */

static void
write_path(const frame *f, sy__buf *to)
{
    if (!f) return;
    write_path(f->up, to);
    if (!f->key)
        sy__buf_addf(to, "[%lld]", (long long)f->index);
    else
        sy__buf_addf(to, "%s%.*s", to->len ? "." : "", (int)(f->key_len < 64 ? f->key_len : 64), f->key);
}

/* Notes why the item at `f` cannot cross. */
static int
refuse(walk *w, const frame *f, const char *what)
{
    sy__buf path;
    sy__buf_init(&path, w->out->buf.alloc);
    write_path(f, &path);
    const char *where = sy__buf_cstr(&path);
    if (where && *where)
        sy__error_set(w->err, SY_EINVAL, "`%s` %s", where, what);
    else
        sy__error_set(w->err, SY_EINVAL, "the value %s", what);
    sy__buf_close(&path);
    w->out->error = SY_EINVAL;
    return SY_EINVAL;
}

/* The builder's own error, put into words. */
static int
built(walk *w, const frame *f)
{
    if (!w->out->error) return SY_OK;
    if (w->out->error == SY_ENOMEM) return sy__error_set(w->err, SY_ENOMEM, "no memory for a value");
    return refuse(w, f, "makes the value larger than 16 MiB");
}

static int
refuse_keys(walk *w, const frame *f)
{
    return refuse(w, f, "has keys that are neither all strings nor 1, 2, 3, … without holes");
}

static int put(walk *w, int index, const frame *f);

/* Whether the keys of the table are exactly 1..n. */
static bool
is_sequence(lua_State *L, int table)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, table), count = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        lua_Integer key = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        if (key < 1 || key > n) {
            lua_pop(L, 1);
            return false;
        }
        count++;
    }
    return count == n;
}

/* Writes the items from `from` on of a table known to be a sequence. */
static int
put_rest(walk *w, int table, lua_Integer from, frame *f)
{
    lua_Integer n = (lua_Integer)lua_rawlen(w->L, table);
    for (f->index = from; f->index <= n; f->index++) {
        lua_rawgeti(w->L, table, f->index);
        int status = put(w, -1, f);
        lua_pop(w->L, 1);
        if (status) return status;
    }
    return SY_OK;
}

/* The first key and value lie on the stack. */
static int
put_array(walk *w, int table, frame *f)
{
    lua_State *L = w->L;
    sy__vbuf_array(w->out);
    for (lua_Integer i = 1;; i++) {
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) != i) {
            lua_pop(L, 2);
            if (!is_sequence(L, table)) return refuse_keys(w, f->up);
            int status = put_rest(w, table, i, f);
            if (status) return status;
            break;
        }
        f->index = i;
        int status = put(w, -1, f);
        lua_pop(L, 1);
        if (status) {
            lua_pop(L, 1);
            return status;
        }
        if (!lua_next(L, table)) break;
    }
    sy__vbuf_end(w->out);
    return built(w, f->up);
}

/* A key, and where on the stack it lies. */
typedef struct key {
    const char *s;
    size_t len;
    int slot;
} key;

/* The keys of a table into stack slots from `base` on, sorted by bytes. How many, -1: too many, -2: one is no string.
 */
static int
sorted_keys(lua_State *L, int table, int base, key keys[FEW_KEYS])
{
    int n = 0;
    lua_settop(L, base + FEW_KEYS - 1);
    lua_pushnil(L);
    for (; lua_next(L, table); n++) {
        key one = {.slot = base + n};
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING) return -2;
        if (n == FEW_KEYS) return -1;
        one.s = lua_tolstring(L, -1, &one.len);
        lua_copy(L, -1, one.slot);
        int at = n;
        for (; at > 0; at--) {
            const key *before = &keys[at - 1];
            size_t common = before->len < one.len ? before->len : one.len;
            int order = memcmp(before->s, one.s, common);
            if (order < 0 || (order == 0 && before->len < one.len)) break;
            keys[at] = *before;
        }
        keys[at] = one;
    }
    return n;
}

/* Entries as lua_next gives them; the builder sorts them. */
static int
put_entries(walk *w, int table, frame *f)
{
    lua_State *L = w->L;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING) return refuse_keys(w, f->up);
        f->key = lua_tolstring(L, -2, &f->key_len);
        sy__vbuf_key(w->out, f->key, f->key_len);
        int status = put(w, -1, f);
        lua_pop(L, 1);
        if (status) return status;
    }
    return SY_OK;
}

/* Few keys, the common case, are sorted here, which spares the builder a copy. */
static int
put_map(walk *w, int table, frame *f)
{
    lua_State *L = w->L;
    key keys[FEW_KEYS];
    int top = lua_gettop(L), status = SY_OK;
    int n = sorted_keys(L, table, top + 1, keys);
    if (n == -2) return refuse_keys(w, f->up);
    sy__vbuf_map(w->out);
    for (int i = 0; i < n && !status; i++) {
        f->key = keys[i].s;
        f->key_len = keys[i].len;
        sy__vbuf_key(w->out, f->key, f->key_len);
        lua_pushvalue(L, keys[i].slot);
        (void)lua_rawget(L, table);
        status = put(w, -1, f);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    if (n < 0) status = put_entries(w, table, f);
    if (status) return status;
    sy__vbuf_end(w->out);
    return built(w, f->up);
}

static int
put_empty(walk *w, int table, const frame *f)
{
    if (sy__lua_is_array_marked(w->L, table))
        sy__vbuf_array(w->out);
    else
        sy__vbuf_map(w->out);
    sy__vbuf_end(w->out);
    return built(w, f);
}

static int
put_table(walk *w, int index, const frame *up)
{
    lua_State *L = w->L;
    int table = lua_absindex(L, index);
    frame f = {.up = up, .table = lua_topointer(L, table)};
    for (const frame *p = up; p; p = p->up)
        if (p->table == f.table) return refuse(w, up, "is a table that contains itself");
    if (w->out->depth >= SY_MAX_VALUE_DEPTH) return refuse(w, up, "is nested deeper than 64 levels");
    if (!lua_checkstack(L, FEW_KEYS + 6))
        return sy__error_set(w->err, w->out->error = SY_ENOMEM, "no Lua stack for a value");
    lua_pushnil(L);
    if (!lua_next(L, table)) return put_empty(w, table, up);
    if (lua_type(L, -2) == LUA_TSTRING && !sy__lua_is_array_marked(L, table)) {
        lua_pop(L, 2);
        return put_map(w, table, &f);
    }
    return put_array(w, table, &f);
}

static int
put(walk *w, int index, const frame *f)
{
    lua_State *L = w->L;
    size_t len;
    const char *s;
    switch (lua_type(L, index)) {
    case LUA_TNONE:
    case LUA_TNIL: sy__vbuf_null(w->out); break;
    case LUA_TBOOLEAN: sy__vbuf_bool(w->out, lua_toboolean(L, index)); break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            sy__vbuf_int(w->out, lua_tointeger(L, index));
        else
            sy__vbuf_num(w->out, lua_tonumber(L, index));
        break;
    case LUA_TSTRING:
        s = lua_tolstring(L, index, &len);
        sy__vbuf_str(w->out, s, len);
        break;
    case LUA_TTABLE: return put_table(w, index, f);
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index)) return refuse(w, f, "is a pointer, which cannot be a value");
        sy__vbuf_null(w->out);
        break;
    case LUA_TFUNCTION: return refuse(w, f, "is a function, which cannot be a value");
    case LUA_TTHREAD: return refuse(w, f, "is a coroutine, which cannot be a value");
    default: return refuse(w, f, "is a userdata, which cannot be a value");
    }
    return built(w, f);
}

int
sy__lua_to_value(lua_State *L, int index, sy__vbuf *out, sy__error *err)
{
    walk w = {.L = L, .out = out, .err = err};
    int top = lua_gettop(L);
    int status = put(&w, index, NULL);
    lua_settop(L, top);
    return status;
}

/* ---- into Lua ---- */

static void
push_array(lua_State *L, sy__value v)
{
    size_t count = sy__value_count(v);
    lua_createtable(L, (int)count, 0);
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    for (lua_Integer i = 1; sy__value_iter_next(&it); i++) {
        sy__value_to_lua(L, it.value);
        lua_rawseti(L, -2, i);
    }
    if (count > 0) return;
    sy__lua_push_array_mt(L);
    lua_setmetatable(L, -2);
}

static void
push_map(lua_State *L, sy__value v)
{
    lua_createtable(L, 0, (int)sy__value_count(v));
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        lua_pushlstring(L, it.key, it.key_len);
        sy__value_to_lua(L, it.value);
        lua_rawset(L, -3);
    }
}

void
sy__value_to_lua(lua_State *L, sy__value v)
{
    size_t len;
    const char *s;
    luaL_checkstack(L, 4, "value");
    switch (sy__value_kind(v)) {
    case SY__NULL: lua_pushlightuserdata(L, NULL); break;
    case SY__FALSE:
    case SY__TRUE: lua_pushboolean(L, sy__value_bool(v)); break;
    case SY__INT: lua_pushinteger(L, sy__value_int(v)); break;
    case SY__NUM: lua_pushnumber(L, sy__value_num(v)); break;
    case SY__STR:
        s = sy__value_str(v, &len);
        lua_pushlstring(L, s, len);
        break;
    case SY__ARRAY: push_array(L, v); break;
    case SY__MAP: push_map(L, v); break;
    }
}
