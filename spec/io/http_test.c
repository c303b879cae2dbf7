/*
 * http_test.c: transfers against servers that behave well and badly: what comes back, what is refused, what ends them.
 *
 * getaddrinfo is ours: `hang.test` never resolves until the end, `private.test` is 127.0.0.1, others are as they are.
 */
#include "io/http.h"

#include "http_server.h"
#include "test.h"

#include <dlfcn.h>
#include <event2/event.h>
#include <netdb.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <time.h>

/* ---- names ---- */

static pthread_mutex_t hang_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hang_over = PTHREAD_COND_INITIALIZER;
static bool hanging = true;
static int hung; /* under hang_lock: calls that hang now */

static void
hang(void)
{
    (void)pthread_mutex_lock(&hang_lock);
    hung++;
    while (hanging) (void)pthread_cond_wait(&hang_over, &hang_lock);
    hung--;
    (void)pthread_cond_broadcast(&hang_over);
    (void)pthread_mutex_unlock(&hang_lock);
}

static int
hung_now(void)
{
    (void)pthread_mutex_lock(&hang_lock);
    int n = hung;
    (void)pthread_mutex_unlock(&hang_lock);
    return n;
}

__attribute__((visibility("default"))) int
getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
            struct addrinfo **restrict out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *at = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &at, sizeof real);
    if (node && strcmp(node, "hang.test") == 0) hang();
    if (node && strstr(node, ".test")) node = "127.0.0.1";
    return real(node, service, hints, out);
}

/* ---- one transfer ---- */

typedef struct ask {
    struct event_base *loop;
    sy__transfer *transfer;
    const char *refused_host, *refused_address;
    sy__http_response r;
    sy__error error;
    int done, status;
    size_t taken;   /* of a streamed body */
    size_t largest; /* piece */
    bool slow;      /* takes nothing */
} ask;

static sy__http *http;
static struct event_base *loop;

static int
allow_host(void *ud, const char *host, int port, sy__error *err)
{
    ask *a = ud;
    (void)port;
    if (!a->refused_host || strcmp(a->refused_host, host) != 0) return SY_OK;
    return sy__error_set(err, SY_EPERM, "host %s", host);
}

static int
allow_address(void *ud, const char *host, const char *address, int port, sy__error *err)
{
    ask *a = ud;
    (void)port;
    if (!a->refused_address || strcmp(a->refused_address, address) != 0) return SY_OK;
    return sy__error_set(err, SY_EPERM, "%s at %s", host, address);
}

static void
on_done(void *ud)
{
    ask *a = ud;
    a->done++;
    a->status = sy__transfer_result(a->transfer, &a->r, &a->error);
}

static void
on_data(void *ud)
{
    ask *a = ud;
    const char *bytes;
    if (a->slow) return;
    size_t len = sy__transfer_take(a->transfer, &bytes);
    a->taken += len;
    if (len > a->largest) a->largest = len;
    sy__transfer_took(a->transfer);
}

static sy__http_request
request(ask *a, const char *url)
{
    return (sy__http_request){.url = url,
                              .follow = 5,
                              .max_header_bytes = 16384,
                              .max_body_bytes = 1 << 20,
                              .allow_host = allow_host,
                              .allow_address = allow_address,
                              .on_data = on_data,
                              .on_done = on_done,
                              .ud = a};
}

static void
finish(ask *a)
{
    while (!a->done && event_base_loop(loop, EVLOOP_ONCE) == 0) continue;
    CHECK_INT(a->done, 1);
}

/* Asks and waits for the end; SY_OK or why it failed. */
static int
get(ask *a, sy__http_request r)
{
    int e = sy__transfer_start(&a->transfer, http, &r, &a->error);
    if (e) return e;
    finish(a);
    return a->status;
}

static const char *
url_of(const server *s, const char *path)
{
    static char urls[8][1024];
    static int next;
    char *url = urls[next++ % 8];
    (void)snprintf(url, sizeof urls[0], "http://127.0.0.1:%d%s", s->port, path);
    return url;
}

/* GET of a path, its status code or error. */
static int
get_path(ask *a, const server *s, const char *path)
{
    *a = (ask){.loop = loop};
    return get(a, request(a, url_of(s, path)));
}

static int64_t
now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- answers ---- */

static void
bodies_come_whole(server *s)
{
    ask a;
    CHECK_INT(get_path(&a, s, "/plain"), SY_OK);
    CHECK_INT(a.r.status, 200);
    CHECK(a.r.body_len == 6 && memcmp(a.r.body, "/plain", 6) == 0);
    CHECK(strstr(a.r.head, "X-Word: one\nX-Word: two\n") != NULL);
    sy__transfer_free(a.transfer);
    CHECK_INT(get_path(&a, s, "/chunked"), SY_OK);
    CHECK(a.r.body_len == 13 && memcmp(a.r.body, "first,second.", 13) == 0);
    sy__transfer_free(a.transfer);
}

static void
bodies_are_sent(server *s)
{
    static const char *const headers[] = {"X-Own: yes", "Content-Type: text/plain", NULL};
    ask a = {.loop = loop};
    sy__http_request r = request(&a, url_of(s, "/sent"));
    r.headers = headers;
    r.body = "all of it";
    r.body_len = 9;
    CHECK_INT(get(&a, r), SY_OK);
    CHECK(strncmp(s->last, "POST /sent HTTP/1.1\r\n", 21) == 0);
    CHECK(strstr(s->last, "X-Own: yes\r\n") && strstr(s->last, "\r\n\r\nall of it"));
    CHECK(!strcasestr(s->last, "expect:"));
    sy__transfer_free(a.transfer);
    a = (ask){.loop = loop};
    r.method = "PUT";
    CHECK_INT(get(&a, r), SY_OK);
    CHECK(strncmp(s->last, "PUT /sent ", 10) == 0 && strstr(s->last, "\r\n\r\nall of it"));
    sy__transfer_free(a.transfer);
    a = (ask){.loop = loop};
    r.method = "HEAD";
    r.body = NULL;
    CHECK_INT(get(&a, r), SY_OK);
    CHECK(strncmp(s->last, "HEAD ", 5) == 0);
    sy__transfer_free(a.transfer);
}

static void
connections_are_used_again(void)
{
    server s;
    ask a;
    server_start(&s, NULL);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(get_path(&a, &s, "/again"), SY_OK);
        sy__transfer_free(a.transfer);
    }
    CHECK_INT(atomic_load(&s.requests), 10);
    CHECK_INT(atomic_load(&s.connections), 1);
    server_stop(&s);
}

static void
a_hundred_at_once(server *s)
{
    enum { COUNT = 100 };
    static ask asks[COUNT];
    int before = atomic_load(&s->requests), ok = 0;
    for (int i = 0; i < COUNT; i++) {
        asks[i] = (ask){.loop = loop};
        sy__http_request r = request(&asks[i], url_of(s, "/many"));
        CHECK_INT(sy__transfer_start(&asks[i].transfer, http, &r, &asks[i].error), SY_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        finish(&asks[i]);
        CHECK_STR(asks[i].error.message, "");
        ok += asks[i].status == SY_OK && asks[i].r.status == 200;
        sy__transfer_free(asks[i].transfer);
    }
    CHECK_INT(ok, COUNT);
    CHECK_INT(atomic_load(&s->requests) - before, COUNT);
}

/* ---- bad servers ---- */

static void
too_much_is_refused(server *s)
{
    ask a;
    CHECK_INT(get_path(&a, s, "/head"), SY_EIO);
    CHECK(strstr(a.error.message, "head of the answer is larger than 16384 bytes") != NULL);
    sy__transfer_free(a.transfer);
    CHECK_INT(get_path(&a, s, "/endless"), SY_EIO);
    CHECK(strstr(a.error.message, "the body is larger than 1048576 bytes") != NULL);
    sy__transfer_free(a.transfer);
}

static void
broken_connections_fail(server *s)
{
    ask a;
    int port;
    char url[64];
    CHECK_INT(get_path(&a, s, "/reset"), SY_EIO);
    CHECK(strstr(a.error.message, "127.0.0.1:") && strstr(a.error.message, "reset"));
    sy__transfer_free(a.transfer);
    (void)close(server_listen(&port)); /* nobody listens there now */
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    a = (ask){.loop = loop};
    CHECK_INT(get(&a, request(&a, url)), SY_EIO);
    CHECK(strstr(a.error.message, "connect") != NULL);
    sy__transfer_free(a.transfer);
}

static void
time_runs_out(server *s)
{
    static const char *const paths[] = {"/never", "/half"};
    for (size_t i = 0; i < 2; i++) {
        ask a = {.loop = loop};
        sy__http_request r = request(&a, url_of(s, paths[i]));
        r.timeout_ms = 100;
        CHECK_INT(get(&a, r), SY_ETIMEOUT);
        sy__transfer_free(a.transfer);
    }
}

/* ---- back-pressure ---- */

static void
a_slow_taker_holds_the_server_back(server *s)
{
    enum { WANT = 32 << 20, MOST = 256 << 10 };
    ask a = {.loop = loop, .slow = true};
    sy__http_request r = request(&a, url_of(s, "/endless"));
    r.stream = true;
    r.max_body_bytes = MOST;
    CHECK_INT(sy__transfer_start(&a.transfer, http, &r, &a.error), SY_OK);
    const char *bytes;
    long long sent = -1;
    while (sent != atomic_load(&s->sent_bytes) ||
           sy__transfer_take(a.transfer, &bytes) == 0) { /* until it stands still */
        sent = atomic_load(&s->sent_bytes);
        struct timeval pause = {0, 100000};
        (void)event_base_loopexit(loop, &pause);
        (void)event_base_dispatch(loop);
    }
    CHECK(sy__transfer_take(a.transfer, &bytes) <= MOST);
    a.slow = false;
    on_data(&a);
    while (a.taken < WANT && event_base_loop(loop, EVLOOP_ONCE) == 0) continue;
    CHECK(a.largest <= MOST);
    CHECK_INT(a.done, 0);
    sy__transfer_free(a.transfer);
}

static void
a_streamed_body_is_all_there(server *s)
{
    ask a = {.loop = loop};
    sy__http_request r = request(&a, url_of(s, "/chunked"));
    r.stream = true;
    CHECK_INT(sy__transfer_start(&a.transfer, http, &r, &a.error), SY_OK);
    finish(&a);
    const char *bytes;
    CHECK_INT(a.taken + sy__transfer_take(a.transfer, &bytes), 13);
    sy__transfer_free(a.transfer);
}

/* ---- redirects ---- */

static void
redirects_are_followed(server *s)
{
    static const char *const headers[] = {"Authorization: secret", "Accept: text/plain", NULL};
    ask a;
    char url[256];
    CHECK_INT(get_path(&a, s, "/to/302//there"), SY_OK);
    CHECK(a.r.status == 200 && a.r.body_len == 6 && memcmp(a.r.body, "/there", 6) == 0);
    CHECK_STR(a.r.url, url_of(s, "/there"));
    sy__transfer_free(a.transfer);
    /* another name is another origin, though it is the same server */
    (void)snprintf(url, sizeof url, "/to/303/http://private.test:%d/other", s->port);
    a = (ask){.loop = loop};
    sy__http_request r = request(&a, url_of(s, url));
    r.headers = headers;
    r.body = "x";
    r.body_len = 1;
    CHECK_INT(get(&a, r), SY_OK);
    CHECK(strncmp(s->last, "GET /other ", 11) == 0);
    CHECK(!strstr(s->last, "secret") && strstr(s->last, "Accept: text/plain"));
    sy__transfer_free(a.transfer);
    r.follow = 0;
    a = (ask){.loop = loop};
    CHECK_INT(get(&a, r), SY_OK);
    CHECK_INT(a.r.status, 303);
    sy__transfer_free(a.transfer);
}

static void
redirects_end(server *s)
{
    ask a;
    char path[128], url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/to/302/", s->port);
    (void)snprintf(path, sizeof path, "/to/302/%s", "/to/302//to/302//to/302//to/302//to/302//to/302//end");
    CHECK_INT(get_path(&a, s, path), SY_OK);
    CHECK_INT(a.r.status, 302); /* the sixth is shown, not followed */
    sy__transfer_free(a.transfer);
}

static void
redirects_are_asked_for(server *s)
{
    char path[128];
    ask a = {.loop = loop, .refused_host = "elsewhere.test"};
    int before = atomic_load(&s->requests);
    (void)snprintf(path, sizeof path, "/to/302/http://elsewhere.test:%d/", s->port);
    CHECK_INT(get(&a, request(&a, url_of(s, path))), SY_EPERM);
    CHECK_STR(a.error.message, "host elsewhere.test");
    CHECK_INT(atomic_load(&s->requests) - before, 1);
    sy__transfer_free(a.transfer);
    a = (ask){.loop = loop};
    CHECK_INT(get(&a, request(&a, url_of(s, "/to/302/file:///etc/passwd"))), SY_EUSAGE);
    sy__transfer_free(a.transfer);
}

/* ---- who may be asked ---- */

static void
addresses_are_asked_for(server *s)
{
    char url[128];
    int before = atomic_load(&s->connections);
    (void)snprintf(url, sizeof url, "http://private.test:%d/", s->port);
    ask a = {.loop = loop, .refused_address = "127.0.0.1"};
    CHECK_INT(get(&a, request(&a, url)), SY_EPERM);
    CHECK_STR(a.error.message, "private.test at 127.0.0.1");
    sy__transfer_free(a.transfer);
    CHECK_INT(atomic_load(&s->connections), before);
    a = (ask){.loop = loop};
    CHECK_INT(get(&a, request(&a, url)), SY_OK);
    sy__transfer_free(a.transfer);
    a = (ask){.loop = loop, .refused_address = "127.0.0.1"}; /* the connection is there: it is not theirs to use */
    before = atomic_load(&s->requests);
    CHECK_INT(get(&a, request(&a, url)), SY_EPERM);
    CHECK_INT(atomic_load(&s->requests), before);
    sy__transfer_free(a.transfer);
}

static void
urls_are_checked(void)
{
    static const char *const bad[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "http://me:pw@127.0.0.1/", "nothing",
                                      "http://"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask a = {.loop = loop};
        CHECK_INT(get(&a, request(&a, bad[i])), SY_EUSAGE);
        CHECK(a.transfer == NULL);
    }
}

static void
no_proxy_is_taken_from_the_environment(server *s)
{
    ask a;
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    (void)setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    CHECK_INT(get_path(&a, s, "/direct"), SY_OK);
    sy__transfer_free(a.transfer);
}

/* ---- TLS ---- */

static SSL_CTX *
make_tls(const char *ca_file)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_set_version(cert, 2);
    (void)X509_set_pubkey(cert, key);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    (void)X509_set_issuer_name(cert, name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    (void)X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
    CHECK(SSL_CTX_use_certificate(tls, cert) == 1 && SSL_CTX_use_PrivateKey(tls, key) == 1);
    FILE *f = fopen(ca_file, "w");
    CHECK(f && PEM_write_X509(f, cert) == 1 && fclose(f) == 0);
    X509_free(cert);
    EVP_PKEY_free(key);
    return tls;
}

static int
get_tls(const server *s, const char *host, const char *ca_file)
{
    char url[64];
    ask a = {.loop = loop};
    (void)snprintf(url, sizeof url, "https://%s:%d/", host, s->port);
    sy__http_request r = request(&a, url);
    r.ca_file = ca_file;
    int e = get(&a, r);
    sy__transfer_free(a.transfer);
    return e;
}

static void
certificates_are_verified(void)
{
    char file[] = "/tmp/http_testXXXXXX";
    server s;
    int fd = mkstemp(file);
    CHECK(fd >= 0 && close(fd) == 0);
    server_start(&s, make_tls(file));
    CHECK_INT(get_tls(&s, "localhost", NULL), SY_EIO); /* nobody vouches for it */
    CHECK_INT(get_tls(&s, "127.0.0.1", file), SY_EIO); /* not its name */
    CHECK_INT(atomic_load(&s.requests), 0);
    CHECK_INT(get_tls(&s, "localhost", file), SY_OK);
    server_stop(&s);
    CHECK_INT(unlink(file), 0);
}

/* ---- ending what hangs ---- */

static void
turn_until(bool (*there)(const server *s), const server *s)
{
    while (!there(s)) (void)event_base_loop(loop, EVLOOP_ONCE);
}

static bool
server_waits(const server *s)
{
    return atomic_load(&s->waiting) > 0;
}

static bool
name_hangs(const server *s)
{
    (void)s;
    return hung_now() > 0;
}

static bool
bytes_flow(const server *s)
{
    return atomic_load(&s->sent_bytes) > 0;
}

/* Ends a transfer once it is where it hangs; how long that took. */
static int64_t
time_to_end(const char *url, const server *s, bool (*there)(const server *s))
{
    ask a = {.loop = loop};
    sy__http_request r = request(&a, url);
    r.stream = true;
    r.max_body_bytes = 4096;
    CHECK_INT(sy__transfer_start(&a.transfer, http, &r, &a.error), SY_OK);
    turn_until(there, s);
    int64_t from = now_ms();
    sy__transfer_free(a.transfer);
    CHECK_INT(a.done, 0);
    return now_ms() - from;
}

static void
what_hangs_ends_at_once(void)
{
    server s;
    server_start(&s, NULL);
    CHECK(time_to_end(url_of(&s, "/never"), &s, server_waits) < 250);
    CHECK(time_to_end(url_of(&s, "/half"), &s, server_waits) < 250);
    CHECK(time_to_end(url_of(&s, "/endless"), &s, bytes_flow) < 250);
    CHECK(time_to_end("http://hang.test/", &s, name_hangs) < 250);
    server_stop(&s);
}

/* Lets the resolver's thread go, which outlives its transfer, and waits until it has left. */
static void
release_names(void)
{
    (void)pthread_mutex_lock(&hang_lock);
    hanging = false;
    (void)pthread_cond_broadcast(&hang_over);
    while (hung > 0) (void)pthread_cond_wait(&hang_over, &hang_lock);
    (void)pthread_mutex_unlock(&hang_lock);
}

int
main(void)
{
    server s;
    sy__error err = {0};
    sigset_t pipes; /* as in the library's threads */
    (void)sigemptyset(&pipes);
    (void)sigaddset(&pipes, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipes, NULL);
    loop = event_base_new();
    CHECK_INT(sy__http_new(&http, &sy__alloc_default, loop, &err), SY_OK);
    server_start(&s, NULL);
    urls_are_checked();
    bodies_come_whole(&s);
    bodies_are_sent(&s);
    connections_are_used_again();
    a_hundred_at_once(&s);
    too_much_is_refused(&s);
    broken_connections_fail(&s);
    time_runs_out(&s);
    a_slow_taker_holds_the_server_back(&s);
    a_streamed_body_is_all_there(&s);
    redirects_are_followed(&s);
    redirects_end(&s);
    redirects_are_asked_for(&s);
    addresses_are_asked_for(&s);
    no_proxy_is_taken_from_the_environment(&s);
    certificates_are_verified();
    what_hangs_ends_at_once();
    sy__http_free(http);
    server_stop(&s);
    event_base_free(loop);
    release_names();
    TEST_END();
}
