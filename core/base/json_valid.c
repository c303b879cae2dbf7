/*
 * json_valid.c: whether a text is JSON, without building anything: one pass, one bit a level (set: an object).
 *
 * States: before a value, after one. A string, the most of any text of ours, is looked at eight bytes at a time for
 * one that ends it, escapes or is a control character.
 */
#include "base/text.h"

#include <endian.h>

typedef struct scanner {
    const unsigned char *at, *end;
    uint64_t objects[SY__JSON_LEVELS / 64 + 1];
    unsigned depth;
} scanner;

static const uint64_t ONES = 0x0101010101010101u, HIGHS = 0x8080808080808080u;

/* A high bit in the first byte of `x` that is zero; what it says of bytes behind that one is not to be used. */
static inline uint64_t
zeroes(uint64_t x)
{
    return (x - ONES) & ~x & HIGHS;
}

/* How many of eight bytes come before one that ends a string, escapes or is a control character. */
static inline int
plain(const unsigned char *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    x = le64toh(x);
    uint64_t found = ((x - ONES * 0x20) & ~x & HIGHS) | zeroes(x ^ ONES * '"') | zeroes(x ^ ONES * '\\');
    return found ? __builtin_ctzll(found) / 8 : 8;
}

static void
skip_space(scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r')) s->at++;
}

static bool
is_digit(const scanner *s)
{
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static bool
hex4(scanner *s)
{
    if (s->end - s->at < 4) return false;
    for (int i = 0; i < 4; i++) {
        unsigned char c = *s->at++;
        bool hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        if (!hex) return false;
    }
    return true;
}

static bool
escape(scanner *s)
{
    if (s->at >= s->end) return false;
    switch (*s->at++) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return true;
    case 'u': return hex4(s);
    default: return false;
    }
}

/* Behind its first quote. */
static bool
string(scanner *s)
{
    for (;;) {
        for (int n = 8; n == 8 && s->end - s->at >= 8; s->at += n) n = plain(s->at);
        if (s->at >= s->end) return false;
        unsigned char c = *s->at++;
        if (c == '"') return true;
        if (c < 0x20 || (c == '\\' && !escape(s))) return false;
    }
}

static bool
digits(scanner *s)
{
    if (!is_digit(s)) return false;
    while (is_digit(s)) s->at++;
    return true;
}

static bool
number(scanner *s)
{
    if (*s->at == '-') s->at++;
    bool zero = is_digit(s) && *s->at == '0';
    if (!(zero ? s->at++ != NULL : digits(s))) return false;
    if (s->at < s->end && *s->at == '.' && (s->at++, !digits(s))) return false;
    if (s->at >= s->end || (*s->at | 0x20) != 'e') return true;
    s->at++;
    if (s->at < s->end && (*s->at == '+' || *s->at == '-')) s->at++;
    return digits(s);
}

static bool
word(scanner *s, const char *text, size_t len)
{
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len) != 0) return false;
    s->at += len;
    return true;
}

static bool
open_level(scanner *s, bool object)
{
    if (s->depth == SY__JSON_LEVELS) return false;
    uint64_t bit = (uint64_t)1 << (s->depth % 64), *in = &s->objects[s->depth / 64];
    *in = object ? *in | bit : *in & ~bit;
    s->depth++;
    s->at++;
    skip_space(s);
    return true;
}

static bool
in_object(const scanner *s)
{
    return s->depth > 0 && (s->objects[(s->depth - 1) / 64] >> ((s->depth - 1) % 64) & 1);
}

/* `"key" :`, up to the value. */
static bool
key(scanner *s)
{
    if (s->at >= s->end || *s->at++ != '"' || !string(s)) return false;
    skip_space(s);
    if (s->at >= s->end || *s->at++ != ':') return false;
    skip_space(s);
    return true;
}

/* A value that has no values in it. */
static bool
scalar(scanner *s)
{
    switch (*s->at) {
    case '"': s->at++; return string(s);
    case 't': return word(s, "true", 4);
    case 'f': return word(s, "false", 5);
    case 'n': return word(s, "null", 4);
    default: return number(s);
    }
}

/* The levels that end here, then a comma; *more: another value follows. */
static bool
after_value(scanner *s, bool *more)
{
    for (;;) {
        skip_space(s);
        *more = s->depth > 0;
        if (!*more) return s->at == s->end;
        if (s->at >= s->end) return false;
        unsigned char c = *s->at++;
        if (c == ',') break;
        if (c != (in_object(s) ? '}' : ']')) return false;
        s->depth--;
    }
    skip_space(s);
    return !in_object(s) || key(s);
}

bool
sy__json_valid(const char *text, size_t len)
{
    scanner s = {.at = (const unsigned char *)text, .end = (const unsigned char *)text + len};
    skip_space(&s);
    for (bool more = true; more;) {
        if (s.at >= s.end) return false;
        bool object = *s.at == '{', array = *s.at == '[';
        if ((object || array) && !open_level(&s, object)) return false;
        bool empty = (object || array) && s.at < s.end && *s.at == (object ? '}' : ']');
        if ((object || array) && !empty) {
            if (object && !key(&s)) return false;
            continue;
        }
        if (!empty && !scalar(&s)) return false;
        if (!after_value(&s, &more)) return false;
    }
    return true;
}
