/* schema_test.c: JSON Schema, the subset that extensions and melodies use. */
#include "kit/schema.h"

#include "base/clock.h"
#include "failing_alloc.h"
#include "test.h"

static sy__value
parse(sy__vbuf *b, const char *json)
{
    sy__value v = {0};
    sy__error err = {0};
    sy__vbuf_init(b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(b, json, strlen(json), &err), SY_OK);
    CHECK_STR(err.message, "");
    CHECK_INT(sy__vbuf_done(b, &v), SY_OK);
    return v;
}

static sy__schema *
schema_of(const char *json)
{
    sy__vbuf b;
    sy__schema *s = NULL;
    sy__error err = {0};
    CHECK_INT(sy__schema_new(&s, &sy__alloc_default, parse(&b, json), &err), SY_OK);
    CHECK_STR(err.message, "");
    sy__vbuf_close(&b);
    return s;
}

/* `message` NULL: accepted. */
static void
check(const char *schema, const char *value, int code, const char *message)
{
    sy__vbuf b;
    sy__error err = {0};
    sy__schema *s = schema_of(schema);
    sy__value v = parse(&b, value);
    CHECK_INT(sy__schema_check(s, v, NULL, &err), code);
    CHECK_STR(err.message, message ? message : "");
    CHECK_INT(sy__schema_check(s, v, NULL, NULL), code);
    sy__vbuf_close(&b);
    sy__schema_free(s);
}

static void
fits(const char *schema, const char *value)
{
    check(schema, value, SY_OK, NULL);
}

static void
becomes(const char *schema, const char *value, const char *want)
{
    sy__vbuf b, out;
    sy__buf text;
    sy__value done = {0};
    sy__error err = {0};
    sy__schema *s = schema_of(schema);
    sy__vbuf_init(&out, &sy__alloc_default);
    sy__buf_init(&text, &sy__alloc_default);
    CHECK_INT(sy__schema_check(s, parse(&b, value), &out, &err), SY_OK);
    CHECK_STR(err.message, "");
    CHECK_INT(sy__vbuf_done(&out, &done), SY_OK);
    CHECK(sy__value_check(done.data, done.size));
    sy__value_to_json(done, SY__JSON_COMPACT, &text);
    CHECK_STR(sy__buf_cstr(&text), want);
    sy__vbuf_close(&out);
    sy__vbuf_close(&b);
    sy__buf_close(&text);
    sy__schema_free(s);
}

static void
refuses_schema(const char *schema, const char *message, const char *hint)
{
    sy__vbuf b;
    sy__schema *s = NULL;
    sy__error err = {0};
    CHECK_INT(sy__schema_new(&s, &sy__alloc_default, parse(&b, schema), &err), SY_EMANIFEST);
    CHECK(s == NULL);
    CHECK_STR(err.message, message);
    CHECK_STR(err.hint, hint);
    sy__vbuf_close(&b);
}

static void
types(void)
{
    fits("{}", "[1,{\"a\":null}]");
    fits("true", "1");
    check("false", "1", SY_ETYPE, "is not allowed here");
    check("{\"type\":\"string\"}", "3", SY_ETYPE, "expected a string, got the number 3");
    check("{\"type\":[\"string\",\"null\"]}", "true", SY_ETYPE, "expected null or a string, got true");
    fits("{\"type\":\"integer\"}", "3.0");
    check("{\"type\":\"integer\"}", "3.5", SY_ETYPE, "expected an integer, got the number 3.5");
    fits("{\"type\":\"number\"}", "3");
    fits("{\"enum\":[\"a\",1,null]}", "1.0");
    check("{\"enum\":[\"a\",1]}", "\"b\"", SY_ETYPE, "must be one of [\"a\",1], got the string \"b\"");
    check("{\"const\":{\"a\":1}}", "{\"a\":2}", SY_ETYPE, "is not the one value that is allowed");
}

static void
numbers_and_strings(void)
{
    check("{\"minimum\":9007199254740993}", "9007199254740992", SY_ETYPE, "must be at least 9.0072e+15");
    fits("{\"maximum\":9007199254740993}", "9007199254740993");
    check("{\"exclusiveMinimum\":0}", "0", SY_ETYPE, "must be above 0");
    check("{\"exclusiveMaximum\":1.5}", "1.5", SY_ETYPE, "must be below 1.5");
    fits("{\"multipleOf\":0.01}", "19.99");
    check("{\"multipleOf\":5}", "12", SY_ETYPE, "must be a multiple of 5");
    fits("{\"minLength\":3,\"maxLength\":3}", "\"\xC3\xA9\xC3\xA9\xC3\xA9\"");
    check("{\"maxLength\":2}", "\"abc\"", SY_ETYPE, "must have at most 2 characters");
    check("{\"minLength\":1}", "\"\"", SY_ETYPE, "must have at least 1 characters");
    fits("{\"pattern\":\"^[a-z_]+$\"}", "\"ab_c\"");
    check("{\"pattern\":\"^[a-z]+$\"}", "\"ab\\n\"", SY_ETYPE, "does not match the pattern ^[a-z]+$");
    fits("{\"pattern\":\"b\"}", "{\"$bytes\":\"/2I=\"}"); /* not UTF-8, and a match in it */
}

static void
arrays(void)
{
    check("{\"items\":{\"properties\":{\"path\":{\"type\":\"string\"}}}}", "[{\"path\":\"a\"},{\"path\":7}]", SY_ETYPE,
          "`[2].path`: expected a string, got the number 7");
    check("{\"properties\":{\"files\":{\"items\":{\"properties\":{\"path\":{\"type\":\"string\"}}}}}}",
          "{\"files\":[{},{},{\"path\":null}]}", SY_ETYPE, "`files[3].path`: expected a string, got null");
    check("{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[\"a\",1]", SY_ETYPE,
          "`[2]`: is not allowed here");
    check("{\"minItems\":1}", "[]", SY_ETYPE, "must have at least 1 items");
    check("{\"maxItems\":1}", "[1,2]", SY_ETYPE, "must have at most 1 items");
    check("{\"uniqueItems\":true}", "[1,\"a\",1.0]", SY_ETYPE, "has the same item twice");
    fits("{\"uniqueItems\":true}", "[1,\"1\",[1],[[1]],null]");
}

static const char closed[] =
    "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},\"size\":{\"type\":\"integer\"}},"
    "\"required\":[\"path\"],\"additionalProperties\":false}";

static void
objects(void)
{
    fits(closed, "{\"path\":\"x\"}");
    check(closed, "{}", SY_EMISSING, "`path`: required, but not given");
    check(closed, "{\"path\":\"x\",\"sise\":1}", SY_EFIELD, "`sise`: unknown field");
    check("{\"required\":[\"b\",\"a\"]}", "{\"b\":1}", SY_EMISSING, "`a`: required, but not given");
    check("{\"properties\":{\"a\":{}},\"required\":[\"b\"],\"additionalProperties\":false}", "{\"b\":1}", SY_EFIELD,
          "`b`: unknown field");
    check("{\"additionalProperties\":{\"type\":\"integer\"}}", "{\"a\":1,\"b\":\"x\"}", SY_ETYPE,
          "`b`: expected an integer, got the string \"x\"");
    check("{\"patternProperties\":{\"^x-\":{\"type\":\"integer\"}},\"additionalProperties\":false}",
          "{\"x-a\":1,\"y\":2}", SY_EFIELD, "`y`: unknown field");
    check("{\"maxProperties\":1}", "{\"a\":1,\"b\":2}", SY_ETYPE, "must have at most 1 fields");
    sy__vbuf b;
    sy__error err = {0};
    sy__buf path;
    sy__buf_init(&path, &sy__alloc_default);
    sy__schema *s = schema_of(closed);
    CHECK_INT(sy__schema_check_at(s, parse(&b, "{\"pth\":\"x\"}"), NULL, &path, &err), SY_EFIELD);
    CHECK_STR(err.hint, "did you mean `path`?");
    CHECK_STR(sy__buf_cstr(&path), "pth");
    sy__vbuf_close(&b);
    sy__buf_close(&path);
    sy__schema_free(s);
}

static void
combinations(void)
{
    const char *any = "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"required\":[\"path\"]}]}";
    fits(any, "\"a\"");
    check(any, "{\"x\":1}", SY_EMISSING, "`path`: required, but not given");
    check(any, "7", SY_ETYPE, "expected a string or an object, got the number 7");
    check("{\"anyOf\":[{\"minimum\":5},{\"maximum\":1}]}", "3", SY_ETYPE, "fits none of the 2 alternatives");
    check("{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}", "3", SY_ETYPE,
          "fits 2 alternatives, but must fit exactly one");
    fits("{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}", "1");
    check("{\"allOf\":[{\"minimum\":1},{\"maximum\":2}]}", "3", SY_ETYPE, "must be at most 2");
    check("{\"not\":{\"type\":\"null\"}}", "null", SY_ETYPE, "is what the schema excludes");
    const char *tree = "{\"$ref\":\"#/$defs/node\",\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{\"left\":"
                       "{\"$ref\":\"#/$defs/node\"},\"value\":{\"type\":\"integer\"}}}}}";
    check(tree, "{\"left\":{\"left\":{\"value\":\"x\"}}}", SY_ETYPE,
          "`left.left.value`: expected an integer, got the string \"x\"");
}

static void
endless_schemas_end(void)
{
    check("{\"$ref\":\"#\"}", "1", SY_EMANIFEST, "the schema refers to itself without end");
    check("{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1", SY_EMANIFEST,
          "the schema refers to itself without end");
    check("{\"$ref\":\"#/$defs/z\",\"$defs\":{"
          "\"a\":{\"not\":{\"type\":\"null\"}},"
          "\"b\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"},{\"$ref\":\"#/$defs/a\"},{\"$ref\":\"#/$defs/a\"},{\"$ref\":\"#/"
          "$defs/a\"}]},"
          "\"c\":{\"allOf\":[{\"$ref\":\"#/$defs/b\"},{\"$ref\":\"#/$defs/b\"},{\"$ref\":\"#/$defs/b\"},{\"$ref\":\"#/"
          "$defs/b\"}]},"
          "\"d\":{\"allOf\":[{\"$ref\":\"#/$defs/c\"},{\"$ref\":\"#/$defs/c\"},{\"$ref\":\"#/$defs/c\"},{\"$ref\":\"#/"
          "$defs/c\"}]},"
          "\"e\":{\"allOf\":[{\"$ref\":\"#/$defs/d\"},{\"$ref\":\"#/$defs/d\"},{\"$ref\":\"#/$defs/d\"},{\"$ref\":\"#/"
          "$defs/d\"}]},"
          "\"f\":{\"allOf\":[{\"$ref\":\"#/$defs/e\"},{\"$ref\":\"#/$defs/e\"},{\"$ref\":\"#/$defs/e\"},{\"$ref\":\"#/"
          "$defs/e\"}]},"
          "\"g\":{\"allOf\":[{\"$ref\":\"#/$defs/f\"},{\"$ref\":\"#/$defs/f\"},{\"$ref\":\"#/$defs/f\"},{\"$ref\":\"#/"
          "$defs/f\"}]},"
          "\"h\":{\"allOf\":[{\"$ref\":\"#/$defs/g\"},{\"$ref\":\"#/$defs/g\"},{\"$ref\":\"#/$defs/g\"},{\"$ref\":\"#/"
          "$defs/g\"}]},"
          "\"i\":{\"allOf\":[{\"$ref\":\"#/$defs/h\"},{\"$ref\":\"#/$defs/h\"},{\"$ref\":\"#/$defs/h\"},{\"$ref\":\"#/"
          "$defs/h\"}]},"
          "\"z\":{\"allOf\":[{\"$ref\":\"#/$defs/i\"},{\"$ref\":\"#/$defs/i\"},{\"$ref\":\"#/$defs/i\"},{\"$ref\":\"#/"
          "$defs/i\"}]}}}",
          "1", SY_EMANIFEST, "the schema takes too many steps to check a value");
    check("{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", SY_ETYPE,
          "does not match the pattern ^(a+)+$");
}

static void
fills_in(void)
{
    becomes("{\"properties\":{\"base\":{\"type\":\"string\",\"default\":\"HEAD\"}}}", "{}", "{\"base\":\"HEAD\"}");
    becomes("{\"properties\":{\"base\":{\"default\":\"HEAD\"},\"a\":{}}}", "{\"z\":1,\"a\":2}",
            "{\"a\":2,\"base\":\"HEAD\",\"z\":1}");
    becomes("{\"properties\":{\"base\":{\"default\":\"HEAD\"}}}", "{\"base\":null}", "{\"base\":null}");
    becomes("{\"type\":\"array\"}", "{}", "[]");
    becomes("{\"type\":[\"array\",\"object\"]}", "{}", "{}");
    becomes("{\"properties\":{\"files\":{\"type\":\"array\",\"items\":{\"type\":\"array\"}}}}", "{\"files\":[{},[1]]}",
            "{\"files\":[[],[1]]}");
    becomes("{\"additionalProperties\":{\"type\":\"array\"}}", "{\"x\":{}}", "{\"x\":[]}");
    becomes("{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\"}]}", "{}", "[]");
    becomes("{\"allOf\":[{\"properties\":{\"a\":{\"default\":1}}},{\"properties\":{\"a\":{\"default\":2},\"b\":{"
            "\"default\":3}}}]}",
            "{}", "{\"a\":1,\"b\":3}");
    becomes("{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{\"properties\":{\"l\":{\"type\":\"array\",\"default\":[]}}}}}",
            "{}", "{\"l\":[]}");
    becomes("{\"items\":{\"properties\":{\"n\":{\"default\":0}}}}", "[{},{\"n\":5}]", "[{\"n\":0},{\"n\":5}]");
    becomes("{\"type\":\"string\"}", "\"as it was\"", "\"as it was\"");
    check("{\"type\":\"array\",\"minItems\":1}", "{}", SY_ETYPE, "must have at least 1 items");
    check("{\"type\":\"object\"}", "[]", SY_ETYPE, "expected an object, got an array");
}

static void
bad_schemas_are_refused(void)
{
    refuses_schema("{\"properties\":{\"files\":{\"itms\":{}}}}", "schema `properties.files`: unknown keyword `itms`",
                   "did you mean `items`?");
    refuses_schema("{\"type\":\"text\"}",
                   "schema `type`: a type is one of null, boolean, integer, number, string, array, object", "");
    refuses_schema("{\"$ref\":\"#/$defs/none\"}", "schema `$ref`: names nothing in $defs", "");
    refuses_schema("{\"$ref\":\"other.json\"}", "schema `$ref`: must be \"#\" or \"#/$defs/NAME\"", "");
    refuses_schema("{\"pattern\":\"(\"}", "schema `pattern`: is no regular expression: missing closing parenthesis",
                   "");
    refuses_schema("{\"minLength\":-1}", "schema `minLength`: must be a whole number from 0", "");
    refuses_schema("{\"properties\":{\"a\":{\"type\":\"integer\",\"default\":\"x\"}}}",
                   "schema: a default does not fit: expected an integer, got the string \"x\"", "");
    refuses_schema("3", "schema: a schema is an object, true or false", "");
    fits("{\"x-ours\":1,\"title\":\"t\",\"description\":\"d\",\"format\":\"date\",\"doc\":\"said\"}", "1");
}

static void
a_failed_allocation_is_reported(void)
{
    sy__vbuf b, input;
    sy__value schema =
        parse(&b, "{\"properties\":{\"a\":{\"pattern\":\"^x+$\"},\"b\":{\"type\":\"array\",\"uniqueItems\":true,"
                  "\"default\":[]},\"e\":{\"enum\":[1,2]}},\"required\":[\"c\"],\"patternProperties\":{\"^z\":{}},"
                  "\"$defs\":{\"q\":{}}}");
    sy__value v = parse(&input, "{\"a\":\"xxx\",\"c\":{},\"z\":1}");
    WITH_EACH_FAILURE(f, a, {
        sy__schema *s = NULL;
        sy__vbuf out;
        sy__error err = {0};
        sy__vbuf_init(&out, &a);
        int status = sy__schema_new(&s, &a, schema, &err);
        if (!status) status = sy__schema_check(s, v, &out, &err);
        if (!status) status = out.error;
        /* the pattern's just-in-time compiler does without what it cannot get */
        CHECK(status == SY_OK || (f.failed && status == SY_ENOMEM));
        sy__vbuf_close(&out);
        sy__schema_free(s);
    });
    sy__vbuf_close(&b);
    sy__vbuf_close(&input);
}

/* Prints what a typical small check costs; the figure counts in an optimised build only. */
static void
measure(void)
{
    sy__vbuf b;
    sy__schema *s = schema_of(closed);
    sy__value v = parse(&b, "{\"path\":\"core/kit/schema.c\",\"size\":12345}");
    int64_t start = sy__mono_ns(&sy__clock_system);
    for (int i = 0; i < 100000; i++) CHECK(sy__schema_check(s, v, NULL, NULL) == SY_OK);
    (void)printf("small check: %lld ns\n", (long long)(sy__mono_ns(&sy__clock_system) - start) / 100000);
    sy__vbuf_close(&b);
    sy__schema_free(s);
}

int
main(void)
{
    types();
    numbers_and_strings();
    arrays();
    objects();
    combinations();
    endless_schemas_end();
    fills_in();
    bad_schemas_are_refused();
    a_failed_allocation_is_reported();
    measure();
    TEST_END();
}
