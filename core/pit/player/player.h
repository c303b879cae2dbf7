/*
 * player.h: whether a player (an extension, or a model of an instrument) keeps what its manifest promises.
 *
 * An account of its last calls, passive as the ledger of budgets is: it knows no runs, rows or clocks; the caller gives
 * the time. No function takes a lock.
 *
 *     eligible ──(promise broken, among at least min_calls)──> suspended ──(rest is over)──> probation
 *        ^                                                          ^                            │
 *        └──────────────────────(`trials` good calls)───────────────┼────────────────────────────┤
 *                                                                   └──(one bad call: a longer rest)
 *
 * A rest that follows another within the window lasts twice as long, up to rest_max_ms.
 */
#ifndef SY_PIT_PLAYER_H
#define SY_PIT_PLAYER_H

#include "base/alloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SY__PLAYER_CALLS_MAX = 1000, SY__PLAYER_REASON_BYTES = 160 };

typedef enum sy__player_state { SY__PLAYER_ELIGIBLE, SY__PLAYER_SUSPENDED, SY__PLAYER_PROBATION } sy__player_state;

/* How players are judged, from the settings. */
typedef struct sy__player_rules {
    int64_t calls;       /* the window: at most so many of the last calls, up to SY__PLAYER_CALLS_MAX */
    int64_t window_ms;   /* … that ended within this time */
    int64_t min_calls;   /* fewer are not judged */
    int64_t rest_ms;     /* the first suspension */
    int64_t rest_max_ms; /* the longest */
    int64_t trials;      /* good calls on probation before it is eligible again */
} sy__player_rules;

/* What a manifest promises. */
typedef struct sy__player_promise {
    double max_error_rate; /* negative: nothing */
    int64_t p95_ms;        /* negative: nothing */
} sy__player_promise;

typedef struct sy__player_call {
    int64_t at_ms, ms; /* when it ended, how long it took */
    bool failed;
} sy__player_call;

/* What the window holds now. */
typedef struct sy__player_figures {
    int64_t calls, failed, p95_ms; /* p95 by the nearest rank; 0 without calls */
} sy__player_figures;

typedef struct sy__player {
    const sy__alloc *alloc;
    const sy__player_rules *rules; /* borrowed */
    sy__player_promise promise;
    sy__player_state state;
    char reason[SY__PLAYER_REASON_BYTES];   /* why it is not eligible, in words; "": it is */
    int64_t since_ms, until_ms, rest_ms;    /* of the state; the end and length of the last suspension */
    int64_t trials, trials_good, trials_at; /* on probation: admitted, good so far, when the first was admitted */
    sy__player_call *ring;                  /* rules->calls entries */
    size_t first, count;
} sy__player;

/* Eligible, with no calls. SY_ENOMEM. */
int sy__player_init(sy__player *p, const sy__alloc *a, const sy__player_rules *rules, sy__player_promise promise);
void sy__player_close(sy__player *p);

/* Whether it may be chosen now; changes nothing. */
bool sy__player_may(const sy__player *p, int64_t now_ms);
/* As sy__player_may, and it will be: on probation that is one of the trials. *changed: its state has. */
bool sy__player_choose(sy__player *p, int64_t now_ms, bool *changed);
/* A call ended; true: its state has changed. */
bool sy__player_note(sy__player *p, const sy__player_call *call);
/* A call that was chosen ended without saying anything about it (cancelled, or its input was at fault). */
void sy__player_unused(sy__player *p);
/* Adds a call of the past without judging. */
void sy__player_recall(sy__player *p, const sy__player_call *call);

sy__player_figures sy__player_look(const sy__player *p, int64_t now_ms);
/* "eligible", "suspended", "probation"; the opposite gives false for other words. */
const char *sy__player_state_name(sy__player_state state);
bool sy__player_state_read(const char *name, sy__player_state *out);

#endif
