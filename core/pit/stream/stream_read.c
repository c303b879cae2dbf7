/*
 * stream_read.c: streams as readers see them: rows of task_stream, or events of a task's log, from an offset on.
 *
 * The task's state is read before its rows: if it had ended then, no row of it can come later.
 */
#include "pit/stream/stream_impl.h"

#include <string.h>

enum { LOG_LINES = 256 };

typedef struct reading {
    sqlite3 *conn;
    char task_id[SY__ID_BYTES];
    bool over; /* the task had ended */
    sy__stream_kind kind;
    size_t max_bytes;
    sy__stream_piece *out;
} reading;

static int
damaged(const reading *g, sy__error *err)
{
    return sy__error_set(err, SY_EDAMAGED, "the stream cannot be read: %s", sqlite3_errmsg(g->conn));
}

static int
find_task(reading *g, const char *run, const char *task, sy__error *err)
{
    static const char sql[] = "SELECT id, task_status IN ('completed', 'failed') FROM task"
                              " WHERE pipeline_orchestration_id = ?1 AND key = ?2";
    sqlite3_stmt *stmt = NULL;
    bool found = false;
    if (sqlite3_prepare_v2(g->conn, sql, -1, &stmt, NULL) != SQLITE_OK) return damaged(g, err);
    (void)sqlite3_bind_text(stmt, 1, run, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 2, task, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(stmt, 0);
        found = id && strlen(id) < sizeof g->task_id;
        if (found) memcpy(g->task_id, id, strlen(id) + 1);
        g->over = sqlite3_column_int(stmt, 1) != 0;
    }
    (void)sqlite3_finalize(stmt);
    return found ? SY_OK : sy__error_set(err, SY_ENOTFOUND, "run %s has no task `%s` that has begun", run, task);
}

/* ---- rows ---- */

typedef struct row {
    int64_t position, epoch;
    int attempt;
    const char *data;
    size_t len;
} row;

static void
read_row(sqlite3_stmt *stmt, row *r)
{
    r->position = sqlite3_column_int64(stmt, 0);
    r->attempt = sqlite3_column_int(stmt, 1);
    r->epoch = sqlite3_column_int64(stmt, 2);
    r->data = sqlite3_column_blob(stmt, 3);
    r->len = (size_t)sqlite3_column_bytes(stmt, 3);
}

/* Adds what of a row lies from out->next on; false: it belongs to another piece. Rows that were imported may overlap.
 */
static bool
take_row(sy__stream_piece *out, const row *r, size_t max)
{
    if (out->bytes.len == 0) {
        if (r->position > out->offset) out->offset = out->next = r->position;
        out->attempt = r->attempt;
        out->epoch = r->epoch;
    }
    if (r->attempt != out->attempt || r->epoch != out->epoch || r->position > out->next) return false;
    if (r->position + (int64_t)r->len <= out->next) return true;
    size_t from = (size_t)(out->next - r->position), n = r->len - from, room = max - out->bytes.len;
    if (n > room) n = room;
    sy__buf_add(&out->bytes, r->data + from, n);
    out->next += (int64_t)n;
    return true;
}

static int
read_rows(reading *g, sy__error *err)
{
    static const char sql[] = "SELECT position, attempt, epoch, data FROM task_stream WHERE task_id = ?1 AND kind = ?2"
                              " AND position > ?3 AND position + length(data) > ?4 ORDER BY position";
    sqlite3_stmt *stmt = NULL;
    bool same = true;
    int rc = SQLITE_ROW;
    if (sqlite3_prepare_v2(g->conn, sql, -1, &stmt, NULL) != SQLITE_OK) return damaged(g, err);
    (void)sqlite3_bind_text(stmt, 1, g->task_id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 2, sy__stream_name(g->kind), -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 3, g->out->offset - SY__STREAM_PIECE_BYTES);
    (void)sqlite3_bind_int64(stmt, 4, g->out->offset);
    while (same && g->out->bytes.len < g->max_bytes && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        row r;
        read_row(stmt, &r);
        same = take_row(g->out, &r, g->max_bytes);
    }
    (void)sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return damaged(g, err);
    sy__stream_trim(g->out, g->kind, g->over || !same, g->max_bytes);
    return SY_OK;
}

/* ---- log lines ---- */

/* One event as a line: {"at":…,"level":…,"text":…}. */
static bool
take_line(sy__stream_piece *out, sqlite3_stmt *stmt)
{
    const char *at = (const char *)sqlite3_column_text(stmt, 1), *payload = (const char *)sqlite3_column_text(stmt, 2);
    int attempt = sqlite3_column_int(stmt, 3);
    if (out->bytes.len == 0) out->attempt = attempt;
    if (attempt != out->attempt || !at || !payload || *payload != '{') return false;
    sy__buf_addf(&out->bytes, "{\"at\":\"%s\",", at);
    sy__buf_adds(&out->bytes, payload + 1);
    sy__buf_addc(&out->bytes, '\n');
    out->next = sqlite3_column_int64(stmt, 0);
    return true;
}

static int
read_lines(reading *g, const char *run, sy__error *err)
{
    static const char sql[] =
        "SELECT seq, occurred_at, event_payload, coalesce(json_extract(event_context, '$.attempt'), 1) FROM event"
        " WHERE seq > max(?1, (SELECT coalesce(max(first_seq), 0) FROM run_span WHERE pipeline_orchestration_id = ?2))"
        " AND pipeline_orchestration_id = ?2 AND task_id = ?3 AND event_type = 'task.log'"
        " ORDER BY seq LIMIT ?4";
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_ROW;
    if (sqlite3_prepare_v2(g->conn, sql, -1, &stmt, NULL) != SQLITE_OK) return damaged(g, err);
    (void)sqlite3_bind_int64(stmt, 1, g->out->offset);
    (void)sqlite3_bind_text(stmt, 2, run, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 3, g->task_id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(stmt, 4, LOG_LINES);
    while (g->out->bytes.len < g->max_bytes && (rc = sqlite3_step(stmt)) == SQLITE_ROW && take_line(g->out, stmt))
        continue;
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SY_OK : damaged(g, err);
}

/* ---- both ---- */

/* What a run at level none keeps in this process; false: it is none. */
static bool
recall(sy__engine *e, const char *run, const char *task, reading *g, int *status)
{
    sy__run *r = sy__engine_find(e, run);
    bool none = r && r->level == SY__LEVEL_NONE;
    if (none) *status = sy__stream_recall(r, task, g->kind, g->out->offset, g->max_bytes, g->out);
    if (r) sy__run_release(r);
    return none;
}

static int
read_database(sy__engine *e, const char *run, const char *task, reading *g, sy__error *err)
{
    g->conn = sy__db_reader(e->o.db, err);
    if (!g->conn) return err && err->code ? err->code : SY_EDAMAGED;
    int status = find_task(g, run, task, err);
    if (!status) status = g->kind == SY__STREAM_LOG ? read_lines(g, run, err) : read_rows(g, err);
    sy__db_reader_release(e->o.db, g->conn);
    return status;
}

int
sy__stream_read(sy__engine *e, const char *run, const char *task, sy__stream_kind kind, int64_t offset,
                size_t max_bytes, sy__stream_piece *out, sy__error *err)
{
    int status = SY_OK;
    reading g = {.kind = kind, .max_bytes = max_bytes, .out = out};
    if (offset < 0) offset = 0;
    *out = (sy__stream_piece){.offset = offset, .next = offset};
    sy__buf_init(&out->bytes, e->alloc);
    if (!recall(e, run, task, &g, &status)) status = read_database(e, run, task, &g, err);
    if (!status && out->bytes.failed) status = sy__error_set(err, SY_ENOMEM, "no memory for the stream");
    if (status) sy__buf_close(&out->bytes);
    return status;
}
