/*
 * system.c: the trusted Lua module `sy.system`: what the command line asks of the machine itself.
 *
 *     user() → {uid=, name=, home=}                 disk(path) → {free=, total=} bytes | nil, message, code
 *     kernel() → {release=, openat2=, pidfd=, landlock=, seccomp=}
 *     lua_release, version: texts
 */
#include "bind/support.h"
#include "bind/modules.h"
#include "symphony.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <lauxlib.h>

static void
set_text(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static void
set_bool(lua_State *L, const char *key, bool on)
{
    lua_pushboolean(L, on);
    lua_setfield(L, -2, key);
}

static int
l_user(lua_State *L)
{
    struct passwd entry, *found = NULL;
    char room[4096];
    lua_createtable(L, 0, 3);
    sy__lib_set_int(L, "uid", (lua_Integer)getuid());
    if (getpwuid_r(getuid(), &entry, room, sizeof room, &found) != 0 || found == NULL) return 1;
    set_text(L, "name", entry.pw_name);
    set_text(L, "home", entry.pw_dir);
    return 1;
}

/* disk(path) -> {free, total} in bytes */
static int
l_disk(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct statvfs st;
    if (statvfs(path, &st) != 0) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", path, strerror(errno));
        lua_pushstring(L, errno == ENOENT ? "not_found" : "io_error");
        return 3;
    }
    lua_createtable(L, 0, 2);
    sy__lib_set_int(L, "free", (lua_Integer)st.f_bavail * (lua_Integer)st.f_frsize);
    sy__lib_set_int(L, "total", (lua_Integer)st.f_blocks * (lua_Integer)st.f_frsize);
    return 1;
}

/* Whether the kernel knows a system call: asked with arguments that cannot succeed. */
static bool
knows(long number)
{
    return syscall(number, -1, NULL, NULL, 0) >= 0 || errno != ENOSYS;
}

/* The ABI level of Landlock (landlock_create_ruleset with LANDLOCK_CREATE_RULESET_VERSION), 0: none. */
static lua_Integer
landlock_level(void)
{
#ifdef SYS_landlock_create_ruleset
    long level = syscall(SYS_landlock_create_ruleset, NULL, 0, 1U);
    return level > 0 ? (lua_Integer)level : 0;
#else
    return 0;
#endif
}

/* kernel() -> {release, openat2, pidfd, landlock, seccomp} */
static int
l_kernel(lua_State *L)
{
    struct utsname name;
    lua_createtable(L, 0, 5);
    if (uname(&name) == 0) set_text(L, "release", name.release);
    set_bool(L, "openat2", knows(SYS_openat2));
    set_bool(L, "pidfd", knows(SYS_pidfd_open));
    sy__lib_set_int(L, "landlock", landlock_level());
    set_bool(L, "seccomp", prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 || errno != EINVAL);
    return 1;
}

int
luaopen_sy_system(lua_State *L)
{
    static const luaL_Reg functions[] = {{"disk", l_disk}, {"kernel", l_kernel}, {"user", l_user}, {NULL, NULL}};
    luaL_newlib(L, functions);
    set_text(L, "lua_release", LUA_RELEASE);
    set_text(L, "version", sy_version());
    return 1;
}
