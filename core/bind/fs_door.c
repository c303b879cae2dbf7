/* fs_door.c: opening paths for the module `fs`, through capabilities or plainly, and reading folders. */
#include "bind/fs.h"

#include "kit/audit.h"
#include "kit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const sy__caps *
caps_of(lua_State *L)
{
    return sy__lib_isolated(L) ? sy__isolate_caps(sy__isolate_of(L)) : NULL;
}

struct sy__reads *
sy__fs_reads(lua_State *L)
{
    return sy__lib_isolated(L) ? sy__isolate_reads(sy__isolate_of(L)) : NULL;
}

/* What a call writes cannot be written again from a record of what it read. */
static void
spoil(lua_State *L, sy__access access, const char *path)
{
    sy__reads *reads = access == SY__WRITE ? sy__fs_reads(L) : NULL;
    if (reads) sy__reads_spoil(reads, "it wrote `%s`", path);
}

static int
told(lua_State *L, sy__access access, const char *path, int status)
{
    sy__audit_path(sy__isolate_of(L), access, path, status);
    return status;
}

static int
plain_error(int errnum, const char *path, sy__error *err)
{
    if (errnum == ENOENT || errnum == ENOTDIR) return sy__error_set(err, SY_ENOTFOUND, "there is no `%s`", path);
    return sy__error_errno(err, errnum, "cannot open `%s`", path);
}

int
sy__fs_open(lua_State *L, sy__access access, const char *path, int flags, int mode, sy__error *err)
{
    const sy__caps *caps = caps_of(L);
    spoil(L, access, path);
    if (caps) return told(L, access, path, sy__caps_open(caps, access, path, flags, mode, err));
    int fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
    return fd >= 0 ? fd : plain_error(errno, path, err);
}

int
sy__fs_open_parent(lua_State *L, sy__access access, const char *path, const char **name, sy__error *err)
{
    const sy__caps *caps = caps_of(L);
    spoil(L, access, path);
    if (caps) return told(L, access, path, sy__caps_open_parent(caps, access, path, name, err));
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    *name = slash ? slash + 1 : path;
    if (!**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0 || strlen(path) >= sizeof folder)
        return sy__error_set(err, SY_EINVAL, "`%s` does not end in a name", path);
    if (slash) memcpy(folder, path, slash == path ? 1 : (size_t)(slash - path));
    if (slash) folder[slash == path ? 1 : slash - path] = '\0';
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : plain_error(errno, folder, err);
}

bool
sy__fs_allows(lua_State *L, sy__access access, const char *path)
{
    const sy__caps *caps = caps_of(L);
    return !caps || sy__caps_allows(caps, access, path);
}

const char *
sy__fs_path(lua_State *L, int arg)
{
    size_t len;
    const char *path = luaL_checklstring(L, arg, &len);
    luaL_argcheck(L, len > 0 && strlen(path) == len, arg, "a path is expected");
    return path;
}

int
sy__fs_fail(lua_State *L, int errnum, const char *what, const char *path)
{
    sy__error err;
    if (errnum == ENOENT || errnum == ENOTDIR)
        (void)sy__error_set(&err, SY_ENOTFOUND, "there is no `%s`", path);
    else
        (void)sy__error_errno(&err, errnum, "cannot %s `%s`", what, path);
    return sy__lib_error(L, &err);
}

const char *
sy__fs_kind_name(char kind)
{
    return kind == 'f' ? "file" : kind == 'd' ? "directory" : kind == 'l' ? "link" : "other";
}

int
sy__fs_read_folder(int fd, sy__buf *to, sy__error *err)
{
    return sy__folder_read(fd, to, err);
}

static int
by_path(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a + 1, *(const char *const *)b + 1);
}

void
sy__fs_push_sorted(lua_State *L, const sy__buf *records, size_t count, sy__fs_push push)
{
    luaL_checkstack(L, 8, "fs");
    const char **at = lua_newuserdatauv(L, (count + 1) * sizeof *at, 0);
    const char *p = records->data;
    for (size_t i = 0; i < count; i++) {
        at[i] = p;
        p += strlen(p) + 1;
    }
    qsort(at, count, sizeof *at, by_path);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push(L, at[i][0], at[i] + 1);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_remove(L, -2);
}

void
sy__fs_push_stat(lua_State *L, const struct stat *st)
{
    int64_t ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    lua_createtable(L, 0, 9);
    lua_pushstring(L, sy__fs_kind_name(sy__folder_kind(st->st_mode)));
    lua_setfield(L, -2, "type");
    sy__lib_set_int(L, "size", st->st_size);
    sy__lib_set_int(L, "mode", st->st_mode & 07777);
    lua_pushnumber(L, (lua_Number)ns / 1e9);
    lua_setfield(L, -2, "mtime");
    sy__lib_set_int(L, "mtime_ms", ns / 1000000);
    sy__lib_set_int(L, "mtime_ns", ns);
    if (sy__lib_isolated(L)) return;
    sy__lib_set_int(L, "uid", st->st_uid);
    sy__lib_set_int(L, "gid", st->st_gid);
    sy__lib_set_int(L, "ino", (int64_t)st->st_ino);
    sy__lib_set_int(L, "dev", (int64_t)st->st_dev);
}
