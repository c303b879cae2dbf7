/* arbiter_test.c: gates, priorities, and that a full gate delays nobody else. */
#include "pit/arbiter.h"

#include "test.h"

static sy__arbiter *arbiter;

static void
link_jobs(sy__job *jobs, int count)
{
    for (int i = 0; i + 1 < count; i++) jobs[i].next = &jobs[i + 1];
    jobs[count - 1].next = NULL;
}

static void
higher_priority_goes_first_and_equals_in_order(void)
{
    sy__job jobs[4] = {{.priority = 0}, {.priority = 5}, {.priority = 0}, {.priority = -99}};
    link_jobs(jobs, 4);
    CHECK_INT(sy__arbiter_submit(arbiter, jobs), 4);
    CHECK(sy__arbiter_take(arbiter) == &jobs[1]);
    CHECK(sy__arbiter_take(arbiter) == &jobs[0]);
    CHECK(sy__arbiter_take(arbiter) == &jobs[2]);
    CHECK(sy__arbiter_take(arbiter) == &jobs[3]);
    CHECK(sy__arbiter_take(arbiter) == NULL);
}

static void
a_full_gate_delays_only_those_that_need_it(void)
{
    sy__gate gpu = {.name = "key gpu", .limit = 1}, run = {.name = "run", .limit = 10};
    sy__job jobs[4] = {{.gates = {&run, &gpu}}, {.gates = {&run, &gpu}}, {.gates = {&run}}, {.gates = {&run, &gpu}}};
    link_jobs(jobs, 4);
    CHECK_INT(sy__arbiter_submit(arbiter, jobs), 4);
    CHECK(sy__arbiter_take(arbiter) == &jobs[0]);
    CHECK(sy__arbiter_take(arbiter) == &jobs[2]);
    CHECK(sy__arbiter_take(arbiter) == NULL);
    CHECK(jobs[1].waited_at == &gpu);
    CHECK_INT(run.inside, 2);
    CHECK_INT(sy__arbiter_release(arbiter, &jobs[0]), 1);
    CHECK(sy__arbiter_take(arbiter) == &jobs[1]);
    CHECK_INT(sy__arbiter_release(arbiter, &jobs[2]), 0);
    CHECK_INT(sy__arbiter_release(arbiter, &jobs[1]), 1);
    CHECK(sy__arbiter_take(arbiter) == &jobs[3]);
    (void)sy__arbiter_release(arbiter, &jobs[3]);
    CHECK(gpu.inside == 0 && run.inside == 0);
}

static void
a_job_that_waits_holds_nothing(void)
{
    sy__gate a = {.name = "a", .limit = 1}, b = {.name = "b", .limit = 1};
    sy__job first = {.gates = {&a}}, both = {.gates = {&b, &a}}, last = {.gates = {&b}};
    CHECK(sy__arbiter_admit(arbiter, &first));
    CHECK(!sy__arbiter_admit(arbiter, &both));
    CHECK(sy__arbiter_admit(arbiter, &last));
    CHECK_INT(sy__arbiter_release(arbiter, &first), 1);
    CHECK(sy__arbiter_take(arbiter) == NULL); /* it moves on to wait at b */
    CHECK(both.waited_at == &b && a.inside == 0);
    CHECK_INT(sy__arbiter_release(arbiter, &last), 1);
    CHECK(sy__arbiter_take(arbiter) == &both);
    (void)sy__arbiter_release(arbiter, &both);
}

static bool
is_low(void *ud, sy__job *job)
{
    (void)ud;
    return job->priority < 0;
}

static void
what_is_withdrawn_leaves_the_rest_in_order(void)
{
    sy__gate g = {.name = "g", .limit = 1}, *gates[] = {&g};
    sy__job low = {.gates = {&g}, .priority = -1}, low2 = {.gates = {&g}, .priority = -1}, high = {.gates = {&g}};
    low.next = &low2;
    low2.next = &high;
    CHECK_INT(sy__arbiter_submit(arbiter, &low), 3);
    sy__job *gone = sy__arbiter_withdraw(arbiter, gates, 1, is_low, NULL);
    int count = 0;
    for (; gone; gone = gone->next) count++;
    CHECK_INT(count, 2);
    CHECK(sy__arbiter_take(arbiter) == &high);
    CHECK_INT(g.inside, 1);
    (void)sy__arbiter_release(arbiter, &high);
    CHECK_INT(sy__arbiter_ready(arbiter), 0);
}

int
main(void)
{
    CHECK_INT(sy__arbiter_new(&arbiter, &sy__alloc_default, &sy__clock_system), SY_OK);
    higher_priority_goes_first_and_equals_in_order();
    a_full_gate_delays_only_those_that_need_it();
    a_job_that_waits_holds_nothing();
    what_is_withdrawn_leaves_the_rest_in_order();
    sy__arbiter_free(arbiter);
    TEST_END();
}
