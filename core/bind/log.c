/* log.c: the module `log` of isolates: log.debug, log.info, log.warn, log.error (text). One record a call;
 * outside of a call with the rate limit that `print` has. */
#include "bind/modules.h"
#include "bind/stdlib.h"
#include "bind/support.h"
#include "kit/isolate_impl.h"

static int
written(lua_State *L, int status, lua_KContext kctx)
{
    (void)L, (void)status, (void)kctx;
    return 0;
}

static int
write_record(lua_State *L, sy__log_level level)
{
    sy__isolate *iso = sy__isolate_of(L);
    const char *text = luaL_checkstring(L, 1);
    const sy__call *call = sy__isolate_call_now(iso);
    if (call && call->services && call->services->log)
        return sy__isolate_settle(L, call->services->log(call->ud, level, text), written, 0);
    sy__safe_log(iso, level, text);
    return 0;
}

static int
l_debug(lua_State *L)
{
    return write_record(L, SY__LOG_DEBUG);
}

static int
l_info(lua_State *L)
{
    return write_record(L, SY__LOG_INFO);
}

static int
l_warn(lua_State *L)
{
    return write_record(L, SY__LOG_WARN);
}

static int
l_error(lua_State *L)
{
    return write_record(L, SY__LOG_ERROR);
}

int
sy__open_log(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"debug", l_debug}, {"error", l_error}, {"info", l_info}, {"warn", l_warn}, {NULL, NULL}};
    sy__lib(L, functions, true);
    return 1;
}
