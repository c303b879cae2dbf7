/* open_test.c: what opening makes, migrates and refuses, and what it leaves alone. */
#include "fixture.h"

#include "db/folder.h"
#include "db/locks.h"
#include "db/migrate.h"
#include "db/userdb.h"

#include <fcntl.h>
#include <libgen.h>

enum { NOBODY = 65534 };

/* The schema as SQLite has it, one statement after another. */
static void
schema_of(const char *file, sy__buf *out)
{
    sqlite3 *conn = NULL;
    sqlite3_stmt *s = NULL;
    CHECK_INT(sqlite3_open(file, &conn), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(conn, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name", -1,
                                 &s, NULL),
              SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW) sy__buf_addf(out, "%s;\n\n", (const char *)sqlite3_column_text(s, 0));
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(conn);
}

static char *
read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (f && text) {
        text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
        (void)fclose(f);
    }
    return text;
}

static void
run_sql(const char *file, const char *sql)
{
    sqlite3 *conn = NULL;
    CHECK_INT(sqlite3_open(file, &conn), SQLITE_OK);
    int rc = sqlite3_exec(conn, sql, NULL, NULL, NULL);
    if (rc) (void)fprintf(stderr, "%s\n", sqlite3_errmsg(conn));
    CHECK_INT(rc, SQLITE_OK);
    (void)sqlite3_close(conn);
}

/* core/db/schema.sql is written anew with SYMPHONY_WRITE_SCHEMA=1. */
static void
the_schema_is_the_committed_one(void)
{
    char dir[256], file[300], here[512], committed[600];
    fixture_dir(dir);
    (void)snprintf(file, sizeof file, "%s/.symphony/symphony.db", dir);
    (void)snprintf(here, sizeof here, "%s", __FILE__);
    (void)snprintf(committed, sizeof committed, "%s/../../core/db/schema.sql", dirname(here));
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    sy__db_close(db);
    sy__buf now;
    sy__buf_init(&now, &sy__alloc_default);
    sy__buf_adds(&now, "-- The schema after all migrations, as SQLite has it. Written by spec/db/open_test.c.\n\n");
    schema_of(file, &now);
    if (getenv("SYMPHONY_WRITE_SCHEMA")) {
        FILE *f = fopen(committed, "wb");
        CHECK(f && fputs(sy__buf_cstr(&now), f) >= 0 && fclose(f) == 0);
    }
    char *was = read_text(committed);
    CHECK(strcmp(was, sy__buf_cstr(&now)) == 0);
    free(was);
    sy__buf_close(&now);
    fixture_remove(dir);
}

/* Every earlier version, made by hand, becomes the present one; its copy lies in backup/. */
static void
migrates_from_every_earlier_version(void)
{
    int versions = 0;
    while (sy__db_migration(versions + 1)) versions++;
    CHECK(versions >= 1);
    for (int from = 0; from < versions; from++) {
        char dir[256], folder[300], file[320], mark[128];
        fixture_dir(dir);
        (void)snprintf(folder, sizeof folder, "%s/.symphony", dir);
        (void)snprintf(file, sizeof file, "%s/symphony.db", folder);
        CHECK_INT(mkdir(folder, 0700), 0);
        for (int n = 1; n <= from; n++) run_sql(file, sy__db_migration(n));
        (void)snprintf(mark, sizeof mark, "PRAGMA application_id = 1398361424; PRAGMA user_version = %d", from);
        if (from > 0) run_sql(file, mark);
        sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
        CHECK_INT(fixture_int(db, "PRAGMA user_version"), versions);
        CHECK_INT(fixture_int(db, "PRAGMA application_id"), 1398361424);
        sy__db_close(db);
        fixture_remove(dir);
    }
}

/* A table as the first migration made it, with the rows it has now. */
static void
step_back(const char *file, const char *table)
{
    char head[64], *sql = NULL;
    (void)snprintf(head, sizeof head, "CREATE TABLE %s (", table);
    const char *made = strstr(sy__db_migration(1), head), *end = strstr(made, ";\n\n");
    CHECK(
        asprintf(&sql,
                 "CREATE TEMP TABLE rows AS SELECT * FROM %s; DROP TABLE %s; %.*s;"
                 " INSERT INTO %s SELECT * FROM rows; PRAGMA user_version = 7;"
                 "DROP TABLE IF EXISTS player_call; DROP TABLE IF EXISTS player; DROP TABLE IF EXISTS extension_pause",
                 table, table, (int)(end - made), made, table) > 0);
    run_sql(file, sql);
    free(sql);
}

/* Tasks and events of a database from before 0008, whose tables that migration makes anew. */
static void
rows_stay_when_their_tables_are_made_anew(void)
{
    static const char rows[] =
        "SELECT (SELECT group_concat(id || key || output || task_payload) FROM (SELECT * FROM task"
        " ORDER BY id)) || (SELECT group_concat(seq || id || task_id || topic) FROM event)";
    char dir[256], file[300], before[4096], after[4096], key[16], id[16];
    fixture_dir(dir);
    (void)snprintf(file, sizeof file, "%s/.symphony/symphony.db", dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_run(db, "r", 1, 1), SY_OK);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        (void)snprintf(id, sizeof id, "t%02d", 19 - i);
        CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r", id, key, "completed", NULL), SY_OK);
        CHECK_INT(fixture_event(db, SY__LEVEL_FULL, NULL, "r", id, "{}"), SY_OK);
    }
    CHECK_INT(sy__db_wait(db, sy__db_now(db), true, NULL), SY_OK);
    fixture_text(db, rows, before, sizeof before);
    sy__db_close(db);
    step_back(file, "task");
    step_back(file, "event");
    db = fixture_open_with_project(dir, NULL, NULL, 0);
    fixture_text(db, rows, after, sizeof after);
    CHECK(strlen(before) > 1000);
    CHECK_STR(after, before);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM pragma_index_list('event') WHERE name = 'event_of_host'"), 1);
    sy__db_close(db);
    fixture_remove(dir);
}

static int
open_set(sqlite3 **conn, const char *dir, int lock, const sy__migration *list, int count, sy__error *err)
{
    char file[300];
    const sy__schema_set set = {.migrations = list,
                                .count = count,
                                .application_id = 77,
                                .dir = dir,
                                .lock_fd = lock,
                                .clock = &sy__clock_system};
    (void)snprintf(file, sizeof file, "%s/some.db", dir);
    return sy__migrate_open(conn, file, &set, err);
}

/* With migrations of its own: the copy has the old rows, and a migration that fails changes nothing. */
static void
copies_before_it_migrates(void)
{
    static const sy__migration list[] = {
        {"1", "CREATE TABLE a (x INTEGER PRIMARY KEY); INSERT INTO a VALUES (41)", 0},
        {"2", "UPDATE a SET x = 42", 0},
        {"3", "UPDATE a SET x = 43; CREATE TABLE b (x REFERENCES a (x)); INSERT INTO b VALUES (7)", 0},
    };
    char dir[256], command[700];
    sqlite3 *conn = NULL;
    sy__error err = {0};
    int lock = -1;
    fixture_dir(dir);
    (void)snprintf(command, sizeof command, "%s/lock", dir);
    CHECK_INT(sy__lock_open(&lock, command, &err), SY_OK);
    (void)snprintf(command, sizeof command, "%s/backup", dir);
    CHECK_INT(mkdir(command, 0700), 0);
    CHECK_INT(open_set(&conn, dir, lock, list, 1, &err), SY_OK);
    (void)sqlite3_close(conn);
    CHECK_INT(open_set(&conn, dir, lock, list, 2, &err), SY_OK);
    (void)sqlite3_close(conn);
    (void)snprintf(command, sizeof command, "test \"$(sqlite3 %s/backup/schema-1-*.db 'SELECT x FROM a')\" = 41", dir);
    CHECK_INT(system(command), 0);
    CHECK_INT(open_set(&conn, dir, lock, list, 3, &err), SY_EDAMAGED);
    CHECK(strstr(err.message, "rows of b") != NULL);
    CHECK_INT(open_set(&conn, dir, lock, list, 2, &err), SY_OK);
    CHECK_INT(
        sqlite3_exec(conn, "INSERT INTO a SELECT 42 WHERE NOT EXISTS (SELECT 1 FROM a WHERE x = 43)", NULL, NULL, NULL),
        SQLITE_CONSTRAINT_PRIMARYKEY); /* 42 is still there */
    CHECK_INT(sqlite3_exec(conn, "SELECT * FROM b", NULL, NULL, NULL), SQLITE_ERROR);
    (void)sqlite3_close(conn);
    (void)close(lock);
    fixture_remove(dir);
}

static void
makes_the_folder(void)
{
    static const char *const parts[] = {"artifacts", "out", "inbox", "hosts", "backup", "schema.lock", "symphony.db"};
    char dir[256], path[300], command[700];
    struct stat st;
    fixture_dir(dir);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        (void)snprintf(path, sizeof path, "%s/.symphony/%s", dir, parts[i]);
        CHECK_INT(stat(path, &st), 0);
    }
    (void)snprintf(path, sizeof path, "%s/.symphony", dir);
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0700);
    (void)snprintf(command, sizeof command, "cd %s && git init -q . && test -z \"$(git status --porcelain)\"", dir);
    CHECK_INT(system(command), 0);
    (void)snprintf(command, sizeof command,
                   "cd %s && touch .symphony/config.toml && test \"$(git status --porcelain -uall)\" = "
                   "'?? .symphony/config.toml'",
                   dir);
    CHECK_INT(system(command), 0);
    sy__db_close(db);
    fixture_remove(dir);
}

static void
expect_refusal(const char *dir, int code, const char *words)
{
    sy__error err = {0};
    sy__db *db = fixture_open(dir, NULL, NULL, 0, &err);
    CHECK(db == NULL);
    CHECK_INT(err.code, code);
    CHECK(strstr(err.message, words) != NULL);
    CHECK(err.hint[0] != '\0');
    if (!strstr(err.message, words)) (void)fprintf(stderr, "%s\n", err.message);
    sy__db_close(db);
}

static void
leaves_a_newer_database_alone(void)
{
    char dir[256], file[300];
    fixture_dir(dir);
    (void)snprintf(file, sizeof file, "%s/.symphony/symphony.db", dir);
    sy__db_close(fixture_open_with_project(dir, NULL, NULL, 0));
    run_sql(file, "PRAGMA user_version = 1000; PRAGMA wal_checkpoint(TRUNCATE)");
    char *before = read_text(file);
    struct stat one, two;
    CHECK_INT(stat(file, &one), 0);
    expect_refusal(dir, SY_ENEWER, "schema 1000");
    CHECK_INT(stat(file, &two), 0);
    CHECK(one.st_mtim.tv_sec == two.st_mtim.tv_sec && one.st_mtim.tv_nsec == two.st_mtim.tv_nsec);
    char *after = read_text(file);
    CHECK(memcmp(before, after, 1 << 20) == 0);
    free(before);
    free(after);
    fixture_remove(dir);
}

static void
overwrite(const char *file, long at, const char *bytes, size_t len)
{
    FILE *f = fopen(file, "r+b");
    CHECK(f && fseek(f, at, SEEK_SET) == 0 && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

static void
says_what_is_damaged(void)
{
    char dir[256], file[300], noise[4000];
    memset(noise, 0x5A, sizeof noise);
    fixture_dir(dir);
    (void)snprintf(file, sizeof file, "%s/.symphony/symphony.db", dir);
    sy__db_close(fixture_open_with_project(dir, NULL, NULL, 0));
    overwrite(file, 100, noise, sizeof noise - 100); /* the first page of the schema */
    expect_refusal(dir, SY_EDAMAGED, "symphony.db");
    overwrite(file, 0, "this is not a database", 22);
    expect_refusal(dir, SY_EDAMAGED, "not a database");
    CHECK_INT(truncate(file, 50), 0);
    expect_refusal(dir, SY_EDAMAGED, "not a database");
    CHECK_INT(unlink(file), 0);
    run_sql(file, "PRAGMA application_id = 7; PRAGMA user_version = 1; CREATE TABLE t (x)");
    expect_refusal(dir, SY_EDAMAGED, "not a database of Symphony");
    fixture_remove(dir);
}

/* Damage in the middle is met when its page is read, and ends writing. */
static void
damage_in_the_middle_ends_writing(void)
{
    char dir[256], file[300], noise[8192]; /* a page */
    memset(noise, 0x5A, sizeof noise);
    fixture_dir(dir);
    (void)snprintf(file, sizeof file, "%s/.symphony/symphony.db", dir);
    sy__db_close(fixture_open_with_project(dir, NULL, NULL, 0));
    sqlite3 *conn = NULL;
    sqlite3_stmt *s = NULL;
    CHECK_INT(sqlite3_open(file, &conn), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(conn, "SELECT rootpage FROM sqlite_schema WHERE name = 'task'", -1, &s, NULL),
              SQLITE_OK);
    CHECK_INT(sqlite3_step(s), SQLITE_ROW);
    long page = (long)sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(conn);
    overwrite(file, (page - 1) * (long)sizeof noise, noise, sizeof noise);
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    sy__error err = {0};
    CHECK_INT(fixture_run(db, "r1", 1, 1), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, NULL), SY_OK);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t1", "a", "completed", NULL), SY_OK);
    CHECK_INT(sy__db_wait(db, sy__db_now(db), false, &err), SY_EDAMAGED);
    CHECK(strstr(err.hint, "symphony doctor") != NULL);
    CHECK(strstr(err.hint, "backup") != NULL);
    CHECK_INT(fixture_task(db, SY__LEVEL_FULL, "r1", "t2", "b", "completed", NULL), SY_EDAMAGED);
    CHECK_INT(sy__db_status(db, &err), SY_EDAMAGED);
    sy__db_close(db);
    fixture_remove(dir);
}

static void
says_when_the_project_is_read_only(void)
{
    char dir[256];
    int status = 0;
    fixture_dir(dir);
    CHECK_INT(chmod(dir, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        sy__error err = {0};
        if (geteuid() == 0 && setuid(NOBODY) != 0) _exit(9);
        sy__db *db = fixture_open(dir, NULL, NULL, 0, &err);
        bool right = !db && err.code == SY_EIO && strstr(err.message, "cannot make") && strstr(err.hint, "writable");
        if (!right) (void)fprintf(stderr, "%d %s %s\n", err.code, err.message, err.hint);
        _exit(right ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    fixture_remove(dir);
}

static void
knows_network_file_systems(void)
{
    CHECK_STR(sy__folder_remote(0x6969, NULL), "NFS");
    CHECK_STR(sy__folder_remote(0xFE534D42, NULL), "SMB2");
    CHECK_STR(sy__folder_remote(0x65735546, "fuse.sshfs"), "sshfs");
    CHECK(sy__folder_remote(0x65735546, "fuse.fuse-overlayfs") == NULL);
    CHECK(sy__folder_remote(0x65735546, "") == NULL);
    CHECK(sy__folder_remote(0xEF53, NULL) == NULL);
    CHECK(sy__folder_remote(0x01021994, NULL) == NULL); /* tmpfs */
}

/* A host of an older program holds the lock: the migration waits 5 s, then names the process. */
static void
a_migration_names_who_is_in_the_way(void)
{
    char dir[256], file[300], words[32];
    int ready[2], done[2], status;
    char byte = 'x';
    fixture_dir(dir);
    (void)snprintf(file, sizeof file, "%s/.symphony/symphony.db", dir);
    CHECK(pipe(ready) == 0 && pipe(done) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
        (void)close(done[1]);
        if (write(ready[1], &byte, 1) != 1) _exit(1);
        if (read(done[0], &byte, 1) < 0) _exit(1);
        sy__db_close(db);
        _exit(0);
    }
    (void)close(done[0]);
    CHECK_INT(read(ready[0], &byte, 1), 1);
    run_sql(file, "PRAGMA user_version = 0"); /* as if it were older */
    (void)snprintf(words, sizeof words, "process %ld", (long)pid);
    expect_refusal(dir, SY_ETIMEOUT, words);
    (void)close(done[1]);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
    fixture_remove(dir);
}

static void
hosts_that_begin_at_once_share_one_database(void)
{
    enum { HOSTS = 6 };
    char dir[256];
    int status, go[2];
    char byte;
    fixture_dir(dir);
    CHECK(pipe(go) == 0);
    for (int i = 0; i < HOSTS; i++) {
        if (fork() != 0) continue;
        (void)close(go[1]);
        if (read(go[0], &byte, 1) != 0) _exit(2);
        sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
        int bad = fixture_int(db, "SELECT count(*) FROM conductor") != 1 ||
                  fixture_int(db, "SELECT count(*) FROM project") != 1;
        sy__db_close(db);
        _exit(bad);
    }
    (void)close(go[0]);
    (void)close(go[1]);
    for (int i = 0; i < HOSTS; i++) {
        CHECK(wait(&status) > 0 && WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 0);
    }
    sy__db *db = fixture_open_with_project(dir, NULL, NULL, 0);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM session"), HOSTS + 1);
    CHECK_INT(fixture_int(db, "SELECT count(*) FROM extension_version"), 1);
    sy__db_close(db);
    fixture_remove(dir);
}

static void
the_singletons_stay_single(void)
{
    static const char *const wrong[] = {
        "DELETE FROM conductor",
        "DELETE FROM orchestra_kit",
        "INSERT INTO conductor SELECT 'x', '{}', '{}', '{}', '{}', '{}', 1",
        "INSERT INTO conductor SELECT 'x', '{}', '{}', '{}', '{}', '{}', 2",
        "INSERT INTO orchestra_kit SELECT 'x', '1', '{}', '{}', '{}', '{}', '{}', 1",
        "UPDATE extension SET lifecycle_state = 'asleep'",
        "INSERT INTO motif (extension_id, ui_components, theme_integration) SELECT id, '{}', '{}' FROM extension",
        "UPDATE conductor SET training_data = 'not json'",
    };
    char dir[256], file[300];
    fixture_dir(dir);
    (void)snprintf(file, sizeof file, "%s/.symphony/symphony.db", dir);
    sy__db_close(fixture_open_with_project(dir, NULL, NULL, 0));
    sqlite3 *conn = NULL;
    CHECK_INT(sqlite3_open(file, &conn), SQLITE_OK);
    CHECK_INT(sqlite3_exec(conn, "PRAGMA foreign_keys = 1", NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_INT(sqlite3_exec(conn, wrong[i], NULL, NULL, NULL), SQLITE_CONSTRAINT);
    (void)sqlite3_close(conn);
    fixture_remove(dir);
}

static void
count_project(void *ud, const sy__known_project *p)
{
    int *n = ud;
    CHECK(p->id && p->name && p->path && p->opened_at);
    ++*n;
}

static void
a_person_has_one_id(void)
{
    char dir[256], deep[300], first[SY__ID_BYTES], again[SY__ID_BYTES];
    sy__error err = {0};
    sy__userdb *u = NULL, *other = NULL;
    int projects = 0;
    fixture_dir(dir);
    (void)snprintf(deep, sizeof deep, "%s/share/symphony", dir);
    CHECK_INT(sy__userdb_open(&u, &sy__alloc_default, &sy__clock_system, deep, &err), SY_OK);
    CHECK_INT(sy__userdb_person(u, "ann", "", "{}", first, &err), SY_OK);
    CHECK(sy__id_valid(first));
    CHECK_INT(sy__userdb_project(u, "p1", "/a", "a", "{}", &err), SY_OK);
    CHECK_INT(sy__userdb_open(&other, &sy__alloc_default, &sy__clock_system, deep, &err), SY_OK);
    CHECK_INT(sy__userdb_person(other, "Ann", "ann@example.org", "{\"color\":\"never\"}", again, &err), SY_OK);
    CHECK_STR(again, first);
    CHECK_INT(sy__userdb_project(other, "p1", "/b", "a", "{}", &err), SY_OK);
    CHECK_INT(sy__userdb_project(other, "p2", "/c", "c", "{}", &err), SY_OK);
    CHECK_INT(sy__userdb_projects(u, count_project, &projects, &err), SY_OK);
    CHECK_INT(projects, 2);
    CHECK_INT(sy__userdb_forget(u, "p2", &err), SY_OK);
    CHECK_INT(sy__userdb_forget(u, "p2", &err), SY_ENOTFOUND);
    sy__userdb_close(other);
    sy__userdb_close(u);
    fixture_remove(dir);
}

int
main(void)
{
    the_schema_is_the_committed_one();
    migrates_from_every_earlier_version();
    rows_stay_when_their_tables_are_made_anew();
    copies_before_it_migrates();
    makes_the_folder();
    leaves_a_newer_database_alone();
    says_what_is_damaged();
    damage_in_the_middle_ends_writing();
    says_when_the_project_is_read_only();
    knows_network_file_systems();
    a_migration_names_who_is_in_the_way();
    hosts_that_begin_at_once_share_one_database();
    the_singletons_stay_single();
    a_person_has_one_id();
    TEST_END();
}
