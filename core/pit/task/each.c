/*
 * each.c: the children of a map.
 *
 * Only a window of children exists at a time (max_parallel, else the run's parallelism): a child that ends makes the
 * next one, which its thread takes itself. So a map over a million items costs the results and one window of tasks. A
 * map over the results of another begins while that one still works: each child that ends there is an item here.
 */
#include "pit/run/past.h"

#include "base/bounds.h"

#include <stdio.h>
#include <string.h>

void
sy__each_free(const sy__alloc *a, sy__each *e)
{
    if (!e) return;
    for (size_t i = 0; e->outputs && i < e->count; i++) sy__blob_release(e->outputs[i]);
    sy__free(a, e->outputs);
    sy__free(a, e->settled);
    sy__free(a, e->arrived);
    sy__blob_release(e->list);
    sy__free(a, e);
}

/* ---- growing lists ---- */

static size_t
window_of(const sy__task *t)
{
    return (size_t)(t->spec->max_parallel > 0 ? t->spec->max_parallel : t->run->gate.limit);
}

/* Children that wait for a person leave their places to others. */
static bool
has_room(const sy__task *t)
{
    return t->each->living - t->each->waiting < window_of(t);
}

static bool
is_complete(const sy__each *e)
{
    return e->living == 0 && (!e->source || e->ended == e->count);
}

/* An item has come: another child if there is room, or the end if it had ended before a resume. run.lock held. */
static void
arrive(sy__stage *s, sy__task *t, uint32_t number)
{
    sy__each *e = t->each;
    e->arrived[e->arrivals++] = number;
    if (!has_room(t) || sy__task_stopped(t)) return;
    sy__task *child = sy__each_next(s, t);
    if (!child && !is_complete(e)) return;
    if (!child) sy__scope_enter(t->scope);
    sy__job *job = child ? &child->job : &t->job;
    job->next = NULL;
    (void)sy__arbiter_submit(s->engine->arbiter, job);
    sy__stages_wake(s->engine, 1);
}

/* A child of a map has ended: an item for those that go over its results. run.lock held. */
static void
feed(sy__stage *s, sy__task *source, uint32_t number)
{
    const sy__nodes *growing = &source->scope->plan->growing;
    if (!source->each->settled) return;
    source->each->settled[number] = 1;
    for (size_t i = 0; i < growing->count; i++) {
        sy__task *t = &source->scope->tasks[growing->at[i]];
        if (t->each && t->each->source == source) arrive(s, t, number);
    }
}

sy__job *
sy__each_early(sy__scope *c)
{
    sy__job *list = NULL;
    for (size_t i = c->plan->growing.count; i-- > 0;) {
        uint32_t node = c->plan->growing.at[i];
        sy__task *t = &c->tasks[node], *source = &c->tasks[t->spec->source - 1];
        bool works = source->each && source->each->settled && !source->ended;
        if (!works || t->early || t->ended || sy__dag_waits(c->dag, node) != 1) continue;
        t->early = true;
        t->job.next = list;
        list = &t->job;
        sy__scope_enter(c);
    }
    return list;
}

/* The number and the item of the next child; false: there is none (yet). run.lock held. */
static bool
next_item(sy__each *e, uint32_t *number, sy__value *item, sy__blob **holds)
{
    if (e->source) {
        if (e->next == e->arrivals || !e->source->each) return false;
        *number = e->arrived[e->next++];
        *holds = e->source->each->outputs[*number];
        *item = sy__blob_value(*holds);
        return true;
    }
    if (e->next == e->count || !sy__value_iter_next(&e->items)) return false;
    *number = (uint32_t)e->next++;
    *item = e->items.value;
    return true;
}

/* ---- children ---- */

/* The result of a child that ended before a resume; false: it had not. run.lock held. */
static bool
take_past(sy__stage *s, sy__task *parent, uint32_t number)
{
    sy__each *e = parent->each;
    if (!parent->run->past) return false;
    const sy__task child = {
        .run = parent->run, .scope = parent->scope, .spec = parent->spec, .parent = parent, .number = number};
    const sy__past *p = sy__past_of(&child);
    if (!p || !p->outcome) return false;
    e->outputs[number] = p->output ? sy__blob_hold(p->output) : NULL;
    e->failed += p->status == SY__TASK_FAILED;
    e->ended++;
    feed(s, parent, number);
    return true;
}

/* In a scope that is stopped only those come up that a person decides about. */
static bool
stays(const sy__task *parent, uint32_t number)
{
    if (!parent->reopens) return false;
    const sy__task child = {.run = parent->run,
                            .scope = parent->scope,
                            .spec = parent->spec,
                            .parent = (sy__task *)parent,
                            .number = number};
    const sy__past *p = sy__past_of(&child);
    bool decided = p && (p->decision == SY__DECIDE_RESULT || p->decision == SY__DECIDE_SKIP);
    return !decided && !sy__past_waits(p, parent->spec);
}

static void
no_memory(sy__task *parent)
{
    sy__error err = {0};
    (void)sy__error_set(&err, SY_ENOMEM, "no memory for a child of `%s`", parent->spec->key);
    sy__scope_fail(parent->scope, &err, parent->spec->key);
}

sy__task *
sy__each_next(sy__stage *s, sy__task *parent)
{
    sy__each *e = parent->each;
    uint32_t number;
    sy__value item;
    sy__blob *holds = NULL;
    while (next_item(e, &number, &item, &holds)) {
        if (take_past(s, parent, number) || stays(parent, number)) continue;
        sy__task *child = sy__subtask_new(s, parent, parent->spec, number);
        if (!child) {
            no_memory(parent);
            return NULL;
        }
        child->item = item;
        child->holds = holds ? sy__blob_hold(holds) : NULL;
        e->living++;
        if (!parent->run->past || !sy__past_waits(sy__past_of(child), child->spec)) return child;
        sy__scope_leave(child->scope);
        sy__wait_on(s, child);
        e->waiting++;
    }
    return NULL;
}

/* All results in order as the parent's output. */
static int
collect(sy__stage *s, sy__task *parent)
{
    sy__each *e = parent->each;
    sy__value v;
    sy__vbuf_reset(&s->scratch);
    sy__vbuf_array(&s->scratch);
    for (size_t i = 0; i < e->count; i++) sy__vbuf_value(&s->scratch, sy__blob_value(e->outputs[i]));
    sy__vbuf_end(&s->scratch);
    int status = sy__vbuf_done(&s->scratch, &v);
    if (!status) parent->output = sy__blob_new(s->engine->alloc, v);
    return status ? status : parent->output ? SY_OK : SY_ENOMEM;
}

/* Parking: it begins again where it was. */
static void
park(sy__stage *s, sy__task *parent)
{
    sy__run *r = sy__run_hold(parent->run);
    (void)pthread_mutex_lock(&r->lock);
    sy__each_free(s->engine->alloc, parent->each);
    parent->each = NULL;
    parent->early = false;
    parent->status = SY__TASK_PENDING;
    parent->first_ns = 0;
    sy__scope_leave(parent->scope);
    sy__scope_settle(s, parent->scope);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_release(r);
}

static void
fail(sy__stage *s, sy__task *t, int code, const char *message)
{
    if (!t->error) t->error = sy__calloc(s->engine->alloc, 1, sizeof *t->error);
    if (t->error) (void)sy__error_set(t->error, code, "%s", message);
    sy__task_end(s, t, SY__TASK_FAILED, code == SY_ECANCELLED ? SY__OUTCOME_CANCELLED : SY__OUTCOME_ERROR);
}

/* Ends the parent after its last child; or lets go of it when the run stops. */
static void
finish(sy__stage *s, sy__task *parent)
{
    sy__run *r = parent->run;
    sy__each *e = parent->each;
    char failed[96];
    bool whole = e->ended == e->count && (e->failed == 0 || parent->spec->on_error == SY__ON_ERROR_SKIP);
    (void)snprintf(failed, sizeof failed, "%zu of its %zu calls failed", e->failed, e->count);
    if (whole && e->source && sy__dag_ended(parent->scope->dag, parent->number))
        sy__task_end(s, parent, SY__TASK_COMPLETED, SY__OUTCOME_SKIPPED); /* its source failed after all */
    else if (whole && collect(s, parent) == SY_OK)
        sy__task_end(s, parent, SY__TASK_COMPLETED, SY__OUTCOME_OK);
    else if (whole)
        fail(s, parent, SY_EINVAL, "the results together are larger than a value may be (16 MiB)");
    else if (e->failed && !r->cancelled && parent->spec->on_error != SY__ON_ERROR_SKIP)
        fail(s, parent, SY_EEXTENSION, failed);
    else if (r->cancelled || parent->scope->halting || r->root->halting)
        fail(s, parent, SY_ECANCELLED, "the run was stopped");
    else
        park(s, parent);
}

bool
sy__each_returns(sy__stage *s, sy__task *t)
{
    if (t->parent || !t->each->source || !is_complete(t->each)) return false;
    finish(s, t);
    return true;
}

/* ---- beginning ---- */

static void
record_fan_out(sy__stage *s, sy__task *t)
{
    char context[96];
    (void)snprintf(context, sizeof context, "{\"decision\":\"fan_out\",\"items\":%zu,\"window\":%zu}", t->each->count,
                   window_of(t));
    sy__record_pit(s, t->run, t, SY__MEMBER_DAG, context, NULL);
}

/* Room for `count` results; NULL: there is no memory for them. */
static sy__each *
make(sy__stage *s, const sy__task *t, size_t count)
{
    const sy__alloc *a = s->engine->alloc;
    sy__each *e = sy__calloc(a, 1, sizeof *e);
    if (!e) return NULL;
    e->count = count;
    e->outputs = sy__calloc(a, count + 1, sizeof *e->outputs);
    if (t->spec->feeds) e->settled = sy__calloc(a, count + 1, 1);
    if (e->outputs && (e->settled || !t->spec->feeds)) return e;
    sy__each_free(a, e);
    return NULL;
}

/* The first window of children; and the maps over its results. run.lock held. */
static sy__job *
first_children(sy__stage *s, sy__task *t)
{
    sy__job *jobs = NULL, **end = &jobs;
    for (size_t i = 0, window = window_of(t); i < window; i++) {
        sy__task *child = sy__each_next(s, t);
        if (!child) break;
        *end = &child->job;
        end = &child->job.next;
    }
    if (t->spec->feeds) *end = sy__each_early(t->scope);
    return jobs;
}

static void
show(sy__stage *s, sy__task *t)
{
    t->started_ms = sy__stage_ms(s);
    t->status = SY__TASK_EXECUTING;
    t->attempts = 1;
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(s, t);
    if (!t->started) sy__record_event(s, t, "task_started", NULL);
    t->started = true;
    record_fan_out(s, t);
}

static void
launch(sy__stage *s, sy__task *t)
{
    sy__run *r = t->run;
    show(s, t);
    (void)pthread_mutex_lock(&r->lock);
    sy__job *jobs = first_children(s, t);
    bool done = is_complete(t->each);
    if (!done) sy__scope_leave(t->scope);
    sy__scope_settle(s, t->scope); /* all of them may wait for a person */
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_submit(s->engine, s, jobs);
    if (done) finish(s, t);
}

void
sy__each_begin(sy__stage *s, sy__task *t, sy__value list)
{
    bool empty = sy__value_kind(list) == SY__NULL || (sy__value_kind(list) == SY__MAP && sy__value_count(list) == 0);
    size_t count = empty ? 0 : sy__value_count(list);
    sy__error err = {0};
    if (!empty && sy__value_kind(list) != SY__ARRAY)
        (void)sy__error_set(&err, SY_ETYPE, "`%s` needs a list to go over", t->spec->key);
    else if (count > SY_MAX_EACH)
        (void)sy__error_set(&err, SY_EINVAL, "`%s` has %zu items, more than 1,000,000", t->spec->key, count);
    sy__each *e = err.code ? NULL : make(s, t, count);
    if (e) e->list = sy__blob_new(s->engine->alloc, list);
    if (!err.code && (!e || !e->list))
        (void)sy__error_set(&err, SY_ENOMEM, "no memory for the children of `%s`", t->spec->key);
    if (err.code) {
        sy__each_free(s->engine->alloc, e);
        sy__task_fail(s, t, &err);
        return;
    }
    sy__value_iter_init(&e->items, sy__blob_value(e->list));
    (void)pthread_mutex_lock(&t->run->lock); /* maps over its results look for it */
    t->each = e;
    (void)pthread_mutex_unlock(&t->run->lock);
    launch(s, t);
}

bool
sy__each_begin_early(sy__stage *s, sy__task *t)
{
    sy__run *r = t->run;
    sy__task *source = &t->scope->tasks[t->spec->source - 1];
    (void)pthread_mutex_lock(&r->lock);
    bool grows = source->each && !source->ended;
    sy__each *e = grows ? make(s, t, source->each->count) : NULL;
    if (e) e->arrived = sy__calloc(s->engine->alloc, e->count + 1, sizeof *e->arrived);
    if (e && e->arrived) {
        e->source = source;
        for (uint32_t i = 0; i < e->count; i++)
            if (source->each->settled[i]) e->arrived[e->arrivals++] = i;
        t->each = e;
    } else if (e) {
        sy__each_free(s->engine->alloc, e);
    }
    if (!t->each) t->early = false;                        /* as any other map, once its source has ended */
    bool waits = !t->each && (!source->ended || t->ended); /* it may have been skipped meanwhile */
    if (waits) {
        t->first_ns = 0;
        sy__scope_leave(t->scope);
        sy__scope_settle(s, t->scope);
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (t->each) launch(s, t);
    return t->each || waits;
}

/* Takes the child's outcome into its parent. run.lock held. */
static void
take_result(sy__stage *s, sy__task *child)
{
    sy__each *e = child->parent->each;
    bool cut = sy__task_cut(child); /* no result: the map is not whole */
    if (!cut) e->ended++;
    e->failed += !cut && child->status == SY__TASK_FAILED;
    if (sy__task_has_value(child)) e->outputs[child->number] = sy__blob_hold(child->output);
    feed(s, child->parent, child->number);
    sy__subtask_cost(child);
    if (cut || child->status != SY__TASK_FAILED || child->spec->on_error == SY__ON_ERROR_SKIP ||
        child->spec->on_error == SY__ON_ERROR_FAIL)
        return;
    if (child->spec->on_error == SY__ON_ERROR_COMPENSATE) child->scope->undoing = true;
    sy__scope_fail(child->scope, child->error, child->error ? child->error->task : child->spec->key);
}

void
sy__each_child_end(sy__stage *s, sy__task *child, bool dropped)
{
    sy__run *r = sy__run_hold(child->run);
    sy__task *parent = child->parent;
    sy__each *e = parent->each;
    (void)pthread_mutex_lock(&r->lock);
    if (!dropped) take_result(s, child);
    e->living--;
    sy__task *next = sy__task_stopped(parent) || !has_room(parent) ? NULL : sy__each_next(s, parent);
    sy__subtask_leave(child);
    bool done = is_complete(e) || (e->living == 0 && e->source && sy__task_stopped(parent));
    if (done) sy__scope_enter(parent->scope);
    if (!done && !next) sy__scope_settle(s, parent->scope); /* the others may wait for a person */
    (void)pthread_mutex_unlock(&r->lock);
    sy__subtask_free(child);
    if (next) sy__run_submit(s->engine, s, &next->job);
    if (done) finish(s, parent);
    sy__run_release(r);
}
