/*
 * isolate_ctx.h: what the files of `ctx` share: reaching the call that runs, and the functions for artifacts.
 * All of it runs inside a call of the isolate, in the thread that runs it, and may raise Lua errors.
 */
#ifndef SY_KIT_ISOLATE_CTX_H
#define SY_KIT_ISOLATE_CTX_H

#include "kit/isolate_impl.h"

/* Raises a Lua error with its place in front. */
void sy__ctx_raise(lua_State *L, const char *format, ...) __attribute__((noreturn));
/* The call that runs; raises when there is none. */
sy__call *sy__ctx_call(lua_State *L);
/* What the engine offers to this call; never NULL, its functions may be. */
const sy__call_services *sy__ctx_services(lua_State *L);
/* Raises "ctx.what is not available in this call". */
void sy__ctx_missing(lua_State *L, const char *what) __attribute__((noreturn));
/* Pushes nil, message, code. Returns 3. */
int sy__ctx_failure(lua_State *L, const sy__error *err);
/* Encodes the value at `index` (none: null) into `b`, which the caller closes in any case; false: err says why. */
bool sy__ctx_encode(lua_State *L, int index, sy__vbuf *b, sy__value *out, sy__error *err);

/* ctx.artifact(type, bytes[, metadata]), ctx.writer(type[, metadata]) and ctx.open(reference). isolate_artifact.c */
int sy__ctx_artifact(lua_State *L);
int sy__ctx_writer(lua_State *L);
int sy__ctx_open(lua_State *L);
/* Makes the type of their userdata, once a state. */
void sy__ctx_open_artifacts(lua_State *L);

#endif
