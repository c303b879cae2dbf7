/*
 * arbiter.h: the arbitration engine: who goes first when something is scarce.
 *
 * A job that is ready lies in one FIFO for each priority. Whoever takes it passes it through up to SY__JOB_GATES
 * gates (the run's parallelism, an extension's, a key's), all at once; where one is full it waits at that gate
 * and the next job is looked at, so that a full gate never delays a job that does not need it. Jobs and gates
 * belong to the engine; the links inside them to the arbiter. Any thread may call; one mutex, held for some
 * pointer moves.
 */
#ifndef SY_PIT_ARBITER_H
#define SY_PIT_ARBITER_H

#include "base/clock.h"
#include "base/error.h"

#include <pthread.h>

enum {
    SY__JOB_GATES = 5,
    SY__PRIORITY_MIN = -10, /* goes last */
    SY__PRIORITY_MAX = 10,  /* goes first */
};

typedef struct sy__job sy__job;

/* A limit on how many jobs are inside at once. Zero it and set name and limit. */
typedef struct sy__gate {
    const char *name; /* for reasons: "run", "extension git", "key gpu" */
    int64_t limit;    /* 0: none */
    int64_t inside;
    sy__job *head, *tail; /* those that wait, in order of arrival */
} sy__gate;

struct sy__job {
    sy__job *next;
    sy__gate *gates[SY__JOB_GATES]; /* NULL entries are skipped */
    int priority;
    const sy__gate *waited_at; /* the last gate it had to wait at; NULL: none */
    int64_t queued_ns;         /* when it was submitted */
};

typedef struct sy__arbiter sy__arbiter;

int sy__arbiter_new(sy__arbiter **out, const sy__alloc *a, const sy__clock *clock);
void sy__arbiter_free(sy__arbiter *a);

/* Makes a list of jobs, linked by `next` (its links are reused), ready. Returns how many. */
size_t sy__arbiter_submit(sy__arbiter *a, sy__job *list);
/* Passes one job through its gates directly: true: it is the caller's; false: it waits at a gate. */
bool sy__arbiter_admit(sy__arbiter *a, sy__job *job);
/* Takes the ready job of highest priority that passes its gates, or NULL. */
sy__job *sy__arbiter_take(sy__arbiter *a);
/* A job that had passed is through: frees its gates. Returns how many waiting jobs became ready. */
size_t sy__arbiter_release(sy__arbiter *a, sy__job *job);
/* Moves every waiting and ready job for which `match` holds into a list (cancel, pause). */
sy__job *sy__arbiter_withdraw(sy__arbiter *a, sy__gate *gates[], size_t gate_count, bool (*match)(void *ud, sy__job *j),
                              void *ud);
/* Jobs that are ready and not taken. */
size_t sy__arbiter_ready(sy__arbiter *a);

#endif
