/* stdlib_test.c: the library as an isolate sees it: capabilities, deadlines, memory. */
#include "bind/stdlib.h"

#include "test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char project[64];
static char last[1024]; /* the last error's message */

static sy__caps *
caps_of(const char *json)
{
    sy__vbuf b;
    sy__value v;
    sy__caps *c = NULL;
    sy__error err = {0};
    sy__vbuf_init(&b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&b, json, strlen(json), &err), SY_OK);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
    CHECK_INT(sy__caps_new(&c, &sy__alloc_default, v, project, &err), SY_OK);
    CHECK_STR(err.message, "");
    sy__vbuf_close(&b);
    return c;
}

/* Runs a chunk in a fresh isolate; *json is its result. Returns the status. */
static int
run(const char *caps_json, sy__profile profile, const char *source, int64_t cpu_ms, sy__buf *json)
{
    sy__caps *caps = caps_of(caps_json);
    sy__isolate_options o = {.alloc = &sy__alloc_default,
                             .clock = &sy__clock_system,
                             .name = "test",
                             .profile = profile,
                             .caps = caps,
                             .modules = sy__stdlib_modules};
    sy__isolate *iso = NULL;
    sy__error err = {0};
    sy__vbuf out;
    sy__value v;
    sy__vbuf_init(&out, &sy__alloc_default);
    int status = sy__isolate_new(&iso, &o, &err);
    if (!status) status = sy__isolate_eval(iso, source, strlen(source), "test.lua", (sy__value){0}, cpu_ms, &out, &err);
    if (!status) status = sy__vbuf_done(&out, &v);
    if (!status) sy__value_to_json(v, SY__JSON_COMPACT | SY__JSON_LOSSY, json);
    (void)snprintf(last, sizeof last, "%s", err.message);
    sy__vbuf_close(&out);
    sy__isolate_free(iso);
    sy__caps_release(caps);
    return status;
}

static void
gives(const char *caps, const char *source, const char *want)
{
    sy__buf json;
    sy__buf_init(&json, &sy__alloc_default);
    CHECK_INT(run(caps, SY__PROFILE_EXTENSION, source, 5000, &json), SY_OK);
    CHECK_STR(last, "");
    CHECK_STR(sy__buf_cstr(&json), want);
    sy__buf_close(&json);
}

static void
ends(const char *source, int64_t cpu_ms, int code)
{
    sy__buf json;
    sy__buf_init(&json, &sy__alloc_default);
    int64_t start = sy__thread_cpu_ns(); /* not wall time: the machine may be busy */
    CHECK_INT(run("null", SY__PROFILE_EXTENSION, source, cpu_ms, &json), code);
    int64_t took = (sy__thread_cpu_ns() - start) / 1000000;
    if (took > cpu_ms + 2000) (void)fprintf(stderr, "%lld ms: %s\n", (long long)took, source);
    CHECK(took <= cpu_ms + 2000); /* what sanitizers cost, included */
    sy__buf_close(&json);
}

static const char all[] = "{\"fs\":{\"read\":[\"$PROJECT/**\"],\"write\":[\"$PROJECT/**\"]}}";

static void
modules_answer(void)
{
    gives("null", "return require 'json'.decode '[1,{}]'", "[1,{}]");
    gives("null", "local j = require 'json' return j.encode{b = j.null, a = j.array{}}",
          "\"{\\\"a\\\":[],\\\"b\\\":null}\"");
    gives("null", "return require 're'.compile('b(.)'):match 'abc'", "\"c\"");
    gives("null", "return require 'hash'.hex 'a'", "\"61\"");
    gives("null", "return require 'text'.width 'é'", "1");
    gives("null", "return require 'time'.iso(0)", "\"1970-01-01T00:00:00.000Z\"");
    gives("null", "return math.type(require 'time'.now_ms())", "\"integer\"");
    gives("null", "return require 'schema'.check({properties = {a = {default = 1}}}, {})", "{\"a\":1}");
    gives("null", "return {select(2, require 'toml'.decode 'a = ')}",
          "[\"line 1, column 5: Error while parsing key-value pair: "
          "encountered end-of-file\",\"manifest_invalid\",1]");
    gives("null", "require 'log'.info 'said' return true", "true");
}

static void
files_need_capabilities(void)
{
    gives("null", "return {select(2, require 'fs'.read 'a.txt')}",
          "[\"may not read `a.txt`: it was not granted; add  fs.read = [\\\"$PROJECT/a.txt\\\"]  to Symphony.toml\","
          "\"permission_denied\"]");
    gives(all, "return require 'fs'.read 'a.txt'", "\"text\"");
    gives(all, "return (select(3, require 'fs'.read '/etc/passwd'))", "\"permission_denied\"");
    gives(all, "return (select(3, require 'fs'.read '.symphony/db'))", "\"permission_denied\"");
    gives(all, "return (select(3, require 'fs'.read 'none'))", "\"not_found\"");
    gives(all, "return (select(3, require 'fs'.read 'out_link'))", "\"permission_denied\"");
    gives(all, "return require 'fs'.realpath == nil and require 'fs'.rmtree == nil", "true");
}

static void
files_are_written(void)
{
    gives(all,
          "local fs = require 'fs' assert(fs.mkdir 'x/y') assert(fs.write('x/y/f', 'one')) "
          "assert(fs.append('x/y/f', '+')) assert(fs.copy('x/y/f', 'x/g')) assert(fs.move('x/g', 'x/h')) "
          "assert(fs.remove 'x/y/f') return {fs.read 'x/h', fs.exists 'x/y/f', fs.stat('x/h').size}",
          "[\"one+\",false,4]");
    gives(all, "local fs = require 'fs' return {fs.list 'x'}",
          "[[{\"name\":\"h\",\"type\":\"file\"},{\"name\":\"y\",\"type\":\"directory\"}]]");
    gives(all, "return require 'fs'.glob '**'", "[\"a.txt\",\"x/h\"]");
    gives(all, "return require 'fs'.glob('*.txt', {dir = '.', stat = true})[1].size", "4");
    gives(all, "return (select(3, require 'fs'.write('.git/config', '')))", "\"permission_denied\"");
    gives(all, "return (select(3, require 'fs'.write('out_link', '')))", "\"permission_denied\"");
    gives(all, "return (select(3, require 'fs'.write('extensions/x.lua', '')))", "\"permission_denied\"");
    gives(all, "return (select(3, require 'fs'.move('x', 'melodies')))", "\"permission_denied\"");
    gives(all, "return (select(3, require 'fs'.mkdir('../y')))", "\"permission_denied\"");
    gives("{\"fs\":{\"read\":[\"**\"],\"write\":[\"*\"]}}", "return (select(3, require 'fs'.move('x', 'z')))",
          "\"permission_denied\"");
    gives("{\"fs\":{\"write\":[\"**\"]}}", "return (select(3, require 'fs'.move('a.txt', 'b.txt')))",
          "\"permission_denied\"");
}

static void
melodies_see_what_is_pure(void)
{
    sy__buf json;
    sy__buf_init(&json, &sy__alloc_default);
    CHECK_INT(run("null", SY__PROFILE_MELODY, "return require 'json'.encode(1)", 300, &json), SY_OK);
    CHECK(run("null", SY__PROFILE_MELODY, "return require 'fs'", 300, &json) != SY_OK);
    CHECK(run("null", SY__PROFILE_MELODY, "return require 'time'", 300, &json) != SY_OK);
    CHECK(run("null", SY__PROFILE_MELODY, "return require 'process'", 300, &json) != SY_OK);
    sy__buf_close(&json);
}

static void
long_work_is_ended(void)
{
    ends("local r = require 're'.compile 'a.*b' local s = ('a'):rep(1 << 20) while true do r:test(s) end", 300,
         SY_ETIMEOUT);
    ends("local r = require 're'.compile '(?:a?){30}a{30}x' local s = ('a'):rep(1 << 20) "
         "while true do pcall(r.test, r, s) end",
         300, SY_ETIMEOUT);
    ends("local r = require 're'.compile 'a*' local s = ('ab'):rep(1 << 18) while true do r:gsub(s, '') end", 300,
         SY_ETIMEOUT);
    ends("local h, s = require 'hash', ('a'):rep(1 << 22) while true do pcall(h.sha256, s) end", 300, SY_ETIMEOUT);
    ends("local j, s = require 'json', '[' .. ('0,'):rep(1 << 18) .. '0]' while true do pcall(j.decode, s) end", 300,
         SY_ETIMEOUT);
    ends("local t, s = require 'text', ('é'):rep(1 << 20) while true do pcall(t.width, s) end", 300, SY_ETIMEOUT);
    ends("local c = require 'schema'.compile{type = 'array', uniqueItems = true} local t = {} "
         "for i = 1, 10000 do t[i] = i end while true do pcall(c.check, c, t) end",
         300, SY_ETIMEOUT);
}

static void
memory_is_counted(void)
{
    ends("local r, t = require 're', {} for i = 1, 1e6 do t[i] = assert(r.compile('(?i)' .. ('[a-z]x'):rep(500) .. i)) "
         "end",
         20000, SY_EMEMORY);
    ends("local j = require 'json' local t = {} for i = 1, 1e6 do t[i] = j.decode('[[],[],[],[],[],[],[],[]]') end",
         20000, SY_EMEMORY);
}

static void
nothing_is_shared_with_the_extension(void)
{
    gives("null",
          "return {getmetatable(require 're'.compile 'a'), getmetatable(require 'schema'.compile{}), "
          "getmetatable(require 'json'.array{})}",
          "[false,false,false]");
    gives("null",
          "return {(pcall(require 're'.compile('a').test, {}, 'a')), "
          "(pcall(require 'schema'.compile({}).check, io, 1))}",
          "[false,false]");
}

static void
make_project(void)
{
    static const char *const folders[] = {".symphony", ".git"};
    (void)strcpy(project, "/tmp/sy_stdlib_XXXXXX");
    CHECK(mkdtemp(project) != NULL);
    CHECK(chdir(project) == 0);
    for (size_t i = 0; i < 2; i++) CHECK(mkdir(folders[i], 0755) == 0);
    FILE *f = fopen("a.txt", "w");
    CHECK(f && fputs("text", f) >= 0 && fclose(f) == 0);
    CHECK(symlink("/etc/hostname", "out_link") == 0);
    CHECK(chdir("/") == 0);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

int
main(void)
{
    make_project();
    modules_answer();
    files_need_capabilities();
    files_are_written();
    melodies_see_what_is_pure();
    long_work_is_ended();
    memory_is_counted();
    nothing_is_shared_with_the_extension();
    CHECK(nftw(project, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
    TEST_END();
}
