/*
 * schema.h: checking values against a JSON Schema (2020-12, the subset that docs/guide names), compiled once.
 * Immutable after compiling: any thread may check with it.
 */
#ifndef SY_KIT_SCHEMA_H
#define SY_KIT_SCHEMA_H

#include "base/error.h"
#include "base/value.h"

typedef struct sy__schema sy__schema;

/* SY_EMANIFEST names the path of what is wrong or not supported. */
int sy__schema_new(sy__schema **out, const sy__alloc *a, sy__value schema, sy__error *err);
void sy__schema_free(sy__schema *s); /* NULL is legal */
/*
 * SY_OK, or SY_ETYPE / SY_EFIELD / SY_EMISSING with the path and what was expected. `s` NULL accepts all.
 * With `out`, appends the value with empty tables turned into arrays where the schema says array and with
 * defaults filled in; nothing is appended on failure.
 */
int sy__schema_check(const sy__schema *s, sy__value v, sy__vbuf *out, sy__error *err);
/* As sy__schema_check; on failure also appends the path, such as files[3].path (counted from 1), to `path`. */
int sy__schema_check_at(const sy__schema *s, sy__value v, sy__vbuf *out, sy__buf *path, sy__error *err);
/* Whether check with `out` could change any value (false: the fast path needs no copy). */
bool sy__schema_changes(const sy__schema *s, sy__value v);

#endif
