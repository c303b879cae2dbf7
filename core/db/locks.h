/*
 * locks.h: who is here. Open file description locks (OFD): they belong to the descriptor, not the process,
 * end with it however the process ends, and are never dropped by closing another descriptor of the file.
 *
 *     schema.lock      shared by every living host, exclusive while migrating
 *     hosts/ID.lock    exclusive by the host ID while it lives; content: its pid
 *
 * Any thread may call these.
 */
#ifndef SY_DB_LOCKS_H
#define SY_DB_LOCKS_H

#include "base/error.h"

typedef enum sy__lock_kind { SY__LOCK_SHARED, SY__LOCK_EXCLUSIVE, SY__LOCK_NONE } sy__lock_kind;

/* Opens (makes) a lock file; *fd >= 0. SY_EIO, SY_EDISKFULL. */
int sy__lock_open(int *fd, const char *path, sy__error *err);
/* Takes, converts or gives up the lock without waiting: SY_OK, SY_EAGAIN when others hold it, SY_EIO. */
int sy__lock_try(int fd, sy__lock_kind kind);

/* Makes hosts/ID.lock in `dir`, held by *fd. */
int sy__host_enter(int *fd, const char *dir, const char *id, sy__error *err);
/* What is to be done about a host that died; true: nothing is left to do, so that its file is removed. */
typedef bool sy__dead_fn(void *ud, const char *id);
void sy__hosts_dead(const char *dir, sy__dead_fn *fn, void *ud);
/* Removes the file and closes the descriptor; fd < 0 is legal. */
void sy__host_leave(int fd, const char *dir, const char *id);
bool sy__host_alive(const char *dir, const char *id);
/* Appends the pids of living hosts: "12, 345". */
void sy__host_pids(const char *dir, sy__buf *out);

#endif
