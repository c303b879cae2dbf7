/* flow.c: named gates by reference, the keys of tasks. */
#include "pit/arbiter/flow.h"

#include "base/bounds.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* A gate by name; refs and the map are under engine.gates_lock. */
typedef struct named_gate {
    sy__gate gate; /* first */
    size_t refs;
    size_t len;
    char name[];
} named_gate;

int
sy__flow_open(sy__engine *e)
{
    const sy__limits *l = &e->o.limits;
    sy__map_init(&e->gates, e->alloc);
    e->max_tasks = l->tasks > 0 && l->tasks < SY_MAX_ISOLATES ? l->tasks : SY_MAX_ISOLATES;
    sy__arbiter_limits(e->arbiter, e->max_tasks, l->age_ms * 1000000);
    e->limits = sy__calloc(e->alloc, l->named_count + 1, sizeof *e->limits);
    if (!e->limits) return SY_ENOMEM;
    if (l->named_count) memcpy(e->limits, l->named, l->named_count * sizeof *l->named);
    e->limit_count = l->named_count;
    return SY_OK;
}

void
sy__flow_close(sy__engine *e)
{
    size_t at = 0, len;
    const char *key;
    void *value;
    while (sy__map_next(&e->gates, &at, &key, &len, &value)) sy__free(e->alloc, value);
    sy__map_close(&e->gates);
    sy__free(e->alloc, e->limits);
}

/* ---- weight ---- */

void
sy__flow_weigh(sy__run *r, sy__value options)
{
    sy__value weight = {0};
    bool given = options.data && sy__value_get(options, "weight", 6, &weight);
    sy__share_init(&r->share, &r->gate, given ? sy__value_int(weight) : 1);
}

void
sy__flow_weigh_json(sy__run *r, const char *options)
{
    sy__vbuf b;
    sy__value v = {0};
    sy__vbuf_init(&b, r->engine->alloc);
    if (sy__value_from_json(&b, options, strlen(options), NULL) || sy__vbuf_done(&b, &v)) v = (sy__value){0};
    sy__flow_weigh(r, v);
    sy__vbuf_close(&b);
}

/* ---- gates by name ---- */

static named_gate *
make_gate(sy__engine *e, const char *name, size_t len)
{
    named_gate *g = sy__calloc(e->alloc, 1, sizeof *g + len + 1);
    if (!g) return NULL;
    memcpy(g->name, name, len);
    g->len = len;
    g->gate.name = g->name;
    if (sy__map_put(&e->gates, name, len, g) == SY_OK) return g;
    sy__free(e->alloc, g);
    return NULL;
}

/* The gate of a name with one reference more; of several limits the strictest counts. NULL: no memory. */
static sy__gate *
hold_gate(sy__engine *e, const sy__buf *name, int64_t limit, const sy__rate *rate)
{
    if (name->failed) return NULL;
    (void)pthread_mutex_lock(&e->gates_lock);
    named_gate *g = sy__map_get(&e->gates, name->data, name->len);
    bool fresh = !g;
    if (!g) g = make_gate(e, name->data, name->len);
    if (g && g->refs++ == 0 && !fresh) e->idle_gates--;
    if (g) sy__gate_tighten(e->arbiter, &g->gate, limit, rate);
    (void)pthread_mutex_unlock(&e->gates_lock);
    return g ? &g->gate : NULL;
}

/* A bucket that is not full remembers what was let in: it must stay. gates_lock held. */
static bool
may_go(sy__engine *e, const named_gate *g)
{
    return !g->gate.rate.every_ns || g->gate.rate.next_ns <= sy__mono_ns(e->o.clock);
}

static void
free_gate(sy__engine *e, named_gate *g)
{
    (void)sy__map_del(&e->gates, g->name, g->len);
    sy__free(e->alloc, g);
}

static void
release_gate(sy__engine *e, sy__gate *gate)
{
    named_gate *g = (named_gate *)gate;
    (void)pthread_mutex_lock(&e->gates_lock);
    if (--g->refs == 0) {
        if (may_go(e, g))
            free_gate(e, g);
        else
            e->idle_gates++;
    }
    (void)pthread_mutex_unlock(&e->gates_lock);
}

static void
free_idle(sy__engine *e)
{
    size_t at = 0, len;
    const char *key;
    void *value;
    (void)pthread_mutex_lock(&e->gates_lock);
    while (e->idle_gates > 0 && sy__map_next(&e->gates, &at, &key, &len, &value)) {
        named_gate *g = value;
        if (g->refs > 0 || !may_go(e, g)) continue;
        free_gate(e, g);
        e->idle_gates--;
    }
    (void)pthread_mutex_unlock(&e->gates_lock);
}

/* ---- the gates of a task ---- */

static const sy__named_limit *
limit_of(const sy__engine *e, const char *name, size_t len)
{
    for (size_t i = 0; i < e->limit_count; i++)
        if (strlen(e->limits[i].name) == len && memcmp(e->limits[i].name, name, len) == 0) return &e->limits[i];
    return NULL;
}

static bool
has_gates(const sy__task *t)
{
    return t->spec->flow || t->spec->queue_timeout_ms || t->run->engine->limit_count > 0 ||
           t->spec->targets[t->target].extension->max_parallel > 0;
}

void
sy__task_gates(sy__task *t)
{
    sy__flow_leave(t);
    t->job.share = &t->run->share;
    t->job.priority = t->spec->priority + t->scope->priority;
    t->job.open = !sy__task_calls(t); /* what the host does takes no place */
    t->job.find_gates = !t->job.open && has_gates(t);
}

/* The gate named in stage.text, with what the settings say of it. NULL with SY_OK: it would limit nothing. */
static sy__gate *
limited_gate(sy__stage *s, sy__task *t, int64_t limit, bool always)
{
    const sy__named_limit *own = limit_of(s->engine, s->text.data, s->text.len);
    sy__rate rate = {0};
    if (own && own->parallel > 0 && (limit == 0 || own->parallel < limit)) limit = own->parallel;
    if (own && own->count > 0) sy__rate_set(&rate, own->count, own->per_ms, own->burst);
    if (limit == 0 && always) limit = 1;
    if (limit == 0 && !rate.every_ns) return NULL;
    sy__gate *g = hold_gate(s->engine, &s->text, limit, &rate);
    if (!g) sy__run_unwritten(t->run, SY_ENOMEM);
    return g;
}

static void
extension_gate(sy__stage *s, sy__task *t)
{
    const sy__extension *ext = t->spec->targets[t->target].extension;
    sy__buf_reset(&s->text);
    sy__buf_addf(&s->text, "extension %s", ext->name);
    t->job.gates[0] = limited_gate(s, t, ext->max_parallel, false);
}

/* What is null or false is no key: the task is not limited by one. A key without a limit lets one in at a time. */
static void
key_gate(sy__stage *s, sy__task *t)
{
    sy__value v;
    sy__error err = {0};
    if (sy__input_fill(s, t, t->spec->flow->key, &v, &err)) {
        sy__run_unwritten(t->run, SY_ENOMEM);
        return;
    }
    if (sy__value_kind(v) == SY__NULL || sy__value_kind(v) == SY__FALSE) return;
    size_t len;
    const char *text = sy__value_str(v, &len);
    sy__buf_reset(&s->text);
    sy__buf_adds(&s->text, "key ");
    if (text)
        sy__buf_add(&s->text, text, len);
    else
        sy__value_to_json(v, SY__JSON_COMPACT, &s->text);
    t->job.gates[1] = limited_gate(s, t, t->spec->flow->key_limit, true);
}

/* A task's rate holds for all runs of its melody together. */
static void
rate_gate(sy__stage *s, sy__task *t)
{
    const sy__plan_flow *f = t->spec->flow;
    const char *melody = t->run->melody_id ? t->scope->plan->name : NULL;
    sy__rate rate;
    sy__rate_set(&rate, f->count, f->per_ms, f->burst);
    sy__buf_reset(&s->text);
    sy__buf_addf(&s->text, "rate %s.%s", melody ? melody : t->run->id, t->spec->key);
    t->job.gates[2] = hold_gate(s->engine, &s->text, 0, &rate);
    if (!t->job.gates[2]) sy__run_unwritten(t->run, SY_ENOMEM);
}

void
sy__flow_enter(sy__stage *s, sy__job *list)
{
    for (sy__job *job = list; job; job = job->next) {
        if (!job->find_gates) continue;
        sy__task *t = (sy__task *)job;
        const sy__plan_flow *f = t->spec->flow;
        bool first = t->attempts == 0 && t->spec->queue_timeout_ms;
        job->deadline_ns = first ? sy__stage_ns(s) + t->spec->queue_timeout_ms * 1000000 : 0;
        if (!job->gates[0]) extension_gate(s, t);
        if (f && f->key && !job->gates[1]) key_gate(s, t);
        if (f && f->count && !job->gates[2]) rate_gate(s, t);
    }
}

void
sy__flow_leave(sy__task *t)
{
    if (!t->job.find_gates) return;
    for (int i = 0; i < SY__JOB_GATES; i++)
        if (t->job.gates[i]) release_gate(t->run->engine, t->job.gates[i]);
    memset(t->job.gates, 0, sizeof t->job.gates);
    t->job.waited_at = t->job.told_at = NULL;
}

/* ---- the clock ---- */

static void
refuse(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    int64_t now = sy__stage_ns(s);
    (void)sy__error_set(&err, SY_ETIMEOUT, "it waited %lld ms for its turn%s%s",
                        (long long)((now - t->job.queued_ns) / 1000000), t->job.waited_at ? " at " : "",
                        t->job.waited_at ? t->job.waited_at->name : "");
    t->first_ns = now;
    sy__flow_refused(s, t);
    sy__task_fail(s, t, &err);
}

void
sy__flow_tick(sy__stage *s)
{
    for (sy__job *job = sy__arbiter_expired(s->engine->arbiter); job;) {
        sy__job *next = job->next;
        if (atomic_load(&((sy__task *)job)->run->stopping))
            sy__task_drop(s, (sy__task *)job);
        else
            refuse(s, (sy__task *)job);
        job = next;
    }
    sy__flow_lasting(s);
    free_idle(s->engine);
}

static void
on_due(evutil_socket_t fd, short what, void *ud)
{
    (void)fd;
    (void)what;
    (void)ud; /* the stage looks at the arbiter when its loop returns */
}

void
sy__flow_sleep(sy__stage *s)
{
    int64_t due = sy__arbiter_due(s->engine->arbiter), ns = due == INT64_MAX ? 0 : due - sy__stage_ns(s);
    if (due == INT64_MAX) return;
    if (ns < 1000) ns = 1000;
    struct timeval in = {ns / 1000000000, ns % 1000000000 / 1000 + 1};
    if (!s->due) s->due = event_new(s->base, -1, 0, on_due, s);
    if (s->due) (void)event_add(s->due, &in); /* without memory the tick finds it, 100 ms later at most */
}
