/*
 * router.h: events by topic to whoever subscribed.
 *
 * Topics are words joined by `.`; in a pattern `*` stands for exactly one word and `>` (last) for one or
 * more. Publishing calls direct subscribers in the publisher's thread and appends to the bounded queues of
 * the others. A durable follower is a queue with a cursor: when its queue overflows it is marked as lagging
 * and continues from the database by seq, so that it loses none and sees none twice.
 *
 * Any thread may publish, subscribe and unsubscribe. A direct handler must not block, must not subscribe
 * or unsubscribe, and may be called from several threads at once.
 */
#ifndef SY_ROUTER_ROUTER_H
#define SY_ROUTER_ROUTER_H

#include "base/error.h"
#include "router/event.h"

typedef struct sy__router sy__router;
typedef struct sy__follower sy__follower;

typedef void (*sy__event_handler)(void *ud, const sy__event *event);

/* Freed after its last follower. SY_ENOMEM. */
int sy__router_new(sy__router **out, const sy__alloc *a);
void sy__router_free(sy__router *r);

/* Durable events (seq > 0) are published in the order of seq by one thread at a time: the database's writer.
 * Delivers to every match. With no matching subscription it allocates nothing and takes no lock that a
 * writer could hold for long. */
void sy__router_publish(sy__router *r, const sy__event *event);
/* Whether anybody subscribed to anything: with nobody listening an event that is not stored need not be made. */
bool sy__router_listening(const sy__router *r);
/* A direct subscription; *id > 0. SY_EUSAGE for a malformed pattern. */
int sy__router_subscribe(sy__router *r, const char *pattern, sy__event_handler fn, void *ud, int *id, sy__error *err);
/* Waits until no thread is inside the handler. Unknown ids: SY_ENOTFOUND. */
int sy__router_unsubscribe(sy__router *r, int id);
/* Tells that another process committed events: every SY__REPLAY follower with a cursor reads the database at
 * its next take. Any thread, not a handler. */
void sy__router_catch_up(sy__router *r);
/* Whether `topic` matches `pattern` (both well-formed). */
bool sy__topic_match(const char *pattern, const char *topic);
/* Whether a pattern is well-formed: 1 to 32 words, at most 1,024 bytes, wildcards only as words of their own. */
bool sy__topic_pattern_valid(const char *pattern);

/* ---- followers: bounded queues for consumers in other threads ---- */

typedef enum sy__overflow {
    SY__DROP_OLDEST, /* newest win; a gap is reported by sy__follower_dropped */
    SY__REPLAY,      /* durable: overflow switches to reading by seq through `replay` */
} sy__overflow;

/* Reads up to `max` stored events that match with seq > after, oldest first, calling `each` for every one;
 * returns how many, or a negative code. Called in the consumer's thread. */
typedef int (*sy__replay_fn)(void *ud, const char *pattern, int64_t after, int max, sy__event_handler each,
                             void *each_ud);

typedef struct sy__follower_options {
    const char *pattern;
    size_t queue_events; /* bound; 0: 1024 */
    sy__overflow overflow;
    int64_t since;        /* SY__REPLAY: deliver seq > since first; -1: from the next event published here */
    sy__replay_fn replay; /* required for SY__REPLAY */
    void *replay_ud;
    void (*wake)(void *ud); /* called (any thread) when there is something to take again; must not block nor
                               call the router; may be NULL */
    void *wake_ud;
} sy__follower_options;

/* Follows from now on; freeing waits until no publisher uses it. NULL may be freed. SY_ENOMEM, SY_EINVAL. */
int sy__follower_new(sy__follower **out, sy__router *r, const sy__follower_options *o, sy__error *err);
void sy__follower_free(sy__follower *f);
/* Hands up to `max` events to `each` in order; returns how many (0: none now, wait for `wake`), or the negative
 * code of `replay`. Take once after creation and then until it returns 0. Events with seq 0 keep their place
 * among the others, and the oldest of them are dropped when they alone fill the queue. One consumer thread. */
int sy__follower_take(sy__follower *f, int max, sy__event_handler each, void *ud);
/* seq of the last durable event handed out: the cursor to continue from. */
int64_t sy__follower_cursor(const sy__follower *f);
/* Events dropped so far: of SY__DROP_OLDEST any, of SY__REPLAY only such with seq 0. */
int64_t sy__follower_dropped(const sy__follower *f);

#endif
