/*
 * watch.h: a thread that sees what other processes ask of the runs that live here, also while every stage computes:
 * a run that they cancel or pause is stopped within 100 ms. It waits while no run lives.
 */
#ifndef SY_PIT_WATCH_H
#define SY_PIT_WATCH_H

#include "pit/engine_impl.h"

typedef struct sy__watch sy__watch;

/* Starts the thread. SY_ENOMEM, or what starting it gave. */
int sy__watch_start(sy__watch **out, sy__engine *e, sy__error *err);
/* Before the stages end. NULL is legal. */
void sy__watch_stop(sy__watch *w);
/* There is a run to watch for. Any thread. */
void sy__watch_wake(sy__watch *w);

#endif
