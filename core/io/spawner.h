/*
 * spawner.h: the thread that creates children and ends those nobody waits for any more: internal to core/io.
 *
 * A `sy__kid` is the process side of a child: it is registered from its start to its reaping, so that freeing
 * the spawner leaves nothing behind. All functions: any thread.
 */
#ifndef SY_IO_SPAWNER_H
#define SY_IO_SPAWNER_H

#include "io/launch.h"
#include "io/spawn.h"

typedef struct sy__kid {
    struct sy__spawner *spawner; /* NULL: none, or it was freed */
    const sy__alloc *alloc;
    pid_t pid;
    int pidfd;
    uint64_t mark;      /* of all it started; 0: none */
    sy__cage *cage;     /* NULL: none */
    bool reaped;        /* the spawner frees it: its folder may take time to remove */
    bool orphan;        /* the spawner ends and frees it */
    int held_fds[2];    /* of an orphan: what it writes to, so that its last words are no SIGPIPE; -1: none */
    int64_t kill_at_ms; /* monotonic, of an orphan: when KILL is due; 0: was sent */
    struct sy__kid *prev, *next;
} sy__kid;

/* Launches on the spawner's thread (s NULL: on the calling one) and waits until the program runs or failed.
 * `cage` may be NULL; the kid has it on success. */
int sy__kid_new(sy__kid **out, sy__spawner *s, const sy__alloc *a, sy__launch *l, sy__cage *cage, sy__error *err);
/* Sends a signal to the whole group. The leader must not have been reaped. */
void sy__kid_signal(const sy__kid *k, int signum);
/* Ends what it started and left running. Its process has ended. */
void sy__kid_sweep(const sy__kid *k);
/* Frees a kid whose process was reaped. */
void sy__kid_free(sy__kid *k);
/* Hands it over: TERM now, KILL after `grace_ms` (0: KILL now), reaped by the spawner. Without one: KILL and reap here.
 */
void sy__kid_abandon(sy__kid *k, int grace_ms);

#endif
