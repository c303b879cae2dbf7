/*
 * confine.h: rules that a process puts on itself and cannot take off again: Landlock (paths, ports, signals) and
 * seccomp (which system calls there are).
 *
 * A filter and a ruleset are made by the host, in memory and as a descriptor; entering them is one system call each, so
 * that a child between vfork and exec can do it, too. Only making sets errno through `err`; nothing here allocates.
 * Any thread; what is entered holds for the calling thread and whatever it starts.
 */
#ifndef SY_IO_CONFINE_H
#define SY_IO_CONFINE_H

#include "base/error.h"

#include <linux/filter.h>

/* ---- seccomp ---- */

typedef enum sy__verdict {
    SY__ALLOW,
    SY__REFUSE, /* the call fails with EPERM */
    SY__DENY,   /* the call fails with EACCES, which programs take as a matter of rights */
    SY__ABSENT, /* the call fails with ENOSYS, so that a library takes an older one */
    SY__TRAP,   /* SIGSYS, which the process may turn into a message before it ends */
    SY__KILL,   /* the process ends by SIGSYS */
    SY__NEXT,   /* only as `otherwise`: the rules that follow decide */
} sy__verdict;

/* What is asked of one argument; its low 32 bits are looked at. */
typedef enum sy__test {
    SY__ALWAYS,
    SY__IF_EQUAL,   /* (argument & mask) == value; mask 0: all of it */
    SY__IF_NONE_OF, /* (argument & value) == 0 */
} sy__test;

typedef struct sy__syscall_rule {
    int number; /* SYS_… */
    sy__verdict verdict, otherwise;
    sy__test test; /* SY__ALWAYS: `verdict` without a look at the arguments */
    int argument;  /* from 0 */
    uint32_t value, mask;
} sy__syscall_rule;

enum { SY__FILTER_STEPS = 1024 };

/* A compiled filter: large, so not for a small stack. */
typedef struct sy__filter {
    unsigned short count;
    struct sock_filter steps[SY__FILTER_STEPS];
} sy__filter;

/* Begins a filter of this machine's calls: those of another kind (32 bits, x32) end the process. */
void sy__filter_begin(sy__filter *f);
/* The first rule for a number counts. */
void sy__filter_add(sy__filter *f, const sy__syscall_rule *rules, size_t count);
/* What no rule names. SY_EINVAL: more rules than a filter holds. */
int sy__filter_end(sy__filter *f, sy__verdict rest);
/* 0 or an errno. no_new_privs must be set. Async-signal-safe. */
int sy__filter_enter(const sy__filter *f);
/* Whether this kernel has seccomp filters. */
bool sy__filter_works(void);

/* ---- Landlock ---- */

enum {
    SY__LAND_READ = 1,  /* files and folders below */
    SY__LAND_WRITE = 2, /* changes below, of files and entries */
    SY__LAND_RUN = 4,   /* programs below, with what they load */
    SY__LAND_LIST = 8,  /* names below, not the content of files */
};

/* What a ruleset leaves alone. */
enum { SY__LAND_ANY_TCP = 1 /* TCP is not looked at */ };

/* The ABI of this kernel; 0: it has no Landlock, or it is off. A test build believes SYMPHONY_TEST_LANDLOCK when that
 * is less. */
int sy__land_abi(void);
/* A ruleset that refuses all it knows: paths, TCP ports, signals and abstract sockets to processes outside. A
 * descriptor (O_CLOEXEC), or a negative code. */
int sy__land_new(sy__error *err);
/* The same without what `leave` names. */
int sy__land_new_leaving(unsigned leave, sy__error *err);
/* Allows connecting to a TCP port of any host. 0 or an errno; ABI 4. */
int sy__land_allow_port(int ruleset, int port);
/* Allows what lies below `path_fd` (O_PATH). 0 or an errno. */
int sy__land_allow(int ruleset, int path_fd, int access);
/* 0 or an errno. no_new_privs must be set. Async-signal-safe. */
int sy__land_enter(int ruleset);

#endif
