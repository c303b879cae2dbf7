/* thread.h: starting the library's threads: every signal blocked, at least 1 MiB of stack, a name. */
#ifndef SY_BASE_THREAD_H
#define SY_BASE_THREAD_H

#include "base/error.h"

#include <pthread.h>

/* Starts `fn(arg)`; join with pthread_join. `name` is cut at 15 bytes. */
int sy__thread_start(pthread_t *out, const char *name, void *(*fn)(void *), void *arg, sy__error *err);

#endif
