/*
 * frames.h: the log's frames, written many at once. SQLite writes each frame of a transaction with two system calls; a
 * group has hundreds of frames, and the calls were a quarter of the writer's time. Here they are collected and go to
 * the file in large pieces, the last with the frame that ends the transaction.
 *
 *     xWrite(header) xWrite(page) …  ──> bytes, one behind the other ──> one write
 *
 * Nobody sees a frame before the one that ends its transaction is in the file: until then all of them are ours alone.
 * So nothing changes for others, and a kill in between leaves less of what would be ignored anyway.
 *
 * Writer thread only, one for each connection. It stands between SQLite and the file of its log, in the place of the
 * file's methods, until that is closed.
 */
#ifndef SY_DB_FRAMES_H
#define SY_DB_FRAMES_H

#include "base/alloc.h"

#include <sqlite3.h>
#include <stdbool.h>

enum { SY__FRAMES_BYTES = 128 << 10 };

typedef struct sy__frames {
    sqlite3_io_methods methods;     /* ours; the file's pMethods points here */
    const sqlite3_io_methods *real; /* the file's own; NULL: not between */
    const sy__alloc *alloc;
    char *bytes; /* SY__FRAMES_BYTES; NULL until the first write */
    int count;
    sqlite3_int64 at; /* where in the file bytes[0] belongs */
    bool ending;      /* the header of a transaction's last frame was written last */
} sy__frames;

/* Puts itself between SQLite and `log`, once. `f` must stay where it is until the file is closed. */
void sy__frames_between(sy__frames *f, const sy__alloc *a, sqlite3_file *log);

#endif
