/*
 * runs.h: whole runs for the tests of the engine: a project in a folder of its own, one extension `t` written here, a
 * definition, a run, and what its rows say afterwards. For one test program; everything is static. Before it includes
 * this, a program may define
 *
 *     OWN_EXTENSION       and EXTENSION, DESCRIPTION: another `t`
 *     OWN_REGISTRATION    and, anywhere, register_extension: what is registered instead of it; `p` has a row, too
 *     RUNS_CLOCK          the clock of the project and its artifacts
 *     RUNS_STAGES         how many threads
 *     RUNS_TRUSTED        whether the project is trusted
 */
#ifndef SY_SPEC_RUNS_H
#define SY_SPEC_RUNS_H

#include "bind/stdlib.h"
#include "host/project.h"

#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

#ifndef RUNS_STAGES
#define RUNS_STAGES 2
#endif
#ifndef RUNS_MICRO_USD /* the budget of the project: none */
#define RUNS_MICRO_USD 0
#endif

#ifndef RUNS_CLOCK
#define RUNS_CLOCK &sy__clock_system
#endif

#ifndef RUNS_TRUSTED
#define RUNS_TRUSTED false
#endif

#if !defined OWN_EXTENSION && !defined OWN_REGISTRATION
static const char EXTENSION[] =
    "local count = {}\n"
    "local fs, time = require 'fs', require 'time'\n"
    "local t = {}\n"
    "function t.echo(input) return input end\n"
    "function t.none() return nil end\n"
    "function t.fail(input) return nil, input.message or 'no', input.code end\n"
    "function t.boom() error('boom') end\n"
    "function t.spin() while true do end end\n"
    "function t.rest(input) time.sleep(input.s) return { rested = true } end\n"
    "function t.flaky(input, ctx)\n"
    "  local past = fs.exists(input.file) and fs.read(input.file) or ''\n"
    "  fs.write(input.file, past .. 'x')\n"
    "  if #past + 1 < input.after then return ctx.retry('not yet') end\n"
    "  if input.s then time.sleep(input.s) end\n"
    "  return { tries = #past + 1 }\n"
    "end\n"
    "function t.mark(input) fs.append(input.file, input.text) if input.s then time.sleep(input.s) end return {} end\n"
    "function t.wait(input)\n"
    "  while not fs.exists(input.file) or #fs.read(input.file) < input.bytes do time.sleep(0.01) end\n"
    "  return {}\n"
    "end\n"
    "function t.make(input, ctx) return { ref = ctx.artifact('code', input.bytes, { name = 'x' }) } end\n"
    "function t.pulse(input, ctx) for i = 1, input.n do time.sleep(input.s) ctx.progress(i, input.n) end"
    " time.sleep(input.rest or 0) return {} end\n"
    "function t.key(input, ctx) return ctx.idempotency_key end\n"
    "return t\n";

static const char DESCRIPTION[] =
    "{\"id\":\"t\",\"version_id\":\"%s\",\"name\":\"t\",\"type\":\"operator\",\"entry\":\"init.lua\","
    "\"capabilities\":{\"fs\":{\"read\":[\"$PROJECT/**\"],\"write\":[\"$PROJECT/**\"]},\"cpu\":\"300ms\"},"
    "\"operations\":{"
    "\"echo\":{\"effects\":\"none\",\"idempotent\":true},\"none\":{\"effects\":\"none\",\"idempotent\":true},"
    "\"fail\":{\"effects\":\"none\",\"idempotent\":true},\"boom\":{\"effects\":\"none\",\"idempotent\":true},"
    "\"spin\":{\"effects\":\"none\",\"idempotent\":true},\"rest\":{\"effects\":\"read\",\"idempotent\":true},"
    "\"flaky\":{\"effects\":\"write\",\"idempotent\":true},\"mark\":{\"effects\":\"external\",\"idempotent\":false},"
    "\"make\":{\"effects\":\"none\",\"idempotent\":true},\"key\":{\"effects\":\"none\",\"idempotent\":true},"
    "\"wait\":{\"effects\":\"read\",\"idempotent\":true},\"pulse\":{\"effects\":\"none\",\"idempotent\":true},"
    "\"strict\":{\"effects\":\"none\",\"idempotent\":true,\"input\":{\"type\":\"object\",\"required\":[\"n\"],"
    "\"properties\":{\"n\":{\"type\":\"integer\"}},\"additionalProperties\":false}}},"
    "\"sources\":{\"init.lua\":\"\"}}";
#endif

static char dir[64];
static sy__project *project;
#ifndef OWN_REGISTRATION
static char version[] = "t-1";
#endif

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
        "source)"
        " SELECT n.value, k.id, '{}', '{}', 'operator', '2026-01-01T00:00:00.000Z', n.value, 'dev'"
        " FROM orchestra_kit k, json_each('[\"t\",\"p\"]') n WHERE true ON CONFLICT DO NOTHING;"
        "INSERT INTO extension_version (id, extension_id, version, code_hash, manifest, installed_at)"
        " VALUES ('t-1', 't', '1.0.0', 'a', '{}', '2026-01-01T00:00:00.000Z'),"
        "        ('t-2', 't', '2.0.0', 'b', '{}', '2026-01-01T00:00:00.000Z'),"
        "        ('p-1', 'p', '1.0.0', 'a', '{}', '2026-01-01T00:00:00.000Z') ON CONFLICT DO NOTHING;";
    char *why = NULL;
    (void)ud;
    return sqlite3_exec(conn, sql, NULL, NULL, &why) == SQLITE_OK ? SY_OK : sy__error_set(err, SY_EIO, "%s", why);
}

/* The description with the extension's source in it. */
static void
put_with_source(sy__vbuf *to, sy__value description, const char *source)
{
    sy__value_iter it;
    sy__vbuf_map(to);
    sy__value_iter_init(&it, description);
    while (sy__value_iter_next(&it)) {
        sy__vbuf_key(to, it.key, it.key_len);
        if (it.key_len == 7 && memcmp(it.key, "sources", 7) == 0) {
            sy__vbuf_map(to);
            sy__vbuf_key(to, "init.lua", 8);
            sy__vbuf_cstr(to, source);
            sy__vbuf_end(to);
        } else {
            sy__vbuf_value(to, it.value);
        }
    }
    sy__vbuf_end(to);
}

/* `word` is for the %s in the description. */
static void
register_as(const char *description, const char *source, const char *word)
{
    sy__vbuf b, with;
    sy__value v;
    sy__error err = {0};
    char text[4096];
    (void)snprintf(text, sizeof text, description, word);
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__vbuf_init(&with, &sy__alloc_default);
    if (sy__value_from_json(&b, text, strlen(text), &err) || sy__vbuf_done(&b, &v)) die("description", &err);
    put_with_source(&with, v, source);
    if (sy__vbuf_done(&with, &v) || sy__registry_add(sy__project_registry(project), v, dir, &err))
        die("registry", &err);
    sy__vbuf_close(&b);
    sy__vbuf_close(&with);
}

#ifdef OWN_REGISTRATION
static void register_extension(void);
#else
static void
register_extension(void)
{
    register_as(DESCRIPTION, EXTENSION, version);
}
#endif

static void
open_project(void)
{
    sy__error err = {0};
    sy__project_options o = {.alloc = &sy__alloc_default,
                             .clock = RUNS_CLOCK,
                             .dir = dir,
                             .modules = sy__stdlib_modules,
                             .trusted = RUNS_TRUSTED,
                             .stages = RUNS_STAGES,
                             .budget.project[SY__UNIT_USD] = RUNS_MICRO_USD};
    if (sy__project_open(&project, &o, &err)) die("open", &err);
    sy__artifacts_set_clock(sy__project_artifacts(project), sy__project_clock(project));
    if (sy__db_identity(sy__project_db(project), "0192d3b0-0000-7000-8000-000000000001", "test", "", "{}", "test", "{}",
                        &err))
        die("identity", &err);
    if (sy__db_exclusive(sy__project_db(project), write_rows, NULL, &err)) die("rows", &err);
    register_extension();
}

/* Starts a run of a definition's `"tasks":[…]` with the options there. */
static int
try_start(const char *tasks, const char *options, sy__run_request q, sy__run_info *info, sy__error *err)
{
    sy__vbuf b, none, opt;
    char text[8192];
    (void)snprintf(text, sizeof text, "{\"format\":1,\"name\":\"test\",%s}", tasks);
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__vbuf_init(&none, &sy__alloc_default);
    sy__vbuf_init(&opt, &sy__alloc_default);
    sy__vbuf_map(&none);
    sy__vbuf_end(&none);
    if (sy__value_from_json(&b, text, strlen(text), err) || sy__vbuf_done(&b, &q.definition)) die(tasks, err);
    if (sy__value_from_json(&opt, options, strlen(options), err) || sy__vbuf_done(&opt, &q.options)) die(options, err);
    (void)sy__vbuf_done(&none, &q.params);
    int status = sy__engine_start(sy__project_engine(project), &q, info, err);
    sy__vbuf_close(&b);
    sy__vbuf_close(&none);
    sy__vbuf_close(&opt);
    return status;
}

static sy__run_info
start_at(const char *tasks, sy__durability level, int64_t parallel)
{
    sy__error err = {0};
    sy__run_info info = {0};
    sy__run_request q = {.durability = level, .parallel = parallel};
    if (try_start(tasks, "{}", q, &info, &err)) die(tasks, &err);
    return info;
}

static void
finish(sy__run_info *info)
{
    for (int i = 0; !info->committed && i < 30000; i++) {
        (void)sy__project_step(project, 10);
        (void)sy__engine_info(sy__project_engine(project), info->id, info);
    }
    CHECK(info->committed);
}

__attribute__((unused)) static sy__run_info
run(const char *tasks)
{
    sy__run_info info = start_at(tasks, SY__LEVEL_PROCESS, 0);
    finish(&info);
    return info;
}

/* One text of a row; "" for NULL or no row. */
__attribute__((unused)) static const char *
ask(const sy__run_info *info, const char *expression, const char *key)
{
    static char answer[8192];
    char sql[1024];
    sqlite3_stmt *stmt = NULL;
    sqlite3 *conn = sy__db_reader(sy__project_db(project), NULL);
    answer[0] = '\0';
    if (key)
        (void)snprintf(sql, sizeof sql, "SELECT %s FROM task WHERE pipeline_orchestration_id = ?1 AND key = '%s'",
                       expression, key);
    else
        (void)snprintf(sql, sizeof sql, "SELECT %s FROM pipeline_orchestration WHERE id = ?1", expression);
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) != SQLITE_OK)
        (void)fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(conn));
    (void)sqlite3_bind_text(stmt, 1, info->id, -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
        (void)snprintf(answer, sizeof answer, "%s", (const char *)sqlite3_column_text(stmt, 0));
    (void)sqlite3_finalize(stmt);
    sy__db_reader_release(sy__project_db(project), conn);
    return answer;
}

/* One number of the database; -1 for none. */
__attribute__((unused)) static int64_t
count_of(const char *query)
{
    int64_t n = -1;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *conn = sy__db_reader(sy__project_db(project), NULL);
    if (sqlite3_prepare_v2(conn, query, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    sy__db_reader_release(sy__project_db(project), conn);
    return n;
}

/* A definition written with ' for ". */
__attribute__((unused)) static const char *
J(const char *text)
{
    static char json[8192];
    size_t i = 0;
    for (; text[i] && i < sizeof json - 1; i++) json[i] = text[i] == '\'' ? '"' : text[i];
    json[i] = '\0';
    return json;
}

/* Resumes a run and waits for its end. */
__attribute__((unused)) static sy__run_info
resumed(const sy__run_info *info, sy__resume_request q)
{
    sy__error err = {0};
    sy__run_info i = {0};
    char id[sizeof info->id];
    memcpy(id, info->id, sizeof id);
    q.run = id;
    if (sy__engine_resume(sy__project_engine(project), &q, &i, &err)) die("resume", &err);
    finish(&i);
    return i;
}

#define OP(name) "\"operation\":\"t." name "\",\"extension\":\"t\""

/* Starts a run in a child process and kills the child as soon as `key` is `state` in the database. */
__attribute__((unused)) static sy__run_info
killed_run(const char *tasks, const char *key, const char *state)
{
    sy__run_info i = {0};
    int pipes[2];
    sy__project_close(project);
    if (pipe(pipes)) exit(2);
    pid_t child = fork();
    if (child == 0) {
        open_project();
        i = start_at(tasks, SY__LEVEL_PROCESS, 0);
        (void)!write(pipes[1], &i.id, sizeof i.id);
        for (;;) (void)sy__project_step(project, 1000);
    }
    (void)!read(pipes[0], i.id, sizeof i.id);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    open_project();
    for (int n = 0; n < 4000 && strcmp(ask(&i, "task_status", key), state) != 0; n++)
        (void)sy__project_step(project, 5);
    sy__error err = {0};
    sy__resume_request q = {.run = i.id};
    sy__run_info other;
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &other, &err), SY_EOWNED);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return i;
}

/* Opens a project in a new folder. */
static void
begin_tests(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/symphony-engine-XXXXXX");
    if (!mkdtemp(dir)) exit(2);
    open_project();
}

static void
end_tests(void)
{
    char command[128];
    sy__project_close(project);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) exit(2);
}

#endif
