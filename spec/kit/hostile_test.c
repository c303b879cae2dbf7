/*
 * hostile_test.c: every attack of spec/kit/hostile, with 64 MiB and 0.3 s of CPU: the host survives, the call ends
 * within the budget and 250 ms, the state closes within 100 ms. Each runs three times: with hooks, with a watchdog, and
 * in a process of its own, which has a watchdog and is this program again. Times are CPU time, of the thread or of the
 * process, so that a busy machine does not fail the test (lines of the log are allowed by wall time, each with a line
 * about those dropped); the sanitizers get more. The stack is the smallest that a thread of ours has. A fixture is
 * named after the row of the rules that it tries; no row is without one.
 *
 * Then a walk from _G over every table, metatable and function reaches nothing outside of allowed_globals.txt and, in a
 * melody, allowed_in_melodies.txt.
 *
 *     hostile_test [PART OF A NAME [hooks|watchdog|process]]
 */
#include "base/bounds.h"
#include "kit/cell.h"
#include "kit/isolate.h"
#include "kit/watchdog.h"

#include "test.h"

#include <dirent.h>
#include <lauxlib.h>
#include <libgen.h>
#include <pthread.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLACK = 8 };
#else
enum { SLACK = 1 };
#endif
enum { CPU_MS = 300, OVER_MS = 250, CLOSE_MS = 100, MAX_FIXTURES = 100, LINES_AT_ONCE = 200, LINES_PER_SECOND = 200 };
enum { ROWS = 18, OWN_PROCESS_BYTES = 4 << 20 };

typedef enum attack_mode { HOOKS, WATCHDOG, PROCESS, MODES } attack_mode;

static const char *const mode_names[MODES] = {"hooks", "watchdog", "process"};
static char folder[1024], self[4096];
static const char *only_name = "", *only_mode = "";
static sy__watchdog watchdog;

static int logged;

static void
count_line(void *ud, sy__log_level level, int64_t wall_ms, const char *area, const char *text)
{
    (void)ud, (void)level, (void)wall_ms, (void)area, (void)text;
    logged++;
}

static char *
read_fixture(const char *name, size_t *len)
{
    char path[1300];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 65536);
    CHECK(f != NULL && text != NULL);
    if (!f || !text) exit(1);
    *len = fread(text, 1, 65535, f);
    (void)fclose(f);
    return text;
}

static int
expected_code(const char *text)
{
    static const struct {
        const char *word;
        int code;
    } rows[] = {{"timeout", SY_ETIMEOUT},   {"memory", SY_EMEMORY}, {"error", SY_EEXTENSION},
                {"refused", SY_EEXTENSION}, {"ok", SY_OK},          {"any", 1}};
    char word[32] = "";
    CHECK_INT(sscanf(text, "-- expect: %31s", word), 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].word, word) == 0) return rows[i].code;
    CHECK_STR(word, "an expectation");
    return 1;
}

typedef struct ending {
    int code;
    char message[SY__ERROR_MESSAGE_BYTES];
    size_t held_bytes;
    int64_t ran_ms, closed_ms, wall_ms;
} ending;

/* Runs the fixture to its end. Its own clock counts what a process used. */
static ending
run_fixture(sy__isolate_options *o, const char *text, size_t len, int cpu_ms)
{
    ending e = {0};
    sy__isolate *iso;
    sy__error err = {0};
    int rc = sy__isolate_new(&iso, o, &err);
    if (rc == SY_OK) rc = sy__isolate_load(iso, text, len, o->name, cpu_ms, &err);
    if (rc) (void)fprintf(stderr, "%s: %s\n", o->name, err.message);
    CHECK_INT(rc, SY_OK);
    sy__call call = {.operation = "attack", .cpu_ms = cpu_ms};
    int64_t began_ms = sy__mono_ms(&sy__clock_system), start = sy__thread_cpu_ns();
    e.code = sy__isolate_call(iso, &call);
    int64_t called = sy__thread_cpu_ns(), ran_ns = called - start;
    if (o->isolation == SY__OWN_PROCESS) ran_ns = call.cpu_ns;
    e.wall_ms = sy__mono_ms(&sy__clock_system) - began_ms;
    e.held_bytes = sy__isolate_bytes(iso);
    sy__isolate_free(iso);
    e.ran_ms = ran_ns / 1000000;
    e.closed_ms = (sy__thread_cpu_ns() - called) / 1000000;
    (void)snprintf(e.message, sizeof e.message, "%s", e.code ? call.error.message : "ok");
    sy__call_close(&call);
    return e;
}

static void
attack(const char *name, attack_mode mode)
{
    size_t len;
    char *text = read_fixture(name, &len);
    int want = expected_code(text);
    /* Where memory is to run out, time must not: a busy machine decides which of two close limits comes first. */
    int cpu_ms = want == SY_EMEMORY ? 10 * CPU_MS : CPU_MS;
    size_t more_bytes = mode == PROCESS ? OWN_PROCESS_BYTES : 0;
    sy__log log;
    sy__log_init(&log, &sy__clock_system);
    log.sink = count_line;
    logged = 0;
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .log = &log,
                             .name = name,
                             .profile = SY__PROFILE_EXTENSION,
                             .watchdog = mode == WATCHDOG ? &watchdog : NULL,
                             .isolation = mode == PROCESS ? SY__OWN_PROCESS : SY__IN_PROCESS,
                             .helper = self,
                             .memory_bytes = 64 << 20};
    ending e = run_fixture(&o, text, len, cpu_ms);
    (void)printf("%-26s %-8s %4lld ms, closed in %3lld ms, %s\n", name, mode_names[mode], (long long)e.ran_ms,
                 (long long)e.closed_ms, e.message);
    if (want <= 0 && e.code != want) (void)fprintf(stderr, "%s, %s: %s\n", name, mode_names[mode], e.message);
    if (want <= 0) CHECK_INT(e.code, want);
    CHECK(e.held_bytes < (66 << 20) + more_bytes);
    CHECK(e.ran_ms < (cpu_ms + OVER_MS) * SLACK);
    CHECK(e.closed_ms < CLOSE_MS * SLACK);
    CHECK(logged <= LINES_AT_ONCE + LINES_PER_SECOND * (e.wall_ms / 1000 + 1));
    sy__log_close(&log);
    free(text);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The rows of the rules, by the two digits with which names begin. */
static void
check_rows(char **names, int count)
{
    bool has[ROWS + 1] = {false};
    for (int i = 0; i < count; i++) {
        long row = strtol(names[i], NULL, 10);
        CHECK(row >= 1 && row <= ROWS);
        if (row >= 1 && row <= ROWS) has[row] = true;
    }
    for (int row = 1; row <= ROWS; row++) {
        if (!has[row]) (void)fprintf(stderr, "row %d has no fixture\n", row);
        CHECK(has[row]);
    }
}

static void
all_attacks(void)
{
    char *names[MAX_FIXTURES];
    int count = 0;
    DIR *d = opendir(folder);
    CHECK(d != NULL);
    for (struct dirent *e; d && (e = readdir(d)) && count < MAX_FIXTURES;)
        if (strstr(e->d_name, ".lua")) names[count++] = strdup(e->d_name);
    if (d) (void)closedir(d);
    qsort(names, (size_t)count, sizeof *names, by_name);
    CHECK(count > 0 && count < MAX_FIXTURES);
    check_rows(names, count);
    for (int i = 0; i < count; i++) {
        for (attack_mode mode = HOOKS; mode < MODES && strstr(names[i], only_name); mode++)
            if (strstr(mode_names[mode], only_mode) && (mode != WATCHDOG || watchdog.on)) attack(names[i], mode);
        free(names[i]);
    }
}

/* ---- the walk ---- */

/* Writes a line for each C function that can be reached, by the path on which it was met first. */
static const char walk[] =
    "local M = {}\n"
    "function M.walk()\n"
    "  local seen, found, queue = {}, {}, {}\n"
    "  local function visit(value, path)\n"
    "    local kind = type(value)\n"
    "    if kind ~= 'table' and kind ~= 'function' and kind ~= 'userdata' and kind ~= 'thread' then return end\n"
    "    if seen[value] then return end\n"
    "    seen[value] = true\n"
    "    if kind == 'function' then found[#found + 1] = path end\n"
    "    if kind == 'table' then queue[#queue + 1] = {value, path} end\n"
    "    local meta = getmetatable(value)\n"
    "    if meta then visit(meta, path .. '<meta>') end\n"
    "  end\n"
    "  visit(_G, '_G')\n"
    "  visit(getmetatable(''), 'string<meta>')\n"
    "  visit(getmetatable(print) or {}, 'function<meta>')\n"
    "  visit(string.gmatch('a', 'a'), 'string.gmatch()')\n"
    "  visit(coroutine.wrap(print), 'coroutine.wrap()')\n"
    "  visit((utf8.codes('a')), 'utf8.codes()')\n"
    "  visit((utf8.codes('a', true)), 'utf8.codes(lax)')\n"
    "  visit((pairs({})), 'pairs()')\n"
    "  visit((ipairs({})), 'ipairs()')\n"
    "  local at = 1\n"
    "  while queue[at] do\n"
    "    local t, path = queue[at][1], queue[at][2]\n"
    "    local keys = {}\n"
    "    for k in next, t do keys[#keys + 1] = k end\n"
    "    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)\n"
    "    for _, k in ipairs(keys) do visit(k, path .. '<key>') visit(t[k], path .. '.' .. tostring(k)) end\n"
    "    at = at + 1\n"
    "  end\n"
    "  table.sort(found)\n"
    "  return table.concat(found, '\\n') .. '\\n'\n"
    "end\n"
    "return M";

/* Whether one line of `list` is exactly this name. */
static bool
listed(const char *list, const char *name, size_t len)
{
    for (const char *line = list; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, len) == 0 && line[len] == '\n') return true;
    return false;
}

static void
walk_globals(sy__profile profile, const char *list)
{
    size_t len;
    char *allowed = read_fixture(list, &len);
    sy__isolate_options o = {
        .alloc = &sy__alloc_default, .clock = &sy__clock_system, .name = "walk", .profile = profile};
    sy__isolate *iso;
    sy__error err = {0};
    CHECK_INT(sy__isolate_new(&iso, &o, &err), SY_OK);
    CHECK_INT(sy__isolate_load(iso, walk, sizeof walk - 1, "walk.lua", 0, &err), SY_OK);
    sy__call call = {.operation = "walk"};
    CHECK_INT(sy__isolate_call(iso, &call), SY_OK);
    sy__value v;
    size_t text_len = 0;
    CHECK_INT(sy__vbuf_done(&call.output, &v), SY_OK);
    const char *text = sy__value_str(v, &text_len);
    CHECK(text_len > 1000); /* the walk went somewhere */
    for (const char *line = text; line && line < text + text_len;) {
        size_t n = (size_t)((const char *)memchr(line, '\n', (size_t)(text + text_len - line)) - line);
        bool is_allowed = listed(allowed, line, n);
        if (!is_allowed) (void)fprintf(stderr, "reached: %.*s\n", (int)n, line);
        CHECK(is_allowed);
        line += n + 1;
    }
    sy__call_close(&call);
    sy__isolate_free(iso);
    free(allowed);
}

static void *
run_all(void *ud)
{
    (void)ud;
    (void)sy__watchdog_begin(&watchdog, sy__watchdog_free_signal());
    all_attacks();
    sy__watchdog_end(&watchdog);
    walk_globals(SY__PROFILE_EXTENSION, "../allowed_globals.txt");
    walk_globals(SY__PROFILE_MELODY, "../allowed_in_melodies.txt");
    return NULL;
}

/* In a thread with the smallest stack that threads of the library have; sanitizers make frames larger. */
int
main(int argc, char **argv)
{
    static const sy__isolate_module modules[] = {{NULL, NULL, 0}};
    char here[] = __FILE__;
    pthread_attr_t attr;
    pthread_t thread;
    sy__error err = {0};
    if (argc == 2 && strcmp(argv[1], SY__CELL_MODE) == 0) return sy__cell_main(modules);
    if (argc > 1) only_name = argv[1];
    if (argc > 2) only_mode = argv[2];
    (void)snprintf(folder, sizeof folder, "%s/hostile", dirname(here));
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    int signum = sy__watchdog_free_signal();
#ifndef __SANITIZE_THREAD__
    CHECK(signum > 0);
#endif
    if (signum) CHECK_INT(sy__watchdog_take(signum, &err), SY_OK);
    CHECK_INT(pthread_attr_init(&attr), 0);
    CHECK_INT(pthread_attr_setstacksize(&attr, (size_t)SY_MIN_STACK_BYTES * (SLACK > 1 ? 8 : 1)), 0);
    CHECK_INT(pthread_create(&thread, &attr, run_all, NULL), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    TEST_END();
}
