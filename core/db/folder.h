/* folder.h: the .symphony folder: making it, and refusing places where a database cannot live. Any thread. */
#ifndef SY_DB_FOLDER_H
#define SY_DB_FOLDER_H

#include "base/error.h"

/*
 * Makes `dir` (0700) with its subfolders and a .gitignore that hides all of it but config.toml. What exists
 * stays as it is. SY_EIO with words for a read-only project, SY_EDISKFULL, SY_EIO for a network file system.
 */
int sy__folder_make(const char *dir, sy__error *err);
/* SY_EIO when `dir`, which exists, is on a network file system. */
int sy__folder_check(const char *dir, sy__error *err);
/* The name of a file system that several machines may share, or NULL: by statfs' f_type and, for those in
 * user space, by the type in mountinfo ("fuse.sshfs"; NULL: unknown). */
const char *sy__folder_remote(unsigned long magic, const char *type);

#endif
