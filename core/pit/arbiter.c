/*
 * arbiter.c: gates are counters with a queue; ready jobs lie in one queue for each priority.
 *
 * A job that waits hangs at exactly one gate and holds none, so there is no deadlock. A place that gets free
 * puts the gate's first waiter in front of its ready queue, where it tries all its gates again.
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

static int
level_of(const sy__job *job)
{
    int p = job->priority;
    if (p < SY__PRIORITY_MIN) p = SY__PRIORITY_MIN;
    if (p > SY__PRIORITY_MAX) p = SY__PRIORITY_MAX;
    return p - SY__PRIORITY_MIN;
}

static void
make_ready(sy__arbiter *a, sy__job *job)
{
    int level = level_of(job);
    append(&a->ready[level].head, &a->ready[level].tail, job);
    a->levels |= 1u << level;
    a->ready_count++;
}

static void
make_ready_first(sy__arbiter *a, sy__job *job)
{
    int level = level_of(job);
    job_queue *q = &a->ready[level];
    job->next = q->head;
    q->head = job;
    if (!q->tail) q->tail = job;
    a->levels |= 1u << level;
    a->ready_count++;
}

/* True: it has passed. False: it waits at the gate that is full. */
static bool
pass(sy__job *job)
{
    sy__gate *full = enter(job);
    if (!full) return true;
    job->waited_at = full;
    append(&full->head, &full->tail, job);
    return false;
}

size_t
sy__arbiter_submit(sy__arbiter *a, sy__job *list)
{
    size_t count = 0;
    int64_t now = sy__mono_ns(a->clock);
    (void)pthread_mutex_lock(&a->lock);
    while (list) {
        sy__job *next = list->next;
        list->waited_at = NULL;
        list->queued_ns = now;
        make_ready(a, list);
        count++;
        list = next;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return count;
}

bool
sy__arbiter_admit(sy__arbiter *a, sy__job *job)
{
    job->waited_at = NULL;
    job->queued_ns = sy__mono_ns(a->clock);
    (void)pthread_mutex_lock(&a->lock);
    bool passed = pass(job);
    (void)pthread_mutex_unlock(&a->lock);
    return passed;
}

/* The first ready job, without asking its gates. The lock is held. */
static sy__job *
pop(sy__arbiter *a)
{
    if (!a->levels) return NULL;
    int level = 31 - __builtin_clz(a->levels);
    job_queue *q = &a->ready[level];
    sy__job *job = q->head;
    q->head = job->next;
    if (!q->head) {
        q->tail = NULL;
        a->levels &= ~(1u << level);
    }
    a->ready_count--;
    return job;
}

sy__job *
sy__arbiter_take(sy__arbiter *a)
{
    (void)pthread_mutex_lock(&a->lock);
    sy__job *job = pop(a);
    while (job && !pass(job)) job = pop(a);
    (void)pthread_mutex_unlock(&a->lock);
    return job;
}

/* Makes the first that waits at `gate` ready when there is room. */
static size_t
let_one_in(sy__arbiter *a, sy__gate *gate)
{
    sy__job *job = gate->head;
    if (!job || (gate->limit > 0 && gate->inside >= gate->limit)) return 0;
    gate->head = job->next;
    if (!gate->head) gate->tail = NULL;
    make_ready_first(a, job);
    return 1;
}

size_t
sy__arbiter_release(sy__arbiter *a, sy__job *job)
{
    size_t ready = 0;
    (void)pthread_mutex_lock(&a->lock);
    for (int i = 0; i < SY__JOB_GATES; i++)
        if (job->gates[i]) job->gates[i]->inside--;
    for (int i = 0; i < SY__JOB_GATES; i++)
        if (job->gates[i]) ready += let_one_in(a, job->gates[i]);
    (void)pthread_mutex_unlock(&a->lock);
    return ready;
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
sy__arbiter_withdraw(sy__arbiter *a, sy__gate *gates[], size_t gate_count, bool (*match)(void *ud, sy__job *j),
                     void *ud)
{
    sy__job *waiting = NULL, *ready = NULL;
    (void)pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < gate_count; i++) (void)filter(&gates[i]->head, &gates[i]->tail, match, ud, &waiting);
    for (int i = 0; i < LEVELS; i++) {
        job_queue *q = &a->ready[i];
        a->ready_count -= filter(&q->head, &q->tail, match, ud, &ready);
        if (!q->head) a->levels &= ~(1u << i);
    }
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
