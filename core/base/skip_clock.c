/* skip_clock.c: the system's clocks, and how far this one is ahead of them. */
#include "base/skip_clock.h"

static int64_t
skip_wall(void *ud)
{
    sy__skip_clock *c = ud;
    return sy__wall_ms(&sy__clock_system) + atomic_load(&c->ahead_ns) / 1000000;
}

static int64_t
skip_mono(void *ud)
{
    sy__skip_clock *c = ud;
    return sy__mono_ns(&sy__clock_system) + atomic_load(&c->ahead_ns);
}

sy__clock
sy__skip_clock_make(sy__skip_clock *c)
{
    return (sy__clock){skip_wall, skip_mono, c};
}

void
sy__skip_clock_advance(sy__skip_clock *c, int64_t ns)
{
    if (ns > 0) (void)atomic_fetch_add(&c->ahead_ns, ns);
}
