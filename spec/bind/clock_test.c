/*
 * clock_test.c: the wall's clock jumps while runs go on: what is limited in time keeps to the clock that only goes
 * forward, what is undone is undone newest first, and no row says that something took less than no time.
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
    CHECK_INT(count_of("SELECT count(*) FROM task WHERE key = 'late' AND outcome = 'timeout'"), 3);
    CHECK_INT(count_of("SELECT count(*) FROM task WHERE key = 'good' AND outcome = 'ok'"), 3);
    CHECK_INT(count_of("SELECT count(*) FROM task WHERE cost_ms < 0"), 0);
    CHECK_INT(count_of("SELECT count(*) FROM event WHERE event_payload ->> '$.ms' < 0"), 0);
    CHECK_INT(count_of("SELECT count(*) - max(seq) FROM event"), 0);
    end_tests();
    TEST_END();
}
