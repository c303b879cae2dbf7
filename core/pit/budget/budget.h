/*
 * budget.h: accounts of money, tokens and CPU time, and the reservations that calls hold in them.
 *
 * An account belongs to a task, to a subtree, to a run; each has the one above it as its parent. A call reserves
 * what it may use in all accounts from its own upwards, or in none, and settles what it did use when it has ended.
 *
 *     hold ──> task ──> subtree ──> run          settled + reserved <= limit, in each of them, at every admission
 *
 * What does not fit now but may later, because others hold reservations, waits at the account that is full, in
 * order of arrival, and is granted its reservation there by the settlement that makes room. What can never fit is
 * a breach. A charge is known only afterwards and may be above its reserve: so that a call which charges up to
 * twice its reserve, with all others that run doing the same, overshoots by no more than one reserve, the
 * reserves of the others count twice while they run.
 *
 * Passive: no engine, no Lua, no I/O. Accounts and holds belong to the caller, what links them to the ledger, whose
 * one mutex is held for some additions. Any thread. Amounts are never negative.
 */
#ifndef SY_PIT_BUDGET_H
#define SY_PIT_BUDGET_H

#include "base/alloc.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum sy__unit {
    SY__UNIT_USD,    /* millionths of a US dollar */
    SY__UNIT_TOKENS, /* as models count them */
    SY__UNIT_CPU,    /* microseconds of Lua running; a call never uses more than it was given */
    SY__UNITS,
    SY__UNIT_WALL = SY__UNITS, /* milliseconds: a deadline, not reserved */
} sy__unit;

typedef struct sy__amounts {
    int64_t of[SY__UNITS];
} sy__amounts;

typedef enum sy__on_breach { SY__BREACH_STOP, SY__BREACH_ASK, SY__BREACH_DOWNGRADE } sy__on_breach;

enum { SY__NO_LIMIT = -1 };

typedef struct sy__budget_limits {
    int64_t of[SY__UNITS]; /* SY__NO_LIMIT: none; 0: nothing may be used */
    int64_t wall_ms;       /* SY__NO_LIMIT: none */
    sy__on_breach on_breach;
} sy__budget_limits;

/* Of the project and of the day, shared by processes: money and tokens; 0: no limit. */
typedef struct sy__shared_budget {
    int64_t project[2], day[2]; /* by SY__UNIT_USD, SY__UNIT_TOKENS */
    sy__on_breach on_breach;
} sy__shared_budget;

typedef struct sy__budget sy__budget;
typedef struct sy__hold sy__hold;

/* One account. Zero it, set parent, limits and name; the rest is the ledger's. Its parent outlives it. */
struct sy__budget {
    sy__budget *parent;
    const char *name; /* "the run", "task `notes`"; for messages */
    bool own;         /* of one task that calls, not of a subtree or run */
    sy__budget_limits limits;
    int64_t ends_ns; /* monotonic: when its wall time is used up; 0: it has no such limit */
    sy__amounts settled, reserved;
    sy__hold *head, *tail; /* holds that wait here */
};

/* What one call reserves. Zero it, set budget, need and uses. */
struct sy__hold {
    sy__budget *budget;       /* the innermost account */
    sy__amounts need;         /* the most it says it will use */
    unsigned uses;            /* bits 1u << unit: what it can use at all; other limits do not bind it */
    sy__amounts reserved;     /* granted; grows with what is reported above it */
    sy__amounts charged;      /* reported while it runs */
    bool held;                /* it has been admitted and not settled */
    sy__budget *at;           /* where it waits, or which account refused it */
    sy__unit unit;            /* … and for what */
    sy__hold *next;           /* in its account's queue, or in the list a settlement returns */
    sy__hold *after, *before; /* all that wait */
    bool waits;
};

typedef enum sy__admission {
    SY__ADMITTED,
    SY__MUST_WAIT, /* hold.at: for what others hold there */
    SY__BREACH,    /* hold.at has no room, and nothing that could be freed */
} sy__admission;

typedef struct sy__ledger {
    pthread_mutex_t lock;
    sy__hold *waiting; /* all that wait */
} sy__ledger;

/* Closed when no hold is held or waits. */
void sy__ledger_init(sy__ledger *l);
void sy__ledger_close(sy__ledger *l);

/* Reserves hold.need, or says why not. Nothing waits after this: ask sy__ledger_wait. */
sy__admission sy__ledger_reserve(sy__ledger *l, sy__hold *h);
/* The same, and waits where it must: from then on the hold is the ledger's until a settlement returns it. */
sy__admission sy__ledger_wait(sy__ledger *l, sy__hold *h);
/*
 * A running call reports that it has used `more`; what is above its reserve is added to it. Returns the account for
 * which it has to end: its task's own when that is exceeded, any that is exceeded when the call has used more than
 * twice what it had asked for; NULL: it may go on. *unit says what it was about.
 */
const sy__budget *sy__ledger_report(sy__ledger *l, sy__hold *h, const sy__amounts *more, sy__unit *unit);
/* Ends a hold: its reserve is freed, `charge` is what was used. Returns those that waited and go on now, linked by
 * `next`: held, or to be refused when they ask again. Harmless for a hold that is not held. */
sy__hold *sy__ledger_settle(sy__ledger *l, sy__hold *h, const sy__amounts *charge);
/* Takes the waiting holds for which `match` holds out of their queues: they wait no more and hold nothing. Returns
 * them with those that can go on because of it (held), linked by `next`. */
sy__hold *sy__ledger_withdraw(sy__ledger *l, bool (*match)(void *ud, sy__hold *h), void *ud);
/* Charges what was used before (by an earlier process) to an account and all above it. */
void sy__ledger_charge(sy__ledger *l, sy__budget *b, const sy__amounts *used);
/* The same for one account alone. */
void sy__ledger_open(sy__ledger *l, sy__budget *b, const sy__amounts *used);
/* What is settled and reserved in one account now. */
void sy__ledger_look(sy__ledger *l, const sy__budget *b, sy__amounts *settled, sy__amounts *reserved);

/* No limits at all. */
sy__budget_limits sy__budget_limits_none(void);
bool sy__budget_limited(const sy__budget_limits *limits);
/* The account from `b` upwards whose wall time ends first; NULL: none has such a limit. */
const sy__budget *sy__budget_deadline(const sy__budget *b);
/* Whether an account from `b` upwards limits the unit. The innermost, or NULL. */
const sy__budget *sy__budget_limiting(const sy__budget *b, sy__unit unit);

#endif
