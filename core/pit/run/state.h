/*
 * state.h: the rows that sum up: the two singletons, a melody's execution_history, the lifecycle of extensions.
 *
 * Everything is queued for the writer; failures show as the failures of the run's own rows do.
 */
#ifndef SY_PIT_STATE_H
#define SY_PIT_STATE_H

#include "pit/engine_impl.h"

/* Registers the statements. SY_ENOMEM. */
int sy__state_statements(sy__engine *e);
/* A run has its final, or parked, row, after `ms` in all: call between sy__db_begin and sy__db_end with it. run.lock
 * held. */
void sy__state_run_ended(sy__run *r, int64_t ms);
/* Stage 0, ten times a second: writes the picture of this host that was left out. */
void sy__state_tick(sy__engine *e);
/* Writes the last picture, when there was any. After the stages have stopped. */
void sy__state_close(sy__engine *e);
/* The code of the extension that a task calls cannot be loaded. Stage thread. */
void sy__state_broken(sy__stage *s, sy__task *t, const sy__extension *ext, const sy__error *why);
/* The extensions in `options`.code run from now on in the opening `host`. Writer thread, in a transaction. SY_EIO. */
int sy__state_running(sqlite3 *conn, const char *host, const char *options, const char *at, sy__error *err);

#endif
