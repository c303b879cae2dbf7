/*
 * fsguard.c: from a path and the grants to a descriptor.
 *
 *   text → normal absolute path → a grant that fits → openat2 below the grant's root
 *
 * First without any symbolic link, which is the common case and needs no second look. Where a link is on
 * the way, the file (to read) or its folder (to write) is opened with links that stay below the root, and
 * the name that the kernel gives the open descriptor has to fit the grants again. What was checked is what
 * is open, so there is no moment in between.
 */
#include "kit/fsguard.h"

#include "kit/beneath.h"
#include "kit/fsguard_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
no_memory(sy__error *err)
{
    return sy__error_set(err, SY_ENOMEM, "no memory for the granted paths");
}

/* ---- making ---- */

static int
add_root(sy__fsguard *g, const char *path, size_t len, size_t *index)
{
    for (*index = 0; *index < g->root_count; ++*index)
        if (strlen(g->roots[*index].path) == len && memcmp(g->roots[*index].path, path, len) == 0) return SY_OK;
    sy__root *roots = sy__realloc(g->alloc, g->roots, (g->root_count + 1) * sizeof *roots);
    if (!roots) return SY_ENOMEM;
    g->roots = roots;
    char *copy = sy__strndup(g->alloc, path, len);
    if (!copy) return SY_ENOMEM;
    int fd = open(copy, O_PATH | O_DIRECTORY | O_CLOEXEC);
    roots[g->root_count++] = (sy__root){copy, fd};
    return SY_OK;
}

int
sy__fsguard_init(sy__fsguard *g, const sy__alloc *a, const char *project_dir, sy__error *err)
{
    *g = (sy__fsguard){.alloc = a};
    if (!project_dir) return SY_OK;
    sy__buf path;
    size_t index;
    sy__buf_init(&path, a);
    bool ok = sy__path_normal(&path, NULL, project_dir);
    if (ok) g->project = sy__buf_take(&path, NULL);
    bool failed = path.failed;
    sy__buf_close(&path);
    if (!ok && !failed) return sy__error_set(err, SY_EUSAGE, "the project's folder must be an absolute path");
    if (!g->project || add_root(g, g->project, strlen(g->project), &index)) {
        sy__fsguard_close(g);
        return no_memory(err);
    }
    return SY_OK;
}

void
sy__fsguard_close(sy__fsguard *g)
{
    for (size_t i = 0; i < g->root_count; i++) {
        sy__free(g->alloc, g->roots[i].path);
        if (g->roots[i].fd >= 0) (void)close(g->roots[i].fd);
    }
    for (size_t i = 0; i < g->grant_count; i++) {
        sy__free(g->alloc, g->grants[i].pattern);
        sy__free(g->alloc, g->grants[i].text);
    }
    sy__free(g->alloc, g->roots);
    sy__free(g->alloc, g->grants);
    sy__free(g->alloc, g->project);
    *g = (sy__fsguard){.alloc = g->alloc};
}

/* Appends the folder a `$NAME` stands for; false: unknown, or unset. */
static bool
expand_name(const sy__fsguard *g, const char *name, size_t len, sy__buf *out)
{
    const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME"), *tmp = getenv("TMPDIR");
    if (len == 7 && memcmp(name, "PROJECT", 7) == 0 && g->project) {
        sy__buf_adds(out, g->project);
    } else if (len == 4 && memcmp(name, "HOME", 4) == 0 && home && *home == '/') {
        sy__buf_adds(out, home);
    } else if (len == 3 && memcmp(name, "TMP", 3) == 0) {
        sy__buf_adds(out, tmp && *tmp == '/' ? tmp : "/tmp");
    } else if (len == 5 && memcmp(name, "CACHE", 5) == 0 && cache && *cache == '/') {
        sy__buf_addf(out, "%s/symphony", cache);
    } else if (len == 5 && memcmp(name, "CACHE", 5) == 0 && home && *home == '/') {
        sy__buf_addf(out, "%s/.cache/symphony", home);
    } else {
        return false;
    }
    return true;
}

/* The grant's text as a normal absolute path, globs and all. */
static int
expand(const sy__fsguard *g, const char *text, sy__buf *out, sy__error *err)
{
    sy__buf raw;
    sy__buf_init(&raw, g->alloc);
    const char *rest = text;
    if (*text == '$') {
        size_t n = strcspn(text + 1, "/");
        if (!expand_name(g, text + 1, n, &raw)) {
            sy__buf_close(&raw);
            return sy__error_set(err, SY_EMANIFEST, "`%s`: a path starts with $PROJECT, $HOME, $CACHE, $TMP or /",
                                 text);
        }
        rest = text + 1 + n;
    }
    sy__buf_adds(&raw, rest);
    const char *path = sy__buf_cstr(&raw);
    bool ok = path && sy__path_normal(out, g->project, path);
    bool failed = raw.failed || out->failed;
    sy__buf_close(&raw);
    if (failed) return no_memory(err);
    return ok ? SY_OK : sy__error_set(err, SY_EMANIFEST, "`%s` is not a path that can be granted", text);
}

/* The length of the folder a pattern starts with, without globs: "/a/b" of "/a/b/c*". */
static size_t
literal_folder(const char *pattern)
{
    size_t glob = strcspn(pattern, "*?["), end = glob;
    while (end > 0 && pattern[end] != '/') end--;
    return end ? end : 1;
}

int
sy__fsguard_grant(sy__fsguard *g, sy__access access, const char *text, sy__error *err)
{
    sy__buf path;
    size_t root = 0;
    sy__buf_init(&path, g->alloc);
    int status = expand(g, text, &path, err);
    const char *whole = status ? NULL : sy__buf_cstr(&path);
    const char *below = whole && g->project ? sy__path_below(g->project, whole) : NULL;
    if (whole && !below) {
        size_t len = literal_folder(whole);
        status = add_root(g, whole, len, &root);
        below = whole + len + (whole[len] == '/' && len > 1);
    }
    sy__grant *grants = status ? NULL : sy__realloc(g->alloc, g->grants, (g->grant_count + 1) * sizeof *grants);
    if (grants) {
        g->grants = grants;
        sy__grant *n = &grants[g->grant_count++];
        *n = (sy__grant){.root = root, .access = access};
        n->pattern = sy__strdup(g->alloc, below);
        n->text = sy__strdup(g->alloc, whole);
        if (!n->pattern || !n->text) status = no_memory(err);
    } else if (!status || status == SY_ENOMEM) {
        status = no_memory(err);
    }
    sy__buf_close(&path);
    return status;
}

/* ---- asking ---- */

bool
sy__fsguard_has(const sy__fsguard *g, sy__access access)
{
    for (size_t i = 0; i < g->grant_count; i++)
        if (g->grants[i].access == access) return true;
    return false;
}

/* Whether one name of the glob is literally `name`. */
static bool
has_name(const char *pattern, const char *name, size_t len)
{
    for (const char *p = pattern; *p;) {
        size_t n = strcspn(p, "/");
        if (n == len && memcmp(p, name, n) == 0) return true;
        p += n + (p[n] == '/');
    }
    return false;
}

static bool
is(const char *name, size_t len, const char *what)
{
    return strlen(what) == len && memcmp(name, what, len) == 0;
}

/* Whether the name at `p` of a path needs a grant that has it; `top`: it is the project's own entry. */
static bool
is_closed(sy__access access, const char *p, size_t n, bool top)
{
    if (is(p, n, ".symphony")) return true;
    if (access != SY__WRITE) return false;
    return is(p, n, ".git") || is(p, n, "Symphony.toml") || (top && (is(p, n, "melodies") || is(p, n, "extensions")));
}

static bool
opens_closed(const sy__fsguard *g, const sy__grant *grant, sy__access access, const char *path)
{
    const char *below = g->project ? sy__path_below(g->project, path) : NULL;
    const char *start = below ? below : path + 1;
    for (const char *p = start; *p;) {
        size_t n = strcspn(p, "/");
        if (is_closed(access, p, n, below && p == start) && !has_name(grant->text, p, n)) return false;
        p += n + (p[n] == '/');
    }
    return true;
}

/* The grant that allows a normal absolute path, or NULL; *rel is the path below its root. */
static const sy__grant *
find_grant(const sy__fsguard *g, sy__access access, const char *path, const char **rel)
{
    for (size_t i = 0; i < g->grant_count; i++) {
        const sy__grant *grant = &g->grants[i];
        if (grant->access != access) continue;
        *rel = sy__path_below(g->roots[grant->root].path, path);
        if (!*rel || !sy__glob_match(grant->pattern, *rel)) continue;
        if (opens_closed(g, grant, access, path)) return grant;
    }
    return NULL;
}

static int
denied(const sy__fsguard *g, sy__access access, const char *path, const char *why, sy__error *err)
{
    const char *verb = access == SY__WRITE ? "write" : "read";
    const char *below = g->project ? sy__path_below(g->project, path) : NULL;
    sy__error_set(err, SY_EPERM, "may not %s `%s`: %s", verb, below && *below ? below : path, why);
    if (below)
        sy__error_hint(err, "add  fs.%s = [\"$PROJECT/%s\"]  to Symphony.toml", verb, *below ? below : "**");
    else
        sy__error_hint(err, "add  fs.%s = [\"%s\"]  to Symphony.toml", verb, path);
    return SY_EPERM;
}

/* Puts the normal form of `path` into `out` and finds its grant. */
static int
ask(const sy__fsguard *g, sy__access access, const char *path, sy__buf *out, const sy__grant **grant, const char **rel,
    sy__error *err)
{
    bool ok = sy__path_normal(out, g->project, path);
    const char *whole = sy__buf_cstr(out);
    if (out->failed) return no_memory(err);
    if (!ok) return sy__error_set(err, SY_EINVAL, "`%s` is not a path that can be opened", path);
    *grant = find_grant(g, access, whole, rel);
    return *grant ? SY_OK : denied(g, access, whole, "it was not granted", err);
}

bool
sy__fsguard_allows(const sy__fsguard *g, sy__access access, const char *path)
{
    sy__buf whole;
    const sy__grant *grant = NULL;
    const char *rel;
    sy__buf_init(&whole, g->alloc);
    int status = ask(g, access, path, &whole, &grant, &rel, NULL);
    sy__buf_close(&whole);
    return status == SY_OK;
}

/* ---- opening ---- */

/* The root's descriptor; *opened says that the caller closes it. -errno when it does not exist. */
static int
root_fd(const sy__root *root, bool *opened)
{
    *opened = root->fd < 0;
    if (!*opened) return root->fd;
    int fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

/* Whether what is open at `fd` (below the open `root_fd` of `root`) is granted under the kernel's name for it.
 * `name`: an entry of the folder `fd`, or NULL. */
static bool
granted_as_opened(const sy__fsguard *g, sy__access access, const sy__root *root, int root_fd_, int fd, const char *name)
{
    char base[PATH_MAX], real[PATH_MAX], path[PATH_MAX * 2 + NAME_MAX];
    if (!sy__fd_path(root_fd_, base) || !sy__fd_path(fd, real)) return false;
    const char *below = sy__path_below(base, real), *rel;
    if (!below) return false;
    bool at_top = root->path[1] == '\0';
    int n = snprintf(path, sizeof path, "%s%s%s%s%s", root->path, *below && !at_top ? "/" : "", below,
                     name && (*below || !at_top) ? "/" : "", name ? name : "");
    return n > 0 && (size_t)n < PATH_MAX && find_grant(g, access, path, &rel) != NULL;
}

static int
open_through_links(const sy__fsguard *g, sy__access access, const sy__root *root, int base, const char *rel, int flags)
{
    int fd = sy__open_beneath(base, rel, flags, 0, SY__LINKS_INSIDE);
    if (fd < 0 || granted_as_opened(g, access, root, base, fd, NULL)) return fd;
    (void)close(fd);
    return -EXDEV;
}

/* Opens the folder that holds the last name of `rel`; *name is that name. */
static int
open_folder_of(const sy__fsguard *g, sy__access access, const sy__root *root, int base, const char *rel,
               const char **name)
{
    const char *slash = strrchr(rel, '/');
    size_t n = slash ? (size_t)(slash - rel) : 0;
    char folder[PATH_MAX];
    int flags = O_PATH | O_DIRECTORY;
    *name = slash ? slash + 1 : rel;
    if (!**name || n >= sizeof folder) return -EINVAL;
    memcpy(folder, rel, n);
    folder[n] = '\0';
    int fd = sy__open_beneath(base, folder, flags, 0, SY__LINKS_NONE);
    if (fd != -ELOOP) return fd;
    fd = sy__open_beneath(base, folder, flags, 0, SY__LINKS_INSIDE);
    if (fd < 0 || granted_as_opened(g, access, root, base, fd, *name)) return fd;
    (void)close(fd);
    return -EXDEV;
}

static int
open_granted(const sy__fsguard *g, sy__access access, const sy__root *root, const char *rel, int flags, int mode)
{
    bool opened;
    const char *name;
    int base = root_fd(root, &opened);
    if (base < 0) return base;
    int fd = sy__open_beneath(base, rel, flags, mode, SY__LINKS_NONE);
    bool changes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_ACCMODE) != O_RDONLY;
    if (fd == -ELOOP && !changes && !(flags & O_NOFOLLOW)) {
        fd = open_through_links(g, access, root, base, rel, flags);
    } else if (fd == -ELOOP) {
        int folder = open_folder_of(g, access, root, base, rel, &name);
        fd = folder < 0 ? folder : openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
        if (folder >= 0 && fd < 0) fd = -errno;
        if (folder >= 0) (void)close(folder);
    }
    if (opened) (void)close(base);
    return fd;
}

/* Only files and folders: a pipe or a device could block, or act on being opened. */
static int
refuse_special(int fd, int flags)
{
    struct stat st;
    if (flags & O_PATH) return fd;
    if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) return fd;
    (void)close(fd);
    return -ENXIO;
}

static int
say_why(const sy__fsguard *g, sy__access access, const char *whole, int errnum, sy__error *err)
{
    const char *below = g->project ? sy__path_below(g->project, whole) : NULL;
    const char *path = below && *below ? below : whole;
    const char *slash = access == SY__WRITE ? strrchr(path, '/') : NULL;
    switch (errnum) {
    case ENOENT:
    case ENOTDIR: /* what is written need not be there, its folder must */
        if (slash && slash > path)
            return sy__error_set(err, SY_ENOTFOUND, "there is no folder `%.*s` for `%s`", (int)(slash - path), path,
                                 slash + 1);
        return sy__error_set(err, SY_ENOTFOUND, "there is no `%s`", path);
    case EXDEV: return denied(g, access, whole, "a symbolic link leads out of what was granted", err);
    case ELOOP: return denied(g, access, whole, "a symbolic link is not written through", err);
    case ENXIO: return sy__error_set(err, SY_EPERM, "`%s` is neither a file nor a folder", path);
    default: return sy__error_errno(err, errnum, "cannot open `%s`", path);
    }
}

int
sy__fsguard_open(const sy__fsguard *g, sy__access access, const char *path, int flags, int mode, sy__error *err)
{
    sy__buf whole;
    const sy__grant *grant = NULL;
    const char *rel;
    sy__buf_init(&whole, g->alloc);
    int status = ask(g, access, path, &whole, &grant, &rel, err);
    if (!status && grant) {
        if (!(flags & O_PATH)) flags |= O_NONBLOCK | O_NOCTTY;
        status = open_granted(g, access, &g->roots[grant->root], rel, flags, mode);
        if (status >= 0) status = refuse_special(status, flags);
        if (status < 0) status = say_why(g, access, sy__buf_cstr(&whole), -status, err);
    }
    sy__buf_close(&whole);
    return status;
}

/* Where the last name of `path` starts, when it is a plain name. */
static const char *
last_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 ? name : NULL;
}

int
sy__fsguard_open_parent(const sy__fsguard *g, sy__access access, const char *path, const char **name, sy__error *err)
{
    sy__buf whole;
    const sy__grant *grant = NULL;
    const char *rel, *entry;
    *name = last_name(path);
    if (!*name) return sy__error_set(err, SY_EINVAL, "`%s` does not end in a name", path);
    sy__buf_init(&whole, g->alloc);
    int status = ask(g, access, path, &whole, &grant, &rel, err);
    if (!status && grant) {
        bool opened;
        const sy__root *root = &g->roots[grant->root];
        int base = root_fd(root, &opened);
        status = base < 0 ? base : open_folder_of(g, access, root, base, rel, &entry);
        if (base >= 0 && opened) (void)close(base);
        if (status < 0) status = say_why(g, access, sy__buf_cstr(&whole), -status, err);
    }
    sy__buf_close(&whole);
    return status;
}
