/*
 * re.c: the module `re`: Perl-compatible regular expressions, compiled to machine code.
 *
 *     re.compile(pattern[, flags]) → regex | nil, message, code
 *     re.escape(text) → pattern that matches the text
 *     regex:test(s[, init]) → boolean             regex:match(s[, init]) → captures, or the whole match | nil
 *     regex:find(s[, init]) → first, last, captures… | nil
 *     regex:exec(s[, init]) → {first=, last=, [0]=whole, [1]=…, names={…}, at={[1]={first,last}…}} | nil
 *     regex:gmatch(s) → iterator                  regex:gsub(s, replacement[, max]) → text, count
 *
 * Flags: i, m, s, x as in Perl, u for \w and \d of all scripts, b for bytes in place of UTF-8. Positions count
 * bytes from 1. A capture that took no part is false. Bytes that are not UTF-8 match nothing but do not fail.
 *
 * Time: PCRE2 counts its steps for each place where a match may start, so one call could still go on for
 * very long over a large text. In an isolate the places are therefore searched in windows, small at first,
 * and between two windows the isolate looks at its clock.
 */
#include "bind/modules.h"
#include "bind/stdlib.h"
#include "bind/support.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

static const char TYPE[] = "symphony.regex";

enum {
    MAX_PATTERN = 1 << 14,
    MATCH_LIMIT = 1000000,
    DEPTH_LIMIT = 10000,
    HEAP_LIMIT_KIB = 16 << 10,
    FIRST_WINDOW = 256,
    WINDOW_GROWTH = 4,
    LOOK_NOW = 1 << 26, /* work that makes the isolate look at its clock */
};

typedef struct regex {
    pcre2_code *code;
    pcre2_match_data *match; /* of the last search; nobody reads it after calling Lua */
    pcre2_match_context *limits;
    uint32_t captures;
    bool utf;
} regex;

static regex *
check_regex(lua_State *L)
{
    return luaL_checkudata(L, 1, TYPE);
}

static int
gc_regex(lua_State *L)
{
    regex *r = check_regex(L);
    pcre2_match_data_free(r->match);
    pcre2_match_context_free(r->limits);
    pcre2_code_free(r->code);
    *r = (regex){0};
    return 0;
}

/* ---- compiling ---- */

/* The options of a text of flags; raises for one that does not exist. */
static uint32_t
read_flags(lua_State *L, int arg)
{
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
    for (const char *p = luaL_optstring(L, arg, ""); *p; p++) {
        switch (*p) {
        case 'i': options |= PCRE2_CASELESS; break;
        case 'm': options |= PCRE2_MULTILINE; break;
        case 's': options |= PCRE2_DOTALL; break;
        case 'x': options |= PCRE2_EXTENDED; break;
        case 'u': options |= PCRE2_UCP; break;
        case 'b': options &= ~(uint32_t)(PCRE2_UTF | PCRE2_MATCH_INVALID_UTF); break;
        default: (void)luaL_argerror(L, arg, "flags are made of i, m, s, x, u and b");
        }
    }
    return options | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT;
}

/* Compiled code lies outside Lua's memory: a block of the same size makes the isolate's limit count it. */
static void
weigh(lua_State *L, const regex *r)
{
    size_t code = 0, jit = 0;
    (void)pcre2_pattern_info(r->code, PCRE2_INFO_SIZE, &code);
    (void)pcre2_pattern_info(r->code, PCRE2_INFO_JITSIZE, &jit);
    (void)lua_newuserdatauv(L, code + jit, 0);
    lua_setiuservalue(L, -2, 1);
}

static int
l_compile(lua_State *L)
{
    size_t len, offset;
    int number;
    const char *pattern = luaL_checklstring(L, 1, &len);
    uint32_t options = read_flags(L, 2);
    sy__lib_charge(L, len * 64);
    if (len > MAX_PATTERN) return sy__lib_fail(L, SY_EINVAL, "a regular expression of more than 16 KiB");
    regex *r = lua_newuserdatauv(L, sizeof *r, 1);
    *r = (regex){.utf = (options & PCRE2_UTF) != 0};
    luaL_setmetatable(L, TYPE);
    r->code = pcre2_compile((PCRE2_SPTR)pattern, len, options, &number, &offset, NULL);
    if (!r->code) {
        char why[128];
        (void)pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
        return sy__lib_fail(L, SY_EINVAL, "regular expression, character %zu: %s", offset + 1, why);
    }
    (void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE);
    r->match = pcre2_match_data_create_from_pattern(r->code, NULL);
    r->limits = pcre2_match_context_create(NULL);
    if (!r->match || !r->limits) return luaL_error(L, "not enough memory");
    (void)pcre2_set_match_limit(r->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(r->limits, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(r->limits, HEAP_LIMIT_KIB);
    (void)pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->captures);
    weigh(L, r);
    return 1;
}

static int
l_escape(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    sy__out out;
    sy__out_init(&out, L, len + 16);
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\0') {
            sy__out_add(&out, "\\x00", 4);
            continue;
        }
        if (strchr("\\^$.|?*+()[]{}#-/ \t\n\r", s[i])) sy__out_addc(&out, '\\');
        sy__out_addc(&out, s[i]);
    }
    sy__out_push(&out);
    return 1;
}

/* ---- searching ---- */

/* A text and where in it the next search starts. */
typedef struct subject {
    const char *s;
    size_t len, at;
} subject;

static int
give_up(lua_State *L, int rc)
{
    char why[128];
    if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT ||
        rc == PCRE2_ERROR_JIT_STACKLIMIT)
        return luaL_error(L, "the regular expression needs too many steps on this text");
    (void)pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
    return luaL_error(L, "regular expression: %s", why);
}

/* Where group i of the last match starts and ends; PCRE2_UNSET when it took no part. */
static size_t
group_start(const regex *r, uint32_t i)
{
    return pcre2_get_ovector_pointer(r->match)[(size_t)i * 2];
}

static size_t
group_end(const regex *r, uint32_t i)
{
    return pcre2_get_ovector_pointer(r->match)[(size_t)i * 2 + 1];
}

/* Searches from subject.at; raises when it takes too much. */
static bool
search(lua_State *L, regex *r, const subject *in, uint32_t options)
{
    size_t from = in->at, window = FIRST_WINDOW;
    bool windows = sy__lib_isolated(L);
    for (;;) {
        size_t limit = windows && in->len - from > window ? from + window : PCRE2_UNSET;
        (void)pcre2_set_offset_limit(r->limits, limit);
        int rc = pcre2_match(r->code, (PCRE2_SPTR)in->s, in->len, from, options, r->match, r->limits);
        if (windows && rc != PCRE2_ERROR_NOMATCH) sy__lib_charge(L, window + 64);
        if (rc > 0) return true;
        if (rc != PCRE2_ERROR_NOMATCH) return give_up(L, rc);
        if (windows) sy__lib_charge(L, window < (size_t)FIRST_WINDOW * 64 ? window : LOOK_NOW);
        if (limit == PCRE2_UNSET) return false;
        from = limit + 1;
        while (r->utf && from < in->len && ((unsigned char)in->s[from] & 0xC0) == 0x80) from++;
        options &= ~(uint32_t)PCRE2_NOTEMPTY_ATSTART;
        if (window < (size_t)1 << 20) window *= WINDOW_GROWTH;
    }
}

/* The next match, not the empty one where the last one ended; *at moves behind it. */
static bool
search_next(lua_State *L, regex *r, subject *in, bool *again)
{
    if (in->at > in->len || !search(L, r, in, *again ? PCRE2_NOTEMPTY_ATSTART : 0)) return false;
    in->at = group_end(r, 0);
    *again = true;
    return true;
}

static void
push_group(lua_State *L, regex *r, const char *s, uint32_t i)
{
    if (i > r->captures || group_start(r, i) == PCRE2_UNSET || group_end(r, i) < group_start(r, i))
        lua_pushboolean(L, 0);
    else
        lua_pushlstring(L, s + group_start(r, i), group_end(r, i) - group_start(r, i));
}

/* Pushes the captures, or the whole match when there are none and `whole`; returns how many. */
static int
push_groups(lua_State *L, regex *r, const char *s, bool whole)
{
    if (r->captures == 0 && whole) {
        push_group(L, r, s, 0);
        return 1;
    }
    luaL_checkstack(L, (int)r->captures + 1, "too many captures");
    for (uint32_t i = 1; i <= r->captures; i++) push_group(L, r, s, i);
    return (int)r->captures;
}

/* self, text, init → the subject; false: init lies behind the end. */
static bool
read_subject(lua_State *L, subject *in)
{
    in->s = luaL_checklstring(L, 2, &in->len);
    lua_Integer init = luaL_optinteger(L, 3, 1);
    if (init < 0) init += (lua_Integer)in->len + 1;
    if (init < 1) init = 1;
    in->at = (size_t)init - 1;
    return in->at <= in->len;
}

static int
l_test(lua_State *L)
{
    regex *r = check_regex(L);
    subject in;
    lua_pushboolean(L, read_subject(L, &in) && search(L, r, &in, 0));
    return 1;
}

static int
l_match(lua_State *L)
{
    regex *r = check_regex(L);
    subject in;
    if (read_subject(L, &in) && search(L, r, &in, 0)) return push_groups(L, r, in.s, true);
    lua_pushnil(L);
    return 1;
}

static void
push_place(lua_State *L, regex *r, uint32_t i)
{
    lua_pushinteger(L, (lua_Integer)group_start(r, i) + 1);
    lua_pushinteger(L, (lua_Integer)group_end(r, i));
}

static int
l_find(lua_State *L)
{
    regex *r = check_regex(L);
    subject in;
    if (!read_subject(L, &in) || !search(L, r, &in, 0)) {
        lua_pushnil(L);
        return 1;
    }
    push_place(L, r, 0);
    return 2 + push_groups(L, r, in.s, false);
}

/* Pushes {name = capture}. */
static void
push_names(lua_State *L, regex *r, const char *s)
{
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;
    (void)pcre2_pattern_info(r->code, PCRE2_INFO_NAMECOUNT, &count);
    (void)pcre2_pattern_info(r->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    (void)pcre2_pattern_info(r->code, PCRE2_INFO_NAMETABLE, &table);
    lua_createtable(L, 0, (int)count);
    for (uint32_t i = 0; i < count; i++) {
        PCRE2_SPTR entry = table + (size_t)i * size;
        push_group(L, r, s, (uint32_t)entry[0] << 8 | entry[1]);
        lua_setfield(L, -2, (const char *)entry + 2);
    }
}

/* Pushes {[i] = {first, last}} of the captures that took part. */
static void
push_places(lua_State *L, regex *r)
{
    lua_newtable(L);
    for (uint32_t i = 1; i <= r->captures; i++) {
        if (group_start(r, i) == PCRE2_UNSET) continue;
        lua_createtable(L, 2, 0);
        push_place(L, r, i);
        lua_rawseti(L, -3, 2);
        lua_rawseti(L, -2, 1);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
}

static int
l_exec(lua_State *L)
{
    regex *r = check_regex(L);
    subject in;
    if (!read_subject(L, &in) || !search(L, r, &in, 0)) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, (int)r->captures, 5);
    push_place(L, r, 0);
    lua_setfield(L, -3, "last");
    lua_setfield(L, -2, "first");
    for (uint32_t i = 0; i <= r->captures; i++) {
        push_group(L, r, in.s, i);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    push_names(L, r, in.s);
    lua_setfield(L, -2, "names");
    push_places(L, r);
    lua_setfield(L, -2, "at");
    return 1;
}

/* Upvalues: isolated, regex, text, where to go on, whether a match came before. */
static int
next_match(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
    regex *r = check_regex(L);
    subject in = {.at = (size_t)lua_tointeger(L, lua_upvalueindex(4))};
    bool again = lua_toboolean(L, lua_upvalueindex(5));
    in.s = lua_tolstring(L, lua_upvalueindex(3), &in.len);
    if (!search_next(L, r, &in, &again)) in.at = in.len + 1;
    lua_pushinteger(L, (lua_Integer)in.at);
    lua_replace(L, lua_upvalueindex(4));
    lua_pushboolean(L, again);
    lua_replace(L, lua_upvalueindex(5));
    if (in.at > in.len) {
        lua_pushnil(L);
        return 1;
    }
    return push_groups(L, r, in.s, true);
}

static int
l_gmatch(lua_State *L)
{
    (void)check_regex(L);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_pushinteger(L, 0);
    lua_pushboolean(L, 0);
    lua_pushcclosure(L, next_match, 5);
    return 1;
}

/* ---- replacing ---- */

/* "%0" to "%9", "%{name}", "%%" in a replacement. Raises for anything else behind a `%`. */
static void
add_template(lua_State *L, regex *r, const char *s, const char *p, const char *end, sy__out *out)
{
    while (p < end) {
        const char *sign = memchr(p, '%', (size_t)(end - p));
        sy__out_add(out, p, (size_t)((sign ? sign : end) - p));
        if (!sign) return;
        p = sign + 1;
        char c = p < end ? *p : '\0';
        int group = c >= '0' && c <= '9' ? c - '0' : -1;
        const char *close = c == '{' ? memchr(p, '}', (size_t)(end - p)) : NULL;
        if (close && close - p - 1 < 33) {
            char name[34] = "";
            memcpy(name, p + 1, (size_t)(close - p - 1));
            group = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)name);
            p = close;
        }
        p++;
        if (c == '%') {
            sy__out_addc(out, '%');
            continue;
        }
        if (group < 0 || (uint32_t)group > r->captures)
            (void)luaL_error(L, "the replacement names a capture that does not exist");
        size_t from = group_start(r, (uint32_t)group);
        if (from != PCRE2_UNSET) sy__out_add(out, s + from, group_end(r, (uint32_t)group) - from);
    }
}

/* Adds what a function or a table says about the match; false or nil keeps it. */
static void
add_answer(lua_State *L, regex *r, const char *s, sy__out *out, size_t from, size_t to)
{
    if (lua_isfunction(L, 3)) {
        lua_pushvalue(L, 3);
        lua_call(L, push_groups(L, r, s, true), 1);
    } else {
        push_group(L, r, s, r->captures > 0);
        (void)lua_gettable(L, 3);
    }
    size_t len;
    if (!lua_toboolean(L, -1)) {
        sy__out_add(out, s + from, to - from);
    } else if (lua_isstring(L, -1)) {
        const char *text = lua_tolstring(L, -1, &len);
        sy__out_add(out, text, len);
    } else {
        (void)luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    lua_pop(L, 1);
}

static int
l_gsub(lua_State *L)
{
    regex *r = check_regex(L);
    subject in = {0};
    in.s = luaL_checklstring(L, 2, &in.len);
    int kind = lua_type(L, 3);
    luaL_argexpected(L, kind == LUA_TSTRING || kind == LUA_TNUMBER || kind == LUA_TTABLE || kind == LUA_TFUNCTION, 3,
                     "string, table or function");
    lua_Integer max = luaL_optinteger(L, 4, LUA_MAXINTEGER), count = 0;
    lua_settop(L, 3);
    sy__out out;
    sy__out_init(&out, L, in.len + 64);
    size_t copied = 0, template_len = 0;
    const char *text = lua_isstring(L, 3) ? lua_tolstring(L, 3, &template_len) : NULL;
    bool again = false;
    while (count < max && search_next(L, r, &in, &again)) {
        size_t from = group_start(r, 0) < copied ? copied : group_start(r, 0), to = group_end(r, 0);
        sy__out_add(&out, in.s + copied, from - copied);
        if (text)
            add_template(L, r, in.s, text, text + template_len, &out);
        else
            add_answer(L, r, in.s, &out, from, to);
        copied = to;
        count++;
    }
    sy__out_add(&out, in.s + copied, in.len - copied);
    sy__out_push(&out);
    lua_pushinteger(L, count);
    return 2;
}

/* ---- the module ---- */

static int
open_re(lua_State *L, bool isolated)
{
    static const luaL_Reg functions[] = {{"compile", l_compile}, {"escape", l_escape}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"exec", l_exec},   {"find", l_find}, {"gmatch", l_gmatch}, {"gsub", l_gsub},
                                       {"match", l_match}, {"test", l_test}, {NULL, NULL}};
    sy__lib_type(L, TYPE, methods, gc_regex, isolated);
    sy__lib(L, functions, isolated);
    return 1;
}

int
sy__open_re(lua_State *L)
{
    return open_re(L, true);
}

int
luaopen_sy_re(lua_State *L)
{
    return open_re(L, false);
}
