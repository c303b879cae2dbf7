/* plan_task.c: one task of a definition, of any verb: what it calls, what it is called with, what undoes it. */
#include "pit/plan/plan_impl.h"

#include "base/bounds.h"
#include "base/map.h"

#include <string.h>

static int
compile_target(sy__compiler *c, sy__value v, sy__target *t)
{
    size_t len, ext_len;
    sy__value name = sy__plan_field(v, "operation"), extension = sy__plan_field(v, "extension");
    const char *s = sy__value_str(name, &len), *e = sy__value_str(extension, &ext_len);
    const char *dot = s ? memrchr(s, '.', len) : NULL;
    if (!dot) return sy__plan_invalid(c, "an operation is named extension.operation");
    if (e ? sy__plan_is_text(extension, "host") : (size_t)(dot - s) == 4 && memcmp(s, "host", 4) == 0)
        return sy__plan_invalid(c, "what the host does is not an operation to call");
    if (sy__plan_copy_text(c->plan->alloc, name, &t->name)) return SY_ENOMEM;
    sy__buf full;
    sy__buf_init(&full, c->plan->alloc);
    sy__buf_add(&full, e ? e : s, e ? ext_len : (size_t)(dot - s));
    sy__buf_add(&full, dot, len - (size_t)(dot - s));
    const char *text = sy__buf_cstr(&full);
    int status = text ? sy__registry_resolve(c->registry, text, &t->extension, &t->operation, c->err) : SY_ENOMEM;
    sy__buf_close(&full);
    return status;
}

/* A fallback: an operation with an input of its own, or with the task's. */
static int
compile_fallback(sy__compiler *c, sy__value v, sy__target *t, sy__edge_kind edge)
{
    sy__value input = sy__plan_field(v, "input");
    int status = compile_target(c, v, t);
    if (status || !input.data) return status;
    sy__template_names names = {sy__plan_find_task, sy__plan_add_edge, edge, c};
    return sy__template_new(&t->input, c->plan->alloc, input, &names, c->err);
}

static int
after_edges(sy__compiler *c, sy__value after)
{
    sy__value_iter it;
    sy__value_iter_init(&it, after);
    while (sy__value_iter_next(&it)) {
        size_t len;
        const char *key = sy__value_str(it.value, &len);
        int64_t task = key ? sy__plan_find(c->plan, key, len) : -1;
        if (task < 0) return sy__plan_invalid(c, "`after` lists the keys of tasks");
        int status = sy__plan_add_edge(c, (uint32_t)task, SY__EDGE_HARD);
        if (status) return status;
    }
    return SY_OK;
}

/* The input of a task that is written without one. */
static const char empty_map[9] = {SY__MAP};

static int
compile_own_input(sy__compiler *c, sy__value input, sy__value options)
{
    sy__template_names names = {sy__plan_find_task, sy__plan_add_edge, sy__plan_default_edge(options), c};
    if (!input.data) input = (sy__value){empty_map, sizeof empty_map};
    return sy__template_new(&c->task->targets[0].input, c->plan->alloc, input, &names, c->err);
}

/* The task, + 1, all of whose result is the list, over a hard edge and without conditions; 0: it is something else. */
static uint32_t
whole_result(sy__compiler *c, sy__value list, sy__value options)
{
    sy__value ref = sy__plan_field(list, "$ref"), key, join = sy__plan_field(options, "join");
    size_t len;
    bool plain = sy__value_kind(ref) == SY__ARRAY && sy__value_count(ref) == 1 && sy__value_count(list) == 1;
    bool waits_for_all = !join.data || sy__plan_is_text(join, "all");
    if (!plain || !waits_for_all || sy__plan_field(options, "when").data ||
        sy__plan_default_edge(options) != SY__EDGE_HARD)
        return 0;
    sy__value_iter it;
    sy__value_iter_init(&it, ref);
    if (!sy__value_iter_next(&it)) return 0;
    key = it.value;
    const char *s = sy__value_str(key, &len);
    return s ? (uint32_t)(sy__plan_find(c->plan, s, len) + 1) : 0;
}

static int
compile_each(sy__compiler *c, sy__value task, sy__value options)
{
    sy__template_names names = {sy__plan_find_task, sy__plan_add_edge, sy__plan_default_edge(options), c};
    c->task->source = whole_result(c, sy__plan_field(task, "list"), options);
    int status = sy__template_new(&c->task->list, c->plan->alloc, sy__plan_field(task, "list"), &names, c->err);
    return status ? status : sy__plan_fn(c, sy__plan_field(task, "fn"), &c->task->map);
}

enum { LOOP_MAX = 100 };

static int
compile_loop(sy__compiler *c, sy__value task, sy__value options)
{
    sy__value max = sy__plan_field(task, "max");
    c->task->max = max.data && sy__value_kind(max) != SY__NULL ? sy__value_int(max) : LOOP_MAX;
    if (c->task->max < 1 || c->task->max > SY_MAX_EACH)
        return sy__plan_invalid(c, "`max` of a loop is from 1 to 1,000,000");
    int status = compile_own_input(c, sy__plan_field(task, "input"), options);
    if (!status) status = sy__plan_fn(c, sy__plan_field(task, "fn"), &c->task->map);
    return status ? status : sy__plan_fn(c, sy__plan_field(task, "until"), &c->task->until);
}

static int
compile_ask(sy__compiler *c, sy__value task, sy__value options)
{
    sy__plan_task *t = c->task;
    t->question_schema = sy__plan_field(task, "schema");
    t->answer = sy__plan_field(options, "default");
    int status = compile_own_input(c, sy__plan_field(task, "question"), options);
    if (status || !t->question_schema.data) return status;
    status = sy__schema_new(&t->schema, c->plan->alloc, t->question_schema, c->err);
    if (!status && t->answer.data && sy__schema_check(t->schema, t->answer, NULL, c->err))
        return sy__plan_invalid(c, "the default does not fit the schema of the question");
    return status;
}

static int
compile_sub(sy__compiler *c, sy__value task, sy__value options)
{
    sy__value name = sy__plan_field(task, "melody"), found;
    size_t len;
    const char *s = sy__value_str(name, &len);
    if (!s || !sy__value_get(c->melodies, s, len, &found))
        return sy__plan_invalid(c, "the sub-melody is not among the `melodies` of the definition");
    if (sy__plan_copy_text(c->plan->alloc, name, &c->task->melody)) return SY_ENOMEM;
    return compile_own_input(c, sy__plan_field(task, "params"), options);
}

/* The operations that a flow may call are its further targets. */
static int
compile_flow(sy__compiler *c, sy__value task, sy__value options)
{
    sy__value_iter it;
    (void)options;
    int status = sy__plan_fn(c, sy__plan_field(task, "fn"), &c->task->map);
    if (!status && !c->task->map.source) return sy__plan_invalid(c, "a flow is a function");
    sy__value_iter_init(&it, sy__plan_field(task, "operations"));
    while (!status && sy__value_iter_next(&it))
        status = compile_target(c, it.value, &c->task->targets[c->task->target_count++]);
    return status;
}

static const struct {
    const char *name, *operation;
    sy__verb verb;
    int (*compile)(sy__compiler *c, sy__value task, sy__value options);
} verbs[] = {
    {"task", NULL, SY__VERB_TASK, NULL},
    {"each", NULL, SY__VERB_EACH, compile_each},
    {"loop", NULL, SY__VERB_LOOP, compile_loop},
    {"ask", "host.ask", SY__VERB_ASK, compile_ask},
    {"sub", "host.sub", SY__VERB_SUB, compile_sub},
    {"flow", "host.flow", SY__VERB_FLOW, compile_flow},
    {"sleep", "host.sleep", SY__VERB_SLEEP, NULL}, /* these three only as calls of a flow */
    {"now", "host.now", SY__VERB_NOW, NULL},
    {"random", "host.random", SY__VERB_RANDOM, NULL},
};

const char *
sy__verb_operation(sy__verb verb)
{
    static const char *const own[] = {[SY__VERB_EACH] = "host.each", [SY__VERB_LOOP] = "host.loop"};
    return verb < sizeof own / sizeof *own && own[verb] ? own[verb] : verbs[verb].operation;
}

/* What the host does itself. */
static int
compile_host_target(sy__compiler *c, const char *operation)
{
    sy__target *t = &c->task->targets[0];
    t->name = sy__strdup(c->plan->alloc, operation);
    return t->name ? sy__registry_resolve(c->registry, operation, &t->extension, &t->operation, c->err) : SY_ENOMEM;
}

static int
compile_targets(sy__compiler *c, sy__value task, sy__value options, const char *host_operation)
{
    sy__value fallback = sy__plan_field(options, "fallback");
    sy__plan_task *t = c->task;
    size_t count = sy__value_count(fallback) + sy__value_count(sy__plan_field(task, "operations")) + 1;
    t->targets = sy__calloc(c->plan->alloc, count, sizeof *t->targets);
    if (!t->targets) return SY_ENOMEM;
    t->target_count = 1;
    if (host_operation) return compile_host_target(c, host_operation);
    int status = compile_target(c, task, &t->targets[0]);
    sy__value_iter it;
    sy__value_iter_init(&it, fallback);
    while (!status && sy__value_iter_next(&it))
        status = compile_fallback(c, it.value, &t->targets[t->target_count++], sy__plan_default_edge(options));
    return status;
}

/* What undoes a task is a task of its own; its references make no edges, for it runs when the melody has failed. */
static int
compile_compensate(sy__compiler *c, sy__value v)
{
    if (!v.data || sy__value_kind(v) == SY__NULL) return SY_OK;
    sy__plan_task *t = c->task, *undo = t->compensate = sy__calloc(c->plan->alloc, 1, sizeof *undo);
    if (!undo) return SY_ENOMEM;
    undo->key = sy__strdup(c->plan->alloc, t->key);
    undo->line = t->line;
    undo->on_error = SY__ON_ERROR_SKIP;
    undo->waits_weakly = true;
    undo->targets = sy__calloc(c->plan->alloc, 1, sizeof *undo->targets);
    if (!undo->key || !undo->targets) return SY_ENOMEM;
    undo->target_count = 1;
    sy__template_names names = {sy__plan_find_task, sy__plan_no_edge, SY__EDGE_SOFT, c};
    sy__value input = sy__plan_field(v, "input");
    if (!input.data) input = (sy__value){empty_map, sizeof empty_map};
    int status = compile_target(c, v, &undo->targets[0]);
    return status ? status : sy__template_new(&undo->targets[0].input, c->plan->alloc, input, &names, c->err);
}

static int
find_verb(sy__compiler *c, sy__value verb, size_t *at)
{
    for (*at = 0; verb.data && *at < sizeof verbs / sizeof *verbs; ++*at)
        if (sy__plan_is_text(verb, verbs[*at].name)) return SY_OK;
    *at = 0;
    return verb.data ? sy__plan_invalid(c, "a verb that this version does not run") : SY_OK;
}

int
sy__plan_task_compile(sy__compiler *c, sy__value task)
{
    sy__value options = sy__plan_field(task, "options");
    size_t verb;
    c->task->line = (int)sy__value_int(sy__plan_field(task, "line"));
    int status = find_verb(c, sy__plan_field(task, "verb"), &verb);
    if (status) return status;
    if (c->dag && verbs[verb].verb >= SY__VERB_SLEEP)
        return sy__plan_invalid(c, "sleep, now and random are for the calls of a flow");
    c->task->verb = verbs[verb].verb;
    status = compile_targets(c, task, options, verbs[verb].operation);
    if (!status)
        status = verbs[verb].compile ? verbs[verb].compile(c, task, options)
                                     : compile_own_input(c, sy__plan_field(task, "input"), options);
    if (!status) status = sy__plan_options(c, options);
    if (status || !c->dag) return status;
    if (!status) status = compile_compensate(c, sy__plan_field(options, "compensate"));
    if (!status) status = after_edges(c, sy__plan_field(options, "after"));
    if (!status) status = sy__plan_name_edges(c, &c->task->when, sy__plan_default_edge(options));
    if (!status) status = sy__plan_name_edges(c, &c->task->map, sy__plan_default_edge(options));
    if (!status) status = sy__plan_name_edges(c, &c->task->until, sy__plan_default_edge(options));
    return status;
}

void
sy__plan_task_close(const sy__alloc *a, sy__plan_task *t)
{
    for (size_t i = 0; i < t->target_count; i++) {
        sy__free(a, t->targets[i].name);
        sy__extension_release(t->targets[i].extension);
        sy__template_free(t->targets[i].input);
    }
    sy__free(a, t->targets);
    sy__free(a, t->key);
    sy__plan_flow_free(a, t->flow);
    sy__free(a, t->melody);
    sy__free(a, t->budget);
    sy__template_free(t->list);
    sy__schema_free(t->schema);
    sy__plan_fn_free(a, &t->map);
    sy__plan_fn_free(a, &t->until);
    sy__plan_fn_free(a, &t->when);
    if (t->compensate) sy__plan_task_close(a, t->compensate);
    sy__free(a, t->compensate);
    sy__blob_release(t->definition);
}

void
sy__plan_task_free(const sy__alloc *a, sy__plan_task *t)
{
    if (t) sy__plan_task_close(a, t);
    sy__free(a, t);
}

int
sy__plan_task_new(sy__plan_task **out, const sy__alloc *a, sy__value task, sy__registry *registry, sy__error *err)
{
    sy__map none;
    sy__map_init(&none, a);
    sy__plan alone = {.alloc = a, .by_key = &none};
    sy__compiler c = {.plan = &alone, .registry = registry, .err = err};
    sy__plan_task *t = c.task = *out = sy__calloc(a, 1, sizeof *t);
    if (!t) return SY_ENOMEM;
    t->definition = sy__blob_new(a, task);
    int status = t->definition ? sy__plan_copy_text(a, sy__plan_field(task, "key"), &t->key) : SY_ENOMEM;
    if (!status) status = sy__plan_task_compile(&c, sy__blob_value(t->definition));
    sy__map_close(&none);
    if (!status) return SY_OK;
    sy__plan_task_free(a, t);
    *out = NULL;
    return status;
}
