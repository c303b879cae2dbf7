/*
 * symphony.h: the C API of Symphony, a durable workflow engine.
 *
 * THREADS    A host may be used by one thread at a time, the "caller's thread".
 *            Only sy_wakeup, sy_publish, sy_strerror, sy_errname and sy_version
 *            may be called from any thread. Callbacks run inside sy_step only,
 *            so no other thread of ours ever enters your code.
 * LOOP       sy_fd gives a descriptor that becomes readable when sy_step has
 *            something to do. Runs progress whether or not sy_step is called.
 * OWNERSHIP  Strings passed in are copied. Strings handed out through a
 *            `char **` belong to the caller: give them back with sy_free.
 *            `const char *` results belong to the library.
 * VALUES     Structured values are JSON text in UTF-8. Integers have 64 bits.
 * ERRORS     Functions return SY_OK (0) or a negative SY_E… code;
 *            sy_last_error gives the sentence, the place and the hint as JSON.
 * PROCESS    The library touches no signal handler, locale, working directory,
 *            standard stream, and sets no environment variable. After fork(),
 *            calls in the child return SY_EFORK.
 * VERSIONS   Option structs start with their own size; fields are only ever
 *            added at the end, so a program built against an older header runs.
 */
#ifndef SYMPHONY_H
#define SYMPHONY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SY_VERSION_MAJOR 0
#define SY_VERSION_MINOR 1
#define SY_VERSION_PATCH 0

#if defined(__GNUC__) && !defined(SY_API)
#define SY_API __attribute__((visibility("default")))
#elif !defined(SY_API)
#define SY_API
#endif

/* Every error there is: X(number, C name, name in JSON, exit code, sentence). */
#define SY_ERRORS(X)                                                                                     \
    X(-1, SY_EUSAGE, "usage", 2, "the command or call was used wrongly")                                 \
    X(-2, SY_EMELODY, "melody_invalid", 2, "the melody is not valid, nothing was run")                   \
    X(-3, SY_ECYCLE, "cycle", 2, "the tasks of the melody depend on each other in a circle")             \
    X(-4, SY_EOPERATION, "unknown_operation", 2, "no installed extension has this operation")            \
    X(-5, SY_EFIELD, "unknown_field", 2, "a field that the schema does not have")                        \
    X(-6, SY_ETYPE, "type_mismatch", 2, "a value does not fit the declared schema")                      \
    X(-7, SY_EMISSING, "missing_param", 2, "a required parameter was not given")                         \
    X(-8, SY_EPARAM, "unknown_param", 2, "the melody has no parameter of this name")                     \
    X(-9, SY_EEXPR, "expression_error", 2, "a function or expression of the melody failed")              \
    X(-10, SY_EMANIFEST, "manifest_invalid", 2, "the extension's Symphony.toml is not valid")            \
    X(-11, SY_EPERM, "permission_denied", 3, "the extension was not granted what it tried to use")       \
    X(-12, SY_ETRUST, "not_trusted", 3, "this project has not been trusted to run its own code")         \
    X(-13, SY_ENOTFOUND, "not_found", 4, "there is nothing of this name")                                \
    X(-14, SY_ENOMODEL, "no_model", 1, "no model is configured for this task")                           \
    X(-15, SY_ENOEDITOR, "no_editor", 1, "no editor is attached")                                        \
    X(-16, SY_ETIMEOUT, "timeout", 1, "the time allowed for this was used up")                           \
    X(-17, SY_EMEMORY, "memory_limit", 1, "the extension asked for more memory than it may use")         \
    X(-18, SY_ECANCELLED, "cancelled", 1, "this was cancelled")                                          \
    X(-19, SY_EBUDGET, "budget_exceeded", 1, "the budget does not cover the next call")                  \
    X(-20, SY_EEXTENSION, "extension_error", 1, "the extension's code failed")                           \
    X(-21, SY_EPROCESS, "process_failed", 1, "a program that was started failed")                        \
    X(-22, SY_EUNCERTAIN, "effect_uncertain", 5, "a crash left it unknown whether an effect took place") \
    X(-23, SY_EDISKFULL, "disk_full", 1, "the disk is full")                                             \
    X(-24, SY_EDAMAGED, "db_damaged", 1, "the database is damaged")                                      \
    X(-25, SY_ENEWER, "db_newer", 1, "the database was written by a newer version of Symphony")          \
    X(-26, SY_EOWNED, "run_owned", 1, "another living process owns this run")                            \
    X(-27, SY_EFORK, "forked", 1, "the host was opened before fork(); open one in the child")            \
    X(-28, SY_ENOMEM, "out_of_memory", 1, "the allocator returned no memory")                            \
    X(-29, SY_EIO, "io_error", 1, "the system refused to read or write")                                 \
    X(-30, SY_EAGAIN, "again", 1, "nothing is ready yet")                                                \
    X(-31, SY_EINTERRUPTED, "interrupted", 130, "this was interrupted and can be resumed")               \
    X(-32, SY_EINVAL, "invalid_value", 2, "the text is not a valid value")                               \
    X(-33, SY_EINTERNAL, "internal", 1, "Symphony itself has a fault; please report it")                 \
    X(-34, SY_EFILE, "file_invalid", 2, "the file is damaged, or not one of this kind")                  \
    X(-35, SY_ESUSPENDED, "suspended", 1, "the extension is paused, or keeps failing and is passed over")

enum sy_error_code {
    SY_OK = 0,
#define SY_ERROR_ENUM(number, cname, name, exit_code, sentence) cname = (number),
    SY_ERRORS(SY_ERROR_ENUM)
#undef SY_ERROR_ENUM
};

/* One opened host: its threads, databases, isolates and subscriptions. */
typedef struct sy_host sy_host;

/* Memory: `ptr` NULL allocates, `bytes` 0 frees, otherwise resizes. Any thread may call it. */
typedef void *(*sy_alloc_fn)(void *ud, void *ptr, size_t bytes);

/* One event, as JSON: {seq,id,run,task,extension,event_type,topic,payload,occurred_at}. */
typedef void (*sy_event_fn)(void *ud, const char *event_json);

/* How to open a host. Zero every field you do not set; `size` is sizeof(sy_options). */
typedef struct sy_options {
    size_t size;
    const char *project_dir; /* the project's folder; NULL: searched upwards from "." */
    sy_alloc_fn alloc;       /* NULL: malloc and free */
    void *alloc_ud;
    int stage_threads;       /* threads that run tasks; 0: one per core */
    int open_later;          /* 1: the first Lua that needs the project opens it (the command line does) */
    const char *helper_path; /* the program `symphony`, which extensions run in that need a process of their own; NULL:
                              * what SYMPHONY_BIN names, else the installed one */
    /* A real-time signal that the host may use, which nobody handles: loops in Lua then run at full speed. It is sent
     * to the library's own threads only, and its handler stays. 0: none, deadlines are kept by counting instructions;
     * -1: the library takes one that is free. SY_EUSAGE when the signal is in use. */
    int watchdog_signal;
} sy_options;

/* Opens a host. On failure *out is a host that serves sy_last_error and sy_close only (as sqlite3_open does), or
 * NULL without memory. Caller's thread; may read the disk. */
SY_API int sy_open(sy_host **out, const sy_options *options);
/* Parks what runs, commits, stops every thread and frees all. NULL is legal. */
SY_API void sy_close(sy_host *host);
/* A descriptor of our own to poll for reading; valid until sy_close, never closed by the caller. Negative code. */
SY_API int sy_fd(sy_host *host);
/* Delivers what is due, waiting at most `timeout_ms` (0: not at all, -1: until something is due).
 * Returns the number of callbacks made, or a negative code. */
SY_API int sy_step(sy_host *host, int timeout_ms);
/* Makes a waiting or the next sy_step return. Any thread. */
SY_API void sy_wakeup(sy_host *host);
/* Takes the oldest event of a subscription made without callback; sy_free(*event_json). SY_EAGAIN when there is none
 * (*event_json NULL). The last 1,024 are kept. */
SY_API int sy_next_event(sy_host *host, int subscription, char **event_json);

/* Starts a run: request is {"melody":NAME|PATH,"params":{},"durability":…,…}; *run_json is {"run","number","status"}.
 * sy_free(*run_json). The run goes on by itself; its end is an event. *run_json is NULL on failure. */
SY_API int sy_run(sy_host *host, const char *request_json, char **run_json);
/* Cancels a run (full id or number as text). Cancelling an ended run changes nothing. */
SY_API int sy_cancel(sy_host *host, const char *run);
/* Answers what a task of a run asks (`ask`): JSON that fits the question's schema. `task` NULL: the only question there
 * is. The run goes on where it lives, a parked one in this host. Returns when the answer is durable; a second one is
 * refused. SY_ENOTFOUND, SY_EUSAGE (the task does not ask), SY_ETYPE, SY_EINVAL for what is no JSON. */
SY_API int sy_answer(sy_host *host, const char *run, const char *task, const char *answer_json);
/* Runs one chunk of trusted Lua and gives its results as a JSON array; sy_free(*results_json), NULL on failure. */
SY_API int sy_eval(sy_host *host, const char *lua, char **results_json);

/* Subscribes to topics; `*` stands for one word, `>` for the rest. fn NULL: poll with sy_next_event.
 * Returns a subscription number (> 0) or a negative code. The text that `fn` gets is the library's, for that call. */
SY_API int sy_subscribe(sy_host *host, const char *pattern, sy_event_fn fn, void *ud);
/* Ends a subscription; SY_ENOTFOUND when there is none of this number. Allowed inside its callback. */
SY_API int sy_unsubscribe(sy_host *host, int subscription);
/* Publishes an event that is delivered but not stored; `payload_json` NULL: null. Any thread. */
SY_API int sy_publish(sy_host *host, const char *topic, const char *payload_json);

/* Reads an artifact of any size into memory, verified, by hash ("sha256:…") or id. sy_free(*bytes), NULL on failure;
 * `*size` is in bytes. */
SY_API int sy_artifact_get(sy_host *host, const char *hash_or_id, char **bytes, size_t *size);

/* Reads what a task streams, "tokens", "progress" or "log" (the latter two are lines of JSON), from `offset` on: whole
 * characters or lines, at most 64 KiB; `*next` is where to go on. `run` is a full id, `task` a key. sy_free(*bytes).
 * SY_EAGAIN: nothing is there now (*bytes NULL). The event task.stream says when there is more. */
SY_API int sy_stream(sy_host *host, const char *run, const char *task, const char *kind, int64_t offset, char **bytes,
                     size_t *size, int64_t *next);

/* The last error on this host, as {"code","message","where","hint"}; valid until the next call. NULL: no memory. */
SY_API const char *sy_last_error(sy_host *host);
/* Gives back what a `char **` brought. NULL is legal. */
SY_API void sy_free(sy_host *host, void *ptr);
/* One sentence for a code, known or not; constant. Any thread. */
SY_API const char *sy_strerror(int code);
/* The name of a code as JSON has it, such as "not_found"; "unknown" for others. Any thread. */
SY_API const char *sy_errname(int code);
/* The version of the library, such as "0.1.0"; SY_VERSION_… is that of the header. Any thread. */
SY_API const char *sy_version(void);

#ifdef __cplusplus
}
#endif
#endif
