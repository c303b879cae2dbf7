/*
 * watch.h: which files below a folder change. Folders whose name begins with a dot are left out, and links are not
 * followed; folders made later are watched, too. One thread at a time.
 */
#ifndef SY_IO_WATCH_H
#define SY_IO_WATCH_H

#include "base/buf.h"
#include "base/error.h"

typedef struct sy__file_watch sy__file_watch;

/* Watches `dir`, which is copied. SY_ENOTFOUND, SY_EIO (the kernel has no watches left), SY_ENOMEM. */
int sy__file_watch_new(sy__file_watch **out, const sy__alloc *a, const char *dir, sy__error *err);
/* NULL is legal. */
void sy__file_watch_free(sy__file_watch *w);
/*
 * Waits up to `timeout_ms` for changes and appends the path of each, below the folder and ended by NUL, to `paths`;
 * one may come more than once, and "" says that more changed than could be told. A signal ends the wait, too. Nothing
 * changed: nothing is appended.
 */
int sy__file_watch_wait(sy__file_watch *w, int timeout_ms, sy__buf *paths, sy__error *err);

#endif
