/* turns.c: lanes: a heap by start tag for turns, a list by time of service for ageing. */
#include "pit/arbiter/turns.h"

#include "pit/arbiter/arbiter.h"

int
sy__turns_level(int priority)
{
    if (priority < SY__PRIORITY_MIN) priority = SY__PRIORITY_MIN;
    if (priority > SY__PRIORITY_MAX) priority = SY__PRIORITY_MAX;
    return priority - SY__PRIORITY_MIN;
}

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- the list of active lanes, the longest unserved first ---- */

static void
list_add(sy__level *v, sy__lane *l)
{
    l->newer = NULL;
    l->older = v->newest;
    if (v->newest)
        v->newest->newer = l;
    else
        v->oldest = l;
    v->newest = l;
}

static void
list_remove(sy__level *v, sy__lane *l)
{
    if (l->older)
        l->older->newer = l->newer;
    else
        v->oldest = l->newer;
    if (l->newer)
        l->newer->older = l->older;
    else
        v->newest = l->older;
}

/* ---- lanes ---- */

void
sy__turns_activate(sy__turns *q, sy__lane *l, int64_t now)
{
    sy__level *v = &q->level[l->level];
    uint32_t bit = 1u << l->level;
    if (q->alone >= 0 && q->levels && !(q->levels & bit)) { /* competition begins now */
        q->level[q->alone].since = now;
        q->alone = -1;
    }
    l->node.key = later(l->node.key, v->virtual_time);
    l->since = now;
    l->active = true;
    sy__heap_push(&v->root, &l->node);
    list_add(v, l);
    q->levels |= bit;
    q->count += l->count;
}

void
sy__turns_suspend(sy__turns *q, sy__lane *l)
{
    sy__level *v = &q->level[l->level];
    sy__heap_remove(&v->root, &l->node);
    list_remove(v, l);
    l->active = false;
    if (!v->root) q->levels &= ~(1u << l->level);
    q->count -= l->count;
}

static void
counted(sy__turns *q, sy__lane *l, int64_t now)
{
    l->count++;
    if (l->active)
        q->count++;
    else if (!l->is_held)
        sy__turns_activate(q, l, now);
}

void
sy__turns_push(sy__turns *q, sy__lane *l, sy__job *job, int64_t now)
{
    job->next = NULL;
    if (l->tail)
        l->tail->next = job;
    else
        l->head = job;
    l->tail = job;
    counted(q, l, now);
}

void
sy__turns_push_early(sy__turns *q, sy__lane *l, sy__job *job, int64_t now)
{
    sy__job **at = l->early ? &l->early->next : &l->head;
    job->next = *at;
    *at = job;
    l->early = job;
    l->told = NULL;
    if (!job->next) l->tail = job;
    counted(q, l, now);
}

void
sy__turns_remove(sy__turns *q, sy__lane *l, sy__job *job, sy__job *before)
{
    if (before)
        before->next = job->next;
    else
        l->head = job->next;
    if (l->tail == job) l->tail = before;
    if (l->early == job) l->early = before;
    if (l->told == job) l->told = before;
    job->next = NULL;
    l->count--;
    if (!l->active) return;
    q->count--;
    if (!l->head) sy__turns_suspend(q, l);
}

void
sy__turns_served(sy__turns *q, sy__lane *l, int64_t now)
{
    sy__level *v = &q->level[l->level];
    int64_t tag = later(l->node.key, v->virtual_time);
    v->virtual_time = tag;
    l->since = now;
    if (q->levels == 1u << l->level) q->alone = l->level;
    if (!l->active || v->oldest == v->newest) {
        l->node.key = tag + l->share->stride;
        return;
    }
    sy__heap_remove(&v->root, &l->node);
    l->node.key = tag + l->share->stride;
    sy__heap_push(&v->root, &l->node);
    if (v->newest == l) return;
    list_remove(v, l);
    list_add(v, l);
}

/* ---- who goes next ---- */

static int64_t
age_of(const sy__level *v, int64_t now)
{
    int64_t since = later(v->oldest->since, v->since);
    return now > since ? now - since : 0;
}

sy__lane *
sy__turns_next(const sy__turns *q, int64_t now, int64_t age_ns, int64_t *effective)
{
    if (!q->levels) return NULL;
    int top = 31 - __builtin_clz(q->levels);
    sy__lane *best = (sy__lane *)q->level[top].root;
    *effective = top;
    uint32_t rest = q->levels & ~(1u << top);
    if (!rest) return best;
    int64_t best_age = age_of(&q->level[top], now), best_level = top + best_age / age_ns;
    for (; rest; rest &= ~(1u << top)) {
        top = 31 - __builtin_clz(rest);
        int64_t age = age_of(&q->level[top], now), level = top + age / age_ns;
        if (level < best_level || (level == best_level && age <= best_age)) continue;
        best = q->level[top].oldest;
        best_age = age;
        best_level = *effective = level;
    }
    return best;
}
