/* budget_shared.c: see budget_shared.h. What others hold counts twice here, too (budget.h). */
#include "pit/budget/budget_shared.h"

#include "db/params.h"

#include <stdio.h>
#include <string.h>

static const char SQL_RESERVE[] =
    "INSERT INTO budget_reservation (id, session_id, pipeline_orchestration_id, task_id, day, usd_micro, tokens,"
    " created_at)"
    " SELECT ?1,?2,?3,?4,?5,?6,?7,?8 FROM"
    " (SELECT coalesce(sum(usd_micro), 0) AS u, coalesce(sum(tokens), 0) AS k FROM budget_reservation),"
    " (SELECT coalesce(sum(usd_micro), 0) AS du, coalesce(sum(tokens), 0) AS dk FROM budget_reservation WHERE day = "
    "?5),"
    " (SELECT coalesce(max(usd_micro), 0) AS pu, coalesce(max(tokens), 0) AS pk FROM budget_account"
    " WHERE name = 'project'),"
    " (SELECT coalesce(max(usd_micro), 0) AS au, coalesce(max(tokens), 0) AS ak FROM budget_account WHERE name = ?5)"
    " WHERE (?9 < 0 OR pu + 2 * u + ?6 <= ?9) AND (?10 < 0 OR pk + 2 * k + ?7 <= ?10)"
    " AND (?11 < 0 OR au + 2 * du + ?6 <= ?11) AND (?12 < 0 OR ak + 2 * dk + ?7 <= ?12)";

static const char SQL_CHARGE[] =
    "INSERT INTO budget_account (name, usd_micro, tokens, updated_at) VALUES ('project',?1,?2,?3), (?4,?1,?2,?3)"
    " ON CONFLICT (name) DO UPDATE SET usd_micro = usd_micro + excluded.usd_micro, tokens = tokens + excluded.tokens,"
    " updated_at = excluded.updated_at";

static const char SQL_FREE[] = "DELETE FROM budget_reservation WHERE id = ?1";

/* What a dead host had reserved counts as spent. */
static const char SQL_DEAD_PROJECT[] =
    "INSERT INTO budget_account (name, usd_micro, tokens, updated_at)"
    " SELECT 'project', sum(usd_micro), sum(tokens), ?2 FROM budget_reservation WHERE session_id = ?1"
    " HAVING count(*) > 0"
    " ON CONFLICT (name) DO UPDATE SET usd_micro = usd_micro + excluded.usd_micro, tokens = tokens + excluded.tokens,"
    " updated_at = excluded.updated_at";
static const char SQL_DEAD_DAY[] =
    "INSERT INTO budget_account (name, usd_micro, tokens, updated_at)"
    " SELECT day, sum(usd_micro), sum(tokens), ?2 FROM budget_reservation WHERE session_id = ?1 GROUP BY day"
    " ON CONFLICT (name) DO UPDATE SET usd_micro = usd_micro + excluded.usd_micro, tokens = tokens + excluded.tokens,"
    " updated_at = excluded.updated_at";
static const char SQL_DEAD_FREE[] = "DELETE FROM budget_reservation WHERE session_id = ?1";

/* The engine's part; NULL without such budgets. */
struct sy__shared {
    int reserve, charge, free, dead_project, dead_day, dead_free;
    pthread_mutex_t lock;
    sy__task_budget *waiting;
    int64_t swept_ns; /* when dead hosts were looked for last */
};

/* "project" and "day", of one unit. */
typedef struct level {
    const char *name;
    int64_t limit, settled, reserved;
} level;

enum { PROJECT, DAY, LEVELS, DAY_BYTES = 16, SWEEP_NS = 1000000000 };

bool
sy__shared_limited(const sy__engine *e)
{
    return sy__shared_limits(e, SY__UNIT_USD) || sy__shared_limits(e, SY__UNIT_TOKENS);
}

bool
sy__shared_limits(const sy__engine *e, sy__unit unit)
{
    return unit < SY__UNIT_CPU && (e->o.budget.project[unit] > 0 || e->o.budget.day[unit] > 0);
}

/* A setting of 0 is no limit. */
static int64_t
limit_of(const sy__engine *e, int which, int unit)
{
    int64_t limit = which == PROJECT ? e->o.budget.project[unit] : e->o.budget.day[unit];
    return limit > 0 ? limit : SY__NO_LIMIT;
}

static void
today(const sy__engine *e, char day[DAY_BYTES], char stamp[SY__STAMP_BYTES])
{
    sy__stamp(sy__wall_ms(e->o.clock), stamp);
    (void)snprintf(day, DAY_BYTES, "day %.10s", stamp);
}

/* ---- opening ---- */

/* Accounts know at least what ended runs say, also when the budget was set only now. Writer thread. */
static int
make_accounts(sqlite3 *conn, void *ud, sy__error *err)
{
    static const char sql[] =
        "INSERT INTO budget_account (name, usd_micro, tokens, updated_at)"
        " SELECT ?1, CAST(round(coalesce(sum(cost_usd), 0) * 1000000) AS INTEGER), coalesce(sum(cost_tokens), 0), ?2"
        " FROM pipeline_orchestration WHERE ?1 = 'project' OR completed_at >= substr(?1, 5)"
        " ON CONFLICT (name) DO UPDATE SET usd_micro = max(usd_micro, excluded.usd_micro),"
        " tokens = max(tokens, excluded.tokens)";
    char day[DAY_BYTES], stamp[SY__STAMP_BYTES];
    today(ud, day, stamp);
    const char *names[] = {"project", day};
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *stmt = NULL;
        int rc = sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL);
        if (!rc) {
            (void)sqlite3_bind_text(stmt, 1, names[i], -1, SQLITE_STATIC);
            (void)sqlite3_bind_text(stmt, 2, stamp, -1, SQLITE_STATIC);
            rc = sqlite3_step(stmt) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
        }
        if (rc) (void)sy__error_set(err, SY_EIO, "the budgets cannot be opened: %s", sqlite3_errmsg(conn));
        (void)sqlite3_finalize(stmt);
        if (rc) return SY_EIO;
    }
    return SY_OK;
}

int
sy__shared_open(sy__engine *e, sy__error *err)
{
    if (!sy__shared_limited(e)) return SY_OK;
    struct sy__shared *x = e->shared = sy__calloc(e->alloc, 1, sizeof *x);
    if (!x) return sy__error_set(err, SY_ENOMEM, "no memory for the budgets");
    (void)pthread_mutex_init(&x->lock, NULL);
    x->reserve = sy__db_statement(e->o.db, SQL_RESERVE);
    x->charge = sy__db_statement(e->o.db, SQL_CHARGE);
    x->free = sy__db_statement(e->o.db, SQL_FREE);
    x->dead_project = sy__db_statement(e->o.db, SQL_DEAD_PROJECT);
    x->dead_day = sy__db_statement(e->o.db, SQL_DEAD_DAY);
    x->dead_free = sy__db_statement(e->o.db, SQL_DEAD_FREE);
    if (x->dead_free < 0 || x->reserve < 0) return sy__error_set(err, SY_ENOMEM, "no memory for the budgets");
    return sy__db_exclusive(e->o.db, make_accounts, e, err);
}

void
sy__shared_close(sy__engine *e)
{
    if (!e->shared) return;
    (void)pthread_mutex_destroy(&e->shared->lock);
    sy__free(e->alloc, e->shared);
    e->shared = NULL;
}

/* ---- what there is ---- */

/* Settled and reserved of both levels for both units; and whether `id` is reserved. false: it cannot be read. */
static bool
read_levels(sy__engine *e, const char *id, level at[LEVELS][2], bool *held)
{
    static const char sql[] =
        "SELECT coalesce((SELECT usd_micro FROM budget_account WHERE name = n.name), 0),"
        " coalesce((SELECT tokens FROM budget_account WHERE name = n.name), 0),"
        " (SELECT coalesce(sum(usd_micro), 0) FROM budget_reservation WHERE n.name = 'project' OR day = n.name),"
        " (SELECT coalesce(sum(tokens), 0) FROM budget_reservation WHERE n.name = 'project' OR day = n.name),"
        " EXISTS (SELECT 1 FROM budget_reservation WHERE id = ?2)"
        " FROM (SELECT 0 AS i, 'project' AS name UNION ALL SELECT 1, ?1) n ORDER BY n.i";
    char day[DAY_BYTES], stamp[SY__STAMP_BYTES];
    sqlite3_stmt *stmt = NULL;
    sqlite3 *conn = sy__db_reader(e->o.db, NULL);
    int rows = 0;
    if (!conn) return false;
    today(e, day, stamp);
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) == SQLITE_OK) {
        (void)sqlite3_bind_text(stmt, 1, day, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 2, id, -1, SQLITE_STATIC);
        for (; rows < LEVELS && sqlite3_step(stmt) == SQLITE_ROW; rows++) {
            for (int u = 0; u < 2; u++)
                at[rows][u] = (level){rows == PROJECT ? "project" : "day", limit_of(e, rows, u),
                                      sqlite3_column_int64(stmt, u), sqlite3_column_int64(stmt, 2 + u)};
            *held = sqlite3_column_int(stmt, 4) != 0;
        }
    }
    (void)sqlite3_finalize(stmt);
    sy__db_reader_release(e->o.db, conn);
    return rows == LEVELS;
}

/* The level that has no room for `need`; *never: not even when all that is reserved is freed. */
static const level *
full_level(level at[LEVELS][2], const sy__amounts *need, int *unit, bool *never)
{
    const level *full = NULL;
    *never = false;
    for (int i = 0; i < LEVELS && !*never; i++)
        for (int u = 0; u < 2 && !*never; u++) {
            const level *l = &at[i][u];
            if (l->limit < 0 || l->settled + 2 * l->reserved + need->of[u] <= l->limit) continue;
            full = l;
            *unit = u;
            *never = l->settled + need->of[u] > l->limit;
        }
    return full;
}

/* ---- dead hosts ---- */

static void
bury(sy__stage *s, const char *host)
{
    struct sy__shared *x = s->engine->shared;
    sy__db *db = s->engine->o.db;
    char day[DAY_BYTES], stamp[SY__STAMP_BYTES];
    today(s->engine, day, stamp);
    sy__param p[] = {sy__p_text(host), sy__p_text(stamp)};
    sy__db_begin(db);
    (void)sy__db_put(db, SY__LEVEL_PROCESS, x->dead_project, NULL, p, 2, NULL);
    (void)sy__db_put(db, SY__LEVEL_PROCESS, x->dead_day, NULL, p, 2, NULL);
    (void)sy__db_put(db, SY__LEVEL_PROCESS, x->dead_free, NULL, p, 1, NULL);
    sy__db_end(db);
}

/* At most once a second: reservations of hosts that are gone. */
static void
sweep_dead(sy__stage *s)
{
    sy__engine *e = s->engine;
    int64_t now = sy__stage_ns(s);
    (void)pthread_mutex_lock(&e->shared->lock);
    bool due = !e->shared->swept_ns || now - e->shared->swept_ns > SWEEP_NS;
    if (due) e->shared->swept_ns = now;
    (void)pthread_mutex_unlock(&e->shared->lock);
    sqlite3 *conn = due ? sy__db_reader(e->o.db, NULL) : NULL;
    sqlite3_stmt *stmt = NULL;
    if (!conn) return;
    if (sqlite3_prepare_v2(conn, "SELECT DISTINCT session_id FROM budget_reservation WHERE session_id <> ?1", -1, &stmt,
                           NULL) == SQLITE_OK) {
        (void)sqlite3_bind_text(stmt, 1, sy__db_host_id(e->o.db), -1, SQLITE_STATIC);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *host = (const char *)sqlite3_column_text(stmt, 0);
            if (!sy__db_host_alive(e->o.db, host)) bury(s, host);
        }
    }
    (void)sqlite3_finalize(stmt);
    sy__db_reader_release(e->o.db, conn);
}

/* ---- reserving ---- */

static void
refuse(sy__stage *s, sy__task *t, const level *full, int unit)
{
    sy__error err = {0};
    char limit[64], spent[64], asked[64];
    static const char *const keys[] = {"usd", "tokens"};
    sy__budget_amount((sy__unit)unit, full->limit, limit, sizeof limit);
    sy__budget_amount((sy__unit)unit, full->settled, spent, sizeof spent);
    sy__budget_amount((sy__unit)unit, t->budget->hold.need.of[unit], asked, sizeof asked);
    (void)sy__error_set(&err, SY_EBUDGET, "the budget of the %s is %s: %s spent, and `%s` asks for %s", full->name,
                        limit, spent, t->spec->targets[t->target].name, asked);
    if (s->engine->o.budget.on_breach == SY__BREACH_ASK)
        sy__error_hint(&err, "symphony config set budget.%s.%s AMOUNT, then symphony resume %lld --retry %s",
                       full->name, keys[unit], (long long)t->run->number, t->budget->name);
    else
        sy__error_hint(&err, "symphony config set budget.%s.%s AMOUNT   raises it", full->name, keys[unit]);
    sy__budget_leave(s, t);
    t->attempts--;
    sy__budget_breach(s, t, s->engine->o.budget.on_breach, true, &err);
}

/* Waits without gates and without what it held in its run. */
static void
wait_shared(sy__stage *s, sy__task *t, const level *full)
{
    struct sy__shared *x = s->engine->shared;
    sy__task_budget *b = t->budget;
    char context[256];
    t->attempts--;
    t->status = SY__TASK_DISPATCHED;
    (void)snprintf(context, sizeof context,
                   "{\"decision\":\"budget_wait\",\"budget\":\"%s\",\"limit\":%lld,"
                   "\"reason\":\"it waits for room in the budget of the %s\"}",
                   full->name, (long long)full->limit, full->name);
    if (t->run->level != SY__LEVEL_NONE) {
        if (!t->started) sy__record_task(s, t);
        sy__record_pit(s, t->run, t, SY__MEMBER_ARBITER, context, NULL);
    }
    sy__budget_leave(s, t);
    sy__task_leave(s, t);
    if (sy__task_stopped(t)) {
        sy__budget_again(s, t);
        return;
    }
    (void)pthread_mutex_lock(&x->lock);
    b->shared_waits = true;
    b->shared_next = NULL;
    sy__task_budget **end = &x->waiting;
    while (*end) end = &(*end)->shared_next;
    *end = b;
    (void)pthread_mutex_unlock(&x->lock);
}

/* The statement has been committed, or the database failed. */
static void
decided(sy__stage *s, void *ud)
{
    sy__task *t = ud;
    sy__task_budget *b = t->budget;
    level at[LEVELS][2] = {{{0}}};
    const level *full;
    int unit = 0;
    bool held = false, never = false;
    bool read = read_levels(s->engine, b->reservation, at, &held);
    b->shared_held = held;
    if (sy__task_stopped(t) || !read) {
        if (!read) sy__run_unwritten(t->run, SY_EIO);
        t->attempts--;
        sy__task_drop(s, t);
        return;
    }
    if (held) {
        sy__budget_begin(s, t);
        sy__attempt_go(s, t);
        return;
    }
    b->reservation[0] = '\0';
    full = full_level(at, &b->hold.need, &unit, &never);
    if (full && never) {
        refuse(s, t, full, unit);
        return;
    }
    sweep_dead(s);
    wait_shared(s, t, full ? full : &at[PROJECT][0]);
}

/* Writer thread. */
static void
on_reserved(void *ud, int status)
{
    sy__task *t = ud;
    sy__stage *s = t->budget->stage;
    sy__engine *e = s->engine;
    if (status) sy__run_unwritten(t->run, status);
    if (!sy__stage_post(s, decided, t)) sy__run_unwritten(t->run, SY_ENOMEM);
    (void)atomic_fetch_sub(&e->hooks, 1);
}

bool
sy__shared_admit(sy__stage *s, sy__task *t)
{
    sy__engine *e = s->engine;
    sy__task_budget *b = t->budget;
    char day[DAY_BYTES], stamp[SY__STAMP_BYTES];
    if (!e->shared || b->shared_held || !(b->hold.uses & 3u)) return true;
    today(e, day, stamp);
    sy__id_next(&s->ids, b->reservation);
    sy__param p[] = {
        sy__p_text(b->reservation),
        sy__p_text(sy__db_host_id(e->o.db)),
        sy__p_text(t->run->id),
        sy__p_text(t->id),
        sy__p_text(day),
        sy__p_integer(b->hold.need.of[SY__UNIT_USD]),
        sy__p_integer(b->hold.need.of[SY__UNIT_TOKENS]),
        sy__p_text(stamp),
        sy__p_integer(limit_of(e, PROJECT, SY__UNIT_USD)),
        sy__p_integer(limit_of(e, PROJECT, SY__UNIT_TOKENS)),
        sy__p_integer(limit_of(e, DAY, SY__UNIT_USD)),
        sy__p_integer(limit_of(e, DAY, SY__UNIT_TOKENS)),
    };
    (void)atomic_fetch_add(&e->hooks, 1);
    int status = sy__db_put(e->o.db, SY__LEVEL_PROCESS, e->shared->reserve, NULL, p, sizeof p / sizeof *p, NULL);
    if (!status) status = sy__db_notify(e->o.db, sy__db_now(e->o.db), false, on_reserved, t);
    if (!status) return false;
    (void)atomic_fetch_sub(&e->hooks, 1);
    sy__run_unwritten(t->run, status);
    t->attempts--;
    sy__task_drop(s, t);
    return false;
}

void
sy__shared_settle(sy__stage *s, sy__task *t, const sy__amounts *charge)
{
    sy__engine *e = s->engine;
    sy__task_budget *b = t->budget;
    if (!e->shared) return;
    char day[DAY_BYTES], stamp[SY__STAMP_BYTES];
    bool held = b->reservation[0] != '\0', spent = charge->of[SY__UNIT_USD] || charge->of[SY__UNIT_TOKENS];
    today(e, day, stamp);
    sy__param p[] = {sy__p_integer(charge->of[SY__UNIT_USD]), sy__p_integer(charge->of[SY__UNIT_TOKENS]),
                     sy__p_text(stamp), sy__p_text(day)};
    sy__param id[] = {sy__p_text(b->reservation)};
    sy__db_begin(e->o.db);
    if (spent) (void)sy__db_put(e->o.db, SY__LEVEL_PROCESS, e->shared->charge, NULL, p, 4, NULL);
    if (held) (void)sy__db_put(e->o.db, SY__LEVEL_PROCESS, e->shared->free, NULL, id, 1, NULL);
    sy__db_end(e->o.db);
    b->reservation[0] = '\0';
    b->shared_held = false;
}

/* ---- who waits ---- */

/* Takes those out of the list for which `take` holds, and submits them. */
static void
let_out(sy__stage *s, bool (*take)(void *ud, sy__task_budget *b), void *ud)
{
    struct sy__shared *x = s->engine->shared;
    sy__task_budget *list = NULL, **end = &list;
    (void)pthread_mutex_lock(&x->lock);
    for (sy__task_budget **at = &x->waiting; *at;) {
        sy__task_budget *b = *at;
        if (!take(ud, b)) {
            at = &b->shared_next;
            continue;
        }
        *at = b->shared_next;
        b->shared_waits = false;
        b->shared_next = NULL;
        *end = b;
        end = &b->shared_next;
    }
    (void)pthread_mutex_unlock(&x->lock);
    while (list) {
        sy__task_budget *next = list->shared_next;
        sy__budget_again(s, list->task);
        list = next;
    }
}

static bool
of_run(void *ud, sy__task_budget *b)
{
    return b->task->run == ud;
}

void
sy__shared_withdraw(sy__stage *s, sy__run *r)
{
    if (s->engine->shared) let_out(s, of_run, r);
}

static bool
fits_now(void *ud, sy__task_budget *b)
{
    level(*at)[2] = ud;
    int unit = 0;
    bool never = false;
    if (sy__task_stopped(b->task)) return true;
    if (full_level(at, &b->hold.need, &unit, &never) && !never) return false;
    for (int i = 0; i < LEVELS; i++)
        for (int u = 0; u < 2; u++) at[i][u].reserved += never ? 0 : b->hold.need.of[u];
    return true;
}

void
sy__shared_tick(sy__stage *s)
{
    struct sy__shared *x = s->engine->shared;
    level at[LEVELS][2] = {{{0}}};
    bool held = false;
    if (!x) return;
    (void)pthread_mutex_lock(&x->lock);
    bool anyone = x->waiting != NULL;
    (void)pthread_mutex_unlock(&x->lock);
    if (!anyone) return;
    sweep_dead(s);
    if (read_levels(s->engine, "", at, &held)) let_out(s, fits_now, at);
}
