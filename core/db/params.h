/* params.h: parameters of sy__db_put, borrowed until the put has copied them. */
#ifndef SY_DB_PARAMS_H
#define SY_DB_PARAMS_H

#include "db/db.h"

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

#endif
