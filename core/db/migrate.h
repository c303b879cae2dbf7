/*
 * migrate.h: opening a database file of ours: whose it is, its version, and numbered migrations.
 *
 * Nothing but SQLite opens the file, its header included. A database that is newer, damaged or somebody
 * else's is left as it is. Before the connection is shared: the thread that opens it.
 */
#ifndef SY_DB_MIGRATE_H
#define SY_DB_MIGRATE_H

#include "base/clock.h"
#include "base/error.h"

#include <sqlite3.h>

/* A row as the build writes it: core/db/migrations/0001_….sql and so on, in order. */
typedef struct sy__migration {
    const char *path;
    const char *sql;
    size_t bytes;
} sy__migration;

typedef struct sy__schema_set {
    const sy__migration *migrations; /* number n is migrations[n - 1] */
    int count;
    int32_t application_id;
    /* Inserts what a new database begins with, in the transaction of migration 1. May be NULL. */
    int (*seed)(sqlite3 *conn, void *ud, sy__error *err);
    void *seed_ud;
    const char *dir; /* has the lock file, hosts/ (for the pids in a message) and backup/ */
    int lock_fd;     /* schema.lock, open; holds the shared lock afterwards */
    const sy__clock *clock;
} sy__schema_set;

/*
 * Opens `file` for writing, making or migrating it first, one transaction each, after a copy to backup/.
 * SY_ENEWER, SY_EDAMAGED, SY_ETIMEOUT (others have it open for 5 s: their pids), SY_EIO, SY_EDISKFULL.
 */
int sy__migrate_open(sqlite3 **out, const char *file, const sy__schema_set *set, sy__error *err);

#endif
