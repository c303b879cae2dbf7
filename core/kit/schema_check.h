/*
 * schema_check.h: one check of a value in progress, for schema.c, which checks, and schema_fill.c, which writes.
 * One thread; lives on the C stack of sy__schema_check_at.
 */
#ifndef SY_KIT_SCHEMA_CHECK_H
#define SY_KIT_SCHEMA_CHECK_H

#include "kit/schema_node.h"

typedef struct sy__checker {
    const sy__schema *s;
    sy__error *err; /* NULL while an alternative is tried */
    sy__buf *path;  /* NULL likewise, and when nobody asked */
    sy__error *fatal_err;
    pcre2_match_data *match; /* made when first needed */
    pcre2_match_context *limits;
    int64_t steps;
    int depth;
    int fatal; /* SY_ENOMEM, SY_EMANIFEST: ends the check whatever is being tried */
} sy__checker;

/* Ends the check with SY_ENOMEM or SY_EMANIFEST, whatever is being tried; returns the first such code. */
int sy__checker_stop(sy__checker *c, int code, const char *what);
/* Whether a value fits, saying nothing: SY_OK, or why not. */
int sy__checker_try(sy__checker *c, const sy__node *n, sy__value v);
/* 1: matches, 0: does not, negative: SY_E… */
int sy__checker_matches(sy__checker *c, const sy__regex *r, const char *s, size_t len);
/* Lua has one empty table: where an array and no object is allowed, it is an empty array. */
bool sy__is_empty_array(const sy__node *n, sy__value v);

/* Appends a value that fits the schema, with empty tables as arrays and with defaults; on failure appends nothing. */
int sy__schema_fill(sy__checker *c, sy__value v, sy__vbuf *out);

#endif
