/*
 * caps.c: the [capabilities] of a manifest as sets that can be asked.
 *
 * Each name is read by one entry of a table, so a name that is not in the table is refused with its
 * neighbour as a hint: a typo must not quietly grant less, nor more, than its author meant.
 */
#include "kit/caps.h"

#include "kit/fscage.h"
#include "kit/fsguard.h"
#include "kit/gitdir.h"
#include "kit/near.h"
#include "kit/netguard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEFAULT_MEMORY = 64 << 20, DEFAULT_CPU_MS = 2000, DEFAULT_TIMEOUT_MS = 30000, DNS_PORT = 53 };

typedef struct names {
    char **at;
    size_t count;
} names;

struct sy__caps {
    const sy__alloc *alloc;
    int refs; /* atomic */
    char *project_dir;
    sy__fsguard files;
    names process, net, env, secrets, editor;
    sy__caps *asked; /* by the manifest, where the person granted less; NULL: all that is asked is granted */
    char *extension; /* its name, with `asked` */
    int64_t memory_bytes, cpu_ms, timeout_ms;
};

typedef int (*reader)(sy__caps *c, sy__value v, const char *key, sy__error *err);

/* ---- reading ---- */

static int
no_memory(sy__error *err)
{
    return sy__error_set(err, SY_ENOMEM, "no memory for capabilities");
}

static bool
is_empty(sy__value v)
{
    sy__kind kind = sy__value_kind(v);
    return kind == SY__NULL || ((kind == SY__MAP || kind == SY__ARRAY) && sy__value_count(v) == 0);
}

/* Calls `each` with every string of a list, NUL-terminated. */
static int
read_strings(sy__caps *c, sy__value v, const char *key, int (*each)(sy__caps *, const char *, void *, sy__error *),
             void *ud, sy__error *err)
{
    if (is_empty(v)) return SY_OK;
    if (sy__value_kind(v) != SY__ARRAY)
        return sy__error_set(err, SY_EMANIFEST, "capability `%s` must be a list of strings", key);
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        size_t len;
        const char *s = sy__value_str(it.value, &len);
        if (!s || !len || memchr(s, '\0', len))
            return sy__error_set(err, SY_EMANIFEST, "capability `%s` must be a list of strings", key);
        char *text = sy__strndup(c->alloc, s, len);
        if (!text) return no_memory(err);
        int status = each(c, text, ud, err);
        sy__free(c->alloc, text);
        if (status) return status;
    }
    return SY_OK;
}

static int
add_name(sy__caps *c, const char *text, void *ud, sy__error *err)
{
    names *n = ud;
    char **at = sy__realloc(c->alloc, n->at, (n->count + 1) * sizeof *at);
    if (!at) return no_memory(err);
    n->at = at;
    at[n->count] = sy__strdup(c->alloc, text);
    return at[n->count++] ? SY_OK : no_memory(err);
}

static int
add_host(sy__caps *c, const char *text, void *ud, sy__error *err)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    bool any = colon && strcmp(colon, ":*") == 0;
    if (!colon || colon == text || (!any && (port < 1 || port > 65535 || *end)))
        return sy__error_set(err, SY_EMANIFEST, "capability `net`: write \"%s\" as \"host:port\"", text);
    return add_name(c, text, ud, err);
}

static int
add_file(sy__caps *c, const char *text, void *ud, sy__error *err)
{
    return sy__fsguard_grant(&c->files, *(const sy__access *)ud, text, err);
}

static int
read_fs_read(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    sy__access access = SY__READ;
    return read_strings(c, v, key, add_file, &access, err);
}

static int
read_fs_write(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    sy__access access = SY__WRITE;
    return read_strings(c, v, key, add_file, &access, err);
}

static int
read_process(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    return read_strings(c, v, key, add_name, &c->process, err);
}

static int
read_net(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    return read_strings(c, v, key, add_host, &c->net, err);
}

static int
read_env(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    return read_strings(c, v, key, add_name, &c->env, err);
}

static int
read_secrets(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    return read_strings(c, v, key, add_name, &c->secrets, err);
}

static int
read_editor(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    return read_strings(c, v, key, add_name, &c->editor, err);
}

/* A number and a unit out of a table; false: neither. */
typedef struct unit {
    const char *name;
    double factor;
} unit;

static bool
read_amount(sy__value v, const unit *units, int64_t *out)
{
    size_t len;
    const char *s = sy__value_str(v, &len);
    char text[32], *end;
    if (sy__value_kind(v) == SY__INT && sy__value_int(v) > 0) {
        *out = sy__value_int(v);
        return true;
    }
    if (!s || len == 0 || len >= sizeof text || *s < '0' || *s > '9') return false;
    memcpy(text, s, len);
    text[len] = '\0';
    double n = (double)strtoull(text, &end, 10);
    while (*end == ' ') end++;
    for (const unit *u = units; u->name; u++) {
        if (strcasecmp(u->name, end) != 0 || n * u->factor < 1 || n * u->factor > 1e15) continue;
        *out = (int64_t)(n * u->factor);
        return true;
    }
    return false;
}

static int
read_memory(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    static const unit units[] = {{"b", 1},     {"kib", 1024}, {"mib", 1 << 20}, {"gib", 1 << 30},
                                 {"kb", 1000}, {"mb", 1e6},   {"gb", 1e9},      {NULL, 0}};
    (void)key;
    if (read_amount(v, units, &c->memory_bytes)) return SY_OK;
    return sy__error_set(err, SY_EMANIFEST, "capability `memory` must be like \"64MiB\"");
}

static int
read_time(sy__value v, const char *key, int64_t *out, sy__error *err)
{
    static const unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}, {NULL, 0}};
    if (read_amount(v, units, out)) return SY_OK;
    return sy__error_set(err, SY_EMANIFEST, "capability `%s` must be like \"2s\" or \"500ms\"", key);
}

static int
read_cpu(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    return read_time(v, key, &c->cpu_ms, err);
}

static int
read_timeout(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    return read_time(v, key, &c->timeout_ms, err);
}

static int
read_asked(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    (void)key;
    sy__caps_release(c->asked);
    return sy__caps_new(&c->asked, c->alloc, v, c->project_dir[0] ? c->project_dir : NULL, err);
}

static int
read_extension(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    size_t len;
    const char *name = sy__value_str(v, &len);
    if (!name) return sy__error_set(err, SY_EMANIFEST, "capability `%s` must be a name", key);
    sy__free(c->alloc, c->extension);
    c->extension = sy__strndup(c->alloc, name, len);
    return c->extension ? SY_OK : no_memory(err);
}

static int read_fs(sy__caps *c, sy__value v, const char *key, sy__error *err);

static const struct entry {
    const char *key;
    reader read;
} entries[] = {
    {"fs", read_fs},
    {"fs.read", read_fs_read},
    {"fs.write", read_fs_write},
    {"process", read_process},
    {"net", read_net},
    {"env", read_env},
    {"secrets", read_secrets},
    {"editor", read_editor},
    {"memory", read_memory},
    {"cpu", read_cpu},
    {"timeout", read_timeout},
    {"asked", read_asked},
    {"extension", read_extension},
};
enum { ENTRY_COUNT = sizeof entries / sizeof entries[0] };

static int
unknown(const char *key, size_t len, sy__error *err)
{
    int best = 99;
    sy__error_set(err, SY_EMANIFEST, "there is no capability `%.*s`", (int)(len < 64 ? len : 64), key);
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        int d = sy__near(key, len, entries[i].key, strlen(entries[i].key));
        if (d < 0 || d >= best) continue;
        best = d;
        if (err) sy__error_hint(err, "did you mean `%s`?", entries[i].key);
    }
    return SY_EMANIFEST;
}

static int
read_entry(sy__caps *c, const char *key, size_t len, sy__value v, sy__error *err)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        if (strlen(entries[i].key) == len && memcmp(entries[i].key, key, len) == 0)
            return entries[i].read(c, v, entries[i].key, err);
    return unknown(key, len, err);
}

/* { read = […], write = […] }, as TOML makes of `fs.read = […]`. */
static int
read_fs(sy__caps *c, sy__value v, const char *key, sy__error *err)
{
    if (is_empty(v)) return SY_OK;
    if (sy__value_kind(v) != SY__MAP)
        return sy__error_set(err, SY_EMANIFEST, "capability `%s` has `read` and `write`", key);
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_iter_next(&it)) {
        char whole[40];
        int n = snprintf(whole, sizeof whole, "fs.%.*s", (int)(it.key_len < 32 ? it.key_len : 32), it.key);
        int status = read_entry(c, whole, (size_t)n, it.value, err);
        if (status) return status;
    }
    return SY_OK;
}

static int
read_all(sy__caps *c, sy__value v, const char *project_dir, sy__error *err)
{
    int status = sy__fsguard_init(&c->files, c->alloc, project_dir, err);
    if (status) return status;
    c->project_dir = sy__strdup(c->alloc, c->files.project ? c->files.project : "");
    if (!c->project_dir) return no_memory(err);
    if (is_empty(v)) return SY_OK;
    if (sy__value_kind(v) != SY__MAP) return sy__error_set(err, SY_EMANIFEST, "capabilities must be a table");
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (!status && sy__value_iter_next(&it)) status = read_entry(c, it.key, it.key_len, it.value, err);
    return status;
}

static void
free_names(sy__caps *c, names *n)
{
    for (size_t i = 0; i < n->count; i++) sy__free(c->alloc, n->at[i]);
    sy__free(c->alloc, n->at);
}

int
sy__caps_new(sy__caps **out, const sy__alloc *a, sy__value v, const char *project_dir, sy__error *err)
{
    *out = NULL;
    sy__caps *c = sy__calloc(a, 1, sizeof *c);
    if (!c) return no_memory(err);
    c->alloc = a;
    c->refs = 1;
    c->files.alloc = a;
    c->memory_bytes = DEFAULT_MEMORY;
    c->cpu_ms = DEFAULT_CPU_MS;
    c->timeout_ms = DEFAULT_TIMEOUT_MS;
    int status = read_all(c, v, project_dir, err);
    if (status)
        sy__caps_release(c);
    else
        *out = c;
    return status;
}

sy__caps *
sy__caps_hold(sy__caps *c)
{
    if (c) (void)__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void
sy__caps_release(sy__caps *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) != 0) return;
    names *const lists[] = {&c->process, &c->net, &c->env, &c->secrets, &c->editor};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) free_names(c, lists[i]);
    sy__fsguard_close(&c->files);
    sy__caps_release(c->asked);
    sy__free(c->alloc, c->extension);
    sy__free(c->alloc, c->project_dir);
    sy__free(c->alloc, c);
}

/* ---- asking ---- */

size_t
sy__caps_memory_bytes(const sy__caps *c)
{
    return (size_t)c->memory_bytes;
}

int64_t
sy__caps_cpu_ms(const sy__caps *c)
{
    return c->cpu_ms;
}

int64_t
sy__caps_timeout_ms(const sy__caps *c)
{
    return c->timeout_ms;
}

const char *
sy__caps_project_dir(const sy__caps *c)
{
    return c->project_dir;
}

/* Whether `text` is one of the names; a granted name may end in `*`. */
static bool
has(const names *n, const char *text)
{
    for (size_t i = 0; i < n->count; i++) {
        const char *granted = n->at[i];
        size_t len = strlen(granted);
        if (granted[len - 1] == '*' ? strncmp(granted, text, len - 1) == 0 : strcmp(granted, text) == 0) return true;
    }
    return false;
}

bool
sy__caps_process(const sy__caps *c, const char *program)
{
    return *program && has(&c->process, program);
}

bool
sy__caps_env(const sy__caps *c, const char *name)
{
    return *name && has(&c->env, name);
}

bool
sy__caps_starts(const sy__caps *c)
{
    return c->process.count > 0;
}

bool
sy__caps_secret(const sy__caps *c, const char *name)
{
    return *name && has(&c->secrets, name);
}

bool
sy__caps_secrets(const sy__caps *c)
{
    return c->secrets.count > 0;
}

bool
sy__caps_editor(const sy__caps *c, const char *what)
{
    return *what && has(&c->editor, what);
}

/* "*" stands for every host, "*.example.org" for those below it. */
static bool
host_fits(const char *granted, size_t len, const char *host)
{
    size_t n = strlen(host);
    if (len == 1 && *granted == '*') return true;
    if (len > 2 && granted[0] == '*' && granted[1] == '.')
        return n > len - 1 && strncasecmp(host + n - (len - 1), granted + 1, len - 1) == 0;
    return n == len && strncasecmp(granted, host, len) == 0;
}

bool
sy__caps_net(const sy__caps *c, const char *host, int port)
{
    for (size_t i = 0; i < c->net.count; i++) {
        const char *granted = c->net.at[i], *colon = strrchr(granted, ':');
        bool port_fits = colon[1] == '*' || strtol(colon + 1, NULL, 10) == port;
        if (port_fits && host_fits(granted, (size_t)(colon - granted), host)) return true;
    }
    return false;
}

/* Whether a grant names this host or address itself, without a `*`. */
static bool
names_literally(const sy__caps *c, bool (*same)(const char *granted, size_t len, const char *wanted),
                const char *wanted, int port)
{
    for (size_t i = 0; i < c->net.count; i++) {
        const char *granted = c->net.at[i], *colon = strrchr(granted, ':');
        bool port_fits = colon[1] == '*' || strtol(colon + 1, NULL, 10) == port;
        if (port_fits && *granted != '*' && same(granted, (size_t)(colon - granted), wanted)) return true;
    }
    return false;
}

bool
sy__caps_net_address(const sy__caps *c, const char *host, const char *address, int port)
{
    if (sy__address_is_public(address) || names_literally(c, sy__address_same, address, port)) return true;
    return strcasecmp(host, "localhost") == 0 && sy__address_is_loopback(address) &&
           names_literally(c, host_fits, "localhost", port);
}

static bool
asks(const sy__caps *c, const char *capability, const char *what)
{
    if (strcmp(capability, "fs.read") == 0) return sy__caps_allows(c, SY__READ, what);
    if (strcmp(capability, "fs.write") == 0) return sy__caps_allows(c, SY__WRITE, what);
    if (strcmp(capability, "process") == 0) return sy__caps_process(c, what);
    if (strcmp(capability, "env") == 0) return sy__caps_env(c, what);
    if (strcmp(capability, "secrets") == 0) return sy__caps_secret(c, what);
    const char *colon = strrchr(what, ':');
    char host[256];
    if (strcmp(capability, "net") != 0 || !colon || colon - what >= (ptrdiff_t)sizeof host) return false;
    memcpy(host, what, (size_t)(colon - what));
    host[colon - what] = '\0';
    return sy__caps_net(c, host, (int)strtol(colon + 1, NULL, 10));
}

bool
sy__caps_withheld(const sy__caps *c, const char *capability, const char *what, sy__error *err)
{
    if (!c->asked || !c->extension || !asks(c->asked, capability, what)) return false;
    sy__error_hint(err, "its manifest asks for it and you took it away: symphony ext permissions %s --allow %s",
                   c->extension, capability);
    return true;
}

/* A refusal of what the person took away names that instead of the manifest. */
static int
explained(const sy__caps *c, sy__access access, const char *path, int status, sy__error *err)
{
    if (status == SY_EPERM && c->asked)
        (void)sy__caps_withheld(c, access == SY__WRITE ? "fs.write" : "fs.read", path, err);
    return status;
}

int
sy__caps_open(const sy__caps *c, sy__access access, const char *path, int flags, int mode, sy__error *err)
{
    return explained(c, access, path, sy__fsguard_open(&c->files, access, path, flags, mode, err), err);
}

int
sy__caps_open_parent(const sy__caps *c, sy__access access, const char *path, const char **name, sy__error *err)
{
    return explained(c, access, path, sy__fsguard_open_parent(&c->files, access, path, name, err), err);
}

bool
sy__caps_allows(const sy__caps *c, sy__access access, const char *path)
{
    return sy__fsguard_allows(&c->files, access, path);
}

/* ---- children ---- */

/* Grants that the kernel can hold a child to: any host, at a port or at all. */
static void
read_ports(const sy__caps *c, sy__cage_options *o)
{
    size_t count = 0;
    for (size_t i = 0; i < c->net.count; i++) {
        const char *granted = c->net.at[i];
        if (strcmp(granted, "unix:*") == 0) o->unix_sockets = true;
        if (strncmp(granted, "*:", 2) != 0) continue;
        int port = (int)strtol(granted + 2, NULL, 10);
        if (strcmp(granted, "*:*") == 0) o->any_net = true;
        if (port == DNS_PORT) o->datagrams = true;
        if (port > 0 && count < SY__CAGE_PORTS) o->ports[count++] = port;
    }
}

int
sy__caps_cage(sy__cage **out, const sy__caps *c, const char *program, const sy__cage_options *base, sy__error *err)
{
    sy__cage_options o = *base;
    o.changes = sy__fsguard_has(&c->files, SY__WRITE);
    read_ports(c, &o);
    int status = sy__cage_new(out, c->alloc, &o, err);
    if (status) return status;
    sy__cage_allow_system(*out, o.any_net || o.ports[0]);
    sy__cage_allow_programs(*out, getenv("PATH"), getenv("HOME"));
    sy__fscage_fill(&c->files, *out);
    if (strcmp(program, "git") == 0) sy__gitdir_allow(&c->files, *out);
    return SY_OK;
}
