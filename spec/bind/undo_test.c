/*
 * undo_test.c: what is being undone when something above it has failed, too, and the process is killed: it is undone
 * to its end, once, whatever stopped above it.
 */
#include "bind/runs.h"

#define T(op) "'operation':'t." op "','extension':'t'"
#define AFTER(key) "'after':['" key "']"
#define MARK(file, text, s) "'compensate':{" T("mark") ",'input':{'file':'" file "','text':'" text "','s':" s "}}"
#define AGAIN(file, s) "'compensate':{" T("flaky") ",'input':{'file':'" file "','after':1,'s':" s "}}"
#define ECHO(key, more) "{'key':'" key "'," T("echo") ",'input':{'v':1},'options':{" more "}}"
#define FAIL(key, more) "{'key':'" key "'," T("fail") ",'options':{" more "}}"
#define REST(key, s) "{'key':'" key "'," T("rest") ",'input':{'s':" s "}}"
#define SUB(key, melody, more) "{'key':'" key "','verb':'sub','melody':'" melody "','options':{" more "}}"
#define MELODY(name, tasks) "'" name "':{'name':'" name "','tasks':[" tasks "]}"

/* What undoes `a` and then `b`, which is undone first, and how. */
#define UNDONE(file, how)           \
    ECHO("a", MARK(file, "a", "0")) \
    "," ECHO("b", AFTER("a") "," how) "," FAIL("x", AFTER("b") ",'on_error':'compensate'")
/* The failure that stops the caller as soon as so many bytes are in a file. */
#define WHEN(file, bytes) "{'key':'z'," T("wait") ",'input':{'file':'" file "','bytes':" bytes "}}"
#define LATER(file) WHEN(file, "1") "," FAIL("y", AFTER("z")) "," ECHO("w", AFTER("y"))
/* The same after a while, where nothing is written. */
#define SOON REST("z", "0.5") "," FAIL("y", AFTER("z")) "," ECHO("w", AFTER("y"))
#define CALLED(inner, tasks) "'melodies':{" MELODY("in", inner) "},'tasks':[" tasks "]"

static void
until(const sy__run_info *i, const char *key, const char *expression, const char *value)
{
    for (int n = 0; n < 4000 && strcmp(ask(i, expression, key), value) != 0; n++) (void)sy__project_step(project, 5);
    CHECK_STR(ask(i, expression, key), value);
}

/* What was appended to a file of the project. */
static const char *
marks(const char *file)
{
    static char text[64];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "r");
    text[f ? fread(text, 1, sizeof text - 1, f) : 0] = '\0';
    if (f) (void)fclose(f);
    return text;
}

static sy__run_info
going_on(const sy__run_info *info, sy__resume_request q)
{
    sy__error err = {0};
    sy__run_info i = {0};
    q.run = info->id;
    if (sy__engine_resume(sy__project_engine(project), &q, &i, &err)) die("resume", &err);
    return i;
}

/* Resumes a run in a child process and kills the child as soon as the row and the file say so. */
static void
killed_again(sy__run_info *i, sy__resume_request q, const char *key, const char *attempts, const char *file,
             const char *said)
{
    sy__project_close(project);
    pid_t child = fork();
    if (child == 0) {
        open_project();
        (void)going_on(i, q);
        for (;;) (void)sy__project_step(project, 1000);
    }
    open_project();
    until(i, key, "attempts || task_status", attempts);
    for (int n = 0; n < 4000 && strcmp(marks(file), said) != 0; n++) (void)sy__project_step(project, 5);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

static sy__run_info
give_result(const sy__run_info *i, const char *key)
{
    return resumed(i, (sy__resume_request){.result_task = key, .result = sy__value_null()});
}

static void
check_undone(const sy__run_info *i, const char *a, const char *b, const char *file, const char *said)
{
    CHECK_STR(i->status, "failed");
    CHECK_STR(ask(i, "outcome", a), "compensated");
    CHECK_STR(ask(i, "outcome", b), "compensated");
    CHECK_STR(marks(file), said);
    CHECK_STR(ask(i, "(SELECT count(*) FROM task WHERE pipeline_orchestration_id = ?1 AND outcome IS NULL)", NULL),
              "0");
}

/* ---- a caller that has failed, too ---- */

static void
a_person_says_what_became_of_it(void)
{
    sy__run_info i =
        killed_run(J(CALLED(UNDONE("f1", MARK("f1", "b", "60")), SUB("s", "in", "") "," LATER("f1"))), "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "error ->> '$.code'", "s/b/compensate"), "effect_uncertain");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    i = give_result(&i, "s/b/compensate");
    check_undone(&i, "s/a", "s/b", "f1", "ba");
    CHECK_STR(ask(&i, "outcome", "s"), "error");
    CHECK_STR(ask(&i, "outcome", "w"), "skipped");
}

static void
it_is_done_once_more_when_a_person_says_so(void)
{
    sy__run_info i =
        killed_run(J(CALLED(UNDONE("f2", MARK("f2", "b", "2")), SUB("s", "in", "") "," LATER("f2"))), "y", "failed");
    i = resumed(&i, (sy__resume_request){.retry = "s/b/compensate"});
    check_undone(&i, "s/a", "s/b", "f2", "bba");
    i = killed_run(J(CALLED(UNDONE("f3", MARK("f3", "b", "60")), SUB("s", "in", "") "," LATER("f3"))), "y", "failed");
    i = resumed(&i, (sy__resume_request){.skip = "s"});
    check_undone(&i, "s/a", "s/b", "f3", "ba");
    CHECK_STR(ask(&i, "outcome", "s/b/compensate"), "skipped");
}

static void
it_is_done_once_more_by_itself_when_that_is_safe(void)
{
    sy__run_info i =
        killed_run(J(CALLED(UNDONE("f4", AGAIN("f4", "2")), SUB("s", "in", "") "," LATER("f4"))), "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    check_undone(&i, "s/a", "s/b", "f4", "xxa");
    CHECK_STR(ask(&i, "attempts", "s/a/compensate"), "1");
}

static void
killed_while_it_goes_on(void)
{
    sy__run_info i =
        killed_run(J(CALLED(UNDONE("f5", AGAIN("f5", "2")), SUB("s", "in", "") "," LATER("f5"))), "y", "failed");
    killed_again(&i, (sy__resume_request){0}, "s/b/compensate", "2executing", "f5", "xx");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "failed");
    check_undone(&i, "s/a", "s/b", "f5", "xxxa");
}

static void
killed_at_each_of_two(void)
{
#define SLOW ECHO("a", MARK("f6", "a", "60")) "," ECHO("b", AFTER("a") "," MARK("f6", "b", "60"))
    sy__run_info i = killed_run(
        J(CALLED(SLOW "," FAIL("x", AFTER("b") ",'on_error':'compensate'"), SUB("s", "in", "") "," LATER("f6"))), "y",
        "failed");
    killed_again(&i, (sy__resume_request){.skip = "s/b/compensate"}, "s/a/compensate", "1executing", "f6", "ba");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "outcome", "s/b"), "compensated");
    i = give_result(&i, "s/a/compensate");
    check_undone(&i, "s/a", "s/b", "f6", "ba");
#undef SLOW
}

/* ---- two deep ---- */

static void
a_melody_in_a_melody(void)
{
    sy__run_info i = killed_run(
        J("'melodies':{" MELODY("in", UNDONE("f7", MARK("f7", "b", "60"))) "," MELODY(
            "mid", SUB("s", "in", "") "," ECHO("k", MARK("f7", "k", "0"))) "},'tasks':[" SUB("o", "mid",
                                                                                             "") "," LATER("f7") "]"),
        "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    i = give_result(&i, "o/s/b/compensate");
    check_undone(&i, "o/s/a", "o/s/b", "f7", "ba");
    CHECK_STR(ask(&i, "outcome", "o/k"), "ok"); /* its melody does not undo */
}

/* The melody between has failed; the run itself goes on, and a person decides while it lives. */
static void
the_one_between_has_failed(void)
{
    sy__run_info i = killed_run(
        J("'melodies':{" MELODY("in", UNDONE("f8", MARK("f8", "b", "60"))) "," MELODY(
            "mid", SUB("s", "in", "") "," LATER(
                       "f8")) "},'tasks':[" SUB("o", "mid",
                                                "'on_error':'skip'") ","
                                                                     "{'key':'r'," T(
                                                                         "wait") ",'input':{'file':'f8','bytes':2}}"
                                                                                 "]"),
        "o/y", "failed");
    i = going_on(&i, (sy__resume_request){0});
    until(&i, "o/s/b/compensate", "error ->> '$.code'", "effect_uncertain");
    CHECK_INT(sy__engine_decide(sy__project_engine(project), i.id, SY__DECIDE_RESULT, "o/s/b/compensate",
                                sy__value_null(), NULL),
              SY_OK);
    finish(&i);
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "outcome", "o/s/a"), "compensated");
    CHECK_STR(ask(&i, "outcome", "o/s/b"), "compensated");
    CHECK_STR(ask(&i, "outcome", "o"), "error");
    CHECK_STR(marks("f8"), "ba");
}

/* What is below is undone first, then what its caller did. */
static void
every_one_of_three_undoes(void)
{
#define UNDO_ALL ",'on_error':'compensate'"
#define ALL(file, s)                                                                                           \
    "'melodies':{" MELODY("in", UNDONE(file, MARK(file, "b", s))) "," MELODY(                                  \
        "mid",                                                                                                 \
        ECHO("k", MARK(file, "k", "0")) "," SUB(                                                               \
            "s", "in",                                                                                         \
            AFTER("k")                                                                                         \
                UNDO_ALL)) "},'tasks':[" ECHO("j",                                                             \
                                              MARK(file, "j",                                                  \
                                                   "0")) "," SUB("o", "mid",                                   \
                                                                 AFTER("j")) "," WHEN(file,                    \
                                                                                      "1") "," FAIL("y",       \
                                                                                                    AFTER("z") \
                                                                                                        UNDO_ALL) "]"
    sy__run_info i = run(J(ALL("f0", "0.8")));
    check_undone(&i, "o/s/a", "o/s/b", "f0", "bakj");
    i = killed_run(J(ALL("f9", "60")), "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    CHECK_STR(marks("f9"), "b");
    i = give_result(&i, "o/s/b/compensate");
    check_undone(&i, "o/s/a", "o/s/b", "f9", "bakj");
    CHECK_STR(ask(&i, "outcome", "o/k"), "compensated");
    CHECK_STR(ask(&i, "outcome", "j"), "compensated");
#undef ALL
#undef UNDO_ALL
}

/* ---- other verbs ---- */

static void
the_calls_of_a_map(void)
{
#define EACH                                                                                               \
    "{'key':'m','verb':'each'," T("echo") ",'list':[{'v':1},{'v':2},{'v':3}],'options':{'compensate':{" T( \
        "mark") ",'input':{'file':'f10','text':{'$text':['',{'$ref':['m','v']},'']},'s':1.5}}}}"
    sy__run_info i = killed_run(
        J(CALLED(EACH "," FAIL("x", AFTER("m") ",'on_error':'compensate'"), SUB("s", "in", "") "," LATER("f10"))), "y",
        "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    i = resumed(&i, (sy__resume_request){.retry = "s/m/3/compensate"});
    check_undone(&i, "s/m/1", "s/m/3", "f10", "3321");
    CHECK_STR(ask(&i, "outcome", "s/m/2"), "compensated");
#undef EACH
}

static void
a_flow(void)
{
#define FLOW                                                                                              \
    "{'key':'f','verb':'flow','fn':{'lua':'function(run) return run:call([[t.echo]], {}) end','line':1}," \
    "'operations':[{" T("echo") "}],'options':{" AFTER("a") "," MARK("f11", "f", "60") "}}"
    sy__run_info i = killed_run(
        J(CALLED(ECHO("a", MARK("f11", "a", "0")) "," FLOW "," FAIL("x", AFTER("f") ",'on_error':'compensate'"),
                 SUB("s", "in", "") "," LATER("f11"))),
        "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    i = give_result(&i, "s/f/compensate");
    check_undone(&i, "s/a", "s/f", "f11", "fa");
#undef FLOW
}

/* A map that the failure cut short had done something already. */
static void
a_map_that_was_under_way(void)
{
    sy__run_info i = killed_run(
        J("'tasks':[{'key':'m','verb':'each'," T("rest") ",'list':[{'s':0},{'s':60},{'s':0}],'options':{" MARK(
            "f12", "m", "0") "}}," REST("z", "0.8") "," FAIL("y", AFTER("z") ",'on_error':'compensate'") "]"),
        "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    check_undone(&i, "m/1", "m/3", "f12", "mm");
    CHECK_STR(ask(&i, "outcome", "m/2"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "m"), "cancelled");
}

/* The same over a list that still grew. */
static void
a_map_over_a_map(void)
{
    sy__run_info i = killed_run(
        J("'tasks':[{'key':'a','verb':'each'," T(
            "rest") ",'list':[{'s':0},{'s':60},{'s':0}]},"
                    "{'key':'b','verb':'each'," T("echo") ",'list':{'$ref':['a']},'options':{" MARK(
                        "f17", "b", "0") "}}," REST("z", "0.8") "," FAIL("y",
                                                                         AFTER("z") ",'on_error':'compensate'") "]"),
        "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    check_undone(&i, "b/1", "b/3", "f17", "bb");
    CHECK_STR(ask(&i, "outcome", "b"), "cancelled");
}

/* ---- an effect that may have taken place ---- */

#define EFFECT(file)                                                                                    \
    "'tasks':[{'key':'e'," T("mark") ",'input':{'file':'" file "','text':'E','s':60},'options':{" MARK( \
        file, "e",                                                                                      \
        "0") "}}," ECHO("a", MARK(file, "a",                                                            \
                                  "0")) "," WHEN(file, "1") "," FAIL("y",                               \
                                                                     "'after':['z','a'],'on_error':'compensate'") "]"

static void
an_effect_under_way(void)
{
    sy__run_info i = killed_run(J(EFFECT("f18")), "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    CHECK_STR(ask(&i, "error ->> '$.code'", "e"), "effect_uncertain");
    i = give_result(&i, "e");
    check_undone(&i, "a", "e", "f18", "Eea");
    i = killed_run(J(EFFECT("f19")), "y", "failed");
    i = resumed(&i, (sy__resume_request){.skip = "e"});
    check_undone(&i, "a", "a", "f19", "Ea");
    CHECK_STR(ask(&i, "outcome", "e"), "skipped");
    i = killed_run(J(EFFECT("f20")), "y", "failed");
    i = resumed(&i, (sy__resume_request){.retry = "e"}); /* it did not take place, and nothing new is done */
    check_undone(&i, "a", "a", "f20", "Ea");
    CHECK_STR(ask(&i, "outcome", "e"), "cancelled");
}

static void
effects_of_a_map_under_way(void)
{
#define ITEM(file, s) "{'file':'" file "','text':'M','s':" s "}"
#define MAP(file)                                                                                    \
    "{'key':'m','verb':'each'," T("mark") ",'list':[" ITEM(file, "0") "," ITEM(file, "60") "," ITEM( \
        file, "60") "],'options':{" MARK(file, "m", "0") "}}"
#define ALL(file) \
    MAP(file) "," WHEN(file, "3") ",{'key':'v'," T("rest") ",'input':{'s':0.2},'options':{" AFTER("z") "}}"
    static const char undoing[] = "'tasks':[" ALL("f21") "," FAIL("y", AFTER("v") ",'on_error':'compensate'") "]";
    static const char not_undoing[] = "'tasks':[" ALL("f22") "," FAIL("y", AFTER("v")) "]";
    sy__run_info i = killed_run(J(undoing), "y", "failed");
    i = resumed(&i, (sy__resume_request){.result_task = "m/2", .result = sy__value_null()});
    CHECK_STR(i.status, "waiting");
    i = resumed(&i, (sy__resume_request){.skip = "m"});
    check_undone(&i, "m/1", "m/2", "f21", "MMMmm");
    CHECK_STR(ask(&i, "outcome", "m/3"), "skipped");
    CHECK_STR(ask(&i, "outcome", "m"), "ok");
    i = killed_run(J(not_undoing), "y", "failed"); /* nobody undoes: nobody asks */
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "m/1"), "ok");
    CHECK_STR(ask(&i, "outcome", "m/2"), "cancelled");
    CHECK_STR(marks("f22"), "MMM");
#undef ALL
#undef MAP
#undef ITEM
}

/* ---- what does not go on ---- */

static void
a_question_beside_it_is_cancelled(void)
{
    sy__run_info i = killed_run(
        J("'melodies':{" MELODY("in", UNDONE("f13", MARK("f13", "b", "60"))) "," MELODY(
            "asks", "{'key':'q','verb':'ask','question':'?'}," FAIL(
                        "e", "'on_error':'ask'")) "},'tasks':[" SUB("s", "in", "") "," SUB("u", "asks",
                                                                                           "") "," LATER("f13") "]"),
        "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    i = give_result(&i, "s/b/compensate");
    check_undone(&i, "s/a", "s/b", "f13", "ba");
    CHECK_STR(ask(&i, "outcome", "u/q"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "u/e"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "u"), "cancelled");
}

static void
a_question_alone_is_cancelled(void)
{
    sy__run_info i = killed_run(
        J(CALLED(FAIL("e", "'on_error':'ask'"), SUB("s", "in", "") "," REST("r", "60") "," SOON)), "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "s/e"), "cancelled");
    CHECK_STR(ask(&i, "outcome", "s"), "cancelled");
}

static void
a_fallback_under_way_is_cancelled(void)
{
    sy__run_info i =
        killed_run(J(CALLED(FAIL("e", "'fallback':[{" T("rest") ",'input':{'s':60}}]"), SUB("s", "in", "") "," SOON)),
                   "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "s/e"), "cancelled");
}

static void
a_run_that_waits_is_cancelled(void)
{
    sy__run_info i = killed_run(J(CALLED(UNDONE("f14", MARK("f14", "b", "60")), SUB("s", "in", "") "," LATER("f14"))),
                                "y", "failed");
    i = resumed(&i, (sy__resume_request){0});
    CHECK_STR(i.status, "waiting");
    i = resumed(&i, (sy__resume_request){.cancel = true});
    CHECK_STR(i.status, "cancelled");
    CHECK_STR(ask(&i, "outcome", "s/a"), "ok");
}

/* ---- pausing ---- */

static void
paused_again_and_again(void)
{
    sy__engine *e = sy__project_engine(project);
    sy__run_info i =
        start_at(J(CALLED(UNDONE("f15", "'compensate':{" T("rest") ",'input':{'s':1}}"), SUB("s", "in", "") "," SOON)),
                 SY__LEVEL_PROCESS, 0);
    until(&i, "y", "task_status", "failed");
    for (int n = 0; n < 3; n++) {
        until(&i, "s/b/compensate", "task_status", "executing");
        CHECK_INT(sy__engine_pause(e, i.id, NULL), SY_OK);
        finish(&i);
        CHECK_STR(i.status, "paused");
        i = going_on(&i, (sy__resume_request){0});
        if (n == 1) (void)sy__engine_pause(e, i.id, NULL); /* before anything of it began */
        if (n != 1) continue;
        finish(&i);
        CHECK_STR(i.status, "paused");
        i = going_on(&i, (sy__resume_request){0});
    }
    finish(&i);
    check_undone(&i, "s/a", "s/b", "f15", "a");
}

static void
cancelled_while_it_goes_on(void)
{
    sy__run_info i =
        killed_run(J(CALLED(UNDONE("f16", AGAIN("f16", "60")), SUB("s", "in", "") "," LATER("f16"))), "y", "failed");
    i = going_on(&i, (sy__resume_request){0});
    until(&i, "s/b/compensate", "attempts || task_status", "2executing");
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, NULL), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "cancelled");
    CHECK_STR(ask(&i, "outcome", "s/a"), "ok");
    CHECK_STR(ask(&i, "outcome", "s"), "cancelled");
}

int
main(void)
{
    begin_tests();
    a_person_says_what_became_of_it();
    it_is_done_once_more_when_a_person_says_so();
    it_is_done_once_more_by_itself_when_that_is_safe();
    killed_while_it_goes_on();
    killed_at_each_of_two();
    a_melody_in_a_melody();
    the_one_between_has_failed();
    every_one_of_three_undoes();
    the_calls_of_a_map();
    a_flow();
    a_map_that_was_under_way();
    a_map_over_a_map();
    an_effect_under_way();
    effects_of_a_map_under_way();
    a_question_beside_it_is_cancelled();
    a_question_alone_is_cancelled();
    a_fallback_under_way_is_cancelled();
    a_run_that_waits_is_cancelled();
    paused_again_and_again();
    cancelled_while_it_goes_on();
    end_tests();
    TEST_END();
}
