/* folder.h: the entries of an open folder. Any thread. */
#ifndef SY_KIT_FOLDER_H
#define SY_KIT_FOLDER_H

#include "base/buf.h"
#include "base/error.h"

#include <sys/types.h>

/* 'f' file, 'd' folder, 'l' link, 'o' other. */
char sy__folder_kind(mode_t mode);
/* Appends a byte for the kind, the name and a NUL for each entry of the open folder, in no order. Takes `fd`. */
int sy__folder_read(int fd, sy__buf *to, sy__error *err);
/* Calls `each` for every record of `records`, in the order of names. SY_ENOMEM. */
int sy__folder_sorted(const sy__buf *records, const sy__alloc *a, void (*each)(void *ud, const char *record), void *ud);

#endif
