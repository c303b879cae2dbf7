/*
 * error.h: what went wrong, where, and what to do next.
 *
 * An sy__error lives on the caller's stack and needs no freeing; texts that are too long are cut on a
 * UTF-8 boundary. It begins as {0}, or, where every task passes and 2 KiB of zeroes cost, with sy__error_clear.
 * Functions that take one accept NULL. Any thread, each with an sy__error of its own. The codes are SY_ERRORS of
 * symphony.h.
 */
#ifndef SY_BASE_ERROR_H
#define SY_BASE_ERROR_H

#include "base/buf.h"

enum { SY__ERROR_MESSAGE_BYTES = 1024, SY__ERROR_NAME_BYTES = 256, SY__ERROR_HINT_BYTES = 512 };

typedef struct sy__error {
    int code; /* SY_OK or negative */
    int line; /* in `file`, from 1; 0: unknown */
    char message[SY__ERROR_MESSAGE_BYTES];
    char file[SY__ERROR_NAME_BYTES]; /* "" : unknown */
    char task[SY__ERROR_NAME_BYTES]; /* the task's key; "" : none */
    char hint[SY__ERROR_HINT_BYTES]; /* what to do next; "" : none */
} sy__error;

/* Sets code and message, clears the rest, and returns `code`. err NULL: only returns. */
int sy__error_set(sy__error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* As sy__error_set, with strerror(errnum) behind the message; ENOSPC becomes SY_EDISKFULL. */
int sy__error_errno(sy__error *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));
void sy__error_where(sy__error *err, const char *file, int line, const char *task);
void sy__error_hint(sy__error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sy__error_clear(sy__error *err);
/* Appends {"code","message","where":{"file","line","task"},"hint"}; invalid UTF-8 becomes U+FFFD. */
void sy__error_json(const sy__error *err, sy__buf *out);
/* The code of a name such as "not_found", or 0 when there is none. */
int sy__error_code(const char *name);

#endif
