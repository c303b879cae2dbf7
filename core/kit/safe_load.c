/*
 * safe_load.c: compiling text within the limits.
 *
 * Lua's parser runs no hook, and names looked up through many nested functions make it slow. So it is fed in small
 * pieces, and the clock is looked at before each. One thing is quadratic within a single token: a label that ends
 * many gotos or breaks; their number is capped.
 */
#include "kit/isolate_impl.h"

#include "base/bounds.h"

#include <lauxlib.h>
#include <string.h>

enum {
    PIECE_BYTES = 512,
    PIECE_CHARGE = 64 << 10, /* bytes of work: four pieces, then a look */
    MAX_JUMPS = 4000,
};

typedef struct feed {
    const char *at, *end;
} feed;

static const char *
next_piece(lua_State *L, void *ud, size_t *size)
{
    feed *f = ud;
    const char *piece = f->at;
    size_t left = (size_t)(f->end - f->at);
    sy__isolate_charge(L, PIECE_CHARGE);
    *size = left < PIECE_BYTES ? left : PIECE_BYTES;
    f->at += *size;
    return *size ? piece : NULL;
}

static int
count_word(const char *source, size_t len, const char *word, int count)
{
    size_t n = strlen(word);
    const char *end = source + len;
    for (const char *at = source; count <= MAX_JUMPS && (at = memmem(at, (size_t)(end - at), word, n)); at += n)
        count++;
    return count;
}

static int
too_much(lua_State *L, const char *chunk_name, const char *what)
{
    const char *name = chunk_name + (*chunk_name == '@' || *chunk_name == '=');
    (void)lua_pushfstring(L, "%s:1: %s", name, what);
    return LUA_ERRSYNTAX;
}

int
sy__safe_load(lua_State *L, const char *source, size_t len, const char *chunk_name)
{
    sy__isolate *iso = sy__isolate_of(L);
    feed f = {.at = source, .end = source + len};
    if (len > SY_MAX_SOURCE_BYTES) return too_much(L, chunk_name, "source is larger than 1024 KiB");
    if (count_word(source, len, "break", count_word(source, len, "goto", 0)) > MAX_JUMPS)
        return too_much(L, chunk_name, "more than 4000 gotos and breaks");
    int status = lua_load(L, next_piece, &f, chunk_name, "t");
    if (status == LUA_ERRMEM) sy__limits_poison(&iso->limits, SY_EMEMORY);
    if (iso->limits.why) (void)sy__limits_raise(&iso->limits, L);
    return status;
}
