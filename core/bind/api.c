/*
 * api.c: symphony.h over a project and the trusted state.
 *
 * What needs the program in Lua (finding, checking and starting a melody) calls lua/rpc/embed.lua in one
 * protected call; the rest goes straight to the project. A program that was forked gets SY_EFORK: its threads
 * and locks stayed in the parent.
 */
#include "bind/api.h"

#include "bind/api_impl.h"
#include "bind/core.h"
#include "db/sql.h"
#include "host/embed.h"
#include "kit/luavalue.h"
#include "kit/watchdog.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- whether and why not ---- */

/* Whether the host was forked away. */
static int
forked(const sy_host *h)
{
    return getpid() == h->pid ? SY_OK : SY_EFORK;
}

int
sy__api_keep(sy_host *h, const sy__error *err)
{
    h->error = *err;
    return err->code;
}

int
sy__api_refuse(sy_host *h, int code, const char *text)
{
    return sy__error_set(&h->error, code, "%s", text);
}

int
sy__api_ready(sy_host *h)
{
    if (forked(h)) return sy__api_refuse(h, SY_EFORK, sy_strerror(SY_EFORK));
    if (h->project) return SY_OK;
    if (h->error.code) return SY_EUSAGE; /* why it did not open says more */
    return sy__api_refuse(h, SY_EUSAGE, "the host has no open project");
}

/* ---- calls into Lua ---- */

static void
read_problem(lua_State *L, int index, sy__error *err)
{
    lua_getfield(L, index, "code");
    lua_getfield(L, index, "message");
    const char *name = lua_tostring(L, -2), *message = lua_tostring(L, -1);
    int code = name ? sy__error_code(name) : 0;
    (void)sy__error_set(err, code ? code : SY_EINTERNAL, "%s", message ? message : "an error without words");
    if (lua_getfield(L, index, "hint") == LUA_TSTRING) sy__error_hint(err, "%s", lua_tostring(L, -1));
    if (lua_getfield(L, index, "where") != LUA_TTABLE) return;
    int where = lua_gettop(L);
    lua_getfield(L, where, "file");
    lua_getfield(L, where, "line");
    lua_getfield(L, where, "task");
    sy__error_where(err, lua_tostring(L, -3), (int)lua_tointeger(L, -2), lua_tostring(L, -1));
}

/* problem, sy__error: protected, for reading a table may need memory. */
static int
read_any_problem(lua_State *L)
{
    sy__error *err = lua_touserdata(L, 2);
    if (lua_istable(L, 1)) {
        read_problem(L, 1, err);
        return 0;
    }
    const char *text = lua_tostring(L, 1);
    (void)sy__error_set(err, SY_EINTERNAL, "%s", text ? text : "an error without words");
    return 0;
}

/* The problem at the top of the stack, as an error; returns its code. */
static int
take_problem(lua_State *L, sy__error *err)
{
    lua_pushcfunction(L, read_any_problem);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, err);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) return sy__error_set(err, SY_ENOMEM, "no memory for an error");
    return err->code;
}

/* A call of rpc.embed that runs protected: name, and an argument as a value or text. */
typedef struct embed_call {
    const char *function;
    int session; /* 0: none */
    sy__value argument;
    const char *text;
} embed_call;

static int
call_embed(lua_State *L)
{
    const embed_call *c = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "rpc.embed");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, c->function);
    int args = 1;
    if (c->session) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, c->session);
        args = 2;
    }
    if (c->argument.data)
        sy__value_to_lua(L, c->argument);
    else if (c->text)
        lua_pushstring(L, c->text);
    else
        lua_pushnil(L);
    lua_call(L, args, 2);
    return 2;
}

/* Leaves the first result on the stack. */
static int
embed(sy_host *h, const embed_call *c, sy__error *err)
{
    lua_State *L = h->L;
    sy__error_clear(err);
    lua_settop(L, 0);
    lua_pushcfunction(L, call_embed);
    lua_pushlightuserdata(L, (void *)(uintptr_t)c);
    if (lua_pcall(L, 1, 2, 0) != LUA_OK || !lua_toboolean(L, 1)) return take_problem(L, err);
    lua_settop(L, 1);
    return SY_OK;
}

/* ---- opening and closing ---- */

static const char host_key[] = "symphony.sy_host";

lua_State *
sy__host_lua(sy_host *h)
{
    return h->L;
}

sy_host *
sy__host_of(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, host_key);
    sy_host *h = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return h;
}

void
sy__host_fill(const sy_host *h, sy__project_options *o)
{
    o->alloc = &h->alloc;
    if (h->stage_threads > 0) o->stages = h->stage_threads;
    if (h->helper) o->helper = h->helper;
    o->watchdog_signal = h->watchdog_signal;
}

sy__project *
sy__host_project(const sy_host *h)
{
    return h->project;
}

void
sy__host_attach(sy_host *h, sy__project *project)
{
    h->project = project;
}

/* Puts the host where sy__host_of finds it; protected, because it may raise for memory. */
static int
introduce(lua_State *L)
{
    lua_setfield(L, LUA_REGISTRYINDEX, host_key);
    return 0;
}

static int
open_session(sy_host *h, const sy_options *o, const char *root, sy__error *err)
{
    sy__trusted_options lua = {.alloc = &h->alloc, .root = root, .source = sy__embedded_source};
    int status = sy__trusted_new(&h->L, &lua, err);
    if (status) return status;
    lua_pushcfunction(h->L, introduce);
    lua_pushlightuserdata(h->L, h);
    if (lua_pcall(h->L, 1, 0, 0) != LUA_OK) return sy__error_set(err, SY_ENOMEM, "no memory for a host");
    if (o->open_later) return SY_OK;
    embed_call c = {.function = "open", .text = o->project_dir};
    status = embed(h, &c, err);
    if (status) return status;
    h->session = luaL_ref(h->L, LUA_REGISTRYINDEX);
    return h->project ? SY_OK : sy__error_set(err, SY_EINTERNAL, "the host did not open its project");
}

/* A signal that is lent must be free; when we are to choose, there may be none. */
static int
take_signal(sy_host *h, int lent, sy__error *err)
{
    int signum = lent < 0 ? sy__watchdog_free_signal() : lent;
    int status = signum ? sy__watchdog_take(signum, err) : SY_OK;
    h->watchdog_signal = status ? 0 : signum;
    return status;
}

int
sy__host_open(sy_host **out, const sy_options *options, const char *root, sy__error *err)
{
    sy_options o = {0};
    *out = NULL;
    sy__error_clear(err);
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    sy__alloc alloc = o.alloc ? (sy__alloc){o.alloc, o.alloc_ud} : sy__alloc_default;
    sy_host *h = sy__calloc(&alloc, 1, sizeof *h);
    if (!h) return sy__error_set(err, SY_ENOMEM, "no memory for a host");
    h->alloc = alloc;
    h->pid = getpid();
    h->stage_threads = o.stage_threads;
    sy__buf_init(&h->error_json, &h->alloc);
    if (o.helper_path) h->helper = sy__strdup(&h->alloc, o.helper_path);
    int status = h->helper || !o.helper_path ? take_signal(h, o.watchdog_signal, err) : SY_ENOMEM;
    if (status == SY_OK) status = open_session(h, &o, root, err);
    if (status) h->error = *err;
    *out = h;
    return status;
}

int
sy_open(sy_host **out, const sy_options *options)
{
    sy__error err;
    return sy__host_open(out, options, NULL, &err);
}

void
sy_close(sy_host *h)
{
    if (!h || forked(h)) return;
    if (h->L) lua_close(h->L); /* closes the project, too */
    sy__api_drop_subscriptions(h);
    sy__buf_close(&h->error_json);
    sy__alloc alloc = h->alloc;
    sy__free(&alloc, h->helper);
    sy__free(&alloc, h);
}

/* ---- the loop ---- */

int
sy_fd(sy_host *h)
{
    int status = sy__api_ready(h);
    return status ? status : sy__project_fd(h->project);
}

int
sy_step(sy_host *h, int timeout_ms)
{
    int status = sy__api_ready(h);
    return status ? status : sy__project_step(h->project, timeout_ms);
}

void
sy_wakeup(sy_host *h)
{
    if (h->project) sy__project_wake(h->project);
}

/* ---- runs ---- */

static char *
json_of_top(sy_host *h)
{
    sy__vbuf b;
    sy__buf text;
    sy__value v;
    char *json = NULL;
    sy__error err;
    sy__error_clear(&err);
    sy__vbuf_init(&b, &h->alloc);
    sy__buf_init(&text, &h->alloc);
    if (sy__lua_to_value(h->L, -1, &b, &err) == SY_OK && sy__vbuf_done(&b, &v) == SY_OK) {
        sy__value_to_json(v, SY__JSON_COMPACT, &text);
        json = sy__buf_take(&text, NULL);
    }
    if (!json && !err.code) (void)sy__error_set(&err, SY_ENOMEM, "no memory for the result");
    if (!json) (void)sy__api_keep(h, &err);
    sy__vbuf_close(&b);
    sy__buf_close(&text);
    return json;
}

int
sy_run(sy_host *h, const char *request_json, char **run_json)
{
    sy__vbuf b;
    sy__error err;
    embed_call c = {.function = "run", .session = h->session};
    int status = sy__api_ready(h);
    *run_json = NULL;
    if (status) return status;
    sy__error_clear(&err);
    sy__vbuf_init(&b, &h->alloc);
    status = sy__value_from_json(&b, request_json, strlen(request_json), &err);
    if (!status) status = sy__vbuf_done(&b, &c.argument);
    if (!status) status = embed(h, &c, &err);
    sy__vbuf_close(&b);
    if (status) return err.code ? sy__api_keep(h, &err) : sy__api_refuse(h, status, sy_strerror(status));
    *run_json = json_of_top(h);
    return *run_json ? SY_OK : h->error.code;
}

int
sy_cancel(sy_host *h, const char *run)
{
    sy__error err;
    embed_call c = {.function = "cancel", .session = h->session, .text = run};
    int status = sy__api_ready(h);
    if (status) return status;
    status = embed(h, &c, &err);
    return status ? sy__api_keep(h, &err) : SY_OK;
}

/* {"run", "task", "value"} */
static int
put_answer(sy__vbuf *b, const char *run, const char *task, const char *json, sy__value *out, sy__error *err)
{
    sy__vbuf_map(b);
    sy__vbuf_key(b, "run", 3);
    sy__vbuf_cstr(b, run);
    if (task) sy__vbuf_key(b, "task", 4), sy__vbuf_cstr(b, task);
    sy__vbuf_key(b, "value", 5);
    int status = sy__value_from_json(b, json, strlen(json), err);
    sy__vbuf_end(b);
    return status ? status : sy__vbuf_done(b, out);
}

int
sy_answer(sy_host *h, const char *run, const char *task, const char *answer_json)
{
    sy__error err = {0};
    embed_call c = {.function = "answer"};
    int status = sy__api_ready(h);
    if (status) return status;
    if (!run || !answer_json) {
        (void)sy__error_set(&err, SY_EUSAGE, "a run and an answer are needed");
        return sy__api_keep(h, &err);
    }
    c.session = h->session;
    sy__vbuf b;
    sy__vbuf_init(&b, &h->alloc);
    status = put_answer(&b, run, task, answer_json, &c.argument, &err);
    if (status && !err.code) (void)sy__error_set(&err, status, "the answer is no value");
    if (!status) status = embed(h, &c, &err);
    sy__vbuf_close(&b);
    return status ? sy__api_keep(h, &err) : SY_OK;
}

/* The chunk's results as an array; protected. */
static int
eval(lua_State *L)
{
    const char *source = lua_touserdata(L, 1);
    if (luaL_loadbufferx(L, source, strlen(source), "=eval", "t") != LUA_OK) return lua_error(L);
    int base = lua_gettop(L);
    lua_call(L, 0, LUA_MULTRET);
    int count = lua_gettop(L) - base + 1;
    lua_createtable(L, count, 0);
    sy__lua_push_array_mt(L);
    lua_setmetatable(L, -2);
    for (int i = 1; i <= count; i++) {
        if (lua_isnil(L, base + i - 1))
            lua_pushlightuserdata(L, NULL);
        else
            lua_pushvalue(L, base + i - 1);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

int
sy_eval(sy_host *h, const char *lua, char **results_json)
{
    sy__error err;
    *results_json = NULL;
    if (forked(h)) return sy__api_refuse(h, SY_EFORK, sy_strerror(SY_EFORK));
    if (!h->L) return sy__api_refuse(h, SY_EUSAGE, "the host was not opened");
    sy__error_clear(&err);
    lua_settop(h->L, 0);
    lua_pushcfunction(h->L, eval);
    lua_pushlightuserdata(h->L, (void *)(uintptr_t)lua);
    if (lua_pcall(h->L, 1, 1, 0) != LUA_OK) {
        const char *text = lua_tostring(h->L, -1);
        return sy__api_keep(h, (sy__error_set(&err, SY_EEXPR, "%s", text ? text : "an error that is no text"), &err));
    }
    *results_json = json_of_top(h);
    return *results_json ? SY_OK : h->error.code;
}

/* ---- the rest ---- */

/* The hash behind an artifact's id; any other text is taken as a hash. */
static int
find_hash(sy_host *h, const char *hash_or_id, char hash[SY__HASH_BYTES], sy__error *err)
{
    if (!sy__id_valid(hash_or_id)) {
        (void)snprintf(hash, SY__HASH_BYTES, "%s", hash_or_id);
        return SY_OK;
    }
    sy__db *db = sy__project_db(h->project);
    sqlite3 *conn = sy__db_reader(db, err);
    if (!conn) return err->code;
    static const char sql[] = "SELECT content_hash FROM artifact WHERE id = ?1";
    int status = sy__sql_text(conn, sql, &hash_or_id, 1, hash, SY__HASH_BYTES, err);
    sy__db_reader_release(db, conn);
    if (!status && !*hash) status = sy__error_set(err, SY_ENOTFOUND, "there is no artifact %s", hash_or_id);
    return status;
}

int
sy_artifact_get(sy_host *h, const char *hash_or_id, char **bytes, size_t *size)
{
    sy__buf b;
    sy__error err;
    char hash[SY__HASH_BYTES];
    int status = sy__api_ready(h);
    *bytes = NULL;
    *size = 0;
    if (status) return status;
    sy__error_clear(&err);
    sy__buf_init(&b, &h->alloc);
    status = find_hash(h, hash_or_id, hash, &err);
    if (!status) status = sy__artifact_get(sy__project_artifacts(h->project), hash, &b, &err);
    if (status)
        (void)sy__api_keep(h, &err);
    else
        *bytes = sy__buf_take(&b, size);
    sy__buf_close(&b);
    return status;
}

const char *
sy_last_error(sy_host *h)
{
    if (!h) return "{\"code\":\"out_of_memory\",\"message\":\"no memory for a host\"}";
    sy__buf_reset(&h->error_json);
    sy__error_json(&h->error, &h->error_json);
    const char *text = sy__buf_cstr(&h->error_json);
    return text ? text : "{\"code\":\"out_of_memory\"}";
}

void
sy_free(sy_host *h, void *ptr)
{
    sy__free(h ? &h->alloc : &sy__alloc_default, ptr);
}
