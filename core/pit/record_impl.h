/*
 * record_impl.h: what record.c, record_run.c and record_artifact.c share: parameters, JSON, one way to put an event.
 */
#ifndef SY_PIT_RECORD_IMPL_H
#define SY_PIT_RECORD_IMPL_H

#include "pit/engine_impl.h"
#include "pit/statements.h"

#include <string.h>

static inline sy__param
sy__p_text(const char *s)
{
    return s ? (sy__param){.kind = SY__P_TEXT, .p = s, .len = strlen(s)} : (sy__param){.kind = SY__P_NULL};
}

static inline sy__param
sy__p_bytes(const char *s, size_t len)
{
    return s ? (sy__param){.kind = SY__P_TEXT, .p = s, .len = len} : (sy__param){.kind = SY__P_NULL};
}

static inline sy__param
sy__p_integer(int64_t i)
{
    return (sy__param){.kind = SY__P_INT, .i = i};
}

static inline sy__param
sy__p_number(double d)
{
    return (sy__param){.kind = SY__P_NUM, .d = d};
}

/* A stamp in `room`, or NULL for 0. */
static inline sy__param
sy__p_stamp(int64_t ms, char room[SY__STAMP_BYTES])
{
    if (!ms) return (sy__param){.kind = SY__P_NULL};
    sy__stamp(ms, room);
    return (sy__param){.kind = SY__P_TEXT, .p = room, .len = SY__STAMP_BYTES - 1};
}

/* Stops the run when a put was refused. */
void sy__record_checked(sy__run *r, int status);
/* The level at which a run's own rows are written: at `none` its beginning and its end are. */
sy__durability sy__record_level(const sy__run *r);
/* Appends a value's JSON; above 8 KiB it goes to the artifact store, `hash` is set and a reference is appended. */
void sy__record_json(sy__stage *s, sy__run *r, sy__value v, sy__buf *out, char hash[SY__HASH_BYTES]);
/* Puts one event and gives its id; `t` NULL: of the run itself. */
void sy__record_emit(sy__stage *s, sy__run *r, const sy__task *t, const char *extension_id, const char *key, const char *type, const char *payload, char id[SY__ID_BYTES]);

#endif
