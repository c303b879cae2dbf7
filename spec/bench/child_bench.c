/*
 * child_bench.c: what holding a child costs. Starts `true` many times without and with a cage of the grants that the
 * bundled git operator has, in turns, from the call to the end of the child, and compares the medians.
 */
#include "base/value.h"
#include "io/cage.h"
#include "io/spawn.h"
#include "kit/caps.h"

#include "bench/bench.h"

#include <event2/event.h>
#include <unistd.h>

enum { ROUNDS = 400 };

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
stop(void *ud, sy__child *child)
{
    (void)child;
    (void)event_base_loopbreak(ud);
}

static double
once(sy__spawner *s, struct event_base *loop, const sy__caps *caps)
{
    static const char *const argv[] = {"true", NULL};
    sy__child_options o = {.argv = argv, .cwd_fd = -1, .max_output_bytes = 1000, .on_exit = stop, .ud = loop};
    sy__cage_options held = {0};
    sy__child *child;
    sy__error err = {0};
    double start = bench_seconds();
    if (caps) bench_need(sy__caps_cage(&o.cage, caps, "git", &held, &err) == SY_OK, err.message);
    bench_need(sy__child_spawn(&child, s, loop, &sy__alloc_default, &o, &err) == SY_OK, err.message);
    (void)event_base_dispatch(loop);
    double ms = (bench_seconds() - start) * 1e3;
    sy__child_free(child);
    return ms;
}

static sy__caps *
grants(void)
{
    sy__caps *caps;
    sy__error err = {0};
    sy__vbuf b;
    sy__value value;
    char cwd[4096];
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__vbuf_map(&b);
    sy__vbuf_key(&b, "fs.read", 7);
    sy__vbuf_array(&b);
    sy__vbuf_str(&b, "$PROJECT/**", 11);
    sy__vbuf_end(&b);
    sy__vbuf_end(&b);
    bench_need(getcwd(cwd, sizeof cwd) != NULL && sy__vbuf_done(&b, &value) == SY_OK, "no grants");
    bench_need(sy__caps_new(&caps, &sy__alloc_default, value, cwd, &err) == SY_OK, err.message);
    sy__vbuf_close(&b);
    return caps;
}

int
main(void)
{
    static double plain[ROUNDS], held[ROUNDS];
    sy__spawner *s;
    sy__error err = {0};
    struct event_base *loop = event_base_new();
    bench_need(sy__spawner_new(&s, &sy__alloc_default, &err) == SY_OK, err.message);
    sy__caps *caps = grants();
    for (int i = 0; i < ROUNDS; i++) {
        plain[i] = once(s, loop, NULL);
        held[i] = once(s, loop, caps);
    }
    qsort(plain, ROUNDS, sizeof *plain, by_size);
    qsort(held, ROUNDS, sizeof *held, by_size);
    bench_print("child", "a child that is not held", plain[ROUNDS / 2], "ms", 0);
    bench_print("child", "a child in a cage", held[ROUNDS / 2], "ms", 0);
    bench_print("child", "the difference", held[ROUNDS / 2] - plain[ROUNDS / 2], "ms", -1);
    sy__caps_release(caps);
    sy__spawner_free(s);
    event_base_free(loop);
    return 0;
}
