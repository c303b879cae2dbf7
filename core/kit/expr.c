/*
 * expr.c: one isolate for many small evaluations.
 *
 * A source becomes a chunk `local A, B = ... return SOURCE`, where A and B are the captures; the text of the chunk
 * is the key under which the compiled function is kept. A call gives it a new table of globals, whose __index makes
 * what is asked for only then: a copy of a library table, the value of a task, a module. So a `when` that looks at
 * one number does not pay for the megabytes of the other tasks, and nothing a call writes is seen by the next.
 */
#include "kit/expr.h"

#include "kit/isolate_impl.h"
#include "kit/luavalue.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

enum {
    CPU_MS = 2000,
    MEMORY_BYTES = 64 << 20,
    MAX_KEPT = 512,     /* compiled sources */
    MAX_CAPTURES = 150, /* Lua has 200 locals */
};

/* Their addresses are registry keys. */
static const char kept_key = 'k', globals_meta_key = 'm';

struct sy__expr {
    sy__isolate_options options;
    sy__isolate *iso; /* NULL: to be made */
    int kept;         /* compiled sources in the state */
};

/* One evaluation, as its body sees it. */
typedef struct evaluation {
    sy__expr *e;
    const sy__expr_call *call;
    sy__vbuf *out;
    sy__buf chunk;
    bool is_function;
} evaluation;

/* ---- the source ---- */

static bool
is_function_source(const char *source, size_t len)
{
    static const char word[] = "function";
    size_t at = 0, n = sizeof word - 1;
    while (at < len && isspace((unsigned char)source[at])) at++;
    if (len - at <= n || memcmp(source + at, word, n) != 0) return false;
    unsigned char next = (unsigned char)source[at + n];
    return !isalnum(next) && next != '_';
}

static bool
is_name(const char *name, size_t len)
{
    if (len == 0 || isdigit((unsigned char)*name)) return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_') return false;
    return true;
}

/* `local A, B = ... `, in the order of the map's keys. */
static int
write_captures(sy__buf *chunk, sy__value captures, sy__error *err)
{
    if (!captures.data || sy__value_kind(captures) != SY__MAP || sy__value_count(captures) == 0) return SY_OK;
    if (sy__value_count(captures) > MAX_CAPTURES)
        return sy__error_set(err, SY_EEXPR, "a function captures more than %d locals", MAX_CAPTURES);
    sy__value_iter it;
    const char *before = "local ";
    sy__value_iter_init(&it, captures);
    while (sy__value_iter_next(&it)) {
        if (!is_name(it.key, it.key_len))
            return sy__error_set(err, SY_EEXPR, "'%.*s' is no name of a local", (int)it.key_len, it.key);
        sy__buf_adds(chunk, before);
        sy__buf_add(chunk, it.key, it.key_len);
        before = ",";
    }
    sy__buf_adds(chunk, "=... ");
    return SY_OK;
}

static int
write_chunk(sy__buf *chunk, const char *source, size_t len, sy__value captures, sy__error *err)
{
    int rc = write_captures(chunk, captures, err);
    sy__buf_adds(chunk, "return ");
    sy__buf_add(chunk, source, len);
    if (rc == SY_OK && chunk->failed) rc = sy__error_set(err, SY_ENOMEM, "no memory for an expression");
    return rc;
}

static void
push_compiled(lua_State *L, const sy__buf *chunk)
{
    if (sy__safe_load(L, chunk->data, chunk->len, "=expr") != LUA_OK) (void)lua_error(L);
}

/* Pushes the compiled chunk, from the table of those kept where it is there. */
static void
push_chunk(lua_State *L, const evaluation *ev)
{
    (void)lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_key);
    lua_pushlstring(L, ev->chunk.data, ev->chunk.len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        push_compiled(L, &ev->chunk);
        if (++ev->e->kept > MAX_KEPT) {
            lua_newtable(L);
            lua_pushvalue(L, -1);
            lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
            lua_replace(L, -4);
            ev->e->kept = 1;
        }
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* ---- globals ---- */

static const evaluation *
evaluation_of(lua_State *L)
{
    return sy__isolate_of(L)->run_ud;
}

static bool
is_task(const char *name)
{
    return strcmp(name, "params") != 0 && strcmp(name, "it") != 0;
}

static void
push_tasks(lua_State *L, const sy__expr_call *call)
{
    lua_createtable(L, 0, call->global_count);
    for (int i = 0; i < call->global_count; i++) {
        if (!is_task(call->globals[i].name)) continue;
        sy__value_to_lua(L, call->globals[i].value);
        lua_setfield(L, -2, call->globals[i].name);
    }
}

static bool
push_binding(lua_State *L, const sy__expr_call *call, const char *name)
{
    for (int i = 0; i < call->global_count; i++) {
        if (strcmp(call->globals[i].name, name) != 0) continue;
        sy__value_to_lua(L, call->globals[i].value);
        return true;
    }
    return false;
}

/* Lua's own: a function as it is, a library table as a copy of this call's. The key is at 2. */
static bool
push_own(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_pushvalue(L, 2);
    int type = lua_rawget(L, -2);
    lua_remove(L, -2);
    if (type != LUA_TTABLE) return type != LUA_TNIL;
    int from = lua_gettop(L);
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, from)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_remove(L, from);
    return true;
}

static void
push_module(lua_State *L, const char *name)
{
    sy__isolate *iso = sy__isolate_of(L);
    (void)lua_rawgetp(L, LUA_REGISTRYINDEX, &iso->options.module);
    sy__safe_require(L, iso, name, lua_gettop(L), 1);
    lua_remove(L, -2);
}

/* __index of a call's globals: Lua's own names, then tasks and params, then the pure modules. */
static int
find_global(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_type(L, 2) != LUA_TSTRING) return 0;
    const char *name = lua_tostring(L, 2);
    const sy__expr_call *call = evaluation_of(L)->call;
    if (!push_own(L)) {
        lua_settop(L, 2);
        if (strcmp(name, "tasks") == 0)
            push_tasks(L, call);
        else if (push_binding(L, call, name))
            (void)0;
        else if (sy__safe_has_module(sy__isolate_of(L), name))
            push_module(L, name);
        else
            return 0;
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
}

/* Pushes the globals of a new call, and gives it modules of its own. */
static void
push_globals(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_G");
    (void)lua_rawgetp(L, LUA_REGISTRYINDEX, &globals_meta_key);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &iso->run_ud);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &iso->options.module);
}

static int
prepare_body(lua_State *L)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, find_global);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &globals_meta_key);
    return 0;
}

/* ---- evaluating ---- */

static int
push_captures(lua_State *L, sy__value captures)
{
    if (!captures.data || sy__value_kind(captures) != SY__MAP) return 0;
    sy__value_iter it;
    int n = 0;
    sy__value_iter_init(&it, captures);
    luaL_checkstack(L, MAX_CAPTURES + 10, "captures");
    for (; sy__value_iter_next(&it); n++) sy__value_to_lua(L, it.value);
    return n;
}

static int
push_arguments(lua_State *L, const sy__expr_call *call)
{
    luaL_checkstack(L, call->arg_count + 10, "arguments");
    for (int i = 0; i < call->arg_count; i++) sy__value_to_lua(L, call->args[i]);
    return call->arg_count;
}

static int
evaluate_body(lua_State *L)
{
    evaluation *ev = lua_touserdata(L, 1);
    push_chunk(L, ev);
    push_globals(L);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
    lua_call(L, push_captures(L, ev->call->captures), 1);
    if (ev->is_function) {
        if (!lua_isfunction(L, -1)) return luaL_error(L, "the source is not one function");
        lua_call(L, push_arguments(L, ev->call), 1);
    }
    sy__error err = {0};
    if (sy__lua_to_value(L, -1, ev->out, &err)) return luaL_error(L, "the result cannot be stored: %s", err.message);
    return 0;
}

static int
check_body(lua_State *L)
{
    const evaluation *ev = lua_touserdata(L, 1);
    push_compiled(L, &ev->chunk);
    return 0;
}

/* ---- the isolate ---- */

int
sy__expr_new(sy__expr **out, const sy__alloc *a, const sy__clock *clock, sy__log *log)
{
    *out = sy__calloc(a, 1, sizeof **out);
    if (!*out) return SY_ENOMEM;
    (*out)->options = (sy__isolate_options){.alloc = a,
                                            .clock = clock,
                                            .log = log,
                                            .name = "an expression",
                                            .profile = SY__PROFILE_EXPR,
                                            .memory_bytes = MEMORY_BYTES};
    return SY_OK;
}

void
sy__expr_modules(sy__expr *e, const sy__isolate_module *modules, sy__module_fn module, void *module_ud)
{
    e->options.modules = modules;
    e->options.module = module;
    e->options.module_ud = module_ud;
}

void
sy__expr_watch(sy__expr *e, struct sy__watchdog *w)
{
    e->options.watchdog = w;
}

void
sy__expr_free(sy__expr *e)
{
    if (!e) return;
    sy__isolate_free(e->iso);
    sy__free(e->options.alloc, e);
}

int
sy__expr_ready(sy__expr *e, sy__error *err)
{
    if (e->iso && sy__isolate_reusable(e->iso)) return SY_OK;
    sy__isolate_free(e->iso);
    e->iso = NULL;
    e->kept = 0;
    int rc = sy__isolate_new(&e->iso, &e->options, err);
    if (rc == SY_OK) rc = sy__isolate_run(e->iso, prepare_body, NULL, CPU_MS, err);
    return rc;
}

/* Places in the chunk are places in the melody: the chunk has no line of its own before the source. */
static void
place_in_melody(sy__error *err, const char *file, int line)
{
    if (!err || (err->file[0] && strcmp(err->file, "expr") != 0)) return;
    sy__error_where(err, file ? file : "", err->line > 0 ? err->line + (line > 0 ? line - 1 : 0) : line, NULL);
}

static int
run(sy__expr *e, lua_CFunction body, evaluation *ev, sy__error *err)
{
    sy__buf_init(&ev->chunk, e->options.alloc);
    ev->e = e;
    ev->is_function = is_function_source(ev->call->source, ev->call->source_len);
    int rc = sy__expr_ready(e, err);
    if (rc == SY_OK) rc = write_chunk(&ev->chunk, ev->call->source, ev->call->source_len, ev->call->captures, err);
    if (rc == SY_OK) rc = sy__isolate_run(e->iso, body, ev, CPU_MS, err);
    sy__buf_close(&ev->chunk);
    if (rc) place_in_melody(err, ev->call->file, ev->call->line);
    return rc;
}

void
sy__expr_poison(sy__expr *e)
{
    sy__isolate_poison(e->iso, SY_ECANCELLED);
}

int
sy__expr_eval(sy__expr *e, const sy__expr_call *call, sy__vbuf *out, sy__error *err)
{
    evaluation ev = {.call = call, .out = out};
    return run(e, evaluate_body, &ev, err);
}

int
sy__expr_check(sy__expr *e, const char *source, size_t len, sy__error *err)
{
    sy__expr_call call = {.source = source, .source_len = len};
    evaluation ev = {.call = &call};
    return run(e, check_body, &ev, err);
}
