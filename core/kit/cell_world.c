/*
 * cell_world.c: the world as a cell sees it: everything that is not computing is a question to the host.
 *
 * `ctx` is the same code as in process (isolate_ctx.c, isolate_artifact.c) over services that ask. Modules that need
 * capabilities are opened, then each of their functions is replaced by one that asks for the real one by name. Sources
 * for `require` come from the host, too, which read them when the extension was added.
 */
#include "kit/cell_impl.h"
#include "kit/isolate_impl.h"

#include "kit/luavalue.h"

#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

static void
put_int(sy__vbuf *b, const char *key, int64_t n)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_int(b, n);
}

static void
put_text(sy__vbuf *b, const char *key, const char *text)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_cstr(b, text);
}

/* ---- services ---- */

static sy__vbuf *
begin(sy__cell *c, sy__service what)
{
    sy__vbuf *b = sy__cell_body(c);
    put_int(b, "what", what);
    return b;
}

/* Asks; SY_OK, or the error of the answer. */
static int
ask(sy__cell *c, const char *blob, size_t len, sy__frame *answer, sy__error *err)
{
    sy__error why = {0};
    sy__cell_ask(c, SY__FROM_SERVICE, blob, len, answer);
    if (answer->kind != SY__TO_ANSWER) _exit(1);
    if (!sy__frame_get_error(answer, &why)) return SY_OK;
    if (err) *err = why;
    return why.code;
}

static int
ask_artifact(void *ud, const char *type, const void *bytes, size_t size, sy__value metadata, sy__vbuf *ref,
             sy__error *err)
{
    sy__frame answer;
    sy__vbuf *b = begin(ud, SY__ASK_ARTIFACT);
    put_text(b, "type", type);
    sy__vbuf_key(b, "metadata", 8);
    sy__vbuf_value(b, metadata);
    if (b->error) return sy__error_set(err, SY_EINVAL, "the metadata is too large");
    int rc = ask(ud, bytes, size, &answer, err);
    if (rc == SY_OK) sy__vbuf_value(ref, (sy__value){answer.blob, answer.blob_len});
    return rc;
}

static int
ask_artifact_read(void *ud, const char *hash, sy__buf *out, sy__error *err)
{
    sy__frame answer;
    put_text(begin(ud, SY__ASK_ARTIFACT_READ), "hash", hash);
    int rc = ask(ud, NULL, 0, &answer, err);
    if (rc == SY_OK) sy__buf_add(out, answer.blob, answer.blob_len);
    if (rc == SY_OK && out->failed) rc = sy__error_set(err, SY_EMEMORY, "no memory for the artifact");
    return rc;
}

static int
ask_emit(void *ud, const char *event_type, sy__value payload, sy__error *err)
{
    sy__frame answer;
    put_text(begin(ud, SY__ASK_EMIT), "type", event_type);
    return ask(ud, payload.data, payload.size, &answer, err);
}

static int
ask_progress(void *ud, double done, double total, const char *text)
{
    sy__frame answer;
    sy__vbuf *b = begin(ud, SY__ASK_PROGRESS);
    sy__vbuf_key(b, "done", 4);
    sy__vbuf_num(b, done);
    sy__vbuf_key(b, "total", 5);
    sy__vbuf_num(b, total);
    return ask(ud, text, strlen(text), &answer, NULL);
}

static int
ask_stream(void *ud, const char *bytes, size_t len)
{
    sy__frame answer;
    (void)begin(ud, SY__ASK_STREAM);
    return ask(ud, bytes, len, &answer, NULL);
}

static int
ask_log(void *ud, sy__log_level level, const char *text)
{
    sy__frame answer;
    put_int(begin(ud, SY__ASK_LOG), "level", level);
    return ask(ud, text, strlen(text), &answer, NULL);
}

static void
tell_usage(void *ud, double usd, int64_t tokens)
{
    sy__frame answer;
    sy__vbuf *b = begin(ud, SY__ASK_USAGE);
    sy__vbuf_key(b, "usd", 3);
    sy__vbuf_num(b, usd);
    put_int(b, "tokens", tokens);
    (void)ask(ud, NULL, 0, &answer, NULL);
}

void
sy__cell_services(sy__call_services *out, int64_t bits)
{
    if (bits & 1 << SY__ASK_ARTIFACT) out->artifact = ask_artifact;
    if (bits & 1 << SY__ASK_ARTIFACT_READ) out->artifact_read = ask_artifact_read;
    if (bits & 1 << SY__ASK_EMIT) out->emit = ask_emit;
    if (bits & 1 << SY__ASK_PROGRESS) out->progress = ask_progress;
    if (bits & 1 << SY__ASK_STREAM) out->stream = ask_stream;
    if (bits & 1 << SY__ASK_LOG) out->log = ask_log;
    if (bits & 1 << SY__ASK_USAGE) out->usage = tell_usage;
}

/* ---- sources ---- */

bool
sy__cell_module(void *ud, const char *name, const char **source, size_t *len, const char **chunk_name)
{
    sy__cell *c = ud;
    sy__frame answer;
    put_text(sy__cell_body(c), "name", name);
    sy__cell_ask(c, SY__FROM_MODULE, NULL, 0, &answer);
    if (answer.kind != SY__TO_ANSWER) _exit(1);
    if (!sy__frame_flag(&answer, "ok")) return false;
    sy__cell_source *s = sy__calloc(c->alloc, 1, sizeof *s);
    if (!s) return false;
    s->next = c->sources;
    c->sources = s;
    sy__buf_init(&s->text, c->alloc);
    sy__buf_add(&s->text, answer.blob, answer.blob_len);
    (void)sy__frame_copy(&answer, "chunk", s->chunk, sizeof s->chunk);
    *source = sy__buf_cstr(&s->text);
    *len = s->text.len;
    *chunk_name = s->chunk;
    return *source != NULL;
}

/* ---- functions that the host runs ---- */

/* Raises what the answer says, with the place of the caller as a function here would. */
static int
raise_answer(lua_State *L, const sy__frame *f, int code)
{
    size_t len;
    const char *text = sy__frame_text(f, "message", &len);
    luaL_where(L, 1);
    lua_pushlstring(L, text ? text : "", text ? len : 0);
    lua_concat(L, 2);
    if (code) sy__isolate_of(L)->fail_code = code;
    return lua_error(L);
}

static void
send_error(lua_State *L, sy__cell *c)
{
    sy__vbuf *b = sy__cell_body(c);
    size_t len;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "a callback failed";
    put_int(b, "code", SY_EEXTENSION);
    sy__vbuf_key(b, "message", 7);
    sy__vbuf_str(b, text, strnlen(text, SY__ERROR_MESSAGE_BYTES));
    sy__cell_send(c, SY__FROM_RETURNED, NULL, 0);
}

/* Nothing that takes a function looks at what it returns. */
static void
send_returned(sy__cell *c)
{
    sy__value v = {0};
    put_text(sy__cell_body(c), "mask", "");
    sy__vbuf_array(&c->blob);
    sy__vbuf_end(&c->blob);
    (void)sy__vbuf_done(&c->blob, &v);
    sy__cell_send(c, SY__FROM_RETURNED, v.data, v.size);
}

/* Runs the callback that the host asks for, out of the table at `kept`. False: its error is on top of the stack. */
static bool
run_callback(lua_State *L, sy__cell *c, const sy__frame *f, int kept)
{
    if (lua_rawgeti(L, kept, sy__frame_int(f, "id", 0)) != LUA_TFUNCTION) _exit(1);
    int count = sy__cell_unpack(L, f);
    if (count < 0) _exit(1);
    c->nested++;
    int status = lua_pcall(L, count, 0, 0);
    c->nested--;
    sy__limits *l = &sy__isolate_of(L)->limits;
    if (l->why) (void)sy__limits_raise(l, L);
    if (status == LUA_OK)
        send_returned(c);
    else
        send_error(L, c);
    return status == LUA_OK;
}

/* Sends the question: the arguments below `kept`, where the functions among them go. */
static void
send_question(lua_State *L, sy__cell *c, const char *module, const char *name, int kept, sy__frame *answer)
{
    sy__error err = {0};
    sy__value blob = {0};
    sy__vbuf *b = sy__cell_body(c);
    put_text(b, "module", module);
    put_text(b, "name", name);
    if (sy__cell_pack(L, 1, kept - 1, kept, b, &c->blob, &err))
        (void)luaL_error(L, "the arguments of %s: %s", name, err.message);
    (void)sy__vbuf_done(&c->blob, &blob);
    sy__isolate_charge(L, blob.size);
    sy__cell_ask(c, SY__FROM_INVOKE, blob.data, blob.size, answer);
}

/* A function of a module: upvalues its module and its name. */
static int
invoke(lua_State *L)
{
    sy__cell *c = sy__isolate_of(L)->options.cell;
    const char *module = lua_tostring(L, lua_upvalueindex(1)), *name = lua_tostring(L, lua_upvalueindex(2));
    sy__frame f;
    int kept = lua_gettop(L) + 1, failed = 0;
    if (!sy__isolate_of(L)->call) return luaL_error(L, "%s.%s works in a call only", module, name);
    if (c->nested >= SY__MAX_NESTED) return luaL_error(L, "callbacks in callbacks, more than %d deep", SY__MAX_NESTED);
    lua_newtable(L);
    send_question(L, c, module, name, kept, &f);
    for (; f.kind == SY__TO_CALLBACK; sy__cell_receive(c, &f))
        if (!run_callback(L, c, &f, kept)) failed = lua_gettop(L);
    if (f.kind != SY__TO_ANSWER) _exit(1);
    if (failed) {
        lua_settop(L, failed);
        return lua_error(L);
    }
    if (!sy__frame_flag(&f, "ok")) return raise_answer(L, &f, (int)sy__frame_int(&f, "code", 0));
    lua_settop(L, 0);
    int count = sy__cell_unpack(L, &f);
    if (count < 0) _exit(1);
    return count;
}

void
sy__cell_stand_in(lua_State *L, const char *module)
{
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, -3)) {
        lua_pushvalue(L, -2);
        if (lua_type(L, -2) == LUA_TFUNCTION) {
            lua_pushstring(L, module);
            lua_pushvalue(L, -2);
            lua_pushcclosure(L, invoke, 2);
        } else {
            lua_pushvalue(L, -2);
        }
        lua_rawset(L, -5);
        lua_pop(L, 1);
    }
    lua_remove(L, -2);
}
