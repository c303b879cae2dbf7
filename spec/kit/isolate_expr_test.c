/* isolate_expr_test.c: functions and expressions of a melody. */
#include "kit/expr.h"

#include "test.h"

#include <lauxlib.h>

static sy__expr *
open_expr(void)
{
    sy__expr *e = NULL;
    CHECK_INT(sy__expr_new(&e, &sy__alloc_default, &sy__clock_system, NULL), SY_OK);
    return e;
}

typedef struct text_value {
    sy__vbuf b;
    sy__value v;
} text_value;

static sy__value
parse(text_value *t, const char *json)
{
    sy__error err = {0};
    sy__vbuf_init(&t->b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&t->b, json, strlen(json), &err), SY_OK);
    CHECK_INT(sy__vbuf_done(&t->b, &t->v), SY_OK);
    return t->v;
}

/* Evaluates with two tasks, params and two arguments; `want` is JSON, or "! message" of an error. */
static void
gives(sy__expr *e, const char *source, const char *captures, const char *want)
{
    text_value diff, string, params, caught, args[2];
    sy__binding globals[] = {{"diff", parse(&diff, "{\"files\":[{\"path\":\"a\"},{\"path\":\"b\"}]}")},
                             {"string", parse(&string, "7")},
                             {"params", parse(&params, "{\"base\":\"HEAD\"}")}};
    sy__value arg_values[] = {parse(&args[0], "{\"path\":\"x.c\"}"), parse(&args[1], "3")};
    sy__expr_call call = {.source = source,
                          .source_len = strlen(source),
                          .captures = parse(&caught, captures),
                          .args = arg_values,
                          .arg_count = 2,
                          .globals = globals,
                          .global_count = 3,
                          .file = "melodies/m.lua",
                          .line = 10};
    sy__vbuf out;
    sy__buf text;
    sy__value v;
    sy__error err = {0};
    sy__vbuf_init(&out, &sy__alloc_default);
    sy__buf_init(&text, &sy__alloc_default);
    int rc = sy__expr_eval(e, &call, &out, &err);
    if (*want == '!') {
        CHECK_INT(rc, SY_EEXPR);
        sy__buf_addf(&text, "! %s:%d: %s", err.file, err.line, err.message);
        if (!strstr(sy__buf_cstr(&text), want + 2)) CHECK_STR(sy__buf_cstr(&text), want);
    } else {
        if (rc) (void)fprintf(stderr, "%s: %s:%d: %s\n", source, err.file, err.line, err.message);
        CHECK_INT(rc, SY_OK);
        CHECK_INT(sy__vbuf_done(&out, &v), SY_OK);
        if (!rc) sy__value_to_json(v, SY__JSON_COMPACT, &text);
        CHECK_STR(sy__buf_cstr(&text), want);
    }
    text_value *all[] = {&diff, &string, &params, &caught, &args[0], &args[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sy__vbuf_close(&all[i]->b);
    sy__vbuf_close(&out);
    sy__buf_close(&text);
}

static void
evaluates(void)
{
    sy__expr *e = open_expr();
    for (int round = 0; round < 3; round++) { /* compiled once, the same each time */
        gives(e, "#diff.files > 0", "{}", "true");
        gives(e, "#diff.files > limit", "{\"limit\":5}", "false");
        gives(e, "function(item, index) return { path = item.path, n = index + extra.by } end",
              "{\"extra\":{\"by\":40}}", "{\"n\":43,\"path\":\"x.c\"}");
        gives(e, "function(item) end", "{}", "null");
        gives(e, "params.base .. tasks[\"diff\"].files[2].path", "{}", "\"HEADb\"");
        gives(e, "tasks.string + 1", "{}", "8");
        gives(e, "string.upper('x')", "{}", "\"X\"");
        gives(e, "tasks.params == nil and nothing == nil", "{}", "true");
        gives(e, "_G.diff == diff and _G._G == _G", "{}", "true");
    }
    sy__expr_free(e);
}

static void
keeps_nothing(void)
{
    sy__expr *e = open_expr();
    static const char *const sources[] = {
        "function() local old = counter counter = (counter or 0) + 1 return old end",
        "function() local old = string.mark string.mark = 1 return old end",
        "function() local old = rawget(_G, 'x') rawset(_G, 'x', 1) return old end",
        "function() local old = kept.x kept.x = 1 return old end",
        "function() local old = diff.x diff.x = 1 return old end",
        "function() local m = getmetatable('') return m or nil end",
        "function() local m = getmetatable(_G) return m or nil end",
        "function() local old = require('string').y require('string').y = 1 return old end",
    };
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i + 1 < sizeof sources / sizeof *sources; i++) gives(e, sources[i], "{\"kept\":{}}", "null");
    gives(e, "load", "{}", "null");
    gives(e, "os", "{}", "null");
    gives(e, "math.random", "{}", "null");
    sy__expr_free(e);
}

static void
names_the_place(void)
{
    sy__expr *e = open_expr();
    gives(e, "nothing.x", "{}", "! melodies/m.lua:10: attempt to index a nil value");
    gives(e, "function(item)\n  return item.path.x.y\nend", "{}", "! melodies/m.lua:11: attempt to index a nil value");
    gives(e, "function(item)\n  return = 1\nend", "{}", "! melodies/m.lua:11: ");
    gives(e, "function() error('stop') end", "{}", "! melodies/m.lua:10: stop");
    gives(e, "print", "{}", "! the result cannot be stored");
    gives(e, "1", "{\"not a name\":1}", "! no name of a local");
    sy__error err = {0};
    CHECK_INT(sy__expr_check(e, "1 +", 3, &err), SY_EEXPR);
    CHECK_INT(err.line, 1);
    CHECK_INT(sy__expr_check(e, "1 + x", 5, &err), SY_OK);
    sy__expr_free(e);
}

static void
replaces_a_poisoned_state(void)
{
    sy__expr *e = open_expr();
    sy__vbuf out;
    sy__error err = {0};
    static const char loop[] = "function()\nwhile true do end end", grow[] = "('x'):rep(1 << 27)";
    sy__expr_call call = {.source = loop, .source_len = sizeof loop - 1, .file = "m.lua", .line = 5};
    sy__vbuf_init(&out, &sy__alloc_default);
    CHECK_INT(sy__expr_eval(e, &call, &out, &err), SY_ETIMEOUT);
    CHECK_STR(err.file, "m.lua");
    CHECK_INT(err.line, 6);
    gives(e, "#diff.files", "{}", "2");
    call.source = grow;
    call.source_len = sizeof grow - 1;
    CHECK_INT(sy__expr_eval(e, &call, &out, &err), SY_EMEMORY);
    gives(e, "#diff.files", "{}", "2");
    sy__vbuf_close(&out);
    sy__expr_free(e);
}

static void
forgets_old_sources(void)
{
    sy__expr *e = open_expr();
    for (int i = 0; i < 1200; i++) {
        char source[32], want[16];
        (void)snprintf(source, sizeof source, "%d + #diff.files", i);
        (void)snprintf(want, sizeof want, "%d", i + 2);
        gives(e, source, "{}", want);
    }
    sy__expr_free(e);
}

int
main(void)
{
    evaluates();
    keeps_nothing();
    names_the_place();
    replaces_a_poisoned_state();
    forgets_old_sources();
    TEST_END();
}
