/*
 * compact.c: giving space back to the file system.
 *
 * Rows that are deleted leave free pages, which later rows use. With incremental vacuum pages from the end of the
 * file move into them, a few at a time between commit groups; the file is cut when the log moves into it. Writing
 * the whole file anew also closes the gaps within pages, and needs it alone and room for a copy.
 */
#include "db/internal.h"

#include "db/locks.h"
#include "db/sql.h"

#include <sys/statvfs.h>
#include <unistd.h>

enum { STEP_NS = 4000000 };

/* ---- in steps ---- */

typedef struct giving {
    int64_t free_pages, page_bytes;
} giving;

/* Writer thread, in a transaction: pages for some milliseconds. */
static int
give_some(sqlite3 *conn, void *ud, sy__error *err)
{
    giving *g = ud;
    int64_t until = sy__mono_ns(&sy__clock_system) + STEP_NS, before = INT64_MAX;
    int code = sy__sql_int(conn, "PRAGMA freelist_count", 0, &g->free_pages, err);
    while (code == SY_OK && g->free_pages > 0 && g->free_pages < before && sy__mono_ns(&sy__clock_system) < until) {
        before = g->free_pages;
        sqlite3_stmt *step = NULL;
        if (sqlite3_prepare_v2(conn, "PRAGMA incremental_vacuum(16)", -1, &step, NULL) == SQLITE_OK)
            while (sqlite3_step(step) == SQLITE_ROW) continue;
        int rc = sqlite3_finalize(step);
        if (rc != SQLITE_OK) return sy__sql_error(err, conn, rc, "cannot give space back");
        code = sy__sql_int(conn, "PRAGMA freelist_count", 0, &g->free_pages, err);
    }
    return code;
}

/* Readers' view of the file: whether it gives pages back at all, and how many are free. */
static int
look(sy__db *db, giving *g, bool *can, sy__error *err)
{
    int64_t mode = 0;
    sqlite3 *conn = sy__db_reader(db, err);
    if (!conn) return err && err->code ? err->code : SY_EIO;
    int code = sy__sql_int(conn, "PRAGMA auto_vacuum", 0, &mode, err);
    if (code == SY_OK) code = sy__sql_int(conn, "PRAGMA page_size", 0, &g->page_bytes, err);
    if (code == SY_OK) code = sy__sql_int(conn, "PRAGMA freelist_count", 0, &g->free_pages, err);
    sy__db_reader_release(db, conn);
    *can = mode == 2;
    return code;
}

/* Writer thread: the file is cut when the log has moved into it. */
static int
move_log(sqlite3 *conn, void *ud, sy__error *err)
{
    sy__db *db = ud;
    (void)err;
    if (sqlite3_wal_checkpoint_v2(conn, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK)
        db->writer.wal_bytes = 0;
    return SY_OK;
}

int
sy__db_give_back(sy__db *db, int64_t budget_ms, int64_t *freed_bytes, sy__error *err)
{
    giving g = {0, 0};
    bool can = false;
    int64_t until = budget_ms > 0 ? sy__mono_ns(&sy__clock_system) + budget_ms * 1000000 : INT64_MAX;
    *freed_bytes = 0;
    int code = look(db, &g, &can, err);
    int64_t had = 0, left = g.free_pages;
    while (code == SY_OK && can && left > 0 && left != had && sy__mono_ns(&sy__clock_system) < until) {
        had = left;
        code = sy__db_exclusive(db, give_some, &g, err);
        left = g.free_pages;
        *freed_bytes += (had - left) * g.page_bytes;
    }
    if (code == SY_OK && budget_ms <= 0) code = sy__writer_bare(db, move_log, db, err);
    return code;
}

/* ---- all of it ---- */

/* Writer thread, outside of any transaction. The copy lies in a file, whatever its size. */
static int
rebuild(sqlite3 *conn, void *ud, sy__error *err)
{
    int code = sy__sql_exec(conn, "PRAGMA temp_store = FILE; PRAGMA auto_vacuum = INCREMENTAL", err);
    if (code == SY_OK) code = sy__sql_exec(conn, "VACUUM", err);
    (void)sy__sql_exec(conn, "PRAGMA temp_store = MEMORY", NULL);
    if (code) return code;
    return move_log(conn, ud, err);
}

static int
check_room(sy__db *db, sy__error *err)
{
    struct statvfs disk;
    giving g = {0, 0};
    int64_t pages = 0;
    bool can;
    int code = look(db, &g, &can, err);
    sqlite3 *conn = code ? NULL : sy__db_reader(db, err);
    if (!conn) return code ? code : SY_EIO;
    code = sy__sql_int(conn, "PRAGMA page_count", 0, &pages, err);
    sy__db_reader_release(db, conn);
    int64_t needed = 2 * (pages - g.free_pages) * g.page_bytes;
    if (code || statvfs(db->dir, &disk) != 0) return code;
    int64_t room = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    if (room >= needed) return SY_OK;
    sy__error_set(err, SY_EDISKFULL, "writing the database anew needs %lld MiB free, there are %lld MiB",
                  (long long)(needed >> 20) + 1, (long long)(room >> 20));
    sy__error_hint(err, "free some space; symphony gc without --compact needs none");
    return SY_EDISKFULL;
}

static int
say_who(const sy__db *db, sy__error *err)
{
    sy__buf pids;
    sy__buf_init(&pids, db->alloc);
    sy__host_pids(db->dir, &pids);
    const char *text = sy__buf_cstr(&pids);
    sy__error_set(err, SY_ETIMEOUT, "the database can be written anew only when nobody else has it open: processes %s",
                  text && *text ? text : "unknown");
    sy__error_hint(err, "end the others (this one is %ld), then try again", (long)getpid());
    sy__buf_close(&pids);
    return SY_ETIMEOUT;
}

int
sy__db_compact(sy__db *db, sy__error *err)
{
    int code = check_room(db, err);
    if (code) return code;
    code = sy__lock_try(db->schema_fd, SY__LOCK_EXCLUSIVE);
    if (code == SY_EAGAIN) return say_who(db, err);
    if (code) return sy__error_set(err, code, "cannot lock %s/schema.lock", db->dir);
    code = sy__writer_bare(db, rebuild, db, err);
    (void)sy__lock_try(db->schema_fd, SY__LOCK_SHARED);
    return code;
}
