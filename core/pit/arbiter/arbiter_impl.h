/* arbiter_impl.h: what arbiter.c (who goes next) and gate.c (who waits where) share. Everything under the mutex. */
#ifndef SY_PIT_ARBITER_IMPL_H
#define SY_PIT_ARBITER_IMPL_H

#include "pit/arbiter/arbiter.h"

struct sy__arbiter {
    const sy__alloc *alloc;
    const sy__clock *clock;
    pthread_mutex_t lock;
    sy__turns ready, open; /* jobs that need a slot, and those that need none */
    sy__share own;         /* of jobs without a share */
    sy__gate slots;        /* of the host */
    uint32_t filled;       /* how often they were all taken while jobs were ready */
    bool is_full;
    bool open_last; /* of equals the last one was of `open` */
    int direct;     /* jobs admitted in a row past ready ones */
    int64_t now, age_ns;
    int64_t deadline; /* of the job that may wait the shortest; 0: none */
    sy__heap_node *timers;
    sy__gate *waiting; /* gates at which somebody waits */
    sy__share *full;   /* shares that are full */
};

/* Reads the clock; arbiter.now keeps it. */
static inline int64_t
sy__arbiter_time(sy__arbiter *a)
{
    return a->now = sy__mono_ns(a->clock);
}

static inline bool
sy__gate_full(const sy__gate *g)
{
    return g && g->limit > 0 && g->inside >= g->limit;
}

/* The first gate that is closed to the job, or NULL after entering all and taking its slots. `promise`: the gate that
 * kept a place for it until now. */
sy__gate *sy__gate_enter(sy__arbiter *a, sy__job *job, const sy__gate *promise);
/* The job waits at `g`. */
void sy__gate_wait(sy__arbiter *a, sy__gate *g, sy__job *job);
/* Promises the free places of a gate to those who wait there. Returns how many became ready. */
size_t sy__gate_wake(sy__arbiter *a, sy__gate *g);
/* The same for all gates whose rate lets somebody in now. */
void sy__gate_wake_due(sy__arbiter *a);
/* Ends the promise of a place; returns the gate that gave it, or NULL. */
sy__gate *sy__gate_unpromise(sy__job *job);
/* Where a rate alone keeps somebody out, the moment when that ends is noted. */
void sy__gate_timer(sy__arbiter *a, sy__gate *g);
/* The last one that waited at the gate is gone. */
void sy__gate_left(sy__arbiter *a, sy__gate *g);
void sy__gate_drop_queue(sy__arbiter *a, sy__gate *g);
/* Into its ready lane; `early`: in front of it. */
void sy__arbiter_make_ready(sy__arbiter *a, sy__job *job, bool early);
/* Holds a full share's ready jobs back. Places that were promised to them are promised anew. */
void sy__share_hold(sy__arbiter *a, sy__share *s);
/* A share that has a free slot takes part again. Returns how many of its jobs became ready. */
size_t sy__share_let_go(sy__arbiter *a, sy__share *s);

#endif
