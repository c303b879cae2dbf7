/*
 * journal_call.c: what a flow asks for, as a task; and whether it is what it asked for before.
 */
#include "base/bounds.h"
#include "pit/task/journal_impl.h"

#include <stdio.h>
#include <string.h>

sy__value
sy__journal_field(sy__value map, const char *name)
{
    sy__value v = {0};
    return sy__value_get(map, name, strlen(name), &v) ? v : (sy__value){0};
}

static bool
is_text(sy__value v, const char *text)
{
    size_t len;
    const char *s = v.data ? sy__value_str(v, &len) : NULL;
    return s && strlen(text) == len && memcmp(s, text, len) == 0;
}

/* "diff", "diff_2": by what is called, in the order of the calls; or the name that the call gives. */
int
sy__journal_name(sy__journal *j, sy__value request, sy__buf *out, sy__error *err)
{
    size_t len, given_len;
    const char *what = sy__value_str(sy__journal_field(request, "name"), &len);
    sy__value key = sy__journal_field(request, "key");
    const char *given = key.data ? sy__value_str(key, &given_len) : NULL;
    if (given) what = given, len = given_len;
    uintptr_t before = (uintptr_t)sy__map_get(&j->names, what, len);
    if (before && given)
        return sy__error_set(err, SY_EUSAGE, "the key `%.*s` was given to a call before", (int)len, what);
    size_t n = before;
    do { /* "diff_2" may have been given to a call, too */
        sy__buf_reset(out);
        sy__buf_add(out, what, len);
        if (n++) sy__buf_addf(out, "_%zu", n);
    } while (n > 1 && !out->failed && sy__map_get(&j->names, out->data, out->len));
    if (out->failed || sy__map_put(&j->names, what, len, (void *)(uintptr_t)n)) return SY_ENOMEM;
    return n > 1 ? sy__map_put(&j->names, out->data, out->len, (void *)(uintptr_t)1) : SY_OK;
}

/* The task of a request as a definition: inputs are literal, nothing refers to anything. */
static void
write_task(sy__value request, const char *key, const sy__target *target, sy__vbuf *b)
{
    static const char *const copied[] = {"schema", "options"};
    sy__value verb = sy__journal_field(request, "verb"), input = sy__journal_field(request, "input");
    const char *where = is_text(verb, "each") ? "list" : is_text(verb, "ask") ? "question" : "input";
    sy__vbuf_map(b);
    sy__vbuf_key(b, "key", 3);
    sy__vbuf_cstr(b, key);
    sy__vbuf_key(b, "verb", 4);
    sy__vbuf_value(b, verb);
    if (target) {
        sy__vbuf_key(b, "operation", 9);
        sy__vbuf_cstr(b, target->name);
        sy__vbuf_key(b, "extension", 9);
        sy__vbuf_cstr(b, target->extension->name);
    }
    sy__vbuf_key(b, where, strlen(where));
    sy__vbuf_map(b);
    sy__vbuf_key(b, "$literal", 8);
    sy__vbuf_value(b, input.data ? input : sy__value_null());
    sy__vbuf_end(b);
    for (size_t i = 0; i < 2; i++) {
        sy__value v = sy__journal_field(request, copied[i]);
        if (!v.data) continue;
        sy__vbuf_key(b, copied[i], strlen(copied[i]));
        sy__vbuf_value(b, v);
    }
    sy__vbuf_end(b);
}

/* The operation of a request, which the definition has to list. */
static int
find_target(const sy__task *t, sy__value request, const sy__target **out, sy__error *err)
{
    size_t len;
    const char *name = sy__value_str(sy__journal_field(request, "operation"), &len);
    *out = NULL;
    if (!name) return SY_OK;
    for (size_t i = 1; i < t->spec->target_count; i++)
        if (strlen(t->spec->targets[i].name) == len && memcmp(t->spec->targets[i].name, name, len) == 0)
            *out = &t->spec->targets[i];
    if (*out) return SY_OK;
    return sy__error_set(err, SY_EOPERATION,
                         "the flow calls `%.*s`, which its text does not name: write the operation as a literal",
                         (int)len, name);
}

int
sy__journal_spec(sy__task *t, sy__value request, const char *key, sy__plan_task **out, sy__error *err)
{
    const sy__target *target;
    sy__vbuf b;
    sy__value v;
    sy__buf path;
    int status = find_target(t, request, &target, err);
    if (status) return status;
    sy__buf_init(&path, t->run->engine->alloc);
    sy__buf_addf(&path, "%s/%s", t->spec->key, key);
    sy__vbuf_init(&b, t->run->engine->alloc);
    write_task(request, sy__buf_cstr(&path) ? path.data : key, target, &b);
    status = sy__vbuf_done(&b, &v);
    if (!status) status = sy__plan_task_new(out, t->run->engine->alloc, v, t->run->engine->o.registry, err);
    if (!status) (*out)->on_error = SY__ON_ERROR_FAIL;
    sy__vbuf_close(&b);
    sy__buf_close(&path);
    return status;
}

/* ---- the journal ---- */

static const char *
operation_name(const sy__plan_task *spec)
{
    return sy__verb_operation(spec->verb) ? sy__verb_operation(spec->verb) : spec->targets[0].name;
}

static int
diverged(sy__task *t, uint32_t number, const char *what, const char *before, const char *now, sy__error *err)
{
    (void)sy__error_set(err, SY_EMELODY, "the flow went another way than before: %s of call %u was %s, now it is %s",
                        what, number, before, now);
    sy__error_where(err, t->scope->plan->source, t->spec->map.line, t->spec->key);
    sy__error_hint(err, "a flow asks the host for all that may differ: run:now(), run:random(), run:call(…)");
    return SY_EMELODY;
}

/* The text of a value as its row has it: above 8 KiB only the hash of it. */
static void
shown(sy__value v, sy__buf *out)
{
    char hash[SY__HASH_BYTES];
    sy__value_to_json(v, SY__JSON_COMPACT, out);
    if (out->len <= SY_MAX_INLINE_BYTES || out->failed) return;
    size_t len = out->len;
    sy__hash_of(out->data, len, hash);
    sy__buf_reset(out);
    sy__buf_addf(out, "{\"$artifact\":\"%s\",\"size\":%zu}", hash, len);
}

/* The input as its row has it: with what the schema fills in. Borrowed from stage.checked. */
static sy__value
completed_input(sy__stage *s, const sy__plan_task *spec, sy__value input)
{
    const sy__schema *schema = spec->targets[0].operation->input;
    sy__value v;
    sy__vbuf_reset(&s->checked);
    bool changed = schema && sy__schema_changes(schema, input) &&
                   sy__schema_check(schema, input, &s->checked, NULL) == SY_OK &&
                   sy__vbuf_done(&s->checked, &v) == SY_OK;
    return changed ? v : input;
}

/* Compares a request with the row at its place. */
int
sy__journal_compare(sy__stage *s, sy__task *t, uint32_t number, const sy__past *p, const sy__plan_task *spec,
                    sy__value input, sy__error *err)
{
    sy__buf now;
    int status = SY_OK;
    if (!p && number > t->journal->rows) return SY_OK;
    if (!p) {
        const sy__past *other = sy__past_at(t->run->past, t->id, number);
        return other ? diverged(t, number, "the key", other->key, spec->key, err) : SY_OK;
    }
    if (p->position != number) return diverged(t, number, "the place", p->key, spec->key, err);
    if (strcmp(p->operation, operation_name(spec)) != 0)
        return diverged(t, number, "the operation", p->operation, operation_name(spec), err);
    if (spec->verb != SY__VERB_TASK || !p->payload || strcmp(p->payload, "{}") == 0) return SY_OK;
    sy__buf_init(&now, t->run->engine->alloc);
    shown(completed_input(s, spec, input), &now);
    const char *text = sy__buf_cstr(&now);
    if (text && strcmp(text, p->payload) != 0) status = diverged(t, number, "the input", p->payload, text, err);
    sy__buf_close(&now);
    return status;
}
