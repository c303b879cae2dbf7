/*
 * player_test.c: the three states at a clock of its own, and many random calls against a model that keeps every call
 * there ever was and counts anew each time.
 */
#include "pit/player/player.h"

#include "symphony.h"
#include "test.h"

#include <stdlib.h>

static const sy__player_rules rules = {100, 10000, 10, 1000, 5000, 3};
static int64_t now;

static sy__player
fresh(double max_error_rate, int64_t p95_ms)
{
    sy__player p;
    now = 1000000;
    CHECK_INT(sy__player_init(&p, &sy__alloc_default, &rules, (sy__player_promise){max_error_rate, p95_ms}), SY_OK);
    return p;
}

static bool
call(sy__player *p, bool failed, int64_t ms)
{
    sy__player_call c = {now, ms, failed};
    return sy__player_note(p, &c);
}

static void
calls(sy__player *p, int n, bool failed)
{
    for (int i = 0; i < n; i++) (void)call(p, failed, 5);
}

static bool
choose(sy__player *p)
{
    bool changed;
    return sy__player_choose(p, now, &changed);
}

static void
few_calls_are_not_judged(void)
{
    sy__player p = fresh(0.1, -1);
    calls(&p, 9, true);
    CHECK_INT(p.state, SY__PLAYER_ELIGIBLE);
    CHECK(call(&p, true, 5));
    CHECK_INT(p.state, SY__PLAYER_SUSPENDED);
    CHECK_STR(p.reason, "10 of the last 10 calls failed, at most 10 % may");
    CHECK(!sy__player_may(&p, now));
    sy__player_close(&p);
}

static void
what_it_promised_it_may_just_reach(void)
{
    sy__player p = fresh(0.1, -1);
    calls(&p, 18, false);
    calls(&p, 2, true);
    CHECK_INT(p.state, SY__PLAYER_ELIGIBLE);
    CHECK(call(&p, true, 5));
    CHECK_INT(p.state, SY__PLAYER_SUSPENDED);
    sy__player_close(&p);
}

static void
slowness_suspends_too(void)
{
    sy__player p = fresh(-1, 100);
    for (int i = 0; i < 19; i++) CHECK(!call(&p, true, 100));
    CHECK(!call(&p, false, 9000)); /* one of twenty is above the 95th percentile */
    CHECK(call(&p, false, 9000));
    CHECK_STR(p.reason, "p95 of the last 21 calls is 9000 ms, at most 100 ms is kept to");
    sy__player_close(&p);
}

static void
old_calls_are_forgotten(void)
{
    sy__player p = fresh(0.1, -1);
    calls(&p, 9, true);
    now += rules.window_ms;
    calls(&p, 9, false);
    CHECK_INT(p.state, SY__PLAYER_ELIGIBLE);
    CHECK_INT(sy__player_look(&p, now).calls, 9);
    sy__player_close(&p);
}

static void
after_its_rest_a_few_calls_decide(void)
{
    sy__player p = fresh(0.1, -1);
    bool changed;
    calls(&p, 10, true);
    now += rules.rest_ms - 1;
    CHECK(!choose(&p));
    now++;
    CHECK(sy__player_choose(&p, now, &changed) && changed);
    CHECK_INT(p.state, SY__PLAYER_PROBATION);
    CHECK(choose(&p) && choose(&p) && !choose(&p));
    CHECK(!call(&p, false, 5) && !call(&p, false, 5) && call(&p, false, 5));
    CHECK_INT(p.state, SY__PLAYER_ELIGIBLE);
    CHECK_STR(p.reason, "");
    CHECK_INT(sy__player_look(&p, now).calls, 0);
    sy__player_close(&p);
}

static void
a_bad_trial_makes_the_rest_longer_up_to_a_bound(void)
{
    static const int64_t rests[] = {1000, 2000, 4000, 5000, 5000};
    sy__player p = fresh(0.1, 50);
    calls(&p, 10, true);
    for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
        CHECK_INT(p.until_ms - now, rests[i]);
        now = p.until_ms;
        CHECK(choose(&p) && call(&p, i % 2 == 0, 51)); /* failed, or too slow */
        CHECK_INT(p.state, SY__PLAYER_SUSPENDED);
    }
    now = p.until_ms;
    for (int i = 0; i < 3; i++) CHECK(choose(&p) && !call(&p, false, 5) == (i < 2));
    now += rules.window_ms;
    calls(&p, 10, true);
    CHECK_INT(p.until_ms - now, rests[0]); /* long after: anew */
    sy__player_close(&p);
}

static void
trials_that_tell_nothing_are_given_again(void)
{
    sy__player p = fresh(0.1, -1);
    calls(&p, 10, true);
    now = p.until_ms;
    CHECK(choose(&p) && choose(&p) && choose(&p) && !choose(&p));
    sy__player_unused(&p);
    CHECK(choose(&p) && !choose(&p));
    now += rules.rest_ms; /* nobody told how they ended */
    CHECK(choose(&p) && choose(&p) && choose(&p) && !choose(&p));
    sy__player_close(&p);
}

static void
a_call_while_suspended_changes_nothing(void)
{
    sy__player p = fresh(0.1, -1);
    calls(&p, 10, true);
    CHECK(!call(&p, false, 5) && !call(&p, true, 5));
    CHECK_INT(p.state, SY__PLAYER_SUSPENDED);
    CHECK_INT(p.until_ms - now, rules.rest_ms);
    sy__player_close(&p);
}

/* ---- the model: every call since the last change, counted anew ---- */

enum { MODEL_CALLS = 100000 };
static sy__player_call all[MODEL_CALLS];
static size_t all_count;

static int
by_ms(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Whether an eligible player with these calls would break its promise. */
static bool
model_breaks(double max_error_rate, int64_t p95_ms)
{
    int64_t ms[128], n = 0, failed = 0;
    for (size_t i = all_count; i > 0 && n < rules.calls; i--) {
        if (all_count - i >= (size_t)rules.calls) break;
        if (now - all[i - 1].at_ms >= rules.window_ms) continue;
        ms[n++] = all[i - 1].ms;
        failed += all[i - 1].failed;
    }
    if (n < rules.min_calls) return false;
    qsort(ms, (size_t)n, sizeof *ms, by_ms);
    int64_t rank = 1;
    while (rank * 100 < n * 95) rank++;
    return (double)failed > max_error_rate * (double)n || ms[rank - 1] > p95_ms;
}

static void
random_calls_are_judged_as_the_model_does(void)
{
    sy__player_state model = SY__PLAYER_ELIGIBLE;
    int64_t good = 0, until = 0;
    int changes = 0;
    sy__player p = fresh(0.25, 80);
    srand(7);
    all_count = 0;
    for (int i = 0; i < MODEL_CALLS; i++) {
        int bad = 2 + i / 500 % 40; /* quieter and wilder times */
        now += rand() % 100;
        if (model == SY__PLAYER_SUSPENDED && now >= until) {
            CHECK(choose(&p));
            model = SY__PLAYER_PROBATION;
            good = 0;
        }
        CHECK(sy__player_may(&p, now) == (model != SY__PLAYER_SUSPENDED));
        sy__player_call c = {now, rand() % 100 < bad / 2 ? 90 : rand() % 80, rand() % 100 < bad};
        all[all_count++] = c;
        (void)sy__player_note(&p, &c);
        if (model == SY__PLAYER_ELIGIBLE && model_breaks(0.25, 80)) {
            model = SY__PLAYER_SUSPENDED;
        } else if (model == SY__PLAYER_PROBATION && (c.failed || c.ms > 80)) {
            model = SY__PLAYER_SUSPENDED;
        } else if (model == SY__PLAYER_PROBATION && ++good == rules.trials) {
            model = SY__PLAYER_ELIGIBLE;
            all_count = 0;
            changes++;
        }
        CHECK_INT(p.state, model);
        until = p.until_ms;
        if (p.state == SY__PLAYER_SUSPENDED) CHECK(p.rest_ms >= rules.rest_ms && p.rest_ms <= rules.rest_max_ms);
    }
    CHECK(changes > 20);
    (void)printf("it was reinstated %d times\n", changes);
    sy__player_close(&p);
}

int
main(void)
{
    few_calls_are_not_judged();
    what_it_promised_it_may_just_reach();
    slowness_suspends_too();
    old_calls_are_forgotten();
    after_its_rest_a_few_calls_decide();
    a_bad_trial_makes_the_rest_longer_up_to_a_bound();
    trials_that_tell_nothing_are_given_again();
    a_call_while_suspended_changes_nothing();
    random_calls_are_judged_as_the_model_does();
    TEST_END();
}
