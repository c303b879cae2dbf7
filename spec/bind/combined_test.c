/*
 * combined_test.c: verbs inside verbs, stopped, failing, answered and killed at the wrong moment.
 */
#include "bind/runs.h"

#define T(op) "'operation':'t." op "','extension':'t'"
#define OPERATIONS                                                                                 \
    "'operations':[{'operation':'t.echo','extension':'t'},{'operation':'t.fail','extension':'t'}," \
    "{'operation':'t.rest','extension':'t'},{'operation':'t.mark','extension':'t'}]"
#define FLOW(key, body) \
    "{'key':'" key "','verb':'flow','fn':{'lua':'function(run, params) " body " end','line':1}," OPERATIONS "}"
#define SUB(tasks) "'melodies':{'in':{'name':'in','tasks':[" tasks "]}}"

static void
until(const sy__run_info *i, const char *key, const char *expression, const char *value)
{
    for (int n = 0; n < 2000 && strcmp(ask(i, expression, key), value) != 0; n++) (void)sy__project_step(project, 5);
    CHECK_STR(ask(i, expression, key), value);
}

/* Looks at every attempt of every stage: one that points to what is gone would show. */
static void
sweep_all(void)
{
    sy__run_info i = start_at(J("'tasks':[{'key':'r'," T("rest") ",'input':{'s':60}}]"), SY__LEVEL_PROCESS, 0);
    until(&i, "r", "task_status", "executing");
    CHECK_INT(sy__engine_pause(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "paused");
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, NULL), SY_OK);
    sy__engine_forget(sy__project_engine(project), i.id);
}

static void
a_run_fails_while_a_flow_asks(void)
{
    sy__run_info i = run(J("'tasks':[" FLOW("f", "return run:ask([[Go on?]])") ",{'key':'r'," T(
        "rest") ",'input':{'s':0.2}},{'key':'x'," T("fail") ",'options':{'after':['r']}}]"));
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "f"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "f/ask"), "cancelled");
    sy__engine_forget(sy__project_engine(project), i.id);
    sweep_all();
}

static void
a_run_fails_while_the_flow_of_a_sub_melody_asks(void)
{
    sy__run_info i =
        run(J(SUB(FLOW("f", "return run:ask([[Go on?]])")) ",'tasks':[{'key':'s','verb':'sub','melody':'in'},"
                                                           "{'key':'r'," T("rest") ",'input':{'s':0.2}},{'key':'x'," T(
                                                               "fail") ",'options':{'after':['r']}}]"));
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "s/f"), "cancelled");
    sy__engine_forget(sy__project_engine(project), i.id);
    sweep_all();
}

static void
a_melody_with_a_flow_that_asks_runs_out_of_time(void)
{
    sy__run_info i = run(
        J(SUB(FLOW("f", "return run:ask([[Go on?]])")) ",'tasks':[{'key':'s','verb':'sub','melody':'in',"
                                                       "'options':{'timeout_ms':300,'on_error':'skip'}},{'key':'r'," T(
                                                           "rest") ",'input':{'s':1}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "s"), "timeout");
    CHECK_STR(ask(&i, "outcome", "s/f"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "s/f/ask"), "cancelled");
    sweep_all();
    i = run(J(SUB(FLOW(
        "f",
        "return run:call([[t.rest]], { s = 60 })")) ",'tasks':[{'key':'s','verb':'sub','melody':'in',"
                                                    "'options':{'timeout_ms':300,'on_error':'skip'}},{'key':'r'," T(
                                                        "rest") ",'input':{'s':1}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "s/f/rest"), "cancelled");
    sweep_all();
}

static void
a_sub_melody_runs_out_of_time_while_children_wait(void)
{
    for (int n = 0; n < 3; n++) {
        sy__run_info i = run(J(SUB("{'key':'m','verb':'each'," T(
            "fail") ",'list':[1,2,3],'options':{'on_error':'ask'}}") ",'tasks':[{'key':'s','verb':'sub','melody':'in','"
                                                                     "options':{'timeout_ms':200,'on_error':'skip'}},"
                                                                     "{'key':'u','verb':'sub','melody':'in','options':{"
                                                                     "'timeout_ms':200,'on_error':'skip','after':['h']}"
                                                                     "},{'key':'h'," T(
                                                                         "rest") ",'input':{'s':0.4}},"
                                                                                 "{'key':'r'," T(
                                                                                     "rest") ",'input':{'s':1.2}}]"));
        CHECK_STR(i.status, "completed");
        CHECK_STR(ask(&i, "outcome", "s"), "timeout");
        CHECK_STR(ask(&i, "outcome", "s/m/2"), "cancelled");
        CHECK_STR(ask(&i, "outcome", "u/m/2"), "cancelled");
    }
}

#define UNDO(s) "'compensate':{" T("rest") ",'input':{'s':" s "}}"

static void
cancelling_a_run_that_undoes(void)
{
    sy__run_info i =
        start_at(J("'tasks':[{'key':'a'," T("echo") ",'input':{'v':1},'options':{" UNDO(
                     "0") "}},"
                          "{'key':'b'," T("echo") ",'input':{},'options':{'after':['a']," UNDO(
                              "60") "}},"
                                    "{'key':'x'," T("fail") ",'options':{'after':['b'],'on_error':'compensate'}}]"),
                 SY__LEVEL_PROCESS, 0);
    until(&i, "b/compensate", "task_status", "executing");
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "cancelled");
    CHECK_STR(ask(&i, "outcome", "a"), "ok");
}

static void
pausing_a_sub_melody_that_undoes(void)
{
    sy__run_info i = start_at(J(SUB("{'key':'a'," T("echo") ",'input':{'v':1},'options':{" UNDO(
                                  "0") "}},"
                                       "{'key':'b'," T("echo") ",'input':{},'options':{'after':['a']," UNDO(
                                           "1") "}},"
                                                "{'key':'x'," T("fail") ",'options':{'after':['b'],'on_error':'"
                                                                        "compensate'}}") ",'tasks':[{'key':'s','verb':'"
                                                                                         "sub','melody':'in'}]"),
                              SY__LEVEL_PROCESS, 0);
    until(&i, "s/b/compensate", "task_status", "executing");
    CHECK_INT(sy__engine_pause(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "paused");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "s/b"), "compensated");
    CHECK_STR(ask(&i, "outcome", "s/a"), "compensated");
}

static void
a_run_halts_while_a_sub_melody_undoes(void)
{
    sy__run_info i = run(J(SUB("{'key':'a'," T("echo") ",'input':{'v':1},'options':{" UNDO(
        "0") "}},"
             "{'key':'b'," T("echo") ",'input':{},'options':{'after':['a']," UNDO(
                 "0.6") "}},"
                        "{'key':'x'," T("fail") ",'options':{'after':['b'],'on_error':'compensate'}"
                                                "}") ",'tasks':[{'key':'s','verb':'sub','melody':'"
                                                     "in'},{'key':'r'," T("rest") ",'input':{'s':0."
                                                                                  "2}},"
                                                                                  "{'key':'y'," T("fail") ",'"
                                                                                                          "opti"
                                                                                                          "ons'"
                                                                                                          ":{'"
                                                                                                          "afte"
                                                                                                          "r':["
                                                                                                          "'r']"
                                                                                                          "}}"
                                                                                                          "]"));
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "s/b"), "compensated");
    CHECK_STR(ask(&i, "outcome", "s/a"), "compensated");
}

static void
a_kill_while_a_sub_melody_undoes(void)
{
    sy__run_info i =
        killed_run(J(SUB("{'key':'a'," T("echo") ",'input':{'v':1},'options':{" UNDO(
                       "0") "}},"
                            "{'key':'b'," T("echo") ",'input':{},'options':{'after':['a'],'compensate':{" T(
                                "mark") ",'input':{'file':'sub-undone','text':'b','s':2}}}},"
                                        "{'key':'x'," T("fail") ",'options':{'after':['b'],'on_error':'compensate'}"
                                                                "}") ",'tasks':[{'key':'s','verb':'sub','melody':'"
                                                                     "in'},{'key':'e'," T("echo") ",'input':{}}]"),
                   "s/b/compensate", "executing");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "error ->> '$.code'", "s/b/compensate"), "effect_uncertain");
    i = resumed(&i, (sy__resume_request){.result_task = "s/b/compensate", .result = sy__value_null()});
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "s/b"), "compensated");
    CHECK_STR(ask(&i, "outcome", "s/a"), "compensated");
}

static void
a_kill_while_a_map_is_undone(void)
{
    sy__run_info i = killed_run(
        J("'tasks':[{'key':'m','verb':'each'," T(
            "echo") ",'list':[{'v':1},{'v':2},{'v':3}],'options':{"
                    "'compensate':{" T(
                        "mark") ",'input':{'file':'map-undone','text':{'$text':['',{'$ref':['m','v']},'']},'s':1}}}},"
                                "{'key':'x'," T("fail") ",'options':{'after':['m'],'on_error':'compensate'}}]"),
        "m/2/compensate", "executing");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    i = resumed(&i, (sy__resume_request){.retry = "m/2/compensate"});
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "m/1"), "compensated");
    CHECK_STR(ask(&i, "outcome", "m/2"), "compensated");
    CHECK_STR(ask(&i, "outcome", "m/3"), "compensated");
    CHECK_STR(ask(&i, "attempts", "m/3/compensate"), "1");
}

static void
any_of_a_question_and_a_task(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'q','verb':'ask','question':'?'},{'key':'e'," T(
        "echo") ",'input':{}},"
                "{'key':'j'," T("echo") ",'input':{},'options':{'after':['q','e'],'join':'any'}}]"));
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "outcome", "j"), "ok");
    i = resumed(&i, (sy__resume_request){.result_task = "q", .result = sy__value_null()});
    CHECK_STR(i.status, "completed");
}

static void
conditions_of_every_verb(void)
{
    sy__run_info i = run(J(SUB("{'key':'a'," T(
        "boom") "}") ",'tasks':["
                     "{'key':'s','verb':'sub','melody':'in','options':{'when':'false'}},"
                     "{'key':'l','verb':'loop'," T(
                         "boom") ",'options':{'when':'false'}},"
                                 "{'key':'q','verb':'ask','question':'?','options':{'when':'false'}},"
                                 "{'key':'c'," T("boom") ",'options':{'after':['q'],'compensate':{" T("boom") "}}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "s"), "skipped");
    CHECK_STR(ask(&i, "outcome", "q"), "skipped");
    CHECK_STR(ask(&i, "outcome", "c"), "skipped");
}

static void
a_melody_that_contains_itself(void)
{
    sy__run_info i =
        run(J(SUB("{'key':'a','verb':'sub','melody':'in'}") ",'tasks':[{'key':'s','verb':'sub','melody':'in'}]"));
    CHECK_STR(i.status, "failed");
    CHECK_STR(i.error.message, "sub-melodies are nested more than 32 deep");
}

static void
a_halt_while_another_asks(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'q','verb':'ask','question':'?'},{'key':'r'," T(
        "rest") ",'input':{'s':0.1}},"
                "{'key':'x'," T("fail") ",'options':{'after':['r']}},{'key':'m','verb':'each'," T(
                    "fail") ",'list':[1,2],'options':{'on_error':'ask'}}]"));
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "q"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "m/2"), "cancelled");
}

static void
answers_of_two_at_once(void)
{
    sy__run_info i =
        start_at(J("'tasks':[{'key':'q','verb':'ask','question':'?'},{'key':'r'," T("rest") ",'input':{'s':1}}]"),
                 SY__LEVEL_PROCESS, 0);
    until(&i, "q", "execution_context ->> '$.waits'", "answer");
    sy__error err = {0};
    sy__engine *e = sy__project_engine(project);
    CHECK_INT(sy__engine_decide(e, i.id, SY__DECIDE_RESULT, "q", sy__value_null(), &err), SY_OK);
    CHECK_INT(sy__engine_decide(e, i.id, SY__DECIDE_RESULT, "q", sy__value_null(), &err), SY_EUSAGE);
    CHECK_INT(sy__engine_decide(e, i.id, SY__DECIDE_SKIP, "q/1/../", sy__value_null(), &err), SY_ENOTFOUND);
    CHECK_INT(sy__engine_decide(e, i.id, SY__DECIDE_SKIP, "", sy__value_null(), &err), SY_ENOTFOUND);
    finish(&i);
    CHECK_STR(i.status, "completed");
}

static void
no_more_at_once_than_the_map_says(void)
{
    sy__run_info i =
        start_at(J("'tasks':[{'key':'m','verb':'each'," T("rest") ",'list':[{'s':'x'},{'s':60},{'s':60}],"
                                                                  "'options':{'on_error':'ask','max_parallel':1}}]"),
                 SY__LEVEL_PROCESS, 0);
    until(&i, "m/2", "task_status", "executing");
    CHECK_INT(sy__engine_decide(sy__project_engine(project), i.id, SY__DECIDE_SKIP, "m/1", sy__value_null(), NULL),
              SY_OK);
    until(&i, "m/1", "outcome", "skipped");
    for (int n = 0; n < 40; n++) (void)sy__project_step(project, 5);
    CHECK_STR(ask(&i, "id", "m/3"), "");
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "cancelled");
}

static void
a_growing_map_goes_on_beside_children_that_wait(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'a','verb':'each'," T(
        "rest") ",'list':[{'s':0},{'s':0.2},{'s':0.3}],'options':{'max_parallel':1}},"
                "{'key':'b','verb':'each'," T(
                    "rest") ",'list':{'$ref':['a']},'fn':'function(v, i) return { s = i > 1 and 0 or [[x]] } end',"
                            "'options':{'on_error':'ask','max_parallel':1}}]"));
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "attempts", "b/1"), "1");
    CHECK_STR(ask(&i, "attempts", "b/3"), "1");
    i = resumed(&i, (sy__resume_request){.skip = "b"});
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "json_array_length(output)", "b"), "3");
}

static void
pausing_a_growing_map_again_and_again(void)
{
    sy__run_info i =
        start_at(J("'tasks':[{'key':'a','verb':'each'," T(
                     "rest") ",'list':[{'s':0},{'s':0.1},{'s':0},{'s':0.2},{'s':0},{'s':0.3}]},"
                             "{'key':'b','verb':'each'," T(
                                 "rest") ",'list':{'$ref':['a']},'fn':'function(v, i) return { s = i / 30 } end'},"
                                         "{'key':'c','verb':'each'," T("echo") ",'list':{'$ref':['b']}},{'key':'d'," T(
                                             "echo") ",'input':{'c':{'$ref':['c']}}}]"),
                 SY__LEVEL_PROCESS, 0);
    for (int n = 1; n < 12; n++) {
        for (int k = 0; k < n; k++) (void)sy__project_step(project, 7);
        (void)sy__engine_pause(sy__project_engine(project), i.id, NULL);
        finish(&i);
        CHECK(strcmp(i.status, "paused") == 0 || strcmp(i.status, "completed") == 0);
        sy__run_info next = {0};
        sy__error err = {0};
        char id[37];
        memcpy(id, i.id, sizeof id);
        sy__resume_request q = {.run = id};
        CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &next, &err), SY_OK);
        i = next;
    }
    finish(&i);
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "json_array_length(output -> '$.c')", "d"), "6");
}

static void
a_loop_of_many_iterations(void)
{
    sy__run_info i =
        start_at(J("'tasks':[{'key':'l','verb':'loop'," T("echo") ",'input':{'n':1},'max':20000}]"), SY__LEVEL_NONE, 0);
    finish(&i);
    CHECK_STR(i.status, "completed");
    i = start_at(J("'tasks':[" FLOW("f", "for i = 1, 500 do run:call([[t.echo]], { i = i }) end return 1") "]"),
                 SY__LEVEL_NONE, 0);
    finish(&i);
    CHECK_STR(i.status, "completed");
}

static void
level_none_with_everything(void)
{
    sy__run_info i = start_at(
        J(SUB(FLOW("f", "return run:ask([[Go on?]])") ",{'key':'q','verb':'ask','question':'?','options':{'timeout_ms':"
                                                      "100,'default':1}}") ",'tasks':[{'key':'s','verb':'sub','melody':"
                                                                           "'in'},{'key':'l','verb':'loop'," T(
                                                                               "echo") ",'input':{},'max':3}]"),
        SY__LEVEL_NONE, 0);
    finish(&i);
    CHECK_STR(i.status, "waiting");
    i = start_at(J("'tasks':[{'key':'a'," T("echo") ",'input':{'v':1},'options':{" UNDO(
                     "0") "}},"
                          "{'key':'x'," T("fail") ",'options':{'after':['a'],'on_error':'compensate'}}]"),
                 SY__LEVEL_NONE, 0);
    finish(&i);
    CHECK_STR(i.status, "failed");
}

static void
a_person_who_takes_time_leaves_a_task_all_of_its_own(void)
{
    sy__run_info i =
        start_at(J("'tasks':[{'key':'a'," T("flaky") ",'input':{'file':'patient','after':2,'s':0.1},"
                                                     "'options':{'timeout_ms':300,'on_error':'ask'}},{'key':'r'," T(
                                                         "rest") ",'input':{'s':0.4}},"
                                                                 "{'key':'z'," T(
                                                                     "rest") ",'input':{'s':60},'options':{'after':['r'"
                                                                             "],'timeout_ms':600,'on_error':'skip'}}]"),
                 SY__LEVEL_PROCESS, 0);
    until(&i, "a", "execution_context ->> '$.waits'", "error");
    until(&i, "r", "outcome", "ok");
    CHECK_INT(sy__engine_decide(sy__project_engine(project), i.id, SY__DECIDE_RETRY, "a", sy__value_null(), NULL),
              SY_OK);
    finish(&i);
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "a"), "ok");
}

int
main(void)
{
    begin_tests();
    a_run_fails_while_a_flow_asks();
    a_run_fails_while_the_flow_of_a_sub_melody_asks();
    a_melody_with_a_flow_that_asks_runs_out_of_time();
    a_sub_melody_runs_out_of_time_while_children_wait();
    cancelling_a_run_that_undoes();
    pausing_a_sub_melody_that_undoes();
    a_run_halts_while_a_sub_melody_undoes();
    a_kill_while_a_sub_melody_undoes();
    a_kill_while_a_map_is_undone();
    any_of_a_question_and_a_task();
    conditions_of_every_verb();
    a_melody_that_contains_itself();
    a_halt_while_another_asks();
    answers_of_two_at_once();
    no_more_at_once_than_the_map_says();
    a_growing_map_goes_on_beside_children_that_wait();
    pausing_a_growing_map_again_and_again();
    a_loop_of_many_iterations();
    level_none_with_everything();
    a_person_who_takes_time_leaves_a_task_all_of_its_own();
    end_tests();
    TEST_END();
}
