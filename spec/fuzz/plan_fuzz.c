/* plan_fuzz.c: input is a definition of a melody, as JSON. Whatever compiles can be walked; what does not says why. */
#include "pit/plan/plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char EXTENSION[] =
    "{\"id\":\"t\",\"version_id\":\"1\",\"name\":\"t\",\"type\":\"operator\",\"entry\":\"init.lua\",\"capabilities\":{}"
    ","
    "\"operations\":{\"echo\":{\"effects\":\"none\",\"idempotent\":true},"
    "\"mark\":{\"effects\":\"external\",\"idempotent\":false}},\"sources\":{\"init.lua\":\"return {}\"}}";

static sy__registry *
make_registry(void)
{
    sy__registry *r = NULL;
    sy__vbuf b;
    sy__value v;
    sy__error err;
    sy__vbuf_init(&b, &sy__alloc_default);
    if (sy__value_from_json(&b, EXTENSION, strlen(EXTENSION), &err) || sy__vbuf_done(&b, &v)) abort();
    if (sy__registry_new(&r, &sy__alloc_default) || sy__registry_add(r, v, "/tmp", &err)) abort();
    sy__vbuf_close(&b);
    return r;
}

static void
walk(const sy__plan *p, sy__dag *d)
{
    sy__nodes ready = {.alloc = &sy__alloc_default}, skipped = {.alloc = &sy__alloc_default};
    for (uint32_t i = 0; i < p->count; i++) {
        const sy__plan_task *t = &p->tasks[i];
        if (sy__plan_find(p, t->key, strlen(t->key)) != (int64_t)i) abort();
        if (t->target_count == 0 || !t->targets[0].name || !t->targets[0].operation) abort();
        (void)sy__plan_at(p, t->key);
    }
    if (sy__dag_start(d, &ready)) abort();
    for (size_t i = 0; i < ready.count; i++)
        if (sy__dag_end(d, ready.at[i], i % 2 == 0, &ready, &skipped)) abort();
    if (sy__dag_open(d) > 0) abort(); /* a run of it would never end */
    sy__nodes_close(&ready);
    sy__nodes_close(&skipped);
}

static void
compile(sy__value definition)
{
    sy__plan *plan;
    sy__dag *dag;
    sy__error err = {0};
    sy__registry *registry = make_registry();
    int status = sy__plan_new(&plan, &dag, &sy__alloc_default, definition, registry, &err);
    if (status && (plan || dag || !err.code)) abort();
    if (!status) {
        walk(plan, dag);
        sy__dag_free(dag);
        sy__plan_free(plan);
    }
    sy__registry_free(registry);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sy__vbuf b;
    sy__value v;
    sy__error err;
    sy__vbuf_init(&b, &sy__alloc_default);
    if (!sy__value_from_json(&b, (const char *)data, size, &err) && !sy__vbuf_done(&b, &v)) compile(v);
    sy__vbuf_close(&b);
    return 0;
}
