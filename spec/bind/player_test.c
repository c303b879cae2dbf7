/*
 * player_test.c: players in whole runs, at a clock that the tests set: what counts, who is passed over while suspended,
 * how a player comes back, what is paused, and that other processes and the next opening know it.
 */
#include "base/clock.h"

#include <stdatomic.h>

static atomic_llong ahead_ms; /* by how much the wall's clock is ahead */

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
#include "bind/runs.h"

static const char CODE[] = "local t = {}\n"
                           "function t.go(input) if input.fail then return nil, 'no', input.code end return {} end\n"
                           "function t.bad() return 7 end\n"
                           "function t.spin() while true do end end\n"
                           "return t\n";

#define OPERATIONS                                                                                                    \
    "\"operations\":{\"go\":{\"effects\":\"none\",\"idempotent\":true,\"input\":{\"type\":\"object\",\"properties\":" \
    "{\"n\":{\"type\":\"integer\"}}}},\"bad\":{\"effects\":\"none\",\"output\":{\"type\":\"string\"}},"               \
    "\"spin\":{\"effects\":\"none\"}},\"capabilities\":{\"cpu\":\"50ms\"},\"sources\":{\"init.lua\":\"\"}}"

static const char T[] =
    "{\"id\":\"t\",\"version_id\":\"%s\",\"name\":\"t\",\"type\":\"operator\",\"entry\":\"init.lua\","
    "\"player\":{\"max_error_rate\":0.2}," OPERATIONS;
static const char P[] = "{\"id\":\"p\",\"version_id\":\"%s\",\"name\":\"p\",\"type\":\"operator\","
                        "\"entry\":\"init.lua\"," OPERATIONS;

static void
register_extension(void)
{
    register_as(T, CODE, "t-1");
    register_as(P, CODE, "p-1");
}

static sy__run_info last;

/* One call of t.OP, with p.go to fall back to where `fallback`; its outcome. */
static const char *
call(const char *op, const char *input, bool fallback)
{
    char text[1024];
    (void)snprintf(
        text, sizeof text,
        "'tasks':[{'key':'a','operation':'t.%s','extension':'t','input':%s,'options':{'on_error':'skip'%s}}]", op,
        input, fallback ? ",'fallback':[{'operation':'p.go','extension':'p','input':{}}]" : "");
    last = run(J(text));
    return ask(&last, "outcome", "a");
}

static void
sql(const char *statements)
{
    char command[1024];
    CHECK_INT(sy__db_wait(sy__project_db(project), sy__db_now(sy__project_db(project)), true, NULL), SY_OK);
    (void)snprintf(command, sizeof command, "sqlite3 -cmd '.timeout 5000' %s/.symphony/symphony.db \"%s\"", dir,
                   statements);
    CHECK_INT(system(command), 0);
}

static const char *
state(void)
{
    static char text[256];
    sqlite3_stmt *stmt = NULL;
    sqlite3 *conn = sy__db_reader(sy__project_db(project), NULL);
    text[0] = '\0';
    if (sqlite3_prepare_v2(conn, "SELECT state || ': ' || coalesce(reason, '') FROM player WHERE name = 't'", -1, &stmt,
                           NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        (void)snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(stmt, 0));
    (void)sqlite3_finalize(stmt);
    sy__db_reader_release(sy__project_db(project), conn);
    return text;
}

static int64_t
calls(void)
{
    CHECK_INT(sy__db_wait(sy__project_db(project), sy__db_now(sy__project_db(project)), true, NULL), SY_OK);
    return count_of("SELECT count(*) FROM player_call");
}

/* ---- what counts ---- */

static void
bad_input_is_not_its_fault(void)
{
    CHECK_STR(call("go", "{'fail':true,'code':'usage'}", false), "error");
    CHECK_STR(call("go", "{'fail':true,'code':'not_found'}", false), "error");
    CHECK_STR(call("go", "{'n':'many'}", false), "error");
    CHECK_INT(calls(), 0);
}

static void
failures_are(void)
{
    CHECK_STR(call("go", "{'fail':true}", false), "error");
    CHECK_STR(call("bad", "{}", false), "error");
    CHECK_STR(call("spin", "{}", false), "timeout");
    CHECK_INT(calls(), 3);
    CHECK_INT(count_of("SELECT sum(failed) FROM player_call"), 3);
}

static void
others_are_not_watched(void)
{
    last = run(J("'tasks':[{'key':'a','operation':'p.go','extension':'p','input':{}}]"));
    CHECK_INT(calls(), 3);
    CHECK_INT(count_of("SELECT count(*) FROM player WHERE name = 'p'"), 0);
}

/* ---- suspended ---- */

static void
too_many_failures_suspend(void)
{
    for (int i = 0; i < 7; i++) (void)call("go", "{}", false);
    CHECK_INT(calls(), 10);
    CHECK_STR(state(), "suspended: 3 of the last 10 calls failed, at most 20 % may");
    CHECK_INT(count_of("SELECT count(*) FROM event WHERE topic = 'kit.player.suspended' AND extension_id = 't'"), 1);
}

static void
a_fallback_is_taken_at_once(void)
{
    CHECK_STR(call("go", "{'fail':true}", true), "fallback");
    CHECK_STR(ask(&last, "operation || ' ' || attempts", "a"), "p.go 1");
    CHECK_INT(calls(), 10);
    CHECK_INT(count_of("SELECT count(*) FROM event WHERE event_type = 'task.fallback' AND"
                       " event_payload ->> '$.error.code' = 'suspended'"),
              1);
    CHECK_INT(count_of("SELECT count(*) FROM pit_operation WHERE operation_context ->> '$.decision' = 'passed_over'"),
              1);
}

static void
without_one_it_is_called(void)
{
    CHECK_STR(call("go", "{}", false), "ok");
    CHECK_INT(calls(), 11);
    CHECK_STR(state(), "suspended: 3 of the last 10 calls failed, at most 20 % may");
}

static void
the_next_opening_knows_it(void)
{
    sy__project_close(project);
    open_project();
    CHECK_STR(call("go", "{}", true), "fallback");
}

static void
it_comes_back_after_trials(void)
{
    (void)atomic_fetch_add(&ahead_ms, 300000);
    CHECK_STR(call("go", "{}", true), "ok");
    CHECK_STR(state(), "probation: 3 of the last 10 calls failed, at most 20 % may");
    CHECK_STR(call("go", "{}", true), "ok");
    CHECK_STR(call("go", "{}", true), "ok");
    CHECK_INT(calls(), 14);
    CHECK_STR(state(), "eligible: ");
    CHECK_INT(count_of("SELECT count(*) FROM event WHERE topic = 'kit.player.reinstated'"), 1);
    CHECK_STR(call("go", "{}", true), "ok");
}

static void
another_process_is_heard_within_a_second(void)
{
    char since[SY__STAMP_BYTES], statement[512];
    sy__stamp(wall(NULL), since);
    (void)snprintf(
        statement, sizeof statement,
        "UPDATE player SET state = 'suspended', reason = 'x', since = '%s', until = '2999-01-01T00:00:00.000Z'"
        ", rest_ms = 1",
        since);
    sql(statement);
    (void)atomic_fetch_add(&ahead_ms, 1000);
    CHECK_STR(call("go", "{}", true), "fallback");
}

/* ---- paused ---- */

static void
a_paused_extension_is_not_called(void)
{
    sql("INSERT INTO extension_pause VALUES ('t', '2026-01-01T00:00:00.000Z')");
    CHECK_STR(call("go", "{}", true), "fallback");
    CHECK_STR(call("go", "{}", false), "error");
    CHECK_STR(ask(&last, "error ->> '$.code' || ': ' || (error ->> '$.message')", "a"), "suspended: t is paused");
    CHECK_STR(ask(&last, "attempts", "a"), "0");
    last = run(J("'tasks':[{'key':'a','operation':'p.go','extension':'p','input':{}}]"));
    CHECK_STR(last.status, "completed");
    sql("DELETE FROM extension_pause");
    CHECK_STR(call("go", "{}", false), "ok");
}

int
main(void)
{
    begin_tests();
    bad_input_is_not_its_fault();
    failures_are();
    others_are_not_watched();
    too_many_failures_suspend();
    a_fallback_is_taken_at_once();
    without_one_it_is_called();
    the_next_opening_knows_it();
    it_comes_back_after_trials();
    another_process_is_heard_within_a_second();
    a_paused_extension_is_not_called();
    end_tests();
    TEST_END();
}
