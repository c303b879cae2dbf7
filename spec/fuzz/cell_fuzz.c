/*
 * cell_fuzz.c: what a hostile process may send to its host while a call runs. Input that begins with `r` is the bytes
 * as they are; any other is lines "KIND<tab>body as JSON<tab>blob", whose blob is JSON (the encoded value is sent) or,
 * after
 * `=`, text. Whatever comes, the call ends and nothing is touched that was not offered.
 */
#include "bind/stdlib.h"
#include "kit/cell.h"
#include "kit/remote.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "symphony.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST_INPUT = 64 << 10 };

/* ---- what the host offers ---- */

static int
each_next(lua_State *L, int status, lua_KContext i)
{
    (void)status;
    if (i == 3) return 0;
    lua_getfield(L, 1, "on");
    lua_pushinteger(L, i);
    lua_callk(L, 1, 0, i + 1, each_next);
    return each_next(L, LUA_OK, i + 1);
}

static int
world_each(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return each_next(L, LUA_OK, 0);
}

static int
world_echo(lua_State *L)
{
    return lua_gettop(L);
}

static int
world_fail(lua_State *L)
{
    return luaL_error(L, "%s", luaL_checkstring(L, 1));
}

static int
open_world(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"each", world_each}, {"echo", world_echo}, {"fail", world_fail}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

static int
open_private(lua_State *L)
{
    (void)L;
    abort(); /* it is not hosted: nothing a cell sends may open it */
}

static const sy__isolate_module modules[] = {{"world", open_world, 1u << SY__PROFILE_EXTENSION | SY__HOSTED},
                                             {"private", open_private, 1u << SY__PROFILE_EXTENSION},
                                             {NULL, NULL, 0}};

static int
take_artifact(void *ud, const char *type, const void *bytes, size_t size, sy__value metadata, sy__vbuf *ref,
              sy__error *err)
{
    (void)ud, (void)err;
    if (strlen(type) > 200 || (size && !bytes) || !sy__value_check(metadata.data, metadata.size)) abort();
    sy__vbuf_map(ref);
    sy__vbuf_end(ref);
    return SY_OK;
}

static int
read_artifact(void *ud, const char *hash, sy__buf *out, sy__error *err)
{
    (void)ud;
    if (strcmp(hash, "x") != 0) return sy__error_set(err, SY_ENOTFOUND, "no artifact");
    sy__buf_adds(out, "content");
    return SY_OK;
}

static int
take_event(void *ud, const char *event_type, sy__value payload, sy__error *err)
{
    (void)ud, (void)err;
    if (!*event_type || !sy__value_check(payload.data, payload.size)) abort();
    return SY_OK;
}

static int
take_progress(void *ud, double done, double total, const char *text)
{
    (void)ud, (void)done, (void)total;
    return strlen(text) < LONGEST_INPUT ? SY_OK : SY_EINVAL;
}

static int
take_line(void *ud, sy__log_level level, const char *text)
{
    (void)ud, (void)text;
    if (level < SY__LOG_DEBUG || level > SY__LOG_ERROR) abort();
    return SY_OK;
}

static void
take_usage(void *ud, double usd, int64_t tokens)
{
    (void)ud;
    if (!(usd >= 0) || tokens < 0) abort();
}

/* stream is not offered. */
static const sy__call_services services = {.artifact = take_artifact,
                                           .artifact_read = read_artifact,
                                           .emit = take_event,
                                           .progress = take_progress,
                                           .log = take_line,
                                           .usage = take_usage};

/* ---- what the process says ---- */

static sy__value
value_of(sy__vbuf *b, const char *json, size_t len)
{
    sy__value v = {0};
    sy__error err;
    sy__vbuf_init(b, &sy__alloc_default);
    if (sy__value_from_json(b, json, len, &err) || sy__vbuf_done(b, &v)) return sy__value_null();
    return v;
}

static void
add_line(sy__buf *out, const char *line, size_t len)
{
    const char *end = line + len, *tab = memchr(line, '\t', len);
    int kind = 0;
    if (len == 0 || !tab) return;
    for (const char *p = line; p < tab && p < line + 4 && *p >= '0' && *p <= '9'; p++) kind = kind * 10 + (*p - '0');
    const char *blob = memchr(tab + 1, '\t', (size_t)(end - tab - 1)), *stop = blob ? blob : end;
    sy__vbuf body, content;
    sy__value v = value_of(&body, tab + 1, (size_t)(stop - tab - 1)), c = {0};
    sy__vbuf_init(&content, &sy__alloc_default);
    if (blob && end > blob + 1 && blob[1] == '=')
        c = (sy__value){blob + 2, (size_t)(end - blob - 2)};
    else if (blob)
        c = value_of(&content, blob + 1, (size_t)(end - blob - 1));
    sy__frame_add(out, (sy__frame_kind)kind, v, c.data ? c.data : "", c.size);
    sy__vbuf_close(&body);
    sy__vbuf_close(&content);
}

/* Ready and loaded, as every cell says them first. */
static void
add_greeting(sy__buf *out)
{
    sy__vbuf b;
    sy__value v;
    char json[96];
    (void)snprintf(json, sizeof json, "{\"version\":\"%s\",\"landlock\":1}", sy_version());
    v = value_of(&b, json, strlen(json));
    sy__frame_add(out, SY__FROM_READY, v, "", 0);
    sy__vbuf_close(&b);
    v = value_of(&b, "{}", 2);
    sy__frame_add(out, SY__FROM_LOADED, v, "", 0);
    sy__vbuf_close(&b);
}

static void
add_input(sy__buf *out, const char *data, size_t size)
{
    if (size && *data == 'r') {
        sy__buf_add(out, data + 1, size - 1);
        return;
    }
    for (const char *at = data, *end = data + size; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        add_line(out, at, (size_t)(stop - at));
        at = stop + 1;
    }
}

static void
serve(int fd)
{
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = "fuzz",
                             .memory_bytes = 4 << 20,
                             .modules = modules,
                             .helper = "fuzz"};
    sy__isolate *iso;
    sy__error err = {0};
    if (sy__isolate_new(&iso, &o, &err) || sy__remote_attach(iso, fd, &err)) abort();
    if (sy__isolate_load(iso, "return {}", 9, "init.lua", 0, &err) == SY_OK) {
        for (int i = 0; i < 2; i++) {
            sy__call call = {.operation = "x", .services = &services};
            int rc = sy__isolate_call(iso, &call);
            sy__value v;
            if (rc == SY_EAGAIN || rc != call.error.code) abort();
            if (rc == SY_OK && (sy__vbuf_done(&call.output, &v) || !sy__value_check(v.data, v.size))) abort();
            sy__call_close(&call);
        }
    }
    sy__isolate_free(iso);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    sy__buf out;
    if (size > LONGEST_INPUT || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return 0;
    sy__buf_init(&out, &sy__alloc_default);
    if (!size || *data != 'r' || size < 2 || data[1] != 'r') add_greeting(&out);
    add_input(&out, (const char *)data, size);
    if (out.len > 0 && out.len < LONGEST_INPUT * 2) (void)!send(fds[1], out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fds[1], SHUT_WR);
    serve(fds[0]);
    (void)close(fds[1]);
    sy__buf_close(&out);
    return 0;
}
