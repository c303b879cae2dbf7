/* core_stream.c: what a task streams, for trusted Lua. A method of the host of core.c. */
#include "bind/core.h"
#include "pit/stream/stream.h"

enum { DEFAULT_BYTES = 64 << 10, MAX_BYTES = 4 << 20 };

/* host:stream(run, task, kind, offset, max) → {offset=, next=, attempt=, epoch=, data=} | nil: nothing there now */
int
sy__core_stream(lua_State *L)
{
    sy__lua_host *h = sy__lua_host_check(L, 1);
    sy__error err = {0};
    sy__stream_piece p;
    sy__stream_kind kind = sy__stream_kind_of(luaL_checkstring(L, 4));
    luaL_argcheck(L, kind < SY__STREAM_KINDS, 4, "tokens, progress or log");
    int64_t offset = luaL_optinteger(L, 5, 0), max = luaL_optinteger(L, 6, DEFAULT_BYTES);
    luaL_argcheck(L, max >= 4 && max <= MAX_BYTES, 6, "from 4 bytes to 4 MiB");
    const char *run = luaL_checkstring(L, 2), *task = luaL_checkstring(L, 3);
    sy__buf *bytes = sy__lib_buf(L); /* freed with its userdata, should memory run out below */
    if (sy__stream_read(sy__project_engine(h->project), run, task, kind, offset, (size_t)max, &p, &err))
        return sy__core_fail(L, &err);
    sy__buf_add(bytes, p.bytes.data, p.bytes.len);
    sy__buf_close(&p.bytes);
    if (bytes->failed) return luaL_error(L, "not enough memory");
    if (bytes->len == 0) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 0, 5);
    sy__lib_set_int(L, "offset", p.offset);
    sy__lib_set_int(L, "next", p.next);
    sy__lib_set_int(L, "attempt", p.attempt);
    sy__lib_set_int(L, "epoch", p.epoch);
    lua_pushlstring(L, bytes->data, bytes->len);
    lua_setfield(L, -2, "data");
    return 1;
}
