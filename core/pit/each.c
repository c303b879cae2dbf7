/*
 * each.c: the children of a map.
 *
 * Only a window of children exists at a time (max_parallel, else the run's parallelism): a child that ends makes the
 * next one, which its thread takes itself. So a map over a million items costs the results and one window of tasks.
 */
#include "pit/engine_impl.h"

#include "base/bounds.h"

#include <stdio.h>
#include <string.h>

void
sy__each_free(const sy__alloc *a, sy__each *e)
{
    if (!e) return;
    for (size_t i = 0; e->outputs && i < e->count; i++) sy__blob_release(e->outputs[i]);
    sy__free(a, e->outputs);
    sy__blob_release(e->list);
    size_t at = 0, len;
    const char *key;
    void *blob;
    while (sy__map_next(&e->done, &at, &key, &len, &blob)) sy__blob_release(blob);
    sy__map_close(&e->done);
    at = 0;
    while (sy__map_next(&e->begun, &at, &key, &len, &blob)) sy__free(a, blob);
    sy__map_close(&e->begun);
    sy__free(a, e);
}

static sy__each *
each_of(sy__task *t)
{
    const sy__alloc *a = t->run->engine->alloc;
    if (!t->each) {
        t->each = sy__calloc(a, 1, sizeof *t->each);
        if (t->each) sy__map_init(&t->each->done, a), sy__map_init(&t->each->begun, a);
    }
    return t->each;
}

/* A result is kept as a blob; a child that ended without a value as a blob of null with `failed` counted later. */
int
sy__each_remember(sy__task *t, int64_t position, sy__task_status status, sy__value output)
{
    sy__each *e = each_of(t);
    if (!e) return SY_ENOMEM;
    sy__blob *blob = sy__blob_new(t->run->engine->alloc, output);
    if (!blob || sy__map_put(&e->done, (const char *)&position, sizeof position, blob)) {
        sy__blob_release(blob);
        return SY_ENOMEM;
    }
    e->failed += status == SY__TASK_FAILED;
    e->resumed = true;
    return SY_OK;
}

int
sy__each_begun(sy__task *t, int64_t position, const char *id)
{
    sy__each *e = each_of(t);
    char *own = e ? sy__strdup(t->run->engine->alloc, id) : NULL;
    if (!own || sy__map_put(&e->begun, (const char *)&position, sizeof position, own)) {
        sy__free(t->run->engine->alloc, own);
        return SY_ENOMEM;
    }
    return SY_OK;
}

/* A child that had begun before a resume keeps its row. run.lock held. */
static void
name_child(sy__stage *s, sy__each *e, sy__task *child, int64_t position)
{
    char *id = sy__map_del(&e->begun, (const char *)&position, sizeof position);
    if (id)
        (void)snprintf(child->id, sizeof child->id, "%s", id);
    else
        sy__id_next(&s->ids, child->id);
    sy__free(s->engine->alloc, id);
}

static void
link_child(sy__run *r, sy__task *child)
{
    child->siblings = r->children;
    if (r->children) r->children->siblings_before = child;
    r->children = child;
}

static void
unlink_child(sy__run *r, sy__task *child)
{
    if (child->siblings_before)
        child->siblings_before->siblings = child->siblings;
    else
        r->children = child->siblings;
    if (child->siblings) child->siblings->siblings_before = child->siblings_before;
}

/* The next child that is still to be done, counted as active; NULL: none left or no memory. run.lock held. */
static sy__task *
next_child(sy__stage *s, sy__task *parent)
{
    sy__run *r = parent->run;
    sy__each *e = parent->each;
    while (e->next < e->count && sy__value_iter_next(&e->items)) {
        int64_t position = (int64_t)++e->next;
        sy__blob *before = e->resumed ? sy__map_del(&e->done, (const char *)&position, sizeof position) : NULL;
        if (before) {
            e->outputs[position - 1] = before;
            e->ended++;
            continue;
        }
        sy__task *child = sy__calloc(s->engine->alloc, 1, sizeof *child);
        if (!child) {
            e->next--;
            sy__error err = {0};
            (void)sy__error_set(&err, SY_ENOMEM, "no memory for a child of `%s`", parent->spec->key);
            sy__run_fail(r, &err, parent->spec->key);
            return NULL;
        }
        child->run = r;
        child->spec = parent->spec;
        child->parent = parent;
        child->number = (uint32_t)(position - 1);
        child->item = e->items.value;
        child->created_ms = sy__wall_ms(s->engine->o.clock);
        name_child(s, e, child, position);
        sy__task_gates(child);
        link_child(r, child);
        e->living++;
        r->active++;
        return child;
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

/* Ends the parent after its last child; or lets go of it when the run stops. */
static void
finish(sy__stage *s, sy__task *parent)
{
    sy__run *r = parent->run;
    sy__each *e = parent->each;
    sy__error err = {0};
    if (e->ended == e->count && (e->failed == 0 || parent->spec->on_error == SY__ON_ERROR_SKIP)) {
        if (collect(s, parent) == SY_OK) {
            sy__task_end(s, parent, SY__TASK_COMPLETED, SY__OUTCOME_OK);
            return;
        }
        (void)sy__error_set(&err, SY_EINVAL, "the results together are larger than a value may be (16 MiB)");
    } else if (e->failed) {
        (void)sy__error_set(&err, SY_EEXTENSION, "%zu of its %zu calls failed", e->failed, e->count);
    } else if (r->cancelled || r->halting) {
        (void)sy__error_set(&err, SY_ECANCELLED, "the run was stopped");
    } else { /* parking: it begins again where it was */
        (void)pthread_mutex_lock(&r->lock);
        sy__each_free(s->engine->alloc, e);
        parent->each = NULL;
        parent->status = SY__TASK_PENDING;
        parent->first_ns = 0;
        r->active--;
        sy__run_hold(r);
        sy__run_settle(s, r);
        (void)pthread_mutex_unlock(&r->lock);
        sy__run_release(r);
        return;
    }
    if (!parent->error) parent->error = sy__malloc(s->engine->alloc, sizeof err);
    if (parent->error) *parent->error = err;
    sy__task_end(s, parent, SY__TASK_FAILED, err.code == SY_ECANCELLED ? SY__OUTCOME_CANCELLED : SY__OUTCOME_ERROR);
}

static void
record_fan_out(sy__stage *s, sy__task *t)
{
    char context[96];
    int64_t window = t->spec->max_parallel > 0 ? t->spec->max_parallel : t->run->gate.limit;
    (void)snprintf(context, sizeof context, "{\"decision\":\"fan_out\",\"items\":%zu,\"window\":%lld}", t->each->count,
                   (long long)window);
    sy__record_pit(s, t->run, t, SY__MEMBER_DAG, context, NULL);
}

void
sy__each_begin(sy__stage *s, sy__task *t, sy__value list)
{
    sy__run *r = t->run;
    sy__each *e = each_of(t);
    sy__error err = {0};
    bool empty = sy__value_kind(list) == SY__NULL || (sy__value_kind(list) == SY__MAP && sy__value_count(list) == 0);
    if (e && !empty && sy__value_kind(list) != SY__ARRAY) {
        (void)sy__error_set(&err, SY_ETYPE, "`%s` needs a list to go over", t->spec->key);
        t->error = sy__malloc(s->engine->alloc, sizeof err);
        if (t->error) *t->error = err;
        sy__task_end(s, t, SY__TASK_FAILED, SY__OUTCOME_ERROR);
        return;
    }
    t->started_ms = sy__wall_ms(s->engine->o.clock);
    t->status = SY__TASK_EXECUTING;
    t->attempts = 1;
    if (e) e->list = sy__blob_new(s->engine->alloc, list);
    if (e) e->count = empty ? 0 : sy__value_count(list);
    if (e && e->count <= SY_MAX_EACH) e->outputs = sy__calloc(s->engine->alloc, e->count + 1, sizeof *e->outputs);
    if (!e || !e->list || !e->outputs) {
        sy__task_end(s, t, SY__TASK_FAILED, SY__OUTCOME_ERROR);
        return;
    }
    sy__value_iter_init(&e->items, sy__blob_value(e->list));
    if (r->level != SY__LEVEL_NONE) sy__record_task(s, t);
    if (!t->started) sy__record_event(s, t, "task_started", NULL);
    t->started = true;
    record_fan_out(s, t);
    sy__job *jobs = NULL, **end = &jobs;
    size_t window = (size_t)(t->spec->max_parallel > 0 ? t->spec->max_parallel : r->gate.limit);
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < window; i++) {
        sy__task *child = next_child(s, t);
        if (!child) break;
        *end = &child->job;
        end = &child->job.next;
    }
    bool done = e->living == 0;
    (void)pthread_mutex_unlock(&r->lock);
    if (done)
        finish(s, t);
    else
        sy__run_submit(s->engine, s, jobs);
}

/* Takes the child's outcome into its parent. run.lock held. */
static void
take_result(sy__run *r, sy__task *child)
{
    sy__each *e = child->parent->each;
    bool value = sy__task_has_value(child);
    e->ended++;
    e->failed += child->status == SY__TASK_FAILED;
    if (value) e->outputs[child->number] = sy__blob_hold(child->output);
    r->cpu_ns += child->cpu_ns;
    if (child->peak_bytes > r->peak_bytes) r->peak_bytes = child->peak_bytes;
    r->usd_micro += child->usd_micro;
    r->tokens += child->tokens;
    if (child->status != SY__TASK_FAILED || child->spec->on_error == SY__ON_ERROR_SKIP || r->parking || r->cancelled)
        return;
    sy__run_fail(r, child->error, child->error ? child->error->task : child->spec->key);
}

void
sy__each_child_end(sy__stage *s, sy__task *child, bool dropped)
{
    sy__run *r = child->run;
    sy__task *parent = child->parent;
    sy__each *e = parent->each;
    if (dropped && child->started && !child->uncertain && r->level != SY__LEVEL_NONE) {
        child->status = SY__TASK_PENDING;
        sy__record_task(s, child);
    }
    (void)pthread_mutex_lock(&r->lock);
    if (!dropped) take_result(r, child);
    unlink_child(r, child);
    e->living--;
    r->active--;
    sy__task *next = atomic_load(&r->stopping) ? NULL : next_child(s, parent);
    bool done = e->living == 0;
    (void)pthread_mutex_unlock(&r->lock);
    sy__task_close(child);
    sy__free(s->engine->alloc, child);
    if (next) sy__run_submit(s->engine, s, &next->job);
    if (done) finish(s, parent);
}
