/*
 * record_impl.h: what record.c, record_run.c and record_artifact.c share: parameters, JSON, one way to put an event.
 */
#ifndef SY_PIT_RECORD_IMPL_H
#define SY_PIT_RECORD_IMPL_H

#include "db/params.h"
#include "pit/engine_impl.h"
#include "pit/record/statements.h"

/* Stops the run when a put was refused. */
void sy__record_checked(sy__run *r, int status);
/* The level at which a run's own rows are written: at `none` its beginning and its end are. */
sy__durability sy__record_level(const sy__run *r);
/* Appends a value's JSON; above 8 KiB it goes to the artifact store, `hash` is set and a reference is appended. */
void sy__record_json(sy__stage *s, sy__run *r, sy__value v, sy__buf *out, char hash[SY__HASH_BYTES]);
/* Puts one event; `t` NULL: of the run itself; `key` NULL: its topic is the type alone. Its id is made now and given in
 * `id` (SY__ID_BYTES), or, with NULL, by the writer, in order. */
void sy__record_emit(sy__stage *s, sy__run *r, const sy__task *t, const char *extension_id, const char *key,
                     const char *type, const char *payload, char *id);

#endif
