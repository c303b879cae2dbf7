/*
 * limits.h: what one Lua state may use: memory, CPU time and wall clock, and the poison that ends it.
 *
 * Somebody has to look at the clocks while Lua runs. In hook mode a hook does, after each so many instructions; with a
 * watchdog (watchdog.h) its signal sets a hook when it is time, and Lua runs at full speed until then.
 *
 * Once a limit is hit the state is poisoned: a flag that is never cleared, and a hook at every instruction, so
 * that each level of pcall, each __close and each coroutine dies in turn. Everything here belongs to the thread
 * that runs the state, except sy__limits_request; sy__limits_strike is for a signal handler in that thread.
 */
#ifndef SY_KIT_LIMITS_H
#define SY_KIT_LIMITS_H

#include "base/clock.h"
#include "base/error.h"
#include "kit/watchdog.h"

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Runs in a signal's handler, on whatever stack: AddressSanitizer's own frames would be taken from there, and those of
 * the interrupted thread be given away (its stack-use-after-return check compares addresses of one stack only). */
#define SY__UNCHECKED __attribute__((no_sanitize("address")))

typedef struct sy__limits {
    const sy__alloc *alloc;
    const sy__clock *clock;
    sy__watchdog *watchdog;     /* of the thread, borrowed; NULL: hook mode */
    struct sy__limits *outer;   /* of an isolate that this one's slice runs in */
    unsigned slice_ticks;       /* the watchdog's when the slice began */
    lua_State *_Atomic running; /* the coroutine that runs now; NULL outside of calls. Read by the signal handler */
    size_t used_bytes;          /* held by the state */
    size_t cap_bytes;
    size_t peak_bytes;
    size_t big_blocks;    /* live blocks so large that one instruction on them takes long */
    const void *refused;  /* the block of the last refused growth: refused again, it is final */
    size_t refused_bytes; /* 0: the last growth was granted */
    size_t work_bytes;    /* since the last look at the clock */
    int hook_count;       /* instructions between two hooks, wanted on every coroutine; 0: none but the watchdog's */
    atomic_int request;   /* 0, or the SY_E… with which another thread asked for poison */
    int why;              /* 0, or the SY_E… of the poison */
    bool late;            /* it was the deadline, not the CPU time */
    int line;             /* where it struck */
    char file[SY__ERROR_NAME_BYTES];
    int64_t cpu_limit_ns;
    int64_t cpu_used_ns;  /* in earlier slices of this call */
    int64_t deadline_ns;  /* on `clock`; 0: none */
    int64_t slice_ns;     /* system's monotonic clock when the slice began */
    int64_t slice_cpu_ns; /* thread's CPU clock at the first look of the slice; -1: no look yet */
    int64_t look_ns;      /* monotonic: before this the CPU limit cannot have been reached */
    int64_t share_ns;     /* of a slice; then the call steps aside, see sy__isolate_step_aside. 0: never */
    bool share_over;      /* it was used up at the last look */
} sy__limits;

/* No limit is running yet. `cap_bytes`: the most the state may have. Borrows allocator and clock, and the thread's
 * watchdog, which may be NULL or off. */
void sy__limits_init(sy__limits *l, const sy__alloc *a, const sy__clock *clock, size_t cap_bytes, sy__watchdog *w);
/* A lua_Alloc; `ud` is the sy__limits. */
void *sy__limits_alloc(void *ud, void *ptr, size_t old_bytes, size_t new_bytes);

/* A call: its CPU limit and deadline. Then slices: one for each time it runs without waiting. */
void sy__limits_begin(sy__limits *l, int64_t cpu_ns, int64_t deadline_ns);
void sy__limits_enter(sy__limits *l, lua_State *co);
void sy__limits_leave(sy__limits *l);

/* Another coroutine runs from now on. */
void sy__limits_switch(sy__limits *l, lua_State *co);
/* Gives a coroutine the hook it should have now. */
void sy__limits_sync(sy__limits *l, lua_State *L);
/* Lets the hook come at the next instruction of what runs. Async-signal-safe; in the thread that runs it. */
void sy__limits_strike(sy__limits *l);
/* Poisons now; the first reason stays. */
void sy__limits_poison(sy__limits *l, int why);
/* Asks for poison. Any thread. */
void sy__limits_request(sy__limits *l, int why);
/* Looks at the request and the clocks; returns `why`. */
int sy__limits_look(sy__limits *l);
/* Counts work done in C and looks at the clocks from time to time; returns `why`. */
int sy__limits_charge(sy__limits *l, size_t bytes);
/* Raises the poison's error in L. */
int sy__limits_raise(sy__limits *l, lua_State *L);
/* The sentence for the poison. */
void sy__limits_sentence(const sy__limits *l, char *out, size_t size);

#endif
