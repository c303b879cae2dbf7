/*
 * retention_impl.h: what the files of retention share. Nobody else includes it. Writer thread.
 *
 *     retention.c        runs, with all that is theirs
 *     retention_tidy.c   what the host did on its own, and rows nobody refers to
 *     retention_slice.c  statements for some milliseconds of one transaction
 */
#ifndef SY_PIT_RETENTION_IMPL_H
#define SY_PIT_RETENTION_IMPL_H

#include "base/map.h"
#include "pit/stale/retention.h"

enum { SY__SLICE_STATEMENTS = 16 };

/* A transaction of the writer that ends after some milliseconds. The first failure ends it, too. */
typedef struct sy__slice {
    sqlite3 *conn;
    sy__error *err;
    int64_t until_ns;
    int code;
    int count;
    const char *sql[SY__SLICE_STATEMENTS];
    sqlite3_stmt *statements[SY__SLICE_STATEMENTS];
} sy__slice;

sy__slice sy__slice_open(sqlite3 *conn, sy__error *err);
/* SY_OK, or its failure. */
int sy__slice_close(sy__slice *s);
bool sy__slice_over(const sy__slice *s);
/* Runs a statement, a literal, with one text; the rows it changed. */
int64_t sy__slice_run(sy__slice *s, const char *sql, const char *text);
int64_t sy__slice_run_at(sy__slice *s, const char *sql, const char *text, int64_t number);
/* The first `max` ids that a query gives; how many. */
int sy__slice_ids(sy__slice *s, const char *sql, const char *text, char (*out)[SY__ID_BYTES], int max);
int sy__slice_error(sqlite3 *conn, sy__error *err);

#endif
