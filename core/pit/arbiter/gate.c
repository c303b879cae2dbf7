/*
 * gate.c: places and rates, those who wait for them, and shares that are full.
 *
 * A gate's queue is made when the first one waits and freed when the last one leaves. While somebody waits who could
 * go, all free places are promised; a rate that will open is in the arbiter's timers.
 */
#include "pit/arbiter/arbiter_impl.h"

void
sy__gate_drop_queue(sy__arbiter *a, sy__gate *g)
{
    if (!g->queue) return;
    for (int i = 0; i < SY__LEVELS; i++)
        for (sy__lane *l = g->queue->level[i].lanes, *next; l; l = next) {
            next = l->sibling;
            sy__free(a->alloc, l);
        }
    sy__free(a->alloc, g->queue);
    g->queue = NULL;
}

void
sy__rate_set(sy__rate *r, int64_t count, int64_t per_ms, int64_t burst)
{
    const int64_t ns = per_ms * 1000000;
    *r = (sy__rate){.every_ns = (ns + count - 1) / count, .burst = burst > 0 ? burst : count};
}

/* ---- gates ---- */

/* How many a rate lets in at `now`. */
static int64_t
tokens(const sy__rate *r, int64_t now)
{
    int64_t full = r->next_ns > now ? r->next_ns : now;
    int64_t slack = now - full + (r->burst - 1) * r->every_ns;
    return slack < 0 ? 0 : slack / r->every_ns + 1;
}

/* How many places a gate has that are promised to nobody. */
static int64_t
room(sy__arbiter *a, const sy__gate *g)
{
    int64_t n = g->limit > 0 ? g->limit - g->inside : INT64_MAX;
    if (g->rate.every_ns) {
        int64_t count = tokens(&g->rate, sy__arbiter_time(a));
        if (count < n) n = count;
    }
    return n - g->promised;
}

/* Somebody waits here who could go if there were room. */
static bool
has_waiter(const sy__gate *g)
{
    return g->spill || (g->queue && g->queue->count > 0);
}

sy__gate *
sy__gate_enter(sy__arbiter *a, sy__job *job, const sy__gate *promise)
{
    for (int i = 0; i < SY__JOB_GATES; i++) {
        sy__gate *g = job->gates[i];
        if (g && ((g != promise && has_waiter(g)) || room(a, g) <= 0)) return g;
    }
    for (int i = 0; i < SY__JOB_GATES; i++) {
        sy__gate *g = job->gates[i];
        if (!g) continue;
        g->inside++;
        if (g->rate.every_ns)
            g->rate.next_ns = (g->rate.next_ns > a->now ? g->rate.next_ns : a->now) + g->rate.every_ns;
    }
    if (job->open) return NULL;
    a->slots.inside++;
    if (job->share->gate) job->share->gate->inside++;
    return NULL;
}

/* ---- waiting at a gate ---- */

/* The lane of a share in a gate's queue, made on first use; NULL: no memory. */
static sy__lane *
lane_at(sy__arbiter *a, sy__gate *g, sy__share *share, int level)
{
    if (!g->queue) {
        g->queue = sy__calloc(a->alloc, 1, sizeof *g->queue);
        if (!g->queue) return NULL;
        g->queue->alone = -1;
    }
    sy__level *v = &g->queue->level[level];
    for (sy__lane **at = &v->lanes; *at; at = &(*at)->sibling) {
        sy__lane *l = *at;
        if (l->share != share) continue;
        *at = l->sibling;
        l->sibling = v->lanes;
        return v->lanes = l;
    }
    sy__lane *l = sy__calloc(a->alloc, 1, sizeof *l);
    if (!l) return NULL;
    l->share = share;
    l->level = level;
    l->gate = g;
    l->sibling = v->lanes;
    return v->lanes = l;
}

void
sy__gate_timer(sy__arbiter *a, sy__gate *g)
{
    const sy__rate *r = &g->rate;
    if (g->timed) sy__heap_remove(&a->timers, &g->timer);
    g->timed =
        r->every_ns && has_waiter(g) && g->promised < r->burst && (g->limit == 0 || g->inside + g->promised < g->limit);
    if (!g->timed) return;
    g->timer.key = r->next_ns + (g->promised - r->burst + 1) * r->every_ns;
    sy__heap_push(&a->timers, &g->timer);
}

void
sy__gate_wait(sy__arbiter *a, sy__gate *g, sy__job *job)
{
    sy__lane *l = lane_at(a, g, job->share, sy__turns_level(job->priority));
    bool again = job->waited_at == g;
    if (!again) job->ahead = g->waiting;
    job->waited_at = g;
    if (g->waiting++ == 0) {
        g->before = NULL;
        g->next = a->waiting;
        if (g->next) g->next->before = g;
        a->waiting = g;
    }
    if (!l) {
        sy__job **end = &g->spill;
        while (*end) end = &(*end)->next;
        job->next = NULL;
        *end = job;
    } else if (again) {
        sy__turns_push_early(g->queue, l, job, a->now);
    } else {
        sy__turns_push(g->queue, l, job, a->now);
    }
    if (g->rate.every_ns) sy__gate_timer(a, g);
}

void
sy__gate_left(sy__arbiter *a, sy__gate *g)
{
    sy__gate_drop_queue(a, g);
    if (g->before)
        g->before->next = g->next;
    else
        a->waiting = g->next;
    if (g->next) g->next->before = g->before;
    g->next = g->before = NULL;
}

/* A lane whose share is full is held back until it is not. */
static void
stick(sy__lane *l)
{
    sy__turns_suspend(l->gate->queue, l);
    l->is_held = true;
    l->stuck = l->share->stuck;
    l->share->stuck = l;
}

/* The job that goes next at a gate, taken out of its queue; NULL: none. */
static sy__job *
next_at(sy__arbiter *a, sy__gate *g)
{
    sy__job *job = g->spill;
    if (job) {
        g->spill = job->next;
        return job;
    }
    while (g->queue && g->queue->count > 0) {
        int64_t effective, now = sy__turns_contended(g->queue) ? sy__arbiter_time(a) : a->now;
        sy__lane *l = sy__turns_next(g->queue, now, a->age_ns, &effective);
        if (sy__gate_full(l->share->gate)) {
            stick(l);
            continue;
        }
        job = l->head;
        sy__turns_remove(g->queue, l, job, NULL);
        sy__turns_served(g->queue, l, a->now);
        return job;
    }
    return NULL;
}

size_t
sy__gate_wake(sy__arbiter *a, sy__gate *g)
{
    size_t count = 0;
    if (g->waiting == 0) return 0;
    while (room(a, g) > 0) {
        sy__job *job = next_at(a, g);
        if (!job) break;
        g->waiting--;
        g->promised++;
        job->promised_by = g;
        job->share->promised++;
        sy__arbiter_make_ready(a, job, true);
        count++;
    }
    sy__gate_timer(a, g);
    if (g->waiting == 0) sy__gate_left(a, g);
    return count;
}

sy__gate *
sy__gate_unpromise(sy__job *job)
{
    sy__gate *g = job->promised_by;
    if (!g) return NULL;
    job->promised_by = NULL;
    g->promised--;
    job->share->promised--;
    return g;
}

void
sy__gate_wake_due(sy__arbiter *a)
{
    int64_t now = sy__arbiter_time(a);
    while (a->timers && a->timers->key <= now) {
        sy__gate *g = (sy__gate *)((char *)a->timers - offsetof(sy__gate, timer));
        (void)sy__gate_wake(a, g);
    }
}

void
sy__gate_tighten(sy__arbiter *a, sy__gate *g, int64_t limit, const sy__rate *rate)
{
    (void)pthread_mutex_lock(&a->lock);
    if (limit > 0 && (g->limit == 0 || limit < g->limit)) g->limit = limit;
    if (rate && rate->every_ns > 0) {
        if (!g->rate.every_ns || rate->burst < g->rate.burst) g->rate.burst = rate->burst;
        if (rate->every_ns > g->rate.every_ns) g->rate.every_ns = rate->every_ns;
    }
    (void)pthread_mutex_unlock(&a->lock);
}

/* ---- shares ---- */

void
sy__share_hold(sy__arbiter *a, sy__share *s)
{
    s->is_full = true;
    s->filled++;
    s->before = NULL;
    s->next = a->full;
    if (s->next) s->next->before = s;
    a->full = s;
    for (int i = 0; i < SY__LEVELS; i++) {
        sy__lane *l = &s->ready[i];
        if (l->active) sy__turns_suspend(&a->ready, l);
        l->is_held = true;
        for (sy__job *job = l->head; job && s->promised > 0; job = job->next) {
            sy__gate *g = sy__gate_unpromise(job);
            if (g) (void)sy__gate_wake(a, g);
        }
    }
}

size_t
sy__share_let_go(sy__arbiter *a, sy__share *s)
{
    size_t count = 0;
    if (s->is_full) {
        if (s->before)
            s->before->next = s->next;
        else
            a->full = s->next;
        if (s->next) s->next->before = s->before;
        s->is_full = false;
        for (int i = 0; i < SY__LEVELS; i++) {
            sy__lane *l = &s->ready[i];
            l->is_held = false;
            count += l->count;
            if (l->head) sy__turns_activate(&a->ready, l, a->now);
        }
    }
    while (s->stuck) {
        sy__lane *l = s->stuck;
        s->stuck = l->stuck;
        l->is_held = false;
        if (l->head) sy__turns_activate(l->gate->queue, l, a->now);
        count += sy__gate_wake(a, l->gate);
    }
    return count;
}
