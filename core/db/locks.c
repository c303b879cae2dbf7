/*
 * locks.c: a host's file gets its name only when it is locked already, so that whoever sees a file that is
 * not locked sees a dead host's and may remove it.
 */
#include "db/locks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, PID_BYTES = 32 };

int
sy__lock_open(int *fd, const char *path, sy__error *err)
{
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return *fd >= 0 ? SY_OK : sy__error_errno(err, errno, "cannot write %s", path);
}

int
sy__lock_try(int fd, sy__lock_kind kind)
{
    static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
    struct flock lock = {.l_type = types[kind], .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return SY_OK;
    return errno == EAGAIN || errno == EACCES ? SY_EAGAIN : SY_EIO;
}

static bool
host_path(char out[PATH_BYTES], const char *dir, const char *name, const char *suffix)
{
    int n = snprintf(out, PATH_BYTES, "%s/hosts/%s%s", dir, name, suffix);
    return n > 0 && n < PATH_BYTES;
}

/* Whether somebody holds the lock of the file at `path`. */
static bool
is_held(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    bool held = sy__lock_try(fd, SY__LOCK_SHARED) == SY_EAGAIN;
    (void)close(fd);
    return held;
}

/* Calls fn with the path of each lock file. */
static void
each_host(const char *dir, void (*fn)(void *ud, const char *path), void *ud)
{
    char path[PATH_BYTES];
    if (!host_path(path, dir, "", "")) return;
    DIR *d = opendir(path);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (n > 5 && strcmp(e->d_name + n - 5, ".lock") == 0 && host_path(path, dir, e->d_name, "")) fn(ud, path);
    }
    (void)closedir(d);
}

typedef struct dead {
    sy__dead_fn *fn;
    void *ud;
} dead;

static void
tell_dead(void *ud, const char *path)
{
    const dead *d = ud;
    const char *name = strrchr(path, '/') + 1;
    char id[PID_BYTES * 2] = "";
    if (is_held(path)) return;
    (void)snprintf(id, sizeof id, "%.*s", (int)(strlen(name) - strlen(".lock")), name);
    if (d->fn(d->ud, id)) (void)unlink(path);
}

void
sy__hosts_dead(const char *dir, sy__dead_fn *fn, void *ud)
{
    dead d = {fn, ud};
    each_host(dir, tell_dead, &d);
}

int
sy__host_enter(int *fd, const char *dir, const char *id, sy__error *err)
{
    char path[PATH_BYTES], temporary[PATH_BYTES], pid[PID_BYTES];
    *fd = -1;
    if (!host_path(path, dir, id, ".lock") || !host_path(temporary, dir, id, ".new"))
        return sy__error_set(err, SY_EIO, "the path is too long: %s", dir);
    int rc = sy__lock_open(fd, temporary, err);
    if (rc) return rc;
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    bool done = sy__lock_try(*fd, SY__LOCK_EXCLUSIVE) == SY_OK && write(*fd, pid, (size_t)n) == n &&
                rename(temporary, path) == 0;
    if (done) return SY_OK;
    rc = sy__error_errno(err, errno, "cannot write %s", path);
    (void)unlink(temporary);
    (void)close(*fd);
    *fd = -1;
    return rc;
}

void
sy__host_leave(int fd, const char *dir, const char *id)
{
    char path[PATH_BYTES];
    if (fd < 0) return;
    if (host_path(path, dir, id, ".lock")) (void)unlink(path);
    (void)close(fd);
}

bool
sy__host_alive(const char *dir, const char *id)
{
    char path[PATH_BYTES];
    return host_path(path, dir, id, ".lock") && is_held(path);
}

static void
add_pid(void *ud, const char *path)
{
    sy__buf *out = ud;
    char text[PID_BYTES] = "";
    if (!is_held(path)) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0) sy__buf_addf(out, "%s%ld", out->len ? ", " : "", pid);
}

void
sy__host_pids(const char *dir, sy__buf *out)
{
    each_host(dir, add_pid, out);
}
