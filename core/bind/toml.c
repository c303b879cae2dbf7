/*
 * toml.c: the module `toml`.
 *
 *     toml.decode(text) → value, lines | nil, error
 *
 * `lines` maps the path of a key ("capabilities.fs.read", "contributes.on[1].glob") to its line. The error is
 * {code=, message=, where={line=}}; in an isolate it is message, code, line.
 */
#include "bind/modules.h"
#include "bind/stdlib.h"
#include "bind/support.h"
#include "io/toml.h"
#include "kit/luavalue.h"

static int
l_decode(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    sy__error err;
    sy__value value = {0}, lines = {0};
    sy__error_clear(&err);
    lua_settop(L, 1);
    sy__lib_charge(L, len * 64);
    sy__vbuf *b = sy__lib_vbuf(L), *where = sy__lib_vbuf(L);
    int status = sy__toml_parse(text, len, b, where, &err);
    if (!status && (sy__vbuf_done(b, &value) || sy__vbuf_done(where, &lines)))
        status = sy__error_set(&err, SY_EMANIFEST, "the TOML document is too large");
    if (!status) {
        sy__value_to_lua(L, value);
        sy__value_to_lua(L, lines);
        return 2;
    }
    if (sy__lib_isolated(L)) {
        int n = sy__lib_error(L, &err);
        lua_pushinteger(L, err.line);
        return n + 1;
    }
    lua_pushnil(L);
    sy__lib_push_errtable(L, &err);
    return 2;
}

static int
open_toml(lua_State *L, bool isolated)
{
    static const luaL_Reg functions[] = {{"decode", l_decode}, {NULL, NULL}};
    sy__lib(L, functions, isolated);
    return 1;
}

int
sy__open_toml(lua_State *L)
{
    return open_toml(L, true);
}

int
luaopen_sy_toml(lua_State *L)
{
    return open_toml(L, false);
}
