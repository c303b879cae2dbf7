/* thread.c: signals are blocked around pthread_create, so that the new thread inherits the mask. */
#include "base/thread.h"

#include <signal.h>
#include <stdio.h>

enum { STACK_BYTES = 2 << 20 };

int
sy__thread_start(pthread_t *out, const char *name, void *(*fn)(void *), void *arg, sy__error *err)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int e = pthread_attr_init(&attr);
    if (e) return sy__error_errno(err, e, "cannot prepare thread %s", name);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(out, &attr, fn, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    if (e) return sy__error_errno(err, e, "cannot start thread %s", name);
    char shown[16];
    (void)snprintf(shown, sizeof shown, "%s", name);
    (void)pthread_setname_np(*out, shown);
    return SY_OK;
}
