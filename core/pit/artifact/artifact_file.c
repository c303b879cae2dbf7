/*
 * artifact_file.c: large content in files.
 *
 *     artifacts/tmp/HOST-N          being written; HOST is a session id whose lock tells whether it lives
 *     artifacts/ab/cdef…            raw content of sha256:abcdef…
 *     artifacts/ab/cdef….zst        the same, packed
 *     artifacts/.lock               shared while files get their names, exclusive while they are deleted
 *
 * A put starts the disk writing and goes on; the flush waits for all files at once, renames them, syncs each
 * folder once, and only then queues the rows. So a row never names a file that a power loss could take, and a
 * crash leaves a temporary file at most, which the next host removes.
 */
#include "pit/artifact/artifact_impl.h"

#include "base/crash.h"

#include "base/thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PREFIX = 7, SYNC_THREADS = 4, SYNC_ALONE = 4 /* up to so many files one thread is enough */ };

int64_t
sy__artifacts_now(sy__artifacts *s)
{
    return sy__wall_ms(s->clock);
}

static int
open_folder(int at, const char *name, int *fd, sy__error *err)
{
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST) return sy__error_errno(err, errno, "cannot make %s", name);
    *fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd >= 0 ? SY_OK : sy__error_errno(err, errno, "cannot open %s", name);
}

int
sy__files_open(sy__artifacts *s, sy__error *err)
{
    int host = open(sy__db_dir(s->db), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (host < 0) return sy__error_errno(err, errno, "cannot open %s", sy__db_dir(s->db));
    int rc = open_folder(host, "artifacts", &s->dir_fd, err);
    (void)close(host);
    if (rc == SY_OK) rc = open_folder(s->dir_fd, "tmp", &s->temp_fd, err);
    if (rc) return rc;
    s->lock_fd = openat(s->dir_fd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return s->lock_fd >= 0 ? SY_OK : sy__error_errno(err, errno, "cannot open artifacts/.lock");
}

void
sy__files_close(sy__artifacts *s)
{
    if (s->lock_fd >= 0) (void)close(s->lock_fd);
    if (s->temp_fd >= 0) (void)close(s->temp_fd);
    if (s->dir_fd >= 0) (void)close(s->dir_fd);
    s->lock_fd = s->temp_fd = s->dir_fd = -1;
}

int
sy__lock_file(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    while (fcntl(fd, F_OFD_SETLKW, &lock) != 0)
        if (errno != EINTR) return SY_EIO;
    return SY_OK;
}

/* Shared: while a file gets its name or is marked as used; never while `lock` is held. The lock belongs to the open
 * file description, which all threads share: they count themselves. */
static int
lock_names(sy__artifacts *s)
{
    (void)pthread_mutex_lock(&s->names_lock);
    int rc = s->namers == 0 ? sy__lock_file(s->lock_fd, F_RDLCK) : SY_OK;
    if (rc == SY_OK) s->namers++;
    (void)pthread_mutex_unlock(&s->names_lock);
    return rc;
}

static void
unlock_names(sy__artifacts *s)
{
    (void)pthread_mutex_lock(&s->names_lock);
    if (--s->namers == 0) (void)sy__lock_file(s->lock_fd, F_UNLCK);
    (void)pthread_mutex_unlock(&s->names_lock);
}

void
sy__blob_path(const char *hash, sy__encoding how, char out[SY__BLOB_PATH_BYTES])
{
    (void)snprintf(out, SY__BLOB_PATH_BYTES, "%.2s/%.62s%s", hash + PREFIX, hash + PREFIX + 2,
                   how == SY__ZSTD ? ".zst" : "");
}

/* ---- temporary files ---- */

static void
temp_name(const sy__artifacts *s, unsigned number, char out[SY__BLOB_PATH_BYTES])
{
    (void)snprintf(out, SY__BLOB_PATH_BYTES, "%.48s-%u", sy__db_host_id(s->db), number);
}

int
sy__temp_open(sy__artifacts *s, unsigned *number, int *fd, sy__error *err)
{
    char name[SY__BLOB_PATH_BYTES];
    (void)pthread_mutex_lock(&s->lock);
    *number = ++s->temps;
    (void)pthread_mutex_unlock(&s->lock);
    temp_name(s, *number, name);
    *fd = openat(s->temp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd >= 0) return SY_OK;
    /* A folder that vanished is a failure of the disk, not of what the caller named. */
    return sy__error_errno(err, errno == ENOENT ? EIO : errno, "cannot make artifacts/tmp/%s", name);
}

void
sy__temp_remove(sy__artifacts *s, unsigned number)
{
    char name[SY__BLOB_PATH_BYTES];
    temp_name(s, number, name);
    (void)unlinkat(s->temp_fd, name, 0);
}

static bool
temp_is_orphan(sy__artifacts *s, const char *name)
{
    char host[SY__ID_BYTES];
    const char *dash = strrchr(name, '-');
    if (!dash || dash - name != SY__ID_BYTES - 1) return false;
    memcpy(host, name, SY__ID_BYTES - 1);
    host[SY__ID_BYTES - 1] = '\0';
    return strcmp(host, sy__db_host_id(s->db)) != 0 && !sy__db_host_alive(s->db, host);
}

int
sy__temp_clean(sy__artifacts *s)
{
    int fd = openat(s->dir_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), removed = 0;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) (void)close(fd);
        return 0;
    }
    for (const struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && temp_is_orphan(s, e->d_name)) removed += unlinkat(s->temp_fd, e->d_name, 0) == 0;
    (void)closedir(dir);
    return removed;
}

int
sy__write_all(int fd, const void *bytes, size_t size, sy__error *err)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sy__error_errno(err, errno, "cannot write an artifact");
        at += n;
        size -= (size_t)n;
    }
    return SY_OK;
}

/* ---- files with a name ---- */

static int
open_file(int at, const char *path)
{
    return openat(at, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

int
sy__blob_open(sy__artifacts *s, const char *hash, const sy__blob_row *row, int *fd, sy__error *err)
{
    char temp[SY__BLOB_PATH_BYTES], path[SY__BLOB_PATH_BYTES];
    sy__blob_path(hash, row->encoding, path);
    *fd = -1;
    if (row->temp) {
        temp_name(s, row->temp, temp);
        *fd = open_file(s->temp_fd, temp);
    }
    if (*fd < 0) *fd = open_file(s->dir_fd, path); /* also when it got its name just now */
    if (*fd >= 0) return SY_OK;
    if (errno == ENOENT) return SY_EAGAIN;
    return sy__error_errno(err, errno, "cannot open artifacts/%s", path);
}

static void
used_times(int64_t now_ms, struct timespec out[2])
{
    out[0] = out[1] = (struct timespec){.tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000};
}

int
sy__blob_touch(sy__artifacts *s, const char *hash, const sy__blob_row *row)
{
    char path[SY__BLOB_PATH_BYTES];
    struct timespec times[2];
    struct stat st;
    sy__blob_path(hash, row->encoding, path);
    if (lock_names(s)) return SY_ENOTFOUND;
    bool there = fstatat(s->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                 (row->encoding == SY__RAW ? st.st_size == row->size : st.st_size > 0);
    used_times(sy__artifacts_now(s), times);
    if (there) (void)utimensat(s->dir_fd, path, times, AT_SYMLINK_NOFOLLOW);
    unlock_names(s);
    return there ? SY_OK : SY_ENOTFOUND;
}

/* ---- the flush ---- */

typedef struct batch {
    sy__artifacts *store;
    sy__pending **files;
    int count;
    atomic_int next;
    atomic_int failed; /* errno of the first that failed */
} batch;

/* fsyncs files until none is left; several threads at once let the disk take them together. */
static void *
sync_some(void *arg)
{
    batch *b = arg;
    struct timespec times[2];
    used_times(sy__artifacts_now(b->store), times);
    for (int i; (i = atomic_fetch_add(&b->next, 1)) < b->count;) {
        sy__pending *p = b->files[i];
        (void)futimens(p->fd, times);
        if (fsync(p->fd) == 0) continue;
        p->status = errno == ENOSPC || errno == EDQUOT ? SY_EDISKFULL : SY_EIO;
        atomic_store(&b->failed, errno);
    }
    return NULL;
}

static void
sync_files(batch *b)
{
    pthread_t threads[SYNC_THREADS - 1];
    int started = 0;
    while (b->count > SYNC_ALONE && started < SYNC_THREADS - 1 &&
           sy__thread_start(&threads[started], "sy-fsync", sync_some, b, NULL) == SY_OK)
        started++;
    (void)sync_some(b);
    while (started > 0) (void)pthread_join(threads[--started], NULL);
}

static int
rename_into(sy__artifacts *s, const char *temp, const char *path, bool *made)
{
    if (renameat(s->temp_fd, temp, s->dir_fd, path) == 0) return 0;
    char folder[3] = {path[0], path[1], '\0'};
    if (errno != ENOENT || (mkdirat(s->dir_fd, folder, 0700) != 0 && errno != EEXIST)) return errno;
    *made = true; /* by us, or by somebody who may not have synced it yet */
    return renameat(s->temp_fd, temp, s->dir_fd, path) == 0 ? 0 : errno;
}

/* Gives a synced file its name; readers look again when the temporary name is gone. */
static void
name_file(batch *b, sy__pending *p, bool *made)
{
    char temp[SY__BLOB_PATH_BYTES], path[SY__BLOB_PATH_BYTES];
    sy__artifacts *s = b->store;
    if (p->status) return;
    temp_name(s, p->temp, temp);
    sy__blob_path(p->hash, p->encoding, path);
    int e = rename_into(s, temp, path, made);
    if (e) {
        p->status = e == ENOSPC || e == EDQUOT ? SY_EDISKFULL : SY_EIO;
        atomic_store(&b->failed, e);
        return;
    }
    (void)pthread_mutex_lock(&s->lock);
    p->temp = 0;
    (void)pthread_mutex_unlock(&s->lock);
}

static int
sync_folder(int at, const char *name, sy__error *err)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0) (void)close(fd);
    return failed ? sy__error_errno(err, failed, "cannot sync artifacts/%s", name) : SY_OK;
}

static int
sync_folders(sy__artifacts *s, const bool used[256], sy__error *err)
{
    for (int i = 0; i < 256; i++) {
        char name[3];
        (void)snprintf(name, sizeof name, "%02x", (unsigned)i);
        int rc = used[i] ? sync_folder(s->dir_fd, name, err) : SY_OK;
        if (rc) return rc;
    }
    return SY_OK;
}

int
sy__temp_name_durably(sy__artifacts *s, unsigned number, int fd, const char *hash, sy__encoding how, sy__error *err)
{
    char temp[SY__BLOB_PATH_BYTES], path[SY__BLOB_PATH_BYTES];
    struct timespec times[2];
    bool made = false;
    temp_name(s, number, temp);
    sy__blob_path(hash, how, path);
    used_times(sy__artifacts_now(s), times);
    int e = futimens(fd, times) != 0 || fsync(fd) != 0 ? errno : 0;
    if (e == 0 && lock_names(s)) e = EIO;
    if (e == 0) {
        e = rename_into(s, temp, path, &made);
        unlock_names(s);
    }
    if (e) {
        sy__temp_remove(s, number);
        return sy__error_errno(err, e, "cannot store artifacts/%s", path);
    }
    path[2] = '\0';
    int rc = sync_folder(s->dir_fd, path, err);
    return rc == SY_OK && made ? sync_folder(s->dir_fd, ".", err) : rc;
}

static unsigned
first_byte(const char *hash)
{
    unsigned byte = 0;
    (void)sscanf(hash + PREFIX, "%2x", &byte);
    return byte;
}

static int
name_files(batch *b, sy__error *err)
{
    sy__artifacts *s = b->store;
    bool used[256] = {false}, made = false;
    if (lock_names(s)) return sy__error_set(err, SY_EIO, "cannot lock artifacts/.lock");
    for (int i = 0; i < b->count; i++) {
        name_file(b, b->files[i], &made);
        used[first_byte(b->files[i]->hash)] |= b->files[i]->status == SY_OK;
    }
    unlock_names(s);
    int rc = sync_folders(s, used, err);
    if (rc == SY_OK && made) rc = sync_folder(s->dir_fd, ".", err);
    return rc;
}

static int
flush_list(sy__artifacts *s, sy__pending_list *files, sy__error *err)
{
    batch b = {.store = s,
               .files = sy__calloc(s->alloc, (size_t)files->count,
                                   sizeof *b.files)}; /* NOLINT(bugprone-sizeof-expression): pointers are meant */
    int rc = b.files ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory to flush artifacts");
    for (sy__pending *p = files->first; p && b.files; p = p->next) b.files[b.count++] = p;
    if (rc == SY_OK) {
        SY__CRASH_POINT("files.before_sync");
        sync_files(&b);
        SY__CRASH_POINT("files.synced");
        rc = name_files(&b, err);
        SY__CRASH_POINT("files.named");
    }
    for (sy__pending *p = files->first; p; p = p->next) {
        (void)close(p->fd);
        p->fd = -1;
        if (rc && p->status == SY_OK) p->status = rc;
    }
    sy__free(s->alloc, b.files);
    int e = atomic_load(&b.failed);
    int flushed = sy__pending_flushed(s, files);
    if (rc == SY_OK && flushed) rc = sy__error_errno(err, e ? e : EIO, "cannot store artifacts durably");
    return rc;
}

int
sy__artifacts_flush(sy__artifacts *s, sy__error *err)
{
    sy__pending_list files;
    int rc = SY_OK;
    (void)pthread_mutex_lock(&s->flush_lock); /* who finds nothing here still waits for what is under way */
    (void)pthread_mutex_lock(&s->lock);
    files = s->files;
    s->files = (sy__pending_list){0};
    (void)pthread_mutex_unlock(&s->lock);
    if (files.count > 0) rc = flush_list(s, &files, err);
    (void)pthread_mutex_unlock(&s->flush_lock);
    return rc;
}
