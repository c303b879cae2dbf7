/*
 * beneath.h: paths as text, and opening them below a folder so that nothing can lead out of it.
 * No function here keeps state; any thread may call them.
 */
#ifndef SY_KIT_BENEATH_H
#define SY_KIT_BENEATH_H

#include "base/buf.h"

/*
 * Appends `path`, made absolute with `base` and without ".", ".." and double slashes, by text alone: what is
 * opened later is this path, so a symbolic link before a ".." changes nothing. false: `path` is empty, too long
 * (4096 bytes) or relative without a base, or there is no memory.
 */
bool sy__path_normal(sy__buf *out, const char *base, const char *path);
/* The part of normal path `path` below the normal folder `dir` ("" for the folder itself); NULL: not below. */
const char *sy__path_below(const char *dir, const char *path);
/*
 * Whether a relative path fits a glob: `*` and `?` within one name, `[a-z]`, `[!a]`, and a name `**` for any
 * number of folders. Time is bounded by the product of the lengths. "" fits "**".
 */
bool sy__glob_match(const char *pattern, const char *path);
/* Whether some path below the folder `path` could fit the glob. */
bool sy__glob_reaches(const char *pattern, const char *path);

typedef enum sy__links {
    SY__LINKS_NONE,  /* no symbolic link anywhere on the way */
    SY__LINKS_INSIDE /* followed as long as they stay below the folder */
} sy__links;
/* Opens `rel` ("" for the folder itself) below the descriptor `root`, with O_CLOEXEC. A descriptor or -errno:
 * ELOOP for a link that is not allowed, EXDEV for one that leads out. */
int sy__open_beneath(int root, const char *rel, int flags, int mode, sy__links links);
/* The same by single steps with O_NOFOLLOW, for kernels without openat2; allows no link at all. */
int sy__open_steps(int root, const char *rel, int flags, int mode);
/* The path of an open descriptor as the kernel names it; false: unknown or deleted. `out` has 4096 bytes. */
bool sy__fd_path(int fd, char *out);

#endif
