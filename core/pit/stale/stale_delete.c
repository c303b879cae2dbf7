/*
 * stale_delete.c: deletion of what nobody refers to, and, the least recently used first, until the limit is met.
 *
 * A reader chooses candidates; each step then holds the writer for one batch and asks everything again in the
 * transaction that deletes: not pinned, not used since, and referred to by no run that lives or ended since
 * the collection began. The row stays as a mark where an artifact still names the content, so that asking for
 * it says what happened. Its file goes with the sweep.
 */
#include "pit/stale/stale_impl.h"

#include <string.h>

static const char OLDEST[] = "SELECT hash, last_used_at, size, stored_size, encoding, content IS NULL FROM blob"
                             " WHERE state <> 'deleted' AND last_used_at < ?1 ORDER BY last_used_at, hash";

static const char STILL[] = "SELECT 1 FROM blob WHERE hash = ?1 AND last_used_at = ?2 AND state <> 'deleted'"
                            " AND NOT EXISTS (SELECT 1 FROM pin WHERE content_hash = ?1)";
static const char MARK[] = "UPDATE blob SET state = 'deleted', content = NULL, stored_size = 0"
                           " WHERE hash = ?1 AND EXISTS (SELECT 1 FROM artifact WHERE content_hash = ?1)";
static const char REMOVE[] = "DELETE FROM blob WHERE hash = ?1 AND state <> 'deleted'";

static bool
may_go(sy__collection *c, const sy__candidate *one)
{
    bool pinned = sy__stale_has(&c->pinned, one->hash), referenced = sy__stale_has(&c->referenced, one->hash);
    c->report->kept_pinned += pinned;
    c->report->kept_referenced += referenced && !pinned;
    return !pinned && !referenced;
}

typedef struct batch {
    sy__collection *collection;
    sy__candidate *list;
    int count;
} batch;

/* One statement with the candidate's hash, and its last use where that is asked; 1 when it gave or changed a row. */
static int
run(sqlite3 *conn, const char *sql, const sy__candidate *one, bool used, sy__error *err)
{
    sqlite3_stmt *q = NULL;
    int before = sqlite3_total_changes(conn);
    if (sqlite3_prepare_v2(conn, sql, -1, &q, NULL) == SQLITE_OK) {
        (void)sqlite3_bind_text(q, 1, one->hash, -1, SQLITE_STATIC);
        if (used) (void)sqlite3_bind_text(q, 2, one->last_used, -1, SQLITE_STATIC);
        int step = sqlite3_step(q);
        (void)sqlite3_finalize(q);
        if (step == SQLITE_ROW) return 1;
        if (step == SQLITE_DONE) return sqlite3_total_changes(conn) > before;
    }
    return sy__error_set(err, SY_EIO, "cannot delete artifacts: %s", sqlite3_errmsg(conn));
}

static int
delete_one(sqlite3 *conn, sy__candidate *one, const sy__map *living, sy__error *err)
{
    if (sy__stale_has(living, one->hash)) return SY_OK;
    int rc = run(conn, STILL, one, true, err);
    if (rc <= 0) return rc;
    rc = run(conn, MARK, one, false, err);
    if (rc == 0) rc = run(conn, REMOVE, one, false, err);
    if (rc < 0) return rc;
    one->done = true;
    return SY_OK;
}

/* Writer thread, in a transaction. */
static int
delete_batch(sqlite3 *conn, void *ud, sy__error *err)
{
    batch *b = ud;
    sy__map living;
    sy__map_init(&living, b->collection->store->alloc);
    int rc = sy__stale_references(conn, b->collection->started, &living, err);
    for (int i = 0; i < b->count && rc == SY_OK; i++) rc = delete_one(conn, &b->list[i], &living, err);
    sy__map_close(&living);
    return rc;
}

static void
account(sy__collection *c, const sy__candidate *one)
{
    if (!one->done) {
        c->report->kept_referenced++;
        return;
    }
    c->report->deleted++;
    c->report->bytes_after -= one->stored_size;
    if (!c->policy->dry_run) sy__stale_tell(c, "delete", one->hash, one->stored_size, 0);
}

/* How many of the next candidates bring the total under the limit, at most a batch. */
static int
batch_size(const sy__collection *c, const sy__candidates *all, int from)
{
    int64_t left = c->report->bytes_after;
    int n = 0;
    while (from + n < all->count && n < SY__STALE_BATCH && left > c->policy->max_bytes)
        left -= all->list[from + n++].stored_size;
    return n;
}

static int
delete_all(sy__collection *c, sy__candidates *all, sy__error *err)
{
    for (int at = 0, n; (n = batch_size(c, all, at)) > 0; at += n) {
        batch b = {c, all->list + at, n};
        int rc = SY_OK;
        if (!c->policy->dry_run) rc = sy__db_exclusive(c->store->db, delete_batch, &b, err);
        if (rc) return rc;
        for (int i = 0; i < n; i++) {
            if (c->policy->dry_run) b.list[i].done = true;
            account(c, &b.list[i]);
        }
    }
    return SY_OK;
}

int
sy__stale_delete(sy__collection *c, sy__error *err)
{
    sy__candidates all = {0};
    if (c->policy->max_bytes <= 0 || c->report->bytes_after <= c->policy->max_bytes) return SY_OK;
    int rc = sy__stale_candidates(c, OLDEST, c->grace_before, may_go, &all, err);
    if (rc == SY_OK) rc = delete_all(c, &all, err);
    sy__stale_candidates_close(c, &all);
    return rc;
}

/* ---- contents nobody refers to ---- */

/* Most have an artifact's row; only for the others all that runs wrote is read. */
static const char UNNAMED[] =
    "SELECT hash, last_used_at, size, stored_size, encoding, content IS NULL FROM blob"
    " WHERE state <> 'deleted' AND last_used_at < ?1"
    " AND NOT EXISTS (SELECT 1 FROM artifact WHERE content_hash = hash) ORDER BY last_used_at, hash";

static bool
is_unpinned(sy__collection *c, const sy__candidate *one)
{
    return !sy__stale_has(&c->pinned, one->hash);
}

/* An sqlite3_progress_handler: ends a query that takes longer than the collection may. */
static int
is_late(void *until_ns)
{
    return sy__mono_ns(&sy__clock_system) >= *(const int64_t *)until_ns;
}

static int
read_everything(sy__collection *c, sy__map *out, bool *late, sy__error *err)
{
    int64_t until = sy__mono_ns(&sy__clock_system) + c->policy->budget_ms * 1000000;
    if (c->policy->budget_ms > 0) sqlite3_progress_handler(c->conn, 1000, is_late, &until);
    int rc = sy__stale_references(c->conn, "", out, err);
    sqlite3_progress_handler(c->conn, 0, NULL, NULL);
    *late = rc && c->policy->budget_ms > 0 && is_late(&until);
    return *late ? SY_OK : rc;
}

static int
delete_orphans(sy__collection *c, sy__candidates *all, sy__error *err)
{
    int rc = SY_OK;
    for (int at = 0; at < all->count && rc == SY_OK; at += SY__STALE_BATCH) {
        int n = all->count - at < SY__STALE_BATCH ? all->count - at : SY__STALE_BATCH;
        batch b = {c, all->list + at, n};
        if (!c->policy->dry_run) rc = sy__db_exclusive(c->store->db, delete_batch, &b, err);
        for (int i = 0; i < n && rc == SY_OK; i++) {
            if (c->policy->dry_run) b.list[i].done = true;
            c->report->orphans += b.list[i].done;
            account(c, &b.list[i]);
        }
    }
    return rc;
}

static void
keep_unreferenced(sy__candidates *all, const sy__map *everything)
{
    int kept = 0;
    for (int i = 0; i < all->count; i++)
        if (!sy__stale_has(everything, all->list[i].hash)) all->list[kept++] = all->list[i];
    all->count = kept;
}

int
sy__stale_orphans(sy__collection *c, sy__error *err)
{
    sy__candidates all = {0};
    sy__map everything;
    bool late = false;
    sy__map_init(&everything, c->store->alloc);
    int rc = sy__stale_candidates(c, UNNAMED, c->grace_before, is_unpinned, &all, err);
    if (rc == SY_OK && all.count > 0) rc = read_everything(c, &everything, &late, err);
    if (rc == SY_OK && !late) {
        keep_unreferenced(&all, &everything);
        rc = delete_orphans(c, &all, err);
    }
    sy__map_close(&everything);
    sy__stale_candidates_close(c, &all);
    return rc;
}
