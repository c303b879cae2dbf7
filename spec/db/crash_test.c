/* crash_test.c: killed at any moment, with a failing disk, or beside another process: nothing acknowledged is lost. */
#include "fixture.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>

enum { ROUNDS = 25 };

/* ---- kill -9 ---- */

/* Puts tasks with events for ever and says each number once its commit is acknowledged. */
static void
write_for_ever(const char *dir, int from, int say)
{
    char id[32], event[32];
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    for (int n = from;; n++) {
        (void)snprintf(id, sizeof id, "t%d", n);
        (void)snprintf(event, sizeof event, "e%d", n);
        sy__db_begin(db);
        int code = fixture_task(db, SY__LEVEL_PROCESS, "r1", id, id, "completed", NULL);
        if (!code) code = fixture_event(db, n % 5 ? SY__LEVEL_PROCESS : SY__LEVEL_FULL, event, "r1", id, "{}");
        sy__db_end(db);
        if (code || (n % 3 == 0 && sy__db_wait(db, sy__db_now(db), n % 2, NULL))) _exit(1);
        if (n % 3 == 0 && write(say, &n, sizeof n) != sizeof n) _exit(1);
    }
}

/* Kills the writer after `acks` acknowledgements; the last number that was acknowledged. */
static int
kill_after(const char *dir, int from, int acks)
{
    int to[2], n, last = from - 1, status;
    CHECK(pipe(to) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(to[0]);
        write_for_ever(dir, from, to[1]);
    }
    (void)close(to[1]);
    for (int i = 0; i < acks && read(to[0], &n, sizeof n) == sizeof n; i++) last = n;
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    while (read(to[0], &n, sizeof n) == sizeof n) last = n; /* acknowledged before it died */
    (void)close(to[0]);
    return last;
}

static void
survives_kill(void)
{
    char dir[256], sql[128], text[64];
    int next = 1;
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    sy__db_close(db);
    for (unsigned round = 0, random = 12345; round < ROUNDS; round++) {
        random = random * 1103515245u + 12345u;
        int last = kill_after(dir, next, (int)(random >> 16) % 60);
        db = fixture_open_with_project(dir, NULL, NULL, 0);
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM task WHERE CAST(substr(id, 2) AS INTEGER) <= %d", last);
        CHECK_INT(fixture_int(db, sql), last);
        CHECK_INT(fixture_int(db, "SELECT count(*) - max(seq) FROM event"), 0);
        CHECK_INT(fixture_int(db, "SELECT count(*) FROM task WHERE id NOT IN (SELECT task_id FROM event)"), 0);
        next = (int)fixture_int(db, "SELECT max(CAST(substr(id, 2) AS INTEGER)) + 1 FROM task");
        if (next < 1) next = 1;
        fixture_text(db, "PRAGMA integrity_check", text, sizeof text);
        CHECK_STR(text, "ok");
        sy__db_close(db);
    }
    db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM session WHERE ended_at IS NULL"), ROUNDS + 1);
    sy__db_close(db);
    fixture_remove(dir);
}

/* ---- a disk that fails: the file layer of SQLite with other xWrite and xSync ---- */

static sqlite3_vfs *real_vfs, broken_vfs;
static const sqlite3_io_methods *real_methods[8];
static sqlite3_io_methods broken_methods[8];
static _Atomic int full_left; /* writes that still fail with "disk full" */
static _Atomic bool sync_fails;
static _Atomic int syncs;

static const sqlite3_io_methods *
real_of(const sqlite3_file *f)
{
    return real_methods[f->pMethods - broken_methods];
}

static int
broken_write(sqlite3_file *f, const void *bytes, int count, sqlite3_int64 at)
{
    if (full_left > 0) {
        full_left--;
        return SQLITE_FULL;
    }
    return real_of(f)->xWrite(f, bytes, count, at);
}

static int
broken_sync(sqlite3_file *f, int flags)
{
    syncs++;
    return sync_fails ? SQLITE_IOERR_FSYNC : real_of(f)->xSync(f, flags);
}

static int
broken_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    int rc = real_vfs->xOpen(real_vfs, name, f, flags, out);
    if (!f->pMethods) return rc;
    int i = 0;
    while (real_methods[i] && real_methods[i] != f->pMethods) i++;
    if (!real_methods[i]) {
        real_methods[i] = f->pMethods;
        broken_methods[i] = *f->pMethods;
        broken_methods[i].xWrite = broken_write;
        broken_methods[i].xSync = broken_sync;
    }
    f->pMethods = &broken_methods[i];
    return rc;
}

static void
break_the_disk(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    broken_vfs = *real_vfs;
    broken_vfs.zName = "broken";
    broken_vfs.xOpen = broken_open;
    CHECK_INT(sqlite3_vfs_register(&broken_vfs, 1), SQLITE_OK);
}

static void
waits_while_the_disk_is_full(void)
{
    char dir[256];
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    full_left = 2;
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    CHECK_INT(full_left, 0);
    CHECK(!sy__db_full(db));
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task"), 1);
    sy__db_close(db);
    fixture_remove(dir);
}

static void
gives_up_on_a_full_disk(void)
{
    char dir[256];
    sy__error err = {0};
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 200);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    full_left = INT_MAX;
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t2", "b", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, &err), SY_EDISKFULL);
    CHECK(strstr(err.hint, "symphony resume") != NULL);
    CHECK(sy__db_full(db));
    full_left = 0; /* too late: it stays ended, so that nothing is written with a hole before it */
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t3", "c", "completed", NULL), SY_EDISKFULL);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_EDISKFULL);
    sy__db_close(db);
    db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task"), 1);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t2", "b", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    sy__db_close(db);
    fixture_remove(dir);
}

static _Atomic int notice_status;

static void
note(void *ud, int status)
{
    (void)ud;
    notice_status = status;
}

static void
never_retries_a_failed_fsync(void)
{
    char dir[256];
    sy__error err = {0};
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    sync_fails = true;
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t2", "b", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_notify(db, sy__db_now(db), true, note, NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, &err), SY_EIO);
    sync_fails = false;
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t3", "c", "completed", NULL), SY_EIO);
    CHECK_INT(sy__db_status(db, &err), SY_EIO);
    sy__db_close(db);
    CHECK_INT(notice_status, SY_EIO);
    db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM task WHERE id = 't1'"), 1);
    sy__db_close(db);
    fixture_remove(dir);
}

static void
fsyncs_when_it_says_so(void)
{
    char dir[256];
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    int before = syncs;
    CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, "r1", "t1", "a", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK_INT(syncs, before); /* process: none */
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    CHECK_INT(syncs, before + 1); /* asked for later */
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    CHECK_INT(syncs, before + 1); /* and not twice */
    CHECK_INT(fixture_task(db, SY__LEVEL_PROCESS, "r1", "t2", "b", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    int s = sy__db_statement(db, "UPDATE task SET attempts = 2 WHERE id = 'nobody'");
    CHECK_INT(sy__db_put(db, SY__LEVEL_FULL, s, NULL, NULL, 0, NULL), SY_OK); /* changes nothing, but must fsync t2 */
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    CHECK(syncs > before + 1);
    sy__db_close(db);
    fixture_remove(dir);
}

static void
mend_the_disk(void)
{
    CHECK_INT(sqlite3_vfs_unregister(&broken_vfs), SQLITE_OK);
    CHECK_INT(sqlite3_vfs_register(real_vfs, 1), SQLITE_OK);
}

/* ---- two processes ---- */

enum { EACH = 400 };

static void
put_many(sy__db *db, const char *who)
{
    char id[32];
    for (int i = 0; i < EACH; i++) {
        (void)snprintf(id, sizeof id, "%s%d", who, i);
        if (fixture_event(db, SY__LEVEL_PROCESS, id, "r1", "t1", "{}")) abort();
        if (i % 7 == 0 && sy__db_wait(db, sy__db_now(db), false, NULL)) abort();
    }
    if (sy__db_wait(db, sy__db_now(db), true, NULL)) abort();
}

static int
raise_epoch(sqlite3 *conn, void *ud, sy__error *err)
{
    (void)ud;
    (void)err;
    return sqlite3_exec(conn, "UPDATE pipeline_orchestration SET owner_epoch = owner_epoch + 1", NULL, NULL, NULL);
}

static void
two_processes_share_a_project(void)
{
    char dir[256];
    int status;
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "completed", NULL), SY_OK);
    sy__db_close(db);
    pid_t pid = fork();
    if (pid == 0) {
        db = fixture_open_with_project(dir, NULL, NULL, 0);
        put_many(db, "child");
        int code = sy__db_exclusive(db, raise_epoch, NULL, NULL);
        sy__db_close(db);
        _exit(code != SY_OK);
    }
    db = fixture_open_with_project(dir, NULL, NULL, 0);
    put_many(db, "parent");
    CHECK_INT(sy__db_run_own(db, "r1", 1), SY_OK);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM event"), 2 * EACH);
    CHECK_INT(fixture_int(db, "SELECT max(seq) FROM event"), 2 * EACH);
    CHECK_INT(fixture_int(db, "SELECT min(seq) FROM event"), 1);
    CHECK_INT(fixture_event(db, SY__LEVEL_FULL, "late", "r1", "t1", "{}"), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    CHECK(sy__db_run_lost(db, "r1"));
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM event WHERE id = 'late'"), 0);
    sy__db_close(db);
    fixture_remove(dir);
}

/* A stopped process still holds its lock; a killed one does not. */
static void
a_stopped_host_is_alive(void)
{
    char dir[256], id[SY__ID_BYTES];
    int to[2], status;
    fixture_dir(dir);
    CHECK(pipe(to) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
        if (write(to[1], sy__db_host_id(db), SY__ID_BYTES) != SY__ID_BYTES) _exit(1);
        for (;;) (void)pause();
    }
    CHECK_INT(read(to[0], id, sizeof id), sizeof id);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK(sy__db_host_alive(db, id));
    CHECK_INT(kill(pid, SIGSTOP), 0);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    CHECK(sy__db_host_alive(db, id));
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    CHECK(!sy__db_host_alive(db, id));
    sy__db_close(db);
    (void)close(to[0]);
    (void)close(to[1]);
    fixture_remove(dir);
}

/* ---- no memory ---- */

static _Atomic int allocations_left;

static void *
scarce(void *ud, void *ptr, size_t bytes)
{
    (void)ud;
    if (bytes > 0 && allocations_left-- <= 0) return NULL;
    return sy__alloc_default.fn(sy__alloc_default.ud, ptr, bytes);
}

static void
without_memory_nothing_leaks(void)
{
    char dir[256], path[300];
    const sy__alloc alloc = {.fn = scarce};
    bool worked = false;
    fixture_dir(dir);
    (void)snprintf(path, sizeof path, "%s/.symphony", dir);
    for (int n = 0; n < 40 && !worked; n++) {
        const sy__db_options o = {.alloc = &alloc, .clock = &sy__clock_system, .log = &fixture_log, .dir = path};
        sy__db *db = NULL;
        sy__error err = {0};
        allocations_left = n;
        int code = sy__db_open(&db, &o, &err);
        CHECK(code == SY_OK ? db != NULL : code == SY_ENOMEM && !db);
        if (db) worked = fixture_run(db, "r1", 1, 1) == SY_OK;
        sy__db_close(db);
    }
    CHECK(worked);
    fixture_remove(dir);
}

int
main(void)
{
    survives_kill();
    two_processes_share_a_project();
    a_stopped_host_is_alive();
    without_memory_nothing_leaks();
    break_the_disk();
    waits_while_the_disk_is_full();
    gives_up_on_a_full_disk();
    never_retries_a_failed_fsync();
    fsyncs_when_it_says_so();
    mend_the_disk();
    TEST_END();
}
