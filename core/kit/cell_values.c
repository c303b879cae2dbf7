/*
 * cell_values.c: arguments and results between two states. nil is no value of the codec, so a mask of letters says
 * where one is: `v` value, `n` nil. A function can only stay where it is: one in the first level of a table among the
 * arguments (on_output, on_body) is left out of the table and listed, by argument and key.
 */
#include "kit/cell.h"

#include "kit/luavalue.h"

#include <lauxlib.h>
#include <string.h>

typedef struct packing {
    char mask[SY__MAX_PACKED];
    int count;
    int callbacks;
    sy__vbuf *body; /* `callbacks` are put into it as they are met */
    sy__error *err;
} packing;

/* Appends [argument, key] for each function in the table at `index`, and puts it into the table `kept`. */
static int
list_callbacks(lua_State *L, int index, int argument, int kept, packing *p)
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        size_t len;
        if (lua_type(L, -1) != LUA_TFUNCTION || lua_type(L, -2) != LUA_TSTRING) {
            lua_pop(L, 1);
            continue;
        }
        if (++p->callbacks > SY__MAX_CALLBACKS)
            return sy__error_set(p->err, SY_EINVAL, "more than %d functions", SY__MAX_CALLBACKS);
        lua_rawseti(L, kept, p->callbacks);
        const char *key = lua_tolstring(L, -1, &len);
        sy__vbuf_array(p->body);
        sy__vbuf_int(p->body, argument);
        sy__vbuf_str(p->body, key, len);
        sy__vbuf_end(p->body);
    }
    return SY_OK;
}

/* Pushes the table at `index`, or a copy without the functions in it when there are any. */
static void
push_plain(lua_State *L, int index)
{
    bool any = false;
    lua_pushnil(L);
    while (!any && lua_next(L, index)) {
        any = lua_type(L, -1) == LUA_TFUNCTION;
        lua_pop(L, any ? 2 : 1);
    }
    lua_pushvalue(L, index);
    if (!any) return;
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, -3)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        if (lua_type(L, -1) == LUA_TFUNCTION && lua_type(L, -2) == LUA_TSTRING)
            lua_pop(L, 2);
        else
            lua_rawset(L, -4);
    }
    lua_remove(L, -2);
}

static int
pack_values(lua_State *L, int first, int last, int kept, sy__vbuf *blob, packing *p)
{
    sy__vbuf_array(blob);
    for (int i = first; i <= last; i++) {
        bool nil = lua_isnil(L, i);
        p->mask[p->count++] = nil ? 'n' : 'v';
        if (nil) continue;
        if (kept && lua_istable(L, i))
            push_plain(L, i);
        else
            lua_pushvalue(L, i);
        int rc = sy__lua_to_value(L, -1, blob, p->err);
        lua_pop(L, 1);
        if (rc) return rc;
    }
    sy__vbuf_end(blob);
    return SY_OK;
}

static int
pack_callbacks(lua_State *L, int first, int last, int kept, packing *p)
{
    int rc = SY_OK, top = lua_gettop(L);
    sy__vbuf_key(p->body, "callbacks", 9);
    sy__vbuf_array(p->body);
    for (int i = first; rc == SY_OK && i <= last; i++) {
        if (lua_istable(L, i)) rc = list_callbacks(L, i, i - first, kept, p);
        lua_settop(L, top);
    }
    sy__vbuf_end(p->body);
    return rc;
}

int
sy__cell_pack(lua_State *L, int first, int last, int kept, sy__vbuf *body, sy__vbuf *blob, sy__error *err)
{
    packing p = {.body = body, .err = err};
    sy__value v;
    int rc = SY_OK;
    if (last - first + 1 > SY__MAX_PACKED) return sy__error_set(err, SY_EINVAL, "more than %d values", SY__MAX_PACKED);
    luaL_checkstack(L, 16, "values");
    if (kept) rc = pack_callbacks(L, first, last, kept, &p);
    if (rc == SY_OK) rc = pack_values(L, first, last, kept, blob, &p);
    sy__vbuf_key(body, "mask", 4);
    sy__vbuf_str(body, p.mask, (size_t)p.count);
    if (rc == SY_OK && sy__vbuf_done(blob, &v) != SY_OK)
        rc = sy__error_set(err, SY_EINVAL, "more than 16 MiB of values; larger content is an artifact");
    return rc;
}

int
sy__cell_unpack(lua_State *L, const sy__frame *f)
{
    size_t count, values = 0;
    const char *mask = sy__frame_text(f, "mask", &count);
    sy__value array = {f->blob, f->blob_len};
    sy__value_iter it;
    if (!mask || count > SY__MAX_PACKED || !sy__value_check(array.data, array.size)) return SY_EINVAL;
    if (sy__value_kind(array) != SY__ARRAY) return SY_EINVAL;
    for (size_t i = 0; i < count; i++) values += mask[i] == 'v';
    if (sy__value_count(array) != values) return SY_EINVAL;
    luaL_checkstack(L, SY__MAX_PACKED + 100, "values");
    sy__value_iter_init(&it, array);
    for (size_t i = 0; i < count; i++) {
        if (mask[i] != 'v') {
            lua_pushnil(L);
        } else if (sy__value_iter_next(&it)) {
            sy__value_to_lua(L, it.value);
        }
    }
    return (int)count;
}
