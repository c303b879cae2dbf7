/*
 * rows.h: many rows of one table in one statement: INSERT INTO task (…) SELECT c0, c1, … FROM sy_rows, where sy_rows
 * is a table that reads the parameters of changes where they lie. Beginning, opening its tables and the tables it
 * refers to, binding and ending are then paid once for a group, not once for a row.
 *
 * Writer thread only. A row that is refused rolls the whole statement back and is not named: commit.c then writes
 * the group change by change.
 */
#ifndef SY_DB_ROWS_H
#define SY_DB_ROWS_H

#include "db/queue.h"

enum { SY__ROWS_COLUMNS = 40 };

/* Changes of one statement, in order. */
typedef struct sy__rows {
    const sy__change **list;
    size_t count, cap;
    int statement;
} sy__rows;

int sy__rows_add(sy__rows *rows, const sy__alloc *a, const sy__change *c); /* SY_ENOMEM */
/* Sorts by the first parameter, a text: rows that go into a table in the order of its keys touch each page once. */
void sy__rows_sort(sy__rows *rows);
void sy__rows_close(sy__rows *rows, const sy__alloc *a);

/* Makes the table known to the connection; it reads *from, which the caller points at the rows to write. An SQLITE_…
 * code. */
int sy__rows_open(sqlite3 *conn, const sy__rows **from);
/* Prepares the form of `insert` that takes its rows from the table. `insert` must be "INSERT INTO t (columns) VALUES
 * (?1,?2,…)", its parameters in order. An SQLITE_… code. */
int sy__rows_prepare(sqlite3 *conn, const char *insert, sqlite3_stmt **out);

#endif
