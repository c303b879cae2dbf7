/*
 * http.c: libcurl's multi interface on a libevent loop.
 *
 *     multi ──socket_wanted──▶ a watch for each socket ──on_socket──▶ multi_socket_action ──▶ finish_ended
 *           ──timer_wanted───▶ one timer              ──on_timer────▶       "
 *
 * Callbacks of libcurl must not call libcurl, and what is told of a body may run Lua that starts another transfer;
 * so on_data comes from an event of the transfer's own. Redirects are followed here and not by libcurl, because
 * each has to be asked for. Names are resolved by libcurl's threads; CURLOPT_QUICK_EXIT lets go of one that hangs.
 */
#include "io/http.h"

#include "io/curl.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECT_MS = 30000,
    READ_BYTES = 64 << 10,
    IDLE_CONNECTIONS = 32,
    METHOD_BYTES = 16,
    HOST_BYTES = 256,
};

struct sy__http {
    const sy__alloc *alloc;
    struct event_base *loop;
    sy__curl curl;
    CURLM *multi; /* NULL: no transfer yet */
    struct event *timer;
};

/* One socket of libcurl's. */
typedef struct watch {
    struct event *event;
} watch;

struct sy__transfer {
    sy__http *http;
    sy__http_request request; /* texts are copies of ours */
    CURL *easy;
    struct curl_slist *headers;
    struct event *tell; /* streamed: on_data is due */
    char method[METHOD_BYTES];
    char *url;
    char host[HOST_BYTES]; /* of `url` */
    int port;
    char origin[HOST_BYTES + 24]; /* scheme, host, port of the first url */
    bool away;                    /* a redirect led to another origin: only harmless headers are sent */
    bool has_body;
    int redirects;
    int64_t deadline_ns; /* 0: none */
    bool added, paused, ended;
    int status;
    sy__buf head, body;
    char detail[CURL_ERROR_SIZE];
    sy__error error; /* code SY_OK: it went well */
};

/* ---- the loop ---- */

static void finish_ended(sy__http *h);

static void
act(sy__http *h, curl_socket_t fd, int what)
{
    int running;
    (void)h->curl.multi_socket_action(h->multi, fd, what, &running);
    finish_ended(h);
}

static void
on_socket(evutil_socket_t fd, short what, void *ud)
{
    act(ud, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void
on_timer(evutil_socket_t fd, short what, void *ud)
{
    (void)fd, (void)what;
    act(ud, CURL_SOCKET_TIMEOUT, 0);
}

static void
drop_watch(sy__http *h, watch *w)
{
    if (!w) return;
    if (w->event) event_free(w->event);
    sy__free(h->alloc, w);
}

static int
socket_wanted(CURL *easy, curl_socket_t fd, int what, void *ud, void *socket_ud)
{
    sy__http *h = ud;
    watch *w = socket_ud;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        drop_watch(h, w);
        return 0;
    }
    if (!w) {
        w = sy__calloc(h->alloc, 1, sizeof *w);
        if (!w) return -1;
        (void)h->curl.multi_assign(h->multi, fd, w);
    }
    short events = EV_PERSIST;
    if (what & CURL_POLL_IN) events |= EV_READ;
    if (what & CURL_POLL_OUT) events |= EV_WRITE;
    if (w->event) event_free(w->event);
    w->event = event_new(h->loop, fd, events, on_socket, h);
    return w->event && event_add(w->event, NULL) == 0 ? 0 : -1;
}

static int
timer_wanted(CURLM *multi, long ms, void *ud)
{
    sy__http *h = ud;
    (void)multi;
    if (ms < 0) return event_del(h->timer);
    struct timeval in = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    return event_add(h->timer, &in);
}

int
sy__http_new(sy__http **out, const sy__alloc *a, struct event_base *loop, sy__error *err)
{
    sy__http *h = *out = sy__calloc(a, 1, sizeof *h);
    if (!h) return sy__error_set(err, SY_ENOMEM, "no memory for HTTP");
    h->alloc = a;
    h->loop = loop;
    return SY_OK;
}

/* What the first transfer needs. */
static int
open_multi(sy__http *h, sy__error *err)
{
    if (h->multi) return SY_OK;
    int e = h->curl.library ? SY_OK : sy__curl_load(&h->curl, err);
    if (e) return e;
    if (!h->timer) h->timer = evtimer_new(h->loop, on_timer, h);
    if (!h->timer || h->curl.global_init(CURL_GLOBAL_DEFAULT))
        return sy__error_set(err, SY_ENOMEM, "no memory for HTTP");
    h->multi = h->curl.multi_init();
    if (!h->multi) {
        h->curl.global_cleanup();
        return sy__error_set(err, SY_ENOMEM, "no memory for HTTP");
    }
    (void)h->curl.multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    (void)h->curl.multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    (void)h->curl.multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    (void)h->curl.multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    (void)h->curl.multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    return SY_OK;
}

void
sy__http_free(sy__http *h)
{
    if (!h) return;
    if (h->multi) {
        (void)h->curl.multi_cleanup(h->multi);
        h->curl.global_cleanup();
    }
    if (h->timer) event_free(h->timer);
    sy__free(h->alloc, h);
}

/* ---- what libcurl asks while it works: no call of libcurl here but getinfo ---- */

static bool
is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Whether the body is on its way to another place: nobody wants it. */
static bool
led_on(const sy__transfer *t)
{
    long status = 0;
    (void)t->http->curl.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return t->redirects < t->request.follow && is_redirect((int)status);
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
    sy__buf_add(&t->head, bytes, used);
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
    sy__buf_add(&t->body, bytes, len);
    if (t->body.failed) return 0;
    if (t->request.stream) event_active(t->tell, EV_TIMEOUT, 0);
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

static void
on_tell(evutil_socket_t fd, short what, void *ud)
{
    sy__transfer *t = ud;
    (void)fd, (void)what;
    if (!t->ended && t->body.len > 0) t->request.on_data(t->request.ud);
}

/* ---- where to ---- */

static int
refuse_url(const sy__transfer *t, const char *why, sy__error *err)
{
    return sy__error_set(err, SY_EUSAGE, "%.200s: %s", t->url, why);
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
    (void)snprintf(origin, sizeof origin, "%s://%s:%s", scheme, t->host, port);
    if (!t->origin[0]) memcpy(t->origin, origin, sizeof origin);
    if (strcasecmp(t->origin, origin) != 0) t->away = true;
    return t->request.allow_host(t->request.ud, t->host, t->port, err);
}

/* Reads and asks for t->url. */
static int
check_url(sy__transfer *t, sy__error *err)
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

static bool
set_headers(sy__transfer *t)
{
    t->http->curl.slist_free_all(t->headers);
    t->headers = NULL;
    bool ok = add_header(t, "Expect:"); /* no waiting for 100 */
    for (const char *const *at = t->request.headers; ok && at && *at; at++)
        if (!t->away || is_harmless(*at)) ok = add_header(t, *at);
    return ok && t->http->curl.easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK;
}

static int64_t
now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
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

/* What differs from one hop to the next. */
static bool
set_hop(sy__transfer *t)
{
    bool ok = true;
    int64_t left = t->deadline_ns ? (t->deadline_ns - now_ns()) / 1000000 : 0;
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

static int
add(sy__transfer *t, sy__error *err)
{
    CURLMcode e = set_hop(t) ? t->http->curl.multi_add_handle(t->http->multi, t->easy) : CURLM_OUT_OF_MEMORY;
    t->added = e == CURLM_OK;
    return t->added ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for a request");
}

static void
take_out(sy__transfer *t)
{
    if (t->added) (void)t->http->curl.multi_remove_handle(t->http->multi, t->easy);
    t->added = false;
}

/* ---- the end ---- */

/* RFC 9110 15.4: after 303, and by custom after 301 and 302 to a POST, the new place is only read. */
static void
change_method(sy__transfer *t, int status)
{
    bool post = strcmp(t->method, "POST") == 0, head = strcmp(t->method, "HEAD") == 0;
    if ((status != 303 || head) && !(post && (status == 301 || status == 302))) return;
    (void)snprintf(t->method, sizeof t->method, "GET");
    t->has_body = false;
}

/* Goes on where the answer points to; false: there is no such place, or it is not to be followed. */
static bool
follow(sy__transfer *t)
{
    char *to = NULL;
    if (!is_redirect(t->status) || t->redirects >= t->request.follow) return false;
    (void)t->http->curl.easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
    if (!to) return false;
    char *url = sy__strdup(t->http->alloc, to);
    take_out(t);
    t->redirects++;
    sy__free(t->http->alloc, t->url);
    t->url = url;
    sy__buf_reset(&t->body);
    if (!url) {
        (void)sy__error_set(&t->error, SY_ENOMEM, "no memory for a redirect");
        return false;
    }
    change_method(t, t->status);
    sy__error_clear(&t->error);
    return check_url(t, &t->error) == SY_OK && add(t, &t->error) == SY_OK;
}

static void
explain(sy__transfer *t, CURLcode why)
{
    const char *text = t->detail[0] ? t->detail : t->http->curl.easy_strerror(why);
    if (t->error.code) return; /* said where it happened */
    if (why == CURLE_OPERATION_TIMEDOUT)
        (void)sy__error_set(&t->error, SY_ETIMEOUT, "%s:%d did not answer in time", t->host, t->port);
    else if (why == CURLE_OUT_OF_MEMORY)
        (void)sy__error_set(&t->error, SY_ENOMEM, "no memory for the answer of %s", t->host);
    else
        (void)sy__error_set(&t->error, SY_EIO, "%s:%d: %s", t->host, t->port, text);
}

static void
finish(sy__transfer *t, CURLcode result)
{
    long status = 0;
    (void)t->http->curl.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->status = (int)status;
    if (result == CURLE_OK && follow(t)) return;
    if (result != CURLE_OK) explain(t, result);
    take_out(t);
    t->ended = true;
    t->request.on_done(t->request.ud); /* may free t */
}

static void
finish_ended(sy__http *h)
{
    int left;
    CURLMsg *m;
    while ((m = h->curl.multi_info_read(h->multi, &left))) {
        void *t = NULL;
        CURLcode result = m->data.result;
        if (m->msg != CURLMSG_DONE) continue;
        (void)h->curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        finish(t, result);
    }
}

/* ---- for the owner ---- */

static void
free_texts(sy__transfer *t)
{
    const sy__alloc *a = t->http->alloc;
    char **headers = (char **)(uintptr_t)t->request.headers;
    for (size_t i = 0; headers && headers[i]; i++) sy__free(a, headers[i]);
    sy__free(a, headers);
    sy__free(a, (void *)(uintptr_t)t->request.body);
    sy__free(a, (void *)(uintptr_t)t->request.ca_file);
    sy__free(a, t->url);
}

void
sy__transfer_free(sy__transfer *t)
{
    if (!t) return;
    sy__http *h = t->http;
    take_out(t);
    if (t->easy) h->curl.easy_cleanup(t->easy);
    if (h->multi) h->curl.slist_free_all(t->headers);
    if (t->tell) event_free(t->tell);
    sy__buf_close(&t->head);
    sy__buf_close(&t->body);
    free_texts(t);
    sy__free(h->alloc, t);
}

/* Copies every text of the request. */
static bool
copy_texts(sy__transfer *t, const sy__http_request *r)
{
    const sy__alloc *a = t->http->alloc;
    size_t count = 0;
    while (r->headers && r->headers[count]) count++;
    char **headers = sy__calloc(a, count + 1, sizeof *headers);
    bool ok = headers != NULL;
    t->request.headers = (const char *const *)headers;
    for (size_t i = 0; ok && i < count; i++) ok = (headers[i] = sy__strdup(a, r->headers[i])) != NULL;
    t->url = sy__strdup(a, r->url);
    t->request.body = r->body ? sy__strndup(a, r->body, r->body_len) : NULL;
    t->request.ca_file = r->ca_file ? sy__strdup(a, r->ca_file) : NULL;
    return ok && t->url && !t->request.body == !r->body && !t->request.ca_file == !r->ca_file;
}

static sy__transfer *
transfer_new(sy__http *h, const sy__http_request *r)
{
    sy__transfer *t = sy__calloc(h->alloc, 1, sizeof *t);
    if (!t) return NULL;
    t->http = h;
    t->request = *r;
    t->request.url = t->request.method = NULL;
    t->has_body = r->body != NULL;
    (void)snprintf(t->method, sizeof t->method, "%s", r->method ? r->method : r->body ? "POST" : "GET");
    sy__buf_init(&t->head, h->alloc);
    sy__buf_init(&t->body, h->alloc);
    if (r->timeout_ms > 0) t->deadline_ns = now_ns() + r->timeout_ms * 1000000;
    bool ok = copy_texts(t, r);
    t->easy = h->curl.easy_init();
    t->tell = r->stream ? event_new(h->loop, -1, 0, on_tell, t) : NULL;
    if (ok && t->easy && (t->tell || !r->stream) && set_safety(t) && set_transport(t)) return t;
    sy__transfer_free(t);
    return NULL;
}

int
sy__transfer_start(sy__transfer **out, sy__http *h, const sy__http_request *r, sy__error *err)
{
    *out = NULL;
    int e = open_multi(h, err);
    if (e) return e;
    sy__transfer *t = transfer_new(h, r);
    if (!t) return sy__error_set(err, SY_ENOMEM, "no memory for a request");
    e = check_url(t, err);
    if (!e) e = add(t, err);
    if (e)
        sy__transfer_free(t);
    else
        *out = t;
    return e;
}

int
sy__transfer_result(const sy__transfer *t, sy__http_response *out, sy__error *err)
{
    *out = (sy__http_response){.status = t->status, .url = t->url, .body = "", .head = ""};
    if (t->error.code) {
        if (err) *err = t->error;
        return t->error.code;
    }
    if (t->head.len > 0) out->head = sy__buf_cstr((sy__buf *)&t->head);
    if (t->body.len > 0) out->body = t->body.data;
    out->body_len = t->body.len;
    return out->head ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for the answer");
}

size_t
sy__transfer_take(const sy__transfer *t, const char **bytes)
{
    *bytes = t->body.data;
    return t->body.len;
}

void
sy__transfer_took(sy__transfer *t)
{
    sy__buf_reset(&t->body);
    if (!t->paused || t->ended) return;
    t->paused = false;
    (void)t->http->curl.easy_pause(t->easy, CURLPAUSE_CONT);
}
