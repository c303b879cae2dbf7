/*
 * http_server.h: an HTTP server on the loopback for tests, a thread for each connection. What it answers is in the
 * path of the request; what hangs does so until the server is stopped.
 */
#ifndef SY_SPEC_IO_HTTP_SERVER_H
#define SY_SPEC_IO_HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVER_THREADS = 400 };

typedef struct server {
    int fd, port;
    int stop[2];  /* closing the second ends every wait on the first */
    SSL_CTX *tls; /* NULL: plain */
    pthread_t accepting, threads[SERVER_THREADS];
    int thread_count;
    atomic_int connections, requests, waiting;
    atomic_llong sent_bytes;
    char last[4096]; /* the last request's head and body; read when nothing is under way */
} server;

typedef struct connection {
    server *s;
    int fd;
    SSL *tls;
} connection;

static bool
server_send(connection *c, const char *bytes, size_t len)
{
    while (len > 0) {
        struct pollfd p[2] = {{.fd = c->fd, .events = POLLOUT}, {.fd = c->s->stop[0], .events = POLLIN}};
        ssize_t n;
        if (poll(p, 2, -1) < 0 || p[1].revents) return false;
        n = c->tls ? SSL_write(c->tls, bytes, (int)len) : send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0) return false;
        (void)atomic_fetch_add(&c->s->sent_bytes, (long long)n);
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool
server_say(connection *c, const char *text)
{
    return server_send(c, text, strlen(text));
}

/* Until the client goes away or the server is stopped. */
static bool
server_hang(connection *c)
{
    struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = c->s->stop[0], .events = POLLIN}};
    (void)atomic_fetch_add(&c->s->waiting, 1);
    (void)poll(p, 2, -1);
    (void)atomic_fetch_sub(&c->s->waiting, 1);
    return false;
}

static bool
server_body(connection *c, const char *body, bool head_only)
{
    char head[256];
    (void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nX-Word: one\r\nX-Word: two\r\n\r\n",
                   strlen(body));
    return server_say(c, head) && (head_only || server_say(c, body));
}

static bool
server_endless(connection *c, bool head)
{
    static char block[65536];
    memset(block, 'x', sizeof block);
    if (!server_say(c, head ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"))
        return false;
    while (head ? server_say(c, "X-More: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")
                : server_send(c, block, sizeof block))
        continue;
    return false;
}

static bool
server_reset(connection *c)
{
    struct linger hard = {.l_onoff = 1};
    (void)server_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    return false;
}

static bool
server_chunked(connection *c)
{
    return server_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") && server_say(c, "6\r\nfirst,\r\n") &&
           server_say(c, "7\r\nsecond.\r\n0\r\n\r\n");
}

/* "/to/STATUS/URL" */
static bool
server_redirect(connection *c, const char *rest)
{
    char head[4096];
    (void)snprintf(head, sizeof head, "HTTP/1.1 %.3s Go\r\nLocation: %s\r\nContent-Length: 4\r\n\r\naway", rest,
                   rest + 4);
    return server_say(c, head);
}

/* One answer; false: the connection ends. */
static bool
server_answer(connection *c, const char *path, bool head_only)
{
    if (strncmp(path, "/to/", 4) == 0) return server_redirect(c, path + 4);
    if (strcmp(path, "/chunked") == 0) return server_chunked(c);
    if (strcmp(path, "/never") == 0) return server_hang(c);
    if (strcmp(path, "/half") == 0)
        return server_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") && server_hang(c);
    if (strcmp(path, "/head") == 0) return server_endless(c, true);
    if (strcmp(path, "/endless") == 0) return server_endless(c, false);
    if (strcmp(path, "/reset") == 0) return server_reset(c);
    return server_body(c, path, head_only);
}

static ssize_t
server_receive(connection *c, char *to, size_t room)
{
    struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = c->s->stop[0], .events = POLLIN}};
    if (!c->tls || SSL_pending(c->tls) == 0)
        if (poll(p, 2, -1) < 0 || p[1].revents) return -1;
    return c->tls ? SSL_read(c->tls, to, (int)room) : recv(c->fd, to, room, 0);
}

/* Reads one request into `text`; its whole length, or 0. */
static size_t
server_request(connection *c, char *text, size_t room)
{
    size_t len = 0, want = 0;
    while (want == 0 || len < want) {
        ssize_t n = server_receive(c, text + len, room - len - 1);
        if (n <= 0) return 0;
        len += (size_t)n;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *size = strcasestr(text, "\r\ncontent-length:");
        if (end) want = (size_t)(end + 4 - text) + (size && size < end ? (size_t)atol(size + 17) : 0);
        if (want >= room) return 0;
    }
    return len;
}

static void *
server_serve(void *ud)
{
    connection *c = ud;
    char text[4096], path[2048];
    bool open = true;
    if (c->s->tls) {
        c->tls = SSL_new(c->s->tls);
        open = SSL_set_fd(c->tls, c->fd) == 1 && SSL_accept(c->tls) == 1;
    }
    while (open && server_request(c, text, sizeof text) > 0) {
        (void)atomic_fetch_add(&c->s->requests, 1);
        memcpy(c->s->last, text, sizeof text);
        if (sscanf(text, "%*s %2047s", path) != 1) break;
        open = server_answer(c, path, strncmp(text, "HEAD ", 5) == 0);
    }
    SSL_free(c->tls);
    (void)close(c->fd);
    free(c);
    return NULL;
}

static void *
server_accept(void *ud)
{
    server *s = ud;
    struct pollfd p[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->stop[0], .events = POLLIN}};
    while (poll(p, 2, -1) > 0 && !p[1].revents) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        connection *c = calloc(1, sizeof *c);
        if (fd < 0 || !c || s->thread_count == SERVER_THREADS) abort();
        *c = (connection){.s = s, .fd = fd};
        (void)atomic_fetch_add(&s->connections, 1);
        if (pthread_create(&s->threads[s->thread_count++], NULL, server_serve, c)) abort();
    }
    return NULL;
}

/* A listening socket on a free port of the loopback. */
static inline int
server_listen(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) || listen(fd, 256) ||
        getsockname(fd, (struct sockaddr *)&at, &len))
        abort();
    *port = ntohs(at.sin_port);
    return fd;
}

static inline void
server_start(server *s, SSL_CTX *tls)
{
    memset(s, 0, sizeof *s);
    s->tls = tls;
    s->fd = server_listen(&s->port);
    if (pipe(s->stop) || pthread_create(&s->accepting, NULL, server_accept, s)) abort();
}

static inline void
server_stop(server *s)
{
    (void)close(s->stop[1]);
    (void)pthread_join(s->accepting, NULL);
    for (int i = 0; i < s->thread_count; i++) (void)pthread_join(s->threads[i], NULL);
    (void)close(s->stop[0]);
    (void)close(s->fd);
    SSL_CTX_free(s->tls);
}

#endif
