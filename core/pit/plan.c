/*
 * plan.c: definition → plan and dag. Two passes: all keys first, then the tasks with their references, so
 * that a task may refer to one written after it.
 */
#include "pit/plan.h"

#include "base/bounds.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

/* What the compiler carries through one task. */
typedef struct compiler {
    sy__plan *plan;
    sy__dag *dag;
    sy__registry *registry;
    sy__plan_task *task;
    uint32_t node;
    sy__error *err;
    uint32_t *linked;   /* per task: the last node + 1 that got an edge from it */
    sy__value melodies; /* those it may name as sub-melodies */
} compiler;

static sy__value
field(sy__value map, const char *key)
{
    sy__value v = {0};
    return sy__value_get(map, key, strlen(key), &v) ? v : (sy__value){0};
}

static bool
is_text(sy__value v, const char *text)
{
    size_t len;
    const char *s = sy__value_str(v, &len);
    return s && strlen(text) == len && memcmp(s, text, len) == 0;
}

/* A copy of a string value; NULL with SY_OK when there is none. */
static int
copy_text(const sy__alloc *a, sy__value v, char **out)
{
    size_t len;
    const char *s = sy__value_str(v, &len);
    *out = s ? sy__strndup(a, s, len) : NULL;
    return s && !*out ? SY_ENOMEM : SY_OK;
}

static int
invalid(compiler *c, const char *what)
{
    (void)sy__error_set(c->err, SY_EMELODY, "%s", what);
    return SY_EMELODY;
}

static sy__edge_kind
default_edge(sy__value options)
{
    sy__value edge = field(options, "edge");
    return is_text(edge, "soft") ? SY__EDGE_SOFT : is_text(edge, "optional") ? SY__EDGE_OPTIONAL : SY__EDGE_HARD;
}

static int64_t
find_task(void *ud, const char *key, size_t len)
{
    return sy__plan_find(((compiler *)ud)->plan, key, len);
}

static int
add_edge(void *ud, uint32_t task, sy__edge_kind kind)
{
    compiler *c = ud;
    if (kind != SY__EDGE_HARD) c->task->waits_weakly = true;
    c->linked[task] = c->node + 1;
    return sy__dag_edge(c->dag, task, c->node, kind);
}

static int
no_edge(void *ud, uint32_t task, sy__edge_kind kind)
{
    (void)ud;
    (void)task;
    (void)kind;
    return SY_OK;
}

/* The tasks that a function uses by name, as the checker found them. */
static int
compile_uses(compiler *c, sy__value uses, sy__fn *out)
{
    sy__nodes named = {.alloc = c->plan->alloc};
    sy__value_iter it;
    int status = SY_OK;
    sy__value_iter_init(&it, uses);
    while (!status && sy__value_iter_next(&it)) {
        size_t len;
        const char *key = sy__value_str(it.value, &len);
        int64_t task = key ? sy__plan_find(c->plan, key, len) : -1;
        status = task < 0 ? invalid(c, "`uses` of a function lists the keys of tasks")
                          : sy__nodes_add(&named, (uint32_t)task);
    }
    out->tasks = named.at;
    out->task_count = named.count;
    out->told = sy__value_kind(uses) == SY__ARRAY || sy__value_kind(uses) == SY__MAP;
    return status;
}

static int
compile_fn(compiler *c, sy__value v, sy__fn *out)
{
    if (!v.data || sy__value_kind(v) == SY__NULL) return SY_OK;
    sy__value source = sy__value_kind(v) == SY__MAP ? field(v, "lua") : v;
    if (!sy__value_str(source, &out->len)) return invalid(c, "a function is {\"lua\": source} or a string");
    if (out->len > SY_MAX_SOURCE_BYTES) return invalid(c, "a function of more than 1 MiB");
    if (copy_text(c->plan->alloc, source, &out->source)) return SY_ENOMEM;
    int status = sy__value_kind(v) == SY__MAP ? compile_uses(c, field(v, "uses"), out) : SY_OK;
    if (status) return status;
    sy__value captures = sy__value_kind(v) == SY__MAP ? field(v, "captures") : (sy__value){0};
    out->line = sy__value_kind(v) == SY__MAP ? (int)sy__value_int(field(v, "line")) : 0;
    if (!captures.data) return SY_OK;
    out->captures = sy__blob_new(c->plan->alloc, captures);
    return out->captures ? SY_OK : SY_ENOMEM;
}

static int
compile_target(compiler *c, sy__value v, sy__target *t)
{
    size_t len, ext_len;
    sy__value name = field(v, "operation"), extension = field(v, "extension");
    const char *s = sy__value_str(name, &len), *e = sy__value_str(extension, &ext_len);
    const char *dot = s ? memrchr(s, '.', len) : NULL;
    if (!dot) return invalid(c, "an operation is named extension.operation");
    if (e ? is_text(extension, "host") : (size_t)(dot - s) == 4 && memcmp(s, "host", 4) == 0)
        return invalid(c, "what the host does is not an operation to call");
    if (copy_text(c->plan->alloc, name, &t->name)) return SY_ENOMEM;
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
compile_fallback(compiler *c, sy__value v, sy__target *t, sy__edge_kind edge)
{
    sy__value input = field(v, "input");
    int status = compile_target(c, v, t);
    if (status || !input.data) return status;
    sy__template_names names = {find_task, add_edge, edge, c};
    return sy__template_new(&t->input, c->plan->alloc, input, &names, c->err);
}

static int
duration(compiler *c, sy__value options, const char *key, int64_t *out)
{
    sy__value v = field(options, key);
    if (!v.data || sy__value_kind(v) == SY__NULL) return SY_OK;
    *out = sy__value_int(v);
    return *out < 0 ? invalid(c, "a duration below zero") : SY_OK;
}

static int
compile_retry(compiler *c, sy__value retry)
{
    sy__plan_task *t = c->task;
    if (!retry.data || sy__value_kind(retry) == SY__NULL) return SY_OK;
    if (sy__value_kind(retry) != SY__MAP) return invalid(c, "retry is a table {max, backoff, jitter, on}");
    sy__value backoff = field(retry, "backoff"), on = field(retry, "on"), jitter = field(retry, "jitter");
    t->retry_max = sy__value_int(field(retry, "max"));
    t->backoff = is_text(backoff, "exponential") ? SY__BACKOFF_EXPONENTIAL
                 : is_text(backoff, "none")      ? SY__BACKOFF_NONE
                                                 : SY__BACKOFF_FIXED;
    t->retry_jitter = jitter.data ? sy__value_num(jitter) : 0.1;
    t->retry_delay_ms = field(retry, "delay_ms").data ? sy__value_int(field(retry, "delay_ms")) : 200;
    if (t->retry_max < 0 || t->retry_delay_ms < 0) return invalid(c, "retry needs numbers of 0 or more");
    sy__value_iter it;
    sy__value_iter_init(&it, on);
    while (t->retry_on_count < 8 && sy__value_iter_next(&it)) {
        size_t len;
        const char *s = sy__value_str(it.value, &len);
        char name[64] = "";
        if (s && len < sizeof name) memcpy(name, s, len);
        int code = sy__error_code(name);
        if (!code) return invalid(c, "retry.on lists error codes");
        t->retry_on[t->retry_on_count++] = code;
    }
    return SY_OK;
}

/* The option `cache`: true, false or {ttl_ms}; without it the manifest decides. */
static int
compile_cache(compiler *c, sy__value cache)
{
    sy__plan_task *t = c->task;
    sy__kind kind = cache.data ? sy__value_kind(cache) : SY__NULL;
    for (size_t i = 0; i < t->target_count; i++)
        t->targets[i].cached = kind != SY__FALSE && t->targets[i].operation->cache;
    if (kind == SY__NULL || kind == SY__FALSE) return SY_OK;
    const sy__operation *op = t->targets[0].operation;
    if (kind != SY__TRUE && kind != SY__MAP) return invalid(c, "cache is true, false or {ttl_ms}");
    if (op->effects > SY__EFFECT_READ) return invalid(c, "cache is for operations that change nothing");
    if (sy__caps_starts(t->targets[0].extension->caps) && !op->reads)
        return invalid(c, "cache: the operation starts programs and does not declare what they read");
    t->targets[0].cached = true;
    return duration(c, cache, "ttl_ms", &t->cache_ttl_ms);
}

/* A limit of 0 or more; absent: none. */
static bool
read_limit(sy__value v, const char *key, int64_t scale, int64_t *out)
{
    sy__value n = field(v, key);
    *out = SY__NO_LIMIT;
    if (!n.data || sy__value_kind(n) == SY__NULL) return true;
    int64_t i = sy__value_int(n);
    if (sy__value_kind(n) != SY__INT || i < 0 || i > INT64_MAX / 8 / scale) return false;
    *out = i * scale;
    return true;
}

int
sy__plan_budget(sy__value v, sy__budget_limits *out, sy__error *err)
{
    sy__value on = field(v, "on_breach");
    bool ok = sy__value_kind(v) == SY__MAP && read_limit(v, "usd_micro", 1, &out->of[SY__UNIT_USD]) &&
              read_limit(v, "tokens", 1, &out->of[SY__UNIT_TOKENS]) &&
              read_limit(v, "cpu_ms", 1000, &out->of[SY__UNIT_CPU]) && read_limit(v, "wall_ms", 1, &out->wall_ms);
    out->on_breach = is_text(on, "ask")         ? SY__BREACH_ASK
                     : is_text(on, "downgrade") ? SY__BREACH_DOWNGRADE
                                                : SY__BREACH_STOP;
    ok = ok && (!on.data || sy__value_kind(on) == SY__NULL || out->on_breach || is_text(on, "stop"));
    if (ok) return SY_OK;
    return sy__error_set(err, SY_EMELODY,
                         "a budget is {usd_micro, tokens, wall_ms, cpu_ms, on_breach = stop, ask or downgrade}");
}

static int
compile_budget(compiler *c, sy__value budget)
{
    if (!budget.data || sy__value_kind(budget) == SY__NULL) return SY_OK;
    c->task->budget = sy__calloc(c->plan->alloc, 1, sizeof *c->task->budget);
    return c->task->budget ? sy__plan_budget(budget, c->task->budget, c->err) : SY_ENOMEM;
}

static int
compile_options(compiler *c, sy__value o)
{
    sy__plan_task *t = c->task;
    sy__value on_error = field(o, "on_error");
    t->on_error = is_text(on_error, "skip")         ? SY__ON_ERROR_SKIP
                  : is_text(on_error, "compensate") ? SY__ON_ERROR_COMPENSATE
                  : is_text(on_error, "ask")        ? SY__ON_ERROR_ASK
                                                    : SY__ON_ERROR_HALT;
    t->priority = (int)sy__value_int(field(o, "priority"));
    t->max_parallel = sy__value_int(field(o, "max_parallel"));
    sy__template_names names = {find_task, add_edge, default_edge(o), c};
    bool children = t->verb == SY__VERB_EACH || t->verb == SY__VERB_LOOP;
    int status = sy__plan_flow_new(&t->flow, c->plan->alloc, o, children, &names, c->err);
    if (!status) status = duration(c, o, "timeout_ms", &t->timeout_ms);
    if (!status) status = duration(c, o, "attempt_timeout_ms", &t->attempt_timeout_ms);
    if (!status) status = duration(c, o, "queue_timeout_ms", &t->queue_timeout_ms);
    if (!status) status = duration(c, o, "idle_timeout_ms", &t->idle_timeout_ms);
    if (!status) status = compile_retry(c, field(o, "retry"));
    if (!status) status = compile_cache(c, field(o, "cache"));
    if (!status) status = compile_budget(c, field(o, "budget"));
    if (!status) status = compile_fn(c, field(o, "when"), &t->when);
    return status;
}

/* Whether `word` stands in `source` as a whole identifier. */
static bool
mentions(const char *source, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = source; (p = memmem(p, len - (size_t)(p - source), word, n)); p++) {
        bool left = p > source &&
                    (p[-1] == '_' || (p[-1] >= '0' && p[-1] <= '9') || ((p[-1] | 32) >= 'a' && (p[-1] | 32) <= 'z'));
        const char *q = p + n;
        bool right =
            q < source + len && (*q == '_' || (*q >= '0' && *q <= '9') || ((*q | 32) >= 'a' && (*q | 32) <= 'z'));
        if (!left && !right) return true;
    }
    return false;
}

/* The tasks that an expression without `uses` mentions by name. */
static int
find_uses(compiler *c, sy__fn *fn)
{
    sy__nodes named = {.alloc = c->plan->alloc};
    int status = SY_OK;
    for (uint32_t i = 0; !status && i < c->plan->count; i++)
        if (i != c->node && mentions(fn->source, fn->len, c->plan->tasks[i].key)) status = sy__nodes_add(&named, i);
    fn->tasks = named.at;
    fn->task_count = named.count;
    return status;
}

/* Edges from the tasks a function uses, where no reference has made one already. */
static int
name_edges(compiler *c, sy__fn *fn, sy__edge_kind kind)
{
    int status = fn->source && !fn->told ? find_uses(c, fn) : SY_OK;
    for (size_t i = 0; !status && i < fn->task_count; i++)
        if (c->linked[fn->tasks[i]] != c->node + 1) status = add_edge(c, fn->tasks[i], kind);
    return status;
}

static int
after_edges(compiler *c, sy__value after)
{
    sy__value_iter it;
    sy__value_iter_init(&it, after);
    while (sy__value_iter_next(&it)) {
        size_t len;
        const char *key = sy__value_str(it.value, &len);
        int64_t task = key ? sy__plan_find(c->plan, key, len) : -1;
        if (task < 0) return invalid(c, "`after` lists the keys of tasks");
        int status = add_edge(c, (uint32_t)task, SY__EDGE_HARD);
        if (status) return status;
    }
    return SY_OK;
}

/* The input of a task that is written without one. */
static const char empty_map[9] = {SY__MAP};

static int
compile_own_input(compiler *c, sy__value input, sy__value options)
{
    sy__template_names names = {find_task, add_edge, default_edge(options), c};
    if (!input.data) input = (sy__value){empty_map, sizeof empty_map};
    return sy__template_new(&c->task->targets[0].input, c->plan->alloc, input, &names, c->err);
}

/* The task, + 1, all of whose result is the list, over a hard edge and without conditions; 0: it is something else. */
static uint32_t
whole_result(compiler *c, sy__value list, sy__value options)
{
    sy__value ref = field(list, "$ref"), key, join = field(options, "join");
    size_t len;
    bool plain = sy__value_kind(ref) == SY__ARRAY && sy__value_count(ref) == 1 && sy__value_count(list) == 1;
    bool waits_for_all = !join.data || is_text(join, "all");
    if (!plain || !waits_for_all || field(options, "when").data || default_edge(options) != SY__EDGE_HARD) return 0;
    sy__value_iter it;
    sy__value_iter_init(&it, ref);
    if (!sy__value_iter_next(&it)) return 0;
    key = it.value;
    const char *s = sy__value_str(key, &len);
    return s ? (uint32_t)(sy__plan_find(c->plan, s, len) + 1) : 0;
}

static int
compile_each(compiler *c, sy__value task, sy__value options)
{
    sy__template_names names = {find_task, add_edge, default_edge(options), c};
    c->task->source = whole_result(c, field(task, "list"), options);
    int status = sy__template_new(&c->task->list, c->plan->alloc, field(task, "list"), &names, c->err);
    return status ? status : compile_fn(c, field(task, "fn"), &c->task->map);
}

enum { LOOP_MAX = 100 };

static int
compile_loop(compiler *c, sy__value task, sy__value options)
{
    sy__value max = field(task, "max");
    c->task->max = max.data && sy__value_kind(max) != SY__NULL ? sy__value_int(max) : LOOP_MAX;
    if (c->task->max < 1 || c->task->max > SY_MAX_EACH) return invalid(c, "`max` of a loop is from 1 to 1,000,000");
    int status = compile_own_input(c, field(task, "input"), options);
    if (!status) status = compile_fn(c, field(task, "fn"), &c->task->map);
    return status ? status : compile_fn(c, field(task, "until"), &c->task->until);
}

static int
compile_ask(compiler *c, sy__value task, sy__value options)
{
    sy__plan_task *t = c->task;
    t->question_schema = field(task, "schema");
    t->answer = field(options, "default");
    int status = compile_own_input(c, field(task, "question"), options);
    if (status || !t->question_schema.data) return status;
    status = sy__schema_new(&t->schema, c->plan->alloc, t->question_schema, c->err);
    if (!status && t->answer.data && sy__schema_check(t->schema, t->answer, NULL, c->err))
        return invalid(c, "the default does not fit the schema of the question");
    return status;
}

static int
compile_sub(compiler *c, sy__value task, sy__value options)
{
    sy__value name = field(task, "melody"), found;
    size_t len;
    const char *s = sy__value_str(name, &len);
    if (!s || !sy__value_get(c->melodies, s, len, &found))
        return invalid(c, "the sub-melody is not among the `melodies` of the definition");
    if (copy_text(c->plan->alloc, name, &c->task->melody)) return SY_ENOMEM;
    return compile_own_input(c, field(task, "params"), options);
}

/* The operations that a flow may call are its further targets. */
static int
compile_flow(compiler *c, sy__value task, sy__value options)
{
    sy__value_iter it;
    (void)options;
    int status = compile_fn(c, field(task, "fn"), &c->task->map);
    if (!status && !c->task->map.source) return invalid(c, "a flow is a function");
    sy__value_iter_init(&it, field(task, "operations"));
    while (!status && sy__value_iter_next(&it))
        status = compile_target(c, it.value, &c->task->targets[c->task->target_count++]);
    return status;
}

static const struct {
    const char *name, *operation;
    sy__verb verb;
    int (*compile)(compiler *c, sy__value task, sy__value options);
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
compile_host_target(compiler *c, const char *operation)
{
    sy__target *t = &c->task->targets[0];
    t->name = sy__strdup(c->plan->alloc, operation);
    return t->name ? sy__registry_resolve(c->registry, operation, &t->extension, &t->operation, c->err) : SY_ENOMEM;
}

static int
compile_targets(compiler *c, sy__value task, sy__value options, const char *host_operation)
{
    sy__value fallback = field(options, "fallback");
    sy__plan_task *t = c->task;
    size_t count = sy__value_count(fallback) + sy__value_count(field(task, "operations")) + 1;
    t->targets = sy__calloc(c->plan->alloc, count, sizeof *t->targets);
    if (!t->targets) return SY_ENOMEM;
    t->target_count = 1;
    if (host_operation) return compile_host_target(c, host_operation);
    int status = compile_target(c, task, &t->targets[0]);
    sy__value_iter it;
    sy__value_iter_init(&it, fallback);
    while (!status && sy__value_iter_next(&it))
        status = compile_fallback(c, it.value, &t->targets[t->target_count++], default_edge(options));
    return status;
}

/* What undoes a task is a task of its own; its references make no edges, for it runs when the melody has failed. */
static int
compile_compensate(compiler *c, sy__value v)
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
    sy__template_names names = {find_task, no_edge, SY__EDGE_SOFT, c};
    sy__value input = field(v, "input");
    if (!input.data) input = (sy__value){empty_map, sizeof empty_map};
    int status = compile_target(c, v, &undo->targets[0]);
    return status ? status : sy__template_new(&undo->targets[0].input, c->plan->alloc, input, &names, c->err);
}

static int
find_verb(compiler *c, sy__value verb, size_t *at)
{
    for (*at = 0; verb.data && *at < sizeof verbs / sizeof *verbs; ++*at)
        if (is_text(verb, verbs[*at].name)) return SY_OK;
    *at = 0;
    return verb.data ? invalid(c, "a verb that this version does not run") : SY_OK;
}

static int
compile_task(compiler *c, sy__value task)
{
    sy__value options = field(task, "options");
    size_t verb;
    c->task->line = (int)sy__value_int(field(task, "line"));
    int status = find_verb(c, field(task, "verb"), &verb);
    if (status) return status;
    c->task->verb = verbs[verb].verb;
    status = compile_targets(c, task, options, verbs[verb].operation);
    if (!status)
        status = verbs[verb].compile ? verbs[verb].compile(c, task, options)
                                     : compile_own_input(c, field(task, "input"), options);
    if (!status) status = compile_options(c, options);
    if (status || !c->dag) return status;
    if (!status) status = compile_compensate(c, field(options, "compensate"));
    if (!status) status = after_edges(c, field(options, "after"));
    if (!status) status = name_edges(c, &c->task->when, default_edge(options));
    if (!status) status = name_edges(c, &c->task->map, default_edge(options));
    if (!status) status = name_edges(c, &c->task->until, default_edge(options));
    return status;
}

static uint32_t
join_of(sy__value options, size_t tasks)
{
    sy__value join = field(options, "join");
    if (is_text(join, "any")) return 1;
    int64_t n = sy__value_int(join);
    return n > 0 && (size_t)n <= tasks ? (uint32_t)n : SY__JOIN_ALL;
}

/* First pass: keys and nodes. */
static int
declare(compiler *c, sy__value tasks)
{
    sy__plan *p = c->plan;
    sy__value_iter it;
    sy__value_iter_init(&it, tasks);
    while (sy__value_iter_next(&it)) {
        sy__plan_task *t = &p->tasks[p->count];
        c->task = t;
        uint32_t node;
        size_t len;
        const char *key = sy__value_str(field(it.value, "key"), &len);
        if (!key || len == 0) return invalid(c, "a task without a key");
        if (copy_text(p->alloc, field(it.value, "key"), &t->key)) return SY_ENOMEM;
        p->count++;
        if (sy__plan_find(p, key, len) >= 0) return invalid(c, "two tasks with the same key");
        if (sy__map_put(p->by_key, key, len, (void *)(uintptr_t)p->count)) return SY_ENOMEM;
        if (sy__dag_node(c->dag, join_of(field(it.value, "options"), sy__value_count(tasks)), &node)) return SY_ENOMEM;
    }
    return SY_OK;
}

static int
report_circle(compiler *c)
{
    sy__nodes circle = {.alloc = c->plan->alloc};
    int status = sy__dag_seal(c->dag, &circle);
    if (status == SY_ECYCLE) {
        sy__buf names;
        sy__buf_init(&names, c->plan->alloc);
        for (size_t i = circle.count; i-- > 0;) sy__buf_addf(&names, "%s → ", c->plan->tasks[circle.at[i]].key);
        c->task = &c->plan->tasks[circle.at[circle.count - 1]];
        sy__buf_adds(&names, c->task->key);
        const char *text = sy__buf_cstr(&names);
        (void)sy__error_set(c->err, SY_ECYCLE, "tasks wait for each other: %s", text ? text : "");
        sy__buf_close(&names);
    }
    sy__nodes_close(&circle);
    return status;
}

/* Maps over the results of maps. */
static int
find_growing(sy__plan *p)
{
    p->growing.alloc = p->alloc;
    for (uint32_t i = 0; i < p->count; i++) {
        sy__plan_task *t = &p->tasks[i];
        if (t->source && p->tasks[t->source - 1].verb != SY__VERB_EACH) t->source = 0;
        if (!t->source) continue;
        p->tasks[t->source - 1].feeds = true;
        if (sy__nodes_add(&p->growing, i)) return SY_ENOMEM;
    }
    return SY_OK;
}

static int
compile_all(compiler *c, sy__value definition)
{
    sy__plan *p = c->plan;
    sy__value tasks = field(definition, "tasks"), outputs = field(definition, "outputs");
    size_t count = sy__value_count(tasks);
    if (sy__value_kind(tasks) != SY__ARRAY || count == 0) return invalid(c, "a melody without tasks");
    if (count > SY_MAX_TASKS) return invalid(c, "a melody of more than 100,000 tasks");
    p->tasks = sy__calloc(p->alloc, count, sizeof *p->tasks);
    c->linked = sy__calloc(p->alloc, count, sizeof *c->linked);
    if (!p->tasks || !c->linked) return SY_ENOMEM;
    int status = declare(c, tasks);
    sy__value_iter it;
    sy__value_iter_init(&it, tasks);
    for (c->node = 0; !status && sy__value_iter_next(&it); c->node++) {
        c->task = &p->tasks[c->node];
        status = compile_task(c, it.value);
    }
    if (!status) status = find_growing(p);
    if (status) return status;
    c->task = NULL;
    sy__template_names names = {find_task, no_edge, SY__EDGE_SOFT, c};
    if (sy__value_count(outputs) > 0) status = sy__template_new(&p->outputs, p->alloc, outputs, &names, c->err);
    return status ? status : report_circle(c);
}

static int
compile_melody(sy__plan **out, sy__dag **dag, const sy__alloc *a, sy__value definition, sy__value melodies,
               sy__registry *registry, sy__error *err)
{
    *out = NULL;
    *dag = NULL;
    compiler c = {.registry = registry, .err = err, .melodies = melodies};
    sy__plan *p = c.plan = sy__calloc(a, 1, sizeof *p);
    if (!p) return sy__error_set(err, SY_ENOMEM, "no memory for a melody");
    p->alloc = a;
    p->definition = sy__blob_new(a, definition);
    p->by_key = sy__calloc(a, 1, sizeof *p->by_key);
    int status = p->definition && p->by_key ? sy__dag_new(&c.dag, a) : SY_ENOMEM;
    if (p->by_key) sy__map_init(p->by_key, a);
    if (!status) status = copy_text(a, field(definition, "name"), &p->name);
    if (!status) status = copy_text(a, field(definition, "source"), &p->source);
    if (!status) status = compile_all(&c, sy__blob_value(p->definition));
    sy__free(a, c.linked);
    if (status) {
        if (!c.err->code) (void)sy__error_set(c.err, status, "%s", sy_strerror(status));
        sy__error_where(c.err, p->source, c.task ? c.task->line : 0, c.task ? c.task->key : NULL);
        sy__dag_free(c.dag);
        sy__plan_free(p);
        return status;
    }
    *out = p;
    *dag = c.dag;
    return SY_OK;
}

/* Whether a field of a parameter says what its values are like; the type `any` says nothing. */
static bool
of_schema(const sy__value_iter *of)
{
    static const char *const names[] = {"type", "enum", "default"};
    for (size_t i = 0; i < 3; i++)
        if (of->key_len == strlen(names[i]) && memcmp(of->key, names[i], of->key_len) == 0)
            return !is_text(of->value, "any") || i > 0;
    return false;
}

/* The parameters a melody declares as the schema of one object. */
static int
params_schema(sy__schema **out, const sy__alloc *a, sy__value params, sy__error *err)
{
    sy__vbuf b;
    sy__value v;
    sy__value_iter it, of;
    sy__vbuf_init(&b, a);
    sy__vbuf_map(&b);
    sy__vbuf_key(&b, "type", 4);
    sy__vbuf_cstr(&b, "object");
    sy__vbuf_key(&b, "additionalProperties", 20);
    sy__vbuf_bool(&b, false);
    sy__vbuf_key(&b, "properties", 10);
    sy__vbuf_map(&b);
    sy__value_iter_init(&it, params);
    while (it.map && sy__value_iter_next(&it)) {
        sy__vbuf_key(&b, it.key, it.key_len);
        sy__vbuf_map(&b);
        sy__value_iter_init(&of, it.value);
        while (of.map && sy__value_iter_next(&of)) {
            if (!of_schema(&of)) continue;
            sy__vbuf_key(&b, of.key, of.key_len);
            sy__vbuf_value(&b, of.value);
        }
        sy__vbuf_end(&b);
    }
    sy__vbuf_end(&b);
    sy__vbuf_key(&b, "required", 8);
    sy__vbuf_array(&b);
    sy__value_iter_init(&it, params);
    while (it.map && sy__value_iter_next(&it)) {
        sy__value required = field(it.value, "required");
        if (required.data && sy__value_kind(required) == SY__TRUE) sy__vbuf_str(&b, it.key, it.key_len);
    }
    sy__vbuf_end(&b);
    sy__vbuf_end(&b);
    int status = sy__vbuf_done(&b, &v);
    if (!status) status = sy__schema_new(out, a, v, err);
    sy__vbuf_close(&b);
    return status;
}

static int
compile_subs(sy__plan *p, sy__registry *registry, sy__error *err)
{
    sy__value melodies = field(sy__blob_value(p->definition), "melodies");
    size_t count = sy__value_count(melodies);
    if (count == 0) return SY_OK;
    p->subs = sy__calloc(p->alloc, count, sizeof *p->subs);
    if (!p->subs) return SY_ENOMEM;
    sy__value_iter it;
    sy__value_iter_init(&it, melodies);
    int status = SY_OK;
    while (!status && it.map && sy__value_iter_next(&it)) {
        sy__plan_sub *sub = &p->subs[p->sub_count++];
        sub->name = sy__strndup(p->alloc, it.key, it.key_len);
        status =
            sub->name ? compile_melody(&sub->plan, &sub->dag, p->alloc, it.value, melodies, registry, err) : SY_ENOMEM;
        if (!status) status = params_schema(&sub->params, p->alloc, field(it.value, "params"), err);
    }
    return status;
}

int
sy__plan_new(sy__plan **out, sy__dag **dag, const sy__alloc *a, sy__value definition, sy__registry *registry,
             sy__error *err)
{
    sy__error local = {0};
    sy__error_clear(err);
    if (!err) err = &local;
    int status = compile_melody(out, dag, a, definition, field(definition, "melodies"), registry, err);
    if (!status) status = compile_subs(*out, registry, err);
    if (!status || !*out) return status;
    if (!err->code) (void)sy__error_set(err, status, "%s", sy_strerror(status));
    sy__dag_free(*dag);
    sy__plan_free(*out);
    *out = NULL;
    *dag = NULL;
    return status;
}

const sy__plan_sub *
sy__plan_sub_find(const sy__plan *p, const char *name)
{
    for (size_t i = 0; i < p->sub_count; i++)
        if (strcmp(p->subs[i].name, name) == 0) return &p->subs[i];
    return NULL;
}

static void
free_fn(const sy__alloc *a, sy__fn *fn)
{
    sy__free(a, fn->source);
    sy__free(a, fn->tasks);
    sy__blob_release(fn->captures);
}

static void
free_task(const sy__alloc *a, sy__plan_task *t)
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
    free_fn(a, &t->map);
    free_fn(a, &t->until);
    free_fn(a, &t->when);
    if (t->compensate) free_task(a, t->compensate);
    sy__free(a, t->compensate);
    sy__blob_release(t->definition);
}

void
sy__plan_task_free(const sy__alloc *a, sy__plan_task *t)
{
    if (t) free_task(a, t);
    sy__free(a, t);
}

int
sy__plan_task_new(sy__plan_task **out, const sy__alloc *a, sy__value task, sy__registry *registry, sy__error *err)
{
    sy__map none;
    sy__map_init(&none, a);
    sy__plan alone = {.alloc = a, .by_key = &none};
    compiler c = {.plan = &alone, .registry = registry, .err = err};
    sy__plan_task *t = c.task = *out = sy__calloc(a, 1, sizeof *t);
    if (!t) return SY_ENOMEM;
    t->definition = sy__blob_new(a, task);
    int status = t->definition ? copy_text(a, field(task, "key"), &t->key) : SY_ENOMEM;
    if (!status) status = compile_task(&c, sy__blob_value(t->definition));
    sy__map_close(&none);
    if (!status) return SY_OK;
    sy__plan_task_free(a, t);
    *out = NULL;
    return status;
}

static void
free_sub(const sy__alloc *a, sy__plan_sub *s)
{
    sy__free(a, s->name);
    sy__plan_free(s->plan);
    sy__dag_free(s->dag);
    sy__schema_free(s->params);
}

void
sy__plan_free(sy__plan *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->count; i++) free_task(p->alloc, &p->tasks[i]);
    sy__free(p->alloc, p->tasks);
    for (size_t i = 0; i < p->sub_count; i++) free_sub(p->alloc, &p->subs[i]);
    sy__free(p->alloc, p->subs);
    if (p->growing.alloc) sy__nodes_close(&p->growing);
    sy__template_free(p->outputs);
    sy__blob_release(p->definition);
    if (p->by_key) sy__map_close(p->by_key);
    sy__free(p->alloc, p->by_key);
    sy__free(p->alloc, p->name);
    sy__free(p->alloc, p->source);
    sy__free(p->alloc, p);
}

int64_t
sy__plan_find(const sy__plan *p, const char *key, size_t len)
{
    return (int64_t)(uintptr_t)sy__map_get(p->by_key, key, len) - 1;
}

const sy__plan_task *
sy__plan_at(const sy__plan *root, const char *path)
{
    const sy__plan *p = root;
    for (;;) {
        const char *slash = strchr(path, '/');
        int64_t index = sy__plan_find(p, path, slash ? (size_t)(slash - path) : strlen(path));
        if (index < 0) return NULL;
        const sy__plan_task *t = &p->tasks[index];
        if (!slash) return t;
        size_t len = strlen(path);
        if (len > 11 && t->compensate && strcmp(path + len - 11, "/compensate") == 0) return t->compensate;
        if (t->verb != SY__VERB_SUB) return t;
        const sy__plan_sub *sub = sy__plan_sub_find(root, t->melody);
        if (!sub) return NULL;
        p = sub->plan;
        path = slash + 1;
    }
}
