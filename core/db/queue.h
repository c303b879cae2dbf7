/*
 * queue.h: the writer's queue: changes, copied into the memory of the commit group they will be part of.
 *
 *     open group  <── puts of all threads (under `lock`, a copy each)
 *         │ swapped when the writer looks and nobody is between begin and end
 *         v
 *     taken group ──> the writer's transaction; then its memory is used again
 *
 * Groups are numbered from 1; a ticket is a group's number: everything in it and before it.
 */
#ifndef SY_DB_QUEUE_H
#define SY_DB_QUEUE_H

#include "db/db.h"

#include "base/bounds.h"
#include "base/map.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SY__STATEMENT_EVENT = 0, SY__STATEMENTS_MAX = 512 };

/* The parameters of an event's statement, in order. */
enum {
    SY__EV_ID,
    SY__EV_TASK,
    SY__EV_EXTENSION,
    SY__EV_TYPE,
    SY__EV_PAYLOAD,
    SY__EV_CONTEXT,
    SY__EV_AT,
    SY__EV_SEQ,
    SY__EV_TOPIC,
    SY__EV_RUN,
    SY__EV_COUNT
};

/* A run that changes were put for. Lives until it was disowned and its last change was written. */
typedef struct sy__run {
    char id[SY__ID_BYTES + 27]; /* ids of other shapes are cut: they compare as their first 63 bytes */
    _Atomic int64_t epoch;
    _Atomic bool owned;
    _Atomic bool lost;
    bool gone;           /* lock: in the list of those to be freed */
    uint64_t last_group; /* lock: the last group with a change of it */
    uint64_t checked;    /* writer: the attempt in which its epoch was compared */
    struct sy__run *next_gone;
} sy__run;

typedef struct sy__change {
    int statement;
    int count;           /* of params */
    sy__param *params;   /* in the group's memory, texts with a NUL behind them */
    size_t room;         /* bytes there, for a replacement in place */
    sy__run *run;        /* NULL: none */
    int64_t occurred_ms; /* events */
    bool again;          /* of a statement of rows: the row may be there already */
    bool nameless;       /* an event whose id the writer makes */
    bool refused;        /* writer: a constraint refused it */
} sy__change;

typedef struct sy__chunk sy__chunk;

typedef struct sy__group {
    uint64_t id;
    sy__change *changes;
    size_t count, cap;
    sy__chunk *chunks, *current;
    size_t bytes;
    sy__durability level; /* the strongest of its changes */
    size_t events;
    size_t others; /* neither events nor of statements of rows */
} sy__group;

typedef struct sy__notice {
    sy__db_ticket ticket;
    bool sync;
    void (*fn)(void *ud, int status);
    void *ud;
    struct sy__notice *next;
} sy__notice;

typedef enum sy__errand_kind {
    SY__ERRAND_CHECKED,   /* in a transaction */
    SY__ERRAND_UNCHECKED, /* in a transaction, references not enforced */
    SY__ERRAND_BARE       /* outside of any */
} sy__errand_kind;

typedef struct sy__errand {
    sy__errand_kind kind;
    int (*fn)(sqlite3 *conn, void *ud, sy__error *err);
    void *ud;
    sy__error *err;
    sy__db_ticket after;
    int status;
    bool done;
    struct sy__errand *next;
} sy__errand;

typedef struct sy__queue {
    const sy__alloc *alloc;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* the writer waits: something to do, or the last hold ended */
    pthread_cond_t swept; /* waiters: a group ended, an errand is done, or a group was taken */
    sy__group groups[2];
    sy__group *open, *taken; /* taken NULL: the writer has none */
    size_t taken_count, taken_bytes;
    uint64_t committed, synced, want_sync;
    uint64_t refused_group; /* the last group with a refused change that belongs to no run */
    int holds;
    bool idle, taking, stuck, stop;
    bool lingers; /* the writer lets a small group grow */
    int waiters;  /* in sy__db_wait */
    int failed;   /* sticky */
    sy__error failure;
    const char *statements[SY__STATEMENTS_MAX];
    const char *again[SY__STATEMENTS_MAX]; /* of a statement of rows: what writes a row that may be there; else NULL */
    int statement_count;
    sy__map runs;
    sy__run *last_run; /* the one of the last put, or NULL */
    _Atomic bool full; /* what sy__db_full says */
    sy__run *gone;
    sy__notice *notices;
    sy__errand *errands;
} sy__queue;

/* An empty queue with its lock; closing frees what nobody took. Before, and after, all other threads. SY_ENOMEM. */
int sy__queue_init(sy__queue *q, const sy__alloc *a, sy__error *err);
void sy__queue_close(sy__queue *q);
/* With the lock held: wakes the writer when it waits and may take. */
void sy__queue_wake(sy__queue *q);
/* With the lock held: whether the open group may grow before it is taken: it is small, and nobody waits for it. */
bool sy__queue_may_grow(const sy__queue *q);
/* With the lock held: says anew whether the queue is full, after what decides that has changed. */
void sy__queue_measure(sy__queue *q);
/* With the lock held, writer: swaps the open group out, waiting for holds to end; NULL when it is empty. */
sy__group *sy__queue_take(sy__queue *q);
/* With the lock held, writer: the taken group has ended; its memory is kept for the next, but not its bulk. */
void sy__queue_recycle(sy__queue *q);

#endif
