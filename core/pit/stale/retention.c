/*
 * retention.c: see retention.h. References are not enforced meanwhile: SQLite would look for the children of each
 * task and event in tables of millions that have no index for it. Instead everything that refers to a row goes
 * before it does, and a spec compares the tables here with those that the schema lets refer to them.
 */
#include "pit/stale/retention_impl.h"

#include "base/crash.h"

#include <string.h>

enum { MARK_RUNS = 50, SCAN_EVENTS = 4096, TASKS = 32 };

typedef struct removal {
    sy__db *db;
    const sy__alloc *alloc;
    const sy__removal *asked;
    sy__removed *out;
    int64_t until_ns;
    int next;                     /* of asked->runs */
    sy__map marked;               /* ids of runs that are being removed */
    char (*list)[SY__ID_BYTES];   /* the same, the latest first */
    int count, cap, at;           /* at: how many are gone */
    char (*events)[SY__ID_BYTES]; /* of marked runs, from one look at the table */
    int event_count, event_at;    /* event_at: how many are deleted */
    int64_t seq, last_seq;        /* the pass is at `seq` and ends with `last_seq` */
} removal;

static bool
out_of_time(const removal *r)
{
    return sy__mono_ns(&sy__clock_system) >= r->until_ns;
}

/* ---- marking ---- */

/* A fork or child that is itself being removed does not count: it goes first. */
static const char MARK[] =
    "INSERT INTO run_span (pipeline_orchestration_id, first_seq, last_seq, removing_at)"
    " SELECT p.id, 0, (SELECT coalesce(max(seq), 0) FROM event), strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
    " FROM pipeline_orchestration p WHERE p.id = ?1 AND p.status IN ('completed', 'failed', 'cancelled')"
    " AND p.number < (SELECT max(number) FROM pipeline_orchestration)"
    " AND NOT EXISTS (SELECT 1 FROM pipeline_orchestration f LEFT JOIN run_span s ON s.pipeline_orchestration_id = f.id"
    " WHERE f.forked_from = p.id AND s.removing_at IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM pipeline_orchestration c JOIN task t ON t.id = c.parent_task_id"
    " LEFT JOIN run_span s ON s.pipeline_orchestration_id = c.id"
    " WHERE c.parent_task_id IS NOT NULL AND t.pipeline_orchestration_id = p.id AND s.removing_at IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM artifact a JOIN pin n ON n.artifact_id = a.id"
    " WHERE a.pipeline_orchestration_id = p.id)"
    " ON CONFLICT (pipeline_orchestration_id) DO UPDATE SET last_seq = coalesce(last_seq, excluded.last_seq),"
    " removing_at = coalesce(removing_at, excluded.removing_at)";

/* Writer thread, in a transaction. */
static int
mark_some(sqlite3 *conn, void *ud, sy__error *err)
{
    removal *r = ud;
    sy__slice s = sy__slice_open(conn, err);
    for (int n = 0; n < MARK_RUNS && r->next < r->asked->count && !sy__slice_over(&s); n++)
        (void)sy__slice_run(&s, MARK, r->asked->runs[r->next++]);
    return sy__slice_close(&s);
}

static int
add_marked(removal *r, const char *id)
{
    static const char present = 1;
    if (r->count == r->cap) {
        int cap = r->cap ? r->cap * 2 : 64;
        void *list = sy__realloc(r->alloc, r->list, (size_t)cap * sizeof *r->list);
        if (!list) return SY_ENOMEM;
        r->list = list;
        r->cap = cap;
    }
    (void)memccpy(r->list[r->count], id, '\0', SY__ID_BYTES - 1);
    r->list[r->count][SY__ID_BYTES - 1] = '\0';
    return sy__map_put(&r->marked, r->list[r->count++], strlen(id), (void *)&present);
}

/* All that are marked, also by others, and the part of the events in which theirs lie. */
static int
read_marked(removal *r, sqlite3 *conn, sy__error *err)
{
    static const char sql[] =
        "SELECT s.pipeline_orchestration_id, s.first_seq, s.last_seq FROM run_span s JOIN pipeline_orchestration p"
        " ON p.id = s.pipeline_orchestration_id WHERE s.removing_at IS NOT NULL ORDER BY p.number DESC";
    sqlite3_stmt *q = NULL;
    int code = SY_OK, rc = sqlite3_prepare_v2(conn, sql, -1, &q, NULL);
    r->seq = INT64_MAX;
    while (rc == SQLITE_OK && code == SY_OK && sqlite3_step(q) == SQLITE_ROW) {
        int64_t first = sqlite3_column_int64(q, 1), last = sqlite3_column_int64(q, 2);
        if (first < r->seq) r->seq = first;
        if (last > r->last_seq) r->last_seq = last;
        code = add_marked(r, (const char *)sqlite3_column_text(q, 0));
    }
    int ended = sqlite3_finalize(q);
    if (code) return sy__error_set(err, code, "no memory to remove runs");
    return rc || ended ? sy__slice_error(conn, err) : SY_OK;
}

static int
mark_all(removal *r, sy__error *err)
{
    int code = SY_OK;
    while (code == SY_OK && r->next < r->asked->count && !out_of_time(r))
        code = sy__db_exclusive(r->db, mark_some, r, err);
    if (code) return code;
    sqlite3 *conn = sy__db_reader(r->db, err);
    if (!conn) return err && err->code ? err->code : SY_EIO;
    code = read_marked(r, conn, err);
    sy__db_reader_release(r->db, conn);
    return code;
}

/* ---- artifacts ---- */

static const char *const of_artifacts[] = {
    "DELETE FROM artifact_pit_operation WHERE artifact_id IN (SELECT id FROM artifact"
    " WHERE pipeline_orchestration_id = ?1)",
    "DELETE FROM event_artifact WHERE artifact_id IN (SELECT id FROM artifact WHERE pipeline_orchestration_id = ?1)",
    /* pinned a moment ago: the content stays */
    "UPDATE pin SET artifact_id = NULL WHERE artifact_id IN (SELECT id FROM artifact"
    " WHERE pipeline_orchestration_id = ?1)",
};
static const char ARTIFACTS[] = "DELETE FROM artifact WHERE pipeline_orchestration_id = ?1";

/* Writer thread, in a transaction. */
static int
delete_artifacts(sqlite3 *conn, void *ud, sy__error *err)
{
    removal *r = ud;
    sy__slice s = sy__slice_open(conn, err);
    for (; r->at < r->count && !sy__slice_over(&s); r->at++) {
        for (int i = 0; i < 3; i++) (void)sy__slice_run(&s, of_artifacts[i], r->list[r->at]);
        r->out->artifacts += sy__slice_run(&s, ARTIFACTS, r->list[r->at]);
    }
    return sy__slice_close(&s);
}

/* ---- events ---- */

/* The next events of marked runs; r->seq is how far the look went. */
static int
find_events(removal *r, sqlite3 *conn, sy__error *err)
{
    static const char sql[] = "SELECT seq, id, pipeline_orchestration_id FROM event WHERE seq > ?1 AND seq <= ?2"
                              " ORDER BY seq LIMIT ?3";
    sqlite3_stmt *q = NULL;
    int found = 0, rc = sqlite3_prepare_v2(conn, sql, -1, &q, NULL);
    r->event_count = r->event_at = 0;
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(q, 1, r->seq);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(q, 2, r->last_seq);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int(q, 3, SCAN_EVENTS);
    for (; rc == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW; found++) {
        const char *run = (const char *)sqlite3_column_text(q, 2);
        r->seq = sqlite3_column_int64(q, 0);
        if (run && sy__map_get(&r->marked, run, strlen(run)))
            (void)memccpy(r->events[r->event_count++], sqlite3_column_text(q, 1), '\0', SY__ID_BYTES);
    }
    int ended = sqlite3_finalize(q);
    if (rc == SQLITE_OK && ended == SQLITE_OK && found < SCAN_EVENTS) r->seq = r->last_seq;
    return rc || ended ? sy__slice_error(conn, err) : SY_OK;
}

/* What is behind the pass needs no second one. */
static const char PASSED[] =
    "UPDATE run_span SET first_seq = ?2 WHERE pipeline_orchestration_id = ?1 AND first_seq < ?2";

/* Writer thread, in a transaction. */
static int
delete_events(sqlite3 *conn, void *ud, sy__error *err)
{
    removal *r = ud;
    sy__slice s = sy__slice_open(conn, err);
    while (r->event_at < r->event_count && !sy__slice_over(&s))
        r->out->events += sy__slice_run(&s, "DELETE FROM event WHERE id = ?1", r->events[r->event_at++]);
    for (int i = 0; i < r->count && r->event_at == r->event_count; i++)
        (void)sy__slice_run_at(&s, PASSED, r->list[i], r->seq);
    return sy__slice_close(&s);
}

static int
remove_events(removal *r, sy__error *err)
{
    int code = SY_OK;
    while (code == SY_OK && r->seq < r->last_seq && !out_of_time(r)) {
        sqlite3 *conn = sy__db_reader(r->db, err);
        if (!conn) return err && err->code ? err->code : SY_EIO;
        code = find_events(r, conn, err);
        sy__db_reader_release(r->db, conn);
        do {
            if (code == SY_OK) code = sy__db_unchecked(r->db, delete_events, r, err);
        } while (code == SY_OK && r->event_at < r->event_count);
    }
    return code;
}

/* ---- tasks and the run itself ---- */

static const char *const of_task[] = {
    "DELETE FROM artifact_pit_operation WHERE pit_operation_id IN (SELECT id FROM pit_operation WHERE task_id = ?1)",
    "DELETE FROM task WHERE id = ?1",
};
static const char PIECES[] = "DELETE FROM task_stream WHERE task_id = ?1";
static const char DECISIONS[] = "DELETE FROM pit_operation WHERE task_id = ?1";

static const char *const of_run[] = {
    "DELETE FROM control WHERE pipeline_orchestration_id = ?1",
    "DELETE FROM run_span WHERE pipeline_orchestration_id = ?1",
    "DELETE FROM pipeline_orchestration WHERE id = ?1",
};

/* Some tasks of a run, children first: their keys begin with their parent's. Whether there were any. */
static bool
delete_tasks(removal *r, sy__slice *s, const char *run)
{
    char ids[TASKS][SY__ID_BYTES];
    int count = sy__slice_ids(s, "SELECT id FROM task WHERE pipeline_orchestration_id = ?1 ORDER BY key DESC LIMIT 32",
                              run, ids, TASKS);
    for (int i = 0; i < count; i++) {
        (void)sy__slice_run(s, of_task[0], ids[i]);
        r->out->decisions += sy__slice_run(s, DECISIONS, ids[i]);
        r->out->pieces += sy__slice_run(s, PIECES, ids[i]);
        r->out->tasks += sy__slice_run(s, of_task[1], ids[i]);
    }
    return count > 0;
}

/* Writer thread, in a transaction. */
static int
delete_runs(sqlite3 *conn, void *ud, sy__error *err)
{
    removal *r = ud;
    sy__slice s = sy__slice_open(conn, err);
    while (r->at < r->count && !sy__slice_over(&s)) {
        const char *run = r->list[r->at];
        if (delete_tasks(r, &s, run)) continue;
        int64_t gone = 0;
        for (size_t i = 0; i < sizeof of_run / sizeof *of_run; i++) gone = sy__slice_run(&s, of_run[i], run);
        r->out->runs += gone;
        r->at++;
    }
    return sy__slice_close(&s);
}

static int
each_marked(removal *r, int (*step)(sqlite3 *conn, void *ud, sy__error *err), sy__error *err)
{
    int code = SY_OK;
    for (r->at = 0; code == SY_OK && r->at < r->count && !out_of_time(r);) code = sy__db_unchecked(r->db, step, r, err);
    return code;
}

static int
remove_all(removal *r, sy__error *err)
{
    int code = mark_all(r, err);
    SY__CRASH_POINT("retention.marked");
    if (code == SY_OK) code = each_marked(r, delete_artifacts, err);
    if (code == SY_OK && r->at == r->count) code = remove_events(r, err);
    SY__CRASH_POINT("retention.events_gone");
    bool cleared = r->count > 0 && r->seq >= r->last_seq;
    r->at = 0;
    if (code == SY_OK && cleared) code = each_marked(r, delete_runs, err);
    r->out->left = r->count - r->at;
    return code;
}

int
sy__retention_remove(sy__db *db, const sy__alloc *a, const sy__removal *q, sy__removed *out, sy__error *err)
{
    removal r = {.db = db, .alloc = a, .asked = q, .out = out, .until_ns = INT64_MAX};
    *out = (sy__removed){0};
    if (q->budget_ms > 0) r.until_ns = sy__mono_ns(&sy__clock_system) + q->budget_ms * 1000000;
    sy__map_init(&r.marked, a);
    r.events = sy__malloc(a, SCAN_EVENTS * sizeof *r.events);
    int code = r.events ? remove_all(&r, err) : sy__error_set(err, SY_ENOMEM, "no memory to remove runs");
    sy__map_close(&r.marked);
    sy__free(a, r.list);
    sy__free(a, r.events);
    return code;
}
