/*
 * cell.h: an isolate in a process of its own, and how the two sides speak.
 *
 *     host                                            the cell: our own program in its hidden mode
 *     ----                                            ------------------------------------------
 *     start ────────────────────────────────────────▶ libraries made ready, an empty isolate; then limits,
 *                                      ◀──────── ready Landlock and seccomp: from here on it can compute and speak
 *     load (source) ────────────────────────────────▶ runs the chunk    (module: asks for what it requires)
 *                                      ◀─────── loaded
 *     call (operation, input) ──────────────────────▶ runs it
 *                       ◀── invoke, service ── what needs the world: the host does it, with the extension's
 *     answer ───────────────────────────────────────▶ capabilities, while the cell waits
 *                                      ◀───────── done
 *
 * A frame is three little-endian u32 (kind, bytes of the body, bytes of the blob), the body: one value (value.h), and
 * the blob: bytes as they are. The cell has at most one question open. What comes from a cell is checked byte by byte
 * before it is looked at: a cell is hostile until it is dead. Each side: one thread.
 */
#ifndef SY_KIT_CELL_H
#define SY_KIT_CELL_H

#include "base/error.h"
#include "base/value.h"
#include "kit/isolate.h"

/* The argument that makes our program a cell. */
#define SY__CELL_MODE "--isolate-cell"

enum {
    SY__CELL_FD = 0,        /* the socket, in a cell */
    SY__CELL_REFUSED = 159, /* exit code of one that tried a system call it may not use */
    SY__FRAME_HEAD = 12,
    SY__MAX_CALLBACKS = 16, /* functions among the arguments of one question */
    SY__MAX_PACKED = 64,    /* values of one question or answer */
    SY__MAX_NESTED = 16,    /* questions asked from within a callback, one in another */
};

/* Frames; the text names body and blob. A body is a map unless it says otherwise. */
typedef enum sy__frame_kind {
    SY__TO_START = 1,   /* {name, memory, cpu_ms, trusted, editor:[…]} */
    SY__TO_LOAD,        /* {chunk, cpu_ms}; source */
    SY__TO_CALL,        /* {operation, cpu_ms, left_ns?, key?, services}; input */
    SY__TO_ANSWER,      /* {ok, mask} or {code, message}; values, or bytes */
    SY__TO_CALLBACK,    /* {id, mask}; values */
    SY__FROM_READY,     /* {version, landlock} */
    SY__FROM_LOADED,    /* {error?} */
    SY__FROM_LOG,       /* {level}; text */
    SY__FROM_MODULE,    /* {name} */
    SY__FROM_SERVICE,   /* {what, …}; bytes */
    SY__FROM_INVOKE,    /* {module, name, mask, callbacks:[[argument, key]…]}; values */
    SY__FROM_RETURNED,  /* {mask} or {code, message}; values */
    SY__FROM_DONE,      /* {error?, code, transient, ended, peak, used}; output */
    SY__FROM_VIOLATION, /* an integer: the system call it tried */
    SY__FROM_FAILED,    /* {message}: it could not confine itself */
    SY__FRAME_KINDS,
} sy__frame_kind;

/* A frame as it lies in a buffer: borrowed. */
typedef struct sy__frame {
    sy__frame_kind kind;
    sy__value body;
    const char *blob;
    size_t blob_len;
} sy__frame;

/* What is asked with SY__FROM_SERVICE, and the bits that say what a call offers. */
typedef enum sy__service {
    SY__ASK_ARTIFACT,
    SY__ASK_ARTIFACT_READ,
    SY__ASK_EMIT,
    SY__ASK_PROGRESS,
    SY__ASK_STREAM,
    SY__ASK_LOG,
    SY__ASK_USAGE,
    SY__SERVICES,
} sy__service;

/* ---- frames. cell_frame.c ---- */

/* Appends a frame to `out`, whose `failed` says whether there was memory. */
void sy__frame_add(sy__buf *out, sy__frame_kind kind, sy__value body, const char *blob, size_t blob_len);
/*
 * Takes the frame at the front of `bytes`: how many bytes it has; 0: it is not all there yet; negative: SY_EINVAL, it
 * is none (unknown kind, too long, a body that is no value of the shape its kind has). `max_blob` bounds the blob.
 */
long sy__frame_read(const char *bytes, size_t len, size_t max_blob, sy__frame *out);
/* How many bytes the frame will have whose head this is; 0: the head is not there; SY_EINVAL. */
long sy__frame_size(const char *bytes, size_t len, size_t max_blob);

/* Fields of a body; the fallback when there is none of this type. Texts are borrowed, without NUL. */
int64_t sy__frame_int(const sy__frame *f, const char *key, int64_t fallback);
bool sy__frame_flag(const sy__frame *f, const char *key);
const char *sy__frame_text(const sy__frame *f, const char *key, size_t *len);
/* A text cut to fit and ended with NUL; false when there is none. */
bool sy__frame_copy(const sy__frame *f, const char *key, char *out, size_t size);
/* An error as {code, message, file, line, hint}, and back; what is no code of the list becomes extension_error. */
void sy__frame_put_error(sy__vbuf *b, const sy__error *err);
bool sy__frame_get_error(const sy__frame *f, sy__error *err);

/* ---- Lua values in frames. cell_values.c ---- */

/*
 * Appends the values first..last as an array to `blob` and `mask` (which of them are nil) to the open map `body`.
 * `kept`: the index of a table that takes the functions in the first level of a table among them, which stay here; the
 * body's `callbacks` says where they were. 0: functions cannot cross. SY_EINVAL with a sentence. Raises for memory.
 */
int sy__cell_pack(lua_State *L, int first, int last, int kept, sy__vbuf *body, sy__vbuf *blob, sy__error *err);
/* Pushes what was packed and returns how many; negative: the frame holds something else. May raise for memory. */
int sy__cell_unpack(lua_State *L, const sy__frame *f);

/* ---- the cell's side ---- */

/* The name of a system call that a cell tells when it tried it; NULL: another one. Any thread. */
const char *sy__cell_call_name(int number);
/* The whole life of a cell, from its first byte to its end; returns the exit code. `modules` as in the host. */
int sy__cell_main(const sy__isolate_module *modules);

#endif
