/* netguard.h: what an IP address is. Texts as inet_ntop writes them, IPv6 with or without brackets. Any thread. */
#ifndef SY_KIT_NETGUARD_H
#define SY_KIT_NETGUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Neither loopback, private, link-local, shared, multicast, reserved nor a way around to one of these. */
bool sy__address_is_public(const char *address);
bool sy__address_is_loopback(const char *address);
/* Whether the first `len` bytes of `granted` are the same address. */
bool sy__address_same(const char *granted, size_t len, const char *address);

#endif
