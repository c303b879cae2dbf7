/*
 * pack.c: tar under zstd, written so that equal content gives equal bytes, read as something hostile.
 *
 * The writer fixes everything that could vary: times and owners are 0, the level and the number of threads are given.
 * The reader looks at every header before anything of the entry is unpacked, and counts what comes out rather than
 * believing what the header says.
 */
#include "io/pack.h"

#include "base/map.h"
#include "io/tar.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 128 << 10 };

/* ---- names ---- */

static bool
is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
}

bool
sy__pack_name(const char *name)
{
    bool first = true; /* of its part */
    if (!name || !*name || strlen(name) >= SY__PACK_NAME_BYTES) return false;
    for (const char *p = name; *p; p++) {
        if (*p == '/' ? first : !is_plain(*p) || (first && *p == '.')) return false;
        first = *p == '/';
    }
    return !first;
}

/* ---- writing ---- */

struct sy__pack_writer {
    const sy__alloc *alloc;
    sy__tar tar;
    struct archive *archive;
    struct archive_entry *entry;
    int64_t left; /* bytes of the entry that are still to come */
    int failed;   /* the first failure */
};

static int
write_failed(sy__pack_writer *w, sy__error *err)
{
    bool full = errno == ENOSPC; /* nothing comes between write() and here */
    const char *why = w->tar.error_string(w->archive);
    w->failed = sy__error_set(err, full ? SY_EDISKFULL : SY_EIO, "the file cannot be written: %s",
                              why ? why : "for an unknown reason");
    return w->failed;
}

int
sy__pack_writer_open(sy__pack_writer **out, const sy__alloc *a, int fd, sy__error *err)
{
    sy__pack_writer *w = *out = sy__calloc(a, 1, sizeof *w);
    if (!w) return sy__error_set(err, SY_ENOMEM, "no memory to write a file");
    w->alloc = a;
    int status = sy__tar_load(&w->tar, err);
    if (status) {
        *out = NULL;
        sy__free(a, w);
        return status;
    }
    w->archive = w->tar.write_new();
    w->entry = w->tar.entry_new();
    bool fine = w->archive && w->entry && w->tar.write_set_format_pax_restricted(w->archive) == ARCHIVE_OK &&
                w->tar.write_add_filter_zstd(w->archive) == ARCHIVE_OK &&
                w->tar.write_set_filter_option(w->archive, "zstd", "compression-level", "3") == ARCHIVE_OK &&
                w->tar.write_set_bytes_per_block(w->archive, 0) == ARCHIVE_OK && /* no blocks, no padding */
                w->tar.write_open_fd(w->archive, fd) == ARCHIVE_OK;
    if (fine) return SY_OK;
    *out = NULL;
    (void)sy__error_set(err, SY_ENOMEM, "the file cannot be begun");
    (void)sy__pack_writer_close(w, NULL);
    return SY_ENOMEM;
}

int
sy__pack_begin(sy__pack_writer *w, const char *name, int64_t size, sy__error *err)
{
    if (w->failed) return w->failed;
    if (w->left || size < 0 || !sy__pack_name(name))
        return sy__error_set(err, SY_EUSAGE, "`%s` cannot be an entry of a packed file", name);
    (void)w->tar.entry_clear(w->entry);
    w->tar.entry_set_pathname(w->entry, name);
    w->tar.entry_set_filetype(w->entry, AE_IFREG);
    w->tar.entry_set_perm(w->entry, 0644);
    w->tar.entry_set_size(w->entry, size);
    w->tar.entry_set_mtime(w->entry, 0, 0);
    if (w->tar.write_header(w->archive, w->entry) != ARCHIVE_OK) return write_failed(w, err);
    w->left = size;
    return SY_OK;
}

int
sy__pack_write(sy__pack_writer *w, const void *bytes, size_t len, sy__error *err)
{
    if (w->failed) return w->failed;
    if ((int64_t)len > w->left) return sy__error_set(err, SY_EUSAGE, "an entry is larger than was said");
    const char *p = bytes;
    for (size_t done = 0; done < len;) {
        la_ssize_t n = w->tar.write_data(w->archive, p + done, len - done);
        if (n <= 0) return write_failed(w, err);
        done += (size_t)n;
    }
    w->left -= (int64_t)len;
    return SY_OK;
}

int
sy__pack_writer_close(sy__pack_writer *w, sy__error *err)
{
    if (!w) return SY_OK;
    int status = w->failed;
    if (!status && w->left) status = sy__error_set(err, SY_EUSAGE, "an entry is smaller than was said");
    if (!status && w->archive && w->tar.write_close(w->archive) != ARCHIVE_OK) status = write_failed(w, err);
    if (w->entry) w->tar.entry_free(w->entry);
    if (w->archive) (void)w->tar.write_free(w->archive);
    sy__free(w->alloc, w);
    return status;
}

/* ---- reading ---- */

struct sy__pack_reader {
    const sy__alloc *alloc;
    sy__tar tar;
    struct archive *archive;
    sy__pack_limits limits;
    sy__map seen;   /* names */
    int64_t packed; /* bytes of the file */
    int64_t total;  /* unpacked so far */
    int64_t entries;
    int64_t left; /* of the entry, as its header says */
    char name[SY__PACK_NAME_BYTES];
    bool failed;
};

static int
damaged(sy__pack_reader *r, sy__error *err, const char *what)
{
    const char *why = what ? what : r->tar.error_string(r->archive);
    r->failed = true;
    return sy__error_set(err, SY_EFILE, "the file is damaged: %s", why ? why : "it cannot be unpacked");
}

static int
open_file(sy__pack_reader *r, const char *path, sy__error *err)
{
    struct stat st;
    if (stat(path, &st)) {
        if (errno == ENOENT || errno == ENOTDIR) return sy__error_set(err, SY_ENOTFOUND, "there is no file %s", path);
        return sy__error_errno(err, errno, "cannot read %s", path);
    }
    if (!S_ISREG(st.st_mode)) return sy__error_set(err, SY_EFILE, "%s is no file", path);
    r->packed = st.st_size;
    r->archive = r->tar.read_new();
    if (!r->archive || r->tar.read_support_filter_zstd(r->archive) != ARCHIVE_OK ||
        r->tar.read_support_format_tar(r->archive) != ARCHIVE_OK)
        return sy__error_set(err, SY_ENOMEM, "no memory to read a file");
    if (r->tar.read_open_filename(r->archive, path, BLOCK_BYTES) != ARCHIVE_OK) return damaged(r, err, NULL);
    return SY_OK;
}

int
sy__pack_reader_open(sy__pack_reader **out, const sy__alloc *a, const char *path, const sy__pack_limits *limits,
                     sy__error *err)
{
    sy__pack_reader *r = *out = sy__calloc(a, 1, sizeof *r);
    if (!r) return sy__error_set(err, SY_ENOMEM, "no memory to read a file");
    r->alloc = a;
    r->limits = *limits;
    sy__map_init(&r->seen, a);
    int status = sy__tar_load(&r->tar, err);
    if (!status) status = open_file(r, path, err);
    if (status) {
        *out = NULL;
        sy__pack_reader_close(r);
    }
    return status;
}

/* What a header must not say; NULL: it is fine. */
static const char *
refusal(sy__pack_reader *r, struct archive_entry *e)
{
    const char *name = r->tar.entry_pathname(e);
    if (++r->entries > r->limits.entries) return "it has too many entries";
    if (r->tar.entry_filetype(e) != AE_IFREG || r->tar.entry_hardlink(e) || r->tar.entry_symlink(e))
        return "it has an entry that is no file";
    if (r->tar.entry_sparse_count(e) > 0) return "it has a file with holes";
    if (!sy__pack_name(name)) return "it has an entry with a name that is not allowed";
    if (sy__map_get(&r->seen, name, strlen(name))) return "it has an entry twice";
    if (!r->tar.entry_size_is_set(e) || r->tar.entry_size(e) < 0) return "it has an entry without a size";
    if (r->tar.entry_size(e) > r->limits.entry_bytes) return "it has an entry that is too large";
    return NULL;
}

int
sy__pack_next(sy__pack_reader *r, const char **name, int64_t *size, sy__error *err)
{
    static const char present = 1;
    struct archive_entry *e = NULL;
    if (r->failed) return damaged(r, err, "it was given up");
    if (r->left) return damaged(r, err, "an entry was not read to its end");
    int rc = r->tar.read_next_header(r->archive, &e);
    if (rc == ARCHIVE_EOF) return 0;
    if (rc != ARCHIVE_OK) return damaged(r, err, r->entries ? NULL : "it is no tar archive packed with zstd");
    const char *why = refusal(r, e);
    if (why) return damaged(r, err, why);
    (void)strncpy(r->name, r->tar.entry_pathname(e), sizeof r->name - 1);
    if (sy__map_put(&r->seen, r->name, strlen(r->name), (void *)(uintptr_t)&present))
        return sy__error_set(err, SY_ENOMEM, "no memory to read a file");
    *name = r->name;
    *size = r->left = r->tar.entry_size(e);
    return 1;
}

/* Whether what was unpacked so far is more than an honest file of this size holds. */
static const char *
too_much(const sy__pack_reader *r)
{
    if (r->total > r->limits.total_bytes) return "it unpacks to too much";
    if (r->total > r->limits.free_bytes && r->total / r->limits.ratio > r->packed)
        return "it unpacks to far more than its size";
    return NULL;
}

int64_t
sy__pack_read(sy__pack_reader *r, void *to, size_t room, sy__error *err)
{
    if (r->failed) return damaged(r, err, "it was given up");
    if (r->left == 0) return 0;
    la_ssize_t n = r->tar.read_data(r->archive, to, room);
    if (n <= 0) return damaged(r, err, n ? NULL : "an entry ends too early");
    r->left -= n;
    r->total += n;
    const char *why = r->left < 0 ? "an entry is longer than it says" : too_much(r);
    return why ? damaged(r, err, why) : n;
}

void
sy__pack_reader_close(sy__pack_reader *r)
{
    if (!r) return;
    if (r->archive) (void)r->tar.read_free(r->archive);
    sy__map_close(&r->seen);
    sy__free(r->alloc, r);
}
