/*
 * plan_impl.h: what the files that compile a definition share: plan.c (melodies), plan_task.c (tasks and verbs),
 * plan_options.c, plan_fn.c (functions). Thread of the caller.
 */
#ifndef SY_PIT_PLAN_IMPL_H
#define SY_PIT_PLAN_IMPL_H

#include "pit/plan/plan.h"

/* What the compiler carries through one task. */
typedef struct sy__compiler {
    sy__plan *plan;
    sy__dag *dag; /* NULL: one task by itself, which no edge reaches */
    sy__registry *registry;
    sy__plan_task *task;
    uint32_t node;
    sy__error *err;
    uint32_t *linked;   /* per task: the last node + 1 that got an edge from it */
    sy__value melodies; /* those it may name as sub-melodies */
} sy__compiler;

/* A field of a map; no value when it is not there. */
sy__value sy__plan_field(sy__value map, const char *key);
bool sy__plan_is_text(sy__value v, const char *text);
/* A copy of a string value; NULL with SY_OK when there is none. */
int sy__plan_copy_text(const sy__alloc *a, sy__value v, char **out);
/* Sets the error; SY_EMELODY. */
int sy__plan_invalid(sy__compiler *c, const char *what);
sy__edge_kind sy__plan_default_edge(sy__value options);

/* For sy__template_names; ud is the compiler. */
int64_t sy__plan_find_task(void *ud, const char *key, size_t len);
int sy__plan_add_edge(void *ud, uint32_t task, sy__edge_kind kind);
int sy__plan_no_edge(void *ud, uint32_t task, sy__edge_kind kind);

/* ---- plan_fn.c ---- */
/* {"lua", "captures", "uses", "line"}, or a string. */
int sy__plan_fn(sy__compiler *c, sy__value v, sy__fn *out);
/* Edges from the tasks a function uses, where no reference has made one already. */
int sy__plan_name_edges(sy__compiler *c, sy__fn *fn, sy__edge_kind kind);
void sy__plan_fn_free(const sy__alloc *a, sy__fn *fn);

/* ---- plan_options.c ---- */
/* Reads the options of compiler.task that are the same for every verb. */
int sy__plan_options(sy__compiler *c, sy__value options);

/* ---- plan_task.c ---- */
/* Fills compiler.task, whose key is there, from its definition. */
int sy__plan_task_compile(sy__compiler *c, sy__value task);
/* Frees what hangs at a task, not the task. */
void sy__plan_task_close(const sy__alloc *a, sy__plan_task *t);

#endif
