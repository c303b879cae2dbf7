/*
 * system.c: the trusted Lua module `sy.system`: what the command line asks of the machine itself.
 *
 *     user() → {uid=, name=, home=}                 disk(path) → {free=, total=} bytes | nil, message, code
 *     kernel() → {release=, openat2=, pidfd=, close_range=, landlock=, seccomp=, userns=, marks=}
 *     lua_release, version: texts
 */
#include "bind/support.h"
#include "bind/modules.h"
#include "io/confine.h"
#include "io/sweep.h"
#include "symphony.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
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

/* A test build believes SYMPHONY_TEST_KERNEL, names of features that it takes for missing. */
static bool
is_there(const char *feature, bool there)
{
#ifdef SYMPHONY_CRASH_POINTS
    const char *missing = getenv("SYMPHONY_TEST_KERNEL");
    if (missing && strstr(missing, feature)) return false;
#endif
    (void)feature;
    return there;
}

/* Whether a process of this user may make a user namespace: asked of one that ends at once. */
static bool
has_userns(void)
{
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return pid > 0 && status == 0;
}

/* Whether what a child left running can be found: this process carries no mark, and can put one on a child. */
static bool
has_marks(void)
{
    return sy__mark_new() != 0;
}

/* kernel() -> {release, openat2, pidfd, close_range, landlock, seccomp, userns, marks} */
static int
l_kernel(lua_State *L)
{
    struct utsname name;
    lua_createtable(L, 0, 8);
    if (uname(&name) == 0) set_text(L, "release", name.release);
    set_bool(L, "openat2", is_there("openat2", knows(SYS_openat2)));
    set_bool(L, "pidfd", is_there("pidfd", knows(SYS_pidfd_open)));
    set_bool(L, "close_range", is_there("close_range", close_range(~0U, 0, 0) == 0 || errno != ENOSYS));
    sy__lib_set_int(L, "landlock", sy__land_abi());
    set_bool(L, "seccomp", is_there("seccomp", sy__filter_works()));
    set_bool(L, "userns", is_there("userns", has_userns()));
    set_bool(L, "marks", is_there("marks", has_marks()));
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
