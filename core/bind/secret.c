/*
 * secret.c: `sy.secret`, the person's secrets, for trusted Lua, which names them and never sees a value.
 *
 *     set{dir=, name=, place="file"|"keyring", path= | fd=, line=} → true     reads the value: of a file, of a
 * descriptor to its end, or (line) one line that a terminal hides info(dir, name) → {name=, place=, set_at=}
 *     remove(dir, name) → true
 *     keyring() → true                                     whether values can be kept there
 *     valid(name) → boolean
 *
 * Failures: nil, {code=, message=, hint=, …}, code.
 */
#include "bind/modules.h"
#include "bind/program.h"
#include "bind/support.h"
#include "io/keyring.h"
#include "io/secret_store.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

static const char *const places[] = {"file", "keyring", NULL};

static int
fail(lua_State *L, const sy__error *err)
{
    lua_pushnil(L);
    sy__lib_push_errtable(L, err);
    lua_pushstring(L, sy_errname(err->code));
    return 3;
}

static int
answer(lua_State *L, int status, const sy__error *err)
{
    if (status) return fail(L, err);
    lua_pushboolean(L, true);
    return 1;
}

/* One line of a terminal that does not show it; of what is no terminal, one line. */
static int
read_hidden(lua_State *L, sy__secret **out, const char *name, int fd, sy__error *err)
{
    struct termios shown, hidden;
    sy__signals *signals = sy__program_signals(L);
    bool terminal = tcgetattr(fd, &shown) == 0;
    if (terminal) {
        if (signals) signals->catch_them(signals->ud); /* so that nothing ends us while the terminal is mute */
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(fd, TCSAFLUSH, &hidden);
    }
    int e = sy__secret_read(out, name, fd, true, err);
    if (terminal) (void)tcsetattr(fd, TCSAFLUSH, &shown);
    return e;
}

static int
read_value(lua_State *L, sy__secret **out, const char *name, sy__error *err)
{
    const char *path = sy__lib_text_field(L, 1, "path", NULL);
    int fd = (int)sy__lib_int_field(L, 1, "fd");
    lua_getfield(L, 1, "line");
    if (lua_toboolean(L, -1)) return read_hidden(L, out, name, fd, err);
    if (!path) return sy__secret_read(out, name, fd, false, err);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sy__error_errno(err, errno, "cannot read %s", path);
    int e = sy__secret_read(out, name, fd, false, err);
    (void)close(fd);
    return e;
}

static int
secret_set(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    sy__error err = {0};
    sy__secret *value = NULL;
    const char *dir = sy__lib_text_field(L, 1, "dir", NULL), *name = sy__lib_text_field(L, 1, "name", NULL);
    luaL_argcheck(L, dir && name, 1, "dir and name are needed");
    lua_getfield(L, 1, "place");
    sy__secret_place place = (sy__secret_place)luaL_checkoption(L, -1, "file", places);
    int e = read_value(L, &value, name, &err);
    if (!e) e = sy__secret_put(dir, value, place, sy__wall_ms(&sy__clock_system), &err);
    sy__secret_release(value);
    return answer(L, e, &err);
}

static int
secret_info(lua_State *L)
{
    sy__error err = {0};
    sy__secret_info info;
    const char *dir = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
    if (sy__secret_info_get(dir, name, &info, &err)) return fail(L, &err);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, places[info.place]);
    lua_setfield(L, -2, "place");
    lua_pushstring(L, info.set_at);
    lua_setfield(L, -2, "set_at");
    return 1;
}

static int
secret_remove(lua_State *L)
{
    sy__error err = {0};
    int e = sy__secret_remove(luaL_checkstring(L, 1), luaL_checkstring(L, 2), &err);
    return answer(L, e, &err);
}

static int
secret_keyring(lua_State *L)
{
    sy__error err = {0};
    int e = sy__keyring_check(&err);
    return answer(L, e, &err);
}

static int
secret_valid(lua_State *L)
{
    lua_pushboolean(L, sy__secret_name_ok(luaL_checkstring(L, 1)));
    return 1;
}

int
luaopen_sy_secret(lua_State *L)
{
    static const luaL_Reg functions[] = {{"set", secret_set},       {"info", secret_info},
                                         {"remove", secret_remove}, {"keyring", secret_keyring},
                                         {"valid", secret_valid},   {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
