/*
 * project.h: one opened project: its database, artifacts, router, registry, spawner and engine, and the loop
 * of the caller's thread.
 *
 * It owns everything; there is no other state in the process. Functions are the caller's thread's, but
 * sy__project_wake, which any thread may call. Handlers of followers run inside sy__project_step only.
 */
#ifndef SY_HOST_PROJECT_H
#define SY_HOST_PROJECT_H

#include "pit/engine.h"

typedef struct sy__project sy__project;

typedef struct sy__project_options {
    const sy__alloc *alloc;
    const sy__clock *clock;            /* NULL: the system's */
    const char *dir;                   /* the project's folder */
    const sy__isolate_module *modules; /* C modules of the isolate library */
    sy__module_fn stdlib;              /* its pure modules */
    void *stdlib_ud;
    const char *helper;       /* the program of isolates in processes of their own; NULL: none; copied */
    bool trusted;             /* the person lets this project's own code run */
    int watchdog_signal;      /* taken with sy__watchdog_take; 0: hook mode */
    bool audit;               /* each use of a capability is an event, not only what is refused */
    int stages;               /* 0: one per core */
    sy__limits limits;        /* of tasks, extensions and keys */
    sy__shared_budget budget; /* of the project and of the day; zero: none */
    size_t queue_events;      /* of a follower's queue; 0: the router's default */
    sy__log_sink log;         /* NULL: dropped */
    void *log_ud;
} sy__project_options;

/* Opens `dir`/.symphony, making it when missing. Threads run from now on. */
int sy__project_open(sy__project **out, const sy__project_options *o, sy__error *err);
/* Parks living runs, commits, stops all threads. NULL is legal. */
void sy__project_close(sy__project *p);

/* What it consists of: borrowed, and there until it is closed. */
sy__db *sy__project_db(sy__project *p);
sy__artifacts *sy__project_artifacts(sy__project *p);
sy__registry *sy__project_registry(sy__project *p);
sy__router *sy__project_router(sy__project *p);
sy__engine *sy__project_engine(sy__project *p);
struct sy__vault *sy__project_vault(sy__project *p);
const sy__alloc *sy__project_alloc(sy__project *p);
const sy__clock *sy__project_clock(sy__project *p);
const char *sy__project_dir(sy__project *p);

/* Readable when sy__project_step has something to do. */
int sy__project_fd(sy__project *p);
void sy__project_wake(sy__project *p);
/* Hands out what is due, waiting at most `timeout_ms` (-1: until something is due). Returns the number of events.
 * What other processes committed is looked for at most ten times a second, and at a step only: nothing wakes it. */
int sy__project_step(sy__project *p, int timeout_ms);

/* Calls `fn` from sy__project_step for matching events with seq > since (-1: from now on). Returns a number > 0
 * or a negative code. */
int sy__project_follow(sy__project *p, const char *pattern, int64_t since, sy__event_handler fn, void *ud,
                       sy__error *err);
/* Legal inside a handler. SY_ENOTFOUND. */
int sy__project_unfollow(sy__project *p, int id);

#endif
