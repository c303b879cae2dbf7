/* router_test.c: patterns, direct subscriptions, and threads that come and go. */
#include "router/router.h"

#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static void
match(const char *pattern, const char *topic, bool want)
{
    CHECK(sy__topic_pattern_valid(pattern));
    if (sy__topic_match(pattern, topic) == want) {
        CHECK(true);
        return;
    }
    (void)fprintf(stderr, "pattern %s, topic %s: expected %d\n", pattern, topic, want);
    CHECK(false);
}

static void
matches_by_words(void)
{
    match("a", "a", true);
    match("a", "b", false);
    match("a.b", "a.b", true);
    match("a.b", "a", false);
    match("a", "a.b", false);
    match("*", "a", true);
    match("*", "a.b", false);
    match("a.*", "a.b", true);
    match("a.*", "a", false);
    match("*.b", "a.b", true);
    match("*.*.c", "a.b.c", true);
    match(">", "a", true);
    match(">", "a.b.c", true);
    match("a.>", "a", false);
    match("a.>", "a.b", true);
    match("a.>", "a.b.c", true);
    match("a.*.>", "a.b", false);
    match("a.*.>", "a.b.c.d", true);
    match("ab", "a.b", false);
    match("a", "", false);
    match(">", "", false);
    match(">", "a..b", false);
    match("a.>", "a.", false);
}

static void
refuses_malformed_patterns(void)
{
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", ">.a", "a.>.b", "a*", "*a.b", "a.b>", "**"};
    char deep[128] = "a";
    for (int i = 0; i < 31; i++) strcat(deep, ".a");
    CHECK(sy__topic_pattern_valid(deep));
    strcat(deep, ".a");
    CHECK(!sy__topic_pattern_valid(deep));
    CHECK(!sy__topic_pattern_valid(NULL));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!sy__topic_pattern_valid(bad[i]));
    sy__router *r;
    sy__error err = {0};
    int id = 0;
    CHECK_INT(sy__router_new(&r, &sy__alloc_default), SY_OK);
    CHECK_INT(sy__router_subscribe(r, "a..b", NULL, NULL, &id, &err), SY_EUSAGE);
    CHECK(strstr(err.message, "a..b") != NULL);
    CHECK(err.hint[0] != '\0');
    sy__router_free(r);
}

static void
count(void *ud, const sy__event *event)
{
    (void)event;
    ++*(int *)ud;
}

static void
publish(sy__router *r, const char *topic)
{
    sy__event e = {.topic = topic, .id = "1", .payload = "{}"};
    sy__router_publish(r, &e);
}

/* Every pattern of a family against every topic of a family: the tree must agree with sy__topic_match. */
static void
the_tree_agrees_with_the_matcher(void)
{
    static const char *const words[] = {"a", "b", "*", ">", "long-word-of-more-than-eight-bytes"};
    enum { WORDS = 5, PATTERNS = WORDS + WORDS * WORDS + WORDS * WORDS * WORDS };
    static char patterns[PATTERNS][128];
    static int ids[PATTERNS], hits[PATTERNS];
    int n = 0;
    sy__router *r;
    CHECK_INT(sy__router_new(&r, &sy__alloc_default), SY_OK);
    for (int i = 0; i < WORDS; i++) (void)snprintf(patterns[n++], 128, "%s", words[i]);
    for (int i = 0; i < WORDS * WORDS; i++)
        (void)snprintf(patterns[n++], 128, "%s.%s", words[i % WORDS], words[i / WORDS]);
    for (int i = 0; i < WORDS * WORDS * WORDS; i++)
        (void)snprintf(patterns[n++], 128, "%s.%s.%s", words[i % WORDS], words[i / WORDS % WORDS],
                       words[i / WORDS / WORDS]);
    for (int i = 0; i < n; i++)
        if (sy__topic_pattern_valid(patterns[i]))
            CHECK_INT(sy__router_subscribe(r, patterns[i], count, &hits[i], &ids[i], NULL), SY_OK);
    for (int round = 0; round < 2; round++) {
        for (int t = 0; t < n; t++) {
            int wrong = 0;
            memset(hits, 0, sizeof hits);
            publish(r, patterns[t]);
            for (int i = 0; i < n; i++) wrong += hits[i] != (ids[i] && sy__topic_match(patterns[i], patterns[t]));
            CHECK_INT(wrong, 0);
        }
        for (int i = 0; i < n; i += 2) /* the second round has holes in the tree */
            if (ids[i]) CHECK_INT(sy__router_unsubscribe(r, ids[i]), round ? SY_ENOTFOUND : SY_OK);
        for (int i = 0; i < n; i += 2) ids[i] = round ? ids[i] : 0;
    }
    sy__router_free(r);
}

static void
subscribes_and_unsubscribes(void)
{
    sy__router *r;
    int a = 0, b = 0, id_a = 0, id_b = 0;
    CHECK_INT(sy__router_new(&r, &sy__alloc_default), SY_OK);
    publish(r, "run.1");
    CHECK_INT(sy__router_subscribe(r, "run.>", count, &a, &id_a, NULL), SY_OK);
    CHECK_INT(sy__router_subscribe(r, "run.*", count, &b, &id_b, NULL), SY_OK);
    CHECK(id_a > 0 && id_b > id_a);
    publish(r, "run.1");
    publish(r, "run.1.2");
    CHECK_INT(a, 2);
    CHECK_INT(b, 1);
    CHECK_INT(sy__router_unsubscribe(r, id_a), SY_OK);
    CHECK_INT(sy__router_unsubscribe(r, id_a), SY_ENOTFOUND);
    publish(r, "run.1");
    CHECK_INT(a, 2);
    CHECK_INT(b, 2);
    publish(r, "run..1");
    sy__event none = {0};
    sy__router_publish(r, &none);
    CHECK_INT(b, 2);
    sy__router_free(r);
}

/* An allocator that fails from the nth call on. */
typedef struct poor {
    int left;
} poor;

static void *
poor_alloc(void *ud, void *ptr, size_t bytes)
{
    poor *p = ud;
    if (bytes == 0) {
        free(ptr);
        return NULL;
    }
    return p->left-- > 0 ? realloc(ptr, bytes) : NULL;
}

static void
survives_no_memory(void)
{
    for (int n = 0; n < 40; n++) {
        poor p = {n};
        sy__alloc a = {poor_alloc, &p};
        sy__router *r;
        int hits = 0, id;
        if (sy__router_new(&r, &a)) continue;
        static const char *const patterns[] = {"a.b.c", "a.*.d", "a.>", "x.y", "x.z"};
        int made = 0;
        for (int i = 0; i < 5; i++) {
            int rc = sy__router_subscribe(r, patterns[i], count, &hits, &id, NULL);
            CHECK(rc == SY_OK || rc == SY_ENOMEM);
            made += rc == SY_OK;
        }
        for (int i = 0; i < 5; i++) publish(r, i == 0 ? "a.b.c" : i == 1 ? "a.q.d" : i == 2 ? "q" : patterns[i]);
        CHECK(hits <= made + 2 && (made == 0) == (hits == 0));
        sy__router_free(r);
    }
}

/* ---- threads ---- */

typedef struct crowd {
    sy__router *router;
    atomic_bool stop;
    atomic_long published;
} crowd;

typedef struct guest {
    atomic_bool alive;
    atomic_long hits;
    atomic_long late;
} guest;

static void
visit(void *ud, const sy__event *event)
{
    guest *g = ud;
    (void)event;
    if (atomic_load(&g->alive))
        (void)atomic_fetch_add(&g->hits, 1);
    else
        (void)atomic_fetch_add(&g->late, 1);
}

static void *
publisher(void *arg)
{
    crowd *c = arg;
    static const char *const topics[] = {"run.1.2.done", "run.1.3.task_started", "kit.git.loaded", "host.open"};
    for (long i = 0; !atomic_load(&c->stop); i++) {
        publish(c->router, topics[i & 3]);
        (void)atomic_fetch_add(&c->published, 1);
    }
    return NULL;
}

/* Subscriptions come and go under fire; after unsubscribe no handler is entered any more. */
static void
unsubscribe_waits_for_handlers(void)
{
    static const char *const patterns[] = {"run.*.*.done", "run.>", "kit.git.loaded", ">", "host.*", "run.1.3.*"};
    enum { THREADS = 4, ROUNDS = 2000 };
    crowd c = {0};
    pthread_t threads[THREADS];
    long late = 0, hits = 0, base = 0;
    int always = 0;
    guest stays = {.alive = true};
    CHECK_INT(sy__router_new(&c.router, &sy__alloc_default), SY_OK);
    CHECK_INT(sy__router_subscribe(c.router, ">", visit, &stays, &always, NULL), SY_OK);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, publisher, &c) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        guest *g = calloc(1, sizeof *g);
        int id = 0;
        atomic_store(&g->alive, true);
        CHECK_INT(sy__router_subscribe(c.router, patterns[i % 6], visit, g, &id, NULL), SY_OK);
        long seen = atomic_load(&c.published);
        while (i % 50 == 0 && atomic_load(&c.published) < seen + 8) (void)sched_yield();
        CHECK_INT(sy__router_unsubscribe(c.router, id), SY_OK);
        atomic_store(&g->alive, false);
        hits += atomic_load(&g->hits);
        late += atomic_load(&g->late);
        free(g);
    }
    atomic_store(&c.stop, true);
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    base = atomic_load(&c.published);
    CHECK_INT(late, 0);
    CHECK(hits > 0);
    CHECK_INT(atomic_load(&stays.hits), base);
    sy__router_free(c.router);
}

int
main(void)
{
    matches_by_words();
    refuses_malformed_patterns();
    the_tree_agrees_with_the_matcher();
    subscribes_and_unsubscribes();
    survives_no_memory();
    unsubscribe_waits_for_handlers();
    TEST_END();
}
