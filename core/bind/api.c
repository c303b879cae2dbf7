/*
 * api.c: symphony.h over a project and the trusted state.
 *
 * What needs the program in Lua (finding, checking and starting a melody) calls lua/rpc/embed.lua in one
 * protected call; the rest goes straight to the project. A program that was forked gets SY_EFORK: its threads
 * and locks stayed in the parent.
 */
#include "bind/api.h"

#include "base/text.h"
#include "bind/core.h"
#include "host/embed.h"
#include "kit/luavalue.h"

#include <string.h>
#include <unistd.h>

/* Events that wait for sy_next_event; beyond the bound the oldest go. */
enum { POLL_EVENTS = 1024 };

typedef struct polled {
    char *json;
    struct polled *next;
} polled;

typedef struct subscription {
    int id;
    struct sy_host *host;
    sy_event_fn fn; /* NULL: polled */
    void *ud;
    polled *head, *tail;
    int count;
    struct subscription *next;
} subscription;

struct sy_host {
    sy__alloc alloc;
    pid_t pid;
    int stage_threads;
    lua_State *L;
    int session; /* of rpc.embed, in the registry */
    sy__project *project;
    sy__error error;
    sy__buf error_json;
    subscription *subscriptions;
};

/* Whether the host can be used: it was not forked away. */
static int
forked(const sy_host *h)
{
    return getpid() == h->pid ? SY_OK : SY_EFORK;
}

/* The same, and its project is open. */
static int
closed(const sy_host *h)
{
    int status = forked(h);
    return status ? status : h->project ? SY_OK : SY_EUSAGE;
}

static int
keep_error(sy_host *h, const sy__error *err)
{
    h->error = *err;
    return err->code;
}

/* ---- calls into Lua ---- */

/* The problem at the top of the stack, as an error. */
static void
take_problem(lua_State *L, sy__error *err)
{
    if (!lua_istable(L, -1)) {
        const char *text = lua_tostring(L, -1);
        (void)sy__error_set(err, SY_EINTERNAL, "%s", text ? text : "an error without words");
        return;
    }
    lua_getfield(L, -1, "code");
    lua_getfield(L, -2, "message");
    const char *name = lua_tostring(L, -2), *message = lua_tostring(L, -1);
    int code = name ? sy__error_code(name) : 0;
    (void)sy__error_set(err, code ? code : SY_EINTERNAL, "%s", message ? message : "an error without words");
    lua_pop(L, 2);
    if (lua_getfield(L, -1, "hint") == LUA_TSTRING) sy__error_hint(err, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    if (lua_getfield(L, -1, "where") != LUA_TTABLE) return;
    lua_getfield(L, -1, "file");
    lua_getfield(L, -2, "line");
    lua_getfield(L, -3, "task");
    sy__error_where(err, lua_tostring(L, -3), (int)lua_tointeger(L, -2), lua_tostring(L, -1));
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
    if (lua_pcall(L, 1, 2, 0) != LUA_OK) {
        take_problem(L, err);
        return err->code;
    }
    if (!lua_toboolean(L, 1)) {
        take_problem(L, err);
        return err->code;
    }
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
    int status = open_session(h, &o, root, err);
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

static void
free_subscription(subscription *s)
{
    sy_host *h = s->host;
    while (s->head) {
        polled *p = s->head;
        s->head = p->next;
        sy__free(&h->alloc, p->json);
        sy__free(&h->alloc, p);
    }
    sy__free(&h->alloc, s);
}

void
sy_close(sy_host *h)
{
    if (!h || forked(h)) return;
    if (h->L) lua_close(h->L); /* closes the project, too */
    while (h->subscriptions) {
        subscription *s = h->subscriptions;
        h->subscriptions = s->next;
        free_subscription(s);
    }
    sy__buf_close(&h->error_json);
    sy__alloc alloc = h->alloc;
    sy__free(&alloc, h);
}

/* ---- the loop ---- */

int
sy_fd(sy_host *h)
{
    return h->project ? sy__project_fd(h->project) : SY_EUSAGE;
}

int
sy_step(sy_host *h, int timeout_ms)
{
    int status = closed(h);
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
    } else {
        if (!err.code) (void)sy__error_set(&err, SY_ENOMEM, "no memory for the result");
        (void)keep_error(h, &err);
    }
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
    int status = closed(h);
    *run_json = NULL;
    if (status) return status;
    sy__error_clear(&err);
    sy__vbuf_init(&b, &h->alloc);
    status = sy__value_from_json(&b, request_json, strlen(request_json), &err);
    if (!status) status = sy__vbuf_done(&b, &c.argument);
    if (!status) status = embed(h, &c, &err);
    if (!status) {
        *run_json = json_of_top(h);
        status = *run_json ? SY_OK : h->error.code;
    } else {
        (void)keep_error(h, &err);
    }
    sy__vbuf_close(&b);
    return status;
}

int
sy_cancel(sy_host *h, const char *run)
{
    sy__error err;
    embed_call c = {.function = "cancel", .session = h->session, .text = run};
    int status = closed(h);
    if (!status) status = embed(h, &c, &err);
    if (status && status != SY_EFORK) (void)keep_error(h, &err);
    return status;
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
    int status = h->L ? forked(h) : SY_EUSAGE;
    *results_json = NULL;
    if (status) return status;
    sy__error_clear(&err);
    lua_settop(h->L, 0);
    lua_pushcfunction(h->L, eval);
    lua_pushlightuserdata(h->L, (void *)(uintptr_t)lua);
    if (lua_pcall(h->L, 1, 1, 0) != LUA_OK) {
        const char *text = lua_tostring(h->L, -1);
        return keep_error(h, (sy__error_set(&err, SY_EEXPR, "%s", text ? text : "an error that is no text"), &err));
    }
    *results_json = json_of_top(h);
    return *results_json ? SY_OK : h->error.code;
}

/* ---- events ---- */

static void
put_text(sy__buf *b, const char *name, const char *text)
{
    sy__buf_addf(b, "\"%s\":", name);
    if (text)
        sy__json_string(b, text, strlen(text));
    else
        sy__buf_adds(b, "null");
}

/* {seq,id,run,task,extension,event_type,topic,payload,occurred_at} */
static void
put_event(const sy__event *e, sy__buf *b)
{
    char at[SY__STAMP_BYTES];
    const struct {
        const char *name, *text;
    } texts[] = {{"id", e->id},           {"run", e->run},   {"task", e->task}, {"extension", e->extension},
                 {"event_type", e->type}, {"topic", e->topic}};
    sy__stamp(e->occurred_ms, at);
    sy__buf_addf(b, "{\"seq\":%lld,", (long long)e->seq);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put_text(b, texts[i].name, texts[i].text);
        sy__buf_addc(b, ',');
    }
    sy__buf_addf(b, "\"payload\":%s,\"occurred_at\":\"%s\"}", e->payload ? e->payload : "null", at);
}

static void
keep_for_polling(subscription *s, char *json)
{
    polled *p = sy__malloc(&s->host->alloc, sizeof *p);
    if (!p) {
        sy__free(&s->host->alloc, json);
        return;
    }
    *p = (polled){json, NULL};
    if (s->tail)
        s->tail->next = p;
    else
        s->head = p;
    s->tail = p;
    if (++s->count <= POLL_EVENTS) return;
    polled *oldest = s->head;
    s->head = oldest->next;
    s->count--;
    sy__free(&s->host->alloc, oldest->json);
    sy__free(&s->host->alloc, oldest);
}

static void
on_event(void *ud, const sy__event *event)
{
    subscription *s = ud;
    sy__buf b;
    sy__buf_init(&b, &s->host->alloc);
    put_event(event, &b);
    if (s->fn) {
        const char *text = sy__buf_cstr(&b);
        if (text) s->fn(s->ud, text);
    } else {
        char *json = sy__buf_take(&b, NULL);
        if (json) keep_for_polling(s, json);
    }
    sy__buf_close(&b);
}

int
sy_subscribe(sy_host *h, const char *pattern, sy_event_fn fn, void *ud)
{
    sy__error err;
    int status = closed(h);
    if (status) return status;
    sy__error_clear(&err);
    subscription *s = sy__calloc(&h->alloc, 1, sizeof *s);
    if (!s) return keep_error(h, (sy__error_set(&err, SY_ENOMEM, "no memory for a subscription"), &err));
    s->host = h;
    s->fn = fn;
    s->ud = ud;
    s->id = sy__project_follow(h->project, pattern, -1, on_event, s, &err);
    if (s->id < 0) {
        sy__free(&h->alloc, s);
        return keep_error(h, &err);
    }
    s->next = h->subscriptions;
    h->subscriptions = s;
    return s->id;
}

/* Its memory stays until sy_close: an event of it may be on its way inside this very step. */
int
sy_unsubscribe(sy_host *h, int id)
{
    int status = closed(h);
    return status ? status : sy__project_unfollow(h->project, id);
}

int
sy_next_event(sy_host *h, int id, char **event_json)
{
    int status = closed(h);
    subscription *s = h->subscriptions;
    *event_json = NULL;
    while (s && s->id != id) s = s->next;
    if (status || !s) return status ? status : SY_ENOTFOUND;
    if (!s->head) (void)sy__project_step(h->project, 0);
    polled *p = s->head;
    if (!p) return SY_EAGAIN;
    s->head = p->next;
    if (!s->head) s->tail = NULL;
    s->count--;
    *event_json = p->json;
    sy__free(&h->alloc, p);
    return SY_OK;
}

int
sy_publish(sy_host *h, const char *topic, const char *payload_json)
{
    sy__event event = {.topic = topic, .type = topic, .payload = payload_json};
    if (closed(h)) return closed(h);
    event.occurred_ms = sy__wall_ms(sy__project_clock(h->project));
    if (!sy__topic_pattern_valid(topic) || strpbrk(topic, "*>")) return SY_EUSAGE;
    sy__router_publish(sy__project_router(h->project), &event);
    return SY_OK;
}

/* ---- the rest ---- */

int
sy_artifact_get(sy_host *h, const char *hash_or_id, char **bytes, size_t *size)
{
    sy__buf b;
    sy__error err;
    int status = closed(h);
    *bytes = NULL;
    *size = 0;
    if (status) return status;
    sy__error_clear(&err);
    sy__buf_init(&b, &h->alloc);
    status = sy__artifact_get(sy__project_artifacts(h->project), hash_or_id, &b, &err);
    if (status)
        (void)keep_error(h, &err);
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
