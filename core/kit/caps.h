/* caps.h: what an extension was granted. Deny by default; immutable once made; any thread may read. */
#ifndef SY_KIT_CAPS_H
#define SY_KIT_CAPS_H

#include "base/error.h"
#include "base/value.h"

struct sy__cage;
struct sy__cage_options;

typedef struct sy__caps sy__caps;

/* From the [capabilities] table of a checked manifest: {"fs.read":[…] or "fs":{"read":[…]}, process, net, env,
 * secrets, editor, memory, cpu, timeout}, with `asked`, the same as the manifest has it, and `extension`, its name,
 * where the person narrowed it. $PROJECT, $HOME-like names are resolved with `project_dir`. v may be null: nothing
 * granted, default limits. Count 1. */
int sy__caps_new(sy__caps **out, const sy__alloc *a, sy__value v, const char *project_dir, sy__error *err);
/* One more who holds them, which is returned; one less: the last frees. NULL is legal. Any thread. */
sy__caps *sy__caps_hold(sy__caps *c);
void sy__caps_release(sy__caps *c);

/* What is granted. Borrowed; of names that are not granted, false. */
size_t sy__caps_memory_bytes(const sy__caps *c);               /* default 64 MiB */
int64_t sy__caps_cpu_ms(const sy__caps *c);                    /* default 2 s, of Lua running */
int64_t sy__caps_timeout_ms(const sy__caps *c);                /* default 30 s, wall clock of a call */
const char *sy__caps_project_dir(const sy__caps *c);           /* normal and absolute; "" when there is none */
bool sy__caps_process(const sy__caps *c, const char *program); /* may start it (argv[0] without a slash) */
bool sy__caps_env(const sy__caps *c, const char *name);
bool sy__caps_net(const sy__caps *c, const char *host, int port);
/* Whether `host`, for which sy__caps_net holds, may be at this address (without brackets). One that is not public
 * (loopback, private, link-local …) must be granted itself, or be a loopback one for a granted "localhost". */
bool sy__caps_net_address(const sy__caps *c, const char *host, const char *address, int port);
bool sy__caps_secret(const sy__caps *c, const char *name);
bool sy__caps_secrets(const sy__caps *c); /* whether it may use any secret */
bool sy__caps_editor(const sy__caps *c, const char *what);

/* Whether the manifest asks for this ("process", "git") and the person took it away; the hint says how to give it. */
bool sy__caps_withheld(const sy__caps *c, const char *capability, const char *what, sy__error *err);

bool sy__caps_starts(const sy__caps *c); /* whether it may start any program */

/*
 * What holds a child process that was started with these capabilities (argv[0] is `program`): the same files, read and
 * run or written; no network but that of "*:PORT" and "*:*", because only ports can be held, and no socket of this
 * machine's services but with "unix:*". SY_EPERM where the kernel has no Landlock, unless `o` says to go on without.
 */
int sy__caps_cage(struct sy__cage **out, const sy__caps *c, const char *program, const struct sy__cage_options *o,
                  sy__error *err);

typedef enum sy__access { SY__READ = 1, SY__WRITE = 2 } sy__access;
/*
 * Opens `path` (relative to the project, or absolute inside a granted root) without following symbolic links
 * out of the root (openat2 RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS; where openat2 is missing, a walk with
 * O_NOFOLLOW). `flags` as open(2); returns a descriptor (O_CLOEXEC) or a negative code: SY_EPERM with the
 * line of the manifest that would allow it as hint, SY_ENOTFOUND, SY_EIO.
 */
int sy__caps_open(const sy__caps *c, sy__access access, const char *path, int flags, int mode, sy__error *err);
/* Opens the parent folder of `path` for a change of its entry, and gives the entry's name (in path). */
int sy__caps_open_parent(const sy__caps *c, sy__access access, const char *path, const char **name, sy__error *err);
/* Whether the path, as text, is granted. Opening it may still be refused because of a link. */
bool sy__caps_allows(const sy__caps *c, sy__access access, const char *path);

#endif
