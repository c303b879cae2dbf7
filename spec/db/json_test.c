/* json_test.c: the writer's json_valid says what SQLite's says, of every text that RFC 8259 decides. */
#include "base/text.h"

#include "test.h"

#include <sqlite3.h>
#include <stdlib.h>

static sqlite3_stmt *ask;

static bool
sqlite_says(const char *s, size_t len)
{
    (void)sqlite3_bind_text64(ask, 1, s, len, SQLITE_STATIC, SQLITE_UTF8);
    bool yes = sqlite3_step(ask) == SQLITE_ROW && sqlite3_column_int(ask, 0) == 1;
    (void)sqlite3_reset(ask);
    return yes;
}

static const char *const good[] = {
    "null",
    "true",
    "false",
    "0",
    "-0",
    "10",
    "-12.50e+3",
    "1E9",
    "0.1",
    "\"\"",
    "\"a\"",
    "[]",
    "{}",
    " [ ] ",
    "{\"a\":1}",
    "{\"a\":[1,{\"b\":null}],\"c\":\"\\u00e9\\n\\\"\"}",
    "[[[]],{}]",
    "\t\r\n1 ",
    "\"a string that is longer than eight bytes \\\\ and goes on\"",
    "\"\xc3\xa9 and more than eight\"",
    "{\"key\":\"t1\",\"operation\":\"bench.noop\",\"status\":\"completed\",\"outcome\":\"ok\",\"ms\":0}",
};

static const char *const bad[] = {
    "",        " ",           "nul",       "nulll",      "True",
    "01",      "-",           "+1",        "1.",         ".5",
    "1e",      "1e+",         "0x10",      "\"",         "\"a",
    "\"\\x\"", "\"\\u12g4\"", "\"\\u12\"", "\"a\nb\"",   "\"eight by\tes\"",
    "[",       "]",           "[1,]",      "[,1]",       "[1 2]",
    "{",       "}",           "{\"a\"}",   "{\"a\":}",   "{\"a\":1,}",
    "{a:1}",   "{'a':1}",     "{1:2}",     "[1}",        "{\"a\":1]",
    "1 2",     "// c\n1",     "[1]x",      "\"a\"\"b\"",
};

static void
knows_what_json_is(void)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK(sy__json_valid(good[i], strlen(good[i])));
        CHECK(sqlite_says(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!sy__json_valid(bad[i], strlen(bad[i])));
        CHECK(!sqlite_says(bad[i], strlen(bad[i])));
    }
}

/* Good texts with bytes exchanged, dropped and doubled: both must agree on each. */
static void
agrees_with_sqlite_on_damaged_texts(void)
{
    static const char alphabet[] = "{}[]\",:\\ 0123456789.eE+-truefalsn\n\tx/u";
    unsigned seed = 20261123;
    for (int n = 0; n < 200000; n++) {
        char text[160];
        const char *from = good[(seed = seed * 1664525 + 1013904223) % (sizeof good / sizeof *good)];
        size_t len = strlen(from);
        memcpy(text, from, len + 1);
        for (unsigned edits = 1 + (seed >> 8) % 3; edits > 0 && len > 0; edits--) {
            seed = seed * 1664525 + 1013904223;
            size_t at = (seed >> 4) % len;
            char c = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
            if (seed % 3 == 0)
                text[at] = c;
            else if (seed % 3 == 1)
                memmove(text + at, text + at + 1, len-- - at);
            else
                memmove(text + at + 1, text + at, ++len - at);
        }
        if (sy__json_valid(text, len) == sqlite_says(text, len)) continue;
        (void)fprintf(stderr, "they differ on: %.*s\n", (int)len, text);
        CHECK(false);
        return;
    }
}

static void
counts_levels(void)
{
    char text[2 * SY__JSON_LEVELS + 4];
    for (int levels = SY__JSON_LEVELS - 1; levels <= SY__JSON_LEVELS + 1; levels++) {
        memset(text, '[', (size_t)levels);
        memset(text + levels, ']', (size_t)levels);
        CHECK_INT(sy__json_valid(text, 2 * (size_t)levels), levels <= SY__JSON_LEVELS);
        CHECK_INT(sqlite_says(text, 2 * (size_t)levels), levels <= SY__JSON_LEVELS);
    }
}

static void
reads_no_further_than_its_length(void)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (size_t len = 0; len < strlen(good[i]); len++) {
            char *copy = malloc(len ? len : 1); /* the address sanitizer watches its end */
            memcpy(copy, good[i], len);
            CHECK_INT(sy__json_valid(copy, len), sqlite_says(copy, len));
            free(copy);
        }
}

int
main(void)
{
    sqlite3 *conn;
    if (sqlite3_open(":memory:", &conn) || sqlite3_prepare_v2(conn, "SELECT json_valid(?1)", -1, &ask, NULL)) return 1;
    knows_what_json_is();
    agrees_with_sqlite_on_damaged_texts();
    counts_levels();
    reads_no_further_than_its_length();
    (void)sqlite3_finalize(ask);
    (void)sqlite3_close(conn);
    TEST_END();
}
