/*
 * journal.h: melodies in code style: a Lua function whose calls are tasks, replayed from their rows. Stage thread.
 */
#ifndef SY_PIT_JOURNAL_H
#define SY_PIT_JOURNAL_H

#include "pit/engine_impl.h"

/* Runs the function of a flow, from its beginning. */
void sy__journal_begin(sy__stage *s, sy__task *t);
/* The task of one of its calls ended, or was dropped. Frees it. */
void sy__journal_child_end(sy__stage *s, sy__task *child, bool dropped);
/* `run:sleep`: a timer for up to a minute, else the run waits, with no process if there is nothing else to do. */
void sy__journal_sleep(sy__stage *s, sy__task *t);
void sy__journal_free(const sy__alloc *a, sy__journal *j); /* NULL is legal */
/* Appends what `run:random` asked for: a number in [0, 1), or an integer from `low` to `high`. */
void sy__journal_random(sy__value request, sy__vbuf *out);

#endif
