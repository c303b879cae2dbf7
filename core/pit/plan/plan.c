/*
 * plan.c: definition → plan and dag. Two passes: all keys first, then the tasks with their references, so
 * that a task may refer to one written after it. Sub-melodies are compiled with the run's own.
 */
#include "pit/plan/plan_impl.h"

#include "base/bounds.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

sy__value
sy__plan_field(sy__value map, const char *key)
{
    sy__value v = {0};
    return sy__value_get(map, key, strlen(key), &v) ? v : (sy__value){0};
}

bool
sy__plan_is_text(sy__value v, const char *text)
{
    size_t len;
    const char *s = sy__value_str(v, &len);
    return s && strlen(text) == len && memcmp(s, text, len) == 0;
}

/* A copy of a string value; NULL with SY_OK when there is none. */
int
sy__plan_copy_text(const sy__alloc *a, sy__value v, char **out)
{
    size_t len;
    const char *s = sy__value_str(v, &len);
    *out = s ? sy__strndup(a, s, len) : NULL;
    return s && !*out ? SY_ENOMEM : SY_OK;
}

int
sy__plan_invalid(sy__compiler *c, const char *what)
{
    (void)sy__error_set(c->err, SY_EMELODY, "%s", what);
    return SY_EMELODY;
}

sy__edge_kind
sy__plan_default_edge(sy__value options)
{
    sy__value edge = sy__plan_field(options, "edge");
    return sy__plan_is_text(edge, "soft")       ? SY__EDGE_SOFT
           : sy__plan_is_text(edge, "optional") ? SY__EDGE_OPTIONAL
                                                : SY__EDGE_HARD;
}

int64_t
sy__plan_find_task(void *ud, const char *key, size_t len)
{
    return sy__plan_find(((sy__compiler *)ud)->plan, key, len);
}

int
sy__plan_add_edge(void *ud, uint32_t task, sy__edge_kind kind)
{
    sy__compiler *c = ud;
    if (kind != SY__EDGE_HARD) c->task->waits_weakly = true;
    c->linked[task] = c->node + 1;
    return sy__dag_edge(c->dag, task, c->node, kind);
}

int
sy__plan_no_edge(void *ud, uint32_t task, sy__edge_kind kind)
{
    (void)ud;
    (void)task;
    (void)kind;
    return SY_OK;
}

enum { MAX_KEY_BYTES = 200 };

static uint32_t
join_of(sy__value options, size_t tasks)
{
    sy__value join = sy__plan_field(options, "join");
    if (sy__plan_is_text(join, "any")) return 1;
    int64_t n = sy__value_int(join);
    return n > 0 && (size_t)n <= tasks ? (uint32_t)n : SY__JOIN_ALL;
}

/* A key is a part of paths, of file names and of lines for people. */
static bool
is_key(const char *s, size_t len)
{
    if (len == 0 || len > MAX_KEY_BYTES) return false;
    for (size_t i = 0; i < len; i++)
        if (s[i] == '/' || (unsigned char)s[i] < 0x20 || s[i] == 0x7f) return false;
    return true;
}

/* First pass: keys and nodes. */
static int
declare(sy__compiler *c, sy__value tasks)
{
    sy__plan *p = c->plan;
    sy__value_iter it;
    sy__value_iter_init(&it, tasks);
    while (sy__value_iter_next(&it)) {
        sy__plan_task *t = &p->tasks[p->count];
        c->task = t;
        uint32_t node;
        size_t len;
        const char *key = sy__value_str(sy__plan_field(it.value, "key"), &len);
        if (!key || len == 0) return sy__plan_invalid(c, "a task without a key");
        if (!is_key(key, len)) return sy__plan_invalid(c, "a key is a text of up to 200 bytes on one line without `/`");
        if (sy__plan_copy_text(p->alloc, sy__plan_field(it.value, "key"), &t->key)) return SY_ENOMEM;
        p->count++;
        if (sy__plan_find(p, key, len) >= 0) return sy__plan_invalid(c, "two tasks with the same key");
        if (sy__map_put(p->by_key, key, len, (void *)(uintptr_t)p->count)) return SY_ENOMEM;
        if (sy__dag_node(c->dag, join_of(sy__plan_field(it.value, "options"), sy__value_count(tasks)), &node))
            return SY_ENOMEM;
    }
    return SY_OK;
}

static int
report_circle(sy__compiler *c)
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
compile_all(sy__compiler *c, sy__value definition)
{
    sy__plan *p = c->plan;
    sy__value tasks = sy__plan_field(definition, "tasks"), outputs = sy__plan_field(definition, "outputs");
    size_t count = sy__value_count(tasks);
    if (sy__value_kind(tasks) != SY__ARRAY || count == 0) return sy__plan_invalid(c, "a melody without tasks");
    if (count > SY_MAX_TASKS) return sy__plan_invalid(c, "a melody of more than 100,000 tasks");
    p->tasks = sy__calloc(p->alloc, count, sizeof *p->tasks);
    c->linked = sy__calloc(p->alloc, count, sizeof *c->linked);
    if (!p->tasks || !c->linked) return SY_ENOMEM;
    int status = declare(c, tasks);
    sy__value_iter it;
    sy__value_iter_init(&it, tasks);
    for (c->node = 0; !status && sy__value_iter_next(&it); c->node++) {
        c->task = &p->tasks[c->node];
        status = sy__plan_task_compile(c, it.value);
    }
    if (!status) status = find_growing(p);
    if (status) return status;
    c->task = NULL;
    sy__template_names names = {sy__plan_find_task, sy__plan_no_edge, SY__EDGE_SOFT, c};
    if (sy__value_count(outputs) > 0) status = sy__template_new(&p->outputs, p->alloc, outputs, &names, c->err);
    return status ? status : report_circle(c);
}

static int
compile_melody(sy__plan **out, sy__dag **dag, const sy__alloc *a, sy__value definition, sy__value melodies,
               sy__registry *registry, sy__error *err)
{
    *out = NULL;
    *dag = NULL;
    sy__compiler c = {.registry = registry, .err = err, .melodies = melodies};
    sy__plan *p = c.plan = sy__calloc(a, 1, sizeof *p);
    if (!p) return sy__error_set(err, SY_ENOMEM, "no memory for a melody");
    p->alloc = a;
    p->definition = sy__blob_new(a, definition);
    p->by_key = sy__calloc(a, 1, sizeof *p->by_key);
    int status = p->definition && p->by_key ? sy__dag_new(&c.dag, a) : SY_ENOMEM;
    if (p->by_key) sy__map_init(p->by_key, a);
    if (!status) status = sy__plan_copy_text(a, sy__plan_field(definition, "name"), &p->name);
    if (!status) status = sy__plan_copy_text(a, sy__plan_field(definition, "source"), &p->source);
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
            return !sy__plan_is_text(of->value, "any") || i > 0;
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
        sy__value required = sy__plan_field(it.value, "required");
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
    sy__value melodies = sy__plan_field(sy__blob_value(p->definition), "melodies");
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
        if (!status) status = params_schema(&sub->params, p->alloc, sy__plan_field(it.value, "params"), err);
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
    int status = compile_melody(out, dag, a, definition, sy__plan_field(definition, "melodies"), registry, err);
    if (!status && *out) status = compile_subs(*out, registry, err);
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
    for (size_t i = 0; i < p->count; i++) sy__plan_task_close(p->alloc, &p->tasks[i]);
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

/* What undoes the task itself, or one call of a map: not what undoes a task of its sub-melody. */
static bool
undoes(const sy__plan_task *t, const char *rest)
{
    if (t->verb == SY__VERB_EACH) rest += strspn(rest, "/0123456789") - 1;
    return strcmp(rest, "/compensate") == 0;
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
        if (t->compensate && undoes(t, slash)) return t->compensate;
        if (t->verb != SY__VERB_SUB) return t;
        const sy__plan_sub *sub = sy__plan_sub_find(root, t->melody);
        if (!sub) return NULL;
        p = sub->plan;
        path = slash + 1;
    }
}
