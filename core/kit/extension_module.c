/*
 * extension_module.c: which source of an extension a require means.
 *
 * Its own modules have names of words and dots. A package it depends on is required by its name, "acme/textkit" for the
 * file it is entered by, "acme/textkit.words" for another. The package's own requires come as "acme/textkit:words":
 * they see its files and what it depends on itself, nothing of the extension that uses it.
 */
#include "kit/registry.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 320 };

static const sy__source *
source_at(const sy__extension *e, const char *path)
{
    for (size_t i = 0; i < e->source_count; i++)
        if (strcmp(e->sources[i].path, path) == 0) return &e->sources[i];
    return NULL;
}

/* Words and dots only, so that it cannot climb out of the folder. */
static bool
is_module_name(const char *name)
{
    if (!*name) return false;
    for (const char *p = name; *p; p++) {
        bool word =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' || *p == '-';
        bool dot = *p == '.' && p != name && p[-1] != '.' && p[1];
        if (!word && !dot) return false;
    }
    return true;
}

/* The file of a module below `prefix`, which is "" or "@acme/textkit/". */
static const sy__source *
module_below(const sy__extension *e, const char *prefix, const char *name)
{
    static const char *const endings[] = {".lua", "/init.lua"};
    char path[PATH_BYTES];
    size_t at = strlen(prefix), n = strlen(name);
    if (!is_module_name(name) || at + n + sizeof "/init.lua" > sizeof path) return NULL;
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s%s%s", prefix, name, endings[i]);
        for (size_t k = at; k < at + n; k++)
            if (path[k] == '.') path[k] = '/';
        const sy__source *s = source_at(e, path);
        if (s) return s;
    }
    return NULL;
}

/* The line of `text` that is `line`, else NULL; lines end with \n. */
static bool
has_line(const char *text, const char *line)
{
    size_t n = strlen(line);
    for (const char *at = strchr(text, '\n'); at && at[1]; at = strchr(at + 1, '\n'))
        if (strncmp(at + 1, line, n) == 0 && at[1 + n] == '\n') return true;
    return false;
}

/* The page of a package, "@acme/textkit": its entry and what it depends on, a line each. "@" is the extension's own. */
static const char *
page_of(const sy__extension *e, const char *package)
{
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "@%s", package) >= (int)sizeof path) return NULL;
    const sy__source *s = source_at(e, path);
    return s ? s->text : NULL;
}

/* `name` is "acme/textkit" or "acme/textkit.words", asked for by the package `from`, "" for the extension itself. */
static const sy__source *
of_package(const sy__extension *e, const char *from, const char *name)
{
    char package[PATH_BYTES], path[PATH_BYTES];
    const char *dot = strchr(strchr(name, '/'), '.'), *own = page_of(e, from);
    size_t len = dot ? (size_t)(dot - name) : strlen(name);
    if (len >= sizeof package) return NULL;
    memcpy(package, name, len);
    package[len] = '\0';
    const char *page = page_of(e, package);
    if (!own || !page || !has_line(own, package)) return NULL;
    int n = dot ? snprintf(path, sizeof path, "@%s/", package)
                : snprintf(path, sizeof path, "@%s/%.*s", package, (int)strcspn(page, "\n"), page);
    if (n >= (int)sizeof path) return NULL;
    return dot ? module_below(e, path, dot + 1) : source_at(e, path);
}

static const sy__source *
find(const sy__extension *e, const char *name)
{
    char from[PATH_BYTES] = "", prefix[PATH_BYTES + 4] = "";
    const char *colon = strchr(name, ':'), *asked = colon ? colon + 1 : name;
    if (colon) {
        if ((size_t)(colon - name) >= sizeof from) return NULL;
        memcpy(from, name, (size_t)(colon - name));
        from[colon - name] = '\0';
        if (*from) (void)snprintf(prefix, sizeof prefix, "@%s/", from);
    }
    return strchr(asked, '/') ? of_package(e, from, asked) : module_below(e, prefix, asked);
}

bool
sy__extension_module(void *ud, const char *name, const char **source, size_t *len, const char **chunk_name)
{
    const sy__source *s = find(ud, name);
    if (!s) return false;
    *source = s->text;
    *len = s->len;
    *chunk_name = s->path;
    return true;
}
