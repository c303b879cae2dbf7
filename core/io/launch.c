/*
 * launch.c: vfork and exec. Between the two only async-signal-safe calls are made and nothing of ours is
 * written, because the child runs in our memory. All signals are blocked around it: a handler of the host
 * program must never run in the child.
 */
#include "io/launch.h"

#include "io/sweep.h"
#include "io/which.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child writes into the pipe: a failed step, or (detached) its process id with step 0. */
typedef struct report {
    sy__launch_step step;
    int errnum;
    pid_t pid;
} report;

static bool
limit(__rlimit_resource_t what, int64_t value)
{
    struct rlimit r = {(rlim_t)value, (rlim_t)value}, now;
    if (getrlimit(what, &now) == 0 && now.rlim_max != RLIM_INFINITY && r.rlim_max > now.rlim_max)
        r.rlim_cur = r.rlim_max = now.rlim_max;
    return setrlimit(what, &r) == 0;
}

static bool
set_limits(const sy__launch *l)
{
    return limit(RLIMIT_CORE, 0) && (l->cpu_s == 0 || limit(RLIMIT_CPU, l->cpu_s)) &&
           (l->memory_bytes == 0 || limit(RLIMIT_AS, l->memory_bytes)) &&
           (l->file_bytes == 0 || limit(RLIMIT_FSIZE, l->file_bytes));
}

static bool
set_session(const sy__launch *l, pid_t parent)
{
    if (l->detached) return setsid() >= 0;
    if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return false;
    if (getppid() != parent) _exit(127); /* it ended before the line above */
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static bool
set_stdio(const sy__launch *l)
{
    for (int i = 0; i < 3; i++)
        if (dup2(l->fds[i], i) < 0) return false;
    return close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

/* Signals that the host program ignores would stay ignored over exec. */
static void
reset_signals(void)
{
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int i = 1; i < NSIG; i++) (void)sigaction(i, &act, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool
set_cwd(const sy__launch *l)
{
    if (l->cwd_fd >= 0) return fchdir(l->cwd_fd) == 0;
    return !l->cwd || chdir(l->cwd) == 0;
}

static sy__launch_step
prepare(const sy__launch *l, pid_t parent)
{
    if (!set_session(l, parent)) return SY__AT_SESSION;
    if (!set_limits(l)) return SY__AT_LIMITS;
    if (!set_cwd(l)) return SY__AT_CWD;
    if (!set_stdio(l)) return SY__AT_STDIO;
    if (!sy__mark_wear(l->mark)) return SY__AT_CAGE;
    if (l->cage && (errno = sy__cage_enter(l->cage)) != 0) return SY__AT_CAGE;
    return SY__LAUNCHED;
}

static _Noreturn void
child(const sy__launch *l, pid_t parent, int pipe_fd)
{
    if (l->detached) {
        pid_t grandchild = fork();
        if (grandchild > 0) _exit(0);
        report who = {.step = grandchild < 0 ? SY__AT_FORK : SY__LAUNCHED, .errnum = errno, .pid = getpid()};
        (void)!write(pipe_fd, &who, sizeof who);
        if (grandchild < 0) _exit(127);
    }
    report r = {.step = prepare(l, parent)};
    if (r.step == SY__LAUNCHED) {
        reset_signals();
        (void)execve(l->program, (char *const *)l->argv, (char *const *)l->env);
        r.step = SY__AT_EXEC;
    }
    r.errnum = errno;
    (void)!write(pipe_fd, &r, sizeof r);
    _exit(127);
}

/* A frame of its own, so that the child changes none of the caller's variables. Detaching is rare: that forks. */
static __attribute__((noinline)) pid_t
start(const sy__launch *l, pid_t parent, int pipe_fd)
{
    if (l->detached) {
        pid_t first = fork();
        if (first == 0) child(l, parent, pipe_fd);
        return first;
    }
    pid_t pid = vfork(); // NOLINT(*insecureAPI.vfork): posix_spawn sets no limits and no parent-death signal
    if (pid == 0) child(l, parent, pipe_fd); // NOLINT(*unix.Vfork): it calls nothing but the kernel
    return pid;
}

static void
read_reports(sy__launch *l, int fd)
{
    report r;
    ssize_t n;
    while ((n = read(fd, &r, sizeof r)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n != (ssize_t)sizeof r) break;
        if (r.step == SY__LAUNCHED) {
            l->pid = r.pid;
            continue;
        }
        l->step = r.step;
        l->errnum = r.errnum;
    }
}

static void
reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

static void
settle(sy__launch *l, pid_t started)
{
    if (l->detached || l->step != SY__LAUNCHED) {
        reap(started);
        return;
    }
    l->pid = started;
    l->pidfd = pidfd_open(started, 0);
    if (l->pidfd >= 0) return;
    l->step = SY__AT_FORK;
    l->errnum = errno;
    (void)kill(-started, SIGKILL);
    reap(started);
}

void
sy__launch_run(sy__launch *l)
{
    int fds[2];
    sigset_t all, before;
    l->pid = 0;
    l->pidfd = -1;
    l->step = SY__AT_FORK;
    if (pipe2(fds, O_CLOEXEC) < 0) {
        l->errnum = errno;
        return;
    }
    int high = fcntl(fds[1], F_DUPFD_CLOEXEC, 3); /* out of the way of 0, 1, 2 */
    (void)close(fds[1]);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = high < 0 ? -1 : start(l, getpid(), high);
    l->errnum = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (high >= 0) (void)close(high);
    if (pid > 0) {
        l->step = SY__LAUNCHED;
        read_reports(l, fds[0]);
        settle(l, pid);
    }
    (void)close(fds[0]);
}

static int
outside_cage(const sy__launch *l, sy__error *err)
{
    (void)sy__error_set(err, SY_EPERM, "cannot start %s: %s lies outside of what was granted", l->argv[0], l->program);
    sy__error_hint(err, "grant its folder with fs.read, or add that folder to PATH");
    return SY_EPERM;
}

static int
exec_error(const sy__launch *l, sy__error *err)
{
    const char *name = l->argv[0];
    if (l->errnum == ENOENT && access(l->program, F_OK) == 0)
        return sy__error_set(err, SY_EPROCESS, "cannot start %s: the interpreter in its first line does not exist",
                             name);
    if (l->errnum == ENOENT) return sy__which_error(name, ENOENT, err);
    if (l->cage && l->errnum == EACCES && access(l->program, X_OK) == 0) return outside_cage(l, err);
    if (l->errnum == ENOEXEC)
        return sy__error_set(err, SY_EPROCESS, "cannot start %s: it is neither a program nor a script with #!", name);
    if (l->errnum == E2BIG)
        return sy__error_set(err, SY_EPROCESS, "cannot start %s: its arguments are longer than the system allows",
                             name);
    return sy__which_error(name, l->errnum, err);
}

int
sy__launch_error(const sy__launch *l, sy__error *err)
{
    static const char *const what[] = {"",
                                       "start a process",
                                       "prepare the process",
                                       "limit the process",
                                       "enter the folder",
                                       "connect the streams of",
                                       "confine",
                                       "execute"};
    if (l->step == SY__LAUNCHED) return SY_OK;
    if (l->step == SY__AT_EXEC) return exec_error(l, err);
    if (l->step == SY__AT_CWD && l->errnum == ENOENT)
        return sy__error_set(err, SY_ENOTFOUND, "cannot start %s: the folder %s does not exist", l->argv[0],
                             l->cwd ? l->cwd : "to start in");
    sy__error why = {0};
    (void)sy__error_errno(&why, l->errnum, "cannot %s %s", what[l->step],
                          l->step == SY__AT_CWD && l->cwd ? l->cwd : l->argv[0]);
    return sy__error_set(err, SY_EPROCESS, "%s", why.message);
}
