/*
 * echo.c: `require "support.echo"`: an HTTP server on the loopback that says back what it is told.
 *
 *     start() → echo            echo:port()  echo:count()  echo:last() → text of the last request  echo:stop()
 *
 * One request a connection, one after the other. The path says how it answers: /echo the request as the body and its
 * Authorization as a header; /slow the same in chunks of one byte; /base64 the request in base64; /bad an impossible
 * Content-Length with the Authorization in it; /cut nothing; /to/URL a redirect; /fail/N as /cut for the first N.
 */
#include "support/child.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECHO_MT "support.echo"

enum { REQUEST_BYTES = 256 << 10 };

typedef struct echo {
    int fd, port, stop[2];
    bool running;
    pthread_t thread;
    pthread_mutex_t lock; /* of the last two */
    int count;
    char last[REQUEST_BYTES];
} echo;

static void
say(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) return;
        bytes += n;
        len -= (size_t)n;
    }
}

static void
say_all(int fd, const char *word, const char *body)
{
    char *head = NULL;
    int n = asprintf(&head, "HTTP/1.1 200 OK\r\nX-Word: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", word,
                     strlen(body));
    if (n > 0) say(fd, head, (size_t)n);
    free(head);
    say(fd, body, strlen(body));
}

static void
say_slowly(int fd, const char *body)
{
    const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    say(fd, head, sizeof head - 1);
    for (; *body; body++) {
        char piece[6] = {'1', '\r', '\n', *body, '\r', '\n'};
        say(fd, piece, sizeof piece);
    }
    say(fd, "0\r\n\r\n", 5);
}

static void
say_base64(int fd, const char *body)
{
    size_t len = strlen(body), room = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(room);
    if (!text) abort();
    say_all(fd, "", sodium_bin2base64(text, room, (const unsigned char *)body, len, sodium_base64_VARIANT_ORIGINAL));
    free(text);
}

static void
say_line(int fd, const char *format, const char *value)
{
    char *text = NULL;
    int n = asprintf(&text, format, value); // NOLINT(*format-nonliteral)
    if (n > 0) say(fd, text, (size_t)n);
    free(text);
}

/* The value of the header, cut out of a copy of the request. */
static const char *
authorization(char *copy)
{
    char *at = strcasestr(copy, "\r\nauthorization: ");
    if (!at) return "none";
    at += strlen("\r\nauthorization: ");
    at[strcspn(at, "\r")] = '\0';
    return at;
}

static void
answer(echo *e, int fd, const char *request)
{
    char path[2048] = "", *copy = strdup(request);
    if (!copy || sscanf(request, "%*s %2047s", path) != 1) abort();
    const char *word = authorization(copy);
    if (strcmp(path, "/slow") == 0)
        say_slowly(fd, request);
    else if (strcmp(path, "/base64") == 0)
        say_base64(fd, request);
    else if (strcmp(path, "/bad") == 0)
        say_line(fd, "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n", word);
    else if (strncmp(path, "/to/", 4) == 0)
        say_line(fd, "HTTP/1.1 302 Go\r\nContent-Length: 0\r\nConnection: close\r\nLocation: %s\r\n\r\n", path + 4);
    else if (strcmp(path, "/cut") != 0 && (strncmp(path, "/fail/", 6) != 0 || e->count > atoi(path + 6)))
        say_all(fd, word, request);
    free(copy);
}

/* One request with its body. */
static void
serve(echo *e, int fd)
{
    size_t len = 0, want = 0;
    static _Thread_local char text[REQUEST_BYTES];
    while ((want == 0 || len < want) && len < sizeof text - 1) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = e->stop[0], .events = POLLIN}};
        ssize_t n = poll(p, 2, -1) > 0 && !p[1].revents ? recv(fd, text + len, sizeof text - len - 1, 0) : 0;
        if (n <= 0) return;
        len += (size_t)n;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *size = strcasestr(text, "\r\ncontent-length:");
        if (end) want = (size_t)(end + 4 - text) + (size && size < end ? (size_t)atol(size + 17) : 0);
    }
    (void)pthread_mutex_lock(&e->lock);
    e->count++;
    memcpy(e->last, text, len + 1);
    (void)pthread_mutex_unlock(&e->lock);
    answer(e, fd, text);
}

static void *
accept_all(void *ud)
{
    echo *e = ud;
    struct pollfd p[2] = {{.fd = e->fd, .events = POLLIN}, {.fd = e->stop[0], .events = POLLIN}};
    while (poll(p, 2, -1) > 0 && !p[1].revents) {
        int fd = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        serve(e, fd);
        (void)close(fd);
    }
    return NULL;
}

static int
echo_stop(lua_State *L)
{
    echo *e = luaL_checkudata(L, 1, ECHO_MT);
    if (!e->running) return 0;
    e->running = false;
    (void)close(e->stop[1]);
    (void)pthread_join(e->thread, NULL);
    (void)close(e->stop[0]);
    (void)close(e->fd);
    return 0;
}

static int
echo_port(lua_State *L)
{
    lua_pushinteger(L, ((echo *)luaL_checkudata(L, 1, ECHO_MT))->port);
    return 1;
}

static int
echo_count(lua_State *L)
{
    echo *e = luaL_checkudata(L, 1, ECHO_MT);
    (void)pthread_mutex_lock(&e->lock);
    lua_pushinteger(L, e->count);
    (void)pthread_mutex_unlock(&e->lock);
    return 1;
}

static int
echo_last(lua_State *L)
{
    echo *e = luaL_checkudata(L, 1, ECHO_MT);
    (void)pthread_mutex_lock(&e->lock);
    lua_pushstring(L, e->last);
    (void)pthread_mutex_unlock(&e->lock);
    return 1;
}

static int
echo_start(lua_State *L)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    echo *e = lua_newuserdatauv(L, sizeof *e, 0);
    memset(e, 0, sizeof *e);
    e->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (e->fd < 0 || bind(e->fd, (struct sockaddr *)&at, len) || listen(e->fd, 64) ||
        getsockname(e->fd, (struct sockaddr *)&at, &len) || pipe2(e->stop, O_CLOEXEC) ||
        pthread_mutex_init(&e->lock, NULL) || pthread_create(&e->thread, NULL, accept_all, e))
        return luaL_error(L, "no echo can be started");
    e->port = ntohs(at.sin_port);
    e->running = true;
    luaL_setmetatable(L, ECHO_MT);
    return 1;
}

int
luaopen_support_echo(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"port", echo_port}, {"count", echo_count}, {"last", echo_last}, {"stop", echo_stop}, {NULL, NULL}};
    luaL_newmetatable(L, ECHO_MT);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, echo_stop);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);
    lua_pushcfunction(L, echo_start);
    lua_setfield(L, -2, "start");
    return 1;
}
