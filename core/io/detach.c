/* detach.c: a program that goes on without us, such as the worker of `run --detach`. */
#include "io/launch.h"
#include "io/spawn.h"
#include "io/which.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

extern char **environ;

/* Opens above the standard streams. */
static int
open_high(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0 || fd > 2) return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 3), e = errno;
    (void)close(fd);
    errno = e;
    return high;
}

int
sy__spawn_detached(int64_t *pid, const sy__child_options *o, const char *output_path, sy__error *err)
{
    char program[SY__PATH_BYTES];
    int e = sy__which(o->argv[0], NULL, program);
    if (e) return sy__which_error(o->argv[0], e, err);
    int in = open_high("/dev/null", O_RDONLY);
    int out = open_high(output_path ? output_path : "/dev/null", O_WRONLY | O_APPEND | O_CREAT);
    int code;
    if (in < 0 || out < 0) {
        code = sy__error_errno(err, errno, "cannot open %s", output_path ? output_path : "/dev/null");
    } else {
        const char *const *env = o->env ? o->env : (const char *const *)environ;
        sy__launch l = {.program = program,
                        .argv = o->argv,
                        .env = env,
                        .cwd = o->cwd,
                        .cwd_fd = o->cwd_fd,
                        .fds = {in, out, out},
                        .detached = true};
        sy__launch_run(&l);
        code = sy__launch_error(&l, err);
        *pid = l.pid;
    }
    if (in >= 0) (void)close(in);
    if (out >= 0) (void)close(out);
    return code;
}
