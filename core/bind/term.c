/*
 * term.c: `sy.term`, the process's streams, terminal and signals, for the command line.
 *
 *   isatty(fd) → boolean
 *   size([fd]) → columns, rows            of the terminal behind fd (default 1); nil when it is none
 *   write(fd, bytes…) → true              unbuffered and whole; nil, message, "io_error" on failure
 *   read_line([fd]) → text | nil          without its end of line; nil at the end of input, and
 *                                         nil, "interrupted" when a caught signal came
 *   read_secret(prompt[, fd]) → text|nil  the same behind a prompt on stderr, without showing what is typed
 *   take_signal() → "INT" | "TERM" | nil  the first call starts catching: until then a signal ends the
 *                                         process as usual; afterwards a second one ends it at once (130)
 *
 * When the reader of stdout or stderr has gone away, write says so (nil, message, "io_error"), later
 * writes do nothing, and take_signal gives "TERM" once, so that a loop that only writes comes to its end.
 */
#include "bind/modules.h"
#include "bind/program.h"

#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static int
term_isatty(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

static int
term_size(lua_State *L)
{
    struct winsize size = {0};
    if (ioctl((int)luaL_optinteger(L, 1, STDOUT_FILENO), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, size.ws_col);
    lua_pushinteger(L, size.ws_row);
    return 2;
}

static bool
wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, -1) > 0 || errno == EINTR;
}

/* 0, or the errno that stopped it. */
static int
write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN ? !wait_for(fd, POLLOUT) : errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Remembers that nobody reads any more, in the program's signals. */
static void
output_closed(lua_State *L, int fd)
{
    sy__signals *signals = sy__program_signals(L);
    if (signals && (fd == STDOUT_FILENO || fd == STDERR_FILENO)) signals->output_closed = true;
}

static int
term_write(lua_State *L)
{
    int fd = (int)luaL_checkinteger(L, 1), last = lua_gettop(L), failure = 0;
    for (int i = 2; i <= last && failure == 0; i++) {
        size_t len;
        const char *bytes = luaL_checklstring(L, i, &len);
        failure = write_all(fd, bytes, len);
    }
    if (failure == 0) {
        lua_pushboolean(L, true);
        return 1;
    }
    if (failure == EPIPE) output_closed(L, fd);
    lua_pushnil(L);
    lua_pushfstring(L, "cannot write: %s", strerror(failure));
    lua_pushliteral(L, "io_error");
    return 3;
}

/* One byte at a time: what follows the line stays for the next reader of the descriptor. */
static int
term_read_line(lua_State *L)
{
    int fd = (int)luaL_optinteger(L, 1, STDIN_FILENO);
    luaL_Buffer line;
    char c = 0;
    ssize_t n;
    luaL_buffinit(L, &line);
    while ((n = read(fd, &c, 1)) == 1 && c != '\n') luaL_addchar(&line, c);
    bool interrupted = n < 0 && errno == EINTR;
    luaL_pushresult(&line);
    if (n == 1 || (n == 0 && lua_rawlen(L, -1) > 0)) return 1;
    lua_pushnil(L);
    if (!interrupted) return 1;
    lua_pushliteral(L, "interrupted");
    return 2;
}

static int
term_read_secret(lua_State *L)
{
    size_t len;
    const char *prompt = luaL_checklstring(L, 1, &len);
    int fd = (int)luaL_optinteger(L, 2, STDIN_FILENO);
    struct termios shown, hidden;
    sy__signals *signals = sy__program_signals(L);
    bool terminal = tcgetattr(fd, &shown) == 0;
    if (terminal) {
        if (signals) signals->catch_them(signals->ud); /* so that nothing ends us while the terminal is mute */
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(fd, TCSAFLUSH, &hidden);
    }
    (void)write_all(STDERR_FILENO, prompt, len); /* what is typed before this is dropped */
    lua_settop(L, 0);
    lua_pushinteger(L, fd);
    int results = term_read_line(L);
    if (terminal) (void)tcsetattr(fd, TCSAFLUSH, &shown);
    return results;
}

static int
term_take_signal(lua_State *L)
{
    sy__signals *signals = sy__program_signals(L);
    if (!signals) return 0;
    signals->catch_them(signals->ud);
    lua_pushstring(L, signals->take(signals->ud));
    return 1;
}

static const luaL_Reg functions[] = {
    {"isatty", term_isatty},
    {"size", term_size},
    {"write", term_write},
    {"read_line", term_read_line},
    {"read_secret", term_read_secret},
    {"take_signal", term_take_signal},
    {NULL, NULL},
};

int
luaopen_sy_term(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
