/* text.c: table-free UTF-8 checks; JSON escapes only what RFC 8259 requires. */
#include "base/text.h"

#include <stdint.h>

static bool
tail(const unsigned char *p, size_t from, size_t count)
{
    for (size_t i = from; i < count; i++)
        if ((p[i] & 0xC0) != 0x80) return false;
    return true;
}

/* The second byte's range depends on the first (RFC 3629, section 4). */
static bool
second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0: return second >= 0xA0 && second <= 0xBF;
    case 0xED: return second >= 0x80 && second <= 0x9F;
    case 0xF0: return second >= 0x90 && second <= 0xBF;
    case 0xF4: return second >= 0x80 && second <= 0x8F;
    default: return (second & 0xC0) == 0x80;
    }
}

size_t
sy__utf8_next(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    if (len == 0) return 0;
    if (p[0] < 0x80) return 1;
    size_t need = p[0] >= 0xC2 && p[0] <= 0xDF ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4 : 0;
    if (need == 0 || need > len || !second_fits(p[0], p[1]) || !tail(p, 2, need)) return 0;
    return need;
}

bool
sy__utf8_valid(const char *s, size_t len)
{
    size_t i = 0;
    while (i < len) {
        if ((unsigned char)s[i] < 0x80) {
            i++;
            continue;
        }
        size_t n = sy__utf8_next(s + i, len - i);
        if (n == 0) return false;
        i += n;
    }
    return true;
}

size_t
sy__utf8_cut(const char *s, size_t max)
{
    size_t end = max;
    while (end > 0 && max - end < 4 && ((unsigned char)s[end] & 0xC0) == 0x80) end--;
    return end;
}

static void
escape(sy__buf *out, unsigned char c)
{
    switch (c) {
    case '"': sy__buf_add(out, "\\\"", 2); break;
    case '\\': sy__buf_add(out, "\\\\", 2); break;
    case '\n': sy__buf_add(out, "\\n", 2); break;
    case '\r': sy__buf_add(out, "\\r", 2); break;
    case '\t': sy__buf_add(out, "\\t", 2); break;
    default: sy__buf_addf(out, "\\u%04x", c); break;
    }
}

void
sy__json_string(sy__buf *out, const char *s, size_t len)
{
    sy__buf_addc(out, '"');
    size_t from = 0, i = 0;
    while (i < len) {
        unsigned char c = (unsigned char)s[i];
        bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
        size_t n = plain ? 1 : c < 0x80 ? 0 : sy__utf8_next(s + i, len - i);
        if (n > 0) {
            i += n;
            continue;
        }
        sy__buf_add(out, s + from, i - from);
        if (c >= 0x80)
            sy__buf_add(out, "\xEF\xBF\xBD", 3);
        else
            escape(out, c);
        from = ++i;
    }
    sy__buf_add(out, s + from, len - from);
    sy__buf_addc(out, '"');
}
