/*
 * tape.h: outputs played instead of calls, and calls recorded: what `symphony melody test` is made of.
 *
 * An engine without a tape pays one test a call. A tape is set while no run lives. An entry is a map:
 *
 *   {"task": "checks/1", "operation"?: "lint.check", "input"?: "sha256:…", "output": value, "usd_micro"?, "tokens"?,
 *    "ms"?: how long it took}, or instead of the output "error": {"code", "message", "transient"?}
 *
 * `task` may have `*` for whole parts of a key. An entry with the hash of an input (of its canonical JSON) serves that
 * input only. Several that fit alike are played one after the other, the last of them again and again.
 */
#ifndef SY_PIT_TAPE_H
#define SY_PIT_TAPE_H

#include "base/skip_clock.h"
#include "pit/engine_impl.h"

typedef struct sy__tape_options {
    sy__value entries;     /* an array */
    bool strict;           /* what no entry fits fails instead of being called */
    bool record;           /* keeps what is called */
    sy__skip_clock *clock; /* the engine's; NULL: it runs as usual. Must outlive the tape */
} sy__tape_options;

/* Sets the engine's tape; NULL options take it off. SY_EUSAGE while a run lives, or for what is no entry. */
int sy__tape_set(sy__engine *e, const sy__tape_options *o, sy__error *err);
/* Appends an array of what was called since it was set, in the order of the ends. Any thread. */
void sy__tape_recorded(sy__engine *e, sy__vbuf *out);
void sy__tape_free(sy__tape *tape); /* NULL is legal */

/* ---- hooks; stage thread ---- */

/* Ends the attempt of a task with what the tape has for it; false: it is to be called. */
bool sy__tape_play(sy__stage *s, sy__task *t);
/* Ends a task that calls nothing itself (a map, a loop, a question, a melody) with what the tape has for its key. */
bool sy__tape_play_whole(sy__stage *s, sy__task *t);
/* Keeps how a call ended. */
void sy__tape_record(sy__stage *s, const sy__task *t, const sy__error *why, bool transient);
/* How long to wait really before something that is due in `ns`; and that it has come. */
int64_t sy__tape_wait(const sy__engine *e, int64_t ns);
void sy__tape_reach(const sy__engine *e, int64_t due_ns);

#endif
