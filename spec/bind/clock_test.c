/*
 * clock_test.c: the wall's clock jumps while runs go on: what is limited in time keeps to the clock that only goes
 * forward, what is undone is undone newest first, and no row says that something took less than no time.
 */
#include "bind/stdlib.h"
#include "host/project.h"

#include "test.h"

#include <ftw.h>
#include <stdatomic.h>
#include <unistd.h>

static const char CODE[] = "local fs, time = require 'fs', require 'time' "
                           "return { rest = function(input) time.sleep(input.s) return input end,"
                           " fail = function() return nil, 'no' end,"
                           " note = function(input) fs.append('undone', input.text) return {} end }";
static const char OPERATIONS[] = "{\"rest\":{\"effects\":\"read\",\"idempotent\":true},"
                                 "\"fail\":{\"effects\":\"none\",\"idempotent\":true},"
                                 "\"note\":{\"effects\":\"write\",\"idempotent\":true}}";
static const char CAPABILITIES[] = "{\"fs\":{\"read\":[\"$PROJECT/**\"],\"write\":[\"$PROJECT/**\"]}}";

enum { HOUR_MS = 3600000 };

static atomic_llong step_ms; /* by how much the wall's clock jumps at each look */
static atomic_llong jumped_ms;
static char dir[256];
static sy__project *project;

static int64_t
jumping(void *ud)
{
    (void)ud;
    long long by = atomic_fetch_add(&jumped_ms, atomic_load(&step_ms));
    return sy__wall_ms(&sy__clock_system) + by;
}

static int64_t
steady(void *ud)
{
    (void)ud;
    return sy__mono_ns(&sy__clock_system);
}

static const sy__clock jumpy = {jumping, steady, NULL};

static void
die(const char *what, const sy__error *err)
{
    (void)fprintf(stderr, "%s: %s\n", what, err->message);
    exit(2);
}

static int
write_rows(sqlite3 *conn, void *ud, sy__error *err)
{
    static const char sql[] =
        "INSERT INTO extension (id, orchestra_kit_id, manifest, capabilities, extension_type, installed_at, name, "
        "source) SELECT 't', id, '{}', '{}', 'operator', '2026-01-01T00:00:00.000Z', 't', 'dev' FROM orchestra_kit;"
        "INSERT INTO extension_version (id, extension_id, version, code_hash, manifest, installed_at)"
        " VALUES ('t-1', 't', '1.0.0', 'a', '{}', '2026-01-01T00:00:00.000Z')";
    char *why = NULL;
    (void)ud;
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
register_extension(void)
{
    char text[2048];
    sy__vbuf b;
    sy__value v;
    sy__error err = {0};
    (void)snprintf(text, sizeof text,
                   "{\"id\":\"t\",\"version_id\":\"t-1\",\"name\":\"t\",\"type\":\"operator\",\"entry\":\"init.lua\","
                   "\"capabilities\":%s,\"operations\":%s,\"sources\":{\"init.lua\":\"%s\"}}",
                   CAPABILITIES, OPERATIONS, CODE);
    parse(&b, text, &v);
    if (sy__registry_add(sy__project_registry(project), v, dir, &err)) die("registry", &err);
    sy__vbuf_close(&b);
}

static void
open_project(void)
{
    sy__error err = {0};
    const char *base = getenv("TMPDIR");
    (void)snprintf(dir, sizeof dir, "%.200s/symphony-clock-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(dir)) die("mkdtemp", &err);
    const sy__project_options o = {
        .alloc = &sy__alloc_default, .clock = &jumpy, .dir = dir, .modules = sy__stdlib_modules, .stages = 2};
    if (sy__project_open(&project, &o, &err)) die("open", &err);
    if (sy__db_identity(sy__project_db(project), "0192d3b0-0000-7000-8000-000000000001", "test", "", "{}", "test", "{}",
                        &err) ||
        sy__db_exclusive(sy__project_db(project), write_rows, NULL, &err))
        die("rows", &err);
    register_extension();
}

static sy__run_info
run(const char *tasks)
{
    char text[4096];
    sy__vbuf b, none;
    sy__error err = {0};
    sy__run_info info = {0};
    sy__run_request q = {.durability = SY__LEVEL_PROCESS};
    (void)snprintf(text, sizeof text, "{\"format\":1,\"name\":\"clock\",\"tasks\":[%s]}", tasks);
    parse(&b, text, &q.definition);
    parse(&none, "{}", &q.params);
    if (sy__engine_start(sy__project_engine(project), &q, &info, &err)) die("start", &err);
    for (int i = 0; !info.committed && i < 3000; i++) {
        (void)sy__project_step(project, 10);
        (void)sy__engine_info(sy__project_engine(project), info.id, &info);
    }
    CHECK(info.committed);
    sy__vbuf_close(&b);
    sy__vbuf_close(&none);
    return info;
}

static int64_t
count(const char *sql)
{
    sqlite3 *conn = sy__db_reader(sy__project_db(project), NULL);
    sqlite3_stmt *s = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(conn, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    sy__db_reader_release(sy__project_db(project), conn);
    return n;
}

#define T(op) "\"operation\":\"t." op "\",\"extension\":\"t\""

static void
limits_keep_to_the_steady_clock(void)
{
    sy__run_info i = run("{\"key\":\"late\"," T(
        "rest") ",\"input\":{\"s\":60},\"options\":{\"timeout_ms\":50,"
                "\"on_error\":\"skip\"}},"
                "{\"key\":\"good\"," T("rest") ",\"input\":{\"s\":0.01},\"options\":{\"timeout_ms\":20000,"
                                               "\"queue_timeout_ms\":20000,\"attempt_timeout_ms\":20000}}");
    CHECK_STR(i.status, "completed");
}

static void
the_newest_is_undone_first(void)
{
    char path[300], text[32] = "";
    sy__run_info i = run("{\"key\":\"z\"," T("rest") ",\"input\":{\"s\":0},\"options\":{\"compensate\":{" T(
        "note") ",\"input\":"
                "{\"text\":\"1\"}}}},"
                "{\"key\":\"y\"," T("rest") ",\"input\":{\"s\":0},\"options\":{\"after\":[\"z\"],\"compensate\":{" T(
                    "note") ",\"input\":{\"text\":\"2\"}}}},"
                            "{\"key\":\"x\"," T("rest") ",\"input\":{\"s\":0},\"options\":{\"after\":[\"y\"],"
                                                        "\"compensate\":{" T(
                                                            "note") ",\"input\":{\"text\":\"3\"}}}},"
                                                                    "{\"key\":\"f\"," T(
                                                                        "fail") ",\"input\":{},\"options\":{\"after\":["
                                                                                "\"x\"],\"on_error\":\"compensate\"}}");
    CHECK_STR(i.status, "failed");
    (void)snprintf(path, sizeof path, "%s/undone", dir);
    FILE *f = fopen(path, "r");
    CHECK(f && fgets(text, sizeof text, f));
    if (f) (void)fclose(f);
    CHECK_STR(text, "321");
    (void)unlink(path);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st, (void)flag, (void)at;
    return remove(path);
}

int
main(void)
{
    static const long long steps[] = {0, HOUR_MS, -HOUR_MS};
    open_project();
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        atomic_store(&step_ms, steps[i]);
        limits_keep_to_the_steady_clock();
        the_newest_is_undone_first();
    }
    CHECK_INT(count("SELECT count(*) FROM task WHERE key = 'late' AND outcome = 'timeout'"), 3);
    CHECK_INT(count("SELECT count(*) FROM task WHERE key = 'good' AND outcome = 'ok'"), 3);
    CHECK_INT(count("SELECT count(*) FROM task WHERE cost_ms < 0"), 0);
    CHECK_INT(count("SELECT count(*) FROM event WHERE event_payload ->> '$.ms' < 0"), 0);
    CHECK_INT(count("SELECT count(*) - max(seq) FROM event"), 0);
    sy__project_close(project);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    TEST_END();
}
