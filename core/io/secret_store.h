/*
 * secret_store.h: where a person's secrets are kept: each a file of its own in a folder nobody else may enter.
 *
 *     symphony-secret 1 file 2026-11-23T12:00:00.000Z        or: keyring
 *     the value, when it is kept here and not in the desktop's keyring
 *
 * Files are replaced at once, so a reader sees one value or the other. A file that is not ours, or that others may
 * read, is refused. Whoever changes something holds a lock meanwhile that all use. Any thread; a keyring that does not
 * answer is waited for 2 s.
 */
#ifndef SY_IO_SECRET_STORE_H
#define SY_IO_SECRET_STORE_H

#include "base/clock.h"
#include "io/secret.h"

typedef enum sy__secret_place { SY__IN_FILE, SY__IN_KEYRING } sy__secret_place;

typedef struct sy__secret_info {
    sy__secret_place place;
    char set_at[SY__STAMP_BYTES];
} sy__secret_info;

/* What tells one state of a secret's file from another. */
typedef struct sy__secret_stamp {
    uint64_t inode;
    int64_t changed_ns;
} sy__secret_stamp;

/* Keeps a value, in place of one of the same name, which is removed from where it was. Makes `dir`. SY_EPERM, SY_EIO,
 * SY_EDISKFULL; of the keyring what sy__keyring_put says. */
int sy__secret_put(const char *dir, const sy__secret *s, sy__secret_place place, int64_t now_ms, sy__error *err);
/* Finds a value. SY_ENOTFOUND with the command that sets it; SY_EPERM: the file or its folder is not safe. */
int sy__secret_get(const char *dir, const char *name, sy__secret **out, sy__error *err);
int sy__secret_info_get(const char *dir, const char *name, sy__secret_info *out, sy__error *err);
/* SY_ENOTFOUND: there is none. */
int sy__secret_remove(const char *dir, const char *name, sy__error *err);
/* False: there is none of this name. */
bool sy__secret_stamp_get(const char *dir, const char *name, sy__secret_stamp *out);

#endif
