/*
 * writer.c: the thread between the queue and the transactions: takes what is there, lets it be committed,
 * then tells: events to the router, waiters, notices; then errands, then the log's housekeeping.
 */
#include "db/internal.h"

#include "base/crash.h"

#include "base/thread.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { LINGER_NS = 1000000, PAUSE_NS = 20000000 };

/* ---- with the lock held ---- */

static bool
settled(const sy__queue *q, sy__db_ticket ticket, bool sync)
{
    return (sync ? q->synced : q->committed) >= ticket;
}

static bool
wants_sync(const sy__queue *q)
{
    return q->want_sync > q->synced && q->committed > q->synced;
}

static bool
notice_ready(const sy__queue *q)
{
    for (const sy__notice *n = q->notices; n; n = n->next)
        if (q->failed || settled(q, n->ticket, n->sync)) return true;
    return false;
}

static bool
has_work(const sy__queue *q)
{
    if (q->stop || q->errands || notice_ready(q)) return true;
    return !q->failed && (q->open->count > 0 || wants_sync(q));
}

/* Ready notices, in the order they were made, out of the list. */
static sy__notice *
take_notices(sy__queue *q)
{
    sy__notice *ready = NULL, **end = &ready;
    for (sy__notice **at = &q->notices, *n; (n = *at) != NULL;) {
        if (!q->failed && !settled(q, n->ticket, n->sync)) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        n->next = NULL;
        *end = n;
        end = &n->next;
    }
    return ready;
}

static sy__errand *
take_errand(sy__queue *q)
{
    sy__errand *e = q->errands;
    if (!e || (!q->failed && e->after > q->committed)) return NULL;
    q->errands = e->next;
    return e;
}

/* Asks for an fsync of everything up to the ticket. */
static void
ask_sync(sy__queue *q, sy__db_ticket ticket)
{
    if (ticket > q->want_sync) q->want_sync = ticket;
    if (ticket == q->open->id) q->open->level = SY__LEVEL_FULL;
    if (ticket <= q->committed) sy__queue_wake(q);
}

/* ---- the thread ---- */

static void
fail(sy__db *db, const sy__error *err)
{
    sy__queue *q = &db->queue;
    sy__logf(db->log, SY__LOG_ERROR, "db", "nothing is written any more: %s", err->message);
    sy__writer_finalize(db);
    (void)pthread_mutex_lock(&q->lock);
    q->failed = err->code;
    q->failure = *err;
    sy__queue_measure(q);
    (void)pthread_cond_broadcast(&q->swept);
    (void)pthread_mutex_unlock(&q->lock);
}

static void
publish(sy__db *db, const sy__group *g)
{
    if (!db->on_event || g->events == 0) return;
    for (size_t i = 0; i < g->count; i++) {
        const sy__change *c = &g->changes[i];
        const sy__param *p = c->params;
        if (c->statement != SY__STATEMENT_EVENT || p[SY__EV_SEQ].i == 0) continue;
        const sy__event e = {.seq = p[SY__EV_SEQ].i,
                             .id = p[SY__EV_ID].p,
                             .run = p[SY__EV_RUN].p,
                             .task = p[SY__EV_TASK].p,
                             .extension = p[SY__EV_EXTENSION].p,
                             .type = p[SY__EV_TYPE].p,
                             .topic = p[SY__EV_TOPIC].p,
                             .payload = p[SY__EV_PAYLOAD].p,
                             .context = p[SY__EV_CONTEXT].p,
                             .occurred_ms = c->occurred_ms};
        db->on_event(db->on_event_ud, &e);
    }
}

static void
commit_taken(sy__db *db, sy__group *g)
{
    sy__queue *q = &db->queue;
    sy__error err = {0};
    sy__durability level = g->level;
    int code = sy__writer_commit(db, g, &err);
    if (code) fail(db, &err);
    if (code == SY_OK) publish(db, g);
    SY__CRASH_POINT("group.published");
    (void)pthread_mutex_lock(&q->lock);
    q->stuck = false;
    if (code == SY_OK) q->committed = g->id;
    if (code == SY_OK && level == SY__LEVEL_FULL) q->synced = g->id;
    sy__queue_recycle(q);
    (void)pthread_cond_broadcast(&q->swept);
    (void)pthread_mutex_unlock(&q->lock);
}

static void
sync_if_wanted(sy__db *db)
{
    sy__queue *q = &db->queue;
    sy__error err = {0};
    (void)pthread_mutex_lock(&q->lock);
    bool wanted = !q->failed && wants_sync(q);
    uint64_t committed = q->committed;
    (void)pthread_mutex_unlock(&q->lock);
    if (!wanted) return;
    if (sy__writer_sync(db, &err)) {
        fail(db, &err);
        return;
    }
    (void)pthread_mutex_lock(&q->lock);
    q->synced = committed;
    (void)pthread_cond_broadcast(&q->swept);
    (void)pthread_mutex_unlock(&q->lock);
}

static void
tell(sy__db *db)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    sy__notice *n = take_notices(q);
    uint64_t committed = q->committed, synced = q->synced;
    int failed = q->failed;
    (void)pthread_mutex_unlock(&q->lock);
    while (n) {
        sy__notice *next = n->next;
        n->fn(n->ud, (n->sync ? synced : committed) >= n->ticket ? SY_OK : failed);
        sy__free(db->alloc, n);
        n = next;
    }
}

static void
run_errands(sy__db *db)
{
    sy__queue *q = &db->queue;
    for (;;) {
        sy__error fatal = {0};
        (void)pthread_mutex_lock(&q->lock);
        sy__errand *e = take_errand(q);
        int status = q->failed;
        if (e && status && e->err) *e->err = q->failure;
        (void)pthread_mutex_unlock(&q->lock);
        if (!e) return;
        if (!status) status = sy__writer_errand(db, e, &fatal);
        if (fatal.code) fail(db, &fatal);
        (void)pthread_mutex_lock(&q->lock);
        e->status = status;
        e->done = true;
        (void)pthread_cond_broadcast(&q->swept);
        (void)pthread_mutex_unlock(&q->lock);
    }
}

static void
keep_log_short(sy__db *db, bool busy)
{
    sy__error err = {0};
    if (sy__writer_owes(db, busy) && sy__writer_checkpoint(db, &err)) fail(db, &err);
}

/* Waits for a signal or until `ns` from now; false: the time is over. With the lock held. */
static bool
wait_until(sy__queue *q, int64_t deadline_ns)
{
    const struct timespec at = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    q->idle = true;
    bool over = pthread_cond_timedwait(&q->work, &q->lock, &at) == ETIMEDOUT;
    q->idle = false;
    return !over;
}

/* With the lock held: sleeps until there is something to do, and uses a pause to keep the log short. */
static void
wait_for_work(sy__db *db)
{
    sy__queue *q = &db->queue;
    while (!has_work(q)) {
        if (!sy__writer_owes(db, false)) {
            q->idle = true;
            (void)pthread_cond_wait(&q->work, &q->lock);
        } else if (!wait_until(q, sy__mono_ns(&sy__clock_system) + PAUSE_NS)) {
            (void)pthread_mutex_unlock(&q->lock);
            keep_log_short(db, false);
            (void)pthread_mutex_lock(&q->lock);
        }
    }
}

/* With the lock held: a group costs the same whether it has one row or a hundred, so a small one grows for a moment
 * while nobody waits for it. */
static void
linger(sy__queue *q)
{
    int64_t deadline = sy__mono_ns(&sy__clock_system) + LINGER_NS;
    q->lingers = true;
    while (q->open->count > 0 && sy__queue_may_grow(q) && wait_until(q, deadline)) continue;
    q->lingers = false;
}

static void *
writer_main(void *arg)
{
    sy__db *db = arg;
    sy__queue *q = &db->queue;
    for (bool stop = false; !stop;) {
        (void)pthread_mutex_lock(&q->lock);
        wait_for_work(db);
        linger(q);
        q->idle = false;
        sy__group *g = q->failed ? NULL : sy__queue_take(q);
        stop = q->stop && !g && !q->errands && !q->notices;
        (void)pthread_mutex_unlock(&q->lock);
        if (g) commit_taken(db, g);
        sync_if_wanted(db);
        tell(db);
        run_errands(db);
        keep_log_short(db, true);
    }
    return NULL;
}

int
sy__writer_start(sy__db *db, sqlite3 *conn, sy__error *err)
{
    int code = sy__writer_prepare(db, conn, err);
    if (code == SY_OK) code = sy__thread_start(&db->writer.thread, "sy-writer", writer_main, db, err);
    if (code)
        sy__writer_finalize(db);
    else
        db->writer.started = true;
    return code;
}

void
sy__writer_stop(sy__db *db)
{
    sy__queue *q = &db->queue;
    if (!db->writer.started) return;
    (void)pthread_mutex_lock(&q->lock);
    q->stop = true;
    q->idle = false;
    (void)pthread_cond_signal(&q->work);
    (void)pthread_mutex_unlock(&q->lock);
    (void)pthread_join(db->writer.thread, NULL);
    db->writer.started = false;
    sy__writer_finalize(db);
}

/* ---- what callers wait for ---- */

static int
outcome(const sy__queue *q, sy__db_ticket ticket, bool sync, sy__error *err)
{
    if (!settled(q, ticket, sync)) {
        if (err) *err = q->failure;
        return q->failed;
    }
    if (q->refused_group == ticket && ticket != 0)
        return sy__error_set(err, SY_EINTERNAL, "the database refused a change; the log has its reason");
    return SY_OK;
}

int
sy__db_wait(sy__db *db, sy__db_ticket ticket, bool sync, sy__error *err)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    if (sync && !settled(q, ticket, true)) ask_sync(q, ticket);
    q->waiters++;
    sy__queue_wake(q);
    while (!q->failed && !settled(q, ticket, sync)) (void)pthread_cond_wait(&q->swept, &q->lock);
    q->waiters--;
    int code = outcome(q, ticket, sync, err);
    (void)pthread_mutex_unlock(&q->lock);
    return code;
}

int
sy__db_notify(sy__db *db, sy__db_ticket ticket, bool sync, void (*fn)(void *ud, int status), void *ud)
{
    sy__queue *q = &db->queue;
    sy__notice *n = sy__malloc(db->alloc, sizeof *n);
    if (!n) return SY_ENOMEM;
    *n = (sy__notice){.ticket = ticket, .sync = sync, .fn = fn, .ud = ud};
    (void)pthread_mutex_lock(&q->lock);
    sy__notice **end = &q->notices;
    while (*end) end = &(*end)->next;
    *end = n;
    if (sync && !settled(q, ticket, true)) ask_sync(q, ticket);
    sy__queue_wake(q);
    (void)pthread_mutex_unlock(&q->lock);
    return SY_OK;
}

int
sy__db_status(sy__db *db, sy__error *err)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    int code = q->failed;
    if (code && err) *err = q->failure;
    (void)pthread_mutex_unlock(&q->lock);
    return code;
}

static int
send(sy__db *db, sy__errand e)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    e.after = q->open->count > 0 ? q->open->id : q->open->id - 1;
    sy__errand **end = &q->errands;
    while (*end) end = &(*end)->next;
    *end = &e;
    q->idle = false;
    (void)pthread_cond_signal(&q->work);
    while (!e.done) (void)pthread_cond_wait(&q->swept, &q->lock);
    (void)pthread_mutex_unlock(&q->lock);
    return e.status;
}

int
sy__db_exclusive(sy__db *db, int (*fn)(sqlite3 *conn, void *ud, sy__error *err), void *ud, sy__error *err)
{
    return send(db, (sy__errand){.kind = SY__ERRAND_CHECKED, .fn = fn, .ud = ud, .err = err});
}

int
sy__db_unchecked(sy__db *db, int (*fn)(sqlite3 *conn, void *ud, sy__error *err), void *ud, sy__error *err)
{
    return send(db, (sy__errand){.kind = SY__ERRAND_UNCHECKED, .fn = fn, .ud = ud, .err = err});
}

int
sy__writer_bare(sy__db *db, int (*fn)(sqlite3 *conn, void *ud, sy__error *err), void *ud, sy__error *err)
{
    return send(db, (sy__errand){.kind = SY__ERRAND_BARE, .fn = fn, .ud = ud, .err = err});
}
