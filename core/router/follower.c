/*
 * follower.c: a bounded queue between publishers and one consumer in another thread.
 *
 *     publishers ──copy──► queue (lock, bounded) ──► hand (the consumer's own) ──► each()
 *                            │ full, or a hole in seq                 ▲
 *                            ▼                                        │
 *                         lagging: durable events are not queued,  replay(seq > cursor)
 *                         only counted in `marks`
 *
 * None lost: an event is published after its commit, so whatever was left out of the queue before a replay
 * began is found by that replay. Lagging ends only when a replay came to the end of the store and `marks` is
 * what it was before it. None twice: going into lagging empties the queue of durable events, and coming out
 * remembers up to where was replayed; what is published late with a smaller seq is left out.
 *
 * Events with seq 0 stay in the queue while lagging. Each remembers the seq that was current when it came,
 * and is handed out before the first replayed event behind that seq.
 */
#include "router/router.h"
#include "router/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { QUEUE_EVENTS = 1024, QUEUE_BYTES = 16 << 20, BATCH = 64 };

typedef struct item {
    struct item *next;
    sy__event event; /* its strings lie behind the struct */
    int64_t after;   /* of an event with seq 0: the last durable seq before it */
    size_t bytes;
} item;

typedef struct list {
    item *first, *last;
    size_t count;
    size_t bytes;
} list;

struct sy__follower {
    sy__router *router;
    const sy__alloc *alloc;
    char *pattern;
    int subscription;
    size_t bound;
    sy__overflow overflow;
    sy__replay_fn replay;
    void *replay_ud;
    void (*wake)(void *ud);
    void *wake_ud;
    sy__watch watch;

    pthread_mutex_t lock; /* guards the fields down to the next space */
    list queue;
    bool lagging;
    uint64_t marks;      /* durable events and holes that passed while lagging */
    int64_t from;        /* nothing up to here needs replaying, though the cursor may be lower */
    int64_t last_seen;   /* last durable seq that was published to us */
    int64_t replayed_to; /* durable events up to here came from the store */

    list hand;         /* the consumer's: next to be handed out */
    int replay_failed; /* the consumer's: a failed append within a replay */
    atomic_int_fast64_t cursor;
    atomic_int_fast64_t dropped;
};

/* ---- lists of copies ---- */

static const char *
copy_text(char **to, const char *text)
{
    if (!text) return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(*to, text, bytes);
    *to += bytes;
    return copy;
}

static size_t
text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static item *
item_new(const sy__alloc *a, const sy__event *e)
{
    size_t bytes = sizeof(item) + text_bytes(e->id) + text_bytes(e->run) + text_bytes(e->task) +
                   text_bytes(e->extension) + text_bytes(e->type) + text_bytes(e->topic) + text_bytes(e->payload) +
                   text_bytes(e->context);
    item *i = sy__malloc(a, bytes);
    if (!i) return NULL;
    char *to = (char *)(i + 1);
    *i = (item){.bytes = bytes, .event = {.seq = e->seq, .occurred_ms = e->occurred_ms}};
    i->event.id = copy_text(&to, e->id);
    i->event.run = copy_text(&to, e->run);
    i->event.task = copy_text(&to, e->task);
    i->event.extension = copy_text(&to, e->extension);
    i->event.type = copy_text(&to, e->type);
    i->event.topic = copy_text(&to, e->topic);
    i->event.payload = copy_text(&to, e->payload);
    i->event.context = copy_text(&to, e->context);
    return i;
}

static void
list_push(list *l, item *i)
{
    i->next = NULL;
    if (l->last)
        l->last->next = i;
    else
        l->first = i;
    l->last = i;
    l->count++;
    l->bytes += i->bytes;
}

static item *
list_pop(list *l)
{
    item *i = l->first;
    if (!i) return NULL;
    l->first = i->next;
    if (!l->first) l->last = NULL;
    l->count--;
    l->bytes -= i->bytes;
    return i;
}

static void
list_clear(list *l, const sy__alloc *a)
{
    for (item *i; (i = list_pop(l));) sy__free(a, i);
}

/* ---- publishers' side ---- */

static bool
has_work(const sy__follower *f)
{
    return f->lagging || f->queue.count > 0;
}

/* Under the lock: forget the durable events of the queue, the store has them. `seen`: everything up to there
 * was published to us, or 0 when that is unknown. */
static void
fall_behind(sy__follower *f, int64_t seen)
{
    list kept = {0};
    size_t before = f->queue.count;
    f->marks++;
    if (f->lagging) return;
    f->lagging = true;
    for (item *i; (i = list_pop(&f->queue));) {
        if (i->event.seq > 0)
            sy__free(f->alloc, i);
        else
            list_push(&kept, i);
    }
    f->queue = kept;
    if (kept.count == before && seen > f->from) f->from = seen;
}

static bool
is_full(const sy__follower *f, const item *more)
{
    return f->queue.count >= f->bound || (f->queue.count > 0 && f->queue.bytes + more->bytes > QUEUE_BYTES);
}

static void
drop_oldest(sy__follower *f)
{
    sy__free(f->alloc, list_pop(&f->queue));
    (void)atomic_fetch_add(&f->dropped, 1);
}

/* Under the lock: queues or frees. A durable event that does not fit is left to the store. */
static void
push(sy__follower *f, item *i)
{
    bool durable = i->event.seq > 0 && f->overflow == SY__REPLAY;
    i->after = f->last_seen;
    if (is_full(f, i) && f->overflow == SY__REPLAY) fall_behind(f, 0);
    if (durable && f->lagging) {
        f->marks++;
        sy__free(f->alloc, i);
        return;
    }
    while (is_full(f, i)) drop_oldest(f);
    list_push(&f->queue, i);
}

/* Under the lock: keeps the account of durable events; false for one that came from the store already. */
static bool
note_seq(sy__follower *f, int64_t seq)
{
    if (seq <= 0 || f->overflow != SY__REPLAY) return true;
    if (seq <= f->replayed_to) return false;
    if (atomic_load(&f->cursor) < 0) atomic_store(&f->cursor, seq - 1);
    if (seq > f->last_seen) f->last_seen = seq;
    return true;
}

static void
on_event(void *ud, const sy__event *event)
{
    sy__follower *f = ud;
    item *i = item_new(f->alloc, event);
    (void)pthread_mutex_lock(&f->lock);
    bool idle = !has_work(f);
    if (!note_seq(f, event->seq)) {
        sy__free(f->alloc, i);
    } else if (i) {
        push(f, i);
    } else if (f->overflow == SY__REPLAY && event->seq > 0) {
        fall_behind(f, 0);
    } else {
        (void)atomic_fetch_add(&f->dropped, 1);
    }
    bool wake = idle && has_work(f);
    (void)pthread_mutex_unlock(&f->lock);
    if (wake && f->wake) f->wake(f->wake_ud);
}

static void
on_missed(void *ud, int64_t seen)
{
    sy__follower *f = ud;
    (void)pthread_mutex_lock(&f->lock);
    bool idle = !has_work(f);
    if (atomic_load(&f->cursor) >= 0) fall_behind(f, seen);
    bool wake = idle && has_work(f);
    (void)pthread_mutex_unlock(&f->lock);
    if (wake && f->wake) f->wake(f->wake_ud);
}

/* ---- the consumer's side ---- */

/* An sy__event_handler for the replay: copies into the list that replay_batch reads. */
static void
on_replayed(void *ud, const sy__event *event)
{
    sy__follower *f = ud;
    item *i = f->replay_failed ? NULL : item_new(f->alloc, event);
    if (i)
        list_push(&f->hand, i);
    else
        f->replay_failed = SY_ENOMEM;
}

/* Under the lock: puts the events with seq 0 that came before a replayed one into their places. */
static void
merge_others(sy__follower *f)
{
    list replayed = f->hand;
    f->hand = (list){0};
    for (item *i; (i = list_pop(&replayed));) {
        while (f->queue.first && f->queue.first->after < i->event.seq) list_push(&f->hand, list_pop(&f->queue));
        list_push(&f->hand, i);
    }
}

static int
replay_batch(sy__follower *f, int64_t from, uint64_t marks)
{
    int64_t cursor = atomic_load(&f->cursor);
    f->replay_failed = SY_OK;
    int got = f->replay(f->replay_ud, f->pattern, cursor > from ? cursor : from, BATCH, on_replayed, f);
    if (got >= 0 && f->replay_failed && f->hand.count == 0) got = f->replay_failed;
    if (got < 0) {
        list_clear(&f->hand, f->alloc);
        return got;
    }
    (void)pthread_mutex_lock(&f->lock);
    if (f->hand.last) f->replayed_to = f->hand.last->event.seq;
    if (got < BATCH && !f->replay_failed && marks == f->marks) f->lagging = false;
    merge_others(f);
    (void)pthread_mutex_unlock(&f->lock);
    return SY_OK;
}

/* Moves something into the empty hand; 0 when there is nothing, 1 when it is worth looking, or an error. */
static int
refill(sy__follower *f)
{
    (void)pthread_mutex_lock(&f->lock);
    bool lagging = f->lagging;
    uint64_t marks = f->marks;
    int64_t from = f->from;
    while (!lagging && f->queue.first && f->hand.count < BATCH) list_push(&f->hand, list_pop(&f->queue));
    (void)pthread_mutex_unlock(&f->lock);
    if (!lagging) return f->hand.count > 0;
    int rc = replay_batch(f, from, marks);
    return rc < 0 ? rc : 1;
}

int
sy__follower_take(sy__follower *f, int max, sy__event_handler each, void *ud)
{
    int n = 0, more = 1;
    while (n < max) {
        item *i = list_pop(&f->hand);
        if (!i) {
            more = refill(f);
            if (more <= 0) break;
            continue;
        }
        if (i->event.seq > 0) atomic_store(&f->cursor, i->event.seq);
        each(ud, &i->event);
        sy__free(f->alloc, i);
        n++;
    }
    return n > 0 ? n : more < 0 ? more : 0;
}

int64_t
sy__follower_cursor(const sy__follower *f)
{
    return atomic_load(&f->cursor);
}

int64_t
sy__follower_dropped(const sy__follower *f)
{
    return atomic_load(&f->dropped);
}

/* ---- making and freeing ---- */

static void
set_up(sy__follower *f, const sy__follower_options *o)
{
    bool from = o->overflow == SY__REPLAY && o->since >= 0;
    f->bound = o->queue_events ? o->queue_events : QUEUE_EVENTS;
    f->overflow = o->overflow;
    f->replay = o->replay;
    f->replay_ud = o->replay_ud;
    f->wake = o->wake;
    f->wake_ud = o->wake_ud;
    f->watch = (sy__watch){.missed = on_missed, .ud = f};
    f->lagging = from;
    f->last_seen = f->replayed_to = from ? o->since : 0;
    atomic_init(&f->cursor, from ? o->since : -1);
    (void)pthread_mutex_init(&f->lock, NULL);
}

int
sy__follower_new(sy__follower **out, sy__router *r, const sy__follower_options *o, sy__error *err)
{
    const sy__alloc *a = sy__router_alloc(r);
    *out = NULL;
    if (o->overflow == SY__REPLAY && !o->replay)
        return sy__error_set(err, SY_EUSAGE, "a follower that replays needs a replay function");
    sy__follower *f = sy__calloc(a, 1, sizeof *f);
    if (!f) return sy__error_set(err, SY_ENOMEM, "no memory for a follower");
    f->router = r;
    f->alloc = a;
    set_up(f, o);
    f->pattern = sy__strdup(a, o->pattern ? o->pattern : "");
    int rc = f->pattern ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for a follower");
    if (rc == SY_OK && f->overflow == SY__REPLAY) sy__router_watch(r, &f->watch);
    if (rc == SY_OK) rc = sy__router_subscribe(r, f->pattern, on_event, f, &f->subscription, err);
    if (rc) {
        sy__follower_free(f);
        return rc;
    }
    *out = f;
    return SY_OK;
}

void
sy__follower_free(sy__follower *f)
{
    if (!f) return;
    sy__router_unwatch(f->router, &f->watch);
    if (f->subscription) (void)sy__router_unsubscribe(f->router, f->subscription);
    list_clear(&f->queue, f->alloc);
    list_clear(&f->hand, f->alloc);
    (void)pthread_mutex_destroy(&f->lock);
    sy__free(f->alloc, f->pattern);
    sy__free(f->alloc, f);
}
