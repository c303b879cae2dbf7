/*
 * program.h: runs our Lua program as a process: one host of symphony.h, one module, its `main(args)`.
 *
 * core/cli/main.c is the only user; it owns what a process has one of: signals and the environment. The process's
 * first thread, once.
 */
#ifndef SY_BIND_PROGRAM_H
#define SY_BIND_PROGRAM_H

#include "base/error.h"

#include <lua.h>
#include <stdbool.h>

/* The process's signals, as sy.term sees them. */
typedef struct sy__signals {
    void (*catch_them)(void *ud);  /* from now on SIGINT and SIGTERM are remembered; called once or more */
    const char *(*take)(void *ud); /* "INT", "TERM" or NULL; each is given once */
    void *ud;
    bool output_closed; /* set by sy.term when the reader of stdout or stderr has gone away */
} sy__signals;

typedef struct sy__program {
    const char *root;     /* a tree to read our Lua from instead of the binary; NULL: none */
    const char *module;   /* "cli.main": its main(args) returns the exit code */
    sy__signals *signals; /* must outlive the program; NULL: take_signal gives nil */
    bool debug;           /* show tracebacks of internal errors */
} sy__program;

/* The release of Lua that this was built with, such as "5.4.4". */
const char *sy__program_lua(void);

/* Whether the arguments are those with which a host starts the process of an isolate (kit/cell.h). */
bool sy__program_is_cell(int argc, char **argv);
/* Is that process, to its end. */
int sy__program_cell(void);

/* The program that isolates in processes of their own run when the host's options name none: what SYMPHONY_BIN names,
 * else the installed one; NULL: there is none. */
const char *sy__program_helper(void);

/* Runs the program with the arguments behind argv[0] and returns its exit code. An error that `main` lets
 * escape is a fault of ours: it is put into *err (SY_EINTERNAL) and the exit code is 1. */
int sy__program_run(const sy__program *p, int argc, char **argv, sy__error *err);

/* The signals of the state's program, for sy.term; NULL outside one. */
sy__signals *sy__program_signals(lua_State *L);

#endif
