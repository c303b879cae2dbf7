/*
 * safe_coroutine.c: coroutines that hand a wait of the host outwards and let no poison be caught.
 *
 * When a host function parks inside a coroutine, resume sees a yield that is not meant for its caller: it yields
 * itself, and when the host wakes the call it resumes the inner coroutine again, level by level.
 *
 * lua_resetthread of 5.4.4 forgets how deep the C stack already is, so resume and close measure it themselves.
 */
#include "kit/isolate_impl.h"

#include <lauxlib.h>

enum {
    MAX_LIVE = 4096,
    FEW_LIVE = MAX_LIVE / 4 * 3,
    RESUME_CHARGE = 1024, /* bytes of work: a chain of short coroutines runs no hook */
#ifdef __SANITIZE_ADDRESS__
    MAX_C_STACK_BYTES = 2 << 20,
#else
    MAX_C_STACK_BYTES = 384 << 10,
#endif
};

static lua_State *
get_co(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

static void
check_depth(lua_State *L, const sy__isolate *iso)
{
    if (sy__isolate_stack_bytes(iso) > MAX_C_STACK_BYTES) (void)luaL_error(L, "C stack overflow");
}

/* ---- how many live ---- */

/* Closes the gaps that the collector left in the list at -1. */
static int
compact_list(lua_State *L, int used)
{
    int kept = 0;
    for (int i = 1; i <= used; i++) {
        if (lua_rawgeti(L, -1, i) == LUA_TNIL) {
            lua_pop(L, 1);
            continue;
        }
        lua_rawseti(L, -2, ++kept);
    }
    for (int i = kept + 1; i <= used; i++) {
        lua_pushnil(L);
        lua_rawseti(L, -2, i);
    }
    return kept;
}

static void
make_room(lua_State *L, sy__isolate *iso)
{
    sy__isolate_charge(L, MAX_LIVE * 16);
    iso->live_coroutines = compact_list(L, iso->live_coroutines);
    if (iso->live_coroutines < FEW_LIVE) return;
    (void)lua_gc(L, LUA_GCCOLLECT);
    sy__isolate_charge(L, iso->limits.used_bytes);
    iso->live_coroutines = compact_list(L, iso->live_coroutines);
    if (iso->live_coroutines >= MAX_LIVE) (void)luaL_error(L, "more than %d coroutines", MAX_LIVE);
}

static void
count_coroutine(lua_State *L, sy__isolate *iso)
{
    (void)lua_rawgetp(L, LUA_REGISTRYINDEX, &iso->live_coroutines);
    if (iso->live_coroutines >= MAX_LIVE) make_room(L, iso);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, ++iso->live_coroutines);
    lua_pop(L, 1);
}

/* Pushes a new coroutine for the function at 1. */
static void
push_new(lua_State *L)
{
    sy__isolate *iso = sy__isolate_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    sy__isolate_charge(L, RESUME_CHARGE);
    lua_State *co = lua_newthread(L);
    count_coroutine(L, iso);
    sy__limits_sync(&iso->limits, co);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
}

static int
co_create(lua_State *L)
{
    push_new(L);
    return 1;
}

/* ---- resume ---- */

typedef enum outcome { VALUES, FAILED, HOST_WAITS } outcome;

/* lua_resume with the bookkeeping around it. */
static int
run_inner(lua_State *L, sy__isolate *iso, lua_State *co, int args, int *results)
{
    sy__resumer self = {.L = L, .outer = iso->chain};
    iso->chain = &self;
    sy__limits_sync(&iso->limits, co);
    sy__limits_switch(&iso->limits, co);
    int status = lua_resume(co, L, args, results);
    sy__limits_switch(&iso->limits, L);
    iso->chain = self.outer;
    sy__limits_sync(&iso->limits, L);
    return status;
}

/* Resumes `co` with `args` values from the top of L; leaves results, or one error, on top of L. */
static outcome
resume(lua_State *L, lua_State *co, int args, int *count)
{
    sy__isolate *iso = sy__isolate_of(L);
    check_depth(L, iso);
    sy__isolate_charge(L, RESUME_CHARGE);
    *count = 1;
    if (!lua_checkstack(co, args)) {
        lua_pushliteral(L, "too many arguments to resume");
        return FAILED;
    }
    lua_xmove(L, co, args);
    int results = 0, status = run_inner(L, iso, co, args, &results);
    if (status == LUA_YIELD && iso->waiting) return HOST_WAITS;
    if (status == LUA_ERRMEM) sy__limits_poison(&iso->limits, SY_EMEMORY);
    if (iso->limits.why) (void)sy__limits_raise(&iso->limits, L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return FAILED;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return FAILED;
    }
    lua_xmove(co, L, results);
    *count = results;
    return VALUES;
}

static int resume_again(lua_State *L, int status, lua_KContext ctx);

static int
finish_resume(lua_State *L, outcome how, int count)
{
    if (how == HOST_WAITS) return lua_yieldk(L, 0, 0, resume_again);
    if (how == FAILED) sy__isolate_of(L)->fail_code = 0;
    lua_pushboolean(L, how == VALUES);
    lua_insert(L, -(count + 1));
    return count + 1;
}

static int
resume_again(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    (void)ctx;
    int count;
    outcome how = resume(L, lua_tothread(L, 1), 0, &count);
    return finish_resume(L, how, count);
}

static int
co_resume(lua_State *L)
{
    lua_State *co = get_co(L);
    int count;
    outcome how = resume(L, co, lua_gettop(L) - 1, &count);
    return finish_resume(L, how, count);
}

/* ---- close ---- */

/* Runs what is to be closed; true: ended well, else the error is on top of co. */
static bool
close_co(lua_State *L, lua_State *co)
{
    sy__isolate *iso = sy__isolate_of(L);
    check_depth(L, iso);
    sy__isolate_charge(L, RESUME_CHARGE);
    sy__limits_sync(&iso->limits, co);
    sy__limits_switch(&iso->limits, co);
    int status = lua_resetthread(co);
    sy__limits_switch(&iso->limits, L);
    if (status == LUA_ERRMEM) sy__limits_poison(&iso->limits, SY_EMEMORY);
    if (iso->limits.why) (void)sy__limits_raise(&iso->limits, L);
    return status == LUA_OK;
}

/* ---- wrap ---- */

static int wrap_again(lua_State *L, int status, lua_KContext ctx);

static int
wrap_failed(lua_State *L, lua_State *co)
{
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD && !close_co(L, co)) {
        lua_xmove(co, L, 1); /* the error of closing, or the first one again */
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int
finish_wrap(lua_State *L, lua_State *co, outcome how, int count)
{
    if (how == HOST_WAITS) return lua_yieldk(L, 0, 0, wrap_again);
    return how == VALUES ? count : wrap_failed(L, co);
}

static int
wrap_again(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    (void)ctx;
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int count;
    outcome how = resume(L, co, 0, &count);
    return finish_wrap(L, co, how, count);
}

static int
call_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int count;
    outcome how = resume(L, co, lua_gettop(L), &count);
    return finish_wrap(L, co, how, count);
}

static int
co_wrap(lua_State *L)
{
    push_new(L);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

/* ---- the rest ---- */

typedef enum co_status { CO_RUNNING, CO_DEAD, CO_SUSPENDED, CO_NORMAL } co_status;
static const char *const status_names[] = {"running", "dead", "suspended", "normal"};

static co_status
status_of(lua_State *L, lua_State *co)
{
    lua_Debug at;
    if (L == co) return CO_RUNNING;
    if (lua_status(co) == LUA_YIELD) return CO_SUSPENDED;
    if (lua_status(co) != LUA_OK) return CO_DEAD;
    if (lua_getstack(co, 0, &at)) return CO_NORMAL;
    return lua_gettop(co) == 0 ? CO_DEAD : CO_SUSPENDED;
}

static int
co_status_name(lua_State *L)
{
    lua_pushstring(L, status_names[status_of(L, get_co(L))]);
    return 1;
}

static int
co_close(lua_State *L)
{
    lua_State *co = get_co(L);
    co_status status = status_of(L, co);
    if (status != CO_DEAD && status != CO_SUSPENDED)
        return luaL_error(L, "cannot close a %s coroutine", status_names[status]);
    if (close_co(L, co)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

static int co_yield (lua_State *L)
{
    if (sy__isolate_of(L)->co == L) return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

static int
co_isyieldable(lua_State *L)
{
    lua_State *co = lua_isnone(L, 1) ? L : get_co(L);
    lua_pushboolean(L, co != sy__isolate_of(L)->co && lua_isyieldable(co));
    return 1;
}

static int
co_running(lua_State *L)
{
    (void)lua_pushthread(L);
    lua_pushboolean(L, sy__isolate_of(L)->co == L);
    return 2;
}

void
sy__safe_open_coroutine(lua_State *L, sy__isolate *iso)
{
    static const luaL_Reg ours[] = {
        {"create", co_create},      {"resume", co_resume},   {"wrap", co_wrap},
        {"status", co_status_name}, {"yield", co_yield },    {"isyieldable", co_isyieldable},
        {"close", co_close},        {"running", co_running}, {NULL, NULL},
    };
    lua_newtable(L); /* the live ones, held weakly */
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &iso->live_coroutines);
    luaL_newlib(L, ours);
}
