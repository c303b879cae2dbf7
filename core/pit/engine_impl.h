/*
 * engine_impl.h: the shapes that the files of the engine share; what each of them offers the others is in
 * engine_calls.h.
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
#include "kit/watchdog.h"
#include "pit/arbiter/arbiter.h"
#include "pit/engine.h"
#include "pit/plan/plan.h"

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
    bool reopens;      /* of a stopped scope, begun before a resume: what is to be undone below it is */
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
    char *wait_row;         /* the row that says why it waits, while it lasts; NULL: none */
    sy__streams *streams;   /* what it streamed; NULL: nothing yet */
    sy__stage *fence_stage; /* where it goes on when its fence is durable */
    int64_t cpu_ns, usd_micro, tokens;
    uint32_t spent;          /* which of its targets reported that they used money or tokens: bits 1u << target */
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
    int64_t began_ns;                /* when the call began */
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
    atomic_bool told_early;         /* calls that wait have rows, though they may never come up */
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
    sy__watchdog watchdog;
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
    atomic_int live_isolates, live_cells; /* of the first, those in processes of their own */
    atomic_int hooks;                     /* callbacks of the writer that are still to come */
    struct sy__statements *statements;
    sy__tape *tape; /* tape.h; NULL: operations are called */
    struct sy__watch *watch;
    struct sy__players *players; /* players.c */
    int64_t data_version;        /* of the database when stage 0 last looked at `control` */
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

#include "pit/engine_calls.h"

#endif
