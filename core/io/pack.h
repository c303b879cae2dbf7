/*
 * pack.h: files packed into one: a tar archive under zstd, by libarchive.
 *
 * What is written is the same bytes for the same entries: no times, owners or modes. What is read is not trusted: only
 * regular files with plain names, each name once, within limits. One thread at a time for each writer and reader.
 */
#ifndef SY_IO_PACK_H
#define SY_IO_PACK_H

#include "base/error.h"

typedef struct sy__pack_writer sy__pack_writer;
typedef struct sy__pack_reader sy__pack_reader;

enum { SY__PACK_NAME_BYTES = 100 };

/* Whether a name may stand in a pack: parts of A-Z a-z 0-9 _ . - that begin with no dot, between slashes. */
bool sy__pack_name(const char *name);

/* Writes to the descriptor, which stays the caller's. SY_ENOMEM, SY_EIO. */
int sy__pack_writer_open(sy__pack_writer **out, const sy__alloc *a, int fd, sy__error *err);
/* Begins an entry of `size` bytes; the one before it must be complete. SY_EUSAGE, SY_EIO, SY_EDISKFULL. */
int sy__pack_begin(sy__pack_writer *w, const char *name, int64_t size, sy__error *err);
int sy__pack_write(sy__pack_writer *w, const void *bytes, size_t len, sy__error *err);
/* Ends the file and frees the writer, also on failure: the first failure is returned. NULL is legal. */
int sy__pack_writer_close(sy__pack_writer *w, sy__error *err);

typedef struct sy__pack_limits {
    int64_t entries;     /* at most so many */
    int64_t entry_bytes; /* of one */
    int64_t total_bytes; /* of all, unpacked */
    int64_t ratio;       /* unpacked to packed bytes, looked at beyond `free_bytes` */
    int64_t free_bytes;
} sy__pack_limits;

/* SY_ENOTFOUND, SY_EIO, SY_EFILE. */
int sy__pack_reader_open(sy__pack_reader **out, const sy__alloc *a, const char *path, const sy__pack_limits *limits,
                         sy__error *err);
/* Goes to the next entry: 1, 0 at the end, or SY_EFILE. *name is borrowed until the next call. */
int sy__pack_next(sy__pack_reader *r, const char **name, int64_t *size, sy__error *err);
/* Bytes of the entry read (0: its end), or SY_EFILE. */
int64_t sy__pack_read(sy__pack_reader *r, void *to, size_t room, sy__error *err);
/* NULL is legal. */
void sy__pack_reader_close(sy__pack_reader *r);

#endif
