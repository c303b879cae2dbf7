/* luavalue_test.c: values between Lua and their encoded form. */
#include "kit/luavalue.h"

#include "failing_alloc.h"
#include "test.h"

#include <lauxlib.h>
#include <lualib.h>

static lua_State *L;

/* Leaves the value of a Lua expression on the stack. */
static void
eval(const char *expression)
{
    char code[4096];
    (void)snprintf(code, sizeof code, "return %s", expression);
    if (luaL_dostring(L, code)) {
        CHECK_STR(lua_tostring(L, -1), "no error");
        lua_pushnil(L);
    }
}

static void
crosses(const char *expression, const char *json)
{
    sy__vbuf b;
    sy__buf text;
    sy__value v;
    sy__error err = {0};
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__buf_init(&text, &sy__alloc_default);
    eval(expression);
    int top = lua_gettop(L);
    CHECK_INT(sy__lua_to_value(L, -1, &b, &err), SY_OK);
    CHECK_STR(err.message, "");
    CHECK_INT(lua_gettop(L), top);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
    CHECK(sy__value_check(v.data, v.size));
    sy__value_to_json(v, SY__JSON_COMPACT, &text);
    CHECK_STR(sy__buf_cstr(&text), json);
    /* and back: the same bytes */
    sy__vbuf again;
    sy__value w;
    sy__vbuf_init(&again, &sy__alloc_default);
    sy__value_to_lua(L, v);
    CHECK_INT(sy__lua_to_value(L, -1, &again, &err), SY_OK);
    CHECK_INT(sy__vbuf_done(&again, &w), SY_OK);
    CHECK(sy__value_equal(v, w));
    lua_settop(L, 0);
    sy__vbuf_close(&again);
    sy__vbuf_close(&b);
    sy__buf_close(&text);
}

static void
refuses(const char *expression, const char *message)
{
    sy__vbuf b;
    sy__value v;
    sy__error err = {0};
    sy__vbuf_init(&b, &sy__alloc_default);
    eval(expression);
    CHECK_INT(sy__lua_to_value(L, -1, &b, &err), SY_EINVAL);
    CHECK_STR(err.message, message);
    CHECK(sy__vbuf_done(&b, &v) < 0);
    CHECK_INT(lua_gettop(L), 1);
    lua_settop(L, 0);
    sy__vbuf_close(&b);
}

static void
values_cross(void)
{
    crosses("nil", "null");
    crosses("null", "null");
    crosses("true", "true");
    crosses("math.mininteger", "-9223372036854775808");
    crosses("9007199254740993", "9007199254740993");
    crosses("0.5", "0.5");
    crosses("2^53", "9007199254740992.0");
    crosses("'a\\0b'", "\"a\\u0000b\"");
    crosses("'\\255'", "{\"$bytes\":\"/w==\"}");
    crosses("{}", "{}");
    crosses("array{}", "[]");
    crosses("{1,2,3}", "[1,2,3]");
    crosses("{{},array{},{{}}}", "[{},[],[{}]]");
    crosses("{b=1,a={c=2}}", "{\"a\":{\"c\":2},\"b\":1}");
    crosses("{[1.0]='x'}", "[\"x\"]");
    crosses("{['']=1}", "{\"\":1}");
}

static void
a_sequence_in_the_hash_part_is_an_array(void)
{
    crosses("(function() local t = {} for i = 9, 1, -1 do t[i] = i end return t end)()", "[1,2,3,4,5,6,7,8,9]");
    crosses("(function() local t = {1,2} t[3] = 3 t[4] = {} t[5] = 5 return t end)()", "[1,2,3,{},5]");
}

static void
no_metamethod_runs(void)
{
    crosses("setmetatable({a=1}, {__index=error, __pairs=error, __len=error, __newindex=error})", "{\"a\":1}");
    crosses("setmetatable({1,2}, {__index=error, __pairs=error, __len=error})", "[1,2]");
    crosses("setmetatable({}, {__index=error, __len=function() return 5 end})", "{}");
}

static void
what_cannot_cross_is_named(void)
{
    refuses("print", "the value is a function, which cannot be a value");
    refuses("{files={{path=1},{path=print}}}", "`files[2].path` is a function, which cannot be a value");
    refuses("coroutine.create(print)", "the value is a coroutine, which cannot be a value");
    refuses("{io.stdout}", "`[1]` is a userdata, which cannot be a value");
    refuses("{1,nil,3}", "the value has keys that are neither all strings nor 1, 2, 3, … without holes");
    refuses("{1,a=2}", "the value has keys that are neither all strings nor 1, 2, 3, … without holes");
    refuses("{x={[2]=1}}", "`x` has keys that are neither all strings nor 1, 2, 3, … without holes");
    refuses("{[true]=1}", "the value has keys that are neither all strings nor 1, 2, 3, … without holes");
    refuses("array{a=1}", "the value has keys that are neither all strings nor 1, 2, 3, … without holes");
    refuses("(function() local t = {} t.me = {t} return t end)()", "`me[1]` is a table that contains itself");
    refuses("('x'):rep(16 << 20)", "the value makes the value larger than 16 MiB");
    refuses("(function() local t = {} for i = 1, 64 do t = {t} end return t end)()",
            "`[1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1]"
            "[1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1]` is nested deeper "
            "than 64 levels");
}

static void
the_same_table_twice_is_no_cycle(void)
{
    crosses("(function() local t = {x=1} return {a=t, b=t} end)()", "{\"a\":{\"x\":1},\"b\":{\"x\":1}}");
}

static void
a_failed_allocation_is_reported(void)
{
    WITH_EACH_FAILURE(f, a, {
        sy__vbuf b;
        sy__value v;
        sy__error err = {0};
        sy__vbuf_init(&b, &a);
        eval("{b={1,2,{}}, a='text', c=array{}}");
        int status = sy__lua_to_value(L, -1, &b, &err);
        CHECK_INT(status, f.failed ? SY_ENOMEM : SY_OK);
        CHECK_INT(sy__vbuf_done(&b, &v), status);
        lua_settop(L, 0);
        sy__vbuf_close(&b);
    });
}

static int
mark(lua_State *state)
{
    sy__lua_push_array_mt(state);
    lua_setmetatable(state, 1);
    lua_settop(state, 1);
    return 1;
}

int
main(void)
{
    L = luaL_newstate();
    luaL_openlibs(L);
    lua_pushlightuserdata(L, NULL);
    lua_setglobal(L, "null");
    lua_register(L, "array", mark);
    values_cross();
    a_sequence_in_the_hash_part_is_an_array();
    no_metamethod_runs();
    what_cannot_cross_is_named();
    the_same_table_twice_is_no_cycle();
    a_failed_allocation_is_reported();
    lua_close(L);
    TEST_END();
}
