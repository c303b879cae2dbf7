/*
 * chore.h: what the host does on its own is a task too: collecting, verifying, exporting, installing, pre-warming.
 *
 * A chore belongs to no run and no melody; its extension is `host`. It has a row, its events, and the Pit's
 * decisions that were taken in its thread between begin and end.
 */
#ifndef SY_PIT_CHORE_H
#define SY_PIT_CHORE_H

#include "pit/engine.h"

typedef struct sy__chore sy__chore;

/* What a chore is. All strings are borrowed; `payload` is a JSON text. */
typedef struct sy__chore_about {
    const char *task_type; /* extension_activation | resource_allocation | artifact_processing */
    const char *operation; /* host.kit | host.pool | host.artifacts */
    const char *payload;
} sy__chore_about;

/* Its row is executing from now on. Any thread, one chore at a time each; SY_EUSAGE for unknown types. */
int sy__chore_begin(sy__chore **out, sy__engine *e, const sy__chore_about *about, sy__error *err);
/* Ends and frees it: completed with `output` (JSON or NULL), or failed when `why` has a code. */
void sy__chore_end(sy__chore *c, const char *output, const sy__error *why);
const char *sy__chore_id(const sy__chore *c);
/* A decision of the Pit in this chore. JSON texts; `resources` may be NULL. */
void sy__chore_decision(sy__chore *c, const char *member, const char *context, const char *resources);
void sy__chore_event(sy__chore *c, const char *type, const char *payload);
/* As that, of an extension (its id) and with a topic of its own. */
void sy__chore_tell(sy__chore *c, const char *extension_id, const char *type, const char *topic, const char *payload);

/* An sy__pit_record_fn: the decision belongs to the task that this thread runs, else to its chore, else to a chore
 * of its own. ud is the engine. */
void sy__chore_pit(void *engine, const sy__pit_record *record);
/* Ends the chores that nobody ended, as failed. The database must be open still. */
void sy__chore_close(sy__engine *e);

#endif
