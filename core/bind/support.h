/*
 * support.h: what the modules of the standard library share.
 *
 * One C file serves trusted Lua and isolates. sy__lib makes the module's table with a first upvalue that
 * says which; sy__lib_charge looks there. Everything here follows Lua's rules for errors: it may raise for
 * memory, so what must be given back lies in a userdata with __gc. Thread of the Lua state.
 */
#ifndef SY_BIND_SUPPORT_H
#define SY_BIND_SUPPORT_H

#include "base/error.h"
#include "base/value.h"

#include <lauxlib.h>

/* Pushes a table with the functions, each with the upvalue 1 = isolated. */
void sy__lib(lua_State *L, const luaL_Reg *functions, bool isolated);
/* Makes the type of a module's userdata, once a state: its methods, its end, and a metatable nobody sees. Pushes it. */
void sy__lib_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc, bool isolated);
/* Whether the running function serves an isolate. */
bool sy__lib_isolated(lua_State *L);
/* In an isolate, charges work to the deadline; raises when it is used up. Else nothing. */
void sy__lib_charge(lua_State *L, size_t work_bytes);
/* The allocator for memory outside Lua: the isolate's host's, or malloc. */
const sy__alloc *sy__lib_alloc(lua_State *L);

/* Pushes nil, message, name of the code; returns 3. */
int sy__lib_fail(lua_State *L, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same from an error; the hint follows the message. */
int sy__lib_error(lua_State *L, const sy__error *err);
/* Pushes {code=, message=, where={file=,line=,task=}, hint=}. */
void sy__lib_push_errtable(lua_State *L, const sy__error *err);

/* Pushes a userdata that closes its buffer when it is collected. */
sy__vbuf *sy__lib_vbuf(lua_State *L);
sy__buf *sy__lib_buf(lua_State *L);
/* Pushes a userdata that closes the descriptor in it (-1: none) when it is collected. */
int *sy__lib_fd(lua_State *L);
/* Closes it now. */
void sy__lib_fd_close(int *fd);

/* A text field of the table at `index`, `fallback` when it is nil; what is no text raises. It stays on the stack, so
 * that the text lives. */
const char *sy__lib_text_field(lua_State *L, int index, const char *name, const char *fallback);
/* An integer field, 0 when it is nil; what is no integer raises. */
int64_t sy__lib_int_field(lua_State *L, int index, const char *name);
/* Sets a field of the table on top. */
void sy__lib_set_int(lua_State *L, const char *name, int64_t n);

/* Text that grows in Lua's memory, so the isolate's limit holds; the userdata lies in one stack slot. */
typedef struct sy__out {
    lua_State *L;
    char *data;
    size_t len, cap;
    int slot;
} sy__out;
/* Takes one stack slot, at the top. */
void sy__out_init(sy__out *o, lua_State *L, size_t cap);
/* Room for `bytes` more; raises for memory. */
char *sy__out_reserve(sy__out *o, size_t bytes);
void sy__out_add(sy__out *o, const char *s, size_t len);
void sy__out_addc(sy__out *o, char c);
/* Pushes the text as a string. */
void sy__out_push(sy__out *o);

#endif
