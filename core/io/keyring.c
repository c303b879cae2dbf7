/* keyring.c: what is asked of org.freedesktop.secrets: a session, items by their attributes, their values. */
#include "io/keyring.h"

#include "base/clock.h"
#include "io/bus.h"

#include <stdio.h>
#include <string.h>

#define SERVICE "org.freedesktop.secrets"
#define INTERFACE "org.freedesktop.Secret."
#define ROOT "/org/freedesktop/secrets"

enum { WAIT_MS = 2000, PATH_BYTES = 512 };

typedef struct keyring {
    sy__bus *bus;
    char session[PATH_BYTES], collection[PATH_BYTES];
} keyring;

static int
ask(const keyring *k, const char *path, const char *interface, const char *member, const char *signature,
    sy__error *err)
{
    const sy__bus_target to = {SERVICE, path, interface, member};
    return sy__bus_call(k->bus, &to, signature, err);
}

/* What was read is what was asked for; else it is no answer we understand. */
static int
understood(const keyring *k, int e, sy__error *err)
{
    if (e || sy__bus_ok(k->bus)) return e;
    return sy__error_set(err, SY_EIO, "the desktop's keyring does not answer as it should");
}

/* A path that fits; "/" stands for none. */
static void
get_path(const keyring *k, char out[PATH_BYTES])
{
    const char *text = sy__bus_get_text(k->bus);
    int n = snprintf(out, PATH_BYTES, "%s", strcmp(text, "/") == 0 ? "" : text);
    if (n >= PATH_BYTES) out[0] = '\0';
}

static int
locked(sy__error *err)
{
    (void)sy__error_set(err, SY_EPERM, "the desktop's keyring is locked");
    sy__error_hint(err, "unlock it and try again");
    return SY_EPERM;
}

/* Finds the collection new items go to, and whether it is open. */
static int
find_collection(keyring *k, sy__error *err)
{
    sy__bus_put_text(k->bus, "default");
    int e = ask(k, ROOT, INTERFACE "Service", "ReadAlias", "s", err);
    if (!e) get_path(k, k->collection);
    e = understood(k, e, err);
    if (e) return e;
    if (!k->collection[0]) return sy__error_set(err, SY_ENOTFOUND, "the desktop's keyring has no default collection");
    sy__bus_put_text(k->bus, INTERFACE "Collection");
    sy__bus_put_text(k->bus, "Locked");
    e = ask(k, k->collection, "org.freedesktop.DBus.Properties", "Get", "ss", err);
    bool is = !e && strcmp(sy__bus_get_signature(k->bus), "b") == 0 && sy__bus_get_u32(k->bus);
    e = understood(k, e, err);
    return !e && is ? locked(err) : e;
}

static int
open_session(keyring *k, sy__error *err)
{
    sy__bus_put_text(k->bus, "plain");
    sy__bus_put_signature(k->bus, "s");
    sy__bus_put_text(k->bus, "");
    int e = ask(k, ROOT, INTERFACE "Service", "OpenSession", "sv", err);
    if (e) return e;
    bool text = strcmp(sy__bus_get_signature(k->bus), "s") == 0;
    if (text) (void)sy__bus_get_text(k->bus);
    get_path(k, k->session);
    return understood(k, text && k->session[0] ? SY_OK : sy__error_set(err, SY_EIO, "the keyring opens no session"),
                      err);
}

static int
open_keyring(keyring *k, sy__error *err)
{
    *k = (keyring){0};
    int e = sy__bus_open(&k->bus, &sy__alloc_default, sy__mono_ms(&sy__clock_system) + WAIT_MS, err);
    if (!e) e = find_collection(k, err);
    if (!e) e = open_session(k, err);
    return e;
}

int
sy__keyring_check(sy__error *err)
{
    keyring k;
    int e = open_keyring(&k, err);
    sy__bus_close(k.bus);
    return e;
}

/* ---- items ---- */

/* a{ss} */
static void
put_attributes(const keyring *k, const char *dir, const char *name)
{
    const char *const pairs[][2] = {
        {"xdg:schema", "org.symphony.Secret"}, {"application", "symphony"}, {"folder", dir}, {"name", name}};
    size_t all = sy__bus_put_array(k->bus, true);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        sy__bus_put_struct(k->bus);
        sy__bus_put_text(k->bus, pairs[i][0]);
        sy__bus_put_text(k->bus, pairs[i][1]);
    }
    sy__bus_end_array(k->bus, all, true);
}

/* The first item of this name, which is open. */
static int
find_item(const keyring *k, const char *dir, const char *name, char out[PATH_BYTES], sy__error *err)
{
    out[0] = '\0';
    put_attributes(k, dir, name);
    int e = ask(k, ROOT, INTERFACE "Service", "SearchItems", "a{ss}", err);
    if (e) return e;
    size_t end = sy__bus_get_array(k->bus);
    if (sy__bus_more(k->bus, end)) get_path(k, out);
    while (sy__bus_more(k->bus, end)) (void)sy__bus_get_text(k->bus);
    end = sy__bus_get_array(k->bus);
    if (out[0] || !sy__bus_ok(k->bus)) return understood(k, SY_OK, err);
    if (sy__bus_more(k->bus, end)) return locked(err);
    (void)sy__error_set(err, SY_ENOTFOUND, "the desktop's keyring has no value of the secret %s", name);
    sy__error_hint(err, "symphony secret set %s", name);
    return SY_ENOTFOUND;
}

/* (oayays) */
static void
put_secret(const keyring *k, const sy__secret *s)
{
    size_t len;
    const char *value = sy__secret_value(s, &len);
    sy__bus_put_struct(k->bus);
    sy__bus_put_text(k->bus, k->session);
    sy__bus_put_bytes(k->bus, "", 0);
    sy__bus_put_bytes(k->bus, value, len);
    sy__bus_put_text(k->bus, "application/octet-stream");
}

static void
put_properties(const keyring *k, const char *dir, const char *name)
{
    char label[SY__SECRET_NAME_BYTES + 16];
    (void)snprintf(label, sizeof label, "Symphony: %s", name);
    size_t all = sy__bus_put_array(k->bus, true);
    sy__bus_put_struct(k->bus);
    sy__bus_put_text(k->bus, INTERFACE "Item.Label");
    sy__bus_put_signature(k->bus, "s");
    sy__bus_put_text(k->bus, label);
    sy__bus_put_struct(k->bus);
    sy__bus_put_text(k->bus, INTERFACE "Item.Attributes");
    sy__bus_put_signature(k->bus, "a{ss}");
    put_attributes(k, dir, name);
    sy__bus_end_array(k->bus, all, true);
}

static int
create_item(const keyring *k, const char *dir, const sy__secret *s, sy__error *err)
{
    char item[PATH_BYTES], prompt[PATH_BYTES];
    put_properties(k, dir, sy__secret_name(s));
    put_secret(k, s);
    sy__bus_put_bool(k->bus, true);
    int e = ask(k, k->collection, INTERFACE "Collection", "CreateItem", "a{sv}(oayays)b", err);
    if (e) return e;
    get_path(k, item);
    get_path(k, prompt);
    e = understood(k, e, err);
    return !e && prompt[0] ? locked(err) : e;
}

int
sy__keyring_put(const char *dir, const sy__secret *s, sy__error *err)
{
    keyring k;
    int e = open_keyring(&k, err);
    if (!e) e = create_item(&k, dir, s, err);
    sy__bus_close(k.bus);
    return e;
}

static int
take_value(const keyring *k, const char *name, sy__secret **out, sy__error *err)
{
    size_t len;
    sy__bus_get_struct(k->bus);
    (void)sy__bus_get_text(k->bus);
    (void)sy__bus_get_bytes(k->bus, &len);
    const char *value = sy__bus_get_bytes(k->bus, &len);
    int e = understood(k, SY_OK, err);
    if (!e) e = sy__secret_new(out, name, len, err);
    if (!e) memcpy(sy__secret_fill(*out), value, len);
    return e;
}

int
sy__keyring_get(const char *dir, const char *name, sy__secret **out, sy__error *err)
{
    keyring k;
    char item[PATH_BYTES];
    int e = open_keyring(&k, err);
    *out = NULL;
    if (!e) e = find_item(&k, dir, name, item, err);
    if (!e) {
        sy__bus_put_text(k.bus, k.session);
        e = ask(&k, item, INTERFACE "Item", "GetSecret", "o", err);
    }
    if (!e) e = take_value(&k, name, out, err);
    sy__bus_close(k.bus);
    return e;
}

int
sy__keyring_remove(const char *dir, const char *name, sy__error *err)
{
    keyring k;
    char item[PATH_BYTES], prompt[PATH_BYTES];
    int e = open_keyring(&k, err);
    if (!e) e = find_item(&k, dir, name, item, err);
    if (!e) e = ask(&k, item, INTERFACE "Item", "Delete", "", err);
    if (!e) {
        get_path(&k, prompt);
        e = understood(&k, SY_OK, err);
        if (!e && prompt[0]) e = locked(err);
    }
    sy__bus_close(k.bus);
    return e;
}
