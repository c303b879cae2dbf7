/* netguard.c: IANA's special-purpose registries as prefixes. IPv4 inside IPv6 (mapped, 6to4, NAT64) counts as IPv4. */
#include "kit/netguard.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

typedef struct address {
    int family; /* 0: none */
    uint32_t v4;
    unsigned char v6[16];
} address;

typedef struct prefix4 {
    uint32_t base;
    int bits;
} prefix4;

static const prefix4 special4[] = {
    {0x00000000, 8},  /* this network */
    {0x0a000000, 8},  /* private */
    {0x64400000, 10}, /* carriers' */
    {0x7f000000, 8},  /* loopback */
    {0xa9fe0000, 16}, /* link-local, clouds' metadata */
    {0xac100000, 12}, /* private */
    {0xc0000000, 24}, /* protocols */
    {0xc0000200, 24}, /* documentation */
    {0xc0a80000, 16}, /* private */
    {0xc6120000, 15}, /* benchmarks */
    {0xc6336400, 24}, /* documentation */
    {0xcb007100, 24}, /* documentation */
    {0xe0000000, 4},  /* multicast */
    {0xf0000000, 4},  /* reserved, broadcast */
};

static bool
starts4(uint32_t v4, const prefix4 *p)
{
    return (v4 ^ p->base) >> (32 - p->bits) == 0;
}

static uint32_t
word(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* An IPv6 address that stands for an IPv4 one becomes that. */
static void
unwrap(address *a)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};
    const unsigned char *at = NULL;
    if (memcmp(a->v6, mapped, 12) == 0 || memcmp(a->v6, nat64, 12) == 0) at = a->v6 + 12;
    if (a->v6[0] == 0x20 && a->v6[1] == 0x02) at = a->v6 + 2;
    if (!at) return;
    a->family = AF_INET;
    a->v4 = word(at);
}

static address
read_address(const char *text, size_t len)
{
    address a = {0};
    char plain[INET6_ADDRSTRLEN];
    unsigned char v4[4];
    if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= sizeof plain) return a;
    memcpy(plain, text, len);
    plain[len] = '\0';
    if (inet_pton(AF_INET, plain, v4) == 1) {
        a.family = AF_INET;
        a.v4 = word(v4);
    } else if (inet_pton(AF_INET6, plain, a.v6) == 1) {
        a.family = AF_INET6;
        unwrap(&a);
    }
    return a;
}

static bool
is_loopback6(const unsigned char *v6)
{
    static const unsigned char one[16] = {[15] = 1};
    return memcmp(v6, one, 16) == 0;
}

bool
sy__address_is_public(const char *text)
{
    address a = read_address(text, strlen(text));
    if (a.family == AF_INET6) /* global unicast, but for Teredo and documentation */
        return (a.v6[0] & 0xe0) == 0x20 && word(a.v6) != 0x20010000 && word(a.v6) != 0x20010db8;
    if (a.family != AF_INET) return false;
    for (size_t i = 0; i < sizeof special4 / sizeof *special4; i++)
        if (starts4(a.v4, &special4[i])) return false;
    return true;
}

bool
sy__address_is_loopback(const char *text)
{
    address a = read_address(text, strlen(text));
    return a.family == AF_INET ? a.v4 >> 24 == 127 : a.family == AF_INET6 && is_loopback6(a.v6);
}

bool
sy__address_same(const char *granted, size_t len, const char *text)
{
    address a = read_address(granted, len), b = read_address(text, strlen(text));
    if (!a.family || a.family != b.family) return false;
    return a.family == AF_INET ? a.v4 == b.v4 : memcmp(a.v6, b.v6, 16) == 0;
}
