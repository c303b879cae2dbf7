/*
 * child.c: `support.child`, programs that specs start, independent of what is tested.
 *
 * stdout and stderr of a child are memory files (memfd), so nothing has to be read while it runs and what
 * is there so far can be looked at any time. With `pty` its streams are one pseudo-terminal, which wait
 * and output drain into a memory file. A child is a process group of its own and is killed when collected.
 */
#include "support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CHILD "support.child"

typedef struct child {
    pid_t pid; /* 0: not started */
    int pidfd, out, err;
    int in;  /* write end of its stdin, or -1 */
    int pty; /* master, or -1 */
    bool ended;
    int status; /* of waitpid, once ended */
} child;

static child *
check_child(lua_State *L)
{
    return luaL_checkudata(L, 1, CHILD);
}

static long long
now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- starting ---- */

/* The strings of the array at `index`, NULL-terminated; borrowed from Lua, the vector is a userdata on the stack. */
static char **
push_vector(lua_State *L, int index)
{
    lua_Integer count = luaL_len(L, index);
    char **vector = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *vector, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_geti(L, index, i) != LUA_TSTRING) luaL_error(L, "item %d is no string", (int)i);
        vector[i - 1] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    vector[count] = NULL;
    return vector;
}

/* A descriptor the child reads: a pipe whose other end is kept, the given text, or /dev/null. */
static int
open_stdin(lua_State *L, child *c, int options)
{
    int ends[2], fd;
    size_t len = 0;
    lua_getfield(L, options, "stdin");
    const char *text = lua_tolstring(L, -1, &len);
    lua_getfield(L, options, "stdin_pipe");
    bool piped = lua_toboolean(L, -1);
    lua_pop(L, 2); /* the options keep the text alive */
    if (piped) {
        if (pipe2(ends, O_CLOEXEC) != 0) return -1;
        c->in = ends[1];
        return ends[0];
    }
    if (!text) return open("/dev/null", O_RDONLY | O_CLOEXEC);
    fd = memfd_create("stdin", MFD_CLOEXEC);
    if (fd >= 0 && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* The name of a new pseudo-terminal's slave; the master is kept. */
static const char *
open_pty(lua_State *L, child *c, int options)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    lua_getfield(L, options, "columns");
    if (lua_isinteger(L, -1)) size.ws_col = (unsigned short)lua_tointeger(L, -1);
    lua_pop(L, 1);
    c->pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (c->pty < 0 || grantpt(c->pty) != 0 || unlockpt(c->pty) != 0) return NULL;
    (void)ioctl(c->pty, TIOCSWINSZ, &size);
    (void)fcntl(c->pty, F_SETFL, O_NONBLOCK);
    return ptsname(c->pty);
}

/* What stdin, stdout and stderr become. 0 or an errno. */
static int
set_streams(posix_spawn_file_actions_t *actions, const child *c, const char *terminal, int in)
{
    int e = 0;
    if (terminal) {
        e = posix_spawn_file_actions_addopen(actions, 0, terminal, O_RDWR, 0);
        if (!e) e = posix_spawn_file_actions_adddup2(actions, 0, 1);
        return e ? e : posix_spawn_file_actions_adddup2(actions, 0, 2);
    }
    e = posix_spawn_file_actions_adddup2(actions, in, 0);
    if (!e) e = posix_spawn_file_actions_adddup2(actions, c->out, 1);
    return e ? e : posix_spawn_file_actions_adddup2(actions, c->err, 2);
}

/* Default signals, nothing blocked, a group (or, for a terminal, a session) of its own. */
static void
set_attributes(posix_spawnattr_t *attributes, bool session)
{
    sigset_t all, none;
    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    (void)posix_spawnattr_setsigdefault(attributes, &all);
    (void)posix_spawnattr_setsigmask(attributes, &none);
    (void)posix_spawnattr_setpgroup(attributes, 0);
    (void)posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                       (session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP)));
}

static int
spawn(child *c, char **argv, char **env, const char *cwd, const char *terminal, int in)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    set_attributes(&attributes, terminal != NULL);
    int e = cwd ? posix_spawn_file_actions_addchdir_np(&actions, cwd) : 0;
    if (!e) e = set_streams(&actions, c, terminal, in);
    if (!e) e = posix_spawnp(&c->pid, argv[0], &actions, &attributes, argv, env);
    if (e) c->pid = 0;
    if (!e) c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return e;
}

static child *
push_child(lua_State *L)
{
    child *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (child){.pidfd = -1, .in = -1, .pty = -1};
    c->out = memfd_create("stdout", MFD_CLOEXEC);
    c->err = memfd_create("stderr", MFD_CLOEXEC);
    luaL_setmetatable(L, CHILD);
    return c;
}

/* start(argv, environment array, {cwd=, stdin=, stdin_pipe=, pty=, columns=}) → child */
static int
child_start(lua_State *L)
{
    luaL_checktype(L, 3, LUA_TTABLE);
    char **argv = push_vector(L, 1), **env = push_vector(L, 2);
    lua_getfield(L, 3, "cwd");
    const char *cwd = lua_tostring(L, -1), *terminal = NULL;
    lua_getfield(L, 3, "pty");
    bool pty = lua_toboolean(L, -1);
    child *c = push_child(L);
    int in = -1;
    if (pty) {
        terminal = open_pty(L, c, 3);
    } else {
        in = open_stdin(L, c, 3);
    }
    if (pty ? !terminal : in < 0) return luaL_error(L, "cannot open streams: %s", strerror(errno));
    int e = spawn(c, argv, env, cwd, terminal, in);
    if (in >= 0) (void)close(in);
    if (e) return luaL_error(L, "cannot start %s: %s", argv[0], strerror(e));
    return 1;
}

/* ---- a running child ---- */

/* Moves what the terminal has into the memory file. */
static void
drain(child *c)
{
    char bytes[4096];
    ssize_t n;
    while (c->pty >= 0 && (n = read(c->pty, bytes, sizeof bytes)) > 0) {
        if (write(c->out, bytes, (size_t)n) != n) return;
    }
}

static bool
reap(child *c)
{
    if (!c->ended && c->pid && waitpid(c->pid, &c->status, WNOHANG) == c->pid) c->ended = true;
    return c->ended;
}

/* wait(ms) → true when it has ended */
static int
child_wait(lua_State *L)
{
    child *c = check_child(L);
    long long until = now_ms() + luaL_checkinteger(L, 2), left;
    while (!reap(c) && (left = until - now_ms()) > 0) {
        struct pollfd fds[2] = {{.fd = c->pidfd, .events = POLLIN}, {.fd = c->pty, .events = POLLIN}};
        if (poll(fds, 2, (int)left) < 0 && errno != EINTR) break;
        drain(c);
        if (fds[1].revents & POLLHUP && !(fds[0].revents & POLLIN)) {
            fds[1].fd = -1;
            (void)poll(fds, 1, (int)left);
        }
    }
    drain(c);
    lua_pushboolean(L, c->ended);
    return 1;
}

static int
push_file(lua_State *L, int fd)
{
    luaL_Buffer text;
    off_t at = 0;
    ssize_t n;
    luaL_buffinit(L, &text);
    while ((n = pread(fd, luaL_prepbuffer(&text), LUAL_BUFFERSIZE, at)) > 0) {
        luaL_addsize(&text, (size_t)n);
        at += n;
    }
    luaL_pushresult(&text);
    return 1;
}

static int
child_out(lua_State *L)
{
    child *c = check_child(L);
    drain(c);
    return push_file(L, c->out);
}

static int
child_err(lua_State *L)
{
    return push_file(L, check_child(L)->err);
}

/* code() → exit code | nil, signal */
static int
child_code(lua_State *L)
{
    child *c = check_child(L);
    if (!reap(c)) return 0;
    if (WIFEXITED(c->status)) {
        lua_pushinteger(L, WEXITSTATUS(c->status));
        return 1;
    }
    lua_pushnil(L);
    lua_pushinteger(L, WTERMSIG(c->status));
    return 2;
}

/* kill(signal, group) */
static int
child_kill(lua_State *L)
{
    child *c = check_child(L);
    int number = (int)luaL_checkinteger(L, 2);
    if (!reap(c) && c->pid) (void)kill(lua_toboolean(L, 3) ? -c->pid : c->pid, number);
    return 0;
}

static int
child_pid(lua_State *L)
{
    lua_pushinteger(L, check_child(L)->pid);
    return 1;
}

/* write(bytes) to its stdin pipe or terminal */
static int
child_write(lua_State *L)
{
    child *c = check_child(L);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    int fd = c->pty >= 0 ? c->pty : c->in;
    ssize_t n = fd < 0 ? -1 : write(fd, bytes, len);
    lua_pushboolean(L, n == (ssize_t)len);
    return 1;
}

static void
close_fd(int *fd)
{
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

static int
child_close_stdin(lua_State *L)
{
    close_fd(&check_child(L)->in);
    return 0;
}

static int
child_free(lua_State *L)
{
    child *c = check_child(L);
    if (c->pid) (void)kill(-c->pid, SIGKILL); /* also what it left behind */
    if (c->pid && !c->ended) (void)waitpid(c->pid, &c->status, 0);
    c->ended = true;
    c->pid = 0;
    close_fd(&c->pidfd);
    close_fd(&c->out);
    close_fd(&c->err);
    close_fd(&c->in);
    close_fd(&c->pty);
    return 0;
}

/* ---- what else specs need of the system ---- */

static int
child_now_ms(lua_State *L)
{
    lua_pushinteger(L, now_ms());
    return 1;
}

/* A pause between two looks of wait_until; specs themselves never sleep. */
static int
child_pause_ms(lua_State *L)
{
    (void)poll(NULL, 0, (int)luaL_checkinteger(L, 1));
    return 0;
}

static int
child_mkdtemp(lua_State *L)
{
    const char *base = getenv("TMPDIR");
    const char *template = lua_pushfstring(L, "%s/symphony-spec-XXXXXX", base && *base ? base : "/tmp");
    char *path = lua_newuserdatauv(L, strlen(template) + 1, 0);
    memcpy(path, template, strlen(template) + 1);
    if (!mkdtemp(path)) return luaL_error(L, "cannot make %s: %s", path, strerror(errno));
    lua_pushstring(L, path);
    return 1;
}

static int
child_environment(lua_State *L)
{
    lua_newtable(L);
    for (char **entry = environ; *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (!equals) continue;
        lua_pushlstring(L, *entry, (size_t)(equals - *entry));
        lua_pushstring(L, equals + 1);
        lua_rawset(L, -3);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"start", child_start},     {"now_ms", child_now_ms},           {"pause_ms", child_pause_ms},
    {"mkdtemp", child_mkdtemp}, {"environment", child_environment}, {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"wait", child_wait}, {"out", child_out},   {"err", child_err},     {"code", child_code},
    {"kill", child_kill}, {"pid", child_pid},   {"write", child_write}, {"close_stdin", child_close_stdin},
    {"free", child_free}, {"__gc", child_free}, {NULL, NULL},
};

int
luaopen_support_child(lua_State *L)
{
    luaL_newmetatable(L, CHILD);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
