/* secret.c: values in memory of libsodium's, counted. */
#include "io/secret.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct sy__secret {
    atomic_int refs;
    char name[SY__SECRET_NAME_BYTES];
    size_t len;
    char value[]; /* and a NUL */
};

bool
sy__secret_name_ok(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t len = strlen(name);
    if (len == 0 || len >= SY__SECRET_NAME_BYTES || !strchr(allowed, name[0])) return false;
    for (size_t i = 0; i < len; i++)
        if (!strchr(allowed, name[i]) && !strchr("._-", name[i])) return false;
    return true;
}

char *
sy__secret_memory(size_t bytes)
{
    return sodium_init() < 0 ? NULL : sodium_malloc(bytes);
}

void
sy__secret_forget(void *memory)
{
    sodium_free(memory);
}

static int
check(const char *name, size_t len, sy__error *err)
{
    if (!sy__secret_name_ok(name)) {
        (void)sy__error_set(err, SY_EUSAGE, "`%.80s` is no name of a secret", name);
        sy__error_hint(err, "letters, digits, . _ and -, at most %d", SY__SECRET_NAME_BYTES - 1);
        return SY_EUSAGE;
    }
    if (len > SY__SECRET_MAX_BYTES)
        return sy__error_set(err, SY_EUSAGE, "the value of %s is longer than %d KiB", name, SY__SECRET_MAX_BYTES >> 10);
    if (len >= SY__SECRET_MIN_BYTES) return SY_OK;
    return sy__error_set(err, SY_EUSAGE,
                         "the value of %s is shorter than %d bytes: it could not be told from other text", name,
                         SY__SECRET_MIN_BYTES);
}

int
sy__secret_new(sy__secret **out, const char *name, size_t len, sy__error *err)
{
    *out = NULL;
    int e = check(name, len, err);
    if (e) return e;
    sy__secret *s = (sy__secret *)(void *)sy__secret_memory((sizeof *s + len + 1 + 7) & ~(size_t)7);
    if (!s) return sy__error_set(err, SY_ENOMEM, "no memory for a secret");
    atomic_init(&s->refs, 1);
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    s->len = len;
    memset(s->value, 0, len + 1);
    *out = s;
    return SY_OK;
}

char *
sy__secret_fill(sy__secret *s)
{
    return s->value;
}

/* How many bytes came, at most `room`; negative: SY_EIO. */
static long
read_all(int fd, char *to, size_t room, bool one_line, sy__error *err)
{
    size_t len = 0;
    while (len < room) {
        ssize_t n = read(fd, to + len, one_line ? 1 : room - len);
        if (n < 0 && errno == EINTR && !one_line) continue;
        if (n < 0 && errno == EINTR) return sy__error_set(err, SY_ECANCELLED, "no value was given");
        if (n < 0) return sy__error_errno(err, errno, "cannot read the value");
        if (n == 0 || (one_line && to[len] == '\n')) break;
        len += (size_t)n;
    }
    return (long)len;
}

static int
make(sy__secret **out, const char *name, const char *bytes, size_t len, sy__error *err)
{
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r')) len--;
    if (memchr(bytes, '\0', len)) return sy__error_set(err, SY_EUSAGE, "the value of %s has a NUL byte in it", name);
    int e = sy__secret_new(out, name, len, err);
    if (!e) memcpy((*out)->value, bytes, len);
    return e;
}

int
sy__secret_read(sy__secret **out, const char *name, int fd, bool one_line, sy__error *err)
{
    enum { ROOM = SY__SECRET_MAX_BYTES + 3 }; /* one too many, and an end of line */
    *out = NULL;
    char *bytes = sy__secret_memory(ROOM);
    if (!bytes) return sy__error_set(err, SY_ENOMEM, "no memory for a secret");
    long len = read_all(fd, bytes, ROOM, one_line, err);
    int e = len < 0 ? (int)len : make(out, name, bytes, (size_t)len, err);
    sy__secret_forget(bytes);
    return e;
}

sy__secret *
sy__secret_hold(sy__secret *s)
{
    if (s) (void)atomic_fetch_add(&s->refs, 1);
    return s;
}

void
sy__secret_release(sy__secret *s)
{
    if (s && atomic_fetch_sub(&s->refs, 1) == 1) sy__secret_forget(s);
}

const char *
sy__secret_name(const sy__secret *s)
{
    return s->name;
}

const char *
sy__secret_value(const sy__secret *s, size_t *len)
{
    if (len) *len = s->len;
    return s->value;
}

char *
sy__secret_join(const sy__secret_text *t)
{
    size_t before = strlen(t->before), all = before + t->value->len + 1;
    char *text = sy__secret_memory(all);
    if (!text) return NULL;
    memcpy(text, t->before, before);
    memcpy(text + before, t->value->value, t->value->len + 1);
    return text;
}

bool
sy__secret_env_add(sy__secret_env *env, const sy__alloc *a, const char *const *plain, const sy__secret_text *secrets,
                   size_t count)
{
    size_t before = 0;
    while (plain[before]) before++;
    env->list = sy__calloc(a, before + count + 1, sizeof *env->list);
    env->texts = sy__calloc(a, count + 1, sizeof *env->texts);
    if (!env->list || !env->texts) return false;
    memcpy(env->list, plain, before * sizeof *plain);
    for (size_t i = 0; i < count; i++) {
        env->texts[i] = sy__secret_join(&secrets[i]);
        if (!env->texts[i]) return false;
        env->list[before + i] = env->texts[i];
    }
    return true;
}

void
sy__secret_env_drop(sy__secret_env *env, const sy__alloc *a)
{
    for (size_t i = 0; env->texts && env->texts[i]; i++) sy__secret_forget(env->texts[i]);
    sy__free(a, env->texts);
    sy__free(a, env->list);
    *env = (sy__secret_env){0};
}
