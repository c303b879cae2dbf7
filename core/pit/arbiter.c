/*
 * arbiter.c: gates are counters with a queue; ready jobs lie in one queue for each priority.
 *
 * A job that waits hangs at exactly one gate. When that gate frees, the job tries all its gates again and
 * may move on to another gate's queue; it never holds a gate while it waits, so there is no deadlock.
 */
#include "pit/arbiter.h"

enum { LEVELS = SY__PRIORITY_MAX - SY__PRIORITY_MIN + 1 };

typedef struct job_queue {
    sy__job *head, *tail;
} job_queue;

struct sy__arbiter {
    const sy__alloc *alloc;
    const sy__clock *clock;
    pthread_mutex_t lock;
    job_queue ready[LEVELS];
    uint32_t levels; /* bit i: ready[i] is not empty */
    size_t ready_count;
};

int
sy__arbiter_new(sy__arbiter **out, const sy__alloc *a, const sy__clock *clock)
{
    sy__arbiter *arb = *out = sy__calloc(a, 1, sizeof *arb);
    if (!arb) return SY_ENOMEM;
    arb->alloc = a;
    arb->clock = clock;
    (void)pthread_mutex_init(&arb->lock, NULL);
    return SY_OK;
}

void
sy__arbiter_free(sy__arbiter *a)
{
    if (!a) return;
    (void)pthread_mutex_destroy(&a->lock);
    sy__free(a->alloc, a);
}

/* The first gate that is full, or NULL after entering all. */
static sy__gate *
enter(sy__job *job)
{
    for (int i = 0; i < SY__JOB_GATES; i++) {
        sy__gate *g = job->gates[i];
        if (g && g->limit > 0 && g->inside >= g->limit) return g;
    }
    for (int i = 0; i < SY__JOB_GATES; i++)
        if (job->gates[i]) job->gates[i]->inside++;
    return NULL;
}

static void
append(sy__job **head, sy__job **tail, sy__job *job)
{
    job->next = NULL;
    if (*tail)
        (*tail)->next = job;
    else
        *head = job;
    *tail = job;
}

static void
make_ready(sy__arbiter *a, sy__job *job)
{
    int p = job->priority < SY__PRIORITY_MIN   ? SY__PRIORITY_MIN
            : job->priority > SY__PRIORITY_MAX ? SY__PRIORITY_MAX
                                               : job->priority;
    int level = p - SY__PRIORITY_MIN;
    append(&a->ready[level].head, &a->ready[level].tail, job);
    a->levels |= 1u << level;
    a->ready_count++;
}

/* True when it became ready, false when it waits now. */
static bool
place(sy__arbiter *a, sy__job *job)
{
    sy__gate *full = enter(job);
    if (full) {
        job->waited_at = full;
        append(&full->head, &full->tail, job);
        return false;
    }
    make_ready(a, job);
    return true;
}

size_t
sy__arbiter_submit(sy__arbiter *a, sy__job *list)
{
    size_t admitted = 0;
    int64_t now = sy__mono_ns(a->clock);
    (void)pthread_mutex_lock(&a->lock);
    while (list) {
        sy__job *next = list->next;
        list->waited_at = NULL;
        list->queued_ns = now;
        admitted += place(a, list);
        list = next;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return admitted;
}

bool
sy__arbiter_admit(sy__arbiter *a, sy__job *job)
{
    job->waited_at = NULL;
    job->queued_ns = sy__mono_ns(a->clock);
    (void)pthread_mutex_lock(&a->lock);
    sy__gate *full = enter(job);
    if (full) {
        job->waited_at = full;
        append(&full->head, &full->tail, job);
    }
    (void)pthread_mutex_unlock(&a->lock);
    return !full;
}

sy__job *
sy__arbiter_take(sy__arbiter *a)
{
    (void)pthread_mutex_lock(&a->lock);
    sy__job *job = NULL;
    if (a->levels) {
        int level = 31 - __builtin_clz(a->levels);
        job_queue *q = &a->ready[level];
        job = q->head;
        q->head = job->next;
        if (!q->head) {
            q->tail = NULL;
            a->levels &= ~(1u << level);
        }
        a->ready_count--;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return job;
}

/* Lets those in that wait at `gate` while it has room; each tries all its gates anew. */
static size_t
let_in(sy__arbiter *a, sy__gate *gate)
{
    size_t admitted = 0;
    while (gate->head && (gate->limit == 0 || gate->inside < gate->limit)) {
        sy__job *job = gate->head;
        gate->head = job->next;
        if (!gate->head) gate->tail = NULL;
        admitted += place(a, job);
    }
    return admitted;
}

size_t
sy__arbiter_release(sy__arbiter *a, sy__job *job)
{
    size_t admitted = 0;
    (void)pthread_mutex_lock(&a->lock);
    for (int i = 0; i < SY__JOB_GATES; i++)
        if (job->gates[i]) job->gates[i]->inside--;
    for (int i = 0; i < SY__JOB_GATES; i++)
        if (job->gates[i]) admitted += let_in(a, job->gates[i]);
    (void)pthread_mutex_unlock(&a->lock);
    return admitted;
}

/* Moves the matching jobs of one queue to `taken`; returns how many. */
static size_t
filter(sy__job **head, sy__job **tail, bool (*match)(void *ud, sy__job *j), void *ud, sy__job **taken)
{
    size_t count = 0;
    sy__job *job = *head;
    *head = *tail = NULL;
    while (job) {
        sy__job *next = job->next;
        if (match(ud, job)) {
            job->next = *taken;
            *taken = job;
            count++;
        } else {
            append(head, tail, job);
        }
        job = next;
    }
    return count;
}

sy__job *
sy__arbiter_withdraw(sy__arbiter *a, sy__gate *gates[], size_t gate_count, bool (*match)(void *ud, sy__job *j), void *ud)
{
    sy__job *waiting = NULL, *ready = NULL;
    (void)pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < gate_count; i++) (void)filter(&gates[i]->head, &gates[i]->tail, match, ud, &waiting);
    for (int i = 0; i < LEVELS; i++) {
        job_queue *q = &a->ready[i];
        a->ready_count -= filter(&q->head, &q->tail, match, ud, &ready);
        if (!q->head) a->levels &= ~(1u << i);
    }
    for (sy__job *job = ready; job; job = job->next)
        for (int i = 0; i < SY__JOB_GATES; i++)
            if (job->gates[i]) job->gates[i]->inside--;
    for (sy__job *job = ready; job; job = job->next)
        for (int i = 0; i < SY__JOB_GATES; i++)
            if (job->gates[i]) (void)let_in(a, job->gates[i]);
    (void)pthread_mutex_unlock(&a->lock);
    sy__job **end = &waiting;
    while (*end) end = &(*end)->next;
    *end = ready;
    return waiting;
}

size_t
sy__arbiter_ready(sy__arbiter *a)
{
    (void)pthread_mutex_lock(&a->lock);
    size_t n = a->ready_count;
    (void)pthread_mutex_unlock(&a->lock);
    return n;
}
