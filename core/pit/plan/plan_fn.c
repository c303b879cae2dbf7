/* plan_fn.c: the functions and expressions of a definition, and the tasks they use by name. */
#include "pit/plan/plan_impl.h"

#include "base/bounds.h"

#include <string.h>

/* The tasks that a function uses by name, as the checker found them. */
static int
compile_uses(sy__compiler *c, sy__value uses, sy__fn *out)
{
    sy__nodes named = {.alloc = c->plan->alloc};
    sy__value_iter it;
    int status = SY_OK;
    sy__value_iter_init(&it, uses);
    while (!status && sy__value_iter_next(&it)) {
        size_t len;
        const char *key = sy__value_str(it.value, &len);
        int64_t task = key ? sy__plan_find(c->plan, key, len) : -1;
        status = task < 0 ? sy__plan_invalid(c, "`uses` of a function lists the keys of tasks")
                          : sy__nodes_add(&named, (uint32_t)task);
    }
    out->tasks = named.at;
    out->task_count = named.count;
    out->told = sy__value_kind(uses) == SY__ARRAY || sy__value_kind(uses) == SY__MAP;
    return status;
}

int
sy__plan_fn(sy__compiler *c, sy__value v, sy__fn *out)
{
    if (!v.data || sy__value_kind(v) == SY__NULL) return SY_OK;
    sy__value source = sy__value_kind(v) == SY__MAP ? sy__plan_field(v, "lua") : v;
    if (!sy__value_str(source, &out->len)) return sy__plan_invalid(c, "a function is {\"lua\": source} or a string");
    if (out->len > SY_MAX_SOURCE_BYTES) return sy__plan_invalid(c, "a function of more than 1 MiB");
    if (sy__plan_copy_text(c->plan->alloc, source, &out->source)) return SY_ENOMEM;
    int status = sy__value_kind(v) == SY__MAP ? compile_uses(c, sy__plan_field(v, "uses"), out) : SY_OK;
    if (status) return status;
    sy__value captures = sy__value_kind(v) == SY__MAP ? sy__plan_field(v, "captures") : (sy__value){0};
    out->line = sy__value_kind(v) == SY__MAP ? (int)sy__value_int(sy__plan_field(v, "line")) : 0;
    if (!captures.data) return SY_OK;
    out->captures = sy__blob_new(c->plan->alloc, captures);
    return out->captures ? SY_OK : SY_ENOMEM;
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
find_uses(sy__compiler *c, sy__fn *fn)
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
int
sy__plan_name_edges(sy__compiler *c, sy__fn *fn, sy__edge_kind kind)
{
    int status = fn->source && !fn->told ? find_uses(c, fn) : SY_OK;
    for (size_t i = 0; !status && i < fn->task_count; i++)
        if (c->linked[fn->tasks[i]] != c->node + 1) status = sy__plan_add_edge(c, fn->tasks[i], kind);
    return status;
}

void
sy__plan_fn_free(const sy__alloc *a, sy__fn *fn)
{
    sy__free(a, fn->source);
    sy__free(a, fn->tasks);
    sy__blob_release(fn->captures);
}
