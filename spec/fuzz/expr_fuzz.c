/*
 * expr_fuzz.c: any bytes as an expression of a melody, or as one of its functions. It gives a well-formed value or says
 * what is wrong, with its place; and nothing that it did is seen by the next one.
 *
 * What has a loop without an end of its own is compiled only: to end those is what spec/kit/hostile tries.
 */
#include "kit/expr.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SOURCE = 400 };

/* Looks at what an expression before it may have changed. */
static const char probe[] =
    "(function() local n = 0 for _ in pairs(_G) do n = n + 1 end return table.concat({type(string), string.rep('a', "
    "2), "
    "('x'):upper(), tostring(leak), tostring(params.leak), tostring(getmetatable('')), #diff.files, n,"
    " tostring(math.pi), type(table.concat), tostring(select('#', ipairs({})))}, ' ') end)()";

static sy__value
value_of(sy__vbuf *b, const char *json)
{
    sy__value v;
    sy__error err;
    sy__vbuf_init(b, &sy__alloc_default);
    if (sy__value_from_json(b, json, strlen(json), &err) || sy__vbuf_done(b, &v)) abort();
    return v;
}

static int
evaluate(sy__expr *e, const char *source, size_t len, sy__vbuf *out)
{
    sy__vbuf diff, params, item;
    sy__value v, arg = value_of(&item, "{\"path\":\"x.c\",\"n\":3}");
    sy__binding globals[] = {{"diff", value_of(&diff, "{\"files\":[{\"path\":\"a\"},{\"path\":\"b\"}]}")},
                             {"params", value_of(&params, "{\"base\":\"HEAD\",\"deep\":{\"list\":[1,2.5,null]}}")}};
    sy__expr_call call = {.source = source,
                          .source_len = len,
                          .args = &arg,
                          .arg_count = 1,
                          .globals = globals,
                          .global_count = 2,
                          .file = "melodies/m.lua",
                          .line = 10};
    sy__error err = {0};
    int status = sy__expr_eval(e, &call, out, &err);
    if (status && (err.code != status || !err.message[0] || !err.file[0])) {
        (void)fprintf(stderr, "%d: %s:%d: %s\n", status, err.file, err.line, err.message);
        abort();
    }
    if (!status && (sy__vbuf_done(out, &v) || !sy__value_check(v.data, v.size))) abort();
    sy__vbuf_close(&diff);
    sy__vbuf_close(&params);
    sy__vbuf_close(&item);
    return status;
}

/* The probe's answer, to be freed. */
static char *
look(sy__expr *e)
{
    sy__vbuf out;
    sy__value v;
    size_t len;
    sy__vbuf_init(&out, &sy__alloc_default);
    if (evaluate(e, probe, sizeof probe - 1, &out) || sy__vbuf_done(&out, &v)) abort();
    const char *text = sy__value_str(v, &len);
    char *copy = text ? strndup(text, len) : NULL;
    if (!copy) abort();
    sy__vbuf_close(&out);
    return copy;
}

static bool
may_be_endless(const char *source, size_t len)
{
    static const char *const words[] = {"while", "repeat", "goto", "for"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (memmem(source, len, words[i], strlen(words[i]))) return true;
    return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sy__expr *e;
    static char *before;
    const char *source = (const char *)data;
    sy__error err = {0};
    sy__vbuf out;
    if (size > MAX_SOURCE) return 0;
    if (!e && sy__expr_new(&e, &sy__alloc_default, &sy__clock_system, NULL)) abort();
    if (!before) before = look(e);
    int status = sy__expr_check(e, source, size, &err);
    if (status && (err.code != status || !err.message[0])) abort();
    if (may_be_endless(source, size)) return 0;
    sy__vbuf_init(&out, &sy__alloc_default);
    int evaluated = evaluate(e, source, size, &out);
    if (status && evaluated == SY_OK) abort(); /* what does not compile gives nothing */
    sy__vbuf_close(&out);
    char *after = look(e);
    if (strcmp(before, after) != 0) {
        (void)fprintf(stderr, "it left something behind:\n %s\n %s\n", before, after);
        abort();
    }
    free(after);
    return 0;
}
