/*
 * isolate.c: `sy.isolate`: trusted Lua runs code that it does not trust.
 *
 *     isolate.evaluate{source=, chunk=, profile="melody", module=fn(name) → source, chunk, args={…},
 *                      memory_bytes=, cpu_ms=} → value | nil, errtable, code
 *     isolate.new{name=, source=, chunk=, profile="extension", module=, memory_bytes=, cpu_ms=}
 *                      → object | nil, errtable, code
 *     object:call(operation[, input]) → value | nil, errtable, code;  object:bytes();  object:close()
 *
 * isolate.new takes capabilities={…} (of a manifest), project=DIR, trusted=, foreign=, waits=true (calls may wait, for
 * at most limit_ms) and testing=true: a library for tests, in which testing.host asks the function host=fn(what, value)
 * → value.
 *
 * In a melody `require` reaches lua/melody (the author's vocabulary) first, then the C modules of the library, then
 * what `module` gives, then stdlib; elsewhere the same without lua/melody. The callback runs in the trusted state,
 * protected: an error of it means that there is no such module.
 */
#include "bind/isolate_testing.h"
#include "bind/isolate_world.h"
#include "bind/modules.h"
#include "bind/support.h"
#include "host/embed.h"
#include "kit/isolate.h"
#include "kit/luavalue.h"

#include <stdio.h>
#include <string.h>

enum { UV_CALLBACK = 1, UV_KEEP, UV_HOST, UV_COUNT = UV_HOST, MAX_PATH_BYTES = 256, MAX_CPU_MS = 600000 };

static const char isolate_name[] = "symphony.isolate";

/* An isolate as a Lua object. Its user values: the callback, the sources it gave, kept alive, and `host`. */
typedef struct guest {
    sy__isolate *iso; /* NULL: closed */
    lua_State *L;     /* the trusted main state */
    int self;         /* reference to this object while trusted Lua waits for it; LUA_NOREF else */
    sy__profile profile;
    int64_t cpu_ms, limit_ms;
    sy__world world;
    bool busy; /* a callback may not close or call its own isolate */
} guest;

/* ---- where modules come from ---- */

typedef struct lookup {
    guest *g;
    const char *name, *source, *chunk;
    size_t len;
} lookup;

static bool
find_embedded(const char *folder, const char *name, lookup *found)
{
    char path[MAX_PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/%s.lua", folder, name);
    if (n < 0 || n >= (int)sizeof path) return false;
    size_t prefix = strlen(folder) + 1;
    for (size_t i = prefix; i < (size_t)n - 4; i++)
        if (path[i] == '.') path[i] = '/';
    const sy__embedded *file = sy__embedded_find(path);
    if (!file) return false;
    found->source = file->data;
    found->len = file->size;
    found->chunk = file->path;
    return true;
}

/* `melody` is the builder; `melody.x` the file beside it. */
static bool
find_vocabulary(lookup *found)
{
    if (strcmp(found->name, "melody") == 0) return find_embedded("lua/melody", "builder", found);
    return strncmp(found->name, "melody.", 7) == 0 && find_embedded("lua/melody", found->name + 7, found);
}

/* Pushes text and keeps it in the table at `keep`, so that its bytes stay. */
static const char *
keep_text(lua_State *L, int index, int keep, size_t *len)
{
    const char *text = luaL_checklstring(L, index, len);
    lua_pushvalue(L, index);
    luaL_ref(L, keep);
    return text;
}

/* Protected: asks the callback. 1: the lookup. */
static int
ask_body(lua_State *L)
{
    lookup *found = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, found->g->self);
    lua_getiuservalue(L, 2, UV_KEEP);
    if (lua_getiuservalue(L, 2, UV_CALLBACK) != LUA_TFUNCTION) return 0;
    lua_pushstring(L, found->name);
    lua_call(L, 1, 2);
    if (lua_isnil(L, 4)) return 0;
    found->source = keep_text(L, 4, 3, &found->len);
    if (lua_isnil(L, 5)) {
        lua_pop(L, 1);
        lua_pushfstring(L, "%s.lua", found->name);
    }
    found->chunk = keep_text(L, 5, 3, NULL);
    return 0;
}

static bool
find_asked(lookup *found)
{
    lua_State *L = found->g->L;
    if (!lua_checkstack(L, 8)) return false;
    lua_pushcfunction(L, ask_body);
    lua_pushlightuserdata(L, found);
    found->g->busy = true;
    int status = lua_pcall(L, 1, 0, 0);
    found->g->busy = false;
    if (status != LUA_OK) lua_pop(L, 1);
    return status == LUA_OK && found->source != NULL;
}

static bool
find_module(void *ud, const char *name, const char **source, size_t *len, const char **chunk_name)
{
    guest *g = ud;
    lookup found = {.g = g, .name = name};
    bool there = (g->profile == SY__PROFILE_MELODY && find_vocabulary(&found)) || find_asked(&found) ||
                 find_embedded("stdlib", name, &found);
    *source = found.source;
    *len = found.len;
    *chunk_name = found.chunk;
    return there;
}

/* ---- what an isolate asks the host ---- */

typedef struct question {
    guest *g;
    const char *what;
    sy__value value;
    sy__vbuf *answer;
    sy__error *err;
} question;

/* Protected, in the trusted state. 1: the question. */
static int
host_body(lua_State *L)
{
    question *q = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, q->g->self);
    if (lua_getiuservalue(L, 2, UV_HOST) != LUA_TFUNCTION) return luaL_error(L, "nobody answers");
    lua_pushstring(L, q->what);
    luaL_checkstack(L, 100, "question");
    sy__value_to_lua(L, q->value);
    lua_call(L, 2, 1);
    if (sy__lua_to_value(L, -1, q->answer, q->err)) return luaL_error(L, "%s", q->err->message);
    return 0;
}

int
sy__guest_ask(sy__isolate *iso, const char *what, sy__value value, sy__vbuf *answer, sy__error *err)
{
    question q = {sy__isolate_options_of(iso)->module_ud, what, value, answer, err};
    lua_State *L = q.g->L;
    if (!lua_checkstack(L, 8)) return sy__error_set(err, SY_ENOMEM, "no memory to ask the host");
    lua_pushcfunction(L, host_body);
    lua_pushlightuserdata(L, &q);
    q.g->busy = true;
    int status = lua_pcall(L, 1, 0, 0);
    q.g->busy = false;
    if (status == LUA_OK) return SY_OK;
    const char *said = lua_tostring(L, -1);
    (void)sy__error_set(err, SY_EEXTENSION, "%s", said ? said : "the host failed");
    lua_pop(L, 1);
    return err->code;
}

/* ---- making one ---- */

/* Results of a failure: nil, error table, code name. */
static int
fail(lua_State *L, const sy__error *err)
{
    lua_pushnil(L);
    sy__lib_push_errtable(L, err);
    lua_pushstring(L, sy_errname(err->code));
    return 3;
}

static sy__profile
profile_field(lua_State *L, const char *fallback)
{
    static const char *const names[] = {"extension", "melody", NULL};
    lua_getfield(L, 1, "profile");
    return luaL_checkoption(L, -1, fallback, names) == 1 ? SY__PROFILE_MELODY : SY__PROFILE_EXTENSION;
}

static lua_Integer
number_field(lua_State *L, const char *name, lua_Integer most)
{
    lua_getfield(L, 1, name);
    lua_Integer n = luaL_optinteger(L, -1, 0);
    luaL_argcheck(L, n >= 0 && n <= most, 1, name);
    return n;
}

static const char *
text_field(lua_State *L, const char *name, const char *fallback, size_t *len)
{
    lua_getfield(L, 1, name); /* stays on the stack, so that the text lives */
    if (fallback && lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushstring(L, fallback);
    }
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "isolate: field '%s' must be a string", name);
    return lua_tolstring(L, -1, len);
}

/* Pushes a guest without an isolate yet; the options are at 1. */
static guest *
push_guest(lua_State *L, const char *profile)
{
    guest *g = lua_newuserdatauv(L, sizeof *g, UV_COUNT);
    int self = lua_gettop(L);
    *g = (guest){.self = LUA_NOREF};
    luaL_setmetatable(L, isolate_name);
    g->profile = profile_field(L, profile);
    g->cpu_ms = number_field(L, "cpu_ms", MAX_CPU_MS);
    g->limit_ms = number_field(L, "limit_ms", MAX_CPU_MS);
    if (lua_getfield(L, 1, "host") != LUA_TNIL) luaL_checktype(L, -1, LUA_TFUNCTION);
    lua_setiuservalue(L, self, UV_HOST);
    if (lua_getfield(L, 1, "module") == LUA_TNIL) lua_getfield(L, 1, "modules");
    if (!lua_isnil(L, -1)) luaL_checktype(L, -1, LUA_TFUNCTION);
    lua_setiuservalue(L, self, UV_CALLBACK);
    lua_newtable(L);
    lua_setiuservalue(L, self, UV_KEEP);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    g->L = lua_tothread(L, -1);
    lua_settop(L, self);
    return g;
}

static int
open_guest(lua_State *L, guest *g, const char *name, sy__error *err)
{
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = name,
                             .profile = g->profile,
                             .module = find_module,
                             .module_ud = g};
    o.memory_bytes = (size_t)number_field(L, "memory_bytes", (lua_Integer)1 << 40);
    int rc = sy__world_open(&g->world, L, &o, err);
    return rc ? rc : sy__isolate_new(&g->iso, &o, err);
}

/* The callback finds its object through a reference, held only while the isolate runs. */
static void
enter(lua_State *L, guest *g, int index)
{
    if (g->busy) luaL_error(L, "an isolate cannot be used by its own module callback");
    lua_pushvalue(L, index);
    g->self = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void
leave(lua_State *L, guest *g)
{
    luaL_unref(L, LUA_REGISTRYINDEX, g->self);
    g->self = LUA_NOREF;
}

static void
close_guest(guest *g)
{
    sy__isolate_free(g->iso);
    g->iso = NULL;
    sy__world_close(&g->world);
}

/* ---- values ---- */

/* Encodes the value at `index` into a buffer on the stack; raises when it cannot cross. */
static sy__value
encode(lua_State *L, int index, const char *what)
{
    sy__error err = {0};
    sy__value v = {0};
    index = lua_absindex(L, index);
    sy__vbuf *b = sy__lib_vbuf(L);
    if (sy__lua_to_value(L, index, b, &err) || sy__vbuf_done(b, &v)) luaL_error(L, "%s: %s", what, err.message);
    return v;
}

static int
push_result(lua_State *L, const sy__vbuf *out)
{
    sy__value v;
    sy__vbuf *b = (sy__vbuf *)(uintptr_t)out;
    if (sy__vbuf_done(b, &v) != SY_OK) return luaL_error(L, "isolate: no memory for a result");
    luaL_checkstack(L, 100, "result");
    sy__value_to_lua(L, v);
    return 1;
}

/* ---- functions ---- */

static int
isolate_evaluate(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    sy__error err = {0};
    size_t len;
    const char *source = text_field(L, "source", NULL, &len), *chunk = text_field(L, "chunk", "melody.lua", NULL);
    sy__value args = {0};
    if (lua_getfield(L, 1, "args") != LUA_TNIL) args = encode(L, -1, "args");
    guest *g = push_guest(L, "melody");
    int self = lua_gettop(L);
    sy__vbuf *out = sy__lib_vbuf(L);
    if (open_guest(L, g, chunk, &err)) return fail(L, &err);
    enter(L, g, self);
    int rc = sy__isolate_eval(g->iso, source, len, chunk, args, g->cpu_ms, out, &err);
    leave(L, g);
    close_guest(g);
    return rc ? fail(L, &err) : push_result(L, out);
}

static int
isolate_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    sy__error err = {0};
    size_t len;
    const char *source = text_field(L, "source", NULL, &len), *chunk = text_field(L, "chunk", "init.lua", NULL);
    const char *name = text_field(L, "name", "extension", NULL);
    guest *g = push_guest(L, "extension");
    int self = lua_gettop(L);
    if (open_guest(L, g, name, &err)) return fail(L, &err);
    enter(L, g, self);
    int rc = sy__isolate_load(g->iso, source, len, chunk, g->cpu_ms, &err);
    leave(L, g);
    if (rc) {
        close_guest(g);
        return fail(L, &err);
    }
    lua_settop(L, self);
    return 1;
}

static guest *
check_guest(lua_State *L)
{
    guest *g = luaL_checkudata(L, 1, isolate_name);
    luaL_argcheck(L, g->iso != NULL, 1, "the isolate is closed");
    return g;
}

/* Copies what the call left behind into Lua and closes it. */
static int
push_outcome(lua_State *L, sy__call *call, int rc)
{
    sy__vbuf *out = sy__lib_vbuf(L);
    *out = call->output;
    if (rc == SY_OK) return push_result(L, out);
    int results = fail(L, &call->error);
    if (call->code[0]) {
        lua_pushstring(L, call->code);
        lua_replace(L, -2);
    }
    return results;
}

static int
guest_call(lua_State *L)
{
    guest *g = check_guest(L);
    const char *operation = luaL_checkstring(L, 2);
    lua_settop(L, 3);
    sy__call call = {.operation = operation, .cpu_ms = g->cpu_ms};
    if (!lua_isnil(L, 3)) call.input = encode(L, 3, "input");
    enter(L, g, 1);
    int rc = sy__world_call(&g->world, g->iso, &call, g->limit_ms);
    leave(L, g);
    return push_outcome(L, &call, rc);
}

static int
guest_bytes(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)sy__isolate_bytes(check_guest(L)->iso));
    return 1;
}

static int
guest_close(lua_State *L)
{
    guest *g = luaL_checkudata(L, 1, isolate_name);
    if (g->busy) return luaL_error(L, "an isolate cannot be closed by its own module callback");
    close_guest(g);
    return 0;
}

static int
guest_gc(lua_State *L)
{
    close_guest(luaL_checkudata(L, 1, isolate_name));
    return 0;
}

int
luaopen_sy_isolate(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"call", guest_call}, {"bytes", guest_bytes}, {"close", guest_close}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__gc", guest_gc}, {"__close", guest_gc}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"evaluate", isolate_evaluate}, {"new", isolate_new}, {NULL, NULL}};
    luaL_newmetatable(L, isolate_name);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
