/*
 * sweep.c: Linux gives process ids out in order, so what a child started has an id between its own and the last one
 * given (the fifth word of /proc/loadavg). That many are asked for their limit, at 0.2 µs each. When the ids began
 * again from the start, or there are too many to ask, /proc is listed instead.
 *
 * A pass that finds nothing alive ends the search. A process that forks and ends all the time is found in the end: its
 * next one has a higher id, which the same pass comes to later.
 */
#include "io/sweep.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_ASKED = 4096, WAIT_MS = 50 /* for one killed process, before the next is looked at */ };

uint64_t
sy__mark_new(void)
{
    struct rlimit own;
    uint64_t mark;
    if (getrlimit(RLIMIT_LOCKS, &own) != 0 || own.rlim_max != RLIM_INFINITY) return 0;
    if (getrandom(&mark, sizeof mark, 0) != (ssize_t)sizeof mark) return 0;
    return mark >> 1 | 1ULL << 40; /* neither infinite nor a number that a person would set */
}

bool
sy__mark_wear(uint64_t mark)
{
    struct rlimit r = {mark, mark};
    return !mark || setrlimit(RLIMIT_LOCKS, &r) == 0;
}

static bool
wears(pid_t pid, uint64_t mark)
{
    struct rlimit r;
    return prlimit(pid, RLIMIT_LOCKS, NULL, &r) == 0 && r.rlim_max == mark;
}

static bool
has_ended(int pidfd, int wait_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, wait_ms) > 0;
}

/* Kills one process that has the mark; false: it has none, or has ended. The descriptor keeps the id from meaning
 * another process between the two looks. */
static bool
end_one(pid_t pid, uint64_t mark)
{
    if (!wears(pid, mark)) return false;
    int fd = pidfd_open(pid, 0);
    if (fd < 0) return false; /* gone, or a thread, whose process comes by itself */
    bool alive = wears(pid, mark) && !has_ended(fd, 0);
    if (alive && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0) (void)has_ended(fd, WAIT_MS);
    (void)close(fd);
    return alive;
}

/* The last process id that was given out; 0: unknown. */
static pid_t
last_pid(void)
{
    char text[128];
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) (void)close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    const char *word = strrchr(text, ' ');
    return word ? (pid_t)strtol(word, NULL, 10) : 0;
}

static int
pass_over_range(uint64_t mark, pid_t since, pid_t last)
{
    int found = 0;
    for (pid_t pid = since; pid <= last; pid++) found += end_one(pid, mark);
    return found;
}

static int
pass_over_proc(uint64_t mark)
{
    struct dirent *entry;
    int found = 0;
    DIR *list = opendir("/proc");
    while (list && (entry = readdir(list)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 1) found += end_one(pid, mark);
    }
    if (list) (void)closedir(list);
    return found;
}

static int
pass(uint64_t mark, pid_t since)
{
    pid_t last = last_pid();
    if (last >= since && last - since < MOST_ASKED) return pass_over_range(mark, since, last);
    return pass_over_proc(mark);
}

int
sy__sweep(uint64_t mark, pid_t since, int budget_ms)
{
    int total = 0, found;
    if (!mark) return 0;
    int64_t until = sy__mono_ms(&sy__clock_system) + budget_ms;
    while ((found = pass(mark, since)) > 0) {
        total += found;
        if (sy__mono_ms(&sy__clock_system) >= until) return -1;
    }
    return total;
}
