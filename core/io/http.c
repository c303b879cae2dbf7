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
#include "io/http_impl.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

enum { IDLE_CONNECTIONS = 32 };

/* ---- the loop ---- */

/* One socket of libcurl's. */
typedef struct watch {
    struct event *event;
} watch;

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
    int e = h->curl.loaded ? SY_OK : sy__curl_load(&h->curl, err);
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

/* ---- one hop ---- */

static int
add(sy__transfer *t, sy__error *err)
{
    CURLMcode e = sy__http_set_hop(t) ? t->http->curl.multi_add_handle(t->http->multi, t->easy) : CURLM_OUT_OF_MEMORY;
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
    if (!sy__http_redirects(t->status) || t->redirects >= t->request.follow) return false;
    (void)t->http->curl.easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
    if (!to) return false;
    char *url = sy__strdup(t->http->alloc, to);
    take_out(t);
    t->redirects++;
    sy__free(t->http->alloc, t->url);
    t->url = url;
    sy__buf_reset(&t->body);
    sy__scrub_restart(&t->incoming);
    if (!url) {
        (void)sy__error_set(&t->error, SY_ENOMEM, "no memory for a redirect");
        return false;
    }
    change_method(t, t->status);
    sy__error_clear(&t->error);
    return sy__http_check_url(t, &t->error) == SY_OK && add(t, &t->error) == SY_OK;
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
    sy__scrub_end(&t->incoming, &t->body);
    sy__scrub_all(t->request.scrub, t->url ? t->url : "", t->url ? strlen(t->url) : 0, &t->shown_url);
    if (!t->error.code && (t->body.failed || !sy__buf_cstr(&t->shown_url)))
        (void)sy__error_set(&t->error, SY_ENOMEM, "no memory for the answer of %s", t->host);
    sy__scrub_error(t->request.scrub, t->http->alloc, &t->error);
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
on_tell(evutil_socket_t fd, short what, void *ud)
{
    sy__transfer *t = ud;
    (void)fd, (void)what;
    if (!t->ended && t->body.len > 0) t->request.on_data(t->request.ud);
}

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
    sy__scrub_close(&t->incoming);
    sy__buf_close(&t->shown_url);
    sy__scrubber_release(t->request.scrub);
    sy__secret_text *secrets = (sy__secret_text *)(uintptr_t)t->request.secrets;
    for (size_t i = 0; secrets && i < t->request.secret_count; i++) {
        sy__free(a, (char *)(uintptr_t)secrets[i].before);
        sy__secret_release((sy__secret *)(uintptr_t)secrets[i].value);
    }
    sy__free(a, secrets);
}

void
sy__transfer_free(sy__transfer *t)
{
    if (!t) return;
    sy__http *h = t->http;
    take_out(t);
    if (t->easy) h->curl.easy_cleanup(t->easy);
    if (h->multi) sy__http_drop_headers(t);
    if (t->tell) event_free(t->tell);
    sy__buf_close(&t->head);
    sy__buf_close(&t->body);
    free_texts(t);
    sy__free(h->alloc, t);
}

/* Copies what secrets are put behind, and holds them. */
static bool
copy_secrets(sy__transfer *t, const sy__http_request *r)
{
    const sy__alloc *a = t->http->alloc;
    sy__secret_text *copies = r->secret_count > 0 ? sy__calloc(a, r->secret_count, sizeof *copies) : NULL;
    t->request.secrets = copies;
    t->request.secret_count = copies ? r->secret_count : 0;
    for (size_t i = 0; i < t->request.secret_count; i++) {
        copies[i].value = sy__secret_hold((sy__secret *)(uintptr_t)r->secrets[i].value);
        copies[i].before = sy__strdup(a, r->secrets[i].before);
        if (!copies[i].before) return false;
    }
    return copies || r->secret_count == 0;
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
    ok = copy_secrets(t, r) && ok;
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
    sy__buf_init(&t->shown_url, h->alloc);
    t->request.scrub = sy__scrubber_hold(r->scrub);
    sy__scrub_init(&t->incoming, r->scrub, h->alloc);
    if (r->timeout_ms > 0) t->deadline_ns = sy__http_now_ns() + r->timeout_ms * 1000000;
    bool ok = copy_texts(t, r);
    t->easy = h->curl.easy_init();
    t->tell = r->stream ? event_new(h->loop, -1, 0, on_tell, t) : NULL;
    if (ok && t->easy && (t->tell || !r->stream) && sy__http_set_up(t)) return t;
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
    e = sy__http_check_url(t, err);
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
    *out = (sy__http_response){.status = t->status, .url = "", .body = "", .head = ""};
    if (t->error.code) {
        if (err) *err = t->error;
        return t->error.code;
    }
    if (t->shown_url.len > 0) out->url = t->shown_url.data;
    if (t->head.len > 0) out->head = sy__buf_cstr((sy__buf *)&t->head);
    if (t->body.len > 0) out->body = t->body.data;
    out->body_len = t->body.len;
    return out->head ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for the answer");
}

bool
sy__transfer_is_bare(const sy__transfer *t)
{
    return t->plain && !t->away && t->request.secret_count > 0;
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
