/*
 * cache_hit.c: giving a result again: its output, and a row for each artifact it made, whose metadata names the
 * original. Contents are verified first: a result whose bytes are gone or damaged is none.
 */
#include "pit/cache/cache_impl.h"

#include <stdio.h>
#include <string.h>

/* Ids that the output has to name: of artifacts made again, or of the same content in the input. */
typedef struct renaming {
    const sy__alloc *alloc;
    sy__map ids; /* original id → new id (char[SY__ID_BYTES]) */
    sy__value input;
} renaming;

static bool
text_of(sy__value map, const char *key, char *out, size_t room)
{
    sy__value v;
    size_t len = 0;
    const char *s = sy__value_get(map, key, strlen(key), &v) ? sy__value_str(v, &len) : NULL;
    if (!s || len >= room) return false;
    memcpy(out, s, len);
    out[len] = '\0';
    return true;
}

static int
check_artifacts(sy__stage *s, sy__value artifacts)
{
    char hash[SY__HASH_BYTES];
    sy__error err = {0};
    sy__value_iter it;
    if (sy__value_kind(artifacts) != SY__ARRAY) return SY_EDAMAGED;
    sy__value_iter_init(&it, artifacts);
    while (sy__value_iter_next(&it)) {
        if (!text_of(it.value, "hash", hash, sizeof hash)) return SY_EDAMAGED;
        int status = sy__artifact_verify(s->engine->o.artifacts, hash, &err);
        if (status) return status;
    }
    return SY_OK;
}

/* The metadata with `cached_from`: the original artifact and who made it. */
static int
name_original(sy__vbuf *b, sy__value metadata, const char *id, const sy__candidate_result *c, sy__value *out)
{
    sy__value_iter it;
    sy__vbuf_map(b);
    sy__value_iter_init(&it, metadata);
    while (sy__value_kind(metadata) == SY__MAP && sy__value_iter_next(&it)) {
        if (it.key_len == 11 && memcmp(it.key, "cached_from", 11) == 0) continue;
        sy__vbuf_key(b, it.key, it.key_len);
        sy__vbuf_value(b, it.value);
    }
    sy__vbuf_key(b, "cached_from", 11);
    sy__vbuf_map(b);
    sy__vbuf_key(b, "artifact", 8);
    sy__vbuf_cstr(b, id);
    sy__vbuf_key(b, "run", 3);
    sy__vbuf_cstr(b, c->run);
    sy__vbuf_key(b, "task", 4);
    sy__vbuf_cstr(b, c->task_key);
    sy__vbuf_end(b);
    sy__vbuf_end(b);
    return sy__vbuf_done(b, out);
}

static int
restore_one(sy__stage *s, sy__task *t, sy__value artifact, const sy__candidate_result *c, renaming *names)
{
    char id[SY__ID_BYTES], type[256], made[SY__ID_BYTES];
    sy__stored stored = {.dedup = true};
    sy__vbuf b, ref;
    sy__value metadata = sy__value_null(), v, size;
    sy__error err = {0};
    if (!text_of(artifact, "id", id, sizeof id) || !text_of(artifact, "type", type, sizeof type)) return SY_EDAMAGED;
    (void)text_of(artifact, "hash", stored.hash, sizeof stored.hash);
    if (sy__value_get(artifact, "size", 4, &size)) stored.size = sy__value_int(size);
    (void)sy__value_get(artifact, "metadata", 8, &metadata);
    sy__vbuf_init(&b, names->alloc);
    sy__vbuf_init(&ref, names->alloc);
    int status = name_original(&b, metadata, id, c, &v);
    if (!status) status = sy__record_artifact(s, t, type, &stored, v, &ref, &err);
    if (!status) status = sy__vbuf_done(&ref, &v);
    if (!status && text_of(v, "id", made, sizeof made)) {
        char *copy = sy__strdup(names->alloc, made);
        if (!copy || sy__map_put(&names->ids, id, strlen(id), copy)) {
            sy__free(names->alloc, copy);
            status = SY_ENOMEM;
        }
    }
    sy__vbuf_close(&ref);
    sy__vbuf_close(&b);
    return status;
}

/* The id under which the input names a content; false: it does not. */
static bool
id_in(sy__value v, sy__value hash, sy__value *id)
{
    sy__value own;
    sy__value_iter it;
    sy__kind kind = sy__value_kind(v);
    if ((kind != SY__MAP && kind != SY__ARRAY) || !memmem(v.data, v.size, "$artifact", 9)) return false;
    if (sy__value_get(v, "$artifact", 9, &own) && sy__value_equal(own, hash) && sy__value_get(v, "id", 2, id))
        return true;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it))
        if (id_in(it.value, hash, id)) return true;
    return false;
}

/* The id of a reference in the output, as this run knows it. */
static void
put_id(sy__vbuf *b, sy__value reference, sy__value id, const renaming *names)
{
    size_t len;
    sy__value hash, known;
    const char *s = sy__value_str(id, &len);
    const char *made = s ? sy__map_get(&names->ids, s, len) : NULL;
    if (made)
        sy__vbuf_cstr(b, made);
    else if (sy__value_get(reference, "$artifact", 9, &hash) && id_in(names->input, hash, &known))
        sy__vbuf_value(b, known);
    else
        sy__vbuf_value(b, id);
}

static void
put_renamed(sy__vbuf *b, sy__value v, const renaming *names)
{
    sy__value hash;
    sy__value_iter it;
    sy__kind kind = sy__value_kind(v);
    if ((kind != SY__MAP && kind != SY__ARRAY) || !memmem(v.data, v.size, "$artifact", 9)) {
        sy__vbuf_value(b, v);
        return;
    }
    bool reference = sy__value_get(v, "$artifact", 9, &hash);
    if (kind == SY__MAP)
        sy__vbuf_map(b);
    else
        sy__vbuf_array(b);
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        if (it.key) sy__vbuf_key(b, it.key, it.key_len);
        if (it.key && reference && it.key_len == 2 && memcmp(it.key, "id", 2) == 0)
            put_id(b, v, it.value, names);
        else
            put_renamed(b, it.value, names);
    }
    sy__vbuf_end(b);
}

static int
make_output(sy__task *t, sy__value stored, const renaming *names)
{
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, names->alloc);
    put_renamed(&b, stored, names);
    int status = sy__vbuf_done(&b, &v);
    sy__blob *output = status ? NULL : sy__blob_new(names->alloc, v);
    if (!status && !output) status = SY_ENOMEM;
    if (!status) {
        sy__blob_release(t->output);
        t->output = output;
    }
    sy__vbuf_close(&b);
    return status;
}

/* The stored output as a value in `b`. */
static int
parse_output(sy__stage *s, const sy__candidate_result *c, sy__vbuf *b, sy__value *out)
{
    sy__buf content;
    sy__error err = {0};
    sy__buf_init(&content, s->engine->alloc);
    int status = SY_OK;
    if (c->output_hash[0]) {
        status = sy__artifact_get(s->engine->o.artifacts, c->output_hash, &content, &err);
        if (!status) status = sy__value_from_json(b, content.data, content.len, &err);
    } else {
        status = sy__value_from_json(b, c->output, c->output_len, &err);
    }
    sy__buf_close(&content);
    return status ? status : sy__vbuf_done(b, out);
}

static int
restore(sy__stage *s, sy__task *t, const sy__candidate_result *c, sy__value output, sy__value artifacts)
{
    renaming names = {.alloc = s->engine->alloc, .input = sy__blob_value(t->input)};
    size_t at = 0, len;
    const char *key;
    void *value;
    int status = SY_OK;
    sy__value_iter it;
    sy__map_init(&names.ids, names.alloc);
    t->memo->restoring = true;
    sy__value_iter_init(&it, artifacts);
    while (!status && sy__value_iter_next(&it)) status = restore_one(s, t, it.value, c, &names);
    t->memo->restoring = false;
    if (!status) status = make_output(t, output, &names);
    while (sy__map_next(&names.ids, &at, &key, &len, &value)) sy__free(names.alloc, value);
    sy__map_close(&names.ids);
    return status;
}

int
sy__cache_restore(sy__stage *s, sy__task *t, sy__candidate_result *c)
{
    sy__vbuf b, made;
    sy__value output, artifacts;
    sy__error err = {0};
    const sy__schema *schema = t->spec->targets[t->target].operation->output;
    sy__vbuf_init(&b, s->engine->alloc);
    sy__vbuf_init(&made, s->engine->alloc);
    int status = parse_output(s, c, &b, &output);
    if (!status && schema) status = sy__schema_check(schema, output, NULL, &err);
    if (!status) status = sy__value_from_json(&made, c->artifacts, c->artifacts_len, &err);
    if (!status) status = sy__vbuf_done(&made, &artifacts);
    if (!status) status = check_artifacts(s, artifacts);
    if (!status) status = restore(s, t, c, output, artifacts);
    sy__vbuf_close(&made);
    sy__vbuf_close(&b);
    return status;
}
