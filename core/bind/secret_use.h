/*
 * secret_use.h: references to secrets in what an extension hands to http.request and process.run:
 *
 *     { secret = NAME, prefix = TEXT }
 *
 * stands for TEXT and the value of NAME. The value is looked up here and handed to core/io; Lua never holds it.
 * Thread of the isolate.
 */
#ifndef SY_BIND_SECRET_USE_H
#define SY_BIND_SECRET_USE_H

#include "io/scrub.h"
#include "kit/isolate.h"

enum { SY__SECRET_USES = 16 };

typedef struct sy__secret_uses {
    size_t count;
    sy__secret_text at[SY__SECRET_USES];
    sy__scrubber *scrub; /* of all that the extension may use; NULL: it may use none */
    sy__error error;     /* why the first that cannot be used cannot; code SY_OK: all can */
} sy__secret_uses;

/* Pushes an empty list, closed when it is collected. `iso` NULL: every reference will raise. */
sy__secret_uses *sy__secret_uses_push(lua_State *L, sy__isolate *iso);
/* Reads the reference on top of the stack; it follows `head` ("TOKEN="). Raises, naming `who`, for what is none. */
void sy__secret_uses_add(lua_State *L, sy__secret_uses *u, sy__isolate *iso, const char *who, const char *head);
/* Refuses values that no header can hold. */
void sy__secret_uses_one_line(sy__secret_uses *u);
/* Closes it now. */
void sy__secret_uses_close(sy__secret_uses *u);

#endif
