/*
 * isolate.h: one Lua state for one extension (or melody): capped memory, deadlines that cannot be caught,
 * a library by allow-list, and calls that may wait without holding a thread.
 *
 * An isolate belongs to one thread at a time. It runs one call at a time, in a coroutine. A host function
 * that has to wait parks the call (sy__isolate_park) and the thread goes on; when its event has come it wakes
 * the isolate, which resumes the call and ends it through `done`. After a failure by limit, a poisoned call
 * or a cancellation an isolate is not reusable: free it. Rules: sandbox.md, one fixture each.
 */
#ifndef SY_KIT_ISOLATE_H
#define SY_KIT_ISOLATE_H

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/value.h"
#include "kit/caps.h"

#include <lua.h>

struct event_base;
struct sy__http;
struct sy__spawner;
struct sy__vault;

typedef struct sy__isolate sy__isolate;

/* Finds the source of a module by name; false: there is none. `*source` stays valid while the isolate lives. */
typedef bool (*sy__module_fn)(void *ud, const char *name, const char **source, size_t *len, const char **chunk_name);

/* Which library an isolate sees. */
typedef enum sy__profile {
    SY__PROFILE_EXTENSION, /* stdlib, with what the capabilities allow */
    SY__PROFILE_MELODY,    /* `melody` and the pure part of stdlib: no capability exists */
    SY__PROFILE_EXPR,      /* expressions: the pure part of stdlib, fresh globals for each call */
} sy__profile;

/* Where an isolate's code runs. In a process of its own: loading is begun, and a fault in the source ends the first
 * call; every call waits (SY_EAGAIN), and without a loop blocks. */
typedef enum sy__isolation { SY__IN_PROCESS, SY__OWN_PROCESS } sy__isolation;

/* A module with this bit needs the world: for an isolate in its own process its functions run in the host. */
#define SY__HOSTED (1u << 8)

/* A C module that `require` finds. An array of these ends with an entry without name. */
typedef struct sy__isolate_module {
    const char *name;
    lua_CFunction open; /* leaves the module's table; runs once per isolate, at the first require */
    unsigned profiles;  /* bits 1u << SY__PROFILE_…: where it exists; SY__HOSTED */
} sy__isolate_module;

typedef struct sy__isolate_options {
    const sy__alloc *alloc;
    const sy__clock *clock;
    sy__log *log;
    const char *name; /* the extension's or melody's, for messages; copied */
    sy__profile profile;
    const sy__caps *caps; /* borrowed, must outlive the isolate; NULL: none */
    size_t memory_bytes;  /* 0: from caps, else 64 MiB */
    sy__module_fn module; /* for require; NULL: stdlib only */
    void *module_ud;
    struct event_base *loop;           /* where waits are served; NULL: functions that wait are refused */
    struct sy__spawner *spawner;       /* for processes; NULL: refused */
    struct sy__http *http;             /* for HTTP; NULL: refused */
    struct sy__vault *vault;           /* the person's secrets; NULL: none */
    const sy__isolate_module *modules; /* C modules for require; borrowed; NULL: none */
    int *busy;    /* counts calls that stepped aside because they computed for 20 ms, and go on at the loop's next turn;
                   * NULL: a call keeps the thread until it waits or ends */
    bool foreign; /* came from elsewhere: where the kernel cannot hold its children, it starts none */
    bool trusted; /* ctx.trusted: the person lets this project's own code run */
    struct sy__watchdog *watchdog; /* of the isolate's thread (watchdog.h), must outlive the isolate; NULL: hook mode */
    bool audit;                    /* what is allowed is told too (audit.h) */
    sy__isolation isolation;
    const char *helper;    /* the program that becomes the process; borrowed. NULL: refused */
    struct sy__cell *cell; /* set in the process of its own only (cell.h) */
} sy__isolate_options;

/* A state with nothing in it but the library, of the calling thread from now on. SY_ENOMEM. */
int sy__isolate_new(sy__isolate **out, const sy__isolate_options *o, sy__error *err);
/* Closes the state within 100 ms whatever is in it. A parked call is aborted without `done`. NULL is legal. */
void sy__isolate_free(sy__isolate *iso);

/* Runs a chunk (text only) and keeps the table it returns as the operations to call. `chunk_name` is the
 * relative path shown in messages. Limited by the isolate's memory and `cpu_ms` (0: 2 s). */
int sy__isolate_load(sy__isolate *iso, const char *source, size_t len, const char *chunk_name, int64_t cpu_ms,
                     sy__error *err);

/* Runs a chunk with `args` (an array, or no value) as its varargs and appends its one result (nil: null) to
 * `out`. Nothing is kept but what its modules keep. Fails as sy__isolate_load; a result that cannot cross is
 * SY_EINVAL. */
int sy__isolate_eval(sy__isolate *iso, const char *source, size_t len, const char *chunk_name, sy__value args,
                     int64_t cpu_ms, sy__vbuf *out, sy__error *err);

/* What a call may ask of the engine; NULL members: the function is refused. Called in the isolate's thread. */
typedef struct sy__call_services {
    int (*artifact)(void *ud, const char *type, const void *bytes, size_t size, sy__value metadata, sy__vbuf *ref,
                    sy__error *err);
    int (*artifact_read)(void *ud, const char *hash, sy__buf *out, sy__error *err);
    int (*emit)(void *ud, const char *event_type, sy__value payload, sy__error *err);
    /* These three return SY_OK, or SY_EAGAIN: taken, but the call is to wait, and is woken when there is room. */
    int (*progress)(void *ud, double done, double total, const char *text);
    int (*stream)(void *ud, const char *bytes, size_t len);
    int (*log)(void *ud, sy__log_level level, const char *text);
    void (*no_wait)(void *ud); /* the call that was to wait has ended */
    void (*usage)(void *ud, double usd, int64_t tokens);
    /* A call of a flow (`flow_run`): SY_OK, its answer is there; SY_EAGAIN: it comes, wait for it. */
    int (*request)(void *ud, sy__value request, sy__error *err);
    /* The answer to the last request, borrowed until the next; false: it failed. */
    bool (*answer)(void *ud, sy__value *out, const sy__error **failure);
    /* A capability ("fs.read") was used on `what`, or refused (audit.h). */
    void (*audit)(void *ud, const char *capability, const char *what, bool allowed);
} sy__call_services;

/* One call. Zeroed and filled by the caller, who keeps it alive until it has ended. */
typedef struct sy__call {
    const char *operation; /* name in the loaded table; with `dot` separated path */
    sy__value input;       /* borrowed for the call */
    int64_t cpu_ms;        /* of Lua running; 0: from caps */
    int64_t deadline_ns;   /* monotonic; 0: none */
    const char *idempotency_key;
    const sy__call_services *services;               /* NULL: none */
    void *ud;                                        /* for services and done */
    void (*done)(struct sy__call *call, int status); /* for a call that waited; never inside sy__isolate_call */
    void (*running)(struct sy__call *call, bool on); /* it enters Lua, it leaves; NULL */
    struct sy__reads *reads;                         /* where what it looks at is recorded (reads.h); NULL: nowhere */

    /* results, valid when ended; close with sy__call_close */
    sy__vbuf output; /* one value */
    sy__error error;
    bool transient;    /* failed through ctx.retry */
    bool broken;       /* failed because its code could not be loaded */
    char code[64];     /* the extension's own error code, or "" */
    int64_t cpu_ns;    /* spent in Lua */
    size_t peak_bytes; /* of the isolate */
} sy__call;

/* SY_OK: ended well. SY_EAGAIN: it waits, `done` will be called on the loop. Else it failed (call->error). */
int sy__isolate_call(sy__isolate *iso, sy__call *call);
/* Waits in this thread for a call that gave SY_EAGAIN, as long as only an isolate's own process is waited for, and at
 * most until its deadline, which it must have; then it is cancelled. Its `done` is not called. */
int sy__isolate_await(sy__isolate *iso, sy__call *call);
void sy__call_close(sy__call *call);
/* Ends the running call with `why` (SY_ECANCELLED, SY_ETIMEOUT): a parked one within this function (done is
 * called). Thread of the isolate. */
void sy__isolate_cancel(sy__isolate *iso, int why);
/* Makes a call that is running Lua die at its next instruction. Any thread. */
void sy__isolate_poison(sy__isolate *iso, int why);
/* Whether its call waits. Thread of the isolate. */
bool sy__isolate_parked(const sy__isolate *iso);
bool sy__isolate_reusable(const sy__isolate *iso);
size_t sy__isolate_bytes(const sy__isolate *iso);

/* ---- for host functions (core/bind) that run inside an isolate ---- */

/* The isolate of a state or any of its coroutines. */
sy__isolate *sy__isolate_of(lua_State *L);
const sy__caps *sy__isolate_caps(const sy__isolate *iso); /* never NULL */
struct event_base *sy__isolate_loop(const sy__isolate *iso);
struct sy__spawner *sy__isolate_spawner(const sy__isolate *iso);
const sy__isolate_options *sy__isolate_options_of(const sy__isolate *iso);
/* The call that runs now; NULL while loading. */
sy__call *sy__isolate_call_now(const sy__isolate *iso);
/* Where what the running call looks at is recorded; NULL: nowhere. */
struct sy__reads *sy__isolate_reads(const sy__isolate *iso);
/*
 * Parks the running call: `return sy__isolate_park(L, abort, ud, k, kctx);` at the end of a C function. When
 * the event has come: sy__isolate_wake(iso), which continues in `k` as after lua_yieldk. `abort` is called
 * instead when the call is cancelled or timed out: it must drop the event and free ud. Works inside the
 * extension's own coroutines too.
 */
int sy__isolate_park(lua_State *L, void (*abort)(void *ud), void *ud, lua_KFunction k, lua_KContext kctx);
/* Whether the running call could be parked here. */
bool sy__isolate_can_wait(lua_State *L);
/* Goes on in `k` when a service's `status` is SY_OK; parks first when it is SY_EAGAIN. For the end of a C function. */
int sy__isolate_settle(lua_State *L, int status, lua_KFunction k, lua_KContext kctx);
/* Hands bytes to the stream of the running call: SY_OK, or SY_EAGAIN for sy__isolate_settle. */
int sy__isolate_stream(lua_State *L, const char *bytes, size_t len);
/* Resumes the parked call on its loop thread; may run Lua and call `done`. */
void sy__isolate_wake(sy__isolate *iso);
/* Charges work done in C (bytes looked at) to the deadline; raises when it is used up. */
void sy__isolate_charge(lua_State *L, size_t work_bytes);

#endif
