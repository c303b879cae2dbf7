/*
 * db.h: the project's database: one writer thread, reader connections, the lock files of hosts.
 *
 * Only the writer thread writes. Others hand it changes: a prepared statement's number and its parameters,
 * copied. The queue is FIFO and bounded; what is queued at the moment the writer looks becomes one
 * transaction (a commit group), so that a group is always a prefix of the queue. `full` fsyncs each group,
 * `process` leaves that to checkpoints; a group takes the strongest level of its changes.
 *
 *     any thread: sy__db_put ──> queue ──> writer thread: BEGIN, statements, COMMIT ──> events to the router,
 *                                                                                       waiters and hooks told
 */
#ifndef SY_DB_DB_H
#define SY_DB_DB_H

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "base/log.h"
#include "router/event.h"

#include <sqlite3.h>

typedef struct sy__db sy__db;

typedef enum sy__durability { SY__LEVEL_NONE, SY__LEVEL_PROCESS, SY__LEVEL_FULL } sy__durability;

typedef struct sy__db_options {
    const sy__alloc *alloc;
    const sy__clock *clock;
    sy__log *log;
    const char *dir; /* the .symphony folder; made when missing (0700) with its .gitignore and subfolders */
    /* Writer thread, after each commit, for every event of the group in order, seq assigned. May be NULL. */
    void (*on_event)(void *ud, const sy__event *event);
    void *on_event_ud;
    int retry_ms; /* how long a full disk or a busy database is waited for before the sticky failure; 0: 30 s */
} sy__db_options;

/* Opens or creates, migrates (data.md, Migrations), starts the writer. SY_EDAMAGED, SY_ENEWER, SY_EIO, SY_EDISKFULL. */
int sy__db_open(sy__db **out, const sy__db_options *o, sy__error *err);
/* Writes what is queued, stops the writer, releases locks. NULL is legal. */
void sy__db_close(sy__db *db);
/* This host's id (session row, hosts/ID.lock). */
const char *sy__db_host_id(const sy__db *db);
const char *sy__db_dir(const sy__db *db);

/* Ids of rows that every task refers to: made with the database, the same for as long as it lives. */
typedef struct sy__db_ids {
    char conductor[SY__ID_BYTES];
    char orchestra_kit[SY__ID_BYTES];
    char host_extension[SY__ID_BYTES]; /* the bundled operator `host`: the run itself, ask, sub, loop, each */
    char host_version[SY__ID_BYTES];   /* its extension_version of this program */
    char user[SY__ID_BYTES];           /* "" until sy__db_identity */
    char project[SY__ID_BYTES];
} sy__db_ids;
/* Borrowed; user and project are set by sy__db_identity, which nothing else may overlap. */
const sy__db_ids *sy__db_known(const sy__db *db);

/*
 * Writes or refreshes this database's copies of the person and of its project, and waits for the commit.
 * `preferences` and `configuration` are JSON: the effective settings. The project keeps its id and owner.
 * Not on stage threads.
 */
int sy__db_identity(sy__db *db, const char *user_id, const char *name, const char *email, const char *preferences,
                    const char *project_name, const char *configuration, sy__error *err);
/* The SQL of migration `number`, from 1; NULL past the last. */
const char *sy__db_migration(int number);

/* ---- writing ---- */

typedef enum sy__param_kind { SY__P_NULL, SY__P_INT, SY__P_NUM, SY__P_TEXT, SY__P_BLOB } sy__param_kind;
typedef struct sy__param {
    sy__param_kind kind;
    union {
        int64_t i;
        double d;
        const void *p; /* text or blob, copied by sy__db_put */
    };
    size_t len;
} sy__param;

/* A statement all threads may use by number; preparing happens in the writer. `sql` must be a literal. */
int sy__db_statement(sy__db *db, const char *sql); /* registers or finds; number >= 0 or SY_ENOMEM */

/*
 * A statement for rows of one table. `insert`, "INSERT INTO t (columns) VALUES (?1,?2,…)" with its parameters in order,
 * writes a row for the first time, many of them at once; `again`, with the same parameters, writes one that may be
 * there already (NULL: `insert`). Which of both it is, is known by the slot of the put: zero is the first time. Rows of
 * such a statement may be written in the order of their first parameter, a text that is their key, and before events
 * that were put earlier in the same group. Both must be literals.
 */
int sy__db_rows(sy__db *db, const char *insert, const char *again); /* as sy__db_statement */

/* Where a queued change lies; zero it before first use. */
typedef struct sy__db_slot {
    uint64_t group; /* the group it was put into; 0: none */
    uint32_t index;
} sy__db_slot;

#define SY__DB_STORED UINT64_MAX /* the group of a row that the database has already, from another time */

typedef uint64_t sy__db_ticket; /* a point in the queue: everything put before it */

/*
 * Queues one change. With `slot`, a change that an earlier put with the same slot left in a group that the
 * writer has not taken yet is replaced in place (write combining): use it for rows whose statement writes
 * the whole row. `run` (an id or NULL) names the run for the epoch check: a run whose owner_epoch in the
 * database is not the one given to sy__db_run_own is not written; sy__db_run_lost tells.
 * Never blocks; SY_ENOMEM, or the sticky failure (SY_EDISKFULL, SY_EDAMAGED, SY_EIO). Rows are written in the order
 * they were put (a replaced one in its first place), so put a row after the rows it refers to.
 */
int sy__db_put(sy__db *db, sy__durability level, int statement, const char *run, const sy__param *params, int count,
               sy__db_slot *slot);
/* Queues an event row; its seq is assigned at commit, its id too when it is NULL; then it is handed to on_event. */
int sy__db_put_event(sy__db *db, sy__durability level, const sy__event *event);
/* Holds the queue so that the puts of this thread between begin and end fall into one commit group. Short; never
 * nested; neither sy__db_wait nor sy__db_exclusive in between. */
void sy__db_begin(sy__db *db);
void sy__db_end(sy__db *db);
/* Whether the queue is at its bounds (SY_MAX_QUEUE_*): start no new task. */
bool sy__db_full(sy__db *db);
/* A ticket for everything queued so far. */
sy__db_ticket sy__db_now(sy__db *db);
/* Blocks until the ticket is committed (fsynced when `sync`); SY_OK or the sticky failure. Not on stage threads. */
int sy__db_wait(sy__db *db, sy__db_ticket ticket, bool sync, sy__error *err);
/* Calls fn once, in the writer thread, when the ticket is committed (fsynced when `sync`) or has failed. fn may
 * put, but must not wait. */
int sy__db_notify(sy__db *db, sy__db_ticket ticket, bool sync, void (*fn)(void *ud, int status), void *ud);
/* SY_OK, or the failure after which nothing is written any more. Any thread. */
int sy__db_status(sy__db *db, sy__error *err);

/* Runs `fn` on the writing connection in a transaction of its own, between groups, and waits for it: for rare,
 * compound writes (take-over of a run, numbering, gc). It sees all that was put before it, and its commit is
 * fsynced. fn returns SY_OK to commit; it writes no events. Not on stage threads, not in the writer's callbacks. */
int sy__db_exclusive(sy__db *db, int (*fn)(sqlite3 *conn, void *ud, sy__error *err), void *ud, sy__error *err);

/* The same, while references are not enforced: for deleting many rows together with all that refer to them, where
 * SQLite would look for each of those in tables that have no index for it. */
int sy__db_unchecked(sy__db *db, int (*fn)(sqlite3 *conn, void *ud, sy__error *err), void *ud, sy__error *err);

/* ---- the file ---- */

/* Gives free pages back to the file system, in steps of some milliseconds, until there are none or `budget_ms` are
 * over (0: no limit); *freed_bytes. A database made without incremental vacuum has nothing to give: *freed_bytes is 0.
 */
int sy__db_give_back(sy__db *db, int64_t budget_ms, int64_t *freed_bytes, sy__error *err);
/* Writes the whole database anew, without gaps and with incremental vacuum from then on. SY_ETIMEOUT: others have it
 * open (their pids); SY_EDISKFULL: there is not twice its size free. Nothing has changed then. */
int sy__db_compact(sy__db *db, sy__error *err);

/* ---- runs and their owners ---- */

/* Announces that this host writes `run` under `epoch` from now on (after it wrote the row itself). */
int sy__db_run_own(sy__db *db, const char *run, int64_t epoch);
void sy__db_run_disown(sy__db *db, const char *run);
/* Whether a commit found another epoch: the run belongs to someone else now. Also true after the database refused
 * a change of the run (a broken reference or value: a fault of ours, in the log): nothing of it is written then. */
bool sy__db_run_lost(sy__db *db, const char *run);
/* Whether the host `id` is alive: its lock file is held. */
bool sy__db_host_alive(sy__db *db, const char *host_id);

/* ---- reading ---- */

/* A read-only connection for this thread until released (a small pool). NULL: no memory or damaged. */
sqlite3 *sy__db_reader(sy__db *db, sy__error *err);
void sy__db_reader_release(sy__db *db, sqlite3 *conn);
/* Changes whenever another connection of any process committed (PRAGMA data_version). */
int64_t sy__db_data_version(sy__db *db);
/* An sy__replay_fn (router.h) over the event table; ud is the sy__db. */
int sy__db_replay(void *db, const char *pattern, int64_t after, int max, void (*each)(void *ud, const sy__event *e),
                  void *ud);

#endif
