/*
 * engine.h: runs. Starts them, resumes them, parks and cancels them; stage threads do the work.
 *
 * The engine owns the stage threads, the arbiter and the runs. Any thread may call what is here; nothing here
 * runs Lua in the caller's thread. What a run does is seen through events and rows.
 */
#ifndef SY_PIT_ENGINE_H
#define SY_PIT_ENGINE_H

#include "kit/isolate.h"
#include "kit/registry.h"
#include "pit/artifact/artifact.h"
#include "pit/budget/budget.h"
#include "pit/player/player.h"
#include "router/router.h"

struct sy__spawner;
struct sy__vault;

typedef struct sy__engine sy__engine;

/* A limit of all tasks of an extension ("extension git") or of a key ("key gpu"). */
typedef struct sy__named_limit {
    char name[160];
    int64_t parallel;             /* 0: none */
    int64_t count, per_ms, burst; /* count 0: no rate; burst 0: count */
} sy__named_limit;

/* Limits of the host, from the settings. */
typedef struct sy__limits {
    int64_t tasks;                /* of all runs at once; 0: the host's own */
    int64_t age_ms;               /* waiting this long is worth one priority; 0: 10 s */
    const sy__named_limit *named; /* copied */
    size_t named_count;
    sy__player_rules players; /* fields of 0: the standard */
} sy__limits;

typedef struct sy__engine_options {
    const sy__alloc *alloc;
    const sy__clock *clock;
    sy__log *log;
    sy__db *db;
    sy__artifacts *artifacts;
    sy__router *router;
    sy__registry *registry;
    struct sy__spawner *spawner;
    struct sy__vault *vault;           /* the person's secrets; NULL: none */
    const sy__isolate_module *modules; /* C modules of the isolate library; must outlive the engine */
    sy__module_fn stdlib;              /* pure modules of the isolate library */
    void *stdlib_ud;
    const char *helper;  /* the program that isolates in processes of their own run; NULL: they are refused */
    bool trusted;        /* the person lets this project's own code run */
    bool audit;          /* each use of a capability is an event, not only what is refused */
    int watchdog_signal; /* taken with sy__watchdog_take; 0: hook mode */
    int stages;          /* threads; 0: one per core */
    sy__limits limits;
    sy__shared_budget budget;    /* of the project and of the day; zero: none */
    void (*on_change)(void *ud); /* any thread: some run's state changed durably; may be NULL */
    void *on_change_ud;
} sy__engine_options;

/* Starts its threads. What the options name is borrowed until it is freed. SY_ENOMEM, SY_EIO. */
int sy__engine_new(sy__engine **out, const sy__engine_options *o, sy__error *err);
/* Parks every living run, waits for the stages to end. The database stays open for the caller to close. */
void sy__engine_free(sy__engine *e);

/* What a run is made of; all strings are copied. */
typedef struct sy__run_request {
    sy__value definition;
    sy__value params;               /* a map */
    const char *melody_id;          /* melody.id; NULL for a call of one operation */
    const char *melody_hash;        /* "sha256:…" */
    const char *orchestration_type; /* "manual" | "maestro_rl" */
    sy__durability durability;
    int64_t parallel;  /* tasks at once; 0: the default */
    sy__value options; /* further JSON kept with the run, {weight, dedupe, …}; may be no value */
} sy__run_request;

typedef struct sy__run_info {
    char id[37];
    int64_t number;
    const char *status; /* pending|running|waiting|paused|completed|failed|cancelled */
    sy__error error;    /* of a failed run */
    bool committed;     /* the final row is durable: it may be acknowledged */
    bool existing;      /* it was there already, under the same dedupe id */
} sy__run_info;

/* Starts a run, or finds the one with its dedupe id; returns when its row is committed. SY_EMELODY and friends for a
 * bad definition. */
int sy__engine_start(sy__engine *e, const sy__run_request *request, sy__run_info *out, sy__error *err);

typedef struct sy__resume_request {
    const char *run;
    bool accept_code;        /* go on although an extension's code has changed */
    const char *retry;       /* key of a task that waits for a person, to run again; NULL */
    const char *skip;        /* key of one to skip; NULL */
    const char *result_task; /* key of one whose result, or answer, is supplied; NULL */
    sy__value result;
    const char *budget; /* JSON: what a budget of its options is replaced with; NULL: nothing. A run that failed for
                           its budget goes on, and tasks that wait for one are tried again. */
    bool cancel;        /* take over only to cancel it */
} sy__resume_request;
/* Takes over and continues. An ended run is only reported. SY_EOWNED, SY_ENOTFOUND, SY_EUNCERTAIN. */
int sy__engine_resume(sy__engine *e, const sy__resume_request *request, sy__run_info *out, sy__error *err);

/* What a person decides about a task that waits. */
typedef enum sy__decision { SY__DECIDE_NOTHING, SY__DECIDE_RETRY, SY__DECIDE_SKIP, SY__DECIDE_RESULT } sy__decision;
/*
 * Decides about a waiting task of a run that lives in this engine, and waits until that is durable. An answer is
 * SY__DECIDE_RESULT. SY_ENOTFOUND: the run does not live here, or has no such task; SY_EUSAGE: the task does not wait
 * (any more); SY_ETYPE: the result is not what was asked for. Not from a stage thread.
 */
int sy__engine_decide(sy__engine *e, const char *run, sy__decision what, const char *task, sy__value result,
                      sy__error *err);

/* Asks a run of this host to stop for good / to park. SY_ENOTFOUND when it does not live here. */
int sy__engine_cancel(sy__engine *e, const char *run, sy__error *err);
int sy__engine_pause(sy__engine *e, const char *run, sy__error *err);
/* State of a run that lives or lived in this engine. SY_ENOTFOUND. */
int sy__engine_info(sy__engine *e, const char *run, sy__run_info *out);
/* Runs that have not ended (or whose end is not committed). */
int sy__engine_living(sy__engine *e);
/* Drops what is kept of an ended run. */
void sy__engine_forget(sy__engine *e, const char *run);

#endif
