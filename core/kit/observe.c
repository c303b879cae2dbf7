/*
 * observe.c: a digest of what is at a path now.
 *
 * The same functions serve recording and looking again, so that the two cannot differ. A large file's hash may be
 * remembered by device, inode, size and both times (cache_files.c says when that is trusted); content decides.
 */
#include "kit/beneath.h"
#include "kit/folder.h"
#include "kit/reads.h"

#include "io/which.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STEP_BYTES = 64 << 10 };

/* Its change says that some package was installed, upgraded or removed: programs load more than their own file. */
static const char PACKAGES[] = "/var/lib/dpkg/status";

static void
put_hex(const unsigned char *bytes, char out[SY__DIGEST_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[64] = '\0';
}

void
sy__digest(const void *bytes, size_t len, char out[SY__DIGEST_BYTES])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    (void)EVP_Digest(bytes, len, sum, NULL, EVP_sha256(), NULL);
    put_hex(sum, out);
}

void
sy__digest_stat(const struct stat *st, char out[SY__DIGEST_BYTES])
{
    (void)snprintf(out, SY__DIGEST_BYTES, "%c %lld %o", sy__folder_kind(st->st_mode), (long long)st->st_size,
                   (unsigned)st->st_mode & 07777);
}

const char *
sy__digest_refused(int code)
{
    return code == SY_ENOTFOUND ? "absent" : code == SY_EPERM ? "denied" : NULL;
}

/* ---- folders ---- */

typedef struct filter {
    sy__buf *out;
    const char *rel, *pattern; /* pattern NULL: everything */
    size_t rel_len;
} filter;

/* Whether the pattern has the name among its parts. */
static bool
names(const char *pattern, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = pattern; *p; p += *p == '/') {
        size_t n = strcspn(p, "/");
        if (n == len && memcmp(p, name, n) == 0) return true;
        p += n;
    }
    return false;
}

static void
keep_wanted(void *ud, const char *record)
{
    filter *f = ud;
    const char *name = record + 1;
    char path[8192];
    if (f->pattern) {
        bool closed = strcmp(name, ".git") == 0 || strcmp(name, ".symphony") == 0;
        (void)snprintf(path, sizeof path, "%.*s%s%s", (int)f->rel_len, f->rel, f->rel_len ? "/" : "", name);
        bool wanted = *record == 'f' && sy__glob_match(f->pattern, path);
        bool through = *record == 'd' && sy__glob_reaches(f->pattern, path);
        if ((closed && !names(f->pattern, name)) || !(wanted || through)) return;
    }
    sy__buf_add(f->out, record, strlen(record) + 1);
}

int
sy__digest_records(const sy__buf *records, const sy__alloc *a, const char *detail, char out[SY__DIGEST_BYTES])
{
    sy__buf kept;
    const char *line = strchr(detail, '\n');
    sy__buf_init(&kept, a);
    filter f = {&kept, detail, line ? line + 1 : NULL, line ? (size_t)(line - detail) : 0};
    int status = sy__folder_sorted(records, a, keep_wanted, &f);
    if (kept.failed) status = SY_ENOMEM;
    if (!status) sy__digest(kept.len ? kept.data : "", kept.len, out);
    sy__buf_close(&kept);
    return status;
}

static int
see_folder(sy__observer *o, int fd, const char *detail, char digest[SY__DIGEST_BYTES])
{
    sy__buf records;
    sy__buf_init(&records, o->alloc);
    int status = sy__folder_read(fd, &records, NULL);
    if (!status) status = sy__digest_records(&records, o->alloc, detail, digest);
    sy__buf_close(&records);
    return status;
}

/* ---- files ---- */

static int
hash_file(int fd, char digest[SY__DIGEST_BYTES])
{
    unsigned char bytes[STEP_BYTES], sum[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    for (ssize_t n = 1; ok && n > 0;) {
        n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            n = 1;
        else
            ok = n >= 0 && EVP_DigestUpdate(md, bytes, (size_t)n) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(md, sum, NULL) == 1;
    EVP_MD_CTX_free(md);
    if (ok) put_hex(sum, digest);
    return ok ? SY_OK : SY_EIO;
}

static int
see_file(const sy__hash_memo *memo, int fd, char digest[SY__DIGEST_BYTES])
{
    struct stat st;
    if (fstat(fd, &st) != 0) return SY_EIO;
    if (!S_ISREG(st.st_mode)) {
        (void)snprintf(digest, SY__DIGEST_BYTES, "no file");
        return SY_OK;
    }
    if (st.st_size > SY__MAX_HASHED_BYTES) return SY_EIO;
    bool large = memo && st.st_size >= SY__HASH_MEMO_BYTES;
    if (large && memo->get(memo->ud, &st, digest)) return SY_OK;
    int status = hash_file(fd, digest);
    if (!status && large) memo->put(memo->ud, &st, digest);
    return status;
}

/* ---- programs ---- */

static int
add_plain_file(const sy__hash_memo *memo, const char *path, sy__buf *to)
{
    char digest[SY__DIGEST_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return SY_EIO;
    int status = see_file(memo, fd, digest);
    (void)close(fd);
    sy__buf_addf(to, "%s %s\n", path, digest);
    return status;
}

/* Where the program lies, its bytes, and for one of the system's what packages there are. */
static int
see_program(sy__observer *o, const char *name, char digest[SY__DIGEST_BYTES])
{
    char path[SY__PATH_BYTES];
    sy__buf text;
    if (strchr(name, '/') && *name != '/') return SY_EINVAL; /* depends on the folder it starts in */
    if (sy__which(name, NULL, path)) {
        (void)snprintf(digest, SY__DIGEST_BYTES, "absent");
        return SY_OK;
    }
    sy__buf_init(&text, o->alloc);
    int status = add_plain_file(o->memo, path, &text);
    bool system = strncmp(path, "/usr/", 5) == 0 || strncmp(path, "/bin/", 5) == 0;
    if (!status && system && access(PACKAGES, R_OK) == 0) status = add_plain_file(o->memo, PACKAGES, &text);
    if (text.failed) status = SY_ENOMEM;
    if (!status) sy__digest(text.data, text.len, digest);
    sy__buf_close(&text);
    return status;
}

/* ---- observers ---- */

void
sy__observer_init(sy__observer *o, const sy__alloc *a, const sy__caps *caps, const sy__hash_memo *memo)
{
    *o = (sy__observer){.alloc = a, .caps = caps, .memo = memo};
    sy__map_init(&o->seen, a);
}

void
sy__observer_close(sy__observer *o)
{
    size_t at = 0, len;
    const char *key;
    void *value;
    while (sy__map_next(&o->seen, &at, &key, &len, &value)) sy__free(o->alloc, value);
    sy__map_close(&o->seen);
}

static int
see(sy__observer *o, sy__read_kind kind, const char *path, const char *detail, char digest[SY__DIGEST_BYTES])
{
    struct stat st;
    sy__error err = {0};
    if (kind == SY__READ_PROGRAM) return see_program(o, path, digest);
    bool folder = kind == SY__READ_LIST || kind == SY__READ_GLOB;
    int flags = folder ? O_RDONLY | O_DIRECTORY : kind == SY__READ_FILE ? O_RDONLY : O_PATH;
    int fd = sy__caps_open(o->caps, SY__READ, path, flags, 0, &err);
    if (fd < 0) {
        const char *word = sy__digest_refused(err.code);
        if (!word) return err.code;
        (void)snprintf(digest, SY__DIGEST_BYTES, "%s", word);
        return SY_OK;
    }
    if (folder) return see_folder(o, fd, detail, digest);
    int status = kind == SY__READ_FILE ? see_file(o->memo, fd, digest) : fstat(fd, &st) == 0 ? SY_OK : SY_EIO;
    (void)close(fd);
    if (!status && kind == SY__READ_STAT) sy__digest_stat(&st, digest);
    if (!status && kind == SY__READ_EXISTS) (void)snprintf(digest, SY__DIGEST_BYTES, "there");
    return status;
}

int
sy__observe(sy__observer *o, sy__read_kind kind, const char *path, const char *detail, char digest[SY__DIGEST_BYTES])
{
    sy__buf key;
    sy__buf_init(&key, o->alloc);
    sy__buf_addf(&key, "%c%s\n%s", (char)kind, path, detail);
    const char *known = key.failed ? NULL : sy__map_get(&o->seen, key.data, key.len);
    int status = SY_OK;
    if (known) {
        memcpy(digest, known, SY__DIGEST_BYTES);
    } else {
        status = see(o, kind, path, detail, digest);
        char *copy = status || key.failed ? NULL : sy__malloc(o->alloc, SY__DIGEST_BYTES);
        if (copy) memcpy(copy, digest, SY__DIGEST_BYTES);
        if (copy && sy__map_put(&o->seen, key.data, key.len, copy)) sy__free(o->alloc, copy);
    }
    sy__buf_close(&key);
    return status;
}
