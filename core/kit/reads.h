/*
 * reads.h: what a call looked at, so that its result can be used again while all of that is the same.
 *
 * A read is a path and a digest of what was seen there: bytes of a file, names in a folder, kind and size, or
 * nothing. Times are never part of it. Whatever cannot be seen again in the same way spoils the record: the result
 * is then not kept. Paths are relative to the project; outside of it absolute, as they were granted.
 *
 * One thread at a time. An observer opens files through the capabilities it was given, as the call itself does.
 */
#ifndef SY_KIT_READS_H
#define SY_KIT_READS_H

#include "base/map.h"
#include "kit/caps.h"

#include <sys/stat.h>

enum {
    SY__MAX_HASHED_BYTES = 1 << 30, /* of one file; a larger one cannot be looked at */
    SY__DIGEST_BYTES = 65,          /* 64 hex digits, or a word such as "absent"; NUL */
    SY__MAX_READS = 20000,          /* of one call; more spoil the record */
    SY__HASH_MEMO_BYTES = 64 << 10, /* smaller files are hashed each time: that costs less than remembering */
};

/* What was looked at. Stored as this letter. */
typedef enum sy__read_kind {
    SY__READ_FILE = 'f',    /* the bytes of a file */
    SY__READ_LIST = 'l',    /* names and kinds of all entries of a folder */
    SY__READ_GLOB = 'g',    /* those entries that a pattern wants, or goes through */
    SY__READ_STAT = 's',    /* kind, size and mode */
    SY__READ_EXISTS = 'e',  /* whether it is there */
    SY__READ_PROGRAM = 'p', /* the program of a name */
} sy__read_kind;

typedef struct sy__read {
    sy__read_kind kind;
    bool declared; /* by the manifest or a call for a child process: looked at again when the call has ended */
    char *path;
    char *detail; /* of a glob: the folder below the pattern's start, a line feed, the pattern; else "" */
    char digest[SY__DIGEST_BYTES];
} sy__read;

/* Remembers hashes of large files; both may be NULL. Called with the stat of the open file. */
typedef struct sy__hash_memo {
    bool (*get)(void *ud, const struct stat *st, char digest[SY__DIGEST_BYTES]);
    void (*put)(void *ud, const struct stat *st, const char *digest);
    void *ud;
} sy__hash_memo;

/* ---- looking ---- */

/* Sees the same thing only once; for one decision. */
typedef struct sy__observer {
    const sy__alloc *alloc;
    const sy__caps *caps;
    const sy__hash_memo *memo; /* NULL: none */
    sy__map seen;              /* kind, path, detail → digest */
} sy__observer;

/* Borrows all three; `memo` may be NULL. Has seen nothing yet. */
void sy__observer_init(sy__observer *o, const sy__alloc *a, const sy__caps *caps, const sy__hash_memo *memo);
void sy__observer_close(sy__observer *o);
/* The digest of what is there now. SY_OK; else it cannot be said. */
int sy__observe(sy__observer *o, sy__read_kind kind, const char *path, const char *detail,
                char digest[SY__DIGEST_BYTES]);
/* The hex SHA-256 of bytes. */
void sy__digest(const void *bytes, size_t len, char out[SY__DIGEST_BYTES]);
/* Digests of things already at hand. `records`: of folder.h; detail as in sy__read. */
void sy__digest_stat(const struct stat *st, char out[SY__DIGEST_BYTES]);
int sy__digest_records(const sy__buf *records, const sy__alloc *a, const char *detail, char out[SY__DIGEST_BYTES]);
/* "absent" or "denied" of a failed opening; NULL: it says nothing lasting. */
const char *sy__digest_refused(int code);

/* ---- recording ---- */

typedef struct sy__reads sy__reads;

/* caps and memo are borrowed and must outlive it. NULL: no memory. */
sy__reads *sy__reads_new(const sy__alloc *a, const sy__caps *caps, const sy__hash_memo *memo);
void sy__reads_free(sy__reads *r); /* NULL is legal */
/* What a call saw. A failure to record spoils. */
void sy__reads_content(sy__reads *r, const char *path, const void *bytes, size_t len);
void sy__reads_records(sy__reads *r, sy__read_kind kind, const char *path, const char *detail, const sy__buf *records);
void sy__reads_stat(sy__reads *r, const char *path, const struct stat *st);
void sy__reads_refused(sy__reads *r, sy__read_kind kind, const char *path, int code);
/* It is there, and that is all the call knows. */
void sy__reads_there(sy__reads *r, const char *path);
/* Looks now and records: programs, which count as declared. */
void sy__reads_look(sy__reads *r, sy__read_kind kind, const char *path);
/* What a child process may read: a path, a folder with all below it, or a glob below the project. */
void sy__reads_declare(sy__reads *r, const char *glob);
/* The result cannot be kept; the first reason counts. */
void sy__reads_spoil(sy__reads *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The reason, or NULL. */
const char *sy__reads_spoiled(const sy__reads *r);
/* When the call has ended: what was declared must still be the same, or it is spoiled. */
void sy__reads_end(sy__reads *r);
size_t sy__reads_count(const sy__reads *r);
const sy__read *sy__reads_at(const sy__reads *r, size_t index);

#endif
