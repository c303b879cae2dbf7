/*
 * hostile_test.c: every attack of spec/kit/hostile, with 64 MiB and 0.3 s of CPU: the host survives, the call ends
 * within the budget and 250 ms, the state closes within 100 ms. Times are the thread's CPU time, so that a busy
 * machine does not fail the test (lines of the log are allowed by wall time, each with a line about those dropped);
 * the sanitizers get more. The stack is the smallest that a thread of ours has.
 *
 * Then a walk from _G over every table, metatable and function reaches nothing outside of allowed_globals.txt.
 */
#include "base/bounds.h"
#include "kit/isolate.h"

#include "test.h"

#include <dirent.h>
#include <lauxlib.h>
#include <libgen.h>
#include <pthread.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLACK = 8 };
#else
enum { SLACK = 1 };
#endif
enum { CPU_MS = 300, OVER_MS = 250, CLOSE_MS = 100, MAX_FIXTURES = 100, LINES_AT_ONCE = 200, LINES_PER_SECOND = 200 };

static char folder[1024];

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

static void
attack(const char *name)
{
    size_t len;
    char *text = read_fixture(name, &len);
    int want = expected_code(text);
    /* Where memory is to run out, time must not: a busy machine decides which of two close limits comes first. */
    int cpu_ms = want == SY_EMEMORY ? 10 * CPU_MS : CPU_MS;
    sy__log log;
    sy__log_init(&log, &sy__clock_system);
    log.sink = count_line;
    logged = 0;
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .log = &log,
                             .name = name,
                             .profile = SY__PROFILE_EXTENSION,
                             .memory_bytes = 64 << 20};
    sy__isolate *iso;
    sy__error err = {0};
    CHECK_INT(sy__isolate_new(&iso, &o, &err), SY_OK);
    CHECK_INT(sy__isolate_load(iso, text, len, name, cpu_ms, &err), SY_OK);
    sy__call call = {.operation = "attack", .cpu_ms = cpu_ms};
    int64_t began_ms = sy__mono_ms(&sy__clock_system), start = sy__thread_cpu_ns();
    int rc = sy__isolate_call(iso, &call);
    int64_t called = sy__thread_cpu_ns(), wall_ms = sy__mono_ms(&sy__clock_system) - began_ms;
    bool held = sy__isolate_bytes(iso) < (66 << 20);
    sy__isolate_free(iso);
    int64_t freed = sy__thread_cpu_ns();
    int64_t ran_ms = (called - start) / 1000000, closed_ms = (freed - called) / 1000000;
    (void)printf("%-26s %4lld ms, closed in %3lld ms, %s\n", name, (long long)ran_ms, (long long)closed_ms,
                 rc ? call.error.message : "ok");
    if (want <= 0 && rc != want) (void)fprintf(stderr, "%s: %s\n", name, call.error.message);
    if (want <= 0) CHECK_INT(rc, want);
    CHECK(held);
    CHECK(ran_ms < (cpu_ms + OVER_MS) * SLACK);
    CHECK(closed_ms < CLOSE_MS * SLACK);
    CHECK(logged <= LINES_AT_ONCE + LINES_PER_SECOND * (wall_ms / 1000 + 1));
    sy__call_close(&call);
    sy__log_close(&log);
    free(text);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
all_attacks(const char *only)
{
    char *names[MAX_FIXTURES];
    int count = 0;
    DIR *d = opendir(folder);
    CHECK(d != NULL);
    for (struct dirent *e; d && (e = readdir(d)) && count < MAX_FIXTURES;)
        if (strstr(e->d_name, ".lua") && strstr(e->d_name, only)) names[count++] = strdup(e->d_name);
    if (d) (void)closedir(d);
    qsort(names, (size_t)count, sizeof *names, by_name);
    CHECK(count > 0);
    for (int i = 0; i < count; i++) {
        attack(names[i]);
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
walk_globals(void)
{
    size_t len;
    char *allowed = read_fixture("../allowed_globals.txt", &len);
    sy__isolate_options o = {.alloc = &sy__alloc_default, .clock = &sy__clock_system, .name = "walk"};
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
run_all(void *only)
{
    all_attacks(only);
    walk_globals();
    return NULL;
}

/* In a thread with the smallest stack that threads of the library have; sanitizers make frames larger. */
int
main(int argc, char **argv)
{
    char here[] = __FILE__, everything[] = "";
    pthread_attr_t attr;
    pthread_t thread;
    (void)snprintf(folder, sizeof folder, "%s/hostile", dirname(here));
    CHECK_INT(pthread_attr_init(&attr), 0);
    CHECK_INT(pthread_attr_setstacksize(&attr, (size_t)SY_MIN_STACK_BYTES * (SLACK > 1 ? 8 : 1)), 0);
    CHECK_INT(pthread_create(&thread, &attr, run_all, argc > 1 ? argv[1] : everything), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    TEST_END();
}
