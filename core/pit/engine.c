/*
 * engine.c: opening and closing the engine, and the list of its runs.
 */
#include "pit/arbiter/flow.h"
#include "pit/budget/budget_shared.h"

#include "pit/chore.h"
#include "pit/player/players.h"
#include "pit/run/state.h"
#include "pit/task/tape.h"
#include "pit/record/statements.h"
#include "pit/run/watch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int
sy__engine_new(sy__engine **out, const sy__engine_options *o, sy__error *err)
{
    sy__error_clear(err);
    *out = NULL;
    sy__engine *e = sy__calloc(o->alloc, 1, sizeof *e);
    if (!e) return sy__error_set(err, SY_ENOMEM, "no memory for the engine");
    e->o = *o;
    e->alloc = o->alloc;
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)pthread_mutex_init(&e->gates_lock, NULL);
    (void)pthread_mutex_init(&e->chore_lock, NULL);
    sy__ledger_init(&e->ledger);
    int status = sy__arbiter_new(&e->arbiter, e->alloc, o->clock);
    if (!status) status = sy__flow_open(e);
    if (!status) status = sy__statements_new(e, err);
    if (!status) status = sy__shared_open(e, err);
    if (!status) status = sy__players_open(e, err);
    if (!status) status = sy__stages_start(e, err);
    if (!status) status = sy__watch_start(&e->watch, e, err);
    if (status) {
        if (err && !err->code) (void)sy__error_set(err, status, "%s", sy_strerror(status));
        sy__engine_free(e);
        return status;
    }
    sy__artifacts_set_record(o->artifacts, sy__chore_pit, e);
    *out = e;
    return SY_OK;
}

static void
pause_ms(void)
{
    struct timespec one = {0, 1000000};
    (void)nanosleep(&one, NULL);
}

/* Parks what lives and waits for it to be written. */
static void
park_all(sy__engine *e)
{
    (void)pthread_mutex_lock(&e->lock);
    for (sy__run *r = e->runs; r; r = r->next) (void)sy__engine_stop_run(r, SY_EINTERRUPTED);
    (void)pthread_mutex_unlock(&e->lock);
    const int64_t patience_ms = 10000;
    int64_t start = sy__mono_ms(&sy__clock_system);
    while (sy__engine_living(e) > 0 && sy__mono_ms(&sy__clock_system) - start < patience_ms) pause_ms();
    while (atomic_load(&e->hooks) > 0) pause_ms(); /* the writer always calls them, also when it has failed */
}

void
sy__engine_free(sy__engine *e)
{
    if (!e) return;
    if (e->stages) park_all(e);
    if (e->o.artifacts) sy__artifacts_set_record(e->o.artifacts, NULL, NULL);
    sy__watch_stop(e->watch);
    sy__stages_stop(e);
    sy__state_close(e);
    sy__chore_close(e);
    while (e->runs) {
        sy__run *r = e->runs;
        e->runs = r->next;
        sy__run_release(r);
    }
    sy__shared_close(e);
    sy__players_close(e);
    sy__ledger_close(&e->ledger);
    sy__flow_close(e);
    sy__tape_free(e->tape);
    sy__arbiter_free(e->arbiter);
    sy__free(e->alloc, e->statements);
    (void)pthread_mutex_destroy(&e->lock);
    (void)pthread_mutex_destroy(&e->gates_lock);
    (void)pthread_mutex_destroy(&e->chore_lock);
    sy__free(e->alloc, e);
}

/* ---- looking ---- */

sy__run *
sy__engine_find(sy__engine *e, const char *run)
{
    (void)pthread_mutex_lock(&e->lock);
    sy__run *r = e->runs;
    while (r && strcmp(r->id, run) != 0) r = r->next;
    if (r) sy__run_hold(r);
    (void)pthread_mutex_unlock(&e->lock);
    return r;
}

int
sy__engine_info(sy__engine *e, const char *run, sy__run_info *out)
{
    sy__run *r = sy__engine_find(e, run);
    if (!r) return SY_ENOTFOUND;
    (void)pthread_mutex_lock(&r->lock);
    memcpy(out->id, r->id, sizeof out->id);
    out->number = r->number;
    out->status = sy__run_status_name(r->status);
    out->error = r->error;
    out->committed = r->committed;
    out->existing = false;
    (void)pthread_mutex_unlock(&r->lock);
    sy__run_release(r);
    return SY_OK;
}

int
sy__engine_living(sy__engine *e)
{
    int living = 0;
    (void)pthread_mutex_lock(&e->lock);
    for (sy__run *r = e->runs; r; r = r->next) {
        (void)pthread_mutex_lock(&r->lock);
        living += !r->committed;
        (void)pthread_mutex_unlock(&r->lock);
    }
    (void)pthread_mutex_unlock(&e->lock);
    return living;
}

void
sy__engine_forget(sy__engine *e, const char *run)
{
    sy__run *gone = NULL;
    (void)pthread_mutex_lock(&e->lock);
    for (sy__run **at = &e->runs; *at; at = &(*at)->next) {
        if (strcmp((*at)->id, run) != 0) continue;
        gone = *at;
        (void)pthread_mutex_lock(&gone->lock);
        bool over = gone->committed;
        (void)pthread_mutex_unlock(&gone->lock);
        if (over)
            *at = gone->next;
        else
            gone = NULL;
        break;
    }
    (void)pthread_mutex_unlock(&e->lock);
    sy__run_release(gone);
}
