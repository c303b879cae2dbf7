/*
 * artifact_tool.c: hashing, packing and looking up. Contexts cost more to make than one small content costs
 * to store, so an operation borrows a set of them and gives it back.
 */
#include "pit/artifact/artifact_impl.h"

#include <string.h>

enum { PREFIX = 7 /* "sha256:" */, DIGEST = 32, WORTH_PACKING = 64, PROBE_BYTES = 64 << 10 };

static const char FIND[] = "SELECT size, stored_size, encoding, state, last_used_at, content FROM blob WHERE hash = ?1";

static void
tool_free(sy__artifacts *s, sy__tool *t)
{
    EVP_MD_CTX_free(t->md);
    (void)ZSTD_freeCCtx(t->cctx);
    (void)ZSTD_freeDCtx(t->dctx);
    (void)sqlite3_finalize(t->find);
    if (t->conn) sy__db_reader_release(s->db, t->conn);
    sy__buf_close(&t->stored);
    sy__free(s->alloc, t);
}

int
sy__tool_take(sy__artifacts *s, sy__tool **out, sy__error *err)
{
    (void)pthread_mutex_lock(&s->lock);
    sy__tool *t = s->tools;
    if (t) {
        s->tools = t->next;
        s->tool_count--;
    }
    (void)pthread_mutex_unlock(&s->lock);
    *out = t;
    if (t) return SY_OK;
    t = sy__calloc(s->alloc, 1, sizeof *t);
    if (t) {
        sy__buf_init(&t->stored, s->alloc);
        t->md = EVP_MD_CTX_new();
        if (t->md) {
            *out = t;
            return SY_OK;
        }
        tool_free(s, t);
    }
    return sy__error_set(err, SY_ENOMEM, "no memory for an artifact");
}

void
sy__tool_give(sy__artifacts *s, sy__tool *t)
{
    if (!t) return;
    (void)pthread_mutex_lock(&s->lock);
    bool keep = s->tool_count < SY__TOOLS_KEPT;
    if (keep) {
        t->next = s->tools;
        s->tools = t;
        s->tool_count++;
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (!keep) tool_free(s, t);
}

void
sy__tools_close(sy__artifacts *s)
{
    while (s->tools) {
        sy__tool *t = s->tools;
        s->tools = t->next;
        tool_free(s, t);
    }
}

/* ---- hashes ---- */

static void
to_hex(const unsigned char digest[DIGEST], char out[SY__HASH_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    memcpy(out, "sha256:", PREFIX);
    for (int i = 0; i < DIGEST; i++) {
        out[PREFIX + 2 * i] = digits[digest[i] >> 4];
        out[PREFIX + 2 * i + 1] = digits[digest[i] & 15];
    }
    out[PREFIX + 2 * DIGEST] = '\0';
}

void
sy__tool_hash_begin(sy__artifacts *s, sy__tool *t)
{
    (void)EVP_DigestInit_ex2(t->md, s->sha256, NULL);
}

void
sy__tool_hash_end(sy__tool *t, char out[SY__HASH_BYTES])
{
    unsigned char digest[DIGEST] = {0};
    (void)EVP_DigestFinal_ex(t->md, digest, NULL);
    to_hex(digest, out);
}

void
sy__tool_hash(sy__artifacts *s, sy__tool *t, const void *bytes, size_t size, char out[SY__HASH_BYTES])
{
    sy__tool_hash_begin(s, t);
    (void)EVP_DigestUpdate(t->md, bytes, size);
    sy__tool_hash_end(t, out);
}

void
sy__hash_of(const void *bytes, size_t size, char out[SY__HASH_BYTES])
{
    unsigned char digest[DIGEST] = {0};
    (void)EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL);
    to_hex(digest, out);
}

bool
sy__hash_valid(const char *hash)
{
    return hash && strlen(hash) == SY__HASH_BYTES - 1 && memcmp(hash, "sha256:", PREFIX) == 0 &&
           strspn(hash + PREFIX, "0123456789abcdef") == (size_t)2 * DIGEST;
}

/* ---- packing ---- */

int
sy__tool_packers(sy__tool *t)
{
    if (!t->cctx) t->cctx = ZSTD_createCCtx();
    if (!t->dctx) t->dctx = ZSTD_createDCtx();
    return t->cctx && t->dctx ? SY_OK : SY_ENOMEM;
}

int
sy__tool_pack(sy__tool *t, const void *bytes, size_t size, int level, sy__encoding *how, const void **stored,
              size_t *stored_size)
{
    *how = SY__RAW;
    *stored = bytes;
    *stored_size = size;
    if (size < WORTH_PACKING) return SY_OK;
    size_t room = ZSTD_compressBound(size);
    sy__buf_reset(&t->stored);
    char *to = sy__buf_reserve(&t->stored, room);
    if (!to || sy__tool_packers(t)) return SY_ENOMEM;
    size_t packed = ZSTD_compressCCtx(t->cctx, to, room, bytes, size, level);
    if (ZSTD_isError(packed) || packed > size - size / 32) return SY_OK;
    *how = SY__ZSTD;
    *stored = to;
    *stored_size = packed;
    return SY_OK;
}

int
sy__tool_unpack(sy__tool *t, sy__encoding how, const void *stored, size_t stored_size, void *to, size_t size)
{
    if (how == SY__RAW) {
        if (stored_size != size) return SY_EDAMAGED;
        if (size > 0) memcpy(to, stored, size);
        return SY_OK;
    }
    if (sy__tool_packers(t)) return SY_ENOMEM;
    size_t got = ZSTD_decompressDCtx(t->dctx, to, size, stored, stored_size);
    return !ZSTD_isError(got) && got == size ? SY_OK : SY_EDAMAGED;
}

bool
sy__tool_gains(sy__tool *t, const void *head, size_t size)
{
    sy__encoding how;
    const void *stored;
    size_t stored_size;
    int rc =
        sy__tool_pack(t, head, size < PROBE_BYTES ? size : PROBE_BYTES, SY__BLOB_LEVEL, &how, &stored, &stored_size);
    return rc == SY_OK && how == SY__ZSTD;
}

/* ---- looking up ---- */

static int
prepare(sy__artifacts *s, sy__tool *t, sy__error *err)
{
    if (t->find) return SY_OK;
    if (!t->conn) t->conn = sy__db_reader(s->db, err);
    if (!t->conn) return err && err->code ? err->code : SY_EIO;
    if (sqlite3_prepare_v3(t->conn, FIND, -1, SQLITE_PREPARE_PERSISTENT, &t->find, NULL) == SQLITE_OK) return SY_OK;
    return sy__error_set(err, SY_EDAMAGED, "cannot look up artifacts: %s", sqlite3_errmsg(t->conn));
}

/* Small content as it is stored, into the scratch buffer. */
static int
copy_content(sy__tool *t, sy__error *err)
{
    int bytes = sqlite3_column_bytes(t->find, 5);
    const void *content = sqlite3_column_blob(t->find, 5);
    sy__buf_reset(&t->stored);
    if (bytes > 0 && content) sy__buf_add(&t->stored, content, (size_t)bytes);
    return t->stored.failed ? sy__error_set(err, SY_ENOMEM, "no memory to read an artifact") : SY_OK;
}

static void
read_row(sqlite3_stmt *find, sy__blob_row *row)
{
    const char *used = (const char *)sqlite3_column_text(find, 4);
    *row = (sy__blob_row){
        .size = sqlite3_column_int64(find, 0),
        .stored_size = sqlite3_column_int64(find, 1),
        .encoding = strcmp((const char *)sqlite3_column_text(find, 2), "zstd") == 0 ? SY__ZSTD : SY__RAW,
        .deleted = strcmp((const char *)sqlite3_column_text(find, 3), "deleted") == 0,
        .in_file = sqlite3_column_type(find, 5) == SQLITE_NULL,
    };
    size_t len = used ? strnlen(used, sizeof row->last_used - 1) : 0;
    if (len) memcpy(row->last_used, used, len);
}

int
sy__tool_find(sy__artifacts *s, sy__tool *t, const char *hash, bool content, sy__blob_row *row, sy__error *err)
{
    int rc = prepare(s, t, err);
    if (rc) return rc;
    (void)sqlite3_bind_text(t->find, 1, hash, -1, SQLITE_STATIC);
    int step = sqlite3_step(t->find);
    if (step == SQLITE_ROW) {
        read_row(t->find, row);
        rc = content && !row->in_file ? copy_content(t, err) : SY_OK;
    } else if (step == SQLITE_DONE) {
        rc = SY_ENOTFOUND;
    } else {
        bool damaged = step == SQLITE_CORRUPT || step == SQLITE_NOTADB;
        rc = sy__error_set(err, damaged ? SY_EDAMAGED : SY_EIO, "cannot look up artifact %s: %s", hash,
                           sqlite3_errmsg(t->conn));
    }
    (void)sqlite3_reset(t->find); /* ends the read transaction */
    return rc;
}
