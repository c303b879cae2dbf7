/*
 * crash.c: what SY__CRASH_POINT does in builds for tests, by two names of the environment:
 *
 *     SYMPHONY_CRASH_POINT=NAME:N   the N-th time that NAME is passed the process gets SIGKILL
 *     SYMPHONY_CRASH_LOG=FILE       each name that is passed is appended to FILE, a line each
 *
 * Not part of the program: only test builds link it.
 */
#include "base/crash.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char wanted[64];  /* "" for none */
static atomic_long left; /* times until it kills */
static int log_fd = -1;

static void
read_environment(void)
{
    const char *point = getenv("SYMPHONY_CRASH_POINT"), *file = getenv("SYMPHONY_CRASH_LOG");
    const char *colon = point ? strrchr(point, ':') : NULL;
    if (colon) {
        (void)snprintf(wanted, sizeof wanted, "%.*s", (int)(colon - point), point);
        atomic_store(&left, strtol(colon + 1, NULL, 10));
    }
    if (file) log_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void
sy__crash_point(const char *name)
{
    char line[80];
    (void)pthread_once(&once, read_environment);
    int len = log_fd >= 0 ? snprintf(line, sizeof line, "%s\n", name) : 0;
    if (len > 0 && write(log_fd, line, (size_t)len) != len) abort();
    if (strcmp(name, wanted) == 0 && atomic_fetch_sub(&left, 1) == 1) (void)kill(getpid(), SIGKILL);
}
