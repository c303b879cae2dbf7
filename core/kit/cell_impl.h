/* cell_impl.h: what the files of a cell share: its fields, speaking with the host, and what stands in for the world in
 * it. The one thread of the process. */
#ifndef SY_KIT_CELL_IMPL_H
#define SY_KIT_CELL_IMPL_H

#include "kit/cell.h"
#include "kit/watchdog.h"

/* A source that the host gave; kept while the isolate lives. */
typedef struct sy__cell_source {
    struct sy__cell_source *next;
    sy__buf text;
    char chunk[SY__ERROR_NAME_BYTES];
} sy__cell_source;

typedef struct sy__cell {
    const sy__alloc *alloc;
    sy__isolate *iso;
    sy__caps *caps;
    sy__watchdog watchdog;
    sy__log log;
    char name[256];
    sy__cell_source *sources;
    sy__buf in; /* what has come; the last frame taken ends at in_at */
    size_t in_at;
    sy__buf out;
    sy__vbuf body, blob; /* of the frame that is being made */
    int nested;          /* questions that wait for an answer while their callback runs */
} sy__cell;

/* Begins the body of a frame, an open map, and empties `blob`. cell.c */
sy__vbuf *sy__cell_body(sy__cell *c);
/* Ends the body and sends it. A host that has gone away ends the process. */
void sy__cell_send(sy__cell *c, sy__frame_kind kind, const char *blob, size_t blob_len);
/* Waits for the next frame, borrowed until the next is waited for. */
void sy__cell_receive(sy__cell *c, sy__frame *out);
/* Sends a question and waits for its answer. While it waits no time of the CPU is counted. */
void sy__cell_ask(sy__cell *c, sy__frame_kind kind, const char *blob, size_t blob_len, sy__frame *answer);

/* What a call may ask of the engine, out of the bits that the host named; ud is the cell. cell_world.c */
void sy__cell_services(sy__call_services *out, int64_t bits);
/* For sy__isolate_options.module; ud is the cell. cell_world.c */
bool sy__cell_module(void *ud, const char *name, const char **source, size_t *len, const char **chunk_name);

/* Replaces the module on top by one whose functions ask the host for those of the same name. cell_world.c */
void sy__cell_stand_in(lua_State *L, const char *module);

/* Everything that a library would open later is opened now. cell_confine.c */
void sy__cell_prepare(void);
/* Takes away what the process may do, for good: see the file. `memory_bytes`: what the extension may have. */
int sy__cell_confine(size_t memory_bytes, int *landlock, sy__error *err);

#endif
