/*
 * registry.c: the extensions a host can call, under one lock, each entry immutable and counted.
 *
 * An entry is built outside the lock; the lock is held for one map operation. Operations are sorted by
 * name, sources by path, because values keep the keys of their maps in order.
 */
#include "kit/registry.h"

#include "base/map.h"
#include "kit/near.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct sy__registry {
    const sy__alloc *alloc;
    pthread_mutex_t lock; /* of the map and of the hold that sy__registry_get takes */
    sy__map by_name;      /* → sy__extension */
};

/* ---- one extension ---- */

static int
no_memory(sy__error *err)
{
    return sy__error_set(err, SY_ENOMEM, "no memory for an extension");
}

/* A text field; `fallback` NULL: required. */
static int
read_text(const sy__alloc *a, sy__value v, const char *key, const char *fallback, char **out, sy__error *err)
{
    sy__value text;
    size_t len;
    const char *s = NULL;
    if (sy__value_get(v, key, strlen(key), &text)) {
        s = sy__value_str(text, &len);
        if (!s && sy__value_kind(text) != SY__NULL)
            return sy__error_set(err, SY_EMANIFEST, "`%s` of an extension must be a string", key);
    }
    if (!s && !fallback) return sy__error_set(err, SY_EMANIFEST, "an extension needs `%s`", key);
    *out = s ? sy__strndup(a, s, len) : sy__strdup(a, fallback);
    return *out ? SY_OK : no_memory(err);
}

static int
read_effects(sy__value v, sy__effects *out, const char *operation, sy__error *err)
{
    static const char *const names[] = {"none", "read", "write", "external"};
    sy__value text;
    *out = SY__EFFECT_EXTERNAL;
    if (!sy__value_get(v, "effects", 7, &text) || sy__value_kind(text) == SY__NULL) return SY_OK;
    size_t len;
    const char *s = sy__value_str(text, &len);
    for (int i = 0; s && i < 4; i++) {
        if (strlen(names[i]) != len || memcmp(names[i], s, len) != 0) continue;
        *out = (sy__effects)i;
        return SY_OK;
    }
    return sy__error_set(err, SY_EMANIFEST, "effects of `%s` must be none, read, write or external", operation);
}

static int
read_schema(const sy__alloc *a, sy__value v, const char *key, sy__schema **out, const char *operation, sy__error *err)
{
    sy__value schema;
    if (!sy__value_get(v, key, strlen(key), &schema) || sy__value_kind(schema) == SY__NULL) return SY_OK;
    sy__error why;
    sy__error_clear(&why);
    int status = sy__schema_new(out, a, schema, &why);
    if (!status) return SY_OK;
    sy__error_set(err, status, "%s of `%s`: %s", key, operation, why.message);
    if (why.hint[0]) sy__error_hint(err, "%s", why.hint);
    return status;
}

static bool
read_flag(sy__value v, const char *key, bool fallback)
{
    sy__value flag;
    if (!sy__value_get(v, key, strlen(key), &flag) || sy__value_kind(flag) == SY__NULL) return fallback;
    return sy__value_bool(flag);
}

/* What child processes of an operation read. */
static int
read_reads(const sy__alloc *a, sy__value v, sy__operation *op, sy__error *err)
{
    sy__value reads;
    if (!sy__value_get(v, "reads", 5, &reads) || sy__value_count(reads) == 0) return SY_OK;
    if (sy__value_kind(reads) != SY__ARRAY)
        return sy__error_set(err, SY_EMANIFEST, "reads of `%s` must be a list of globs", op->name);
    op->reads = sy__blob_new(a, reads);
    return op->reads ? SY_OK : no_memory(err);
}

/* Money in millionths, or tokens; negative: the manifest does not say. */
static int64_t
read_estimate(sy__value v, const char *key, double scale)
{
    sy__value estimate, part;
    if (!sy__value_get(v, "estimate", 8, &estimate) || !sy__value_get(estimate, key, strlen(key), &part)) return -1;
    double n = sy__value_num(part) * scale;
    return n >= 0 && n < 9e15 ? (int64_t)(n + 0.5) : -1;
}

static int
read_operation(const sy__alloc *a, const char *name, size_t len, sy__value v, sy__operation *op, sy__error *err)
{
    op->name = sy__strndup(a, name, len);
    if (!op->name) return no_memory(err);
    if (sy__value_kind(v) != SY__MAP)
        return sy__error_set(err, SY_EMANIFEST, "the operation `%s` must be a table", op->name);
    int status = read_effects(v, &op->effects, op->name, err);
    if (status) return status;
    op->idempotent = read_flag(v, "idempotent", op->effects <= SY__EFFECT_READ);
    op->cache = read_flag(v, "cache", false);
    op->spends = read_flag(v, "spends", false);
    op->estimates = read_flag(v, "estimates", false);
    op->estimate_usd = read_estimate(v, "usd", 1e6);
    op->estimate_tokens = read_estimate(v, "tokens", 1);
    status = read_reads(a, v, op, err);
    if (!status) status = read_schema(a, v, "input", &op->input, op->name, err);
    return status ? status : read_schema(a, v, "output", &op->output, op->name, err);
}

static int
read_operations(sy__extension *e, sy__value v, sy__error *err)
{
    sy__value all;
    if (!sy__value_get(v, "operations", 10, &all) || sy__value_count(all) == 0) return SY_OK;
    if (sy__value_kind(all) != SY__MAP) return sy__error_set(err, SY_EMANIFEST, "`operations` must be a table");
    e->operations = sy__calloc(e->alloc, sy__value_count(all), sizeof *e->operations);
    if (!e->operations) return no_memory(err);
    sy__value_iter it;
    sy__value_iter_init(&it, all);
    while (sy__value_iter_next(&it)) {
        sy__operation *op = &e->operations[e->operation_count++];
        int status = read_operation(e->alloc, it.key, it.key_len, it.value, op, err);
        if (status) return status;
    }
    return SY_OK;
}

static int
read_sources(sy__extension *e, sy__value v, sy__error *err)
{
    sy__value all;
    if (!sy__value_get(v, "sources", 7, &all) || sy__value_count(all) == 0) return SY_OK;
    if (sy__value_kind(all) != SY__MAP) return sy__error_set(err, SY_EMANIFEST, "`sources` must be a table");
    e->sources = sy__calloc(e->alloc, sy__value_count(all), sizeof *e->sources);
    if (!e->sources) return no_memory(err);
    sy__value_iter it;
    sy__value_iter_init(&it, all);
    while (sy__value_iter_next(&it)) {
        const char *text = sy__value_str(it.value, NULL);
        if (!text)
            return sy__error_set(err, SY_EMANIFEST, "the source `%.*s` must be a string", (int)it.key_len, it.key);
        sy__source *s = &e->sources[e->source_count++];
        (void)sy__value_str(it.value, &s->len);
        s->path = sy__strndup(e->alloc, it.key, it.key_len);
        s->text = sy__strndup(e->alloc, text, s->len);
        if (!s->path || !s->text) return no_memory(err);
    }
    return SY_OK;
}

/* Where its code runs. Processes cost more than threads: so many at once, unless the description says how many. */
static int
read_isolation(sy__extension *e, sy__value v, sy__error *err)
{
    enum { PROCESSES_AT_ONCE = 64 };
    sy__value part;
    size_t len = 0;
    if (!sy__value_get(v, "isolation", 9, &part) || sy__value_kind(part) == SY__NULL) return SY_OK;
    const char *text = sy__value_str(part, &len);
    e->own_process = text && len == 7 && memcmp(text, "process", 7) == 0;
    if (!e->own_process && !(text && len == 10 && memcmp(text, "in-process", 10) == 0))
        return sy__error_set(err, SY_EMANIFEST, "`isolation` of an extension is \"in-process\" or \"process\"");
    if (e->own_process && e->max_parallel <= 0) e->max_parallel = PROCESSES_AT_ONCE;
    return SY_OK;
}

/* What it promises as a player. */
static void
read_player(sy__extension *e, sy__value v)
{
    sy__value player, part;
    e->instrument = strcmp(e->type, "instrument") == 0;
    e->max_error_rate = -1;
    e->p95_ms = -1;
    bool promises = sy__value_get(v, "player", 6, &player) && sy__value_kind(player) == SY__MAP;
    e->player = e->instrument || promises;
    if (promises && sy__value_get(player, "max_error_rate", 14, &part)) e->max_error_rate = sy__value_num(part);
    if (promises && sy__value_get(player, "p95_ms", 6, &part)) e->p95_ms = (int64_t)sy__value_num(part);
}

static int
read_extension(sy__extension *e, sy__value v, const char *project_dir, sy__error *err)
{
    sy__value part = {0};
    int status = read_text(e->alloc, v, "name", NULL, &e->name, err);
    if (!status) status = read_text(e->alloc, v, "id", "", &e->id, err);
    if (!status) status = read_text(e->alloc, v, "version_id", "", &e->version_id, err);
    if (!status) status = read_text(e->alloc, v, "code_hash", "", &e->code_hash, err);
    if (!status) status = read_text(e->alloc, v, "type", "operator", &e->type, err);
    if (!status) status = read_text(e->alloc, v, "entry", "init.lua", &e->entry, err);
    if (!status) status = read_operations(e, v, err);
    if (!status) status = read_sources(e, v, err);
    if (status) return status;
    if (sy__value_get(v, "max_parallel", 12, &part)) e->max_parallel = sy__value_int(part);
    read_player(e, v);
    status = read_isolation(e, v, err);
    if (status) return status;
    if (!sy__value_get(v, "capabilities", 12, &part)) part = sy__value_null();
    status = sy__caps_new(&e->caps, e->alloc, part, project_dir, err);
    for (size_t i = 0; !status && i < e->operation_count; i++)
        if (sy__caps_starts(e->caps) && !e->operations[i].reads) e->operations[i].cache = false;
    return status;
}

static void
extension_free(sy__extension *e)
{
    const sy__alloc *a = e->alloc;
    for (size_t i = 0; i < e->operation_count; i++) {
        sy__free(a, e->operations[i].name);
        sy__schema_free(e->operations[i].input);
        sy__schema_free(e->operations[i].output);
        sy__blob_release(e->operations[i].reads);
    }
    for (size_t i = 0; i < e->source_count; i++) {
        sy__free(a, e->sources[i].path);
        sy__free(a, e->sources[i].text);
    }
    sy__caps_release(e->caps);
    sy__free(a, e->operations);
    sy__free(a, e->sources);
    sy__free(a, e->id);
    sy__free(a, e->version_id);
    sy__free(a, e->code_hash);
    sy__free(a, e->name);
    sy__free(a, e->type);
    sy__free(a, e->entry);
    sy__free(a, e);
}

sy__extension *
sy__extension_hold(sy__extension *e)
{
    if (e) (void)__atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
    return e;
}

void
sy__extension_release(sy__extension *e)
{
    if (e && __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) == 0) extension_free(e);
}

/* ---- all of them ---- */

int
sy__registry_new(sy__registry **out, const sy__alloc *a)
{
    *out = sy__calloc(a, 1, sizeof **out);
    if (!*out) return SY_ENOMEM;
    (*out)->alloc = a;
    sy__map_init(&(*out)->by_name, a);
    (void)pthread_mutex_init(&(*out)->lock, NULL);
    return SY_OK;
}

void
sy__registry_free(sy__registry *r)
{
    if (!r) return;
    size_t at = 0;
    const char *key;
    size_t len;
    void *e;
    while (sy__map_next(&r->by_name, &at, &key, &len, &e)) sy__extension_release(e);
    sy__map_close(&r->by_name);
    (void)pthread_mutex_destroy(&r->lock);
    sy__free(r->alloc, r);
}

int
sy__registry_add(sy__registry *r, sy__value description, const char *project_dir, sy__error *err)
{
    sy__extension *e = sy__calloc(r->alloc, 1, sizeof *e);
    if (!e) return no_memory(err);
    e->alloc = r->alloc;
    e->refs = 1;
    int status = read_extension(e, description, project_dir, err);
    sy__extension *before = NULL;
    if (!status) {
        size_t len = strlen(e->name);
        (void)pthread_mutex_lock(&r->lock);
        before = sy__map_get(&r->by_name, e->name, len);
        status = sy__map_put(&r->by_name, e->name, len, e);
        (void)pthread_mutex_unlock(&r->lock);
        if (status) {
            before = NULL;
            (void)no_memory(err);
        }
    }
    sy__extension_release(status ? e : before);
    return status;
}

void
sy__registry_remove(sy__registry *r, const char *name)
{
    (void)pthread_mutex_lock(&r->lock);
    sy__extension *e = sy__map_del(&r->by_name, name, strlen(name));
    (void)pthread_mutex_unlock(&r->lock);
    sy__extension_release(e);
}

static sy__extension *
get(sy__registry *r, const char *name, size_t len)
{
    (void)pthread_mutex_lock(&r->lock);
    sy__extension *e = sy__extension_hold(sy__map_get(&r->by_name, name, len));
    (void)pthread_mutex_unlock(&r->lock);
    return e;
}

sy__extension *
sy__registry_get(sy__registry *r, const char *name)
{
    return get(r, name, strlen(name));
}

static int
by_name(const void *key, const void *op)
{
    return strcmp(key, ((const sy__operation *)op)->name);
}

static const sy__operation *
extension_operation(const sy__extension *e, const char *name)
{
    if (!e->operation_count) return NULL;
    return bsearch(name, e->operations, e->operation_count, sizeof *e->operations, by_name);
}

/* Proposes the operation of `e` whose name is nearest. */
static void
propose_operation(const sy__extension *e, const char *name, sy__error *err)
{
    int best = 99;
    for (size_t i = 0; i < e->operation_count; i++) {
        const char *other = e->operations[i].name;
        int d = sy__near(name, strlen(name), other, strlen(other));
        if (d < 0 || d >= best) continue;
        best = d;
        sy__error_hint(err, "did you mean `%s.%s`?", e->name, other);
    }
}

static void
propose_extension(sy__registry *r, const char *name, size_t len, sy__error *err)
{
    size_t at = 0, key_len;
    const char *key;
    void *value;
    int best = 99;
    (void)pthread_mutex_lock(&r->lock);
    while (sy__map_next(&r->by_name, &at, &key, &key_len, &value)) {
        int d = sy__near(name, len, key, key_len);
        if (d < 0 || d >= best) continue;
        best = d;
        sy__error_hint(err, "did you mean `%.*s%s`?", (int)key_len, key, name + len);
    }
    (void)pthread_mutex_unlock(&r->lock);
}

int
sy__registry_resolve(sy__registry *r, const char *operation, sy__extension **ext, const sy__operation **op,
                     sy__error *err)
{
    const char *slash = strrchr(operation, '/');
    const char *dot = strchr(slash ? slash : operation, '.');
    *ext = NULL;
    *op = NULL;
    if (!dot || dot == operation || !dot[1])
        return sy__error_set(err, SY_EOPERATION, "`%s` is no operation: write extension.operation", operation);
    size_t len = (size_t)(dot - operation);
    sy__extension *e = get(r, operation, len);
    if (!e) {
        sy__error_set(err, SY_EOPERATION, "there is no extension `%.*s`", (int)len, operation);
        if (err) propose_extension(r, operation, len, err);
        return SY_EOPERATION;
    }
    *op = extension_operation(e, dot + 1);
    if (*op) {
        *ext = e;
        return SY_OK;
    }
    sy__error_set(err, SY_EOPERATION, "the extension `%s` has no operation `%s`", e->name, dot + 1);
    if (err) propose_operation(e, dot + 1, err);
    sy__extension_release(e);
    return SY_EOPERATION;
}
