/*
 * secret.h: one secret: a name, and a value in memory that is locked, kept out of core dumps and wiped at the end.
 *
 * That memory is libsodium's and not the host's, because no other allocator promises this; where the system's limit for
 * locked memory is used up, it may be swapped. Values are immutable once handed on and are counted; any thread.
 */
#ifndef SY_IO_SECRET_H
#define SY_IO_SECRET_H

#include "base/error.h"

typedef struct sy__secret sy__secret;

enum {
    SY__SECRET_NAME_BYTES = 65,     /* with its NUL */
    SY__SECRET_MIN_BYTES = 8,       /* of a value: a shorter one would be found by chance in what comes back */
    SY__SECRET_MAX_BYTES = 32 << 10 /* what fits into an environment */
};

/* A text that ends in a secret: "Authorization: Bearer " or "TOKEN=", and the value. */
typedef struct sy__secret_text {
    const char *before;
    const sy__secret *value;
} sy__secret_text;

/* Letters, digits and . _ - , at most 64, a letter or digit first. */
bool sy__secret_name_ok(const char *name);
/* Memory for a value of `len` bytes, not filled yet; count 1. SY_EUSAGE: the name or the length; SY_ENOMEM. */
int sy__secret_new(sy__secret **out, const char *name, size_t len, sy__error *err);
/* Where to write it, until it is handed on. */
char *sy__secret_fill(sy__secret *s);
/* Reads a value from a descriptor to its end, or to the end of its first line; a last newline is no part of it.
 * SY_EUSAGE: too short, too long or with a NUL byte; SY_ECANCELLED: a signal came while the line was awaited; SY_EIO,
 * SY_ENOMEM. */
int sy__secret_read(sy__secret **out, const char *name, int fd, bool one_line, sy__error *err);
/* One more who holds it, which is returned; one less: the last wipes and frees it. NULL is legal. */
sy__secret *sy__secret_hold(sy__secret *s);
void sy__secret_release(sy__secret *s);

/* Borrowed; the value ends with a NUL that `len` does not count. */
const char *sy__secret_name(const sy__secret *s);
const char *sy__secret_value(const sy__secret *s, size_t *len);

/* Memory of the same kind for what is made of a value; NULL: none. The second wipes it; NULL is legal. */
char *sy__secret_memory(size_t bytes);
void sy__secret_forget(void *memory);
/* `before` and the value in such memory, with a NUL behind; NULL: no memory. */
char *sy__secret_join(const sy__secret_text *t);

/* An environment with secrets in it. Zeroed: none. */
typedef struct sy__secret_env {
    const char **list; /* NULL-terminated */
    char **texts;      /* those of it that are ours, NULL-terminated */
} sy__secret_env;
/* The list `plain`, which outlives it, and the secrets; false: no memory. Dropped in any case. */
bool sy__secret_env_add(sy__secret_env *env, const sy__alloc *a, const char *const *plain,
                        const sy__secret_text *secrets, size_t count);
void sy__secret_env_drop(sy__secret_env *env, const sy__alloc *a);

#endif
