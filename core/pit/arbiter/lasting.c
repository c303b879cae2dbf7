/*
 * lasting.c: who has waited for a while, and for what: gates, shares that are full, the host when it is.
 *
 * A queue is in order of arrival. Its lane remembers how far it has been looked through, so that a long queue is not
 * looked through again each time; what is put in front begins it anew. One look is bounded in what it tells and in what
 * it passes. What merely waits for a thread is not told of.
 */
#include "pit/arbiter/arbiter_impl.h"

enum { TELL_OF_LANE = 128, TELL = 512, PASS = 4096 };

typedef struct look {
    int64_t since;
    size_t left; /* how many may still be told of */
    void (*tell)(void *ud, sy__job *j, const sy__gate *at);
    void *ud;
} look;

static void
look_at_lane(look *k, sy__lane *l, const sy__gate *at)
{
    size_t left = k->left < TELL_OF_LANE ? k->left : TELL_OF_LANE, told = 0, passed = 0;
    sy__job *job = l->head;
    if (l->told) job = l->told->next;
    for (; job && job->queued_ns <= k->since && told < left && passed < PASS; job = job->next) {
        l->told = job;
        passed++;
        if (job->told_at == at) continue;
        job->told_at = at;
        k->tell(k->ud, job, at);
        told++;
    }
    k->left -= told;
}

static void
look_at_gate(look *k, sy__gate *g)
{
    for (int i = SY__LEVELS - 1; g->queue && i >= 0; i--)
        for (sy__lane *l = g->queue->level[i].lanes; l; l = l->sibling) look_at_lane(k, l, g);
}

static void
look_at_active(look *k, sy__arbiter *a)
{
    for (int i = SY__LEVELS - 1; i >= 0; i--)
        for (sy__lane *l = a->ready.level[i].oldest; l; l = l->newer) look_at_lane(k, l, &a->slots);
}

void
sy__arbiter_lasting(sy__arbiter *a, int64_t since_ns, void (*tell)(void *ud, sy__job *j, const sy__gate *at), void *ud)
{
    look k = {.since = since_ns, .left = TELL, .tell = tell, .ud = ud};
    (void)pthread_mutex_lock(&a->lock);
    for (sy__gate *g = a->waiting; g; g = g->next) look_at_gate(&k, g);
    for (sy__share *s = a->full; s; s = s->next)
        for (int i = SY__LEVELS - 1; i >= 0; i--) look_at_lane(&k, &s->ready[i], s->gate);
    if (sy__gate_full(&a->slots)) look_at_active(&k, a);
    (void)pthread_mutex_unlock(&a->lock);
}
