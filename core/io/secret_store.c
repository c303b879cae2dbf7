/* secret_store.c: files of secrets: read with care, replaced at once. */
#include "io/secret_store.h"

#include "io/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "symphony-secret 1 "

enum { HEAD_BYTES = 80, OTHERS = 077, WRITABLE = 022 };

static const char *const place_names[] = {"file", "keyring"};

/* ---- opening ---- */

static int
unset(const char *name, sy__error *err)
{
    (void)sy__error_set(err, SY_ENOTFOUND, "there is no secret `%.80s`", name);
    sy__error_hint(err, "symphony secret set %.80s", name);
    return SY_ENOTFOUND;
}

static int
unsafe(const char *path, unsigned mode, sy__error *err)
{
    (void)sy__error_set(err, SY_EPERM, "%s is not used: somebody else may read or change it", path);
    sy__error_hint(err, "it must be yours: chmod %o %s", mode, path);
    return SY_EPERM;
}

/* The folder's descriptor; negative: SY_ENOTFOUND without a sentence, or an error. */
static int
open_dir(const char *dir, sy__error *err)
{
    struct stat st;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? SY_ENOTFOUND : sy__error_errno(err, errno, "cannot open %s", dir);
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & WRITABLE)) return fd;
    (void)close(fd);
    return unsafe(dir, 0700, err);
}

static int
make_dir(const char *dir, sy__error *err)
{
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) return sy__error_errno(err, errno, "cannot make %s", dir);
    return open_dir(dir, err);
}

/* The file's descriptor, which is safe to read; negative as open_dir. */
static int
open_file(const char *dir, const char *name, sy__error *err)
{
    struct stat st;
    char path[PATH_MAX];
    if (!sy__secret_name_ok(name)) return SY_ENOTFOUND;
    int at = open_dir(dir, err);
    if (at < 0) return at;
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), why = errno;
    (void)close(at);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    if (fd < 0) return why == ENOENT ? SY_ENOTFOUND : sy__error_errno(err, why, "cannot open %s", path);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & OTHERS)) return fd;
    (void)close(fd);
    return unsafe(path, 0600, err);
}

/* Reads the first line; what follows is left to be read. */
static int
read_head(int fd, const char *name, sy__secret_info *out, sy__error *err)
{
    char head[HEAD_BYTES], place[16], at[SY__STAMP_BYTES];
    size_t len = 0;
    while (len < sizeof head - 1 && read(fd, head + len, 1) == 1 && head[len] != '\n') len++;
    head[len] = '\0';
    if (strncmp(head, MAGIC, strlen(MAGIC)) == 0 && sscanf(head + strlen(MAGIC), "%15s %24s", place, at) == 2)
        for (int i = 0; i < 2; i++)
            if (strcmp(place, place_names[i]) == 0) {
                out->place = (sy__secret_place)i;
                memcpy(out->set_at, at, sizeof at);
                return SY_OK;
            }
    (void)sy__error_set(err, SY_EFILE, "the file of the secret %s is damaged", name);
    sy__error_hint(err, "symphony secret set %s", name);
    return SY_EFILE;
}

/* Opens a secret and reads its head; a descriptor, or negative with a sentence. */
static int
open_secret(const char *dir, const char *name, sy__secret_info *out, sy__error *err)
{
    int fd = open_file(dir, name, err);
    if (fd == SY_ENOTFOUND) return unset(name, err);
    if (fd < 0) return fd;
    int e = read_head(fd, name, out, err);
    if (!e) return fd;
    (void)close(fd);
    return e;
}

int
sy__secret_info_get(const char *dir, const char *name, sy__secret_info *out, sy__error *err)
{
    int fd = open_secret(dir, name, out, err);
    if (fd < 0) return fd;
    (void)close(fd);
    return SY_OK;
}

int
sy__secret_get(const char *dir, const char *name, sy__secret **out, sy__error *err)
{
    sy__secret_info info;
    *out = NULL;
    int fd = open_secret(dir, name, &info, err);
    if (fd < 0) return fd;
    int e = info.place == SY__IN_KEYRING ? sy__keyring_get(dir, name, out, err)
                                         : sy__secret_read(out, name, fd, false, err);
    (void)close(fd);
    return e;
}

bool
sy__secret_stamp_get(const char *dir, const char *name, sy__secret_stamp *out)
{
    struct stat st;
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n >= (int)sizeof path || lstat(path, &st) < 0) return false;
    *out = (sy__secret_stamp){.inode = st.st_ino,
                              .changed_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec};
    return true;
}

/* ---- changing ---- */

static bool
write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) return false;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool
write_file(int fd, const sy__secret *s, sy__secret_place place, int64_t now_ms)
{
    char head[HEAD_BYTES], at[SY__STAMP_BYTES];
    size_t len;
    const char *value = sy__secret_value(s, &len);
    sy__stamp(now_ms, at);
    int n = snprintf(head, sizeof head, MAGIC "%s %s\n", place_names[place], at);
    return write_all(fd, head, (size_t)n) && (place != SY__IN_FILE || write_all(fd, value, len)) && fsync(fd) == 0;
}

static int
replace(int at, const sy__secret *s, sy__secret_place place, int64_t now_ms, sy__error *err)
{
    const char *name = sy__secret_name(s);
    char temporary[SY__SECRET_NAME_BYTES + 16];
    (void)snprintf(temporary, sizeof temporary, "~%s", name); /* no name of a secret begins so */
    (void)unlinkat(at, temporary, 0);
    int fd = openat(at, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write_file(fd, s, place, now_ms);
    int why = errno;
    if (fd >= 0 && close(fd) < 0 && ok) ok = false, why = errno;
    if (ok && (renameat(at, temporary, at, name) < 0 || fsync(at) < 0)) ok = false, why = errno;
    if (ok) return SY_OK;
    (void)unlinkat(at, temporary, 0);
    return sy__error_errno(err, why, "cannot keep the secret %s", name);
}

int
sy__secret_put(const char *dir, const sy__secret *s, sy__secret_place place, int64_t now_ms, sy__error *err)
{
    sy__secret_info before;
    const char *name = sy__secret_name(s);
    int at = make_dir(dir, err);
    if (at < 0) return at;
    bool was = sy__secret_info_get(dir, name, &before, NULL) == SY_OK;
    int e = place == SY__IN_KEYRING ? sy__keyring_put(dir, s, err) : SY_OK;
    if (!e) e = replace(at, s, place, now_ms, err);
    (void)close(at);
    if (!e && was && before.place == SY__IN_KEYRING && place == SY__IN_FILE) (void)sy__keyring_remove(dir, name, NULL);
    return e;
}

int
sy__secret_remove(const char *dir, const char *name, sy__error *err)
{
    sy__secret_info info = {.place = SY__IN_FILE};
    int e = sy__secret_info_get(dir, name, &info, err);
    if (e && e != SY_EFILE && e != SY_EPERM) return e;
    int at = open_dir(dir, err);
    if (at < 0) return at;
    e = info.place == SY__IN_KEYRING ? sy__keyring_remove(dir, name, err) : SY_OK;
    if ((!e || e == SY_ENOTFOUND) && (unlinkat(at, name, 0) < 0 || fsync(at) < 0))
        e = sy__error_errno(err, errno, "cannot remove the secret %s", name);
    else if (e == SY_ENOTFOUND)
        e = SY_OK; /* it was removed from the keyring with another tool */
    (void)close(at);
    return e;
}
