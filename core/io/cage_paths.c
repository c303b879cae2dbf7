/*
 * cage_paths.c: what every program may use of the machine: code, and the few files of /etc, /dev, /proc and /sys
 * without which tools do not start. Names of people, keys and passwords are not among them, nor is anybody's home.
 */
#include "io/cage.h"

#include "io/which.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What lies in these came with the system or was installed by its owner. */
static const char *const programs[] = {"/usr",  "/lib", "/lib32",     "/lib64",     "/libx32", "/bin",
                                       "/sbin", "/opt", "/nix/store", "/gnu/store", "/snap",   "/etc/alternatives",
                                       NULL};

static const char *const settings[] = {"/etc/ld.so.cache",
                                       "/etc/ld.so.conf",
                                       "/etc/ld.so.conf.d",
                                       "/etc/ld.so.preload",
                                       "/etc/localtime",
                                       "/etc/timezone",
                                       "/etc/locale.alias",
                                       "/etc/nsswitch.conf",
                                       "/etc/gitconfig",
                                       "/etc/os-release",
                                       "/etc/debian_version",
                                       "/etc/lsb-release",
                                       "/etc/terminfo",
                                       "/etc/inputrc",
                                       "/etc/bash.bashrc",
                                       "/etc/profile",
                                       "/etc/mime.types",
                                       "/etc/magic",
                                       "/etc/fonts",
                                       "/etc/shells",
                                       "/etc/ssl/openssl.cnf",
                                       "/etc/ssl/certs",
                                       "/etc/pki",
                                       "/etc/ca-certificates",
                                       "/etc/ca-certificates.conf",
                                       "/etc/perl",
                                       "/etc/python3",
                                       "/etc/python3.11",
                                       "/etc/php",
                                       "/etc/java",
                                       "/etc/clang",
                                       "/etc/npmrc",
                                       "/proc/cpuinfo",
                                       "/proc/meminfo",
                                       "/proc/stat",
                                       "/proc/loadavg",
                                       "/proc/uptime",
                                       "/proc/version",
                                       "/proc/filesystems",
                                       "/proc/sys",
                                       "/sys/devices/system/cpu",
                                       "/sys/devices/system/node",
                                       "/sys/fs/cgroup",
                                       "/sys/kernel/mm/transparent_hugepage",
                                       "/dev/random",
                                       "/dev/urandom",
                                       NULL};

static const char *const hosts[] = {
    "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/services", "/etc/protocols", "/etc/gai.conf", NULL};

static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", NULL};

static void
allow_all(sy__cage *c, const char *const *paths, int access)
{
    for (; *paths; paths++) sy__cage_allow_path(c, *paths, access);
}

void
sy__cage_allow_system(sy__cage *c, bool net)
{
    allow_all(c, programs, SY__LAND_READ | SY__LAND_RUN);
    allow_all(c, settings, SY__LAND_READ);
    allow_all(c, devices, SY__LAND_READ | SY__LAND_WRITE);
    if (net) allow_all(c, hosts, SY__LAND_READ);
}

/* ---- programs of the person ---- */

static bool
is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool
of_the_system(const char *path)
{
    for (const char *const *p = programs; *p; p++)
        if (is_below(path, *p)) return true;
    return false;
}

/* Whether the folder above a `bin` is a tool's own: not a home, nor one that holds more than programs. */
static bool
is_a_tool(const char *above, const char *home)
{
    static const char *const shared[] = {"/.local", "/.cargo", "/.config"};
    if (!*above || !home || strcmp(above, home) == 0) return false;
    size_t n = strlen(home);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (strncmp(above, home, n) == 0 && strcmp(above + n, shared[i]) == 0) return false;
    return is_below(above, home);
}

static void
allow_folder(sy__cage *c, const char *folder, const char *home)
{
    const char *slash = strrchr(folder, '/');
    char above[SY__PATH_BYTES];
    if (home && strcmp(folder, home) == 0) return;
    bool of_tool = strcmp(slash, "/bin") == 0 || strcmp(slash, "/shims") == 0 || strcmp(slash, "/sbin") == 0;
    (void)snprintf(above, sizeof above, "%.*s", (int)(slash - folder), folder);
    sy__cage_allow_path(c, of_tool && is_a_tool(above, home) ? above : folder, SY__LAND_READ | SY__LAND_RUN);
}

void
sy__cage_allow_programs(sy__cage *c, const char *path, const char *home)
{
    char folder[SY__PATH_BYTES];
    for (const char *end; path && *path; path = *end ? end + 1 : end) {
        end = strchrnul(path, ':');
        int n = snprintf(folder, sizeof folder, "%.*s", (int)(end - path), path);
        while (n > 1 && n < (int)sizeof folder && folder[n - 1] == '/') folder[--n] = '\0';
        if (n > 1 && n < (int)sizeof folder && folder[0] == '/' && !of_the_system(folder))
            allow_folder(c, folder, home);
    }
}
