/*
 * clock_test.c: the wall's clock jumps while runs go on: what is limited in time keeps to the clock that only goes
 * forward, what is undone is undone newest first, and no row says that something took less than no time. A run that is
 * read back knows only the wall's clock: what its tasks have in all counts through, as far as that went forward.
 */
#include "base/clock.h"

#include <stdatomic.h>

enum { HOUR_MS = 3600000 };

static atomic_llong step_ms; /* by how much the wall's clock jumps at each look */
static atomic_llong jumped_ms;

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

#define RUNS_CLOCK &jumpy
#include "bind/runs.h"

static void
limits_keep_to_the_steady_clock(void)
{
    sy__run_info i = run(J("'tasks':[{'key':'late','operation':'t.rest','extension':'t','input':{'s':60},"
                           "'options':{'timeout_ms':50,'on_error':'skip'}},"
                           "{'key':'good','operation':'t.rest','extension':'t','input':{'s':0.01},"
                           "'options':{'timeout_ms':20000,'queue_timeout_ms':20000,'attempt_timeout_ms':20000}}]"));
    CHECK_STR(i.status, "completed");
}

#define UNDOABLE(key, after, text)                                                                     \
    "{'key':'" key "','operation':'t.echo','extension':'t','input':{},'options':{'after':[" after "]," \
    "'compensate':{'operation':'t.mark','extension':'t','input':{'file':'undone','text':'" text "'}}}},"

static void
the_newest_is_undone_first(void)
{
    char path[128], text[32] = "";
    sy__run_info i = run(J("'tasks':[" UNDOABLE("z", "", "1") UNDOABLE("y", "'z'", "2")
                               UNDOABLE("x", "'y'", "3") "{'key':'f','operation':'t.fail','extension':'t','input':{},"
                                                         "'options':{'after':['x'],'on_error':'compensate'}}]"));
    CHECK_STR(i.status, "failed");
    (void)snprintf(path, sizeof path, "%s/undone", dir);
    FILE *f = fopen(path, "r");
    CHECK(f && fgets(text, sizeof text, f));
    if (f) (void)fclose(f);
    CHECK_STR(text, "321");
    (void)unlink(path);
}

/* ---- over a resume ---- */

/* Starts a run, parks it when `key` is `state`, lets the wall's clock jump, and goes on with it. */
static sy__run_info
parked(const char *tasks, const char *key, const char *state, long long jump_ms)
{
    sy__error err = {0};
    sy__run_info i = start_at(tasks, SY__LEVEL_PROCESS, 0);
    for (int n = 0; n < 4000 && strcmp(ask(&i, "task_status", key), state) != 0; n++)
        (void)sy__project_step(project, 5);
    CHECK_INT(sy__engine_pause(sy__project_engine(project), i.id, &err), SY_OK);
    finish(&i);
    CHECK_STR(i.status, "paused");
    (void)atomic_fetch_add(&jumped_ms, jump_ms);
    return resumed(&i, (sy__resume_request){0});
}

#define RESTS(s, options) "'tasks':[{'key':'a'," TASK_REST ",'input':{'s':" s "},'options':{" options "}}]"
#define TASK_REST "'operation':'t.rest','extension':'t'"

static void
all_attempts_together_count_through(void)
{
    sy__run_info i = parked(J(RESTS("60", "'timeout_ms':1800000")), "a", "executing", HOUR_MS);
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome || ' ' || (error ->> '$.message')", "a"),
              "timeout its 1800000 ms in all were over before the run went on");
    i = parked(J(RESTS("0.2", "'timeout_ms':7200000")), "a", "executing", HOUR_MS);
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "unixepoch(completed_at) - unixepoch(dispatched_at) >= 3600", "a"), "1");
}

static void
what_is_left_is_left(void)
{
    sy__run_info i = parked(J(RESTS("60", "'timeout_ms':3601500")), "a", "executing", HOUR_MS);
    CHECK_STR(ask(&i, "outcome", "a"), "timeout");
    CHECK_STR(ask(&i, "error ->> '$.message' LIKE 'its %'", "a"), "0"); /* it was called once more */
}

static void
one_attempt_begins_anew(void)
{
    sy__run_info i = parked(J(RESTS("0.2", "'attempt_timeout_ms':20000,'idle_timeout_ms':20000,"
                                           "'queue_timeout_ms':20000")),
                            "a", "executing", HOUR_MS);
    CHECK_STR(i.status, "completed");
}

static void
a_delay_before_an_attempt_counts(void)
{
    static const char flaky[] = "'tasks':[{'key':'a','operation':'t.fail','extension':'t','input':{},'options':"
                                "{'timeout_ms':1800000,'retry':{'max':9,'delay_ms':3000}}}]";
    sy__run_info i = parked(J(flaky), "a", "pending", HOUR_MS);
    CHECK_STR(ask(&i, "outcome", "a"), "timeout");
    CHECK_STR(ask(&i, "attempts", "a"), "1");
}

static void
a_clock_set_back_gives_the_time_anew(void)
{
    sy__run_info i = parked(J(RESTS("0.2", "'timeout_ms':20000")), "a", "executing", -2 * HOUR_MS);
    CHECK_STR(i.status, "completed");
    CHECK_STR(ask(&i, "cost_ms >= 0 AND dispatched_at <= completed_at", "a"), "1");
}

static void
a_sub_melody_counts_through(void)
{
    static const char sub[] = "'tasks':[{'key':'s','verb':'sub','operation':'host.sub','extension':'host',"
                              "'melody':'in','input':{},'options':{'timeout_ms':%d}}],'melodies':{'in':{'format':1,"
                              "'name':'in','tasks':[{'key':'a'," TASK_REST ",'input':{'s':0.2}},"
                              "{'key':'b'," TASK_REST ",'input':{'s':0.01},'options':{'after':['a']}}]}}";
    char text[1024];
    (void)snprintf(text, sizeof text, sub, 1800000);
    sy__run_info i = parked(J(text), "s/a", "executing", HOUR_MS);
    CHECK_STR(i.status, "failed");
    CHECK_STR(ask(&i, "outcome", "s"), "timeout");
    CHECK_STR(ask(&i, "attempts", "s/b"), "0");
    (void)snprintf(text, sizeof text, sub, 7200000);
    i = parked(J(text), "s/a", "executing", HOUR_MS);
    CHECK_STR(i.status, "completed");
}

int
main(void)
{
    static const long long steps[] = {0, HOUR_MS, -HOUR_MS};
    begin_tests();
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        atomic_store(&step_ms, steps[i]);
        limits_keep_to_the_steady_clock();
        the_newest_is_undone_first();
    }
    atomic_store(&step_ms, 0);
    all_attempts_together_count_through();
    what_is_left_is_left();
    one_attempt_begins_anew();
    a_delay_before_an_attempt_counts();
    a_clock_set_back_gives_the_time_anew();
    a_sub_melody_counts_through();
    CHECK_INT(count_of("SELECT count(*) FROM task WHERE key = 'late' AND outcome = 'timeout'"), 3);
    CHECK_INT(count_of("SELECT count(*) FROM task WHERE key = 'good' AND outcome = 'ok'"), 3);
    CHECK_INT(count_of("SELECT count(*) FROM task WHERE cost_ms < 0"), 0);
    CHECK_INT(count_of("SELECT count(*) FROM event WHERE event_payload ->> '$.ms' < 0"), 0);
    CHECK_INT(count_of("SELECT count(*) - max(seq) FROM event"), 0);
    end_tests();
    TEST_END();
}
