/*
 * spawner.c: one thread, one epoll: an eventfd for launches that loop threads queue (and wait for: vfork
 * returns once the program runs), and the pidfds of orphans, children whose owner went away before they ended.
 * The thread lives as long as the host, because PR_SET_PDEATHSIG fires when the creating thread ends.
 */
#include "io/spawner.h"

#include "base/thread.h"
#include "io/sweep.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LAST_WAIT_MS = 2000, /* for killed orphans when the spawner ends */
    SWEEP_MS = 200       /* for what a child left running */
};

typedef struct job {
    sy__launch *launch;
    bool done;
    struct job *next;
} job;

struct sy__spawner {
    const sy__alloc *alloc;
    pthread_t thread;
    int epoll_fd, wake_fd;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t served;
    job *first, **last;
    sy__kid *kids;
    bool stop;
};

static int64_t
now_ms(void)
{
    return sy__mono_ms(&sy__clock_system);
}

static void
wake(sy__spawner *s)
{
    uint64_t one = 1;
    (void)!write(s->wake_fd, &one, sizeof one);
}

/* ---- the list of kids ---- */

static void
link_kid(sy__spawner *s, sy__kid *k)
{
    k->next = s->kids;
    if (s->kids) s->kids->prev = k;
    s->kids = k;
}

static void
unlink_kid(sy__spawner *s, sy__kid *k)
{
    if (k->prev) k->prev->next = k->next;
    if (k->next) k->next->prev = k->prev;
    if (s->kids == k) s->kids = k->next;
}

static void
destroy(sy__kid *k)
{
    (void)close(k->pidfd); /* leaves the epoll set */
    for (int i = 0; i < 2; i++)
        if (k->held_fds[i] >= 0) (void)close(k->held_fds[i]);
    sy__cage_free(k->cage);
    sy__free(k->alloc, k);
}

/* ---- the thread ---- */

static void
launch_all(sy__spawner *s)
{
    while (s->first) {
        job *j = s->first;
        s->first = j->next;
        if (!s->first) s->last = &s->first;
        (void)pthread_mutex_unlock(&s->lock);
        sy__launch_run(j->launch);
        (void)pthread_mutex_lock(&s->lock);
        j->done = true;
        (void)pthread_cond_broadcast(&s->served);
    }
}

/* Reaps an orphan that has ended. Before, its group is killed while its zombie still keeps the group's number. */
static bool
bury(sy__kid *k)
{
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)k->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) return false;
    if (info.si_pid) sy__kid_signal(k, SIGKILL);
    sy__kid_sweep(k);
    (void)waitid(P_PIDFD, (id_t)k->pidfd, &info, WEXITED | WNOHANG);
    return true;
}

/* Frees the kids that others reaped. Without the lock while a folder is removed. */
static void
free_reaped(sy__spawner *s)
{
    for (sy__kid *k = s->kids; k;) {
        if (!k->reaped) {
            k = k->next;
            continue;
        }
        unlink_kid(s, k);
        (void)pthread_mutex_unlock(&s->lock);
        destroy(k);
        (void)pthread_mutex_lock(&s->lock);
        k = s->kids;
    }
}

/* Kills and buries orphans; gives the time of the next thing to do, 0: no orphan is left, -1: no deadline. */
static int64_t
serve_orphans(sy__spawner *s, int64_t now)
{
    int64_t next_ms = 0;
    for (sy__kid *k = s->kids, *next; k; k = next) {
        next = k->next;
        if (!k->orphan) continue;
        if (bury(k)) {
            unlink_kid(s, k);
            destroy(k);
            continue;
        }
        if (k->kill_at_ms && (k->kill_at_ms <= now || s->stop)) {
            sy__kid_signal(k, SIGKILL);
            k->kill_at_ms = 0;
        }
        if (next_ms == 0) next_ms = -1;
        if (k->kill_at_ms && (next_ms < 0 || k->kill_at_ms < next_ms)) next_ms = k->kill_at_ms;
    }
    return next_ms;
}

static void
wait_for_work(sy__spawner *s, int timeout_ms)
{
    struct epoll_event events[16];
    uint64_t count;
    (void)pthread_mutex_unlock(&s->lock);
    (void)epoll_wait(s->epoll_fd, events, 16, timeout_ms);
    (void)!read(s->wake_fd, &count, sizeof count);
    (void)pthread_mutex_lock(&s->lock);
}

static void *
run(void *ud)
{
    sy__spawner *s = ud;
    int64_t give_up = 0;
    (void)pthread_mutex_lock(&s->lock);
    for (;;) {
        launch_all(s);
        free_reaped(s);
        int64_t now = now_ms(), due = serve_orphans(s, now);
        if (s->stop && !give_up) give_up = now + LAST_WAIT_MS;
        if (s->stop && (due == 0 || now >= give_up)) break;
        if (s->stop) due = give_up;
        wait_for_work(s, due <= 0 ? -1 : due <= now ? 0 : (int)(due - now));
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- for other threads ---- */

static int
watch_fd(sy__spawner *s, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static void
launch_there(sy__spawner *s, sy__launch *l)
{
    job j = {.launch = l};
    (void)pthread_mutex_lock(&s->lock);
    *s->last = &j;     // cppcheck-suppress autoVariables; this function waits until it was taken out
    s->last = &j.next; // cppcheck-suppress autoVariables; as above
    wake(s);
    while (!j.done) (void)pthread_cond_wait(&s->served, &s->lock);
    (void)pthread_mutex_unlock(&s->lock);
}

int
sy__kid_new(sy__kid **out, sy__spawner *s, const sy__alloc *a, sy__launch *l, sy__cage *cage, sy__error *err)
{
    *out = NULL;
    l->cage = cage;
    l->mark = cage ? sy__mark_new() : 0;
    sy__kid *k = sy__calloc(a, 1, sizeof *k);
    if (!k) return sy__error_set(err, SY_ENOMEM, "no memory to start %s", l->argv[0]);
    if (s)
        launch_there(s, l);
    else
        sy__launch_run(l);
    int e = sy__launch_error(l, err);
    if (e) {
        sy__free(a, k);
        return e;
    }
    *k = (sy__kid){.spawner = s, .alloc = a, .pid = l->pid, .pidfd = l->pidfd, .held_fds = {-1, -1}};
    k->mark = l->mark;
    k->cage = cage;
    if (s) {
        (void)pthread_mutex_lock(&s->lock);
        link_kid(s, k);
        (void)pthread_mutex_unlock(&s->lock);
    }
    *out = k;
    return SY_OK;
}

void
sy__kid_signal(const sy__kid *k, int signum)
{
    (void)kill(-k->pid, signum);
}

void
sy__kid_sweep(const sy__kid *k)
{
    (void)sy__sweep(k->mark, k->pid, SWEEP_MS);
}

void
sy__kid_free(sy__kid *k)
{
    if (!k) return;
    sy__spawner *s = k->spawner;
    bool later = s && k->cage && !sy__cage_empty(k->cage);
    if (s) {
        (void)pthread_mutex_lock(&s->lock);
        k->reaped = later;
        if (!later) unlink_kid(s, k);
        if (later) wake(s);
        (void)pthread_mutex_unlock(&s->lock);
    }
    if (!later) destroy(k);
}

/* Without a spawner: killed and waited for, which takes as long as the kernel needs. */
static void
end_here(sy__kid *k)
{
    siginfo_t info;
    sy__kid_signal(k, SIGKILL);
    while (waitid(P_PIDFD, (id_t)k->pidfd, &info, WEXITED) < 0 && errno == EINTR) continue;
    sy__kid_sweep(k);
    destroy(k);
}

void
sy__kid_abandon(sy__kid *k, int grace_ms)
{
    sy__spawner *s = k->spawner;
    if (!s) {
        end_here(k);
        return;
    }
    sy__kid_signal(k, grace_ms > 0 ? SIGTERM : SIGKILL);
    (void)pthread_mutex_lock(&s->lock);
    k->orphan = true;
    k->kill_at_ms = grace_ms > 0 ? now_ms() + grace_ms : 0;
    if (watch_fd(s, k->pidfd) < 0) k->kill_at_ms = now_ms(); /* not told of its end: kill at the next turn */
    wake(s);
    (void)pthread_mutex_unlock(&s->lock);
}

int
sy__spawner_new(sy__spawner **out, const sy__alloc *a, sy__error *err)
{
    *out = NULL;
    sy__spawner *s = sy__calloc(a, 1, sizeof *s);
    if (!s) return sy__error_set(err, SY_ENOMEM, "no memory for the spawner");
    s->alloc = a;
    s->last = &s->first;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->served, NULL);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int e = SY_OK;
    if (s->epoll_fd < 0 || s->wake_fd < 0 || watch_fd(s, s->wake_fd) < 0)
        e = sy__error_errno(err, errno, "cannot prepare the spawner");
    if (e == SY_OK) e = sy__thread_start(&s->thread, "sy-spawner", run, s, err);
    if (e == SY_OK) {
        *out = s;
        return SY_OK;
    }
    s->stop = true; /* no thread was started */
    if (s->epoll_fd >= 0) (void)close(s->epoll_fd);
    if (s->wake_fd >= 0) (void)close(s->wake_fd);
    (void)pthread_cond_destroy(&s->served);
    (void)pthread_mutex_destroy(&s->lock);
    sy__free(a, s);
    return e;
}

void
sy__spawner_free(sy__spawner *s)
{
    if (!s) return;
    (void)pthread_mutex_lock(&s->lock);
    s->stop = true;
    for (sy__kid *k = s->kids; k; k = k->next)
        if (!k->reaped) sy__kid_signal(k, SIGKILL);
    wake(s);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    for (sy__kid *k = s->kids, *next; k; k = next) {
        next = k->next;
        k->spawner = NULL;
        k->prev = k->next = NULL;
        if (k->orphan || k->reaped) destroy(k);
    }
    (void)close(s->epoll_fd);
    (void)close(s->wake_fd);
    (void)pthread_cond_destroy(&s->served);
    (void)pthread_mutex_destroy(&s->lock);
    sy__free(s->alloc, s);
}
