/*
 * retention_tidy.c: rows that nothing needs any more: tasks of the host outside of runs, openings that have ended,
 * requests that were handled, versions of melodies and extensions to which no run refers.
 */
#include "pit/stale/retention_impl.h"

#include <string.h>

enum { BATCH = 32 };

typedef struct tidying {
    sy__db *db;
    const char *before;
    sy__tidied *out;
    int64_t until_ns;
    bool more; /* the last step did not get to the end */
} tidying;

/* ---- what ended runs leave to know ---- */

/* After ten minutes nobody's queue has anything of them: no event comes after the last one there is now. */
static const char CLOSE_SPANS[] =
    "UPDATE run_span SET last_seq = (SELECT coalesce(max(seq), 0) FROM event) WHERE last_seq IS NULL AND"
    " pipeline_orchestration_id IN (SELECT p.id FROM run_span s CROSS JOIN pipeline_orchestration p"
    " ON p.id = s.pipeline_orchestration_id WHERE s.last_seq IS NULL"
    " AND p.status IN ('completed', 'failed', 'cancelled') AND p.completed_at < strftime('%Y-%m-%dT%H:%M:%fZ',"
    " 'now', '-10 minutes') LIMIT 200)";

/* ---- tasks of the host ---- */

static const char CHORES[] =
    "SELECT t.id FROM task t WHERE t.pipeline_orchestration_id IS NULL AND t.completed_at < ?1"
    " AND NOT EXISTS (SELECT 1 FROM artifact a WHERE a.pipeline_orchestration_id IS NULL AND a.task_id = t.id)"
    " AND NOT EXISTS (SELECT 1 FROM pipeline_orchestration p WHERE p.parent_task_id = t.id) LIMIT 32";
static const char *const of_chore[] = {
    "DELETE FROM event WHERE task_id = ?1 AND pipeline_orchestration_id IS NULL",
    "DELETE FROM artifact_pit_operation WHERE pit_operation_id IN (SELECT id FROM pit_operation WHERE task_id = ?1)",
    "DELETE FROM pit_operation WHERE task_id = ?1",
};

static bool
chores(tidying *t, sy__slice *s)
{
    char ids[BATCH][SY__ID_BYTES];
    int count = sy__slice_ids(s, CHORES, t->before, ids, BATCH);
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof of_chore / sizeof *of_chore; k++) (void)sy__slice_run(s, of_chore[k], ids[i]);
        t->out->host_tasks += sy__slice_run(s, "DELETE FROM task WHERE id = ?1", ids[i]);
    }
    return count == BATCH;
}

/* ---- the rest ---- */

static const char CONTROLS[] =
    "DELETE FROM control WHERE id IN (SELECT id FROM control WHERE handled_at < ?1 LIMIT 500)";
static const char OPENED[] =
    "DELETE FROM extension_session WHERE session_id IN (SELECT id FROM session WHERE ended_at < ?1)";
static const char SESSIONS[] =
    "DELETE FROM session WHERE ended_at < ?1 AND id NOT IN (SELECT owner_host FROM pipeline_orchestration"
    " WHERE owner_host IS NOT NULL) AND id NOT IN (SELECT session_id FROM control WHERE session_id IS NOT NULL)"
    " AND id NOT IN (SELECT session_id FROM extension_session)";
static const char MELODIES[] =
    "DELETE FROM melody_version WHERE created_at < ?1 AND hash NOT IN (SELECT hash FROM melody)"
    " AND hash NOT IN (SELECT melody_hash FROM pipeline_orchestration WHERE melody_hash IS NOT NULL)";

/* Writer thread, in a transaction. */
static int
tidy_some(sqlite3 *conn, void *ud, sy__error *err)
{
    tidying *t = ud;
    sy__slice s = sy__slice_open(conn, err);
    t->more = sy__slice_run(&s, CLOSE_SPANS, NULL) >= 200 || chores(t, &s);
    while (t->more && !sy__slice_over(&s)) t->more = chores(t, &s);
    if (t->more) return sy__slice_close(&s);
    t->out->controls += sy__slice_run(&s, CONTROLS, t->before);
    (void)sy__slice_run(&s, OPENED, t->before);
    t->out->sessions += sy__slice_run(&s, SESSIONS, t->before);
    t->out->melody_versions += sy__slice_run(&s, MELODIES, t->before);
    return sy__slice_close(&s);
}

/* ---- versions of extensions ---- */

static const char OLD_VERSIONS[] =
    "SELECT id FROM extension_version WHERE installed_at < ?1 AND code_hash <> 'builtin'"
    " AND id NOT IN (SELECT extension_version_id FROM extension WHERE extension_version_id IS NOT NULL)"
    " AND id NOT IN (SELECT extension_version_id FROM task WHERE extension_version_id IS NOT NULL)"
    " AND id NOT IN (SELECT c.value FROM pipeline_orchestration p, json_each(p.options, '$.code') c) LIMIT 32";

/* Writer thread, in a transaction; the ids were found by a reader, since that reads all tasks. A version in which no
 * task ever began, of no run that is there, is used by none from now on. */
static int
delete_versions(sqlite3 *conn, void *ud, sy__error *err)
{
    char(*ids)[SY__ID_BYTES] = ud;
    sy__slice s = sy__slice_open(conn, err);
    for (int i = 0; i < BATCH && ids[i][0]; i++)
        (void)sy__slice_run(&s,
                            "DELETE FROM extension_version WHERE id = ?1 AND id NOT IN (SELECT extension_version_id"
                            " FROM extension WHERE extension_version_id IS NOT NULL)",
                            ids[i]);
    return sy__slice_close(&s);
}

static int
tidy_versions(tidying *t, sy__error *err)
{
    char ids[BATCH + 1][SY__ID_BYTES] = {{0}};
    sqlite3 *conn = sy__db_reader(t->db, err);
    if (!conn) return err && err->code ? err->code : SY_EIO;
    sy__slice s = sy__slice_open(conn, err);
    int count = sy__slice_ids(&s, OLD_VERSIONS, t->before, ids, BATCH);
    int code = sy__slice_close(&s);
    sy__db_reader_release(t->db, conn);
    if (code == SY_OK && count > 0) code = sy__db_unchecked(t->db, delete_versions, ids, err);
    if (code == SY_OK) t->out->extension_versions = count;
    return code;
}

int
sy__retention_tidy(sy__db *db, const char *before, int64_t budget_ms, sy__tidied *out, sy__error *err)
{
    tidying t = {.db = db, .before = before, .out = out, .until_ns = INT64_MAX, .more = true};
    int code = SY_OK;
    *out = (sy__tidied){0};
    if (budget_ms > 0) t.until_ns = sy__mono_ns(&sy__clock_system) + budget_ms * 1000000;
    while (code == SY_OK && t.more && sy__mono_ns(&sy__clock_system) < t.until_ns)
        code = sy__db_unchecked(db, tidy_some, &t, err);
    if (code == SY_OK && budget_ms <= 0) code = tidy_versions(&t, err);
    return code;
}
