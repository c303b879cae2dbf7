/* beneath.c: path text, globs, and openat2(2) with RESOLVE_BENEATH. */
#include "kit/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- text ---- */

/* Takes the last name off the path that starts at `from`. */
static void
pop_name(sy__buf *out, size_t from)
{
    while (out->len > from && out->data[out->len - 1] != '/') out->len--;
    if (out->len > from) out->len--;
}

static void
add_names(sy__buf *out, size_t from, const char *path)
{
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            pop_name(out, from);
        } else if (n > 0 && !(n == 1 && p[0] == '.')) {
            sy__buf_addc(out, '/');
            sy__buf_add(out, p, n);
        }
        p += n + (p[n] == '/');
    }
}

bool
sy__path_normal(sy__buf *out, const char *base, const char *path)
{
    size_t from = out->len;
    if (!*path || strlen(path) >= PATH_MAX || (*path != '/' && (!base || *base != '/'))) return false;
    if (*path != '/') add_names(out, from, base);
    add_names(out, from, path);
    if (out->len == from) sy__buf_addc(out, '/');
    return !out->failed && out->len - from < PATH_MAX;
}

const char *
sy__path_below(const char *dir, const char *path)
{
    size_t n = strlen(dir);
    if (n == 1) return path + 1; /* "/" */
    if (strncmp(dir, path, n) != 0) return NULL;
    return path[n] == '/' ? path + n + 1 : path[n] == '\0' ? path + n : NULL;
}

/* ---- globs ---- */

static size_t
name_len(const char *s)
{
    return strcspn(s, "/");
}

/* Matches one character against the set at `p` (behind '['); *next is behind ']'. No ']' : a plain '['. */
static bool
in_set(const char *p, const char *end, char c, const char **next)
{
    const char *at = p;
    bool negate = at < end && (*at == '!' || *at == '^'), found = false;
    if (negate) at++;
    const char *first = at;
    for (; at < end && (*at != ']' || at == first); at++) {
        unsigned char low = (unsigned char)*at, high = low;
        if (end - at > 2 && at[1] == '-' && at[2] != ']') {
            high = (unsigned char)at[2];
            at += 2;
        }
        if ((unsigned char)c >= low && (unsigned char)c <= high) found = true;
    }
    if (at >= end) {
        *next = p;
        return c == '[';
    }
    *next = at + 1;
    return found != negate;
}

/* One name against one name of the pattern; the last `*` is where it goes back to. */
static bool
match_name(const char *p, const char *p_end, const char *s, const char *s_end)
{
    const char *star = NULL, *mark = NULL;
    while (s < s_end) {
        const char *next = p + 1;
        if (p < p_end && *p == '*') {
            star = p++;
            mark = s;
            continue;
        }
        bool ok = p < p_end && (*p == '?' || *p == *s);
        if (p < p_end && *p == '[') ok = in_set(p + 1, p_end, *s, &next);
        if (ok) {
            p = next;
            s++;
        } else if (star) {
            p = star + 1;
            s = ++mark;
        } else {
            return false;
        }
    }
    while (p < p_end && *p == '*') p++;
    return p == p_end;
}

static bool
is_double_star(const char *p)
{
    return p[0] == '*' && p[1] == '*' && (p[2] == '/' || p[2] == '\0');
}

static const char *
skip_name(const char *s)
{
    s += name_len(s);
    return *s == '/' ? s + 1 : s;
}

/* `reach`: the path is a folder, and it is enough that the pattern goes on below it. */
static bool
match_path(const char *p, const char *s, bool reach)
{
    const char *star = NULL, *mark = NULL;
    while (*s) {
        if (is_double_star(p)) {
            star = p = skip_name(p);
            mark = s;
            if (!*p || reach) return true;
            continue;
        }
        if (*p && match_name(p, p + name_len(p), s, s + name_len(s))) {
            p = skip_name(p);
            s = skip_name(s);
        } else if (star) {
            p = star;
            s = mark = skip_name(mark);
        } else {
            return false;
        }
    }
    if (reach) return *p != '\0';
    while (is_double_star(p)) p = skip_name(p);
    return *p == '\0';
}

bool
sy__glob_match(const char *pattern, const char *path)
{
    return match_path(pattern, path, false);
}

bool
sy__glob_reaches(const char *pattern, const char *path)
{
    return match_path(pattern, path, true);
}

/* ---- opening ---- */

int
sy__open_steps(int root, const char *rel, int flags, int mode)
{
    int dir = root;
    for (const char *p = rel;;) {
        char name[NAME_MAX + 1];
        size_t n = name_len(p);
        bool last = p[n] == '\0';
        if (n > NAME_MAX) return -ENAMETOOLONG;
        memcpy(name, p, n);
        name[n] = '\0';
        if (strcmp(name, "..") == 0) return -EXDEV;
        int how = last ? flags | O_NOFOLLOW | O_CLOEXEC : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        int fd = openat(dir, n ? name : ".", how, (mode_t)mode);
        int why = errno;
        if (dir != root) (void)close(dir);
        if (fd < 0) return -why;
        if (last) return fd;
        dir = fd;
        p += n + 1;
    }
}

int
sy__open_beneath(int root, const char *rel, int flags, int mode, sy__links links)
{
    struct open_how how = {.flags = (unsigned)flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    if (flags & (O_CREAT | __O_TMPFILE)) how.mode = (unsigned)mode & 07777;
    if (links == SY__LINKS_NONE) how.resolve |= RESOLVE_NO_SYMLINKS;
    for (int tries = 0; tries < 16; tries++) {
        long fd = syscall(SYS_openat2, root, *rel ? rel : ".", &how, sizeof how);
        if (fd >= 0) return (int)fd;
        if (errno == ENOSYS) return sy__open_steps(root, rel, flags, mode);
        if (errno != EAGAIN && errno != EINTR) return -errno;
    }
    return -EAGAIN;
}

bool
sy__fd_path(int fd, char *out)
{
    char link[40];
    static const char gone[] = " (deleted)";
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    if (n <= 0 || out[0] != '/') return false;
    out[n] = '\0';
    size_t tail = sizeof gone - 1;
    return (size_t)n <= tail || strcmp(out + n - tail, gone) != 0;
}
