/*
 * arbiter_bench.c: what it costs to be let in: CPU time of one thread, the best of many short rounds, for other work
 * shares the machine. "alone": one run, nothing scarce: the path of every task.
 */
#include "pit/arbiter/arbiter.h"

#include "bench/bench.h"

enum { JOBS = 10000, ROUNDS = 60, RUNS = 100 };

static sy__arbiter *arbiter;
static sy__gate slots[RUNS], key;
static sy__share runs[RUNS];
static sy__job jobs[JOBS];

static void
chain(int run_count, bool at_key)
{
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (sy__job){.share = &runs[i % run_count], .next = i + 1 < JOBS ? &jobs[i + 1] : NULL};
        if (at_key) jobs[i].gates[1] = &key;
    }
}

/* All are submitted at once, then taken and let through one by one. */
static double
many(int run_count, bool at_key)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        chain(run_count, at_key);
        int64_t start = sy__thread_cpu_ns();
        (void)sy__arbiter_submit(arbiter, jobs);
        for (int i = 0; i < JOBS; i++) {
            sy__job *job = sy__arbiter_take(arbiter);
            bench_need(job != NULL, "a job is missing");
            (void)sy__arbiter_release(arbiter, job);
        }
        double ns = (double)(sy__thread_cpu_ns() - start) / JOBS;
        if (ns < best) best = ns;
    }
    return best;
}

static double
one_by_one(bool direct)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        sy__job job = {.share = &runs[0]};
        int64_t start = sy__thread_cpu_ns();
        for (int i = 0; i < JOBS; i++) {
            job.next = NULL;
            if (direct)
                bench_need(sy__arbiter_admit(arbiter, &job), "not admitted");
            else
                (void)sy__arbiter_submit(arbiter, &job), bench_need(sy__arbiter_take(arbiter) == &job, "not taken");
            (void)sy__arbiter_release(arbiter, &job);
        }
        double ns = (double)(sy__thread_cpu_ns() - start) / JOBS;
        if (ns < best) best = ns;
    }
    return best;
}

/* One inside, 9,999 waiting at the same key. */
static double
waiting(int run_count)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        chain(run_count, true);
        int64_t start = sy__thread_cpu_ns();
        (void)sy__arbiter_submit(arbiter, jobs);
        sy__job *inside = sy__arbiter_take(arbiter);
        bench_need(!sy__arbiter_take(arbiter), "two inside");
        for (int i = 1; i < JOBS; i++) {
            (void)sy__arbiter_release(arbiter, inside);
            inside = sy__arbiter_take(arbiter);
            bench_need(inside != NULL, "nobody let in");
        }
        (void)sy__arbiter_release(arbiter, inside);
        double ns = (double)(sy__thread_cpu_ns() - start) / JOBS;
        if (ns < best) best = ns;
    }
    return best;
}

int
main(void)
{
    bench_need(sy__arbiter_new(&arbiter, &sy__alloc_default, &sy__clock_system) == SY_OK, "no arbiter");
    sy__arbiter_limits(arbiter, 1000, 0);
    key = (sy__gate){.name = "key", .limit = 1};
    for (int i = 0; i < RUNS; i++) {
        slots[i] = (sy__gate){.name = "run", .limit = 64};
        sy__share_init(&runs[i], &slots[i], 1 + i % 7);
    }
    bench_print("arbiter", "alone: a successor taken directly, let through", one_by_one(true), "ns", -200);
    bench_print("arbiter", "alone: submit, take, let through", one_by_one(false), "ns", -200);
    bench_print("arbiter", "alone: 10,000 at once: submit, take, let through", many(1, false), "ns", -200);
    bench_print("arbiter", "100 runs of other weights: submit, take, let through", many(RUNS, false), "ns", -1000);
    bench_print("arbiter", "9,999 wait at one key: wait, take, let through", waiting(1), "ns", -1000);
    bench_print("arbiter", "9,999 of 100 runs wait at one key", waiting(RUNS), "ns", -2000);
    sy__arbiter_free(arbiter);
    return 0;
}
