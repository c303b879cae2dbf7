/*
 * detach.c: the trusted Lua module `sy.detach`: going on in a process of its own, without a terminal.
 *
 * detach() must come before any host is opened: it forks. The child gets a session of its own and reports one
 * text to the parent, which waits for it:
 *
 *     parent ── reads until the pipe closes ──> text          child: setsid, /dev/null, works on, report(text)
 */
#include "bind/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#define REPORT_MT "sy.detach.report"

static int
failed(lua_State *L, const char *what, int errnum)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", what, strerror(errnum));
    lua_pushliteral(L, "io_error");
    return 3;
}

/* report(text): sends the text to the parent and closes the pipe. Later calls do nothing. */
static int
l_report(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, REPORT_MT);
    size_t len = 0;
    const char *text = luaL_checklstring(L, 2, &len);
    if (*fd < 0) return 0;
    while (len > 0) {
        ssize_t n = write(*fd, text, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        text += n;
        len -= (size_t)n;
    }
    close(*fd);
    *fd = -1;
    return 0;
}

static int
l_report_gc(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, REPORT_MT);
    if (*fd >= 0) close(*fd);
    *fd = -1;
    return 0;
}

/* Reads until the child has closed its end. */
static void
push_report(lua_State *L, int fd)
{
    luaL_Buffer text;
    char room[4096];
    luaL_buffinit(L, &text);
    for (;;) {
        ssize_t n = read(fd, room, sizeof room);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        luaL_addlstring(&text, room, (size_t)n);
    }
    luaL_pushresult(&text);
}

static void
become_daemon(int keep)
{
    setsid();
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0) _exit(1);
    for (int fd = 0; fd <= 2; fd++)
        if (fd != keep) dup2(nothing, fd);
    if (nothing > 2) close(nothing);
}

static int
in_child(lua_State *L, int fd)
{
    become_daemon(fd);
    lua_pushliteral(L, "child");
    int *held = lua_newuserdatauv(L, sizeof *held, 0);
    *held = fd;
    luaL_setmetatable(L, REPORT_MT);
    return 2;
}

/* detach() -> "parent", text | "child", report */
static int
l_detach(lua_State *L)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return failed(L, "pipe", errno);
    pid_t child = fork();
    if (child < 0) {
        int errnum = errno;
        close(ends[0]);
        close(ends[1]);
        return failed(L, "fork", errnum);
    }
    if (child == 0) {
        close(ends[0]);
        return in_child(L, ends[1]);
    }
    close(ends[1]);
    lua_pushliteral(L, "parent");
    push_report(L, ends[0]);
    close(ends[0]);
    return 2;
}

int
luaopen_sy_detach(lua_State *L)
{
    static const luaL_Reg functions[] = {{"detach", l_detach}, {NULL, NULL}};
    luaL_newmetatable(L, REPORT_MT);
    lua_pushcfunction(L, l_report);
    lua_setfield(L, -2, "__call");
    lua_pushcfunction(L, l_report_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
