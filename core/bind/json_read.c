/*
 * json_read.c: JSON text (RFC 8259) straight into Lua tables.
 *
 * Why not through jansson, which reads everything else: its tree would lie outside the isolate's memory
 * limit (a few bytes of text make a hundred of tree, and its allocator is one for the whole process), and
 * building it costs more than building the Lua tables. This reader allocates through Lua alone.
 *
 * Strict: UTF-8 only, no lone surrogates, no duplicate keys, nothing behind the value.
 */
#include "base/text.h"
#include "bind/json.h"
#include "kit/luavalue.h"

#include <string.h>

typedef struct reader {
    lua_State *L;
    const char *text, *at, *end;
    const char *wrong; /* what is wrong at `at`; NULL: nothing yet */
    int depth;
} reader;

static bool read_value(reader *r);

static bool
refuse(reader *r, const char *at, const char *what)
{
    r->at = at;
    r->wrong = what;
    return false;
}

static void
skip_space(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) r->at++;
}

static bool
read_word(reader *r, const char *word, size_t len)
{
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) return refuse(r, r->at, "a value is expected");
    r->at += len;
    return true;
}

/* ---- numbers ---- */

static bool
skip_digits(reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    return r->at > from;
}

/* Moves over a number; *integer says that it has neither fraction nor exponent. */
static bool
skip_number(reader *r, bool *integer)
{
    *integer = true;
    if (r->at < r->end && *r->at == '-') r->at++;
    if (r->at < r->end && *r->at == '0')
        r->at++;
    else if (!skip_digits(r))
        return refuse(r, r->at, "a digit is expected");
    if (r->at < r->end && *r->at == '.') {
        *integer = false;
        r->at++;
        if (!skip_digits(r)) return refuse(r, r->at, "a digit is expected");
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        *integer = false;
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (!skip_digits(r)) return refuse(r, r->at, "a digit is expected");
    }
    return true;
}

/* Lua's own conversion: exact, and it does not follow the C locale. */
static bool
push_converted(reader *r, const char *from, size_t len)
{
    char text[64];
    if (len < sizeof text) {
        memcpy(text, from, len);
        text[len] = '\0';
        return lua_stringtonumber(r->L, text) == len + 1 || refuse(r, from, "a number that cannot be read");
    }
    const char *copy = lua_pushlstring(r->L, from, len);
    bool ok = lua_stringtonumber(r->L, copy) == len + 1;
    if (!ok) return refuse(r, from, "a number of too many digits");
    lua_remove(r->L, -2);
    return true;
}

static bool
read_number(reader *r)
{
    const char *from = r->at;
    bool integer;
    if (!skip_number(r, &integer)) return false;
    size_t len = (size_t)(r->at - from);
    if (!integer || len > 18) return push_converted(r, from, len);
    lua_Integer n = 0;
    for (const char *p = from + (*from == '-'); p < r->at; p++) n = n * 10 + (*p - '0');
    lua_pushinteger(r->L, *from == '-' ? -n : n);
    return true;
}

/* ---- strings ---- */

static int
hex4(const char *p, const char *end)
{
    int n = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) return -1;
        n = n * 16 + d;
    }
    return n;
}

/* Appends a code point as UTF-8; returns behind it. */
static char *
put_utf8(char *to, int c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

/* The escape behind `\u`; *at is moved behind it, and behind the second half of a pair. -1: wrong. */
static int
read_unicode(const char **at, const char *end)
{
    int high = hex4(*at, end);
    if (high < 0 || (high >= 0xDC00 && high <= 0xDFFF)) return -1;
    *at += 4;
    if (high < 0xD800 || high > 0xDBFF) return high;
    if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') return -1;
    int low = hex4(*at + 2, end);
    if (low < 0xDC00 || low > 0xDFFF) return -1;
    *at += 6;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/* Writes the text between `p` and `end` without its escapes; NULL: r->wrong is set. */
static char *
unescape(reader *r, const char *p, const char *end, char *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
            continue;
        }
        const char *start = p++;
        const char *known = *p ? strchr(from, *p) : NULL;
        if (known) {
            *to++ = into[known - from];
            p++;
            continue;
        }
        int c = -1;
        if (*p == 'u') {
            p++;
            c = read_unicode(&p, end);
        }
        if (c < 0) {
            (void)refuse(r, start, "an escape that JSON does not have");
            return NULL;
        }
        to = put_utf8(to, c);
    }
    return to;
}

/* Finds the closing quote; false: wrong. */
static bool
scan_string(reader *r, const char **close, bool *escapes, bool *ascii)
{
    const char *p = r->at;
    *escapes = false;
    *ascii = true;
    for (; p < r->end && *p != '"'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20) return refuse(r, p, "a control character in a string");
        if (c >= 0x80) *ascii = false;
        if (c != '\\') continue;
        *escapes = true;
        if (++p >= r->end) break;
    }
    if (p >= r->end) return refuse(r, r->at - 1, "a string without its end");
    *close = p;
    return true;
}

/* At the opening quote; pushes the string. */
static bool
read_string(reader *r)
{
    const char *from = ++r->at, *close;
    bool escapes, ascii;
    if (!scan_string(r, &close, &escapes, &ascii)) return false;
    size_t len = (size_t)(close - from);
    if (!ascii && !sy__utf8_valid(from, len)) return refuse(r, from - 1, "a string that is not UTF-8");
    if (!escapes) {
        lua_pushlstring(r->L, from, len);
    } else {
        luaL_Buffer b;
        char *start = luaL_buffinitsize(r->L, &b, len), *end = unescape(r, from, close, start);
        luaL_pushresultsize(&b, end ? (size_t)(end - start) : 0);
        if (!end) return false;
    }
    r->at = close + 1;
    return true;
}

/* ---- containers ---- */

/* {"$bytes":"base64"} stays what it is: only values that cross give it a meaning. */
static bool
read_object(reader *r)
{
    lua_newtable(r->L);
    r->at++;
    skip_space(r);
    if (r->at < r->end && *r->at == '}') {
        r->at++;
        return true;
    }
    for (;;) {
        const char *key = r->at;
        if (r->at >= r->end || *r->at != '"') return refuse(r, r->at, "a key in quotes is expected");
        if (!read_string(r)) return false;
        lua_pushvalue(r->L, -1);
        bool again = lua_rawget(r->L, -3) != LUA_TNIL;
        lua_pop(r->L, 1);
        if (again) return refuse(r, key, "a key that was there before");
        skip_space(r);
        if (r->at >= r->end || *r->at != ':') return refuse(r, r->at, "a `:` is expected");
        r->at++;
        if (!read_value(r)) return false;
        lua_rawset(r->L, -3);
        skip_space(r);
        if (r->at >= r->end || (*r->at != ',' && *r->at != '}')) return refuse(r, r->at, "a `,` or `}` is expected");
        if (*r->at++ == '}') return true;
        skip_space(r);
    }
}

static bool
read_array(reader *r)
{
    lua_newtable(r->L);
    r->at++;
    skip_space(r);
    if (r->at < r->end && *r->at == ']') {
        r->at++;
        sy__lua_push_array_mt(r->L);
        lua_setmetatable(r->L, -2);
        return true;
    }
    for (lua_Integer i = 1;; i++) {
        if (!read_value(r)) return false;
        lua_rawseti(r->L, -2, i);
        skip_space(r);
        if (r->at >= r->end || (*r->at != ',' && *r->at != ']')) return refuse(r, r->at, "a `,` or `]` is expected");
        if (*r->at++ == ']') return true;
    }
}

static bool
read_nested(reader *r)
{
    if (++r->depth > SY__JSON_DEPTH) return refuse(r, r->at, "nested too deeply");
    luaL_checkstack(r->L, 8, "json");
    bool ok = *r->at == '{' ? read_object(r) : read_array(r);
    r->depth--;
    return ok;
}

static bool
read_value(reader *r)
{
    skip_space(r);
    if (r->at >= r->end) return refuse(r, r->at, "a value is expected");
    switch (*r->at) {
    case '{':
    case '[': return read_nested(r);
    case '"': return read_string(r);
    case 'n': lua_pushlightuserdata(r->L, NULL); return read_word(r, "null", 4);
    case 't': lua_pushboolean(r->L, 1); return read_word(r, "true", 4);
    case 'f': lua_pushboolean(r->L, 0); return read_word(r, "false", 5);
    default:
        if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9')) return read_number(r);
        return refuse(r, r->at, "a value is expected");
    }
}

/* Pushes "line 3, column 7: what". */
static void
push_problem(reader *r)
{
    int line = 1, column = 1;
    for (const char *p = r->text; p < r->at; p++) {
        column = *p == '\n' ? 1 : column + (((unsigned char)*p & 0xC0) != 0x80);
        line += *p == '\n';
    }
    lua_pushfstring(r->L, "line %d, column %d: %s", line, column, r->wrong);
}

bool
sy__json_read(lua_State *L, const char *text, size_t len)
{
    reader r = {.L = L, .text = text, .at = text, .end = text + len};
    int top = lua_gettop(L);
    bool ok = read_value(&r);
    if (ok) skip_space(&r);
    if (ok && r.at < r.end) ok = refuse(&r, r.at, "something behind the value");
    if (ok) return true;
    lua_settop(L, top);
    push_problem(&r);
    return false;
}
