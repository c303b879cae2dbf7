/*
 * engine_impl.h: the shapes that the files of the engine share.
 *
 * A run executes scopes: its melody's, and one for each sub-melody under way. A scope has a plan, a dag and a task
 * for each node. Maps and loops make further tasks, their children. Under run.lock a scope counts what is active in it
 * and below it (queued, executing, waiting to be tried again) and what waits for a person. A task whose children work
 * (each, loop, sub) is neither: it comes back as active in the step in which the last of them ends.
 *
 * Locks, in the order they may be taken: engine.lock (the list of runs), run.lock (a run's dag, states and
 * counters), the arbiter's own, the writer's own. A task that is executing belongs to its stage thread; its
 * row, output and status are written under run.lock when it ends.
 */
#ifndef SY_PIT_ENGINE_IMPL_H
#define SY_PIT_ENGINE_IMPL_H

#include "base/id.h"
#include "base/map.h"
#include "kit/expr.h"
#include "pit/arbiter.h"
#include "pit/engine.h"
#include "pit/plan.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct sy__stage sy__stage;
typedef struct sy__task sy__task;
typedef struct sy__run sy__run;
typedef struct sy__scope sy__scope;
typedef struct sy__attempt sy__attempt;
typedef struct sy__task_budget sy__task_budget;
typedef struct sy__past sy__past;
typedef struct sy__past_list sy__past_list;
typedef struct sy__undo sy__undo;
typedef struct sy__journal sy__journal;
typedef struct sy__streams sy__streams; /* stream.c */
typedef struct sy__tape sy__tape;

typedef enum sy__task_status {
    SY__TASK_PENDING,
    SY__TASK_DISPATCHED,
    SY__TASK_EXECUTING,
    SY__TASK_COMPLETED,
    SY__TASK_FAILED,
} sy__task_status;

typedef enum sy__outcome {
    SY__OUTCOME_NONE,
    SY__OUTCOME_OK,
    SY__OUTCOME_CACHED,
    SY__OUTCOME_FALLBACK,
    SY__OUTCOME_SKIPPED,
    SY__OUTCOME_COMPENSATED,
    SY__OUTCOME_ERROR,
    SY__OUTCOME_TIMEOUT,
    SY__OUTCOME_DENIED,
    SY__OUTCOME_CANCELLED,
} sy__outcome;

typedef enum sy__run_status {
    SY__RUN_PENDING,
    SY__RUN_RUNNING,
    SY__RUN_WAITING,
    SY__RUN_PAUSED,
    SY__RUN_COMPLETED,
    SY__RUN_FAILED,
    SY__RUN_CANCELLED,
} sy__run_status;

/* Why a task waits for a person. */
typedef enum sy__wait {
    SY__WAIT_NONE,
    SY__WAIT_EFFECT, /* its effect may have taken place before a crash */
    SY__WAIT_ERROR,  /* it failed, on_error = "ask" */
    SY__WAIT_BUDGET, /* no budget covers it, on_breach = "ask" */
    SY__WAIT_ANSWER, /* it is a question */
    SY__WAIT_TIME,   /* it sleeps for long */
} sy__wait;

/*
 * The children of an `each`: the list, what is left to start, the results in order. A list that is the result of
 * another map grows: its items come as the children of that one end, in the order in which they do.
 */
typedef struct sy__each {
    sy__blob *list;
    size_t count, next, ended, failed;
    size_t living;        /* children that were created and have not ended */
    size_t waiting;       /* of them those that wait for a person */
    sy__blob **outputs;   /* count entries; NULL: no value */
    sy__value_iter items; /* at the next item */
    uint8_t *settled;     /* of a map that feeds another: which children have ended */
    sy__task *source;     /* of a growing list; NULL: it is all there */
    uint32_t *arrived;    /* of a growing list: the numbers of its items, `arrivals` of them so far */
    size_t arrivals;
} sy__each;

/* A `loop`: how many iterations have ended, and what the last one gave. */
typedef struct sy__loop {
    uint32_t done;
    bool max_reached;
    sy__blob *last;
} sy__loop;

struct sy__task {
    sy__job job; /* first, so that a job is a task */
    sy__run *run;
    sy__scope *scope;
    const sy__plan_task *spec;
    sy__task *parent;   /* of a child of each or loop, and of what undoes a task */
    sy__task *siblings; /* run.children: all living children, doubly linked */
    sy__task *siblings_before;
    uint32_t number; /* its node in the dag; of a child its position from 0 */
    sy__task_status status;
    sy__outcome outcome;
    uint32_t attempts;
    uint32_t target;   /* which of spec->targets is tried */
    bool inside;       /* it passed its gates and has not released them */
    bool started;      /* its executing row and task_started event are out */
    bool ended;        /* under run.lock: outcome and output are final */
    bool uncertain;    /* parking cut its effect: the row stays `executing` */
    bool decided;      /* status, outcome and output are given by a person: its turn only writes them */
    bool early;        /* it began while its list still grows */
    bool undoes;       /* it compensates its parent */
    bool kept;         /* a fork took its result over: another run executed it, and it is not undone here */
    sy__wait waits;    /* under run.lock */
    uint32_t forgiven; /* attempts before a person said to try again */
    bool approved;     /* the fence is behind it */
    char id[SY__ID_BYTES];
    int64_t created_ms, dispatched_ms, started_ms, completed_ms;
    uint32_t ended_as; /* counts the tasks of its run that ended, from 1; 0: not yet, or before a resume */
    int64_t first_ns;  /* monotonic: when its first attempt began */
    sy__value item;    /* of a child: its item, inside each.list */
    sy__blob *holds;   /* … or inside this, when the list grows */
    sy__blob *input, *output;
    sy__error *error;  /* of the last failed attempt */
    char own_code[64]; /* the extension's own error code */
    sy__db_slot slot;
    sy__each *each;
    sy__loop *loop;
    sy__scope *inner;        /* of a sub-melody under way */
    sy__journal *journal;    /* of a flow that has begun */
    sy__plan_task *own_spec; /* of a call of a flow: its `spec`, which it owns */
    sy__attempt *attempt;
    struct sy__memo *memo;  /* cache.h; NULL: it is not cached */
    sy__streams *streams;   /* what it streamed; NULL: nothing yet */
    sy__stage *fence_stage; /* where it goes on when its fence is durable */
    int64_t cpu_ns, usd_micro, tokens;
    sy__task_budget *budget; /* budget_task.h; NULL: its run has none, or its turn has not come */
    size_t peak_bytes;
    uint32_t artifacts; /* produced so far */
};

/* One call of an operation that runs or waits; kept in a free list of its stage. */
struct sy__attempt {
    sy__call call;
    sy__task *task; /* NULL while free */
    sy__stage *stage;
    sy__isolate *isolate;
    struct event *timer;        /* deadline of a parked call, or the delay before a retry */
    sy__attempt *next, *before; /* stage.attempts */
    bool waiting_retry;
    struct sy__room *room;           /* its call waits for the writer */
    int64_t touched_ns;              /* when it last gave a sign of life */
    bool idle;                       /* it was ended because it gave none */
    int64_t due_ns;                  /* monotonic: when the timer is due */
    int cancel_why;                  /* SY_OK, or why it was cancelled */
    char key[SY__ID_BYTES + 300];    /* idempotency key */
    char (*artifacts)[SY__ID_BYTES]; /* rows it made: judged when its output is */
    size_t artifact_count;
};

/* Immediate decisions, counted until the next flush: one PIT_OPERATION row a member, run and commit group. */
enum { SY__MEMBER_POOL, SY__MEMBER_DAG, SY__MEMBER_ARTIFACT, SY__MEMBER_ARBITER, SY__MEMBER_STALE, SY__MEMBERS };

typedef struct sy__pit_count {
    atomic_llong count;
} sy__pit_count;

/* A melody being executed; under run.lock. */
struct sy__scope {
    sy__run *run;
    sy__task *owner;      /* the task whose sub-melody this is; NULL: the run's own melody */
    char *prefix;         /* of its tasks' keys: "", "sub/" */
    int depth;            /* 0: the run's own */
    int priority;         /* what its owners add to the priorities of its tasks */
    const sy__plan *plan; /* run.plan, or one of its subs */
    sy__dag *dag;
    sy__blob *params;
    sy__task *tasks;      /* one for each task of the plan */
    size_t active;        /* here and below */
    size_t waiting;       /* tasks here and below that wait for a person */
    size_t flows;         /* flows here and below whose function is parked in an isolate */
    atomic_bool stopping; /* nothing of it starts any more */
    bool halting;         /* a task failed */
    bool undoing;         /* … and what is done is to be undone */
    bool ended;           /* outputs or error are final */
    sy__error error;      /* of the first failure that ended it */
    sy__blob *outputs;
    sy__nodes resumable;   /* nodes that were ready when it was resumed */
    struct sy__undo *undo; /* compensate.c; NULL: not begun */
};

struct sy__run {
    sy__engine *engine;
    sy__run *next;
    atomic_int refs;
    sy__durability level;
    pthread_mutex_t lock;
    char id[SY__ID_BYTES];
    char root_id[SY__ID_BYTES]; /* its root task */
    int64_t number, epoch;
    sy__plan *plan;
    sy__scope *root;
    sy__past_list *past;                                /* what its rows said when it was resumed; NULL: nothing */
    sy__task *children;                                 /* living children of all maps and loops */
    char *melody_id, *melody_hash, *orchestration_type; /* NULL for a call */
    sy__gate gate;                                      /* its parallelism */
    sy__share share;                                    /* its part where runs compete */
    struct sy__run_budget *budget;                      /* budget_task.h; NULL: nothing in it has one */
    sy__run_status status;
    atomic_bool stopping;           /* any of the following: nothing new starts */
    atomic_bool cutting;            /* … and nothing is undone either: cancelled, parking, lost, unwritten */
    atomic_int put_status;          /* the failure after which its rows cannot be written; SY_OK */
    atomic_bool cancelled, parking; /* written under lock */
    bool lost;
    bool no_cache;         /* results are neither looked for nor kept */
    bool forced;           /* parking took too long: effects under way are cut, too, and become uncertain */
    bool timed;            /* it has questions or sub-melodies whose time may be up */
    bool ended;            /* its final row is queued */
    atomic_bool committed; /* … and durable */
    int64_t parking_ns;    /* when parking was asked for */
    sy__error error;       /* of a failed run */
    int64_t created_ms, started_ms, completed_ms;
    int64_t first_ns;
    int64_t ms_before; /* spent before this resume */
    uint32_t ends;     /* tasks that ended since it began here */
    int64_t usd_micro, tokens, cpu_ns;
    size_t peak_bytes; /* of the largest isolate it used */
    sy__pit_count counts[SY__MEMBERS];
    sy__db_slot slot, root_slot;
    sy__map rings; /* "TASK kind" → what was streamed at level none; under lock. stream_memory.c */
};

/* A message to a stage. */
typedef struct sy__note {
    struct sy__note *next;
    void (*fn)(sy__stage *stage, void *ud);
    void *ud;
} sy__note;

typedef struct sy__pool sy__pool;

struct sy__stage {
    sy__engine *engine;
    int number;
    pthread_t thread;
    bool running;
    struct event_base *base;
    struct event *wake_event, *tick, *due;
    int wake_fd;
    atomic_bool idle;
    atomic_bool stop;
    pthread_mutex_t inbox_lock;
    sy__note *inbox, *inbox_tail;
    sy__id_source ids;
    sy__expr *expr;
    struct sy__http *http;
    int busy; /* calls that stepped aside to let the loop turn: no other task begins before they end or wait */
    sy__pool *pool;
    struct sy__cache_reader *cache; /* cache_rows.c; NULL until the first look-up */
    pthread_mutex_t current_lock;
    sy__attempt *current; /* the call that is inside Lua now; under current_lock */
    sy__run *evaluating;  /* whose function the expression isolate runs now; under current_lock */
    sy__task *next_task;  /* the ready successor this thread takes itself */
    sy__attempt *attempts, *free_attempts;
    sy__streams *streaming; /* those with something to queue */
    struct event *stream_timer;
    sy__vbuf scratch, checked;
    sy__buf text, text2;
    sy__nodes ready, skipped;
    char context[SY__ID_BYTES + 48];       /* how every event's context begins: {"host":…,"stage":… */
    char first_context[SY__ID_BYTES + 64]; /* all of it for a first attempt */
};

struct sy__engine {
    sy__engine_options o;
    const sy__alloc *alloc;
    pthread_mutex_t lock;
    sy__run *runs;
    sy__arbiter *arbiter;
    int64_t max_tasks;         /* of all runs at once */
    sy__ledger ledger;         /* of all budgets */
    struct sy__shared *shared; /* budget_shared.c; NULL: no budget of project or day */
    pthread_mutex_t gates_lock;
    sy__map gates;           /* flow.c: "extension NAME", "key NAME", "rate MELODY.TASK" */
    size_t idle_gates;       /* of them nobody needs now, but their buckets are not full */
    sy__named_limit *limits; /* from the settings */
    size_t limit_count;
    sy__stage *stages;
    int stage_count;
    atomic_int live_isolates;
    atomic_int hooks; /* callbacks of the writer that are still to come */
    struct sy__statements *statements;
    sy__tape *tape; /* tape.h; NULL: operations are called */
    struct sy__watch *watch;
    int64_t data_version; /* of the database when stage 0 last looked at `control` */
    struct {
        atomic_llong runs, isolates, decisions[SY__MEMBERS];
        atomic_int peak_isolates;
    } done;                     /* since the engine opened */
    _Atomic int64_t picture_ns; /* when state.c last wrote its picture; 0: never */
    atomic_bool picture_owed;
    atomic_llong ring_bytes; /* streamed at level none and kept */
    pthread_mutex_t chore_lock;
    struct sy__chore *chores; /* chore.c: begun and not ended; under chore_lock */
};

/* ---- stage.c ---- */
/* The clocks as a stage sees them: monotonic, and the wall's. */
int64_t sy__stage_ns(const sy__stage *s);
int64_t sy__stage_ms(const sy__stage *s);
int sy__stages_start(sy__engine *e, sy__error *err);
void sy__stages_stop(sy__engine *e);
/* Runs fn(ud) on the stage's thread soon; false: no memory. Any thread. */
bool sy__stage_post(sy__stage *s, void (*fn)(sy__stage *stage, void *ud), void *ud);
/* Wakes up to `jobs` idle stages. Any thread. */
void sy__stages_wake(sy__engine *e, size_t jobs);

/* ---- pool.c ---- */
int sy__pool_new(sy__pool **out, sy__stage *s);
void sy__pool_free(sy__pool *p);
/* A warm or new isolate for the extension. *cold_ns > 0 when it had to be made. */
int sy__pool_take(sy__pool *p, sy__extension *ext, sy__isolate **out, int64_t *cold_ns, sy__error *err);
/* Back to the warm ones; freed after a failure, when not reusable, or when there are enough. */
void sy__pool_give(sy__pool *p, sy__extension *ext, sy__isolate *iso, bool failed);
/* Makes an isolate for later, unless there is one. *ns > 0 when it made one, *bytes: its memory. */
int sy__pool_warm(sy__pool *p, sy__extension *ext, int64_t *ns, size_t *bytes, sy__error *err);
/* Frees what was idle for longer than the cooldown. */
void sy__pool_cool(sy__pool *p, int64_t now_ns);

/* A child of a map or loop: the parent's operation, for one item. */
static inline bool
sy__task_is_item(const sy__task *t)
{
    return t->parent && t->spec == t->parent->spec;
}
/* Whether it calls an operation: the host does the others itself. */
static inline bool
sy__task_calls(const sy__task *t)
{
    return t->spec->verb == SY__VERB_TASK || sy__task_is_item(t);
}

/* ---- task.c (stage thread) ---- */
/* Runs a task whose gates are passed. */
void sy__task_run(sy__stage *s, sy__task *t);
/* Lets go of a task that has not begun because its run stops: it stays pending. */
void sy__task_drop(sy__stage *s, sy__task *t);
/* Ends a task with its outcome and hands on its successors. */
void sy__task_end(sy__stage *s, sy__task *t, sy__task_status status, sy__outcome outcome);
/* Fills the gates and priority of a task's job. */
void sy__task_gates(sy__task *t);
/* "checks/1"; the parent's key and the position for a child. */
void sy__task_key(const sy__task *t, sy__buf *out);
bool sy__task_has_value(const sy__task *t);
/* Frees what hangs at a task, not the task. */
void sy__task_close(sy__task *t);

/* ---- prewarm.c ---- */
/* Makes isolates for the later tasks of a run on another stage. Stage thread. */
void sy__prewarm(sy__stage *s, sy__run *r);

/* ---- chore.c: see chore.h ---- */
int sy__chore_statements(sy__engine *e);

/* Ends it as failed for `why`. */
void sy__task_fail(sy__stage *s, sy__task *t, const sy__error *why);
/* Keeps the error of an attempt. */
void sy__task_note_error(sy__stage *s, sy__task *t, const sy__error *why);
/* Releases its gates, if it has passed them. */
void sy__task_leave(sy__stage *s, sy__task *t);

/* ---- attempt.c (stage thread) ---- */
/* Takes a value as the output of the operation tried now, checked with its schema. SY_ETYPE, SY_ENOMEM. */
int sy__attempt_output(sy__stage *s, sy__task *t, sy__value v, sy__error *err);
/* What follows a failed attempt: another one, a fallback, or the end. */
void sy__attempt_fail(sy__stage *s, sy__task *t, const sy__error *why, bool transient);
/* Calls the task's operation; its input is there. */
void sy__attempt_begin(sy__stage *s, sy__task *t);
/* The same for one whose budgets have admitted it. */
void sy__attempt_go(sy__stage *s, sy__task *t);
/* Writes that the task executes, once, so that others can see it. */
void sy__attempt_show(sy__stage *s, sy__task *t);
/* An attempt in the stage's list; NULL: no memory. */
sy__attempt *sy__attempt_new(sy__stage *s, sy__task *t);
void sy__attempt_free(sy__attempt *a);
/* What the stage runs now, for poison to find; NULL: nothing. */
void sy__attempt_current(sy__stage *s, sy__attempt *a);
/* Arms the attempt's one timer; false: no memory. */
bool sy__attempt_arm(sy__attempt *a, int64_t ns);
/* Cancels whatever this stage does for the run, or for one of its sub-melodies (`within`: the prefix of its keys). */
void sy__task_sweep(sy__stage *s, sy__run *r, const char *within, int why);
/* Whether it is a task of the run, and of that sub-melody or below, but none that undoes; `prefix` NULL: any. */
bool sy__task_within(const sy__task *t, const sy__run *r, const char *prefix);

/* ---- retry.c (stage thread) ---- */
/* Schedules the task again after its delay; false: it is not to be tried again. */
bool sy__retry_later(sy__stage *s, sy__task *t, bool transient);
/* Goes on with the next fallback; false: there is none. */
bool sy__retry_fallback(sy__stage *s, sy__task *t);
/* In a run that stops, when another attempt would follow: a parking run leaves it for the resume, any other cancels the
 * task. False: nothing would follow. */
bool sy__retry_stopped(sy__stage *s, sy__task *t, bool transient);
/* What is left of the time for all attempts; INT64_MAX without a limit. */
int64_t sy__retry_left_ns(const sy__stage *s, const sy__task *t);

/* ---- input.c (stage thread) ---- */
/* Fills a template; the value is borrowed from the template or from stage.scratch. */
int sy__input_fill(sy__stage *s, sy__task *t, const sy__template *template, sy__value *out, sy__error *err);
/* `when`: 1 go on, 0 skip, negative: it failed. */
int sy__input_when(sy__stage *s, sy__task *t, sy__error *err);
/* Makes task.input. */
int sy__input_make(sy__stage *s, sy__task *t, sy__error *err);

/* `until_` of a loop over its last output: 1 it is over, 0 go on, negative: it failed. */
int sy__input_until(sy__stage *s, sy__task *t, sy__error *err);

/* ---- each.c (stage thread) ---- */
/* Starts the children of a map over `list`. */
void sy__each_begin(sy__stage *s, sy__task *t, sy__value list);
/* The same over a list that still grows, if it does; else false. */
bool sy__each_begin_early(sy__stage *s, sy__task *t);
/* Its turn came again because there was nothing left to do; false: it is another turn. */
bool sy__each_returns(sy__stage *s, sy__task *t);
/* Maps of the scope that can begin over a list that grows, counted as active. run.lock held. */
sy__job *sy__each_early(sy__scope *c);
/* A child ended, or was dropped because the run stops (`dropped`). Frees it; ends the parent after the last one. */
void sy__each_child_end(sy__stage *s, sy__task *child, bool dropped);
/* The next child of a map instead of one that waits for a person. run.lock held; NULL: none. */
sy__task *sy__each_next(sy__stage *s, sy__task *parent);
void sy__each_free(const sy__alloc *a, sy__each *e);

/* ---- subtask.c ---- */
/* A task below `parent` at `number` from 0, as its row has left it, linked and counted as active. `spec`: the parent's,
 * or what undoes it. run.lock held; NULL: no memory. */
sy__task *sy__subtask_new(sy__stage *s, sy__task *parent, const sy__plan_task *spec, uint32_t number);
/* Unlinks and counts it; it is freed by sy__subtask_free after unlocking. run.lock held. */
void sy__subtask_leave(sy__task *child);
void sy__subtask_free(sy__task *child);
/* Unlinks what waits in a scope that is over, and below it: closed tasks, to be freed by sy__subtasks_free after
 * unlocking. run.lock held. */
sy__task *sy__subtasks_take(const sy__scope *c);
void sy__subtasks_free(sy__task *list);
/* Takes what the child cost into its run. run.lock held. */
void sy__subtask_cost(sy__task *child);
/* A child ended, or was dropped: on to what its parent does about it. Stage thread. */
void sy__subtask_end(sy__stage *s, sy__task *child, bool dropped);

/* ---- loop.c (stage thread) ---- */
void sy__loop_begin(sy__stage *s, sy__task *t);
void sy__loop_child_end(sy__stage *s, sy__task *child, bool dropped);
void sy__loop_free(const sy__alloc *a, sy__loop *l);

/* ---- sub.c (stage thread) ---- */
/* Begins the sub-melody of a task, or ends the task when that has ended. */
void sy__sub_begin(sy__stage *s, sy__task *t);
void sy__sub_end(sy__stage *s, sy__task *t);

/* ---- ask.c, wait.c ---- */
/* Puts the question; the branch waits for the answer. Stage thread. */
void sy__ask_begin(sy__stage *s, sy__task *t);
/* Nobody answered in time: its default, or a failure. */
void sy__ask_late(sy__stage *s, sy__task *t);
/* Sets a task aside until a person decides. `err` NULL: it is a question. Stage thread. */
void sy__wait_begin(sy__stage *s, sy__task *t, sy__wait why, const sy__error *err);
/* A child or node that waited before a resume waits on. run.lock held. */
void sy__wait_on(sy__stage *s, sy__task *t);
/* Questions and sub-melodies whose time is up. Stage 0, run.lock not held. */
void sy__wait_tick(sy__stage *s, sy__run *r);
/* A decision for a waiting task of a living run. Stage thread. SY_ENOTFOUND, SY_EUSAGE, SY_ETYPE. */
int sy__wait_decide(sy__stage *s, sy__run *r, sy__decision what, const char *key, sy__value result, sy__error *err);
/* Whether `result` is what the task's operation, or question, would have to give. SY_ETYPE. */
int sy__wait_check(const sy__plan_task *spec, sy__value result, sy__error *err);
const char *sy__wait_name(sy__wait why); /* "effect", …; NULL for none */

/* ---- compensate.c ---- */
/* Starts the next compensation of a scope that failed; false: none is left, or a person must decide first. run.lock
 * held. */
bool sy__undo_next(sy__stage *s, sy__scope *c);
/* Whether something is still to be undone. run.lock held. */
bool sy__undo_open(const sy__scope *c);
void sy__undo_child_end(sy__stage *s, sy__task *child, bool dropped);
void sy__undo_free(sy__scope *c);

/* ---- scope.c ---- */
/* `owner` NULL: the run's own melody. Borrows the plan, takes the dag, also when it fails. SY_ENOMEM. */
int sy__scope_new(sy__scope **out, sy__run *r, sy__task *owner, const sy__plan *plan, sy__dag *dag, sy__value params);
void sy__scope_free(sy__scope *c); /* NULL is legal */
/* One more, one less active task here and above. run.lock held. */
void sy__scope_enter(sy__scope *c);
void sy__scope_leave(sy__scope *c);
/* The same for those that wait for a person. */
void sy__scope_wait(sy__scope *c, int change);
/* … and for flows that are parked. */
void sy__scope_park(sy__scope *c, int change);
/* Whether the task must not begin (any more). Any thread. */
bool sy__task_stopped(const sy__task *t);
/* Whether it ended as cancelled because of that. */
bool sy__task_cut(const sy__task *t);
/* Takes what rows say of its tasks and tells the dag. SY_ENOMEM. */
int sy__scope_restore(sy__scope *c);
/* Starts everything that can start, and writes what was skipped. Stage thread. */
void sy__scope_launch(sy__stage *s, sy__scope *c);
/* Ends the node of a task in the dag, writes those skipped because of it; run.lock held. Returns the tasks that
 * became ready, linked as jobs and counted as active, to be submitted after unlocking. */
sy__job *sy__scope_follow(sy__stage *s, sy__scope *c, uint32_t node, bool has_value);
/* The first failure that ends a scope. run.lock held. */
void sy__scope_fail(sy__scope *c, const sy__error *why, const char *task);
/* Ends the scope, and those above it and the run, when nothing is left to do. run.lock held. */
void sy__scope_settle(sy__stage *s, sy__scope *c);
/* Whether a cancellation came in time to stop anything of it. run.lock held. */
bool sy__scope_cut(const sy__scope *c);
/* Its outputs; false: they are too large, and it has failed for that. run.lock held. */
bool sy__scope_outputs(sy__stage *s, sy__scope *c);
/* Writes as cancelled whatever has not ended. run.lock held. */
void sy__scope_close(sy__stage *s, sy__scope *c);
/* The living task of this path of keys; NULL. run.lock held. */
sy__task *sy__scope_task(sy__scope *c, const char *key);

/* ---- run.c ---- */
sy__run *sy__run_hold(sy__run *r);
void sy__run_release(sy__run *r);
/* Submits jobs: the first becomes the stage's own next task when it has none. `s` may be NULL. */
void sy__run_submit(sy__engine *e, sy__stage *s, sy__job *list);
/* Ends the run when nothing is left to do. run.lock held. */
void sy__run_settle(sy__stage *s, sy__run *r);
/* Stops a run that can no longer be written. Takes no lock of the run; any thread. */
void sy__run_unwritten(sy__run *r, int status);
sy__run *sy__engine_find(sy__engine *e, const char *run); /* held; NULL */
int sy__run_new(sy__run **out, sy__engine *e, sy__value definition, sy__value params, sy__error *err);
/* Adds it to the engine; a stage thread starts what is ready. */
int sy__run_launch(sy__run *r);
/* The versions of the extensions it calls, {"git":"…"}, in name order. */
void sy__run_code(const sy__run *r, sy__vbuf *out);
/* Cancels (SY_ECANCELLED) or parks (SY_EINTERRUPTED) a run. Any thread that holds it; SY_ENOMEM. */
int sy__engine_stop_run(sy__run *r, int why);
/* Cancels what a scope that has failed still does. Any thread; SY_ENOMEM. */
int sy__engine_stop_scope(const sy__scope *c);
/* Looks on a stage thread whether the run can end now. Any thread. */
void sy__engine_settle_soon(sy__run *r);
/* Stage 0, ten times a second: what others ask of the runs that live here. */
void sy__engine_tick(sy__stage *s);

/* ---- record.c: rows and events ---- */
int sy__statements_new(sy__engine *e, sy__error *err);
void sy__record_task(sy__stage *s, sy__task *t);
/* Only the error of a task whose row is there already: it waits for a person. */
void sy__record_uncertain(sy__stage *s, sy__task *t);
/* Marks the row of `key` as undone. */
void sy__record_compensated(sy__stage *s, sy__run *r, const char *key);
void sy__record_event(sy__stage *s, sy__task *t, const char *type, const char *payload);
/* The run's last row (ended or parked), its event and what sums it up, in one transaction. run.lock held. */
void sy__record_run(sy__stage *s, sy__run *r);
/* What the schema says of the output that names the artifacts of an attempt. */
void sy__record_judged(sy__stage *s, sy__attempt *a, bool valid);
void sy__record_run_event(sy__stage *s, sy__run *r, const char *type, const char *payload);
/* One decision of a member of the Pit. JSON texts; resources may be NULL. */
void sy__record_pit(sy__stage *s, sy__run *r, sy__task *t, int member, const char *context, const char *resources);
/* Counts an immediate decision; written by sy__record_counts. Any thread. */
void sy__record_count(sy__run *r, int member, int64_t n);
void sy__record_counts(sy__stage *s, sy__run *r);
int sy__record_artifact(sy__stage *s, sy__task *t, const char *type, const sy__stored *stored, sy__value metadata,
                        sy__vbuf *ref, sy__error *err);
/* Their words in rows and events. */
const char *sy__outcome_name(sy__outcome outcome);
const char *sy__run_status_name(sy__run_status status);

/* ---- services.c: what a running call may ask ---- */
extern const sy__call_services sy__task_services;

#endif
