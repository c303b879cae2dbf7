/*
 * flow.h: flow control of the engine: which gates a task has to pass, and what is written about waiting.
 *
 * Named gates are shared by all runs of the host: an extension's, a key's, a task's rate. They are made when the first
 * task needs them and freed when the last one that may need them has ended (one with a rate when its bucket is full
 * again). Limits of extensions and of the host come from the settings.
 */
#ifndef SY_PIT_FLOW_H
#define SY_PIT_FLOW_H

#include "pit/engine_impl.h"

enum { SY__MAX_RATE = 1000000, SY__MAX_RATE_MS = 86400000 };

/* What a definition says of a task's flow: options `key` and `rate`. */
struct sy__plan_flow {
    sy__template *key;            /* NULL: none */
    int64_t key_limit;            /* 0: that of the settings, else 1 */
    int64_t count, per_ms, burst; /* count 0: no rate; burst 0: count */
};

/* Takes over the limits of the engine's options; before its threads start, closed after they ended. SY_ENOMEM. */
int sy__flow_open(sy__engine *e);
void sy__flow_close(sy__engine *e);
/* The weight of a run among others, from its options {"weight"}. */
void sy__flow_weigh(sy__run *r, sy__value options);
void sy__flow_weigh_json(sy__run *r, const char *options);
/* Finds the gates of the jobs of a list that have any. Stage thread, no lock held. */
void sy__flow_enter(sy__stage *s, sy__job *list);
/* Lets go of a task's gates: it has ended, or stays pending. */
void sy__flow_leave(sy__task *t);
/* What the arbiter decided about a task whose turn it is, or that may wait no longer. Stage thread. */
void sy__flow_admitted(sy__stage *s, sy__task *t);
void sy__flow_refused(sy__stage *s, sy__task *t);
/* Stage 0, ten times a second: writes why tasks wait that have waited for a while. */
void sy__flow_lasting(sy__stage *s);
/* Stage 0, ten times a second: ends what waited longer than its queue_timeout, frees buckets that are full. */
void sy__flow_tick(sy__stage *s);
/* Before a stage sleeps: wakes it when a rate lets somebody in. */
void sy__flow_sleep(sy__stage *s);

#endif
