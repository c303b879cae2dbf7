/*
 * isolate_world.h: what an isolate of trusted Lua may have besides its code: capabilities in a project, a loop on which
 * its calls wait, and a library for tests. Thread of the Lua state.
 */
#ifndef SY_BIND_ISOLATE_WORLD_H
#define SY_BIND_ISOLATE_WORLD_H

#include "kit/isolate.h"

typedef struct sy__world {
    sy__caps *caps;          /* NULL: none */
    struct event_base *loop; /* NULL: nothing waits */
    struct sy__spawner *spawner;
    struct sy__http *http;
} sy__world;

/*
 * Reads `capabilities`, `project`, `waits`, `trusted`, `foreign` and `testing` from the table of options at index 1 and
 * fills *o with what they mean. With `testing`, the library's http, process and time are called real.http, real.process
 * and real.time, so that others can stand in for them, and testing.host exists (isolate_testing.h). May raise for a
 * wrong option.
 */
int sy__world_open(sy__world *w, lua_State *L, sy__isolate_options *o, sy__error *err);
/* After the isolate was freed. */
void sy__world_close(sy__world *w);
/* A call to its end, serving what it waits for until `limit_ms` have passed. */
int sy__world_call(const sy__world *w, sy__isolate *iso, sy__call *call, int64_t limit_ms);

#endif
