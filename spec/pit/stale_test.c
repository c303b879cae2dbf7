/* stale_test.c: what is archived, what is deleted and what never is. Time is the test's own. */
#include "pit/store.h"

#include <pthread.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { LARGE = 300000 };

/* ---- rows that refer to contents ---- */

/* A run, its root task and an event, all named after `run`; ended_at is NULL or a quoted stamp. */
static void
add_run(store *s, const char *run, const char *ended_at, const char *params)
{
    const char *status = strcmp(ended_at, "NULL") == 0 ? "running" : "completed";
    (void)store_sql_int(
        s,
        "INSERT OR IGNORE INTO user VALUES ('u', 'n', '', '{}', '2020');"
        "INSERT OR IGNORE INTO project VALUES ('p', 'u', 'n', '{}', '2020');"
        "INSERT INTO pipeline_orchestration (id, conductor_id, task_dag, execution_sequence, orchestration_type, "
        "project_id,"
        " number, status, durability, params, created_at, completed_at) SELECT '%s', id, '{}', '[]', 'manual', 'p',"
        " (SELECT count(*) + 1 FROM pipeline_orchestration), '%s', 'full', '%s', '2020', %s FROM conductor;"
        "INSERT INTO task (id, conductor_id, extension_id, task_type, task_payload, task_status, execution_context,"
        " created_at, completed_at, orchestra_kit_id, pipeline_orchestration_id, key, operation) SELECT 't-%s', c.id, "
        "e.id,"
        " 'artifact_processing', '{}', 'completed', '{}', '2020', '2020', k.id, '%s', '', 'host.run'"
        " FROM conductor c, orchestra_kit k, extension e WHERE e.name = 'host';"
        "INSERT INTO event (id, task_id, extension_id, event_type, event_payload, event_context, occurred_at, seq, "
        "topic)"
        " SELECT 'e-%s', 't-%s', id, 'task_started', '{}', '{}', '2020', (SELECT count(*) + 1 FROM event), 'x'"
        " FROM extension WHERE name = 'host'",
        run, status, params, ended_at, run, run, run, run);
}

static void
add_artifact(store *s, const char *id, const char *run, const char *hash)
{
    (void)store_sql_int(
        s,
        "INSERT INTO artifact (id, event_id, extension_id, artifact_type, content_hash, metadata,"
        " quality_metrics, created_at, task_id, pipeline_orchestration_id, size) SELECT '%s', 'e-%s', id,"
        " 'test', '%s', '{}', '[]', '2020', 't-%s', '%s', 1 FROM extension WHERE name = 'host'",
        id, run, hash, run, run);
}

static void
stamp(store *s, int64_t ago_ms, char out[40])
{
    char text[SY__STAMP_BYTES];
    sy__stamp(sy__wall_ms(&s->clock) - ago_ms, text);
    (void)snprintf(out, 40, "'%s'", text);
}

static sy__stale_report
collect(store *s, int64_t max_bytes, int64_t archive_ms, bool dry_run)
{
    sy__stale_policy p = {
        .hot_ms = DAY, .archive_ms = archive_ms, .max_bytes = max_bytes, .keep_orphans = true, .dry_run = dry_run};
    sy__stale_report report;
    sy__error err = {0};
    CHECK_INT(sy__stale_collect(s->artifacts, &p, &report, &err), SY_OK);
    CHECK_STR(err.message, "");
    return report;
}

/* Contents 0 … n-1 of 10,000 incompressible bytes each, the last of them large. */
enum { CONTENTS = 8, SIZE = 10000 };

typedef struct shelf {
    store s;
    char bytes[CONTENTS][LARGE];
    char hash[CONTENTS][SY__HASH_BYTES];
} shelf;

static size_t
size_of(int i)
{
    return i == CONTENTS - 1 ? LARGE : SIZE;
}

static shelf *
shelf_new(void)
{
    shelf *sh = calloc(1, sizeof *sh);
    if (!sh) exit(1);
    store_init(&sh->s);
    for (int i = 0; i < CONTENTS; i++) {
        store_random(sh->bytes[i], size_of(i), (uint64_t)i + 50);
        memcpy(sh->hash[i], store_put(&sh->s, sh->bytes[i], size_of(i)).hash, SY__HASH_BYTES);
    }
    store_settle(&sh->s);
    return sh;
}

static void
shelf_free(shelf *sh)
{
    store_close(&sh->s);
    store_remove(&sh->s);
    free(sh);
}

static bool
has(shelf *sh, int i)
{
    int rc = store_has(&sh->s, sh->hash[i], sh->bytes[i], size_of(i));
    CHECK(rc == SY_OK || rc == SY_ENOTFOUND);
    return rc == SY_OK;
}

static int
count_kept(shelf *sh)
{
    int n = 0;
    for (int i = 0; i < CONTENTS; i++) n += has(sh, i);
    return n;
}

/* ---- deletion ---- */

static void
deletes_nothing_without_pressure(void)
{
    shelf *sh = shelf_new();
    atomic_store(&sh->s.ahead_ms, 30LL * DAY);
    sy__stale_report r = collect(&sh->s, 0, 0, false);
    CHECK_INT(r.examined, CONTENTS);
    CHECK_INT(r.deleted, 0);
    r = collect(&sh->s, 10000000, 0, false);
    CHECK_INT(r.deleted, 0);
    CHECK_INT(r.bytes_before, 7 * SIZE + LARGE);
    CHECK_INT(r.bytes_after, r.bytes_before);
    CHECK_INT(count_kept(sh), CONTENTS);
    shelf_free(sh);
}

static void
deletes_nothing_that_was_just_used(void)
{
    shelf *sh = shelf_new();
    sy__stale_report r = collect(&sh->s, 1, 0, false);
    CHECK_INT(r.deleted, 0);
    atomic_store(&sh->s.ahead_ms, HOUR - 60000);
    r = collect(&sh->s, 1, 0, false);
    CHECK_INT(r.deleted, 0);
    atomic_store(&sh->s.ahead_ms, HOUR + 60000);
    (void)store_put(&sh->s, sh->bytes[2], SIZE); /* used again: stays */
    store_settle(&sh->s);
    r = collect(&sh->s, 1, 0, false);
    CHECK_INT(r.deleted, CONTENTS - 1);
    CHECK(has(sh, 2));
    CHECK_INT(count_kept(sh), 1);
    shelf_free(sh);
}

/* The oldest go first, and no more of them than must. */
static void
deletes_the_oldest_until_the_limit_is_met(void)
{
    shelf *sh = shelf_new();
    for (int i = 0; i < CONTENTS; i++)
        (void)store_sql_int(&sh->s, "UPDATE blob SET last_used_at = '202%d-01-01T00:00:00.000Z' WHERE hash = '%s'", i,
                            sh->hash[CONTENTS - 1 - i]);
    (void)store_sql_int(&sh->s, "UPDATE blob SET last_used_at = min(last_used_at, '2025-12-31')");
    sy__stale_report r = collect(&sh->s, 7 * SIZE, 0, true);
    CHECK_INT(r.deleted, 1);
    CHECK_INT(r.bytes_after, 7 * SIZE);
    CHECK_INT(count_kept(sh), CONTENTS); /* a dry run changes nothing */
    r = collect(&sh->s, 7 * SIZE, 0, false);
    CHECK_INT(r.deleted, 1);
    CHECK(!has(sh, CONTENTS - 1));
    r = collect(&sh->s, 5 * SIZE + 1, 0, false);
    CHECK_INT(r.deleted, 2);
    CHECK(!has(sh, CONTENTS - 2) && !has(sh, CONTENTS - 3) && has(sh, CONTENTS - 4));
    CHECK_INT(r.bytes_after, 5 * SIZE);
    shelf_free(sh);
}

static void
keeps_what_living_and_young_runs_refer_to(void)
{
    shelf *sh = shelf_new();
    char ended[40], params[200], old[40];
    atomic_store(&sh->s.ahead_ms, 3LL * DAY);
    stamp(&sh->s, HOUR, ended);
    stamp(&sh->s, 2LL * DAY, old);
    (void)snprintf(params, sizeof params, "{\"a\":{\"$artifact\":\"%s\"}}", sh->hash[0]);
    add_run(&sh->s, "living", "NULL", params);
    add_artifact(&sh->s, "a1", "living", sh->hash[1]);
    add_run(&sh->s, "young", ended, "{}");
    add_artifact(&sh->s, "a2", "young", sh->hash[2]);
    add_run(&sh->s, "old", old, "{}");
    add_artifact(&sh->s, "a3", "old", sh->hash[3]);
    (void)store_sql_int(&sh->s, "UPDATE task SET output_hash = '%s' WHERE id = 't-living'", sh->hash[4]);
    (void)store_sql_int(&sh->s, "UPDATE task SET task_payload = '[\"x\",\"%s\"]' WHERE id = 't-young'",
                        sh->hash[CONTENTS - 1]);
    sy__stale_report r = collect(&sh->s, 1, 0, false);
    CHECK_INT(r.deleted, 3);
    CHECK_INT(r.kept_referenced, 5);
    CHECK(has(sh, 0) && has(sh, 1) && has(sh, 2) && has(sh, 4) && has(sh, CONTENTS - 1));
    sy__error err = {0}; /* an artifact still names it: the answer says what happened */
    CHECK_INT(sy__artifact_verify(sh->s.artifacts, sh->hash[3], &err), SY_ENOTFOUND);
    CHECK(strstr(err.message, "deleted") != NULL && err.hint[0] != '\0');
    CHECK_INT(store_sql_int(&sh->s, "SELECT count(*) FROM blob WHERE state = 'deleted'"), 1);
    CHECK_INT(store_sql_int(&sh->s, "SELECT count(*) FROM blob"), CONTENTS - 2);
    CHECK(!store_put(&sh->s, sh->bytes[3], SIZE).dedup); /* and storing it again brings it back */
    store_settle(&sh->s);
    CHECK(has(sh, 3));
    shelf_free(sh);
}

/* ---- pins ---- */

typedef struct told {
    int pins, unpins, deletes, archives;
    char last[SY__HASH_BYTES];
} told;

static void
tell(void *ud, const sy__pit_record *r)
{
    told *t = ud;
    CHECK_STR(r->operation_type, "stale_management");
    t->pins += strstr(r->context, "\"pin\"") != NULL;
    t->unpins += strstr(r->context, "\"unpin\"") != NULL;
    t->deletes += strstr(r->context, "\"delete\"") != NULL;
    t->archives += strstr(r->context, "\"archive\"") != NULL;
    (void)snprintf(t->last, sizeof t->last, "%s", r->hash);
}

static void
keeps_what_is_pinned(void)
{
    shelf *sh = shelf_new();
    told t = {0};
    sy__error err = {0};
    char old[40];
    sy__artifacts_set_record(sh->s.artifacts, tell, &t);
    atomic_store(&sh->s.ahead_ms, 3LL * DAY);
    stamp(&sh->s, 2LL * DAY, old);
    add_run(&sh->s, "old", old, "{}");
    add_artifact(&sh->s, "art-1", "old", sh->hash[1]);
    CHECK_INT(sy__stale_pin(sh->s.artifacts, sh->hash[0], true, &err), SY_OK);
    CHECK_INT(sy__stale_pin(sh->s.artifacts, "art-1", true, &err), SY_OK);
    CHECK_INT(sy__stale_pin(sh->s.artifacts, "art-1", true, &err), SY_OK);
    CHECK_INT(sy__stale_pin(sh->s.artifacts, "nothing", true, &err), SY_ENOTFOUND);
    CHECK(strstr(err.message, "nothing") != NULL);
    CHECK_INT(t.pins, 3);
    CHECK_STR(t.last, sh->hash[1]);
    sy__stale_report r = collect(&sh->s, 1, 0, true);
    CHECK_INT(t.deletes, 0); /* a dry run decides nothing */
    r = collect(&sh->s, 1, 0, false);
    CHECK_INT(r.kept_pinned, 2);
    CHECK_INT(r.deleted, CONTENTS - 2);
    CHECK_INT(t.deletes, CONTENTS - 2);
    CHECK(has(sh, 0) && has(sh, 1));
    CHECK_INT(sy__stale_pin(sh->s.artifacts, sh->hash[1], false, &err), SY_OK);
    CHECK_INT(t.unpins, 1);
    r = collect(&sh->s, 1, 0, false);
    CHECK_INT(r.deleted, 1);
    CHECK(has(sh, 0) && !has(sh, 1));
    CHECK_INT(sy__stale_pin(sh->s.artifacts, "art-1", true, &err), SY_ENOTFOUND);
    CHECK(strstr(err.message, "deleted") != NULL);
    shelf_free(sh);
}

/* ---- files ---- */

static bool
exists(store *s, const char *hash, const char *suffix)
{
    char path[400];
    store_path(s, hash, suffix, path);
    return access(path, F_OK) == 0;
}

static void
set_age(store *s, const char *hash, const char *suffix, int64_t ago_ms)
{
    char path[400];
    store_path(s, hash, suffix, path);
    struct timespec at = {.tv_sec = (sy__wall_ms(&s->clock) - ago_ms) / 1000};
    CHECK_INT(utimensat(AT_FDCWD, path, (const struct timespec[2]){at, at}, 0), 0);
}

/* The row goes with the collection; the file an hour after its last use. */
static void
files_outlive_their_rows_by_an_hour(void)
{
    shelf *sh = shelf_new();
    const char *hash = sh->hash[CONTENTS - 1];
    atomic_store(&sh->s.ahead_ms, 2LL * HOUR);
    set_age(&sh->s, hash, "", HOUR / 2);
    sy__stale_report r = collect(&sh->s, 1, 0, false);
    CHECK_INT(r.deleted, CONTENTS);
    CHECK_INT(r.bytes_after, 0);
    CHECK(!has(sh, CONTENTS - 1));
    CHECK(exists(&sh->s, hash, ""));
    CHECK(!store_put(&sh->s, sh->bytes[CONTENTS - 1], LARGE).dedup); /* comes back within the hour */
    store_settle(&sh->s);
    set_age(&sh->s, hash, "", 2LL * HOUR);
    (void)collect(&sh->s, 1, 0, false);
    CHECK(exists(&sh->s, hash, "")); /* old, but a row refers to it */
    CHECK(has(sh, CONTENTS - 1));
    atomic_store(&sh->s.ahead_ms, 5LL * HOUR);
    (void)collect(&sh->s, 1, 0, false);
    CHECK(!exists(&sh->s, hash, ""));
    shelf_free(sh);
}

/* Of a crash after the renaming and before the commit. */
static void
sweeps_files_without_a_row(void)
{
    shelf *sh = shelf_new();
    const char *hash = sh->hash[CONTENTS - 1];
    (void)store_sql_int(&sh->s, "DELETE FROM blob WHERE hash = '%s'", hash);
    (void)collect(&sh->s, 0, 0, false);
    CHECK(exists(&sh->s, hash, ""));
    set_age(&sh->s, hash, "", 2LL * HOUR);
    (void)collect(&sh->s, 0, 0, true);
    CHECK(exists(&sh->s, hash, ""));
    (void)collect(&sh->s, 0, 0, false);
    CHECK(!exists(&sh->s, hash, ""));
    shelf_free(sh);
}

/* ---- archive ---- */

static void
fill_text(char *to, size_t size)
{
    unsigned dice = 1;
    for (size_t at = 0; at < size;) {
        dice = dice * 1664525u + 1013904223u;
        int n = snprintf(to + at, size - at, "line %u of %u, ", dice >> 22, dice >> 28);
        at += (size_t)n < size - at ? (size_t)n : size - at;
    }
}

static void
packs_harder_what_is_old(void)
{
    static char text[LARGE];
    shelf *sh = shelf_new();
    told t = {0};
    sy__artifacts_set_record(sh->s.artifacts, tell, &t);
    fill_text(text, sizeof text);
    sy__stored small = store_put(&sh->s, text, 60000), large = store_put(&sh->s, text, sizeof text);
    store_settle(&sh->s);
    sy__stale_report r = collect(&sh->s, 0, DAY, false);
    CHECK_INT(r.archived, 0);
    atomic_store(&sh->s.ahead_ms, 2LL * DAY);
    CHECK_INT(collect(&sh->s, 0, DAY, true).archived, CONTENTS + 2);
    r = collect(&sh->s, 0, DAY, false);
    CHECK_INT(r.archived, CONTENTS + 2);
    CHECK_INT(t.archives, CONTENTS + 2);
    CHECK(r.bytes_after < r.bytes_before);
    CHECK_INT(r.bytes_after, store_sql_int(&sh->s, "SELECT sum(stored_size) FROM blob"));
    CHECK(store_sql_int(&sh->s, "SELECT stored_size FROM blob WHERE hash = '%s'", small.hash) < small.stored_size);
    CHECK(store_sql_int(&sh->s, "SELECT stored_size FROM blob WHERE hash = '%s'", large.hash) < large.stored_size);
    CHECK_INT(store_sql_int(&sh->s, "SELECT count(*) FROM blob WHERE state = 'archived'"), CONTENTS + 2);
    CHECK_INT(store_has(&sh->s, small.hash, text, 60000), SY_OK);
    CHECK_INT(store_has(&sh->s, large.hash, text, sizeof text), SY_OK);
    CHECK_INT(count_kept(sh), CONTENTS);
    CHECK(store_put(&sh->s, text, sizeof text).dedup);
    CHECK_INT(collect(&sh->s, 0, DAY, false).archived, 0);
    shelf_free(sh);
}

static void
leaves_damaged_content_as_it_is(void)
{
    static char text[LARGE];
    store s;
    store_init(&s);
    fill_text(text, sizeof text);
    sy__stored large = store_put(&s, text, sizeof text), other = store_put(&s, text, 50000);
    store_settle(&s);
    char path[400];
    store_path(&s, large.hash, ".zst", path);
    CHECK_INT(truncate(path, large.stored_size - 10), 0);
    atomic_store(&s.ahead_ms, 2LL * DAY);
    sy__stale_report r = collect(&s, 0, DAY, false);
    CHECK_INT(r.archived, 1);
    CHECK_INT(sy__artifact_verify(s.artifacts, large.hash, NULL), SY_EDAMAGED);
    CHECK_INT(sy__artifact_verify(s.artifacts, other.hash, NULL), SY_OK);
    store_close(&s);
    store_remove(&s);
}

/* ---- all at once, two hosts ---- */

enum { ROUNDS = 150 };

typedef struct worker {
    store *store, *hosts;
    int number;
    long wrong;
    pthread_rwlock_t *time; /* time passes never between a put and its get */
    atomic_bool *stop;
} worker;

static void *
put_and_get(void *arg)
{
    worker *w = arg;
    char *bytes = malloc(80000);
    for (int i = 0; i < ROUNDS && bytes; i++) {
        sy__stored stored;
        sy__error err = {0};
        int which = (i * 7 + w->number) % 40;
        size_t size = which % 4 == 0 ? 70000 + (size_t)which : 500 + (size_t)which * 11;
        store_random(bytes, size, (uint64_t)which + 9000);
        (void)pthread_rwlock_rdlock(w->time);
        w->wrong += sy__artifact_put(w->store->artifacts, SY__LEVEL_PROCESS, bytes, size, &stored, &err) != SY_OK;
        w->wrong += sy__artifacts_flush(w->store->artifacts, &err) != SY_OK;
        w->wrong += sy__artifact_verify(w->store->artifacts, stored.hash, &err) != SY_OK;
        if (err.code) (void)fprintf(stderr, "content %d of %zu bytes: %s\n", which, size, err.message);
        (void)pthread_rwlock_unlock(w->time);
        if (i % 4) continue;
        (void)pthread_rwlock_wrlock(w->time);
        for (int h = 0; h < 2; h++) /* no writer is an hour late */
            w->wrong += sy__db_wait(w->hosts[h].db, sy__db_now(w->hosts[h].db), false, NULL) != SY_OK;
        (void)atomic_fetch_add((atomic_llong *)w->store->clock.ud, 20LL * 60000); /* twenty minutes pass */
        (void)pthread_rwlock_unlock(w->time);
    }
    free(bytes);
    return NULL;
}

static void *
collect_often(void *arg)
{
    worker *w = arg;
    sy__stale_policy p = {.hot_ms = 1, .archive_ms = 2LL * HOUR, .max_bytes = 200000};
    while (!atomic_load(w->stop)) {
        sy__stale_report r;
        sy__error err = {0};
        w->wrong += sy__stale_collect(w->store->artifacts, &p, &r, &err) != SY_OK;
        if (err.code) (void)fprintf(stderr, "collecting: %s\n", err.message);
    }
    return NULL;
}

/* Two hosts store the same contents while a third collects under pressure and time flies: whatever was put is
 * there right after it, although it was often about to be deleted. */
static void
collecting_never_takes_what_is_being_stored(void)
{
    store hosts[2];
    pthread_t threads[3];
    worker workers[3];
    atomic_bool stop = false;
    pthread_rwlock_t passing = PTHREAD_RWLOCK_INITIALIZER;
    store_init(&hosts[0]);
    hosts[1] = hosts[0];
    store_open(&hosts[1]);
    hosts[1].clock.ud = &hosts[0].ahead_ms; /* one time for all */
    for (int i = 0; i < 3; i++) {
        workers[i] = (worker){.store = &hosts[i % 2], .hosts = hosts, .number = i, .time = &passing, .stop = &stop};
        void *(*fn)(void *) = i == 2 ? collect_often : put_and_get;
        CHECK(pthread_create(&threads[i], NULL, fn, &workers[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        (void)pthread_join(threads[i], NULL);
        if (i == 1) atomic_store(&stop, true);
        CHECK_INT(workers[i].wrong, 0);
    }
    store_close(&hosts[1]);
    store_close(&hosts[0]);
    store_remove(&hosts[0]);
}

int
main(void)
{
    deletes_nothing_without_pressure();
    deletes_nothing_that_was_just_used();
    deletes_the_oldest_until_the_limit_is_met();
    keeps_what_living_and_young_runs_refer_to();
    keeps_what_is_pinned();
    files_outlive_their_rows_by_an_hour();
    sweeps_files_without_a_row();
    packs_harder_what_is_old();
    leaves_damaged_content_as_it_is();
    collecting_never_takes_what_is_being_stored();
    TEST_END();
}
