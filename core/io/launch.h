/*
 * launch.h: one child process, from the decision to its exec: internal to core/io.
 *
 * The child shares our memory until it execs (vfork), so everything it needs is prepared before, and a step
 * that fails there comes back through a close-on-exec pipe as (step, errno).
 * The thread of the spawner.
 */
#ifndef SY_IO_LAUNCH_H
#define SY_IO_LAUNCH_H

#include "base/error.h"
#include "io/cage.h"

#include <sys/types.h>

/* Where a launch failed. */
typedef enum sy__launch_step {
    SY__LAUNCHED,
    SY__AT_FORK,
    SY__AT_SESSION, /* process group or session, parent-death signal, no_new_privs */
    SY__AT_LIMITS,
    SY__AT_CWD,
    SY__AT_STDIO,
    SY__AT_CAGE,
    SY__AT_EXEC,
} sy__launch_step;

typedef struct sy__launch {
    const char *program;     /* a path */
    const char *const *argv; /* NULL-terminated */
    const char *const *env;  /* NULL-terminated */
    const char *cwd;         /* used when cwd_fd < 0; NULL: stays */
    int cwd_fd;
    int fds[3];                              /* become 0, 1, 2; each > 2 */
    int64_t cpu_s, memory_bytes, file_bytes; /* rlimits; 0: inherited */
    const sy__cage *cage;                    /* entered last before exec; NULL: none */
    uint64_t mark;                           /* worn by it and all it starts; 0: none */
    bool detached;                           /* a session of its own that outlives us; no pidfd */

    pid_t pid; /* results */
    int pidfd; /* -1 when detached or failed */
    sy__launch_step step;
    int errnum;
} sy__launch;

/* Fills the results; step is SY__LAUNCHED when the program runs. The calling thread's end kills the child. */
void sy__launch_run(sy__launch *l);
/* Says in `err` what failed and returns its code; SY_OK when nothing did. */
int sy__launch_error(const sy__launch *l, sy__error *err);

#endif
