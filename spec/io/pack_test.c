/* pack_test.c: what was packed comes out again; what was not packed by us is refused. */
#include "io/pack.h"

#include "base/clock.h"

#include "test.h"

#include <fcntl.h>
#include <unistd.h>

static const sy__pack_limits limits = {
    .entries = 10, .entry_bytes = 1 << 20, .total_bytes = 1 << 21, .ratio = 50, .free_bytes = 64 << 10};

static char path[512];

static int
new_file(void)
{
    const char *dir = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/pack_test.XXXXXX", dir ? dir : "/tmp");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    return fd;
}

static void
add(sy__pack_writer *w, const char *name, const char *text)
{
    sy__error err = {0};
    CHECK_INT(sy__pack_begin(w, name, (int64_t)strlen(text), &err), SY_OK);
    CHECK_INT(sy__pack_write(w, text, strlen(text), &err), SY_OK);
}

static void
write_two(void)
{
    sy__error err = {0};
    sy__pack_writer *w = NULL;
    int fd = new_file();
    CHECK_INT(sy__pack_writer_open(&w, &sy__alloc_default, fd, &err), SY_OK);
    add(w, "first.json", "{}");
    add(w, "a/b/second", "");
    CHECK_INT(sy__pack_writer_close(w, &err), SY_OK);
    (void)close(fd);
}

static void
test_names(void)
{
    static const char *const good[] = {"a", "a/b", "A_1-2.json", "blobs/0", "a.b/c.d"};
    static const char *const bad[] = {"",   "/a",   "a/",  "a//b", "..",   "../a",     "a/..", "a/../b",
                                      ".a", "a/.b", "a b", "a\\b", "a\nb", "\xc3\xa9", "C:"};
    char longest[SY__PACK_NAME_BYTES + 1];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) CHECK(sy__pack_name(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!sy__pack_name(bad[i]));
    memset(longest, 'a', sizeof longest);
    longest[SY__PACK_NAME_BYTES] = '\0';
    CHECK(!sy__pack_name(longest));
    longest[SY__PACK_NAME_BYTES - 1] = '\0';
    CHECK(sy__pack_name(longest));
}

static void
test_round(void)
{
    sy__error err = {0};
    sy__pack_reader *r = NULL;
    const char *name = NULL;
    int64_t size = 0;
    char text[16];
    write_two();
    CHECK_INT(sy__pack_reader_open(&r, &sy__alloc_default, path, &limits, &err), SY_OK);
    CHECK_INT(sy__pack_next(r, &name, &size, &err), 1);
    CHECK_STR(name, "first.json");
    CHECK_INT(size, 2);
    CHECK_INT(sy__pack_read(r, text, sizeof text, &err), 2);
    CHECK(memcmp(text, "{}", 2) == 0);
    CHECK_INT(sy__pack_read(r, text, sizeof text, &err), 0);
    CHECK_INT(sy__pack_next(r, &name, &size, &err), 1);
    CHECK_STR(name, "a/b/second");
    CHECK_INT(size, 0);
    CHECK_INT(sy__pack_next(r, &name, &size, &err), 0);
    sy__pack_reader_close(r);
    (void)unlink(path);
}

static void
test_same_bytes(void)
{
    char first[4096], second[4096];
    ssize_t sizes[2];
    for (int i = 0; i < 2; i++) {
        write_two();
        int fd = open(path, O_RDONLY);
        sizes[i] = read(fd, i ? second : first, sizeof first);
        (void)close(fd);
        (void)unlink(path);
    }
    CHECK(sizes[0] > 0);
    CHECK_INT(sizes[0], sizes[1]);
    CHECK(memcmp(first, second, (size_t)sizes[0]) == 0);
}

static void
test_writer_refuses(void)
{
    sy__error err = {0};
    sy__pack_writer *w = NULL;
    int fd = new_file();
    CHECK_INT(sy__pack_writer_open(&w, &sy__alloc_default, fd, &err), SY_OK);
    CHECK_INT(sy__pack_begin(w, "../a", 1, &err), SY_EUSAGE);
    CHECK_INT(sy__pack_begin(w, "a", 2, &err), SY_OK);
    CHECK_INT(sy__pack_write(w, "abc", 3, &err), SY_EUSAGE);
    CHECK_INT(sy__pack_write(w, "a", 1, &err), SY_OK);
    CHECK_INT(sy__pack_begin(w, "b", 1, &err), SY_EUSAGE);
    CHECK_INT(sy__pack_writer_close(w, &err), SY_EUSAGE);
    (void)close(fd);
    (void)unlink(path);
    fd = open("/dev/full", O_WRONLY);
    CHECK_INT(sy__pack_writer_open(&w, &sy__alloc_default, fd, &err), SY_OK);
    add(w, "a", "text");
    CHECK_INT(sy__pack_writer_close(w, &err), SY_EDISKFULL);
    (void)close(fd);
    CHECK_INT(sy__pack_writer_close(NULL, &err), SY_OK);
}

/* Packs `count` entries of `bytes` zeros each and reads them under the limits; how it ended. */
static int
read_all(int count, size_t bytes)
{
    sy__error err = {0};
    sy__pack_writer *w = NULL;
    sy__pack_reader *r = NULL;
    const char *name = NULL;
    int64_t size = 0;
    int fd = new_file(), status;
    char *zeros = calloc(1, bytes ? bytes : 1), entry[16];
    CHECK_INT(sy__pack_writer_open(&w, &sy__alloc_default, fd, &err), SY_OK);
    for (int i = 0; i < count; i++) {
        (void)snprintf(entry, sizeof entry, "e%d", i);
        CHECK_INT(sy__pack_begin(w, entry, (int64_t)bytes, &err), SY_OK);
        CHECK_INT(sy__pack_write(w, zeros, bytes, &err), SY_OK);
    }
    CHECK_INT(sy__pack_writer_close(w, &err), SY_OK);
    CHECK_INT(sy__pack_reader_open(&r, &sy__alloc_default, path, &limits, &err), SY_OK);
    while ((status = sy__pack_next(r, &name, &size, &err)) == 1) {
        int64_t n;
        while ((n = sy__pack_read(r, zeros, bytes, &err)) > 0) {
        }
        if (n < 0) break;
    }
    if (status == 1) status = err.code;
    if (status) CHECK(sy__pack_next(r, &name, &size, &err) < 0); /* it stays refused */
    sy__pack_reader_close(r);
    free(zeros);
    (void)close(fd);
    (void)unlink(path);
    return status;
}

static void
test_limits(void)
{
    CHECK_INT(read_all(10, 10), 0);
    CHECK_INT(read_all(11, 10), SY_EFILE);           /* entries */
    CHECK_INT(read_all(1, (1 << 20) + 1), SY_EFILE); /* one entry */
    CHECK_INT(read_all(1, 60 << 10), 0);             /* below what is free */
    CHECK_INT(read_all(1, 1 << 19), SY_EFILE);       /* the ratio */
}

static void
test_no_file(void)
{
    sy__error err = {0};
    sy__pack_reader *r = NULL;
    CHECK_INT(sy__pack_reader_open(&r, &sy__alloc_default, "/nowhere/at/all", &limits, &err), SY_ENOTFOUND);
    CHECK_INT(sy__pack_reader_open(&r, &sy__alloc_default, "/tmp", &limits, &err), SY_EFILE);
    CHECK_INT(sy__pack_reader_open(&r, &sy__alloc_default, "/dev/zero", &limits, &err), SY_EFILE);
    CHECK(r == NULL);
    sy__pack_reader_close(NULL);
}

int
main(void)
{
    test_names();
    test_round();
    test_same_bytes();
    test_writer_refuses();
    test_limits();
    test_no_file();
    TEST_END();
}
