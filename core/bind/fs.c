/*
 * fs.c: the module `fs`: files, through the capabilities of an isolate or, for trusted Lua, plainly.
 *
 *     read(path[, {max = bytes}]) → bytes       write(path, bytes[, {sync = false, mode = 420}]) → true
 *     append(path, bytes) → true                copy(from, to) → true           move(from, to) → true
 *     list(path) → {{name=, type=}, …}          stat(path) → {type=, size=, mode=, mtime=, mtime_ms=, mtime_ns=}
 *     exists(path) → boolean                    mkdir(path) → true, with its parents
 *     remove(path) → true: a file, a link or an empty folder
 *     glob(pattern[, options]), walk(path[, options]): fs_walk.c
 *
 * Failures are nil, message, code. A file is written under another name beside it, synced and renamed: who
 * reads sees the old or the new bytes, never a part. What only trusted Lua has is in fs_trusted.c.
 *
 * A descriptor lies in a userdata (sy__lib_fd) from the moment it is opened, because anything in Lua may raise.
 */
#include "bind/fs.h"

#include "bind/modules.h"
#include "bind/stdlib.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    MAX_READ = 32 << 20, /* in an isolate, unless `max` says otherwise */
    STEP = 1 << 20,      /* read or written between two looks at the deadline */
    COPY_STEP = 64 << 10,
    TEMP_BYTES = 48,
};

/* An option of the table at `index`, which may be none. */
static int
get_option(lua_State *L, int index, const char *name)
{
    if (!lua_istable(L, index)) {
        lua_pushnil(L);
        return LUA_TNIL;
    }
    lua_pushstring(L, name);
    return lua_rawget(L, index);
}

/* ---- reading ---- */

/* A path that could not be opened is a thing seen, too. Returns how many results. */
static int
refused(lua_State *L, sy__read_kind kind, const char *path, const sy__error *err)
{
    sy__reads *reads = sy__fs_reads(L);
    if (reads) sy__reads_refused(reads, kind, path, err->code);
    return sy__lib_error(L, err);
}

static void
saw_stat(lua_State *L, const char *path, const struct stat *st)
{
    sy__reads *reads = sy__fs_reads(L);
    if (reads) sy__reads_stat(reads, path, st);
}

/* Reads up to `max` bytes and one more, which tells that there are more. 0 or an errno. */
static int
read_all(lua_State *L, int fd, sy__out *out, size_t max)
{
    for (;;) {
        char *to = sy__out_reserve(out, out->cap - out->len > 0 ? 1 : STEP);
        size_t room = out->cap - out->len < STEP ? out->cap - out->len : STEP;
        ssize_t n = read(fd, to, room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return 0;
        out->len += (size_t)n;
        if (out->len > max) return EFBIG;
        sy__lib_charge(L, (size_t)n);
    }
}

static int
l_read(lua_State *L)
{
    const char *path = sy__fs_path(L, 1);
    lua_Integer max = sy__lib_isolated(L) ? MAX_READ : LUA_MAXINTEGER;
    struct stat st;
    sy__error err;
    lua_settop(L, 2);
    if (get_option(L, 2, "max") != LUA_TNIL) max = luaL_checkinteger(L, -1);
    int *fd = sy__lib_fd(L);
    *fd = sy__fs_open(L, SY__READ, path, O_RDONLY | O_NOCTTY, 0, &err);
    if (*fd < 0) return refused(L, SY__READ_FILE, path, &err);
    if (fstat(*fd, &st) != 0) return sy__fs_fail(L, errno, "read", path);
    if (S_ISDIR(st.st_mode) || st.st_size > max) saw_stat(L, path, &st);
    if (S_ISDIR(st.st_mode)) return sy__fs_fail(L, EISDIR, "read", path);
    if (st.st_size > max) return sy__fs_fail(L, EFBIG, "read", path);
    sy__out out;
    sy__out_init(&out, L, (size_t)st.st_size + 64);
    int why = read_all(L, *fd, &out, (size_t)max);
    sy__lib_fd_close(fd);
    sy__reads *reads = sy__fs_reads(L);
    if (reads && why) sy__reads_spoil(reads, "`%s` could not be read", path);
    if (why) return sy__fs_fail(L, why, "read", path);
    if (reads) sy__reads_content(reads, path, out.data, out.len);
    sy__out_push(&out);
    return 1;
}

static void
push_entry(lua_State *L, char kind, const char *name)
{
    lua_createtable(L, 0, 2);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, sy__fs_kind_name(kind));
    lua_setfield(L, -2, "type");
}

static int
l_list(lua_State *L)
{
    const char *path = sy__fs_path(L, 1);
    sy__error err;
    sy__buf *records = sy__lib_buf(L);
    int fd = sy__fs_open(L, SY__READ, path, O_RDONLY | O_DIRECTORY, 0, &err);
    if (fd < 0) return refused(L, SY__READ_LIST, path, &err);
    sy__reads *reads = sy__fs_reads(L);
    if (sy__fs_read_folder(fd, records, &err)) return refused(L, SY__READ_LIST, path, &err);
    if (reads) sy__reads_records(reads, SY__READ_LIST, path, "", records);
    size_t count = 0;
    for (size_t i = 0; i < records->len; i++) count += records->data[i] == '\0';
    sy__lib_charge(L, records->len);
    sy__fs_push_sorted(L, records, count, push_entry);
    return 1;
}

static int
l_stat(lua_State *L)
{
    const char *path = sy__fs_path(L, 1);
    struct stat st;
    sy__error err;
    int fd = sy__fs_open(L, SY__READ, path, O_PATH, 0, &err);
    if (fd < 0) return refused(L, SY__READ_STAT, path, &err);
    int why = fstat(fd, &st) == 0 ? 0 : errno;
    (void)close(fd);
    if (why) return sy__fs_fail(L, why, "look at", path);
    saw_stat(L, path, &st);
    sy__fs_push_stat(L, &st);
    return 1;
}

static int
l_exists(lua_State *L)
{
    const char *path = sy__fs_path(L, 1);
    sy__error err;
    int fd = sy__fs_open(L, SY__READ, path, O_PATH, 0, &err);
    sy__reads *reads = sy__fs_reads(L);
    if (fd < 0 && err.code != SY_ENOTFOUND) return refused(L, SY__READ_EXISTS, path, &err);
    if (fd >= 0) (void)close(fd);
    if (reads && fd >= 0) sy__reads_there(reads, path);
    if (reads && fd < 0) sy__reads_refused(reads, SY__READ_EXISTS, path, err.code);
    lua_pushboolean(L, fd >= 0);
    return 1;
}

/* ---- writing ---- */

/* 0 or an errno. */
static int
write_all(lua_State *L, int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len < STEP ? len : STEP);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        bytes += n;
        len -= (size_t)n;
        if (L) sy__lib_charge(L, (size_t)n);
    }
    return 0;
}

static int
copy_all(lua_State *L, int from, int to)
{
    char bytes[COPY_STEP];
    for (;;) {
        ssize_t n = read(from, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? errno : 0;
        int why = write_all(L, to, bytes, (size_t)n);
        if (why) return why;
    }
}

/* A file that takes the place of another one when it is complete. Lies in a userdata: collected, it is undone. */
typedef struct draft {
    int folder, fd;        /* -1: none */
    char temp[TEMP_BYTES]; /* "" : not there */
} draft;

static void
undo(draft *d)
{
    if (d->temp[0]) (void)unlinkat(d->folder, d->temp, 0);
    d->temp[0] = '\0';
    sy__lib_fd_close(&d->fd);
    sy__lib_fd_close(&d->folder);
}

static int
gc_draft(lua_State *L)
{
    undo(lua_touserdata(L, 1));
    return 0;
}

static draft *
push_draft(lua_State *L)
{
    draft *d = lua_newuserdatauv(L, sizeof *d, 0);
    *d = (draft){.folder = -1, .fd = -1};
    if (luaL_newmetatable(L, "symphony.draft")) {
        lua_pushcfunction(L, gc_draft);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    return d;
}

/* Makes the file beside `name`, with the mode that `name` has, or `mode`. 0 or an errno. */
static int
begin(draft *d, const char *name, int mode)
{
    struct stat st;
    uint64_t random;
    if (fstatat(d->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISLNK(st.st_mode)) return ELOOP;
        if (!S_ISREG(st.st_mode)) return S_ISDIR(st.st_mode) ? EISDIR : ENXIO;
        if (mode < 0) mode = (int)(st.st_mode & 0777);
    }
    if (getrandom(&random, sizeof random, 0) != sizeof random) return errno;
    (void)snprintf(d->temp, sizeof d->temp, ".sy-%016llx.tmp", (unsigned long long)random);
    d->fd = openat(d->folder, d->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                   mode < 0 ? 0666 : (mode_t)mode);
    if (d->fd >= 0 && (mode < 0 || fchmod(d->fd, (mode_t)mode) == 0)) return 0;
    int why = errno;
    if (d->fd < 0) d->temp[0] = '\0';
    return why;
}

/* Puts the file in its place. 0 or an errno. */
static int
finish(draft *d, const char *name, bool sync)
{
    if (sync && fsync(d->fd) != 0) return errno;
    if (renameat(d->folder, d->temp, d->folder, name) != 0) return errno;
    d->temp[0] = '\0';
    if (!sync) return 0;
    int folder = openat(d->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return errno;
    int why = fsync(folder) == 0 ? 0 : errno;
    (void)close(folder);
    return why;
}

/* The target of a link that trusted Lua writes through; else the path itself. */
static const char *
real_target(lua_State *L, const char *path)
{
    struct stat st;
    char real[4096];
    if (sy__lib_isolated(L) || lstat(path, &st) != 0 || !S_ISLNK(st.st_mode) || !realpath(path, real)) return path;
    return lua_pushstring(L, real);
}

static int
done(lua_State *L, draft *d, int why, const char *what, const char *path)
{
    undo(d);
    if (why == ELOOP) return sy__lib_fail(L, SY_EPERM, "may not %s `%s`: it is a symbolic link", what, path);
    if (why) return sy__fs_fail(L, why, what, path);
    lua_pushboolean(L, 1);
    return 1;
}

static int
l_write(lua_State *L)
{
    size_t len;
    const char *path = sy__fs_path(L, 1), *bytes = luaL_checklstring(L, 2, &len), *name;
    sy__error err;
    lua_settop(L, 3);
    bool sync = get_option(L, 3, "sync") == LUA_TNIL || lua_toboolean(L, -1);
    int mode = get_option(L, 3, "mode") == LUA_TNIL ? -1 : (int)luaL_checkinteger(L, -1) & 0777;
    path = real_target(L, path);
    draft *d = push_draft(L);
    d->folder = sy__fs_open_parent(L, SY__WRITE, path, &name, &err);
    if (d->folder < 0) return sy__lib_error(L, &err);
    int why = begin(d, name, mode);
    if (!why) why = write_all(L, d->fd, bytes, len);
    if (!why) why = finish(d, name, sync);
    return done(L, d, why, "write", path);
}

static int
l_copy(lua_State *L)
{
    const char *from = sy__fs_path(L, 1), *to = sy__fs_path(L, 2), *name;
    sy__error err;
    struct stat st;
    int *source = sy__lib_fd(L);
    *source = sy__fs_open(L, SY__READ, from, O_RDONLY, 0, &err);
    if (*source < 0) return sy__lib_error(L, &err);
    if (fstat(*source, &st) != 0) return sy__fs_fail(L, errno, "copy", from);
    if (!S_ISREG(st.st_mode)) return sy__fs_fail(L, EISDIR, "copy", from);
    to = real_target(L, to);
    draft *d = push_draft(L);
    d->folder = sy__fs_open_parent(L, SY__WRITE, to, &name, &err);
    if (d->folder < 0) return sy__lib_error(L, &err);
    int why = begin(d, name, (int)(st.st_mode & 0777));
    if (!why) why = copy_all(L, *source, d->fd);
    if (!why) why = finish(d, name, true);
    sy__lib_fd_close(source);
    return done(L, d, why, "write", to);
}

static int
l_append(lua_State *L)
{
    size_t len;
    const char *path = sy__fs_path(L, 1), *bytes = luaL_checklstring(L, 2, &len);
    sy__error err;
    int *fd = sy__lib_fd(L);
    *fd = sy__fs_open(L, SY__WRITE, path, O_WRONLY | O_APPEND | O_CREAT, 0666, &err);
    if (*fd < 0) return sy__lib_error(L, &err);
    int why = write_all(L, *fd, bytes, len);
    sy__lib_fd_close(fd);
    if (why) return sy__fs_fail(L, why, "write", path);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- entries ---- */

/* Makes the folder and, first, the parents that are missing. SY_OK or a code. */
static int
make_folder(lua_State *L, const char *path, sy__error *err)
{
    const char *name;
    char parent[4096];
    int folder = sy__fs_open_parent(L, SY__WRITE, path, &name, err);
    if (folder == SY_ENOTFOUND && name > path + 1 && (size_t)(name - path) < sizeof parent) {
        size_t n = (size_t)(name - path - 1);
        memcpy(parent, path, n);
        while (n > 1 && parent[n - 1] == '/') n--;
        parent[n] = '\0';
        int status = make_folder(L, parent, err);
        if (status) return status;
        folder = sy__fs_open_parent(L, SY__WRITE, path, &name, err);
    }
    if (folder < 0) return folder;
    struct stat st;
    int why = mkdirat(folder, name, 0777) == 0 ? 0 : errno;
    if (why == EEXIST && fstatat(folder, name, &st, 0) == 0 && S_ISDIR(st.st_mode)) why = 0;
    (void)close(folder);
    return why ? sy__error_errno(err, why, "cannot make `%s`", path) : SY_OK;
}

static int
l_mkdir(lua_State *L)
{
    size_t len;
    sy__error err;
    const char *path = sy__fs_path(L, 1);
    for (len = strlen(path); len > 1 && path[len - 1] == '/'; len--) continue;
    path = lua_pushlstring(L, path, len);
    if (strcmp(path, ".") != 0 && strcmp(path, "/") != 0 && make_folder(L, path, &err)) return sy__lib_error(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int
l_remove(lua_State *L)
{
    const char *path = sy__fs_path(L, 1), *name;
    struct stat st;
    sy__error err;
    int folder = sy__fs_open_parent(L, SY__WRITE, path, &name, &err);
    if (folder < 0) return sy__lib_error(L, &err);
    int why = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
    if (!why && unlinkat(folder, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) != 0) why = errno;
    (void)close(folder);
    if (why) return sy__fs_fail(L, why, "remove", path);
    lua_pushboolean(L, 1);
    return 1;
}

/* What lies below a folder moves with it: the grant has to reach there. */
static bool
may_move_below(lua_State *L, const char *path)
{
    const char *below = lua_pushfstring(L, "%s/x/x", path);
    bool ok = sy__fs_allows(L, SY__WRITE, below) && sy__fs_allows(L, SY__READ, below);
    lua_pop(L, 1);
    return ok;
}

static int
l_move(lua_State *L)
{
    const char *from = sy__fs_path(L, 1), *to = sy__fs_path(L, 2), *old, *new;
    struct stat st;
    sy__error err;
    int *source = sy__lib_fd(L), *target = sy__lib_fd(L);
    *source = sy__fs_open_parent(L, SY__WRITE, from, &old, &err);
    if (*source < 0) return sy__lib_error(L, &err);
    *target = sy__fs_open_parent(L, SY__WRITE, to, &new, &err);
    if (*target < 0) return sy__lib_error(L, &err);
    if (!sy__fs_allows(L, SY__READ, from))
        return sy__lib_fail(L, SY_EPERM, "may not move `%s`: reading it was not granted", from);
    int why = fstatat(*source, old, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
    if (!why && S_ISDIR(st.st_mode) && !(may_move_below(L, from) && may_move_below(L, to)))
        return sy__lib_fail(L, SY_EPERM, "may not move `%s`: what lies in it was not granted", from);
    if (!why && renameat(*source, old, *target, new) != 0) why = errno;
    sy__lib_fd_close(source);
    sy__lib_fd_close(target);
    if (why) return sy__fs_fail(L, why, "move", from);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- the module ---- */

static int
open_fs(lua_State *L, bool isolated)
{
    static const luaL_Reg functions[] = {
        {"append", l_append}, {"copy", l_copy},      {"exists", l_exists}, {"glob", sy__fs_glob}, {"list", l_list},
        {"mkdir", l_mkdir},   {"move", l_move},      {"read", l_read},     {"remove", l_remove},  {"rename", l_move},
        {"stat", l_stat},     {"walk", sy__fs_walk}, {"write", l_write},   {NULL, NULL},
    };
    sy__lib(L, functions, isolated);
    return 1;
}

int
sy__open_fs(lua_State *L)
{
    return open_fs(L, true);
}

int
luaopen_sy_fs(lua_State *L)
{
    (void)open_fs(L, false);
    sy__fs_add_trusted(L);
    return 1;
}
