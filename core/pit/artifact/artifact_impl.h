/*
 * artifact_impl.h: what the files of the artifact store share. Nobody else includes it. Any thread:
 * the struct says which lock guards what.
 *
 *     put ──► small: zstd ──► sy__db_put ─────────────────────────────┐
 *         └─► large: temporary file ──► flush: fsync, rename, fsync ──┴─► row of `blob`
 *                                                                     pending until it is committed
 */
#ifndef SY_PIT_ARTIFACT_IMPL_H
#define SY_PIT_ARTIFACT_IMPL_H

#include "base/map.h"
#include "pit/artifact/artifact.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <zstd.h>

enum {
    SY__BLOB_SMALL_BYTES = 64 << 10, /* up to here content lies in the database; measured, docs/benchmarks.md */
    SY__BLOB_CHUNK_BYTES = 256 << 10,
    SY__BLOB_LEVEL = 1,             /* of zstd, for what is hot */
    SY__BLOB_FRESH_MS = 30 * 60000, /* used within this time: needs no touch, gc leaves it alone for twice as long */
    SY__BLOB_GRACE_MS = 60 * 60000, /* nothing used within this time is deleted */
    SY__BLOB_PATH_BYTES = 72,
    SY__TOOLS_KEPT = 4,
};

typedef enum sy__encoding { SY__RAW, SY__ZSTD } sy__encoding;

/* What is known of a stored content. */
typedef struct sy__blob_row {
    int64_t size, stored_size;
    sy__encoding encoding;
    bool in_file;
    bool deleted;
    unsigned temp; /* in_file: number of the temporary file that still holds it; 0: it has its name */
    char last_used[SY__STAMP_BYTES];
} sy__blob_row;

/* What one operation needs, kept for the next: hashing, packing, a connection. One thread at a time. */
typedef struct sy__tool {
    struct sy__tool *next;
    EVP_MD_CTX *md;
    ZSTD_CCtx *cctx; /* NULL until used */
    ZSTD_DCtx *dctx; /* NULL until used */
    sqlite3 *conn;   /* NULL until used */
    sqlite3_stmt *find;
    sy__buf stored; /* scratch: content as it is stored */
} sy__tool;

/* Content that was put but whose row is not committed yet: readable from here. */
typedef struct sy__pending {
    struct sy__pending *next;
    char hash[SY__HASH_BYTES];
    int64_t size, stored_size;
    sy__encoding encoding;
    sy__durability level;
    sy__db_ticket ticket; /* committed with it */
    unsigned temp;        /* large content: number of its temporary file, 0 once renamed */
    int fd;               /* the temporary file, open; -1 */
    int status;           /* of a flush */
    bool in_file;
    char bytes[]; /* small content, as stored */
} sy__pending;

typedef struct sy__pending_list {
    sy__pending *first, *last;
    int count;
    int64_t bytes;
} sy__pending_list;

struct sy__artifacts {
    sy__db *db;
    const sy__alloc *alloc;
    const sy__clock *clock;
    EVP_MD *sha256;
    int dir_fd;  /* artifacts/ */
    int temp_fd; /* artifacts/tmp/ */
    int lock_fd; /* artifacts/.lock: shared while files get their names, exclusive while they are deleted */
    int store_statement, touch_statement;
    sy__pit_record_fn record;
    void *record_ud;

    pthread_mutex_t flush_lock; /* one flush at a time; taken before the two below */
    pthread_mutex_t names_lock; /* guards `namers` */
    int namers;                 /* threads that share the lock of lock_fd, which the last gives back */

    pthread_mutex_t lock;     /* guards the rest */
    pthread_cond_t quiet;     /* no notice is outstanding any more */
    sy__map pending;          /* hash -> sy__pending */
    sy__pending_list waiting; /* for the commit of their rows, in the order of tickets */
    sy__pending_list files;   /* not flushed yet */
    sy__db_ticket noticed;    /* the ticket a notice is outstanding for; 0: none */
    unsigned temps;           /* temporary files made so far */
    sy__tool *tools;
    int tool_count;
};

/* ---- artifact_tool.c ---- */

/* A kept tool or a new one, the caller's until given back. SY_ENOMEM. */
int sy__tool_take(sy__artifacts *s, sy__tool **out, sy__error *err);
void sy__tool_give(sy__artifacts *s, sy__tool *t); /* NULL is legal */
void sy__tools_close(sy__artifacts *s);
/* The hash of content in pieces (between, t->md is updated), or of one piece: "sha256:…", NUL-terminated. */
void sy__tool_hash_begin(sy__artifacts *s, sy__tool *t);
void sy__tool_hash_end(sy__tool *t, char out[SY__HASH_BYTES]);
void sy__tool_hash(sy__artifacts *s, sy__tool *t, const void *bytes, size_t size, char out[SY__HASH_BYTES]);
/* Makes the packers; SY_ENOMEM. */
int sy__tool_packers(sy__tool *t);
/* Packs small content into t->stored unless that gains nothing; says how it is stored and as which bytes. */
int sy__tool_pack(sy__tool *t, const void *bytes, size_t size, int level, sy__encoding *how, const void **stored,
                  size_t *stored_size);
/* Unpacks into exactly `size` bytes; SY_EDAMAGED. */
int sy__tool_unpack(sy__tool *t, sy__encoding how, const void *stored, size_t stored_size, void *to, size_t size);
/* Whether packing the first bytes of a content gains anything. */
bool sy__tool_gains(sy__tool *t, const void *head, size_t size);
/* The committed row of a hash; small content goes into t->stored when `content`. SY_ENOTFOUND. */
int sy__tool_find(sy__artifacts *s, sy__tool *t, const char *hash, bool content, sy__blob_row *row, sy__error *err);
/* Whether `hash` is "sha256:" and 64 hex digits. */
bool sy__hash_valid(const char *hash);

/* ---- artifact_pending.c ---- */

/* A copy of content as it is stored (`bytes` NULL: it lies in a file), in no list yet; NULL: no memory. */
sy__pending *sy__pending_new(sy__artifacts *s, const char *hash, size_t stored_size, const void *bytes);
/* Copies what is pending under a hash: the row, and small content into t->stored when `content`. false: nothing. */
bool sy__pending_find(sy__artifacts *s, sy__tool *t, const char *hash, bool content, sy__blob_row *row);
/* Queues the row of small content and takes `p`; when the same content came in between, frees it and sets *dedup. */
int sy__pending_put(sy__artifacts *s, sy__pending *p, bool *dedup);
/* Takes large content that waits for a flush; frees `p` and sets *dedup as above. */
int sy__pending_file(sy__artifacts *s, sy__pending *p, bool *dedup);
/* After a flush: queues the row of each file that got its name, and forgets the others. */
int sy__pending_flushed(sy__artifacts *s, sy__pending_list *files);
/* Waits until nothing is pending, then frees the rest. */
void sy__pending_close(sy__artifacts *s);
/* Queues a touch that brings the row back should gc have deleted it. */
int sy__pending_touch(sy__artifacts *s, const char *hash, const sy__blob_row *row, sy__durability level);

/* ---- artifact_file.c ---- */

/* Makes and opens artifacts/, artifacts/tmp/ and the lock; to be closed also when it fails. SY_EIO. */
int sy__files_open(sy__artifacts *s, sy__error *err);
void sy__files_close(sy__artifacts *s);
/* "ab/cdef…" or "ab/cdef….zst", within artifacts/. */
void sy__blob_path(const char *hash, sy__encoding how, char out[SY__BLOB_PATH_BYTES]);
/* Makes a temporary file; its number and descriptor. */
int sy__temp_open(sy__artifacts *s, unsigned *number, int *fd, sy__error *err);
void sy__temp_remove(sy__artifacts *s, unsigned number);
/* Syncs a temporary file, gives it the name of its content, and syncs the folder; on failure it is removed. */
int sy__temp_name_durably(sy__artifacts *s, unsigned number, int fd, const char *hash, sy__encoding how,
                          sy__error *err);
/* Opens stored content; SY_EAGAIN when it is not where the row says. */
int sy__blob_open(sy__artifacts *s, const char *hash, const sy__blob_row *row, int *fd, sy__error *err);
/* Marks the file as used now and checks its size; SY_ENOTFOUND when it is missing or too short. */
int sy__blob_touch(sy__artifacts *s, const char *hash, const sy__blob_row *row);
int sy__write_all(int fd, const void *bytes, size_t size, sy__error *err);
/* Removes temporary files of hosts that are gone; returns how many. */
int sy__temp_clean(sy__artifacts *s);
/* Sets a lock (F_RDLCK, F_WRLCK, F_UNLCK) of an open file description, waiting for others; SY_EIO. */
int sy__lock_file(int fd, short type);
int64_t sy__artifacts_now(sy__artifacts *s);

/* ---- artifact.c ---- */

/* Where content is: pending or committed. SY_ENOTFOUND with the reason. */
int sy__artifact_locate(sy__artifacts *s, sy__tool *t, const char *hash, bool content, sy__blob_row *row,
                        sy__error *err);
/* Whether large content is stored already; touches it when its last use is long ago. */
int sy__artifact_known(sy__artifacts *s, sy__tool *t, const char *hash, sy__durability level, sy__stored *out,
                       sy__error *err);
int sy__artifact_put_small(sy__artifacts *s, sy__tool *t, sy__durability level, const void *bytes, size_t size,
                           sy__stored *out, sy__error *err);
int sy__artifact_damaged(sy__artifacts *s, const char *hash, const sy__blob_row *row, const char *how, sy__error *err);
void sy__artifacts_tell(sy__artifacts *s, const char *type, const char *hash, const char *context);

/* ---- artifact_stream.c ---- */

/* A writer for content whose hash is known. */
int sy__artifact_writer_known(sy__artifact_writer **out, sy__artifacts *s, sy__tool *t, sy__durability level,
                              const char *hash, sy__error *err);

#endif
