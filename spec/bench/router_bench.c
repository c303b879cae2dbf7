/* router_bench.c: deliveries to C subscribers in one process, one publishing thread unless said otherwise. */
#include "router/router.h"

#include "bench/bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static const char payload[65] = "{\"text\":\"sixty-four bytes of payload, as the figure is defined..\"";

static sy__router *
router(void)
{
    sy__router *r;
    bench_need(sy__router_new(&r, &sy__alloc_default) == SY_OK, "no router");
    return r;
}

static void
count(void *ud, const sy__event *e)
{
    *(int64_t *)ud += e->payload[0] == '{';
}

static void
subscribe(sy__router *r, const char *pattern, sy__event_handler fn, void *ud)
{
    int id;
    bench_need(sy__router_subscribe(r, pattern, fn, ud, &id, NULL) == SY_OK, "a pattern was refused");
}

/* The best of three, as other work shares the machine. */
static double
best_rate(sy__router *r, const char *const *topics, size_t topic_count, int64_t publishes, int64_t first_seq)
{
    double best = 0;
    for (int round = 0; round < 3; round++) {
        double start = bench_seconds();
        for (int64_t i = 0; i < publishes; i++) {
            sy__event e = {.topic = topics[(size_t)i % topic_count],
                           .type = "done",
                           .id = "id",
                           .payload = payload,
                           .seq = first_seq ? first_seq + round * publishes + i : 0};
            sy__router_publish(r, &e);
        }
        double rate = (double)publishes / (bench_seconds() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static void
one_subscriber(const char *what, const char *pattern, const char *topic, int64_t first_seq)
{
    enum { PUBLISHES = 10000000 };
    int64_t hits = 0;
    sy__router *r = router();
    subscribe(r, pattern, count, &hits);
    double rate = best_rate(r, &topic, 1, PUBLISHES, first_seq);
    bench_need(hits == 3LL * PUBLISHES, "deliveries are missing");
    bench_print("router", what, rate, "deliveries/s", 1e7);
    sy__router_free(r);
}

enum { AREAS = 100, SHAPES = 10 };

/* 1,000 patterns; of a topic "areaN.job.M.done" the ten of area N match. */
static void
thousand_wildcards(void)
{
    static const char *const shapes[SHAPES] = {"%s.>",     "%s.*.>",        "%s.job.>", "%s.*.*.done", "%s.job.*.*",
                                               "%s.*.*.*", "%s.job.*.done", "%s.*.*.>", "%s.job.*.>",  "%s.*.*.done"};
    enum { PUBLISHES = 2000000 };
    static char topics[AREAS * 4][64];
    static const char *list[AREAS * 4];
    int64_t hits = 0;
    sy__router *r = router();
    for (int area = 0; area < AREAS; area++)
        for (int shape = 0; shape < SHAPES; shape++) {
            char name[32], pattern[64];
            (void)snprintf(name, sizeof name, "area%d", area);
            (void)snprintf(pattern, sizeof pattern, shapes[shape], name);
            subscribe(r, pattern, count, &hits);
        }
    for (int i = 0; i < AREAS * 4; i++) {
        (void)snprintf(topics[i], sizeof topics[i], "area%d.job.%d.done", i * 37 % AREAS, i);
        list[i] = topics[i];
    }
    double rate = best_rate(r, list, AREAS * 4, PUBLISHES, 0);
    bench_need(hits == 3LL * PUBLISHES * SHAPES, "deliveries are missing");
    bench_print("router", "1,000 wildcard subscriptions, 10 match: publishes", rate, "publishes/s", 1e6);
    bench_print("router", "1,000 wildcard subscriptions, 10 match: deliveries", rate * SHAPES, "deliveries/s", 1e7);
    sy__router_free(r);
}

/* As events of tasks look: two ids in the topic, never the same topic twice. 990 runs are followed, 10 match all. */
static void
task_topics(void)
{
    enum { PUBLISHES = 1000000, TOPICS = 4096 };
    static char topics[TOPICS][128];
    static const char *list[TOPICS];
    int64_t hits = 0;
    sy__router *r = router();
    for (int i = 0; i < 990; i++) {
        char pattern[64];
        (void)snprintf(pattern, sizeof pattern, "run.019ab000-0000-7000-8000-%012d.>", i);
        subscribe(r, pattern, count, &hits);
    }
    for (int i = 0; i < 10; i++) subscribe(r, i < 5 ? "run.*.*.done" : "run.>", count, &hits);
    for (int i = 0; i < TOPICS; i++) {
        (void)snprintf(topics[i], sizeof topics[i],
                       "run.019ab000-0000-7000-9000-%012d.019ab000-0000-7000-a000-%012d.done", i % 7, i);
        list[i] = topics[i];
    }
    double rate = best_rate(r, list, TOPICS, PUBLISHES, 1);
    bench_need(hits == 3LL * PUBLISHES * 10, "deliveries are missing");
    bench_print("router", "topics of tasks, 1,000 wildcard subscriptions, 10 match: publishes", rate, "publishes/s",
                1e6);
    sy__router_free(r);
}

static void
nobody_listens(void)
{
    static const char *const topic = "run.1.2.done";
    sy__router *r = router();
    bench_print("router", "publish without any subscription", best_rate(r, &topic, 1, 10000000, 1), "publishes/s", 0);
    sy__router_free(r);
}

/* ---- several threads ---- */

typedef struct load {
    sy__router *router;
    int64_t publishes;
} load;

static void *
publish_many(void *arg)
{
    load *l = arg;
    sy__event e = {.topic = "run.1.2.done", .payload = payload};
    for (int64_t i = 0; i < l->publishes; i++) sy__router_publish(l->router, &e);
    return NULL;
}

static void
count_shared(void *ud, const sy__event *e)
{
    (void)e;
    (void)atomic_fetch_add_explicit((atomic_llong *)ud, 1, memory_order_relaxed);
}

static void
two_publishers(void)
{
    load l = {router(), 5000000};
    atomic_llong hits = 0;
    pthread_t threads[2];
    subscribe(l.router, "run.>", count_shared, &hits);
    double start = bench_seconds();
    for (int i = 0; i < 2; i++) bench_need(pthread_create(&threads[i], NULL, publish_many, &l) == 0, "no thread");
    for (int i = 0; i < 2; i++) (void)pthread_join(threads[i], NULL);
    double rate = 2.0 * (double)l.publishes / (bench_seconds() - start);
    bench_need(atomic_load(&hits) == 2 * l.publishes, "deliveries are missing");
    bench_print("router", "2 publishing threads, one handler with a shared counter", rate, "deliveries/s", 0);
    sy__router_free(l.router);
}

static void
through_a_follower(void)
{
    enum { EVENTS = 1000000, BATCH = 512 };
    sy__router *r = router();
    sy__follower *f;
    int64_t hits = 0;
    sy__follower_options o = {.pattern = "run.>", .overflow = SY__DROP_OLDEST, .since = -1};
    bench_need(sy__follower_new(&f, r, &o, NULL) == SY_OK, "no follower");
    double start = bench_seconds();
    for (int i = 0; i < EVENTS / BATCH; i++) {
        load l = {r, BATCH};
        (void)publish_many(&l);
        (void)sy__follower_take(f, BATCH, count, &hits);
    }
    bench_need(hits == EVENTS / BATCH * BATCH, "events are missing");
    bench_print("router", "through the queue of a follower", (double)hits / (bench_seconds() - start), "events/s", 0);
    sy__follower_free(f);
    sy__router_free(r);
}

/* What the machine can do at all: calls through a pointer that is read afresh each time. */
static void
the_limit(void)
{
    enum { CALLS = 100000000 };
    int64_t hits = 0;
    sy__event_handler volatile fn = count;
    sy__event e = {.payload = payload};
    double start = bench_seconds();
    for (int i = 0; i < CALLS; i++) fn(&hits, &e);
    bench_print("router", "limit: calls through a pointer", CALLS / (bench_seconds() - start), "calls/s", 0);
}

int
main(void)
{
    the_limit();
    one_subscriber("one subscriber, 64-byte events", "run.>", "run.1.2.done", 0);
    one_subscriber("one subscriber, durable 64-byte events", "run.*.*.done", "run.1.2.done", 1);
    thousand_wildcards();
    task_topics();
    nobody_listens();
    two_publishers();
    through_a_follower();
    return 0;
}
