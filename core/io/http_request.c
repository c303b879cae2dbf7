/*
 * http_request.c: what libcurl is told about one request, and what it asks while it works.
 *
 * Callbacks of libcurl must not call libcurl, but for getinfo.
 */
#include "io/http_impl.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum { CONNECT_MS = 30000, READ_BYTES = 64 << 10 };

int64_t
sy__http_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool
sy__http_redirects(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* ---- what libcurl asks ---- */

/* Whether the body is on its way to another place: nobody wants it. */
static bool
led_on(const sy__transfer *t)
{
    long status = 0;
    (void)t->http->curl.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return t->redirects < t->request.follow && sy__http_redirects((int)status);
}

static void
fail_too_large(sy__transfer *t, const char *what, size_t limit)
{
    if (t->error.code) return;
    (void)sy__error_set(&t->error, SY_EIO, "%s: the %s is larger than %zu bytes", t->host, what, limit);
}

static size_t
on_head(char *bytes, size_t size, size_t count, void *ud)
{
    sy__transfer *t = ud;
    size_t len = size * count, used = len;
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) { /* another response begins: after 100, or after a redirect */
        sy__buf_reset(&t->head);
        return len;
    }
    while (used > 0 && (bytes[used - 1] == '\r' || bytes[used - 1] == '\n')) used--;
    if (t->head.len + used > t->request.max_header_bytes) {
        fail_too_large(t, "head of the answer", t->request.max_header_bytes);
        return 0;
    }
    if (used == 0) return len;
    sy__scrub_all(t->request.scrub, bytes, used, &t->head);
    sy__buf_addc(&t->head, '\n');
    return t->head.failed ? 0 : len;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *ud)
{
    sy__transfer *t = ud;
    size_t len = size * count, max = t->request.max_body_bytes;
    if (led_on(t)) return len;
    if (t->request.stream && t->body.len > 0 && t->body.len + len > max) {
        t->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (!t->request.stream && t->body.len + len > max) {
        fail_too_large(t, "body", max);
        return 0;
    }
    sy__scrub_feed(&t->incoming, bytes, len, &t->body);
    if (t->body.failed) return 0;
    if (t->request.stream && t->body.len > 0) event_active(t->tell, EV_TIMEOUT, 0);
    return len;
}

/* The address a name turned out to have, before anything is sent there. */
static curl_socket_t
on_open(void *ud, curlsocktype purpose, struct curl_sockaddr *to)
{
    sy__transfer *t = ud;
    char address[INET6_ADDRSTRLEN] = "";
    const void *bytes = NULL;
    if (purpose != CURLSOCKTYPE_IPCXN) return CURL_SOCKET_BAD;
    if (to->family == AF_INET) bytes = &((const struct sockaddr_in *)(const void *)&to->addr)->sin_addr;
    if (to->family == AF_INET6) bytes = &((const struct sockaddr_in6 *)(const void *)&to->addr)->sin6_addr;
    if (!bytes || !inet_ntop(to->family, bytes, address, sizeof address)) return CURL_SOCKET_BAD;
    sy__error err = {0};
    if (t->request.allow_address(t->request.ud, t->host, address, t->port, &err)) {
        t->error = err;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* The same for a connection that is there already: it may have been made for someone with other rights. */
static int
on_connected(void *ud, char *address, char *own, int port, int own_port)
{
    sy__transfer *t = ud;
    sy__error err = {0};
    (void)own, (void)own_port;
    sy__error_clear(&t->error); /* an address that was refused does not count once another has answered */
    if (!t->request.allow_address(t->request.ud, t->host, address, port, &err)) return CURL_PREREQFUNC_OK;
    t->error = err;
    return CURL_PREREQFUNC_ABORT;
}

/* ---- where to ---- */

static int
refuse_url(const sy__transfer *t, const char *why, sy__error *err)
{
    return sy__error_set(err, SY_EUSAGE, "%.200s: %s", t->url[0] ? t->url : "\"\"", why);
}

static int
part_of(sy__http *h, CURLU *u, CURLUPart part, char *to, size_t room)
{
    char *text = NULL;
    *to = '\0';
    if (h->curl.url_get(u, part, &text, CURLU_DEFAULT_PORT) || !text) return -1;
    int n = snprintf(to, room, "%s", text);
    h->curl.free(text);
    return n > 0 && (size_t)n < room ? 0 : -1;
}

static int
read_url(sy__transfer *t, CURLU *u, sy__error *err)
{
    sy__http *h = t->http;
    char scheme[8], port[8], origin[sizeof t->origin];
    if (h->curl.url_set(u, CURLUPART_URL, t->url, CURLU_NON_SUPPORT_SCHEME))
        return refuse_url(t, "this is no URL", err);
    if (part_of(h, u, CURLUPART_SCHEME, scheme, sizeof scheme) ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return refuse_url(t, "only http:// and https:// are asked", err);
    char *name = NULL;
    if (h->curl.url_get(u, CURLUPART_USER, &name, 0) == CURLUE_OK) {
        h->curl.free(name);
        return refuse_url(t, "no user or password in a URL; use a header", err);
    }
    if (part_of(h, u, CURLUPART_HOST, t->host, sizeof t->host) || part_of(h, u, CURLUPART_PORT, port, sizeof port))
        return refuse_url(t, "it names no host", err);
    t->port = (int)strtol(port, NULL, 10);
    t->plain = strcmp(scheme, "http") == 0;
    (void)snprintf(origin, sizeof origin, "%s://%s:%s", scheme, t->host, port);
    if (!t->origin[0]) memcpy(t->origin, origin, sizeof origin);
    if (strcasecmp(t->origin, origin) != 0) t->away = true;
    return t->request.allow_host(t->request.ud, t->host, t->port, err);
}

int
sy__http_check_url(sy__transfer *t, sy__error *err)
{
    CURLU *u = t->http->curl.url();
    int e = u ? read_url(t, u, err) : sy__error_set(err, SY_ENOMEM, "no memory for a URL");
    t->http->curl.url_cleanup(u);
    return e;
}

/* ---- the request ---- */

/* Headers that may go to whoever a redirect names: they hold no secret. */
static bool
is_harmless(const char *header)
{
    static const char *const names[] = {"accept:", "accept-language:", "user-agent:", "range:", "content-type:"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncasecmp(header, names[i], strlen(names[i])) == 0) return true;
    return false;
}

static bool
add_header(sy__transfer *t, const char *header)
{
    struct curl_slist *more = t->http->curl.slist_append(t->headers, header);
    if (more) t->headers = more;
    return more != NULL;
}

/* libcurl copies it; what it makes of that in order to send it is out of our reach. */
static bool
add_secret(sy__transfer *t, const sy__secret_text *header)
{
    char *whole = sy__secret_join(header);
    bool ok = whole && add_header(t, whole);
    sy__secret_forget(whole);
    return ok;
}

void
sy__http_drop_headers(sy__transfer *t)
{
    for (struct curl_slist *at = t->request.secret_count > 0 ? t->headers : NULL; at; at = at->next)
        sodium_memzero(at->data, strlen(at->data));
    if (t->headers) t->http->curl.slist_free_all(t->headers);
    t->headers = NULL;
}

static bool
set_headers(sy__transfer *t)
{
    sy__http_drop_headers(t);
    bool ok = add_header(t, "Expect:"); /* no waiting for 100 */
    for (const char *const *at = t->request.headers; ok && at && *at; at++)
        if (!t->away || is_harmless(*at)) ok = add_header(t, *at);
    for (size_t i = 0; ok && !t->away && i < t->request.secret_count; i++) ok = add_secret(t, &t->request.secrets[i]);
    return ok && t->http->curl.easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK;
}

/* setopt, remembering whether any failed. */
#define SET(option, value) ok = ok && t->http->curl.easy_setopt(t->easy, (option), (value)) == CURLE_OK

static bool
set_method(sy__transfer *t)
{
    bool ok = true;
    bool head = strcmp(t->method, "HEAD") == 0;
    SET(CURLOPT_HTTPGET, 1L);
    if (head) SET(CURLOPT_NOBODY, 1L);
    if (t->has_body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->request.body_len);
        SET(CURLOPT_POSTFIELDS, t->request.body);
    }
    SET(CURLOPT_CUSTOMREQUEST, head && !t->has_body ? NULL : t->method);
    return ok;
}

bool
sy__http_set_hop(sy__transfer *t)
{
    bool ok = true;
    int64_t left = t->deadline_ns ? (t->deadline_ns - sy__http_now_ns()) / 1000000 : 0;
    if (t->deadline_ns && left < 1) left = 1;
    SET(CURLOPT_URL, t->url);
    SET(CURLOPT_TIMEOUT_MS, (long)left);
    return ok && set_method(t) && set_headers(t);
}

static bool
set_safety(sy__transfer *t)
{
    bool ok = true;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_PREREQFUNCTION, on_connected);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_QUICK_EXIT, 1L);
    if (t->request.ca_file) SET(CURLOPT_CAINFO, t->request.ca_file);
    return ok;
}

static bool
set_transport(sy__transfer *t)
{
    bool ok = true;
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->detail);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_BUFFERSIZE, (long)READ_BYTES);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    SET(CURLOPT_ACCEPT_ENCODING, "");
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_USERAGENT, "symphony");
    return ok;
}

bool
sy__http_set_up(sy__transfer *t)
{
    return set_safety(t) && set_transport(t);
}
