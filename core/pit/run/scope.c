/*
 * scope.c: a melody being executed, the run's own or a sub-melody: made from a definition, followed node by node,
 * ended.
 *
 * A scope ends when every node of its dag has ended, or when it stops (a failure) and nothing of it is active any
 * more. A sub-melody then gives its owner back to the arbiter, for its turn to end; the run's own ends the run.
 */
#include "pit/run/past.h"

#include <stdio.h>
#include <string.h>

static int
make_tasks(sy__scope *c, sy__value params)
{
    const sy__alloc *a = c->run->engine->alloc;
    sy__id_source ids;
    c->params = sy__blob_new(a, params);
    c->tasks = sy__calloc(a, c->plan->count, sizeof *c->tasks);
    if (!c->params || !c->tasks) return SY_ENOMEM;
    sy__id_source_init(&ids, c->run->engine->o.clock);
    int64_t now = c->owner ? sy__wall_ms(c->run->engine->o.clock) : c->run->created_ms;
    for (uint32_t i = 0; i < c->plan->count; i++) {
        sy__task *t = &c->tasks[i];
        t->run = c->run;
        t->scope = c;
        t->spec = &c->plan->tasks[i];
        t->number = i;
        t->created_ms = now;
        sy__id_next(&ids, t->id);
        sy__task_gates(t);
    }
    return SY_OK;
}

/* "sub/" of the owner's own path. */
static char *
prefix_of(const sy__alloc *a, const sy__task *owner)
{
    sy__buf b;
    sy__buf_init(&b, a);
    if (owner) sy__task_key(owner, &b);
    if (owner) sy__buf_addc(&b, '/');
    const char *s = sy__buf_cstr(&b);
    char *prefix = s ? sy__strdup(a, s) : NULL;
    sy__buf_close(&b);
    return prefix;
}

int
sy__scope_new(sy__scope **out, sy__run *r, sy__task *owner, const sy__plan *plan, sy__dag *dag, sy__value params)
{
    const sy__alloc *a = r->engine->alloc;
    sy__scope *c = *out = sy__calloc(a, 1, sizeof *c);
    if (!c) {
        sy__dag_free(dag);
        return SY_ENOMEM;
    }
    c->run = r;
    c->owner = owner;
    c->depth = owner ? owner->scope->depth + 1 : 0;
    c->priority = owner ? owner->job.priority : 0;
    c->plan = plan;
    c->dag = dag;
    c->resumable.alloc = a;
    c->prefix = prefix_of(a, owner);
    if (c->prefix && make_tasks(c, params) == SY_OK) return SY_OK;
    sy__scope_free(c);
    *out = NULL;
    return SY_ENOMEM;
}

void
sy__scope_free(sy__scope *c)
{
    if (!c) return;
    const sy__alloc *a = c->run->engine->alloc;
    for (size_t i = 0; c->tasks && i < c->plan->count; i++) sy__task_close(&c->tasks[i]);
    sy__free(a, c->tasks);
    sy__undo_free(c);
    sy__dag_free(c->dag);
    sy__blob_release(c->params);
    sy__blob_release(c->outputs);
    sy__nodes_close(&c->resumable);
    sy__free(a, c->prefix);
    sy__free(a, c);
}

/* ---- counting ---- */

static sy__scope *
above(const sy__scope *c)
{
    return c->owner ? c->owner->scope : NULL;
}

void
sy__scope_enter(sy__scope *c)
{
    for (; c; c = above(c)) c->active++;
}

void
sy__scope_leave(sy__scope *c)
{
    for (; c; c = above(c)) c->active--;
}

void
sy__scope_wait(sy__scope *c, int change)
{
    for (; c; c = above(c)) c->waiting += (size_t)change;
}

void
sy__scope_park(sy__scope *c, int change)
{
    for (; c; c = above(c)) c->flows += (size_t)change;
}

/* It, one above it or the run. */
static bool
is_stopped(const sy__scope *c)
{
    if (atomic_load(&c->run->stopping)) return true;
    for (; c->owner; c = above(c))
        if (atomic_load(&c->stopping)) return true;
    return false;
}

bool
sy__task_stopped(const sy__task *t)
{
    return t->undoes ? atomic_load(&t->run->cutting) : is_stopped(t->scope);
}

/* It ended because it was stopped, not by a failure of its own. */
bool
sy__task_cut(const sy__task *t)
{
    return t->outcome == SY__OUTCOME_CANCELLED && sy__task_stopped(t);
}

/* ---- following the dag ---- */

static void
skip(sy__stage *s, sy__scope *c, uint32_t node)
{
    sy__task *t = &c->tasks[node];
    if (t->each) return; /* its source failed after all: it ends as skipped when its children have ended */
    t->status = SY__TASK_COMPLETED;
    t->outcome = SY__OUTCOME_SKIPPED;
    t->completed_ms = sy__stage_ms(s);
    t->ended = true;
    if (c->run->level != SY__LEVEL_NONE) sy__record_task(s, t);
    sy__record_event(s, t, "task.skipped", NULL);
}

static sy__job *
jobs_of(sy__scope *c, const sy__nodes *ready)
{
    sy__job *list = NULL;
    for (size_t i = ready->count; i-- > 0;) {
        if (c->tasks[ready->at[i]].early) continue;
        sy__job *job = &c->tasks[ready->at[i]].job;
        job->next = list;
        list = job;
        sy__scope_enter(c);
    }
    return list;
}

sy__job *
sy__scope_follow(sy__stage *s, sy__scope *c, uint32_t node, bool has_value)
{
    s->ready.count = s->skipped.count = 0;
    if (sy__dag_end(c->dag, node, has_value, &s->ready, &s->skipped)) {
        sy__error err = {0};
        (void)sy__error_set(&err, SY_ENOMEM, "no memory to follow the run");
        sy__scope_fail(c, &err, NULL);
        return NULL;
    }
    sy__record_count(c->run, SY__MEMBER_DAG, 1);
    for (size_t i = 0; i < s->skipped.count; i++) skip(s, c, s->skipped.at[i]);
    if (atomic_load(&c->stopping) || atomic_load(&c->run->stopping)) return NULL;
    sy__job *list = jobs_of(c, &s->ready), **end = &list;
    if (c->plan->growing.count == 0) return list;
    while (*end) end = &(*end)->next;
    *end = sy__each_early(c);
    return list;
}

/* ---- read back ---- */

/* The results of a map's children, which what undoes them needs. */
static int
restore_children(sy__task *t)
{
    const sy__alloc *a = t->run->engine->alloc;
    if (t->spec->verb != SY__VERB_EACH || !t->spec->compensate) return SY_OK;
    sy__task child = {.run = t->run, .scope = t->scope, .spec = t->spec, .parent = t};
    size_t count = sy__past_positions(t->run->past, t->id); /* some below it may have no row: they had not ended */
    t->each = sy__calloc(a, 1, sizeof *t->each);
    if (t->each) t->each->outputs = sy__calloc(a, count + 1, sizeof *t->each->outputs);
    if (!t->each || !t->each->outputs) return SY_ENOMEM;
    t->each->count = count;
    for (child.number = 0; child.number < count; child.number++) {
        const sy__past *p = sy__past_of(&child);
        bool done = p && p->outcome >= SY__OUTCOME_OK && p->outcome <= SY__OUTCOME_FALLBACK;
        if (done && p->output) t->each->outputs[child.number] = sy__blob_hold(p->output);
    }
    return SY_OK;
}

static int
restore_task(sy__task *t)
{
    sy__past *p = sy__past_of(t);
    if (!p) return SY_OK;
    int status = sy__past_restore(p, t);
    if (status || !t->ended) return status;
    return restore_children(t);
}

/* Why it failed before the run was interrupted. */
static void
past_failure(const sy__task *t, sy__error *why)
{
    const sy__past *p = sy__past_of(t);
    bool told = p && p->message;
    (void)sy__error_set(why, told && p->code ? p->code : SY_EEXTENSION, "%s",
                        told ? p->message : "it had failed before");
    sy__buf key;
    sy__buf_init(&key, t->run->engine->alloc);
    sy__task_key(t, &key);
    if (sy__buf_cstr(&key)) sy__error_where(why, NULL, t->spec->line, key.data);
    sy__buf_close(&key);
}

/* Maps over lists that still grew when the scope failed, and then the process ended: what they did is undone, too. */
static int
restore_cut_maps(sy__scope *c)
{
    int status = SY_OK;
    for (size_t i = 0; !status && c->undoing && i < c->plan->growing.count; i++) {
        sy__task *t = &c->tasks[c->plan->growing.at[i]];
        if (!t->ended && !c->tasks[t->spec->source - 1].ended && sy__past_of(t)) status = restore_children(t);
    }
    return status;
}

int
sy__scope_restore(sy__scope *c)
{
    sy__nodes skipped = {.alloc = c->run->engine->alloc};
    const uint32_t *order = sy__dag_order(c->dag);
    int status = SY_OK;
    for (size_t i = 0; !status && i < c->plan->count; i++) status = restore_task(&c->tasks[i]);
    for (size_t i = 0; !status && i < c->plan->count; i++) {
        sy__task *t = &c->tasks[order[i]];
        if (!t->ended) continue;
        status = sy__dag_end(c->dag, order[i], sy__task_has_value(t), &c->resumable, &skipped);
        if (t->status != SY__TASK_FAILED || t->spec->on_error == SY__ON_ERROR_SKIP) continue;
        if (t->spec->on_error == SY__ON_ERROR_COMPENSATE) c->undoing = true;
        sy__error why = {0};
        past_failure(t, &why);
        sy__scope_fail(c, &why, t->spec->key);
    }
    sy__nodes_close(&skipped);
    return status ? status : restore_cut_maps(c);
}

/* ---- launching ---- */

/* Takes out of `ready` what waits for a person. run.lock held. */
static void
set_aside(sy__stage *s, sy__scope *c, sy__nodes *ready)
{
    size_t kept = 0;
    for (size_t i = 0; i < ready->count; i++) {
        sy__task *t = &c->tasks[ready->at[i]];
        bool leaf = sy__task_calls(t);
        if (leaf && sy__past_waits(sy__past_of(t), t->spec))
            sy__wait_on(s, t);
        else
            ready->at[kept++] = ready->at[i];
    }
    ready->count = kept;
}

/* Whether a task that had begun when the process ended comes up once more in a scope that is stopped: a sub-melody, of
 * which something may be undoing; a map that is undone, for its calls; what a person has decided. */
static bool
goes_on(sy__task *t)
{
    const sy__past *p = sy__past_of(t);
    if (!p || p->status != SY__TASK_EXECUTING) return false;
    t->reopens = t->spec->verb == SY__VERB_SUB || (t->spec->verb == SY__VERB_EACH && t->spec->compensate);
    return t->reopens || t->decided;
}

/* Takes out of `ready` of a stopped scope what does not go on. Whether an effect took place that would have to be
 * undone is for a person to say. run.lock held. */
static void
keep_begun(sy__stage *s, sy__scope *c, sy__nodes *ready)
{
    size_t kept = 0;
    for (size_t i = 0; c->run->past && i < ready->count; i++) {
        sy__task *t = &c->tasks[ready->at[i]];
        if (goes_on(t))
            ready->at[kept++] = ready->at[i];
        else if (t->spec->compensate && sy__task_calls(t) && sy__past_waits(sy__past_of(t), t->spec))
            sy__wait_on(s, t);
    }
    ready->count = kept;
}

void
sy__scope_launch(sy__stage *s, sy__scope *c)
{
    sy__run *r = c->run;
    sy__nodes ready = {.alloc = s->engine->alloc};
    (void)pthread_mutex_lock(&r->lock);
    for (uint32_t i = 0; i < c->plan->count; i++) /* skipped by what ended before the crash, but not written */
        if (sy__dag_ended(c->dag, i) && !c->tasks[i].ended) skip(s, c, i);
    if (sy__dag_start(c->dag, &ready)) {
        sy__error err = {0};
        (void)sy__error_set(&err, SY_ENOMEM, "no memory to start the run");
        sy__scope_fail(c, &err, NULL);
    }
    for (size_t i = 0; i < c->resumable.count; i++)
        if (!c->tasks[c->resumable.at[i]].ended) (void)sy__nodes_add(&ready, c->resumable.at[i]);
    if (is_stopped(c))
        keep_begun(s, c, &ready);
    else if (r->past)
        set_aside(s, c, &ready);
    sy__job *list = jobs_of(c, &ready);
    sy__scope_leave(c->owner ? c->owner->scope : c); /* it was active until now */
    sy__scope_settle(s, c);
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_submit(s->engine, s, list);
    sy__nodes_close(&ready);
}

/* ---- the end ---- */

void
sy__scope_fail(sy__scope *c, const sy__error *why, const char *task)
{
    if (!c->halting && why) {
        c->error = *why;
        if (task && !c->error.task[0]) sy__error_where(&c->error, NULL, c->error.line, task);
    }
    c->halting = true;
    atomic_store(&c->stopping, true);
    if (!c->owner) atomic_store(&c->run->stopping, true);
}

static bool
output_of(void *ud, uint32_t task, bool weak, sy__value *out)
{
    (void)weak;
    const sy__task *t = &((sy__scope *)ud)->tasks[task];
    if (!sy__task_has_value(t) || !t->output) return false;
    *out = sy__blob_value(t->output);
    return true;
}

/* Without outputs of its own a melody gives those of every task nobody depends on, by key. */
static void
leaf_outputs(sy__scope *c, sy__vbuf *out)
{
    sy__vbuf_map(out);
    for (uint32_t i = 0; i < c->plan->count; i++) {
        sy__value v;
        if (!sy__dag_is_leaf(c->dag, i)) continue;
        sy__vbuf_key(out, c->plan->tasks[i].key, strlen(c->plan->tasks[i].key));
        sy__vbuf_value(out, output_of(c, i, true, &v) ? v : sy__value_null());
    }
    sy__vbuf_end(out);
}

bool
sy__scope_outputs(sy__stage *s, sy__scope *c)
{
    sy__value v;
    sy__template_source source = {output_of, sy__blob_value(c->params), c};
    sy__vbuf_reset(&s->scratch);
    if (c->plan->outputs)
        sy__template_fill(c->plan->outputs, &source, &s->scratch);
    else
        leaf_outputs(c, &s->scratch);
    int status = sy__vbuf_done(&s->scratch, &v);
    if (!status) {
        c->outputs = sy__blob_new(c->run->engine->alloc, v);
        return true;
    }
    sy__error err = {0};
    (void)sy__error_set(&err, status, "the outputs together are larger than a value may be (16 MiB)");
    sy__scope_fail(c, &err, NULL);
    return false;
}

static void
close_task(sy__stage *s, sy__task *t)
{
    if (t->inner) sy__scope_close(s, t->inner);
    if (t->waits) sy__scope_wait(t->scope, -1);
    t->waits = SY__WAIT_NONE;
    t->status = SY__TASK_FAILED;
    t->outcome = SY__OUTCOME_CANCELLED;
    t->completed_ms = sy__stage_ms(s);
    t->ended = true;
    if (t->run->level != SY__LEVEL_NONE) sy__record_task(s, t);
    sy__record_event(s, t, "task.cancelled", NULL);
}

void
sy__scope_close(sy__stage *s, sy__scope *c)
{
    for (sy__task *t = c->run->children; t; t = t->siblings)
        if (t->scope == c && !t->ended) close_task(s, t);
    for (uint32_t i = 0; i < c->plan->count; i++)
        if (!c->tasks[i].ended) close_task(s, &c->tasks[i]);
}

/* A sub-melody is over: its owner comes up once more, to end. */
static void
give_back(sy__stage *s, sy__scope *c)
{
    c->ended = true;
    if (c->halting || !sy__scope_outputs(s, c)) sy__scope_close(s, c);
    sy__scope_enter(c->owner->scope);
    c->owner->job.next = NULL;
    if (!s->next_task) {
        s->next_task = c->owner;
        return;
    }
    (void)sy__arbiter_submit(s->engine->arbiter, &c->owner->job);
    sy__stages_wake(s->engine, 1);
}

bool
sy__scope_cut(const sy__scope *c)
{
    for (size_t i = 0; i < c->plan->count; i++)
        if (!c->tasks[i].ended || c->tasks[i].outcome == SY__OUTCOME_CANCELLED) return true;
    return false;
}

/* Whether a stop from above reached into it: then it is closed with what is above, it does not complete. */
static bool
is_cut(const sy__scope *c)
{
    return is_stopped(above(c)) && sy__scope_cut(c);
}

/* Whether nothing of a sub-melody is left to do. */
static bool
is_over(const sy__scope *c)
{
    size_t open = sy__dag_open(c->dag);
    if (c->ended || c->active > 0) return false;
    if (open == 0 && !c->halting) return !is_cut(c);
    return c->halting && !atomic_load(&c->run->cutting);
}

void
sy__scope_settle(sy__stage *s, sy__scope *c)
{
    for (; c->owner; c = above(c)) {
        if (!is_over(c)) continue;
        if (c->flows > 0) { /* they come back here when they have left their isolates */
            (void)sy__engine_stop_scope(c);
            return;
        }
        if (c->halting && sy__undo_next(s, c)) return;
        if (c->halting && (sy__undo_open(c) || sy__undo_below(c))) continue; /* what undoes it waits for a person */
        give_back(s, c);
        return;
    }
    sy__run_settle(s, c->run);
}

/* ---- looking ---- */

static bool
is_called(const sy__task *t, const char *key)
{
    sy__buf own;
    sy__buf_init(&own, t->run->engine->alloc);
    sy__task_key(t, &own);
    const char *s = sy__buf_cstr(&own);
    bool same = s && strcmp(s, key) == 0;
    sy__buf_close(&own);
    return same;
}

sy__task *
sy__scope_task(sy__scope *c, const char *key)
{
    size_t len = strlen(c->prefix);
    if (strncmp(key, c->prefix, len) != 0) return NULL;
    for (sy__task *t = c->run->children; t; t = t->siblings)
        if (t->scope == c && is_called(t, key)) return t;
    const char *rest = key + len, *slash = strchr(rest, '/');
    int64_t index = sy__plan_find(c->plan, rest, slash ? (size_t)(slash - rest) : strlen(rest));
    if (index < 0) return NULL;
    sy__task *t = &c->tasks[index];
    if (!slash) return t;
    return t->inner ? sy__scope_task(t->inner, key) : NULL;
}
