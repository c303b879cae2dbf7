/* caps_test.c: what was granted, and that no path leads around it. */
#include "kit/caps.h"

#include "failing_alloc.h"
#include "kit/beneath.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64], project[128], outside[128];

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

static void
put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    if (!f) return;
    CHECK(fputs(text, f) >= 0);
    CHECK(fclose(f) == 0);
}

/* project: src/a.txt .symphony/symphony.db .git/config melodies/ sub/melodies/ ; outside: secret.txt ; links */
static void
make_tree(void)
{
    static const char *const folders[] = {"", "/src", "/.symphony", "/.git", "/melodies", "/sub", "/sub/melodies"};
    (void)strcpy(top, "/tmp/sy_caps_XXXXXX");
    CHECK(mkdtemp(top) != NULL);
    (void)snprintf(project, sizeof project, "%s/project", top);
    (void)snprintf(outside, sizeof outside, "%s/outside", top);
    CHECK(mkdir(outside, 0755) == 0);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s%s", project, folders[i]);
        CHECK(mkdir(path, 0755) == 0);
    }
    CHECK(chdir(project) == 0);
    put_file("src/a.txt", "a");
    put_file(".symphony/symphony.db", "db");
    put_file(".git/config", "[core]");
    put_file("../outside/secret.txt", "secret");
    CHECK(symlink("src/a.txt", "inside_link") == 0);
    CHECK(symlink("../outside/secret.txt", "outside_link") == 0);
    CHECK(symlink("../outside", "outside_folder") == 0);
    CHECK(symlink(".symphony", "state_link") == 0);
    CHECK(symlink(".git", "git_link") == 0);
    CHECK(symlink("src", "src_link") == 0);
    CHECK(symlink("/etc/passwd", "absolute_link") == 0);
    CHECK(symlink("/proc/self/root", "magic_link") == 0);
    CHECK(mkfifo("pipe", 0600) == 0);
    CHECK(chdir("/") == 0);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

/* Opens, closes, and gives 0 or the code; *hint as the error has it. */
static int
try_open(const sy__caps *c, sy__access access, const char *path, int flags, sy__error *err)
{
    sy__error_clear(err);
    int fd = sy__caps_open(c, access, path, flags, 0644, err);
    if (fd >= 0) CHECK(close(fd) == 0);
    return fd >= 0 ? SY_OK : fd;
}

static int
reads(const sy__caps *c, const char *path)
{
    sy__error err;
    return try_open(c, SY__READ, path, O_RDONLY, &err);
}

static int
writes(const sy__caps *c, const char *path)
{
    sy__error err;
    return try_open(c, SY__WRITE, path, O_WRONLY | O_CREAT, &err);
}

static void
nothing_is_granted_by_default(void)
{
    sy__caps *c = caps_of("null");
    sy__error err;
    CHECK_INT(try_open(c, SY__READ, "src/a.txt", O_RDONLY, &err), SY_EPERM);
    CHECK_STR(err.message, "may not read `src/a.txt`: it was not granted");
    CHECK_STR(err.hint, "add  fs.read = [\"$PROJECT/src/a.txt\"]  to Symphony.toml");
    CHECK(!sy__caps_process(c, "git") && !sy__caps_env(c, "HOME") && !sy__caps_net(c, "localhost", 80));
    CHECK(!sy__caps_secret(c, "key") && !sy__caps_editor(c, "read"));
    CHECK_INT(sy__caps_memory_bytes(c), 64 << 20);
    CHECK_INT(sy__caps_cpu_ms(c), 2000);
    CHECK_INT(sy__caps_timeout_ms(c), 30000);
    sy__caps_release(c);
}

static void
reading_the_project(void)
{
    sy__caps *c = caps_of("{\"fs\":{\"read\":[\"$PROJECT/**\"]}}");
    char absolute[256];
    (void)snprintf(absolute, sizeof absolute, "%s/src/a.txt", project);
    CHECK_INT(reads(c, "src/a.txt"), SY_OK);
    CHECK_INT(reads(c, "."), SY_OK);
    CHECK_INT(reads(c, "src/../src//./a.txt"), SY_OK);
    CHECK_INT(reads(c, absolute), SY_OK);
    CHECK_INT(reads(c, ".git/config"), SY_OK);
    CHECK_INT(reads(c, "inside_link"), SY_OK);
    CHECK_INT(reads(c, "src_link/a.txt"), SY_OK);
    CHECK_INT(reads(c, "src/none.txt"), SY_ENOTFOUND);
    CHECK_INT(writes(c, "src/a.txt"), SY_EPERM);
    CHECK_INT(reads(c, ".symphony/symphony.db"), SY_EPERM);
    CHECK_INT(reads(c, "src/../.symphony/symphony.db"), SY_EPERM);
    CHECK_INT(reads(c, "state_link/symphony.db"), SY_EPERM);
    CHECK_INT(reads(c, "outside_link"), SY_EPERM);
    CHECK_INT(reads(c, "outside_folder/secret.txt"), SY_EPERM);
    CHECK_INT(reads(c, "absolute_link"), SY_EPERM);
    CHECK_INT(reads(c, "magic_link/etc/passwd"), SY_EPERM);
    CHECK_INT(reads(c, "../outside/secret.txt"), SY_EPERM);
    CHECK_INT(reads(c, "/etc/passwd"), SY_EPERM);
    CHECK_INT(reads(c, "pipe"), SY_EPERM);
    CHECK_INT(reads(c, ""), SY_EINVAL);
    sy__caps_release(c);
}

static void
writing_the_project(void)
{
    sy__caps *c = caps_of("{\"fs.write\":[\"$PROJECT/**\"]}");
    CHECK_INT(writes(c, "src/new.txt"), SY_OK);
    CHECK_INT(writes(c, "src_link/newer.txt"), SY_OK);
    CHECK_INT(writes(c, "sub/melodies/x.lua"), SY_OK);
    CHECK_INT(writes(c, "inside_link"), SY_EPERM);
    CHECK_INT(writes(c, "outside_link"), SY_EPERM);
    CHECK_INT(writes(c, "outside_folder/new.txt"), SY_EPERM);
    CHECK_INT(writes(c, ".git/config"), SY_EPERM);
    CHECK_INT(writes(c, "git_link/config"), SY_EPERM);
    CHECK_INT(writes(c, "git_link/hooks"), SY_EPERM);
    CHECK_INT(writes(c, "sub/.git/config"), SY_EPERM);
    CHECK_INT(writes(c, "melodies/x.lua"), SY_EPERM);
    CHECK_INT(writes(c, "extensions/x/init.lua"), SY_EPERM);
    CHECK_INT(writes(c, "sub/Symphony.toml"), SY_EPERM);
    CHECK_INT(writes(c, ".symphony/config.toml"), SY_EPERM);
    CHECK(access("/tmp/none", F_OK) != 0);
    sy__caps_release(c);
    char path[256];
    (void)snprintf(path, sizeof path, "%s/new.txt", outside);
    CHECK(access(path, F_OK) != 0 && errno == ENOENT);
    (void)snprintf(path, sizeof path, "%s/.git/hooks", project);
    CHECK(access(path, F_OK) != 0 && errno == ENOENT);
}

static void
a_grant_that_names_it(void)
{
    sy__caps *c = caps_of(
        "{\"fs\":{\"write\":[\"$PROJECT/.git/**\",\"melodies/*.lua\"],\"read\":[\"$PROJECT/.symphony/out/*\"]}}");
    CHECK_INT(writes(c, ".git/config"), SY_OK);
    CHECK_INT(writes(c, "git_link/config"), SY_EPERM); /* the text `git_link` is granted by nothing */
    CHECK_INT(writes(c, "melodies/x.lua"), SY_OK);
    CHECK_INT(writes(c, "melodies/deep/x.lua"), SY_EPERM);
    CHECK_INT(writes(c, "melodies/x.txt"), SY_EPERM);
    CHECK_INT(writes(c, "src/a.txt"), SY_EPERM);
    CHECK_INT(reads(c, ".symphony/out/x"), SY_ENOTFOUND);
    CHECK_INT(reads(c, ".symphony/symphony.db"), SY_EPERM);
    sy__caps_release(c);
}

static void
absolute_grants(void)
{
    char json[512], path[256];
    (void)snprintf(json, sizeof json, "{\"fs\":{\"read\":[\"%s/*.txt\"],\"write\":[\"%s/later/**\"]}}", outside,
                   outside);
    sy__caps *c = caps_of(json);
    (void)snprintf(path, sizeof path, "%s/secret.txt", outside);
    CHECK_INT(reads(c, path), SY_OK);
    CHECK_INT(reads(c, "../outside/secret.txt"), SY_OK);
    CHECK_INT(reads(c, "outside_link"), SY_EPERM);
    (void)snprintf(path, sizeof path, "%s/later/x", outside);
    CHECK_INT(writes(c, path), SY_ENOTFOUND);
    (void)snprintf(path, sizeof path, "%s/later", outside);
    CHECK(mkdir(path, 0755) == 0);
    (void)snprintf(path, sizeof path, "%s/later/x", outside);
    CHECK_INT(writes(c, path), SY_OK);
    sy__caps_release(c);
}

static void
parents(void)
{
    sy__caps *c = caps_of("{\"fs\":{\"write\":[\"src/**\"]}}");
    const char *name = NULL;
    sy__error err = {0};
    int fd = sy__caps_open_parent(c, SY__WRITE, "src/x/../b.txt", &name, &err);
    CHECK(fd >= 0);
    CHECK_STR(name, "b.txt");
    CHECK(close(fd) == 0);
    CHECK_INT(sy__caps_open_parent(c, SY__WRITE, "src/..", &name, &err), SY_EINVAL);
    CHECK_INT(sy__caps_open_parent(c, SY__WRITE, "src/", &name, &err), SY_EINVAL);
    CHECK_INT(sy__caps_open_parent(c, SY__WRITE, "lib/x", &name, &err), SY_EPERM);
    CHECK_INT(sy__caps_open_parent(c, SY__WRITE, "src/none/x", &name, &err), SY_ENOTFOUND);
    CHECK(sy__caps_allows(c, SY__WRITE, "src/anything") && !sy__caps_allows(c, SY__READ, "src/anything"));
    sy__caps_release(c);
    c = caps_of("{\"fs\":{\"write\":[\"$PROJECT/**\"]}}");
    CHECK(sy__caps_open_parent(c, SY__WRITE, project, &name, &err) < 0);
    sy__caps_release(c);
}

static void
stepping_needs_no_openat2(void)
{
    int root = open(project, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = sy__open_steps(root, "src/a.txt", O_RDONLY, 0);
    CHECK(fd >= 0);
    CHECK(close(fd) == 0);
    fd = sy__open_steps(root, "", O_PATH, 0);
    CHECK(fd >= 0);
    CHECK(close(fd) == 0);
    CHECK(sy__open_steps(root, "src_link/a.txt", O_RDONLY, 0) < 0);
    CHECK_INT(sy__open_steps(root, "inside_link", O_RDONLY, 0), -ELOOP);
    CHECK_INT(sy__open_steps(root, "../outside", O_RDONLY, 0), -EXDEV);
    CHECK(close(root) == 0);
}

static void
globs(void)
{
    static const struct {
        const char *pattern, *path;
        bool fits;
    } cases[] = {
        {"**", "", true},
        {"**", "a/b", true},
        {"*", "a", true},
        {"*", "a/b", false},
        {"src/**", "src", true},
        {"src/**", "src/a/b", true},
        {"src/**", "srcs", false},
        {"**/*.c", "a.c", true},
        {"**/*.c", "x/y/a.c", true},
        {"**/*.c", "x/a.h", false},
        {"a/**/z", "a/z", true},
        {"a/**/z", "a/b/c/z", true},
        {"a/**/z", "a/b/c", false},
        {"?.c", "a.c", true},
        {"?.c", ".c", false},
        {"[a-c]x", "bx", true},
        {"[!a-c]x", "bx", false},
        {"[]]", "]", true},
        {"[", "[", true},
        {"a*b*c", "aXbYc", true},
        {"a*b*c", "aXbY", false},
        {"", "", true},
        {"", "a", false},
        {"**/b/**/d", "a/b/c/b/d", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool got = sy__glob_match(cases[i].pattern, cases[i].path);
        if (got != cases[i].fits) (void)fprintf(stderr, "%s %s\n", cases[i].pattern, cases[i].path);
        CHECK(got == cases[i].fits);
    }
    CHECK(sy__glob_reaches("src/**/*.c", "src/a/b") && sy__glob_reaches("src/*.c", "src") &&
          sy__glob_reaches("*/x", ""));
    CHECK(!sy__glob_reaches("src/*.c", "src/a") && !sy__glob_reaches("src/**", "lib") && !sy__glob_reaches("*", "src"));
}

static void
other_capabilities(void)
{
    sy__caps *c = caps_of(
        "{\"process\":[\"git\"],\"net\":[\"api.example.org:443\",\"*.example.net:*\"],\"env\":[\"CI_*\",\"HOME\"],"
        "\"secrets\":[\"key\"],\"editor\":[\"read\"],\"memory\":\"1 GiB\",\"cpu\":\"500ms\",\"timeout\":\"2m\"}");
    CHECK(sy__caps_process(c, "git") && !sy__caps_process(c, "gi") && !sy__caps_process(c, ""));
    CHECK(sy__caps_net(c, "API.example.org", 443) && !sy__caps_net(c, "api.example.org", 80));
    CHECK(sy__caps_net(c, "a.example.net", 1) && !sy__caps_net(c, "example.net", 1) &&
          !sy__caps_net(c, "xexample.net", 1));
    CHECK(sy__caps_env(c, "CI_JOB") && sy__caps_env(c, "HOME") && !sy__caps_env(c, "PATH"));
    CHECK(sy__caps_secret(c, "key") && sy__caps_editor(c, "read") && !sy__caps_editor(c, "edit"));
    CHECK_INT(sy__caps_memory_bytes(c), 1 << 30);
    CHECK_INT(sy__caps_cpu_ms(c), 500);
    CHECK_INT(sy__caps_timeout_ms(c), 120000);
    CHECK_STR(sy__caps_project_dir(c), project);
    sy__caps_release(sy__caps_hold(c));
    sy__caps_release(c);
}

static void
bad_capabilities_are_refused(void)
{
    static const char *const bad[][3] = {
        {"{\"proces\":[]}", "there is no capability `proces`", "did you mean `process`?"},
        {"{\"fs\":{\"reed\":[]}}", "there is no capability `fs.reed`", "did you mean `fs.read`?"},
        {"{\"process\":\"git\"}", "capability `process` must be a list of strings", ""},
        {"{\"net\":[\"example.org\"]}", "capability `net`: write \"example.org\" as \"host:port\"", ""},
        {"{\"net\":[\"h:99999\"]}", "capability `net`: write \"h:99999\" as \"host:port\"", ""},
        {"{\"memory\":\"lots\"}", "capability `memory` must be like \"64MiB\"", ""},
        {"{\"cpu\":\"2\"}", "capability `cpu` must be like \"2s\" or \"500ms\"", ""},
        {"{\"fs.read\":[\"$ROOT/x\"]}", "`$ROOT/x`: a path starts with $PROJECT, $HOME, $CACHE, $TMP or /", ""},
        {"[1]", "capabilities must be a table", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sy__vbuf b;
        sy__value v;
        sy__caps *c = NULL;
        sy__error err = {0};
        sy__vbuf_init(&b, &sy__alloc_default);
        CHECK_INT(sy__value_from_json(&b, bad[i][0], strlen(bad[i][0]), &err), SY_OK);
        CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
        CHECK_INT(sy__caps_new(&c, &sy__alloc_default, v, project, &err), SY_EMANIFEST);
        CHECK_STR(err.message, bad[i][1]);
        CHECK_STR(err.hint, bad[i][2]);
        CHECK(c == NULL);
        sy__vbuf_close(&b);
    }
}

static void
a_failed_allocation_is_reported(void)
{
    sy__vbuf b;
    sy__value v;
    sy__error why = {0};
    const char *json =
        "{\"fs\":{\"read\":[\"$PROJECT/**\",\"/etc/*\",\"$TMP/x/**\"],\"write\":[\"a\"]},\"process\":[\"git\",\"sh\"]}";
    sy__vbuf_init(&b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&b, json, strlen(json), &why), SY_OK);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
    WITH_EACH_FAILURE(f, a, {
        sy__caps *c = NULL;
        sy__error err = {0};
        int status = sy__caps_new(&c, &a, v, project, &err);
        if (!status) {
            int fd = sy__caps_open(c, SY__READ, "src/a.txt", O_RDONLY, 0, &err);
            if (fd >= 0) CHECK(close(fd) == 0);
            status = fd < 0 ? fd : SY_OK;
        }
        CHECK_INT(status, f.failed ? SY_ENOMEM : SY_OK);
        sy__caps_release(c);
    });
    sy__vbuf_close(&b);
}

static void
what_the_person_took_away_is_said(void)
{
    sy__caps *c =
        caps_of("{\"fs.read\":[\"$PROJECT/src/**\"],\"extension\":\"acme/x\",\"asked\":{\"fs.read\":[\"$PROJECT/**\"],"
                "\"process\":[\"git\"],\"net\":[\"*:443\"],\"env\":[\"A*\"],\"secrets\":[\"key\"]}}");
    static const char *const asked[][2] = {
        {"fs.read", "sub"}, {"process", "git"}, {"net", "example.org:443"}, {"env", "AB"}, {"secrets", "key"}};
    static const char *const not_asked[][2] = {{"fs.read", "/etc/passwd"},
                                               {"fs.write", "src/a.txt"},
                                               {"process", "sh"},
                                               {"net", "example.org:80"},
                                               {"net", "443"},
                                               {"env", "B"},
                                               {"secrets", "other"},
                                               {"editor", "read"}};
    sy__error err = {0};
    CHECK(!sy__caps_process(c, "git") && !sy__caps_net(c, "example.org", 443) && !sy__caps_env(c, "AB"));
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        CHECK(sy__caps_withheld(c, asked[i][0], asked[i][1], &err));
    for (size_t i = 0; i < sizeof not_asked / sizeof not_asked[0]; i++)
        CHECK(!sy__caps_withheld(c, not_asked[i][0], not_asked[i][1], &err));
    CHECK_INT(sy__caps_open(c, SY__READ, "sub", O_RDONLY, 0, &err), SY_EPERM);
    CHECK_STR(err.hint,
              "its manifest asks for it and you took it away: symphony ext permissions acme/x --allow fs.read");
    CHECK_INT(sy__caps_open(c, SY__READ, "/etc/passwd", O_RDONLY, 0, &err), SY_EPERM);
    CHECK_STR(err.hint, "add  fs.read = [\"/etc/passwd\"]  to Symphony.toml");
    sy__caps_release(c);
}

int
main(void)
{
    make_tree();
    nothing_is_granted_by_default();
    reading_the_project();
    writing_the_project();
    a_grant_that_names_it();
    absolute_grants();
    parents();
    stepping_needs_no_openat2();
    globs();
    other_capabilities();
    bad_capabilities_are_refused();
    what_the_person_took_away_is_said();
    a_failed_allocation_is_reported();
    CHECK(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
    TEST_END();
}
