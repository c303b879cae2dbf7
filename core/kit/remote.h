/*
 * remote.h: the host's side of an isolate in a process of its own (cell.h): internal to core/kit.
 *
 * Such an isolate keeps its state in the host, too, but no code of the extension is ever in it: only our own functions
 * run there, with the extension's capabilities, called with plain values that came from the cell. So waiting,
 * deadlines, what is recorded as read, streams and artifacts are the same code as in process. Thread of the isolate.
 */
#ifndef SY_KIT_REMOTE_H
#define SY_KIT_REMOTE_H

#include "kit/cell.h"
#include "kit/isolate_impl.h"

typedef struct sy__remote sy__remote;

/* Starts the process of an isolate whose options ask for one, and tells it what it is. */
int sy__remote_new(sy__isolate *iso, sy__error *err);
/* Speaks with whoever is at the other end of a socket, which it takes, in place of a process. For tests of it. */
int sy__remote_attach(sy__isolate *iso, int fd, sy__error *err);
/* Ends the process at once. NULL is legal. */
void sy__remote_free(sy__remote *r);
/* Sends the source; without a loop of its own the caller is told here how it went. */
int sy__remote_load(sy__remote *r, const char *source, size_t len, const char *chunk_name, int64_t cpu_ms,
                    sy__error *err);
/* The body of a call, for the coroutine: sends it and serves what it asks until it has ended. remote_serve.c */
int sy__remote_body(lua_State *L);
/* SY_OK, or why no call can begin. */
int sy__remote_refuses(const sy__remote *r, sy__error *err);
/* A call has ended: what it used is added to its results. */
void sy__remote_account(sy__remote *r, sy__call *call);
/* When the call ends because the process did: the reason, in place of the general one. */
void sy__remote_explain(const sy__remote *r, sy__error *err);
/* For a caller without a loop: waits until the call has ended. */
int sy__remote_wait(sy__remote *r, sy__call *call);
/* Takes what has come, or waits for it until the deadline; false: nothing more comes, or not from the process. */
bool sy__remote_pump(sy__remote *r, int64_t deadline_ns);
bool sy__remote_reusable(const sy__remote *r);
size_t sy__remote_bytes(const sy__remote *r);

/* ---- between remote.c and remote_serve.c ---- */

typedef struct sy__remote_reply {
    sy__vbuf *body, *blob; /* an open map; nothing */
} sy__remote_reply;

/* Begins a frame; the body is an open map. */
sy__remote_reply sy__remote_begin(sy__remote *r);
/* Ends and sends it: as much as goes at once, the rest when there is room. */
void sy__remote_send(sy__remote *r, sy__frame_kind kind, const char *blob, size_t len);
/* Waits for the next frame, as the end of a C function; `k` gets it from sy__remote_frame. */
int sy__remote_next(lua_State *L, lua_KFunction k, lua_KContext level);
/* The frame that came, once; NULL: none did, wait again. */
const sy__frame *sy__remote_frame(sy__remote *r);
/* The process has done what it must not, or what cannot be understood: it is killed, and the call ends. */
void sy__remote_condemn(sy__remote *r, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Whether the call has ended: what is left of the stack only unwinds. */
bool *sy__remote_over(sy__remote *r);
/* Counts its CPU time from now on, for a call. */
void sy__remote_watch(sy__remote *r, int64_t cpu_ms);
/* Whether it has the extension's code, or said why not. */
bool sy__remote_loaded(const sy__remote *r);
/* What the end of a call says about the process: whether it can be used again, and its memory. */
void sy__remote_note(sy__remote *r, const sy__frame *done);

#endif
