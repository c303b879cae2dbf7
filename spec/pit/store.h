/* store.h: an artifact store in a folder of its own, with a clock that tests turn. */
#ifndef SY_SPEC_PIT_STORE_H
#define SY_SPEC_PIT_STORE_H

#include "pit/artifact/artifact.h"
#include "pit/stale/stale.h"

#include "test.h"

#include <stdatomic.h>
#include <unistd.h>

enum { HOUR = 3600000, DAY = 24 * HOUR };

typedef struct store {
    char dir[256];
    sy__log log;
    sy__clock clock;
    atomic_llong ahead_ms; /* of the system's clock */
    sy__db *db;
    sy__artifacts *artifacts;
} store;

static int64_t
store_wall_ms(void *ud)
{
    return sy__wall_ms(&sy__clock_system) + (int64_t)atomic_load((atomic_llong *)ud);
}

static int64_t
store_mono_ns(void *ud)
{
    (void)ud;
    return sy__mono_ns(&sy__clock_system);
}

/* Opens the store again, as a further host, after store_init or beside an open one. */
static inline void
store_open(store *s)
{
    sy__error err = {0};
    s->clock = (sy__clock){store_wall_ms, store_mono_ns, &s->ahead_ms};
    sy__log_init(&s->log, &s->clock);
    sy__db_options o = {.alloc = &sy__alloc_default, .clock = &s->clock, .log = &s->log, .dir = s->dir};
    CHECK_INT(sy__db_open(&s->db, &o, &err), SY_OK);
    CHECK_STR(err.message, "");
    CHECK_INT(sy__artifacts_open(&s->artifacts, s->db, &sy__alloc_default, &err), SY_OK);
    sy__artifacts_set_clock(s->artifacts, &s->clock);
}

static inline void
store_close(store *s)
{
    sy__artifacts_close(s->artifacts);
    sy__db_close(s->db);
    sy__log_close(&s->log);
}

static inline void
store_init(store *s)
{
    const char *base = getenv("TMPDIR");
    memset(s, 0, sizeof *s);
    (void)snprintf(s->dir, sizeof s->dir, "%s/symphony-pit-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(s->dir)) exit(1);
    store_open(s);
}

static inline void
store_remove(store *s)
{
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    CHECK_INT(system(command), 0);
}

/* Everything put is committed, so that other hosts see it. */
static inline void
store_settle(store *s)
{
    sy__error err = {0};
    CHECK_INT(sy__artifacts_flush(s->artifacts, &err), SY_OK);
    CHECK_INT(sy__db_wait(s->db, sy__db_now(s->db), false, &err), SY_OK);
    CHECK_STR(err.message, "");
}

static inline sy__stored
store_put(store *s, const void *bytes, size_t size)
{
    sy__stored out;
    sy__error err = {0};
    CHECK_INT(sy__artifact_put(s->artifacts, SY__LEVEL_PROCESS, bytes, size, &out, &err), SY_OK);
    CHECK_STR(err.message, "");
    return out;
}

/* SY_OK when the content of `hash` is exactly these bytes. */
static inline int
store_has(store *s, const char *hash, const void *bytes, size_t size)
{
    sy__buf got;
    sy__buf_init(&got, &sy__alloc_default);
    sy__buf_adds(&got, "before");
    int rc = sy__artifact_get(s->artifacts, hash, &got, NULL);
    if (rc && got.len != 6) rc = SY_EINTERNAL; /* a failed read leaves the buffer as it was */
    if (rc == SY_OK && (got.len != size + 6 || memcmp(got.data + 6, bytes, size) != 0)) rc = SY_EINVAL;
    sy__buf_close(&got);
    return rc;
}

typedef struct store_sql {
    const char *sql;
    int64_t got;
} store_sql;

static int
store_run_sql(sqlite3 *conn, void *ud, sy__error *err)
{
    store_sql *q = ud;
    sqlite3_stmt *stmt = NULL;
    for (const char *at = q->sql; *at;) {
        int step = sqlite3_prepare_v2(conn, at, -1, &stmt, &at);
        if (step == SQLITE_OK && stmt) step = sqlite3_step(stmt);
        if (step == SQLITE_ROW) q->got = sqlite3_column_int64(stmt, 0);
        (void)sqlite3_finalize(stmt);
        if (step != SQLITE_ROW && step != SQLITE_DONE && step != SQLITE_OK)
            return sy__error_set(err, SY_EIO, "%s: %s", q->sql, sqlite3_errmsg(conn));
        stmt = NULL;
    }
    return SY_OK;
}

/* Runs statements on the writer; returns the first column of the last row there was. */
static inline int64_t
store_sql_int(store *s, const char *format, ...)
{
    char sql[4096];
    sy__error err = {0};
    store_sql q = {.sql = sql};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    CHECK_INT(sy__db_exclusive(s->db, store_run_sql, &q, &err), SY_OK);
    CHECK_STR(err.message, "");
    return q.got;
}

static inline void
store_random(char *to, size_t size, uint64_t seed)
{
    uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        to[i] = (char)(x >> 32);
    }
}

/* The path of a large content's file. */
static inline void
store_path(store *s, const char *hash, const char *suffix, char out[400])
{
    (void)snprintf(out, 400, "%s/artifacts/%.2s/%s%s", s->dir, hash + 7, hash + 9, suffix);
}

#endif
