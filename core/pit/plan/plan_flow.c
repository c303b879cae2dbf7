/*
 * plan_flow.c: the options `key` and `rate` of a task, compiled.
 *
 * In a map or loop the key belongs to each child: a plain text may name its item, "{item.host}"; `{{` and `}}` are
 * braces. Such a text becomes the template {"$text":["…",{"$ref":["item","host"]}]}.
 */
#include "pit/arbiter/flow.h"

#include <stdlib.h>
#include <string.h>

/* The names of a key's template: those of any template, and `item`. */
typedef struct key_names {
    const sy__template_names *outer;
    bool children;
} key_names;

static int64_t
find_name(void *ud, const char *key, size_t len)
{
    const key_names *n = ud;
    if (n->children && len == 4 && memcmp(key, "item", 4) == 0) return SY__TEMPLATE_ITEM;
    return n->outer->task(n->outer->ud, key, len);
}

static int
add_edge(void *ud, uint32_t task, sy__edge_kind kind)
{
    const key_names *n = ud;
    return task == SY__TEMPLATE_ITEM ? SY_OK : n->outer->edge(n->outer->ud, task, kind);
}

/* One part of a path: a field's name or an index. */
static void
put_part(sy__vbuf *b, const char *part, size_t len)
{
    bool digits = len > 0 && len < 10;
    for (size_t i = 0; i < len; i++) digits = digits && part[i] >= '0' && part[i] <= '9';
    if (digits)
        sy__vbuf_int(b, strtoll(part, NULL, 10));
    else
        sy__vbuf_str(b, part, len);
}

/* {"$ref":["item",part…]} of "item.host"; false: it names something else. */
static bool
put_item(sy__vbuf *b, const char *name, size_t len)
{
    if (len < 4 || memcmp(name, "item", 4) != 0 || (len > 4 && name[4] != '.')) return false;
    sy__vbuf_map(b);
    sy__vbuf_key(b, "$ref", 4);
    sy__vbuf_array(b);
    for (size_t at = 0; at <= len;) {
        const char *dot = memchr(name + at, '.', len - at);
        size_t end = dot ? (size_t)(dot - name) : len;
        if (end == at) return false;
        put_part(b, name + at, end - at);
        at = end + 1;
    }
    sy__vbuf_end(b);
    sy__vbuf_end(b);
    return true;
}

static int
bad_text(sy__error *err)
{
    return sy__error_set(err, SY_EMELODY,
                         "the key of a map or loop may name {item} or {item.field}; write {{ and }} for braces");
}

/* A text with braces as {"$text":[piece…]}. */
static int
put_text(sy__vbuf *b, const char *s, size_t len, sy__error *err)
{
    sy__vbuf_map(b);
    sy__vbuf_key(b, "$text", 5);
    sy__vbuf_array(b);
    for (size_t at = 0; at < len;) {
        size_t end = at;
        while (end < len && s[end] != '{' && s[end] != '}') end++;
        bool twice = end + 1 < len && s[end + 1] == s[end];
        if (end < len && twice) { /* a brace itself goes with the text before it */
            sy__vbuf_str(b, s + at, end + 1 - at);
            at = end + 2;
            continue;
        }
        if (end > at) sy__vbuf_str(b, s + at, end - at);
        if (end == len) break;
        const char *close = memchr(s + end, '}', len - end);
        if (s[end] == '}' || !close) return bad_text(err);
        if (!put_item(b, s + end + 1, (size_t)(close - s) - end - 1)) return bad_text(err);
        at = (size_t)(close - s) + 1;
    }
    sy__vbuf_end(b);
    sy__vbuf_end(b);
    return SY_OK;
}

static int
compile_key(sy__plan_flow *f, const sy__alloc *a, sy__value key, bool children, const sy__template_names *outer,
            sy__error *err)
{
    key_names own = {outer, children};
    sy__template_names names = {find_name, add_edge, outer->default_edge, &own};
    size_t len;
    const char *s = sy__value_str(key, &len);
    if (!children || !s || (!memchr(s, '{', len) && !memchr(s, '}', len)))
        return sy__template_new(&f->key, a, key, &names, err);
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, a);
    int status = put_text(&b, s, len, err);
    if (!status) status = sy__vbuf_done(&b, &v);
    if (!status) status = sy__template_new(&f->key, a, v, &names, err);
    sy__vbuf_close(&b);
    return status;
}

static int64_t
number(sy__value map, const char *key)
{
    sy__value v;
    return sy__value_get(map, key, strlen(key), &v) ? sy__value_int(v) : 0;
}

static bool
is_absent(sy__value v)
{
    return !v.data || sy__value_kind(v) == SY__NULL;
}

static int
compile(sy__plan_flow *f, const sy__alloc *a, sy__value key, sy__value rate, bool children,
        const sy__template_names *names, sy__error *err)
{
    sy__value name = key;
    int status = SY_OK;
    if (!is_absent(key) && sy__value_kind(key) == SY__MAP && sy__value_get(key, "name", 4, &name)) {
        f->key_limit = number(key, "limit");
        if (f->key_limit < 0) return sy__error_set(err, SY_EMELODY, "the limit of a key is a number from 1");
    }
    if (!is_absent(key)) status = compile_key(f, a, name, children, names, err);
    if (status || is_absent(rate)) return status;
    f->count = number(rate, "count");
    f->per_ms = number(rate, "per_ms");
    f->burst = number(rate, "burst");
    bool good = f->count >= 1 && f->count <= SY__MAX_RATE && f->per_ms >= 1 && f->per_ms <= SY__MAX_RATE_MS;
    if (good && f->burst >= 0 && f->burst <= SY__MAX_RATE) return SY_OK;
    return sy__error_set(err, SY_EMELODY, "a rate is {count, per_ms, burst}, whole numbers from 1");
}

int
sy__plan_flow_new(sy__plan_flow **out, const sy__alloc *a, sy__value options, bool children,
                  const sy__template_names *names, sy__error *err)
{
    sy__value key = {0}, rate = {0};
    *out = NULL;
    if (!options.data) return SY_OK;
    (void)sy__value_get(options, "key", 3, &key);
    (void)sy__value_get(options, "rate", 4, &rate);
    if (is_absent(key) && is_absent(rate)) return SY_OK;
    sy__plan_flow *f = *out = sy__calloc(a, 1, sizeof *f);
    return f ? compile(f, a, key, rate, children, names, err) : SY_ENOMEM;
}

void
sy__plan_flow_free(const sy__alloc *a, sy__plan_flow *f)
{
    if (!f) return;
    sy__template_free(f->key);
    sy__free(a, f);
}
