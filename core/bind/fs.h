/*
 * fs.h: what the files of the module `fs` share.
 *
 * One set of functions serves isolates and trusted Lua; the difference is the door a path goes through:
 * an isolate's capabilities, or the plain file system. Thread of the Lua state; functions with one may raise.
 */
#ifndef SY_BIND_FS_H
#define SY_BIND_FS_H

#include "bind/support.h"
#include "kit/caps.h"
#include "kit/reads.h"

#include <sys/stat.h>

enum { SY__FS_MAX_ENTRIES = 1000000 };

/* Opens as open(2), through the door of the running function. A descriptor or a negative code. */
int sy__fs_open(lua_State *L, sy__access access, const char *path, int flags, int mode, sy__error *err);
/* Where what the running call looks at is recorded; NULL: nowhere. */
struct sy__reads *sy__fs_reads(lua_State *L);
/* Opens the folder that holds the entry `path`; *name is the entry's name, inside of `path`. */
int sy__fs_open_parent(lua_State *L, sy__access access, const char *path, const char **name, sy__error *err);
/* Whether the path as text may be opened. */
bool sy__fs_allows(lua_State *L, sy__access access, const char *path);
/* A path argument; raises when it is none (a NUL in it). */
const char *sy__fs_path(lua_State *L, int arg);

/* Of 'f' file, 'd' folder, 'l' link, 'o' other. */
const char *sy__fs_kind_name(char kind);
/* Appends a byte for the kind, the name and a NUL for each entry of the open folder, in no order. Takes `fd`. */
int sy__fs_read_folder(int fd, sy__buf *to, sy__error *err);
/* Fails with strerror: returns how many results. */
int sy__fs_fail(lua_State *L, int errnum, const char *what, const char *path);
/* Pushes {type, size, mode, mtime (seconds), mtime_ms, mtime_ns}, and for trusted Lua {uid, gid, ino, dev}. */
void sy__fs_push_stat(lua_State *L, const struct stat *st);

/* Records of a kind, a path and a NUL, sorted by path; `count` of them. Pushes their array; raises for memory. */
typedef void (*sy__fs_push)(lua_State *L, char kind, const char *path);
void sy__fs_push_sorted(lua_State *L, const sy__buf *records, size_t count, sy__fs_push push);

/* fs_walk.c */
int sy__fs_glob(lua_State *L);
int sy__fs_walk(lua_State *L);
/* fs_trusted.c: adds what only trusted Lua has to the table on top. */
void sy__fs_add_trusted(lua_State *L);

#endif
