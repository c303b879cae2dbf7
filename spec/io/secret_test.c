/*
 * secret_test.c: values kept out of streams however they are cut, files that are not safe, new values, and a bus that
 * does not answer.
 */
#include "io/keyring.h"
#include "io/secret_store.h"
#include "io/vault.h"

#include "test.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64], dir[80];

static sy__secret *
secret(const char *name, const char *value)
{
    sy__secret *s;
    CHECK_INT(sy__secret_new(&s, name, strlen(value), NULL), SY_OK);
    memcpy(sy__secret_fill(s), value, strlen(value));
    return s;
}

static sy__scrubber *
scrubber(const char *const values[][2], size_t count)
{
    sy__scrubber *of;
    CHECK_INT(sy__scrubber_new(&of, &sy__alloc_default, NULL), SY_OK);
    for (size_t i = 0; i < count; i++) {
        sy__secret *s = secret(values[i][0], values[i][1]);
        CHECK_INT(sy__scrubber_add(of, s, NULL), SY_OK);
        sy__secret_release(s);
    }
    return of;
}

/* The text fed in pieces of `first` bytes, then of `step`. */
static void
feed(const sy__scrubber *of, const char *text, size_t first, size_t step, sy__buf *out)
{
    sy__scrub s;
    size_t len = strlen(text);
    sy__scrub_init(&s, of, &sy__alloc_default);
    for (size_t at = 0, n = first; at < len; at += n, n = step) {
        if (n > len - at) n = len - at;
        sy__scrub_feed(&s, text + at, n, out);
    }
    sy__scrub_end(&s, out);
    sy__scrub_close(&s);
}

/* However it is cut. */
static void
becomes(const sy__scrubber *of, const char *text, const char *wanted)
{
    sy__buf out;
    sy__buf_init(&out, &sy__alloc_default);
    for (size_t first = 1; first <= strlen(text); first++)
        for (size_t step = 1; step < 40; step += 6) {
            sy__buf_reset(&out);
            feed(of, text, first, step, &out);
            CHECK_STR(sy__buf_cstr(&out), wanted);
        }
    sy__buf_close(&out);
}

static void
test_streams(void)
{
    static const char *const values[][2] = {{"a", "abcabcabd"}, {"b", "abcabcabd-longer"}, {"c", "aaaaaaaaab"}};
    sy__scrubber *of = scrubber(values, 3);
    becomes(of, "", "");
    becomes(of, "nothing of the kind", "nothing of the kind");
    becomes(of, "abcabcabcabd", "abc[secret:a]");
    becomes(of, "xabcabcabd-longerx", "x[secret:b]x");
    becomes(of, "xabcabcabd-longe", "x[secret:a]-longe");
    becomes(of, "aaaaaaaaaaaaaab", "aaaaa[secret:c]");
    becomes(of, "abcabcabdabcabcabdabcabca", "[secret:a][secret:a]abcabca");
    sy__scrubber_release(of);
}

static void
test_forms(void)
{
    static const char *const values[][2] = {{"k", "p\"a/s\\s+w?ord"}};
    sy__scrubber *of = scrubber(values, 1);
    becomes(of, "[p\"a/s\\s+w?ord]", "[[secret:k]]");
    becomes(of, "{\"p\\\"a/s\\\\s+w?ord\"}", "{\"[secret:k]\"}");
    becomes(of, "{\"p\\\"a\\/s\\\\s+w?ord\"}", "{\"[secret:k]\"}");
    becomes(of, "k=p%22a%2Fs%5Cs%2Bw%3Ford&", "k=[secret:k]&");
    becomes(of, "k=p%22a%2fs%5cs%2bw%3ford&", "k=[secret:k]&");
    becomes(of, "<7022612F735C732B773F6F7264>", "<[secret:k]>");
    becomes(of, "<7022612f735c732b773f6f7264>", "<[secret:k]>");
    sy__scrubber_release(of);
}

/* Base64 of a text around the value, at every position, with both alphabets: no letter of it is left that tells. */
static void
test_base64(void)
{
    static const char *const values[][2] = {{"k", "\xff\xfe-secret-\xfb\xff?"}};
    static const int variants[] = {sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_URLSAFE,
                                   sodium_base64_VARIANT_ORIGINAL_NO_PADDING};
    sy__scrubber *of = scrubber(values, 1);
    sy__buf out;
    sy__buf_init(&out, &sy__alloc_default);
    for (size_t before = 0; before < 9; before++)
        for (size_t v = 0; v < 3; v++) {
            char text[64], coded[128];
            (void)snprintf(text, sizeof text, "%.*s%s:tail", (int)before, "user:name", values[0][1]);
            (void)sodium_bin2base64(coded, sizeof coded, (unsigned char *)text, strlen(text), variants[v]);
            sy__buf_reset(&out);
            sy__scrub_all(of, coded, strlen(coded), &out);
            CHECK(strstr(sy__buf_cstr(&out), "[secret:k]") != NULL);
            CHECK(out.len < before * 2 + 10 + 14);
        }
    sy__buf_close(&out);
    sy__scrubber_release(of);
}

static void
put(const char *name, const char *value)
{
    sy__error err = {0};
    sy__secret *s = secret(name, value);
    CHECK_INT(sy__secret_put(dir, s, SY__IN_FILE, 0, &err), SY_OK);
    sy__secret_release(s);
}

static void
test_files(void)
{
    char path[128];
    sy__secret *s;
    sy__error err = {0};
    CHECK_INT(sy__secret_get(dir, "one", &s, &err), SY_ENOTFOUND);
    CHECK_STR(err.hint, "symphony secret set one");
    put("one", "first-value\nof two lines");
    CHECK_INT(sy__secret_get(dir, "one", &s, &err), SY_OK);
    CHECK_STR(sy__secret_value(s, NULL), "first-value\nof two lines");
    sy__secret_release(s);
    (void)snprintf(path, sizeof path, "%s/one", dir);
    CHECK_INT(chmod(path, 0640), 0);
    CHECK_INT(sy__secret_get(dir, "one", &s, &err), SY_EPERM);
    CHECK_INT(chmod(path, 0600), 0);
    CHECK_INT(chmod(dir, 0770), 0);
    CHECK_INT(sy__secret_get(dir, "one", &s, &err), SY_EPERM);
    CHECK_INT(chmod(dir, 0700), 0);
    CHECK_INT(rename(path, "elsewhere"), 0);
    CHECK_INT(symlink("../elsewhere", path), 0);
    CHECK(sy__secret_get(dir, "one", &s, &err) != SY_OK);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(unlink("elsewhere"), 0);
    CHECK_INT(sy__secret_get(dir, "../secret", &s, &err), SY_ENOTFOUND);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(write(fd, "no head\nvalue-value", 19), 19);
    CHECK_INT(close(fd), 0);
    CHECK_INT(sy__secret_get(dir, "one", &s, &err), SY_EFILE);
    CHECK_INT(sy__secret_remove(dir, "one", &err), SY_OK);
    CHECK_INT(sy__secret_remove(dir, "one", &err), SY_ENOTFOUND);
}

static bool
is_wanted(const void *ud, const char *name)
{
    return strcmp(ud, name) == 0;
}

static void
test_vault(void)
{
    sy__vault *v;
    sy__secret *s;
    sy__scrubber *of;
    sy__error err = {0};
    CHECK_INT(sy__vault_new(&v, &sy__alloc_default, &err), SY_OK);
    CHECK_INT(sy__vault_get(v, "two", &s, &err), SY_ENOTFOUND);
    CHECK_INT(sy__vault_open(v, dir), SY_OK);
    CHECK_INT(sy__vault_get(v, "two", &s, &err), SY_ENOTFOUND);
    for (const char *const *value = (const char *const[]){"value-one", "value-two", "value-three", NULL}; *value;
         value++) {
        put("two", *value);
        put("three", "not wanted");
        CHECK_INT(sy__vault_get(v, "two", &s, &err), SY_OK);
        CHECK_STR(sy__secret_value(s, NULL), *value);
        sy__secret_release(s);
    }
    CHECK_INT(sy__scrubber_new(&of, &sy__alloc_default, &err), SY_OK);
    CHECK_INT(sy__vault_scrub(v, is_wanted, "two", of, &err), SY_OK);
    becomes(of, "value-one value-two value-three, not wanted", "[secret:two] [secret:two] [secret:two], not wanted");
    sy__scrubber_release(of);
    CHECK_INT(sy__secret_remove(dir, "two", &err), SY_OK);
    CHECK_INT(sy__secret_remove(dir, "three", &err), SY_OK);
    CHECK_INT(sy__vault_get(v, "two", &s, &err), SY_ENOTFOUND);
    sy__vault_free(v);
}

/* A socket on which nobody answers, one that says nonsense, and none at all. */
static void
test_bus(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char address[128];
    sy__error err = {0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/bus", folder);
    (void)snprintf(address, sizeof address, "unix:path=%s/bus", folder);
    CHECK_INT(setenv("DBUS_SESSION_BUS_ADDRESS", address, 1), 0);
    CHECK_INT(sy__keyring_check(&err), SY_ENOTFOUND);
    CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_INT(listen(fd, 8), 0);
    CHECK_INT(sy__keyring_check(&err), SY_ETIMEOUT);
    CHECK_INT(close(fd), 0);
    CHECK_INT(sy__keyring_check(&err), SY_ENOTFOUND);
    CHECK_INT(setenv("DBUS_SESSION_BUS_ADDRESS", "tcp:host=127.0.0.1", 1), 0);
    CHECK_INT(sy__keyring_check(&err), SY_ENOTFOUND);
    CHECK_INT(unlink(at.sun_path), 0);
}

int
main(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/symphony-secret-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    CHECK_INT(chdir(folder), 0);
    (void)snprintf(dir, sizeof dir, "%s/secrets", folder);
    test_streams();
    test_forms();
    test_base64();
    test_files();
    test_vault();
    test_bus();
    CHECK_INT(rmdir(dir), 0);
    CHECK_INT(rmdir(folder), 0);
    TEST_END();
}
