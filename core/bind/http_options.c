/* http_options.c: reading what is to be sent, and refusing what would change where it goes or how it is framed. */
#include "bind/http_options.h"

#include <lauxlib.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_FOLLOW = 20,
    DEFAULT_FOLLOW = 5,
    MAX_HEADERS = 100,
    MAX_HEADER_BYTES = 64 << 10, /* of one answer's head */
    DEFAULT_BODY_BYTES = 8 << 20,
    MAX_BODY_BYTES = 256 << 20,
    STREAM_BYTES = 256 << 10, /* of a streamed body that may wait to be taken */
};

/* RFC 9110 5.6.2 */
static bool
is_token(const char *s, size_t len)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!word && (!c || !strchr(marks, c))) return false;
    }
    return len > 0;
}

static const char *
text_of(lua_State *L, const char *field, size_t *len)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "http.request: %s must be a string, not %s", field, luaL_typename(L, -1));
    return lua_tolstring(L, -1, len);
}

static double
number_of(lua_State *L, int index, const char *field, double least, double most, double otherwise)
{
    double n = otherwise;
    if (lua_getfield(L, index, field) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TNUMBER) luaL_error(L, "http.request: %s must be a number", field);
        n = lua_tonumber(L, -1);
        if (!(n >= least && n <= most)) luaL_error(L, "http.request: %s is out of range", field);
    }
    lua_pop(L, 1);
    return n;
}

/* ---- headers ---- */

/* Those that say where a message goes and where it ends are made here, never given. */
static bool
is_ours(const char *name)
{
    static const char *const names[] = {
        "host",    "content-length", "transfer-encoding", "connection",         "upgrade", "te",
        "trailer", "expect",         "keep-alive",        "proxy-authorization"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) return true;
    return false;
}

/* The name at -2 of the stack. */
static const char *
read_name(lua_State *L)
{
    size_t len;
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "http.request: a name in headers must be a string");
    const char *name = lua_tolstring(L, -2, &len);
    if (!is_token(name, len)) luaL_error(L, "http.request: headers has the impossible name '%s'", name);
    if (is_ours(name)) luaL_error(L, "http.request: the header %s is set by the client", name);
    return name;
}

/* The reference on top of the stack. */
static void
add_secret(lua_State *L, const char *name, sy__secret_uses *uses)
{
    const char *head = lua_pushfstring(L, "%s: ", name);
    lua_insert(L, -2);
    sy__secret_uses_add(L, uses, sy__isolate_of(L), "http.request", head);
    lua_remove(L, -2);
}

/* Pushes "Name: value" for the value on top of the stack. */
static const char *
push_header(lua_State *L, const char *name)
{
    size_t len;
    const char *value = text_of(L, "each of headers", &len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] < ' ' && value[i] != '\t')
            luaL_error(L, "http.request: the header %s has a control character in it", name);
    return lua_pushfstring(L, len > 0 ? "%s: %s" : "%s;", name, value);
}

/* Leaves an array of pointers on the stack, with their texts in its user value. */
static const char *const *
read_headers(lua_State *L, int index, sy__secret_uses *uses)
{
    size_t count = 0;
    const char **list = lua_newuserdatauv(L, (MAX_HEADERS + 1) * sizeof *list, 1);
    lua_newtable(L);
    if (lua_getfield(L, index, "headers") != LUA_TNIL) {
        if (!lua_istable(L, -1)) luaL_error(L, "http.request: headers must be a table of names and texts");
        for (lua_pushnil(L); lua_next(L, -2);) {
            if (count == MAX_HEADERS) luaL_error(L, "http.request: more than %d headers", MAX_HEADERS);
            const char *name = read_name(L);
            if (lua_istable(L, -1)) {
                add_secret(L, name, uses);
            } else {
                list[count++] = push_header(L, name);
                lua_rawseti(L, -5, (lua_Integer)count);
            }
            lua_pop(L, 1);
        }
    }
    list[count] = NULL;
    lua_pop(L, 1);
    lua_setiuservalue(L, -2, 1);
    return list;
}

/* ---- the rest ---- */

static const char *
read_method(lua_State *L, int index)
{
    size_t len;
    if (lua_getfield(L, index, "method") == LUA_TNIL) return NULL;
    const char *s = text_of(L, "method", &len);
    if (!is_token(s, len) || len > 15) luaL_error(L, "http.request: '%s' is no method", s);
    if (strcasecmp(s, "CONNECT") == 0 || strcasecmp(s, "TRACE") == 0) luaL_error(L, "http.request: no %s", s);
    return s;
}

/* NULL: it has a blank or a control character in it. */
static const char *
read_url(lua_State *L, int index)
{
    size_t len;
    lua_getfield(L, index, "url");
    const char *s = text_of(L, "url", &len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f) return NULL;
    return s;
}

static int
read_follow(lua_State *L, int index)
{
    int type = lua_getfield(L, index, "follow");
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (type == LUA_TBOOLEAN) return on ? DEFAULT_FOLLOW : 0;
    return (int)number_of(L, index, "follow", 0, MAX_FOLLOW, DEFAULT_FOLLOW);
}

void
sy__http_read(lua_State *L, int index, sy__http_request *out, sy__secret_uses *uses, bool *stream, bool *on_body)
{
    luaL_checkstack(L, 16, "http.request");
    lua_getfield(L, index, "stream");
    *stream = lua_toboolean(L, -1);
    int type = lua_getfield(L, index, "on_body");
    if (type != LUA_TNIL && type != LUA_TFUNCTION) luaL_error(L, "http.request: on_body must be a function");
    *on_body = type == LUA_TFUNCTION;
    lua_pop(L, 2);
    *out = (sy__http_request){.url = read_url(L, index), .max_header_bytes = MAX_HEADER_BYTES};
    out->method = read_method(L, index);
    out->headers = read_headers(L, index, uses);
    sy__secret_uses_one_line(uses);
    out->secrets = uses->at;
    out->secret_count = uses->count;
    out->scrub = uses->scrub;
    if (lua_getfield(L, index, "body") != LUA_TNIL) out->body = text_of(L, "body", &out->body_len);
    out->timeout_ms = (int64_t)(number_of(L, index, "timeout", 0.001, 1e6, 0) * 1000);
    out->follow = read_follow(L, index);
    out->stream = *stream || *on_body;
    out->max_body_bytes = (size_t)number_of(L, index, "max_body", 0, MAX_BODY_BYTES, DEFAULT_BODY_BYTES);
    if (out->stream) out->max_body_bytes = STREAM_BYTES;
}

/* ---- the answer ---- */

/* Adds the value on top to the field of the table below it. */
static void
add_field(lua_State *L, const char *name)
{
    if (lua_getfield(L, -2, name) != LUA_TNIL) {
        lua_pushstring(L, strcmp(name, "set-cookie") == 0 ? "\n" : ", ");
        lua_rotate(L, -3, -1);
        lua_concat(L, 3);
    } else {
        lua_pop(L, 1);
    }
    lua_setfield(L, -2, name);
}

static void
push_lower(lua_State *L, const char *s, size_t len)
{
    luaL_Buffer b;
    char *to = luaL_buffinitsize(L, &b, len);
    for (size_t i = 0; i < len; i++) to[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
    luaL_pushresultsize(&b, len);
}

void
sy__http_push_headers(lua_State *L, const char *head)
{
    lua_newtable(L);
    for (const char *end; (end = strchr(head, '\n')); head = end + 1) {
        const char *colon = memchr(head, ':', (size_t)(end - head)), *value = colon;
        if (!colon) continue;
        for (value++; value < end && (*value == ' ' || *value == '\t'); value++) continue;
        push_lower(L, head, (size_t)(colon - head));
        lua_pushvalue(L, -2);
        lua_pushlstring(L, value, (size_t)(end - value));
        add_field(L, lua_tostring(L, -3));
        lua_pop(L, 2);
    }
}
