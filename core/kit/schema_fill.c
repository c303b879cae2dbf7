/*
 * schema_fill.c: writing a value that fits, with defaults filled in.
 *
 * A second walk with the set of nodes that speak about a value: the node, what it refers to, the parts of allOf, and
 * the first fitting alternative of anyOf and oneOf.
 */
#include "kit/schema_check.h"

#include "base/text.h"

enum { MAX_SET = 24 };

/* The nodes that speak about one value. */
typedef struct node_set {
    const sy__node *at[MAX_SET];
    size_t count;
} node_set;

static void gather(sy__checker *c, node_set *set, const sy__node *n, sy__value v);

static void
gather_first(sy__checker *c, node_set *set, const sy__node_list *list, sy__value v)
{
    for (size_t i = 0; i < list->count; i++) {
        if (sy__checker_try(c, list->at[i], v)) continue;
        gather(c, set, list->at[i], v);
        return;
    }
}

static void
gather(sy__checker *c, node_set *set, const sy__node *n, sy__value v)
{
    if (!n || c->fatal) return;
    if (set->count == MAX_SET) {
        (void)sy__checker_stop(c, SY_EMANIFEST, "too many schemas speak about one value");
        return;
    }
    set->at[set->count++] = n;
    gather(c, set, n->ref, v);
    for (size_t i = 0; i < n->all.count; i++) gather(c, set, n->all.at[i], v);
    gather_first(c, set, &n->any, v);
    gather_first(c, set, &n->one, v);
}

static void
gather_field(sy__checker *c, node_set *set, const sy__node *n, const char *key, size_t len, sy__value v)
{
    bool known = false;
    for (size_t i = 0; i < n->field_count && !known; i++) {
        const sy__field *f = &n->fields[i];
        if (!f->node || sy__text_order(f->key, f->len, key, len) != 0) continue;
        gather(c, set, f->node, v);
        known = true;
    }
    for (size_t i = 0; i < n->pattern_count; i++) {
        if (sy__checker_matches(c, &n->patterns[i], key, len) != 1) continue;
        gather(c, set, n->patterns[i].node, v);
        known = true;
    }
    if (!known) gather(c, set, n->additional, v);
}

static void write_value(sy__checker *c, const node_set *set, sy__value v, sy__vbuf *out);

static void
write_array(sy__checker *c, const node_set *set, sy__value v, sy__vbuf *out)
{
    size_t index = 0;
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    sy__vbuf_array(out);
    for (; sy__value_iter_next(&it) && !c->fatal; index++) {
        node_set items = {.count = 0};
        for (size_t i = 0; i < set->count; i++) {
            const sy__node *n = set->at[i];
            gather(c, &items, index < n->prefix.count ? n->prefix.at[index] : n->items, it.value);
        }
        write_value(c, &items, it.value, out);
    }
    sy__vbuf_end(out);
}

static sy__value
default_of(const sy__node *n)
{
    for (int i = 0; n && i < 8 && !n->def.data; i++) n = n->ref;
    return n ? n->def : (sy__value){0};
}

/* Whether one of the first `count` nodes gives this field a default. */
static bool
given_before(const node_set *set, size_t count, const sy__field *field)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < set->at[i]->field_count; k++) {
            const sy__field *f = &set->at[i]->fields[k];
            if (sy__text_order(f->key, f->len, field->key, field->len) == 0 && default_of(f->node).data) return true;
        }
    return false;
}

static void
write_defaults(const node_set *set, sy__value v, sy__vbuf *out)
{
    sy__value there;
    for (size_t i = 0; i < set->count; i++) {
        for (size_t k = 0; k < set->at[i]->field_count; k++) {
            const sy__field *f = &set->at[i]->fields[k];
            sy__value def = default_of(f->node);
            if (!def.data || sy__value_get(v, f->key, f->len, &there) || given_before(set, i, f)) continue;
            sy__vbuf_key(out, f->key, f->len);
            sy__vbuf_value(out, def);
        }
    }
}

static void
write_map(sy__checker *c, const node_set *set, sy__value v, sy__vbuf *out)
{
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    sy__vbuf_map(out);
    while (sy__value_iter_next(&it) && !c->fatal) {
        node_set field = {.count = 0};
        for (size_t i = 0; i < set->count; i++) gather_field(c, &field, set->at[i], it.key, it.key_len, it.value);
        sy__vbuf_key(out, it.key, it.key_len);
        write_value(c, &field, it.value, out);
    }
    write_defaults(set, v, out);
    sy__vbuf_end(out);
}

static void
write_value(sy__checker *c, const node_set *set, sy__value v, sy__vbuf *out)
{
    sy__kind kind = sy__value_kind(v);
    bool array = kind == SY__ARRAY;
    for (size_t i = 0; i < set->count && !array; i++) array = sy__is_empty_array(set->at[i], v);
    if (set->count == 0 || (kind != SY__ARRAY && kind != SY__MAP))
        sy__vbuf_value(out, v);
    else if (array)
        write_array(c, set, v, out);
    else
        write_map(c, set, v, out);
}

int
sy__schema_fill(sy__checker *c, sy__value v, sy__vbuf *out)
{
    sy__vbuf whole;
    node_set set = {.count = 0};
    sy__vbuf_init(&whole, c->s->alloc);
    gather(c, &set, c->s->root, v);
    if (!c->fatal) write_value(c, &set, v, &whole);
    sy__value done = {0};
    int status = c->fatal ? c->fatal : sy__vbuf_done(&whole, &done);
    if (status == SY_OK)
        sy__vbuf_value(out, done);
    else if (!c->fatal)
        (void)sy__error_set(c->fatal_err, status, "%s",
                            status == SY_ENOMEM ? "no memory for a value" : "larger than a value can be");
    sy__vbuf_close(&whole);
    return status;
}
