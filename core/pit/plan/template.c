/*
 * template.c: one node per JSON value that contains a reference; whatever has none stays encoded bytes.
 */
#include "pit/plan/template.h"

#include <string.h>

typedef enum node_kind { NODE_CONST, NODE_REF, NODE_PARAM, NODE_TEXT, NODE_ARRAY, NODE_MAP } node_kind;

/* One step of a path: a field's name, or an index from 1. */
typedef struct path_part {
    char *key; /* NULL: an index */
    size_t key_len;
    int64_t index;
} path_part;

struct sy__template {
    const sy__alloc *alloc;
    node_kind kind;
    sy__blob *value;    /* NODE_CONST: the value; NODE_REF: what stands for an absent one */
    uint32_t task;      /* NODE_REF */
    sy__edge_kind edge; /* NODE_REF */
    path_part *path;    /* NODE_REF, NODE_PARAM */
    size_t path_count;
    sy__template **items; /* NODE_TEXT, NODE_ARRAY, NODE_MAP */
    path_part *keys;      /* NODE_MAP */
    size_t count;
};

static void
free_parts(const sy__alloc *a, path_part *parts, size_t count)
{
    for (size_t i = 0; parts && i < count; i++) sy__free(a, parts[i].key);
    sy__free(a, parts);
}

void
sy__template_free(sy__template *t)
{
    if (!t) return;
    for (size_t i = 0; t->items && i < t->count; i++) sy__template_free(t->items[i]);
    sy__free(t->alloc, t->items);
    free_parts(t->alloc, t->keys, t->count);
    free_parts(t->alloc, t->path, t->path_count);
    sy__blob_release(t->value);
    sy__free(t->alloc, t);
}

/* The form a map stands for: its "$…" key, or NULL for an ordinary map. */
static const char *
form_of(sy__value v, sy__value *content)
{
    static const char *const forms[] = {"$ref", "$param", "$text", "$literal"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (sy__value_get(v, forms[i], strlen(forms[i]), content)) return forms[i];
    return NULL;
}

static int
copy_part(const sy__alloc *a, path_part *part, const char *key, size_t len)
{
    part->key = sy__strndup(a, key, len);
    part->key_len = len;
    return part->key ? SY_OK : SY_ENOMEM;
}

/* The parts of a path from the item `skip` of an array on. */
static int
compile_path(sy__template *t, sy__value list, size_t skip, sy__error *err)
{
    size_t count = sy__value_count(list), at = 0;
    if (count <= skip) return SY_OK;
    t->path = sy__calloc(t->alloc, count - skip, sizeof *t->path);
    if (!t->path) return SY_ENOMEM;
    t->path_count = count - skip;
    sy__value_iter it;
    sy__value_iter_init(&it, list);
    for (size_t i = 0; sy__value_iter_next(&it); i++) {
        if (i < skip) continue;
        path_part *part = &t->path[at++];
        size_t len;
        const char *key = sy__value_str(it.value, &len);
        if (key) {
            if (copy_part(t->alloc, part, key, len)) return SY_ENOMEM;
        } else if (sy__value_kind(it.value) == SY__INT) {
            part->index = sy__value_int(it.value);
        } else {
            return sy__error_set(err, SY_EMELODY, "a reference's parts are field names or indexes from 1");
        }
    }
    return SY_OK;
}

static int
edge_of(sy__value v, sy__edge_kind fallback, sy__edge_kind *out, sy__error *err)
{
    static const char *const names[] = {"hard", "soft", "optional"};
    sy__value edge;
    size_t len;
    *out = fallback;
    if (!sy__value_get(v, "edge", 4, &edge)) return SY_OK;
    const char *name = sy__value_str(edge, &len);
    for (int i = 0; name && i < 3; i++) {
        if (strlen(names[i]) != len || memcmp(names[i], name, len) != 0) continue;
        *out = (sy__edge_kind)i;
        return SY_OK;
    }
    return sy__error_set(err, SY_EMELODY, "an edge is hard, soft or optional");
}

static int
compile_ref(sy__template *t, sy__value v, sy__value list, const sy__template_names *names, sy__error *err)
{
    sy__value first, absent = {0};
    size_t len;
    const char *key = sy__value_at(list, 0, &first) ? sy__value_str(first, &len) : NULL;
    if (!key) return sy__error_set(err, SY_EMELODY, "a $ref is a list that starts with a task's key");
    int64_t task = names->task(names->ud, key, len);
    if (task < 0) return sy__error_set(err, SY_EMELODY, "a reference to `%.*s`, which is no task", (int)len, key);
    t->kind = NODE_REF;
    t->task = (uint32_t)task;
    int status = edge_of(v, names->default_edge, &t->edge, err);
    if (!status) status = compile_path(t, list, 1, err);
    if (!status && sy__value_get(v, "absent", 6, &absent)) {
        t->value = sy__blob_new(t->alloc, absent);
        if (!t->value) status = SY_ENOMEM;
    }
    return status ? status : names->edge(names->ud, t->task, t->edge);
}

static int compile(sy__template **out, const sy__alloc *a, sy__value v, const sy__template_names *names,
                   sy__error *err);

static int
compile_items(sy__template *t, node_kind kind, sy__value v, const sy__template_names *names, sy__error *err)
{
    t->kind = kind;
    t->count = sy__value_count(v);
    t->items = sy__calloc(t->alloc, t->count + 1, sizeof *t->items);
    t->keys = sy__calloc(t->alloc, t->count + 1, sizeof *t->keys);
    if (!t->items || !t->keys) return SY_ENOMEM;
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    for (size_t i = 0; sy__value_iter_next(&it); i++) {
        if (it.map && copy_part(t->alloc, &t->keys[i], it.key, it.key_len)) return SY_ENOMEM;
        int status = compile(&t->items[i], t->alloc, it.value, names, err);
        if (status) return status;
    }
    return SY_OK;
}

/* Whether any form is inside: only then a value is taken apart. */
static bool
has_form(sy__value v)
{
    sy__value content;
    if (sy__value_kind(v) == SY__MAP && form_of(v, &content)) return true;
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it))
        if (has_form(it.value)) return true;
    return false;
}

static int
compile_constant(sy__template *t, sy__value v)
{
    t->kind = NODE_CONST;
    t->value = sy__blob_new(t->alloc, v);
    return t->value ? SY_OK : SY_ENOMEM;
}

static int
compile_form(sy__template *t, const char *form, sy__value v, sy__value content, const sy__template_names *names,
             sy__error *err)
{
    if (strcmp(form, "$ref") == 0) return compile_ref(t, v, content, names, err);
    if (strcmp(form, "$text") == 0) return compile_items(t, NODE_TEXT, content, names, err);
    if (strcmp(form, "$literal") == 0) return compile_constant(t, content);
    t->kind = NODE_PARAM;
    return compile_path(t, content, 0, err);
}

static int
compile(sy__template **out, const sy__alloc *a, sy__value v, const sy__template_names *names, sy__error *err)
{
    sy__template *t = *out = sy__calloc(a, 1, sizeof *t);
    if (!t) return SY_ENOMEM;
    t->alloc = a;
    sy__value content;
    if (!has_form(v)) return compile_constant(t, v);
    const char *form = sy__value_kind(v) == SY__MAP ? form_of(v, &content) : NULL;
    if (form) return compile_form(t, form, v, content, names, err);
    return compile_items(t, sy__value_kind(v) == SY__MAP ? NODE_MAP : NODE_ARRAY, v, names, err);
}

int
sy__template_new(sy__template **out, const sy__alloc *a, sy__value v, const sy__template_names *names, sy__error *err)
{
    *out = NULL;
    sy__template *t = NULL;
    int status = compile(&t, a, v.data ? v : sy__value_null(), names, err);
    if (status == SY_ENOMEM) (void)sy__error_set(err, status, "no memory for a task's input");
    if (status)
        sy__template_free(t);
    else
        *out = t;
    return status;
}

bool
sy__template_constant(const sy__template *t, sy__value *out)
{
    if (t->kind != NODE_CONST) return false;
    *out = sy__blob_value(t->value);
    return true;
}

/* Follows a path; a missing part gives false. */
static bool
walk(sy__value *v, const path_part *path, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const path_part *part = &path[i];
        bool found = part->key ? sy__value_get(*v, part->key, part->key_len, v)
                               : part->index > 0 && sy__value_at(*v, (size_t)part->index - 1, v);
        if (!found) return false;
    }
    return true;
}

/* The value a reference stands for; data NULL: null. */
static sy__value
resolve(const sy__template *t, const sy__template_source *source)
{
    sy__value v = source->params;
    if (t->kind == NODE_CONST) return sy__blob_value(t->value);
    if (t->kind == NODE_REF && !source->output(source->ud, t->task, t->edge != SY__EDGE_HARD, &v))
        return t->value ? sy__blob_value(t->value) : sy__value_null();
    return walk(&v, t->path, t->path_count) ? v : sy__value_null();
}

static void
add_piece(sy__buf *text, const sy__template *piece, const sy__template_source *source)
{
    sy__vbuf built;
    size_t len;
    sy__vbuf_init(&built, text->alloc);
    sy__value v = {0};
    if (piece->kind <= NODE_PARAM) {
        v = resolve(piece, source);
    } else {
        sy__template_fill(piece, source, &built);
        if (sy__vbuf_done(&built, &v)) text->failed = true;
    }
    const char *s = sy__value_str(v, &len);
    if (s)
        sy__buf_add(text, s, len);
    else
        sy__value_to_json(v, SY__JSON_COMPACT, text);
    sy__vbuf_close(&built);
}

static void
fill_text(const sy__template *t, const sy__template_source *source, sy__vbuf *out)
{
    sy__buf text;
    sy__buf_init(&text, t->alloc);
    for (size_t i = 0; i < t->count; i++) add_piece(&text, t->items[i], source);
    if (text.failed && !out->error) out->error = SY_ENOMEM;
    sy__vbuf_str(out, text.data ? text.data : "", text.len);
    sy__buf_close(&text);
}

void
sy__template_fill(const sy__template *t, const sy__template_source *source, sy__vbuf *out)
{
    switch (t->kind) {
    case NODE_CONST:
    case NODE_REF:
    case NODE_PARAM: sy__vbuf_value(out, resolve(t, source)); return;
    case NODE_TEXT: fill_text(t, source, out); return;
    case NODE_ARRAY: sy__vbuf_array(out); break;
    case NODE_MAP: sy__vbuf_map(out); break;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (t->kind == NODE_MAP) sy__vbuf_key(out, t->keys[i].key, t->keys[i].key_len);
        sy__template_fill(t->items[i], source, out);
    }
    sy__vbuf_end(out);
}
