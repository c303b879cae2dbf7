/*
 * artifact.c: the store: opening it, putting and getting whole contents.
 *
 * A put hashes first: most of what comes twice is known before anything is packed or written. What lies in
 * the database is compared byte by byte before a put relies on it, what lies in a file by its size; so storing
 * a content again also repairs it. A content used within the last half hour needs no touch, since nothing
 * younger than an hour is deleted; an older one is touched through a statement that brings its row back should
 * the stale manager delete it at this moment.
 */
#include "pit/artifact/artifact_impl.h"

#include "base/bounds.h"

#include <stdio.h>
#include <string.h>

static const char STORE[] =
    "INSERT INTO blob (hash, size, stored_size, encoding, state, created_at, last_used_at, content)"
    " VALUES (?1, ?2, ?3, ?4, 'hot', ?5, ?5, ?6)"
    " ON CONFLICT (hash) DO UPDATE SET size = excluded.size, stored_size = excluded.stored_size,"
    " encoding = excluded.encoding, state = 'hot', last_used_at = max(last_used_at, excluded.last_used_at),"
    " content = excluded.content";

/* Only for files: their content is where it was, whatever the row says. */
static const char TOUCH[] =
    "INSERT INTO blob (hash, size, stored_size, encoding, state, created_at, last_used_at, content)"
    " VALUES (?1, ?2, ?3, ?4, 'hot', ?5, ?5, ?6)"
    " ON CONFLICT (hash) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at),"
    " stored_size = iif(state = 'deleted', excluded.stored_size, stored_size),"
    " encoding = iif(state = 'deleted', excluded.encoding, encoding),"
    " state = iif(state = 'deleted', 'hot', state)";

/* ---- opening and closing ---- */

static int
set_up(sy__artifacts *s, sy__error *err)
{
    s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->store_statement = sy__db_statement(s->db, STORE);
    s->touch_statement = sy__db_statement(s->db, TOUCH);
    if (!s->sha256 || s->store_statement < 0 || s->touch_statement < 0)
        return sy__error_set(err, SY_ENOMEM, "no memory for the artifact store");
    int rc = sy__files_open(s, err);
    if (rc == SY_OK) (void)sy__temp_clean(s);
    return rc;
}

static void
tear_down(sy__artifacts *s)
{
    sy__tools_close(s);
    sy__files_close(s);
    sy__map_close(&s->pending);
    EVP_MD_free(s->sha256);
    (void)pthread_mutex_destroy(&s->flush_lock);
    (void)pthread_mutex_destroy(&s->names_lock);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->quiet);
    sy__free(s->alloc, s);
}

int
sy__artifacts_open(sy__artifacts **out, sy__db *db, const sy__alloc *a, sy__error *err)
{
    sy__artifacts *s = sy__calloc(a, 1, sizeof *s);
    *out = NULL;
    if (!s) return sy__error_set(err, SY_ENOMEM, "no memory for the artifact store");
    s->db = db;
    s->alloc = a;
    s->clock = &sy__clock_system;
    s->dir_fd = s->temp_fd = s->lock_fd = -1;
    sy__map_init(&s->pending, a);
    (void)pthread_mutex_init(&s->flush_lock, NULL);
    (void)pthread_mutex_init(&s->names_lock, NULL);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->quiet, NULL);
    int rc = set_up(s, err);
    if (rc)
        tear_down(s);
    else
        *out = s;
    return rc;
}

void
sy__artifacts_close(sy__artifacts *s)
{
    if (!s) return;
    (void)sy__artifacts_flush(s, NULL);
    sy__pending_close(s);
    tear_down(s);
}

void
sy__artifacts_set_clock(sy__artifacts *s, const sy__clock *clock)
{
    s->clock = clock;
}

void
sy__artifacts_set_record(sy__artifacts *s, sy__pit_record_fn fn, void *ud)
{
    s->record = fn;
    s->record_ud = ud;
}

void
sy__artifacts_tell(sy__artifacts *s, const char *type, const char *hash, const char *context)
{
    const sy__pit_record record = {.operation_type = type, .hash = hash, .context = context, .resources = "{}"};
    if (s->record) s->record(s->record_ud, &record);
}

/* ---- looking ---- */

static int
not_found(const char *hash, bool deleted, sy__error *err)
{
    if (!deleted) return sy__error_set(err, SY_ENOTFOUND, "there is no artifact %.80s", hash ? hash : "");
    (void)sy__error_set(err, SY_ENOTFOUND, "the content of artifact %s was deleted to free space", hash);
    sy__error_hint(err, "run its task again, and pin the artifact to keep it");
    return SY_ENOTFOUND;
}

int
sy__artifact_locate(sy__artifacts *s, sy__tool *t, const char *hash, bool content, sy__blob_row *row, sy__error *err)
{
    if (!sy__hash_valid(hash)) return not_found(hash, false, err);
    if (sy__pending_find(s, t, hash, content, row))
        return t->stored.failed ? sy__error_set(err, SY_ENOMEM, "no memory to read an artifact") : SY_OK;
    int rc = sy__tool_find(s, t, hash, content, row, err);
    if (rc == SY_ENOTFOUND) return not_found(hash, false, err);
    return rc == SY_OK && row->deleted ? not_found(hash, true, err) : rc;
}

int
sy__artifact_damaged(sy__artifacts *s, const char *hash, const sy__blob_row *row, const char *how, sy__error *err)
{
    char place[SY__BLOB_PATH_BYTES] = "the database", context[160];
    if (row->in_file) sy__blob_path(hash, row->encoding, place);
    (void)sy__error_set(err, SY_EDAMAGED, "artifact %s is damaged: its content in %s%s %s", hash,
                        row->in_file ? "artifacts/" : "", place, how);
    sy__error_hint(err, "restore it from a backup, or run its task again: storing the content again repairs it");
    (void)snprintf(context, sizeof context, "{\"action\":\"verify_failed\",\"hash\":\"%s\"}", hash);
    sy__artifacts_tell(s, "artifact_storage", hash, context);
    return SY_EDAMAGED;
}

/* ---- putting ---- */

static bool
is_fresh(sy__artifacts *s, const sy__blob_row *row)
{
    char limit[SY__STAMP_BYTES];
    sy__stamp(sy__artifacts_now(s) - SY__BLOB_FRESH_MS, limit);
    return strcmp(row->last_used, limit) >= 0;
}

static void
fill_stored(sy__stored *out, const sy__blob_row *row, bool dedup)
{
    out->size = row->size;
    out->stored_size = row->stored_size;
    out->dedup = dedup;
}

int
sy__artifact_known(sy__artifacts *s, sy__tool *t, const char *hash, sy__durability level, sy__stored *out,
                   sy__error *err)
{
    sy__blob_row row;
    if (sy__pending_find(s, t, hash, false, &row)) {
        fill_stored(out, &row, true);
        return SY_OK;
    }
    int rc = sy__tool_find(s, t, hash, false, &row, err);
    if (rc) return rc;
    if (row.deleted || !row.in_file || sy__blob_touch(s, hash, &row)) return SY_ENOTFOUND;
    fill_stored(out, &row, true);
    return is_fresh(s, &row) ? SY_OK : sy__pending_touch(s, hash, &row, level);
}

/* Whether the content just looked up is what is being put. */
static bool
is_same(sy__tool *t, const sy__blob_row *row, const void *bytes, size_t size)
{
    if (row->deleted || row->in_file || row->size != (int64_t)size) return false;
    if (row->encoding == SY__RAW)
        return t->stored.len == size && (size == 0 || memcmp(t->stored.data, bytes, size) == 0);
    size_t len = t->stored.len;
    char *plain = sy__buf_reserve(&t->stored, size);
    return plain && sy__tool_unpack(t, SY__ZSTD, t->stored.data, len, plain, size) == SY_OK &&
           memcmp(plain, bytes, size) == 0;
}

static int
known_small(sy__artifacts *s, sy__tool *t, const void *bytes, size_t size, sy__stored *out, sy__error *err)
{
    sy__blob_row row;
    bool pending = sy__pending_find(s, t, out->hash, false, &row);
    int rc = pending ? SY_OK : sy__tool_find(s, t, out->hash, true, &row, err);
    if (rc) return rc;
    fill_stored(out, &row, pending || is_same(t, &row, bytes, size));
    return out->dedup && (pending || is_fresh(s, &row)) ? SY_OK : SY_ENOTFOUND;
}

int
sy__artifact_put_small(sy__artifacts *s, sy__tool *t, sy__durability level, const void *bytes, size_t size,
                       sy__stored *out, sy__error *err)
{
    sy__encoding how;
    const void *stored;
    size_t stored_size;
    out->dedup = false;
    int rc = known_small(s, t, bytes, size, out, err);
    if (rc != SY_ENOTFOUND) return rc;
    bool again = out->dedup; /* known, but used so long ago that it is stored once more */
    rc = sy__tool_pack(t, bytes, size, SY__BLOB_LEVEL, &how, &stored, &stored_size);
    sy__pending *p = rc ? NULL : sy__pending_new(s, out->hash, stored_size, stored);
    if (!p) return sy__error_set(err, SY_ENOMEM, "no memory to store an artifact");
    p->size = (int64_t)size;
    p->encoding = how;
    p->level = level;
    out->size = (int64_t)size;
    out->stored_size = (int64_t)stored_size;
    rc = sy__pending_put(s, p, &out->dedup);
    out->dedup = out->dedup || again;
    return rc ? sy__error_set(err, rc, "cannot store artifact %s", out->hash) : SY_OK;
}

static int
put_large(sy__artifacts *s, sy__tool *t, sy__durability level, const void *bytes, size_t size, sy__stored *out,
          sy__error *err)
{
    sy__artifact_writer *w;
    int rc = sy__artifact_known(s, t, out->hash, level, out, err);
    if (rc != SY_ENOTFOUND) {
        sy__tool_give(s, t);
        return rc;
    }
    rc = sy__artifact_writer_known(&w, s, t, level, out->hash, err);
    if (rc) return rc;
    rc = sy__artifact_write(w, bytes, size, err);
    if (rc == SY_OK) return sy__artifact_writer_close(w, out, err);
    (void)sy__artifact_writer_close(w, NULL, NULL);
    return rc;
}

int
sy__artifact_put(sy__artifacts *s, sy__durability level, const void *bytes, size_t size, sy__stored *out,
                 sy__error *err)
{
    sy__tool *t;
    int rc = sy__tool_take(s, &t, err);
    if (rc) return rc;
    if (size == 0) bytes = "";
    *out = (sy__stored){0};
    sy__tool_hash(s, t, bytes, size, out->hash);
    if (size > SY__BLOB_SMALL_BYTES) return put_large(s, t, level, bytes, size, out, err); /* takes the tool */
    rc = sy__artifact_put_small(s, t, level, bytes, size, out, err);
    sy__tool_give(s, t);
    return rc;
}

/* ---- getting ---- */

/* Small content, as stored, lies in t->stored. */
static int
get_small(sy__artifacts *s, sy__tool *t, const char *hash, const sy__blob_row *row, sy__buf *out, sy__error *err)
{
    char got[SY__HASH_BYTES];
    size_t size = (size_t)row->size;
    if (row->size < 0 || row->size > SY_MAX_VALUE_BYTES)
        return sy__artifact_damaged(s, hash, row, "has an impossible size", err);
    char *to = sy__buf_reserve(out, size ? size : 1);
    if (!to) return sy__error_set(err, SY_ENOMEM, "no memory to read artifact %s", hash);
    int rc = sy__tool_unpack(t, row->encoding, t->stored.data, t->stored.len, to, size);
    if (rc == SY_ENOMEM) return sy__error_set(err, rc, "no memory to read artifact %s", hash);
    if (rc) return sy__artifact_damaged(s, hash, row, "cannot be unpacked", err);
    sy__tool_hash(s, t, to, size, got);
    if (strcmp(got, hash) != 0) return sy__artifact_damaged(s, hash, row, "is not what its hash says", err);
    out->len += size;
    return SY_OK;
}

static int
read_to_end(sy__artifact_reader *r, sy__buf *out, size_t room, sy__error *err)
{
    for (;;) {
        int64_t n = sy__artifact_read(r, out->data + out->len, room, err);
        if (n <= 0) return (int)n;
        out->len += (size_t)n;
        room -= (size_t)n;
    }
}

static int
get_stream(sy__artifacts *s, const char *hash, sy__buf *out, sy__error *err)
{
    sy__artifact_reader *r;
    int64_t size = 0;
    size_t before = out->len;
    int rc = sy__artifact_reader_open(&r, s, hash, &size, err);
    if (rc) return rc;
    size_t room = (size_t)size + 1; /* one more, so that the last read finds the end */
    bool fits = size >= 0 && (uint64_t)size < SIZE_MAX / 2 && sy__buf_reserve(out, room);
    rc = fits ? read_to_end(r, out, room, err) : sy__error_set(err, SY_ENOMEM, "no memory to read artifact %s", hash);
    sy__artifact_reader_close(r);
    if (rc) out->len = before;
    return rc;
}

int
sy__artifact_get(sy__artifacts *s, const char *hash, sy__buf *out, sy__error *err)
{
    sy__tool *t;
    sy__blob_row row = {0};
    int rc = sy__tool_take(s, &t, err);
    if (rc) return rc;
    rc = sy__artifact_locate(s, t, hash, true, &row, err);
    bool small = rc == SY_OK && !row.in_file;
    if (small) rc = get_small(s, t, hash, &row, out, err);
    sy__tool_give(s, t);
    return rc == SY_OK && !small ? get_stream(s, hash, out, err) : rc;
}

int
sy__artifact_verify(sy__artifacts *s, const char *hash, sy__error *err)
{
    sy__artifact_reader *r;
    int64_t size, n;
    int rc = sy__artifact_reader_open(&r, s, hash, &size, err);
    if (rc) return rc;
    char *to = sy__malloc(s->alloc, SY__BLOB_CHUNK_BYTES);
    if (!to) rc = sy__error_set(err, SY_ENOMEM, "no memory to verify artifact %s", hash);
    do {
        n = to ? sy__artifact_read(r, to, SY__BLOB_CHUNK_BYTES, err) : 0;
    } while (n > 0);
    if (n < 0) rc = (int)n;
    sy__free(s->alloc, to);
    sy__artifact_reader_close(r);
    return rc;
}
