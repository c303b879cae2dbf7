/*
 * watch.c: inotify, one watch for each folder. A watch knows the path of its folder; what is read are names in it. A
 * folder that appears is walked: what was put into it before its watch was there is told as changed.
 */
#include "io/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 32, EVENTS_BYTES = 16384 };

static const uint32_t CHANGES =
    IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW;

typedef struct folder {
    int wd;
    char *path; /* below the root: "" or "spec/" */
} folder;

struct sy__file_watch {
    const sy__alloc *alloc;
    int fd;
    char *root;
    folder *folders;
    size_t count, cap;
};

static int
keep(sy__file_watch *w, int wd, const char *path)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->folders[i].wd != wd) continue; /* the same folder under a new name */
        char *copy = sy__strdup(w->alloc, path);
        if (!copy) return SY_ENOMEM;
        sy__free(w->alloc, w->folders[i].path);
        w->folders[i].path = copy;
        return SY_OK;
    }
    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 16;
        folder *more = sy__realloc(w->alloc, w->folders, cap * sizeof *more);
        if (!more) return SY_ENOMEM;
        w->folders = more;
        w->cap = cap;
    }
    char *copy = sy__strdup(w->alloc, path);
    if (!copy) return SY_ENOMEM;
    w->folders[w->count++] = (folder){wd, copy};
    return SY_OK;
}

static int add_folder(sy__file_watch *w, const char *path, int depth, sy__buf *found, sy__error *err);

/* Watches the folders in an open one, and tells its files to `found` unless that is NULL. */
static int
add_entries(sy__file_watch *w, DIR *dir, const char *path, int depth, sy__buf *found, sy__error *err)
{
    char name[PATH_MAX];
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        struct stat st;
        if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        int n = snprintf(name, sizeof name, "%s%s%s", path, entry->d_name, S_ISDIR(st.st_mode) ? "/" : "");
        if (n < 0 || (size_t)n >= sizeof name) continue;
        if (!S_ISDIR(st.st_mode) && found) sy__buf_add(found, name, (size_t)n + 1);
        int rc = S_ISDIR(st.st_mode) ? add_folder(w, name, depth + 1, found, err) : SY_OK;
        if (rc) return rc;
    }
    return SY_OK;
}

/* `path` is "" or ends with a slash. A folder that is gone again is no failure. */
static int
add_folder(sy__file_watch *w, const char *path, int depth, sy__buf *found, sy__error *err)
{
    char full[PATH_MAX];
    int n = snprintf(full, sizeof full, "%s/%s", w->root, path);
    if (n < 0 || (size_t)n >= sizeof full || depth > MAX_DEPTH) return SY_OK;
    int wd = inotify_add_watch(w->fd, full, CHANGES);
    if (wd < 0 && (errno == ENOENT || errno == ENOTDIR)) return SY_OK;
    if (wd < 0) return sy__error_errno(err, errno, "cannot watch `%s`", full);
    if (keep(w, wd, path)) return sy__error_set(err, SY_ENOMEM, "no memory to watch `%s`", full);
    DIR *dir = opendir(full);
    if (!dir) return SY_OK;
    int rc = add_entries(w, dir, path, depth, found, err);
    (void)closedir(dir);
    return rc;
}

int
sy__file_watch_new(sy__file_watch **out, const sy__alloc *a, const char *dir, sy__error *err)
{
    struct stat st;
    *out = NULL;
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) return sy__error_set(err, SY_ENOTFOUND, "there is no `%s`", dir);
    sy__file_watch *w = sy__calloc(a, 1, sizeof *w);
    if (!w) return sy__error_set(err, SY_ENOMEM, "no memory to watch `%s`", dir);
    w->alloc = a;
    w->root = sy__strdup(a, dir);
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int rc = SY_OK;
    if (w->fd < 0)
        rc = sy__error_errno(err, errno, "cannot watch `%s`", dir);
    else if (!w->root)
        rc = sy__error_set(err, SY_ENOMEM, "no memory to watch `%s`", dir);
    else
        rc = add_folder(w, "", 0, NULL, err);
    if (rc)
        sy__file_watch_free(w);
    else
        *out = w;
    return rc;
}

void
sy__file_watch_free(sy__file_watch *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->count; i++) sy__free(w->alloc, w->folders[i].path);
    sy__free(w->alloc, w->folders);
    sy__free(w->alloc, w->root);
    if (w->fd >= 0) (void)close(w->fd);
    sy__free(w->alloc, w);
}

static void
forget(sy__file_watch *w, int wd)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->folders[i].wd != wd) continue;
        sy__free(w->alloc, w->folders[i].path);
        w->folders[i] = w->folders[--w->count];
        return;
    }
}

static const char *
path_of(const sy__file_watch *w, int wd)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->folders[i].wd == wd) return w->folders[i].path;
    return NULL;
}

static int
take(sy__file_watch *w, const struct inotify_event *e, sy__buf *paths, sy__error *err)
{
    char name[PATH_MAX];
    if (e->mask & IN_Q_OVERFLOW) sy__buf_addc(paths, '\0');
    if (e->mask & IN_IGNORED) forget(w, e->wd);
    const char *below = path_of(w, e->wd);
    if (!below || e->len == 0 || e->name[0] == '.') return SY_OK;
    bool is_folder = e->mask & IN_ISDIR;
    int n = snprintf(name, sizeof name, "%s%s%s", below, e->name, is_folder ? "/" : "");
    if (n < 0 || (size_t)n >= sizeof name) return SY_OK;
    if (is_folder && (e->mask & (IN_CREATE | IN_MOVED_TO))) return add_folder(w, name, 0, paths, err);
    if (is_folder || !(e->mask & IN_CREATE)) sy__buf_add(paths, name, (size_t)n + 1); /* a file is told when written */
    return SY_OK;
}

static int
take_all(sy__file_watch *w, sy__buf *paths, sy__error *err)
{
    _Alignas(struct inotify_event) char events[EVENTS_BYTES];
    ssize_t n;
    while ((n = read(w->fd, events, sizeof events)) > 0) {
        for (const char *at = events; at < events + n;) {
            const struct inotify_event *e = (const void *)at;
            int rc = take(w, e, paths, err);
            if (rc) return rc;
            at += sizeof *e + e->len;
        }
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR) return sy__error_errno(err, errno, "cannot watch `%s`", w->root);
    return paths->failed ? sy__error_set(err, SY_ENOMEM, "no memory for what changed") : SY_OK;
}

int
sy__file_watch_wait(sy__file_watch *w, int timeout_ms, sy__buf *paths, sy__error *err)
{
    struct pollfd ready = {.fd = w->fd, .events = POLLIN};
    int n = poll(&ready, 1, timeout_ms);
    if (n < 0 && errno != EINTR) return sy__error_errno(err, errno, "cannot watch `%s`", w->root);
    return n > 0 ? take_all(w, paths, err) : SY_OK;
}
