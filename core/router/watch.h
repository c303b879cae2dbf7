/*
 * watch.h: how followers hear that durable events passed the router by.
 *
 * seq has no holes within one process. A hole means that another process committed in between, and that
 * those events are in the database only. Any thread publishes; the thread of the follower looks.
 */
#ifndef SY_ROUTER_WATCH_H
#define SY_ROUTER_WATCH_H

#include "router/router.h"

typedef struct sy__watch {
    struct sy__watch *next;
    /* Before the event behind the hole is delivered; everything up to `seen` was published here. Any thread,
     * must not block. */
    void (*missed)(void *ud, int64_t seen);
    void *ud;
} sy__watch;

/* The memory is the caller's. After sy__router_unwatch no thread is inside `missed`. */
void sy__router_watch(sy__router *r, sy__watch *w);
void sy__router_unwatch(sy__router *r, sy__watch *w);
const sy__alloc *sy__router_alloc(const sy__router *r);

#endif
