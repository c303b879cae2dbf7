/*
 * grace.c: readers count themselves in on one of two sides, spread over cache lines.
 *
 *     side 0:  [ 2 ][ 0 ][ 1 ]…        a writer turns new readers to the other side and waits until the
 *     side 1:  [ 0 ][ 0 ][ 0 ]…        old side is empty, and then once more the other way round
 *
 * Twice, because a reader may look up the side, be delayed, and count itself in after the turn: it then
 * sits on a side that only the second round waits for. New readers cannot starve the writer, as they enter
 * the side it is not waiting for.
 */
#include "router/grace.h"

#include <sched.h>
#include <stdbool.h>
#include <time.h>

enum { YIELDS = 64, NAP_NS = 50000 };

void
sy__grace_init(sy__grace *g)
{
    for (int i = 0; i < SY__GRACE_STRIPES; i++)
        for (int side = 0; side < 2; side++) atomic_init(&g->stripes[i].inside[side], 0);
    atomic_init(&g->side, 0);
    (void)pthread_mutex_init(&g->lock, NULL);
}

void
sy__grace_close(sy__grace *g)
{
    (void)pthread_mutex_destroy(&g->lock);
}

static bool
side_empty(sy__grace *g, unsigned side)
{
    for (int i = 0; i < SY__GRACE_STRIPES; i++)
        if (atomic_load(&g->stripes[i].inside[side]) != 0) return false;
    return true;
}

static void
pause_for(int round)
{
    const struct timespec nap = {0, NAP_NS};
    if (round < YIELDS)
        (void)sched_yield();
    else
        (void)nanosleep(&nap, NULL);
}

void
sy__grace_wait(sy__grace *g)
{
    (void)pthread_mutex_lock(&g->lock);
    for (int turn = 0; turn < 2; turn++) {
        unsigned old = atomic_fetch_xor(&g->side, 1) & 1;
        for (int round = 0; !side_empty(g, old); round++) pause_for(round);
    }
    (void)pthread_mutex_unlock(&g->lock);
}
