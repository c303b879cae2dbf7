/*
 * refs.h: the foreign keys of many rows, looked up once for each value that differs.
 *
 * SQLite opens, searches and closes the table that is referred to for every row and every foreign key: thirteen times
 * for a task and its two events, a fifth of writing them, though most of those values are the same in every row of a
 * group. So the rows and events of a large group are written with SQLite's own check switched off, and each
 * reference is found here first: it is the value the row before had, or a row of the same group, or a row the database
 * has. That happens inside the transaction, which nobody else can write into. What is not found makes the group be
 * written change by change, with SQLite's check.
 *
 * Writer thread only.
 */
#ifndef SY_DB_REFS_H
#define SY_DB_REFS_H

#include "db/rows.h"

enum { SY__REFS_MAX = 12 };

typedef struct sy__ref {
    int param; /* of the statement */
    char parent[64];
    sqlite3_stmt *find;     /* SELECT 1 FROM parent WHERE column = ?1 */
    const sy__param *known; /* the last value that was found in this transaction; NULL: none */
    size_t hint;            /* where among the rows of the same group the last one was */
} sy__ref;

/* The foreign keys of one statement of rows, or of events. */
typedef struct sy__refs {
    char table[64];
    sy__ref list[SY__REFS_MAX];
    int count;
    uint64_t attempt; /* the transaction in which `known` was found */
} sy__refs;

/* Reads them from the schema; `insert` as in sy__rows_prepare. An SQLITE_… code; SQLITE_MISUSE: they are of a form that
 * is not looked up here. */
int sy__refs_new(sy__refs **out, const sy__alloc *a, sqlite3 *conn, const char *insert);
void sy__refs_free(sy__refs *r, const sy__alloc *a);
/* Begins a transaction: nothing is known to be there. */
void sy__refs_forget(sy__refs *r, uint64_t attempt);
/* Looks up what the row refers to; `same` are rows of the table `table` (NULL: none) that are there or will be with
 * this statement, sorted. An SQLITE_… code; SQLITE_CONSTRAINT_FOREIGNKEY: something is not there. */
int sy__refs_check(sy__refs *r, const sy__change *c, const sy__rows *same, size_t same_count, const char *table);

#endif
