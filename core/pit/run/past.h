/*
 * past.h: what the rows of a run say of its tasks, for a run that is read back: sorted by key, immutable once read
 * but for the decisions of a person. Belongs to the run.
 */
#ifndef SY_PIT_PAST_H
#define SY_PIT_PAST_H

#include "pit/engine_impl.h"

struct sy__past {
    char *key, *operation;
    char *payload, *message; /* its input as JSON, of a call of a flow; why it failed; NULL */
    char *spenders;          /* of one that fell back: a JSON list of the operations that used something; NULL */
    int code;                /* of the failure; SY_OK */
    uint32_t position;       /* 0: it has none */
    char id[SY__ID_BYTES], parent[SY__ID_BYTES];
    sy__task_status status;
    sy__outcome outcome; /* SY__OUTCOME_NONE: it had not ended */
    uint32_t attempts;
    uint32_t target; /* which of its operations it was at; 0: its own, then its fallbacks */
    sy__wait waits;
    bool kept; /* a fork took it over from another run */
    sy__blob *output;
    int64_t dispatched_ms, started_ms, completed_ms;
    int64_t usd_micro, tokens, cpu_us;
    bool reopens;        /* a larger budget makes it undone again: refused for one, cancelled or skipped for that */
    sy__amounts assumed; /* reserved by calls whose process ended before they could tell */
    sy__decision decision;
    sy__blob *result;
};

struct sy__past_list {
    const sy__alloc *alloc;
    sy__past *at;
    size_t count, cap;
};

/* Reads the tasks of a run, the root task left out. SY_EDAMAGED, SY_ENOMEM and what reading artifacts gives. */
int sy__past_read(sy__past_list **out, sy__engine *e, sqlite3 *conn, const char *run, sy__error *err);
void sy__past_free(sy__past_list *l); /* NULL is legal */
/* NULL: there is no row, or no list. */
sy__past *sy__past_find(const sy__past_list *l, const char *key);
/* What the row at a position below a task says; NULL. */
const sy__past *sy__past_at(const sy__past_list *l, const char *parent, uint32_t position);
/* The highest position below a task; 0: none. */
uint32_t sy__past_positions(const sy__past_list *l, const char *parent);
/* What the rows say of a living task. */
sy__past *sy__past_of(const sy__task *t);
/* It had begun and its effect must not be repeated unasked, or it waited for a person, and nobody has decided. */
bool sy__past_waits(const sy__past *p, const sy__plan_task *spec);
/* Takes id, outcome, output and decision into the task. SY_ENOMEM. */
int sy__past_restore(const sy__past *p, sy__task *t);

#endif
