/*
 * verbs_test.c: loop, ask, sub, compensation, tasks that wait for a person: what they give, and what a kill leaves.
 */
#include "bind/runs.h"

#define T(op) "'operation':'t." op "','extension':'t'"

/* ---- each over the results of each ---- */

static void
children_start_while_the_list_still_grows(void)
{
    sy__run_info i = start_at(
        J("'tasks':[{'key':'a','verb':'each'," T(
            "rest") ",'list':[{'s':0},{'s':60},{'s':0}],'fn':'function(v) return v "
                    "end'},{'key':'b','verb':'each'," T(
                        "echo") ",'list':{'$ref':['a']},'fn':'function(v, i) return { i = i, r = "
                                "v.rested } end'},{'key':'c','verb':'each'," T("echo") ",'list':{'$ref':['b']}}]"),
        SY__LEVEL_PROCESS, 0);
    for (int n = 0; n < 2000 && strcmp(ask(&i, "outcome", "c/3"), "ok") != 0; n++) (void)sy__project_step(project, 5);
    for (int n = 0; n < 2000 && strcmp(ask(&i, "outcome", "b/1"), "ok") != 0; n++) (void)sy__project_step(project, 5);
    CHECK_STR(ask(&i, "output", "c/3"), "{\"i\":3,\"r\":true}");
    CHECK_STR(ask(&i, "output", "b/1"), "{\"i\":1,\"r\":true}");
    CHECK_STR(ask(&i, "task_status", "a"), "executing");
    CHECK_STR(ask(&i, "id", "b/2"), "");
    CHECK_INT(sy__engine_pause(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "paused");
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, NULL), SY_OK);
}

static void
a_growing_list_ends_in_order(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'a','verb':'each'," T(
        "strict") ",'list':[{'n':1},{'n':'x'},{'n':3}],'options':{'on_error':'skip','max_parallel':1}},"
                  "{'key':'b','verb':'each'," T(
                      "echo") ",'list':{'$ref':['a']},'fn':'function(v, i) return { i = i, v = v } end'},"
                              "{'key':'c'," T(
                                  "echo") ",'input':{'all':{'$ref':['b']}}},"
                                          "{'key':'none','verb':'each'," T(
                                              "echo") ",'list':[]},"
                                                      "{'key':'of_none','verb':'each'," T(
                                                          "echo") ",'list':{'$ref':['none']}},"
                                                                  "{'key':'x','verb':'each'," T(
                                                                      "fail") ",'list':[1,2],'options':{'when':'false'}"
                                                                              "},"
                                                                              "{'key':'of_x','verb':'each'," T(
                                                                                  "echo") ",'list':{'$ref':['x']}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output ->> '$[2].i'", "b"), "3");
    CHECK_STR(ask(&i, "output ->> '$[1].v'", "b"), "");
    CHECK_STR(ask(&i, "json_array_length(output -> '$.all')", "c"), "3");
    CHECK_STR(ask(&i, "output", "of_none"), "[]");
    CHECK_STR(ask(&i, "outcome", "of_x"), "skipped");
}

static void
a_killed_pipeline_goes_on(void)
{
    sy__run_info i =
        killed_run(J("'tasks':[{'key':'a','verb':'each'," T(
                       "rest") ",'list':[{'s':0},{'s':1},{'s':0}]},"
                               "{'key':'b','verb':'each'," T(
                                   "rest") ",'list':{'$ref':['a']},'fn':'function(v, i) return { s = 0 } end'},"
                                           "{'key':'c'," T("echo") ",'input':{'b':{'$ref':['b']}}}]"),
                   "b/3", "completed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "json_array_length(output -> '$.b')", "c"), "3");
    CHECK_STR(ask(&i, "attempts", "b/3"), "1");
}

/* ---- loop ---- */

static void
a_loop_goes_on_until_told(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'l','verb':'loop'," T(
        "echo") ",'input':{'n':1},"
                "'fn':{'lua':'function(previous, i) return { n = previous.n * 2, i = i } end'},"
                "'until':{'lua':'function(it) return it.n >= 8 end'}},"
                "{'key':'after'," T("echo") ",'input':{'n':{'$ref':['l','n']}}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "l"), "{\"i\":4,\"n\":8}");
    CHECK_STR(ask(&i, "output", "after"), "{\"n\":8}");
    CHECK_STR(ask(&i, "operation", "l"), "host.loop");
    CHECK_STR(ask(&i, "execution_context ->> '$.iterations'", "l"), "4");
    CHECK_STR(ask(&i, "output", "l/3"), "{\"i\":3,\"n\":4}");
    CHECK_STR(ask(&i, "position", "l/3"), "3");
    CHECK_STR(ask(&i, "id", "l/5"), "");
}

static void
a_loop_ends_at_its_maximum(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'l','verb':'loop'," T("echo") ",'input':[1],'until':'false','max':3}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "l"), "[1]");
    CHECK_STR(ask(&i, "execution_context ->> '$.max_reached'", "l"), "1");
    CHECK_STR(ask(&i, "outcome", "l/3"), "ok");
}

static void
a_loop_fails_as_its_iteration_does(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'l','verb':'loop'," T(
        "strict") ",'input':{'n':1},"
                  "'fn':'function(previous) return { n = tostring(1) } end','max':5,"
                  "'options':{'on_error':'skip'}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "l/1"), "error"); /* `strict` is not there */
    i = run(J("'tasks':[{'key':'l','verb':'loop'," T("fail") ",'input':{'message':'no more'},'max':5}]"));
    CHECK_STR(i.status, "failed");
    CHECK_STR(i.error.message, "no more");
    CHECK_STR(i.error.task, "l/1");
    CHECK_STR(ask(&i, "outcome", "l"), "error");
    i = run(J("'tasks':[{'key':'l','verb':'loop'," T("echo") ",'input':{},'until':'it.a.b','max':5}]"));
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "error ->> '$.code'", "l"), "expression_error");
}

static void
a_killed_loop_goes_on_with_its_iteration(void)
{
    sy__run_info i = killed_run(
        J("'tasks':[{'key':'l','verb':'loop'," T("rest") ",'input':{'s':0},"
                                                         "'fn':'function(p, i) return { s = i == 3 and 60 or 0 } "
                                                         "end','max':3,'options':{'timeout_ms':60000}}]"),
        "l/3", "executing");
    CHECK_STR(ask(&i, "outcome", "l/2"), "ok");
    char first[64];
    (void)snprintf(first, sizeof first, "%s", ask(&i, "completed_at", "l/1"));
    sy__error err = {0};
    sy__run_info again = {0};
    char id[37];
    memcpy(id, i.id, sizeof id);
    sy__resume_request q = {.run = id};
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &q, &again, &err), SY_OK);
    for (int n = 0; n < 1000 && strcmp(ask(&i, "attempts", "l/3"), "2") != 0; n++) (void)sy__project_step(project, 5);
    CHECK_STR(ask(&i, "attempts", "l/3"), "2");
    CHECK_STR(ask(&i, "completed_at", "l/1"), first);
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), id, &err), SY_OK);
    finish(&again);
    CHECK_STR(again.status, "cancelled");
    CHECK_STR(ask(&i, "outcome", "l/3"), "cancelled");
}

/* ---- sub ---- */

#define INNER                                                                                                         \
    "'melodies':{'inner':{'name':'inner','params':{'n':{'type':'integer','required':true},'m':{'type':'integer',"     \
    "'default':5}},'tasks':[{'key':'a'," T(                                                                           \
        "echo") ",'input':{'n':{'$param':['n']},'m':{'$param':['m']}}},"                                              \
                "{'key':'e','verb':'each'," T("echo") ",'list':[1,2],'options':{'after':['a']}}],"                    \
                                                      "'outputs':{'a':{'$ref':['a']},'e':{'$ref':['e']}}},"           \
                                                      "'bad':{'name':'bad','tasks':[{'key':'x'," T(                   \
                                                          "fail") ",'input':{'message':'inner'}},"                    \
                                                                  "{'key':'y'," T("rest") ",'input':{'s':0}}]},"      \
                                                                                          "'deep':{'name':'deep','"   \
                                                                                          "tasks':[{'key':'d','verb'" \
                                                                                          ":'sub','melody':'deep'}]}}"

static void
a_melody_is_a_task_of_another(void)
{
    sy__run_info i = run(J(INNER ",'tasks':[{'key':'p'," T(
        "echo") ",'input':{'n':7}},"
                "{'key':'s','verb':'sub','melody':'inner','params':{'n':{'$ref':['p','n']}}},"
                "{'key':'q'," T("echo") ",'input':{'v':{'$ref':['s','a','m']}}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "s"), "{\"a\":{\"m\":5,\"n\":7},\"e\":[1,2]}");
    CHECK_STR(ask(&i, "output", "q"), "{\"v\":5}");
    CHECK_STR(ask(&i, "operation", "s"), "host.sub");
    CHECK_STR(ask(&i, "output", "s/a"), "{\"m\":5,\"n\":7}");
    CHECK_STR(ask(&i, "(SELECT key FROM task p WHERE p.id = task.parent_task_id)", "s/a"), "s");
    CHECK_STR(ask(&i, "output", "s/e/2"), "2");
    CHECK_STR(ask(&i, "outputs ->> '$.q.v'", NULL), "5");
}

static void
parameters_of_a_sub_melody_are_checked(void)
{
    sy__run_info i = run(J(INNER ",'tasks':[{'key':'s','verb':'sub','melody':'inner','params':{'n':'x'},"
                                 "'options':{'on_error':'skip'}},"
                                 "{'key':'r','verb':'sub','melody':'inner','params':{'n':1,'z':1},"
                                 "'options':{'on_error':'skip'}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "error ->> '$.code'", "s"), "type_mismatch");
    CHECK_STR(ask(&i, "error ->> '$.code'", "r"), "unknown_param");
}

static void
a_failure_inside_is_the_sub_melodys(void)
{
    sy__run_info i = run(J(INNER ",'tasks':[{'key':'s','verb':'sub','melody':'bad','options':{'on_error':'skip'}},"
                                 "{'key':'t'," T("echo") ",'input':{'v':{'$ref':['s'],'edge':'soft','absent':1}}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "s"), "error");
    CHECK_STR(ask(&i, "error ->> '$.where.task'", "s"), "s/x");
    CHECK_STR(ask(&i, "output", "t"), "{\"v\":1}");
    i = run(J(INNER ",'tasks':[{'key':'s','verb':'sub','melody':'bad'}]"));
    CHECK_STR(i.status, "failed");
    CHECK_STR(i.error.task, "s/x");
}

static void
nesting_has_a_limit(void)
{
    sy__run_info i = run(J(INNER ",'tasks':[{'key':'s','verb':'sub','melody':'deep'}]"));
    CHECK_STR(i.status, "failed");
    CHECK(strstr(i.error.message, "nested more than 32 deep") != NULL);
}

static void
a_killed_sub_melody_goes_on_inside(void)
{
    sy__run_info i = killed_run(
        J("'melodies':{'in':{'name':'in','tasks':[{'key':'a'," T("echo") ",'input':{'v':1}},{'key':'b'," T(
            "mark") ",'input':{'file':'sub','text':'x','s':60},'options':{'after':['a']}},"
                    "{'key':'c'," T("echo") ",'input':{'v':{'$ref':['b']}}}],'outputs':{'c':{'$ref':['c']}}}},"
                                            "'tasks':[{'key':'s','verb':'sub','melody':'in'}]"),
        "s/b", "executing");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "attempts", "s/a"), "1");
    CHECK_STR(ask(&i, "error ->> '$.code'", "s/b"), "effect_uncertain");
    i = resumed(&i, (sy__resume_request){.result_task = "s/b", .result = sy__value_null()});
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "s"), "{\"c\":{\"v\":null}}");
}

static void
cancelling_reaches_a_sub_melody(void)
{
    sy__run_info i =
        start_at(J("'melodies':{'in':{'name':'in','tasks':[{'key':'a'," T(
                     "rest") ",'input':{'s':60}},{'key':'b','verb':'each'," T("rest") ",'list':[{'s':60},{'s':60}]}]}},"
                                                                                      "'tasks':[{'key':'s','verb':'sub'"
                                                                                      ",'melody':'in'}]"),
                 SY__LEVEL_PROCESS, 0);
    for (int n = 0; n < 1000 && strcmp(ask(&i, "task_status", "s/a"), "executing") != 0; n++)
        (void)sy__project_step(project, 5);
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "cancelled");
    CHECK_STR(ask(&i, "outcome", "s"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "s/a"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "s/b/2"), "cancelled");
}

/* ---- clocks ---- */

static void
silence_has_a_limit(void)
{
    sy__run_info i = run(J(
        "'tasks':[{'key':'a'," T("pulse") ",'input':{'n':8,'s':0.05},'options':{'idle_timeout_ms':400,'on_error':'skip'"
                                          "}},{'key':'b'," T("pulse") ",'input':{'n':1,'s':0.01,'rest':60},'options':{'"
                                                                      "idle_timeout_ms':200,'on_error':'skip'}}]"));
    CHECK_STR(ask(&i, "outcome", "a"), "ok");
    CHECK_STR(ask(&i, "outcome", "b"), "timeout");
    CHECK_STR(ask(&i, "error ->> '$.message'", "b"), "it gave no sign of life for 200 ms");
}

static void
a_sub_melody_has_a_time_of_its_own(void)
{
    sy__run_info i =
        run(J("'melodies':{'in':{'name':'in','tasks':[{'key':'a'," T("rest") ",'input':{'s':60}},{'key':'b'," T(
            "echo") ",'options':{'after':['a']}}]}},"
                    "'tasks':[{'key':'s','verb':'sub','melody':'in','options':{'timeout_ms':200,'on_error':'skip'}},"
                    "{'key':'other'," T("rest") ",'input':{'s':0.4}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "s"), "timeout");
    CHECK_STR(ask(&i, "outcome", "s/a"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "s/b"), "skipped");
    CHECK_STR(ask(&i, "outcome", "other"), "ok");
}

/* ---- ask ---- */

#define QUESTION \
    "{'key':'q','verb':'ask','question':{'$text':['Ship ',{'$ref':['a','v']},'?']},'schema':{'type':'boolean'}}"

static sy__value
yes(void)
{
    static const char byte[] = {SY__TRUE};
    return (sy__value){byte, 1};
}

static void
a_question_parks_the_run_and_is_answered_later(void)
{
    const char *tasks = "'tasks':[{'key':'a'," T("echo") ",'input':{'v':'1.0'}}," QUESTION ",{'key':'b'," T(
        "echo") ",'input':{'go':{'$ref':['q']}}},{'key':'other'," T("echo") ",'input':{}}]";
    sy__run_info i = run(J(tasks));
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "status", NULL), "waiting");
    CHECK_STR(ask(&i, "task_status", "q"), "executing");
    CHECK_STR(ask(&i, "task_payload ->> '$.question'", "q"), "Ship 1.0?");
    CHECK_STR(ask(&i, "outcome", "other"), "ok");
    sy__project_close(project);
    open_project();
    i = resumed(&i, (sy__resume_request){0}); /* without an answer it waits on */
    CHECK_STR(i.status, "waiting");
    sy__error err = {0};
    sy__run_info none;
    sy__resume_request wrong = {.run = i.id, .result_task = "q", .result = sy__value_null()};
    CHECK_INT(sy__engine_resume(sy__project_engine(project), &wrong, &none, &err), SY_ETYPE);
    i = resumed(&i, (sy__resume_request){.result_task = "q", .result = yes()});
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "b"), "{\"go\":true}");
    CHECK_STR(ask(&i, "execution_context ->> '$.decided'", "q"), "1");
}

static void
a_living_run_takes_an_answer_once(void)
{
    sy__error err = {0};
    sy__run_info i =
        start_at(J("'tasks':[{'key':'a'," T("echo") ",'input':{'v':2}}," QUESTION ",{'key':'r'," T(
                     "rest") ",'input':{'s':60}},{'key':'b'," T("echo") ",'input':{'go':{'$ref':['q']}}}]"),
                 SY__LEVEL_FULL, 0);
    for (int n = 0; n < 1000 && strcmp(ask(&i, "execution_context ->> '$.waits'", "q"), "answer") != 0; n++)
        (void)sy__project_step(project, 5);
    sy__engine *e = sy__project_engine(project);
    CHECK_INT(sy__engine_decide(e, i.id, SY__DECIDE_RESULT, "q", sy__value_null(), &err), SY_ETYPE);
    CHECK_INT(sy__engine_decide(e, i.id, SY__DECIDE_RETRY, "q", yes(), &err), SY_EUSAGE);
    CHECK_INT(sy__engine_decide(e, i.id, SY__DECIDE_RESULT, "nobody", yes(), &err), SY_ENOTFOUND);
    CHECK_INT(sy__engine_decide(e, i.id, SY__DECIDE_RESULT, "q", yes(), &err), SY_OK);
    CHECK_STR(ask(&i, "outcome", "q"), "ok"); /* durable when it returns */
    CHECK_INT(sy__engine_decide(e, i.id, SY__DECIDE_RESULT, "q", yes(), &err), SY_EUSAGE);
    for (int n = 0; n < 1000 && strcmp(ask(&i, "outcome", "b"), "ok") != 0; n++) (void)sy__project_step(project, 5);
    CHECK_STR(ask(&i, "output", "b"), "{\"go\":true}");
    CHECK_INT(sy__engine_cancel(e, i.id, &err), SY_OK);
    finish(&i);
}

static void
a_question_falls_back_to_its_default(void)
{
    sy__run_info i = run(
        J("'tasks':[{'key':'r'," T("rest") ",'input':{'s':1}},{'key':'q','verb':'ask','question':'?',"
                                           "'schema':{'type':'integer'},'options':{'default':3,'timeout_ms':100}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "q"), "3");
    i = run(J("'tasks':[{'key':'q','verb':'ask','question':'?','options':{'default':4,'timeout_ms':300}}]"));
    CHECK_STR(i.status, "waiting");
    for (int n = 0; n < 1000 && strcmp(i.status, "completed") != 0; n++) { /* nobody lived when its time was up */
        (void)usleep(20000);
        i = resumed(&i, (sy__resume_request){0});
    }
    CHECK_STR(ask(&i, "output", "q"), "4");
    i = run(J("'tasks':[{'key':'r'," T("rest") ",'input':{'s':1}},{'key':'q','verb':'ask','question':'?',"
                                               "'options':{'timeout_ms':100,'on_error':'skip'}}]"));
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "q"), "timeout");
}

/* ---- on_error = "ask" ---- */

static void
a_failure_can_wait_for_a_person(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'f'," T("flaky") ",'input':{'file':'asked','after':2},"
                                                             "'options':{'on_error':'ask'}},{'key':'g'," T(
                                                                 "echo") ",'input':{'v':{'$ref':['f']}}},"
                                                                         "{'key':'h'," T("echo") "}]"));
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "task_status", "f"), "executing");
    CHECK_STR(ask(&i, "execution_context ->> '$.waits'", "f"), "error");
    CHECK_STR(ask(&i, "outcome", "h"), "ok");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    i = resumed(&i, (sy__resume_request){.retry = "f"});
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "g"), "{\"v\":{\"tries\":2}}");
    CHECK_STR(ask(&i, "attempts", "f"), "2");
    i = run(J("'tasks':[{'key':'m','verb':'each'," T("strict") ",'list':[1,2],'options':{'on_error':'ask'}}]"));
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "execution_context ->> '$.waits'", "m/2"), "error");
    i = resumed(&i, (sy__resume_request){.skip = "m"});
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "output", "m"), "[null,null]");
}

/* ---- compensation ---- */

#define UNDO(what)                                                                                                  \
    "'compensate':{" T("mark") ",'input':{'file':'undone','text':{'$text':['" what "',{'$ref':['" what "','v']},' " \
                               "']}}}"

static const char *
content(const char *name)
{
    static char text[256];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    if (f) (void)fclose(f);
    return text;
}

static void
what_is_done_is_undone_newest_first(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'a'," T("echo") ",'input':{'v':1},'options':{" UNDO(
        "a") "}},"
             "{'key':'b'," T("rest") ",'input':{'s':0.01},'options':{'after':['a'],'compensate':{" T(
                 "mark") ",'input':{'file':'undone','text':'b '}}}},"
                         "{'key':'m','verb':'each'," T(
                             "echo") ",'list':[{'v':1},{'v':2}],'options':{'after':['b']"
                                     "," UNDO("m") "}},"
                                                   "{'key':'n'," T("echo") ",'input':{},'options':{'after':['"
                                                                           "m']}},"
                                                                           "{'key':'x'," T(
                                                                               "fail") ",'input':{'message':'"
                                                                                       "no'},'options':{'"
                                                                                       "after':['n'],'on_"
                                                                                       "error':'compensate'}},"
                                                                                       "{'key':'never'," T(
                                                                                           "echo") ",'options'"
                                                                                                   ":{'after':"
                                                                                                   "['x']"
                                                                                                   "," UNDO(
                                                                                                       "n"
                                                                                                       "e"
                                                                                                       "v"
                                                                                                       "e"
                                                                                                       "r") "}}]"));
    CHECK_STR(i.status, "failed");
    CHECK_STR(i.error.message, "no");
    CHECK_STR(content("undone"), "m2 m1 b a1 ");
    CHECK_STR(ask(&i, "outcome", "a"), "compensated");
    CHECK_STR(ask(&i, "outcome", "m/2"), "compensated");
    CHECK_STR(ask(&i, "outcome", "n"), "ok");
    CHECK_STR(ask(&i, "outcome", "never"), "skipped");
    CHECK_STR(ask(&i, "operation", "a/compensate"), "t.mark");
    CHECK_STR(ask(&i, "outcome", "m/2/compensate"), "ok");
}

static void
undoing_goes_on_after_a_kill_and_never_twice(void)
{
    sy__run_info i = killed_run(
        J("'tasks':[{'key':'a'," T("echo") ",'input':{'v':1},'options':{'compensate':{" T(
            "mark") ",'input':{'file':'once','text':'a'}}}},"
                    "{'key':'b'," T("echo") ",'input':{},'options':{'after':['a'],'compensate':{" T(
                        "mark") ",'input':{'file':'once','text':'b','s':60}}}},"
                                "{'key':'x'," T("fail") ",'options':{'after':['b'],'on_error':'compensate'}}]"),
        "b/compensate", "executing");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "error ->> '$.code'", "b/compensate"), "effect_uncertain");
    bool done = strcmp(content("once"), "b") == 0; /* the kill may have come before the effect */
    i = resumed(&i, (sy__resume_request){.result_task = "b/compensate", .result = sy__value_null()});
    CHECK_STR(i.status, "failed");
    CHECK_STR(content("once"), done ? "ba" : "a");
    CHECK_STR(ask(&i, "outcome", "a"), "compensated");
    CHECK_STR(ask(&i, "outcome", "b"), "compensated");
}

int
main(void)
{
    begin_tests();
    children_start_while_the_list_still_grows();
    a_growing_list_ends_in_order();
    a_killed_pipeline_goes_on();
    a_loop_goes_on_until_told();
    a_loop_ends_at_its_maximum();
    a_loop_fails_as_its_iteration_does();
    a_killed_loop_goes_on_with_its_iteration();
    a_melody_is_a_task_of_another();
    parameters_of_a_sub_melody_are_checked();
    a_failure_inside_is_the_sub_melodys();
    nesting_has_a_limit();
    a_killed_sub_melody_goes_on_inside();
    cancelling_reaches_a_sub_melody();
    silence_has_a_limit();
    a_sub_melody_has_a_time_of_its_own();
    a_question_parks_the_run_and_is_answered_later();
    a_living_run_takes_an_answer_once();
    a_question_falls_back_to_its_default();
    a_failure_can_wait_for_a_person();
    what_is_done_is_undone_newest_first();
    undoing_goes_on_after_a_kill_and_never_twice();
    end_tests();
    TEST_END();
}
