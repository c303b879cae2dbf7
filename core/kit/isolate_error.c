/*
 * isolate_error.c: from an error object to code, message, file and line.
 *
 * The object is read by raw access in a protected call: no metamethod of it runs. Lua puts "file:line: " before
 * the text of an error; it is taken off when one of the coroutine's frames, or the look of the name, vouches for it.
 * Without it, the innermost frame of Lua code is the place.
 */
#include "kit/isolate_impl.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

typedef struct reading {
    sy__isolate *iso;
    sy__error *err;
} reading;

static const char *
chunk_path(const lua_Debug *at)
{
    return at->source + (*at->source == '@' || *at->source == '=');
}

/* Of a stack only so many levels are looked at: each is found from the top again, and an extension makes it deep. */
enum { DEEPEST = 200 };

/* The frame of Lua code whose short name is the `len` bytes at `name`; name NULL: the innermost. */
static bool
find_frame(lua_State *co, const char *name, size_t len, lua_Debug *at)
{
    for (int level = 0; level < DEEPEST && lua_getstack(co, level, at); level++) {
        if (!lua_getinfo(co, "Sl", at) || at->currentline <= 0) continue;
        if (!name || (strlen(at->short_src) == len && memcmp(at->short_src, name, len) == 0)) return true;
    }
    return false;
}

/* Splits "name:12: text"; false when the text does not begin so. */
static bool
split_place(const char *text, size_t *name_len, int *line, const char **rest)
{
    for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
        const char *digit = colon + 1;
        long n = 0;
        while (isdigit((unsigned char)*digit) && n < 100000000) n = n * 10 + (*digit++ - '0');
        if (digit == colon + 1 || digit[0] != ':' || digit[1] != ' ') continue;
        *name_len = (size_t)(colon - text);
        *line = (int)n;
        *rest = digit + 2;
        return memchr(text, '\n', *name_len) == NULL;
    }
    return false;
}

/* A syntax error has no frame of its own: the name itself must do. */
static bool
looks_like_chunk(const sy__isolate *iso, const char *name, size_t len)
{
    if (iso->options.profile == SY__PROFILE_EXPR && len == 4 && memcmp(name, "expr", 4) == 0) return true;
    return (len > 4 && memcmp(name + len - 4, ".lua", 4) == 0) || (len > 8 && memcmp(name, "[string ", 8) == 0);
}

static void
set_place(sy__error *err, const char *name, size_t len, int line)
{
    (void)snprintf(err->file, sizeof err->file, "%.*s", (int)(len < sizeof err->file ? len : sizeof err->file - 1),
                   name);
    err->line = line;
}

static void
read_text(const reading *r, const char *text)
{
    size_t len;
    int line;
    const char *rest;
    lua_Debug at;
    if (!split_place(text, &len, &line, &rest)) len = 0;
    const char *inner; /* coroutine.wrap puts its own place before that of the error within */
    size_t inner_len;
    int inner_line;
    while (len && split_place(rest, &inner_len, &inner_line, &inner) && looks_like_chunk(r->iso, rest, inner_len)) {
        text = rest;
        len = inner_len;
        line = inner_line;
        rest = inner;
    }
    bool frame = len && find_frame(r->iso->co, text, len, &at);
    if (frame || (len && looks_like_chunk(r->iso, text, len))) {
        (void)sy__error_set(r->err, r->err->code, "%s", rest);
        if (frame)
            set_place(r->err, chunk_path(&at), strlen(chunk_path(&at)), line);
        else
            set_place(r->err, text, len, line);
        return;
    }
    (void)sy__error_set(r->err, r->err->code, "%s", text);
    if (find_frame(r->iso->co, NULL, 0, &at))
        set_place(r->err, chunk_path(&at), strlen(chunk_path(&at)), at.currentline);
}

/* What to do about the errors that a sandbox causes most. */
static void
add_hint(const sy__isolate *iso, sy__error *err)
{
    static const struct {
        const char *global, *instead;
    } rows[] = {
        {"'io'", "require \"fs\", with the capability fs.read or fs.write"},
        {"'package'", "require, which finds the modules of its own folder and of stdlib"},
        {"'debug'", "error(message, level) and log for finding faults"},
        {"'dofile'", "require"},
        {"'loadfile'", "require"},
        {"'execute'", "require \"process\", with the capability process"},
        {"'popen'", "require \"process\", with the capability process"},
        {"'getenv'", "the capability env and require \"process\""},
    };
    if (iso->options.profile != SY__PROFILE_EXTENSION || err->hint[0]) return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strstr(err->message, "a nil value") && strstr(err->message, rows[i].global))
            sy__error_hint(err, "%s is not part of an extension's library; use %s", rows[i].global, rows[i].instead);
}

/* Which lines of the extension led there, innermost first, as a hint: "called from init.lua:12, init.lua:30". Only
 * frames of its own code, and none of another coroutine. */
static void
add_callers(const sy__isolate *iso, sy__error *err)
{
    enum { MOST = 5 };
    char text[SY__ERROR_HINT_BYTES];
    size_t len = 0;
    int told = 0;
    lua_Debug at;
    if (iso->options.profile != SY__PROFILE_EXTENSION || err->hint[0] || !err->line) return;
    for (int level = 0; level < DEEPEST && told < MOST && lua_getstack(iso->co, level, &at); level++) {
        if (!lua_getinfo(iso->co, "Sl", &at) || at.currentline <= 0) continue;
        if (told == 0 && len == 0 && at.currentline == err->line && strcmp(chunk_path(&at), err->file) == 0) continue;
        int n = snprintf(text + len, sizeof text - len, "%s%s:%d", told ? ", " : "", chunk_path(&at), at.currentline);
        if (n < 0 || (size_t)n >= sizeof text - len) break;
        len += (size_t)n;
        told++;
    }
    if (told) sy__error_hint(err, "called from %.*s", (int)len, text);
}

static int
read_body(lua_State *L)
{
    reading *r = lua_touserdata(L, 2);
    int type = lua_type(L, 1);
    if (type == LUA_TTABLE) { /* error{message = …} */
        lua_pushliteral(L, "message");
        if (lua_rawget(L, 1) == LUA_TSTRING)
            lua_replace(L, 1);
        else
            lua_pop(L, 1);
    }
    if (lua_isstring(L, 1)) {
        read_text(r, lua_tostring(L, 1));
        return 0;
    }
    char text[64];
    (void)snprintf(text, sizeof text, "the error is a %s value", lua_typename(L, type));
    read_text(r, text);
    return 0;
}

static int
code_of(const sy__isolate *iso)
{
    if (iso->fail_code) return iso->fail_code;
    return iso->options.profile == SY__PROFILE_MELODY ? SY_EMELODY
           : iso->options.profile == SY__PROFILE_EXPR ? SY_EEXPR
                                                      : SY_EEXTENSION;
}

static int
explain_poison(const sy__isolate *iso, sy__error *err)
{
    char sentence[128];
    sy__limits_sentence(&iso->limits, sentence, sizeof sentence);
    (void)sy__error_set(err, iso->limits.why, "%s: %s", iso->options.name, sentence);
    if (iso->limits.line) sy__error_where(err, iso->limits.file, iso->limits.line, NULL);
    return iso->limits.why;
}

int
sy__isolate_explain(sy__isolate *iso, int status, sy__error *err)
{
    sy__error local;
    if (!err) err = &local;
    if (iso->limits.why) return explain_poison(iso, err);
    (void)sy__error_set(err, code_of(iso), "failed");
    if (status == LUA_YIELD) return sy__error_set(err, err->code, "yielded outside of a coroutine");
    reading r = {.iso = iso, .err = err};
    lua_State *L = iso->main;
    lua_pushcfunction(L, read_body);
    lua_xmove(iso->co, L, 1);
    lua_pushlightuserdata(L, &r);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        (void)sy__error_set(err, SY_ENOMEM, "no memory to read an error of %s", iso->options.name);
    lua_settop(L, 0);
    add_hint(iso, err);
    add_callers(iso, err);
    return err->code;
}
