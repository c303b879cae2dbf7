/*
 * hash.c: the module `hash`.
 *
 *     hash.sha256(bytes[, raw]) → 64 hex digits, or 32 bytes      hash.hmac_sha256(key, bytes[, raw])
 *     hash.hex(bytes) → text     hash.unhex(text) → bytes | nil, message, code
 *     hash.base64(bytes) → text  hash.unbase64(text) → bytes | nil, message, code
 *     hash.equal(a, b) → boolean, in a time that does not depend on where they differ
 */
#include "bind/modules.h"
#include "bind/stdlib.h"
#include "bind/support.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

enum { SHA256_BYTES = 32 };

static void
push_hex(lua_State *L, const unsigned char *bytes, size_t len)
{
    luaL_Buffer b;
    char *to = luaL_buffinitsize(L, &b, len * 2 + 1);
    (void)sodium_bin2hex(to, len * 2 + 1, bytes, len);
    luaL_pushresultsize(&b, len * 2);
}

static int
push_digest(lua_State *L, const unsigned char *digest, bool raw)
{
    if (raw)
        lua_pushlstring(L, (const char *)digest, SHA256_BYTES);
    else
        push_hex(L, digest, SHA256_BYTES);
    return 1;
}

static int
l_sha256(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    unsigned char digest[SHA256_BYTES];
    sy__lib_charge(L, len);
    if (!EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL)) return luaL_error(L, "SHA-256 failed");
    return push_digest(L, digest, lua_toboolean(L, 2));
}

static int
l_hmac_sha256(lua_State *L)
{
    size_t key_len, len;
    const char *key = luaL_checklstring(L, 1, &key_len), *bytes = luaL_checklstring(L, 2, &len);
    unsigned char digest[SHA256_BYTES];
    sy__lib_charge(L, len + key_len);
    luaL_argcheck(L, key_len <= 1 << 20, 1, "a key of more than 1 MiB");
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)bytes, len, digest, NULL))
        return luaL_error(L, "HMAC failed");
    return push_digest(L, digest, lua_toboolean(L, 3));
}

static int
l_hex(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    sy__lib_charge(L, len);
    push_hex(L, (const unsigned char *)bytes, len);
    return 1;
}

static int
l_unhex(lua_State *L)
{
    size_t len, got = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    luaL_Buffer b;
    sy__lib_charge(L, len);
    char *to = luaL_buffinitsize(L, &b, len / 2 + 1);
    int rc = sodium_hex2bin((unsigned char *)to, len / 2 + 1, text, len, NULL, &got, NULL);
    luaL_pushresultsize(&b, rc == 0 ? got : 0);
    if (rc != 0 || got * 2 != len) return sy__lib_fail(L, SY_EINVAL, "the text is not made of pairs of hex digits");
    return 1;
}

static int
l_base64(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    luaL_Buffer b;
    sy__lib_charge(L, len);
    size_t room = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
    char *to = luaL_buffinitsize(L, &b, room);
    (void)sodium_bin2base64(to, room, (const unsigned char *)bytes, len, sodium_base64_VARIANT_ORIGINAL);
    luaL_pushresultsize(&b, room - 1);
    return 1;
}

static int
l_unbase64(lua_State *L)
{
    size_t len, got = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    luaL_Buffer b;
    sy__lib_charge(L, len);
    char *to = luaL_buffinitsize(L, &b, len + 1);
    int rc = sodium_base642bin((unsigned char *)to, len + 1, text, len, " \r\n\t", &got, NULL,
                               sodium_base64_VARIANT_ORIGINAL);
    luaL_pushresultsize(&b, rc == 0 ? got : 0);
    if (rc != 0) return sy__lib_fail(L, SY_EINVAL, "the text is not base64");
    return 1;
}

static int
l_equal(lua_State *L)
{
    size_t a_len, b_len;
    const char *a = luaL_checklstring(L, 1, &a_len), *b = luaL_checklstring(L, 2, &b_len);
    sy__lib_charge(L, a_len);
    lua_pushboolean(L, a_len == b_len && CRYPTO_memcmp(a, b, a_len) == 0);
    return 1;
}

static int
open_hash(lua_State *L, bool isolated)
{
    static const luaL_Reg functions[] = {
        {"base64", l_base64}, {"equal", l_equal},       {"hex", l_hex},     {"hmac_sha256", l_hmac_sha256},
        {"sha256", l_sha256}, {"unbase64", l_unbase64}, {"unhex", l_unhex}, {NULL, NULL}};
    sy__lib(L, functions, isolated);
    return 1;
}

int
sy__open_hash(lua_State *L)
{
    return open_hash(L, true);
}

int
luaopen_sy_hash(lua_State *L)
{
    return open_hash(L, false);
}
