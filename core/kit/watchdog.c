/*
 * watchdog.c: the timer, the signal and its handler.
 *
 * The timer never has to be set again or stopped between calls, so it costs no system call in a call, works in a
 * process that may make none (cell.h), and a thread that waits is not woken.
 */
#include "kit/watchdog.h"

#include "kit/limits.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* ThreadSanitizer keeps a signal back until the thread's next call that it knows, which a loop in Lua never makes. */
#ifdef __SANITIZE_THREAD__
enum { SUPPORTED = 0 };
#else
enum { SUPPORTED = 1 };
#endif

static void SY__UNCHECKED
on_tick(int signum, siginfo_t *info, void *context)
{
    (void)signum, (void)context;
    if (info->si_code != SI_TIMER) return;
    sy__watchdog *w = info->si_value.sival_ptr;
    (void)atomic_fetch_add_explicit(&w->ticks, 1, memory_order_relaxed);
    sy__limits *l = atomic_load_explicit(&w->limits, memory_order_relaxed);
    if (l) sy__limits_strike(l);
}

/* Whether the signal is free, or has been taken before. */
static bool
is_ours(int signum, bool *taken)
{
    struct sigaction now;
    if (sigaction(signum, NULL, &now) != 0) return false;
    *taken = (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_tick;
    return *taken || (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL);
}

int
sy__watchdog_free_signal(void)
{
    bool taken;
    sigset_t blocked;
    if (!SUPPORTED || pthread_sigmask(SIG_SETMASK, NULL, &blocked) != 0) return 0;
    for (int n = SIGRTMAX - 1; n > SIGRTMIN; n--)
        if (is_ours(n, &taken) && (taken || !sigismember(&blocked, n))) return n;
    return 0;
}

int
sy__watchdog_take(int signum, sy__error *err)
{
    struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    bool taken = false;
    if (signum < SIGRTMIN || signum > SIGRTMAX)
        return sy__error_set(err, SY_EUSAGE, "signal %d is no real-time signal (%d to %d)", signum, SIGRTMIN, SIGRTMAX);
    if (!is_ours(signum, &taken))
        return sy__error_set(err, SY_EUSAGE, "signal %d has a handler already; lend one that has none", signum);
    (void)sigemptyset(&action.sa_mask);
    if (!taken && sigaction(signum, &action, NULL) != 0)
        return sy__error_set(err, SY_EUSAGE, "signal %d is not to be had", signum);
    return SY_OK;
}

static void
let_through(int signum, int how)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, signum);
    (void)pthread_sigmask(how, &set, NULL);
}

bool
sy__watchdog_begin(sy__watchdog *w, int signum)
{
    static const struct itimerspec every = {{0, SY__WATCHDOG_TICK_NS}, {0, SY__WATCHDOG_TICK_NS}};
    struct sigevent how;
    if (!SUPPORTED || signum == 0) return false;
    memset(&how, 0, sizeof how);
    how.sigev_notify = SIGEV_THREAD_ID;
    how.sigev_signo = signum;
    how.sigev_value.sival_ptr = w;
    how.sigev_notify_thread_id = gettid();
    w->signum = signum;
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &how, &w->timer) != 0) return false;
    let_through(signum, SIG_UNBLOCK);
    if (timer_settime(w->timer, 0, &every, NULL) == 0) {
        w->on = true;
        return true;
    }
    let_through(signum, SIG_BLOCK);
    (void)timer_delete(w->timer);
    return false;
}

/* The signal stays blocked: one that is still pending must not be delivered when the watchdog is no more. */
void
sy__watchdog_end(sy__watchdog *w)
{
    if (!w->on) return;
    let_through(w->signum, SIG_BLOCK);
    (void)timer_delete(w->timer);
    w->on = false;
}
