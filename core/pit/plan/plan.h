/*
 * plan.h: a definition (docs/definition.md) compiled for running: tasks with templates, edges and options.
 *
 * The Lua checker has looked at a definition before it comes here; compiling checks again what running
 * relies on, so that a hand-made or damaged definition is refused and never crashes. Immutable: any thread.
 */
#ifndef SY_PIT_PLAN_H
#define SY_PIT_PLAN_H

#include "kit/registry.h"
#include "pit/budget/budget.h"
#include "pit/plan/dag.h"
#include "pit/plan/template.h"

typedef enum sy__verb {
    SY__VERB_TASK,
    SY__VERB_EACH,
    SY__VERB_LOOP,
    SY__VERB_ASK,
    SY__VERB_SUB,
    SY__VERB_FLOW, /* a melody in code style; the rest are only calls of one */
    SY__VERB_SLEEP,
    SY__VERB_NOW,
    SY__VERB_RANDOM,
} sy__verb;
typedef enum sy__on_error {
    SY__ON_ERROR_HALT,
    SY__ON_ERROR_SKIP,
    SY__ON_ERROR_COMPENSATE,
    SY__ON_ERROR_ASK,
    SY__ON_ERROR_FAIL, /* a call of a flow: the flow is told, nothing else */
} sy__on_error;
typedef enum sy__backoff { SY__BACKOFF_NONE, SY__BACKOFF_FIXED, SY__BACKOFF_EXPONENTIAL } sy__backoff;

/* A function or expression of the melody. */
typedef struct sy__fn {
    char *source; /* NULL: there is none */
    size_t len;
    sy__blob *captures; /* a map, or NULL */
    int line;
    uint32_t *tasks; /* the tasks it uses by name, seen as globals */
    size_t task_count;
    bool told; /* the definition says which (`uses`) */
} sy__fn;

/* An operation to call: the task's own, or one of its fallbacks. */
typedef struct sy__target {
    char *name;               /* "git.diff" as written */
    sy__extension *extension; /* held */
    const sy__operation *operation;
    sy__template *input; /* NULL: the task's own input */
    bool cached;         /* its results are looked for and kept */
} sy__target;

typedef struct sy__plan sy__plan;
typedef struct sy__plan_flow sy__plan_flow;
typedef struct sy__plan_task sy__plan_task;

struct sy__plan_task {
    char *key;
    sy__verb verb;
    int line;
    sy__target *targets; /* [0] is the operation, the rest its fallbacks in order; of ask and sub one of the host's,
                          * its input the question or the parameters */
    size_t target_count;
    sy__template *list; /* SY__VERB_EACH */
    uint32_t source;    /* EACH: the map, + 1, whose results as a whole are the list; 0: the list is another */
    bool feeds;         /* EACH: it is such a source */
    sy__fn map;         /* EACH and LOOP; source NULL: the item, or the last output, is the input */
    sy__fn until;       /* SY__VERB_LOOP */
    int64_t max;        /* SY__VERB_LOOP: iterations */
    sy__schema *schema; /* SY__VERB_ASK: of the answer; NULL: anything */
    sy__value question_schema, answer; /* SY__VERB_ASK: the schema as written, the default; may be no value */
    char *melody;                      /* SY__VERB_SUB: a name in the plan's subs */
    sy__blob *definition;              /* of a call of a flow; else the plan's has it: NULL */
    sy__plan_task *compensate;         /* what undoes it; NULL: nothing does */
    sy__fn when;
    sy__on_error on_error;
    int priority;
    int64_t max_parallel; /* SY__VERB_EACH; 0: no limit of its own */
    sy__plan_flow *flow;  /* options key and rate; NULL: neither */
    int64_t retry_max;    /* attempts after the first */
    sy__backoff backoff;
    int64_t retry_delay_ms;
    double retry_jitter; /* share of the delay, 0-1 */
    int retry_on[8];     /* codes; none: every retryable one */
    size_t retry_on_count;
    int64_t timeout_ms, attempt_timeout_ms, queue_timeout_ms, idle_timeout_ms; /* 0: none */
    bool own_process;          /* its operations run in processes of their own, whatever the extension says */
    int64_t cache_ttl_ms;      /* older results do not count; 0: no limit */
    sy__budget_limits *budget; /* of the task with all below it; NULL: none */
    bool waits_weakly;         /* some edge into it is soft or optional */
};

/* A melody that a task of this one, or of another such, is. Its dag is a model to copy. */
typedef struct sy__plan_sub {
    char *name;
    sy__plan *plan;
    sy__dag *dag;
    sy__schema *params;
} sy__plan_sub;

struct sy__plan {
    const sy__alloc *alloc;
    char *name;
    char *source; /* the melody's file, for messages; may be NULL */
    sy__plan_task *tasks;
    size_t count;
    sy__template *outputs; /* NULL: the leaves by key */
    sy__blob *definition;
    sy__nodes growing;      /* the maps that have a source */
    struct sy__map *by_key; /* key → task number + 1 */
    sy__plan_sub *subs;     /* every melody below it, at any depth; of the run's own melody only */
    size_t sub_count;
};

/*
 * Compiles `definition` and fills `dag` with one node a task (same numbers), sealed. The operations are looked
 * up in `registry` and held. SY_EMELODY, SY_ECYCLE, SY_EOPERATION with the task's place.
 */
int sy__plan_new(sy__plan **out, sy__dag **dag, const sy__alloc *a, sy__value definition, sy__registry *registry,
                 sy__error *err);
void sy__plan_free(sy__plan *p); /* NULL is legal */
/* The melody of this name below it; NULL. */
const sy__plan_sub *sy__plan_sub_find(const sy__plan *p, const char *name);
/* What runs at a path of keys such as "sub/inner/3" or "pay/compensate", from the run's own plan; NULL. */
const sy__plan_task *sy__plan_at(const sy__plan *p, const char *path);
/* Reads {"usd_micro","tokens","wall_ms","cpu_ms","on_breach"}. SY_EMELODY. */
int sy__plan_budget(sy__value v, sy__budget_limits *out, sy__error *err);
/* "host.each" of a verb that the host does itself; NULL: it calls an operation. */
const char *sy__verb_operation(sy__verb verb);
/* One task by itself, whose definition refers to no other: a call of a flow. Errors as sy__plan_new. */
int sy__plan_task_new(sy__plan_task **out, const sy__alloc *a, sy__value task, sy__registry *registry, sy__error *err);
void sy__plan_task_free(const sy__alloc *a, sy__plan_task *t); /* NULL is legal */
/* The number of a task, or -1. */
int64_t sy__plan_find(const sy__plan *p, const char *key, size_t len);

/* plan_flow.c: NULL with SY_OK: neither a key nor a rate. `children`: a key belongs to each child. */
int sy__plan_flow_new(sy__plan_flow **out, const sy__alloc *a, sy__value options, bool children,
                      const sy__template_names *names, sy__error *err);
void sy__plan_flow_free(const sy__alloc *a, sy__plan_flow *f); /* NULL is legal */

#endif
