/* queue_test.c: what is put is written: in order, combined, in groups, and told to whoever waits. */
#include "fixture.h"

static void
opens_twice_and_keeps_its_ids(void)
{
    char dir[256];
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    sy__db_ids before = *sy__db_known(db);
    CHECK(sy__id_valid(before.conductor));
    CHECK(sy__id_valid(before.orchestra_kit));
    CHECK(sy__id_valid(before.host_extension));
    CHECK(sy__id_valid(before.host_version));
    CHECK(sy__id_valid(before.project));
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM conductor"), 1);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM orchestra_kit"), 1);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM operator JOIN extension ON id = extension_id WHERE name = 'host'"),
              1);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM session WHERE ended_at IS NULL"), 1);
    sy__db_close(db);
    db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK(memcmp(&before, sy__db_known(db), sizeof before) == 0);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM session WHERE ended_at IS NOT NULL"), 1);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM extension_version"), 1);
    sy__db_close(db);
    fixture_remove(dir);
}

static void
combines_what_lies_in_one_group(void)
{
    char dir[256];
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    sy__db_slot slot = {0};
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    sy__db_begin(db);
    sy__db_ticket before = sy__db_now(db);
    CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, "r1", "t1", "a", "pending", &slot), SY_OK);
    sy__db_slot first = slot;
    CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, "r1", "t1", "a", "executing", &slot), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, "r1", "t1", "a", "completed", &slot), SY_OK);
    CHECK(memcmp(&first, &slot, sizeof slot) == 0);
    CHECK_INT(sy__db_now(db), before + 1);
    sy__db_end(db);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task WHERE task_status = 'completed'"), 1);
    CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, "r1", "t1", "a", "failed", &slot), SY_OK);
    CHECK(first.group != slot.group);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task WHERE task_status = 'failed'"), 1);
    sy__db_close(db);
    fixture_remove(dir);
}

typedef struct seen {
    int64_t last, count, wrong;
} seen;

static void
see(void *ud, const sy__event *e)
{
    seen *s = ud;
    if (e->seq != s->last + 1 || !e->id || !e->topic || e->occurred_ms != 1795352400123) s->wrong++;
    s->last = e->seq;
    s->count++;
}

enum { THREADS = 8, EVENTS = 500 };

typedef struct putter {
    sy__db *db;
    int number;
    pthread_t thread;
} putter;

static void *
put_events(void *arg)
{
    putter *p = arg;
    char id[64];
    for (int i = 0; i < EVENTS; i++) {
        (void)snprintf(id, sizeof id, "e-%d-%d", p->number, i);
        if (fixture_event(p->db, i % 3 ? SY__LEVEL_PROCESS : SY__LEVEL_FULL, id, "r1", "t1", "{\"x\":1}")) abort();
        if (i % 100 == 0 && sy__db_wait(p->db, sy__db_now(p->db), i % 200 == 0, NULL)) abort();
    }
    return NULL;
}

static void
events_have_no_gaps(void)
{
    char dir[256];
    seen live = {0}, read = {0};
    putter putters[THREADS];
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, see, &live, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "executing", NULL), SY_OK);
    for (int i = 0; i < THREADS; i++) {
        putters[i] = (putter){.db = db, .number = i};
        if (pthread_create(&putters[i].thread, NULL, put_events, &putters[i])) abort();
    }
    while (read.count < (int64_t)THREADS * EVENTS) { /* a follower that is cut off after every 97 */
        int n = sy__db_replay(db, "run.r1.>", read.last, 97, see, &read);
        CHECK(n >= 0);
        if (n < 0) break;
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(putters[i].thread, NULL);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    CHECK_INT(live.count, THREADS * EVENTS);
    CHECK_INT(live.wrong, 0);
    CHECK_INT(read.count, THREADS * EVENTS);
    CHECK_INT(read.wrong, 0);
    seen none = {0};
    CHECK_INT(sy__db_replay(db, "run.r2.>", 0, 10, see, &none), 0);
    CHECK_INT(sy__db_replay(db, "run.*.t1.task_started", 3990, 100, see, &none), 10);
    sy__db_close(db);
    fixture_remove(dir);
}

typedef struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls, status;
} told;

static void
tell(void *ud, int status)
{
    told *t = ud;
    (void)pthread_mutex_lock(&t->lock);
    t->calls++;
    t->status = status;
    (void)pthread_cond_signal(&t->changed);
    (void)pthread_mutex_unlock(&t->lock);
}

static void
wait_told(told *t, int calls)
{
    (void)pthread_mutex_lock(&t->lock);
    while (t->calls < calls) (void)pthread_cond_wait(&t->changed, &t->lock);
    (void)pthread_mutex_unlock(&t->lock);
}

static void
notices_come_once(void)
{
    char dir[256];
    told t = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .status = 1};
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, "r1", "t1", "a", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_notify(db, sy__db_now(db), true, tell, &t), SY_OK);
    wait_told(&t, 1);
    CHECK_INT(t.status, SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, "r1", "t2", "b", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK_INT(sy__db_notify(db, sy__db_now(db), true, tell, &t), SY_OK); /* committed already, not fsynced */
    wait_told(&t, 2);
    CHECK_INT(sy__db_notify(db, sy__db_now(db), false, tell, &t), SY_OK);
    wait_told(&t, 3);
    sy__db_close(db);
    CHECK_INT(t.calls, 3);
    fixture_remove(dir);
}

static void
a_refused_change_stays_with_its_run(void)
{
    char dir[256];
    seen live = {0};
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, see, &live, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(fixture_run(db, "r2", 2, 1), SY_OK);
    CHECK_INT(sy__db_run_own(db, "r1", 1), SY_OK);
    CHECK_INT(sy__db_run_own(db, "r2", 1), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    sy__db_begin(db);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "completed", NULL), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r2", "t2", "a", "completed", NULL), SY_OK);
    CHECK_INT(fixture_event(db, SY__LEVEL_FULL, "e1", "r1", "t1", "{}"), SY_OK);
    CHECK_INT(fixture_event(db, SY__LEVEL_FULL, "e2", "r1", "nobody", "{}"), SY_OK); /* no such task */
    CHECK_INT(fixture_event(db, SY__LEVEL_FULL, "e3", "r2", "t2", "{}"), SY_OK);
    sy__db_end(db);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK(sy__db_run_lost(db, "r1"));
    CHECK(!sy__db_run_lost(db, "r2"));
    CHECK(strstr(fixture_last, "run r1") != NULL);
    CHECK(strstr(fixture_last, "FOREIGN KEY") != NULL);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task"), 1);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM event WHERE id = 'e3' AND seq = 1"), 1);
    CHECK_INT(live.count, 1);
    CHECK_INT(live.wrong, 0);
    int s = sy__db_statement(db, "INSERT INTO pin (content_hash, created_at) VALUES (?1, ?2)");
    CHECK_INT(sy__db_put(db, SY__LEVEL_FULL, s, NULL, (sy__param[]){NIL, T("now")}, 2, NULL), SY_OK);
    sy__error err = {0};
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, &err), SY_EINTERNAL);
    CHECK_INT(sy__db_status(db, NULL), SY_OK);
    sy__db_close(db);
    fixture_remove(dir);
}

static void
put_many(sy__db *db, const char *run, const char *from, int count)
{
    char id[80], task[64];
    for (int i = 0; i < count; i++) {
        (void)snprintf(task, sizeof task, "%s-%d", from, i);
        (void)snprintf(id, sizeof id, "e-%s", task);
        CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, run, task, task, "completed", NULL), SY_OK);
        CHECK_INT(fixture_event(db, SY__LEVEL_PROCESS, id, run, task, "{}"), SY_OK);
    }
}

static int
forget_run(sqlite3 *conn, void *ud, sy__error *err)
{
    (void)ud;
    int rc = sqlite3_exec(conn, "DELETE FROM pipeline_orchestration WHERE id = 'r2'", NULL, NULL, NULL);
    return rc == SQLITE_OK ? SY_OK : sy__error_set(err, SY_EINVAL, "%s", sqlite3_errmsg(conn));
}

/* Foreign keys of groups that are large enough to be looked up without SQLite. */
static void
a_large_group_refers_to_what_is_there(void)
{
    char dir[256];
    sy__error err = {0};
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(fixture_run(db, "r2", 2, 1), SY_OK);
    CHECK_INT(sy__db_run_own(db, "r1", 1), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    sy__db_begin(db);
    put_many(db, "r2", "a", 400);
    sy__db_end(db);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    sy__db_begin(db);
    put_many(db, "r2", "c", 300);
    for (int i = 0; i < 100; i++) CHECK_INT(fixture_event(db, SY__LEVEL_PROCESS, NULL, "r2", "a-7", "{}"), SY_OK);
    sy__db_end(db);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task WHERE key <> ''"), 700);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM event"), 800);
    sy__db_begin(db);
    put_many(db, "r2", "b", 200);
    put_many(db, "r1", "d", 200);
    CHECK_INT(fixture_event(db, SY__LEVEL_PROCESS, "lone", "r1", "nobody", "{}"), SY_OK);
    sy__db_end(db);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK(sy__db_run_lost(db, "r1") && !sy__db_run_lost(db, "r2"));
    CHECK(strstr(fixture_last, "FOREIGN KEY") != NULL);
    sy__db_begin(db);
    put_many(db, "r9", "f", 400); /* no such run */
    sy__db_end(db);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    sy__db_begin(db);
    put_many(db, "r2", "g", 400);
    sy__db_end(db);
    CHECK_INT(sy__db_exclusive(db, forget_run, NULL, &err), SY_EINVAL); /* what is referred to stays */
    CHECK(strstr(err.message, "FOREIGN KEY") != NULL);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task WHERE pipeline_orchestration_id = 'r2'"), 1300);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task WHERE pipeline_orchestration_id <> 'r2'"), 0);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM event"), 1400);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    sy__db_close(db);
    fixture_remove(dir);
}

/* Rows before events, each kind in the order it was put; ids where there are none; other changes keep their place. */
static void
rows_of_a_group_are_written_together(void)
{
    char dir[256], text[512];
    seen live = {0};
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, see, &live, 0);
    int s = sy__db_statement(db, "UPDATE task SET output = (SELECT count(*) FROM event) WHERE id = ?1");
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    sy__db_begin(db);
    for (int i = 0; i < 50; i++) {
        char id[8], key[8];
        (void)snprintf(id, sizeof id, "t%02d", i);
        (void)snprintf(key, sizeof key, "k%d", i);
        sy__db_slot slot = {0};
        CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", id, key, "executing", &slot), SY_OK);
        CHECK_INT(fixture_event(db, SY__LEVEL_FULL, NULL, "r1", id, "1"), SY_OK);
        CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", id, key, "completed", &slot), SY_OK);
        CHECK_INT(fixture_event(db, SY__LEVEL_FULL, NULL, "r1", id, "2"), SY_OK);
        if (i == 20) CHECK_INT(sy__db_put(db, SY__LEVEL_FULL, s, NULL, &T("t20"), 1, NULL), SY_OK);
    }
    sy__db_end(db);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task WHERE task_status = 'completed'"), 50);
    CHECK_INT(fixture_int(db, "SELECT output FROM task WHERE id = 't20'"), 42); /* all before it, none behind it */
    CHECK_INT(fixture_int(db, "SELECT count(DISTINCT id) FROM event WHERE length(id) = 36"), 100);
    fixture_text(db,
                 "SELECT group_concat(task_id || event_payload, ' ') FROM (SELECT * FROM event ORDER BY seq LIMIT 4)",
                 text, sizeof text);
    CHECK_STR(text, "t001 t002 t011 t012");
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM event a, event b WHERE b.seq = a.seq + 1 AND b.id < a.id"), 0);
    CHECK_INT(live.count, 100);
    CHECK_INT(live.wrong, 0);
    sy__db_close(db);
    fixture_remove(dir);
}

/* A put that says `for the first time` of a row that is there is still written, and so is the rest of its group. */
static void
a_row_that_is_there_is_written_again(void)
{
    char dir[256];
    seen live = {0};
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, see, &live, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "executing", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    sy__db_begin(db);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t2", "b", "completed", NULL), SY_OK);
    CHECK_INT(fixture_event(db, SY__LEVEL_FULL, NULL, "r1", "t2", "{}"), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "completed", NULL), SY_OK);
    CHECK_INT(fixture_event(db, SY__LEVEL_FULL, NULL, "r1", "t1", "{}"), SY_OK);
    sy__db_end(db);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK(!sy__db_run_lost(db, "r1"));
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task WHERE task_status = 'completed'"), 2);
    CHECK_INT(fixture_int(db, "SELECT max(seq) FROM event"), 2);
    CHECK_INT(live.count, 2);
    CHECK_INT(live.wrong, 0);
    sy__db_close(db);
    fixture_remove(dir);
}

static int
take_over(sqlite3 *conn, void *ud, sy__error *err)
{
    (void)err;
    return sqlite3_exec(conn, ud, NULL, NULL, NULL) == SQLITE_OK ? SY_OK : SY_EINTERNAL;
}

static int
refuse(sqlite3 *conn, void *ud, sy__error *err)
{
    (void)take_over(conn, ud, err);
    return sy__error_set(err, SY_EOWNED, "no");
}

static void
another_epoch_stops_the_run(void)
{
    char dir[256];
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(sy__db_run_own(db, "r1", 1), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "completed", NULL), SY_OK);
    sy__error err = {0};
    CHECK_INT(sy__db_exclusive(db, refuse, "UPDATE pipeline_orchestration SET owner_epoch = 9", &err), SY_EOWNED);
    CHECK_STR(err.message, "no");
    CHECK_INT(fixture_int(db, "SELECT owner_epoch FROM pipeline_orchestration"), 1);
    CHECK_INT(sy__db_exclusive(db, take_over, "UPDATE pipeline_orchestration SET owner_epoch = 2", &err), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t2", "b", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, &err), SY_OK);
    CHECK(sy__db_run_lost(db, "r1"));
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task"), 1);
    CHECK_INT(sy__db_run_own(db, "r1", 2), SY_OK);
    CHECK(!sy__db_run_lost(db, "r1"));
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t2", "b", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, &err), SY_OK);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task"), 2);
    sy__db_run_disown(db, "r1");
    sy__db_close(db);
    fixture_remove(dir);
}

static void
says_when_the_queue_is_full(void)
{
    char dir[256], id[32];
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK(!sy__db_full(db));
    sy__db_begin(db);
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(id, sizeof id, "t%d", i);
        CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, "r1", id, id, "completed", NULL), SY_OK);
    }
    CHECK(sy__db_full(db));
    sy__db_end(db);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK(!sy__db_full(db));
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task"), 20000);
    sy__db_close(db);
    fixture_remove(dir);
}

static void
sees_commits_of_others(void)
{
    char dir[256];
    fixture_dir(dir);
    sy__db *one = fixture_open_with_project(dir, NULL, NULL, 0);
    sy__db *two = fixture_open_with_project(dir, NULL, NULL, 0);
    int64_t before = sy__db_data_version(two);
    CHECK_INT(sy__db_data_version(two), before);
    CHECK_INT(fixture_run(one, "r1", 1, 1), SY_OK);
    CHECK_INT(sy__db_wait(one, sy__db_now(one), false, NULL), SY_OK);
    CHECK(sy__db_data_version(two) != before);
    CHECK_INT(fixture_int(two, "SELECT count(*) FROM pipeline_orchestration"), 1);
    CHECK(sy__db_host_alive(two, sy__db_host_id(one)));
    char id[64];
    (void)snprintf(id, sizeof id, "%s", sy__db_host_id(one));
    sy__db_close(one);
    CHECK(!sy__db_host_alive(two, id));
    CHECK(!sy__db_host_alive(two, "../../etc/passwd"));
    CHECK_INT(fixture_task(two, SY__LEVEL_FULL, "r1", "t1", "a", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(two, sy__db_now(two), true, NULL), SY_OK);
    sy__db_close(two);
    fixture_remove(dir);
}

static int64_t
log_bytes(const char *dir)
{
    char path[300];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/.symphony/symphony.db-wal", dir);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* Puts `mib` MiB of task output, waiting after each 4 MiB; the longest the log was meanwhile. */
static int64_t
put_bulk(sy__db *db, const char *dir, const char *name, int mib)
{
    enum { ROW = 64 << 10 };
    static char json[ROW];
    char id[32];
    int64_t longest = 0;
    const sy__db_ids *ids = sy__db_known(db);
    memset(json, 'x', ROW - 1);
    json[0] = json[ROW - 2] = '"';
    int s =
        sy__db_statement(db, "INSERT INTO prompt (id, user_id, content, context, created_at, conductor_id, project_id)"
                             " VALUES (?1, ?2, ?3, '', '', ?4, ?5)");
    for (int i = 0; i < mib * 16; i++) {
        (void)snprintf(id, sizeof id, "%s%d", name, i);
        const sy__param p[] = {T(id), T(ids->user), T(json), T(ids->conductor), T(ids->project)};
        if (sy__db_put(db, SY__LEVEL_PROCESS, s, NULL, p, 5, NULL)) abort();
        if (i % 64 == 0 && sy__db_wait(db, sy__db_now(db), false, NULL)) abort();
        if (i % 64 == 0 && log_bytes(dir) > longest) longest = log_bytes(dir);
    }
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    return longest;
}

static void
the_log_stays_short(void)
{
    char dir[256];
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK(put_bulk(db, dir, "a", 96) < 64 << 20);
    sqlite3 *reader = sy__db_reader(db, NULL);
    CHECK_INT(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM prompt", NULL, NULL, NULL), SQLITE_OK);
    CHECK(put_bulk(db, dir, "b", 80) > 64 << 20); /* a reader that stays keeps its pages */
    sy__db_reader_release(db, reader);            /* ends the transaction that was left open */
    (void)put_bulk(db, dir, "c", 8);
    (void)put_bulk(db, dir, "d", 1);
    CHECK(log_bytes(dir) <= 64 << 20);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM prompt"), (96 + 80 + 8 + 1) * 16);
    sy__db_close(db);
    fixture_remove(dir);
}

int
main(void)
{
    opens_twice_and_keeps_its_ids();
    combines_what_lies_in_one_group();
    events_have_no_gaps();
    notices_come_once();
    a_refused_change_stays_with_its_run();
    a_large_group_refers_to_what_is_there();
    rows_of_a_group_are_written_together();
    a_row_that_is_there_is_written_again();
    another_epoch_stops_the_run();
    says_when_the_queue_is_full();
    sees_commits_of_others();
    the_log_stays_short();
    TEST_END();
}
