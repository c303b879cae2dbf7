/*
 * project.c: opening in the order of the rooms, closing in reverse; one epoll descriptor for the caller.
 *
 * libevent does not give its own descriptor away, so the caller polls ours: an eventfd that is written when a
 * follower's empty queue got its first event, when a run ended, or by sy__project_wake.
 */
#include "host/project.h"

#include "io/spawn.h"
#include "io/vault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A subscription of the caller's thread. */
typedef struct follow {
    int id;
    sy__follower *follower;
    sy__event_handler fn;
    void *ud;
    bool gone; /* unfollowed inside a handler: freed after the step */
    struct follow *next;
} follow;

struct sy__project {
    sy__alloc alloc;
    sy__clock clock;
    sy__log log;
    char *dir, *helper;
    sy__db *db;
    sy__artifacts *artifacts;
    sy__router *router;
    sy__registry *registry;
    sy__spawner *spawner;
    sy__vault *vault;
    sy__engine *engine;
    int epoll_fd, wake_fd;
    size_t queue_events;
    follow *follows;
    int last_id;
    int64_t data_version; /* of the database when it was last looked at */
    int64_t looked_ms;
};

void
sy__project_wake(sy__project *p)
{
    uint64_t one = 1;
    while (write(p->wake_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

static void
wake(void *ud)
{
    sy__project_wake(ud);
}

/* Writer thread: a committed event goes to whoever subscribed. */
static void
publish(void *ud, const sy__event *event)
{
    sy__router_publish(((sy__project *)ud)->router, event);
}

static int
open_loop(sy__project *p, sy__error *err)
{
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (p->wake_fd < 0 || p->epoll_fd < 0 || epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->wake_fd, &event) != 0)
        return sy__error_errno(err, errno, "the host's loop cannot be made");
    return SY_OK;
}

static int
open_database(sy__project *p, sy__error *err)
{
    sy__buf path;
    sy__buf_init(&path, &p->alloc);
    sy__buf_addf(&path, "%s/.symphony", p->dir);
    const char *dir = sy__buf_cstr(&path);
    sy__db_options o = {
        .alloc = &p->alloc, .clock = &p->clock, .log = &p->log, .dir = dir, .on_event = publish, .on_event_ud = p};
    int status = dir ? sy__db_open(&p->db, &o, err) : sy__error_set(err, SY_ENOMEM, "no memory for a path");
    sy__buf_close(&path);
    return status;
}

static int
open_engine(sy__project *p, const sy__project_options *o, sy__error *err)
{
    sy__engine_options e = {
        .alloc = &p->alloc,
        .clock = &p->clock,
        .log = &p->log,
        .db = p->db,
        .artifacts = p->artifacts,
        .router = p->router,
        .registry = p->registry,
        .spawner = p->spawner,
        .vault = p->vault,
        .modules = o->modules,
        .stdlib = o->stdlib,
        .stdlib_ud = o->stdlib_ud,
        .helper = p->helper,
        .trusted = o->trusted,
        .watchdog_signal = o->watchdog_signal,
        .audit = o->audit,
        .stages = o->stages,
        .budget = o->budget,
        .limits = o->limits,
        .on_change = wake,
        .on_change_ud = p,
    };
    return sy__engine_new(&p->engine, &e, err);
}

int
sy__project_open(sy__project **out, const sy__project_options *o, sy__error *err)
{
    *out = NULL;
    sy__error_clear(err);
    sy__project *p = sy__calloc(o->alloc, 1, sizeof *p);
    if (!p) return sy__error_set(err, SY_ENOMEM, "no memory for a project");
    p->alloc = *o->alloc;
    p->clock = o->clock ? *o->clock : sy__clock_system;
    p->wake_fd = p->epoll_fd = -1;
    p->queue_events = o->queue_events;
    sy__log_init(&p->log, &p->clock);
    p->log.sink = o->log;
    p->log.ud = o->log_ud;
    p->dir = sy__strdup(&p->alloc, o->dir);
    if (o->helper) p->helper = sy__strdup(&p->alloc, o->helper);
    int status = p->dir && (p->helper || !o->helper) ? open_loop(p, err) : SY_ENOMEM;
    if (!status) status = sy__router_new(&p->router, &p->alloc);
    if (!status) status = open_database(p, err);
    if (!status) status = sy__artifacts_open(&p->artifacts, p->db, &p->alloc, err);
    if (!status) status = sy__registry_new(&p->registry, &p->alloc);
    if (!status) status = sy__spawner_new(&p->spawner, &p->alloc, err);
    if (!status) status = sy__vault_new(&p->vault, &p->alloc, err);
    if (!status) status = open_engine(p, o, err);
    if (status) {
        if (err && !err->code) (void)sy__error_set(err, status, "%s", sy_strerror(status));
        sy__project_close(p);
        return status;
    }
    *out = p;
    return SY_OK;
}

static void
free_follow(sy__project *p, follow *f)
{
    sy__follower_free(f->follower);
    sy__free(&p->alloc, f);
}

void
sy__project_close(sy__project *p)
{
    if (!p) return;
    sy__engine_free(p->engine);
    sy__spawner_free(p->spawner);
    sy__vault_free(p->vault);
    while (p->follows) {
        follow *f = p->follows;
        p->follows = f->next;
        free_follow(p, f);
    }
    sy__artifacts_close(p->artifacts);
    sy__db_close(p->db);
    sy__registry_free(p->registry);
    sy__router_free(p->router);
    if (p->epoll_fd >= 0) (void)close(p->epoll_fd);
    if (p->wake_fd >= 0) (void)close(p->wake_fd);
    sy__log_close(&p->log);
    sy__free(&p->alloc, p->dir);
    sy__free(&p->alloc, p->helper);
    sy__alloc a = p->alloc;
    sy__free(&a, p);
}

sy__db *
sy__project_db(sy__project *p)
{
    return p->db;
}

sy__artifacts *
sy__project_artifacts(sy__project *p)
{
    return p->artifacts;
}

sy__registry *
sy__project_registry(sy__project *p)
{
    return p->registry;
}

sy__router *
sy__project_router(sy__project *p)
{
    return p->router;
}

sy__engine *
sy__project_engine(sy__project *p)
{
    return p->engine;
}

struct sy__vault *
sy__project_vault(sy__project *p)
{
    return p->vault;
}

const sy__alloc *
sy__project_alloc(sy__project *p)
{
    return &p->alloc;
}

const sy__clock *
sy__project_clock(sy__project *p)
{
    return &p->clock;
}

const char *
sy__project_dir(sy__project *p)
{
    return p->dir;
}

int
sy__project_fd(sy__project *p)
{
    return p->epoll_fd;
}

/* ---- following ---- */

enum { TAKE_EVENTS = 256, LOOK_MS = 100 };

/* Whether another process committed since the last look; then the followers read what it wrote. */
static void
look_for_others(sy__project *p)
{
    int64_t now = sy__mono_ms(&p->clock);
    if (now - p->looked_ms < LOOK_MS) return;
    p->looked_ms = now;
    int64_t version = sy__db_data_version(p->db);
    if (version == p->data_version) return;
    p->data_version = version;
    sy__router_catch_up(p->router);
}

int
sy__project_follow(sy__project *p, const char *pattern, int64_t since, sy__event_handler fn, void *ud, sy__error *err)
{
    follow *f = sy__calloc(&p->alloc, 1, sizeof *f);
    if (!f) return sy__error_set(err, SY_ENOMEM, "no memory for a subscription");
    sy__follower_options o = {.pattern = pattern,
                              .queue_events = p->queue_events,
                              .overflow = SY__REPLAY,
                              .since = since,
                              .replay = sy__db_replay,
                              .replay_ud = p->db,
                              .wake = wake,
                              .wake_ud = p};
    int status = sy__follower_new(&f->follower, p->router, &o, err);
    if (status) {
        sy__free(&p->alloc, f);
        return status;
    }
    f->id = ++p->last_id;
    f->fn = fn;
    f->ud = ud;
    follow **end = &p->follows;
    while (*end) end = &(*end)->next;
    *end = f;
    sy__project_wake(p);
    return f->id;
}

int
sy__project_unfollow(sy__project *p, int id)
{
    for (follow *f = p->follows; f; f = f->next) {
        if (f->id != id || f->gone) continue;
        f->gone = true;
        return SY_OK;
    }
    return SY_ENOTFOUND;
}

static void
drop_gone(sy__project *p)
{
    for (follow **at = &p->follows; *at;) {
        follow *f = *at;
        if (!f->gone) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        free_follow(p, f);
    }
}

static void
hand_out(void *ud, const sy__event *event)
{
    follow *f = ud;
    if (!f->gone) f->fn(f->ud, event);
}

int
sy__project_step(sy__project *p, int timeout_ms)
{
    struct epoll_event event;
    uint64_t count;
    int handed = 0;
    (void)epoll_wait(p->epoll_fd, &event, 1, timeout_ms);
    if (p->follows) look_for_others(p);
    while (read(p->wake_fd, &count, sizeof count) > 0) continue;
    for (follow *f = p->follows; f; f = f->next) {
        int n = f->gone ? 0 : sy__follower_take(f->follower, TAKE_EVENTS, hand_out, f);
        if (n == TAKE_EVENTS) sy__project_wake(p); /* there may be more: come back soon */
        if (n > 0) handed += n;
    }
    drop_gone(p);
    return handed;
}
