/*
 * cache_key.c: everything a result depends on besides what it read, as parts with a hash each, and the key over them.
 *
 *   code       hash of the extension's files and manifest (its grants and its models among them)
 *   program    the version of this program: the library is part of the code
 *   operation  its name
 *   trusted    whether the project is: operations may ask
 *   env        each variable that the manifest grants; with processes also PATH, HOME and LANG
 *   input      canonical bytes; artifacts count by their hash, not by the id of one production
 */
#include "pit/cache/cache_impl.h"

#include <string.h>

extern char **environ;

enum { SHOWN_BYTES = 80 /* JSON of an input's field that is kept as text */ };

/* ---- input ---- */

/* Whether the map refers to an artifact. */
static bool
is_reference(sy__value v)
{
    sy__value hash;
    size_t len;
    const char *s = sy__value_get(v, "$artifact", 9, &hash) ? sy__value_str(hash, &len) : NULL;
    return s && len == SY__HASH_BYTES - 1;
}

/* Copies a value; references lose the id of their row. */
static void
put_plain(sy__vbuf *b, sy__value v)
{
    sy__value_iter it;
    sy__kind kind = sy__value_kind(v);
    if ((kind != SY__MAP && kind != SY__ARRAY) || !memmem(v.data, v.size, "$artifact", 9)) {
        sy__vbuf_value(b, v);
        return;
    }
    bool reference = kind == SY__MAP && is_reference(v);
    if (kind == SY__MAP)
        sy__vbuf_map(b);
    else
        sy__vbuf_array(b);
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        if (reference && it.key_len == 2 && memcmp(it.key, "id", 2) == 0) continue;
        if (it.key) sy__vbuf_key(b, it.key, it.key_len);
        put_plain(b, it.value);
    }
    sy__vbuf_end(b);
}

static void
put_digest(sy__vbuf *b, sy__value v)
{
    char digest[SY__DIGEST_BYTES];
    sy__digest(v.data, v.size, digest);
    sy__vbuf_cstr(b, digest);
}

/* {hash, text?} of a field: short ones are shown as they were. */
static void
put_field(sy__vbuf *b, sy__value v)
{
    sy__buf json;
    sy__vbuf_map(b);
    sy__vbuf_key(b, "hash", 4);
    put_digest(b, v);
    if (v.size <= SHOWN_BYTES) {
        sy__buf_init(&json, b->buf.alloc);
        sy__value_to_json(v, SY__JSON_LOSSY, &json);
        if (json.len <= SHOWN_BYTES && !json.failed) {
            sy__vbuf_key(b, "text", 4);
            sy__vbuf_str(b, json.data, json.len);
        }
        sy__buf_close(&json);
    }
    sy__vbuf_end(b);
}

/* {hash, fields: {NAME: {hash, text?}}}; fields only of a map. */
static int
put_input(sy__vbuf *b, sy__value input)
{
    sy__vbuf plain;
    sy__value v;
    sy__value_iter it;
    sy__vbuf_init(&plain, b->buf.alloc);
    put_plain(&plain, input);
    int status = sy__vbuf_done(&plain, &v);
    if (!status) {
        sy__vbuf_map(b);
        sy__vbuf_key(b, "hash", 4);
        put_digest(b, v);
        sy__vbuf_key(b, "fields", 6);
        sy__vbuf_map(b);
        sy__value_iter_init(&it, v);
        while (sy__value_kind(v) == SY__MAP && sy__value_iter_next(&it)) {
            sy__vbuf_key(b, it.key, it.key_len);
            put_field(b, it.value);
        }
        sy__vbuf_end(b);
        sy__vbuf_end(b);
    }
    sy__vbuf_close(&plain);
    return status;
}

/* ---- environment ---- */

static bool
is_declared(const sy__caps *caps, const char *name)
{
    if (sy__caps_env(caps, name)) return true;
    if (!sy__caps_starts(caps)) return false;
    return strcmp(name, "PATH") == 0 || strcmp(name, "HOME") == 0 || strcmp(name, "LANG") == 0;
}

/* {NAME: digest}: values are never kept. */
static void
put_env(sy__vbuf *b, const sy__caps *caps)
{
    char name[256], digest[SY__DIGEST_BYTES];
    sy__vbuf_map(b);
    for (char **e = environ; *e; e++) {
        size_t len = strcspn(*e, "=");
        if (len == 0 || len >= sizeof name || !(*e)[len]) continue;
        memcpy(name, *e, len);
        name[len] = '\0';
        if (!is_declared(caps, name)) continue;
        sy__digest(*e + len + 1, strlen(*e + len + 1), digest);
        digest[16] = '\0';
        sy__vbuf_key(b, name, len);
        sy__vbuf_cstr(b, digest);
    }
    sy__vbuf_end(b);
}

/* ---- the key ---- */

static int
put_parts(sy__vbuf *b, const sy__task *t, bool trusted)
{
    const sy__target *target = &t->spec->targets[t->target];
    sy__vbuf_map(b);
    sy__vbuf_key(b, "code", 4);
    sy__vbuf_cstr(b, target->extension->code_hash);
    sy__vbuf_key(b, "env", 3);
    put_env(b, target->extension->caps);
    sy__vbuf_key(b, "input", 5);
    int status = put_input(b, sy__blob_value(t->input));
    sy__vbuf_key(b, "operation", 9);
    sy__vbuf_cstr(b, target->name);
    sy__vbuf_key(b, "program", 7);
    sy__vbuf_cstr(b, sy_version());
    sy__vbuf_key(b, "trusted", 7);
    sy__vbuf_bool(b, trusted);
    sy__vbuf_end(b);
    return status;
}

int
sy__cache_key(const sy__task *t, bool trusted, struct sy__memo *m)
{
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, m->alloc);
    int status = put_parts(&b, t, trusted);
    if (!status) status = sy__vbuf_done(&b, &v);
    if (!status) {
        sy__hash_of(v.data, v.size, m->key);
        sy__value_to_json(v, SY__JSON_LOSSY, &m->parts);
        if (!sy__buf_cstr(&m->parts)) status = SY_ENOMEM;
    }
    sy__vbuf_close(&b);
    return status;
}
