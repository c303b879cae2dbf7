/*
 * artifact_stream.c: contents of any size in bounded memory.
 *
 * A writer keeps the first bytes until there are too many for the database; then it looks whether packing
 * them gains anything, and everything goes on to a temporary file. A reader hashes what it hands out, and
 * its last read compares. The disk is told to start writing every few megabytes, so that neither dirty pages
 * nor the flush grow with the content.
 */
#include "pit/artifact/artifact_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KICK_BYTES = 8 << 20,
    FLUSH_FILES = 64, /* so many open temporary files, or so many bytes, flush by themselves */
    FLUSH_BYTES = 256 << 20,
    LOOKS = 3, /* a file may get its name, or be packed again, between look-up and opening */
};

struct sy__artifact_writer {
    sy__artifacts *store;
    sy__tool *tool;
    sy__durability level;
    char hash[SY__HASH_BYTES]; /* "" until known */
    sy__buf head;              /* what came first, until it is too much */
    char *packed;              /* scratch for packing */
    int fd;                    /* -1: everything is in `head` */
    unsigned temp;
    sy__encoding encoding;
    int64_t size, stored_size, kicked;
    int failed; /* the first failure; later writes return it */
};

/* ---- writing ---- */

static int
writer_new(sy__artifact_writer **out, sy__artifacts *s, sy__tool *t, sy__durability level, sy__error *err)
{
    sy__artifact_writer *w = sy__calloc(s->alloc, 1, sizeof *w);
    *out = w;
    if (!w) {
        sy__tool_give(s, t);
        (void)sy__error_set(err, SY_ENOMEM, "no memory to store an artifact");
        return SY_ENOMEM;
    }
    w->store = s;
    w->tool = t;
    w->level = level;
    w->fd = -1;
    sy__buf_init(&w->head, s->alloc);
    sy__tool_hash_begin(s, t);
    return SY_OK;
}

int
sy__artifact_writer_open(sy__artifact_writer **out, sy__artifacts *s, sy__durability level, sy__error *err)
{
    sy__tool *t;
    *out = NULL;
    int rc = sy__tool_take(s, &t, err);
    return rc ? rc : writer_new(out, s, t, level, err);
}

int
sy__artifact_writer_known(sy__artifact_writer **out, sy__artifacts *s, sy__tool *t, sy__durability level,
                          const char *hash, sy__error *err)
{
    int rc = writer_new(out, s, t, level, err);
    if (rc == SY_OK) memcpy((*out)->hash, hash, SY__HASH_BYTES);
    return rc;
}

/* Bytes as they are stored. */
static int
write_stored(sy__artifact_writer *w, const void *bytes, size_t size, sy__error *err)
{
    int rc = sy__write_all(w->fd, bytes, size, err);
    if (rc) return rc;
    w->stored_size += (int64_t)size;
    if (w->stored_size - w->kicked < KICK_BYTES) return SY_OK;
    (void)sync_file_range(w->fd, w->kicked, w->stored_size - w->kicked, SYNC_FILE_RANGE_WRITE);
    w->kicked = w->stored_size;
    return SY_OK;
}

static int
pack(sy__artifact_writer *w, const void *bytes, size_t size, ZSTD_EndDirective end, sy__error *err)
{
    ZSTD_inBuffer in = {bytes, size, 0};
    size_t left;
    do {
        ZSTD_outBuffer to = {w->packed, SY__BLOB_CHUNK_BYTES, 0};
        left = ZSTD_compressStream2(w->tool->cctx, &to, &in, end);
        if (ZSTD_isError(left)) return sy__error_set(err, SY_EINTERNAL, "zstd: %s", ZSTD_getErrorName(left));
        int rc = to.pos ? write_stored(w, w->packed, to.pos, err) : SY_OK;
        if (rc) return rc;
    } while (end == ZSTD_e_end ? left > 0 : in.pos < in.size);
    return SY_OK;
}

static int
write_plain(sy__artifact_writer *w, const void *bytes, size_t size, sy__error *err)
{
    if (w->encoding == SY__ZSTD) return pack(w, bytes, size, ZSTD_e_continue, err);
    return write_stored(w, bytes, size, err);
}

static int
begin_packing(sy__artifact_writer *w, sy__error *err)
{
    w->packed = sy__malloc(w->store->alloc, SY__BLOB_CHUNK_BYTES);
    if (!w->packed || sy__tool_packers(w->tool)) return sy__error_set(err, SY_ENOMEM, "no memory to pack an artifact");
    (void)ZSTD_CCtx_reset(w->tool->cctx, ZSTD_reset_session_and_parameters);
    (void)ZSTD_CCtx_setParameter(w->tool->cctx, ZSTD_c_compressionLevel, SY__BLOB_LEVEL);
    (void)ZSTD_CCtx_setParameter(w->tool->cctx, ZSTD_c_checksumFlag, 0); /* the hash is one */
    return SY_OK;
}

/* The content is too large for the database: `head` and what follows it go to a file. */
static int
spill(sy__artifact_writer *w, const void *bytes, size_t size, sy__error *err)
{
    bool from_head = w->head.len > 0;
    int rc = sy__temp_open(w->store, &w->temp, &w->fd, err);
    if (rc) return rc;
    if (sy__tool_gains(w->tool, from_head ? w->head.data : bytes, from_head ? w->head.len : size)) {
        w->encoding = SY__ZSTD;
        rc = begin_packing(w, err);
    }
    if (rc == SY_OK && from_head) rc = write_plain(w, w->head.data, w->head.len, err);
    sy__buf_close(&w->head);
    return rc ? rc : write_plain(w, bytes, size, err);
}

/* Hashing and writing take turns a chunk at a time, while the chunk is in the processor's cache. */
static int
write_chunk(sy__artifact_writer *w, const void *bytes, size_t size, sy__error *err)
{
    if (!w->hash[0]) (void)EVP_DigestUpdate(w->tool->md, bytes, size);
    w->size += (int64_t)size;
    if (w->fd >= 0) return write_plain(w, bytes, size, err);
    if (w->size > SY__BLOB_SMALL_BYTES) return spill(w, bytes, size, err);
    sy__buf_add(&w->head, bytes, size);
    return w->head.failed ? sy__error_set(err, SY_ENOMEM, "no memory to store an artifact") : SY_OK;
}

int
sy__artifact_write(sy__artifact_writer *w, const void *bytes, size_t size, sy__error *err)
{
    if (w->failed) return sy__error_set(err, w->failed, "an earlier write of this artifact failed");
    for (const char *at = bytes; size > 0;) {
        size_t chunk = size < SY__BLOB_CHUNK_BYTES ? size : SY__BLOB_CHUNK_BYTES;
        w->failed = write_chunk(w, at, chunk, err);
        if (w->failed) return w->failed;
        at += chunk;
        size -= chunk;
    }
    return SY_OK;
}

/* Hands the finished file over to the next flush. */
static int
hand_over(sy__artifact_writer *w, sy__stored *out, sy__error *err)
{
    sy__artifacts *s = w->store;
    sy__pending *p = sy__pending_new(s, w->hash, (size_t)w->stored_size, NULL);
    if (!p) return sy__error_set(err, SY_ENOMEM, "no memory to store an artifact");
    (void)sync_file_range(w->fd, w->kicked, 0, SYNC_FILE_RANGE_WRITE);
    p->size = w->size;
    p->encoding = w->encoding;
    p->level = w->level;
    p->fd = w->fd;
    p->temp = w->temp;
    w->fd = -1;
    out->size = w->size;
    out->stored_size = w->stored_size;
    int rc = sy__pending_file(s, p, &out->dedup);
    if (rc) return sy__error_set(err, rc, "no memory to store an artifact");
    (void)pthread_mutex_lock(&s->lock);
    bool many = s->files.count >= FLUSH_FILES || s->files.bytes >= FLUSH_BYTES;
    (void)pthread_mutex_unlock(&s->lock);
    return many ? sy__artifacts_flush(s, err) : SY_OK;
}

static int
finish(sy__artifact_writer *w, sy__stored *out, sy__error *err)
{
    bool known = w->hash[0] != '\0'; /* then it was looked up before it was written */
    *out = (sy__stored){0};
    if (!known) sy__tool_hash_end(w->tool, w->hash);
    memcpy(out->hash, w->hash, sizeof out->hash);
    if (w->fd < 0)
        return sy__artifact_put_small(w->store, w->tool, w->level, w->head.len ? w->head.data : "", w->head.len, out,
                                      err);
    int rc = w->encoding == SY__ZSTD ? pack(w, NULL, 0, ZSTD_e_end, err) : SY_OK;
    if (rc == SY_OK && !known) {
        rc = sy__artifact_known(w->store, w->tool, w->hash, w->level, out, err);
        if (rc != SY_ENOTFOUND) return rc; /* the file is thrown away */
        rc = SY_OK;
    }
    return rc ? rc : hand_over(w, out, err);
}

int
sy__artifact_writer_close(sy__artifact_writer *w, sy__stored *out, sy__error *err)
{
    int rc = w->failed ? sy__error_set(err, w->failed, "an earlier write of this artifact failed") : SY_OK;
    if (rc == SY_OK && out) rc = finish(w, out, err);
    if (w->fd >= 0) {
        (void)close(w->fd);
        sy__temp_remove(w->store, w->temp);
    }
    sy__buf_close(&w->head);
    sy__free(w->store->alloc, w->packed);
    sy__tool_give(w->store, w->tool);
    sy__free(w->store->alloc, w);
    return rc;
}

/* ---- reading ---- */

struct sy__artifact_reader {
    sy__artifacts *store;
    sy__tool *tool;
    char hash[SY__HASH_BYTES];
    sy__blob_row row;
    sy__buf plain;    /* small content, verified when it was opened */
    int64_t done;     /* bytes handed out */
    int fd;           /* -1: small */
    char *packed;     /* scratch: what was read and is not unpacked yet */
    ZSTD_inBuffer in; /* over `packed` */
    size_t frame;     /* 0: the packed frame is complete */
    int ended;        /* 1: verified; negative: failed */
};

static int
open_packed(sy__artifact_reader *r, sy__error *err)
{
    if (r->row.encoding != SY__ZSTD) return SY_OK;
    r->packed = sy__malloc(r->store->alloc, SY__BLOB_CHUNK_BYTES);
    if (!r->packed || sy__tool_packers(r->tool)) return sy__error_set(err, SY_ENOMEM, "no memory to read an artifact");
    (void)ZSTD_DCtx_reset(r->tool->dctx, ZSTD_reset_session_only);
    r->in = (ZSTD_inBuffer){r->packed, 0, 0};
    r->frame = 1;
    return SY_OK;
}

static int
check_length(sy__artifact_reader *r, sy__error *err)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0) return sy__error_errno(err, errno, "cannot read artifact %s", r->hash);
    if (r->row.encoding == SY__ZSTD || st.st_size == r->row.size) return SY_OK;
    return sy__artifact_damaged(r->store, r->hash, &r->row, "has another length", err);
}

/* Looks up and opens; what moved in between is looked up again. */
static int
open_content(sy__artifact_reader *r, sy__error *err)
{
    for (int look = 0; look < LOOKS; look++) {
        int rc = sy__artifact_locate(r->store, r->tool, r->hash, false, &r->row, err);
        if (rc) return rc;
        if (!r->row.in_file) return sy__artifact_get(r->store, r->hash, &r->plain, err);
        rc = sy__blob_open(r->store, r->hash, &r->row, &r->fd, err);
        if (rc == SY_EAGAIN) continue;
        if (rc == SY_OK) rc = check_length(r, err);
        return rc ? rc : open_packed(r, err);
    }
    return sy__artifact_damaged(r->store, r->hash, &r->row, "is missing", err);
}

int
sy__artifact_reader_open(sy__artifact_reader **out, sy__artifacts *s, const char *hash, int64_t *size, sy__error *err)
{
    sy__artifact_reader *r = sy__calloc(s->alloc, 1, sizeof *r);
    *out = NULL;
    if (!r) return sy__error_set(err, SY_ENOMEM, "no memory to read an artifact");
    r->store = s;
    r->fd = -1;
    sy__buf_init(&r->plain, s->alloc);
    (void)strncpy(r->hash, hash ? hash : "", sizeof r->hash - 1);
    bool whole = hash && strlen(hash) < sizeof r->hash;
    int rc = sy__tool_take(s, &r->tool, err);
    if (rc == SY_OK) rc = whole ? open_content(r, err) : sy__error_set(err, SY_ENOTFOUND, "there is no such artifact");
    if (rc) {
        sy__artifact_reader_close(r);
        return rc;
    }
    sy__tool_hash_begin(s, r->tool);
    *size = r->row.size;
    *out = r;
    return SY_OK;
}

static int64_t
read_file(sy__artifact_reader *r, void *to, size_t room, sy__error *err)
{
    for (;;) {
        ssize_t n = read(r->fd, to, room);
        if (n >= 0) return n;
        if (errno != EINTR) return sy__error_errno(err, errno, "cannot read artifact %s", r->hash);
    }
}

/* Some unpacked bytes; 0 at the end of a complete frame. */
static int64_t
read_packed(sy__artifact_reader *r, void *to, size_t room, sy__error *err)
{
    ZSTD_outBuffer out = {to, room, 0};
    while (out.pos == 0 && r->frame != 0) {
        if (r->in.pos == r->in.size) {
            int64_t n = read_file(r, r->packed, SY__BLOB_CHUNK_BYTES, err);
            if (n < 0) return n;
            if (n == 0) return sy__artifact_damaged(r->store, r->hash, &r->row, "is cut off", err);
            r->in = (ZSTD_inBuffer){r->packed, (size_t)n, 0};
        }
        r->frame = ZSTD_decompressStream(r->tool->dctx, &out, &r->in);
        if (ZSTD_isError(r->frame)) return sy__artifact_damaged(r->store, r->hash, &r->row, "cannot be unpacked", err);
    }
    return (int64_t)out.pos;
}

static int
verify_end(sy__artifact_reader *r, sy__error *err)
{
    char got[SY__HASH_BYTES];
    sy__tool_hash_end(r->tool, got);
    if (strcmp(got, r->hash) == 0 && r->done == r->row.size) return 1;
    return sy__artifact_damaged(r->store, r->hash, &r->row, "is not what its hash says", err);
}

static int64_t
read_small(sy__artifact_reader *r, void *to, size_t room)
{
    size_t left = r->plain.len - (size_t)r->done, n = left < room ? left : room;
    if (n) memcpy(to, r->plain.data + r->done, n);
    r->done += (int64_t)n;
    return (int64_t)n;
}

static int64_t
read_chunk(sy__artifact_reader *r, void *to, size_t room, sy__error *err)
{
    int64_t n = r->row.encoding == SY__ZSTD ? read_packed(r, to, room, err) : read_file(r, to, room, err);
    if (n > 0) {
        (void)EVP_DigestUpdate(r->tool->md, to, (size_t)n);
        r->done += n;
        if (r->done > r->row.size) n = sy__artifact_damaged(r->store, r->hash, &r->row, "is too long", err);
    }
    if (n < 0) r->ended = (int)n;
    if (n == 0) r->ended = verify_end(r, err);
    return r->ended < 0 ? r->ended : n;
}

int64_t
sy__artifact_read(sy__artifact_reader *r, void *to, size_t room, sy__error *err)
{
    if (r->fd < 0) return read_small(r, to, room);
    if (r->ended < 0) return sy__error_set(err, r->ended, "an earlier read of artifact %s failed", r->hash);
    if (r->ended > 0 || room == 0) return 0;
    int64_t total = 0;
    while ((size_t)total < room) {
        size_t left = room - (size_t)total;
        int64_t n = read_chunk(r, (char *)to + total, left < SY__BLOB_CHUNK_BYTES ? left : SY__BLOB_CHUNK_BYTES, err);
        if (n < 0) return n;
        if (n == 0) break;
        total += n;
    }
    return total;
}

void
sy__artifact_reader_close(sy__artifact_reader *r)
{
    if (!r) return;
    if (r->fd >= 0) (void)close(r->fd);
    sy__tool_give(r->store, r->tool);
    sy__buf_close(&r->plain);
    sy__free(r->store->alloc, r->packed);
    sy__free(r->store->alloc, r);
}
