/*
 * cage.c: the order in which a child enters its cage: limits, then capabilities, then paths (Landlock), then calls
 * (seccomp), because each step needs calls that the next takes away.
 *
 * Root keeps only the capabilities with which it can work on files of others; without them it is a user like any
 * other, and no_new_privs keeps exec from giving them back.
 */
#include "io/cage.h"

#include "base/bounds.h"
#include "io/cage_rules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FOLDER_BYTES = 512, ENV_TEXT_BYTES = FOLDER_BYTES + 16, TREE_DEPTH = 64 };

struct sy__cage {
    const sy__alloc *alloc;
    int ruleset; /* -1: no Landlock here */
    sy__filter filter;
    char folder[FOLDER_BYTES];
    const char **env; /* of the child; borrows from what sy__cage_env was given */
    char home[ENV_TEXT_BYTES], tmpdir[ENV_TEXT_BYTES];
};

/* ---- making ---- */

static int
make_folder(sy__cage *c, sy__error *err)
{
    const char *tmp = getenv("TMPDIR");
    if (!tmp || *tmp != '/' || strlen(tmp) > FOLDER_BYTES - 32) tmp = "/tmp";
    (void)snprintf(c->folder, sizeof c->folder, "%s/symphony-child-XXXXXX", tmp);
    if (mkdtemp(c->folder)) return SY_OK;
    int e = errno;
    c->folder[0] = '\0';
    return sy__error_errno(err, e, "no folder for a child process could be made in %s", tmp);
}

static int
make_ruleset(sy__cage *c, const sy__cage_options *o, sy__error *err)
{
    int abi = sy__land_abi();
    if (!abi && o->without_landlock) return SY_OK;
    if (!abi) {
        (void)sy__error_set(err, SY_EPERM,
                            "this kernel has no Landlock, so a child process cannot be kept to its files");
        sy__error_hint(err, "a kernel from 5.13 on with Landlock switched on; `symphony doctor` shows what there is");
        return SY_EPERM;
    }
    c->ruleset = sy__land_new_leaving(o->any_net ? SY__LAND_ANY_TCP : 0, err);
    if (c->ruleset < 0) return c->ruleset;
    for (int i = 0; abi >= 4 && !o->any_net && i < SY__CAGE_PORTS && o->ports[i]; i++)
        if (sy__land_allow_port(c->ruleset, o->ports[i]))
            return sy__error_errno(err, errno, "port %d could not be allowed", o->ports[i]);
    return SY_OK;
}

int
sy__cage_new(sy__cage **out, const sy__alloc *a, const sy__cage_options *o, sy__error *err)
{
    *out = NULL;
    sy__cage *c = sy__calloc(a, 1, sizeof *c);
    if (!c) return sy__error_set(err, SY_ENOMEM, "no memory to confine a child process");
    c->alloc = a;
    c->ruleset = -1;
    int e = sy__cage_rules(&c->filter, o, sy__land_abi());
    if (e == SY_OK) e = make_ruleset(c, o, err);
    if (e == SY_OK) e = make_folder(c, err);
    if (e != SY_OK) {
        sy__cage_free(c);
        return e;
    }
    sy__cage_allow_path(c, c->folder, SY__LAND_READ | SY__LAND_WRITE | SY__LAND_RUN);
    *out = c;
    return SY_OK;
}

/* ---- the private folder ---- */

/* Opens a folder although its owner, the child, may have taken the rights away. */
static int
open_folder(int parent, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, fd = openat(parent, name, flags);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, S_IRWXU, 0) == 0) fd = openat(parent, name, flags);
    return fd;
}

static void
remove_tree(int parent, const char *name, int depth)
{
    struct dirent *entry;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT || depth > TREE_DEPTH) return;
    int fd = open_folder(parent, name);
    if (fd < 0) return;
    (void)fchmod(fd, S_IRWXU);
    DIR *list = fdopendir(fd);
    if (!list) {
        (void)close(fd);
        return;
    }
    while ((entry = readdir(list)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (unlinkat(fd, entry->d_name, 0) != 0) remove_tree(fd, entry->d_name, depth + 1);
    }
    (void)closedir(list);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

void
sy__cage_free(sy__cage *c)
{
    if (!c) return;
    if (c->folder[0]) remove_tree(AT_FDCWD, c->folder, 0);
    if (c->ruleset >= 0) (void)close(c->ruleset);
    sy__free(c->alloc, c->env);
    sy__free(c->alloc, c);
}

bool
sy__cage_empty(sy__cage *c)
{
    if (c->folder[0] && rmdir(c->folder) == 0) c->folder[0] = '\0';
    return !c->folder[0];
}

const char *
sy__cage_folder(const sy__cage *c)
{
    return c->folder;
}

/* ---- filling ---- */

void
sy__cage_allow(sy__cage *c, int fd, int access)
{
    if (c->ruleset >= 0) (void)sy__land_allow(c->ruleset, fd, access);
}

void
sy__cage_allow_path(sy__cage *c, const char *path, int access)
{
    int fd = c->ruleset < 0 ? -1 : open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return;
    sy__cage_allow(c, fd, access);
    (void)close(fd);
}

static bool
sets(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=') return true;
    return false;
}

const char *const *
sy__cage_env(sy__cage *c, const char *const *env)
{
    size_t count = 0;
    while (env[count]) count++;
    const char **whole = sy__realloc(c->alloc, c->env, (count + 3) * sizeof *whole);
    if (!whole) return NULL;
    c->env = whole;
    memcpy(whole, env, count * sizeof *whole);
    (void)snprintf(c->home, sizeof c->home, "HOME=%s", c->folder);
    (void)snprintf(c->tmpdir, sizeof c->tmpdir, "TMPDIR=%s", c->folder);
    if (!sets(env, "HOME")) whole[count++] = c->home;
    if (!sets(env, "TMPDIR")) whole[count++] = c->tmpdir;
    whole[count] = NULL;
    return whole;
}

/* ---- entering: in the child ---- */

static void
lower(__rlimit_resource_t what, rlim_t most)
{
    struct rlimit r;
    if (getrlimit(what, &r) != 0) return;
    if (r.rlim_max > most) r.rlim_max = most;
    if (r.rlim_cur > r.rlim_max) r.rlim_cur = r.rlim_max;
    (void)setrlimit(what, &r);
}

static int
drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2], none = {0};
    const uint32_t kept = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_FOWNER | 1U << CAP_FSETID;
    if (syscall(SYS_capget, &head, data) != 0) return errno;
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    data[0].effective &= kept;
    data[0].permitted &= kept;
    data[0].inheritable = 0;
    data[1] = none;
    return syscall(SYS_capset, &head, data) == 0 ? 0 : errno;
}

/* /proc/self of the child itself; what it starts has a folder of another name, which no rule can name before. */
static void
allow_own_proc(int ruleset)
{
    int fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)sy__land_allow(ruleset, fd, SY__LAND_READ);
    (void)close(fd);
}

int
sy__cage_enter(const sy__cage *c)
{
    lower(RLIMIT_CORE, 0);
    lower(RLIMIT_NPROC, SY_MAX_CHILD_PROCESSES);
    lower(RLIMIT_FSIZE, (rlim_t)SY_MAX_CHILD_FILE_GIB << 30);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    int e = drop_capabilities();
    if (e == 0 && c->ruleset >= 0) {
        allow_own_proc(c->ruleset);
        e = sy__land_enter(c->ruleset);
    }
    return e ? e : sy__filter_enter(&c->filter);
}
