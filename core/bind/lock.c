/*
 * lock.c: `sy.lock`, one process at a time, for trusted Lua.
 *
 *     take(path[, wait_ms]) → lock | nil, message, code       makes the file; `again`: another process has it
 *     lock:release()                                           also when it is collected, or the process ends
 */
#include "bind/modules.h"
#include "bind/support.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define LOCK "symphony.lock"

enum { PAUSE_MS = 10 };

static int
lock_release(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, LOCK);
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
    return 0;
}

/* 0, or the errno that stopped it. */
static int
wait_for(int fd, lua_Integer wait_ms)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct timespec pause = {0, PAUSE_MS * 1000000L};
    for (lua_Integer waited = 0;; waited += PAUSE_MS) {
        if (fcntl(fd, F_OFD_SETLK, &whole) == 0) return 0;
        if ((errno != EAGAIN && errno != EACCES) || waited >= wait_ms) return errno;
        (void)nanosleep(&pause, NULL);
    }
}

static int
lock_take(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_Integer wait_ms = luaL_optinteger(L, 2, 0);
    int *fd = lua_newuserdatauv(L, sizeof *fd, 0);
    *fd = -1;
    luaL_setmetatable(L, LOCK);
    sy__error err = {0};
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int why = *fd < 0 ? errno : wait_for(*fd, wait_ms);
    if (why == 0) return 1;
    if (why == EAGAIN || why == EACCES) return sy__lib_fail(L, SY_EAGAIN, "another process has the lock %s", path);
    (void)sy__error_errno(&err, why, "cannot lock %s", path);
    return sy__lib_error(L, &err);
}

int
luaopen_sy_lock(lua_State *L)
{
    static const luaL_Reg methods[] = {{"release", lock_release}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"take", lock_take}, {NULL, NULL}};
    sy__lib_type(L, LOCK, methods, lock_release, false);
    lua_settop(L, 0);
    luaL_newlib(L, functions);
    return 1;
}
