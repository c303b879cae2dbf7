/*
 * follower_test.c: queues that overflow and go on from the store. The store is an array in memory that
 * assigns seq and publishes in its order, as the database's writer does.
 */
#include "router/router.h"

#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { STORE_MAX = 200000, GROUP_MAX = 40 };

typedef struct row {
    int thread, number; /* who published, and its how manyth */
    bool mine;          /* its topic matches "run.*.mine" */
} row;

typedef struct store {
    sy__router *router;
    pthread_mutex_t commit; /* one group at a time: committed, then published */
    pthread_mutex_t lock;   /* guards rows and count */
    row *rows;
    int count;
    int broken; /* the next replays fail */
} store;

static void
store_init(store *s)
{
    *s = (store){0};
    CHECK_INT(sy__router_new(&s->router, &sy__alloc_default), SY_OK);
    (void)pthread_mutex_init(&s->commit, NULL);
    (void)pthread_mutex_init(&s->lock, NULL);
    s->rows = calloc(STORE_MAX, sizeof *s->rows);
}

static void
store_close(store *s)
{
    sy__router_free(s->router);
    (void)pthread_mutex_destroy(&s->commit);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->rows);
}

static void
make_event(sy__event *e, char payload[48], const row *r, int64_t seq)
{
    (void)snprintf(payload, 48, "%d %d", r->thread, r->number);
    *e = (sy__event){.seq = seq, .topic = r->mine ? "run.1.mine" : "run.1.other", .id = "x", .payload = payload};
}

static void
store_append(store *s, const row *rows, int n)
{
    (void)pthread_mutex_lock(&s->lock);
    memcpy(s->rows + s->count, rows, sizeof *rows * n);
    s->count += n;
    (void)pthread_mutex_unlock(&s->lock);
}

/* Commits a group and then publishes it. `foreign`: another process committed it, nobody publishes. */
static void
store_commit(store *s, const row *rows, int n, bool foreign)
{
    (void)pthread_mutex_lock(&s->commit);
    int64_t seq = s->count;
    store_append(s, rows, n);
    for (int i = 0; i < n && !foreign; i++) {
        sy__event e;
        char payload[48];
        make_event(&e, payload, &rows[i], seq + i + 1);
        sy__router_publish(s->router, &e);
    }
    (void)pthread_mutex_unlock(&s->commit);
}

static int
store_replay(void *ud, const char *pattern, int64_t after, int max, sy__event_handler each, void *each_ud)
{
    store *s = ud;
    int n = 0;
    (void)pthread_mutex_lock(&s->lock);
    int broken = s->broken > 0 ? s->broken-- : 0;
    for (int64_t i = after; i < s->count && n < max && !broken; i++) {
        sy__event e;
        char payload[48];
        make_event(&e, payload, &s->rows[i], i + 1);
        if (!sy__topic_match(pattern, e.topic)) continue;
        each(each_ud, &e);
        n++;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return broken ? SY_EIO : n;
}

/* ---- what a consumer saw ---- */

enum { THREADS = 8 };

typedef struct seen {
    int64_t last_seq;
    int last_number[THREADS + 1];
    int durable, fleeting, disorder;
} seen;

static void
see(void *ud, const sy__event *e)
{
    seen *s = ud;
    int thread = 0, number = 0;
    CHECK(sscanf(e->payload, "%d %d", &thread, &number) == 2);
    if (e->seq > 0) {
        s->disorder += e->seq <= s->last_seq;
        s->last_seq = e->seq;
        s->durable++;
    } else {
        s->fleeting++;
    }
    s->disorder += number <= s->last_number[thread];
    s->last_number[thread] = number;
}

static sy__follower *
follow(store *s, size_t queue, sy__overflow overflow, int64_t since)
{
    sy__follower *f = NULL;
    sy__follower_options o = {.pattern = "run.*.mine",
                              .queue_events = queue,
                              .overflow = overflow,
                              .since = since,
                              .replay = store_replay,
                              .replay_ud = s};
    CHECK_INT(sy__follower_new(&f, s->router, &o, NULL), SY_OK);
    return f;
}

static int
take_all(sy__follower *f, seen *s)
{
    int n = 0, got;
    while ((got = sy__follower_take(f, 7, see, s)) > 0) n += got;
    return got < 0 ? got : n;
}

static void
commit_mine(store *s, int from, int n, bool foreign)
{
    for (int i = 0; i < n; i++) store_commit(s, &(row){0, from + i, true}, 1, foreign);
}

static void
publish_fleeting(store *s, int thread, int number)
{
    sy__event e;
    char payload[48];
    make_event(&e, payload, &(row){thread, number, true}, 0);
    sy__router_publish(s->router, &e);
}

/* ---- one thread ---- */

static void
drops_the_oldest(void)
{
    store s;
    seen got = {0};
    store_init(&s);
    sy__follower *f = follow(&s, 4, SY__DROP_OLDEST, -1);
    commit_mine(&s, 1, 10, false);
    CHECK_INT(take_all(f, &got), 4);
    CHECK_INT(got.last_number[0], 10);
    CHECK_INT(got.disorder, 0);
    CHECK_INT(sy__follower_dropped(f), 6);
    CHECK_INT(sy__follower_cursor(f), 10);
    sy__follower_free(f);
    store_close(&s);
}

static void
replays_what_did_not_fit(void)
{
    store s;
    seen got = {0};
    store_init(&s);
    commit_mine(&s, 1, 3, false);
    sy__follower *f = follow(&s, 4, SY__REPLAY, -1);
    CHECK_INT(take_all(f, &got), 0);
    commit_mine(&s, 4, 3, false);
    CHECK_INT(take_all(f, &got), 3);
    commit_mine(&s, 7, 500, false);
    CHECK_INT(take_all(f, &got), 500);
    CHECK_INT(take_all(f, &got), 0);
    CHECK_INT(got.disorder, 0);
    CHECK_INT(sy__follower_cursor(f), 506);
    CHECK_INT(sy__follower_dropped(f), 0);
    sy__follower_free(f);
    store_close(&s);
}

static void
begins_where_it_is_told(void)
{
    store s;
    seen got = {0};
    store_init(&s);
    commit_mine(&s, 1, 300, false);
    sy__follower *f = follow(&s, 4, SY__REPLAY, 100);
    commit_mine(&s, 301, 2, false);
    CHECK_INT(take_all(f, &got), 202);
    commit_mine(&s, 303, 2, false);
    CHECK_INT(take_all(f, &got), 2);
    CHECK_INT(got.disorder, 0);
    CHECK_INT(got.last_seq, 304);
    sy__follower_free(f);
    store_close(&s);
}

static void
sees_what_another_process_committed(void)
{
    store s;
    seen got = {0};
    store_init(&s);
    sy__follower *f = follow(&s, 8, SY__REPLAY, 0);
    commit_mine(&s, 1, 2, false);
    CHECK_INT(take_all(f, &got), 2);
    commit_mine(&s, 3, 2, true);
    CHECK_INT(take_all(f, &got), 0);
    sy__router_catch_up(s.router);
    CHECK_INT(take_all(f, &got), 2);
    commit_mine(&s, 5, 3, true); /* nobody tells, but the next event has a hole before it */
    commit_mine(&s, 8, 1, false);
    CHECK_INT(take_all(f, &got), 4);
    CHECK_INT(got.disorder, 0);
    CHECK_INT(got.durable, 8);
    sy__follower_free(f);
    store_close(&s);
}

static void
keeps_others_in_their_place(void)
{
    store s;
    seen got = {0};
    store_init(&s);
    sy__follower *f = follow(&s, 6, SY__REPLAY, -1);
    commit_mine(&s, 1, 4, false);
    publish_fleeting(&s, 0, 5);
    commit_mine(&s, 6, 2, false); /* overflows */
    publish_fleeting(&s, 0, 8);
    commit_mine(&s, 9, 100, false);
    publish_fleeting(&s, 0, 109);
    CHECK_INT(take_all(f, &got), 109);
    CHECK_INT(got.disorder, 0);
    CHECK_INT(got.fleeting, 3);
    CHECK_INT(sy__follower_dropped(f), 0);
    for (int i = 0; i < 20; i++) publish_fleeting(&s, 0, 200 + i);
    CHECK_INT(take_all(f, &got), 6);
    CHECK_INT(sy__follower_dropped(f), 14);
    CHECK_INT(got.last_number[0], 219);
    sy__follower_free(f);
    store_close(&s);
}

static void
goes_on_after_a_failed_replay(void)
{
    store s;
    seen got = {0};
    store_init(&s);
    sy__follower *f = follow(&s, 2, SY__REPLAY, 0);
    commit_mine(&s, 1, 9, false);
    s.broken = 1;
    CHECK_INT(take_all(f, &got), SY_EIO);
    CHECK_INT(take_all(f, &got), 9);
    CHECK_INT(got.disorder, 0);
    sy__follower_free(f);
    store_close(&s);
}

static void
wake_one(void *ud)
{
    ++*(int *)ud;
}

static void
wakes_once_for_an_empty_queue(void)
{
    store s;
    seen got = {0};
    int wakes = 0;
    store_init(&s);
    sy__follower *f = NULL;
    sy__follower_options o = {.pattern = "run.>",
                              .queue_events = 3,
                              .overflow = SY__REPLAY,
                              .since = -1,
                              .replay = store_replay,
                              .replay_ud = &s,
                              .wake = wake_one,
                              .wake_ud = &wakes};
    CHECK_INT(sy__follower_new(&f, s.router, &o, NULL), SY_OK);
    commit_mine(&s, 1, 10, false);
    CHECK_INT(wakes, 1);
    CHECK_INT(take_all(f, &got), 10);
    commit_mine(&s, 11, 1, false);
    CHECK_INT(wakes, 2);
    sy__follower_free(f);
    o.replay = NULL;
    sy__error err = {0};
    CHECK_INT(sy__follower_new(&f, s.router, &o, &err), SY_EUSAGE);
    CHECK(f == NULL);
    o.overflow = SY__DROP_OLDEST;
    o.pattern = "a..b";
    CHECK_INT(sy__follower_new(&f, s.router, &o, &err), SY_EUSAGE);
    store_close(&s);
}

/* ---- eight publishing threads, a follower that is cut off again and again ---- */

enum { PER_THREAD = 12000, CUTS = 200 };

typedef struct writer {
    store *store;
    int thread;
    atomic_int *fleeting; /* published with seq 0 */
} writer;

static void *
write_groups(void *arg)
{
    writer *w = arg;
    row group[GROUP_MAX];
    unsigned dice = 12345u * (unsigned)(w->thread + 1);
    for (int number = 1; number <= PER_THREAD;) {
        dice = dice * 1664525u + 1013904223u;
        int n = 1 + (int)(dice >> 24) % GROUP_MAX, in_group = 0;
        for (; in_group < n && number <= PER_THREAD; number++)
            group[in_group++] = (row){w->thread, number, number % 3 != 0};
        store_commit(w->store, group, in_group, w->thread == 7 && (dice & 0x10000));
        if (n == 5) {
            (void)atomic_fetch_add(w->fleeting, 1);
            publish_fleeting(w->store, THREADS, 0);
        }
        (void)sched_yield();
    }
    return NULL;
}

/* As `see`, without the numbers of fleeting events: those of several threads have no common order. */
static void
see_crowd(void *ud, const sy__event *e)
{
    seen *s = ud;
    if (e->seq > 0)
        see(ud, e);
    else
        s->fleeting++;
}

/* Takes a little, is freed, and a new follower goes on from its cursor; `queue` of 16 overflows all the time. */
static int64_t
follow_and_break_off(store *s, seen *got, int64_t cursor, int rounds)
{
    sy__follower *f = follow(s, 16, SY__REPLAY, cursor);
    for (int i = 0; i < rounds; i++) {
        (void)sy__follower_take(f, 1 + i * 7 % 90, see_crowd, got);
        if (i % 5 == 0) (void)sched_yield();
        if (i % 11 == 0) sy__router_catch_up(s->router);
    }
    cursor = sy__follower_cursor(f);
    sy__follower_free(f);
    return cursor;
}

static int
store_count(store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    int n = s->count;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

static void
none_missing_none_twice(void)
{
    store s;
    static seen got, steady;
    writer writers[THREADS];
    pthread_t threads[THREADS];
    atomic_int fleeting = 0;
    int64_t cursor = 0;
    store_init(&s);
    sy__follower *always = follow(&s, 32, SY__REPLAY, 0); /* one that stays and falls behind */
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (writer){&s, i, &fleeting};
        CHECK(pthread_create(&threads[i], NULL, write_groups, &writers[i]) == 0);
    }
    for (int i = 0; i < CUTS; i++) { /* spread over the whole time of publishing */
        while (store_count(&s) < THREADS * PER_THREAD / CUTS * i) (void)sched_yield();
        cursor = follow_and_break_off(&s, &got, cursor, 1 + i % 6);
        (void)sy__follower_take(always, 40, see_crowd, &steady);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    sy__router_catch_up(s.router);
    sy__follower *f = follow(&s, 16, SY__REPLAY, cursor);
    while (sy__follower_take(f, 100, see_crowd, &got) > 0) continue;
    while (sy__follower_take(always, 100, see_crowd, &steady) > 0) continue;
    int want = 0;
    for (int i = 0; i < s.count; i++) want += s.rows[i].mine;
    CHECK_INT(s.count, THREADS * PER_THREAD);
    CHECK_INT(got.durable, want);
    CHECK_INT(got.disorder, 0);
    CHECK_INT(steady.durable, want);
    CHECK_INT(steady.disorder, 0);
    CHECK_INT(steady.fleeting + sy__follower_dropped(always), atomic_load(&fleeting));
    sy__follower_free(f);
    sy__follower_free(always);
    store_close(&s);
}

int
main(void)
{
    drops_the_oldest();
    replays_what_did_not_fit();
    begins_where_it_is_told();
    sees_what_another_process_committed();
    keeps_others_in_their_place();
    goes_on_after_a_failed_replay();
    wakes_once_for_an_empty_queue();
    none_missing_none_twice();
    TEST_END();
}
