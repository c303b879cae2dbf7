/*
 * watchdog.h: a look at the clocks every few milliseconds of a thread's CPU time, at no cost in between.
 *
 * A thread that runs isolates begins a watchdog: a kernel timer on the thread's own CPU clock, which sends the thread
 * a real-time signal after each 5 ms that it computed, and none while it waits. The handler calls lua_sethook on
 * the coroutine that runs and does nothing else, as lua.c does for SIGINT: the hook comes at the next instruction,
 * looks at the limits and takes itself away. No state is touched by another thread than its own.
 *
 * What the handler may meet: the thread is anywhere, in Lua, in its collector or in a C function. It reads two pointers
 * that only its own thread writes, and writes the fields of a lua_State that lua_sethook writes. A hook that is lost
 * (the coroutine ended at that moment) comes again with the next signal. Signals are delivered with SA_RESTART; calls
 * that are never restarted (epoll_wait, poll, nanosleep) end early, and their callers look again.
 *
 * A watchdog belongs to the thread that begins it. The handler of a signal belongs to the process and stays.
 */
#ifndef SY_KIT_WATCHDOG_H
#define SY_KIT_WATCHDOG_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct sy__limits;

/* CPU time between two looks; the kernel's own tick may make it more. */
enum { SY__WATCHDOG_TICK_NS = 5000000 };

/* Zero it before it begins; it must not move. */
typedef struct sy__watchdog {
    bool on;
    int signum;
    timer_t timer;
    struct sy__limits *_Atomic limits; /* whose slice runs; NULL: no Lua runs */
    atomic_uint ticks;                 /* signals so far */
} sy__watchdog;

/* A real-time signal that nobody in the process handles and the calling thread does not block; 0: there is none. */
int sy__watchdog_free_signal(void);
/* Makes the signal the watchdogs' own. SY_EUSAGE: it is no real-time signal, or somebody handles it. Any thread. */
int sy__watchdog_take(int signum, sy__error *err);
/* Begins for the calling thread with a signal that was taken (0: no watchdog) and lets the signal through to it. False:
 * there is none, and isolates count instructions instead. */
bool sy__watchdog_begin(sy__watchdog *w, int signum);
/* Same thread; no isolate runs. Blocks the signal again. */
void sy__watchdog_end(sy__watchdog *w);

#endif
