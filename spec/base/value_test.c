/* value_test.c: values as bytes, and their JSON. */
#include "base/value.h"

#include "test.h"

static void
round_trip(const char *json, const char *want)
{
    sy__vbuf b;
    sy__buf text;
    sy__value v;
    sy__error err = {0};
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__buf_init(&text, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&b, json, strlen(json), &err), SY_OK);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
    CHECK(sy__value_check(v.data, v.size));
    for (size_t cut = 0; cut < v.size; cut++) CHECK(!sy__value_check(v.data, cut));
    sy__value_to_json(v, SY__JSON_COMPACT, &text);
    CHECK_STR(sy__buf_cstr(&text), want);
    sy__vbuf_close(&b);
    sy__buf_close(&text);
}

static void
refuses(const char *json)
{
    sy__vbuf b;
    sy__error err = {0};
    sy__vbuf_init(&b, &sy__alloc_default);
    CHECK(sy__value_from_json(&b, json, strlen(json), &err) < 0);
    CHECK(err.message[0] != '\0');
    sy__vbuf_close(&b);
}

static void
keeps_what_json_can_say(void)
{
    round_trip("null", "null");
    round_trip("[]", "[]");
    round_trip("{}", "{}");
    round_trip("9007199254740993", "9007199254740993");
    round_trip("-9223372036854775808", "-9223372036854775808");
    round_trip("1.0", "1.0");
    round_trip("0.1", "0.1");
    round_trip("1e300", "1e+300");
    round_trip("{\"b\":1,\"a\":[true,false,null,\"x\\u0000y\"]}", "{\"a\":[true,false,null,\"x\\u0000y\"],\"b\":1}");
    round_trip("{\"$bytes\":\"/w==\"}", "{\"$bytes\":\"/w==\"}");
    round_trip("\"\xC3\xA9\"", "\"\xC3\xA9\"");
}

static void
refuses_bad_json(void)
{
    refuses("");
    refuses("{\"a\":1,\"a\":2}");
    refuses("[1,]");
    refuses("\"\xFF\"");
    char deep[201];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[200] = '\0';
    refuses(deep);
}

static void
reads_parts_in_place(void)
{
    sy__vbuf b;
    sy__value v, files, one;
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__vbuf_map(&b);
    sy__vbuf_key(&b, "z", 1);
    sy__vbuf_int(&b, 7);
    sy__vbuf_key(&b, "files", 5);
    sy__vbuf_array(&b);
    sy__vbuf_cstr(&b, "a.c");
    sy__vbuf_cstr(&b, "b.c");
    sy__vbuf_end(&b);
    sy__vbuf_end(&b);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
    CHECK(sy__value_check(v.data, v.size));
    CHECK(sy__value_get(v, "files", 5, &files));
    CHECK_INT(sy__value_count(files), 2);
    CHECK(sy__value_at(files, 1, &one));
    CHECK(memcmp(sy__value_str(one, NULL), "b.c", 3) == 0);
    CHECK(!sy__value_at(files, 2, &one));
    CHECK(!sy__value_get(v, "nothing", 7, &one));
    sy__blob *blob = sy__blob_hold(sy__blob_new(&sy__alloc_default, v));
    sy__vbuf_close(&b);
    sy__blob_release(blob);
    CHECK(sy__value_get(sy__blob_value(blob), "z", 1, &one));
    CHECK_INT(sy__value_int(one), 7);
    sy__blob_release(blob);
}

static void
refuses_misuse(void)
{
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__vbuf_map(&b);
    sy__vbuf_int(&b, 1);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_EINVAL);
    sy__vbuf_reset(&b);
    sy__vbuf_map(&b);
    for (int i = 0; i < 3; i++) {
        sy__vbuf_key(&b, i == 1 ? "a" : "b", 1);
        sy__vbuf_null(&b);
    }
    sy__vbuf_end(&b);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_EINVAL);
    sy__vbuf_close(&b);
}

int
main(void)
{
    keeps_what_json_can_say();
    refuses_bad_json();
    reads_parts_in_place();
    refuses_misuse();
    TEST_END();
}
