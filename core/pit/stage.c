/*
 * stage.c: the threads that run tasks.
 *
 * A stage takes its own next task (a successor it found ready itself), else the arbiter's, for at most 64
 * tasks or 5 ms, then serves its event loop, where parked calls wait. With nothing to do it sleeps in the
 * loop; an eventfd wakes it for ready tasks and for notes of other threads.
 */
#include "base/bounds.h"
#include "base/thread.h"
#include "io/http.h"
#include "pit/cache/cache.h"
#include "pit/arbiter/flow.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SLICE_TASKS = 64, SLICE_NS = 5000000, TICK_MS = 100, FULL_QUEUE_US = 500 };

int64_t
sy__stage_ns(const sy__stage *s)
{
    return sy__mono_ns(s->engine->o.clock);
}

int64_t
sy__stage_ms(const sy__stage *s)
{
    return sy__wall_ms(s->engine->o.clock);
}

static void
wake(sy__stage *s)
{
    uint64_t one = 1;
    while (write(s->wake_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

bool
sy__stage_post(sy__stage *s, void (*fn)(sy__stage *stage, void *ud), void *ud)
{
    sy__note *n = sy__malloc(s->engine->alloc, sizeof *n);
    if (!n) return false;
    *n = (sy__note){.fn = fn, .ud = ud};
    (void)pthread_mutex_lock(&s->inbox_lock);
    if (s->inbox_tail)
        s->inbox_tail->next = n;
    else
        s->inbox = n;
    s->inbox_tail = n;
    (void)pthread_mutex_unlock(&s->inbox_lock);
    wake(s);
    return true;
}

void
sy__stages_wake(sy__engine *e, size_t jobs)
{
    for (int i = 0; i < e->stage_count && jobs > 0; i++) {
        bool idle = true;
        if (!atomic_compare_exchange_strong(&e->stages[i].idle, &idle, false)) continue;
        wake(&e->stages[i]);
        jobs--;
    }
}

static void
serve_inbox(sy__stage *s)
{
    (void)pthread_mutex_lock(&s->inbox_lock);
    sy__note *n = s->inbox;
    s->inbox = s->inbox_tail = NULL;
    (void)pthread_mutex_unlock(&s->inbox_lock);
    while (n) {
        sy__note *next = n->next;
        n->fn(s, n->ud);
        sy__free(s->engine->alloc, n);
        n = next;
    }
}

static void
on_wake(evutil_socket_t fd, short what, void *ud)
{
    (void)what;
    uint64_t count;
    while (read(fd, &count, sizeof count) > 0) continue;
    serve_inbox(ud);
}

static void
on_tick(evutil_socket_t fd, short what, void *ud)
{
    (void)fd;
    (void)what;
    sy__stage *s = ud;
    sy__pool_cool(s->pool, sy__mono_ns(s->engine->o.clock));
    if (s->number == 0) sy__engine_tick(s);
}

static sy__task *
next_task(sy__stage *s)
{
    sy__task *t = s->next_task;
    s->next_task = NULL;
    return t ? t : (sy__task *)sy__arbiter_take(s->engine->arbiter);
}

/* Runs ready tasks for one slice; true: there may be more. */
static bool
run_slice(sy__stage *s)
{
    int64_t start = sy__mono_ns(s->engine->o.clock);
    for (int n = 0; n < SLICE_TASKS; n++) {
        if (sy__db_full(s->engine->o.db) && !s->next_task) {
            (void)usleep(FULL_QUEUE_US);
            return true;
        }
        sy__task *t = next_task(s);
        if (!t) return false;
        sy__task_run(s, t);
        if ((n & 7) == 7 && sy__mono_ns(s->engine->o.clock) - start > SLICE_NS) break;
    }
    return true;
}

static void *
stage_main(void *arg)
{
    sy__stage *s = arg;
    (void)sy__watchdog_begin(&s->watchdog, s->engine->o.watchdog_signal);
    while (!atomic_load(&s->stop)) {
        if (s->busy > 0 || run_slice(s)) {
            (void)event_base_loop(s->base, EVLOOP_NONBLOCK);
            continue;
        }
        atomic_store(&s->idle, true);
        if (sy__arbiter_ready(s->engine->arbiter) > 0) { /* submitted between the look and the flag */
            atomic_store(&s->idle, false);
            continue;
        }
        sy__flow_sleep(s);
        (void)event_base_loop(s->base, EVLOOP_ONCE);
        atomic_store(&s->idle, false);
    }
    sy__watchdog_end(&s->watchdog);
    return NULL;
}

static int
open_loop(sy__stage *s)
{
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct event_config *config = event_config_new();
    if (config) {
        (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        s->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (s->wake_fd < 0 || !s->base) return SY_ENOMEM;
    struct timeval tick = {0, TICK_MS * 1000};
    s->wake_event = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
    if (!s->wake_event || !s->tick || event_add(s->wake_event, NULL) || event_add(s->tick, &tick)) return SY_ENOMEM;
    return SY_OK;
}

static int
open_stage(sy__stage *s, sy__engine *e, int number, sy__error *err)
{
    s->engine = e;
    s->number = number;
    s->wake_fd = -1;
    (void)pthread_mutex_init(&s->inbox_lock, NULL);
    (void)pthread_mutex_init(&s->current_lock, NULL);
    sy__id_source_init(&s->ids, e->o.clock);
    (void)snprintf(s->context, sizeof s->context, "{\"host\":\"%s\",\"stage\":%d", sy__db_host_id(e->o.db), number);
    (void)snprintf(s->first_context, sizeof s->first_context, "%s,\"attempt\":1}", s->context);
    sy__vbuf_init(&s->scratch, e->alloc);
    sy__vbuf_init(&s->checked, e->alloc);
    sy__buf_init(&s->text, e->alloc);
    sy__buf_init(&s->text2, e->alloc);
    s->ready.alloc = s->skipped.alloc = e->alloc;
    int status = open_loop(s);
    if (!status) status = sy__http_new(&s->http, e->alloc, s->base, err);
    if (!status) status = sy__pool_new(&s->pool, s);
    if (!status) status = sy__thread_start(&s->thread, "sy-stage", stage_main, s, err);
    s->running = !status;
    return status;
}

static void
close_stage(sy__stage *s)
{
    if (s->running) (void)pthread_join(s->thread, NULL);
    if (!s->engine) return;
    serve_inbox(s);
    while (s->free_attempts) {
        sy__attempt *a = s->free_attempts;
        s->free_attempts = a->next;
        if (a->timer) event_free(a->timer);
        sy__call_close(&a->call);
        sy__free(s->engine->alloc, a);
    }
    sy__pool_free(s->pool);
    sy__cache_reader_free(s);
    sy__expr_free(s->expr);
    sy__http_free(s->http);
    if (s->wake_event) event_free(s->wake_event);
    if (s->tick) event_free(s->tick);
    if (s->due) event_free(s->due);
    if (s->stream_timer) event_free(s->stream_timer);
    if (s->base) event_base_free(s->base);
    if (s->wake_fd >= 0) (void)close(s->wake_fd);
    sy__vbuf_close(&s->scratch);
    sy__vbuf_close(&s->checked);
    sy__buf_close(&s->text);
    sy__buf_close(&s->text2);
    sy__nodes_close(&s->ready);
    sy__nodes_close(&s->skipped);
    (void)pthread_mutex_destroy(&s->inbox_lock);
    (void)pthread_mutex_destroy(&s->current_lock);
}

int
sy__stages_start(sy__engine *e, sy__error *err)
{
    int count = e->o.stages > 0 ? e->o.stages : (int)sysconf(_SC_NPROCESSORS_ONLN);
    e->stages = sy__calloc(e->alloc, (size_t)count, sizeof *e->stages);
    if (!e->stages) return sy__error_set(err, SY_ENOMEM, "no memory for the stages");
    for (int i = 0; i < count; i++) {
        e->stage_count = i + 1;
        int status = open_stage(&e->stages[i], e, i, err);
        if (status) return status == SY_ENOMEM ? sy__error_set(err, status, "no memory for a stage") : status;
    }
    return SY_OK;
}

void
sy__stages_stop(sy__engine *e)
{
    for (int i = 0; i < e->stage_count; i++) {
        atomic_store(&e->stages[i].stop, true);
        if (e->stages[i].wake_fd >= 0) wake(&e->stages[i]);
    }
    for (int i = 0; i < e->stage_count; i++) close_stage(&e->stages[i]);
    sy__free(e->alloc, e->stages);
    e->stages = NULL;
    e->stage_count = 0;
}
