/* reads_test.c: what a call looked at is recorded once, found the same or not, whatever is out of memory. */
#include "kit/reads.h"

#include "base/buf.h"
#include "failing_alloc.h"
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void
put_file(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) exit(2);
}

static void
drop(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)remove(path);
}

static sy__caps *
grants(const char *json)
{
    sy__vbuf b;
    sy__value v;
    sy__caps *caps = NULL;
    sy__error err = {0};
    sy__vbuf_init(&b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&b, json, strlen(json), &err), SY_OK);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
    CHECK_INT(sy__caps_new(&caps, &sy__alloc_default, v, dir, &err), SY_OK);
    sy__vbuf_close(&b);
    return caps;
}

static const char *
seen(const sy__caps *caps, sy__read_kind kind, const char *path, const char *detail)
{
    static char digest[SY__DIGEST_BYTES];
    sy__observer o;
    sy__observer_init(&o, &sy__alloc_default, caps, NULL);
    if (sy__observe(&o, kind, path, detail, digest)) (void)snprintf(digest, sizeof digest, "failed");
    sy__observer_close(&o);
    return digest;
}

static void
a_record_is_what_is_seen_again(void)
{
    sy__caps *caps = grants("{\"fs\":{\"read\":[\"$PROJECT/**\"]}}");
    sy__reads *r = sy__reads_new(&sy__alloc_default, caps, NULL);
    char whole[128];
    (void)snprintf(whole, sizeof whole, "%s/./a.txt", dir);
    put_file("a.txt", "abc");
    sy__reads_content(r, whole, "abc", 3);
    sy__reads_content(r, "a.txt", "abc", 3);
    sy__reads_refused(r, SY__READ_FILE, "none", SY_ENOTFOUND);
    CHECK_INT(sy__reads_count(r), 2);
    CHECK_STR(sy__reads_at(r, 0)->path, "a.txt"); /* relative to the project, and once */
    CHECK_STR(seen(caps, SY__READ_FILE, "a.txt", ""), sy__reads_at(r, 0)->digest);
    CHECK_STR(seen(caps, SY__READ_FILE, "none", ""), sy__reads_at(r, 1)->digest);
    CHECK(sy__reads_spoiled(r) == NULL);
    sy__reads_content(r, "a.txt", "abd", 3);
    CHECK_STR(sy__reads_spoiled(r), "a.txt changed while it ran");
    sy__reads_spoil(r, "later");
    CHECK_STR(sy__reads_spoiled(r), "a.txt changed while it ran");
    sy__reads_free(r);
    sy__reads_free(NULL);
    sy__caps_release(caps);
}

static void
what_was_not_granted_is_not_seen(void)
{
    sy__caps *caps = grants("{\"fs\":{\"read\":[\"$PROJECT/a.txt\"]}}");
    CHECK_STR(seen(caps, SY__READ_FILE, "b.txt", ""), "denied");
    CHECK_STR(seen(caps, SY__READ_EXISTS, "/etc/passwd", ""), "denied");
    CHECK_STR(seen(caps, SY__READ_EXISTS, "a.txt", ""), "there");
    sy__caps_release(caps);
}

static void
a_glob_is_about_its_own_names(void)
{
    static const char detail[] = "\n*.c";
    char before[SY__DIGEST_BYTES];
    sy__caps *caps = grants("{\"fs\":{\"read\":[\"$PROJECT/**\"]}}");
    (void)snprintf(before, sizeof before, "%s", seen(caps, SY__READ_GLOB, ".", detail));
    put_file("new.h", "");
    CHECK_STR(seen(caps, SY__READ_GLOB, ".", detail), before);
    put_file("new.c", "");
    CHECK(strcmp(seen(caps, SY__READ_GLOB, ".", detail), before) != 0);
    drop("new.c");
    CHECK_STR(seen(caps, SY__READ_GLOB, ".", detail), before);
    drop("new.h");
    sy__caps_release(caps);
}

static bool
declared(const sy__reads *r, const char *path)
{
    for (size_t i = 0; i < sy__reads_count(r); i++) {
        const sy__read *one = sy__reads_at(r, i);
        if (one->kind == SY__READ_FILE && one->declared && strcmp(one->path, path) == 0) return true;
    }
    return false;
}

static void
declarations_are_looked_at_twice(void)
{
    char path[128];
    sy__caps *caps = grants("{\"fs\":{\"read\":[\"$PROJECT/**\"]}}");
    (void)snprintf(path, sizeof path, "%s/in", dir);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/in/deep", dir);
    (void)mkdir(path, 0700);
    put_file("in/x.c", "1");
    put_file("in/deep/y.c", "1");
    put_file("in/z.h", "1");
    sy__reads *r = sy__reads_new(&sy__alloc_default, caps, NULL);
    sy__reads_declare(r, "in/**/*.c");
    sy__reads_declare(r, "$PROJECT/a.txt");
    sy__reads_declare(r, "not-there");
    CHECK(declared(r, "in/x.c") && declared(r, "in/deep/y.c") && declared(r, "a.txt") && declared(r, "not-there"));
    CHECK(!declared(r, "in/z.h"));
    sy__reads_end(r);
    CHECK(sy__reads_spoiled(r) == NULL);
    put_file("in/deep/w.c", "1");
    sy__reads_end(r);
    CHECK_STR(sy__reads_spoiled(r), "in/deep changed while it ran");
    sy__reads_free(r);
    r = sy__reads_new(&sy__alloc_default, caps, NULL);
    sy__reads_declare(r, "in");
    CHECK(declared(r, "in/z.h") && declared(r, "in/deep/w.c"));
    sy__reads_free(r);
    sy__caps_release(caps);
}

static void
programs_count_by_their_bytes(void)
{
    char path[256], before[SY__DIGEST_BYTES];
    sy__caps *caps = grants("{}");
    const char *old = getenv("PATH");
    char *kept = strdup(old ? old : "/usr/bin:/bin");
    (void)setenv("PATH", dir, 1);
    CHECK_STR(seen(caps, SY__READ_PROGRAM, "tool", ""), "absent");
    CHECK_STR(seen(caps, SY__READ_PROGRAM, "./tool", ""), "failed"); /* of the folder it starts in */
    put_file("tool", "#!/bin/sh\n");
    (void)snprintf(path, sizeof path, "%s/tool", dir);
    (void)chmod(path, 0755);
    (void)snprintf(before, sizeof before, "%s", seen(caps, SY__READ_PROGRAM, "tool", ""));
    CHECK(strlen(before) == 64);
    put_file("tool", "#!/bin/sh\n:\n");
    CHECK(strcmp(seen(caps, SY__READ_PROGRAM, "tool", ""), before) != 0);
    (void)setenv("PATH", kept, 1);
    free(kept);
    sy__caps_release(caps);
}

/* Each allocation fails once: the record is spoiled or whole, and nothing is lost. */
static void
without_memory_nothing_is_kept_by_mistake(void)
{
    sy__caps *caps = grants("{\"fs\":{\"read\":[\"$PROJECT/**\"]}}");
    size_t whole = 0;
    for (long n = -1;; n++) { /* first without a failure */
        failing f = {.left = n};
        sy__alloc a = {failing_alloc, &f};
        sy__reads *r = sy__reads_new(&a, caps, NULL);
        if (r) {
            sy__reads_declare(r, "in/**");
            sy__reads_look(r, SY__READ_EXISTS, "a.txt");
            sy__reads_end(r);
            if (n < 0) whole = sy__reads_count(r);
            CHECK(sy__reads_spoiled(r) || sy__reads_count(r) == whole);
            sy__reads_free(r);
        }
        CHECK_INT(f.live, 0);
        if (n >= 0 && !f.failed) break;
    }
    CHECK(whole > 4);
    sy__caps_release(caps);
}

int
main(void)
{
    char command[128];
    (void)snprintf(dir, sizeof dir, "/tmp/symphony-reads-XXXXXX");
    if (!mkdtemp(dir)) return 2;
    a_record_is_what_is_seen_again();
    what_was_not_granted_is_not_seen();
    a_glob_is_about_its_own_names();
    declarations_are_looked_at_twice();
    programs_count_by_their_bytes();
    without_memory_nothing_is_kept_by_mistake();
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) return 2;
    TEST_END();
}
