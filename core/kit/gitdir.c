/*
 * gitdir.c: what a `.git` says is believed only as far as the other side says the same, because a project may be
 * somebody else's: a `.git` file names a folder, and that folder's own `gitdir` (of a worktree) has to name the file,
 * or it lies in the `.git/modules` of a folder above. A repository's `commondir` is followed outside of the project
 * only.
 */
#include "kit/gitdir.h"

#include "kit/beneath.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
exists(const char *dir, const char *name, bool folder)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && n < PATH_MAX && stat(path, &st) == 0 && S_ISDIR(st.st_mode) == folder;
}

/* The first line of a small file, without its end; false: there is none. */
static bool
first_line(const char *dir, const char *name, char out[PATH_MAX])
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = n > 0 && n < PATH_MAX ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
    if (fd < 0) return false;
    ssize_t len = read(fd, out, PATH_MAX - 1);
    (void)close(fd);
    if (len <= 0) return false;
    out[len] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    return *out != '\0';
}

/* `text`, which may be relative to `dir`, without links and dots; false: it does not exist. */
static bool
resolve(const char *dir, const char *text, char out[PATH_MAX])
{
    char path[PATH_MAX];
    int n = *text == '/' ? snprintf(path, sizeof path, "%s", text) : snprintf(path, sizeof path, "%s/%s", dir, text);
    return n > 0 && n < PATH_MAX && realpath(path, out) != NULL;
}

/* Whether the git folder of a worktree points back to this `.git` file. */
static bool
points_back(const char *gitdir, const char *top)
{
    char line[PATH_MAX], back[PATH_MAX], file[PATH_MAX];
    return first_line(gitdir, "gitdir", line) && resolve(gitdir, line, back) && resolve(top, ".git", file) &&
           strcmp(back, file) == 0;
}

/* Whether it is the store of a submodule of a repository that `top` lies in. */
static bool
is_module_above(const char *gitdir, const char *top)
{
    char above[PATH_MAX];
    const char *at = strstr(gitdir, "/.git/modules/");
    if (!at) return false;
    (void)snprintf(above, sizeof above, "%.*s", (int)(at - gitdir), gitdir);
    return sy__path_below(above, top) != NULL;
}

static void
allow(sy__cage *cage, const char *dir)
{
    sy__cage_allow_path(cage, dir, SY__LAND_READ);
}

/* `.git` is a file: its folder, and the repository's that the folder belongs to. */
static void
allow_named(sy__cage *cage, const char *top)
{
    char line[PATH_MAX], gitdir[PATH_MAX], common[PATH_MAX];
    if (!first_line(top, ".git", line) || strncmp(line, "gitdir: ", 8) != 0) return;
    if (!resolve(top, line + 8, gitdir) || sy__path_below(top, gitdir) || !exists(gitdir, "HEAD", false)) return;
    if (!points_back(gitdir, top) && !is_module_above(gitdir, top)) return;
    allow(cage, gitdir);
    if (first_line(gitdir, "commondir", line) && resolve(gitdir, line, common) && exists(common, "objects", true) &&
        exists(common, "refs", true))
        allow(cage, common);
}

/* Up from the project to the folder that has a `.git`. */
static bool
find_top(const char *project, char top[PATH_MAX])
{
    struct stat st;
    char path[PATH_MAX];
    if (!realpath(project, top)) return false;
    for (char *slash; *top; *slash = '\0') {
        int n = snprintf(path, sizeof path, "%s/.git", top);
        if (n < PATH_MAX && lstat(path, &st) == 0 && (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))) return true;
        slash = strrchr(top, '/');
    }
    return false;
}

void
sy__gitdir_allow(const sy__fsguard *g, sy__cage *cage)
{
    char top[PATH_MAX], path[PATH_MAX];
    if (!g->project || !sy__fsguard_allows(g, SY__READ, ".git/HEAD") || !find_top(g->project, top)) return;
    if (!exists(top, ".git", true)) {
        allow_named(cage, top);
    } else if (exists(top, ".git/objects", true) && exists(top, ".git/refs", true)) {
        int n = snprintf(path, sizeof path, "%s/.git", top);
        if (n < PATH_MAX) allow(cage, path);
    }
}
