/*
 * stream.c: streams as the producing stage sees them. Bytes gather in an open piece for each kind; a timer of the
 * stage queues the open pieces of all its tasks every 25 ms, so that many small chunks are one row. A call whose
 * task has 1 MiB in the writer's queue waits for its commit; nothing waits for readers, who read the table.
 */
#include "pit/stream/stream_impl.h"

#include "base/text.h"
#include "db/params.h"
#include "pit/record/record_impl.h"
#include "pit/record/statements.h"

#include <stdio.h>
#include <string.h>

enum { UNWRITTEN_BYTES = 1 << 20, GATHER_MS = 25 };

static const char *const names[] = {"tokens", "progress", "log"};

/* The streams of one task. */
struct sy__streams {
    sy__task *task;
    sy__streams *next, *before; /* stage.streaming: something is open or not announced */
    bool listed;
    size_t queued; /* bytes since its call last waited */
    struct {
        int64_t position; /* of the open piece */
        int64_t told;     /* up to where readers were told */
        sy__buf open;
    } of[SY__STREAM_KINDS];
};

const char *
sy__stream_name(sy__stream_kind kind)
{
    return names[kind];
}

sy__stream_kind
sy__stream_kind_of(const char *name)
{
    int kind = 0;
    while (kind < SY__STREAM_KINDS && strcmp(names[kind], name) != 0) kind++;
    return (sy__stream_kind)kind;
}

int
sy__stream_statement(sy__db *db)
{
    return sy__db_statement(db, "INSERT INTO task_stream (task_id, kind, position, attempt, epoch, occurred_at, data)"
                                " VALUES (?1,?2,?3,?4,?5,?6,?7)");
}

/* ---- telling readers ---- */

/* An event that is published once what it speaks of is committed. */
typedef struct notice {
    sy__engine *engine;
    sy__event event; /* its texts lie behind this struct */
} notice;

static const char *
put_text(char **at, const char *text)
{
    char *copy = *at;
    size_t len = strlen(text) + 1;
    memcpy(copy, text, len);
    *at += len;
    return copy;
}

/* Writer thread, or the stage's. */
static void
publish(void *ud, int status)
{
    notice *n = ud;
    sy__engine *e = n->engine;
    if (!status) sy__router_publish(e->o.router, &n->event);
    sy__free(e->alloc, n);
}

/* Writer thread. */
static void
on_commit(void *ud, int status)
{
    sy__engine *e = ((notice *)ud)->engine;
    publish(ud, status);
    (void)atomic_fetch_sub(&e->hooks, 1);
}

static notice *
make_notice(sy__stage *s, sy__task *t, const char *type, const char *payload)
{
    char topic[768], id[SY__ID_BYTES];
    const char *extension = t->spec->targets[t->target].extension->id;
    sy__buf_reset(&s->text);
    sy__task_key(t, &s->text);
    const char *key = sy__buf_cstr(&s->text);
    (void)snprintf(topic, sizeof topic, "run.%s.%s.%s", t->run->id, key ? key : "", type);
    sy__id_next(&s->ids, id);
    size_t room = strlen(topic) + strlen(payload) + strlen(extension) + sizeof t->run->id + 2 * SY__ID_BYTES + 4;
    notice *n = sy__malloc(s->engine->alloc, sizeof *n + room);
    if (!n) return NULL;
    char *at = (char *)(n + 1);
    n->engine = s->engine;
    n->event = (sy__event){.id = put_text(&at, id),
                           .run = put_text(&at, t->run->id),
                           .task = put_text(&at, t->id),
                           .extension = put_text(&at, extension),
                           .type = type,
                           .topic = put_text(&at, topic),
                           .payload = put_text(&at, payload),
                           .context = "{}",
                           .occurred_ms = sy__stage_ms(s)};
    return n;
}

static void
announce(sy__stage *s, sy__task *t, const char *type, const char *payload)
{
    sy__engine *e = s->engine;
    notice *n = make_notice(s, t, type, payload);
    if (!n) return;
    if (t->run->level == SY__LEVEL_NONE) {
        publish(n, SY_OK);
        return;
    }
    (void)atomic_fetch_add(&e->hooks, 1);
    if (sy__db_notify(e->o.db, sy__db_now(e->o.db), false, on_commit, n) == SY_OK) return;
    (void)atomic_fetch_sub(&e->hooks, 1);
    sy__free(e->alloc, n);
}

/* The last whole line of the open progress, which is the event's payload; false: none. */
static bool
last_line(const sy__buf *b, sy__buf *out)
{
    size_t end = b->len, from;
    while (end > 0 && b->data[end - 1] == '\n') end--;
    for (from = end; from > 0 && b->data[from - 1] != '\n';) from--;
    sy__buf_reset(out);
    sy__buf_add(out, b->data + from, end - from);
    return end > from;
}

static void
tell(sy__stage *s, sy__streams *st, sy__stream_kind kind, const char *progress)
{
    char payload[160];
    if (st->of[kind].position == st->of[kind].told) return;
    (void)snprintf(payload, sizeof payload, "{\"kind\":\"%s\",\"attempt\":%u,\"offset\":%lld,\"end\":%lld}",
                   names[kind], st->task->attempts, (long long)st->of[kind].told, (long long)st->of[kind].position);
    st->of[kind].told = st->of[kind].position;
    if (kind == SY__STREAM_TOKENS) announce(s, st->task, "task.stream", payload);
    if (kind == SY__STREAM_PROGRESS && progress) announce(s, st->task, "task.progress", progress);
}

/* ---- queueing ---- */

/* Queues the open piece as one row. */
static void
put_piece(sy__stage *s, sy__streams *st, sy__stream_kind kind)
{
    sy__task *t = st->task;
    sy__buf *b = &st->of[kind].open;
    char at[SY__STAMP_BYTES];
    if (b->len == 0) return;
    if (t->run->level == SY__LEVEL_NONE) {
        sy__stream_keep(s, t, kind, st->of[kind].position, b->data, b->len);
    } else {
        sy__param p[] = {sy__p_text(t->id),
                         sy__p_text(names[kind]),
                         sy__p_integer(st->of[kind].position),
                         sy__p_integer(t->attempts),
                         sy__p_integer(t->run->epoch),
                         sy__p_stamp(sy__stage_ms(s), at),
                         {.kind = SY__P_BLOB, .p = b->data, .len = b->len}};
        sy__record_checked(t->run, sy__db_put(s->engine->o.db, t->run->level, s->engine->statements->stream, t->run->id,
                                              p, sizeof p / sizeof *p, NULL));
    }
    st->of[kind].position += (int64_t)b->len;
    sy__buf_reset(b);
}

static void
unlist(sy__stage *s, sy__streams *st)
{
    if (!st->listed) return;
    st->listed = false;
    if (st->before)
        st->before->next = st->next;
    else
        s->streaming = st->next;
    if (st->next) st->next->before = st->before;
    st->next = st->before = NULL;
}

static void
flush(sy__stage *s, sy__streams *st)
{
    sy__buf *last = &s->text2;
    bool moved = last_line(&st->of[SY__STREAM_PROGRESS].open, last);
    for (int kind = 0; kind < SY__STREAM_KINDS; kind++) {
        put_piece(s, st, (sy__stream_kind)kind);
        tell(s, st, (sy__stream_kind)kind, moved ? sy__buf_cstr(last) : NULL);
    }
    unlist(s, st);
}

static void
on_gathered(evutil_socket_t fd, short what, void *ud)
{
    sy__stage *s = ud;
    (void)fd, (void)what;
    while (s->streaming) flush(s, s->streaming);
}

/* Sees to it that the stage queues what is open soon. */
static void
list(sy__stage *s, sy__streams *st)
{
    static const struct timeval soon = {0, GATHER_MS * 1000};
    if (st->listed) return;
    if (!s->stream_timer) s->stream_timer = event_new(s->base, -1, 0, on_gathered, s);
    if (s->stream_timer && !s->streaming) (void)event_add(s->stream_timer, &soon);
    st->listed = true;
    st->next = s->streaming;
    if (st->next) st->next->before = st;
    s->streaming = st;
}

/* ---- adding ---- */

/* Where the streams of a task end that ran before its run was resumed. */
static void
find_ends(sy__stage *s, sy__streams *st)
{
    static const char sql[] = "SELECT position + length(data) FROM task_stream WHERE task_id = ?1 AND kind = ?2"
                              " ORDER BY position DESC LIMIT 1";
    sqlite3_stmt *stmt = NULL;
    sqlite3 *conn = sy__db_reader(s->engine->o.db, NULL);
    if (!conn) return;
    if (sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL) == SQLITE_OK)
        for (int kind = 0; kind < SY__STREAM_LOG; kind++) {
            (void)sqlite3_bind_text(stmt, 1, st->task->id, -1, SQLITE_STATIC);
            (void)sqlite3_bind_text(stmt, 2, names[kind], -1, SQLITE_STATIC);
            if (sqlite3_step(stmt) == SQLITE_ROW) st->of[kind].position = sqlite3_column_int64(stmt, 0);
            st->of[kind].told = st->of[kind].position;
            (void)sqlite3_reset(stmt);
        }
    (void)sqlite3_finalize(stmt);
    sy__db_reader_release(s->engine->o.db, conn);
}

static sy__streams *
streams_of(sy__stage *s, sy__task *t)
{
    if (t->streams) return t->streams;
    sy__streams *st = sy__calloc(s->engine->alloc, 1, sizeof *st);
    if (!st) return NULL;
    st->task = t;
    for (int kind = 0; kind < SY__STREAM_KINDS; kind++) sy__buf_init(&st->of[kind].open, s->engine->alloc);
    if (t->run->epoch > 1) find_ends(s, st);
    return t->streams = st;
}

int
sy__stream_add(sy__attempt *a, sy__stream_kind kind, const char *bytes, size_t len)
{
    sy__stage *s = a->stage;
    sy__streams *st = len > 0 ? streams_of(s, a->task) : NULL;
    if (!st) return SY_OK;
    sy__attempt_show(s, a->task); /* rows refer to the task's */
    list(s, st);
    st->queued += len;
    sy__buf *b = &st->of[kind].open;
    while (len > 0) {
        size_t room = SY__STREAM_PIECE_BYTES - b->len, n = len < room ? len : room;
        sy__buf_add(b, bytes, n);
        bytes += n;
        len -= n;
        if (b->failed) sy__run_unwritten(a->task->run, SY_ENOMEM);
        if (b->failed || b->len == SY__STREAM_PIECE_BYTES) put_piece(s, st, kind);
    }
    if (st->queued < UNWRITTEN_BYTES && !sy__db_full(s->engine->o.db)) return SY_OK;
    st->queued = 0;
    return sy__stream_wait(a);
}

void
sy__stream_flush(sy__stage *s, sy__task *t)
{
    if (t->streams) flush(s, t->streams);
}

void
sy__streams_free(sy__task *t)
{
    if (!t->streams) return;
    for (int kind = 0; kind < SY__STREAM_KINDS; kind++) sy__buf_close(&t->streams->of[kind].open);
    sy__free(t->run->engine->alloc, t->streams);
    t->streams = NULL;
}

/* ---- waiting ---- */

/* A call that waits for the writer; whoever comes last frees it. */
struct sy__room {
    sy__stage *stage;
    sy__attempt *attempt; /* NULL: it waits no more */
};

static void
room_there(sy__stage *s, void *ud)
{
    struct sy__room *r = ud;
    sy__attempt *a = r->attempt;
    sy__free(s->engine->alloc, r);
    if (!a) return;
    a->room = NULL;
    sy__isolate_wake(a->isolate); /* may end the attempt */
}

/* Writer thread. */
static void
on_room(void *ud, int status)
{
    sy__stage *s = ((struct sy__room *)ud)->stage;
    sy__engine *e = s->engine;
    (void)status; /* what cannot be written ends the run by itself */
    if (!sy__stage_post(s, room_there, ud)) sy__logf(e->o.log, SY__LOG_ERROR, "stream", "no memory to go on");
    (void)atomic_fetch_sub(&e->hooks, 1);
}

int
sy__stream_wait(sy__attempt *a)
{
    sy__engine *e = a->stage->engine;
    if (a->task->run->level == SY__LEVEL_NONE) return SY_OK;
    struct sy__room *r = sy__malloc(e->alloc, sizeof *r);
    if (!r) return SY_OK;
    *r = (struct sy__room){a->stage, a};
    (void)atomic_fetch_add(&e->hooks, 1);
    if (sy__db_notify(e->o.db, sy__db_now(e->o.db), false, on_room, r) == SY_OK) {
        a->room = r;
        return SY_EAGAIN;
    }
    (void)atomic_fetch_sub(&e->hooks, 1);
    sy__free(e->alloc, r);
    return SY_OK;
}

void
sy__stream_no_wait(void *attempt)
{
    sy__attempt *a = attempt;
    if (a->room) a->room->attempt = NULL;
    a->room = NULL;
}
