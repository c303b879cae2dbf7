/*
 * arbiter.c: who passes: slots of the host and of shares, gates with places and rates, and who waits where.
 *
 *   submit ──> ready lane ──take──> share full? ──> stays, its lanes are held back until one of its jobs is through
 *                 ^                 gate closed? ──> waits at the gate, holding nothing
 *                 └── a place for it is promised <── release, or its time has come
 *
 * A place that gets free is promised to the job of the gate's queue that goes next; the promise ends when that job
 * passes, or when it has to wait elsewhere: then the place is promised to the next. So no place lies idle while
 * somebody could use it, and nobody overtakes those who wait but by priority, share and age.
 */
#include "pit/arbiter/arbiter_impl.h"

enum { DIRECT_IN_A_ROW = 64 };

static const int64_t AGE_NS = INT64_C(10000000000);

int
sy__arbiter_new(sy__arbiter **out, const sy__alloc *a, const sy__clock *clock)
{
    sy__arbiter *arb = *out = sy__calloc(a, 1, sizeof *arb);
    if (!arb) return SY_ENOMEM;
    arb->alloc = a;
    arb->clock = clock;
    arb->age_ns = AGE_NS;
    arb->ready.alone = arb->open.alone = -1;
    arb->slots.name = "host";
    sy__share_init(&arb->own, NULL, 1);
    (void)pthread_mutex_init(&arb->lock, NULL);
    return SY_OK;
}

void
sy__arbiter_free(sy__arbiter *a)
{
    if (!a) return;
    for (sy__gate *g = a->waiting; g; g = g->next) sy__gate_drop_queue(a, g);
    (void)pthread_mutex_destroy(&a->lock);
    sy__free(a->alloc, a);
}

void
sy__share_init(sy__share *s, sy__gate *gate, int64_t weight)
{
    if (weight < 1) weight = 1;
    if (weight > SY__MAX_WEIGHT) weight = SY__MAX_WEIGHT;
    *s = (sy__share){.gate = gate, .stride = SY__STRIDE / weight};
    for (int i = 0; i < SY__LEVELS; i++) {
        s->ready[i] = (sy__lane){.share = s, .level = i};
        s->open[i] = (sy__lane){.share = s, .level = i};
    }
}

void
sy__arbiter_limits(sy__arbiter *a, int64_t slots, int64_t age_ns)
{
    (void)pthread_mutex_lock(&a->lock);
    a->slots.limit = slots;
    a->age_ns = age_ns > 0 ? age_ns : AGE_NS;
    (void)pthread_mutex_unlock(&a->lock);
}

/* ---- in ---- */

void
sy__arbiter_make_ready(sy__arbiter *a, sy__job *job, bool early)
{
    int level = sy__turns_level(job->priority);
    sy__turns *q = job->open ? &a->open : &a->ready;
    sy__lane *l = job->open ? &job->share->open[level] : &job->share->ready[level];
    if (early)
        sy__turns_push_early(q, l, job, a->now);
    else
        sy__turns_push(q, l, job, a->now);
}

static void
arrives(sy__arbiter *a, sy__job *job, int64_t now)
{
    if (!job->share) job->share = &a->own;
    job->waited_at = NULL;
    job->promised_by = NULL;
    job->told_at = NULL;
    job->queued_ns = now;
    job->filled = job->share->filled - job->share->is_full;
    job->host_filled = a->filled - a->is_full;
    if (job->deadline_ns && (a->deadline == 0 || job->deadline_ns < a->deadline)) a->deadline = job->deadline_ns;
}

size_t
sy__arbiter_submit(sy__arbiter *a, sy__job *list)
{
    size_t before;
    int64_t now = sy__mono_ns(a->clock);
    (void)pthread_mutex_lock(&a->lock);
    a->now = now;
    before = a->ready.count + a->open.count;
    while (list) {
        sy__job *next = list->next;
        arrives(a, list, now);
        sy__arbiter_make_ready(a, list, false);
        list = next;
    }
    size_t count = a->ready.count + a->open.count - before;
    (void)pthread_mutex_unlock(&a->lock);
    return count;
}

/* ---- out ---- */

/* The lane that goes next and its queue; NULL: none. */
static sy__lane *
choose(sy__arbiter *a, sy__turns **q, int64_t *level)
{
    bool slots = a->ready.count > 0 && !sy__gate_full(&a->slots);
    *q = &a->ready;
    if (slots && !a->open.count && !sy__turns_contended(&a->ready)) return sy__turns_first(&a->ready, level);
    if (a->ready.count > 0 && !slots && !a->is_full) {
        a->is_full = true;
        a->filled++;
    }
    int64_t now = sy__turns_contended(&a->ready) || sy__turns_contended(&a->open) ? sy__arbiter_time(a) : a->now,
            other = 0;
    sy__lane *best = slots ? sy__turns_next(&a->ready, now, a->age_ns, level) : NULL;
    if (!a->open.count) return best;
    sy__lane *l = sy__turns_next(&a->open, now, a->age_ns, &other);
    if (best && (other < *level || (other == *level && a->open_last))) {
        a->open_last = false;
        return best;
    }
    a->open_last = true;
    *q = &a->open;
    *level = other;
    return l;
}

/* What a job that passes without having waited at a gate was kept by: its share's slots or the host's. */
static void
note_slots(sy__arbiter *a, sy__job *job)
{
    if (job->waited_at || job->open) return;
    if (job->filled != job->share->filled)
        job->waited_at = job->share->gate;
    else if (job->host_filled != a->filled)
        job->waited_at = &a->slots;
}

/* The first job of a lane tries its gates. NULL: it waits at one now. */
static sy__job *
try_first(sy__arbiter *a, sy__turns *q, sy__lane *l)
{
    sy__job *job = l->head;
    sy__turns_remove(q, l, job, NULL);
    sy__gate *promise = job->promised_by ? sy__gate_unpromise(job) : NULL, *closed = sy__gate_enter(a, job, promise);
    if (closed) {
        sy__gate_wait(a, closed, job);
        if (promise && promise != closed) (void)sy__gate_wake(a, promise);
        return NULL;
    }
    sy__turns_served(q, l, a->now);
    note_slots(a, job);
    if (promise && promise->rate.every_ns) sy__gate_timer(a, promise);
    return job;
}

sy__job *
sy__arbiter_take(sy__arbiter *a)
{
    sy__turns *q;
    sy__lane *l;
    sy__job *job = NULL;
    int64_t level;
    (void)pthread_mutex_lock(&a->lock);
    if (a->timers) sy__gate_wake_due(a);
    a->direct = 0;
    while (!job && (l = choose(a, &q, &level))) {
        if (q == &a->ready && sy__gate_full(l->share->gate))
            sy__share_hold(a, l->share);
        else
            job = try_first(a, q, l);
    }
    (void)pthread_mutex_unlock(&a->lock);
    return job;
}

/* Whether a job may pass those that are ready: none of them goes before it. */
static bool
goes_first(sy__arbiter *a, const sy__job *job, const sy__lane *own, const sy__turns *own_queue)
{
    sy__turns *q;
    int64_t level = 0;
    if (a->ready.count + a->open.count == 0) return true;
    if (++a->direct > DIRECT_IN_A_ROW) return false;
    const sy__lane *l = choose(a, &q, &level);
    if (!l || level < own->level) return true;
    if (level > own->level || l->level != own->level) return false;
    int64_t started = own_queue->level[own->level].virtual_time;
    if (own->node.key > started) started = own->node.key;
    return l->share == job->share || q != own_queue || started <= l->node.key;
}

bool
sy__arbiter_admit(sy__arbiter *a, sy__job *job)
{
    int64_t now = sy__mono_ns(a->clock);
    (void)pthread_mutex_lock(&a->lock);
    a->now = now;
    arrives(a, job, now);
    int level = sy__turns_level(job->priority);
    sy__lane *l = job->open ? &job->share->open[level] : &job->share->ready[level];
    sy__turns *q = job->open ? &a->open : &a->ready;
    bool slot = job->open || !(sy__gate_full(&a->slots) || sy__gate_full(job->share->gate));
    bool passed = slot && goes_first(a, job, l, q);
    sy__gate *closed = passed ? sy__gate_enter(a, job, NULL) : NULL;
    if (passed && !closed) {
        sy__turns_served(q, l, now);
    } else {
        passed = false;
        if (closed)
            sy__gate_wait(a, closed, job);
        else
            sy__arbiter_make_ready(a, job, true);
    }
    (void)pthread_mutex_unlock(&a->lock);
    return passed;
}

size_t
sy__arbiter_release(sy__arbiter *a, sy__job *job)
{
    size_t ready = 0;
    sy__share *s = job->share;
    (void)pthread_mutex_lock(&a->lock);
    if (!job->open) {
        a->slots.inside--;
        if (a->is_full && !sy__gate_full(&a->slots)) {
            a->is_full = false;
            ready += a->ready.count > 0;
        }
        if (s->gate) s->gate->inside--;
        if ((s->is_full || s->stuck) && !sy__gate_full(s->gate)) ready += sy__share_let_go(a, s);
    }
    for (int i = 0; i < SY__JOB_GATES; i++)
        if (job->gates[i]) job->gates[i]->inside--;
    for (int i = 0; i < SY__JOB_GATES; i++)
        if (job->gates[i] && job->gates[i]->waiting) ready += sy__gate_wake(a, job->gates[i]);
    (void)pthread_mutex_unlock(&a->lock);
    return ready;
}

/* ---- taking out ---- */

typedef struct filter {
    bool (*match)(void *ud, sy__job *j);
    void *ud;
    sy__job *taken;
    size_t count;
} filter;

static void
filter_lane(filter *f, sy__turns *q, sy__lane *l)
{
    sy__job *before = NULL, *next;
    for (sy__job *job = l->head; job; job = next) {
        next = job->next;
        if (!f->match(f->ud, job)) {
            before = job;
            continue;
        }
        sy__turns_remove(q, l, job, before);
        (void)sy__gate_unpromise(job);
        job->next = f->taken;
        f->taken = job;
        f->count++;
    }
}

static void
filter_active(filter *f, sy__turns *q)
{
    for (int i = 0; i < SY__LEVELS; i++)
        for (sy__lane *l = q->level[i].oldest, *newer; l; l = newer) {
            newer = l->newer;
            filter_lane(f, q, l);
        }
}

static void
filter_gate(filter *f, sy__gate *g)
{
    size_t before = f->count;
    for (sy__job **at = &g->spill, *job; (job = *at);) {
        if (!f->match(f->ud, job)) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->next = f->taken;
        f->taken = job;
        f->count++;
    }
    for (int i = 0; g->queue && i < SY__LEVELS; i++)
        for (sy__lane *l = g->queue->level[i].lanes; l; l = l->sibling) {
            filter_lane(f, g->queue, l);
            if (!l->is_held || l->head) continue;
            sy__lane **at = &l->share->stuck;
            while (*at != l) at = &(*at)->stuck;
            *at = l->stuck;
            l->is_held = false;
        }
    g->waiting -= f->count - before;
}

static sy__job *
withdraw(sy__arbiter *a, bool (*match)(void *ud, sy__job *j), void *ud)
{
    filter f = {.match = match, .ud = ud};
    filter_active(&f, &a->ready);
    filter_active(&f, &a->open);
    for (sy__share *s = a->full; s; s = s->next)
        for (int i = 0; i < SY__LEVELS; i++) filter_lane(&f, &a->ready, &s->ready[i]);
    for (sy__gate *g = a->waiting, *next; g; g = next) {
        next = g->next;
        filter_gate(&f, g);
        if (g->waiting == 0) {
            sy__gate_timer(a, g);
            sy__gate_left(a, g);
        }
    }
    for (sy__gate *g = a->waiting, *next; g; g = next) { /* for places that were promised to what is gone */
        next = g->next;
        (void)sy__gate_wake(a, g);
    }
    return f.taken;
}

sy__job *
sy__arbiter_withdraw(sy__arbiter *a, bool (*match)(void *ud, sy__job *j), void *ud)
{
    (void)pthread_mutex_lock(&a->lock);
    sy__job *list = withdraw(a, match, ud);
    (void)pthread_mutex_unlock(&a->lock);
    return list;
}

/* Takes what may not wait longer, and finds the next deadline. */
static bool
is_over(void *ud, sy__job *job)
{
    sy__arbiter *a = ud;
    if (!job->deadline_ns) return false;
    if (job->deadline_ns <= a->now) return true;
    if (a->deadline == 0 || job->deadline_ns < a->deadline) a->deadline = job->deadline_ns;
    return false;
}

sy__job *
sy__arbiter_expired(sy__arbiter *a)
{
    sy__job *list = NULL;
    (void)pthread_mutex_lock(&a->lock);
    if (a->deadline && a->deadline <= sy__arbiter_time(a)) {
        a->deadline = 0;
        list = withdraw(a, is_over, a);
    }
    (void)pthread_mutex_unlock(&a->lock);
    return list;
}

/* ---- looking ---- */

size_t
sy__arbiter_ready(sy__arbiter *a)
{
    (void)pthread_mutex_lock(&a->lock);
    size_t n = a->open.count + (sy__gate_full(&a->slots) ? 0 : a->ready.count);
    (void)pthread_mutex_unlock(&a->lock);
    return n;
}

int64_t
sy__arbiter_due(sy__arbiter *a)
{
    (void)pthread_mutex_lock(&a->lock);
    int64_t due = a->timers ? a->timers->key : INT64_MAX;
    (void)pthread_mutex_unlock(&a->lock);
    return due;
}
