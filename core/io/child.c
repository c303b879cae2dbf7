/*
 * child.c: a child as its loop sees it. Five things can happen: bytes on stdout or stderr, room on stdin, the
 * pidfd (it ended), the timeout, and the linger timer that gives up on pipes a grandchild keeps open.
 *
 * The process is reaped last, in finish(): until then its zombie keeps the group's number, so the group can
 * be killed without a race. Callbacks may free the child: `busy` counts the handlers on the stack, and the
 * outermost one frees.
 */
#include "io/spawner.h"
#include "io/which.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LINGER_MS = 200,       /* after the exit, for streams that grandchildren hold */
    GRACE_MS = 2000,       /* between TERM and KILL at a timeout */
    READ_BYTES = 64 << 10, /* a pipe's capacity */
    READS_A_TURN = 8,      /* then the loop serves others */
};

/* One of stdout and stderr. */
typedef struct stream {
    sy__child *child;
    struct event *event; /* NULL: ended */
    int fd;
    int number; /* 1 or 2 */
    sy__buf kept;
    sy__scrub incoming;
    sy__buf clean; /* what came out of it at the last read */
} stream;

struct sy__child {
    const sy__alloc *alloc;
    sy__kid *kid; /* NULL once reaped */
    stream streams[2];
    struct event *pid_event, *timeout_event, *kill_event, *linger_event, *stdin_event;
    int stdin_fd;
    char *stdin_bytes;
    size_t stdin_len, stdin_at;
    size_t max_output;
    int64_t own_peak_bytes; /* of this process when the child was made; see read_usage */
    bool exited, finished, freed;
    bool held; /* its owner takes nothing more for now: the pipes fill, and it waits */
    int busy;
    sy__scrubber *scrub; /* NULL: none */
    sy__child_result result;
    void (*on_output)(void *ud, int stream, const char *bytes, size_t len);
    void (*on_exit)(void *ud, sy__child *child);
    void *ud;
};

/* ---- small helpers ---- */

static void
drop_event(struct event **event)
{
    if (*event) event_free(*event);
    *event = NULL;
}

static void
drop_fd(int *fd)
{
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

static void
start_timer(struct event *event, int64_t ms)
{
    struct timeval t = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    (void)evtimer_add(event, &t);
}

static void
close_stdin(sy__child *c)
{
    drop_event(&c->stdin_event);
    drop_fd(&c->stdin_fd);
    sy__free(c->alloc, c->stdin_bytes);
    c->stdin_bytes = NULL;
}

static void
close_stream(stream *s)
{
    drop_event(&s->event);
    drop_fd(&s->fd);
}

static void
release(sy__child *c)
{
    close_stdin(c);
    for (int i = 0; i < 2; i++) {
        close_stream(&c->streams[i]);
        sy__buf_close(&c->streams[i].kept);
        sy__buf_close(&c->streams[i].clean);
        sy__scrub_close(&c->streams[i].incoming);
    }
    sy__scrubber_release(c->scrub);
    drop_event(&c->pid_event);
    drop_event(&c->timeout_event);
    drop_event(&c->kill_event);
    drop_event(&c->linger_event);
    sy__free(c->alloc, c);
}

/* Leaves a handler; frees the child when a callback in it asked for that. */
static void
leave(sy__child *c)
{
    if (--c->busy == 0 && c->freed) release(c);
}

/* ---- the end ---- */

/*
 * The kernel's ru_maxrss of a child also remembers the memory it had before exec, which was ours: a figure
 * that is not above our own peak says nothing and is left out (0).
 */
static void
read_usage(sy__child *c, const struct rusage *u)
{
    int64_t peak = (int64_t)u->ru_maxrss * 1024;
    c->result.cpu_ms = (int64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000 +
                       (int64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000;
    c->result.peak_bytes = peak > c->own_peak_bytes ? peak : 0;
}

static void
reap(sy__child *c)
{
    siginfo_t info = {0};
    struct rusage usage = {0};
    long e;
    sy__kid_signal(c->kid, SIGKILL); /* what is left of its group */
    do {
        e = syscall(SYS_waitid, P_PIDFD, c->kid->pidfd, &info, WEXITED, &usage); /* glibc's has no rusage */
    } while (e < 0 && errno == EINTR);
    sy__kid_sweep(c->kid);
    c->result.exit_code = e == 0 && info.si_code == CLD_EXITED ? info.si_status : -1;
    c->result.signal = e == 0 && info.si_code != CLD_EXITED ? info.si_status : 0;
    read_usage(c, &usage);
    sy__kid_free(c->kid);
    c->kid = NULL;
}

static void
keep(stream *s, const char *bytes, size_t len)
{
    size_t max = s->child->max_output, room = max > s->kept.len ? max - s->kept.len : 0;
    if (len > room) {
        s->child->result.dropped_bytes += (int64_t)(len - room);
        len = room;
    }
    sy__buf_add(&s->kept, bytes, len);
}

static void
hand_on(stream *s, const char *bytes, size_t len)
{
    if (len == 0) return;
    keep(s, bytes, len);
    if (s->child->on_output) s->child->on_output(s->child->ud, s->number, bytes, len);
}

/* Hands on what came, without secrets; `bytes` NULL: the stream has ended. May free the child. */
static void
pass_on(stream *s, const char *bytes, size_t len)
{
    if (!s->child->scrub) {
        hand_on(s, bytes, len);
        return;
    }
    sy__buf_reset(&s->clean);
    if (bytes)
        sy__scrub_feed(&s->incoming, bytes, len, &s->clean);
    else
        sy__scrub_end(&s->incoming, &s->clean);
    hand_on(s, s->clean.data, s->clean.len);
}

/* Both streams are as they will be. In a handler. */
static void
end_streams(sy__child *c)
{
    for (int i = 0; i < 2; i++) {
        close_stream(&c->streams[i]);
        if (!c->freed) pass_on(&c->streams[i], NULL, 0);
    }
}

static void
finish(sy__child *c)
{
    if (c->finished || c->freed) return;
    c->finished = true;
    close_stdin(c);
    end_streams(c);
    if (c->freed) return;
    drop_event(&c->pid_event);
    drop_event(&c->timeout_event);
    drop_event(&c->kill_event);
    drop_event(&c->linger_event);
    reap(c);
    if (c->on_exit) c->on_exit(c->ud, c);
}

static void
finish_if_done(sy__child *c)
{
    if (c->exited && !c->streams[0].event && !c->streams[1].event) finish(c);
}

/* ---- handlers ---- */

/* One read; false when there is nothing more for now. */
static bool
read_some(stream *s)
{
    char bytes[READ_BYTES];
    ssize_t n = read(s->fd, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) return true;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (n <= 0) {
        close_stream(s);
        return false;
    }
    pass_on(s, bytes, (size_t)n);
    return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *ud)
{
    stream *s = ud;
    sy__child *c = s->child;
    (void)fd, (void)what;
    c->busy++;
    for (int i = 0; i < READS_A_TURN && !c->freed && !c->held && s->event && read_some(s); i++) continue;
    if (!c->freed) finish_if_done(c);
    leave(c);
}

/* A reader that went away must not raise SIGPIPE in a host that does not ignore it. */
static ssize_t
write_quietly(int fd, const char *bytes, size_t len)
{
    sigset_t pipe_only, before, pending;
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t n = write(fd, bytes, len);
    int e = errno;
    if (n < 0 && e == EPIPE && !was_pending) {
        struct timespec none = {0};
        (void)sigtimedwait(&pipe_only, NULL, &none);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = e;
    return n;
}

static void
on_writable(evutil_socket_t fd, short what, void *ud)
{
    sy__child *c = ud;
    (void)what;
    ssize_t n = write_quietly(fd, c->stdin_bytes + c->stdin_at, c->stdin_len - c->stdin_at);
    if (n > 0) c->stdin_at += (size_t)n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0 || c->stdin_at == c->stdin_len) close_stdin(c);
}

static void
on_linger(evutil_socket_t fd, short what, void *ud)
{
    sy__child *c = ud;
    (void)fd, (void)what;
    if (c->held) { /* what it said before it ended is still wanted */
        start_timer(c->linger_event, LINGER_MS);
        return;
    }
    c->busy++;
    finish(c);
    leave(c);
}

static void
on_pidfd(evutil_socket_t fd, short what, void *ud)
{
    sy__child *c = ud;
    (void)fd, (void)what;
    c->exited = true;
    drop_event(&c->pid_event);
    drop_event(&c->timeout_event);
    c->busy++;
    finish_if_done(c);
    if (!c->finished && !c->freed) start_timer(c->linger_event, LINGER_MS);
    leave(c);
}

static void
on_kill_due(evutil_socket_t fd, short what, void *ud)
{
    sy__child *c = ud;
    (void)fd, (void)what;
    if (c->kid) sy__kid_signal(c->kid, SIGKILL);
}

static void
on_timeout(evutil_socket_t fd, short what, void *ud)
{
    sy__child *c = ud;
    (void)fd, (void)what;
    c->result.timed_out = true;
    sy__child_kill(c, GRACE_MS);
}

/* ---- starting ---- */

/* The descriptors of a launch: the child's three and ours. */
typedef struct pipes {
    int child[3], ours[3];
} pipes;

static void
close_child_ends(pipes *p)
{
    for (int i = 0; i < 3; i++) drop_fd(&p->child[i]);
}

static void
close_pipes(pipes *p)
{
    close_child_ends(p);
    for (int i = 0; i < 3; i++) drop_fd(&p->ours[i]);
}

/* Moves a descriptor above 2, in case the host program closed its standard streams. */
static int
above_stdio(int fd)
{
    if (fd < 0 || fd > 2) return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 3), e = errno;
    (void)close(fd);
    errno = e;
    return high;
}

static bool
open_pipe(int *reads, int *writes)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) return false;
    *reads = above_stdio(fds[0]);
    *writes = above_stdio(fds[1]);
    return *reads >= 0 && *writes >= 0;
}

static bool
open_socket(int *theirs, int *ours)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) return false;
    *theirs = above_stdio(fds[0]);
    *ours = above_stdio(fds[1]);
    return *theirs >= 0 && *ours >= 0;
}

static int
open_pipes(pipes *p, const sy__child_options *o, sy__error *err)
{
    bool ok;
    for (int i = 0; i < 3; i++) p->child[i] = p->ours[i] = -1;
    if (o->socket)
        ok = open_socket(&p->child[0], &p->ours[0]);
    else if (o->stdin_bytes)
        ok = open_pipe(&p->child[0], &p->ours[0]);
    else
        ok = (p->child[0] = above_stdio(open("/dev/null", O_RDONLY | O_CLOEXEC))) >= 0;
    ok = ok && open_pipe(&p->ours[1], &p->child[1]) && open_pipe(&p->ours[2], &p->child[2]);
    for (int i = 0; ok && i < 3; i++)
        if (p->ours[i] >= 0) ok = fcntl(p->ours[i], F_SETFL, O_NONBLOCK) == 0;
    if (ok) return SY_OK;
    int e = sy__error_errno(err, errno, "cannot connect to a child process");
    close_pipes(p);
    return e;
}

/* The environment of a child that was given none. */
typedef struct plain_env {
    char text[3][SY__PATH_BYTES];
    const char *list[4];
} plain_env;

static void
fill_env(plain_env *env)
{
    static const char *const names[] = {"PATH", "HOME", "LANG"};
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (!value) continue;
        int n = snprintf(env->text[i], sizeof env->text[i], "%s=%s", names[i], value);
        if (n > 0 && n < (int)sizeof env->text[i]) env->list[count++] = env->text[i];
    }
    env->list[count] = NULL;
}

static const char *
path_of(const char *const *env)
{
    for (; env && *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
    return NULL;
}

/* Starts it with the secrets in its environment: when that returns, the program runs or never will. */
static int
start_kid(sy__child *c, sy__spawner *s, const sy__child_options *o, sy__launch *l, sy__error *err)
{
    sy__secret_env env = {0};
    if (o->secret_count == 0) return sy__kid_new(&c->kid, s, c->alloc, l, o->cage, err);
    int e = SY_OK;
    if (sy__secret_env_add(&env, c->alloc, l->env, o->secrets, o->secret_count)) {
        l->env = env.list;
        e = sy__kid_new(&c->kid, s, c->alloc, l, o->cage, err);
    } else {
        e = sy__error_set(err, SY_ENOMEM, "no memory to start %s", o->argv[0]);
    }
    sy__secret_env_drop(&env, c->alloc);
    return e;
}

/* On success the kid has o->cage. */
static int
launch(sy__child *c, sy__spawner *s, const sy__child_options *o, pipes *p, sy__error *err)
{
    char program[SY__PATH_BYTES];
    plain_env plain;
    sy__launch l = {.program = program,
                    .argv = o->argv,
                    .env = o->env,
                    .cwd = o->cwd,
                    .cwd_fd = o->cwd_fd,
                    .fds = {p->child[0], p->child[1], p->child[2]},
                    .cpu_s = o->cpu_s,
                    .memory_bytes = o->memory_bytes,
                    .file_bytes = o->file_bytes};
    int e = sy__which(o->argv[0], path_of(o->env), program);
    if (e) return sy__which_error(o->argv[0], e, err);
    if (!o->env) {
        fill_env(&plain);
        l.env = plain.list;
    }
    if (o->cage) l.env = sy__cage_env(o->cage, l.env);
    if (!l.env) return sy__error_set(err, SY_ENOMEM, "no memory to start %s", o->argv[0]);
    return start_kid(c, s, o, &l, err);
}

static int
make_events(sy__child *c, struct event_base *loop, pipes *p)
{
    for (int i = 0; i < 2; i++) {
        stream *st = &c->streams[i];
        st->fd = p->ours[i + 1];
        p->ours[i + 1] = -1;
        st->event = event_new(loop, st->fd, EV_READ | EV_PERSIST, on_readable, st);
        if (!st->event || event_add(st->event, NULL) < 0) return SY_ENOMEM;
    }
    c->pid_event = event_new(loop, c->kid->pidfd, EV_READ | EV_PERSIST, on_pidfd, c);
    c->timeout_event = evtimer_new(loop, on_timeout, c);
    c->kill_event = evtimer_new(loop, on_kill_due, c);
    c->linger_event = evtimer_new(loop, on_linger, c);
    if (!c->pid_event || !c->timeout_event || !c->kill_event || !c->linger_event) return SY_ENOMEM;
    if (event_add(c->pid_event, NULL) < 0) return SY_ENOMEM;
    c->stdin_fd = p->ours[0];
    p->ours[0] = -1;
    if (c->stdin_fd < 0) return SY_OK;
    c->stdin_event = event_new(loop, c->stdin_fd, EV_WRITE | EV_PERSIST, on_writable, c);
    return c->stdin_event && event_add(c->stdin_event, NULL) == 0 ? SY_OK : SY_ENOMEM;
}

static sy__child *
child_new(const sy__alloc *a, const sy__child_options *o)
{
    struct rusage own = {0};
    sy__child *c = sy__calloc(a, 1, sizeof *c);
    if (!c) return NULL;
    c->alloc = a;
    c->stdin_fd = -1;
    c->max_output = o->max_output_bytes;
    c->on_output = o->on_output;
    c->on_exit = o->on_exit;
    c->ud = o->ud;
    c->result.exit_code = -1;
    (void)getrusage(RUSAGE_SELF, &own);
    c->own_peak_bytes = (int64_t)own.ru_maxrss * 1024;
    for (int i = 0; i < 2; i++) {
        c->streams[i] = (stream){.child = c, .fd = -1, .number = i + 1};
        sy__buf_init(&c->streams[i].kept, a);
        sy__buf_init(&c->streams[i].clean, a);
        sy__scrub_init(&c->streams[i].incoming, o->scrub, a);
    }
    c->scrub = sy__scrubber_hold(o->scrub);
    if (!o->stdin_bytes) return c;
    c->stdin_len = o->stdin_len;
    c->stdin_bytes = sy__strndup(a, o->stdin_bytes, o->stdin_len);
    if (c->stdin_bytes) return c;
    release(c);
    return NULL;
}

static int
start(sy__child *c, sy__spawner *s, struct event_base *loop, const sy__child_options *o, sy__error *err)
{
    pipes p;
    int e = open_pipes(&p, o, err);
    if (e != SY_OK) return e;
    e = launch(c, s, o, &p, err);
    close_child_ends(&p);
    int socket = o->socket ? p.ours[0] : -1;
    if (o->socket) p.ours[0] = -1;
    if (e == SY_OK && make_events(c, loop, &p) != SY_OK)
        e = sy__error_set(err, SY_ENOMEM, "no memory to watch %s", o->argv[0]);
    if (e == SY_OK && o->socket)
        *o->socket = socket;
    else
        drop_fd(&socket);
    close_pipes(&p);
    return e;
}

int
sy__child_spawn(sy__child **out, sy__spawner *s, struct event_base *loop, const sy__alloc *a,
                const sy__child_options *o, sy__error *err)
{
    *out = NULL;
    bool named = o->argv && o->argv[0];
    sy__child *c = named ? child_new(a, o) : NULL;
    int e = !named ? sy__error_set(err, SY_EUSAGE, "no program was named")
            : c    ? start(c, s, loop, o, err)
                   : sy__error_set(err, SY_ENOMEM, "no memory to start %s", o->argv[0]);
    if (e == SY_OK) {
        if (o->timeout_ms > 0) start_timer(c->timeout_event, o->timeout_ms);
        *out = c;
        return SY_OK;
    }
    if (!c || !c->kid) sy__cage_free(o->cage);
    sy__child_free(c);
    return e;
}

/* ---- for the owner ---- */

void
sy__child_result_get(const sy__child *c, sy__child_result *out)
{
    *out = c->result;
    out->out = sy__buf_cstr((sy__buf *)&c->streams[0].kept);
    out->err = sy__buf_cstr((sy__buf *)&c->streams[1].kept);
    out->out_len = out->out ? c->streams[0].kept.len : 0;
    out->err_len = out->err ? c->streams[1].kept.len : 0;
    if (!out->out) out->out = "";
    if (!out->err) out->err = "";
}

void
sy__child_hold(sy__child *c, bool on)
{
    if (c->held == on) return;
    c->held = on;
    for (int i = 0; i < 2; i++) {
        if (c->streams[i].event && on) (void)event_del(c->streams[i].event);
        if (c->streams[i].event && !on) (void)event_add(c->streams[i].event, NULL);
    }
}

pid_t
sy__child_pid(const sy__child *c)
{
    return c->kid ? c->kid->pid : -1;
}

void
sy__child_kill(sy__child *c, int grace_ms)
{
    if (!c->kid) return;
    sy__kid_signal(c->kid, grace_ms > 0 ? SIGTERM : SIGKILL);
    if (grace_ms > 0 && c->kill_event) start_timer(c->kill_event, grace_ms);
}

void
sy__child_abandon(sy__child *c, int grace_ms)
{
    if (!c || c->freed) return;
    c->freed = true;
    drop_event(&c->pid_event); /* before its pidfd is closed */
    for (int i = 0; c->kid && i < 2; i++) {
        drop_event(&c->streams[i].event);
        c->kid->held_fds[i] = c->streams[i].fd;
        c->streams[i].fd = -1;
    }
    if (c->kid) sy__kid_abandon(c->kid, grace_ms);
    c->kid = NULL;
    if (c->busy == 0) release(c);
}

void
sy__child_free(sy__child *c)
{
    sy__child_abandon(c, 0);
}
