/*
 * fs_walk.c: looking through folders.
 *
 *     fs.glob(pattern[, {dir = ".", max = 100000, stat = false}]) → {path, …}, or {{path=, size=, mtime_ms=}, …}
 *     fs.walk(path[, {max = 100000, all = false}]) → {{path=, type=}, …}
 *
 * Paths come sorted and relative to `dir`, or to the folder walked. Links are listed (walk) but never followed.
 * `.git` and `.symphony` are left out unless the pattern names them or `all` is set. What may not be read is
 * left out too. Folders still to be read lie in one buffer: no recursion, however deep they are.
 */
#include "bind/fs.h"
#include "kit/beneath.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_MAX = 100000 };

typedef struct walker {
    lua_State *L;
    const char *top;     /* where it starts, as the caller wrote it */
    const char *pattern; /* NULL: everything */
    bool all;
    size_t max, count;
    sy__buf *todo;    /* folders, each with a NUL; the last is next */
    sy__buf *found;   /* records */
    sy__buf *entries; /* of the folder being read */
    sy__buf *path;
} walker;

/* top + "/" + rel, NUL-terminated in w->path. */
static const char *
full_path(walker *w, const char *rel)
{
    sy__buf_reset(w->path);
    sy__buf_adds(w->path, w->top);
    if (*rel && w->path->len > 0 && w->path->data[w->path->len - 1] != '/') sy__buf_addc(w->path, '/');
    sy__buf_adds(w->path, rel);
    const char *path = sy__buf_cstr(w->path);
    return path ? path : "";
}

/* Whether the pattern has the name among its parts. */
static bool
names(const char *pattern, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = pattern; p && *p; p += *p == '/') {
        size_t n = strcspn(p, "/");
        if (n == len && memcmp(p, name, n) == 0) return true;
        p += n;
    }
    return false;
}

static bool
is_left_out(const walker *w, const char *name)
{
    if (w->all || (strcmp(name, ".git") != 0 && strcmp(name, ".symphony") != 0)) return false;
    return !names(w->pattern, name);
}

/* One entry of the folder `rel`. SY_OK or a code. */
static int
visit(walker *w, const char *rel, char kind, const char *name, sy__error *err)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s%s%s", rel, *rel ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof path || is_left_out(w, name)) return SY_OK;
    bool wanted = !w->pattern || (kind == 'f' && sy__glob_match(w->pattern, path));
    if (wanted && sy__fs_allows(w->L, SY__READ, full_path(w, path))) {
        if (++w->count > w->max) return sy__error_set(err, SY_EINVAL, "more than %zu files", w->max);
        sy__buf_addc(w->found, kind);
        sy__buf_add(w->found, path, (size_t)n + 1);
    }
    if (kind == 'd' && (!w->pattern || sy__glob_reaches(w->pattern, path))) sy__buf_add(w->todo, path, (size_t)n + 1);
    return SY_OK;
}

static int
visit_all(walker *w, const char *rel, sy__error *err)
{
    const char *p = w->entries->data, *end = w->entries->data + w->entries->len;
    while (p < end) {
        int status = visit(w, rel, p[0], p + 1, err);
        if (status) return status;
        p += strlen(p) + 1;
    }
    return SY_OK;
}

/* Takes the last folder off the list into `rel`. */
static void
take(walker *w, char *rel)
{
    size_t end = w->todo->len - 1, from = end;
    while (from > 0 && w->todo->data[from - 1] != '\0') from--;
    memcpy(rel, w->todo->data + from, end - from + 1);
    w->todo->len = from;
}

/* Records the folder as it was read: of a glob only what the pattern is about. */
static void
saw_folder(walker *w, const char *rel, int code)
{
    sy__reads *reads = sy__fs_reads(w->L);
    if (!reads) return;
    sy__read_kind kind = w->pattern ? SY__READ_GLOB : SY__READ_LIST;
    if (code) {
        sy__reads_refused(reads, SY__READ_LIST, full_path(w, rel), code);
        return;
    }
    const char *detail = "";
    if (w->pattern) detail = lua_pushfstring(w->L, "%s\n%s", rel, w->pattern);
    sy__reads_records(reads, kind, full_path(w, rel), detail, w->entries);
    if (w->pattern) lua_pop(w->L, 1);
}

static int
read_one(walker *w, const char *rel, sy__error *err)
{
    int flags = O_RDONLY | O_DIRECTORY | (*rel ? O_NOFOLLOW : 0);
    int fd = sy__fs_open(w->L, SY__READ, full_path(w, rel), flags, 0, err);
    if (fd < 0) {
        saw_folder(w, rel, fd);
        return *rel ? SY_OK : fd; /* gone meanwhile, or closed to us */
    }
    sy__buf_reset(w->entries);
    int status = sy__fs_read_folder(fd, w->entries, err);
    if (!status) saw_folder(w, rel, SY_OK);
    return status ? status : visit_all(w, rel, err);
}

static int
walk(walker *w, const char *start, sy__error *err)
{
    char rel[4096];
    sy__buf_add(w->todo, start, strlen(start) + 1);
    while (w->todo->len > 0) {
        take(w, rel);
        int status = read_one(w, rel, err);
        if (status) return status;
        if (w->todo->failed || w->found->failed || w->path->failed)
            return sy__error_set(err, SY_ENOMEM, "no memory to walk");
        sy__lib_charge(w->L, w->entries->len * 8 + 256);
    }
    return SY_OK;
}

static void
open_walker(walker *w, lua_State *L)
{
    *w = (walker){.L = L, .max = DEFAULT_MAX};
    lua_settop(L, 2);
    w->todo = sy__lib_buf(L);
    w->found = sy__lib_buf(L);
    w->entries = sy__lib_buf(L);
    w->path = sy__lib_buf(L);
}

/* Pushes an option of argument 2. */
static int
get_option(lua_State *L, const char *name)
{
    if (lua_isnoneornil(L, 2)) {
        lua_pushnil(L);
        return LUA_TNIL;
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_pushstring(L, name);
    return lua_rawget(L, 2);
}

static void
read_max(lua_State *L, walker *w)
{
    if (get_option(L, "max") == LUA_TNIL) return;
    lua_Integer max = luaL_checkinteger(L, -1);
    luaL_argcheck(L, max >= 0 && max <= SY__FS_MAX_ENTRIES, 2, "max is too large");
    w->max = (size_t)max;
}

static void
push_path(lua_State *L, char kind, const char *path)
{
    (void)kind;
    lua_pushstring(L, path);
}

static void
push_typed(lua_State *L, char kind, const char *path)
{
    lua_createtable(L, 0, 2);
    lua_pushstring(L, path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, sy__fs_kind_name(kind));
    lua_setfield(L, -2, "type");
}

/* Turns the array of paths on top into one of {path, type, size, …}; files that are gone are left out. */
static void
add_stats(walker *w)
{
    lua_State *L = w->L;
    lua_Integer kept = 0, count = (lua_Integer)lua_rawlen(L, -1);
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        struct stat st;
        sy__error err;
        lua_rawgeti(L, -2, i);
        int fd = sy__fs_open(L, SY__READ, full_path(w, lua_tostring(L, -1)), O_PATH | O_NOFOLLOW, 0, &err);
        bool ok = fd >= 0 && fstat(fd, &st) == 0;
        if (fd >= 0) (void)close(fd);
        sy__reads *reads = sy__fs_reads(L);
        const char *path = full_path(w, lua_tostring(L, -1));
        if (reads && ok) sy__reads_stat(reads, path, &st);
        if (reads && !ok) sy__reads_refused(reads, SY__READ_STAT, path, fd < 0 ? err.code : SY_EIO);
        if (!ok) {
            lua_pop(L, 1);
            continue;
        }
        sy__fs_push_stat(L, &st);
        lua_insert(L, -2);
        lua_setfield(L, -2, "path");
        lua_rawseti(L, -2, ++kept);
        sy__lib_charge(L, 256);
    }
}

/* The folder that the pattern starts with, without globs; pushes it. */
static const char *
literal_folder(lua_State *L, const char *pattern)
{
    size_t glob = strcspn(pattern, "*?["), end = glob;
    while (end > 0 && pattern[end - 1] != '/') end--;
    return lua_pushlstring(L, pattern, end > 0 ? end - 1 : 0);
}

int
sy__fs_glob(lua_State *L)
{
    const char *pattern = sy__fs_path(L, 1);
    sy__error err;
    walker w;
    open_walker(&w, L);
    while (strncmp(pattern, "./", 2) == 0) pattern += 2;
    luaL_argcheck(L, *pattern != '/' && *pattern, 1, "a relative pattern is expected; the option `dir` says where");
    w.pattern = pattern;
    w.top = get_option(L, "dir") == LUA_TNIL ? "." : luaL_checkstring(L, -1);
    read_max(L, &w);
    bool stats = get_option(L, "stat") != LUA_TNIL && lua_toboolean(L, -1);
    const char *start = literal_folder(L, pattern);
    int status = walk(&w, start, &err);
    if (status && status != SY_ENOTFOUND) return sy__lib_error(L, &err);
    sy__fs_push_sorted(L, w.found, w.count, push_path);
    if (stats) add_stats(&w);
    return 1;
}

int
sy__fs_walk(lua_State *L)
{
    sy__error err;
    walker w;
    const char *top = sy__fs_path(L, 1);
    open_walker(&w, L);
    w.top = top;
    read_max(L, &w);
    w.all = get_option(L, "all") != LUA_TNIL && lua_toboolean(L, -1);
    if (walk(&w, "", &err)) return sy__lib_error(L, &err);
    sy__fs_push_sorted(L, w.found, w.count, push_typed);
    return 1;
}
