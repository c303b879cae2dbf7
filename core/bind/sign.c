/*
 * sign.c: `sy.sign`, keys and signatures of minisign, for trusted Lua.
 *
 *     keypair([password]) → public, secret           the texts of two files
 *     encrypted(secret) → boolean                     whether it needs a password
 *     sign(secret, password | nil, path, comment) → text
 *     verify(public, signature, path) → comment       what was signed with it
 *     id(text) → "A1B2…"                              of a public key, or of the key of a signature
 *
 * Failures are nil, message, code.
 */
#include "bind/modules.h"
#include "bind/support.h"
#include "io/minisign.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

/* Pushes the buffer's text and wipes it. */
static void
push_wiped(lua_State *L, sy__buf *b)
{
    lua_pushlstring(L, b->data ? b->data : "", b->len);
    if (b->data) sodium_memzero(b->data, b->cap);
}

static int
l_keypair(lua_State *L)
{
    sy__error err = {0};
    const char *password = luaL_optstring(L, 1, NULL);
    sy__buf *shown = sy__lib_buf(L), *secret = sy__lib_buf(L);
    if (sy__minisign_keypair(password, shown, secret, &err)) return sy__lib_error(L, &err);
    if (shown->failed || secret->failed) return sy__lib_fail(L, SY_ENOMEM, "no memory for a key");
    push_wiped(L, shown);
    push_wiped(L, secret);
    return 2;
}

static int
l_encrypted(lua_State *L)
{
    sy__error err = {0};
    bool encrypted = false;
    if (sy__minisign_encrypted(luaL_checkstring(L, 1), &encrypted, &err)) return sy__lib_error(L, &err);
    lua_pushboolean(L, encrypted);
    return 1;
}

/* Opens the file; the descriptor in the userdata on top closes itself. */
static bool
open_file(lua_State *L, const char *path, int **fd)
{
    *fd = sy__lib_fd(L);
    **fd = open(path, O_RDONLY | O_CLOEXEC);
    return **fd >= 0;
}

static int
l_sign(lua_State *L)
{
    sy__error err = {0};
    const char *secret = luaL_checkstring(L, 1), *password = luaL_optstring(L, 2, NULL);
    const char *path = luaL_checkstring(L, 3), *comment = luaL_checkstring(L, 4);
    int *fd;
    if (!open_file(L, path, &fd)) {
        (void)sy__error_errno(&err, errno, "cannot read %s", path);
        return sy__lib_error(L, &err);
    }
    sy__buf *out = sy__lib_buf(L);
    if (sy__minisign_sign(secret, password, *fd, comment, out, &err)) return sy__lib_error(L, &err);
    sy__lib_fd_close(fd);
    if (out->failed) return sy__lib_fail(L, SY_ENOMEM, "no memory for a signature");
    lua_pushlstring(L, out->data, out->len);
    return 1;
}

static int
l_verify(lua_State *L)
{
    sy__error err = {0};
    const char *shown = luaL_checkstring(L, 1), *signature = luaL_checkstring(L, 2), *path = luaL_checkstring(L, 3);
    int *fd;
    if (!open_file(L, path, &fd)) {
        (void)sy__error_errno(&err, errno, "cannot read %s", path);
        return sy__lib_error(L, &err);
    }
    sy__buf *comment = sy__lib_buf(L);
    if (sy__minisign_verify(shown, signature, *fd, comment, &err)) return sy__lib_error(L, &err);
    sy__lib_fd_close(fd);
    if (comment->failed) return sy__lib_fail(L, SY_ENOMEM, "no memory for a comment");
    lua_pushlstring(L, comment->data ? comment->data : "", comment->len);
    return 1;
}

static int
l_id(lua_State *L)
{
    sy__error err = {0};
    char id[SY__MINISIGN_ID_BYTES];
    if (sy__minisign_id(luaL_checkstring(L, 1), id, &err)) return sy__lib_error(L, &err);
    lua_pushstring(L, id);
    return 1;
}

int
luaopen_sy_sign(lua_State *L)
{
    static const luaL_Reg functions[] = {{"encrypted", l_encrypted}, {"id", l_id},         {"keypair", l_keypair},
                                         {"sign", l_sign},           {"verify", l_verify}, {NULL, NULL}};
    lua_settop(L, 0);
    luaL_newlib(L, functions);
    return 1;
}
