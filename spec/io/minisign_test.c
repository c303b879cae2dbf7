/* minisign_test.c: keys and signatures; files that are none, changed, or ask for too much. */
#include "io/minisign.h"

#include "test.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

/* A descriptor that gives the text. */
static int
file_of(const char *text)
{
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    (void)close(ends[1]);
    return ends[0];
}

static int
sign(const char *secret, const char *password, const char *text, const char *comment, sy__buf *out, sy__error *err)
{
    int fd = file_of(text), status = sy__minisign_sign(secret, password, fd, comment, out, err);
    (void)close(fd);
    return status;
}

static int
verify(const char *shown, const char *signature, const char *text, sy__buf *comment, sy__error *err)
{
    int fd = file_of(text), status = sy__minisign_verify(shown, signature, fd, comment, err);
    (void)close(fd);
    return status;
}

/* Changes one letter of a line of base64 to another. */
static void
bend(char *text, int line, size_t at)
{
    for (; line > 0; line--) text = strchr(text, '\n') + 1;
    text[at] = text[at] == 'A' ? 'B' : 'A';
}

typedef struct set {
    sy__buf shown, secret, signature, comment;
    sy__error err;
} set;

static void
make(set *s)
{
    *s = (set){0};
    sy__buf_init(&s->shown, &sy__alloc_default);
    sy__buf_init(&s->secret, &sy__alloc_default);
    sy__buf_init(&s->signature, &sy__alloc_default);
    sy__buf_init(&s->comment, &sy__alloc_default);
    CHECK_INT(sy__minisign_keypair(NULL, &s->shown, &s->secret, &s->err), SY_OK);
    CHECK_INT(sign(sy__buf_cstr(&s->secret), NULL, "a file", "a comment", &s->signature, &s->err), SY_OK);
    CHECK(sy__buf_cstr(&s->shown) && sy__buf_cstr(&s->signature));
}

static void
drop(set *s)
{
    sy__buf_close(&s->shown);
    sy__buf_close(&s->secret);
    sy__buf_close(&s->signature);
    sy__buf_close(&s->comment);
}

static void
a_signature_is_of_one_file_key_and_comment(void)
{
    set s, other;
    char id[SY__MINISIGN_ID_BYTES], of_signature[SY__MINISIGN_ID_BYTES];
    make(&s);
    make(&other);
    CHECK_INT(verify(s.shown.data, s.signature.data, "a file", &s.comment, &s.err), SY_OK);
    CHECK_STR(sy__buf_cstr(&s.comment), "a comment");
    CHECK_INT(verify(s.shown.data, s.signature.data, "another", &s.comment, &s.err), SY_ETRUST);
    CHECK_INT(verify(other.shown.data, s.signature.data, "a file", &s.comment, &s.err), SY_ETRUST);
    CHECK_INT(sy__minisign_id(s.shown.data, id, &s.err), SY_OK);
    CHECK_INT(sy__minisign_id(s.signature.data, of_signature, &s.err), SY_OK);
    CHECK_STR(id, of_signature);
    char *comment = strstr(s.signature.data, "a comment");
    comment[0] = 'b';
    CHECK_INT(verify(s.shown.data, s.signature.data, "a file", &s.comment, &s.err), SY_ETRUST);
    CHECK_STR(s.err.message, "the comment of the signature was changed");
    comment[0] = 'a';
    bend(s.signature.data, 1, 40);
    CHECK_INT(verify(s.shown.data, s.signature.data, "a file", &s.comment, &s.err), SY_ETRUST);
    drop(&s);
    drop(&other);
}

static void
what_is_no_file_of_minisign_is_refused(void)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "x",
                                        "untrusted comment: x",
                                        "untrusted comment: x\n",
                                        "untrusted comment: x\nAAAA\n",
                                        "untrusted comment: x\n!!!!\n\n\n"};
    set s;
    bool encrypted;
    char id[SY__MINISIGN_ID_BYTES];
    make(&s);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK_INT(verify(texts[i], s.signature.data, "a file", &s.comment, &s.err), SY_EFILE);
        CHECK_INT(verify(s.shown.data, texts[i], "a file", &s.comment, &s.err), SY_EFILE);
        CHECK_INT(sign(texts[i], NULL, "a file", "", &s.comment, &s.err), SY_EFILE);
        CHECK_INT(sy__minisign_encrypted(texts[i], &encrypted, &s.err), SY_EFILE);
        CHECK_INT(sy__minisign_id(texts[i], id, &s.err), SY_EFILE);
    }
    CHECK_INT(sign(s.secret.data, NULL, "a file", "two\nlines", &s.comment, &s.err), SY_EUSAGE);
    for (int line = 3; line > 1; line--) { /* cut off before its lines */
        char *end = s.signature.data;
        for (int i = 0; i < line; i++) end = strchr(end, '\n') + 1;
        *end = '\0';
        CHECK_INT(verify(s.shown.data, s.signature.data, "a file", &s.comment, &s.err), SY_EFILE);
    }
    CHECK_INT(s.comment.len, 0);
    drop(&s);
}

static void
a_damaged_or_greedy_secret_key_is_refused(void)
{
    set s;
    unsigned char key[158];
    char text[512];
    size_t got = 0;
    make(&s);
    const char *line = strchr(sy__buf_cstr(&s.secret), '\n') + 1;
    CHECK_INT(
        sodium_base642bin(key, sizeof key, line, strcspn(line, "\n"), NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL),
        0);
    CHECK_INT(got, sizeof key);
    key[100] ^= 1;
    (void)strcpy(text, "untrusted comment: x\n");
    (void)sodium_bin2base64(text + strlen(text), sizeof text - strlen(text), key, sizeof key,
                            sodium_base64_VARIANT_ORIGINAL);
    CHECK_INT(sign(text, NULL, "a file", "", &s.comment, &s.err), SY_EPERM);
    CHECK_STR(s.err.message, "the secret key is damaged");
    memcpy(key + 2, "Sc", 2);
    memset(key + 46, 0xff, 8); /* memory */
    text[strlen("untrusted comment: x\n")] = '\0';
    (void)sodium_bin2base64(text + strlen(text), sizeof text - strlen(text), key, sizeof key,
                            sodium_base64_VARIANT_ORIGINAL);
    CHECK_INT(sign(text, NULL, "a file", "", &s.comment, &s.err), SY_EPERM);
    CHECK_STR(s.err.message, "the secret key has a password");
    CHECK_INT(sign(text, "password", "a file", "", &s.comment, &s.err), SY_EFILE);
    CHECK_STR(s.err.message, "the secret key asks for too much work or memory");
    drop(&s);
}

int
main(void)
{
    CHECK(sodium_init() >= 0);
    a_signature_is_of_one_file_key_and_comment();
    what_is_no_file_of_minisign_is_refused();
    a_damaged_or_greedy_secret_key_is_refused();
    TEST_END();
}
