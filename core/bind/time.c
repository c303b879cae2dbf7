/*
 * time.c: the module `time`.
 *
 *     time.now_ms() → milliseconds since 1970, UTC        time.monotonic() → milliseconds, never stepping back
 *     time.iso(ms) → "2026-11-22T13:00:00.000Z"           time.parse_iso(text) → ms | nil, message, code
 *
 * In an isolate the clock is the host's, which a test may replace.
 */
#include "base/clock.h"
#include "bind/modules.h"
#include "bind/sleep.h"
#include "bind/stdlib.h"
#include "bind/support.h"

#include <math.h>
#include <string.h>

static const sy__clock *
clock_of(lua_State *L)
{
    const sy__clock *c = sy__lib_isolated(L) ? sy__isolate_options_of(sy__isolate_of(L))->clock : NULL;
    return c ? c : &sy__clock_system;
}

static int
l_now_ms(lua_State *L)
{
    lua_pushinteger(L, sy__wall_ms(clock_of(L)));
    return 1;
}

static int
l_monotonic(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)sy__mono_ns(clock_of(L)) / 1e6);
    return 1;
}

static int
l_iso(lua_State *L)
{
    lua_Number ms = luaL_checknumber(L, 1);
    char stamp[SY__STAMP_BYTES];
    luaL_argcheck(L, ms >= -62135596800000.0 && ms < 253402300800000.0, 1, "a time of the years 1 to 9999 is expected");
    sy__stamp((int64_t)floor(ms), stamp);
    lua_pushstring(L, stamp);
    return 1;
}

/* ---- reading ---- */

/* `count` digits at *p, which moves behind them; -1: not so. */
static int
digits(const char **p, int count)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (**p < '0' || **p > '9') return -1;
        n = n * 10 + (*(*p)++ - '0');
    }
    return n;
}

static bool
sign(const char **p, char c)
{
    if (**p != c) return false;
    ++*p;
    return true;
}

static bool
is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01; the year begins in March, so that the leap day is its last. */
static int64_t
days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool
read_date(const char **p, int64_t *days)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = digits(p, 4);
    if (year < 1 || !sign(p, '-')) return false;
    int month = digits(p, 2);
    if (month < 1 || month > 12 || !sign(p, '-')) return false;
    int day = digits(p, 2);
    if (day < 1 || day > length[month - 1] + (month == 2 && is_leap(year))) return false;
    *days = days_from_civil(year, month, day);
    return true;
}

/* "13:00", "13:00:05", "13:00:05.25" */
static bool
read_clock(const char **p, int64_t *ms)
{
    int hour = digits(p, 2), minute = sign(p, ':') ? digits(p, 2) : -1, second = 0;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return false;
    if (sign(p, ':')) second = digits(p, 2);
    if (second < 0 || second > 60) return false;
    *ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000);
    if (!sign(p, '.')) return true;
    if (**p < '0' || **p > '9') return false;
    for (int unit = 100; **p >= '0' && **p <= '9'; unit /= 10) *ms += (int64_t)(*(*p)++ - '0') * unit;
    return true;
}

/* "Z", "+02:00", "" */
static bool
read_zone(const char **p, int64_t *ms)
{
    *ms = 0;
    if (**p == '\0' || sign(p, 'Z')) return true;
    bool west = **p == '-';
    if (!west && **p != '+') return false;
    ++*p;
    int hour = digits(p, 2);
    (void)sign(p, ':');
    int minute = digits(p, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return false;
    *ms = (hour * 60 + minute) * (west ? INT64_C(60000) : INT64_C(-60000));
    return true;
}

static int
l_parse_iso(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len), *p = text;
    int64_t days = 0, ms = 0, zone = 0;
    bool ok = len == strlen(text) && read_date(&p, &days);
    if (ok && (sign(&p, 'T') || sign(&p, ' '))) ok = read_clock(&p, &ms) && read_zone(&p, &zone);
    if (!ok || *p) return sy__lib_fail(L, SY_EINVAL, "a time like 2026-11-22T13:00:00Z is expected");
    lua_pushinteger(L, days * INT64_C(86400000) + ms + zone);
    return 1;
}

static int
open_time(lua_State *L, bool isolated)
{
    static const luaL_Reg functions[] = {
        {"iso", l_iso}, {"monotonic", l_monotonic}, {"now_ms", l_now_ms}, {"parse_iso", l_parse_iso}, {NULL, NULL}};
    sy__lib(L, functions, isolated);
    if (isolated) {
        lua_pushcfunction(L, sy__lua_sleep);
        lua_setfield(L, -2, "sleep");
    }
    return 1;
}

int
sy__open_time(lua_State *L)
{
    return open_time(L, true);
}

int
luaopen_sy_time(lua_State *L)
{
    return open_time(L, false);
}
