/*
 * schema_compile.c: from the value of a JSON Schema to nodes.
 *
 * One table names every keyword, the function that reads it and the member of the node it fills, so an
 * unknown keyword is found by failing to find it. `#/$defs/…` are made as empty nodes first: a $ref is then a pointer,
 * whatever the order.
 */
#include "base/text.h"
#include "kit/near.h"
#include "kit/schema_node.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 2048, MAX_COMPILE_DEPTH = 64 };

struct sy__chunk {
    sy__chunk *next;
    size_t used, size;
    max_align_t data[];
};

/* Where in the schema the compiler is, for messages. */
typedef struct place {
    const struct place *up;
    const char *key;
    size_t len;
    int depth;
} place;

typedef struct compiler {
    sy__schema *s;
    sy__error *err;
} compiler;

/* Reads a keyword's value into `to`: the member that the table names, or the whole node where it names none. */
typedef int (*reader)(compiler *c, void *to, sy__value v, const place *at);

static void *
arena(sy__schema *s, size_t bytes)
{
    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!s->chunks || s->chunks->size - s->chunks->used < bytes) {
        size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        sy__chunk *chunk = sy__malloc(s->alloc, sizeof *chunk + size);
        if (!chunk) return NULL;
        *chunk = (sy__chunk){.next = s->chunks, .size = size};
        s->chunks = chunk;
    }
    void *p = (char *)s->chunks->data + s->chunks->used;
    s->chunks->used += bytes;
    memset(p, 0, bytes);
    return p;
}

static char *
arena_text(sy__schema *s, const char *text, size_t len)
{
    char *copy = arena(s, len + 1);
    if (copy && len) memcpy(copy, text, len);
    return copy;
}

static int
no_memory(compiler *c)
{
    return sy__error_set(c->err, SY_ENOMEM, "no memory for a schema");
}

static void
write_place(const place *at, sy__buf *to)
{
    if (!at || !at->key) return;
    write_place(at->up, to);
    sy__buf_addf(to, "%s%.*s", to->len ? "." : "", (int)(at->len < 64 ? at->len : 64), at->key);
}

/* "schema `properties.files`: what", as SY_EMANIFEST. */
static int
wrong(compiler *c, const place *at, const char *what)
{
    sy__buf path;
    sy__buf_init(&path, c->s->alloc);
    write_place(at, &path);
    const char *where = sy__buf_cstr(&path);
    int status = where && *where ? sy__error_set(c->err, SY_EMANIFEST, "schema `%s`: %s", where, what)
                                 : sy__error_set(c->err, SY_EMANIFEST, "schema: %s", what);
    sy__buf_close(&path);
    return status;
}

static int compile(compiler *c, sy__node *n, sy__value v, const place *at);

static sy__node *
new_node(sy__schema *s)
{
    sy__node *n = arena(s, sizeof *n);
    if (!n) return NULL;
    n->min_length = n->max_length = n->min_items = n->max_items = n->min_fields = n->max_fields = -1;
    n->next = s->nodes;
    s->nodes = n;
    return n;
}

static int
compile_new(compiler *c, sy__node **out, sy__value v, const place *at)
{
    *out = new_node(c->s);
    return *out ? compile(c, *out, v, at) : no_memory(c);
}

/* ---- keywords ---- */

static const struct {
    const char *name;
    const char *article;
    unsigned mask;
} types[] = {
    {"null", "null", SY__T_NULL},       {"boolean", "a boolean", SY__T_BOOL}, {"integer", "an integer", SY__T_INT},
    {"number", "a number", SY__T_NUM},  {"string", "a string", SY__T_STR},    {"array", "an array", SY__T_ARRAY},
    {"object", "an object", SY__T_MAP},
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

const char *
sy__types_text(unsigned mask, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (!(mask & types[i].mask)) continue;
        size_t n = strlen(types[i].article), gap = len ? 4 : 0;
        if (len + gap + n >= size) break;
        memcpy(out + len, " or ", gap);
        memcpy(out + len + gap, types[i].article, n + 1);
        len += gap + n;
        mask &= ~types[i].mask;
    }
    return out;
}

static int
add_type(compiler *c, unsigned *mask, sy__value v, const place *at)
{
    size_t len;
    const char *name = sy__value_str(v, &len);
    for (size_t i = 0; name && i < TYPE_COUNT; i++) {
        if (strlen(types[i].name) != len || memcmp(types[i].name, name, len) != 0) continue;
        *mask |= types[i].mask;
        if (types[i].mask == SY__T_ARRAY) c->s->has_arrays = true;
        return SY_OK;
    }
    return wrong(c, at, "a type is one of null, boolean, integer, number, string, array, object");
}

static int
read_type(compiler *c, void *to, sy__value v, const place *at)
{
    if (sy__value_kind(v) != SY__ARRAY) return add_type(c, to, v, at);
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    if (sy__value_count(v) == 0) return wrong(c, at, "a list of types cannot be empty");
    while (sy__value_iter_next(&it)) {
        int status = add_type(c, to, it.value, at);
        if (status) return status;
    }
    return SY_OK;
}

static int
by_key(const void *a, const void *b)
{
    const sy__field *x = a, *y = b;
    return sy__text_order(x->key, x->len, y->key, y->len);
}

/* `properties` and `required` come in one list; this keyword order is fixed by compile(). */
static int
read_properties(compiler *c, void *to, sy__value v, const place *at)
{
    sy__node *n = to;
    if (sy__value_kind(v) != SY__MAP) return wrong(c, at, "must be an object of schemas");
    n->fields = arena(c->s, (sy__value_count(v) + 1) * sizeof *n->fields);
    if (!n->fields) return no_memory(c);
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        sy__field *f = &n->fields[n->field_count++];
        *f = (sy__field){.key = it.key, .len = it.key_len};
        place in = {at, it.key, it.key_len, at->depth + 1};
        int status = compile_new(c, &f->node, it.value, &in);
        if (status) return status;
    }
    return SY_OK;
}

static sy__field *
find_field(sy__field *fields, size_t count, const char *key, size_t len)
{
    sy__field wanted = {.key = key, .len = len};
    return count ? bsearch(&wanted, fields, count, sizeof *fields, by_key) : NULL;
}

static int
read_required(compiler *c, void *to, sy__value v, const place *at)
{
    sy__node *n = to;
    if (sy__value_kind(v) == SY__MAP && sy__value_count(v) == 0) return SY_OK;
    if (sy__value_kind(v) != SY__ARRAY) return wrong(c, at, "must be a list of field names");
    sy__field *all = arena(c->s, (n->field_count + sy__value_count(v) + 1) * sizeof *all);
    if (!all) return no_memory(c);
    size_t declared = n->field_count, count = declared;
    if (declared) memcpy(all, n->fields, declared * sizeof *all);
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        size_t len;
        const char *key = sy__value_str(it.value, &len);
        if (!key) return wrong(c, at, "must be a list of field names");
        sy__field *f = find_field(all, declared, key, len);
        if (!f) {
            f = &all[count++];
            *f = (sy__field){.key = key, .len = len};
        }
        f->required = true;
    }
    qsort(all, count, sizeof *all, by_key);
    n->fields = all;
    n->field_count = count;
    for (size_t i = 0; i < count; i++) n->required_count += all[i].required;
    return SY_OK;
}

static int
compile_regex(compiler *c, sy__regex *out, const char *text, size_t len, const place *at)
{
    int number;
    size_t offset;
    char why[160] = "is no regular expression: ";
    c->s->has_patterns = true;
    out->text = arena_text(c->s, text, len);
    if (!out->text) return no_memory(c);
    pcre2_compile_context *context = pcre2_compile_context_create(c->s->pcre);
    if (!context) return no_memory(c);
    (void)pcre2_set_max_pattern_length(context, 4096);
    out->code = pcre2_compile((PCRE2_SPTR)text, len,
                              PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C,
                              &number, &offset, context);
    pcre2_compile_context_free(context);
    if (!out->code && number == PCRE2_ERROR_HEAP_FAILED) return no_memory(c);
    if (!out->code) {
        size_t said = strlen(why);
        (void)pcre2_get_error_message(number, (PCRE2_UCHAR *)why + said, sizeof why - said);
        return wrong(c, at, why);
    }
    (void)pcre2_jit_compile(out->code, PCRE2_JIT_COMPLETE);
    return SY_OK;
}

static int
read_pattern(compiler *c, void *to, sy__value v, const place *at)
{
    size_t len;
    const char *text = sy__value_str(v, &len);
    return text ? compile_regex(c, to, text, len, at) : wrong(c, at, "must be a string");
}

static int
read_patterns(compiler *c, void *to, sy__value v, const place *at)
{
    sy__node *n = to;
    if (sy__value_kind(v) != SY__MAP) return wrong(c, at, "must be an object of schemas");
    n->patterns = arena(c->s, (sy__value_count(v) + 1) * sizeof *n->patterns);
    if (!n->patterns) return no_memory(c);
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        sy__regex *r = &n->patterns[n->pattern_count++];
        place in = {at, it.key, it.key_len, at->depth + 1};
        int status = compile_regex(c, r, it.key, it.key_len, &in);
        if (!status) status = compile_new(c, &r->node, it.value, &in);
        if (status) return status;
    }
    return SY_OK;
}

static int
read_schema(compiler *c, void *to, sy__value v, const place *at)
{
    return compile_new(c, to, v, at);
}

static int
read_list(compiler *c, void *to, sy__value v, const place *at)
{
    sy__node_list *list = to;
    if (sy__value_kind(v) != SY__ARRAY || sy__value_count(v) == 0) return wrong(c, at, "must be a list of schemas");
    list->at = arena(c->s, sy__value_count(v) * sizeof(sy__node *));
    if (!list->at) return no_memory(c);
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        int status = compile_new(c, &list->at[list->count++], it.value, at);
        if (status) return status;
    }
    return SY_OK;
}

static int
read_value(compiler *c, void *to, sy__value v, const place *at)
{
    (void)c, (void)at;
    *(sy__value *)to = v;
    return SY_OK;
}

static int
read_default(compiler *c, void *to, sy__value v, const place *at)
{
    c->s->has_defaults = true;
    return read_value(c, to, v, at);
}

static int
read_enum(compiler *c, void *to, sy__value v, const place *at)
{
    if (sy__value_kind(v) != SY__ARRAY || sy__value_count(v) == 0) return wrong(c, at, "must be a list of values");
    return read_value(c, to, v, at);
}

static int
read_bound(compiler *c, void *to, sy__value v, const place *at)
{
    sy__kind kind = sy__value_kind(v);
    if (kind != SY__INT && kind != SY__NUM) return wrong(c, at, "must be a number");
    return read_value(c, to, v, at);
}

static int
read_multiple(compiler *c, void *to, sy__value v, const place *at)
{
    if (!(sy__value_num(v) > 0)) return wrong(c, at, "must be a number above 0");
    return read_bound(c, to, v, at);
}

static int
read_size(compiler *c, void *to, sy__value v, const place *at)
{
    double d = sy__value_num(v);
    sy__kind kind = sy__value_kind(v);
    if ((kind != SY__INT && kind != SY__NUM) || !(d >= 0 && d <= 1e15) || d != (double)(int64_t)d)
        return wrong(c, at, "must be a whole number from 0");
    *(int64_t *)to = (int64_t)d;
    return SY_OK;
}

static int
read_unique(compiler *c, void *to, sy__value v, const place *at)
{
    sy__kind kind = sy__value_kind(v);
    if (kind != SY__TRUE && kind != SY__FALSE) return wrong(c, at, "must be true or false");
    *(bool *)to = sy__value_bool(v);
    return SY_OK;
}

static int
read_ref(compiler *c, void *to, sy__value v, const place *at)
{
    static const char prefix[] = "#/$defs/";
    size_t len, skip = sizeof prefix - 1;
    const char *text = sy__value_str(v, &len);
    if (text && len == 1 && *text == '#') {
        *(sy__node **)to = c->s->root;
        return SY_OK;
    }
    if (!text || len <= skip || memcmp(text, prefix, skip) != 0)
        return wrong(c, at, "must be \"#\" or \"#/$defs/NAME\"");
    sy__field *def = find_field(c->s->defs, c->s->def_count, text + skip, len - skip);
    if (!def) return wrong(c, at, "names nothing in $defs");
    *(sy__node **)to = def->node;
    return SY_OK;
}

static int
read_nothing(compiler *c, void *to, sy__value v, const place *at)
{
    (void)c, (void)to, (void)v, (void)at;
    return SY_OK;
}

static int
read_defs(compiler *c, void *to, sy__value v, const place *at)
{
    (void)v;
    return to == c->s->root ? SY_OK : wrong(c, at, "$defs belongs to the top of a schema");
}

/* In the order they are read: properties before required. Annotations read nothing. */
static const struct keyword {
    const char *name;
    reader read;
    size_t at; /* where in the node the value goes; 0: the reader takes the node */
} keywords[] = {
    {"type", read_type, offsetof(sy__node, types)},
    {"properties", read_properties, 0},
    {"required", read_required, 0},
    {"additionalProperties", read_schema, offsetof(sy__node, additional)},
    {"patternProperties", read_patterns, 0},
    {"items", read_schema, offsetof(sy__node, items)},
    {"prefixItems", read_list, offsetof(sy__node, prefix)},
    {"enum", read_enum, offsetof(sy__node, enums)},
    {"const", read_value, offsetof(sy__node, konst)},
    {"default", read_default, offsetof(sy__node, def)},
    {"minimum", read_bound, offsetof(sy__node, least)},
    {"maximum", read_bound, offsetof(sy__node, most)},
    {"exclusiveMinimum", read_bound, offsetof(sy__node, above)},
    {"exclusiveMaximum", read_bound, offsetof(sy__node, below)},
    {"multipleOf", read_multiple, offsetof(sy__node, multiple)},
    {"minLength", read_size, offsetof(sy__node, min_length)},
    {"maxLength", read_size, offsetof(sy__node, max_length)},
    {"pattern", read_pattern, offsetof(sy__node, pattern)},
    {"minItems", read_size, offsetof(sy__node, min_items)},
    {"maxItems", read_size, offsetof(sy__node, max_items)},
    {"uniqueItems", read_unique, offsetof(sy__node, unique)},
    {"minProperties", read_size, offsetof(sy__node, min_fields)},
    {"maxProperties", read_size, offsetof(sy__node, max_fields)},
    {"anyOf", read_list, offsetof(sy__node, any)},
    {"oneOf", read_list, offsetof(sy__node, one)},
    {"allOf", read_list, offsetof(sy__node, all)},
    {"not", read_schema, offsetof(sy__node, not_)},
    {"$ref", read_ref, offsetof(sy__node, ref)},
    {"$defs", read_defs, 0},
    {"$schema", read_nothing, 0},
    {"$id", read_nothing, 0},
    {"$comment", read_nothing, 0},
    {"title", read_nothing, 0},
    {"description", read_nothing, 0},
    {"doc", read_nothing, 0},
    {"examples", read_nothing, 0},
    {"format", read_nothing, 0},
    {"deprecated", read_nothing, 0},
    {"readOnly", read_nothing, 0},
    {"writeOnly", read_nothing, 0},
};
enum { KEYWORD_COUNT = sizeof keywords / sizeof keywords[0] };

static bool
is_keyword(const char *key, size_t len)
{
    for (size_t i = 0; i < KEYWORD_COUNT; i++)
        if (strlen(keywords[i].name) == len && memcmp(keywords[i].name, key, len) == 0) return true;
    return len > 2 && key[0] == 'x' && key[1] == '-';
}

static int
unknown(compiler *c, const place *at, const char *key, size_t len)
{
    char what[128];
    (void)snprintf(what, sizeof what, "unknown keyword `%.*s`", (int)(len < 64 ? len : 64), key);
    int status = wrong(c, at, what);
    int best = INT_MAX;
    for (size_t i = 0; i < KEYWORD_COUNT; i++) {
        int d = sy__near(key, len, keywords[i].name, strlen(keywords[i].name));
        if (d < 0 || d >= best) continue;
        best = d;
        sy__error_hint(c->err, "did you mean `%s`?", keywords[i].name);
    }
    return status;
}

static int
compile(compiler *c, sy__node *n, sy__value v, const place *at)
{
    sy__kind kind = sy__value_kind(v);
    if (kind == SY__TRUE || kind == SY__FALSE) {
        n->never = kind == SY__FALSE;
        return SY_OK;
    }
    if (kind != SY__MAP) return wrong(c, at, "a schema is an object, true or false");
    if (at->depth > MAX_COMPILE_DEPTH) return wrong(c, at, "nested too deeply");
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it))
        if (!is_keyword(it.key, it.key_len)) return unknown(c, at, it.key, it.key_len);
    for (size_t i = 0; i < KEYWORD_COUNT; i++) {
        const char *name = keywords[i].name;
        place in = {at, name, strlen(name), at->depth + 1};
        sy__value inner;
        if (!sy__value_get(v, name, in.len, &inner)) continue;
        int status = keywords[i].read(c, (char *)n + keywords[i].at, inner, &in);
        if (status) return status;
    }
    return SY_OK;
}

/* ---- the whole ---- */

static int
make_defs(compiler *c, sy__value schema)
{
    sy__value defs;
    if (!sy__value_get(schema, "$defs", 5, &defs)) return SY_OK;
    place root = {0}, at = {&root, "$defs", 5, 1};
    if (sy__value_kind(defs) != SY__MAP) return wrong(c, &at, "must be an object of schemas");
    c->s->defs = arena(c->s, (sy__value_count(defs) + 1) * sizeof *c->s->defs);
    if (!c->s->defs) return no_memory(c);
    sy__value_iter it;
    sy__value_iter_init(&it, defs);
    while (sy__value_iter_next(&it)) {
        sy__node *n = new_node(c->s);
        if (!n) return no_memory(c);
        c->s->defs[c->s->def_count++] = (sy__field){.key = it.key, .len = it.key_len, .node = n};
    }
    return SY_OK;
}

static int
compile_defs(compiler *c, sy__value schema)
{
    sy__value defs;
    if (!sy__value_get(schema, "$defs", 5, &defs)) return SY_OK;
    place root = {0}, at = {&root, "$defs", 5, 1};
    sy__value_iter it;
    sy__value_iter_init(&it, defs);
    for (size_t i = 0; sy__value_iter_next(&it); i++) {
        place in = {&at, it.key, it.key_len, 2};
        int status = compile(c, c->s->defs[i].node, it.value, &in);
        if (status) return status;
    }
    return SY_OK;
}

/* A default that its own schema refuses would surface at some user's run: refuse it now. */
static int
check_defaults(compiler *c)
{
    for (sy__node *n = c->s->nodes; n; n = n->next) {
        if (!n->def.data) continue;
        sy__error why;
        sy__schema view = *c->s;
        view.root = n;
        sy__error_clear(&why);
        int status = sy__schema_check(&view, n->def, NULL, &why);
        if (status == SY_ENOMEM) return no_memory(c);
        if (status) return sy__error_set(c->err, SY_EMANIFEST, "schema: a default does not fit: %s", why.message);
    }
    return SY_OK;
}

static void *
pcre_malloc(size_t bytes, void *schema)
{
    return sy__malloc(((const sy__schema *)schema)->alloc, bytes);
}

static void
pcre_free(void *p, void *schema)
{
    sy__free(((const sy__schema *)schema)->alloc, p);
}

static int
build(compiler *c)
{
    place root = {0};
    sy__schema *s = c->s;
    sy__value schema = sy__blob_value(s->source);
    s->pcre = pcre2_general_context_create(pcre_malloc, pcre_free, s);
    s->root = new_node(s);
    if (!s->pcre || !s->root) return no_memory(c);
    int status = make_defs(c, schema);
    if (!status) status = compile_defs(c, schema);
    if (!status) status = compile(c, s->root, schema, &root);
    return status ? status : check_defaults(c);
}

int
sy__schema_new(sy__schema **out, const sy__alloc *a, sy__value schema, sy__error *err)
{
    *out = NULL;
    sy__schema *s = sy__calloc(a, 1, sizeof *s);
    compiler c = {s, err};
    if (!s) return sy__error_set(err, SY_ENOMEM, "no memory for a schema");
    s->alloc = a;
    s->source = sy__blob_new(a, schema);
    int status = s->source ? build(&c) : no_memory(&c);
    if (status)
        sy__schema_free(s);
    else
        *out = s;
    return status;
}

void
sy__schema_free(sy__schema *s)
{
    if (!s) return;
    for (sy__node *n = s->nodes; n; n = n->next) {
        pcre2_code_free(n->pattern.code);
        for (size_t i = 0; i < n->pattern_count; i++) pcre2_code_free(n->patterns[i].code);
    }
    pcre2_general_context_free(s->pcre);
    sy__blob_release(s->source);
    while (s->chunks) {
        sy__chunk *next = s->chunks->next;
        sy__free(s->alloc, s->chunks);
        s->chunks = next;
    }
    sy__free(s->alloc, s);
}
