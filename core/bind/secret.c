/*
 * secret.c: `sy.secret`, the person's secrets, for trusted Lua, which names them: a value is a userdata that shows
 * nothing and is wiped when it is collected.
 *
 *     read{name=, path= | fd=, line=, prompt=} → value    of a file, or of a descriptor: all of it, or (line) one
 *                                                         line that a terminal hides, after the prompt was shown
 *     keep(dir, value, place) → true                      place: "file" or "keyring"
 *     info(dir, name) → {name=, place=, set_at=}
 *     remove(dir, name) → true
 *     keyring() → true                                    whether values can be kept there
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
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define VALUE_MT "symphony.secret"

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

static int
value_gc(lua_State *L)
{
    sy__secret **at = luaL_checkudata(L, 1, VALUE_MT);
    sy__secret_release(*at);
    *at = NULL;
    return 0;
}

/* Shows the prompt and waits for a line, or for a signal, which is never missed; false: a signal came. */
static bool
wait_for_line(int fd, const char *prompt)
{
    sigset_t stop, before;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGINT);
    (void)sigaddset(&stop, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &stop, &before);
    (void)!write(STDERR_FILENO, prompt, strlen(prompt));
    int n = ppoll(&p, 1, NULL, &before);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n > 0;
}

/* One line of a terminal that does not show it; of what is no terminal, one line. What was typed before the prompt is
 * forgotten. */
static int
read_hidden(lua_State *L, sy__secret **out, const char *name, int fd, const char *prompt, sy__error *err)
{
    struct termios shown, hidden;
    sy__signals *signals = sy__program_signals(L);
    if (tcgetattr(fd, &shown) != 0) return sy__secret_read(out, name, fd, true, err);
    if (signals) signals->catch_them(signals->ud); /* so that nothing ends us while the terminal is mute */
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(fd, TCSAFLUSH, &hidden);
    int e = wait_for_line(fd, prompt) ? sy__secret_read(out, name, fd, true, err)
                                      : sy__error_set(err, SY_ECANCELLED, "no value was given");
    (void)tcsetattr(fd, TCSAFLUSH, &shown);
    (void)!write(STDERR_FILENO, "\n", 1);
    return e;
}

static int
read_value(lua_State *L, sy__secret **out, const char *name, sy__error *err)
{
    const char *path = sy__lib_text_field(L, 1, "path", NULL), *prompt = sy__lib_text_field(L, 1, "prompt", "");
    int fd = (int)sy__lib_int_field(L, 1, "fd");
    lua_getfield(L, 1, "line");
    if (lua_toboolean(L, -1)) return read_hidden(L, out, name, fd, prompt, err);
    if (!path) return sy__secret_read(out, name, fd, false, err);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sy__error_errno(err, errno, "cannot read %s", path);
    int e = sy__secret_read(out, name, fd, false, err);
    (void)close(fd);
    return e;
}

static int
secret_read(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    sy__error err = {0};
    const char *name = sy__lib_text_field(L, 1, "name", NULL);
    luaL_argcheck(L, name, 1, "a name is needed");
    sy__secret **value = lua_newuserdatauv(L, sizeof *value, 0);
    int at = lua_gettop(L);
    *value = NULL;
    luaL_setmetatable(L, VALUE_MT);
    if (read_value(L, value, name, &err)) return fail(L, &err);
    lua_settop(L, at);
    return 1;
}

static int
secret_keep(lua_State *L)
{
    sy__error err = {0};
    const char *dir = luaL_checkstring(L, 1);
    sy__secret **value = luaL_checkudata(L, 2, VALUE_MT);
    sy__secret_place place = (sy__secret_place)luaL_checkoption(L, 3, "file", places);
    luaL_argcheck(L, *value != NULL, 2, "there is no value in it");
    return answer(L, sy__secret_put(dir, *value, place, sy__wall_ms(&sy__clock_system), &err), &err);
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
    static const luaL_Reg methods[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"read", secret_read},       {"keep", secret_keep},   {"info", secret_info}, {"remove", secret_remove},
        {"keyring", secret_keyring}, {"valid", secret_valid}, {NULL, NULL}};
    sy__lib_type(L, VALUE_MT, methods, value_gc, false);
    lua_settop(L, 0);
    luaL_newlib(L, functions);
    return 1;
}
