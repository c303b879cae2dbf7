/*
 * dedupe.h: a run started with a dedupe id (options {"dedupe"}) is the only one of that id in its project, until it
 * has failed or was cancelled: asking again gives that run. A unique index keeps it so between processes.
 */
#ifndef SY_PIT_DEDUPE_H
#define SY_PIT_DEDUPE_H

#include "pit/engine_impl.h"

enum { SY__MAX_DEDUPE_BYTES = 256 };

/* SY_EUSAGE when the id is none. */
int sy__dedupe_check(sy__value options, sy__error *err);
/* Fills `out`, with `existing` set, when the id in `options` (JSON) has its run. Writer thread. */
int sy__dedupe_find(sqlite3 *conn, const char *options, sy__run_info *out, sy__error *err);

#endif
