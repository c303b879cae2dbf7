/*
 * grace.h: knowing when every reader that might still see an old structure has left.
 *
 * Readers enter and leave; they never wait. A writer unlinks something, waits for a grace period, and may
 * then free it. Any thread.
 */
#ifndef SY_ROUTER_GRACE_H
#define SY_ROUTER_GRACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { SY__GRACE_STRIPES = 16 };

typedef struct sy__grace {
    struct sy__grace_stripe {
        atomic_uint_fast64_t inside[2]; /* readers by side */
        char apart[112];                /* keeps stripes on cache lines of their own */
    } stripes[SY__GRACE_STRIPES];
    atomic_uint side;     /* the one new readers enter */
    pthread_mutex_t lock; /* one waiting writer at a time */
} sy__grace;

/* Nobody is inside before the one and after the other. */
void sy__grace_init(sy__grace *g);
void sy__grace_close(sy__grace *g);
/* Returns what sy__grace_leave needs. Nests. */
static inline atomic_uint_fast64_t *sy__grace_enter(sy__grace *g);
static inline void sy__grace_leave(atomic_uint_fast64_t *entered);
/* Waits until every reader inside at the time of the call has left. Not inside a reader. */
void sy__grace_wait(sy__grace *g);

static inline atomic_uint_fast64_t *
sy__grace_enter(sy__grace *g)
{
    /* Threads are spread by their descriptor's address, so that they rarely share a cache line. */
    uintptr_t self = (uintptr_t)pthread_self();
    struct sy__grace_stripe *s = &g->stripes[(self >> 12 ^ self >> 21) % SY__GRACE_STRIPES];
    atomic_uint_fast64_t *entered = &s->inside[atomic_load(&g->side) & 1];
    (void)atomic_fetch_add(entered, 1);
    return entered;
}

static inline void
sy__grace_leave(atomic_uint_fast64_t *entered)
{
    (void)atomic_fetch_sub_explicit(entered, 1, memory_order_release);
}

#endif
