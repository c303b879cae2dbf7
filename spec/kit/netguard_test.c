/* netguard_test.c: which addresses are public, and which grants name one. */
#include "kit/caps.h"
#include "kit/netguard.h"

#include "test.h"

static void
addresses_are_told_apart(void)
{
    static const char *const public[] = {"1.1.1.1",        "172.15.255.255",   "172.32.0.1",      "100.63.255.255",
                                         "100.128.0.1",    "223.255.255.1",    "2606:4700::1111", "2a00::1",
                                         "2002:101:101::", "64:ff9b::101:101", "::ffff:8.8.8.8"};
    static const char *const others[] = {"0.0.0.0",
                                         "10.1.2.3",
                                         "100.64.0.1",
                                         "127.0.0.1",
                                         "127.255.0.1",
                                         "169.254.169.254",
                                         "172.16.0.1",
                                         "172.31.9.9",
                                         "192.168.0.1",
                                         "198.18.0.1",
                                         "224.0.0.1",
                                         "240.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "fe80::1",
                                         "fc00::1",
                                         "fd12::1",
                                         "ff02::1",
                                         "::ffff:10.0.0.1",
                                         "64:ff9b::7f00:1",
                                         "2002:7f00:1::",
                                         "2001:db8::1",
                                         "2001::1",
                                         "example.org",
                                         "",
                                         "1.2.3.4.5",
                                         "[::1]"};
    for (size_t i = 0; i < sizeof public / sizeof *public; i++)
        if (!sy__address_is_public(public[i])) CHECK_STR(public[i], "public");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (sy__address_is_public(others[i])) CHECK_STR(others[i], "not public");
    CHECK(sy__address_is_loopback("127.9.9.9") && sy__address_is_loopback("::1") &&
          !sy__address_is_loopback("10.0.0.1"));
    CHECK(sy__address_same("[::1]", 5, "::1") && sy__address_same("10.0.0.1:80", 8, "10.0.0.1"));
    CHECK(!sy__address_same("localhost", 9, "127.0.0.1") && !sy__address_same("10.0.0.1", 8, "10.0.0.2"));
}

static void
what_is_not_public_has_to_be_named(void)
{
    static const char grants[] = "{\"net\":[\"*:443\",\"*.lan:*\",\"10.0.0.7:80\",\"[fd00::7]:80\",\"localhost:80\"]}";
    sy__vbuf b;
    sy__value v;
    sy__caps *c = NULL;
    sy__error err = {0};
    sy__vbuf_init(&b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(&b, grants, strlen(grants), &err), SY_OK);
    CHECK_INT(sy__vbuf_done(&b, &v), SY_OK);
    CHECK_INT(sy__caps_new(&c, &sy__alloc_default, v, "/", &err), SY_OK);
    CHECK(sy__caps_net_address(c, "example.org", "1.1.1.1", 443));
    CHECK(!sy__caps_net_address(c, "example.org", "10.0.0.7", 443));
    CHECK(!sy__caps_net_address(c, "box.lan", "10.0.0.8", 80));
    CHECK(sy__caps_net_address(c, "box.lan", "10.0.0.7", 80));
    CHECK(!sy__caps_net_address(c, "box.lan", "10.0.0.7", 81));
    CHECK(sy__caps_net_address(c, "box.lan", "fd00::7", 80));
    CHECK(sy__caps_net_address(c, "LOCALHOST", "127.0.0.1", 80));
    CHECK(!sy__caps_net_address(c, "localhost", "10.0.0.9", 80));
    CHECK(!sy__caps_net_address(c, "example.org", "127.0.0.1", 80));
    sy__caps_release(c);
    sy__vbuf_close(&b);
}

int
main(void)
{
    addresses_are_told_apart();
    what_is_not_public_has_to_be_named();
    TEST_END();
}
