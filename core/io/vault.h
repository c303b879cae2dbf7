/*
 * vault.h: the secrets of the person who runs a host, for all its threads: each is read when it is first used, and
 * again when its file has changed.
 *
 * Earlier values of a name stay known until the host closes, so that they are still kept out of what comes back.
 */
#ifndef SY_IO_VAULT_H
#define SY_IO_VAULT_H

#include "io/scrub.h"
#include "io/secret.h"

typedef struct sy__vault sy__vault;

/* Has no folder yet, so nothing is in it. `a` outlives it. SY_ENOMEM. */
int sy__vault_new(sy__vault **out, const sy__alloc *a, sy__error *err);
/* NULL is legal. */
void sy__vault_free(sy__vault *v);
/* Names the folder of sy__secret_put. Any thread. SY_ENOMEM. */
int sy__vault_open(sy__vault *v, const char *dir);
/* The value that a name has now, held for the caller. Errors as sy__secret_get. Any thread. */
int sy__vault_get(sy__vault *v, const char *name, sy__secret **out, sy__error *err);
/* Adds the values that names have and had to what is looked for, of all names that are `wanted`. SY_ENOMEM. Any thread.
 */
int sy__vault_scrub(sy__vault *v, bool (*wanted)(const void *ud, const char *name), const void *ud, sy__scrubber *s,
                    sy__error *err);

#endif
