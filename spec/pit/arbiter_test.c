/* arbiter_test.c: gates, rates, priorities, shares, ageing; and that a closed gate delays nobody else. */
#include "pit/arbiter/arbiter.h"

#include "test.h"

static sy__arbiter *arbiter;
static int64_t now_ns;

static int64_t
fake_ms(void *ud)
{
    (void)ud;
    return now_ns / 1000000;
}

static int64_t
fake_ns(void *ud)
{
    (void)ud;
    return now_ns;
}

static const sy__clock fake = {fake_ms, fake_ns, NULL};
static const int64_t SECOND = 1000000000;

static void
link_jobs(sy__job *jobs, int count)
{
    for (int i = 0; i + 1 < count; i++) jobs[i].next = &jobs[i + 1];
    jobs[count - 1].next = NULL;
}

static void
submit(sy__job *job)
{
    job->next = NULL;
    (void)sy__arbiter_submit(arbiter, job);
}

/* Takes the next job and lets it through. */
static sy__job *
passes_next(void)
{
    sy__job *job = sy__arbiter_take(arbiter);
    if (job) (void)sy__arbiter_release(arbiter, job);
    return job;
}

/* ---- order ---- */

static void
higher_priority_goes_first_and_equals_in_order(void)
{
    sy__job jobs[4] = {{.priority = 0}, {.priority = 5}, {.priority = 0}, {.priority = -99}};
    static const int order[] = {1, 0, 2, 3};
    link_jobs(jobs, 4);
    CHECK_INT(sy__arbiter_submit(arbiter, jobs), 4);
    for (int i = 0; i < 4; i++) {
        sy__job *job = sy__arbiter_take(arbiter);
        CHECK(job == &jobs[order[i]] && !job->waited_at);
        if (job) (void)sy__arbiter_release(arbiter, job);
    }
    CHECK(sy__arbiter_take(arbiter) == NULL);
}

static void
many_jobs_of_one_run_delay_another_by_one_job(void)
{
    enum { MANY = 100000 };
    static sy__job crowd[MANY];
    sy__share big, small;
    sy__job few[3] = {{.share = &small}, {.share = &small}, {.share = &small}};
    sy__share_init(&big, NULL, 1);
    sy__share_init(&small, NULL, 1);
    for (int i = 0; i < MANY; i++) crowd[i] = (sy__job){.share = &big};
    link_jobs(crowd, MANY);
    CHECK_INT(sy__arbiter_submit(arbiter, crowd), MANY);
    for (int i = 0; i < 1000; i++) (void)sy__arbiter_release(arbiter, sy__arbiter_take(arbiter));
    link_jobs(few, 3);
    (void)sy__arbiter_submit(arbiter, few);
    int taken = 0, own = 0;
    for (; own < 3 && taken < 100; taken++) {
        sy__job *job = sy__arbiter_take(arbiter);
        own += job->share == &small;
        (void)sy__arbiter_release(arbiter, job);
    }
    CHECK_INT(own, 3);
    CHECK(taken <= 6);
    for (sy__job *job; (job = sy__arbiter_take(arbiter)); taken++) (void)sy__arbiter_release(arbiter, job);
    CHECK_INT(taken, MANY - 1000 + 3);
}

static void
shares_get_turns_by_weight(void)
{
    enum { RUNS = 4, EACH = 4000 };
    static const int weights[RUNS] = {1, 2, 5, 1000};
    static sy__job jobs[RUNS][EACH];
    static sy__share shares[RUNS];
    int64_t served[RUNS] = {0};
    for (int r = 0; r < RUNS; r++) {
        sy__share_init(&shares[r], NULL, weights[r]);
        for (int i = 0; i < EACH; i++) jobs[r][i] = (sy__job){.share = &shares[r]};
        link_jobs(jobs[r], EACH);
        (void)sy__arbiter_submit(arbiter, jobs[r]);
    }
    for (int i = 0; i < 3000; i++) {
        sy__job *job = sy__arbiter_take(arbiter);
        served[job->share - shares]++;
        (void)sy__arbiter_release(arbiter, job);
        for (int a = 0; a < RUNS; a++) /* the bound of start-time fair queuing, in jobs times weights */
            for (int b = 0; b < a; b++) {
                int64_t apart = served[a] * weights[b] - served[b] * weights[a];
                if (apart < 0) apart = -apart;
                CHECK(apart <= weights[a] + weights[b]);
            }
    }
    int rest = 0;
    for (sy__job *job; (job = sy__arbiter_take(arbiter)); rest++) (void)sy__arbiter_release(arbiter, job);
    CHECK_INT(rest, RUNS * EACH - 3000);
}

/* A run that always has exactly one job ready keeps its weight. */
static void
a_run_that_comes_back_one_job_at_a_time_keeps_its_share(void)
{
    sy__share heavy, light;
    static sy__job crowd[1000];
    sy__job one = {.share = &light};
    sy__share_init(&heavy, NULL, 10);
    sy__share_init(&light, NULL, 1);
    for (int i = 0; i < 1000; i++) crowd[i] = (sy__job){.share = &heavy};
    link_jobs(crowd, 1000);
    (void)sy__arbiter_submit(arbiter, crowd);
    submit(&one);
    int of_light = 0;
    for (int i = 0; i < 550; i++) {
        sy__job *job = sy__arbiter_take(arbiter);
        (void)sy__arbiter_release(arbiter, job);
        if (job != &one) continue;
        of_light++;
        submit(&one);
    }
    CHECK(of_light >= 48 && of_light <= 52);
    CHECK(passes_next() != NULL);
    while (passes_next()) continue;
}

/* ---- ageing ---- */

static void
what_waits_long_rises_and_is_served(void)
{
    sy__job low = {.priority = SY__PRIORITY_MIN}, high[2] = {{.priority = SY__PRIORITY_MAX}, {.priority = 10}};
    sy__arbiter_limits(arbiter, 0, SECOND);
    submit(&low);
    int64_t start = now_ns, waited = 0;
    for (int i = 0; i < 2; i++) submit(&high[i]);
    for (int i = 0; i < 4000 && !waited; i++) { /* constant load of the highest priority, 100 jobs a second */
        now_ns += SECOND / 100;
        sy__job *job = sy__arbiter_take(arbiter);
        (void)sy__arbiter_release(arbiter, job);
        if (job == &low)
            waited = now_ns - start;
        else
            submit(job);
    }
    CHECK(waited >= 20 * SECOND && waited <= 21 * SECOND); /* 20 priorities, a second each */
    now_ns += 1;
    CHECK(passes_next() && passes_next() && !passes_next());
    sy__arbiter_limits(arbiter, 0, 0);
}

/* All have waited equally long: the order of priorities stays. */
static void
ageing_does_not_turn_the_order_round(void)
{
    sy__job low = {.priority = 0}, high = {.priority = 5};
    submit(&low);
    submit(&high);
    now_ns += 3600 * SECOND;
    CHECK(passes_next() == &high);
    CHECK(passes_next() == &low);
}

/* What was served without competition for an hour has not aged when competition comes. */
static void
what_was_served_has_not_aged(void)
{
    sy__share s;
    sy__job low[3] = {{.share = &s}, {.share = &s}, {.share = &s}}, high = {.priority = 1};
    sy__share_init(&s, NULL, 1);
    link_jobs(low, 3);
    (void)sy__arbiter_submit(arbiter, low);
    now_ns += 3600 * SECOND;
    CHECK(passes_next() == &low[0]);
    submit(&high);
    CHECK(passes_next() == &high);
    CHECK(passes_next() == &low[1]);
    CHECK(passes_next() == &low[2]);
}

static void
nobody_starves_at_a_gate(void)
{
    sy__gate g = {.name = "key", .limit = 1};
    sy__job low = {.priority = -10, .gates = {&g}},
            high[2] = {{.priority = 10, .gates = {&g}}, {.priority = 10, .gates = {&g}}};
    sy__arbiter_limits(arbiter, 0, SECOND);
    submit(&high[0]);
    CHECK(sy__arbiter_take(arbiter) == &high[0]);
    submit(&low);
    submit(&high[1]);
    CHECK(!sy__arbiter_take(arbiter));
    sy__job *inside = &high[0];
    int turns = 0;
    for (; inside != &low && turns < 100; turns++) {
        now_ns += SECOND;
        (void)sy__arbiter_release(arbiter, inside);
        sy__job *next = sy__arbiter_take(arbiter);
        CHECK(next && next != inside);
        submit(inside);
        CHECK(!sy__arbiter_take(arbiter));
        inside = next;
    }
    CHECK(turns >= 20 && turns <= 22);
    for (int i = 0; i < 3; i++) {
        (void)sy__arbiter_release(arbiter, inside);
        inside = sy__arbiter_take(arbiter);
        if (!inside) break;
    }
    CHECK_INT(g.inside, 0);
    CHECK(g.queue == NULL);
    sy__arbiter_limits(arbiter, 0, 0);
}

/* ---- gates ---- */

static void
a_full_gate_delays_only_those_that_need_it(void)
{
    sy__gate gpu = {.name = "key gpu", .limit = 1};
    sy__job jobs[4] = {{.gates = {&gpu}}, {.gates = {&gpu}}, {0}, {.gates = {NULL, &gpu}}};
    link_jobs(jobs, 4);
    CHECK_INT(sy__arbiter_submit(arbiter, jobs), 4);
    CHECK(sy__arbiter_take(arbiter) == &jobs[0]);
    CHECK(sy__arbiter_take(arbiter) == &jobs[2]);
    CHECK(sy__arbiter_take(arbiter) == NULL);
    CHECK(jobs[1].waited_at == &gpu && jobs[3].ahead == 1);
    CHECK_INT(sy__arbiter_release(arbiter, &jobs[0]), 1);
    CHECK(sy__arbiter_take(arbiter) == &jobs[1]);
    CHECK_INT(sy__arbiter_release(arbiter, &jobs[2]), 0);
    CHECK_INT(sy__arbiter_release(arbiter, &jobs[1]), 1);
    CHECK(sy__arbiter_take(arbiter) == &jobs[3]);
    (void)sy__arbiter_release(arbiter, &jobs[3]);
    CHECK(gpu.inside == 0 && gpu.waiting == 0 && gpu.queue == NULL);
}

typedef struct told {
    const sy__job *job;
    const sy__gate *at;
} told;

static told told_of[2048];
static int told_count;

static void
tell(void *ud, sy__job *job, const sy__gate *at)
{
    (void)ud;
    told_of[told_count++] = (told){job, at};
}

/* How many are told of now. */
static int
lasting(void)
{
    told_count = 0;
    sy__arbiter_lasting(arbiter, now_ns - SECOND / 10, tell, NULL);
    return told_count;
}

static void
a_wait_that_lasts_is_told_of_once_for_each_place(void)
{
    sy__gate key = {.name = "key", .limit = 1}, run = {.name = "run", .limit = 2};
    sy__share share;
    sy__share_init(&share, &run, 1);
    sy__job jobs[5] = {{.gates = {&key}}, {.gates = {&key}}, {0}, {.gates = {&key}}, {0}};
    for (int i = 0; i < 5; i++) jobs[i].share = &share;
    link_jobs(jobs, 5);
    CHECK_INT(sy__arbiter_submit(arbiter, jobs), 5);
    CHECK(sy__arbiter_take(arbiter) == &jobs[0] && sy__arbiter_take(arbiter) == &jobs[2]);
    CHECK(sy__arbiter_take(arbiter) == NULL); /* jobs[1] waits at the key, the rest for the run */
    CHECK_INT(lasting(), 0);
    now_ns += SECOND;
    CHECK_INT(lasting(), 3);
    CHECK(told_of[0].job == &jobs[1] && told_of[0].at == &key);
    CHECK(told_of[1].job == &jobs[3] && told_of[1].at == &run && told_of[2].job == &jobs[4]);
    CHECK_INT(lasting(), 0);
    (void)sy__arbiter_release(arbiter, &jobs[2]);
    CHECK(sy__arbiter_take(arbiter) == &jobs[4]); /* jobs[3] has come to the key */
    CHECK_INT(lasting(), 1);
    CHECK(told_of[0].job == &jobs[3] && told_of[0].at == &key);
    (void)sy__arbiter_release(arbiter, &jobs[0]);
    CHECK(sy__arbiter_take(arbiter) == &jobs[1]);
    (void)sy__arbiter_release(arbiter, &jobs[1]);
    CHECK(sy__arbiter_take(arbiter) == &jobs[3]);
    CHECK_INT(lasting(), 0);
    (void)sy__arbiter_release(arbiter, &jobs[3]);
    (void)sy__arbiter_release(arbiter, &jobs[4]);
}

static void
a_long_queue_is_told_of_in_parts(void)
{
    enum { MANY = 1000 };
    static sy__job jobs[MANY];
    sy__gate key = {.name = "key", .limit = 1};
    for (int i = 0; i < MANY; i++) jobs[i] = (sy__job){.gates = {&key}};
    link_jobs(jobs, MANY);
    (void)sy__arbiter_submit(arbiter, jobs);
    CHECK(sy__arbiter_take(arbiter) == &jobs[0] && sy__arbiter_take(arbiter) == NULL);
    now_ns += SECOND;
    int all = 0, looks = 0, n;
    while ((n = lasting()) > 0) {
        CHECK(n <= 128 && told_of[0].job == &jobs[1 + all]);
        all += n;
        looks++;
    }
    CHECK(all == MANY - 1 && looks == 8);
    for (int i = 0; i < MANY; i++) {
        (void)sy__arbiter_release(arbiter, &jobs[i]);
        CHECK(sy__arbiter_take(arbiter) == (i + 1 < MANY ? &jobs[i + 1] : NULL));
    }
    CHECK_INT(lasting(), 0);
}

static void
the_whole_host_is_a_place_too(void)
{
    sy__job jobs[2] = {{0}, {0}}, hands_out = {.open = true};
    sy__arbiter_limits(arbiter, 1, 0);
    link_jobs(jobs, 2);
    (void)sy__arbiter_submit(arbiter, jobs);
    submit(&hands_out);
    now_ns += SECOND;
    CHECK_INT(lasting(), 0); /* they wait for a thread, not for a slot */
    CHECK(sy__arbiter_take(arbiter) == &jobs[0] || sy__arbiter_take(arbiter) == &jobs[0]);
    CHECK_INT(lasting(), 1);
    CHECK(told_of[0].job == &jobs[1] && strcmp(told_of[0].at->name, "host") == 0);
    (void)sy__arbiter_release(arbiter, &jobs[0]);
    while (passes_next()) continue;
    sy__arbiter_limits(arbiter, 0, 0);
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

/* The first that waits at `a` needs `b`, too, which is closed: the place at `a` goes to the second. */
static void
a_place_that_the_next_cannot_use_goes_to_the_one_after_it(void)
{
    sy__gate a = {.name = "a", .limit = 1}, b = {.name = "b", .limit = 1};
    sy__job at_a = {.gates = {&a}}, at_b = {.gates = {&b}}, both = {.gates = {&a, &b}}, only_a = {.gates = {&a}};
    CHECK(sy__arbiter_admit(arbiter, &at_a) && sy__arbiter_admit(arbiter, &at_b));
    submit(&both);
    submit(&only_a);
    CHECK(!sy__arbiter_take(arbiter));
    (void)sy__arbiter_release(arbiter, &at_a);
    CHECK(sy__arbiter_take(arbiter) == &only_a);
    (void)sy__arbiter_release(arbiter, &only_a);
    CHECK(!sy__arbiter_take(arbiter));
    (void)sy__arbiter_release(arbiter, &at_b);
    CHECK(sy__arbiter_take(arbiter) == &both);
    (void)sy__arbiter_release(arbiter, &both);
}

static void
a_full_run_delays_no_other_run_at_a_gate(void)
{
    sy__gate slots = {.name = "run", .limit = 1}, g = {.name = "extension", .limit = 1};
    sy__share full, other;
    sy__share_init(&full, &slots, 1);
    sy__share_init(&other, NULL, 1);
    sy__job inside = {.share = &other, .gates = {&g}}, waits = {.share = &full, .gates = {&g}};
    sy__job fills = {.share = &full}, next = {.share = &other, .gates = {&g}};
    CHECK(sy__arbiter_admit(arbiter, &inside));
    submit(&waits);
    CHECK(!sy__arbiter_take(arbiter) && waits.waited_at == &g);
    CHECK(sy__arbiter_admit(arbiter, &fills)); /* now its run is full */
    (void)sy__arbiter_release(arbiter, &inside);
    submit(&next);
    CHECK(sy__arbiter_take(arbiter) == &next);
    (void)sy__arbiter_release(arbiter, &fills);
    CHECK(!sy__arbiter_take(arbiter));
    (void)sy__arbiter_release(arbiter, &next);
    CHECK(sy__arbiter_take(arbiter) == &waits);
    CHECK_INT(slots.inside, 1);
    (void)sy__arbiter_release(arbiter, &waits);
    CHECK(slots.inside == 0 && g.inside == 0 && !full.is_full && !full.stuck);
}

static void
a_full_run_waits_at_its_slots_and_says_so(void)
{
    sy__gate slots = {.name = "run", .limit = 2};
    sy__share s;
    sy__job jobs[4], hands_out = {.share = &s, .open = true}, other = {0};
    sy__share_init(&s, &slots, 1);
    for (int i = 0; i < 4; i++) jobs[i] = (sy__job){.share = &s, .priority = i == 3 ? 1 : 0};
    link_jobs(jobs, 3);
    (void)sy__arbiter_submit(arbiter, jobs);
    CHECK(sy__arbiter_take(arbiter) == &jobs[0] && sy__arbiter_take(arbiter) == &jobs[1]);
    CHECK(!sy__arbiter_take(arbiter));
    CHECK_INT(sy__arbiter_ready(arbiter), 0);
    submit(&jobs[3]);
    submit(&hands_out);
    submit(&other);
    CHECK_INT(sy__arbiter_ready(arbiter), 2);
    sy__job *a = sy__arbiter_take(arbiter), *b = sy__arbiter_take(arbiter);
    CHECK((a == &hands_out && b == &other) || (a == &other && b == &hands_out));
    (void)sy__arbiter_release(arbiter, a);
    (void)sy__arbiter_release(arbiter, b);
    CHECK(!sy__arbiter_take(arbiter));
    CHECK_INT(sy__arbiter_release(arbiter, &jobs[0]), 2);
    CHECK(sy__arbiter_take(arbiter) == &jobs[3]);
    CHECK(jobs[3].waited_at == &slots && jobs[0].waited_at == NULL && hands_out.waited_at == NULL);
    (void)sy__arbiter_release(arbiter, &jobs[3]);
    CHECK(sy__arbiter_take(arbiter) == &jobs[2]);
    (void)sy__arbiter_release(arbiter, &jobs[1]);
    (void)sy__arbiter_release(arbiter, &jobs[2]);
    CHECK_INT(slots.inside, 0);
}

static void
the_host_has_slots_too(void)
{
    sy__job jobs[3] = {{0}, {0}, {.open = true}};
    sy__arbiter_limits(arbiter, 1, 0);
    link_jobs(jobs, 3);
    (void)sy__arbiter_submit(arbiter, jobs);
    int open_seen = 0;
    for (sy__job *job; (job = sy__arbiter_take(arbiter));) open_seen += job->open;
    CHECK_INT(open_seen, 1);
    CHECK_INT(sy__arbiter_ready(arbiter), 0);
    CHECK_INT(sy__arbiter_release(arbiter, &jobs[0]), 1);
    CHECK_INT(sy__arbiter_ready(arbiter), 1);
    CHECK(sy__arbiter_take(arbiter) == &jobs[1]);
    CHECK(jobs[1].waited_at && strcmp(jobs[1].waited_at->name, "host") == 0);
    (void)sy__arbiter_release(arbiter, &jobs[1]);
    sy__arbiter_limits(arbiter, 0, 0);
}

/* ---- rates ---- */

static void
a_rate_lets_a_burst_through_and_then_one_at_a_time(void)
{
    sy__gate g = {.name = "rate"};
    sy__job jobs[6], free_one = {0};
    sy__rate_set(&g.rate, 10, 1000, 3);
    for (int i = 0; i < 6; i++) {
        jobs[i] = (sy__job){.gates = {&g}};
        submit(&jobs[i]);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(sy__arbiter_take(arbiter) == &jobs[i]);
        (void)sy__arbiter_release(arbiter, &jobs[i]);
    }
    CHECK(!sy__arbiter_take(arbiter));
    submit(&free_one);
    CHECK(passes_next() == &free_one);
    for (int i = 3; i < 6; i++) {
        CHECK_INT(sy__arbiter_due(arbiter), now_ns + SECOND / 10);
        now_ns += SECOND / 10 - 1;
        CHECK(!sy__arbiter_take(arbiter));
        now_ns += 1;
        CHECK(sy__arbiter_take(arbiter) == &jobs[i]);
        (void)sy__arbiter_release(arbiter, &jobs[i]);
    }
    CHECK(sy__arbiter_due(arbiter) == INT64_MAX && g.queue == NULL);
    CHECK(jobs[5].waited_at == &g);
}

static void
a_token_is_taken_only_with_all_gates(void)
{
    sy__gate rate = {.name = "rate"}, key = {.name = "key", .limit = 1};
    sy__job holder = {.gates = {&key}}, both = {.gates = {&rate, &key}}, one = {.gates = {&rate}};
    sy__rate_set(&rate.rate, 1, 3600000, 1);
    CHECK(sy__arbiter_admit(arbiter, &holder));
    CHECK(!sy__arbiter_admit(arbiter, &both));
    CHECK(both.waited_at == &key);
    CHECK(sy__arbiter_admit(arbiter, &one)); /* the token is still there */
    (void)sy__arbiter_release(arbiter, &one);
    (void)sy__arbiter_release(arbiter, &holder);
    CHECK(!sy__arbiter_take(arbiter) && both.waited_at == &rate && key.inside == 0);
    now_ns += 3600 * SECOND;
    CHECK(sy__arbiter_take(arbiter) == &both);
    (void)sy__arbiter_release(arbiter, &both);
}

/* ---- taking out ---- */

static bool
is_low(void *ud, sy__job *job)
{
    (void)ud;
    return job->priority < 0;
}

static void
what_is_withdrawn_leaves_the_rest_in_order(void)
{
    sy__gate g = {.name = "g", .limit = 1};
    sy__job low = {.gates = {&g}, .priority = -1}, low2 = {.gates = {&g}, .priority = -1}, high = {.gates = {&g}};
    sy__job inside = {.gates = {&g}};
    CHECK(sy__arbiter_admit(arbiter, &inside));
    submit(&low);
    CHECK(!sy__arbiter_take(arbiter)); /* it waits at the gate */
    submit(&low2);
    submit(&high);
    sy__job *gone = sy__arbiter_withdraw(arbiter, is_low, NULL);
    int count = 0;
    for (; gone; gone = gone->next) count++;
    CHECK_INT(count, 2);
    (void)sy__arbiter_release(arbiter, &inside);
    CHECK(sy__arbiter_take(arbiter) == &high);
    CHECK_INT(g.inside, 1);
    (void)sy__arbiter_release(arbiter, &high);
    CHECK_INT(sy__arbiter_ready(arbiter), 0);
}

static void
a_promised_place_of_what_is_withdrawn_goes_on(void)
{
    sy__gate g = {.name = "g", .limit = 1};
    sy__job inside = {.gates = {&g}}, low = {.gates = {&g}, .priority = -1}, low2 = {.gates = {&g}, .priority = -2};
    sy__job other = {.gates = {&g}, .priority = -3};
    CHECK(sy__arbiter_admit(arbiter, &inside));
    submit(&low);
    submit(&low2);
    submit(&other);
    CHECK(!sy__arbiter_take(arbiter));
    other.priority = 0; /* so that it stays */
    (void)sy__arbiter_release(arbiter, &inside);
    CHECK_INT(g.promised, 1);
    sy__job *gone = sy__arbiter_withdraw(arbiter, is_low, NULL);
    CHECK(gone && gone->next && !gone->next->next);
    CHECK(sy__arbiter_take(arbiter) == &other);
    (void)sy__arbiter_release(arbiter, &other);
}

static void
what_waits_too_long_is_handed_back(void)
{
    sy__gate g = {.name = "g", .limit = 1};
    sy__job inside = {.gates = {&g}}, soon = {.gates = {&g}, .deadline_ns = now_ns + SECOND};
    sy__job late = {.gates = {&g}, .deadline_ns = now_ns + 2 * SECOND}, patient = {.gates = {&g}};
    CHECK(sy__arbiter_admit(arbiter, &inside));
    submit(&late);
    submit(&soon);
    submit(&patient);
    CHECK(!sy__arbiter_take(arbiter) && !sy__arbiter_expired(arbiter));
    now_ns += SECOND;
    sy__job *gone = sy__arbiter_expired(arbiter);
    CHECK(gone == &soon && !gone->next && !sy__arbiter_expired(arbiter));
    now_ns += SECOND;
    CHECK(sy__arbiter_expired(arbiter) == &late);
    now_ns += 3600 * SECOND;
    CHECK(!sy__arbiter_expired(arbiter));
    (void)sy__arbiter_release(arbiter, &inside);
    CHECK(sy__arbiter_take(arbiter) == &patient);
    (void)sy__arbiter_release(arbiter, &patient);
}

/* ---- against a naive model ---- */

enum { M_JOBS = 120, M_GATES = 5, M_SHARES = 4 };
typedef enum state { IDLE, WAITING, INSIDE } state;

typedef struct model {
    sy__job jobs[M_JOBS];
    state state[M_JOBS];
    sy__gate gates[M_GATES], slots[M_SHARES];
    sy__share shares[M_SHARES];
    double tokens[M_GATES]; /* of a bucket that is filled drop by drop */
    int64_t filled_ns[M_GATES];
    int64_t host_limit;
    uint64_t seed;
} model;

static uint32_t
random_of(model *m, uint32_t n)
{
    m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(m->seed >> 33) % n;
}

static int64_t
inside_gate(const model *m, const sy__gate *g)
{
    int64_t n = 0;
    for (int i = 0; i < M_JOBS; i++)
        for (int k = 0; m->state[i] == INSIDE && k < SY__JOB_GATES; k++) n += m->jobs[i].gates[k] == g;
    return n;
}

static int64_t
inside_share(const model *m, const sy__share *s) /* NULL: of the host */
{
    int64_t n = 0;
    for (int i = 0; i < M_JOBS; i++) n += m->state[i] == INSIDE && !m->jobs[i].open && (!s || m->jobs[i].share == s);
    return n;
}

static double
tokens_now(const model *m, int g)
{
    const sy__rate *r = &m->gates[g].rate;
    double tokens = m->tokens[g] + (double)(now_ns - m->filled_ns[g]) / (double)r->every_ns;
    return tokens > (double)r->burst ? (double)r->burst : tokens;
}

static bool
could_pass(const model *m, int i)
{
    const sy__job *job = &m->jobs[i];
    for (int k = 0; k < SY__JOB_GATES; k++) {
        const sy__gate *g = job->gates[k];
        if (!g) continue;
        if (g->limit > 0 && inside_gate(m, g) >= g->limit) return false;
        if (g->rate.every_ns && tokens_now(m, (int)(g - m->gates)) < 1 - 1e-6) return false;
    }
    if (job->open) return true;
    if (m->host_limit && inside_share(m, NULL) >= m->host_limit) return false;
    const sy__gate *slots = job->share->gate;
    return slots->limit == 0 || inside_share(m, job->share) < slots->limit;
}

static void
model_begin(model *m, uint64_t seed)
{
    *m = (model){.seed = seed};
    for (int i = 0; i < M_GATES; i++) {
        m->gates[i] = (sy__gate){.name = "gate", .limit = random_of(m, 4)};
        if (random_of(m, 3) == 0) sy__rate_set(&m->gates[i].rate, 1 + random_of(m, 5), 1000, 1 + random_of(m, 4));
        m->tokens[i] = (double)m->gates[i].rate.burst;
        m->filled_ns[i] = now_ns;
    }
    for (int i = 0; i < M_SHARES; i++) {
        m->slots[i] = (sy__gate){.name = "run", .limit = random_of(m, 6)};
        sy__share_init(&m->shares[i], &m->slots[i], 1 + random_of(m, 20));
    }
    m->host_limit = random_of(m, 3) ? 0 : 1 + random_of(m, 8);
    sy__arbiter_limits(arbiter, m->host_limit, SECOND);
}

static void
model_submit(model *m, int i)
{
    sy__job *job = &m->jobs[i];
    *job = (sy__job){.share = &m->shares[random_of(m, M_SHARES)], .priority = (int)random_of(m, 21) - 10};
    if (random_of(m, 8) == 0)
        job->open = true;
    else
        for (int k = 0; k < SY__JOB_GATES; k++)
            if (random_of(m, 3) == 0) {
                sy__gate *g = &m->gates[random_of(m, M_GATES)];
                bool twice = false;
                for (int j = 0; j < k; j++) twice |= job->gates[j] == g;
                if (!twice) job->gates[k] = g;
            }
    m->state[i] = WAITING;
}

static void
model_enters(model *m, sy__job *job)
{
    int i = (int)(job - m->jobs);
    CHECK(m->state[i] == WAITING && could_pass(m, i));
    m->state[i] = INSIDE;
    for (int k = 0; k < SY__JOB_GATES; k++)
        if (job->gates[k] && job->gates[k]->rate.every_ns) {
            int g = (int)(job->gates[k] - m->gates);
            m->tokens[g] = tokens_now(m, g) - 1;
            m->filled_ns[g] = now_ns;
        }
}

/* Takes all there is; then nobody is left who could pass. */
static void
model_take(model *m)
{
    for (sy__job *job; (job = sy__arbiter_take(arbiter));) model_enters(m, job);
    for (int i = 0; i < M_JOBS; i++) CHECK(m->state[i] != WAITING || !could_pass(m, i));
    CHECK_INT(sy__arbiter_ready(arbiter), 0);
}

static bool
every_third(void *ud, sy__job *job)
{
    model *m = ud;
    return (job - m->jobs) % 3 == 0;
}

static void
model_withdraw(model *m)
{
    int expected = 0, got = 0;
    for (int i = 0; i < M_JOBS; i += 3) expected += m->state[i] == WAITING;
    for (sy__job *job = sy__arbiter_withdraw(arbiter, every_third, m); job; job = job->next, got++)
        m->state[job - m->jobs] = IDLE;
    CHECK_INT(got, expected);
}

static void
model_step(model *m)
{
    int i = (int)random_of(m, M_JOBS);
    switch (random_of(m, 8)) {
    case 0: now_ns += random_of(m, 400000000); break;
    case 1: model_take(m); break;
    case 2:
        if (random_of(m, 10) == 0) model_withdraw(m);
        break;
    default:
        if (m->state[i] == INSIDE) {
            m->state[i] = IDLE;
            (void)sy__arbiter_release(arbiter, &m->jobs[i]);
        } else if (m->state[i] == IDLE) {
            model_submit(m, i);
            if (random_of(m, 3))
                submit(&m->jobs[i]);
            else if (sy__arbiter_admit(arbiter, &m->jobs[i]))
                model_enters(m, &m->jobs[i]);
        }
    }
}

/* Lets everything through; all places must be free then. */
static void
model_end(model *m)
{
    for (bool busy = true; busy;) {
        busy = false;
        now_ns += SECOND;
        model_take(m);
        for (int i = 0; i < M_JOBS; i++) {
            if (m->state[i] != INSIDE) continue;
            busy = true;
            m->state[i] = IDLE;
            (void)sy__arbiter_release(arbiter, &m->jobs[i]);
        }
    }
    for (int i = 0; i < M_JOBS; i++) CHECK(m->state[i] == IDLE);
    for (int i = 0; i < M_GATES; i++)
        CHECK(m->gates[i].inside == 0 && m->gates[i].waiting == 0 && m->gates[i].promised == 0 && !m->gates[i].queue);
    for (int i = 0; i < M_SHARES; i++) {
        CHECK(m->slots[i].inside == 0 && m->shares[i].promised == 0);
        CHECK(!m->shares[i].is_full && !m->shares[i].stuck);
    }
    CHECK_INT(sy__arbiter_due(arbiter), INT64_MAX);
}

static void
agrees_with_a_naive_model(void)
{
    static model m;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        model_begin(&m, seed);
        for (int i = 0; i < 1500; i++) model_step(&m);
        model_end(&m);
    }
    sy__arbiter_limits(arbiter, 0, 0);
}

/* ---- many ---- */

static void
ten_thousand_wait_at_as_many_keys_of_a_hundred_runs(void)
{
    enum { RUNS = 100, KEYS = 5000, JOBS = 2 * KEYS };
    static sy__share runs[RUNS];
    static sy__gate keys[KEYS];
    static sy__job jobs[JOBS];
    int taken = 0;
    for (int i = 0; i < RUNS; i++) sy__share_init(&runs[i], NULL, 1);
    for (int i = 0; i < KEYS; i++) keys[i] = (sy__gate){.name = "key", .limit = 1};
    for (int i = 0; i < JOBS; i++) jobs[i] = (sy__job){.share = &runs[i % RUNS], .gates = {NULL, &keys[i % KEYS]}};
    link_jobs(jobs, JOBS);
    CHECK_INT(sy__arbiter_submit(arbiter, jobs), JOBS);
    while (sy__arbiter_take(arbiter)) taken++;
    CHECK_INT(taken, KEYS);
    for (int i = 0; i < KEYS; i++) CHECK_INT(sy__arbiter_release(arbiter, &jobs[i]), 1);
    while (sy__arbiter_take(arbiter)) taken++;
    CHECK_INT(taken, JOBS);
    for (int i = KEYS; i < JOBS; i++) (void)sy__arbiter_release(arbiter, &jobs[i]);
    for (int i = 0; i < KEYS; i++) CHECK(keys[i].inside == 0 && !keys[i].queue);
}

int
main(void)
{
    CHECK_INT(sy__arbiter_new(&arbiter, &sy__alloc_default, &fake), SY_OK);
    higher_priority_goes_first_and_equals_in_order();
    many_jobs_of_one_run_delay_another_by_one_job();
    shares_get_turns_by_weight();
    a_run_that_comes_back_one_job_at_a_time_keeps_its_share();
    what_waits_long_rises_and_is_served();
    ageing_does_not_turn_the_order_round();
    what_was_served_has_not_aged();
    nobody_starves_at_a_gate();
    a_full_gate_delays_only_those_that_need_it();
    a_wait_that_lasts_is_told_of_once_for_each_place();
    a_long_queue_is_told_of_in_parts();
    the_whole_host_is_a_place_too();
    a_job_that_waits_holds_nothing();
    a_place_that_the_next_cannot_use_goes_to_the_one_after_it();
    a_full_run_delays_no_other_run_at_a_gate();
    a_full_run_waits_at_its_slots_and_says_so();
    the_host_has_slots_too();
    a_rate_lets_a_burst_through_and_then_one_at_a_time();
    a_token_is_taken_only_with_all_gates();
    what_is_withdrawn_leaves_the_rest_in_order();
    a_promised_place_of_what_is_withdrawn_goes_on();
    what_waits_too_long_is_handed_back();
    agrees_with_a_naive_model();
    ten_thousand_wait_at_as_many_keys_of_a_hundred_runs();
    sy__arbiter_free(arbiter);
    TEST_END();
}
