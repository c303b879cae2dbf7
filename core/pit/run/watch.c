/* watch.c: looks at `control` ten times a second, for the two commands that end work; stage 0 sees to the others. */
#include "pit/run/watch.h"

#include "base/thread.h"
#include "db/params.h"
#include "pit/player/players.h"
#include "pit/record/statements.h"

#include <string.h>
#include <time.h>

enum { LOOK_MS = 100 };

struct sy__watch {
    sy__engine *engine;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop, woken;     /* under lock */
    int64_t data_version; /* at the last look */
};

static void
obey(sy__engine *e, sqlite3_stmt *stmt)
{
    const char *id = (const char *)sqlite3_column_text(stmt, 0), *run = (const char *)sqlite3_column_text(stmt, 1);
    const char *command = (const char *)sqlite3_column_text(stmt, 2);
    char at[SY__STAMP_BYTES];
    sy__run *r = sy__engine_find(e, run);
    if (!r) return;
    sy__stamp(sy__wall_ms(e->o.clock), at);
    sy__param p[] = {sy__p_text(id), sy__p_text(at), sy__p_text("{}")};
    (void)sy__engine_stop_run(r, strcmp(command, "pause") == 0 ? SY_EINTERRUPTED : SY_ECANCELLED);
    (void)sy__db_put(e->o.db, SY__LEVEL_FULL, e->statements->handled, NULL, p, 3, NULL);
    sy__run_release(r);
}

static void
look(sy__watch *w)
{
    static const char sql[] = "SELECT id, pipeline_orchestration_id, command FROM control"
                              " WHERE handled_at IS NULL AND command IN ('cancel', 'pause') ORDER BY id";
    sy__db *db = w->engine->o.db;
    sqlite3_stmt *stmt = NULL;
    int64_t version = sy__db_data_version(db);
    sqlite3 *conn = version == w->data_version ? NULL : sy__db_reader(db, NULL);
    if (!conn) return;
    w->data_version = version;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) == SQLITE_OK)
        while (sqlite3_step(stmt) == SQLITE_ROW) obey(w->engine, stmt);
    (void)sqlite3_finalize(stmt);
    sy__db_reader_release(db, conn);
    sy__players_look(w->engine);
}

/* Sleeps for one turn, or until there is something to watch for; false: it is to end. lock held. */
static bool
rest(sy__watch *w, bool idle)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)LOOK_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (idle)
        while (!w->stop && !w->woken) (void)pthread_cond_wait(&w->changed, &w->lock);
    else if (!w->stop)
        (void)pthread_cond_timedwait(&w->changed, &w->lock, &until);
    w->woken = false;
    return !w->stop;
}

static void *
watch_main(void *ud)
{
    sy__watch *w = ud;
    (void)pthread_mutex_lock(&w->lock);
    for (bool idle = true; rest(w, idle);) {
        (void)pthread_mutex_unlock(&w->lock);
        idle = sy__engine_living(w->engine) == 0;
        if (!idle) look(w);
        (void)pthread_mutex_lock(&w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

int
sy__watch_start(sy__watch **out, sy__engine *e, sy__error *err)
{
    pthread_condattr_t clock;
    sy__watch *w = sy__calloc(e->alloc, 1, sizeof *w);
    if (!w) return sy__error_set(err, SY_ENOMEM, "no memory for the engine");
    w->engine = e;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    int status = sy__thread_start(&w->thread, "sy-watch", watch_main, w, err);
    if (!status) {
        *out = w;
        return SY_OK;
    }
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->lock);
    sy__free(e->alloc, w);
    return status;
}

void
sy__watch_stop(sy__watch *w)
{
    if (!w) return;
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    (void)pthread_cond_signal(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->lock);
    sy__free(w->engine->alloc, w);
}

void
sy__watch_wake(sy__watch *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->woken = true;
    (void)pthread_cond_signal(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
}
