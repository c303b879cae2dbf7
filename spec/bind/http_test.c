/*
 * http_test.c: http.request as an extension sees it: answers, what its capabilities refuse, pieces and streams; and
 * what a run at level `none` keeps of a stream. `private.test` and `granted.test` are 127.0.0.1 here.
 */
#define OWN_EXTENSION

static const char EXTENSION[] =
    "local http = require 'http'\n"
    "local t = {}\n"
    "function t.ask(input, ctx)\n"
    "  local pieces = {}\n"
    "  if input.pieces then input.on_body = function(bytes) pieces[#pieces + 1] = bytes end end\n"
    "  local called, answer, message, code = pcall(http.request, input)\n"
    "  if not called then return { raised = answer } end\n"
    "  if not answer then return { message = message, code = code } end\n"
    "  return { status = answer.status, body = answer.body, word = answer.headers['x-word'], url = answer.url,\n"
    "    pieces = table.concat(pieces), kinds = type(answer.headers) }\n"
    "end\n"
    "function t.much(input, ctx) for i = 1, input.n do ctx.stream(('%07d\\n'):format(i)) end ctx.log('info', 'end') "
    "end\n"
    "return t\n";

static const char DESCRIPTION[] =
    "{\"id\":\"t\",\"version_id\":\"%s\",\"name\":\"t\",\"type\":\"operator\",\"entry\":\"init.lua\","
    "\"capabilities\":{\"net\":[\"*.test:*\",\"granted.test:*\",\"127.0.0.2:*\",\"localhost:*\"],\"timeout\":\"20s\"},"
    "\"operations\":{\"ask\":{\"effects\":\"read\",\"idempotent\":true},\"much\":{\"effects\":\"read\",\"idempotent\":"
    "true}},"
    "\"sources\":{\"init.lua\":\"\"}}";

#include "bind/runs.h"
#include "io/http_server.h"
#include "pit/stream/stream.h"

#include <dlfcn.h>
#include <netdb.h>

__attribute__((visibility("default"))) int
getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
            struct addrinfo **restrict out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *at = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &at, sizeof real);
    if (node && strcmp(node, "private.test") == 0) node = "127.0.0.1";
    if (node && strcmp(node, "granted.test") == 0) node = "127.0.0.2";
    return real(node, service, hints, out);
}

static server web;

/* The output of t.ask for http://HOST:PORT/PATH with more fields of the request. */
static const char *
asked(const char *host, const char *path, const char *more)
{
    char tasks[1024];
    (void)snprintf(tasks, sizeof tasks,
                   "'tasks':[{'key':'a','operation':'t.ask','extension':'t','input':{'url':'http://%s:%d%s'%s}}]", host,
                   web.port, path, more);
    sy__run_info i = run(J(tasks));
    CHECK_STR(i.status, "completed");
    return ask(&i, "output", "a");
}

static bool
holds(const char *text, const char *part)
{
    if (strstr(text, part)) return true;
    (void)fprintf(stderr, "in %s there is no %s\n", text, part);
    return false;
}

static void
answers_come_back(void)
{
    const char *out = asked("localhost", "/plain", "");
    CHECK(holds(out, "\"status\":200") && holds(out, "\"body\":\"/plain\"") && holds(out, "\"word\":\"one, two\""));
    out = asked("localhost", "/chunked", ",'pieces':true");
    CHECK(holds(out, "\"pieces\":\"first,second.\"") && holds(out, "\"body\":\"\""));
    out = asked("localhost", "/put", ",'method':'PUT','body':'what','headers':{'X-Mine':'yes'}");
    CHECK(holds(out, "\"status\":200"));
    CHECK(strncmp(web.last, "PUT /put ", 9) == 0 && strstr(web.last, "X-Mine: yes\r\n") &&
          strstr(web.last, "\r\n\r\nwhat"));
    CHECK(holds(asked("localhost", "/reset", ""), "\"code\":\"io_error\""));
    CHECK(holds(asked("localhost", "/never", ",'timeout':0.1"), "\"code\":\"timeout\""));
    CHECK(holds(asked("localhost", "/endless", ",'max_body':1000"), "larger than 1000 bytes"));
}

static void
requests_are_checked(void)
{
    CHECK(holds(asked("localhost", "/", ",'headers':{'Host':'elsewhere'}"), "set by the client"));
    CHECK(holds(asked("localhost", "/", ",'headers':{'X-A':'a\\nb'}"), "control character"));
    CHECK(holds(asked("localhost", "/", ",'method':'CONNECT'"), "no CONNECT"));
    CHECK(holds(asked("localhost", "/ x", ""), "blank"));
    CHECK(holds(asked("me:pw@localhost", "/", ""), "no user or password"));
}

static void
capabilities_hold(void)
{
    char path[128];
    int before = atomic_load(&web.requests);
    const char *out = asked("127.0.0.1", "/", ""); /* localhost is granted, by that name */
    CHECK(holds(out, "\"code\":\"permission_denied\"") && holds(out, "may not ask 127.0.0.1"));
    out = asked("private.test", "/", ""); /* the name is granted, its address is not */
    CHECK(holds(out, "\"code\":\"permission_denied\"") && holds(out, "it is at 127.0.0.1, which is no public address"));
    CHECK_INT(atomic_load(&web.requests), before);
    (void)snprintf(path, sizeof path, "/to/302/http://127.0.0.1:%d/there", web.port);
    CHECK(holds(asked("localhost", path, ""), "may not ask 127.0.0.1"));
    CHECK_INT(atomic_load(&web.requests), before + 1);
    CHECK(holds(asked("localhost", "/to/302/file:///etc/passwd", ""), "only http:// and https://"));
    /* 127.0.0.2 is granted, and so is its name: asked, but nobody listens there */
    CHECK(holds(asked("granted.test", "/", ""), "\"code\":\"io_error\""));
}

/* ---- streams at level none ---- */

static sy__stream_piece
piece_at(const sy__run_info *i, const char *kind, int64_t offset)
{
    sy__stream_piece p = {0};
    sy__error err = {0};
    CHECK_INT(
        sy__stream_read(sy__project_engine(project), i->id, "a", sy__stream_kind_of(kind), offset, 4096, &p, &err),
        SY_OK);
    return p;
}

static void
a_run_without_rows_keeps_the_end_of_its_streams(void)
{
    sy__run_info i = start_at(J("'tasks':[{'key':'a','operation':'t.much','extension':'t','input':{'n':500000}}]"),
                              SY__LEVEL_NONE, 0);
    finish(&i);
    CHECK_STR(i.status, "completed");
    sy__stream_piece p = piece_at(&i, "tokens", 0);
    CHECK(p.offset >= 500000 * 8 - (1 << 20) && p.offset > 0);
    CHECK(p.bytes.len > 0 && p.next == p.offset + (int64_t)p.bytes.len);
    CHECK_INT(atoi(p.bytes.data + (8 - p.offset % 8) % 8), (p.offset + 7) / 8 + 1);
    sy__buf_close(&p.bytes);
    p = piece_at(&i, "tokens", 500000 * 8 - 8);
    CHECK(p.bytes.len == 8 && memcmp(p.bytes.data, "0500000\n", 8) == 0);
    sy__buf_close(&p.bytes);
    p = piece_at(&i, "tokens", 500000 * 8);
    CHECK_INT(p.bytes.len, 0);
    sy__buf_close(&p.bytes);
    p = piece_at(&i, "log", 0);
    CHECK(p.bytes.len > 0 && memmem(p.bytes.data, p.bytes.len, "\"text\":\"end\"}\n", 14));
    sy__buf_close(&p.bytes);
}

int
main(void)
{
    server_start(&web, NULL);
    begin_tests();
    answers_come_back();
    requests_are_checked();
    capabilities_hold();
    a_run_without_rows_keeps_the_end_of_its_streams();
    end_tests();
    server_stop(&web);
    TEST_END();
}
