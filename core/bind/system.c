/*
 * system.c: the trusted Lua module `sy.system`: what the command line asks of the machine itself.
 *
 * The person (user), paths as the kernel sees them (cwd, realpath, stat, list, mkdirs, write_file), and what the
 * machine offers (disk, kernel, lua_release, monotonic_ms); version is the program's own. Only trusted Lua gets this
 * module; extensions reach files through capabilities (fs.c). Expected failures are `nil, message, code`.
 */
#include "bind/modules.h"
#include "symphony.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

static const char *
code_of(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR: return "not_found";
    case EACCES:
    case EPERM:
    case EROFS: return "permission_denied";
    case ENOSPC:
    case EDQUOT: return "disk_full";
    default: return "io_error";
    }
}

/* nil, "path: sentence", code */
static int
failed(lua_State *L, const char *path, int errnum)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(errnum));
    lua_pushstring(L, code_of(errnum));
    return 3;
}

static void
set_text(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static void
set_int(lua_State *L, const char *key, lua_Integer n)
{
    lua_pushinteger(L, n);
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
    set_int(L, "uid", (lua_Integer)getuid());
    if (getpwuid_r(getuid(), &entry, room, sizeof room, &found) != 0 || found == NULL) return 1;
    set_text(L, "name", entry.pw_name);
    set_text(L, "home", entry.pw_dir);
    return 1;
}

static int
l_cwd(lua_State *L)
{
    char path[PATH_MAX];
    if (getcwd(path, sizeof path) == NULL) return failed(L, ".", errno);
    lua_pushstring(L, path);
    return 1;
}

static int
l_realpath(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    char real[PATH_MAX];
    if (realpath(path, real) == NULL) return failed(L, path, errno);
    lua_pushstring(L, real);
    return 1;
}

static const char *
kind_of(mode_t mode)
{
    return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "dir" : S_ISLNK(mode) ? "link" : "other";
}

/* stat(path[, follow = true]) -> {kind, uid, mode, size, mtime_ms, dev, ino} */
static int
l_stat(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    bool follow = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    struct stat st;
    if ((follow ? stat(path, &st) : lstat(path, &st)) != 0) return failed(L, path, errno);
    lua_createtable(L, 0, 7);
    set_text(L, "kind", kind_of(st.st_mode));
    set_int(L, "uid", (lua_Integer)st.st_uid);
    set_int(L, "mode", (lua_Integer)(st.st_mode & 07777));
    set_int(L, "size", (lua_Integer)st.st_size);
    set_int(L, "mtime_ms", (lua_Integer)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
    set_int(L, "dev", (lua_Integer)st.st_dev);
    set_int(L, "ino", (lua_Integer)st.st_ino);
    return 1;
}

static int
skip_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* The names in a folder, sorted by bytes. */
static int
l_list(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct dirent **entries = NULL;
    luaL_checkstack(L, 4, NULL);
    int count = scandir(path, &entries, skip_dots, NULL);
    if (count < 0) return failed(L, path, errno);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, entries[i]->d_name);
        lua_rawseti(L, -2, i + 1);
        free(entries[i]);
    }
    free(entries);
    lua_getglobal(L, "table");
    lua_getfield(L, -1, "sort");
    lua_pushvalue(L, -3);
    lua_call(L, 1, 0);
    lua_pop(L, 1);
    return 1;
}

/* mkdirs(path[, mode = 0777]): makes a folder and those above it. */
static int
l_mkdirs(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mode_t mode = (mode_t)luaL_optinteger(L, 2, 0777);
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) return failed(L, path, ENAMETOOLONG);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, kept == '\0' ? mode : 0777) != 0 && errno != EEXIST) return failed(L, path, errno);
        part[i] = kept;
    }
    lua_pushboolean(L, true);
    return 1;
}

static int
write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        bytes += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0 ? 0 : errno;
}

/* Writes to a temporary name beside the file, fsyncs, renames: readers see the old bytes or the new ones. */
static int
replace_file(const char *path, const char *bytes, size_t len, mode_t mode)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary) return ENAMETOOLONG;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) return errno;
    int failure = write_all(fd, bytes, len);
    if (failure == 0 && fchmod(fd, mode) != 0) failure = errno;
    close(fd);
    if (failure == 0 && rename(temporary, path) != 0) failure = errno;
    if (failure != 0) unlink(temporary);
    return failure;
}

/* write_file(path, bytes[, mode = 0644]) */
static int
l_write_file(lua_State *L)
{
    size_t len = 0;
    const char *path = luaL_checkstring(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &len);
    int failure = replace_file(path, bytes, len, (mode_t)luaL_optinteger(L, 3, 0644));
    if (failure != 0) return failed(L, path, failure);
    lua_pushboolean(L, true);
    return 1;
}

/* disk(path) -> {free, total} in bytes */
static int
l_disk(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct statvfs st;
    if (statvfs(path, &st) != 0) return failed(L, path, errno);
    lua_createtable(L, 0, 2);
    set_int(L, "free", (lua_Integer)(st.f_bavail * st.f_frsize));
    set_int(L, "total", (lua_Integer)(st.f_blocks * st.f_frsize));
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
    set_int(L, "landlock", landlock_level());
    set_bool(L, "seccomp", prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 || errno != EINVAL);
    return 1;
}

static int
l_monotonic_ms(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushinteger(L, (lua_Integer)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    return 1;
}

int
luaopen_sy_system(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"cwd", l_cwd},
        {"disk", l_disk},
        {"kernel", l_kernel},
        {"list", l_list},
        {"mkdirs", l_mkdirs},
        {"monotonic_ms", l_monotonic_ms},
        {"stat", l_stat},
        {"realpath", l_realpath},
        {"write_file", l_write_file},
        {"user", l_user},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    set_text(L, "lua_release", LUA_RELEASE);
    set_text(L, "version", sy_version());
    return 1;
}
