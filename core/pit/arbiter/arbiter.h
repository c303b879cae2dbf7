/*
 * arbiter.h: the arbitration engine: who goes first when something is scarce.
 *
 * A ready job lies in a queue by priority and, inside one priority, by share (queue.h). Whoever takes it passes it
 * through the slots of the host and of its share (the run) and through up to SY__JOB_GATES gates (an extension's, a
 * key's, a rate), all at once. Where a gate is closed the job waits there, holding nothing, in a queue of the same
 * order, and the next one is looked at: a closed gate delays only the jobs that need it. Where its share or the host
 * is full it stays where it is and the share is not looked at.
 *
 * The arbiter is passive: it has no thread and no timer. sy__arbiter_due tells when a rate opens next; whoever
 * takes after that moment finds what it lets through.
 *
 * Jobs, shares and gates belong to the engine; the links inside them to the arbiter. Any thread may call; one mutex.
 */
#ifndef SY_PIT_ARBITER_H
#define SY_PIT_ARBITER_H

#include "base/clock.h"
#include "base/error.h"
#include "pit/arbiter/turns.h"

#include <pthread.h>

enum { SY__JOB_GATES = 4 };

typedef struct sy__job sy__job;

/*
 * A rate: at most `burst` at once and one every `every_ns` after that. Kept as the generic cell rate algorithm
 * (ITU-T I.371), which lets through exactly what a token bucket of `burst` tokens does and needs one number.
 */
typedef struct sy__rate {
    int64_t every_ns; /* 0: none */
    int64_t burst;    /* at least 1 */
    int64_t next_ns;  /* when the bucket will be full again */
} sy__rate;

/* A limit on how many jobs are inside at once, on how often one enters, or both. Zero it and set name and limits. */
typedef struct sy__gate {
    const char *name; /* for reasons: "run", "extension git", "key gpu", "rate fetch" */
    int64_t limit;    /* 0: none */
    int64_t inside;
    sy__rate rate;
    size_t waiting;   /* jobs that wait here */
    int64_t promised; /* jobs that waited here and are ready now: their places are kept */
    sy__turns *queue; /* of those that wait; NULL: none ever did since it was last empty */
    sy__job *spill;   /* those for which there was no memory for a lane: served first */
    sy__heap_node timer;
    bool timed;                     /* in the arbiter's timers */
    struct sy__gate *next, *before; /* the gates where somebody waits */
} sy__gate;

/* What competes for a fair part: a run. */
typedef struct sy__share {
    sy__gate *gate;                  /* its slots; NULL: no limit */
    int64_t stride;                  /* virtual time of one of its jobs: SY__STRIDE / weight */
    uint32_t filled;                 /* how often it was full while it had ready jobs */
    bool is_full;                    /* its lanes are held back */
    int64_t promised;                /* its jobs in ready lanes for which a gate keeps a place */
    sy__lane *stuck;                 /* its lanes at gates that are held back */
    struct sy__share *next, *before; /* the shares that are full */
    sy__lane ready[SY__LEVELS], open[SY__LEVELS];
} sy__share;

struct sy__job {
    sy__job *next;
    sy__share *share;               /* NULL: the arbiter's own, without a limit */
    sy__gate *gates[SY__JOB_GATES]; /* NULL entries are skipped */
    int priority;
    bool find_gates;              /* the owner's: its gates are still to be found when it is submitted */
    bool open;                    /* needs no slot and has no gates: a verb of the host that only hands out work */
    uint32_t filled, host_filled; /* what they were when it was submitted */
    sy__gate *promised_by;        /* the gate that keeps a place for it */
    const sy__gate *waited_at;    /* the last gate it had to wait at; NULL: none */
    const sy__gate *told_at;      /* where it was when sy__arbiter_lasting told of it; NULL: it has not */
    size_t ahead;                 /* how many waited there when it came */
    int64_t queued_ns;            /* when it was submitted */
    int64_t deadline_ns;          /* it may not wait longer; 0: for ever */
};

typedef struct sy__arbiter sy__arbiter;

/* Without limits yet; borrows both. Freed when no job is in it. SY_ENOMEM. */
int sy__arbiter_new(sy__arbiter **out, const sy__alloc *a, const sy__clock *clock);
void sy__arbiter_free(sy__arbiter *a);
/* Slots of the whole host (0: no limit), and the time of waiting that is worth one priority (> 0). */
void sy__arbiter_limits(sy__arbiter *a, int64_t slots, int64_t age_ns);
/* weight 1 … SY__MAX_WEIGHT; outside of it the nearest. It must outlive its jobs. */
void sy__share_init(sy__share *s, sy__gate *gate, int64_t weight);
/* Sets a rate of `count` in `per_ms`, `burst` of them at once (0: count). */
void sy__rate_set(sy__rate *r, int64_t count, int64_t per_ms, int64_t burst);

/* Makes a list of jobs, linked by `next` (its links are reused), ready. Returns how many can be taken now. */
size_t sy__arbiter_submit(sy__arbiter *a, sy__job *list);
/* Passes one job directly, ahead of its share's at the same priority but of nobody else who should go first: true: it
 * is the caller's; false: it is submitted. */
bool sy__arbiter_admit(sy__arbiter *a, sy__job *job);
/* Takes the job that goes next, or NULL. */
sy__job *sy__arbiter_take(sy__arbiter *a);
/* A job that had passed is through. Returns how many waiting jobs became ready. */
size_t sy__arbiter_release(sy__arbiter *a, sy__job *job);
/* Moves every waiting and ready job for which `match` holds into a list (cancel, pause). */
sy__job *sy__arbiter_withdraw(sy__arbiter *a, bool (*match)(void *ud, sy__job *j), void *ud);
/* The same for those whose deadline has passed; nothing to do costs a comparison. */
sy__job *sy__arbiter_expired(sy__arbiter *a);
/* Jobs that sy__arbiter_take may find. */
size_t sy__arbiter_ready(sy__arbiter *a);
/* Tells of jobs that have waited since `since_ns` or longer at one place, each once for every place: a gate, the slots
 * of its share or of the host. At most some hundreds at a time, the oldest of each queue first. `tell` is called under
 * the mutex: the job stays where it is, and nothing of the arbiter may be called. */
void sy__arbiter_lasting(sy__arbiter *a, int64_t since_ns, void (*tell)(void *ud, sy__job *j, const sy__gate *at),
                         void *ud);
/* When (monotonic) a rate opens for somebody who waits; INT64_MAX: never by itself. */
int64_t sy__arbiter_due(sy__arbiter *a);
/* Gives a gate a limit (0: none) and a rate (NULL: none); what it has already stays where it is stricter. */
void sy__gate_tighten(sy__arbiter *a, sy__gate *g, int64_t limit, const sy__rate *rate);

#endif
