/*
 * expr.h: the functions and expressions of a melody (`when`, `until_`, map functions) in one isolate.
 * Every call sees globals of its own; nothing survives between calls but compiled code.
 * One expression isolate per stage thread; it replaces its own state after poison.
 */
#ifndef SY_KIT_EXPR_H
#define SY_KIT_EXPR_H

#include "kit/isolate.h"

typedef struct sy__expr sy__expr;

/* Borrows allocator, clock and log. Its isolate is made by the first evaluation. SY_ENOMEM. */
int sy__expr_new(sy__expr **out, const sy__alloc *a, const sy__clock *clock, sy__log *log);
void sy__expr_free(sy__expr *e);
/* The pure modules that expressions see, as globals and through require; borrowed. Before the first evaluation. */
void sy__expr_modules(sy__expr *e, const sy__isolate_module *modules, sy__module_fn module, void *module_ud);
/* The watchdog of the thread that evaluates; borrowed. Before the first evaluation. */
void sy__expr_watch(sy__expr *e, struct sy__watchdog *w);

/* A name seen as a global. */
typedef struct sy__binding {
    const char *name;
    sy__value value;
} sy__binding;

typedef struct sy__expr_call {
    const char *source; /* "function(item, index) … end", or an expression such as "#diff.files > 0" */
    size_t source_len;
    sy__value captures; /* a map, seen as locals around the function; may be no value */
    const sy__value *args;
    int arg_count;
    const sy__binding *globals; /* task keys, params, it; also reachable as tasks["key"] when `in_tasks` */
    int global_count;
    const char *file; /* for messages */
    int line;         /* where the source starts in file */
} sy__expr_call;

/* Evaluates; appends one value (nil becomes null). SY_EEXPR with file and line, SY_ETIMEOUT (2 s), SY_EMEMORY. */
int sy__expr_eval(sy__expr *e, const sy__expr_call *call, sy__vbuf *out, sy__error *err);
/* Makes what an evaluation needs; the next one finds it there. */
int sy__expr_ready(sy__expr *e, sy__error *err);
/* Ends the evaluation under way as SY_ECANCELLED. Any thread, between sy__expr_ready and the end of the evaluation. */
void sy__expr_poison(sy__expr *e);
/* Whether the source compiles; SY_EEXPR with line. */
int sy__expr_check(sy__expr *e, const char *source, size_t len, sy__error *err);

#endif
