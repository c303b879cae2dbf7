/* reads.c: the record of what one call looked at: each thing once, in the order in which it was first seen. */
#include "kit/reads.h"

#include "kit/beneath.h"
#include "kit/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct sy__reads {
    sy__observer observer;
    sy__read *list;
    size_t count, cap;
    sy__map known;     /* kind, path, detail → sy__read's index + 1 */
    char spoiled[512]; /* the reason; "": none */
};

sy__reads *
sy__reads_new(const sy__alloc *a, const sy__caps *caps, const sy__hash_memo *memo)
{
    sy__reads *r = sy__calloc(a, 1, sizeof *r);
    if (!r) return NULL;
    sy__observer_init(&r->observer, a, caps, memo);
    sy__map_init(&r->known, a);
    return r;
}

void
sy__reads_free(sy__reads *r)
{
    if (!r) return;
    const sy__alloc *a = r->observer.alloc;
    for (size_t i = 0; i < r->count; i++) {
        sy__free(a, r->list[i].path);
        sy__free(a, r->list[i].detail);
    }
    sy__free(a, r->list);
    sy__map_close(&r->known);
    sy__observer_close(&r->observer);
    sy__free(a, r);
}

size_t
sy__reads_count(const sy__reads *r)
{
    return r->count;
}

const sy__read *
sy__reads_at(const sy__reads *r, size_t index)
{
    return &r->list[index];
}

const char *
sy__reads_spoiled(const sy__reads *r)
{
    return *r->spoiled ? r->spoiled : NULL;
}

void
sy__reads_spoil(sy__reads *r, const char *format, ...)
{
    va_list args;
    if (*r->spoiled) return;
    va_start(args, format);
    (void)vsnprintf(r->spoiled, sizeof r->spoiled, format, args);
    va_end(args);
}

/* ---- adding ---- */

/* The path as it is recorded, in `out`; NULL: it cannot be. */
static const char *
shown_path(const sy__reads *r, const char *path, sy__buf *out)
{
    const char *project = sy__caps_project_dir(r->observer.caps);
    if (!sy__path_normal(out, project && *project ? project : NULL, path)) return NULL;
    const char *whole = sy__buf_cstr(out);
    const char *below = whole && project && *project ? sy__path_below(project, whole) : NULL;
    return !below ? whole : *below ? below : ".";
}

static int
append(sy__reads *r, const sy__buf *key, sy__read one)
{
    const sy__alloc *a = r->observer.alloc;
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 16;
        sy__read *list = sy__realloc(a, r->list, cap * sizeof *list);
        if (!list) return SY_ENOMEM;
        r->list = list;
        r->cap = cap;
    }
    one.path = sy__strdup(a, one.path);
    one.detail = sy__strdup(a, one.detail);
    bool ok = one.path && one.detail && !key->failed &&
              sy__map_put(&r->known, key->data, key->len, (void *)(r->count + 1)) == SY_OK;
    if (!ok) {
        sy__free(a, one.path);
        sy__free(a, one.detail);
        return SY_ENOMEM;
    }
    r->list[r->count++] = one;
    return SY_OK;
}

/* Records a digest under a path that is in its recorded form. */
static void
add(sy__reads *r, sy__read_kind kind, const char *path, const char *detail, const char *digest, bool declared)
{
    sy__buf key;
    if (*r->spoiled) return;
    sy__buf_init(&key, r->observer.alloc);
    sy__buf_addf(&key, "%c%s\n%s", (char)kind, path, detail);
    size_t at = key.failed ? 0 : (size_t)sy__map_get(&r->known, key.data, key.len);
    if (at && strcmp(r->list[at - 1].digest, digest) != 0) {
        sy__reads_spoil(r, "%s changed while it ran", path);
    } else if (at) {
        r->list[at - 1].declared = r->list[at - 1].declared || declared;
    } else if (r->count >= SY__MAX_READS) {
        sy__reads_spoil(r, "it looked at more than %d files and folders", SY__MAX_READS);
    } else {
        sy__read one = {.kind = kind, .declared = declared, .path = (char *)path, .detail = (char *)detail};
        (void)snprintf(one.digest, sizeof one.digest, "%s", digest);
        if (append(r, &key, one)) sy__reads_spoil(r, "no memory to record what it read");
    }
    sy__buf_close(&key);
}

static void
add_shown(sy__reads *r, sy__read_kind kind, const char *path, const char *detail, const char *digest)
{
    sy__buf whole;
    sy__buf_init(&whole, r->observer.alloc);
    const char *shown = shown_path(r, path, &whole);
    if (shown)
        add(r, kind, shown, detail, digest, false);
    else
        sy__reads_spoil(r, "it looked at a path that cannot be recorded");
    sy__buf_close(&whole);
}

void
sy__reads_content(sy__reads *r, const char *path, const void *bytes, size_t len)
{
    char digest[SY__DIGEST_BYTES];
    sy__digest(bytes, len, digest);
    add_shown(r, SY__READ_FILE, path, "", digest);
}

void
sy__reads_records(sy__reads *r, sy__read_kind kind, const char *path, const char *detail, const sy__buf *records)
{
    char digest[SY__DIGEST_BYTES];
    if (sy__digest_records(records, r->observer.alloc, detail, digest))
        sy__reads_spoil(r, "no memory to record what it read");
    else
        add_shown(r, kind, path, detail, digest);
}

void
sy__reads_stat(sy__reads *r, const char *path, const struct stat *st)
{
    char digest[SY__DIGEST_BYTES];
    sy__digest_stat(st, digest);
    add_shown(r, SY__READ_STAT, path, "", digest);
}

void
sy__reads_refused(sy__reads *r, sy__read_kind kind, const char *path, int code)
{
    const char *word = sy__digest_refused(code);
    if (word)
        add_shown(r, kind, path, "", word);
    else
        sy__reads_spoil(r, "%s could not be read", path);
}

void
sy__reads_there(sy__reads *r, const char *path)
{
    add_shown(r, SY__READ_EXISTS, path, "", "there");
}

/* Looks at a path in its recorded form. */
static void
look(sy__reads *r, sy__read_kind kind, const char *path, const char *detail, bool declared)
{
    char digest[SY__DIGEST_BYTES];
    if (sy__observe(&r->observer, kind, path, detail, digest))
        sy__reads_spoil(r, "%s could not be read", path);
    else
        add(r, kind, path, detail, digest, declared);
}

void
sy__reads_look(sy__reads *r, sy__read_kind kind, const char *path)
{
    sy__buf whole;
    sy__buf_init(&whole, r->observer.alloc);
    const char *shown = kind == SY__READ_PROGRAM ? path : shown_path(r, path, &whole);
    if (shown)
        look(r, kind, shown, "", kind == SY__READ_PROGRAM);
    else
        sy__reads_spoil(r, "it looked at a path that cannot be recorded");
    sy__buf_close(&whole);
}

/* ---- what children read ---- */

typedef struct tree {
    sy__reads *reads;
    const char *top, *pattern;
    char rel[4096];
    sy__buf todo; /* folders below top, each with a NUL; the last is next */
} tree;

/* "top/rel", without "./". */
static void
join(const char *top, const char *rel, char out[8192])
{
    bool here = strcmp(top, ".") == 0 || !*top;
    if (here)
        (void)snprintf(out, 8192, "%s", *rel ? rel : ".");
    else
        (void)snprintf(out, 8192, "%s%s%s", top, *rel ? "/" : "", rel);
}

static void
visit(void *ud, const char *record)
{
    tree *t = ud;
    char rel[4096], path[8192];
    int n = snprintf(rel, sizeof rel, "%s%s%s", t->rel, *t->rel ? "/" : "", record + 1);
    if (n < 0 || (size_t)n >= sizeof rel || *t->reads->spoiled) return;
    if (strcmp(record + 1, ".git") == 0 || strcmp(record + 1, ".symphony") == 0) return;
    join(t->top, rel, path);
    bool wanted = sy__glob_match(t->pattern, rel);
    if (*record != 'd' && wanted) look(t->reads, SY__READ_FILE, path, "", true);
    if (*record == 'd' && sy__glob_reaches(t->pattern, rel)) sy__buf_add(&t->todo, rel, (size_t)n + 1);
}

static void
visit_folder(tree *t)
{
    char path[8192], detail[8192];
    sy__error err = {0};
    sy__buf records;
    sy__reads *r = t->reads;
    join(t->top, t->rel, path);
    int n = snprintf(detail, sizeof detail, "%s\n%s", t->rel, t->pattern);
    if (n < 0 || (size_t)n >= sizeof detail) sy__reads_spoil(r, "the pattern %s is too long", t->pattern);
    look(r, SY__READ_GLOB, path, detail, true);
    sy__buf_init(&records, r->observer.alloc);
    int fd = sy__caps_open(r->observer.caps, SY__READ, path, O_RDONLY | O_DIRECTORY, 0, &err);
    if (fd >= 0 &&
        (sy__folder_read(fd, &records, &err) || sy__folder_sorted(&records, r->observer.alloc, visit, t) != SY_OK))
        sy__reads_spoil(r, "%s could not be listed", path);
    sy__buf_close(&records);
}

static void
declare_tree(sy__reads *r, const char *top, const char *pattern, const char *start)
{
    tree t = {.reads = r, .top = top, .pattern = pattern};
    sy__buf_init(&t.todo, r->observer.alloc);
    sy__buf_add(&t.todo, start, strlen(start) + 1);
    while (t.todo.len > 0 && !t.todo.failed && !*r->spoiled) {
        size_t from = t.todo.len - 1;
        while (from > 0 && t.todo.data[from - 1] != '\0') from--;
        (void)snprintf(t.rel, sizeof t.rel, "%s", t.todo.data + from);
        t.todo.len = from;
        visit_folder(&t);
    }
    if (t.todo.failed) sy__reads_spoil(r, "no memory to record what it reads");
    sy__buf_close(&t.todo);
}

/* A path without a glob: a file, or a folder with all below it. */
static void
declare_path(sy__reads *r, const char *path)
{
    struct stat st;
    sy__error err = {0};
    int fd = sy__caps_open(r->observer.caps, SY__READ, path, O_PATH, 0, &err);
    bool folder = fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    if (fd >= 0) (void)close(fd);
    if (folder)
        declare_tree(r, path, "**", "");
    else
        look(r, SY__READ_FILE, path, "", true);
}

void
sy__reads_declare(sy__reads *r, const char *glob)
{
    sy__buf whole;
    sy__buf_init(&whole, r->observer.alloc);
    if (strncmp(glob, "$PROJECT/", 9) == 0) glob += 9;
    const char *shown = shown_path(r, glob, &whole);
    size_t plain = shown ? strcspn(shown, "*?[") : 0;
    if (!shown) {
        sy__reads_spoil(r, "`%s` is no path that can be read", glob);
    } else if (!shown[plain]) {
        declare_path(r, shown);
    } else {
        char top[4096] = ".", start[4096] = "";
        size_t end = plain;
        while (end > 0 && shown[end - 1] != '/') end--;
        bool outside = *shown == '/';
        if (end > 0) (void)snprintf(outside ? top : start, sizeof top, "%.*s", (int)(end > 1 ? end - 1 : 1), shown);
        declare_tree(r, top, outside ? shown + end : shown, start);
    }
    sy__buf_close(&whole);
}

void
sy__reads_end(sy__reads *r)
{
    sy__observer now;
    char digest[SY__DIGEST_BYTES];
    sy__observer_init(&now, r->observer.alloc, r->observer.caps, r->observer.memo);
    for (size_t i = 0; i < r->count && !*r->spoiled; i++) {
        const sy__read *one = &r->list[i];
        if (!one->declared) continue;
        bool same =
            sy__observe(&now, one->kind, one->path, one->detail, digest) == SY_OK && strcmp(digest, one->digest) == 0;
        if (!same) sy__reads_spoil(r, "%s changed while it ran", one->path);
    }
    sy__observer_close(&now);
}
