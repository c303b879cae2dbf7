/* api_test.c: symphony.h as a program that embeds us sees it. */
#include "symphony.h"

#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static int events, completed;

static void
on_event(void *ud, const char *json)
{
    (void)ud;
    events++;
    if (strstr(json, "\"event_type\":\"run.completed\"")) completed = 1;
}

static void *
wake_later(void *ud)
{
    sy_wakeup(ud);
    return NULL;
}

static void
write_file(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f)) exit(2);
}

static void
says_what_is_wrong(sy_host *h)
{
    char *json;
    CHECK_INT(sy_run(h, "{", &json), SY_EINVAL);
    CHECK_INT(sy_run(h, "{}", &json), SY_EUSAGE);
    CHECK_INT(sy_run(h, "{\"melody\":\"nothing\"}", &json), SY_ENOTFOUND);
    CHECK(strstr(sy_last_error(h), "\"code\":\"not_found\"") != NULL);
    CHECK_INT(sy_cancel(h, "99"), SY_ENOTFOUND);
    CHECK_INT(sy_subscribe(h, "a..b", on_event, NULL), SY_EUSAGE);
    CHECK_INT(sy_unsubscribe(h, 999), SY_ENOTFOUND);
    CHECK_INT(sy_eval(h, "error('no')", &json), SY_EEXPR);
    CHECK_INT(sy_publish(h, "a.*", "{}"), SY_EUSAGE);
    char *bytes;
    size_t size;
    CHECK_INT(
        sy_artifact_get(h, "sha256:0000000000000000000000000000000000000000000000000000000000000000", &bytes, &size),
        SY_ENOTFOUND);
    int64_t next;
    CHECK_INT(sy_stream(h, "99", "a", "tokens", 0, &bytes, &size, &next), SY_ENOTFOUND);
    CHECK_INT(sy_stream(h, "99", "a", "noise", 0, &bytes, &size, &next), SY_EUSAGE);
}

/* What a program said, in two halves; then nothing. */
static void
reads_a_stream(sy_host *h)
{
    char *json, *bytes, run[40] = "";
    int64_t next = 0;
    size_t size = 0;
    write_file("s.json", "{\"format\":1,\"name\":\"s\",\"tasks\":[{\"key\":\"t\",\"verb\":\"task\","
                         "\"operation\":\"process.run\",\"input\":{\"argv\":[\"echo\",\"spoken\"]}}]}");
    char request[128];
    (void)snprintf(request, sizeof request, "{\"melody\":\"%s/s.json\"}", dir);
    CHECK_INT(sy_run(h, request, &json), SY_OK);
    const char *id = json ? strstr(json, "\"run\":\"") : NULL;
    if (id) (void)snprintf(run, sizeof run, "%.36s", id + 7);
    sy_free(h, json);
    for (int i = 0; i < 1000 && sy_stream(h, run, "t", "tokens", 0, &bytes, &size, &next) != SY_OK; i++)
        (void)sy_step(h, 20);
    CHECK(size == 7 && next == 7 && memcmp(bytes, "spoken\n", 7) == 0);
    sy_free(h, bytes);
    CHECK_INT(sy_stream(h, run, "t", "tokens", 3, &bytes, &size, &next), SY_OK);
    CHECK(size == 4 && next == 7 && memcmp(bytes, "ken\n", 4) == 0);
    sy_free(h, bytes);
    CHECK_INT(sy_stream(h, run, "t", "tokens", 7, &bytes, &size, &next), SY_EAGAIN);
    CHECK(bytes == NULL && next == 7);
}

/* A question is answered once, with what fits. */
static void
answers(sy_host *h)
{
    char *json, run[40] = "", request[128], *event = NULL;
    int asked = 0, done = 0;
    write_file("q.json", "{\"format\":1,\"name\":\"q\",\"tasks\":[{\"key\":\"sure\",\"verb\":\"ask\","
                         "\"question\":\"Sure?\",\"schema\":{\"type\":\"boolean\"}}]}");
    int follow = sy_subscribe(h, "run.>", NULL, NULL);
    (void)snprintf(request, sizeof request, "{\"melody\":\"%s/q.json\"}", dir);
    CHECK_INT(sy_run(h, request, &json), SY_OK);
    const char *id = json ? strstr(json, "\"run\":\"") : NULL;
    if (id) (void)snprintf(run, sizeof run, "%.36s", id + 7);
    sy_free(h, json);
    for (int i = 0; i < 2000 && !asked; i++, sy_free(h, event)) {
        if (sy_next_event(h, follow, &event) != SY_OK) (void)sy_step(h, 5);
        asked = event && strstr(event, "task.asked") != NULL;
    }
    CHECK(asked);
    CHECK_INT(sy_answer(h, run, NULL, "{"), SY_EINVAL);
    CHECK_INT(sy_answer(h, run, NULL, "5"), SY_ETYPE);
    CHECK_INT(sy_answer(h, run, "other", "true"), SY_EUSAGE);
    CHECK_INT(sy_answer(h, "99", NULL, "true"), SY_ENOTFOUND);
    CHECK_INT(sy_answer(h, run, "sure", "true"), SY_OK);
    CHECK_INT(sy_answer(h, run, "sure", "true"), SY_EUSAGE);
    for (int i = 0; i < 2000 && !done; i++, sy_free(h, event)) {
        if (sy_next_event(h, follow, &event) != SY_OK) (void)sy_step(h, 5);
        done = event && strstr(event, "\"event_type\":\"task.completed\"") != NULL;
    }
    CHECK(done);
    CHECK_INT(sy_unsubscribe(h, follow), SY_OK);
}

static void
runs_a_melody(sy_host *h)
{
    char *json, request[128];
    int polled = sy_subscribe(h, "run.>", NULL, NULL);
    CHECK(sy_subscribe(h, "run.>", on_event, NULL) > 0);
    (void)snprintf(request, sizeof request, "{\"melody\":\"%s/m.json\",\"params\":{}}", dir);
    CHECK_INT(sy_run(h, request, &json), SY_OK); /* outside of the project, so trusted */
    CHECK(json && strstr(json, "\"number\":1") != NULL);
    sy_free(h, json);
    struct pollfd p = {.fd = sy_fd(h), .events = POLLIN};
    for (int i = 0; i < 200 && !completed; i++) {
        CHECK(poll(&p, 1, 10000) >= 0);
        CHECK(sy_step(h, 0) >= 0);
    }
    CHECK(completed);
    int count = 0;
    for (int i = 0; i < 2000 && count < events; i++) { /* one subscription may hear of an event before another */
        if (sy_next_event(h, polled, &json) != SY_OK) {
            (void)sy_step(h, 5);
            continue;
        }
        count++;
        sy_free(h, json);
    }
    CHECK_INT(count, events);
    CHECK_INT(sy_next_event(h, polled, &json), SY_EAGAIN);
}

/* What the run kept, by its id and by its hash. */
static void
reads_an_artifact(sy_host *h)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    char *bytes, *again, path[128], id[64] = "", hash[80] = "";
    size_t size = 0, again_size = 0;
    (void)snprintf(path, sizeof path, "%s/project/.symphony/symphony.db", dir);
    CHECK_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(db, "SELECT id, content_hash FROM artifact ORDER BY id", -1, &q, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_step(q), SQLITE_ROW);
    (void)snprintf(id, sizeof id, "%s", (const char *)sqlite3_column_text(q, 0));
    (void)snprintf(hash, sizeof hash, "%s", (const char *)sqlite3_column_text(q, 1));
    (void)sqlite3_finalize(q);
    (void)sqlite3_close(db);
    CHECK_INT(sy_artifact_get(h, id, &bytes, &size), SY_OK);
    CHECK_INT(sy_artifact_get(h, hash, &again, &again_size), SY_OK);
    CHECK(size > 0 && size == again_size && memcmp(bytes, again, size) == 0);
    sy_free(h, bytes);
    sy_free(h, again);
    CHECK_INT(sy_artifact_get(h, "01890000-0000-7000-8000-000000000000", &bytes, &size), SY_ENOTFOUND);
}

static void
evaluates_and_publishes(sy_host *h)
{
    char *json;
    CHECK_INT(sy_eval(h, "return 1 + 1, 'x', nil, {}", &json), SY_OK);
    CHECK_STR(json, "[2,\"x\",null,{}]");
    sy_free(h, json);
    CHECK_INT(sy_eval(h, "local host, why = require('sy.core').open { project = '/tmp' } return host, why.code", &json),
              SY_OK);
    CHECK_STR(json, "[null,\"usage\"]");
    sy_free(h, json);
    int own = sy_subscribe(h, "own.*", NULL, NULL);
    CHECK_INT(sy_publish(h, "own.word", "{\"n\":1}"), SY_OK);
    CHECK_INT(sy_next_event(h, own, &json), SY_OK);
    CHECK(json && strstr(json, "\"payload\":{\"n\":1}") != NULL);
    sy_free(h, json);
    CHECK_INT(sy_next_event(h, own, &json), SY_EAGAIN);
}

static void
is_woken_from_any_thread(sy_host *h)
{
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, wake_later, h), 0);
    CHECK(sy_step(h, 20000) >= 0);
    (void)pthread_join(thread, NULL);
}

static void
refuses_after_a_fork(sy_host *h)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        char *json;
        _exit(sy_step(h, 0) == SY_EFORK && sy_run(h, "{}", &json) == SY_EFORK ? 0 : 1);
    }
    (void)waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* One that is in use or no real-time signal is refused; a free one is used; without one none is touched. */
static void
lends_a_signal(const char *project)
{
    sy_options o = {.size = sizeof o, .project_dir = project, .watchdog_signal = SIGUSR1};
    struct sigaction now;
    char *json, request[128];
    sy_host *h;
    CHECK_INT(sy_open(&h, &o), SY_EUSAGE);
    CHECK(strstr(sy_last_error(h), "real-time") != NULL);
    sy_close(h);
    o.watchdog_signal = SIGRTMIN + 5;
    CHECK_INT(sigaction(SIGRTMIN + 5, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL); /* hosts that were lent none have taken none */
    CHECK_INT(sy_open(&h, &o), SY_OK);
    CHECK_INT(sigaction(SIGRTMIN + 5, NULL, &now), 0);
    CHECK(now.sa_handler != SIG_DFL);
    completed = 0;
    CHECK(sy_subscribe(h, "run.>", on_event, NULL) > 0);
    (void)snprintf(request, sizeof request, "{\"melody\":\"%s/m.json\",\"params\":{}}", dir);
    CHECK_INT(sy_run(h, request, &json), SY_OK);
    sy_free(h, json);
    for (int i = 0; i < 2000 && !completed; i++) CHECK(sy_step(h, 10) >= 0);
    CHECK(completed);
    sy_close(h);
    o.watchdog_signal = -1;
    CHECK_INT(sy_open(&h, &o), SY_OK);
    sy_close(h);
}

int
main(void)
{
    char command[128], home[96], project[96];
    sy_host *h, *second;
    (void)snprintf(dir, sizeof dir, "/tmp/symphony-api-XXXXXX");
    if (!mkdtemp(dir)) return 2;
    (void)snprintf(home, sizeof home, "%s/data", dir);
    (void)setenv("XDG_DATA_HOME", home, 1);
    (void)setenv("XDG_CONFIG_HOME", home, 1);
    write_file("m.json",
               "{\"format\":1,\"name\":\"m\",\"tasks\":[{\"key\":\"a\",\"verb\":\"task\",\"operation\":\"file.list\","
               "\"input\":{\"path\":\".\"}},"
               "{\"key\":\"b\",\"verb\":\"task\",\"operation\":\"report.write\",\"input\":{\"title\":\"t\"}}]}");
    sy_options o = {.size = sizeof o, .project_dir = "/nowhere/at/all"};
    CHECK(sy_open(&h, &o) < 0);
    CHECK(strstr(sy_last_error(h), "\"message\"") != NULL);
    CHECK_INT(sy_step(h, 0), SY_EUSAGE);
    CHECK_INT(sy_fd(h), SY_EUSAGE);
    CHECK_INT(sy_cancel(h, "1"), SY_EUSAGE);
    CHECK(strstr(sy_last_error(h), "/nowhere/at/all") != NULL); /* why it did not open stays */
    sy_close(h);
    (void)snprintf(project, sizeof project, "%s/project", dir);
    if (mkdir(project, 0700)) return 2;
    o.project_dir = project;
    CHECK_INT(sy_open(&h, &o), SY_OK);
    CHECK_INT(sy_open(&second, &o), SY_OK);
    says_what_is_wrong(h);
    runs_a_melody(h);
    reads_a_stream(h);
    answers(h);
    reads_an_artifact(h);
    evaluates_and_publishes(h);
    is_woken_from_any_thread(h);
    refuses_after_a_fork(h);
    sy_close(second);
    sy_close(h);
    lends_a_signal(project);
    sy_close(NULL);
    CHECK_STR(sy_errname(SY_ENOTFOUND), "not_found");
    CHECK_STR(sy_version(), "0.1.0");
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) return 2;
    TEST_END();
}
