/*
 * stale.c: one collection: what is there, what is protected, what nobody refers to, archive,
 * delete under pressure, sweep; and pins.
 *
 * Reading goes through a reader connection; each change is a short step on the writer, so that runs go on in
 * between. Nothing that was used within the grace, an hour at least, is ever deleted: who stored a content a
 * moment ago has that long to commit the row that refers to it.
 */
#include "pit/cache/cache.h"
#include "pit/stale/stale_impl.h"

#include <stdio.h>
#include <string.h>

static const char TOTALS[] = "SELECT count(*), coalesce(sum(stored_size), 0) FROM blob WHERE state <> 'deleted'";

void
sy__stale_tell(sy__collection *c, const char *action, const char *hash, int64_t before, int64_t after)
{
    char context[256], resources[64];
    (void)snprintf(context, sizeof context,
                   "{\"action\":\"%s\",\"hash\":\"%s\",\"bytes_before\":%lld,\"bytes_after\":%lld}", action, hash,
                   (long long)before, (long long)after);
    (void)snprintf(resources, sizeof resources, "{\"bytes\":%lld}", (long long)after);
    const sy__pit_record record = {
        .operation_type = "stale_management", .hash = hash, .context = context, .resources = resources};
    if (c->store->record) c->store->record(c->store->record_ud, &record);
}

/* ---- candidates ---- */

static void
read_candidate(sqlite3_stmt *q, sy__candidate *one)
{
    *one = (sy__candidate){
        .size = sqlite3_column_int64(q, 2),
        .stored_size = sqlite3_column_int64(q, 3),
        .encoding = strcmp((const char *)sqlite3_column_text(q, 4), "zstd") == 0 ? SY__ZSTD : SY__RAW,
        .in_file = sqlite3_column_int(q, 5) != 0,
    };
    (void)snprintf(one->hash, sizeof one->hash, "%s", (const char *)sqlite3_column_text(q, 0));
    (void)snprintf(one->last_used, sizeof one->last_used, "%s", (const char *)sqlite3_column_text(q, 1));
}

static int
add_candidate(sy__collection *c, sy__candidates *out, const sy__candidate *one)
{
    if (out->count == out->cap) {
        int cap = out->cap ? out->cap * 2 : 64;
        sy__candidate *list = sy__realloc(c->store->alloc, out->list, (size_t)cap * sizeof *list);
        if (!list) return SY_ENOMEM;
        out->list = list;
        out->cap = cap;
    }
    out->list[out->count++] = *one;
    return SY_OK;
}

int
sy__stale_candidates(sy__collection *c, const char *sql, const char *text,
                     bool (*wanted)(sy__collection *c, const sy__candidate *one), sy__candidates *out, sy__error *err)
{
    sqlite3_stmt *q = NULL;
    sy__candidate one;
    int rc = SY_OK, ready = sqlite3_prepare_v2(c->conn, sql, -1, &q, NULL);
    if (ready == SQLITE_OK) ready = sqlite3_bind_text(q, 1, text, -1, SQLITE_STATIC);
    while (ready == SQLITE_OK && rc == SY_OK && sqlite3_step(q) == SQLITE_ROW) {
        read_candidate(q, &one);
        if (wanted(c, &one)) rc = add_candidate(c, out, &one);
    }
    int ended = sqlite3_finalize(q);
    if (rc) return sy__error_set(err, rc, "no memory to collect artifacts");
    if (ready == SQLITE_OK && ended == SQLITE_OK) return SY_OK;
    return sy__error_set(err, SY_EIO, "cannot look for artifacts: %s", sqlite3_errmsg(c->conn));
}

void
sy__stale_candidates_close(sy__collection *c, sy__candidates *list)
{
    sy__free(c->store->alloc, list->list);
    *list = (sy__candidates){0};
}

/* ---- a collection ---- */

static int
count_all(sy__collection *c, sy__error *err)
{
    sqlite3_stmt *q = NULL;
    int step = sqlite3_prepare_v2(c->conn, TOTALS, -1, &q, NULL);
    if (step == SQLITE_OK) step = sqlite3_step(q);
    if (step == SQLITE_ROW) {
        c->report->examined = sqlite3_column_int64(q, 0);
        c->report->bytes_before = c->report->bytes_after = sqlite3_column_int64(q, 1);
    }
    (void)sqlite3_finalize(q);
    return step == SQLITE_ROW ? SY_OK
                              : sy__error_set(err, SY_EIO, "cannot count artifacts: %s", sqlite3_errmsg(c->conn));
}

static void
set_times(sy__collection *c)
{
    const sy__stale_policy *p = c->policy;
    int64_t now = sy__artifacts_now(c->store);
    int64_t grace = p->grace_ms > SY__BLOB_GRACE_MS ? p->grace_ms : SY__BLOB_GRACE_MS;
    sy__stamp(now, c->started);
    sy__stamp(p->hot_ms > 0 ? now - p->hot_ms : now, c->hot_since);
    sy__stamp(now - grace, c->grace_before);
    if (p->archive_ms > 0) sy__stamp(now - p->archive_ms, c->archive_before);
}

/* First, so that what only the cache held is free to go. */
static int
trim_cache(sy__collection *c, sy__error *err)
{
    char since[SY__STAMP_BYTES] = "";
    const sy__stale_policy *p = c->policy;
    if (p->cache_ms > 0) sy__stamp(sy__artifacts_now(c->store) - p->cache_ms, since);
    sy__cache_policy policy = {since, p->cache_bytes, p->dry_run};
    return sy__cache_trim(c->store->db, &policy, &c->report->cache_dropped, err);
}

static int
collect(sy__collection *c, sy__error *err)
{
    int rc = count_all(c, err);
    if (rc == SY_OK && c->policy->budget_ms <= 0) rc = trim_cache(c, err);
    if (rc == SY_OK) rc = sy__stale_pins(c->conn, &c->pinned, err);
    if (rc == SY_OK && !c->policy->keep_orphans) rc = sy__stale_orphans(c, err);
    if (rc || c->policy->budget_ms > 0) return rc;
    rc = sy__stale_references(c->conn, c->hot_since, &c->referenced, err);
    if (rc == SY_OK) rc = sy__stale_archive(c, err);
    if (rc == SY_OK) rc = sy__stale_delete(c, err);
    if (rc == SY_OK) rc = sy__stale_sweep(c, err);
    return rc;
}

int
sy__stale_collect(sy__artifacts *s, const sy__stale_policy *p, sy__stale_report *out, sy__error *err)
{
    sy__collection c = {.store = s, .policy = p, .report = out};
    *out = (sy__stale_report){0};
    set_times(&c);
    c.conn = sy__db_reader(s->db, err);
    if (!c.conn) return err && err->code ? err->code : SY_EIO;
    sy__map_init(&c.referenced, s->alloc);
    sy__map_init(&c.pinned, s->alloc);
    int rc = collect(&c, err);
    sy__map_close(&c.pinned);
    sy__map_close(&c.referenced);
    sy__db_reader_release(s->db, c.conn);
    return rc;
}

/* ---- pins ---- */

typedef struct pinning {
    const char *name; /* id or hash */
    bool on;
    char hash[SY__HASH_BYTES];
    char now[SY__STAMP_BYTES];
} pinning;

/* By id first; ?2 is the id when it is one. */
static const char NAMED[] = "SELECT a.content_hash FROM artifact a WHERE a.id = ?1 UNION ALL"
                            " SELECT b.hash FROM blob b WHERE b.hash = ?1 LIMIT 1";
static const char IS_THERE[] = "SELECT 1 FROM blob WHERE hash = ?1 AND state <> 'deleted'";
static const char PIN[] = "INSERT INTO pin (content_hash, artifact_id, created_at) VALUES (?1,"
                          " (SELECT id FROM artifact WHERE id = ?2), ?3) ON CONFLICT (content_hash) DO NOTHING";
static const char UNPIN[] = "DELETE FROM pin WHERE content_hash = ?1";

/* Runs a statement with up to three texts; the first column of its first row goes to `out` when there is one. */
static int
run(sqlite3 *conn, const char *sql, const char *const texts[3], char out[SY__HASH_BYTES], sy__error *err)
{
    sqlite3_stmt *q = NULL;
    int step = sqlite3_prepare_v2(conn, sql, -1, &q, NULL);
    for (int i = 0; step == SQLITE_OK && i < 3 && i < sqlite3_bind_parameter_count(q); i++)
        step = sqlite3_bind_text(q, i + 1, texts[i], -1, SQLITE_STATIC);
    if (step == SQLITE_OK) step = sqlite3_step(q);
    if (step == SQLITE_ROW && out) (void)snprintf(out, SY__HASH_BYTES, "%s", (const char *)sqlite3_column_text(q, 0));
    (void)sqlite3_finalize(q);
    if (step == SQLITE_ROW) return 1;
    if (step == SQLITE_DONE) return 0;
    return sy__error_set(err, SY_EIO, "cannot pin: %s", sqlite3_errmsg(conn));
}

/* Writer thread, in a transaction: a pin and a deletion of the same content cannot both win. */
static int
pin_in(sqlite3 *conn, void *ud, sy__error *err)
{
    pinning *p = ud;
    const char *const named[3] = {p->name, NULL, NULL};
    int rc = run(conn, NAMED, named, p->hash, err);
    if (rc < 0) return rc;
    if (rc == 0) return sy__error_set(err, SY_ENOTFOUND, "there is no artifact %.80s", p->name);
    const char *const texts[3] = {p->hash, p->name, p->now};
    if (p->on) {
        rc = run(conn, IS_THERE, texts, NULL, err);
        if (rc == 0)
            return sy__error_set(err, SY_ENOTFOUND, "the content of artifact %.80s is deleted already", p->name);
    }
    if (rc >= 0) rc = run(conn, p->on ? PIN : UNPIN, texts, NULL, err);
    return rc < 0 ? rc : SY_OK;
}

int
sy__stale_pin(sy__artifacts *s, const char *id_or_hash, bool on, sy__error *err)
{
    pinning p = {.name = id_or_hash, .on = on};
    char context[160];
    sy__stamp(sy__artifacts_now(s), p.now);
    int rc = sy__artifacts_flush(s, err);
    if (rc == SY_OK) rc = sy__db_exclusive(s->db, pin_in, &p, err);
    if (rc) return rc;
    (void)snprintf(context, sizeof context, "{\"action\":\"%s\",\"hash\":\"%s\"}", on ? "pin" : "unpin", p.hash);
    sy__artifacts_tell(s, "stale_management", p.hash, context);
    return SY_OK;
}
