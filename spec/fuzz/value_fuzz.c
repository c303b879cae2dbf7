/* value_fuzz.c: bytes as JSON, and as an encoded value; what is accepted must survive the way there and back. */
#include "kit/luavalue.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sy__value
encode(sy__vbuf *b, const char *json, size_t len)
{
    sy__value v = {0};
    sy__error err;
    if (sy__value_from_json(b, json, len, &err) || sy__vbuf_done(b, &v)) return (sy__value){0};
    if (!sy__value_check(v.data, v.size)) abort();
    return v;
}

static int
round_trip(lua_State *L)
{
    const sy__value *v = lua_touserdata(L, 1);
    sy__vbuf b;
    sy__value again = {0};
    sy__error err;
    sy__value_to_lua(L, *v);
    sy__vbuf_init(&b, &sy__alloc_default);
    /* only a map of which all keys are strings comes from JSON, so everything has to cross */
    if (sy__lua_to_value(L, -1, &b, &err) || sy__vbuf_done(&b, &again) || !sy__value_equal(*v, again)) abort();
    sy__vbuf_close(&b);
    return 0;
}

/* A value that came in as bytes may hold anything that is well-formed: it has to be readable. */
static void
read_bytes(const uint8_t *data, size_t size)
{
    sy__buf text;
    if (!sy__value_check((const char *)data, size)) return;
    sy__buf_init(&text, &sy__alloc_default);
    sy__value_to_json((sy__value){(const char *)data, size}, SY__JSON_COMPACT, &text);
    sy__buf_close(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sy__vbuf b, c;
    sy__buf text;
    read_bytes(data, size);
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__vbuf_init(&c, &sy__alloc_default);
    sy__buf_init(&text, &sy__alloc_default);
    sy__value v = encode(&b, (const char *)data, size);
    if (v.data) {
        lua_State *L = luaL_newstate();
        sy__value_to_json(v, SY__JSON_COMPACT, &text);
        sy__value again = encode(&c, text.data, text.len);
        if (!again.data || !sy__value_equal(v, again)) abort();
        lua_pushcfunction(L, round_trip);
        lua_pushlightuserdata(L, &v);
        if (lua_pcall(L, 1, 0, 0) != LUA_OK) abort();
        lua_close(L);
    }
    sy__vbuf_close(&b);
    sy__vbuf_close(&c);
    sy__buf_close(&text);
    return 0;
}
