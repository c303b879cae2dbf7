/*
 * journal_test.c: melodies in code style: what a function asks, what a kill leaves of it, what it may not do otherwise.
 */
#include "bind/runs.h"

#define FLOW(body) FLOW_WITH("", body)
#define FLOW_WITH(extra, body)                                                                               \
    "'tasks':[{'key':'f','verb':'flow','fn':{'lua':'function(run, params) " body " end','line':1" extra "}," \
    "'operations':[{'operation':'t.echo','extension':'t'},{'operation':'t.fail','extension':'t'},"           \
    "{'operation':'t.rest','extension':'t'},{'operation':'t.mark','extension':'t'},"                         \
    "{'operation':'t.flaky','extension':'t'}]}]"

static void
calls_are_tasks_and_their_outputs_are_values(void)
{
    sy__run_info i =
        run(J(FLOW_WITH(",'captures':{'base':40}",
                        "local a = run:call([[t.echo]], { n = 1 }) "
                        "local b = run:call([[t.echo]], { n = a.n + base }) "
                        "local m = run:map([[t.echo]], { 1, 2, 3 }, function(v, i) return { v = v * i } end) "
                        "return { b = b.n, last = m[3].v, count = #m }")));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "f"), "{\"b\":41,\"count\":3,\"last\":9}");
    CHECK_STR(ask(&i, "operation", "f"), "host.flow");
    CHECK_STR(ask(&i, "output", "f/echo"), "{\"n\":1}");
    CHECK_STR(ask(&i, "output", "f/echo_2"), "{\"n\":41}");
    CHECK_STR(ask(&i, "operation", "f/echo_3"), "host.each");
    CHECK_STR(ask(&i, "output", "f/echo_3/2"), "{\"v\":4}");
    CHECK_STR(ask(&i, "position", "f/echo_3"), "3");
}

static void
a_failure_is_raised_and_may_be_caught(void)
{
    sy__run_info i = run(J(FLOW("local ok, why = pcall(run.call, run, [[t.fail]], { message = [[no way]] }) "
                                "local bad, again = pcall(run.map, run, [[t.fail]], { {}, {} }) "
                                "return { ok = ok, why = tostring(why):match([[no way]]), bad = bad }")));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "f"), "{\"bad\":false,\"ok\":false,\"why\":\"no way\"}");
    CHECK_STR(ask(&i, "outcome", "f/fail"), "error");
    i = run(J(FLOW("run:call([[t.fail]], { message = [[the reason]] }) return 1")));
    CHECK_STR(i.status, "failed");
    CHECK(strstr(i.error.message, "the reason") != NULL);
    i = run(J(FLOW("return run:call([[t.flaky]], { file = [[flow-flaky]], after = 3 }, "
                   "{ key = [[patient]], retry = { max = 3, delay_ms = 1 } })")));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "attempts", "f/patient"), "3");
}

static void
the_host_gives_time_and_chance(void)
{
    sy__run_info i = run(J(FLOW("local before = run:now() run:sleep(0.05) local after = run:now() "
                                "local r, n = run:random(), run:random(3, 3) "
                                "return { slept = after - before >= 0.049, r = r >= 0 and r < 1, n = n }")));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "f"), "{\"n\":3,\"r\":true,\"slept\":true}");
    CHECK_STR(ask(&i, "operation", "f/random_2"), "host.random");
    CHECK_STR(ask(&i, "operation", "f/sleep"), "host.sleep");
}

static void
what_is_not_named_is_not_called(void)
{
    sy__run_info i = run(J(FLOW("return run:call([[t.boom]], {})")));
    CHECK_STR(i.status, "failed");
    CHECK(strstr(i.error.message, "does not name") != NULL);
    i = run(J(FLOW("while true do end")));
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "f"), "timeout");
    i = run(J(FLOW("local t = { 3, 1, 2 } table.sort(t, function(a, b) run:now() return a < b end)")));
    CHECK_STR(i.status, "failed");
    i = run(J(FLOW("return { pcall(function() return os.execute end), pcall(require, [[fs]]) }")));
    CHECK_STR(ask(&i, "output ->> '$[0]'", "f"), "0");
    CHECK_STR(ask(&i, "output ->> '$[1]'", "f"), "0");
}

static void
a_killed_flow_is_replayed(void)
{
    sy__run_info i = killed_run(J(FLOW("local r = run:random() local at = run:now() "
                                       "run:call([[t.mark]], { file = [[flow-once]], text = [[x]] }) "
                                       "run:call([[t.rest]], { s = 1 }) "
                                       "run:call([[t.mark]], { file = [[flow-once]], text = [[y]] }) "
                                       "return { r = r, at = at }")),
                                "f/rest", "executing");
    char r[64], at[64], both[160];
    (void)snprintf(r, sizeof r, "%s", ask(&i, "output", "f/random"));
    (void)snprintf(at, sizeof at, "%s", ask(&i, "output", "f/now"));
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "completed");
    (void)snprintf(both, sizeof both, "{\"at\":%s,\"r\":%s}", at, r);
    CHECK_STR(ask(&i, "output", "f"), both);
    CHECK_STR(ask(&i, "attempts", "f/mark"), "1");
    CHECK_STR(ask(&i, "attempts", "f/rest"), "2");
}

static void
a_question_parks_a_flow(void)
{
    static const char yes[] = {SY__TRUE};
    sy__run_info i = run(J(FLOW("local a = run:call([[t.echo]], { n = 1 }) "
                                "local go = run:ask([[Go on?]], { type = [[boolean]] }) return { n = a.n, go = go }")));
    CHECK_STR(i.status, "waiting");
    sy__error err = {0};
    sy__run_info none;
    char id[37];
    memcpy(id, i.id, sizeof id);
    sy__resume_request wrong = {.run = id, .result_task = "f/ask", .result = sy__value_null()};
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &wrong, &none, &err), SY_ETYPE);
    i = resumed(&i, (sy__resume_request){.result_task = "f/ask", .result = {yes, 1}});
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "f"), "{\"go\":true,\"n\":1}");
    CHECK_STR(ask(&i, "attempts", "f/echo"), "1");
}

static void
every_call_has_a_key_of_its_own(void)
{
    sy__run_info i = run(J(FLOW("local a = run:call([[t.echo]], { n = 1 }, { key = [[echo_2]] }) "
                                "local b, c = run:call([[t.echo]], { n = 2 }), run:call([[t.echo]], { n = 3 }) "
                                "local taken = pcall(run.call, run, [[t.echo]], {}, { key = [[echo_3]] }) "
                                "return { a = a.n, b = b.n, c = c.n, taken = taken }")));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "f"), "{\"a\":1,\"b\":2,\"c\":3,\"taken\":false}");
    CHECK_STR(ask(&i, "output", "f/echo_2"), "{\"n\":1}");
    CHECK_STR(ask(&i, "output", "f/echo"), "{\"n\":2}");
    CHECK_STR(ask(&i, "output", "f/echo_3"), "{\"n\":3}");
}

static void
a_long_sleep_needs_no_process(void)
{
    sy__run_info i = run(J(FLOW("run:sleep([[7d]]) return 1")));
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "execution_context ->> '$.waits'", "f/sleep"), "time");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
}

static int
change_row(sqlite3 *conn, void *ud, sy__error *err)
{
    char *why = NULL;
    return sqlite3_exec(conn, ud, NULL, NULL, &why) == SQLITE_OK ? SY_OK : sy__error_set(err, SY_EIO, "%s", why);
}

static void
a_divergence_names_the_call(void)
{
    sy__error err = {0};
    sy__run_info i = run(J(FLOW("local a = run:call([[t.echo]], { n = 1 }) run:ask([[?]])")));
    CHECK_STR(i.status, "waiting");
    char sql[] = "UPDATE task SET task_payload = '{\"n\":2}' WHERE key = 'f/echo' AND pipeline_orchestration_id ="
                 " (SELECT id FROM pipeline_orchestration ORDER BY number DESC LIMIT 1)";
    CHECK_INT(sy__db_exclusive(sy__project_db(project), change_row, sql, &err), SY_OK);
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "failed");
    CHECK(strstr(i.error.message, "the input of call 1 was {\"n\":2}, now it is {\"n\":1}") != NULL);
}

static void
cancelling_ends_a_flow(void)
{
    sy__run_info i = start_at(J(FLOW("run:map([[t.rest]], { { s = 60 }, { s = 60 } })")), SY__LEVEL_PROCESS, 0);
    for (int n = 0; n < 1000 && strcmp(ask(&i, "task_status", "f/rest/2"), "executing") != 0; n++)
        (void)sy__project_step(project, 5);
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "cancelled");
    CHECK_STR(ask(&i, "outcome", "f/rest/1"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "f"), "cancelled");
    i = start_at(J(FLOW("run:sleep(50)")), SY__LEVEL_PROCESS, 0);
    for (int n = 0; n < 1000 && strcmp(ask(&i, "task_status", "f/sleep"), "executing") != 0; n++)
        (void)sy__project_step(project, 5);
    CHECK_INT(sy__engine_pause(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "paused");
}

int
main(void)
{
    begin_tests();
    calls_are_tasks_and_their_outputs_are_values();
    a_failure_is_raised_and_may_be_caught();
    the_host_gives_time_and_chance();
    what_is_not_named_is_not_called();
    a_killed_flow_is_replayed();
    a_question_parks_a_flow();
    every_call_has_a_key_of_its_own();
    a_long_sleep_needs_no_process();
    a_divergence_names_the_call();
    cancelling_ends_a_flow();
    end_tests();
    TEST_END();
}
