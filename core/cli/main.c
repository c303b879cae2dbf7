/*
 * main.c: the program `symphony`: what a process has only one of, then the program in Lua.
 *
 * Signals: caught from the moment Lua first asks for them (sy.term). The first SIGINT or SIGTERM is
 * remembered for Lua, the second ends the process at once. SIGPIPE is ignored; a reader that goes away
 * is remembered like a SIGTERM and turns the exit code into 141, which a shell takes as SIGPIPE.
 */
#include "bind/program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_INTERRUPTED = 130, EXIT_SIGPIPE = 141 };

/* The one signal that was caught and not yet taken, and how many there were. A handler can reach nothing else. */
static volatile sig_atomic_t caught_signal, caught_count;

static void
on_signal(int number)
{
    if (++caught_count > 1) _exit(EXIT_INTERRUPTED);
    caught_signal = number;
}

static void
catch_signals(void *ud)
{
    /* No SA_RESTART: a call that waits comes back, so that the signal is seen soon. */
    struct sigaction action = {.sa_handler = on_signal}, old;
    (void)ud;
    if (sigaction(SIGINT, NULL, &old) != 0 || old.sa_handler == on_signal) return;
    (void)sigemptyset(&action.sa_mask);
    if (old.sa_handler != SIG_IGN) (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static const char *
take_signal(void *ud)
{
    sy__signals *signals = ud;
    int number = caught_signal;
    if (number == 0 && signals->output_closed && caught_count == 0) {
        caught_count = 1;
        number = SIGTERM;
    }
    caught_signal = 0;
    return number == SIGINT ? "INT" : number == SIGTERM ? "TERM" : NULL;
}

static bool
has_flag(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], flag) == 0) return true;
    }
    return false;
}

/* Whether the arguments ask for the version and nothing else: answered without opening Lua. */
static bool
is_version(int argc, char **argv)
{
    int words = 0;
    for (int i = 1; i < argc; i++) {
        bool version = strcmp(argv[i], "version") == 0 || strcmp(argv[i], "--version") == 0;
        if (!version && strcmp(argv[i], "--json") != 0 && strcmp(argv[i], "--quiet") != 0) return false;
        words += version;
    }
    return words == 1;
}

static int
print_version(bool json)
{
    const char *format = json ? "{\"version\":\"%s\",\"lua\":\"%s\"}\n" : "symphony %s (Lua %s)\n";
    int n = printf(format, sy_version(), sy__program_lua());
    return n < 0 || fflush(stdout) != 0;
}

/* An internal error: for people on stderr, with --json as a document on stdout. */
static void
report(sy__error *err, bool json)
{
    sy__buf text;
    sy__buf_init(&text, &sy__alloc_default);
    sy__error_hint(err, "please report this with the command you typed and the output of `symphony version`; "
                        "SYMPHONY_DEBUG=1 shows where it happened");
    (void)fprintf(stderr, "error[%s]: %s\n  %s\n", sy_errname(err->code), err->message, err->hint);
    sy__error_json(err, &text);
    const char *document = sy__buf_cstr(&text);
    if (json && document) (void)printf("{\"error\":%s}\n", document);
    (void)fflush(stdout);
    sy__buf_close(&text);
}

int
main(int argc, char **argv)
{
    if (sy__program_is_cell(argc, argv)) return sy__program_cell();
    bool json = has_flag(argc, argv, "--json");
    if (is_version(argc, argv)) return print_version(json);
    const char *root = getenv("SYMPHONY_ROOT"), *debug = getenv("SYMPHONY_DEBUG");
    sy__signals signals = {.catch_them = catch_signals, .take = take_signal};
    signals.ud = &signals;
    sy__program program = {
        .root = root && *root ? root : NULL,
        .module = "cli.main",
        .signals = &signals,
        .debug = debug && *debug,
    };
    sy__error err;
    sy__error_clear(&err);
    (void)signal(SIGPIPE, SIG_IGN);
    int exit_code = sy__program_run(&program, argc, argv, &err);
    if (err.code != SY_OK) report(&err, json);
    return signals.output_closed ? EXIT_SIGPIPE : exit_code;
}
