/*
 * compensate.c: undoing what is done when a melody has failed (Garcia-Molina, Salem: "Sagas", SIGMOD 1987).
 *
 * The tasks that completed and say how they are undone are taken newest first, the children of a map from the last to
 * the first, one at a time; each compensation is a task below the one it undoes, KEY/compensate or KEY/3/compensate. A
 * task that was undone has the outcome `compensated`, which is durable, so that a resume goes on with the next one. A
 * compensation that fails is kept as failed, and the others are still done. What a sub-melody has to undo is undone
 * before anything of its caller is.
 */
#include "pit/run/past.h"

#include "base/crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sy__undo {
    sy__task **list; /* what is to be undone, newest first */
    size_t count, at;
    size_t child; /* of a map: its children below this number are still to be undone, if `inside` */
    bool inside;
    bool waits; /* the present one waits for a person */
};

void
sy__undo_free(sy__scope *c)
{
    if (!c->undo) return;
    sy__free(c->run->engine->alloc, c->undo->list);
    sy__free(c->run->engine->alloc, c->undo);
    c->undo = NULL;
}

bool
sy__undo_open(const sy__scope *c)
{
    return c->undoing && (!c->undo || c->undo->at < c->undo->count);
}

bool
sy__undo_below(const sy__scope *c)
{
    for (uint32_t i = 0; i < c->plan->count; i++) {
        const sy__scope *inner = c->tasks[i].inner;
        if (inner && !inner->ended && (sy__undo_open(inner) || sy__undo_below(inner))) return true;
    }
    return false;
}

static bool
is_done(const sy__task *t)
{
    return t->outcome == SY__OUTCOME_OK || t->outcome == SY__OUTCOME_CACHED || t->outcome == SY__OUTCOME_FALLBACK;
}

static bool
can_be_undone(const sy__task *t)
{
    return t->spec->compensate && !t->kept && (is_done(t) || (t->spec->verb == SY__VERB_EACH && t->each));
}

/* Newest first, whatever the wall's clock did meanwhile; what ended before a resume by its stamps, then by its place in
 * the melody. */
static int
by_end(const void *a, const void *b)
{
    const sy__task *x = *(sy__task *const *)a, *y = *(sy__task *const *)b;
    if (x->ended_as != y->ended_as) return x->ended_as > y->ended_as ? -1 : 1;
    if (x->completed_ms != y->completed_ms) return x->completed_ms > y->completed_ms ? -1 : 1;
    return (x->number < y->number) - (x->number > y->number);
}

static bool
make_list(sy__scope *c)
{
    const sy__alloc *a = c->run->engine->alloc;
    sy__undo *u = c->undo = sy__calloc(a, 1, sizeof *u);
    if (u) u->list = sy__calloc(a, c->plan->count, sizeof(sy__task *));
    if (!u || !u->list) return false;
    const uint32_t *order = sy__dag_order(c->dag);
    for (size_t i = 0; i < c->plan->count; i++)
        if (can_be_undone(&c->tasks[order[i]])) u->list[u->count++] = &c->tasks[order[i]];
    qsort(u->list, u->count, sizeof *u->list, by_end);
    return true;
}

/* ---- one after the other ---- */

/* Whether a child of a map, by its number from 1, gave nothing that this run could undo. */
static bool
gave_nothing(const sy__task *t, size_t number)
{
    if (!t->each->outputs[number - 1]) return true;
    const sy__task child = {
        .run = t->run, .scope = t->scope, .spec = t->spec, .parent = (sy__task *)t, .number = (uint32_t)number - 1};
    const sy__past *p = t->run->past ? sy__past_of(&child) : NULL;
    return p && p->kept;
}

/* The number of the next child of a map to undo, from 1; 0: none is left. */
static uint32_t
next_child(sy__undo *u, const sy__task *t)
{
    if (!u->inside) u->child = t->each->count;
    u->inside = true;
    while (u->child > 0 && gave_nothing(t, u->child)) u->child--;
    return (uint32_t)u->child;
}

/* What is to be undone now; *number is 0, or a child's from 1. False: nothing is left. */
static bool
current(sy__scope *c, sy__task **t, uint32_t *number)
{
    sy__undo *u = c->undo;
    for (; u->at < u->count; u->at++, u->inside = false) {
        *t = u->list[u->at];
        *number = (*t)->spec->verb == SY__VERB_EACH ? next_child(u, *t) : 0;
        if (*number || ((*t)->spec->verb != SY__VERB_EACH && is_done(*t))) return true;
    }
    return false;
}

static void
pass_on(sy__undo *u, uint32_t number)
{
    if (number)
        u->child--;
    else
        u->at++;
}

static void
mark(sy__stage *s, sy__task *t, uint32_t number)
{
    sy__buf key;
    sy__buf_init(&key, s->engine->alloc);
    sy__task_key(t, &key);
    if (number) sy__buf_addf(&key, "/%u", number);
    const char *k = sy__buf_cstr(&key);
    if (k && t->run->level != SY__LEVEL_NONE) sy__record_compensated(s, t->run, k);
    sy__buf_close(&key);
    if (number) {
        sy__blob_release(t->each->outputs[number - 1]);
        t->each->outputs[number - 1] = NULL;
    } else {
        t->outcome = SY__OUTCOME_COMPENSATED;
    }
}

/* It was undone before a resume, but perhaps its own row does not say so yet. */
static bool
was_undone(const sy__task *child)
{
    const sy__past *p = child->run->past ? sy__past_of(child) : NULL;
    return p && p->outcome != SY__OUTCOME_NONE;
}

/* Whether a person has to say first if there is something to undo. */
static bool
is_uncertain(const sy__scope *c)
{
    for (uint32_t i = 0; i < c->plan->count; i++)
        if (c->tasks[i].waits == SY__WAIT_EFFECT && c->tasks[i].spec->compensate) return true;
    for (const sy__task *t = c->run->children; t; t = t->siblings)
        if (t->scope == c && t->waits == SY__WAIT_EFFECT && !t->undoes && t->spec->compensate) return true;
    return false;
}

bool
sy__undo_next(sy__stage *s, sy__scope *c)
{
    sy__task *t;
    uint32_t number;
    if (!c->undoing || (c->undo && c->undo->waits) || (!c->undo && !make_list(c))) return false;
    if (c->waiting > 0 && (sy__undo_below(c) || is_uncertain(c))) return false;
    while (current(c, &t, &number)) {
        sy__task *child = sy__subtask_new(s, t, t->spec->compensate, number);
        if (!child) return false;
        if (was_undone(child)) {
            if (is_done(child) || child->outcome == SY__OUTCOME_SKIPPED) mark(s, t, number);
            pass_on(c->undo, number);
            sy__subtask_leave(child);
            sy__subtask_free(child);
        } else if (c->run->past && sy__past_waits(sy__past_of(child), child->spec)) {
            sy__scope_leave(c);
            sy__wait_on(s, child);
            c->undo->waits = true;
            return false;
        } else {
            child->job.next = NULL;
            (void)sy__arbiter_submit(s->engine->arbiter, &child->job);
            sy__stages_wake(s->engine, 1);
            return true;
        }
    }
    return false;
}

void
sy__undo_child_end(sy__stage *s, sy__task *child, bool dropped)
{
    sy__run *r = sy__run_hold(child->run);
    sy__scope *c = child->scope;
    (void)pthread_mutex_lock(&r->lock);
    sy__subtask_leave(child);
    if (!dropped) {
        sy__subtask_cost(child);
        c->undo->waits = false;
        SY__CRASH_POINT("compensation.done");
        if (child->status == SY__TASK_COMPLETED) mark(s, child->parent, child->number);
        SY__CRASH_POINT("compensation.marked");
        pass_on(c->undo, child->number);
    }
    sy__scope_settle(s, c);
    (void)pthread_mutex_unlock(&r->lock);
    sy__subtask_free(child);
    sy__run_release(r);
}
