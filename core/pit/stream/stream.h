/*
 * stream.h: what a task tells while it runs: tokens (ctx.stream), progress and log lines.
 *
 * A stream is a sequence of bytes that counts on from one attempt to the next; each piece knows its attempt. Log
 * lines are events, so their offsets are `seq`. Progress and log are lines of JSON. What a reader sees is committed:
 * an offset that was read stays true after a crash. At level `none` the last 1 MiB of each task lies in memory.
 *
 *     call ──add──▶ open piece ──25 ms or 64 KiB──▶ writer's queue ──commit──▶ task_stream ──▶ readers, at their pace
 *      ▲                                                  │
 *      └──────────── waits while 1 MiB is unwritten ◀─────┘
 */
#ifndef SY_PIT_STREAM_H
#define SY_PIT_STREAM_H

#include "pit/engine.h"

typedef enum sy__stream_kind {
    SY__STREAM_TOKENS,
    SY__STREAM_PROGRESS,
    SY__STREAM_LOG,
    SY__STREAM_KINDS
} sy__stream_kind;

/* "tokens", "progress", "log". */
const char *sy__stream_name(sy__stream_kind kind);
/* The kind of this name, or SY__STREAM_KINDS. */
sy__stream_kind sy__stream_kind_of(const char *name);

/* One stretch of one attempt. */
typedef struct sy__stream_piece {
    int64_t offset; /* where it begins: later than asked for when what was there is gone */
    int64_t next;   /* where to go on */
    int attempt;
    int64_t epoch; /* how often the run had been taken over: the same attempt begins again under a later one */
    sy__buf bytes; /* empty: nothing is there now. Whole UTF-8 sequences (tokens) or lines, but at an attempt's end */
} sy__stream_piece;

/*
 * Reads from `offset` on, at most about `max_bytes`. `run` is an id, `task` a key. `out` is filled on SY_OK, and its
 * buffer then closed by the caller. SY_ENOTFOUND, SY_EDAMAGED, SY_ENOMEM. Any thread but stages.
 */
int sy__stream_read(sy__engine *e, const char *run, const char *task, sy__stream_kind kind, int64_t offset,
                    size_t max_bytes, sy__stream_piece *out, sy__error *err);

#endif
