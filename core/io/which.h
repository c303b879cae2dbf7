/* which.h: where a program lies, and which Debian package would bring it. Any thread. */
#ifndef SY_IO_WHICH_H
#define SY_IO_WHICH_H

#include "base/error.h"

enum { SY__PATH_BYTES = 4096 };

/*
 * Finds an executable regular file. A name with a slash is taken as it is; else the absolute folders of
 * `path` ("a:b", NULL: this process's PATH, else Debian's default) are searched. 0, ENOENT, EACCES (there,
 * but not executable) or ENAMETOOLONG.
 */
int sy__which(const char *name, const char *path, char out[SY__PATH_BYTES]);
/* Sets the sentence for a program that did not start, with the package as hint; returns its code. */
int sy__which_error(const char *name, int errnum, sy__error *err);
/* The Debian package of a well-known program, or NULL. */
const char *sy__which_package(const char *name);

#endif
