/*
 * cache_rows.c: the cache's rows: what is stored under a key, and hashes of large files.
 *
 * Writing goes through the writer like all else, without a run: a result is as good when its run has changed hands.
 * Reading has one connection a stage, kept with its statements.
 */
#include "pit/cache/cache_impl.h"
#include "pit/record/record_impl.h"

#include <stdio.h>
#include <time.h>

enum { RACY_NS = 2000000000 /* a file younger than this as it was hashed may have changed unseen since */ };

struct sy__cache_reader {
    sqlite3 *conn;
    sqlite3_stmt *find, *file;
};

static const char SQL_KEY[] = "INSERT INTO cache_key (key, operation, parts, last_used_at) VALUES (?1,?2,?3,?4)"
                              " ON CONFLICT (key) DO UPDATE SET last_used_at=?4";
static const char SQL_ENTRY[] =
    "INSERT INTO cache_entry (key, reads_hash, operation, run, run_number, task_key, cost_usd, cost_tokens, cost_ms,"
    " created_at, last_used_at, bytes, output_hash, artifacts, output, reads)"
    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?10,?11,?12,?13,?14,?15)"
    " ON CONFLICT (key, reads_hash) DO UPDATE SET run=?4, run_number=?5, task_key=?6, cost_usd=?7, cost_tokens=?8,"
    " cost_ms=?9, created_at=?10, last_used_at=?10, bytes=?11, output_hash=?12, artifacts=?13, output=?14, reads=?15";
static const char SQL_USED[] = "UPDATE cache_entry SET last_used_at=?3 WHERE key=?1 AND reads_hash=?2";
static const char SQL_DROP[] = "DELETE FROM cache_entry WHERE key=?1 AND reads_hash=?2";
static const char SQL_FILE[] = "INSERT OR REPLACE INTO file_hash (device, inode, size, mtime_ns, ctime_ns, hashed_ns,"
                               " hash) VALUES (?1,?2,?3,?4,?5,?6,?7)";
static const char SQL_FIND[] = "SELECT reads_hash, output_hash, reads, output, artifacts, run, task_key, run_number,"
                               " cost_ms, last_used_at FROM cache_entry WHERE key=?1 AND created_at>=?2"
                               " ORDER BY last_used_at DESC LIMIT ?3";
static const char SQL_HASH[] = "SELECT hash FROM file_hash WHERE device=?1 AND inode=?2 AND size=?3 AND mtime_ns=?4"
                               " AND ctime_ns=?5 AND max(mtime_ns, ctime_ns) + ?6 < hashed_ns";

int
sy__cache_statements(sy__engine *e)
{
    sy__statements *st = e->statements;
    st->cache_key = sy__db_statement(e->o.db, SQL_KEY);
    st->cache_entry = sy__db_statement(e->o.db, SQL_ENTRY);
    st->cache_used = sy__db_statement(e->o.db, SQL_USED);
    st->cache_drop = sy__db_statement(e->o.db, SQL_DROP);
    st->file_hash = sy__db_statement(e->o.db, SQL_FILE);
    bool ok = st->cache_key >= 0 && st->cache_entry >= 0 && st->cache_used >= 0 && st->cache_drop >= 0;
    return ok && st->file_hash >= 0 ? SY_OK : SY_ENOMEM;
}

/* ---- reading ---- */

void
sy__cache_reader_free(sy__stage *s)
{
    struct sy__cache_reader *r = s->cache;
    if (!r) return;
    (void)sqlite3_finalize(r->find);
    (void)sqlite3_finalize(r->file);
    if (r->conn) sy__db_reader_release(s->engine->o.db, r->conn);
    sy__free(s->engine->alloc, r);
    s->cache = NULL;
}

static struct sy__cache_reader *
reader_of(sy__stage *s)
{
    if (s->cache) return s->cache;
    struct sy__cache_reader *r = s->cache = sy__calloc(s->engine->alloc, 1, sizeof *r);
    if (r) r->conn = sy__db_reader(s->engine->o.db, NULL);
    bool ok = r && r->conn && sqlite3_prepare_v2(r->conn, SQL_FIND, -1, &r->find, NULL) == SQLITE_OK &&
              sqlite3_prepare_v2(r->conn, SQL_HASH, -1, &r->file, NULL) == SQLITE_OK;
    if (!ok) sy__cache_reader_free(s);
    return s->cache;
}

void
sy__cache_candidate_close(const sy__alloc *a, sy__candidate_result *c)
{
    sy__free(a, c->reads);
    sy__free(a, c->output);
    sy__free(a, c->artifacts);
    sy__free(a, c->run);
    sy__free(a, c->task_key);
    *c = (sy__candidate_result){0};
}

static char *
copy_column(const sy__alloc *a, sqlite3_stmt *q, int i, size_t *len)
{
    const char *text = (const char *)sqlite3_column_text(q, i);
    *len = (size_t)sqlite3_column_bytes(q, i);
    return sy__strndup(a, text ? text : "", *len);
}

static int
read_candidate(const sy__alloc *a, sqlite3_stmt *q, sy__candidate_result *c)
{
    size_t len;
    const char *output_hash = (const char *)sqlite3_column_text(q, 1);
    (void)snprintf(c->reads_hash, sizeof c->reads_hash, "%s", (const char *)sqlite3_column_text(q, 0));
    (void)snprintf(c->output_hash, sizeof c->output_hash, "%s", output_hash ? output_hash : "");
    c->reads = copy_column(a, q, 2, &c->reads_len);
    c->output = copy_column(a, q, 3, &c->output_len);
    c->artifacts = copy_column(a, q, 4, &c->artifacts_len);
    c->run = copy_column(a, q, 5, &len);
    c->task_key = copy_column(a, q, 6, &len);
    c->run_number = sqlite3_column_int64(q, 7);
    c->cost_ms = sqlite3_column_int64(q, 8);
    (void)snprintf(c->last_used, sizeof c->last_used, "%s", (const char *)sqlite3_column_text(q, 9));
    return c->reads && c->output && c->artifacts && c->run && c->task_key ? SY_OK : SY_ENOMEM;
}

int
sy__cache_find(sy__stage *s, const char *key, const char *since, sy__candidate_result out[SY__CACHE_CANDIDATES])
{
    int count = 0;
    struct sy__cache_reader *r = reader_of(s);
    if (!r) return SY_ENOMEM;
    (void)sqlite3_bind_text(r->find, 1, key, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(r->find, 2, since, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(r->find, 3, SY__CACHE_CANDIDATES);
    while (count < SY__CACHE_CANDIDATES && sqlite3_step(r->find) == SQLITE_ROW) {
        out[count] = (sy__candidate_result){0};
        if (read_candidate(s->engine->alloc, r->find, &out[count++])) break;
    }
    (void)sqlite3_reset(r->find);
    return count;
}

int
sy__cache_inflate(sy__stage *s, char **text, size_t *len)
{
    sy__vbuf b;
    sy__value v = {0}, hash;
    sy__buf content;
    size_t n = 0;
    sy__error err = {0};
    sy__vbuf_init(&b, s->engine->alloc);
    sy__buf_init(&content, s->engine->alloc);
    int status = sy__value_from_json(&b, *text, *len, &err);
    if (!status) status = sy__vbuf_done(&b, &v);
    const char *name = !status && sy__value_get(v, "$artifact", 9, &hash) ? sy__value_str(hash, &n) : NULL;
    if (name && n == SY__HASH_BYTES - 1) {
        char copy[SY__HASH_BYTES] = "";
        memcpy(copy, name, n);
        status = sy__artifact_get(s->engine->o.artifacts, copy, &content, &err);
        char *bytes = status ? NULL : sy__buf_take(&content, len);
        if (bytes) {
            sy__free(s->engine->alloc, *text);
            *text = bytes;
        } else if (!status) {
            status = SY_ENOMEM;
        }
    }
    sy__buf_close(&content);
    sy__vbuf_close(&b);
    return status;
}

/* ---- files ---- */

static int64_t
ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool
sy__cache_file_get(void *ud, const struct stat *st, char digest[SY__DIGEST_BYTES])
{
    struct sy__cache_reader *r = reader_of(ud);
    if (!r) return false;
    (void)sqlite3_bind_int64(r->file, 1, (int64_t)st->st_dev);
    (void)sqlite3_bind_int64(r->file, 2, (int64_t)st->st_ino);
    (void)sqlite3_bind_int64(r->file, 3, st->st_size);
    (void)sqlite3_bind_int64(r->file, 4, ns_of(st->st_mtim));
    (void)sqlite3_bind_int64(r->file, 5, ns_of(st->st_ctim));
    (void)sqlite3_bind_int64(r->file, 6, RACY_NS);
    bool found = sqlite3_step(r->file) == SQLITE_ROW;
    if (found) (void)snprintf(digest, SY__DIGEST_BYTES, "%s", (const char *)sqlite3_column_text(r->file, 0));
    (void)sqlite3_reset(r->file);
    return found;
}

/* The file system's own clock stamps files, so it is the one to compare with. */
void
sy__cache_file_put(void *ud, const struct stat *st, const char *digest)
{
    sy__stage *s = ud;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return;
    sy__param p[] = {
        sy__p_integer((int64_t)st->st_dev),
        sy__p_integer((int64_t)st->st_ino),
        sy__p_integer(st->st_size),
        sy__p_integer(ns_of(st->st_mtim)),
        sy__p_integer(ns_of(st->st_ctim)),
        sy__p_integer(ns_of(now)),
        sy__p_text(digest),
    };
    (void)sy__db_put(s->engine->o.db, SY__LEVEL_PROCESS, s->engine->statements->file_hash, NULL, p, 7, NULL);
}

/* ---- writing: a row that could not be queued is one result less; the database's own failure stops the run ---- */

static void
put(sy__stage *s, const sy__task *t, int statement, const sy__param *p, int count)
{
    sy__durability level = t ? sy__record_level(t->run) : SY__LEVEL_PROCESS;
    (void)sy__db_put(s->engine->o.db, level, statement, NULL, p, count, NULL);
}

void
sy__cache_put_key(sy__stage *s, const sy__task *t, const struct sy__memo *m)
{
    char now[SY__STAMP_BYTES];
    sy__param p[] = {sy__p_text(m->key), sy__p_text(t->spec->targets[t->target].name),
                     sy__p_bytes(m->parts.data, m->parts.len), sy__p_stamp(sy__stage_ms(s), now)};
    put(s, t, s->engine->statements->cache_key, p, 4);
}

void
sy__cache_touch(sy__stage *s, const char *key, const sy__candidate_result *c)
{
    char now[SY__STAMP_BYTES], fresh[SY__STAMP_BYTES];
    sy__stamp(sy__stage_ms(s) - SY__CACHE_FRESH_MS, fresh);
    if (strcmp(c->last_used, fresh) > 0) return;
    sy__param p[] = {sy__p_text(key), sy__p_text(c->reads_hash), sy__p_stamp(sy__stage_ms(s), now)};
    put(s, NULL, s->engine->statements->cache_used, p, 3);
}

void
sy__cache_drop(sy__stage *s, const char *key, const char *reads_hash)
{
    sy__param p[] = {sy__p_text(key), sy__p_text(reads_hash)};
    put(s, NULL, s->engine->statements->cache_drop, p, 2);
}

/* [[kind, path, digest, detail?]…] */
static void
put_reads(sy__vbuf *b, const sy__reads *reads)
{
    sy__vbuf_array(b);
    for (size_t i = 0; i < sy__reads_count(reads); i++) {
        const sy__read *one = sy__reads_at(reads, i);
        char kind = (char)one->kind;
        sy__vbuf_array(b);
        sy__vbuf_str(b, &kind, 1);
        sy__vbuf_cstr(b, one->path);
        sy__vbuf_cstr(b, one->digest);
        if (*one->detail) sy__vbuf_cstr(b, one->detail);
        sy__vbuf_end(b);
    }
    sy__vbuf_end(b);
}

/* [{id, hash, size, type, metadata}…]; the sum of their sizes. */
static int64_t
put_produced(sy__vbuf *b, const struct sy__memo *m)
{
    int64_t bytes = 0;
    sy__vbuf_array(b);
    for (size_t i = 0; i < m->produced_count; i++) {
        const sy__produced *p = &m->produced[i];
        sy__vbuf_map(b);
        sy__vbuf_key(b, "id", 2);
        sy__vbuf_cstr(b, p->id);
        sy__vbuf_key(b, "hash", 4);
        sy__vbuf_cstr(b, p->stored.hash);
        sy__vbuf_key(b, "size", 4);
        sy__vbuf_int(b, p->stored.size);
        sy__vbuf_key(b, "type", 4);
        sy__vbuf_cstr(b, p->type);
        sy__vbuf_key(b, "metadata", 8);
        sy__vbuf_value(b, sy__blob_value(p->metadata));
        sy__vbuf_end(b);
        bytes += p->stored.size;
    }
    sy__vbuf_end(b);
    return bytes;
}

/* Offsets in one buffer: output, reads, artifacts, the task's key. */
typedef struct entry_texts {
    size_t reads, artifacts, key, end;
    int64_t bytes;
    char reads_hash[SY__HASH_BYTES], output_hash[SY__HASH_BYTES];
} entry_texts;

static int
make_texts(sy__stage *s, sy__task *t, const struct sy__memo *m, sy__buf *out, entry_texts *at)
{
    char ignored[SY__HASH_BYTES];
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, m->alloc);
    sy__record_json(s, t->run, sy__blob_value(t->output), out, at->output_hash);
    at->reads = out->len;
    put_reads(&b, m->reads);
    int status = sy__vbuf_done(&b, &v);
    if (!status) sy__hash_of(v.data, v.size, at->reads_hash);
    if (!status) sy__record_json(s, t->run, v, out, ignored);
    at->bytes = (int64_t)(sy__blob_value(t->output).size + (status ? 0 : v.size));
    at->artifacts = out->len;
    sy__vbuf_reset(&b);
    at->bytes += put_produced(&b, m);
    if (!status) status = sy__vbuf_done(&b, &v);
    if (!status) sy__value_to_json(v, SY__JSON_COMPACT, out);
    at->key = out->len;
    sy__task_key(t, out);
    at->end = out->len;
    sy__vbuf_close(&b);
    return status ? status : out->failed ? SY_ENOMEM : SY_OK;
}

void
sy__cache_put_entry(sy__stage *s, sy__task *t, const struct sy__memo *m)
{
    char now[SY__STAMP_BYTES];
    sy__buf text;
    entry_texts at = {0};
    sy__buf_init(&text, m->alloc);
    if (make_texts(s, t, m, &text, &at) == SY_OK) {
        const char *b = text.data;
        sy__param none = {.kind = SY__P_NULL};
        sy__param p[] = {
            sy__p_text(m->key),
            sy__p_text(at.reads_hash),
            sy__p_text(t->spec->targets[t->target].name),
            sy__p_text(t->run->id),
            sy__p_integer(t->run->number),
            sy__p_bytes(b + at.key, at.end - at.key),
            sy__p_number((double)t->usd_micro / 1e6),
            sy__p_integer(t->tokens),
            sy__p_integer(sy__stage_ms(s) - t->started_ms),
            sy__p_stamp(sy__stage_ms(s), now),
            sy__p_integer(at.bytes),
            sy__p_text(at.output_hash[0] ? at.output_hash : NULL),
            sy__p_bytes(b + at.artifacts, at.key - at.artifacts),
            at.output_hash[0] ? none : sy__p_bytes(b, at.reads),
            sy__p_bytes(b + at.reads, at.artifacts - at.reads),
        };
        put(s, t, s->engine->statements->cache_entry, p, sizeof p / sizeof *p);
    }
    sy__buf_close(&text);
}
