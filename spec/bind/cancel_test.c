/*
 * cancel_test.c: whatever a run is doing, cancelling and pausing it take less than 250 ms, to the commit of its end,
 * and what it held is free again: the extension runs one call at a time, so the next case would wait for ever.
 *
 * One stage: a call that computes has the only thread there is. getaddrinfo is ours; `hang.test` does not resolve.
 */
#define OWN_EXTENSION

static const char EXTENSION[] =
    "local fs, http, process, time = require 'fs', require 'http', require 'process', require 'time'\n"
    "local t = {}\n"
    "local function begun() fs.write('begun', 'x') end\n"
    "local function loop() while true do end end\n"
    "function t.echo(input) return input end\n"
    "function t.spin() begun() loop() end\n"
    "function t.catch() begun() while true do pcall(function() pcall(loop) end) end end\n"
    "function t.wrap() begun() while true do coroutine.wrap(loop)() end end\n"
    "function t.compare() begun() table.sort({ 1, 2, 3 }, loop) end\n"
    "function t.replace() time.sleep(0.01) begun() string.gsub('abc', '.', loop) end\n"
    "function t.rest() begun() time.sleep(60) end\n"
    "function t.pay(input) begun() time.sleep(input.s) return {} end\n"
    "function t.ask(input) begun() return http.request { url = input.url } end\n"
    "function t.much(input, ctx) begun() while true do ctx.stream(('x'):rep(65536)) end end\n"
    "function t.fail() begun() return nil, 'no' end\n"
    "function t.kids() return process.run { argv = { 'sh', '-c', [[trap '' TERM\n"
    "  sh -c 'trap \"\" TERM; echo $$ >kids/grandchild; while :; do sleep 1; done' & echo $$ >kids/child\n"
    "  while :; do sleep 1; done]] } } end\n"
    "return t\n";

#define ENTRY(name) "\"" name "\":{\"effects\":\"read\",\"idempotent\":true},"
static const char DESCRIPTION[] =
    "{\"id\":\"t\",\"version_id\":\"%s\",\"name\":\"t\",\"type\":\"operator\",\"entry\":\"init.lua\",\"max_parallel\":"
    "1,"
    "\"capabilities\":{\"fs\":{\"read\":[\"$PROJECT/**\"],\"write\":[\"$PROJECT/**\"]},\"process\":[\"sh\"],"
    "\"net\":[\"*:*\",\"127.0.0.1:*\"],\"cpu\":\"60s\",\"timeout\":\"120s\"},\"operations\":{" ENTRY("echo") ENTRY(
        "spin") ENTRY("catch") ENTRY("wrap") ENTRY("compare") ENTRY("replace") ENTRY("rest") ENTRY("ask") ENTRY("much")
        ENTRY("fail") "\"pay\":{\"effects\":\"read\",\"idempotent\":true,\"spends\":true,\"estimate\":{\"usd\":0.3}},"
                      "\"kids\":{\"effects\":\"read\",\"idempotent\":true}},\"sources\":{\"init.lua\":\"\"}}";

#define RUNS_STAGES 1
/* Of the project: what one call of `pay` reserves, not what two would. */
#define RUNS_MICRO_USD 500000
#include "bind/runs.h"
#include "io/http_server.h"
#include "pit/budget/budget_task.h"

#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LIMIT_MS = 1000 };
#else
enum { LIMIT_MS = 250 };
#endif

static atomic_bool hanging = true;
static atomic_int hung;

__attribute__((visibility("default"))) int
getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
            struct addrinfo **restrict out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *at = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &at, sizeof real);
    if (node && strcmp(node, "hang.test") == 0) {
        (void)atomic_fetch_add(&hung, 1);
        while (atomic_load(&hanging)) (void)poll(NULL, 0, 10);
        (void)atomic_fetch_sub(&hung, 1);
        return EAI_AGAIN;
    }
    return real(node, service, hints, out);
}

static server web;
static int full_port; /* connects to it are not answered: its queue is full */

static bool
file_there(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    int c = f ? fgetc(f) : EOF;
    if (f) (void)fclose(f);
    return c != EOF;
}

static pid_t
pid_in(const char *name)
{
    char path[128];
    int pid = 0;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%d", &pid) != 1) pid = 0;
    if (f) (void)fclose(f);
    return pid;
}

/* ---- when a case is where it is to be ended ---- */

static bool
has_begun(const sy__run_info *i)
{
    (void)i;
    return file_there("begun");
}

static bool
server_waits(const sy__run_info *i)
{
    (void)i;
    return atomic_load(&web.waiting) > 0;
}

static bool
name_hangs(const sy__run_info *i)
{
    (void)i;
    return atomic_load(&hung) > 0;
}

static bool
kids_live(const sy__run_info *i)
{
    (void)i;
    return file_there("kids/child") && file_there("kids/grandchild");
}

static bool
retry_waits(const sy__run_info *i)
{
    return strcmp(ask(i, "task_status || attempts", "a"), "pending1") == 0;
}

static bool
one_queues(const sy__run_info *i)
{
    return file_there("begun") && strcmp(ask(i, "task_status", "a"), "executing") == 0 &&
           strcmp(ask(i, "task_status", "m/8"), "pending") == 0; /* told of, for it waits for long */
}

static bool
undo_runs(const sy__run_info *i)
{
    return file_there("begun") && strcmp(ask(i, "task_status", "a/u/compensate"), "executing") == 0;
}

/* ---- ending ---- */

static int64_t
now_ms(void)
{
    return sy__mono_ms(&sy__clock_system);
}

static bool
is_gone(pid_t pid)
{
    char path[64], state = 'X';
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%*d %*s %c", &state) != 1) state = 'X';
    if (f) (void)fclose(f);
    return state == 'X' || state == 'Z';
}

typedef struct ending {
    const char *name, *tasks;
    bool (*ready)(const sy__run_info *i);
} ending;

/* Waits, without slowing what it measures, until the run's end is committed and its processes are gone. */
static int64_t
time_until_over(sy__run_info *i, int64_t from, bool kids)
{
    while (!i->committed || (kids && (!is_gone(pid_in("kids/child")) || !is_gone(pid_in("kids/grandchild"))))) {
        struct timespec little = {.tv_nsec = 1000000};
        (void)nanosleep(&little, NULL);
        (void)sy__engine_info(sy__project_engine(project), i->id, i);
        if (now_ms() - from > 60000) return now_ms() - from;
    }
    return now_ms() - from;
}

static sy__run_info
begin(const ending *e)
{
    static const char *const marks[] = {"begun", "kids/child", "kids/grandchild"};
    char path[128];
    (void)snprintf(path, sizeof path, "%s/kids", dir);
    (void)mkdir(path, 0700); /* children make files in folders of the project, not beside them */
    for (size_t k = 0; k < 3; k++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, marks[k]);
        (void)unlink(path);
    }
    sy__run_info i = start_at(J(e->tasks), SY__LEVEL_FULL, 0);
    int64_t from = now_ms();
    while (!e->ready(&i) && now_ms() - from < 60000) (void)sy__project_step(project, 1);
    CHECK(e->ready(&i));
    return i;
}

#define OPEN_ROWS "(SELECT count(*) FROM task WHERE pipeline_orchestration_id = ?1 AND outcome IS NULL)"

/* Cancels (or pauses) a run that is where `e` says; how long it took. */
static void
end_one(const ending *e, bool pause)
{
    sy__error err = {0};
    sy__run_info i = begin(e);
    int64_t from = now_ms();
    sy__engine *engine = sy__project_engine(project);
    CHECK_INT(pause ? sy__engine_pause(engine, i.id, &err) : sy__engine_cancel(engine, i.id, &err), SY_OK);
    int64_t ms = time_until_over(&i, from, e->ready == kids_live);
    (void)printf("%-9s %-24s %4lld ms\n", pause ? "pause" : "cancel", e->name, (long long)ms);
    CHECK(ms < LIMIT_MS);
    CHECK_STR(i.status, pause ? "paused" : "cancelled");
    const char *outcome = ask(&i, "coalesce(outcome, 'none')", "a"); /* "": it has no row yet, which is pending */
    CHECK(pause ? strcmp(outcome, "none") == 0 || !outcome[0] : strcmp(outcome, "cancelled") == 0);
    if (!pause) CHECK_STR(ask(&i, OPEN_ROWS, NULL), "0");
    if (pause) {
        i = resumed(&i, (sy__resume_request){.cancel = true});
        CHECK_STR(i.status, "cancelled");
    }
    CHECK_STR(run(J("'tasks':[{'key':'a','operation':'t.echo','extension':'t','input':{}}]")).status, "completed");
}

#define CALL(key, op, more) "{'key':'" key "','operation':'t." op "','extension':'t'" more "}"
#define MAP(key, op) "{'key':'" key "','verb':'each','operation':'t." op "','extension':'t','list':[{},{},{}]}"
#define SUB(key, melody) "{'key':'" key "','verb':'sub','melody':'" melody "'}"
#define MELODY(name, tasks) "'" name "':{'name':'" name "','tasks':[" tasks "]}"
#define UNDONE                                                                                       \
    CALL("u", "echo", ",'input':{},'options':{'compensate':{'operation':'t.rest','extension':'t'}}") \
    "," CALL("x", "fail", ",'options':{'after':['u'],'on_error':'compensate'}")
#define TASK(op, more) "'tasks':[{'key':'a','operation':'t." op "','extension':'t'" more "}]"

static void
each_case(bool pause)
{
    static char body[256], never[256], connect_to[256];
    (void)snprintf(body, sizeof body, TASK("ask", ",'input':{'url':'http://127.0.0.1:%d/half'}"), web.port);
    (void)snprintf(never, sizeof never, TASK("ask", ",'input':{'url':'http://127.0.0.1:%d/never'}"), web.port);
    (void)snprintf(connect_to, sizeof connect_to, TASK("ask", ",'input':{'url':'http://127.0.0.1:%d/'}"), full_port);
    const ending all[] = {
        {"a loop", TASK("spin", ""), has_begun},
        {"a loop that catches", TASK("catch", ""), has_begun},
        {"a loop of coroutines", TASK("wrap", ""), has_begun},
        {"a loop inside sort", TASK("compare", ""), has_begun},
        {"a loop inside gsub", TASK("replace", ""), has_begun},
        {"sleep", TASK("rest", ""), has_begun},
        {"a stream without end", TASK("much", ""), has_begun},
        {"HTTP: no answer", never, server_waits},
        {"HTTP: half a body", body, server_waits},
        {"HTTP: no connection", connect_to, has_begun},
        {"HTTP: no address", TASK("ask", ",'input':{'url':'http://hang.test/'}"), name_hangs},
        {"children deaf to TERM", TASK("kids", ""), kids_live},
        {"waiting for a retry", TASK("fail", ",'options':{'retry':{'max':3,'delay_ms':60000}}"), retry_waits},
        {"one runs, others wait",
         "'tasks':[{'key':'a','operation':'t.rest','extension':'t'},{'key':'m','verb':'each','operation':'t.rest',"
         "'extension':'t','list':[{},{},{},{},{},{},{},{}]}]",
         one_queues},
        {"a sub-melody", "'melodies':{" MELODY("in", CALL("r", "rest", "")) "},'tasks':[" SUB("a", "in") "]",
         has_begun},
        {"a loop in a sub-melody", "'melodies':{" MELODY("in", CALL("r", "catch", "")) "},'tasks':[" SUB("a", "in") "]",
         has_begun},
        {"a map, two melodies deep",
         "'melodies':{" MELODY("in", MAP("m", "rest")) "," MELODY(
             "mid", SUB("s", "in") "," CALL("r", "rest", "")) "},'tasks':[" SUB("a", "mid") "," MAP("m", "rest") "]",
         has_begun},
        {"a map of loops, two deep",
         "'melodies':{" MELODY("in", MAP("m", "spin")) "," MELODY("mid", SUB("s", "in")) "},'tasks':[" SUB("a",
                                                                                                           "mid") "]",
         has_begun},
        {"undoing in a sub-melody", "'melodies':{" MELODY("in", UNDONE) "},'tasks':[" SUB("a", "in") "]", undo_runs},
    };
    for (size_t n = 0; n < sizeof all / sizeof *all; n++) end_one(&all[n], pause);
}

static void
a_condition_that_never_ends_is_cancelled(void)
{
    sy__error err = {0};
    sy__run_info i = start_at(J("'tasks':[{'key':'a','operation':'t.echo','extension':'t','input':{},'options':{'when':"
                                "'function() while true do end end'}}]"),
                              SY__LEVEL_FULL, 0);
    clock_t busy = clock();
    while (clock() - busy < CLOCKS_PER_SEC / 20) (void)sy__project_step(project, 1); /* it computes */
    int64_t from = now_ms();
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), i.id, &err), SY_OK);
    CHECK(time_until_over(&i, from, false) < LIMIT_MS);
    CHECK_STR(i.status, "cancelled");
}

/* ---- what others wait for ---- */

static int64_t
reserved(sy__run *r)
{
    sy__amounts settled, held;
    sy__ledger_look(&r->engine->ledger, &r->budget->account, &settled, &held);
    return held.of[SY__UNIT_USD];
}

static size_t
gates(sy__engine *e)
{
    (void)pthread_mutex_lock(&e->gates_lock);
    size_t n = e->gates.count;
    (void)pthread_mutex_unlock(&e->gates_lock);
    return n;
}

/* A sub-melody holds the money, the key and the extension's one place that another run needs. */
static void
what_it_held_is_free(bool pause)
{
#define PAY(s) ",'input':{'s':" s "},'options':{'key':'one'}"
    static const ending pays = {
        "a sub-melody that pays",
        "'melodies':{" MELODY("in", CALL("p", "pay", PAY("60"))) "},'tasks':[" SUB("a", "in") "]", has_begun};
    static const char rows[] = "(SELECT count(*) FROM budget_reservation)";
    sy__error err = {0};
    sy__engine *e = sy__project_engine(project);
    sy__run_info i = begin(&pays), other = start_at(J("'tasks':[" CALL("a", "pay", PAY("0")) "]"), SY__LEVEL_FULL, 0);
    sy__run *r = sy__engine_find(e, i.id);
    CHECK_INT(reserved(r), 300000);
    CHECK_STR(ask(&i, rows, NULL), "1");
    CHECK_INT(gates(e), 2);
    int64_t from = now_ms();
    CHECK_INT(pause ? sy__engine_pause(e, i.id, &err) : sy__engine_cancel(e, i.id, &err), SY_OK);
    int64_t ms = time_until_over(&i, from, false);
    (void)printf("%-9s %-24s %4lld ms\n", pause ? "pause" : "cancel", pays.name, (long long)ms);
    CHECK(ms < LIMIT_MS);
    finish(&other);
    CHECK_STR(i.status, pause ? "paused" : "cancelled");
    CHECK_STR(other.status, "completed");
    CHECK_INT(reserved(r), 0);
    CHECK_STR(ask(&i, rows, NULL), "0");
    CHECK_INT(gates(e), 0);
    sy__run_release(r);
#undef PAY
}

/* A socket whose queue of connections is full: who connects waits. */
static int
fill_queue(int fds[8])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = server_listen(&full_port);
    (void)listen(fd, 0);
    at.sin_port = htons((uint16_t)full_port);
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fds[i], (struct sockaddr *)&at, sizeof at);
    }
    return fd;
}

int
main(void)
{
    int waiting[8], full = fill_queue(waiting);
    server_start(&web, NULL);
    begin_tests();
    each_case(false);
    each_case(true);
    what_it_held_is_free(false);
    what_it_held_is_free(true);
    a_condition_that_never_ends_is_cancelled();
    atomic_store(&hanging, false);
    while (atomic_load(&hung) > 0) (void)poll(NULL, 0, 10);
    end_tests();
    server_stop(&web);
    for (int i = 0; i < 8; i++) (void)close(waiting[i]);
    (void)close(full);
    TEST_END();
}
