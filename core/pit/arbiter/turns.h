/*
 * turns.h: jobs in the order in which they are served: by priority, inside one priority fairly among shares.
 *
 * A lane holds the jobs of one share (a run) at one priority, in order of arrival. Lanes of one priority take turns
 * by start-time fair queuing (Goyal, Vin, Cheng, "Start-time Fair Queuing", SIGCOMM 1996): a job costs its lane
 * 1/weight of virtual time, and the lane with the smallest start tag goes next. So 100,000 jobs of one run delay the
 * next one of another by one job. Cost: O(log lanes); O(1) with one lane.
 *
 * Ageing: a lane that was not served for A ns counts as one priority higher, for k·A as k higher:
 *
 *     effective = priority + (now - max(when its oldest job arrived, when it was last served)) / A
 *
 * The highest effective priority goes next, and of equals the lane that was raised. Being served ends the raise, so
 * that what waited long gets its turn and fresh jobs keep their order. No job waits for ever: a lane of priority p
 * has passed constant traffic of priority q after (q - p + 1)·A.
 *
 * The arbiter's: ready jobs lie in a queue, and those that wait at a gate in one of the gate's. Under its mutex.
 */
#ifndef SY_PIT_TURNS_H
#define SY_PIT_TURNS_H

#include "base/alloc.h"
#include "base/heap.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SY__PRIORITY_MIN = -10, /* goes last */
    SY__PRIORITY_MAX = 10,  /* goes first */
    SY__LEVELS = SY__PRIORITY_MAX - SY__PRIORITY_MIN + 1,
    SY__STRIDE = 1 << 20, /* the virtual time of one job at weight 1 */
    SY__MAX_WEIGHT = 1000,
};

struct sy__job;
struct sy__share;

typedef struct sy__lane {
    sy__heap_node node; /* key: the start tag of its next job */
    struct sy__share *share;
    struct sy__job *head, *tail;
    struct sy__job *early; /* the last of those that were put in front */
    struct sy__job *told;  /* the last one that lasting.c has looked at, with all before it; NULL: none */
    size_t count;
    struct sy__lane *older, *newer; /* among the active lanes of its level, by when they were served last */
    struct sy__lane *sibling;       /* all lanes of a gate's level */
    struct sy__lane *stuck;         /* those of one share that wait for the share */
    struct sy__gate *gate;          /* whose queue it is in; NULL: a queue of ready jobs */
    int64_t since;                  /* when it was served last, or became active */
    int level;
    bool active;  /* has jobs and is not held back */
    bool is_held; /* its share is full */
} sy__lane;

typedef struct sy__level {
    sy__heap_node *root; /* the active lanes by tag */
    sy__lane *oldest, *newest;
    int64_t virtual_time; /* the start tag served last */
    int64_t since;        /* until here its lanes were served without competition */
    sy__lane *lanes;      /* of a gate's queue */
} sy__level;

typedef struct sy__turns {
    uint32_t levels; /* bit i: level i has active lanes */
    int alone;       /* the level that was served while no other had jobs; -1 */
    size_t count;    /* jobs in active lanes */
    sy__level level[SY__LEVELS];
} sy__turns;

/* The index of a priority; outside of the range that of the nearest. */
int sy__turns_level(int priority);
/* Behind its lane, which becomes active. `now` in ns. */
void sy__turns_push(sy__turns *q, sy__lane *l, struct sy__job *job, int64_t now);
/* In front of its lane, behind those that were put there in the same way. */
void sy__turns_push_early(sy__turns *q, sy__lane *l, struct sy__job *job, int64_t now);
/* Takes `job`, which follows `before` (NULL: it is the first), out of its lane. */
void sy__turns_remove(sy__turns *q, sy__lane *l, struct sy__job *job, struct sy__job *before);
/* The lane whose first job goes next, or NULL. Without a lane that competes at another level `now` is not looked at.
 * `effective`: its level, ageing included. */
sy__lane *sy__turns_next(const sy__turns *q, int64_t now, int64_t age_ns, int64_t *effective);
/* The lane has been served one job (which may never have lain in it). */
void sy__turns_served(sy__turns *q, sy__lane *l, int64_t now);
/* Holds an active lane back, or lets one with jobs take part again. */
void sy__turns_suspend(sy__turns *q, sy__lane *l);
void sy__turns_activate(sy__turns *q, sy__lane *l, int64_t now);
/* Whether more than one level has active lanes: then `now` matters. */
static inline bool
sy__turns_contended(const sy__turns *q)
{
    return (q->levels & (q->levels - 1)) != 0;
}

/* sy__turns_next where nothing competes at another level. */
static inline sy__lane *
sy__turns_first(const sy__turns *q, int64_t *effective)
{
    if (!q->levels) return NULL;
    *effective = 31 - __builtin_clz(q->levels);
    return (sy__lane *)q->level[*effective].root;
}

#endif
