/*
 * cage.h: what a child process of an extension is held by: paths it may use, system calls and sockets it may not, the
 * limits of what it may take, and a folder of its own for HOME and temporary files.
 *
 * Made and filled by the host; entered by the child between vfork and exec, with nothing allocated there. What enters
 * passes it on to all it starts. One thread at a time.
 */
#ifndef SY_IO_CAGE_H
#define SY_IO_CAGE_H

#include "io/confine.h"

typedef struct sy__cage sy__cage;

enum { SY__CAGE_PORTS = 16 };

/* Zeroed: no network, no unix sockets, and no change of the rights or times of files. */
typedef struct sy__cage_options {
    bool any_net;              /* TCP and UDP to and from anywhere */
    bool datagrams;            /* UDP, to any port: no rule of the kernel knows them */
    bool unix_sockets;         /* connecting to services of this machine: no rule knows which */
    bool changes;              /* chmod, chown and the like, which Landlock does not look at */
    int ports[SY__CAGE_PORTS]; /* TCP, to any host; 0: none */
    bool without_landlock;     /* goes on where the kernel has none; else that is SY_EPERM */
} sy__cage_options;

/* Makes the private folder, too. SY_EPERM: the kernel cannot hold a child to this. */
int sy__cage_new(sy__cage **out, const sy__alloc *a, const sy__cage_options *o, sy__error *err);
/* Removes the private folder with all that is in it. NULL is legal. */
void sy__cage_free(sy__cage *c);
/* Removes the private folder if nothing is in it; whether it is gone. */
bool sy__cage_empty(sy__cage *c);
/* The private folder, until the cage is freed. */
const char *sy__cage_folder(const sy__cage *c);
/* Allows what lies below an open folder, or a file; `access` is of SY__LAND_…. What fails is not allowed. */
void sy__cage_allow(sy__cage *c, int fd, int access);
/* The same by name, links followed. What does not exist is left out. */
void sy__cage_allow_path(sy__cage *c, const char *path, int access);
/* The programs and libraries of the system and the files of /etc, /dev, /proc and /sys that they need. `net`: what
 * finding hosts needs, too. */
void sy__cage_allow_system(sy__cage *c, bool net);
/* Folders of PATH outside the system's: programs that the person installed, not an extension. NULL: none. */
void sy__cage_allow_programs(sy__cage *c, const char *path, const char *home);
/* The environment of the child: `env` with HOME and TMPDIR in the private folder, where it does not set them. Lives as
 * long as the cage. NULL: no memory. */
const char *const *sy__cage_env(sy__cage *c, const char *const *env);
/* 0 or an errno. The calling process, for good. Async-signal-safe. */
int sy__cage_enter(const sy__cage *c);

#endif
