/* process_options.c: reading what process.run is asked for, and saying what came of it. */
#include "bind/process_options.h"
#include "bind/support.h"

#include "kit/audit.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

extern char **environ;

enum {
    MAX_ARGS = 65536,
    DEFAULT_OUTPUT_BYTES = 8 << 20, /* of each stream, unless max_output says otherwise */
    MAX_OUTPUT_BYTES = 256 << 20,
    SHOWN_ERROR_BYTES = 600, /* of stderr, in the message of a failed check */
};

/* A string without NUL, borrowed from the value on top. */
static const char *
text_of(lua_State *L, const char *field)
{
    size_t len;
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "process.run: %s must be a string, not %s", field, luaL_typename(L, -1));
    const char *s = lua_tolstring(L, -1, &len);
    if (strlen(s) != len) luaL_error(L, "process.run: %s has a NUL byte in it", field);
    return s;
}

/* Leaves the array of pointers on the stack; the strings stay in the caller's table. */
static const char *const *
read_argv(lua_State *L, int index)
{
    lua_getfield(L, index, "argv");
    if (!lua_istable(L, -1)) luaL_error(L, "process.run: argv must be a list of strings");
    size_t count = lua_rawlen(L, -1);
    if (count == 0 || count > MAX_ARGS) luaL_error(L, "process.run: argv must have 1 to %d strings", MAX_ARGS);
    const char **argv = lua_newuserdatauv(L, (count + 1) * sizeof *argv, 0);
    lua_insert(L, -2);
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TTABLE)
            luaL_error(L, "process.run: no argument can be a secret: all processes see it; use env");
        argv[i] = text_of(L, "each of argv");
        lua_pop(L, 1);
    }
    argv[count] = NULL;
    lua_pop(L, 1);
    return argv;
}

/* ---- the environment: a table NAME → "NAME=value" on top of the stack ---- */

static void
env_put(lua_State *L, const char *name, size_t name_len, const char *pair)
{
    lua_pushlstring(L, name, name_len);
    lua_pushstring(L, pair);
    lua_rawset(L, -3);
}

static bool
passes(lua_State *L, const sy__caps *caps, const char *name)
{
    if (!caps) return true;
    if (strcmp(name, "PATH") == 0 || strcmp(name, "LANG") == 0) return true; /* HOME is the child's own folder */
    if (!sy__caps_env(caps, name)) return false;
    sy__audit(sy__isolate_of(L), SY__USE_ENV, name, true);
    return true;
}

static void
env_inherit(lua_State *L, const sy__caps *caps)
{
    for (char **e = environ; *e; e++) {
        const char *equals = strchr(*e, '=');
        if (!equals) continue;
        const char *name = lua_pushlstring(L, *e, (size_t)(equals - *e));
        bool pass = passes(L, caps, name);
        lua_pop(L, 1);
        if (pass) env_put(L, *e, (size_t)(equals - *e), *e);
    }
}

/* Names that change which code a granted program runs. */
static bool
steers(const char *name)
{
    return strcmp(name, "PATH") == 0 || strncmp(name, "LD_", 3) == 0;
}

/* The reference on top of the stack, of the variable `name`, which nothing else sets. Below: env, pairs. */
static void
env_secret(lua_State *L, const char *name, sy__isolate *iso, sy__secret_uses *uses)
{
    lua_pushstring(L, name);
    lua_pushnil(L);
    lua_rawset(L, -6); /* the table of pairs, below env, name, reference */
    const char *head = lua_pushfstring(L, "%s=", name);
    lua_insert(L, -2);
    sy__secret_uses_add(L, uses, iso, "process.run", head);
    lua_remove(L, -2);
}

static const char *
env_name(lua_State *L, const sy__caps *caps)
{
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "process.run: a name in env must be a string");
    size_t len;
    const char *name = lua_tolstring(L, -2, &len);
    if (!*name || strchr(name, '=') || strlen(name) != len)
        luaL_error(L, "process.run: env has the impossible name '%s'", name);
    bool steered = caps && steers(name), granted = steered && sy__caps_env(caps, name);
    if (steered) sy__audit(sy__isolate_of(L), SY__USE_ENV, name, granted);
    if (steered && !granted) luaL_error(L, "process.run: env %s needs the capability env = [\"%s\"]", name, name);
    return name;
}

static void
env_explicit(lua_State *L, int index, sy__isolate *iso, sy__secret_uses *uses)
{
    const sy__caps *caps = iso ? sy__isolate_caps(iso) : NULL;
    lua_getfield(L, index, "env");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    if (!lua_istable(L, -1)) luaL_error(L, "process.run: env must be a table of names and texts");
    for (lua_pushnil(L); lua_next(L, -2);) {
        const char *name = env_name(L, caps);
        if (lua_istable(L, -1)) {
            env_secret(L, name, iso, uses);
            lua_pop(L, 1);
            continue;
        }
        const char *value = text_of(L, "each of env"), *pair = lua_pushfstring(L, "%s=%s", name, value);
        lua_pushvalue(L, -3);
        lua_pushstring(L, pair);
        lua_rawset(L, -7); /* the table of pairs, below env, name, value, pair */
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
}

/* Leaves one userdata that holds the pointers and, as its user value, the table of their texts. */
static const char *const *
read_env(lua_State *L, int index, sy__isolate *iso, sy__secret_uses *uses)
{
    size_t count = 0;
    lua_newtable(L);
    env_inherit(L, iso ? sy__isolate_caps(iso) : NULL);
    env_explicit(L, index, iso, uses);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) count++;
    const char **env = lua_newuserdatauv(L, (count + 1) * sizeof *env, 1);
    lua_insert(L, -2);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) env[i++] = lua_tostring(L, -1);
    env[i] = NULL;
    lua_setiuservalue(L, -2, 1);
    return env;
}

/* ---- the rest ---- */

static double
number_of(lua_State *L, int index, const char *field, double least, double most, double otherwise)
{
    double n = otherwise;
    lua_getfield(L, index, field);
    if (!lua_isnil(L, -1)) {
        if (lua_type(L, -1) != LUA_TNUMBER) luaL_error(L, "process.run: %s must be a number", field);
        n = lua_tonumber(L, -1);
        if (!(n >= least && n <= most)) luaL_error(L, "process.run: %s is out of range", field);
    }
    lua_pop(L, 1);
    return n;
}

static bool
flag_of(lua_State *L, int index, const char *field)
{
    lua_getfield(L, index, field);
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* A text that the table keeps alive; NULL: absent. */
static const char *
field_text(lua_State *L, int index, const char *field)
{
    const char *s = NULL;
    if (lua_getfield(L, index, field) != LUA_TNIL) s = text_of(L, field);
    lua_pop(L, 1);
    return s;
}

static void
read_stdin(lua_State *L, int index, sy__child_options *o)
{
    int type = lua_getfield(L, index, "stdin");
    if (type == LUA_TSTRING) o->stdin_bytes = lua_tolstring(L, -1, &o->stdin_len);
    lua_pop(L, 1);
    if (type != LUA_TSTRING && type != LUA_TNIL) luaL_error(L, "process.run: stdin must be a string");
}

void
sy__process_read(lua_State *L, int index, sy__isolate *iso, sy__process_request *out)
{
    *out = (sy__process_request){.child = {.cwd_fd = -1}};
    out->child.argv = read_argv(L, index);
    out->uses = sy__secret_uses_push(L, iso);
    out->child.env = read_env(L, index, iso, out->uses);
    out->child.secrets = out->uses->at;
    out->child.secret_count = out->uses->count;
    out->child.scrub = out->uses->scrub;
    read_stdin(L, index, &out->child);
    out->child.cwd = field_text(L, index, "cwd");
    out->child.max_output_bytes = (size_t)number_of(L, index, "max_output", 0, MAX_OUTPUT_BYTES, DEFAULT_OUTPUT_BYTES);
    out->child.timeout_ms = (int64_t)(number_of(L, index, "timeout", 0.001, 1e9, 0) * 1000);
    out->check = flag_of(L, index, "check");
    out->stream = flag_of(L, index, "stream");
    int type = lua_getfield(L, index, "on_output");
    lua_pop(L, 1);
    if (type != LUA_TNIL && type != LUA_TFUNCTION) luaL_error(L, "process.run: on_output must be a function");
    out->has_on_output = type == LUA_TFUNCTION;
}

int
sy__process_fail(lua_State *L, const sy__error *err)
{
    lua_pushnil(L);
    if (err->hint[0])
        lua_pushfstring(L, "%s (%s)", err->message, err->hint);
    else
        lua_pushstring(L, err->message);
    lua_pushstring(L, sy_errname(err->code));
    return 3;
}

/* The end of stderr without trailing blanks: programs say last what stopped them. */
static void
push_last_words(lua_State *L, const sy__child_result *r)
{
    size_t len = r->err_len;
    while (len > 0 && strchr(" \t\r\n", r->err[len - 1])) len--;
    const char *from = len > SHOWN_ERROR_BYTES ? r->err + len - SHOWN_ERROR_BYTES : r->err;
    lua_pushlstring(L, from, (size_t)(r->err + len - from));
}

static int
push_failure(lua_State *L, const sy__child_result *r, const char *program)
{
    lua_pushnil(L);
    if (r->signal)
        lua_pushfstring(L, "%s was ended by signal %d (%s)", program, r->signal, strsignal(r->signal));
    else
        lua_pushfstring(L, "%s exited with %d", program, r->exit_code);
    push_last_words(L, r);
    if (lua_rawlen(L, -1) > 0) {
        lua_pushliteral(L, ": ");
        lua_insert(L, -2);
        lua_concat(L, 3);
    } else {
        lua_pop(L, 1);
    }
    lua_pushliteral(L, "process_failed");
    return 3;
}

int
sy__process_result(lua_State *L, const sy__child *child, const sy__process_request *req, const char *program)
{
    sy__child_result r;
    sy__child_result_get(child, &r);
    if (r.timed_out) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s took longer than %f s", program, (double)req->child.timeout_ms / 1000);
        lua_pushliteral(L, "timeout");
        return 3;
    }
    if (req->check && r.exit_code != 0) return push_failure(L, &r, program);
    lua_createtable(L, 0, 7);
    sy__lib_set_int(L, "exit_code", r.signal ? 128 + r.signal : r.exit_code);
    lua_pushlstring(L, r.out, r.out_len);
    lua_setfield(L, -2, "stdout");
    lua_pushlstring(L, r.err, r.err_len);
    lua_setfield(L, -2, "stderr");
    if (r.signal) sy__lib_set_int(L, "signal", r.signal);
    if (r.dropped_bytes) sy__lib_set_int(L, "dropped", r.dropped_bytes);
    if (r.peak_bytes) sy__lib_set_int(L, "peak_bytes", r.peak_bytes);
    sy__lib_set_int(L, "cpu_ms", r.cpu_ms);
    return 1;
}
