/*
 * pack.c: `sy.pack`, files packed into one, for trusted Lua.
 *
 *     pack.create([path]) → writer      without a path: to stdout
 *     writer:add(name, bytes)           writer:add_artifact(host, name, hash)           writer:close()
 *     pack.open(path, {entries=, entry_bytes=, total_bytes=}) → reader
 *     reader:next() → name, size | false at the end      reader:read() → bytes     reader:digest() → "sha256:…"
 *     reader:store(host) → hash         keeps the entry's content as an artifact          reader:close()
 *
 * Failures are nil, message, code.
 */
#include "bind/core.h"
#include "bind/modules.h"
#include "io/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define WRITER "symphony.pack.writer"
#define READER "symphony.pack.reader"

enum { PIECE_BYTES = 64 << 10, DIGEST_BYTES = 32, RATIO = 2000, FREE_BYTES = 256 << 20 };

typedef struct writer {
    sy__pack_writer *pack; /* NULL: closed */
    int fd;                /* ours; -1: stdout */
} writer;

typedef struct reader {
    sy__pack_reader *pack; /* NULL: closed */
    int64_t left;          /* of the entry, as it says */
} reader;

static int
done(lua_State *L, int status, const sy__error *err)
{
    if (status) return sy__lib_error(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- writing ---- */

static writer *
check_writer(lua_State *L)
{
    writer *w = luaL_checkudata(L, 1, WRITER);
    luaL_argcheck(L, w->pack != NULL, 1, "the file is closed");
    return w;
}

static int
writer_add(lua_State *L)
{
    writer *w = check_writer(L);
    size_t len;
    const char *name = luaL_checkstring(L, 2), *bytes = luaL_checklstring(L, 3, &len);
    sy__error err = {0};
    int status = sy__pack_begin(w->pack, name, (int64_t)len, &err);
    if (!status) status = sy__pack_write(w->pack, bytes, len, &err);
    return done(L, status, &err);
}

static int
copy_artifact(sy__pack_writer *to, sy__artifact_reader *from, char *piece, sy__error *err)
{
    for (;;) {
        int64_t n = sy__artifact_read(from, piece, PIECE_BYTES, err);
        if (n <= 0) return (int)n;
        int status = sy__pack_write(to, piece, (size_t)n, err);
        if (status) return status;
    }
}

static int
writer_add_artifact(lua_State *L)
{
    writer *w = check_writer(L);
    sy__lua_host *h = sy__lua_host_check(L, 2);
    const char *name = luaL_checkstring(L, 3), *hash = luaL_checkstring(L, 4);
    char *piece = lua_newuserdatauv(L, PIECE_BYTES, 0);
    sy__artifact_reader *from = NULL;
    sy__error err = {0};
    int64_t size = 0;
    int status = sy__artifact_reader_open(&from, sy__project_artifacts(h->project), hash, &size, &err);
    if (status) return done(L, status, &err);
    status = sy__pack_begin(w->pack, name, size, &err);
    if (!status) status = copy_artifact(w->pack, from, piece, &err);
    sy__artifact_reader_close(from);
    return done(L, status, &err);
}

static int
close_writer(writer *w, sy__error *err)
{
    int status = sy__pack_writer_close(w->pack, err);
    w->pack = NULL;
    if (w->fd >= 0 && fsync(w->fd) && !status) status = sy__error_errno(err, errno, "the file cannot be written");
    if (w->fd >= 0 && close(w->fd) && !status) status = sy__error_errno(err, errno, "the file cannot be written");
    w->fd = -1;
    return status;
}

static int
writer_close(lua_State *L)
{
    sy__error err = {0};
    return done(L, close_writer(check_writer(L), &err), &err);
}

static int
writer_gc(lua_State *L)
{
    writer *w = luaL_checkudata(L, 1, WRITER);
    if (w->pack) (void)close_writer(w, NULL);
    return 0;
}

static int
pack_create(lua_State *L)
{
    const char *path = luaL_optstring(L, 1, NULL);
    sy__error err = {0};
    writer *w = lua_newuserdatauv(L, sizeof *w, 0);
    *w = (writer){.fd = -1};
    luaL_setmetatable(L, WRITER);
    if (path) {
        w->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (w->fd < 0) return done(L, sy__error_errno(&err, errno, "cannot write %s", path), &err);
    }
    int status = sy__pack_writer_open(&w->pack, &sy__alloc_default, path ? w->fd : STDOUT_FILENO, &err);
    if (!status) return 1;
    if (w->fd >= 0) (void)close(w->fd);
    return done(L, status, &err);
}

/* ---- reading ---- */

static reader *
check_reader(lua_State *L)
{
    reader *r = luaL_checkudata(L, 1, READER);
    luaL_argcheck(L, r->pack != NULL, 1, "the file is closed");
    return r;
}

static int
reader_next(lua_State *L)
{
    reader *r = check_reader(L);
    sy__error err = {0};
    const char *name = NULL;
    int found = sy__pack_next(r->pack, &name, &r->left, &err);
    if (found < 0) return sy__lib_error(L, &err);
    if (!found) {
        lua_pushboolean(L, 0);
        return 1;
    }
    lua_pushstring(L, name);
    lua_pushinteger(L, r->left);
    return 2;
}

static int
reader_read(lua_State *L)
{
    reader *r = check_reader(L);
    sy__error err = {0};
    int64_t n = 0;
    sy__buf *b = sy__lib_buf(L);
    char *piece = lua_newuserdatauv(L, PIECE_BYTES, 0);
    while ((n = sy__pack_read(r->pack, piece, PIECE_BYTES, &err)) > 0) sy__buf_add(b, piece, (size_t)n);
    if (n < 0) return sy__lib_error(L, &err);
    if (b->failed) return sy__lib_fail(L, SY_ENOMEM, "no memory for an entry of the file");
    lua_pushlstring(L, b->data ? b->data : "", b->len);
    return 1;
}

static int
reader_digest(lua_State *L)
{
    reader *r = check_reader(L);
    sy__error err = {0};
    int64_t n = 0;
    unsigned char digest[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES + 1];
    char *piece = lua_newuserdatauv(L, PIECE_BYTES, 0);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool fine = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);
    while (fine && (n = sy__pack_read(r->pack, piece, PIECE_BYTES, &err)) > 0)
        fine = EVP_DigestUpdate(md, piece, (size_t)n);
    fine = fine && EVP_DigestFinal_ex(md, digest, NULL);
    EVP_MD_CTX_free(md);
    if (n < 0) return sy__lib_error(L, &err);
    if (!fine) return sy__lib_fail(L, SY_ENOMEM, "no memory for a hash");
    (void)sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    lua_pushfstring(L, "sha256:%s", hex);
    return 1;
}

static int
keep(sy__pack_reader *from, sy__artifact_writer *to, char *piece, sy__error *err)
{
    int64_t n;
    while ((n = sy__pack_read(from, piece, PIECE_BYTES, err)) > 0) {
        int status = sy__artifact_write(to, piece, (size_t)n, err);
        if (status) return status;
    }
    return (int)n;
}

static int
reader_store(lua_State *L)
{
    reader *r = check_reader(L);
    sy__lua_host *h = sy__lua_host_check(L, 2);
    char *piece = lua_newuserdatauv(L, PIECE_BYTES, 0);
    sy__artifacts *artifacts = sy__project_artifacts(h->project);
    sy__artifact_writer *to = NULL;
    sy__error err = {0}, ignored = {0};
    sy__stored stored;
    int status = sy__artifact_writer_open(&to, artifacts, SY__LEVEL_FULL, &err);
    if (status) return done(L, status, &err);
    status = keep(r->pack, to, piece, &err);
    int closed = sy__artifact_writer_close(to, status ? NULL : &stored, status ? &ignored : &err);
    if (!status) status = closed;
    if (!status) status = sy__artifacts_flush(artifacts, &err);
    if (status) return done(L, status, &err);
    lua_pushstring(L, stored.hash);
    return 1;
}

static int
reader_close(lua_State *L)
{
    reader *r = luaL_checkudata(L, 1, READER);
    sy__pack_reader_close(r->pack);
    r->pack = NULL;
    return 0;
}

static int64_t
limit(lua_State *L, const char *name)
{
    lua_getfield(L, 2, name);
    lua_Integer n = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return n;
}

static int
pack_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    sy__error err = {0};
    sy__pack_limits limits = {limit(L, "entries"), limit(L, "entry_bytes"), limit(L, "total_bytes"), RATIO, FREE_BYTES};
    reader *r = lua_newuserdatauv(L, sizeof *r, 0);
    *r = (reader){0};
    luaL_setmetatable(L, READER);
    int status = sy__pack_reader_open(&r->pack, &sy__alloc_default, path, &limits, &err);
    return status ? done(L, status, &err) : 1;
}

int
luaopen_sy_pack(lua_State *L)
{
    static const luaL_Reg writer_methods[] = {
        {"add", writer_add}, {"add_artifact", writer_add_artifact}, {"close", writer_close}, {NULL, NULL}};
    static const luaL_Reg reader_methods[] = {{"next", reader_next},     {"read", reader_read},
                                              {"digest", reader_digest}, {"store", reader_store},
                                              {"close", reader_close},   {NULL, NULL}};
    static const luaL_Reg functions[] = {{"create", pack_create}, {"open", pack_open}, {NULL, NULL}};
    sy__lib_type(L, WRITER, writer_methods, writer_gc, false);
    sy__lib_type(L, READER, reader_methods, reader_close, false);
    lua_settop(L, 0);
    luaL_newlib(L, functions);
    return 1;
}
