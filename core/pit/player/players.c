/*
 * players.c: see players.h.
 *
 * Players are found by key under one lock, and read from the database when they are first met. What another process
 * changed is looked up again once a second: one row by its key.
 */
#include "pit/player/players.h"

#include "base/text.h"
#include "db/params.h"
#include "pit/record/statements.h"

#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = 256, REREAD_MS = 1000, TRIM_EVERY = 64 };

static const sy__player_rules standard = {100, 86400000, 10, 300000, 21600000, 3};

#define MS_OF(stamp) "CAST((julianday(" stamp ") - 2440587.5) * 86400000 + 0.5 AS INTEGER)"

static const char SQL_MAKE[] = "INSERT INTO player (name, extension_id, state, since) VALUES (?1, ?2, 'eligible', ?3)"
                               " ON CONFLICT DO NOTHING";
static const char SQL_STATE[] =
    "INSERT INTO player (name, extension_id, state, reason, since, until, rest_ms) VALUES (?1,?2,?3,?4,?5,?6,?7)"
    " ON CONFLICT (name) DO UPDATE SET state=?3, reason=?4, since=?5, until=?6, rest_ms=?7";
static const char SQL_CALL[] = "INSERT INTO player_call (player, ended_at, ms, failed) VALUES (?1,?2,?3,?4)";
static const char SQL_TRIM[] = "DELETE FROM player_call WHERE player = ?1 AND seq <="
                               " (SELECT seq FROM player_call WHERE player = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
static const char SQL_METRICS[] =
    "UPDATE instrument SET performance_metrics = json_patch(performance_metrics, json_object('as_of', ?2, 'players',"
    " json_object(?3, json_object('calls', ?4, 'failed', ?5, 'p95_ms', ?6)))) WHERE extension_id = ?1";

typedef struct entry {
    sy__player player;
    int64_t read_ms; /* when its row was read last */
    int since_trim;
    char key[KEY_BYTES];
} entry;

struct sy__players {
    pthread_mutex_t lock; /* of all below but `any_paused` */
    sy__map by_key;       /* → entry */
    sy__map paused;       /* names → itself */
    atomic_bool any_paused;
    sy__player_rules rules;
    int make, state, call, trim, metrics; /* of sy__db_statement */
};

static sy__player_rules
rules_of(const sy__engine *e)
{
    sy__player_rules r = e->o.limits.players;
    if (r.calls <= 0) r.calls = standard.calls;
    if (r.calls > SY__PLAYER_CALLS_MAX) r.calls = SY__PLAYER_CALLS_MAX;
    if (r.window_ms <= 0) r.window_ms = standard.window_ms;
    if (r.min_calls <= 0) r.min_calls = standard.min_calls;
    if (r.min_calls > r.calls) r.min_calls = r.calls;
    if (r.rest_ms <= 0) r.rest_ms = standard.rest_ms;
    if (r.rest_max_ms <= 0) r.rest_max_ms = standard.rest_max_ms;
    if (r.trials <= 0) r.trials = standard.trials;
    return r;
}

int
sy__players_open(sy__engine *e, sy__error *err)
{
    struct sy__players *x = e->players = sy__calloc(e->alloc, 1, sizeof *x);
    if (!x) return sy__error_set(err, SY_ENOMEM, "no memory for the players");
    (void)pthread_mutex_init(&x->lock, NULL);
    sy__map_init(&x->by_key, e->alloc);
    sy__map_init(&x->paused, e->alloc);
    x->rules = rules_of(e);
    x->make = sy__db_statement(e->o.db, SQL_MAKE);
    x->state = sy__db_statement(e->o.db, SQL_STATE);
    x->call = sy__db_statement(e->o.db, SQL_CALL);
    x->trim = sy__db_statement(e->o.db, SQL_TRIM);
    x->metrics = sy__db_statement(e->o.db, SQL_METRICS);
    if (x->make < 0 || x->state < 0 || x->call < 0 || x->trim < 0 || x->metrics < 0)
        return sy__error_set(err, SY_ENOMEM, "no memory for the players");
    return SY_OK;
}

void
sy__players_close(sy__engine *e)
{
    struct sy__players *x = e->players;
    size_t at = 0, len;
    const char *key;
    void *value;
    if (!x) return;
    while (sy__map_next(&x->by_key, &at, &key, &len, &value)) {
        sy__player_close(&((entry *)value)->player);
        sy__free(e->alloc, value);
    }
    sy__map_close(&x->by_key);
    sy__map_close(&x->paused);
    (void)pthread_mutex_destroy(&x->lock);
    sy__free(e->alloc, x);
    e->players = NULL;
}

/* ---- rows ---- */

/* Takes over what the row says, where it is newer. */
static void
read_state(sy__engine *e, sqlite3 *conn, entry *n)
{
    static const char sql[] = "SELECT state, reason, " MS_OF("since") ", " MS_OF("until") ", rest_ms FROM player"
                                                                                          " WHERE name = ?1";
    sy__player *p = &n->player;
    sqlite3_stmt *stmt = NULL;
    n->read_ms = sy__wall_ms(e->o.clock);
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) == SQLITE_OK) {
        (void)sqlite3_bind_text(stmt, 1, n->key, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int64(stmt, 2) > p->since_ms) {
            const char *reason = (const char *)sqlite3_column_text(stmt, 1);
            (void)sy__player_state_read((const char *)sqlite3_column_text(stmt, 0), &p->state);
            (void)snprintf(p->reason, sizeof p->reason, "%s", reason ? reason : "");
            p->since_ms = sqlite3_column_int64(stmt, 2);
            p->until_ms = sqlite3_column_int64(stmt, 3);
            p->rest_ms = sqlite3_column_int64(stmt, 4);
            p->trials = p->trials_good = 0;
            if (p->state == SY__PLAYER_ELIGIBLE) p->count = 0;
        }
    }
    (void)sqlite3_finalize(stmt);
}

/* The calls since it has been what it is; on probation those are the trials so far. */
static void
read_calls(sqlite3 *conn, entry *n, int64_t limit)
{
    static const char sql[] = "SELECT at, ms, failed FROM (SELECT seq, " MS_OF(
        "ended_at") " AS at, ms, failed"
                    " FROM player_call WHERE player = ?1 ORDER BY seq DESC LIMIT ?2) WHERE at > ?3"
                    " ORDER BY seq";
    bool on_probation = n->player.state == SY__PLAYER_PROBATION; /* a call may end in the millisecond it began */
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) == SQLITE_OK) {
        (void)sqlite3_bind_text(stmt, 1, n->key, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(stmt, 2, limit);
        (void)sqlite3_bind_int64(stmt, 3, n->player.since_ms - on_probation);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            sy__player_call call = {sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                                    sqlite3_column_int(stmt, 2) != 0};
            sy__player_recall(&n->player, &call);
            if (on_probation) n->player.trials = ++n->player.trials_good;
        }
    }
    (void)sqlite3_finalize(stmt);
}

static void
put_row(sy__engine *e, int statement, const sy__param *p, int count)
{
    (void)sy__db_put(e->o.db, SY__LEVEL_PROCESS, statement, NULL, p, count, NULL);
}

static void
load(sy__engine *e, entry *n, const char *extension_id)
{
    char since[SY__STAMP_BYTES];
    sqlite3 *conn = sy__db_reader(e->o.db, NULL);
    sy__stamp(0, since);
    sy__param p[] = {sy__p_text(n->key), sy__p_text(extension_id), sy__p_text(since)};
    put_row(e, e->players->make, p, 3);
    if (!conn) return;
    read_state(e, conn, n);
    read_calls(conn, n, e->players->rules.calls);
    sy__db_reader_release(e->o.db, conn);
}

/* ---- finding ---- */

/* "git", or "llm:qwen2.5": the model that the input names. */
static void
key_of(const sy__task *t, const sy__extension *ext, char key[KEY_BYTES])
{
    sy__value model;
    size_t len = 0;
    const char *name = NULL;
    if (ext->instrument && t->input && sy__value_get(sy__blob_value(t->input), "model", 5, &model))
        name = sy__value_str(model, &len);
    if (name)
        (void)snprintf(key, KEY_BYTES, "%s:%.*s", ext->name, (int)(len < 100 ? len : 100), name);
    else
        (void)snprintf(key, KEY_BYTES, "%s", ext->name);
}

/* The player of a target, made where it is new; NULL: it is none. lock held. */
static entry *
player_of(sy__engine *e, const sy__task *t, const sy__extension *ext)
{
    struct sy__players *x = e->players;
    char key[KEY_BYTES];
    if (!ext->player) return NULL;
    key_of(t, ext, key);
    entry *n = sy__map_get(&x->by_key, key, strlen(key));
    if (!n) {
        sy__player_promise promise = {ext->max_error_rate, ext->p95_ms};
        n = sy__calloc(e->alloc, 1, sizeof *n);
        if (!n) return NULL;
        memcpy(n->key, key, sizeof key);
        if (sy__player_init(&n->player, e->alloc, &x->rules, promise) || sy__map_put(&x->by_key, key, strlen(key), n)) {
            sy__player_close(&n->player);
            sy__free(e->alloc, n);
            return NULL;
        }
        load(e, n, ext->id);
    }
    n->player.promise = (sy__player_promise){ext->max_error_rate, ext->p95_ms}; /* of the version that runs */
    return n;
}

static void
refresh(sy__engine *e, entry *n, int64_t now_ms)
{
    if (now_ms - n->read_ms >= 0 && now_ms - n->read_ms < REREAD_MS) return;
    sqlite3 *conn = sy__db_reader(e->o.db, NULL);
    if (!conn) return;
    read_state(e, conn, n);
    sy__db_reader_release(e->o.db, conn);
}

/* ---- changes ---- */

static void
put_state(sy__engine *e, const entry *n, const char *extension_id)
{
    const sy__player *p = &n->player;
    char since[SY__STAMP_BYTES], until[SY__STAMP_BYTES];
    sy__param row[] = {sy__p_text(n->key),
                       sy__p_text(extension_id),
                       sy__p_text(sy__player_state_name(p->state)),
                       sy__p_text(p->reason[0] ? p->reason : NULL),
                       sy__p_stamp(p->since_ms, since),
                       sy__p_stamp(p->until_ms, until),
                       sy__p_integer(p->rest_ms)};
    put_row(e, e->players->state, row, 7);
}

/* Writes and tells that a player has changed. */
static void
tell(sy__stage *s, sy__task *t, const sy__extension *ext, const entry *n)
{
    static const char *const types[] = {"player.reinstated", "player.suspended", "player.probation"};
    const sy__player *p = &n->player;
    char until[SY__STAMP_BYTES], topic[64];
    sy__buf payload;
    put_state(s->engine, n, ext->id);
    sy__buf_init(&payload, s->engine->alloc);
    sy__buf_adds(&payload, "{\"player\":");
    sy__json_string(&payload, n->key, strlen(n->key));
    sy__buf_adds(&payload, ",\"reason\":");
    sy__json_string(&payload, p->reason, strlen(p->reason));
    if (p->state == SY__PLAYER_SUSPENDED) {
        sy__stamp(p->until_ms, until);
        sy__buf_addf(&payload, ",\"until\":\"%s\"", until);
    }
    sy__buf_addc(&payload, '}');
    (void)snprintf(topic, sizeof topic, "kit.%s", types[p->state]);
    bool stored = t->run->level != SY__LEVEL_NONE;
    sy__attempt_show(s, t); /* the event refers to its row */
    sy__event event = {.run = t->run->id,
                       .task = t->id,
                       .extension = ext->id,
                       .type = types[p->state],
                       .topic = topic,
                       .payload = sy__buf_cstr(&payload),
                       .context = s->first_context,
                       .occurred_ms = sy__wall_ms(s->engine->o.clock)};
    char id[SY__ID_BYTES];
    sy__id_next(&s->ids, id);
    event.id = id;
    if (event.payload && stored) (void)sy__db_put_event(s->engine->o.db, t->run->level, &event);
    if (event.payload && !stored) sy__router_publish(s->engine->o.router, &event);
    sy__buf_close(&payload);
}

/* ---- before a call ---- */

static bool
is_paused(sy__engine *e, const sy__extension *ext)
{
    struct sy__players *x = e->players;
    if (!atomic_load_explicit(&x->any_paused, memory_order_relaxed)) return false;
    (void)pthread_mutex_lock(&x->lock);
    bool paused = sy__map_get(&x->paused, ext->name, strlen(ext->name)) != NULL;
    (void)pthread_mutex_unlock(&x->lock);
    return paused;
}

/* Whether a later target of the task may be chosen now. */
static bool
has_other(sy__stage *s, const sy__task *t, int64_t now_ms)
{
    sy__engine *e = s->engine;
    for (uint32_t i = t->target + 1; i < t->spec->target_count; i++) {
        const sy__extension *ext = t->spec->targets[i].extension;
        if (is_paused(e, ext)) continue;
        (void)pthread_mutex_lock(&e->players->lock);
        entry *n = player_of(e, t, ext);
        bool may = !n || sy__player_may(&n->player, now_ms);
        (void)pthread_mutex_unlock(&e->players->lock);
        if (may) return true;
    }
    return false;
}

/* Takes the call back: the next target, or, where it is paused and there is none, failure. */
static bool
pass_on(sy__stage *s, sy__task *t, const sy__error *why)
{
    t->attempts--; /* it was not called */
    sy__task_note_error(s, t, why);
    char context[128];
    (void)snprintf(context, sizeof context, "{\"decision\":\"passed_over\",\"extension\":\"%.80s\"}",
                   t->spec->targets[t->target].extension->name);
    sy__attempt_show(s, t);
    sy__record_pit(s, t->run, t, SY__MEMBER_ARBITER, context, NULL);
    if (t->error && sy__retry_fallback(s, t)) return false;
    sy__task_fail(s, t, why);
    return false;
}

static bool
turn_of_paused(sy__stage *s, sy__task *t, const sy__extension *ext)
{
    sy__error err;
    (void)sy__error_set(&err, SY_ESUSPENDED, "%s is paused", ext->name);
    sy__error_hint(&err, "symphony ext resume %s", ext->name);
    return pass_on(s, t, &err);
}

static bool
turn_of_player(sy__stage *s, sy__task *t, const sy__extension *ext)
{
    sy__engine *e = s->engine;
    int64_t now = sy__wall_ms(e->o.clock);
    sy__error err;
    bool changed = false, other = t->target + 1 < t->spec->target_count && has_other(s, t, now);
    (void)pthread_mutex_lock(&e->players->lock);
    entry *n = player_of(e, t, ext);
    if (n) refresh(e, n, now);
    bool may = !n || sy__player_choose(&n->player, now, &changed);
    if (changed) tell(s, t, ext, n);
    if (!may && other) {
        char until[SY__STAMP_BYTES];
        sy__stamp(n->player.until_ms, until);
        (void)sy__error_set(&err, SY_ESUSPENDED, "%s is %s (until %s): %s", n->key,
                            sy__player_state_name(n->player.state), until, n->player.reason);
    }
    (void)pthread_mutex_unlock(&e->players->lock);
    return may || !other || pass_on(s, t, &err);
}

bool
sy__players_turn(sy__stage *s, sy__task *t)
{
    const sy__extension *ext = t->spec->targets[t->target].extension;
    if (t->undoes) return true; /* what was done is undone, whoever did it */
    if (is_paused(s->engine, ext)) return turn_of_paused(s, t, ext);
    return !ext->player || turn_of_player(s, t, ext);
}

/* ---- after a call ---- */

/* Whether an error says something about the player: not what was asked of it, who stopped it, nor what it may. */
static bool
is_its_fault(int code, bool own)
{
    switch (code) {
    case SY_ETIMEOUT:
    case SY_EMEMORY:
    case SY_EEXTENSION:
    case SY_EPROCESS:
    case SY_EIO:
    case SY_EINTERNAL: return true;
    default: return own;
    }
}

void
sy__players_ended(sy__stage *s, sy__task *t, int64_t ms, int code, bool own)
{
    const sy__extension *ext = t->spec->targets[t->target].extension;
    sy__engine *e = s->engine;
    struct sy__players *x = e->players;
    if (!ext->player) return;
    sy__player_call call = {sy__wall_ms(e->o.clock), ms, code != SY_OK};
    char at[SY__STAMP_BYTES];
    sy__stamp(call.at_ms, at);
    (void)pthread_mutex_lock(&x->lock);
    entry *n = player_of(e, t, ext);
    if (n && call.failed && !is_its_fault(code, own)) {
        sy__player_unused(&n->player);
    } else if (n) {
        sy__param row[] = {sy__p_text(n->key), sy__p_text(at), sy__p_integer(ms), sy__p_integer(call.failed)};
        put_row(e, x->call, row, 4);
        if (sy__player_note(&n->player, &call)) tell(s, t, ext, n);
        sy__param trim[] = {sy__p_text(n->key), sy__p_integer(x->rules.calls)};
        if (n->since_trim++ % TRIM_EVERY == TRIM_EVERY - 1) put_row(e, x->trim, trim, 2);
        sy__player_figures f = sy__player_look(&n->player, call.at_ms);
        sy__param metrics[] = {sy__p_text(ext->id),    sy__p_text(at),          sy__p_text(n->key),
                               sy__p_integer(f.calls), sy__p_integer(f.failed), sy__p_integer(f.p95_ms)};
        if (ext->instrument) put_row(e, x->metrics, metrics, 6);
    }
    (void)pthread_mutex_unlock(&x->lock);
}

/* ---- who is paused ---- */

void
sy__players_look(sy__engine *e)
{
    struct sy__players *x = e->players;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *conn = sy__db_reader(e->o.db, NULL);
    if (!conn) return;
    bool any = false;
    (void)pthread_mutex_lock(&x->lock);
    sy__map_close(&x->paused);
    sy__map_init(&x->paused, e->alloc);
    if (sqlite3_prepare_v2(conn, "SELECT e.name FROM extension_pause p JOIN extension e ON e.id = p.extension_id", -1,
                           &stmt, NULL) == SQLITE_OK)
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(stmt, 0);
            any |= sy__map_put(&x->paused, name, strlen(name), x) == 0;
        }
    (void)sqlite3_finalize(stmt);
    atomic_store(&x->any_paused, any);
    (void)pthread_mutex_unlock(&x->lock);
    sy__db_reader_release(e->o.db, conn);
}
