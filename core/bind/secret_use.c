/* secret_use.c: from a reference to what core/io puts in its place, or to the reason why not. */
#include "bind/secret_use.h"

#include "io/vault.h"
#include "kit/audit.h"

#include <lauxlib.h>
#include <string.h>

#define USES_MT "sy.secret.uses"

enum { MAX_PREFIX = 1024 };

void
sy__secret_uses_close(sy__secret_uses *u)
{
    for (size_t i = 0; i < u->count; i++) {
        sy__free(&sy__alloc_default, (char *)(uintptr_t)u->at[i].before);
        sy__secret_release((sy__secret *)(uintptr_t)u->at[i].value);
    }
    u->count = 0;
    sy__scrubber_release(u->scrub);
    u->scrub = NULL;
}

static int
uses_gc(lua_State *L)
{
    sy__secret_uses_close(lua_touserdata(L, 1));
    return 0;
}

static bool
is_granted(const void *ud, const char *name)
{
    return sy__caps_secret(ud, name);
}

/* What comes back is searched for every secret the extension may use, not only for those of this call: a server or a
 * file may have kept one from an earlier call. */
static void
make_scrubber(sy__secret_uses *u, const sy__isolate *iso)
{
    const sy__caps *caps = sy__isolate_caps(iso);
    struct sy__vault *vault = sy__isolate_options_of(iso)->vault;
    if (!vault || !sy__caps_secrets(caps)) return;
    if (!sy__scrubber_new(&u->scrub, sy__isolate_options_of(iso)->alloc, &u->error))
        (void)sy__vault_scrub(vault, is_granted, caps, u->scrub, &u->error);
}

sy__secret_uses *
sy__secret_uses_push(lua_State *L, sy__isolate *iso)
{
    sy__secret_uses *u = lua_newuserdatauv(L, sizeof *u, 0);
    u->count = 0;
    u->scrub = NULL;
    sy__error_clear(&u->error);
    if (luaL_newmetatable(L, USES_MT)) {
        lua_pushcfunction(L, uses_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    if (iso) make_scrubber(u, iso);
    return u;
}

/* SY_OK, or why the extension does not get the value; it is held. */
static int
look_up(const sy__isolate *iso, const char *name, sy__secret **out, sy__error *err)
{
    const sy__isolate_options *o = sy__isolate_options_of(iso);
    const sy__caps *caps = sy__isolate_caps(iso);
    bool allowed = sy__caps_secret(caps, name);
    sy__audit(iso, SY__USE_SECRET, name, allowed);
    if (!allowed) {
        (void)sy__error_set(err, SY_EPERM, "%s may not use the secret %.80s", o->name, name);
        if (!sy__caps_withheld(caps, "secrets", name, err))
            sy__error_hint(err, "the manifest's [capabilities] would need secrets = [\"%.80s\"]", name);
        return SY_EPERM;
    }
    if (o->vault) return sy__vault_get(o->vault, name, out, err);
    (void)sy__error_set(err, SY_ENOTFOUND, "there is no secret `%.80s` here", name);
    sy__error_hint(err, "symphony secret set %.80s", name);
    return SY_ENOTFOUND;
}

/* A text of the reference on top; "" when it has none. It stays alive in the reference. */
static const char *
text_of(lua_State *L, const char *who, const char *field)
{
    size_t len = 0;
    int type = lua_getfield(L, -1, field);
    const char *text = type == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";
    lua_pop(L, 1);
    if ((type != LUA_TSTRING && type != LUA_TNIL) || strlen(text) != len || len > MAX_PREFIX)
        luaL_error(L, "%s: the %s of a reference to a secret must be a short string", who, field);
    return text;
}

static void
check_fields(lua_State *L, const char *who)
{
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strcmp(key, "secret") != 0 && strcmp(key, "prefix") != 0)
            luaL_error(L, "%s: a reference to a secret is { secret = NAME, prefix = TEXT }", who);
    }
}

void
sy__secret_uses_add(lua_State *L, sy__secret_uses *u, sy__isolate *iso, const char *who, const char *head)
{
    luaL_checkstack(L, 8, who);
    if (!iso) luaL_error(L, "%s: secrets are for extensions", who);
    check_fields(L, who);
    const char *name = text_of(L, who, "secret"), *prefix = text_of(L, who, "prefix");
    if (!*name) luaL_error(L, "%s: a reference to a secret is { secret = NAME, prefix = TEXT }", who);
    if (u->count == SY__SECRET_USES) luaL_error(L, "%s: more than %d secrets", who, SY__SECRET_USES);
    if (u->error.code) return;
    sy__secret *value = NULL;
    if (look_up(iso, name, &value, &u->error)) return;
    sy__secret_text *text = &u->at[u->count++];
    *text = (sy__secret_text){.before = NULL, .value = value};
    text->before = sy__strdup(&sy__alloc_default, lua_pushfstring(L, "%s%s", head, prefix));
    lua_pop(L, 1);
    if (!text->before) (void)sy__error_set(&u->error, SY_ENOMEM, "no memory for a secret");
}

static bool
is_one_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' && *text != '\t') return false;
    return true;
}

void
sy__secret_uses_one_line(sy__secret_uses *u)
{
    for (size_t i = 0; i < u->count && !u->error.code; i++) {
        const char *name = sy__secret_name(u->at[i].value);
        if (!is_one_line(u->at[i].before))
            (void)sy__error_set(&u->error, SY_EUSAGE, "the prefix of the secret %s has a control character in it",
                                name);
        else if (!is_one_line(sy__secret_value(u->at[i].value, NULL)))
            (void)sy__error_set(&u->error, SY_EUSAGE,
                                "the secret %s has a control character in it, so no header can hold it", name);
    }
}
