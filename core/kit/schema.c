/*
 * schema.c: checking a value against compiled nodes.
 *
 * Fields of a map and fields of a schema are both sorted, so a map is checked in one merge. The way to the
 * current item is a list of frames on the C stack, put into words only when something is wrong. A check
 * counts its steps: a schema that refers to itself in a way that multiplies is stopped, not waited for.
 */
#include "base/text.h"
#include "kit/near.h"
#include "kit/schema_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 512, MATCH_LIMIT = 100000, BASE_STEPS = 1 << 18 };

typedef struct frame {
    const struct frame *up;
    const char *key; /* NULL: `index` counts, from 1 */
    size_t len;
    size_t index;
} frame;

static int check(sy__checker *c, const sy__node *n, sy__value v, const frame *f);

/* ---- saying what is wrong ---- */

static void
write_path(const frame *f, sy__buf *to)
{
    if (!f) return;
    write_path(f->up, to);
    if (!f->key)
        sy__buf_addf(to, "[%zu]", f->index);
    else
        sy__buf_addf(to, "%s%.*s", to->len ? "." : "", (int)(f->len < 128 ? f->len : 128), f->key);
}

/* Sets "`path`: what", or "what" at the root. */
static int
fail(sy__checker *c, const frame *f, int code, const char *what)
{
    if (!c->err) return code;
    sy__buf path;
    sy__buf_init(&path, c->s->alloc);
    write_path(f, &path);
    const char *where = sy__buf_cstr(&path);
    if (where && *where)
        sy__error_set(c->err, code, "`%s`: %s", where, what);
    else
        sy__error_set(c->err, code, "%s", what);
    if (c->path && where) sy__buf_adds(c->path, where);
    sy__buf_close(&path);
    return code;
}

static int
failf(sy__checker *c, const frame *f, const char *format, ...)
{
    char what[512];
    if (!c->err) return SY_ETYPE;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return fail(c, f, SY_ETYPE, what);
}

int
sy__checker_stop(sy__checker *c, int code, const char *what)
{
    if (c->fatal) return c->fatal;
    c->fatal = code;
    return sy__error_set(c->fatal_err, code, "%s", what);
}

/* "the number 3", "a string". */
static const char *
describe(sy__value v, char *out, size_t size)
{
    size_t len;
    const char *s;
    switch (sy__value_kind(v)) {
    case SY__NULL: return "null";
    case SY__FALSE: return "false";
    case SY__TRUE: return "true";
    case SY__INT: (void)snprintf(out, size, "the number %lld", (long long)sy__value_int(v)); return out;
    case SY__NUM: (void)snprintf(out, size, "the number %.6g", sy__value_num(v)); return out;
    case SY__STR:
        s = sy__value_str(v, &len);
        if (len > 40) return "a string";
        (void)snprintf(out, size, "the string \"%.*s\"", (int)len, s);
        return out;
    case SY__ARRAY: return "an array";
    default: return "an object";
    }
}

static int
type_error(sy__checker *c, const frame *f, unsigned types, sy__value v)
{
    char expected[128], got[96];
    if (!c->err) return SY_ETYPE;
    return failf(c, f, "expected %s, got %s", sy__types_text(types, expected, sizeof expected),
                 describe(v, got, sizeof got));
}

static int
unknown_field(sy__checker *c, const sy__node *n, const frame *f, const char *key, size_t len)
{
    if (!c->err) return SY_EFIELD;
    frame at = {f, key, len, 0};
    int best = 99, status = fail(c, &at, SY_EFIELD, "unknown field");
    for (size_t i = 0; n->fields && i < n->field_count; i++) {
        const sy__field *field = &n->fields[i];
        int d = field->node ? sy__near(key, len, field->key, field->len) : -1;
        if (d < 0 || d >= best) continue;
        best = d;
        sy__error_hint(c->err, "did you mean `%.*s`?", (int)field->len, field->key);
    }
    return status;
}

static int
missing_field(sy__checker *c, const frame *f, const sy__field *field)
{
    frame at = {f, field->key, field->len, 0};
    return fail(c, &at, SY_EMISSING, "required, but not given");
}

/* ---- single values ---- */

static bool
is_number(sy__value v)
{
    sy__kind kind = sy__value_kind(v);
    return kind == SY__INT || kind == SY__NUM;
}

/* Exact for 64-bit integers and for doubles. */
static long double
number(sy__value v)
{
    return sy__value_kind(v) == SY__INT ? (long double)sy__value_int(v) : (long double)sy__value_num(v);
}

static bool
same(sy__value a, sy__value b)
{
    if (is_number(a) && is_number(b)) return number(a) == number(b);
    return sy__value_equal(a, b);
}

static unsigned
mask_of(sy__value v)
{
    switch (sy__value_kind(v)) {
    case SY__NULL: return SY__T_NULL;
    case SY__FALSE:
    case SY__TRUE: return SY__T_BOOL;
    case SY__INT: return SY__T_INT | SY__T_NUM;
    case SY__NUM: {
        double d = sy__value_num(v);
        return isfinite(d) && d == floor(d) ? SY__T_INT | SY__T_NUM : SY__T_NUM;
    }
    case SY__STR: return SY__T_STR;
    case SY__ARRAY: return SY__T_ARRAY;
    default: return SY__T_MAP;
    }
}

bool
sy__is_empty_array(const sy__node *n, sy__value v)
{
    return (n->types & (SY__T_ARRAY | SY__T_MAP)) == SY__T_ARRAY && sy__value_kind(v) == SY__MAP &&
           sy__value_count(v) == 0;
}

static int
check_number(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    long double x = number(v);
    if (n->least.data && !(x >= number(n->least))) return failf(c, f, "must be at least %Lg", number(n->least));
    if (n->most.data && !(x <= number(n->most))) return failf(c, f, "must be at most %Lg", number(n->most));
    if (n->above.data && !(x > number(n->above))) return failf(c, f, "must be above %Lg", number(n->above));
    if (n->below.data && !(x < number(n->below))) return failf(c, f, "must be below %Lg", number(n->below));
    if (n->multiple.data) {
        long double q = x / number(n->multiple), off = fabsl(q - roundl(q));
        if (!(off <= 1e-9L * fmaxl(1, fabsl(q)))) return failf(c, f, "must be a multiple of %Lg", number(n->multiple));
    }
    return SY_OK;
}

static int64_t
code_points(const char *s, size_t len)
{
    int64_t n = 0;
    for (size_t i = 0; i < len; i++) n += ((unsigned char)s[i] & 0xC0) != 0x80;
    return n;
}

int
sy__checker_matches(sy__checker *c, const sy__regex *r, const char *s, size_t len)
{
    if (!c->match) {
        c->match = pcre2_match_data_create(1, c->s->pcre);
        c->limits = pcre2_match_context_create(c->s->pcre);
        if (!c->match || !c->limits) return sy__checker_stop(c, SY_ENOMEM, "no memory to match a pattern");
        (void)pcre2_set_match_limit(c->limits, MATCH_LIMIT);
        (void)pcre2_set_depth_limit(c->limits, MATCH_LIMIT);
        (void)pcre2_set_heap_limit(c->limits, 8192);
    }
    c->steps -= (int64_t)(len >> 3);
    int rc = pcre2_match(r->code, (PCRE2_SPTR)s, len, 0, 0, c->match, c->limits);
    if (rc >= 0) return 1;
    if (rc == PCRE2_ERROR_NOMEMORY) return sy__checker_stop(c, SY_ENOMEM, "no memory to match a pattern");
    if (rc != PCRE2_ERROR_NOMATCH) c->steps -= MATCH_LIMIT;
    return 0;
}

static int
check_string(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    size_t len;
    const char *s = sy__value_str(v, &len);
    if (n->min_length >= 0 || n->max_length >= 0) {
        int64_t count = code_points(s, len);
        c->steps -= (int64_t)(len >> 4);
        if (count < n->min_length) return failf(c, f, "must have at least %lld characters", (long long)n->min_length);
        if (n->max_length >= 0 && count > n->max_length)
            return failf(c, f, "must have at most %lld characters", (long long)n->max_length);
    }
    if (!n->pattern.code) return SY_OK;
    int found = sy__checker_matches(c, &n->pattern, s, len);
    return found == 1 ? SY_OK : found < 0 ? found : failf(c, f, "does not match the pattern %s", n->pattern.text);
}

/* ---- arrays ---- */

static int
by_value(const void *pa, const void *pb)
{
    sy__value a = *(const sy__value *)pa, b = *(const sy__value *)pb;
    bool a_number = is_number(a), b_number = is_number(b);
    if (a_number != b_number) return a_number ? -1 : 1;
    if (a_number) return number(a) < number(b) ? -1 : number(a) > number(b);
    if (a.size != b.size) return a.size < b.size ? -1 : 1;
    return memcmp(a.data, b.data, a.size);
}

static int
check_unique(sy__checker *c, sy__value v, const frame *f)
{
    size_t count = sy__value_count(v), i = 0;
    sy__value few[32], *all = few;
    if (count < 2) return SY_OK;
    if (count > 32) all = sy__malloc(c->s->alloc, count * sizeof *all);
    if (!all) return sy__checker_stop(c, SY_ENOMEM, "no memory to compare items");
    sy__value_iter it;
    for (sy__value_iter_init(&it, v); sy__value_iter_next(&it);) all[i++] = it.value;
    qsort(all, count, sizeof *all, by_value);
    c->steps -= (int64_t)count;
    int status = SY_OK;
    for (i = 1; i < count && !status; i++)
        if (same(all[i - 1], all[i])) status = failf(c, f, "has the same item twice");
    if (all != few) sy__free(c->s->alloc, all);
    return status;
}

static int
check_array(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    int64_t count = (int64_t)sy__value_count(v);
    if (count < n->min_items) return failf(c, f, "must have at least %lld items", (long long)n->min_items);
    if (n->max_items >= 0 && count > n->max_items)
        return failf(c, f, "must have at most %lld items", (long long)n->max_items);
    if (n->items || n->prefix.count) {
        frame at = {.up = f};
        sy__value_iter it;
        sy__value_iter_init(&it, v);
        while (sy__value_iter_next(&it)) {
            const sy__node *item = at.index < n->prefix.count ? n->prefix.at[at.index] : n->items;
            at.index++;
            int status = item ? check(c, item, it.value, &at) : SY_OK;
            if (status) return status;
        }
    }
    return n->unique ? check_unique(c, v, f) : SY_OK;
}

/* ---- maps ---- */

/* A field that `properties` does not declare. */
static int
check_other(sy__checker *c, const sy__node *n, sy__value v, const frame *at)
{
    bool known = false;
    for (size_t i = 0; i < n->pattern_count; i++) {
        int found = sy__checker_matches(c, &n->patterns[i], at->key, at->len);
        if (found < 0) return found;
        if (!found) continue;
        known = true;
        int status = check(c, n->patterns[i].node, v, at);
        if (status) return status;
    }
    if (known || !n->additional) return SY_OK;
    if (n->additional->never) return unknown_field(c, n, at->up, at->key, at->len);
    return check(c, n->additional, v, at);
}

static int
check_field(sy__checker *c, const sy__node *n, const sy__field *field, sy__value v, const frame *at)
{
    if (!field || !field->node) return check_other(c, n, v, at);
    int status = check(c, field->node, v, at);
    for (size_t i = 0; i < n->pattern_count && !status; i++) {
        int found = sy__checker_matches(c, &n->patterns[i], at->key, at->len);
        if (found < 0) return found;
        if (found) status = check(c, n->patterns[i].node, v, at);
    }
    return status;
}

static int
check_fields(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    const sy__field *field = n->fields, *end = n->fields ? n->fields + n->field_count : NULL, *missing = NULL;
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        int o = 1;
        while (field != end && (o = sy__text_order(field->key, field->len, it.key, it.key_len)) < 0) {
            if (field->required && !missing) missing = field;
            field++;
        }
        bool found = field != end && o == 0;
        frame at = {f, it.key, it.key_len, 0};
        int status = check_field(c, n, found ? field : NULL, it.value, &at);
        if (status) return status;
        if (found) field++;
    }
    for (; field != end && !missing; field++)
        if (field->required) missing = field;
    return missing ? missing_field(c, f, missing) : SY_OK;
}

static int
check_map(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    int64_t count = (int64_t)sy__value_count(v);
    if (count < n->min_fields) return failf(c, f, "must have at least %lld fields", (long long)n->min_fields);
    if (n->max_fields >= 0 && count > n->max_fields)
        return failf(c, f, "must have at most %lld fields", (long long)n->max_fields);
    if (!n->field_count && !n->pattern_count && !n->additional) return SY_OK;
    return check_fields(c, n, v, f);
}

/* ---- combinations ---- */

int
sy__checker_try(sy__checker *c, const sy__node *n, sy__value v)
{
    sy__error *err = c->err;
    sy__buf *path = c->path;
    c->err = NULL;
    c->path = NULL;
    int status = check(c, n, v, NULL);
    c->err = err;
    c->path = path;
    return c->fatal ? c->fatal : status;
}

static unsigned
types_of(const sy__node *n)
{
    for (int i = 0; i < 8 && n->ref && !n->types; i++) n = n->ref;
    return n->types;
}

/* No alternative fits: says it through the one of the right type when there is exactly one. */
static int
none_fits(sy__checker *c, const sy__node_list *list, sy__value v, const frame *f)
{
    unsigned all = 0;
    const sy__node *candidate = NULL;
    size_t candidates = 0, open = 0;
    for (size_t i = 0; i < list->count; i++) {
        unsigned mask = types_of(list->at[i]);
        all |= mask;
        open += mask == 0;
        if (mask && !(mask & mask_of(v))) continue;
        candidate = list->at[i];
        candidates++;
    }
    if (candidates == 1) return check(c, candidate, v, f);
    if (candidates == 0 && open == 0) return type_error(c, f, all, v);
    return failf(c, f, "fits none of the %zu alternatives", list->count);
}

static int
check_any(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    for (size_t i = 0; i < n->any.count; i++) {
        int status = sy__checker_try(c, n->any.at[i], v);
        if (!status || c->fatal) return status;
    }
    return none_fits(c, &n->any, v, f);
}

static int
check_one(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    size_t fitting = 0;
    for (size_t i = 0; i < n->one.count; i++) {
        int status = sy__checker_try(c, n->one.at[i], v);
        if (c->fatal) return c->fatal;
        fitting += !status;
    }
    if (fitting == 1) return SY_OK;
    return fitting ? failf(c, f, "fits %zu alternatives, but must fit exactly one", fitting)
                   : none_fits(c, &n->one, v, f);
}

static int
check_combined(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    int status = n->ref ? check(c, n->ref, v, f) : SY_OK;
    for (size_t i = 0; i < n->all.count && !status; i++) status = check(c, n->all.at[i], v, f);
    if (!status && n->any.count) status = check_any(c, n, v, f);
    if (!status && n->one.count) status = check_one(c, n, v, f);
    if (status || !n->not_) return status;
    status = sy__checker_try(c, n->not_, v);
    if (c->fatal) return c->fatal;
    return status ? SY_OK : failf(c, f, "is what the schema excludes");
}

static int
check_enum(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    sy__value_iter it;
    sy__value_iter_init(&it, n->enums);
    while (sy__value_iter_next(&it))
        if (same(it.value, v)) return SY_OK;
    if (!c->err) return SY_ETYPE;
    sy__buf list;
    char got[96];
    sy__buf_init(&list, c->s->alloc);
    sy__value_to_json(n->enums, SY__JSON_COMPACT | SY__JSON_LOSSY, &list);
    const char *text = sy__buf_cstr(&list);
    int status = failf(c, f, "must be one of %s, got %s", text ? text : "a list", describe(v, got, sizeof got));
    sy__buf_close(&list);
    return status;
}

static int
check_kind(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    switch (sy__value_kind(v)) {
    case SY__INT:
    case SY__NUM: return check_number(c, n, v, f);
    case SY__STR: return check_string(c, n, v, f);
    case SY__ARRAY: return check_array(c, n, v, f);
    case SY__MAP: return sy__is_empty_array(n, v) ? check_array(c, n, v, f) : check_map(c, n, v, f);
    default: return SY_OK;
    }
}

static int
check_node(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    if (n->never) return fail(c, f, SY_ETYPE, "is not allowed here");
    if (n->types && !(n->types & mask_of(v)) && !sy__is_empty_array(n, v)) return type_error(c, f, n->types, v);
    if (n->konst.data && !same(n->konst, v)) return failf(c, f, "is not the one value that is allowed");
    int status = n->enums.data ? check_enum(c, n, v, f) : SY_OK;
    if (!status) status = check_kind(c, n, v, f);
    return status ? status : check_combined(c, n, v, f);
}

static int
check(sy__checker *c, const sy__node *n, sy__value v, const frame *f)
{
    if (c->fatal) return c->fatal;
    if (--c->steps < 0) return sy__checker_stop(c, SY_EMANIFEST, "the schema takes too many steps to check a value");
    if (c->depth >= MAX_DEPTH) return sy__checker_stop(c, SY_EMANIFEST, "the schema refers to itself without end");
    c->depth++;
    int status = check_node(c, n, v, f);
    c->depth--;
    return status;
}

/* ---- the whole ---- */

/* Whether an empty map lies anywhere in the value. */
static bool
has_empty_map(sy__value v)
{
    sy__kind kind = sy__value_kind(v);
    if (kind != SY__ARRAY && kind != SY__MAP) return false;
    if (sy__value_count(v) == 0) return kind == SY__MAP;
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it))
        if (has_empty_map(it.value)) return true;
    return false;
}

bool
sy__schema_changes(const sy__schema *s, sy__value v)
{
    return s && (s->has_defaults || (s->has_arrays && has_empty_map(v)));
}

int
sy__schema_check_at(const sy__schema *s, sy__value v, sy__vbuf *out, sy__buf *path, sy__error *err)
{
    if (!v.data) v = sy__value_null();
    if (!s) {
        if (out) sy__vbuf_value(out, v);
        return SY_OK;
    }
    sy__error unseen;
    sy__checker c = {.s = s, .err = err ? err : &unseen, .path = path, .steps = BASE_STEPS + (int64_t)v.size};
    c.fatal_err = c.err;
    int status = check(&c, s->root, v, NULL);
    if (!status && out) {
        if (sy__schema_changes(s, v))
            status = sy__schema_fill(&c, v, out);
        else
            sy__vbuf_value(out, v);
    }
    pcre2_match_data_free(c.match);
    pcre2_match_context_free(c.limits);
    return status;
}

int
sy__schema_check(const sy__schema *s, sy__value v, sy__vbuf *out, sy__error *err)
{
    return sy__schema_check_at(s, v, out, NULL, err);
}
