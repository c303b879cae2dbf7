/* spawn_test.c: children start, talk, end in every way, and leave nothing behind. */
#include "io/spawn.h"
#include "io/which.h"

#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct world {
    sy__spawner *spawner;
    struct event_base *loop;
} world;

/* One child and what came back. */
typedef struct outcome {
    world *w;
    int exits;
    size_t seen[3];
    sy__child *child;
    sy__child_result r;
    bool free_in_output, kill_in_output;
} outcome;

static int64_t
now_ms(void)
{
    return sy__mono_ms(&sy__clock_system);
}

static void
on_exit_stop(void *ud, sy__child *child)
{
    outcome *o = ud;
    o->exits++;
    sy__child_result_get(child, &o->r);
    (void)event_base_loopbreak(o->w->loop);
}

static void
on_output_count(void *ud, int stream, const char *bytes, size_t len)
{
    outcome *o = ud;
    (void)bytes;
    o->seen[stream] += len;
    if (o->kill_in_output) sy__child_kill(o->child, 2000);
    if (!o->free_in_output) return;
    sy__child_free(o->child);
    o->child = NULL;
    (void)event_base_loopbreak(o->w->loop);
}

static const sy__child_options plain = {.cwd_fd = -1, .max_output_bytes = 1 << 20};

/* Runs to the end; the caller frees o->child. */
static int
run(world *w, outcome *o, const char *const *argv, const sy__child_options *base, sy__error *err)
{
    sy__child_options opt = *base;
    opt.argv = argv;
    opt.on_exit = on_exit_stop;
    opt.on_output = on_output_count;
    opt.ud = o;
    o->w = w;
    int e = sy__child_spawn(&o->child, w->spawner, w->loop, &sy__alloc_default, &opt, err);
    if (e == SY_OK) (void)event_base_dispatch(w->loop);
    return e;
}

static int
run_shell(world *w, outcome *o, const char *script, const sy__child_options *base)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    sy__error err = {0};
    int e = run(w, o, argv, base, &err);
    if (e) (void)fprintf(stderr, "%s\n", err.message);
    return e;
}

static int
count_fds(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d)) count++;
    (void)closedir(d);
    return count;
}

static bool
alive(pid_t pid)
{
    char path[64], line[256] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    (void)!fgets(line, sizeof line, f);
    (void)fclose(f);
    const char *state = strrchr(line, ')');
    return state && state[2] != 'Z' && state[2] != 'X';
}

/* Waits for a condition, at most 5 s. */
static bool
dies(pid_t pid)
{
    for (int64_t until = now_ms() + 5000; now_ms() < until; sched_yield())
        if (!alive(pid)) return true;
    return false;
}

static void
tells_what_a_child_said(world *w)
{
    outcome o = {0};
    CHECK_INT(run_shell(w, &o, "echo out; echo err >&2; exit 7", &plain), SY_OK);
    CHECK_STR(o.r.out, "out\n");
    CHECK_STR(o.r.err, "err\n");
    CHECK_INT(o.r.exit_code, 7);
    CHECK_INT(o.r.signal, 0);
    CHECK_INT(o.exits, 1);
    CHECK_INT(o.seen[1], 4);
    CHECK_INT(o.seen[2], 4);
    sy__child_free(o.child);
}

static void
tells_the_signal(world *w)
{
    outcome o = {0};
    CHECK_INT(run_shell(w, &o, "kill -SEGV $$", &plain), SY_OK);
    CHECK_INT(o.r.exit_code, -1);
    CHECK_INT(o.r.signal, SIGSEGV);
    sy__child_free(o.child);
}

static void
feeds_and_reads_at_once(world *w)
{
    size_t len = 8 << 20;
    char *text = malloc(len);
    memset(text, 'x', len);
    outcome o = {0};
    sy__child_options opt = plain;
    opt.stdin_bytes = text;
    opt.stdin_len = len;
    opt.max_output_bytes = len;
    CHECK_INT(run_shell(w, &o, "cat; cat /dev/null", &opt), SY_OK);
    CHECK_INT(o.r.out_len, len);
    CHECK(memcmp(o.r.out, text, len) == 0);
    CHECK_INT(o.r.dropped_bytes, 0);
    sy__child_free(o.child);
    free(text);
}

static void
survives_a_child_that_does_not_read(world *w)
{
    char text[300000];
    memset(text, 'x', sizeof text);
    outcome o = {0};
    sy__child_options opt = plain;
    opt.stdin_bytes = text;
    opt.stdin_len = sizeof text;
    CHECK_INT(run_shell(w, &o, "exec 0<&-; echo done", &opt), SY_OK);
    CHECK_STR(o.r.out, "done\n");
    sy__child_free(o.child);
}

static void
drops_and_counts_beyond_the_cap(world *w)
{
    outcome o = {0};
    sy__child_options opt = plain;
    opt.max_output_bytes = 1000;
    CHECK_INT(run_shell(w, &o, "head -c 500000 /dev/zero; head -c 10 /dev/zero >&2", &opt), SY_OK);
    CHECK_INT(o.r.out_len, 1000);
    CHECK_INT(o.r.err_len, 10);
    CHECK_INT(o.r.dropped_bytes, 499000);
    CHECK_INT(o.seen[1], 500000);
    sy__child_free(o.child);
}

static void
starts_in_the_folder_and_environment(world *w)
{
    static const char *const env[] = {"ONLY=this", NULL};
    outcome o = {0}, p = {0};
    sy__child_options opt = plain;
    opt.cwd = "/usr";
    opt.env = env;
    const char *argv[] = {"/bin/sh", "-c", "pwd; /usr/bin/env | grep -v ^PWD= | grep -v ^_=; ulimit -c", NULL};
    sy__error err = {0};
    CHECK_INT(run(w, &o, argv, &opt, &err), SY_OK);
    CHECK(strstr(o.r.out, "/usr\n") == o.r.out);
    CHECK(strstr(o.r.out, "ONLY=this\n") != NULL);
    CHECK(strstr(o.r.out, "HOME=") == NULL);
    CHECK(strstr(o.r.out, "\n0\n") != NULL);
    sy__child_free(o.child);
    opt = plain;
    opt.cwd_fd = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(run_shell(w, &p, "pwd; ls /proc/self/fd | wc -l", &opt), SY_OK);
    CHECK_STR(p.r.out, "/etc\n4\n"); /* 0, 1, 2 and ls's own */
    sy__child_free(p.child);
    (void)close(opt.cwd_fd);
}

static void
sets_the_process_up(world *w)
{
    outcome o = {0};
    sy__child_options opt = plain;
    opt.cpu_s = 5;
    opt.file_bytes = 1 << 20;
    CHECK_INT(run_shell(w, &o, "ulimit -t; ulimit -f; exec grep -E 'NoNewPrivs|SigBlk|SigIgn' /proc/self/status", &opt),
              SY_OK);
    CHECK(strstr(o.r.out, "5\n") == o.r.out);
    CHECK(strstr(o.r.out, "2048\n") != NULL); /* blocks of 512 */
    CHECK(strstr(o.r.out, "NoNewPrivs:\t1") != NULL);
    CHECK(strstr(o.r.out, "SigBlk:\t0000000000000000") != NULL);
    CHECK(strstr(o.r.out, "SigIgn:\t0000000000000000") != NULL);
    sy__child_free(o.child);
}

static void
explains_what_did_not_start(world *w)
{
    sy__error err = {0};
    outcome o = {0};
    const char *missing[] = {"no-such-program-here", NULL}, *known[] = {"/nowhere/git", NULL},
               *folder[] = {"/etc", NULL};
    CHECK_INT(run(w, &o, missing, &plain, &err), SY_ENOTFOUND);
    CHECK(strstr(err.message, "no-such-program-here") != NULL);
    CHECK_STR(err.hint, "");
    CHECK_INT(run(w, &o, known, &plain, &err), SY_ENOTFOUND);
    CHECK_STR(err.hint, "sudo apt-get install git");
    CHECK_INT(run(w, &o, folder, &plain, &err), SY_EPROCESS);
    CHECK(strstr(err.message, "not executable") != NULL);
    const char *sh[] = {"sh", "-c", "true", NULL};
    sy__child_options opt = plain;
    opt.cwd = "/no/such/folder";
    CHECK_INT(run(w, &o, sh, &opt, &err), SY_ENOTFOUND);
    CHECK(strstr(err.message, "/no/such/folder") != NULL);
    CHECK_INT(o.exits, 0);
    CHECK_STR(sy__which_package("/usr/bin/tesseract"), "tesseract-ocr");
}

static void
explains_a_missing_interpreter(world *w)
{
    char path[] = "/tmp/spawn_testXXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "#!/no/interpreter\n";
    CHECK(write(fd, text, sizeof text - 1) > 0);
    CHECK_INT(fchmod(fd, 0700), 0);
    (void)close(fd);
    sy__error err = {0};
    outcome o = {0};
    const char *argv[] = {path, NULL};
    CHECK_INT(run(w, &o, argv, &plain, &err), SY_EPROCESS);
    CHECK(strstr(err.message, "interpreter") != NULL);
    (void)unlink(path);
}

static void
ends_a_child_that_takes_too_long(world *w)
{
    outcome o = {0};
    sy__child_options opt = plain;
    opt.timeout_ms = 50;
    int64_t from = now_ms();
    CHECK_INT(run_shell(w, &o, "sleep 60 & echo $!; sleep 60", &opt), SY_OK);
    CHECK(now_ms() - from < 30000); /* not the 60 s that it asked for */
    CHECK(o.r.timed_out);
    CHECK_INT(o.r.signal, SIGTERM);
    CHECK(dies((pid_t)atoi(o.r.out)));
    sy__child_free(o.child);
}

static void
kills_who_ignores_term(world *w)
{
    outcome o = {0};
    sy__child_options opt = plain;
    opt.timeout_ms = 50;
    int64_t from = now_ms();
    CHECK_INT(run_shell(w, &o, "trap '' TERM; while :; do :; done", &opt), SY_OK);
    int64_t took = now_ms() - from;
    CHECK(took >= 2000 && took < 30000);
    CHECK_INT(o.r.signal, SIGKILL);
    CHECK(o.r.cpu_ms > 0 && o.r.cpu_ms <= took * 2); /* how much of a busy machine it got is not ours to say */
    sy__child_free(o.child);
}

static void
does_not_wait_for_grandchildren(world *w)
{
    outcome o = {0};
    int64_t from = now_ms();
    CHECK_INT(run_shell(w, &o, "sleep 60 & echo $!; exit 3", &plain), SY_OK);
    int64_t took = now_ms() - from;
    CHECK(took >= 150 && took < 30000);
    CHECK_INT(o.r.exit_code, 3);
    CHECK(dies((pid_t)atoi(o.r.out))); /* the group is gone with its leader */
    sy__child_free(o.child);
}

static void
may_be_ended_inside_its_callbacks(world *w)
{
    outcome o = {.free_in_output = true}, p = {.kill_in_output = true};
    CHECK_INT(run_shell(w, &o, "echo x; sleep 60", &plain), SY_OK);
    CHECK_INT(o.exits, 0);
    CHECK(o.child == NULL);
    CHECK_INT(run_shell(w, &p, "echo x; sleep 60", &plain), SY_OK);
    CHECK_INT(p.r.signal, SIGTERM);
    sy__child_free(p.child);
}

static void
keep_pid(void *ud, int stream, const char *bytes, size_t len)
{
    outcome *o = ud;
    (void)stream;
    char text[32] = "";
    memcpy(text, bytes, len < 31 ? len : 31);
    o->seen[0] = (size_t)atoi(text);
    (void)event_base_loopbreak(o->w->loop);
}

/* A child that tells its pid and then runs; its pid. */
static pid_t
start_sleeper(world *w, outcome *o, const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    sy__child_options opt = plain;
    opt.argv = argv;
    opt.on_output = keep_pid;
    opt.ud = o;
    o->w = w;
    sy__error err = {0};
    CHECK_INT(sy__child_spawn(&o->child, w->spawner, w->loop, &sy__alloc_default, &opt, &err), SY_OK);
    (void)event_base_dispatch(w->loop);
    return (pid_t)o->seen[0];
}

static void
abandons_gently(world *w)
{
    outcome o = {0};
    char path[] = "/tmp/spawn_testXXXXXX", script[256];
    (void)close(mkstemp(path));
    (void)snprintf(script, sizeof script, "trap 'echo bye >%s; exit' TERM; echo $$; while :; do sleep 0.01; done",
                   path);
    pid_t pid = start_sleeper(w, &o, script);
    sy__child_abandon(o.child, 3000);
    CHECK(dies(pid));
    struct stat st;
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_size, 4);
    (void)unlink(path);
    outcome stubborn = {0};
    int64_t from = now_ms();
    pid = start_sleeper(w, &stubborn, "trap '' TERM; echo $$; while :; do sleep 0.01; done");
    sy__child_abandon(stubborn.child, 100);
    CHECK(dies(pid));
    CHECK(now_ms() - from >= 100);
}

static void
ends_all_with_its_spawner(void)
{
    sy__error err = {0};
    world w = {.loop = event_base_new()};
    outcome o = {0};
    CHECK_INT(sy__spawner_new(&w.spawner, &sy__alloc_default, &err), SY_OK);
    pid_t pid = start_sleeper(&w, &o, "trap '' TERM; echo $$; while :; do sleep 0.01; done");
    CHECK(alive(pid));
    sy__spawner_free(w.spawner);
    CHECK(dies(pid));
    sy__child_free(o.child);
    event_base_free(w.loop);
}

static void
works_without_a_spawner(void)
{
    world w = {.loop = event_base_new()};
    outcome o = {0};
    CHECK_INT(run_shell(&w, &o, "echo here", &plain), SY_OK);
    CHECK_STR(o.r.out, "here\n");
    sy__child_free(o.child);
    outcome running = {0};
    pid_t pid = start_sleeper(&w, &running, "echo $$; sleep 60");
    sy__child_free(running.child);
    CHECK(!alive(pid));
    event_base_free(w.loop);
}

static void
measures_memory(world *w)
{
    outcome o = {0};
    CHECK_INT(run_shell(w, &o, "head -c 400000000 /dev/zero | tail -c 200000000 >/dev/null; wait", &plain), SY_OK);
    CHECK(o.r.peak_bytes == 0 || o.r.peak_bytes > 1 << 20);
    CHECK(o.r.cpu_ms > 0);
    sy__child_free(o.child);
}

static void
detaches(void)
{
    char path[] = "/tmp/spawn_testXXXXXX", text[64] = "";
    (void)close(mkstemp(path));
    const char *argv[] = {"sh", "-c", "echo $$; ps -o sid= -p $$; exec sleep 60", NULL};
    sy__child_options opt = plain;
    opt.argv = argv;
    int64_t pid = 0;
    sy__error err = {0};
    CHECK_INT(sy__spawn_detached(&pid, &opt, path, &err), SY_OK);
    CHECK(pid > 0 && alive((pid_t)pid));
    CHECK_INT(getsid((pid_t)pid), pid);
    for (int64_t until = now_ms() + 5000; now_ms() < until && !strchr(text, '\n'); sched_yield()) {
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        (void)close(fd);
    }
    CHECK_INT(atoi(text), pid);
    (void)kill((pid_t)pid, SIGKILL);
    CHECK(dies((pid_t)pid));
    (void)unlink(path);
    const char *missing[] = {"no-such-program-here", NULL};
    opt.argv = missing;
    CHECK_INT(sy__spawn_detached(&pid, &opt, NULL, &err), SY_ENOTFOUND);
}

static void
leaks_nothing_over_thousands(world *w)
{
    const char *argv[] = {"true", NULL}, *missing[] = {"/no/such/program", NULL};
    sy__error err = {0};
    int before = count_fds(), count = 3000;
    int64_t from = now_ms();
    for (int i = 0; i < count; i++) {
        outcome o = {0};
        CHECK_INT(run(w, &o, argv, &plain, &err), SY_OK);
        CHECK_INT(o.r.exit_code, 0);
        sy__child_free(o.child);
        if (i % 10 == 0) CHECK_INT(run(w, &o, missing, &plain, &err), SY_ENOTFOUND);
    }
    (void)fprintf(stderr, "%d children in %lld ms\n", count, (long long)(now_ms() - from));
    CHECK_INT(count_fds(), before);
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
    CHECK_INT(errno, ECHILD);
}

/* Several loops, one spawner. */
static void *
loop_thread(void *ud)
{
    world w = {.spawner = ud, .loop = event_base_new()};
    size_t good = 0;
    for (int i = 0; i < 100; i++) {
        outcome o = {0};
        if (run_shell(&w, &o, "cat >/dev/null; echo $((6*7))", &plain) == SY_OK && strcmp(o.r.out, "42\n") == 0) good++;
        sy__child_free(o.child);
    }
    event_base_free(w.loop);
    return (void *)good; // NOLINT: a count
}

static void
serves_several_loops(world *w)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&t[i], NULL, loop_thread, w->spawner), 0);
    for (int i = 0; i < 4; i++) {
        void *good = NULL;
        CHECK_INT(pthread_join(t[i], &good), 0);
        CHECK_INT((size_t)good, 100);
    }
}

int
main(void)
{
    sy__error err = {0};
    world w = {.loop = event_base_new()};
    CHECK_INT(sy__spawner_new(&w.spawner, &sy__alloc_default, &err), SY_OK);
    tells_what_a_child_said(&w);
    tells_the_signal(&w);
    feeds_and_reads_at_once(&w);
    survives_a_child_that_does_not_read(&w);
    drops_and_counts_beyond_the_cap(&w);
    starts_in_the_folder_and_environment(&w);
    sets_the_process_up(&w);
    explains_what_did_not_start(&w);
    explains_a_missing_interpreter(&w);
    ends_a_child_that_takes_too_long(&w);
    kills_who_ignores_term(&w);
    does_not_wait_for_grandchildren(&w);
    may_be_ended_inside_its_callbacks(&w);
    abandons_gently(&w);
    measures_memory(&w);
    works_without_a_spawner();
    ends_all_with_its_spawner();
    detaches();
    serves_several_loops(&w);
    leaks_nothing_over_thousands(&w);
    sy__spawner_free(w.spawner);
    event_base_free(w.loop);
    TEST_END();
}
