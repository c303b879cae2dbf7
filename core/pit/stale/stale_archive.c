/*
 * stale_archive.c: packing harder what has not been used for long.
 *
 * Everything is read back verified before it is packed again; damaged content is left as it is. Small content
 * is replaced in its row. A file gets its new form under a temporary name, synced and renamed, before the row
 * says so; the old form goes with the sweep. A row that was used or changed in between is left alone.
 */
#include "pit/stale/stale_impl.h"

#include <string.h>
#include <unistd.h>

enum { HARD_LEVEL = 12, CHUNK = SY__BLOB_CHUNK_BYTES };

static const char OLD[] = "SELECT hash, last_used_at, size, stored_size, encoding, content IS NULL FROM blob"
                          " WHERE state = 'hot' AND last_used_at < ?1 ORDER BY last_used_at, hash";

static const char ARCHIVE[] = "UPDATE blob SET state = 'archived', encoding = ?3, stored_size = ?4,"
                              " content = iif(?5 IS NULL, content, ?5)"
                              " WHERE hash = ?1 AND last_used_at = ?2 AND state = 'hot' AND encoding = ?6";

/* What becomes of one candidate. */
typedef struct change {
    sy__candidate *one;
    sy__encoding encoding;
    int64_t stored_size;
    const void *content; /* small content in its new form; NULL: the row's stays */
    bool changed;
} change;

static bool
is_cold(sy__collection *c, const sy__candidate *one)
{
    return !sy__stale_has(&c->referenced, one->hash);
}

static const char *
encoding_name(sy__encoding how)
{
    return how == SY__ZSTD ? "zstd" : "raw";
}

/* Writer thread, in a transaction. */
static int
write_row(sqlite3 *conn, void *ud, sy__error *err)
{
    change *ch = ud;
    sqlite3_stmt *q = NULL;
    int step = sqlite3_prepare_v2(conn, ARCHIVE, -1, &q, NULL);
    if (step == SQLITE_OK) {
        (void)sqlite3_bind_text(q, 1, ch->one->hash, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(q, 2, ch->one->last_used, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(q, 3, encoding_name(ch->encoding), -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(q, 4, ch->stored_size);
        if (ch->content) (void)sqlite3_bind_blob(q, 5, ch->content, (int)ch->stored_size, SQLITE_STATIC);
        (void)sqlite3_bind_text(q, 6, encoding_name(ch->one->encoding), -1, SQLITE_STATIC);
        step = sqlite3_step(q);
        ch->changed = sqlite3_changes(conn) > 0;
    }
    (void)sqlite3_finalize(q);
    return step == SQLITE_DONE ? SY_OK
                               : sy__error_set(err, SY_EIO, "cannot archive artifacts: %s", sqlite3_errmsg(conn));
}

static int
commit(sy__collection *c, change *ch, sy__error *err)
{
    int rc = sy__db_exclusive(c->store->db, write_row, ch, err);
    if (rc || !ch->changed) return rc;
    c->report->archived++;
    c->report->bytes_after += ch->stored_size - ch->one->stored_size;
    sy__stale_tell(c, "archive", ch->one->hash, ch->one->stored_size, ch->stored_size);
    return SY_OK;
}

static int
archive_small(sy__collection *c, sy__tool *t, sy__candidate *one, sy__error *err)
{
    sy__buf plain;
    change ch = {.one = one, .encoding = one->encoding, .stored_size = one->stored_size};
    sy__encoding how;
    const void *stored;
    size_t stored_size;
    sy__buf_init(&plain, c->store->alloc);
    int rc = sy__artifact_get(c->store, one->hash, &plain, err);
    if (rc == SY_OK) rc = sy__tool_pack(t, plain.data, plain.len, HARD_LEVEL, &how, &stored, &stored_size);
    if (rc == SY_OK && (int64_t)stored_size < one->stored_size) {
        ch.encoding = how;
        ch.stored_size = (int64_t)stored_size;
        ch.content = stored;
    }
    if (rc == SY_OK) rc = commit(c, &ch, err);
    sy__buf_close(&plain);
    return rc;
}

/* ---- files ---- */

typedef struct packing {
    sy__artifact_reader *from;
    sy__tool *tool;
    char *plain, *packed;
    int fd;
    int64_t stored_size;
} packing;

static int
pack_chunk(packing *p, size_t size, ZSTD_EndDirective end, sy__error *err)
{
    ZSTD_inBuffer in = {p->plain, size, 0};
    size_t left;
    do {
        ZSTD_outBuffer to = {p->packed, CHUNK, 0};
        left = ZSTD_compressStream2(p->tool->cctx, &to, &in, end);
        if (ZSTD_isError(left)) return sy__error_set(err, SY_EINTERNAL, "zstd: %s", ZSTD_getErrorName(left));
        int rc = to.pos ? sy__write_all(p->fd, p->packed, to.pos, err) : SY_OK;
        if (rc) return rc;
        p->stored_size += (int64_t)to.pos;
    } while (end == ZSTD_e_end ? left > 0 : in.pos < in.size);
    return SY_OK;
}

/* Reads to the verified end; *gains false when the first bytes do not pack. */
static int
pack_all(packing *p, bool *gains, sy__error *err)
{
    int64_t n = sy__artifact_read(p->from, p->plain, CHUNK, err);
    *gains = n > 0 && sy__tool_gains(p->tool, p->plain, (size_t)n);
    if (n < 0 || !*gains) return n < 0 ? (int)n : SY_OK;
    if (sy__tool_packers(p->tool)) return sy__error_set(err, SY_ENOMEM, "no memory to pack an artifact");
    (void)ZSTD_CCtx_reset(p->tool->cctx, ZSTD_reset_session_and_parameters);
    (void)ZSTD_CCtx_setParameter(p->tool->cctx, ZSTD_c_compressionLevel, HARD_LEVEL);
    int rc = SY_OK;
    for (; n > 0 && rc == SY_OK; n = rc == SY_OK ? sy__artifact_read(p->from, p->plain, CHUNK, err) : n)
        rc = pack_chunk(p, (size_t)n, ZSTD_e_continue, err);
    if (rc == SY_OK && n < 0) rc = (int)n;
    return rc ? rc : pack_chunk(p, 0, ZSTD_e_end, err);
}

static int
pack_file(sy__collection *c, sy__tool *t, sy__candidate *one, int fd, bool *gains, int64_t *stored_size, sy__error *err)
{
    int64_t size;
    packing p = {.tool = t, .fd = fd};
    int rc = sy__artifact_reader_open(&p.from, c->store, one->hash, &size, err);
    if (rc) return rc;
    p.plain = sy__malloc(c->store->alloc, CHUNK);
    p.packed = sy__malloc(c->store->alloc, CHUNK);
    rc =
        p.plain && p.packed ? pack_all(&p, gains, err) : sy__error_set(err, SY_ENOMEM, "no memory to pack an artifact");
    *stored_size = p.stored_size;
    sy__free(c->store->alloc, p.packed);
    sy__free(c->store->alloc, p.plain);
    sy__artifact_reader_close(p.from);
    return rc;
}

static int
archive_file(sy__collection *c, sy__tool *t, sy__candidate *one, sy__error *err)
{
    change ch = {.one = one, .encoding = one->encoding, .stored_size = one->stored_size};
    bool gains = false;
    unsigned temp;
    int fd;
    int64_t stored_size = 0;
    int rc = sy__temp_open(c->store, &temp, &fd, err);
    if (rc) return rc;
    rc = pack_file(c, t, one, fd, &gains, &stored_size, err);
    if (rc == SY_OK && gains && stored_size < one->stored_size) {
        ch.encoding = SY__ZSTD;
        ch.stored_size = stored_size;
        rc = sy__temp_name_durably(c->store, temp, fd, one->hash, SY__ZSTD, err);
    } else {
        sy__temp_remove(c->store, temp);
    }
    (void)close(fd);
    return rc ? rc : commit(c, &ch, err);
}

/* ---- all of them ---- */

/* Damaged content was told where it was found; the others go on. */
static int
archive_one(sy__collection *c, sy__candidate *one, sy__error *err)
{
    sy__tool *t;
    int rc = sy__tool_take(c->store, &t, err);
    if (rc) return rc;
    rc = one->in_file ? archive_file(c, t, one, err) : archive_small(c, t, one, err);
    sy__tool_give(c->store, t);
    if (rc != SY_EDAMAGED && rc != SY_ENOTFOUND) return rc;
    sy__error_clear(err);
    return SY_OK;
}

int
sy__stale_archive(sy__collection *c, sy__error *err)
{
    sy__candidates all = {0};
    if (!c->archive_before[0]) return SY_OK;
    int rc = sy__stale_candidates(c, OLD, c->archive_before, is_cold, &all, err);
    for (int i = 0; i < all.count && rc == SY_OK; i++) {
        if (c->policy->dry_run)
            c->report->archived++;
        else
            rc = archive_one(c, &all.list[i], err);
    }
    sy__stale_candidates_close(c, &all);
    return rc;
}
