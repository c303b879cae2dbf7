/* internal.h: what the files of this room share of an sy__db. Nobody else includes it. */
#ifndef SY_DB_INTERNAL_H
#define SY_DB_INTERNAL_H

#include "db/frames.h"
#include "db/queue.h"
#include "db/refs.h"
#include "db/rows.h"

/* The writing connection; after sy__writer_start only the writer thread touches it. */
typedef struct sy__writer {
    pthread_t thread;
    bool started;
    sqlite3 *conn;                                /* NULL after a sticky failure */
    sqlite3_stmt *statements[SY__STATEMENTS_MAX]; /* one change; of a statement of rows `again` */
    sqlite3_stmt *many[SY__STATEMENTS_MAX];       /* of a statement of rows: all of `source` */
    sy__frames frames;                            /* stands before the log of `conn` */
    sy__rows rows, events;                        /* collected, not yet written */
    size_t sorted;                      /* of `rows`: how many were written last and still lie there, in order */
    sy__refs *refs[SY__STATEMENTS_MAX]; /* of a statement of rows: what it refers to */
    const sy__rows *source;             /* what the table sy_rows holds */
    sy__id_source ids;                  /* of events that were put without one */
    sqlite3_stmt *begin, *commit, *rollback, *epoch, *last_seq;
    bool fsyncs;      /* synchronous = FULL is set */
    bool own_keys;    /* refs.h looks foreign keys up, SQLite doesn't */
    bool no_own_keys; /* … and cannot: the schema has some of another form */
    uint64_t attempt; /* counts transactions begun */
    int64_t page_bytes;
    int64_t wal_bytes;     /* of pages in the log after the last commit */
    int64_t checkpoint_at; /* bytes at which to try the next checkpoint */
} sy__writer;

enum { SY__READERS_KEPT = 8 };

typedef struct sy__readers {
    pthread_mutex_t lock;
    sqlite3 *kept[SY__READERS_KEPT];
    int count;
    sqlite3 *watcher; /* for data_version, under `lock` */
    sqlite3_stmt *version;
} sy__readers;

struct sy__db {
    const sy__alloc *alloc;
    const sy__clock *clock;
    sy__log *log;
    void (*on_event)(void *ud, const sy__event *event);
    void *on_event_ud;
    char *dir, *file;
    int schema_fd, host_fd;
    int retry_ms; /* how long a full disk or a busy database is waited for */
    char host_id[SY__ID_BYTES];
    sy__db_ids ids;
    sy__queue queue;
    sy__writer writer;
    sy__readers readers;
};

/* Takes the connection over and starts the thread. */
int sy__writer_start(sy__db *db, sqlite3 *conn, sy__error *err);
/* Writes what is queued and ends the thread; closes the connection. */
void sy__writer_stop(sy__db *db);
/* The changes of a group, within a transaction; careful: one by one, and then *bad is what was refused, if anything. In
 * the order they were put, but for what rows.h says. An SQLITE_… code. Writer thread. */
int sy__group_write(sy__db *db, sy__group *g, bool careful, sy__change **bad);
/* Before the transaction of a group: who looks at its foreign keys. An SQLITE_… code. Writer thread. */
int sy__keys_choose(sy__writer *w, const sy__group *g, bool careful);
/* Whether commits fsync; whether foreign keys are refs.h's (`own`) or SQLite's. SQLITE_… codes. Writer thread. */
int sy__writer_fsync(sy__writer *w, bool on);
int sy__writer_keys(sy__writer *w, bool own);
/* Fsyncs what is in the log. An SQLITE_… code. Writer thread. */
int sy__log_sync(sy__writer *w);
/* One group in one transaction, retried while the disk is full or the database busy. Writer thread. */
int sy__writer_commit(sy__db *db, sy__group *g, sy__error *err);
/* Makes all that was committed durable. Writer thread. */
int sy__writer_sync(sy__db *db, sy__error *err);
/* One errand, by its kind; its status. *fatal is set when nothing can be written any more. */
int sy__writer_errand(sy__db *db, sy__errand *e, sy__error *fatal);
/* Whether the log is long enough for a checkpoint; `busy`: more is to be written. Writer thread. */
bool sy__writer_owes(const sy__db *db, bool busy);
/* Copies what the log holds into the database, as far as readers let it. Writer thread. */
int sy__writer_checkpoint(sy__db *db, sy__error *err);
/* As sy__db_exclusive, outside of a transaction. */
int sy__writer_bare(sy__db *db, int (*fn)(sqlite3 *conn, void *ud, sy__error *err), void *ud, sy__error *err);
/* Settings and statements of the connection, which it takes over also on failure; finalize closes it. */
int sy__writer_prepare(sy__db *db, sqlite3 *conn, sy__error *err);
void sy__writer_finalize(sy__db *db);

/* The pool of connections that read. Before other threads; closed after the last reader is given back. SY_ENOMEM. */
int sy__readers_init(sy__db *db, sy__error *err);
void sy__readers_close(sy__db *db);

/* Inserts the singletons and the bundled operator `host` (sy__schema_set.seed; ud is the sy__db). */
int sy__seed(sqlite3 *conn, void *db, sy__error *err);
/* Reads the ids of what sy__seed made, and adds this program's version of `host` when it is new. */
int sy__seed_known(sy__db *db, sqlite3 *conn, sy__error *err);

#endif
