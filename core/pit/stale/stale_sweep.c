/*
 * stale_sweep.c: files that no row refers to: of deleted content, of an earlier packing, of a crash between
 * the renaming and the commit.
 *
 * A file goes only when its last use is longer ago than the grace and, under the exclusive lock, that still
 * holds and no row has its hash and encoding. Who stores the same content takes the lock shared and sets the
 * file's time before its row is queued, so one of the two sees the other.
 */
#include "pit/stale/stale_impl.h"

#include "base/crash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_DIGITS = 62 };

typedef struct sweep {
    sy__collection *collection;
    sy__tool *tool;
    int lock_fd; /* a description of its own: the store's holds the lock shared */
    int64_t before_ms;
} sweep;

static bool
is_old(const sweep *w, int folder, const char *name)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) return false;
    return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 < w->before_ms;
}

/* The hash and encoding that a file's name stands for; false for other names. */
static bool
parse_name(const char *folder, const char *name, char hash[SY__HASH_BYTES], sy__encoding *how)
{
    size_t len = strlen(name);
    bool packed = len == NAME_DIGITS + 4 && strcmp(name + NAME_DIGITS, ".zst") == 0;
    if (len != NAME_DIGITS && !packed) return false;
    (void)snprintf(hash, SY__HASH_BYTES, "sha256:%.2s%.62s", folder, name);
    *how = packed ? SY__ZSTD : SY__RAW;
    return sy__hash_valid(hash);
}

/* 1: no row refers to the file; 0: one does. */
static int
is_unused(sweep *w, const char *hash, sy__encoding how, sy__error *err)
{
    sy__blob_row row;
    sy__artifacts *s = w->collection->store;
    if (sy__pending_find(s, w->tool, hash, false, &row)) return 0;
    int rc = sy__tool_find(s, w->tool, hash, false, &row, err);
    if (rc == SY_ENOTFOUND) return 1;
    return rc ? rc : row.deleted || !row.in_file || row.encoding != how;
}

static int
remove_file(sweep *w, int folder, const char *name, const char *hash, sy__encoding how, sy__error *err)
{
    if (sy__lock_file(w->lock_fd, F_WRLCK)) return sy__error_set(err, SY_EIO, "cannot lock artifacts/.lock");
    int unused = is_old(w, folder, name) ? is_unused(w, hash, how, err) : 0;
    if (unused > 0) (void)unlinkat(folder, name, 0);
    SY__CRASH_POINT("sweep.looked");
    (void)sy__lock_file(w->lock_fd, F_UNLCK);
    return unused < 0 ? unused : SY_OK;
}

static int
sweep_entry(sweep *w, int folder_fd, const char *folder, const char *name, sy__error *err)
{
    char hash[SY__HASH_BYTES];
    sy__encoding how;
    if (!parse_name(folder, name, hash, &how) || !is_old(w, folder_fd, name)) return SY_OK;
    int unused = is_unused(w, hash, how, err);
    if (unused <= 0) return unused;
    return remove_file(w, folder_fd, name, hash, how, err);
}

static int
sweep_folder(sweep *w, const char *folder, sy__error *err)
{
    int fd = openat(w->collection->store->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    int rc = SY_OK;
    if (!dir) {
        int e = errno;
        if (fd >= 0) (void)close(fd);
        return e == ENOENT ? SY_OK : sy__error_errno(err, e, "cannot read artifacts/%s", folder);
    }
    for (const struct dirent *e; rc == SY_OK && (e = readdir(dir));)
        rc = sweep_entry(w, dirfd(dir), folder, e->d_name, err);
    (void)closedir(dir);
    return rc;
}

int
sy__stale_sweep(sy__collection *c, sy__error *err)
{
    int64_t grace = c->policy->grace_ms > SY__BLOB_GRACE_MS ? c->policy->grace_ms : SY__BLOB_GRACE_MS;
    sweep w = {.collection = c, .before_ms = sy__artifacts_now(c->store) - grace};
    if (c->policy->dry_run) return SY_OK;
    (void)sy__temp_clean(c->store);
    w.lock_fd = openat(c->store->dir_fd, ".lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (w.lock_fd < 0) return sy__error_errno(err, errno, "cannot open artifacts/.lock");
    int rc = sy__tool_take(c->store, &w.tool, err);
    for (unsigned i = 0; i < 256 && rc == SY_OK; i++) {
        char folder[3];
        (void)snprintf(folder, sizeof folder, "%02x", i);
        rc = sweep_folder(&w, folder, err);
    }
    sy__tool_give(c->store, w.tool);
    (void)close(w.lock_fd);
    return rc;
}
