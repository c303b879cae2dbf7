/* id.c: UUIDv7. A clock that steps back is ignored: the counter goes on from the last millisecond. */
#include "base/id.h"

#include <sodium.h>
#include <string.h>

enum { STEP_BITS = 24 }; /* each id advances by up to 2^24: unguessable neighbours, still ordered */

void
sy__id_source_init(sy__id_source *s, const sy__clock *clock)
{
    *s = (sy__id_source){.clock = clock, .last_ms = -1};
}

static void
reseed(sy__id_source *s, int64_t now_ms)
{
    uint64_t random[2];
    randombytes_buf(random, sizeof random);
    s->last_ms = now_ms;
    s->high = random[0] & 0x7FF; /* the top bit stays free, so that counting does not overflow */
    s->low = random[1] >> 2;
}

static void
put_hex(char *to, uint64_t n, int digits)
{
    static const char hex[] = "0123456789abcdef";
    for (int i = digits - 1; i >= 0; i--, n >>= 4) to[i] = hex[n & 15];
}

void
sy__id_next(sy__id_source *s, char out[SY__ID_BYTES])
{
    int64_t now = sy__wall_ms(s->clock);
    if (now > s->last_ms) {
        reseed(s, now);
    } else {
        uint64_t mix = s->low * 0x9E3779B97F4A7C15u;
        s->low += 1 + (mix >> (64 - STEP_BITS));
        if (s->low >> 62) {
            s->low &= ((uint64_t)1 << 62) - 1;
            if (++s->high > 0xFFF) reseed(s, s->last_ms + 1);
        }
    }
    put_hex(out, (uint64_t)s->last_ms >> 16, 8);
    put_hex(out + 9, (uint64_t)s->last_ms & 0xFFFF, 4);
    put_hex(out + 14, 0x7000 | s->high, 4);
    put_hex(out + 19, 0x8000 | s->low >> 48, 4);
    put_hex(out + 24, s->low & 0xFFFFFFFFFFFF, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
    out[36] = '\0';
}

bool
sy__id_valid(const char *text)
{
    for (int i = 0; i < SY__ID_BYTES - 1; i++) {
        char c = text[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? c != '-' : !strchr("0123456789abcdef", c) || c == '\0') return false;
    }
    return text[SY__ID_BYTES - 1] == '\0';
}
