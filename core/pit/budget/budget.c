/*
 * budget.c: the ledger: reservations up a chain of accounts, and the queues of those that wait for room.
 *
 * A hold waits only at an account in which something is reserved, and every reservation ends in a settlement, which
 * looks at the queues of all accounts it touched: so nobody waits for ever, and no timer is needed.
 */
#include "pit/budget/budget.h"

#include <stddef.h>

void
sy__ledger_init(sy__ledger *l)
{
    (void)pthread_mutex_init(&l->lock, NULL);
    l->waiting = NULL;
}

void
sy__ledger_close(sy__ledger *l)
{
    (void)pthread_mutex_destroy(&l->lock);
}

sy__budget_limits
sy__budget_limits_none(void)
{
    return (sy__budget_limits){.of = {SY__NO_LIMIT, SY__NO_LIMIT, SY__NO_LIMIT}, .wall_ms = SY__NO_LIMIT};
}

bool
sy__budget_limited(const sy__budget_limits *limits)
{
    for (int u = 0; u < SY__UNITS; u++)
        if (limits->of[u] >= 0) return true;
    return limits->wall_ms >= 0;
}

const sy__budget *
sy__budget_deadline(const sy__budget *b)
{
    const sy__budget *first = NULL;
    for (; b; b = b->parent)
        if (b->ends_ns && (!first || b->ends_ns < first->ends_ns)) first = b;
    return first;
}

const sy__budget *
sy__budget_limiting(const sy__budget *b, sy__unit unit)
{
    while (b && (unit == SY__UNIT_WALL ? b->limits.wall_ms : b->limits.of[unit]) < 0) b = b->parent;
    return b;
}

/* ---- whether it fits; the lock is held ---- */

/* Room for CPU time is cut to what is left where nobody else has any: a call never uses more than it was given. */
static sy__admission
fit_cpu(const sy__budget *b, int64_t *need)
{
    int64_t rest = b->limits.of[SY__UNIT_CPU] - b->settled.of[SY__UNIT_CPU] - b->reserved.of[SY__UNIT_CPU];
    if (*need <= rest && rest > 0) return SY__ADMITTED;
    if (b->reserved.of[SY__UNIT_CPU] > 0) return SY__MUST_WAIT;
    if (rest <= 0) return SY__BREACH;
    *need = rest;
    return SY__ADMITTED;
}

/* Charges are known only afterwards: what others hold counts twice while they run. */
static sy__admission
fit_charge(const sy__budget *b, sy__unit u, int64_t need)
{
    int64_t limit = b->limits.of[u], settled = b->settled.of[u], reserved = b->reserved.of[u];
    if (settled > limit - need) return SY__BREACH;
    if (reserved == 0 || reserved <= (limit - settled - need) / 2) return SY__ADMITTED;
    return SY__MUST_WAIT;
}

/* Whether the hold needs something that this account limits. */
static bool
bound_by(const sy__budget *b, const sy__hold *h)
{
    for (int u = 0; u < SY__UNITS; u++)
        if (b->limits.of[u] >= 0 && (h->uses & 1u << u)) return true;
    return false;
}

/* Asks every account of the chain. A breach anywhere counts more than waiting somewhere. `turn`: it is the first of
 * that account's queue. */
static sy__admission
look(sy__hold *h, const sy__budget *turn, sy__amounts *need)
{
    sy__admission all = SY__ADMITTED;
    *need = h->need;
    for (sy__budget *b = h->budget; b; b = b->parent) {
        for (int u = 0; u < SY__UNITS; u++) {
            if (b->limits.of[u] < 0 || !(h->uses & 1u << u)) continue;
            sy__admission one = u == SY__UNIT_CPU ? fit_cpu(b, &need->of[u]) : fit_charge(b, (sy__unit)u, need->of[u]);
            if (one <= all) continue;
            all = one;
            h->at = b;
            h->unit = (sy__unit)u;
        }
        if (all == SY__ADMITTED && b != turn && b->head && bound_by(b, h)) {
            all = SY__MUST_WAIT;
            h->at = b;
            h->unit = b->head->unit;
        }
    }
    return all;
}

static void
take(sy__hold *h, const sy__amounts *need)
{
    h->reserved = *need;
    h->charged = (sy__amounts){{0}};
    h->held = true;
    h->at = NULL;
    for (sy__budget *b = h->budget; b; b = b->parent)
        for (int u = 0; u < SY__UNITS; u++) b->reserved.of[u] += need->of[u];
}

static sy__admission
attempt(sy__hold *h, const sy__budget *turn)
{
    sy__amounts need;
    sy__admission how = look(h, turn, &need);
    if (how == SY__ADMITTED) take(h, &need);
    return how;
}

/* ---- queues; the lock is held ---- */

static void
enqueue(sy__ledger *l, sy__hold *h)
{
    sy__budget *b = h->at;
    h->next = NULL;
    if (b->tail)
        b->tail->next = h;
    else
        b->head = h;
    b->tail = h;
    if (h->waits) return;
    h->waits = true;
    h->before = NULL;
    h->after = l->waiting;
    if (l->waiting) l->waiting->before = h;
    l->waiting = h;
}

static void
dequeue(sy__budget *b, sy__hold *h)
{
    sy__hold *before = NULL;
    for (sy__hold *one = b->head; one && one != h; one = one->next) before = one;
    if (before)
        before->next = h->next;
    else
        b->head = h->next;
    if (b->tail == h) b->tail = before;
    h->next = NULL;
}

static void
wait_no_more(sy__ledger *l, sy__hold *h)
{
    if (h->before)
        h->before->after = h->after;
    else
        l->waiting = h->after;
    if (h->after) h->after->before = h->before;
    h->waits = false;
}

/* Lets in whoever fits now, from the front of an account's queue; the first that does not keeps its place. */
static void
let_in(sy__ledger *l, sy__budget *b, sy__hold ***end)
{
    while (b->head) {
        sy__hold *h = b->head;
        sy__admission how = attempt(h, b);
        if (how == SY__MUST_WAIT && h->at == b) return;
        dequeue(b, h);
        if (how == SY__MUST_WAIT) {
            enqueue(l, h);
            continue;
        }
        wait_no_more(l, h);
        **end = h;
        *end = &h->next;
    }
}

/* ---- from outside ---- */

sy__admission
sy__ledger_reserve(sy__ledger *l, sy__hold *h)
{
    (void)pthread_mutex_lock(&l->lock);
    sy__admission how = attempt(h, NULL);
    (void)pthread_mutex_unlock(&l->lock);
    return how;
}

sy__admission
sy__ledger_wait(sy__ledger *l, sy__hold *h)
{
    (void)pthread_mutex_lock(&l->lock);
    sy__admission how = attempt(h, NULL);
    if (how == SY__MUST_WAIT) enqueue(l, h);
    (void)pthread_mutex_unlock(&l->lock);
    return how;
}

/* Adds to a hold's reserve what it has used above it. */
static void
grow(sy__hold *h)
{
    for (int u = 0; u < SY__UNITS; u++) {
        int64_t more = h->charged.of[u] - h->reserved.of[u];
        if (more <= 0) continue;
        h->reserved.of[u] += more;
        for (sy__budget *b = h->budget; b; b = b->parent) b->reserved.of[u] += more;
    }
}

static const sy__budget *
exceeded(const sy__hold *h, sy__unit *unit)
{
    for (const sy__budget *b = h->budget; b; b = b->parent)
        for (int u = 0; u < SY__UNIT_CPU; u++) {
            bool over = b->limits.of[u] >= 0 && b->settled.of[u] + b->reserved.of[u] > b->limits.of[u];
            if (!over || !(b->own || h->charged.of[u] > 2 * h->need.of[u])) continue;
            *unit = (sy__unit)u;
            return b;
        }
    return NULL;
}

const sy__budget *
sy__ledger_report(sy__ledger *l, sy__hold *h, const sy__amounts *more, sy__unit *unit)
{
    (void)pthread_mutex_lock(&l->lock);
    for (int u = 0; u < SY__UNITS; u++) h->charged.of[u] += more->of[u];
    if (h->held) grow(h);
    const sy__budget *b = h->held ? exceeded(h, unit) : NULL;
    (void)pthread_mutex_unlock(&l->lock);
    return b;
}

sy__hold *
sy__ledger_settle(sy__ledger *l, sy__hold *h, const sy__amounts *charge)
{
    sy__hold *list = NULL, **end = &list;
    (void)pthread_mutex_lock(&l->lock);
    if (h->held) {
        h->held = false;
        for (sy__budget *b = h->budget; b; b = b->parent)
            for (int u = 0; u < SY__UNITS; u++) {
                b->reserved.of[u] -= h->reserved.of[u];
                b->settled.of[u] += charge->of[u];
            }
        for (sy__budget *b = h->budget; b; b = b->parent) let_in(l, b, &end);
    }
    *end = NULL;
    (void)pthread_mutex_unlock(&l->lock);
    return list;
}

sy__hold *
sy__ledger_withdraw(sy__ledger *l, bool (*match)(void *ud, sy__hold *h), void *ud)
{
    sy__hold *list = NULL, **end = &list;
    (void)pthread_mutex_lock(&l->lock);
    for (sy__hold *h = l->waiting, *after; h; h = after) {
        after = h->after;
        if (!match(ud, h)) continue;
        dequeue(h->at, h);
        wait_no_more(l, h);
        *end = h;
        end = &h->next;
    }
    *end = NULL;
    sy__hold *gone = list;
    for (; gone; gone = gone->next) { /* the first of a queue may have kept others out that fit */
        if (gone->held) continue;
        for (sy__budget *b = gone->budget; b; b = b->parent) let_in(l, b, &end);
        *end = NULL;
    }
    (void)pthread_mutex_unlock(&l->lock);
    return list;
}

void
sy__ledger_open(sy__ledger *l, sy__budget *b, const sy__amounts *used)
{
    (void)pthread_mutex_lock(&l->lock);
    for (int u = 0; u < SY__UNITS; u++) b->settled.of[u] += used->of[u];
    (void)pthread_mutex_unlock(&l->lock);
}

void
sy__ledger_charge(sy__ledger *l, sy__budget *b, const sy__amounts *used)
{
    (void)pthread_mutex_lock(&l->lock);
    for (; b; b = b->parent)
        for (int u = 0; u < SY__UNITS; u++) b->settled.of[u] += used->of[u];
    (void)pthread_mutex_unlock(&l->lock);
}

void
sy__ledger_look(sy__ledger *l, const sy__budget *b, sy__amounts *settled, sy__amounts *reserved)
{
    (void)pthread_mutex_lock(&l->lock);
    *settled = b->settled;
    *reserved = b->reserved;
    (void)pthread_mutex_unlock(&l->lock);
}
