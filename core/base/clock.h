/* clock.h: wall and monotonic time that tests can replace. */
#ifndef SY_BASE_CLOCK_H
#define SY_BASE_CLOCK_H

#include "base/buf.h"

enum { SY__STAMP_BYTES = 25 /* "2026-11-22T13:00:00.000Z" and NUL */ };

/* Where time comes from. The functions may be called from any thread. */
typedef struct sy__clock {
    int64_t (*wall_ms)(void *ud); /* since 1970, UTC */
    int64_t (*mono_ns)(void *ud); /* never steps back */
    void *ud;
} sy__clock;

extern const sy__clock sy__clock_system;

/* Milliseconds since 1970; ns and ms of a clock that only goes forward. Any thread; c must not be NULL. */
int64_t sy__wall_ms(const sy__clock *c);
int64_t sy__mono_ns(const sy__clock *c);
int64_t sy__mono_ms(const sy__clock *c);
/* CPU time of the calling thread, in ns. */
int64_t sy__thread_cpu_ns(void);
/* ISO 8601 in UTC with milliseconds, as every datetime column has it. */
void sy__stamp(int64_t wall_ms, char out[SY__STAMP_BYTES]);

#endif
