/*
 * queue.c: a put is one copy under a short lock. Memory comes from chunks that a group keeps for its next
 * life, so that a busy queue allocates nothing.
 */
#include "db/queue.h"

#include "db/internal.h"
#include "db/params.h"

#include <string.h>
#include <time.h>

enum { CHUNK_BYTES = 256 << 10, KEEP_BYTES = 4 << 20, ALIGN = 8 };
enum { ENOUGH_CHANGES = 1500 }; /* of a group: more would not make each of them cheaper */

struct sy__chunk {
    sy__chunk *next;
    size_t used, cap;
    char data[];
};

static const char EVENT_SQL[] =
    "INSERT INTO event (id, task_id, extension_id, event_type, event_payload, event_context, occurred_at, seq, topic,"
    " pipeline_orchestration_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/* ---- the memory of a group ---- */

static sy__chunk *
next_chunk(sy__group *g, const sy__alloc *a, size_t bytes)
{
    sy__chunk *after = g->current ? g->current->next : g->chunks;
    if (after && after->cap >= bytes) return g->current = after;
    size_t cap = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    sy__chunk *c = sy__malloc(a, sizeof *c + cap);
    if (!c) return NULL;
    *c = (sy__chunk){.next = after, .cap = cap};
    if (g->current)
        g->current->next = c;
    else
        g->chunks = c;
    return g->current = c;
}

/* Bytes in the memory of a group, aligned; NULL: no memory. */
static void *
group_bytes(sy__group *g, const sy__alloc *a, size_t bytes)
{
    bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    sy__chunk *c = g->current;
    if (!c || c->cap - c->used < bytes) c = next_chunk(g, a, bytes);
    if (!c) return NULL;
    void *at = c->data + c->used;
    c->used += bytes;
    g->bytes += bytes;
    return at;
}

static void
group_close(sy__group *g, const sy__alloc *a)
{
    for (sy__chunk *c = g->chunks, *next; c; c = next) {
        next = c->next;
        sy__free(a, c);
    }
    sy__free(a, g->changes);
    *g = (sy__group){0};
}

/* Empties the group; chunks beyond KEEP_BYTES go back to the allocator. */
static void
group_reset(sy__group *g, const sy__alloc *a)
{
    size_t kept = 0;
    for (sy__chunk **at = &g->chunks, *c; (c = *at) != NULL;) {
        if (kept + c->cap > KEEP_BYTES) {
            *at = c->next;
            sy__free(a, c);
            continue;
        }
        kept += c->cap;
        c->used = 0;
        at = &c->next;
    }
    g->current = NULL;
    g->count = g->bytes = g->events = g->others = 0;
    g->level = SY__LEVEL_NONE;
}

/* ---- the queue ---- */

int
sy__queue_init(sy__queue *q, const sy__alloc *a, sy__error *err)
{
    *q = (sy__queue){.alloc = a, .statement_count = 1};
    q->statements[SY__STATEMENT_EVENT] = q->again[SY__STATEMENT_EVENT] = EVENT_SQL;
    q->open = &q->groups[0];
    q->open->id = 1;
    sy__map_init(&q->runs, a);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    bool made = pthread_mutex_init(&q->lock, NULL) == 0 && pthread_cond_init(&q->work, &attr) == 0 &&
                pthread_cond_init(&q->swept, NULL) == 0;
    (void)pthread_condattr_destroy(&attr);
    if (made) return SY_OK;
    return sy__error_set(err, SY_ENOMEM, "no memory for the writer's queue");
}

void
sy__queue_close(sy__queue *q)
{
    size_t at = 0, len;
    const char *key;
    void *run;
    while (sy__map_next(&q->runs, &at, &key, &len, &run)) sy__free(q->alloc, run);
    sy__map_close(&q->runs);
    for (sy__notice *n = q->notices, *next; n; n = next) {
        next = n->next;
        sy__free(q->alloc, n);
    }
    group_close(&q->groups[0], q->alloc);
    group_close(&q->groups[1], q->alloc);
    (void)pthread_cond_destroy(&q->swept);
    (void)pthread_cond_destroy(&q->work);
    (void)pthread_mutex_destroy(&q->lock);
}

bool
sy__queue_may_grow(const sy__queue *q)
{
    bool asked = q->stop || q->failed || q->waiters > 0 || q->notices || q->errands || q->taking;
    return !asked && q->open->count < ENOUGH_CHANGES;
}

void
sy__queue_wake(sy__queue *q)
{
    if (!q->idle || q->holds > 0 || (q->lingers && sy__queue_may_grow(q))) return;
    q->idle = false;
    (void)pthread_cond_signal(&q->work);
}

void
sy__queue_measure(sy__queue *q)
{
    bool full = q->stuck || q->failed || q->open->count + q->taken_count >= SY_MAX_QUEUE_CHANGES ||
                q->open->bytes + q->taken_bytes >= SY_MAX_QUEUE_BYTES;
    atomic_store_explicit(&q->full, full, memory_order_relaxed);
}

sy__group *
sy__queue_take(sy__queue *q)
{
    if (q->open->count == 0) return NULL;
    while (q->holds > 0) {
        q->taking = q->idle = true;
        (void)pthread_cond_wait(&q->work, &q->lock);
    }
    sy__group *g = q->open;
    q->taken = g;
    q->taken_count = g->count;
    q->taken_bytes = g->bytes;
    q->open = g == &q->groups[0] ? &q->groups[1] : &q->groups[0];
    q->open->id = g->id + 1;
    q->idle = false;
    if (q->taking) (void)pthread_cond_broadcast(&q->swept);
    q->taking = false;
    return g;
}

static void
free_gone(sy__queue *q, uint64_t written)
{
    for (sy__run **at = &q->gone, *r; (r = *at) != NULL;) {
        if (r->gone && r->last_group > written) {
            at = &r->next_gone;
            continue;
        }
        *at = r->next_gone;
        if (!r->gone) continue; /* owned again meanwhile */
        (void)sy__map_del(&q->runs, r->id, strlen(r->id));
        q->last_run = NULL;
        sy__free(q->alloc, r);
    }
}

void
sy__queue_recycle(sy__queue *q)
{
    uint64_t written = q->taken->id;
    group_reset(q->taken, q->alloc);
    q->taken = NULL;
    q->taken_count = q->taken_bytes = 0;
    sy__queue_measure(q);
    free_gone(q, written);
}

/* ---- runs ---- */

static sy__run *
run_of(sy__queue *q, const char *id)
{
    size_t len = strnlen(id, sizeof((sy__run *)0)->id - 1);
    sy__run *r = q->last_run;
    if (r && strncmp(r->id, id, sizeof r->id - 1) == 0) return r;
    r = q->last_run = sy__map_get(&q->runs, id, len);
    if (r) return r;
    r = sy__calloc(q->alloc, 1, sizeof *r);
    if (!r) return NULL;
    memcpy(r->id, id, len);
    if (sy__map_put(&q->runs, id, len, r) == SY_OK) return q->last_run = r;
    sy__free(q->alloc, r);
    return NULL;
}

static void
let_go(sy__queue *q, sy__run *r)
{
    if (r->gone) return;
    for (sy__run *other = q->gone; other; other = other->next_gone)
        if (other == r) {
            r->gone = true;
            return;
        }
    r->gone = true;
    r->next_gone = q->gone;
    q->gone = r;
}

int
sy__db_run_own(sy__db *db, const char *run, int64_t epoch)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    sy__run *r = run_of(q, run);
    if (r) {
        r->epoch = epoch;
        r->lost = false;
        r->owned = true;
        r->gone = false;
    }
    (void)pthread_mutex_unlock(&q->lock);
    return r ? SY_OK : SY_ENOMEM;
}

void
sy__db_run_disown(sy__db *db, const char *run)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    sy__run *r = sy__map_get(&q->runs, run, strlen(run));
    if (r) {
        r->last_group = q->open->id; /* the check still holds for what is queued */
        let_go(q, r);
    }
    (void)pthread_mutex_unlock(&q->lock);
}

bool
sy__db_run_lost(sy__db *db, const char *run)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    const sy__run *r = sy__map_get(&q->runs, run, strlen(run));
    bool lost = r && r->lost;
    (void)pthread_mutex_unlock(&q->lock);
    return lost;
}

/* ---- puts ---- */

static int
add_statement(sy__db *db, const char *sql, const char *again)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    int at = 0;
    while (at < q->statement_count && q->statements[at] != sql && strcmp(q->statements[at], sql) != 0) at++;
    if (at == SY__STATEMENTS_MAX) at = SY_ENOMEM;
    if (at == q->statement_count) {
        q->again[at] = again;
        q->statements[q->statement_count++] = sql;
    }
    (void)pthread_mutex_unlock(&q->lock);
    return at;
}

int
sy__db_statement(sy__db *db, const char *sql)
{
    return add_statement(db, sql, NULL);
}

int
sy__db_rows(sy__db *db, const char *insert, const char *again)
{
    return add_statement(db, insert, again ? again : insert);
}

static bool
has_bytes(const sy__param *p)
{
    return p->kind == SY__P_TEXT || p->kind == SY__P_BLOB;
}

static size_t
room_for(const sy__param *params, int count)
{
    size_t bytes = (size_t)count * sizeof *params;
    for (int i = 0; i < count; i++)
        if (has_bytes(&params[i])) bytes += params[i].len + 1;
    return bytes;
}

static void
copy_params(sy__param *to, const sy__param *params, int count)
{
    char *bytes = (char *)(to + count);
    if (count == 0) return;
    memcpy(to, params, (size_t)count * sizeof *params);
    for (int i = 0; i < count; i++) {
        if (!has_bytes(&to[i])) continue;
        if (to[i].len) memcpy(bytes, to[i].p, to[i].len);
        bytes[to[i].len] = '\0';
        to[i].p = bytes;
        bytes += to[i].len + 1;
    }
}

static sy__change *
new_change(sy__queue *q)
{
    sy__group *g = q->open;
    if (g->count == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 256;
        sy__change *changes = sy__realloc(q->alloc, g->changes, cap * sizeof *changes);
        if (!changes) return NULL;
        g->changes = changes;
        g->cap = cap;
    }
    g->changes[g->count] = (sy__change){0};
    return &g->changes[g->count];
}

/* Copies into the change; its place in the group counts only once this succeeded. */
static int
fill(sy__queue *q, sy__change *c, int statement, const sy__param *params, int count)
{
    size_t room = room_for(params, count);
    if (room > c->room || !c->params) {
        sy__param *to = group_bytes(q->open, q->alloc, room);
        if (!to) return SY_ENOMEM;
        c->params = to;
        c->room = room;
    }
    copy_params(c->params, params, count);
    c->statement = statement;
    c->count = count;
    return SY_OK;
}

static int
put(sy__queue *q, sy__durability level, int statement, const char *run, const sy__param *params, int count,
    sy__db_slot *slot, sy__change **out)
{
    sy__group *g = q->open;
    if (q->failed) return q->failed;
    sy__run *r = run ? run_of(q, run) : NULL;
    if (run && !r) return SY_ENOMEM;
    bool replace = slot && slot->group == g->id && slot->index < g->count;
    sy__change *c = replace ? &g->changes[slot->index] : new_change(q);
    int code = c ? fill(q, c, statement, params, count) : SY_ENOMEM;
    if (code) return code;
    c->run = r;
    if (!replace) c->again = slot && slot->group > 0;
    if (r) {
        r->last_group = g->id;
        if (!r->owned) let_go(q, r);
    }
    if (level > g->level) g->level = level;
    if (slot && !replace) *slot = (sy__db_slot){g->id, (uint32_t)g->count};
    if (!replace) g->count++;
    if (!replace) g->others += q->again[statement] == NULL;
    sy__queue_measure(q);
    *out = c;
    sy__queue_wake(q);
    return SY_OK;
}

int
sy__db_put(sy__db *db, sy__durability level, int statement, const char *run, const sy__param *params, int count,
           sy__db_slot *slot)
{
    sy__queue *q = &db->queue;
    sy__change *c;
    (void)pthread_mutex_lock(&q->lock);
    int code = put(q, level, statement, run, params, count, slot, &c);
    (void)pthread_mutex_unlock(&q->lock);
    return code;
}

int
sy__db_put_event(sy__db *db, sy__durability level, const sy__event *e)
{
    static const char unnamed[SY__ID_BYTES] = "(the writer makes an id in its place";
    char at[SY__STAMP_BYTES];
    sy__stamp(e->occurred_ms, at);
    const sy__param params[SY__EV_COUNT] = {
        [SY__EV_ID] = sy__p_text(e->id ? e->id : unnamed),
        [SY__EV_AT] = {.kind = SY__P_TEXT, .p = at, .len = sizeof at - 1},
        [SY__EV_TASK] = sy__p_text(e->task),
        [SY__EV_EXTENSION] = sy__p_text(e->extension),
        [SY__EV_TYPE] = sy__p_text(e->type),
        [SY__EV_PAYLOAD] = sy__p_text(e->payload ? e->payload : "null"),
        [SY__EV_CONTEXT] = sy__p_text(e->context ? e->context : "{}"),
        [SY__EV_TOPIC] = sy__p_text(e->topic),
        [SY__EV_RUN] = sy__p_text(e->run),
    };
    sy__queue *q = &db->queue;
    sy__change *c;
    (void)pthread_mutex_lock(&q->lock);
    int code = put(q, level, SY__STATEMENT_EVENT, e->run, params, SY__EV_COUNT, NULL, &c);
    if (code == SY_OK) {
        c->occurred_ms = e->occurred_ms;
        c->nameless = !e->id;
        q->open->events++;
    }
    (void)pthread_mutex_unlock(&q->lock);
    return code;
}

void
sy__db_begin(sy__db *db)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    while (q->taking) (void)pthread_cond_wait(&q->swept, &q->lock);
    q->holds++;
    (void)pthread_mutex_unlock(&q->lock);
}

void
sy__db_end(sy__db *db)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    q->holds--;
    if (q->open->count > 0 || q->taking) sy__queue_wake(q);
    (void)pthread_mutex_unlock(&q->lock);
}

bool
sy__db_full(sy__db *db)
{
    return atomic_load_explicit(&db->queue.full, memory_order_relaxed);
}

sy__db_ticket
sy__db_now(sy__db *db)
{
    sy__queue *q = &db->queue;
    (void)pthread_mutex_lock(&q->lock);
    sy__db_ticket ticket = q->open->count > 0 ? q->open->id : q->open->id - 1;
    (void)pthread_mutex_unlock(&q->lock);
    return ticket;
}
