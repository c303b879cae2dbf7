/*
 * cache_test.c: the action cache with whole runs: what makes an operation run again, and what does not.
 *
 * Two extensions: `t` reads files, `p` starts programs. Each check is a run of one task and its outcome: `cached`,
 * or `ok` when the operation was called.
 */
#include "base/clock.h"

#include <stdatomic.h>

static atomic_llong ahead_ms;
static bool trusted;

static int64_t
wall(void *ud)
{
    (void)ud;
    return sy__wall_ms(&sy__clock_system) + atomic_load(&ahead_ms);
}

static int64_t
mono(void *ud)
{
    (void)ud;
    return sy__mono_ns(&sy__clock_system);
}

static const sy__clock test_clock = {wall, mono, NULL};

#define OWN_REGISTRATION
#define RUNS_CLOCK &test_clock
#define RUNS_TRUSTED trusted
#include "bind/runs.h"
#include "pit/stale/stale.h"

#include <sys/stat.h>
#include <utime.h>

static const char FILES[] =
    "local fs = require 'fs'\n"
    "local t = {}\n"
    "function t.echo(input) return input end\n"
    "function t.read(input) local s = fs.read(input.path) return { text = s or 'none' } end\n"
    "function t.list(input) local n = {} for i, e in ipairs(fs.list(input.path)) do n[i] = e.name end return n end\n"
    "function t.glob(input) return { files = fs.glob(input.pattern) } end\n"
    "function t.exists(input) return { there = fs.exists(input.path) } end\n"
    "function t.size(input) return { size = fs.stat(input.path).size } end\n"
    "function t.make(input, ctx) return { ref = ctx.artifact('code', input.bytes, { name = 'x' }) } end\n"
    "function t.pass(input) return { ref = input.ref } end\n"
    "function t.write(input) fs.write(input.path, 'x') return {} end\n"
    "function t.twice(input) local a = fs.read(input.path) fs.write('other', 'x') return {} end\n"
    "function t.fail(input) fs.read(input.path) return nil, 'no' end\n"
    "function t.odd() return { n = 0/0 } end\n"
    "return t\n";

static const char PROGRAMS[] =
    "local process = require 'process'\n"
    "local p = {}\n"
    "function p.cat(input) return { text = process.run({ argv = { 'cat', input.path } }).stdout } end\n"
    "function p.more(input) return { text = process.run({ argv = { 'cat', input.path }, reads = false }).stdout } end\n"
    "function p.named(input) return { text = process.run({ argv = { 'cat', input.path }, reads = { input.path } "
    "}).stdout } end\n"
    "function p.blind() return { text = process.run({ argv = { 'true' } }).stdout } end\n"
    "return p\n";

#define PURE "{\"effects\":\"read\",\"cache\":true}"

static const char FILES_DESCRIPTION[] =
    "{\"id\":\"t\",\"version_id\":\"t-1\",\"code_hash\":\"%s\",\"name\":\"t\",\"entry\":\"init.lua\","
    "\"capabilities\":{\"fs\":{\"read\":[\"$PROJECT/**\"],\"write\":[\"$PROJECT/**\"]},\"env\":[\"SY_CACHE_TEST\"]},"
    "\"operations\":{\"echo\":" PURE ",\"read\":" PURE ",\"list\":" PURE ",\"glob\":" PURE ",\"exists\":" PURE
    ",\"size\":" PURE ",\"make\":" PURE ",\"pass\":" PURE ",\"write\":" PURE ",\"twice\":" PURE ",\"fail\":" PURE
    ",\"odd\":" PURE ",\"plain\":{\"effects\":\"read\"}},\"sources\":{\"init.lua\":\"\"}}";

static const char PROGRAMS_DESCRIPTION[] =
    "{\"id\":\"p\",\"version_id\":\"p-1\",\"code_hash\":\"%s\",\"name\":\"p\",\"entry\":\"init.lua\","
    "\"capabilities\":{\"fs\":{\"read\":[\"$PROJECT/**\"]},\"process\":[\"cat\",\"true\"]},"
    "\"operations\":{\"cat\":{\"effects\":\"read\",\"cache\":true,\"reads\":[\"$input.path\"]},"
    "\"more\":{\"effects\":\"read\",\"cache\":true,\"reads\":[\"$input.path\"]},"
    "\"named\":{\"effects\":\"read\",\"cache\":true,\"reads\":[\"src/*.h\"]},"
    "\"blind\":{\"effects\":\"read\",\"cache\":true}},\"sources\":{\"init.lua\":\"\"}}";

static void
register_extension(void)
{
    register_as(FILES_DESCRIPTION, FILES, "sha256:one");
    register_as(PROGRAMS_DESCRIPTION, PROGRAMS, "sha256:one");
}

static sy__run_info last;

/* One text of the row of a task of the last run; "" for NULL or no row. */
static const char *
row(const char *expression, const char *key)
{
    return ask(&last, expression, key);
}

static int
start_one(const char *task, sy__durability level, const char *options, sy__error *err)
{
    char tasks[8000];
    (void)snprintf(tasks, sizeof tasks, "\"tasks\":[%s]", task);
    return try_start(tasks, options, (sy__run_request){.durability = level}, &last, err);
}

static const char *
outcome_with(const char *tasks, const char *options)
{
    sy__error err = {0};
    if (start_one(tasks, SY__LEVEL_PROCESS, options, &err)) die(tasks, &err);
    finish(&last);
    return row("outcome", "a");
}

/* The outcome of one call as the task `a`. */
static const char *
call(const char *operation, const char *input)
{
    char tasks[4096];
    (void)snprintf(tasks, sizeof tasks, "{\"key\":\"a\",\"operation\":\"%s\",\"extension\":\"%.1s\",\"input\":%s}",
                   operation, operation, input);
    return outcome_with(tasks, "{}");
}

static void
put_file(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) exit(2);
}

static void
sql(const char *text)
{
    sqlite3 *conn = NULL;
    char path[256], *why = NULL;
    (void)snprintf(path, sizeof path, "%s/.symphony/symphony.db", dir);
    if (sqlite3_open(path, &conn) != SQLITE_OK) exit(2);
    (void)sqlite3_busy_timeout(conn, 5000);
    CHECK_INT(sqlite3_exec(conn, text, NULL, NULL, &why), SQLITE_OK);
    if (why) (void)fprintf(stderr, "%s\n", why);
    (void)sqlite3_close(conn);
}

/* ---- what makes it run again ---- */

static void
the_same_input_gives_the_same_result(void)
{
    CHECK_STR(call("t.echo", "{\"n\":1}"), "ok");
    CHECK_STR(row("execution_context ->> '$.cache.verdict'", "a"), "miss");
    CHECK_STR(row("execution_context ->> '$.cache.kept'", "a"), "1");
    CHECK_STR(call("t.echo", "{\"n\":1}"), "cached");
    CHECK_STR(row("output", "a"), "{\"n\":1}");
    CHECK_STR(row("attempts", "a"), "0");
    CHECK_STR(row("task_status", "a"), "completed");
    CHECK_STR(row("(SELECT count(*) FROM pit_operation p WHERE p.task_id = task.id AND"
                  " p.operation_type = 'artifact_storage' AND p.operation_context ->> '$.decision' = 'cache_hit')",
                  "a"),
              "1");
    CHECK_STR(call("t.echo", "{\"n\":2}"), "ok");
}

static void
one_byte_of_a_file_is_enough(void)
{
    put_file("one", "abc");
    put_file("two", "abc");
    CHECK_STR(call("t.read", "{\"path\":\"one\"}"), "ok");
    CHECK_STR(call("t.read", "{\"path\":\"two\"}"), "ok");
    put_file("one", "abd");
    CHECK_STR(call("t.read", "{\"path\":\"two\"}"), "cached");
    CHECK_STR(call("t.read", "{\"path\":\"one\"}"), "ok");
    CHECK_STR(row("output", "a"), "{\"text\":\"abd\"}");
    CHECK_STR(row("execution_context ->> '$.cache.changed[0].path'", "a"), "one");
    CHECK_STR(row("execution_context ->> '$.cache.changed[0].how'", "a"), "changed");
    put_file("one", "abc"); /* back again: both states are kept */
    CHECK_STR(call("t.read", "{\"path\":\"one\"}"), "cached");
    CHECK_STR(row("output", "a"), "{\"text\":\"abc\"}");
}

/* Neither a new time with the same bytes nor new bytes with the same times deceive. */
static void
content_decides_not_time(void)
{
    char path[128];
    enum { LARGE = 100 << 10 };
    char *text = malloc(LARGE + 1);
    struct utimbuf old = {1700000000, 1700000000};
    (void)snprintf(path, sizeof path, "%s/large", dir);
    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    put_file("large", text);
    (void)utime(path, &old);
    CHECK_STR(call("t.read", "{\"path\":\"large\"}"), "ok");
    CHECK_STR(call("t.read", "{\"path\":\"large\"}"), "cached");
    (void)utime(path, NULL);
    CHECK_STR(call("t.read", "{\"path\":\"large\"}"), "cached");
    text[5] = 'y';
    put_file("large", text);
    (void)utime(path, &old); /* same size, same mtime */
    CHECK_STR(call("t.read", "{\"path\":\"large\"}"), "ok");
    put_file("small", "12345");
    (void)snprintf(path, sizeof path, "%s/small", dir);
    (void)utime(path, &old);
    CHECK_STR(call("t.read", "{\"path\":\"small\"}"), "ok");
    put_file("small", "12354");
    (void)utime(path, &old);
    CHECK_STR(call("t.read", "{\"path\":\"small\"}"), "ok");
    free(text);
}

static void
absence_is_something_read(void)
{
    CHECK_STR(call("t.read", "{\"path\":\"later\"}"), "ok");
    CHECK_STR(call("t.exists", "{\"path\":\"later\"}"), "ok");
    CHECK_STR(call("t.read", "{\"path\":\"later\"}"), "cached");
    CHECK_STR(call("t.exists", "{\"path\":\"later\"}"), "cached");
    put_file("later", "now");
    CHECK_STR(call("t.exists", "{\"path\":\"later\"}"), "ok");
    CHECK_STR(row("output", "a"), "{\"there\":true}");
    CHECK_STR(call("t.read", "{\"path\":\"later\"}"), "ok");
    CHECK_STR(row("execution_context ->> '$.cache.changed[0].how'", "a"), "appeared");
    put_file("later", "then"); /* that it is there has not changed */
    CHECK_STR(call("t.exists", "{\"path\":\"later\"}"), "cached");
}

static void
listings_are_read_as_far_as_they_matter(void)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/src", dir);
    (void)mkdir(path, 0700);
    put_file("src/a.c", "1");
    CHECK_STR(call("t.list", "{\"path\":\"src\"}"), "ok");
    CHECK_STR(call("t.glob", "{\"pattern\":\"src/*.c\"}"), "ok");
    put_file("src/a.c", "2");
    CHECK_STR(call("t.list", "{\"path\":\"src\"}"), "cached");
    put_file("src/b.txt", "");
    CHECK_STR(call("t.glob", "{\"pattern\":\"src/*.c\"}"), "cached");
    CHECK_STR(call("t.list", "{\"path\":\"src\"}"), "ok");
    put_file("src/b.c", "");
    CHECK_STR(call("t.glob", "{\"pattern\":\"src/*.c\"}"), "ok");
    CHECK_STR(row("output", "a"), "{\"files\":[\"src/a.c\",\"src/b.c\"]}");
    CHECK_STR(call("t.size", "{\"path\":\"src/a.c\"}"), "ok");
    put_file("src/a.c", "3");
    CHECK_STR(call("t.size", "{\"path\":\"src/a.c\"}"), "cached");
    put_file("src/a.c", "33");
    CHECK_STR(call("t.size", "{\"path\":\"src/a.c\"}"), "ok");
}

static void
code_and_environment_are_parts_of_the_key(void)
{
    CHECK_STR(call("t.echo", "{\"n\":1}"), "cached");
    (void)setenv("SY_CACHE_TEST", "1", 1);
    CHECK_STR(call("t.echo", "{\"n\":1}"), "ok");
    (void)setenv("SY_CACHE_OTHER", "1", 1); /* not granted, so not seen */
    CHECK_STR(call("t.echo", "{\"n\":1}"), "cached");
    (void)unsetenv("SY_CACHE_TEST");
    CHECK_STR(call("t.echo", "{\"n\":1}"), "cached");
    register_as(FILES_DESCRIPTION, FILES, "sha256:two");
    CHECK_STR(call("t.echo", "{\"n\":1}"), "ok");
    register_as(FILES_DESCRIPTION, FILES, "");
    CHECK_STR(call("t.echo", "{\"n\":1}"), "ok"); /* code without a hash is never cached */
    CHECK_STR(call("t.echo", "{\"n\":1}"), "ok");
    register_as(FILES_DESCRIPTION, FILES, "sha256:one");
    CHECK_STR(call("t.echo", "{\"n\":1}"), "cached");
}

static void
what_is_not_pure_is_not_kept(void)
{
    put_file("one", "abc");
    CHECK_STR(call("t.write", "{\"path\":\"made\"}"), "ok");
    CHECK_STR(row("execution_context ->> '$.cache.not_kept'", "a"), "it wrote `made`");
    CHECK_STR(call("t.write", "{\"path\":\"made\"}"), "ok");
    CHECK_STR(call("t.fail", "{\"path\":\"one\"}"), "error");
    CHECK_STR(call("t.fail", "{\"path\":\"one\"}"), "error");
    CHECK_STR(row("attempts", "a"), "1");
    CHECK_STR(call("t.odd", "{}"), "ok");
    CHECK_STR(row("execution_context ->> '$.cache.not_kept'", "a"), "its output cannot be kept exactly");
    CHECK_STR(call("t.odd", "{}"), "ok");
}

/* ---- options ---- */

static void
options_switch_it(void)
{
    static const char off[] = "{\"key\":\"a\",\"operation\":\"t.echo\",\"extension\":\"t\",\"input\":{\"n\":1},"
                              "\"options\":{\"cache\":false}}";
    static const char week[] = "{\"key\":\"a\",\"operation\":\"t.echo\",\"extension\":\"t\",\"input\":{\"w\":1},"
                               "\"options\":{\"cache\":{\"ttl_ms\":604800000}}}";
    static const char on[] = "{\"key\":\"a\",\"operation\":\"p.blind\",\"extension\":\"p\",\"input\":{},"
                             "\"options\":{\"cache\":true}}";
    sy__error err = {0};
    CHECK_STR(outcome_with(off, "{}"), "ok");
    CHECK_STR(call("t.echo", "{\"n\":1}"), "cached");
    CHECK_STR(outcome_with("{\"key\":\"a\",\"operation\":\"t.echo\",\"extension\":\"t\",\"input\":{\"n\":1}}",
                           "{\"cache\":false}"),
              "ok");
    CHECK_STR(row("execution_context -> '$.cache'", "a"), "");
    CHECK_STR(outcome_with(week, "{}"), "ok");
    atomic_fetch_add(&ahead_ms, 6LL * 86400000);
    CHECK_STR(outcome_with(week, "{}"), "cached");
    atomic_fetch_add(&ahead_ms, 2LL * 86400000);
    CHECK_STR(outcome_with(week, "{}"), "ok");
    CHECK_STR(row("execution_context ->> '$.cache.none_since'", "a"), "1");
    CHECK_STR(outcome_with(week, "{}"), "cached");
    CHECK_INT(start_one(on, SY__LEVEL_PROCESS, "{}", &err), SY_EMELODY);
}

/* ---- programs ---- */

static void
programs_count_with_what_is_declared(void)
{
    put_file("one", "abc");
    put_file("src/x.h", "1");
    CHECK_STR(call("p.cat", "{\"path\":\"one\"}"), "ok");
    CHECK_STR(call("p.cat", "{\"path\":\"one\"}"), "cached");
    put_file("one", "abcd");
    CHECK_STR(call("p.cat", "{\"path\":\"one\"}"), "ok");
    CHECK_STR(row("output", "a"), "{\"text\":\"abcd\"}");
    CHECK_STR(call("p.more", "{\"path\":\"one\"}"), "ok");
    CHECK_STR(call("p.more", "{\"path\":\"one\"}"), "ok");
    CHECK_STR(row("execution_context ->> '$.cache.not_kept'", "a"),
              "it started cat, which reads more than is declared");
    CHECK_STR(call("p.named", "{\"path\":\"one\"}"), "ok");
    CHECK_STR(call("p.named", "{\"path\":\"one\"}"), "cached");
    put_file("src/y.txt", "1");
    CHECK_STR(call("p.named", "{\"path\":\"one\"}"), "cached");
    put_file("src/y.h", "1");
    CHECK_STR(call("p.named", "{\"path\":\"one\"}"), "ok");
    put_file("src/x.h", "2");
    CHECK_STR(call("p.named", "{\"path\":\"one\"}"), "ok");
    CHECK_STR(call("p.blind", "{}"), "ok");
    CHECK_STR(call("p.blind", "{}"), "ok");
    CHECK_STR(row("execution_context -> '$.cache'", "a"), "");
}

/* ---- artifacts ---- */

static void
artifacts_come_back_with_their_origin(void)
{
    static const char two[] =
        "{\"key\":\"a\",\"operation\":\"t.make\",\"extension\":\"t\",\"input\":{\"bytes\":\"hello\"}},"
        "{\"key\":\"b\",\"operation\":\"t.pass\",\"extension\":\"t\",\"input\":{\"ref\":{\"$ref\":[\"a\","
        "\"ref\"]}}}";
    char first[64], second[64];
    sy__error err = {0};
    CHECK_STR(outcome_with(two, "{}"), "ok");
    (void)snprintf(first, sizeof first, "%s", row("output ->> '$.ref.id'", "a"));
    CHECK_STR(outcome_with(two, "{}"), "cached");
    (void)snprintf(second, sizeof second, "%s", row("output ->> '$.ref.id'", "a"));
    CHECK(strcmp(first, second) != 0);
    CHECK_STR(row("outcome", "b"), "cached"); /* its input is the same content under another id */
    CHECK_STR(row("output ->> '$.ref.id'", "b"), second);
    CHECK_STR(row("(SELECT a.metadata ->> '$.cached_from.artifact' FROM artifact a WHERE a.task_id = task.id)", "a"),
              first);
    CHECK_STR(row("(SELECT a.id FROM artifact a WHERE a.task_id = task.id)", "a"), second);
    CHECK_STR(row("(SELECT p.operation_context ->> '$.decision' FROM artifact_pit_operation l JOIN pit_operation p ON"
                  " p.id = l.pit_operation_id JOIN artifact a ON a.id = l.artifact_id WHERE a.task_id = task.id)",
                  "a"),
              "cache_hit");
    char hash[80];
    (void)snprintf(hash, sizeof hash, "%s", row("output ->> '$.ref.\"$artifact\"'", "a"));
    CHECK_INT(sy__artifact_verify(sy__project_artifacts(project), hash, &err), SY_OK);
}

static void
damaged_results_are_none(void)
{
    CHECK_STR(call("t.make", "{\"bytes\":\"gone\"}"), "ok");
    CHECK_STR(call("t.make", "{\"bytes\":\"gone\"}"), "cached");
    char hash[80], text[256];
    (void)snprintf(hash, sizeof hash, "%s", row("output ->> '$.ref.\"$artifact\"'", "a"));
    (void)snprintf(text, sizeof text, "DELETE FROM blob WHERE hash = '%s'", hash);
    sql(text);
    CHECK_STR(call("t.make", "{\"bytes\":\"gone\"}"), "ok");
    CHECK_STR(row("execution_context ->> '$.cache.damaged'", "a"), "1");
    CHECK_STR(call("t.make", "{\"bytes\":\"gone\"}"), "cached");
    CHECK_STR(call("t.echo", "{\"d\":1}"), "ok");
    sql("UPDATE cache_entry SET reads = '[[\"f\",\"none\",\"00\"]]' WHERE output = '{\"d\":1}'");
    CHECK_STR(call("t.echo", "{\"d\":1}"), "ok");
    sql("UPDATE cache_entry SET artifacts = '{}' WHERE output = '{\"d\":1}'");
    CHECK_STR(call("t.echo", "{\"d\":1}"), "ok");
    CHECK_STR(call("t.echo", "{\"d\":1}"), "cached");
}

/* ---- keeping ---- */

static void
retention_goes_by_last_use(void)
{
    sy__stale_policy p = {.cache_ms = 10LL * 86400000};
    sy__stale_report report = {0};
    sy__error err = {0};
    char hash[80];
    CHECK_STR(call("t.make", "{\"bytes\":\"kept for long\"}"), "ok");
    (void)snprintf(hash, sizeof hash, "%s", row("output ->> '$.ref.\"$artifact\"'", "a"));
    CHECK_STR(call("t.echo", "{\"k\":1}"), "ok");
    atomic_fetch_add(&ahead_ms, 8LL * 86400000);
    CHECK_STR(call("t.make", "{\"bytes\":\"kept for long\"}"), "cached");
    atomic_fetch_add(&ahead_ms, 8LL * 86400000);
    p.dry_run = true;
    CHECK_INT(sy__stale_collect(sy__project_artifacts(project), &p, &report, &err), SY_OK);
    CHECK(report.cache_dropped > 1);
    int64_t before = count_of("SELECT count(*) FROM cache_entry");
    p.dry_run = false;
    p.max_bytes = 1; /* as much pressure as can be: what the cache refers to stays */
    CHECK_INT(sy__stale_collect(sy__project_artifacts(project), &p, &report, &err), SY_OK);
    CHECK_INT(count_of("SELECT count(*) FROM cache_entry"), before - report.cache_dropped);
    CHECK_INT(sy__artifact_verify(sy__project_artifacts(project), hash, &err), SY_OK);
    CHECK_STR(call("t.make", "{\"bytes\":\"kept for long\"}"), "cached");
    CHECK_STR(call("t.echo", "{\"k\":1}"), "ok");
    p = (sy__stale_policy){.cache_bytes = 1};
    CHECK_INT(sy__stale_collect(sy__project_artifacts(project), &p, &report, &err), SY_OK);
    CHECK_INT(count_of("SELECT count(*) FROM cache_entry"), 0);
    CHECK_STR(call("t.make", "{\"bytes\":\"kept for long\"}"), "ok");
}

/* ---- other hosts, levels, trust ---- */

static void
results_outlive_the_host(void)
{
    CHECK_STR(call("t.echo", "{\"h\":1}"), "ok");
    sy__project_close(project);
    open_project();
    CHECK_STR(call("t.echo", "{\"h\":1}"), "cached");
    sy__project_close(project);
    trusted = true;
    open_project();
    CHECK_STR(call("t.echo", "{\"h\":1}"), "ok"); /* operations may ask whether the project is trusted */
    sy__project_close(project);
    trusted = false;
    open_project();
    CHECK_STR(call("t.echo", "{\"h\":1}"), "cached");
}

static void
no_durability_is_no_hindrance(void)
{
    static const char task[] =
        "{\"key\":\"a\",\"operation\":\"t.make\",\"extension\":\"t\",\"input\":{\"bytes\":\"none\"}}";
    sy__error err = {0};
    int64_t before = count_of("SELECT count(*) FROM cache_entry");
    CHECK_INT(start_one(task, SY__LEVEL_NONE, "{}", &err), SY_OK);
    finish(&last);
    CHECK_STR(last.status, "completed");
    CHECK_INT(count_of("SELECT count(*) FROM cache_entry"), before + 1);
    CHECK_STR(call("t.make", "{\"bytes\":\"none\"}"), "cached");
}

int
main(void)
{
    begin_tests();
    the_same_input_gives_the_same_result();
    one_byte_of_a_file_is_enough();
    content_decides_not_time();
    absence_is_something_read();
    listings_are_read_as_far_as_they_matter();
    code_and_environment_are_parts_of_the_key();
    what_is_not_pure_is_not_kept();
    options_switch_it();
    programs_count_with_what_is_declared();
    artifacts_come_back_with_their_origin();
    damaged_results_are_none();
    results_outlive_the_host();
    no_durability_is_no_hindrance();
    retention_goes_by_last_use();
    end_tests();
    TEST_END();
}
