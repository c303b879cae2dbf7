/*
 * userdb.h: the person's database, user.db: who this is, for ever, and which projects there are. Opened by
 * several processes at once; every call is one transaction. One thread at a time uses an sy__userdb.
 */
#ifndef SY_DB_USERDB_H
#define SY_DB_USERDB_H

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"

#include <sqlite3.h>

typedef struct sy__userdb sy__userdb;

/* One project as the list has it; borrowed for the callback. */
typedef struct sy__known_project {
    const char *id, *name, *path, *created_at, *opened_at;
} sy__known_project;

/* Opens or makes `dir`/user.db (the folder and its parents too, 0700). Failures as sy__db_open. */
int sy__userdb_open(sy__userdb **out, const sy__alloc *a, const sy__clock *clock, const char *dir, sy__error *err);
/* NULL is legal. */
void sy__userdb_close(sy__userdb *u);
/*
 * Makes the person's row the first time and refreshes it afterwards; `id` is the same for ever. `preferences`
 * is JSON: the effective settings.
 */
int sy__userdb_person(sy__userdb *u, const char *name, const char *email, const char *preferences,
                      char id[SY__ID_BYTES], sy__error *err);
/* Lists or refreshes a project (sy__db_known's id) with the folder it was opened in. After sy__userdb_person. */
int sy__userdb_project(sy__userdb *u, const char *project_id, const char *path, const char *name,
                       const char *configuration, sy__error *err);
/* Calls `each` for every project, the one opened last first. */
int sy__userdb_projects(sy__userdb *u, void (*each)(void *ud, const sy__known_project *p), void *ud, sy__error *err);
/* Takes a project off the list; SY_ENOTFOUND. Its folder is not touched. */
int sy__userdb_forget(sy__userdb *u, const char *project_id, sy__error *err);

#endif
