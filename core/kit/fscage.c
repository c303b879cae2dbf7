/*
 * fscage.c: a walk from each grant's folder down to what it covers.
 *
 *     a folder that is covered with all below it     one rule, and no further look
 *     … but has the project in it                    its entries, one by one, without those that are closed, unless
 *                                                    other grants name all of them
 *     a folder on the way to something               its entries
 *     a file that fits                               one rule
 *
 * So `$PROJECT` with everything below costs a rule for each entry of the project's own folder. Links are not followed:
 * what they lead to has rules of its own or is not granted. A walk looks at MOST_ENTRIES names; what comes after them
 * is not allowed.
 */
#include "kit/fscage.h"

#include "kit/beneath.h"
#include "kit/fsguard_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_ENTRIES = 4096, MOST_DEPTH = 32 };

typedef struct walk {
    const sy__fsguard *guard;
    const sy__grant *grant;
    sy__cage *cage;
    int entries; /* looked at */
} walk;

static int
rights(const walk *w)
{
    return w->grant->access == SY__WRITE ? SY__LAND_WRITE : SY__LAND_READ | SY__LAND_RUN;
}

/* The absolute path of `rel` below the grant's root; false: too long. */
static bool
whole_path(const walk *w, const char *rel, char out[PATH_MAX])
{
    const char *root = w->guard->roots[w->grant->root].path;
    int n = snprintf(out, PATH_MAX, "%s%s%s", root, *rel && root[1] ? "/" : "", rel);
    return n > 0 && n < PATH_MAX;
}

static bool
is_granted(const walk *w, const char *rel)
{
    char path[PATH_MAX];
    return whole_path(w, rel, path) && sy__fsguard_allows(w->guard, w->grant->access, path);
}

/* Whether nothing of the project is closed to this access: its grants name what would be. */
static bool
nothing_is_closed(const walk *w)
{
    static const char *const closed[] = {".symphony/x", ".git/x", "Symphony.toml", "melodies/x", "extensions/x"};
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (!sy__fsguard_allows(w->guard, w->grant->access, closed[i])) return false;
    return true;
}

/* Whether the folder is the project's or has it somewhere below. */
static bool
holds_project(const walk *w, const char *rel)
{
    char path[PATH_MAX];
    const char *project = w->guard->project;
    return project && whole_path(w, rel, path) && sy__path_below(path, project) != NULL;
}

/* Whether the pattern fits everything below the folder: it ends in `**`, and what is before fits with any name. Two
 * names tell a star from marks that want one length; a pattern with a choice of letters is not decided here. */
static bool
covers(const walk *w, const char *rel)
{
    const char *pattern = w->grant->pattern;
    size_t n = strlen(pattern);
    char a[PATH_MAX], b[PATH_MAX];
    if (n < 2 || strcmp(pattern + n - 2, "**") != 0 || (n > 2 && pattern[n - 3] != '/') || strchr(pattern, '['))
        return false;
    (void)snprintf(a, sizeof a, "%s%s\1", rel, *rel ? "/" : "");
    (void)snprintf(b, sizeof b, "%s%s\1\1\1\1\1\1\1\1\1", rel, *rel ? "/" : "");
    return sy__glob_match(pattern, a) && sy__glob_match(pattern, b);
}

static void visit(walk *w, int fd, const char *rel, int depth);

static void
look_at_file(walk *w, int folder, const char *name, const char *rel)
{
    struct stat st;
    if (!sy__glob_match(w->grant->pattern, rel) || !is_granted(w, rel)) return;
    int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) sy__cage_allow(w->cage, fd, rights(w));
    (void)close(fd);
}

static void
look_at(walk *w, int folder, const struct dirent *entry, const char *rel, int depth)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s%s", rel, *rel ? "/" : "", entry->d_name);
    if (n < 0 || n >= PATH_MAX) return;
    int fd = entry->d_type == DT_REG || entry->d_type == DT_LNK
                 ? -1
                 : openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        visit(w, fd, path, depth + 1); /* closes */
    else
        look_at_file(w, folder, entry->d_name, path);
}

static void
look_inside(walk *w, int fd, const char *rel, int depth)
{
    struct dirent *entry;
    DIR *list = fdopendir(fd);
    if (!list) {
        (void)close(fd);
        return;
    }
    while (w->entries < MOST_ENTRIES && (entry = readdir(list)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        w->entries++;
        look_at(w, dirfd(list), entry, rel, depth);
    }
    (void)closedir(list);
}

/* The names in a folder with closed entries; and the one file there that git has to see to leave the others alone. */
static void
allow_listing(walk *w, int fd)
{
    sy__cage_allow(w->cage, fd, SY__LAND_LIST);
    int ignore = sy__open_beneath(fd, ".symphony/.gitignore", O_PATH, 0, SY__LINKS_NONE);
    if (ignore < 0) return;
    sy__cage_allow(w->cage, ignore, SY__LAND_READ);
    (void)close(ignore);
}

/* One folder; closes fd. */
static void
visit(walk *w, int fd, const char *rel, int depth)
{
    bool covered = covers(w, rel), apart = holds_project(w, rel) && !nothing_is_closed(w);
    if (covered && !apart && is_granted(w, rel)) {
        sy__cage_allow(w->cage, fd, rights(w));
    } else if (depth < MOST_DEPTH && (covered ? apart : sy__glob_reaches(w->grant->pattern, rel))) {
        if (covered && w->grant->access == SY__READ) allow_listing(w, fd);
        look_inside(w, fd, rel, depth); /* closes */
        return;
    }
    (void)close(fd);
}

/* ---- where a walk begins ---- */

/* The part of a pattern before its first glob, without the slash; the whole when it has none. */
static void
literal_part(const char *pattern, char out[PATH_MAX])
{
    size_t n = strcspn(pattern, "*?[");
    if (pattern[n])
        while (n > 0 && pattern[n - 1] != '/') n--;
    while (n > 0 && pattern[n - 1] == '/') n--;
    (void)snprintf(out, PATH_MAX, "%.*s", (int)n, pattern);
}

static int
open_start(const walk *w, int root, const char *rel)
{
    int flags = O_RDONLY | O_NONBLOCK, fd = sy__open_beneath(root, rel, flags | O_DIRECTORY, 0, SY__LINKS_NONE);
    if (fd != -ENOENT || w->grant->access != SY__WRITE || !*rel || !covers(w, rel) || !is_granted(w, rel)) return fd;
    char above[PATH_MAX];
    const char *slash = strrchr(rel, '/');
    (void)snprintf(above, sizeof above, "%.*s", slash ? (int)(slash - rel) : 0, rel);
    int folder = sy__open_beneath(root, above, O_PATH | O_DIRECTORY, 0, SY__LINKS_NONE);
    if (folder < 0) return folder;
    (void)mkdirat(folder, slash ? slash + 1 : rel, 0777);
    (void)close(folder);
    return sy__open_beneath(root, rel, flags | O_DIRECTORY, 0, SY__LINKS_NONE);
}

/* A grant that names one file. */
static void
allow_one(walk *w, int root, const char *rel)
{
    struct stat st;
    int fd = is_granted(w, rel) ? sy__open_beneath(root, rel, O_PATH, 0, SY__LINKS_NONE) : -1;
    if (fd < 0) return;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) sy__cage_allow(w->cage, fd, rights(w));
    (void)close(fd);
}

static void
take_apart(walk *w)
{
    const sy__root *root = &w->guard->roots[w->grant->root];
    int base = root->fd >= 0 ? root->fd : open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char rel[PATH_MAX];
    if (base < 0) return;
    literal_part(w->grant->pattern, rel);
    if (strcmp(rel, w->grant->pattern) == 0) {
        allow_one(w, base, rel);
    } else {
        int fd = open_start(w, base, rel);
        if (fd >= 0) visit(w, fd, rel, 0);
    }
    if (base != root->fd) (void)close(base);
}

void
sy__fscage_fill(const sy__fsguard *g, sy__cage *cage)
{
    for (size_t i = 0; i < g->grant_count; i++) {
        walk w = {.guard = g, .grant = &g->grants[i], .cage = cage};
        take_apart(&w);
    }
}
