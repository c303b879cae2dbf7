/*
 * minisign.c: the files of minisign, byte for byte.
 *
 *     public key   "Ed" ‖ id ‖ key                                                      base64 in its second line
 *     secret key   "Ed" ‖ "Sc" or 0 0 ‖ "B2" ‖ salt ‖ work ‖ memory ‖ (id ‖ key ‖ sum)  the last three xor scrypt
 *     signature    "ED" ‖ id ‖ signature of the hash                                    second line
 *                  "trusted comment: …"                                                 third
 *                  signature of (signature ‖ comment)                                   fourth
 *
 * Structs of bytes only, so they have no padding and can be read in place.
 */
#include "io/minisign.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define UNTRUSTED "untrusted comment: "
#define TRUSTED "trusted comment: "

enum {
    ID_BYTES = 8,
    HASH_BYTES = 64,
    SUM_BYTES = 32,
    SALT_BYTES = crypto_pwhash_scryptsalsa208sha256_SALTBYTES,
    BASE64_BYTES = 256, /* the longest is of a secret key: 212 */
};

#define MOST_WORK ((uint64_t)1 << 28)   /* of a key's file: eight times what minisign asks for, */
#define MOST_MEMORY ((uint64_t)2 << 30) /* and twice */

typedef struct public_key {
    unsigned char kind[2], id[ID_BYTES], key[crypto_sign_PUBLICKEYBYTES];
} public_key;

typedef struct secret_key {
    unsigned char kind[2], derivation[2], sum_kind[2], salt[SALT_BYTES], work[8], memory[8];
    struct sealed {
        unsigned char id[ID_BYTES], key[crypto_sign_SECRETKEYBYTES], sum[SUM_BYTES];
    } sealed;
} secret_key;

typedef struct signature {
    unsigned char kind[2], id[ID_BYTES], bytes[crypto_sign_BYTES];
} signature;

/* ---- texts ---- */

static int
not_one(sy__error *err, const char *what)
{
    return sy__error_set(err, SY_EFILE, "it is no %s of minisign", what);
}

/* The line `number`, counted from 0, and its length without \r; false when there is none. */
static bool
line_of(const char *text, int number, const char **line, size_t *len)
{
    for (; number > 0; number--) {
        text = strchr(text, '\n');
        if (!text++) return false;
    }
    *line = text;
    *len = strcspn(text, "\n");
    if (*len && text[*len - 1] == '\r') --*len;
    return *len > 0;
}

/* Reads a line of base64 that stands for exactly `size` bytes. */
static bool
decode(const char *line, size_t len, void *to, size_t size)
{
    size_t got = 0;
    return sodium_base642bin(to, size, line, len, NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 && got == size;
}

/* The second line of a file; of a public key the first will do, for it is handed on as one line. */
static bool
decode_file(const char *text, void *to, size_t size)
{
    const char *line;
    size_t len;
    bool comment = strncmp(text, UNTRUSTED, strlen(UNTRUSTED)) == 0;
    return line_of(text, comment ? 1 : 0, &line, &len) && decode(line, len, to, size);
}

static void
add_base64(sy__buf *to, const void *bytes, size_t size)
{
    char text[BASE64_BYTES];
    (void)sodium_bin2base64(text, sizeof text, bytes, size, sodium_base64_VARIANT_ORIGINAL);
    sy__buf_adds(to, text);
    sy__buf_addc(to, '\n');
    sodium_memzero(text, sizeof text);
}

/* The id is a number, its lowest byte first. */
static void
id_text(const unsigned char id[ID_BYTES], char text[SY__MINISIGN_ID_BYTES])
{
    static const char digits[] = "0123456789ABCDEF";
    for (int i = 0; i < ID_BYTES; i++) {
        text[2 * i] = digits[id[ID_BYTES - 1 - i] >> 4];
        text[2 * i + 1] = digits[id[ID_BYTES - 1 - i] & 15];
    }
    text[2 * ID_BYTES] = '\0';
}

static int
read_public(const char *text, public_key *key, sy__error *err)
{
    if (decode_file(text, key, sizeof *key) && memcmp(key->kind, "Ed", 2) == 0) return SY_OK;
    return not_one(err, "public key");
}

static int
read_signature(const char *text, signature *s, sy__error *err)
{
    if (strncmp(text, UNTRUSTED, strlen(UNTRUSTED)) != 0 || !decode_file(text, s, sizeof *s))
        return not_one(err, "signature");
    if (memcmp(s->kind, "ED", 2) == 0) return SY_OK;
    return sy__error_set(err, SY_EFILE, "it is a signature of the old kind, over the file and not over its hash");
}

int
sy__minisign_id(const char *file, char id[SY__MINISIGN_ID_BYTES], sy__error *err)
{
    public_key key = {0};
    signature s = {0};
    if (!read_public(file, &key, NULL)) {
        id_text(key.id, id);
        return SY_OK;
    }
    int status = read_signature(file, &s, err);
    if (!status) id_text(s.id, id);
    return status;
}

/* ---- the secret key ---- */

static uint64_t
number_of(const unsigned char bytes[8])
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | bytes[i];
    return n;
}

static void
set_number(unsigned char bytes[8], uint64_t n)
{
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(n >> 8 * i);
}

static void
sum_of(const secret_key *k, unsigned char sum[SUM_BYTES])
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, SUM_BYTES);
    (void)crypto_generichash_update(&state, k->kind, sizeof k->kind);
    (void)crypto_generichash_update(&state, k->sealed.id, sizeof k->sealed.id);
    (void)crypto_generichash_update(&state, k->sealed.key, sizeof k->sealed.key);
    (void)crypto_generichash_final(&state, sum, SUM_BYTES);
    sodium_memzero(&state, sizeof state);
}

/* Encrypts and decrypts: the sealed part is xored with what scrypt makes of the password. */
static int
turn(secret_key *k, const char *password, sy__error *err)
{
    uint64_t work = number_of(k->work), memory = number_of(k->memory);
    unsigned char stream[sizeof k->sealed], *sealed = (unsigned char *)&k->sealed;
    if (work > MOST_WORK || memory > MOST_MEMORY)
        return sy__error_set(err, SY_EFILE, "the secret key asks for too much work or memory");
    if (crypto_pwhash_scryptsalsa208sha256(stream, sizeof stream, password, strlen(password), k->salt, work,
                                           (size_t)memory) != 0)
        return sy__error_set(err, SY_ENOMEM, "no memory to read the secret key: it takes %d MiB", (int)(memory >> 20));
    for (size_t i = 0; i < sizeof stream; i++) sealed[i] ^= stream[i];
    sodium_memzero(stream, sizeof stream);
    return SY_OK;
}

static int
read_secret(const char *text, secret_key *k, sy__error *err)
{
    static const unsigned char none[2];
    bool known = decode_file(text, k, sizeof *k) && memcmp(k->kind, "Ed", 2) == 0 && memcmp(k->sum_kind, "B2", 2) == 0;
    if (known && (memcmp(k->derivation, "Sc", 2) == 0 || memcmp(k->derivation, none, 2) == 0)) return SY_OK;
    return not_one(err, "secret key");
}

static bool
is_encrypted(const secret_key *k)
{
    return k->derivation[0] != 0;
}

int
sy__minisign_encrypted(const char *secret_file, bool *encrypted, sy__error *err)
{
    secret_key k = {0};
    int status = read_secret(secret_file, &k, err);
    if (!status) *encrypted = is_encrypted(&k);
    sodium_memzero(&k, sizeof k);
    return status;
}

static int
open_secret(const char *text, const char *password, secret_key *k, sy__error *err)
{
    unsigned char sum[SUM_BYTES];
    int status = read_secret(text, k, err);
    if (status) return status;
    if (is_encrypted(k) && !password) return sy__error_set(err, SY_EPERM, "the secret key has a password");
    if (is_encrypted(k)) status = turn(k, password, err);
    if (status) return status;
    sum_of(k, sum);
    if (sodium_memcmp(sum, k->sealed.sum, SUM_BYTES) == 0) return SY_OK;
    return sy__error_set(err, SY_EPERM, is_encrypted(k) ? "the password is wrong" : "the secret key is damaged");
}

int
sy__minisign_keypair(const char *password, sy__buf *public_file, sy__buf *secret_file, sy__error *err)
{
    public_key shown = {.kind = "Ed"};
    secret_key k = {.kind = "Ed", .sum_kind = "B2"};
    char id[SY__MINISIGN_ID_BYTES];
    int status = SY_OK;
    if (sodium_init() < 0) return sy__error_set(err, SY_EIO, "the system gives no random numbers");
    (void)crypto_sign_keypair(shown.key, k.sealed.key);
    randombytes_buf(shown.id, sizeof shown.id);
    memcpy(k.sealed.id, shown.id, sizeof shown.id);
    id_text(shown.id, id);
    sum_of(&k, k.sealed.sum);
    if (password) {
        memcpy(k.derivation, "Sc", 2);
        randombytes_buf(k.salt, sizeof k.salt);
        set_number(k.work, crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_SENSITIVE);
        set_number(k.memory, crypto_pwhash_scryptsalsa208sha256_MEMLIMIT_SENSITIVE);
        status = turn(&k, password, err);
    }
    if (!status) {
        sy__buf_addf(public_file, UNTRUSTED "minisign public key %s\n", id);
        add_base64(public_file, &shown, sizeof shown);
        sy__buf_addf(secret_file, UNTRUSTED "minisign %ssecret key %s\n", password ? "encrypted " : "", id);
        add_base64(secret_file, &k, sizeof k);
    }
    sodium_memzero(&k, sizeof k);
    return status;
}

/* ---- signatures ---- */

static int
hash_of(int fd, unsigned char hash[HASH_BYTES], sy__error *err)
{
    crypto_generichash_state state;
    unsigned char piece[4096];
    ssize_t n;
    (void)crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
    while ((n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sy__error_errno(err, errno, "the file cannot be read");
        (void)crypto_generichash_update(&state, piece, (unsigned long long)n);
    }
    (void)crypto_generichash_final(&state, hash, HASH_BYTES);
    return SY_OK;
}

/* What the second signature is over: the first and the comment. Its length, 0: the comment is too long. */
static size_t
join(const signature *s, const char *comment, size_t len, unsigned char to[])
{
    if (len > SY__MINISIGN_COMMENT_BYTES) return 0;
    memcpy(to, s->bytes, sizeof s->bytes);
    memcpy(to + sizeof s->bytes, comment, len);
    return sizeof s->bytes + len;
}

int
sy__minisign_sign(const char *secret_file, const char *password, int fd, const char *comment, sy__buf *out,
                  sy__error *err)
{
    secret_key k = {0};
    signature s = {.kind = "ED"};
    unsigned char hash[HASH_BYTES], whole[crypto_sign_BYTES], joined[crypto_sign_BYTES + SY__MINISIGN_COMMENT_BYTES];
    if (strlen(comment) > SY__MINISIGN_COMMENT_BYTES || strpbrk(comment, "\r\n"))
        return sy__error_set(err, SY_EUSAGE, "a comment is one line of at most %d bytes", SY__MINISIGN_COMMENT_BYTES);
    int status = open_secret(secret_file, password, &k, err);
    if (!status) status = hash_of(fd, hash, err);
    if (!status) {
        memcpy(s.id, k.sealed.id, sizeof s.id);
        (void)crypto_sign_detached(s.bytes, NULL, hash, sizeof hash, k.sealed.key);
        size_t len = join(&s, comment, strlen(comment), joined);
        (void)crypto_sign_detached(whole, NULL, joined, len, k.sealed.key);
        sy__buf_adds(out, UNTRUSTED "signature from symphony\n");
        add_base64(out, &s, sizeof s);
        sy__buf_addf(out, TRUSTED "%s\n", comment);
        add_base64(out, whole, sizeof whole);
    }
    sodium_memzero(&k, sizeof k);
    return status;
}

/* The comment that was signed, with the signature over both. */
static bool
read_comment(const char *text, const char **comment, size_t *len, unsigned char whole[crypto_sign_BYTES])
{
    const char *line;
    size_t line_len, skip = strlen(TRUSTED);
    if (!line_of(text, 2, comment, len) || *len < skip || memcmp(*comment, TRUSTED, skip) != 0) return false;
    *comment += skip;
    *len -= skip;
    return line_of(text, 3, &line, &line_len) && decode(line, line_len, whole, crypto_sign_BYTES);
}

static int
other_key(const public_key *key, const signature *s, sy__error *err)
{
    char wanted[SY__MINISIGN_ID_BYTES], found[SY__MINISIGN_ID_BYTES];
    id_text(key->id, wanted);
    id_text(s->id, found);
    return sy__error_set(err, SY_ETRUST, "it was signed with the key %s, not with %s", found, wanted);
}

int
sy__minisign_verify(const char *public_file, const char *signature_file, int fd, sy__buf *comment, sy__error *err)
{
    public_key key = {0};
    signature s = {0};
    unsigned char hash[HASH_BYTES], whole[crypto_sign_BYTES], joined[crypto_sign_BYTES + SY__MINISIGN_COMMENT_BYTES];
    const char *said;
    size_t said_len, len;
    int status = read_public(public_file, &key, err);
    if (!status) status = read_signature(signature_file, &s, err);
    if (status) return status;
    if (!read_comment(signature_file, &said, &said_len, whole)) return not_one(err, "signature");
    if (memcmp(key.id, s.id, sizeof s.id) != 0) return other_key(&key, &s, err);
    status = hash_of(fd, hash, err);
    if (status) return status;
    if (crypto_sign_verify_detached(s.bytes, hash, sizeof hash, key.key) != 0)
        return sy__error_set(err, SY_ETRUST, "the signature is not of this file");
    len = join(&s, said, said_len, joined);
    if (!len || crypto_sign_verify_detached(whole, joined, len, key.key) != 0)
        return sy__error_set(err, SY_ETRUST, "the comment of the signature was changed");
    sy__buf_add(comment, said, said_len);
    return SY_OK;
}
