/* safe_pattern.c: find, match, gmatch and gsub on the matcher of pattern.c. */
#include "kit/isolate_impl.h"
#include "kit/pattern.h"

#include <lauxlib.h>
#include <string.h>

enum { FUEL = 8192, STEP_CHARGE = 8 /* bytes of work for a step */ };

static bool
refuel(void *ud, int64_t *fuel)
{
    int64_t spent = FUEL - *fuel;
    *fuel = FUEL;
    return sy__limits_charge(ud, (size_t)spent * STEP_CHARGE) == 0;
}

static void
begin(lua_State *L, sy__match *m, const char *s, size_t len, const char *p, size_t plen)
{
    m->fuel = FUEL;
    m->refuel = refuel;
    m->ud = &sy__isolate_of(L)->limits;
    sy__match_init(m, s, len, p, plen);
}

/* Raises what stopped the matcher, if anything did. */
static void
check(lua_State *L, const sy__match *m)
{
    if (m->stopped) (void)sy__limits_raise(&sy__isolate_of(L)->limits, L);
    if (m->fault) {
        (void)lua_pushfstring(L, m->fault, m->fault_arg);
        (void)luaL_error(L, "%s", lua_tostring(L, -1));
    }
}

/* Charges what matching has burnt since the last refuel. */
static void
settle(lua_State *L, sy__match *m)
{
    check(L, m);
    if (m->fuel < FUEL && !refuel(m->ud, &m->fuel)) (void)sy__limits_raise(&sy__isolate_of(L)->limits, L);
}

static void
push_capture(lua_State *L, sy__match *m, int index, const char *at, const char *end)
{
    const char *start;
    ptrdiff_t len;
    if (!sy__match_capture(m, index, at, end, &start, &len)) check(L, m);
    if (len == SY__CAPTURE_POSITION)
        lua_pushinteger(L, start - m->subject + 1);
    else
        lua_pushlstring(L, start, (size_t)len);
}

/* All captures; without any the whole match, unless `at` is NULL. */
static int
push_captures(lua_State *L, sy__match *m, const char *at, const char *end)
{
    int count = m->captures == 0 && at ? 1 : m->captures;
    luaL_checkstack(L, count, "too many captures");
    for (int i = 0; i < count; i++) push_capture(L, m, i, at, end);
    return count;
}

/* The offset from 0 of a start position, which may be negative; len + 1 when it lies behind the end. */
static size_t
start_offset(lua_State *L, int arg, size_t len)
{
    lua_Integer at = luaL_optinteger(L, arg, 1);
    if (at > 0) return (lua_Unsigned)at - 1 > len ? len + 1 : (size_t)at - 1;
    if (at == 0 || at < -(lua_Integer)len) return 0;
    return len - (size_t)-at;
}

static int
found_plain(lua_State *L, const char *s, size_t len, const char *p, size_t plen, size_t from)
{
    sy__isolate_charge(L, len - from);
    const char *at = sy__find_plain(s + from, len - from, p, plen);
    if (!at) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - s + 1);
    lua_pushinteger(L, at - s + (ptrdiff_t)plen);
    return 2;
}

/* The first match from `at` on; NULL: none. */
static const char *
search(lua_State *L, sy__match *m, const char **at, bool anchored)
{
    const char *end = NULL;
    for (;;) {
        end = sy__match_at(m, *at);
        if (end || m->fault || m->stopped || anchored || *at >= m->subject_end) break;
        (*at)++;
    }
    settle(L, m);
    return end;
}

static int
find_or_match(lua_State *L, bool find)
{
    size_t len, plen;
    const char *s = luaL_checklstring(L, 1, &len), *p = luaL_checklstring(L, 2, &plen);
    size_t from = start_offset(L, 3, len);
    if (from > len) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || sy__pattern_plain(p, plen))) return found_plain(L, s, len, p, plen, from);
    bool anchored = plen > 0 && *p == '^';
    sy__match m;
    begin(L, &m, s, len, p + anchored, plen - anchored);
    const char *at = s + from, *end = search(L, &m, &at, anchored);
    if (!end) {
        lua_pushnil(L);
        return 1;
    }
    if (!find) return push_captures(L, &m, at, end);
    lua_pushinteger(L, at - s + 1);
    lua_pushinteger(L, end - s);
    return push_captures(L, &m, NULL, NULL) + 2;
}

static int
s_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int
s_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* ---- gmatch: upvalues are subject, pattern, where to go on, end of the last match (offsets, -1: none) ---- */

static int
gmatch_next(lua_State *L)
{
    size_t len, plen;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &len), *p = lua_tolstring(L, lua_upvalueindex(2), &plen);
    lua_Integer from = lua_tointeger(L, lua_upvalueindex(3)), last = lua_tointeger(L, lua_upvalueindex(4));
    sy__match m;
    begin(L, &m, s, len, p, plen);
    for (; from <= (lua_Integer)len; from++) {
        const char *end = sy__match_at(&m, s + from);
        check(L, &m);
        if (!end || end - s == last) continue;
        settle(L, &m);
        lua_pushinteger(L, end - s);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(L, &m, s + from, end);
    }
    settle(L, &m);
    lua_pushinteger(L, from);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

static int
s_gmatch(lua_State *L)
{
    size_t len;
    (void)luaL_checklstring(L, 1, &len);
    luaL_checkstring(L, 2);
    size_t from = start_offset(L, 3, len);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)from);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* ---- gsub ---- */

/* Adds a replacement text, with %0 to %9 and %% in it. */
static void
add_text(lua_State *L, sy__match *m, luaL_Buffer *out, const char *at, const char *end)
{
    size_t len;
    const char *text = lua_tolstring(L, 3, &len), *stop = text + len;
    while (text < stop) {
        const char *escape = memchr(text, '%', (size_t)(stop - text));
        luaL_addlstring(out, text, (size_t)((escape ? escape : stop) - text));
        if (!escape) return;
        char c = escape + 1 < stop ? escape[1] : '\0';
        text = escape + 2;
        if (c == '%') {
            luaL_addchar(out, c);
        } else if (c == '0') {
            luaL_addlstring(out, at, (size_t)(end - at));
        } else if (c >= '1' && c <= '9') {
            push_capture(L, m, c - '1', at, end);
            (void)luaL_tolstring(L, -1, NULL);
            lua_remove(L, -2);
            luaL_addvalue(out);
        } else {
            (void)luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Adds what a function or table says; nil and false keep the text. Returns whether something changed. */
static bool
add_asked(lua_State *L, sy__match *m, luaL_Buffer *out, const char *at, const char *end, int type)
{
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, m, at, end), 1);
    } else {
        push_capture(L, m, 0, at, end);
        (void)lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(out, at, (size_t)(end - at));
        return false;
    }
    if (!lua_isstring(L, -1)) (void)luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(out);
    return true;
}

static bool
add_replacement(lua_State *L, sy__match *m, luaL_Buffer *out, const char *at, const char *end, int type)
{
    if (type == LUA_TFUNCTION || type == LUA_TTABLE) return add_asked(L, m, out, at, end, type);
    add_text(L, m, out, at, end);
    return true;
}

/* Replaces all matches into `out`; returns how many, and whether any changed. */
static lua_Integer
replace_all(lua_State *L, sy__match *m, luaL_Buffer *out, bool anchored, lua_Integer most, bool *changed)
{
    const char *at = m->subject, *last = NULL;
    int type = lua_type(L, 3);
    lua_Integer count = 0;
    while (count < most) {
        const char *end = sy__match_at(m, at);
        settle(L, m);
        if (end && end != last) {
            count++;
            *changed = add_replacement(L, m, out, at, end, type) || *changed;
            at = last = end;
        } else if (at < m->subject_end) {
            luaL_addchar(out, *at++);
        } else {
            break;
        }
        if (anchored) break;
    }
    luaL_addlstring(out, at, (size_t)(m->subject_end - at));
    return count;
}

static int
s_gsub(lua_State *L)
{
    size_t len, plen;
    const char *s = luaL_checklstring(L, 1, &len), *p = luaL_checklstring(L, 2, &plen);
    int type = lua_type(L, 3);
    luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                     "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)len + 1);
    bool anchored = plen > 0 && *p == '^', changed = false;
    sy__match m;
    luaL_Buffer out;
    begin(L, &m, s, len, p + anchored, plen - anchored);
    luaL_buffinit(L, &out);
    lua_Integer count = replace_all(L, &m, &out, anchored, most, &changed);
    if (changed)
        luaL_pushresult(&out);
    else
        lua_pushvalue(L, 1);
    lua_pushinteger(L, count);
    return 2;
}

void
sy__safe_open_patterns(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"find", s_find}, {"match", s_match}, {"gmatch", s_gmatch}, {"gsub", s_gsub}, {NULL, NULL},
    };
    luaL_setfuncs(L, ours, 0);
}
