/*
 * watchdog_test.c: the watchdog's signal comes while its thread computes and never while it waits; what it is there
 * for, a limit in a loop that looks at nothing, cancelling from another thread and sharing the thread, holds without a
 * count of instructions; and no signal is taken from anybody.
 */
#include "kit/isolate.h"
#include "kit/watchdog.h"

#include "test.h"

#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char source[] = "local M = {}\n"
                             "function M.loop() for _ = 1, math.maxinteger do end end\n"
                             "function M.endless(_, ctx) ctx.stream('go') while true do end end\n"
                             "function M.sum() local s = 0 for i = 1, 1000 do s = s + i end return s end\n"
                             "function M.long() local s = 0 for i = 1, 20000000 do s = s + i end return s end\n"
                             "return M\n";

static sy__watchdog watchdog;

static sy__isolate *
open_isolate(struct event_base *loop, int *busy)
{
    sy__isolate *iso;
    sy__error err = {0};
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = "watched",
                             .loop = loop,
                             .busy = busy,
                             .watchdog = &watchdog};
    CHECK_INT(sy__isolate_new(&iso, &o, &err), SY_OK);
    CHECK_INT(sy__isolate_load(iso, source, sizeof source - 1, "init.lua", 0, &err), SY_OK);
    return iso;
}

static void
burn_ms(int64_t ms)
{
    int64_t end = sy__thread_cpu_ns() + ms * 1000000;
    while (sy__thread_cpu_ns() < end) continue;
}

/* ---- the signal ---- */

static void
on_other(int signum)
{
    (void)signum;
}

static void
takes_what_is_free_only(int signum)
{
    struct sigaction others = {.sa_handler = on_other}, now;
    sy__error err = {0};
    int used = signum - 1;
    CHECK_INT(sy__watchdog_take(SIGUSR1, &err), SY_EUSAGE);
    CHECK(strstr(err.message, "real-time") != NULL);
    CHECK_INT(sigaction(used, &others, NULL), 0);
    CHECK_INT(sy__watchdog_take(used, &err), SY_EUSAGE);
    CHECK(strstr(err.message, "handler") != NULL);
    CHECK_INT(sigaction(used, NULL, &now), 0);
    CHECK(now.sa_handler == on_other);
    CHECK(sy__watchdog_free_signal() != used);
    CHECK_INT(sy__watchdog_take(signum, &err), SY_OK); /* a second host of the process */
    CHECK_INT(sy__watchdog_free_signal(), signum);
    CHECK_INT(sigaction(signum, NULL, &now), 0);
    CHECK((now.sa_flags & SA_RESTART) != 0);
}

static void
comes_while_it_computes(void)
{
    unsigned before = atomic_load(&watchdog.ticks);
    burn_ms(100);
    unsigned ticks = atomic_load(&watchdog.ticks) - before;
    CHECK(ticks >= 5 && ticks <= 40);
}

static void
never_comes_while_it_waits(void)
{
    unsigned before = atomic_load(&watchdog.ticks);
    CHECK_INT(poll(NULL, 0, 150), 0); /* not interrupted */
    CHECK(atomic_load(&watchdog.ticks) - before <= 1);
}

/* Somebody else's signal of the same number is not taken for the timer's. */
static void
ignores_what_is_no_timer(int signum)
{
    unsigned before = atomic_load(&watchdog.ticks);
    for (int i = 0; i < 1000; i++) CHECK_INT(pthread_kill(pthread_self(), signum), 0);
    CHECK(atomic_load(&watchdog.ticks) - before < 100);
}

/* ---- what it is for ---- */

static void
ends_a_loop(void)
{
    sy__isolate *iso = open_isolate(NULL, NULL);
    sy__call call = {.operation = "sum"};
    for (int i = 0; i < 3; i++) {
        CHECK_INT(sy__isolate_call(iso, &call), SY_OK);
        sy__call_close(&call);
    }
    call = (sy__call){.operation = "loop", .cpu_ms = 50};
    CHECK_INT(sy__isolate_call(iso, &call), SY_ETIMEOUT);
    CHECK_INT(call.error.line, 2);
    CHECK(call.cpu_ns >= 20000000 && call.cpu_ns < 300000000);
    sy__call_close(&call);
    call = (sy__call){.operation = "sum"};
    CHECK(sy__isolate_call(iso, &call) != SY_OK);
    sy__call_close(&call);
    sy__isolate_free(iso);
}

static void
keeps_a_deadline(void)
{
    sy__isolate *iso = open_isolate(NULL, NULL);
    sy__call call = {.operation = "loop", .cpu_ms = 60000};
    call.deadline_ns = sy__mono_ns(&sy__clock_system) + 50000000;
    CHECK_INT(sy__isolate_call(iso, &call), SY_ETIMEOUT);
    sy__call_close(&call);
    sy__isolate_free(iso);
}

typedef struct running {
    sy__isolate *iso;
    atomic_bool began;
} running;

static int
on_stream(void *ud, const char *bytes, size_t len)
{
    running *r = ud;
    (void)bytes, (void)len;
    atomic_store(&r->began, true);
    return SY_OK;
}

static void *
cancel_it(void *ud)
{
    running *r = ud;
    while (!atomic_load(&r->began)) (void)sched_yield();
    sy__isolate_poison(r->iso, SY_ECANCELLED);
    return NULL;
}

static void
is_cancelled_from_another_thread(void)
{
    static const sy__call_services services = {.stream = on_stream};
    for (int round = 0; round < 10; round++) {
        running r = {.iso = open_isolate(NULL, NULL)};
        pthread_t thread;
        sy__call call = {.operation = "endless", .cpu_ms = 60000, .services = &services, .ud = &r};
        CHECK_INT(pthread_create(&thread, NULL, cancel_it, &r), 0);
        CHECK_INT(sy__isolate_call(r.iso, &call), SY_ECANCELLED);
        CHECK_INT(pthread_join(thread, NULL), 0);
        sy__call_close(&call);
        sy__isolate_free(r.iso);
    }
}

static void
on_done(sy__call *call, int status)
{
    CHECK_INT(status, SY_OK);
    *(bool *)call->ud = true;
}

/* Two long calls on one thread: both step aside and both end. */
static void
shares_the_thread(void)
{
    int busy = 0, turns = 0;
    bool done[2] = {false, false};
    struct event_base *loop = event_base_new();
    sy__isolate *iso[2] = {open_isolate(loop, &busy), open_isolate(loop, &busy)};
    sy__call calls[2] = {0};
    for (int i = 0; i < 2; i++) {
        calls[i] = (sy__call){.operation = "long", .cpu_ms = 60000, .done = on_done, .ud = &done[i]};
        CHECK_INT(sy__isolate_call(iso[i], &calls[i]), SY_EAGAIN);
    }
    CHECK_INT(busy, 2);
    for (; (!done[0] || !done[1]) && turns < 100000; turns++) (void)event_base_loop(loop, EVLOOP_ONCE);
    CHECK(turns > 1);
    for (int i = 0; i < 2; i++) {
        sy__value v = {0};
        CHECK(done[i]);
        CHECK_INT(sy__vbuf_done(&calls[i].output, &v), SY_OK);
        CHECK(sy__value_num(v) == 200000010000000.0);
        sy__call_close(&calls[i]);
        sy__isolate_free(iso[i]);
    }
    event_base_free(loop);
}

/* ---- an isolate that runs another ---- */

static int
call_inner(void *ud, const char *bytes, size_t len)
{
    sy__call call = {.operation = "loop", .cpu_ms = 30};
    (void)bytes, (void)len;
    CHECK_INT(sy__isolate_call(ud, &call), SY_ETIMEOUT);
    sy__call_close(&call);
    return SY_OK;
}

/* When the inner one has ended, the outer one is watched again. */
static void
watches_one_in_another(void)
{
    static const sy__call_services services = {.stream = call_inner};
    sy__isolate *outer = open_isolate(NULL, NULL), *inner = open_isolate(NULL, NULL);
    sy__call call = {.operation = "endless", .cpu_ms = 200, .services = &services, .ud = inner};
    CHECK_INT(sy__isolate_call(outer, &call), SY_ETIMEOUT);
    CHECK_INT(call.error.line, 3);
    sy__call_close(&call);
    CHECK(atomic_load(&watchdog.limits) == NULL);
    sy__isolate_free(inner);
    sy__isolate_free(outer);
}

static void
ends_for_good(int signum)
{
    sigset_t blocked;
    sy__watchdog_end(&watchdog);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
    CHECK_INT(sigismember(&blocked, signum), 1);
    unsigned before = atomic_load(&watchdog.ticks);
    burn_ms(30);
    CHECK(atomic_load(&watchdog.ticks) == before);
    sy__isolate *iso = open_isolate(NULL, NULL); /* one that is off is none: instructions are counted */
    sy__call call = {.operation = "loop", .cpu_ms = 20};
    CHECK_INT(sy__isolate_call(iso, &call), SY_ETIMEOUT);
    sy__call_close(&call);
    sy__isolate_free(iso);
}

int
main(void)
{
    sy__error err = {0};
    int signum = sy__watchdog_free_signal();
    if (!signum) return 77; /* ThreadSanitizer keeps signals back */
    CHECK_INT(sy__watchdog_take(signum, &err), SY_OK);
    takes_what_is_free_only(signum);
    CHECK(!sy__watchdog_begin(&watchdog, 0));
    CHECK(sy__watchdog_begin(&watchdog, signum));
    comes_while_it_computes();
    never_comes_while_it_waits();
    ignores_what_is_no_timer(signum);
    ends_a_loop();
    keeps_a_deadline();
    is_cancelled_from_another_thread();
    shares_the_thread();
    watches_one_in_another();
    ends_for_good(signum);
    TEST_END();
}
