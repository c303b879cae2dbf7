/* clock.c: the system's clocks; civil dates by Howard Hinnant's days algorithm, so no tz code runs. */
#include "base/clock.h"

#include <string.h>
#include <time.h>

static int64_t
read_clock(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t
system_wall(void *ud)
{
    (void)ud;
    return read_clock(CLOCK_REALTIME) / 1000000;
}

static int64_t
system_mono(void *ud)
{
    (void)ud;
    return read_clock(CLOCK_MONOTONIC);
}

const sy__clock sy__clock_system = {system_wall, system_mono, NULL};

int64_t
sy__wall_ms(const sy__clock *c)
{
    return c->wall_ms(c->ud);
}

int64_t
sy__mono_ns(const sy__clock *c)
{
    return c->mono_ns(c->ud);
}

int64_t
sy__mono_ms(const sy__clock *c)
{
    return c->mono_ns(c->ud) / 1000000;
}

int64_t
sy__thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static inline void
put_digits(char *to, uint32_t n, int width)
{
    for (int i = width - 1; i >= 0; i--, n /= 10) to[i] = (char)('0' + n % 10);
}

/* http://howardhinnant.github.io/date_algorithms.html, civil_from_days. */
void
sy__stamp(int64_t wall_ms, char out[SY__STAMP_BYTES])
{
    static const char shape[SY__STAMP_BYTES] = "0000-00-00T00:00:00.000Z";
    int64_t ms = wall_ms % 86400000, days = wall_ms / 86400000;
    if (ms < 0) {
        ms += 86400000;
        days--;
    }
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    uint32_t in_day = (uint32_t)ms, second = in_day / 1000;
    memcpy(out, shape, SY__STAMP_BYTES);
    put_digits(out, (uint32_t)(yoe + era * 400 + (month <= 2)), 4);
    put_digits(out + 5, (uint32_t)month, 2);
    put_digits(out + 8, (uint32_t)(doy - (153 * mp + 2) / 5 + 1), 2);
    put_digits(out + 11, second / 3600, 2);
    put_digits(out + 14, second / 60 % 60, 2);
    put_digits(out + 17, second % 60, 2);
    put_digits(out + 20, in_day % 1000, 3);
}
