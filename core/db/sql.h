/* sql.h: the few things every file of this room does with a connection. Each in the thread that has it. */
#ifndef SY_DB_SQL_H
#define SY_DB_SQL_H

#include "base/error.h"

#include <sqlite3.h>

/* The SY_E… that belongs to an SQLite result. */
int sy__sql_code(int rc);
/* Whether it is the fault of a statement and what it was given, not of the database. */
bool sy__sql_is_refusal(int rc);
/* Whether waiting may help: busy, full, no memory. */
bool sy__sql_may_pass(int rc);
/* Steps a statement once and resets it: an SQLITE_… code. */
int sy__sql_run(sqlite3_stmt *s);
/* Sets err from the connection's last failure and returns its SY_E…; the hints for full and damaged are here. */
int sy__sql_error(sy__error *err, sqlite3 *conn, int rc, const char *what);
/* Opens `file` with sqlite3_open_v2 flags (no mutex), foreign keys on. *out is NULL on failure. */
int sy__sql_open(sqlite3 **out, const char *file, int flags, sy__error *err);
/* Runs statements without parameters or results. */
int sy__sql_exec(sqlite3 *conn, const char *sql, sy__error *err);
/* Runs one statement with text parameters (NULL: null). */
int sy__sql_texts(sqlite3 *conn, const char *sql, const char *const *texts, int count, sy__error *err);
/* The first column of the first row; `fallback` when there is no row or it is null. */
int sy__sql_int(sqlite3 *conn, const char *sql, int64_t fallback, int64_t *out, sy__error *err);
/* The same as text into out[bytes], cut; "" when there is none. */
int sy__sql_text(sqlite3 *conn, const char *sql, const char *const *texts, int count, char *out, size_t bytes,
                 sy__error *err);

#endif
