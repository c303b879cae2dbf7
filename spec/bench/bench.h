/* bench.h: time, and figures as JSON lines: {"bench","what","value","unit","asked","ok"}. */
#ifndef SY_SPEC_BENCH_H
#define SY_SPEC_BENCH_H

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

static inline double
bench_seconds(void)
{
    return (double)sy__mono_ns(&sy__clock_system) / 1e9;
}

/* A figure beside what was asked of it: at least `least`, or at most when it is negative; 0: only a measure. */
static inline void
bench_print(const char *bench, const char *what, double value, const char *unit, double least)
{
    (void)printf("{\"bench\":\"%s\",\"what\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"", bench, what, value, unit);
    if (least != 0) {
        double asked = least < 0 ? -least : least;
        bool ok = least < 0 ? value <= asked : value >= asked;
        (void)printf(",\"asked\":\"%s %.6g\",\"ok\":%s", least < 0 ? "<=" : ">=", asked, ok ? "true" : "false");
    }
    (void)printf("}\n");
    (void)fflush(stdout);
}

/* Stops a bench whose set-up went wrong: a figure of it would mean nothing. */
static inline void
bench_need(bool condition, const char *what)
{
    if (condition) return;
    (void)fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

#endif
