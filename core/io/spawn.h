/*
 * spawn.h: child processes, started by one long-lived thread and served by a stage thread's loop.
 *
 * Every child: process group of its own, clean environment, closed descriptors, PR_SET_PDEATHSIG,
 * no_new_privs, rlimits, a pidfd. It ends by TERM, then KILL after 2 s, to the whole group. No SIGCHLD.
 */
#ifndef SY_IO_SPAWN_H
#define SY_IO_SPAWN_H

#include "base/clock.h"
#include "base/error.h"
#include "io/scrub.h"

#include <sys/types.h>

struct event_base;
struct sy__cage;
typedef struct sy__spawner sy__spawner;

/* The spawner outlives its children's owners; freeing it ends at most 2 s later. Any thread. */
int sy__spawner_new(sy__spawner **out, const sy__alloc *a, sy__error *err);
/* Kills what is left and joins. */
void sy__spawner_free(sy__spawner *s);

typedef struct sy__child sy__child;
typedef struct sy__child_options {
    const char *const *argv;        /* argv[0] is looked up in `path`; NULL-terminated */
    const char *const *env;         /* "NAME=value", NULL-terminated; NULL: PATH, HOME, LANG only */
    const sy__secret_text *secrets; /* more of the environment: "NAME=" and a secret */
    size_t secret_count;
    sy__scrubber *scrub;     /* what it writes passes through it; NULL. Not with `socket` */
    const char *cwd;         /* NULL: the host's */
    int cwd_fd;              /* used when >= 0 instead of cwd; borrowed. Set -1 for none */
    const char *stdin_bytes; /* copied; NULL: /dev/null */
    size_t stdin_len;
    int *socket; /* stdin is one end of a stream socket, and the other (which does not block) comes back here, the
                  * caller's; NULL: as above */
    size_t
        max_output_bytes; /* of stdout and stderr each; beyond it reading goes on but bytes are dropped and counted */
    int64_t timeout_ms;   /* 0: none */
    int64_t cpu_s, memory_bytes, file_bytes; /* rlimits; 0: inherited */
    struct sy__cage *cage; /* what holds it; taken over, also by a start that fails. NULL: nothing does */
    /* Loop thread. `stream` is 1 or 2. NULL: collected only. */
    void (*on_output)(void *ud, int stream, const char *bytes, size_t len);
    void (*on_exit)(void *ud, sy__child *child); /* once, after both streams ended or 200 ms after the exit */
    void *ud;
} sy__child_options;

typedef struct sy__child_result {
    int exit_code; /* 0-255, or -1 */
    int signal;    /* that ended it, or 0 */
    bool timed_out;
    const char *out, *err; /* NUL-terminated, until the child is freed */
    size_t out_len, err_len;
    int64_t dropped_bytes;
    int64_t cpu_ms, peak_bytes; /* from waitid's rusage; peak 0: not above our own, which hides it */
} sy__child_result;

/*
 * Starts a child. SY_ENOTFOUND names the program (and the Debian package that has it, when known). Loop thread.
 * `s` NULL: the calling thread starts it, and must outlive it. When it has ended its group is killed: it leaves
 * nothing running.
 */
int sy__child_spawn(sy__child **out, sy__spawner *s, struct event_base *loop, const sy__alloc *a,
                    const sy__child_options *o, sy__error *err);
void sy__child_result_get(const sy__child *c, sy__child_result *out);
/* Of a child that has not been reaped; -1 afterwards. Loop thread. */
pid_t sy__child_pid(const sy__child *c);
/* Stops reading what it writes, so that it waits once its pipes are full; or goes on. Loop thread, also in a callback.
 */
void sy__child_hold(sy__child *c, bool on);
/* TERM now, KILL after `grace_ms` to the group; on_exit still comes. Loop thread. */
void sy__child_kill(sy__child *c, int grace_ms);
/* Frees; a child still running is killed at once and on_exit does not come. Loop thread, also in a callback. */
void sy__child_free(sy__child *c);
/* As free, but TERM first and KILL after `grace_ms`; the spawner sees to it. Loop thread, also in a callback. */
void sy__child_abandon(sy__child *c, int grace_ms);

/*
 * Starts a program in a session of its own that outlives this process, with /dev/null as stdin and both
 * outputs appended to `output_path` (NULL: /dev/null). argv, env, cwd as above; the rest is ignored.
 */
int sy__spawn_detached(int64_t *pid, const sy__child_options *o, const char *output_path, sy__error *err);

#endif
