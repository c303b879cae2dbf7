/*
 * migrate.c: every host holds schema.lock shared while it lives, so that a migration, which needs it
 * exclusively, never pulls the schema from under a living statement. The lock is never upgraded in place:
 * two that wait to upgrade would wait for each other.
 */
#include "db/migrate.h"

#include "base/crash.h"

#include "db/locks.h"
#include "db/sql.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { HEADER_BYTES = 100, AT_USER_VERSION = 60, AT_APPLICATION_ID = 68, LOCK_WAIT_MS = 5000, LOCK_STEP_MS = 10 };

/* What the file says of itself. */
typedef struct about {
    int64_t application_id;
    int64_t version;
} about;

static int64_t
big_endian(const unsigned char *p)
{
    return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

/* Reads the header through SQLite's own file layer: a descriptor of ours would, when closed, drop the POSIX
 * locks of every connection of this process. A missing or empty file gives zeroes. */
static int
read_header(const char *file, unsigned char header[HEADER_BYTES], sy__error *err)
{
    int exists = 0, rc = sqlite3_initialize();
    sqlite3_vfs *vfs = rc == SQLITE_OK ? sqlite3_vfs_find(NULL) : NULL;
    memset(header, 0, HEADER_BYTES);
    if (!vfs) return sy__error_set(err, SY_EINTERNAL, "SQLite has no file layer");
    rc = vfs->xAccess(vfs, file, SQLITE_ACCESS_EXISTS, &exists);
    if (rc == SQLITE_OK && !exists) return SY_OK;
    sqlite3_file *f = sqlite3_malloc(vfs->szOsFile);
    if (!f) return sy__error_set(err, SY_ENOMEM, "no memory to open %s", file);
    memset(f, 0, (size_t)vfs->szOsFile);
    rc = vfs->xOpen(vfs, file, f, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, NULL);
    if (rc == SQLITE_OK) rc = f->pMethods->xRead(f, header, HEADER_BYTES, 0);
    if (rc == SQLITE_IOERR_SHORT_READ) rc = SQLITE_NOTADB;
    if (f->pMethods) (void)f->pMethods->xClose(f);
    sqlite3_free(f);
    return rc == SQLITE_OK ? SY_OK : sy__sql_error(err, NULL, rc, file);
}

static int
judge(const char *file, about a, const sy__schema_set *set, sy__error *err)
{
    if (a.application_id != set->application_id && (a.application_id != 0 || a.version != 0)) {
        sy__error_set(err, SY_EDAMAGED, "%s is not a database of Symphony", file);
        sy__error_hint(err, "move it away, or choose another folder with --project");
        return SY_EDAMAGED;
    }
    if (a.version <= set->count) return SY_OK;
    sy__error_set(err, SY_ENEWER, "%s has schema %lld, this program knows %d", file, (long long)a.version, set->count);
    sy__error_hint(err, "update Symphony; the database was left as it is");
    return SY_ENEWER;
}

static int
check_header(const char *file, const sy__schema_set *set, about *a, sy__error *err)
{
    unsigned char header[HEADER_BYTES];
    int code = read_header(file, header, err);
    if (code) return code;
    bool empty = header[0] == 0;
    if (!empty && memcmp(header, "SQLite format 3", 16) != 0) return sy__sql_error(err, NULL, SQLITE_NOTADB, file);
    *a = (about){big_endian(header + AT_APPLICATION_ID), big_endian(header + AT_USER_VERSION)};
    return judge(file, *a, set, err);
}

/* Again through a connection, which also sees a log that no checkpoint has moved yet. */
static int
check_connection(sqlite3 *conn, const char *file, const sy__schema_set *set, about *a, sy__error *err)
{
    int code = sy__sql_int(conn, "PRAGMA application_id", 0, &a->application_id, err);
    if (code == SY_OK) code = sy__sql_int(conn, "PRAGMA user_version", 0, &a->version, err);
    return code ? code : judge(file, *a, set, err);
}

/* *out is NULL with SY_OK when the file has to be made or migrated first. */
static int
open_current(sqlite3 **out, const char *file, const sy__schema_set *set, sy__error *err)
{
    about a = {0, 0};
    sqlite3 *conn = NULL;
    *out = NULL;
    int code = check_header(file, set, &a, err);
    if (code || a.application_id == 0) return code;
    code = sy__sql_open(&conn, file, SQLITE_OPEN_READWRITE, err);
    if (code) return code;
    (void)sqlite3_db_config(conn, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    code = check_connection(conn, file, set, &a, err);
    if (code == SY_OK && a.version == set->count) {
        (void)sqlite3_db_config(conn, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
        *out = conn;
        return SY_OK;
    }
    (void)sqlite3_close(conn);
    return code;
}

static int
back_up(sqlite3 *conn, int64_t version, const sy__schema_set *set, sy__error *err)
{
    char path[PATH_MAX], stamp[SY__STAMP_BYTES];
    sqlite3 *copy = NULL;
    sy__stamp(sy__wall_ms(set->clock), stamp);
    for (char *p = stamp; *p; p++)
        if (*p == ':') *p = '-';
    int n = snprintf(path, sizeof path, "%s/backup/schema-%lld-%s.db", set->dir, (long long)version, stamp);
    if (n >= PATH_MAX) return sy__error_set(err, SY_EIO, "the path is too long: %s", set->dir);
    int code = sy__sql_open(&copy, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (code) return code;
    sqlite3_backup *b = sqlite3_backup_init(copy, "main", conn, "main");
    if (b) (void)sqlite3_backup_step(b, -1);
    int rc = b ? sqlite3_backup_finish(b) : sqlite3_errcode(copy);
    if (rc != SQLITE_OK) code = sy__sql_error(err, copy, rc, "cannot copy the database before its migration");
    (void)sqlite3_close(copy);
    return code;
}

static int
check_references(sqlite3 *conn, sy__error *err)
{
    char table[128];
    int code = sy__sql_text(conn, "PRAGMA foreign_key_check", NULL, 0, table, sizeof table, err);
    if (code || !table[0]) return code;
    return sy__error_set(err, SY_EDAMAGED, "rows of %s would refer to nothing after the migration", table);
}

/* One transaction: number `n`, from 1. */
static int
apply(sqlite3 *conn, int n, const sy__schema_set *set, sy__error *err)
{
    char mark[96];
    (void)snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d", set->application_id, n);
    int code = sy__sql_exec(conn, "BEGIN IMMEDIATE", err);
    if (code) return code;
    code = sy__sql_exec(conn, set->migrations[n - 1].sql, err);
    if (code == SY_OK && n == 1 && set->seed) code = set->seed(conn, set->seed_ud, err);
    if (code == SY_OK) code = check_references(conn, err);
    if (code == SY_OK) code = sy__sql_exec(conn, mark, err);
    SY__CRASH_POINT("migration.before");
    if (code == SY_OK) code = sy__sql_exec(conn, "COMMIT", err);
    SY__CRASH_POINT("migration.done");
    if (code && !sqlite3_get_autocommit(conn)) (void)sy__sql_exec(conn, "ROLLBACK", NULL);
    return code;
}

static int
apply_all(sqlite3 *conn, const char *file, const sy__schema_set *set, sy__error *err)
{
    about a = {0, 0};
    int code = check_connection(conn, file, set, &a, err);
    if (code == SY_OK && a.version > 0 && a.version < set->count) code = back_up(conn, a.version, set, err);
    for (int n = (int)a.version + 1; n <= set->count && code == SY_OK; n++) code = apply(conn, n, set, err);
    return code;
}

/* Under the exclusive lock. References are not enforced while tables change, and checked before each commit. */
static int
make_current(const char *file, const sy__schema_set *set, sy__error *err)
{
    sqlite3 *conn = NULL;
    about a = {0, 0};
    int code = check_header(file, set, &a, err);
    if (code) return code;
    code = sy__sql_open(&conn, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (code == SY_OK) (void)sqlite3_db_config(conn, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
    /* Free pages can be given back in small steps: must be known before the first table.
     * Pages of 8 KiB: few rows of a task or an event fit into one, and half as many pages are counted and written. */
    if (code == SY_OK)
        code = sy__sql_exec(
            conn, "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL", err);
    if (code == SY_OK) code = apply_all(conn, file, set, err);
    (void)sqlite3_close(conn);
    return code;
}

static int
say_who(const sy__schema_set *set, sy__error *err)
{
    sy__buf pids;
    sy__buf_init(&pids, &sy__alloc_default);
    sy__host_pids(set->dir, &pids);
    const char *text = sy__buf_cstr(&pids);
    sy__error_set(err, SY_ETIMEOUT, "the database must be migrated, but another program has it open: process %s",
                  text && *text ? text : "unknown");
    sy__error_hint(err, "end that process, then try again");
    sy__buf_close(&pids);
    return SY_ETIMEOUT;
}

/* SY_EAGAIN: somebody else is migrating, or holds the old schema open. */
static int
try_once(sqlite3 **out, const char *file, const sy__schema_set *set, sy__error *err)
{
    int code = sy__lock_try(set->lock_fd, SY__LOCK_SHARED);
    if (code == SY_OK) code = open_current(out, file, set, err);
    if (code || *out) return code;
    (void)sy__lock_try(set->lock_fd, SY__LOCK_NONE);
    code = sy__lock_try(set->lock_fd, SY__LOCK_EXCLUSIVE);
    if (code) return code;
    code = make_current(file, set, err);
    (void)sy__lock_try(set->lock_fd, SY__LOCK_NONE);
    return code ? code : SY_EAGAIN;
}

int
sy__migrate_open(sqlite3 **out, const char *file, const sy__schema_set *set, sy__error *err)
{
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};
    *out = NULL;
    for (int waited = 0; waited <= LOCK_WAIT_MS; waited += LOCK_STEP_MS) {
        int code = try_once(out, file, set, err);
        if (code != SY_EAGAIN) return code;
        code = try_once(out, file, set, err); /* what was made a moment ago is current now */
        if (code != SY_EAGAIN) return code;
        (void)nanosleep(&step, NULL);
    }
    return say_who(set, err);
}
