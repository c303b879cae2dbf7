/* stream_impl.h: the writing side of streams. Stage thread, unless said otherwise. */
#ifndef SY_PIT_STREAM_IMPL_H
#define SY_PIT_STREAM_IMPL_H

#include "pit/engine_impl.h"
#include "pit/stream/stream.h"

enum { SY__STREAM_PIECE_BYTES = 64 << 10 };

/* Adds to a stream of the attempt's task: SY_OK, or SY_EAGAIN when the call is to wait (see sy__stream_no_wait). */
int sy__stream_add(sy__attempt *a, sy__stream_kind kind, const char *bytes, size_t len);
/* Makes the attempt's call wait until all that is queued now is written; SY_EAGAIN, or SY_OK when it cannot. */
int sy__stream_wait(sy__attempt *a);
/* The call that was to wait has ended. */
void sy__stream_no_wait(void *attempt);
/* Queues what the attempt's task has streamed. Before its end. */
void sy__stream_flush(sy__stage *s, sy__task *t);
/* Frees what is kept for a task. */
void sy__streams_free(sy__task *t);
/* Registers the statement; its number or SY_ENOMEM. Any thread. */
int sy__stream_statement(sy__db *db);

/* ---- stream_memory.c: level `none` ---- */

/* Keeps a piece; the oldest go when there are too many. */
void sy__stream_keep(sy__stage *s, sy__task *t, sy__stream_kind kind, int64_t position, const char *bytes, size_t len);
/* Reads as sy__stream_read. Any thread. */
int sy__stream_recall(sy__run *r, const char *task, sy__stream_kind kind, int64_t offset, size_t max_bytes,
                      sy__stream_piece *out);
/* Frees all a run has kept. Any thread, the last that holds it. */
void sy__stream_forget(sy__run *r);
/* Shortens a piece of at most `max_bytes` so that it ends after a whole UTF-8 sequence or line; `last`: nothing of its
 * attempt comes after it. */
void sy__stream_trim(sy__stream_piece *p, sy__stream_kind kind, bool last, size_t max_bytes);

#endif
