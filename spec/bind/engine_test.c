/*
 * engine_test.c: whole runs: what ends how, what is retried, skipped, cancelled, parked, resumed.
 */
#include "bind/runs.h"

static void
values_flow_along_references(void)
{
    sy__run_info i = run("\"tasks\":[{\"key\":\"a\"," OP(
        "echo") ",\"input\":{\"list\":[{\"n\":1},{\"n\":2}]}},"
                "{\"key\":\"b\"," OP("echo") ",\"input\":{\"second\":{\"$ref\":[\"a\",\"list\",2,\"n\"]},"
                                             "\"missing\":{\"$ref\":[\"a\",\"nothing\"]},\"text\":{\"$text\":[\"n is "
                                             "\",{\"$ref\":[\"a\",\"list\",1,\"n\"]}]},"
                                             "\"plain\":{\"$literal\":{\"$ref\":1}}}}]");
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "b"), "{\"missing\":null,\"plain\":{\"$ref\":1},\"second\":2,\"text\":\"n is 1\"}");
    CHECK_STR(ask(&i, "outputs", NULL),
              "{\"b\":{\"missing\":null,\"plain\":{\"$ref\":1},\"second\":2,\"text\":\"n is 1\"}}");
    CHECK_STR(ask(&i, "execution_sequence", NULL), "[\"a\",\"b\"]");
}

static void
a_failure_halts_unless_told_otherwise(void)
{
    sy__run_info i =
        run("\"tasks\":[{\"key\":\"a\"," OP("fail") ",\"input\":{\"message\":\"broken\"}},"
                                                    "{\"key\":\"b\"," OP("echo") ",\"input\":{\"$ref\":[\"a\"]}}]");
    CHECK_STR(i.status, "failed");
    CHECK_STR(i.error.message, "broken");
    CHECK_STR(i.error.task, "a");
    CHECK_STR(ask(&i, "outcome", "a"), "error");
    CHECK_STR(ask(&i, "outcome", "b"), "skipped");
    i = run("\"tasks\":[{\"key\":\"a\"," OP(
        "boom") ",\"options\":{\"on_error\":\"skip\"}},"
                "{\"key\":\"b\"," OP("echo") ",\"input\":{\"$ref\":[\"a\"]}},"
                                             "{\"key\":\"c\"," OP("echo") ",\"input\":{\"v\":{\"$ref\":[\"a\"],"
                                                                          "\"edge\":\"soft\",\"absent\":\"none\"}}}]");
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "b"), "skipped");
    CHECK_STR(ask(&i, "output", "c"), "{\"v\":\"none\"}");
    CHECK_STR(ask(&i, "error ->> '$.where.file'", "a"), "t/init.lua");
}

static void
limits_have_their_own_outcome(void)
{
    sy__run_info i = run("\"tasks\":[{\"key\":\"a\"," OP(
        "spin") ",\"options\":{\"on_error\":\"skip\"}},"
                "{\"key\":\"b\"," OP(
                    "rest") ",\"input\":{\"s\":60},\"options\":{\"on_error\":\"skip\",\"timeout_ms\":50}}]");
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "a"), "timeout");
    CHECK_STR(ask(&i, "outcome", "b"), "timeout");
}

static void
input_is_checked_before_the_call(void)
{
    sy__run_info i = run("\"tasks\":[{\"key\":\"a\"," OP("strict") ",\"input\":{\"n\":\"one\"}}]");
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "error ->> '$.code'", "a"), "type_mismatch");
}

static void
what_is_transient_is_tried_again(void)
{
    sy__run_info i = run("\"tasks\":[{\"key\":\"a\"," OP(
        "flaky") ",\"input\":{\"file\":\"flaky1\",\"after\":3},"
                 "\"options\":{\"retry\":{\"max\":4,\"backoff\":\"fixed\",\"delay_ms\":5,\"jitter\":0}}}]");
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "attempts", "a"), "3");
    i = run("\"tasks\":[{\"key\":\"a\"," OP("flaky") ",\"input\":{\"file\":\"flaky2\",\"after\":3},"
                                                     "\"options\":{\"retry\":{\"max\":1,\"delay_ms\":1}}}]");
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "attempts", "a"), "2");
}

static void
a_fallback_takes_over(void)
{
    sy__run_info i = run("\"tasks\":[{\"key\":\"a\"," OP("fail") ",\"input\":{\"v\":1},\"options\":{\"fallback\":[{" OP(
        "boom") "},{" OP("echo") "}]}},"
                                 "{\"key\":\"b\"," OP("fail") ",\"options\":{\"fallback\":[{" OP(
                                     "echo") ",\"input\":{\"own\":true}}]}}]");
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "a"), "fallback");
    CHECK_STR(ask(&i, "output", "a"), "{\"v\":1}");
    CHECK_STR(ask(&i, "output", "b"), "{\"own\":true}");
}

static void
when_decides(void)
{
    sy__run_info i = run("\"tasks\":[{\"key\":\"a\"," OP(
        "echo") ",\"input\":{\"n\":3}},"
                "{\"key\":\"yes\"," OP(
                    "echo") ",\"options\":{\"when\":\"a.n > 2\"}},"
                            "{\"key\":\"no\"," OP(
                                "echo") ",\"options\":{\"when\":{\"lua\":\"function() return a.n > limit "
                                        "end\",\"captures\":{\"limit\":5}}}},"
                                        "{\"key\":\"bad\"," OP(
                                            "echo") ",\"options\":{\"when\":\"a.n.x.y\",\"on_error\":\"skip\"}}]");
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "yes"), "ok");
    CHECK_STR(ask(&i, "outcome", "no"), "skipped");
    CHECK_STR(ask(&i, "error ->> '$.code'", "bad"), "expression_error");
}

static void
a_map_keeps_order_and_counts_failures(void)
{
    sy__run_info i = run(
        "\"tasks\":[{\"key\":\"a\"," OP("echo") ",\"input\":{\"l\":[5,6,7]}},"
                                                "{\"key\":\"m\",\"verb\":\"each\"," OP(
                                                    "echo") ",\"list\":{\"$ref\":[\"a\",\"l\"]},"
                                                            "\"fn\":{\"lua\":\"function(item, index) return { v = item "
                                                            "* 10 + index } end\"},\"options\":{\"max_parallel\":2}}]");
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "m"), "[{\"v\":51},{\"v\":62},{\"v\":73}]");
    CHECK_STR(ask(&i, "position", "m/3"), "3");
    i = run("\"tasks\":[{\"key\":\"m\",\"verb\":\"each\"," OP(
        "strict") ",\"list\":[{\"n\":1},{\"n\":\"x\"}],\"options\":{\"on_error\":\"skip\"}}]");
    CHECK_STR(ask(&i, "outcome", "m/2"), "error");
    CHECK_STR(i.status, "completed");
    i = run("\"tasks\":[{\"key\":\"m\",\"verb\":\"each\"," OP("fail") ",\"list\":[{},{}]}]");
    CHECK_STR(i.status, "failed");
    i = run("\"tasks\":[{\"key\":\"m\",\"verb\":\"each\"," OP(
        "echo") ",\"list\":[]},{\"key\":\"n\",\"verb\":\"each\"," OP("echo") ",\"list\":7,"
                                                                             "\"options\":{\"on_error\":\"skip\"}}]");
    CHECK_STR(ask(&i, "output", "m"), "[]");
    CHECK_STR(ask(&i, "error ->> '$.code'", "n"), "type_mismatch");
}

static void
artifacts_and_large_outputs_are_stored(void)
{
    static char text[40000];
    char bytes[12001];
    memset(bytes, 'y', sizeof bytes - 1);
    bytes[sizeof bytes - 1] = '\0';
    (void)snprintf(text, sizeof text, "\"tasks\":[{\"key\":\"a\"," OP("make") ",\"input\":{\"bytes\":\"abc\"}}]");
    sy__run_info i = run(text);
    CHECK_STR(ask(&i, "output ->> '$.ref.\"$artifact\"'", "a"),
              "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sy__vbuf b;
    sy__value v;
    sy__error err = {0};
    sy__buf definition;
    sy__buf_init(&definition, &sy__alloc_default);
    sy__buf_addf(&definition,
                 "{\"name\":\"big\",\"tasks\":[{\"key\":\"a\"," OP("echo") ",\"input\":{\"big\":\"%s\"}}]}", bytes);
    sy__vbuf_init(&b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&b, definition.data, definition.len, &err), SY_OK);
    (void)sy__vbuf_done(&b, &v);
    sy__run_request q = {.definition = v, .params = sy__value_null(), .durability = SY__LEVEL_FULL};
    CHECK_INT(sy__engine_start(sy__project_engine(project), &q, &i, &err), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "substr(output_hash, 1, 7)", "a"), "sha256:");
    CHECK_STR(ask(&i, "task_payload ->> '$.size'", "a"), "12010");
    sy__vbuf_close(&b);
    sy__buf_close(&definition);
}

static void
a_cancelled_run_ends_soon(void)
{
    sy__run_info i = start_at(
        "\"tasks\":[{\"key\":\"a\"," OP("rest") ",\"input\":{\"s\":60}},{\"key\":\"b\"," OP(
            "echo") ",\"input\":{\"$ref\":[\"a\"]}},"
                    "{\"key\":\"m\",\"verb\":\"each\"," OP(
                        "rest") ",\"list\":[{\"s\":60},{\"s\":60},{\"s\":60}],\"options\":{\"max_parallel\":1}}]",
        SY__LEVEL_PROCESS, 0);
    for (int n = 0; n < 1000 && strcmp(ask(&i, "task_status", "a"), "executing") != 0; n++)
        (void)sy__project_step(project, 5);
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "cancelled");
    CHECK_STR(ask(&i, "outcome", "a"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "m/1"), "cancelled");
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, NULL), SY_OK);
    CHECK_STR(ask(&i, "status", NULL), "cancelled");
}

static void
a_parked_run_goes_on_where_it_was(void)
{
    sy__error err = {0};
    sy__run_info i = start_at(
        "\"tasks\":[{\"key\":\"a\"," OP(
            "mark") ",\"input\":{\"file\":\"parked\",\"text\":\"a\"}},"
                    "{\"key\":\"b\"," OP("rest") ",\"input\":{\"s\":0.3},\"options\":{\"after\":[\"a\"]}},"
                                                 "{\"key\":\"m\",\"verb\":\"each\"," OP(
                                                     "echo") ",\"list\":[1,2,3],\"options\":{\"after\":[\"b\"]}}]",
        SY__LEVEL_FULL, 0);
    for (int n = 0; n < 1000 && strcmp(ask(&i, "task_status", "b"), "executing") != 0; n++)
        (void)sy__project_step(project, 5);
    CHECK_INT(sy__engine_pause(sy__project_engine(project), i.id, &err), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "paused");
    CHECK_STR(ask(&i, "task_status", "b"), "pending");
    sy__resume_request q = {.run = i.id};
    char id[37];
    memcpy(id, i.id, sizeof id);
    q.run = id;
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &i, &err), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "m"), "[1,2,3]");
    CHECK_STR(ask(&i, "attempts", "a"), "1");
    CHECK_STR(ask(&i, "owner_epoch", NULL), "2");
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &i, &err), SY_OK);
    CHECK_STR(i.status, "completed");
}

static void
a_fenced_effect_is_never_repeated_unasked(void)
{
    sy__error err = {0};
    char id[37];
    const char *tasks = "\"tasks\":[{\"key\":\"a\"," OP(
        "mark") ",\"input\":{\"file\":\"fenced\",\"text\":\"x\",\"s\":60}},"
                "{\"key\":\"b\"," OP("echo") ",\"input\":{\"v\":{\"$ref\":[\"a\"]}}},{\"key\":\"c\"," OP(
                    "echo") ",\"input\":{}}]";
    sy__run_info i = killed_run(tasks, "a", "executing");
    memcpy(id, i.id, sizeof id);
    sy__resume_request q = {.run = id};
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &i, &err), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "error ->> '$.code'", "a"), "effect_uncertain");
    CHECK_STR(ask(&i, "outcome", "c"), "ok");
    q.retry = "c";
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &i, &err), SY_EUSAGE);
    q.retry = NULL;
    q.result_task = "a";
    q.result = sy__value_null();
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &i, &err), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "b"), "{\"v\":null}");
}

static void
a_run_whose_process_is_gone_can_be_cancelled(void)
{
    sy__error err = {0};
    char id[37];
    sy__run_info i = killed_run("\"tasks\":[{\"key\":\"a\"," OP("rest") ",\"input\":{\"s\":60}}]", "a", "executing");
    memcpy(id, i.id, sizeof id);
    sy__registry_remove(sy__project_registry(project), "t"); /* its code need not be there */
    sy__resume_request q = {.run = id, .cancel = true};
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &i, &err), SY_OK);
    CHECK_STR(i.status, "cancelled");
    CHECK_STR(ask(&i, "status", NULL), "cancelled");
    CHECK_STR(ask(&i, "outcome", "a"), "cancelled");
    CHECK_STR(ask(&i, "outcome", ""), "cancelled");
    register_extension();
}

static void
changed_code_needs_a_word(void)
{
    sy__error err = {0};
    char id[37];
    sy__run_info i = killed_run("\"tasks\":[{\"key\":\"a\"," OP("rest") ",\"input\":{\"s\":1}},{\"key\":\"b\"," OP(
                                    "key") ",\"options\":{\"after\":[\"a\"]}}]",
                                "a", "executing");
    memcpy(id, i.id, sizeof id);
    version[2] = '2';
    register_extension();
    sy__resume_request q = {.run = id};
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &i, &err), SY_EUSAGE);
    CHECK(strstr(err.hint, "--accept-code") != NULL);
    q.accept_code = true;
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &i, &err), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "completed");
    char key[64];
    (void)snprintf(key, sizeof key, "\"%s:b\"", id);
    CHECK_STR(ask(&i, "output", "b"), key);
    version[2] = '1';
}

int
main(void)
{
    begin_tests();
    values_flow_along_references();
    a_failure_halts_unless_told_otherwise();
    limits_have_their_own_outcome();
    input_is_checked_before_the_call();
    what_is_transient_is_tried_again();
    a_fallback_takes_over();
    when_decides();
    a_map_keeps_order_and_counts_failures();
    artifacts_and_large_outputs_are_stored();
    a_cancelled_run_ends_soon();
    a_parked_run_goes_on_where_it_was();
    a_fenced_effect_is_never_repeated_unasked();
    a_run_whose_process_is_gone_can_be_cancelled();
    changed_code_needs_a_word();
    end_tests();
    TEST_END();
}
