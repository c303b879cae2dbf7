/*
 * powerloss_layer.c: between the program and the file system. SQLite's part comes as its file layer (a VFS); for the
 * rest the linker puts these functions in the place of the C library's (`--wrap`, cmake/tests.cmake). Everything is
 * done for real but syncs, which are only noted: what the process itself reads is not what is tested.
 */
#include "powerloss_disk.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 512 };

static _Atomic(disk *) told;

/* ---- what SQLite does ---- */

static sqlite3_vfs *real, noting;
static const sqlite3_io_methods *real_methods[8];
static sqlite3_io_methods methods[8];

/* Kept behind SQLite's own file object. */
typedef struct extra {
    char path[PATH_BYTES];
    bool new_log; /* its first sync syncs the folder, too */
} extra;

static extra *
extra_of(sqlite3_file *f)
{
    return (extra *)((char *)f + real->szOsFile);
}

static const sqlite3_io_methods *
real_of(const sqlite3_file *f)
{
    return real_methods[f->pMethods - methods];
}

static int
note_write(sqlite3_file *f, const void *bytes, int count, sqlite3_int64 at)
{
    int rc = real_of(f)->xWrite(f, bytes, count, at);
    disk *d = told;
    if (d && rc == SQLITE_OK) disk_wrote(d, extra_of(f)->path, (uint64_t)at, bytes, (size_t)count);
    return rc;
}

static int
note_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = real_of(f)->xTruncate(f, size);
    disk *d = told;
    if (d && rc == SQLITE_OK) disk_cut_to(d, extra_of(f)->path, (uint64_t)size);
    return rc;
}

static void
folder_synced(disk *d, const char *path)
{
    char folder[PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
    disk_synced(d, folder, true, disk_now(d));
}

static int
note_sync(sqlite3_file *f, int flags)
{
    extra *x = extra_of(f);
    disk *d = told;
    if (!d) return real_of(f)->xSync(f, flags);
    disk_synced(d, x->path, false, disk_now(d));
    if (x->new_log) folder_synced(d, x->path);
    x->new_log = false;
    return SQLITE_OK;
}

static void
take_methods(sqlite3_file *f)
{
    int i = 0;
    while (real_methods[i] && real_methods[i] != f->pMethods) i++;
    if (!real_methods[i]) {
        real_methods[i] = f->pMethods;
        methods[i] = *f->pMethods;
        methods[i].xWrite = note_write;
        methods[i].xTruncate = note_truncate;
        methods[i].xSync = note_sync;
    }
    f->pMethods = &methods[i];
}

static int
note_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    disk *d = told;
    extra *x = extra_of(f);
    bool was = name && access(name, F_OK) == 0;
    int rc = real->xOpen(real, name, f, flags, out);
    if (!f->pMethods) return rc;
    (void)snprintf(x->path, sizeof x->path, "%s", name ? name : "");
    x->new_log = (flags & SQLITE_OPEN_CREATE) && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL));
    if (d && name && !was && rc == SQLITE_OK) disk_made(d, name, false);
    take_methods(f);
    return rc;
}

static int
note_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    disk *d = told;
    int rc = real->xDelete(real, name, d ? 0 : sync);
    if (d && rc == SQLITE_OK) disk_removed(d, name);
    if (d && rc == SQLITE_OK && sync) folder_synced(d, name);
    return rc;
}

void
layer_tell(disk *d)
{
    if (!real) {
        real = sqlite3_vfs_find(NULL);
        noting = *real;
        noting.zName = "noting";
        noting.szOsFile += (int)sizeof(extra);
        noting.xOpen = note_open;
        noting.xDelete = note_delete;
        if (sqlite3_vfs_register(&noting, 1) != SQLITE_OK) abort();
    }
    told = d;
}

/* ---- what everything else does ---- */

int __real_open(const char *path, int flags, ...);
int __real_openat(int at, const char *path, int flags, ...);
int __real_mkdir(const char *path, mode_t mode);
int __real_mkdirat(int at, const char *path, mode_t mode);
ssize_t __real_write(int fd, const void *bytes, size_t size);
int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __real_renameat(int from_at, const char *from, int to_at, const char *to);
int __real_unlink(const char *path);
int __real_unlinkat(int at, const char *path, int flags);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdirat(int at, const char *path, mode_t mode);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_renameat(int from_at, const char *from, int to_at, const char *to);
int __wrap_unlink(const char *path);
int __wrap_unlinkat(int at, const char *path, int flags);

static bool
path_of(int fd, char out[PATH_BYTES])
{
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_BYTES - 1);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 && out[0] == '/';
}

/* The absolute path of `path`, which may be relative to the folder `at`. */
static void
whole(int at, const char *path, char out[PATH_BYTES])
{
    char folder[PATH_BYTES];
    if (path[0] == '/' || at == AT_FDCWD || !path_of(at, folder))
        (void)snprintf(out, PATH_BYTES, "%s", path);
    else if (strcmp(path, ".") == 0)
        (void)snprintf(out, PATH_BYTES, "%s", folder);
    else
        (void)snprintf(out, PATH_BYTES, "%.250s/%.250s", folder, path);
}

static int
open_noted(int at, const char *path, int flags, mode_t mode)
{
    disk *d = told;
    char name[PATH_BYTES];
    if (!d || !(flags & (O_CREAT | O_TRUNC))) return __real_openat(at, path, flags, mode);
    bool was = faccessat(at, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    int fd = __real_openat(at, path, flags, mode);
    if (fd < 0) return fd;
    whole(at, path, name);
    if (!was)
        disk_made(d, name, false);
    else if (flags & O_TRUNC)
        disk_cut_to(d, name, 0);
    return fd;
}

static mode_t
mode_of(int flags, va_list more)
{
    return flags & O_CREAT ? (mode_t)va_arg(more, int) : 0;
}

int
__wrap_open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return open_noted(AT_FDCWD, path, flags, mode);
}

int
__wrap_openat(int at, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return open_noted(at, path, flags, mode);
}

int
__wrap_mkdirat(int at, const char *path, mode_t mode)
{
    disk *d = told;
    char name[PATH_BYTES];
    int rc = __real_mkdirat(at, path, mode);
    whole(at, path, name);
    if (d && rc == 0) disk_made(d, name, true);
    return rc;
}

int
__wrap_mkdir(const char *path, mode_t mode)
{
    return __wrap_mkdirat(AT_FDCWD, path, mode);
}

ssize_t
__wrap_write(int fd, const void *bytes, size_t size)
{
    disk *d = told;
    char name[PATH_BYTES];
    off_t at = d ? lseek(fd, 0, SEEK_CUR) : -1;
    ssize_t n = __real_write(fd, bytes, size);
    if (d && at >= 0 && n > 0 && path_of(fd, name)) disk_wrote(d, name, (uint64_t)at, bytes, (size_t)n);
    return n;
}

int
__wrap_fsync(int fd)
{
    disk *d = told;
    char name[PATH_BYTES];
    struct stat st;
    if (!d || fstat(fd, &st) != 0 || !path_of(fd, name)) return __real_fsync(fd);
    disk_synced(d, name, S_ISDIR(st.st_mode), disk_now(d));
    return 0;
}

int
__wrap_renameat(int from_at, const char *from, int to_at, const char *to)
{
    disk *d = told;
    char old[PATH_BYTES], new[PATH_BYTES];
    int rc = __real_renameat(from_at, from, to_at, to);
    whole(from_at, from, old);
    whole(to_at, to, new);
    if (d && rc == 0) disk_renamed(d, old, new);
    return rc;
}

int
__wrap_rename(const char *from, const char *to)
{
    return __wrap_renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int
__wrap_unlinkat(int at, const char *path, int flags)
{
    disk *d = told;
    char name[PATH_BYTES];
    int rc = __real_unlinkat(at, path, flags);
    whole(at, path, name);
    if (d && rc == 0) disk_removed(d, name);
    return rc;
}

int
__wrap_unlink(const char *path)
{
    return __wrap_unlinkat(AT_FDCWD, path, 0);
}
