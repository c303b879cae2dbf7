/* skip_clock.h: a clock that runs with the system's and can jump ahead, over what would be waited for. Any thread. */
#ifndef SY_BASE_SKIP_CLOCK_H
#define SY_BASE_SKIP_CLOCK_H

#include "base/clock.h"

#include <stdatomic.h>

typedef struct sy__skip_clock {
    _Atomic int64_t ahead_ns;
} sy__skip_clock;

/* A clock over `c`, which must outlive it. */
sy__clock sy__skip_clock_make(sy__skip_clock *c);
/* Jumps ahead; never back. */
void sy__skip_clock_advance(sy__skip_clock *c, int64_t ns);

#endif
