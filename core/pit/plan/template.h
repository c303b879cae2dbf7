/*
 * template.h: the inputs of tasks as written in a definition, compiled once and filled per task.
 *
 * A template is plain JSON with the forms of docs/definition.md ($ref, $param, $text, $literal). Filling
 * copies slices of other tasks' outputs; nothing is parsed. Immutable after compiling: any thread may fill.
 */
#ifndef SY_PIT_TEMPLATE_H
#define SY_PIT_TEMPLATE_H

#include "base/value.h"
#include "pit/plan/dag.h"

typedef struct sy__template sy__template;

/* As the number of a task: the item of the child whose template is filled. */
#define SY__TEMPLATE_ITEM UINT32_MAX

/* What a template's compiler needs to know of its surroundings. */
typedef struct sy__template_names {
    /* The number of a task by key, or -1. */
    int64_t (*task)(void *ud, const char *key, size_t len);
    /* Told once for every reference: an edge to `task`. SY_OK or a failure that ends the compilation. */
    int (*edge)(void *ud, uint32_t task, sy__edge_kind kind);
    sy__edge_kind default_edge;
    void *ud;
} sy__template_names;

/* `v` no value compiles to null. SY_EMELODY names what is wrong; SY_ENOMEM. */
int sy__template_new(sy__template **out, const sy__alloc *a, sy__value v, const sy__template_names *names,
                     sy__error *err);
void sy__template_free(sy__template *t); /* NULL is legal */

/* Where the filled values come from. */
typedef struct sy__template_source {
    /* The output of a task; false: it has none (its `absent` is used). `weak` for optional and soft edges. */
    bool (*output)(void *ud, uint32_t task, bool weak, sy__value *out);
    sy__value params; /* a map */
    void *ud;
} sy__template_source;

/* Appends the filled value. Missing fields give null. Errors are those of the buffer. */
void sy__template_fill(const sy__template *t, const sy__template_source *source, sy__vbuf *out);
/* The value of a template without any reference; false when it has one. */
bool sy__template_constant(const sy__template *t, sy__value *out);

#endif
