/*
 * powerloss_test.c: whole runs at the level `full`, cut at any moment: what was acknowledged is there.
 *
 * A seed is a story of up to three lives. In each, the folder is opened and the run started, or resumed, to its end
 * while powerloss_disk.c notes; then an image of a random moment becomes the folder of the next life. Images are
 * checked before anything goes on: the database is whole, no event before the last acknowledged one is missing,
 * what completed had all it depends on, content has its hash. The last life ends undisturbed with the outputs
 * that every run of this melody has.
 *
 *     host_powerloss_test [SEEDS [FIRST]]     SYMPHONY_LONG: 500 seeds, else 40
 */
#include "powerloss_disk.h"

#include "host/project.h"

#include "test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIVES = 3, PATH_BYTES = 300 };

static const char CODE[] =
    "local function text(n, kb) local t = {} for i = 1, kb * 64 do t[i] = ('%07d:%07d'):format(n, i * n % 9999991) end"
    " return table.concat(t) end "
    "return { noop = function(input) return input end, effect = function(input) return { done = true } end,"
    " make = function(input, ctx) return { n = input.n, text = text(input.n, input.kb) } end,"
    " keep = function(input, ctx) return { n = input.n, ref = ctx.artifact('code', text(input.n, input.kb), {}) } end "
    "}";

static const char OPERATIONS[] = "{\"noop\":{\"effects\":\"none\",\"idempotent\":true},"
                                 "\"effect\":{\"effects\":\"external\",\"idempotent\":false},"
                                 "\"make\":{\"effects\":\"none\",\"idempotent\":true},"
                                 "\"keep\":{\"effects\":\"none\",\"idempotent\":true}}";

/* Values in rows, in the database's blobs and in files; a map, an effect, a join. */
#define OP(name) "\"operation\":\"t." name "\",\"extension\":\"t\""
static const char DEFINITION[] =
    "{\"format\":1,\"name\":\"powerloss\",\"tasks\":["
    "{\"key\":\"a\"," OP(
        "make") ",\"input\":{\"n\":11,\"kb\":100}},"
                "{\"key\":\"b\"," OP(
                    "make") ",\"input\":{\"n\":12,\"kb\":20},\"options\":{\"after\":[\"a\"]}},"
                            "{\"key\":\"k\"," OP(
                                "keep") ",\"input\":{\"n\":13,\"kb\":90}},"
                                        "{\"key\":\"m\",\"verb\":\"each\"," OP(
                                            "keep") ",\"list\":[1,2,3,4,5],\"fn\":{\"lua\":"
                                                    "\"function(i) return { n = i * 100, kb = i * 30 } "
                                                    "end\"},\"options\":{\"after\":[\"b\"],\"max_parallel\":2}},"
                                                    "{\"key\":\"e\"," OP(
                                                        "effect") ",\"input\":{\"of\":{\"$ref\":[\"b\",\"n\"]}}},"
                                                                  "{\"key\":\"f\"," OP(
                                                                      "noop") ",\"input\":{\"k\":{\"$ref\":[\"k\","
                                                                              "\"n\"]},\"e\":{\"$ref\":[\"e\",\"done\"]"
                                                                              "}}},"
                                                                              "{\"key\":\"j\"," OP(
                                                                                  "noop") ",\"input\":{\"m\":{\"$ref\":"
                                                                                          "[\"m\"]},\"f\":{\"$ref\":["
                                                                                          "\"f\"]}}}],"
                                                                                          "\"outputs\":{\"j\":{\"$"
                                                                                          "ref\":[\"j\"]},\"n\":{\"$"
                                                                                          "ref\":[\"a\",\"n\"]}}}";

/* [task, what it needs]: completed only after that. */
static const char *const needs[][2] = {{"b", "a"}, {"m", "b"}, {"e", "b"}, {"f", "k"},
                                       {"f", "e"}, {"j", "m"}, {"j", "f"}};

/* What one life has acknowledged, and when; the moments are those of the record. */
typedef struct life {
    sy__project *project;
    disk *disk;
    char run[37];
    size_t started, ended; /* 0: not acknowledged */
    struct {
        int64_t seq;
        size_t moment;
    } events[256];
    int event_count;
} life;

static const char *story;   /* for messages */
static char expected[4096]; /* the outputs of the first run that ended */

static void
die(const char *what, const sy__error *err)
{
    (void)fprintf(stderr, "%s: %s: %s\n", story, what, err ? err->message : "");
    exit(2);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st, (void)flag, (void)at;
    return remove(path);
}

static void
remove_all(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- a life ---- */

static int
write_rows(sqlite3 *conn, void *ud, sy__error *err)
{
    static const char sql[] =
        "INSERT INTO extension (id, orchestra_kit_id, manifest, capabilities, extension_type, installed_at, name, "
        "source) SELECT 't', id, '{}', '{}', 'operator', '2026-01-01T00:00:00.000Z', 't', 'dev' FROM orchestra_kit"
        " WHERE true ON CONFLICT DO NOTHING;"
        "INSERT INTO extension_version (id, extension_id, version, code_hash, manifest, installed_at)"
        " VALUES ('t-1', 't', '1.0.0', 'a', '{}', '2026-01-01T00:00:00.000Z') ON CONFLICT DO NOTHING";
    (void)ud;
    char *why = NULL;
    return sqlite3_exec(conn, sql, NULL, NULL, &why) == SQLITE_OK ? SY_OK : sy__error_set(err, SY_EIO, "%s", why);
}

static void
parse(sy__vbuf *b, const char *json, sy__value *out)
{
    sy__error err = {0};
    sy__vbuf_init(b, &sy__alloc_default);
    if (sy__value_from_json(b, json, strlen(json), &err) || sy__vbuf_done(b, out)) die(json, &err);
}

static void
put_text(sy__vbuf *b, const char *key, const char *text)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_cstr(b, text);
}

static void
register_extension(sy__project *p, const char *dir)
{
    sy__vbuf b, operations;
    sy__value v, ops;
    sy__error err = {0};
    parse(&operations, OPERATIONS, &ops);
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__vbuf_map(&b);
    put_text(&b, "id", "t");
    put_text(&b, "version_id", "t-1");
    put_text(&b, "name", "t");
    put_text(&b, "type", "operator");
    put_text(&b, "entry", "init.lua");
    sy__vbuf_key(&b, "capabilities", 12);
    sy__vbuf_map(&b);
    sy__vbuf_end(&b);
    sy__vbuf_key(&b, "operations", 10);
    sy__vbuf_value(&b, ops);
    sy__vbuf_key(&b, "sources", 7);
    sy__vbuf_map(&b);
    put_text(&b, "init.lua", CODE);
    sy__vbuf_end(&b);
    sy__vbuf_end(&b);
    if (sy__vbuf_done(&b, &v) || sy__registry_add(sy__project_registry(p), v, dir, &err)) die("extension", &err);
    sy__vbuf_close(&b);
    sy__vbuf_close(&operations);
}

static void
log_to_stderr(void *ud, sy__log_level level, int64_t wall_ms, const char *area, const char *line)
{
    (void)ud, (void)wall_ms;
    if (getenv("SYMPHONY_TEST_LOG")) (void)fprintf(stderr, "%d %s: %s\n", (int)level, area, line);
}

static sy__project *
open_project(const char *dir)
{
    sy__error err = {0};
    sy__project *p = NULL;
    const sy__project_options o = {.alloc = &sy__alloc_default, .dir = dir, .stages = 2, .log = log_to_stderr};
    if (sy__project_open(&p, &o, &err)) die("the image cannot be opened", &err);
    return p;
}

static void
announce(sy__project *p, const char *dir)
{
    sy__error err = {0};
    if (sy__db_identity(sy__project_db(p), "0192d3b0-0000-7000-8000-000000000001", "test", "", "{}", "test", "{}",
                        &err))
        die("identity", &err);
    if (sy__db_exclusive(sy__project_db(p), write_rows, NULL, &err)) die("rows", &err);
    register_extension(p, dir);
}

/* An event that was handed out was acknowledged: at `full` it, and all before it, is on the disk. */
static void
on_event(void *ud, const sy__event *e)
{
    life *l = ud;
    if (!e->run || l->event_count == (int)(sizeof l->events / sizeof *l->events)) return;
    l->events[l->event_count].seq = e->seq;
    l->events[l->event_count++].moment = disk_now(l->disk);
}

static void
start(life *l, sy__run_info *info)
{
    sy__vbuf definition, params;
    sy__error err = {0};
    sy__run_request q = {.durability = SY__LEVEL_FULL};
    parse(&definition, DEFINITION, &q.definition);
    parse(&params, "{}", &q.params);
    if (sy__engine_start(sy__project_engine(l->project), &q, info, &err)) die("start", &err);
    sy__vbuf_close(&definition);
    sy__vbuf_close(&params);
    (void)snprintf(l->run, sizeof l->run, "%s", info->id);
    l->started = disk_now(l->disk);
}

static void
resume(life *l, sy__run_info *info, bool repeat)
{
    sy__error err = {0};
    const sy__resume_request q = {.run = l->run, .retry = repeat ? "e" : NULL};
    *info = (sy__run_info){0};
    if (sy__engine_resume(sy__project_engine(l->project), &q, info, &err)) die("resume", &err);
}

/* To the end, or until it waits for a person. */
static void
follow(life *l, sy__run_info *info)
{
    for (int i = 0; !info->committed && i < 30000; i++) {
        (void)sy__project_step(l->project, 10);
        (void)sy__engine_info(sy__project_engine(l->project), info->id, info);
    }
    if (!info->committed) die("the run does not end", NULL);
}

/* Opens the folder and takes the run to its end; an effect that may have happened is repeated when asked for. */
static void
live(life *l, const char *dir)
{
    sy__run_info info = {0};
    sy__error err = {0};
    l->project = open_project(dir);
    announce(l->project, dir);
    if (sy__project_follow(l->project, "run.#", -1, on_event, l, &err) < 0) die("follow", &err);
    if (l->run[0])
        resume(l, &info, false);
    else
        start(l, &info);
    follow(l, &info);
    if (strcmp(info.status, "waiting") == 0) {
        resume(l, &info, true);
        follow(l, &info);
    }
    if (strcmp(info.status, "completed") != 0) die(info.status, &info.error);
    while (sy__project_step(l->project, 0) > 0) continue;
    l->ended = disk_now(l->disk);
}

/* ---- what an image must say ---- */

/* The first column as a number; text counts as 1 when it is "ok". */
static int64_t
number(sy__project *p, const char *sql)
{
    sqlite3 *conn = sy__db_reader(sy__project_db(p), NULL);
    sqlite3_stmt *s = NULL;
    int64_t n = -1;
    if (conn && sqlite3_prepare_v2(conn, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        n = text && strcmp(text, "ok") == 0 ? 1 : sqlite3_column_int64(s, 0);
    }
    (void)sqlite3_finalize(s);
    sy__db_reader_release(sy__project_db(p), conn);
    return n;
}

static bool
completed(sy__project *p, const char *key)
{
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM task WHERE key = '%s' AND task_status = 'completed'", key);
    return number(p, sql) > 0;
}

static bool
must(bool condition, const char *what)
{
    if (!condition) (void)fprintf(stderr, "%s: %s\n", story, what);
    return condition;
}

static bool
content_is_whole(sy__project *p)
{
    sqlite3 *conn = sy__db_reader(sy__project_db(p), NULL);
    sqlite3_stmt *s = NULL;
    sy__error err = {0};
    bool good = sqlite3_prepare_v2(conn, "SELECT hash FROM blob", -1, &s, NULL) == SQLITE_OK;
    while (good && sqlite3_step(s) == SQLITE_ROW)
        good = sy__artifact_verify(sy__project_artifacts(p), (const char *)sqlite3_column_text(s, 0), &err) == SY_OK;
    (void)sqlite3_finalize(s);
    sy__db_reader_release(sy__project_db(p), conn);
    if (!good) (void)fprintf(stderr, "%s: %s\n", story, err.message);
    return good;
}

static bool
rows_are_a_prefix(sy__project *p)
{
    bool good = must(number(p, "SELECT coalesce(max(seq), 0) - count(*) FROM event") == 0, "an event is missing");
    good &= must(number(p, "SELECT count(*) FROM task t WHERE key <> '' AND task_status = 'completed' AND NOT EXISTS"
                           " (SELECT 1 FROM event e WHERE e.task_id = t.id AND e.event_type = 'task.completed')") == 0,
                 "a task is completed without its event");
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        good &= must(!completed(p, needs[i][0]) || completed(p, needs[i][1]), needs[i][0]);
    return good;
}

static bool
acknowledged_is_there(sy__project *p, const life *l, size_t moment)
{
    int64_t last = 0, runs = number(p, "SELECT count(*) FROM pipeline_orchestration WHERE owner_epoch > 0");
    bool good = true;
    for (int i = 0; i < l->event_count; i++)
        if (l->events[i].moment <= moment && l->events[i].seq > last) last = l->events[i].seq;
    good &= must(number(p, "SELECT coalesce(max(seq), 0) FROM event") >= last, "an acknowledged event is lost");
    if (l->started && l->started <= moment) good &= must(runs > 0, "an acknowledged run is lost");
    if (l->ended && l->ended <= moment)
        good &= must(number(p, "SELECT count(*) FROM pipeline_orchestration WHERE status = 'completed'") > 0,
                     "an acknowledged end is lost");
    return good;
}

/* Opens the image on its own; `run` is emptied when the image has none. */
static bool
check_image(const char *dir, life *l, size_t moment)
{
    sy__project *p = open_project(dir);
    bool good = must(number(p, "PRAGMA integrity_check") == 1, "the database is damaged");
    good &= must(number(p, "SELECT count(*) FROM pragma_foreign_key_check") == 0, "a reference is broken");
    good &= acknowledged_is_there(p, l, moment);
    good &= rows_are_a_prefix(p);
    good &= content_is_whole(p);
    if (number(p, "SELECT count(*) FROM pipeline_orchestration") == 0) l->run[0] = '\0';
    sy__project_close(p);
    return good;
}

/* ---- a story ---- */

static void
new_folder(char out[PATH_BYTES])
{
    char given[PATH_BYTES - 40];
    const char *base = getenv("TMPDIR");
    (void)snprintf(given, sizeof given, "%.200s/symphony-power-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(given)) die("mkdtemp", NULL);
    char *whole = realpath(given, NULL);
    (void)snprintf(out, PATH_BYTES, "%s", whole ? whole : given);
    free(whole);
}

/* The outputs are those of every run of this melody. */
static bool
ended_as_always(life *l)
{
    sqlite3 *conn = sy__db_reader(sy__project_db(l->project), NULL);
    sqlite3_stmt *s = NULL;
    char got[sizeof expected] = "";
    static const char sql[] = "SELECT (outputs ->> '$.n') || (outputs ->> '$.j.f') || (SELECT group_concat("
                              " (m.value ->> '$.n') || (m.value ->> '$.ref.\"$artifact\"'))"
                              " FROM json_each(outputs, '$.j.m') m) FROM pipeline_orchestration WHERE id = ?1";
    if (sqlite3_prepare_v2(conn, sql, -1, &s, NULL) != SQLITE_OK) die(sqlite3_errmsg(conn), NULL);
    (void)sqlite3_bind_text(s, 1, l->run, -1, SQLITE_STATIC);
    if (sqlite3_step(s) == SQLITE_ROW) (void)snprintf(got, sizeof got, "%s", (const char *)sqlite3_column_text(s, 0));
    (void)sqlite3_finalize(s);
    sy__db_reader_release(sy__project_db(l->project), conn);
    if (!expected[0]) (void)snprintf(expected, sizeof expected, "%s", got);
    bool good = got[0] && strcmp(got, expected) == 0;
    if (!good) (void)fprintf(stderr, "%s: outputs are %s\n", story, got);
    return good;
}

/* Lives to the end while the disk notes, then makes the image of some moment the folder of the next life. */
static bool
live_and_lose_power(life *l, char dir[PATH_BYTES], uint64_t *random, bool lies)
{
    char image[PATH_BYTES];
    l->disk = disk_new(dir);
    if (lies) disk_lie(l->disk);
    layer_tell(l->disk);
    live(l, dir);
    bool good = ended_as_always(l);
    sy__project_close(l->project);
    layer_tell(NULL);
    size_t moment = disk_moment(l->disk, random);
    new_folder(image);
    disk_image(l->disk, moment, disk_random(random), image);
    remove_all(dir);
    (void)snprintf(dir, PATH_BYTES, "%s", image);
    good &= check_image(dir, l, moment);
    disk_free(l->disk);
    return good;
}

static bool
tell_story(unsigned seed, bool lies)
{
    char dir[PATH_BYTES], name[64], run[37] = "";
    uint64_t random = seed;
    bool good = true;
    (void)snprintf(name, sizeof name, "seed %u", seed);
    story = name;
    new_folder(dir);
    int lives = 1 + (int)(disk_random(&random) % LIVES);
    for (int i = 0; i < lives && good; i++) {
        life l = {0};
        (void)snprintf(l.run, sizeof l.run, "%s", run);
        good = live_and_lose_power(&l, dir, &random, lies);
        (void)snprintf(run, sizeof run, "%s", l.run);
    }
    life last = {.disk = disk_new(dir)};
    (void)snprintf(last.run, sizeof last.run, "%s", run);
    if (good) {
        live(&last, dir);
        good = ended_as_always(&last);
        sy__project_close(last.project);
    }
    disk_free(last.disk);
    remove_all(dir);
    return good;
}

/* With a disk that syncs nothing something must be missed soon; else these checks prove nothing. Each story in a
 * process of its own, for a damaged image ends it. */
static bool
a_lying_disk_is_noticed(void)
{
    for (unsigned seed = 1; seed <= 10; seed++) {
        int status = 0;
        (void)fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            if (!freopen("/dev/null", "w", stderr)) _exit(1);
            _exit(tell_story(seed, true) ? 0 : 1);
        }
        if (waitpid(child, &status, 0) == child && status != 0) return true;
    }
    return false;
}

int
main(int argc, char **argv)
{
    unsigned seeds = getenv("SYMPHONY_LONG") ? 500 : 40, first = 1;
    if (argc > 1) seeds = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2) first = (unsigned)strtoul(argv[2], NULL, 10);
    CHECK(a_lying_disk_is_noticed());
    for (unsigned seed = first; seed < first + seeds; seed++) CHECK(tell_story(seed, false));
    TEST_END();
}
