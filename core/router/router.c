/*
 * router.c: a trie over words that publishers walk without a lock.
 *
 *                     (root)
 *              run ┌────┴────┐ kit
 *                  ▼         ▼
 *     rest ◄──── (node)    (node) ────► rest: subscriptions to kit.>
 *            `*` ┌─┴─┐ 42
 *                ▼   ▼
 *              (…)  (node) ───────────► here: subscriptions to run.42
 *
 * Children lie in an open-addressed table of pointers, the subscriptions of a node in a linked list. One
 * writer at a time changes them in place, each change by one atomic store, so that a publisher sees the tree
 * before or after it. What was unlinked is freed after a grace period (grace.h), which is also how
 * unsubscribing knows that no handler is still running. A table that is full is replaced by a copy; a child
 * that goes leaves a tombstone, so that unsubscribing needs no memory.
 *
 * There is no cache of topics: topics of tasks hold ids and hardly repeat, and the walk visits a handful of
 * nodes however many subscriptions there are.
 */
#include "router/router.h"

#include "base/map.h"
#include "router/grace.h"
#include "router/topic.h"
#include "router/watch.h"

#include <stddef.h>
#include <string.h>

enum { FIRST_SLOTS = 8 };

/* First in everything that is freed after a grace period. */
typedef struct dead {
    struct dead *next;
} dead;

typedef struct sub {
    dead link;
    _Atomic(struct sub *) next;
    sy__event_handler fn;
    void *ud;
    int id;
    char pattern[]; /* to find the node again */
} sub;

typedef struct node node;

typedef struct table {
    dead link;
    uint32_t cap;  /* a power of two */
    uint32_t used; /* children and tombstones */
    _Atomic(node *) slots[];
} table;

struct node {
    dead link;
    sy__word word; /* its text lies behind the struct */
    _Atomic(table *) kids;
    _Atomic(node *) star; /* the child for `*` */
    _Atomic(sub *) here;  /* of patterns that end at this node */
    _Atomic(sub *) rest;  /* of patterns that go on with `>` only */
    uint32_t kid_count;
    char text[];
};

struct sy__router {
    const sy__alloc *alloc;
    sy__grace grace;
    node *root;
    atomic_size_t subs;       /* live subscriptions */
    atomic_int_fast64_t seen; /* seq of the last durable event delivered; 0: none yet */
    pthread_mutex_t lock;     /* writers of the tree; guards the fields below */
    sy__map ids;              /* id -> sub */
    int next_id;
    dead *dead; /* unlinked, not yet freed */
    pthread_mutex_t watch_lock;
    sy__watch *watches;
};

/* Its address marks a slot whose child went; never read. */
static const node tombstone;

/* ---- reading: any thread inside the grace period ---- */

static node *
child(node *n, sy__word *w)
{
    table *t = atomic_load(&n->kids);
    if (!t) return NULL;
    for (uint32_t hash = sy__word_hash(w), i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
        node *kid = atomic_load(&t->slots[i]);
        if (!kid) return NULL;
        if (kid != &tombstone && kid->word.hash == hash && sy__word_equal(&kid->word, w)) return kid;
    }
}

static void
deliver(_Atomic(sub *) *list, const sy__event *event)
{
    for (sub *s = atomic_load(list); s; s = atomic_load(&s->next)) s->fn(s->ud, event);
}

/* `depth` words lead to n. A pattern is shorter than sy__words can hold, so the tree ends before they do. */
static void
walk(node *n, sy__words *w, int depth, const sy__event *event)
{
    if (depth == w->count) {
        deliver(&n->here, event);
        return;
    }
    deliver(&n->rest, event);
    node *star = atomic_load(&n->star);
    if (star) walk(star, w, depth + 1, event);
    node *kid = child(n, &w->list[depth]);
    if (kid) walk(kid, w, depth + 1, event);
}

static void
tell_watches(sy__router *r, int64_t seen)
{
    (void)pthread_mutex_lock(&r->watch_lock);
    for (sy__watch *w = r->watches; w; w = w->next) w->missed(w->ud, seen);
    (void)pthread_mutex_unlock(&r->watch_lock);
}

static void
route(sy__router *r, const sy__event *event)
{
    sy__words w;
    if (atomic_load_explicit(&r->subs, memory_order_acquire) == 0 || !event->topic) return;
    if (!sy__words_split(&w, event->topic)) return;
    atomic_uint_fast64_t *entered = sy__grace_enter(&r->grace);
    walk(r->root, &w, 0, event);
    sy__grace_leave(entered);
}

void
sy__router_publish(sy__router *r, const sy__event *event)
{
    if (event->seq <= 0) {
        route(r, event);
        return;
    }
    int64_t seen = atomic_load(&r->seen);
    if (seen != 0 && event->seq != seen + 1) tell_watches(r, seen);
    route(r, event);
    atomic_store_explicit(&r->seen, event->seq, memory_order_release); /* not before it is in every queue */
}

bool
sy__router_listening(const sy__router *r)
{
    return atomic_load_explicit(&r->subs, memory_order_relaxed) > 0;
}

void
sy__router_catch_up(sy__router *r)
{
    tell_watches(r, atomic_load(&r->seen));
}

/* ---- writing: under r->lock ---- */

static node *
node_new(const sy__alloc *a, sy__word *w)
{
    node *n = sy__calloc(a, 1, sizeof *n + w->len);
    if (!n) return NULL;
    if (w->len > 0) memcpy(n->text, w->text, w->len);
    n->word = (sy__word){n->text, w->len, sy__word_hash(w)};
    return n;
}

static void
retire(sy__router *r, void *item)
{
    dead *d = item; /* the link is the first member */
    d->next = r->dead;
    r->dead = d;
}

static void
table_add(table *t, node *kid)
{
    uint32_t i = kid->word.hash & (t->cap - 1);
    while (atomic_load(&t->slots[i])) i = (i + 1) & (t->cap - 1);
    atomic_store(&t->slots[i], kid);
    t->used++;
}

/* A table with room for one more child of n: the present one, or a copy without tombstones. */
static table *
table_room(sy__router *r, node *n)
{
    table *t = atomic_load(&n->kids);
    if (t && (t->used + 1) * 4 <= t->cap * 3) return t;
    uint32_t cap = FIRST_SLOTS;
    while (cap < (n->kid_count + 1) * 2) cap *= 2;
    table *copy = sy__calloc(r->alloc, 1, sizeof *copy + cap * sizeof *copy->slots);
    if (!copy) return NULL;
    copy->cap = cap;
    for (uint32_t i = 0; t && i < t->cap; i++) {
        node *kid = atomic_load(&t->slots[i]);
        if (kid && kid != &tombstone) table_add(copy, kid);
    }
    atomic_store(&n->kids, copy);
    if (t) retire(r, t);
    return copy;
}

static void
table_remove(table *t, node *kid)
{
    uint32_t i = kid->word.hash & (t->cap - 1);
    while (atomic_load(&t->slots[i]) != kid) i = (i + 1) & (t->cap - 1);
    atomic_store(&t->slots[i], (node *)&tombstone);
}

static node *
step(node *n, sy__word *w)
{
    return sy__word_is(w, '*') ? atomic_load(&n->star) : child(n, w);
}

static node *
step_make(sy__router *r, node *n, sy__word *w)
{
    node *next = step(n, w);
    if (next) return next;
    bool star = sy__word_is(w, '*');
    table *t = star ? NULL : table_room(r, n);
    if (!star && !t) return NULL;
    next = node_new(r->alloc, w);
    if (!next) return NULL;
    if (star) {
        atomic_store(&n->star, next);
    } else {
        table_add(t, next);
        n->kid_count++;
    }
    return next;
}

static bool
node_empty(node *n)
{
    return n->kid_count == 0 && !atomic_load(&n->star) && !atomic_load(&n->here) && !atomic_load(&n->rest);
}

/* The way from the root to the node that holds a pattern's subscriptions. */
typedef struct path {
    sy__words words;
    node *nodes[SY__TOPIC_WORDS + 1];
    int depth; /* words walked: without a last `>` */
    bool rest;
} path;

static void
path_init(path *p, sy__router *r, const char *pattern)
{
    (void)sy__words_split(&p->words, pattern);
    p->rest = sy__word_is(&p->words.list[p->words.count - 1], '>');
    p->depth = p->words.count - (p->rest ? 1 : 0);
    p->nodes[0] = r->root;
}

static _Atomic(sub *) *
path_list(path *p)
{
    node *n = p->nodes[p->depth];
    return p->rest ? &n->rest : &n->here;
}

/* Unlinks what became empty, from the leaf upwards, beginning at `depth`. */
static void
path_prune(sy__router *r, path *p, int depth)
{
    for (; depth > 0 && node_empty(p->nodes[depth]); depth--) {
        node *n = p->nodes[depth], *parent = p->nodes[depth - 1];
        if (atomic_load(&parent->star) == n) {
            atomic_store(&parent->star, NULL);
        } else {
            table_remove(atomic_load(&parent->kids), n);
            parent->kid_count--;
        }
        if (atomic_load(&n->kids)) retire(r, atomic_load(&n->kids));
        retire(r, n);
    }
}

static int
path_make(sy__router *r, path *p)
{
    for (int i = 0; i < p->depth; i++) {
        p->nodes[i + 1] = step_make(r, p->nodes[i], &p->words.list[i]);
        if (p->nodes[i + 1]) continue;
        path_prune(r, p, i);
        return SY_ENOMEM;
    }
    return SY_OK;
}

static int
link_sub(sy__router *r, sub *s)
{
    path p;
    path_init(&p, r, s->pattern);
    if (path_make(r, &p)) return SY_ENOMEM;
    s->id = r->next_id + 1;
    if (sy__map_put(&r->ids, (const char *)&s->id, sizeof s->id, s)) {
        path_prune(r, &p, p.depth);
        return SY_ENOMEM;
    }
    r->next_id = s->id;
    atomic_store(&s->next, atomic_load(path_list(&p)));
    atomic_store(path_list(&p), s);
    (void)atomic_fetch_add(&r->subs, 1);
    return SY_OK;
}

static void
unlink_sub(sy__router *r, sub *s)
{
    path p;
    path_init(&p, r, s->pattern);
    for (int i = 0; i < p.depth; i++) p.nodes[i + 1] = step(p.nodes[i], &p.words.list[i]);
    _Atomic(sub *) *at = path_list(&p);
    while (atomic_load(at) != s) at = &atomic_load(at)->next;
    atomic_store(at, atomic_load(&s->next));
    retire(r, s);
    path_prune(r, &p, p.depth);
    (void)atomic_fetch_sub(&r->subs, 1);
}

static void
free_dead(const sy__alloc *a, dead *list)
{
    while (list) {
        dead *next = list->next;
        sy__free(a, list);
        list = next;
    }
}

/* ---- the interface ---- */

int
sy__router_subscribe(sy__router *r, const char *pattern, sy__event_handler fn, void *ud, int *id, sy__error *err)
{
    if (!sy__topic_pattern_valid(pattern)) {
        (void)sy__error_set(err, SY_EUSAGE, "'%s' is not a topic pattern", pattern ? pattern : "");
        sy__error_hint(err, "words joined by '.'; '*' stands for one word, '>' at the end for the rest");
        return SY_EUSAGE;
    }
    size_t len = strlen(pattern);
    sub *s = sy__calloc(r->alloc, 1, sizeof *s + len + 1);
    if (!s) return sy__error_set(err, SY_ENOMEM, "no memory to subscribe");
    s->fn = fn;
    s->ud = ud;
    memcpy(s->pattern, pattern, len);
    (void)pthread_mutex_lock(&r->lock);
    int rc = link_sub(r, s);
    int made = s->id;
    (void)pthread_mutex_unlock(&r->lock);
    if (rc) {
        sy__free(r->alloc, s);
        return sy__error_set(err, rc, "no memory to subscribe");
    }
    *id = made;
    return SY_OK;
}

int
sy__router_unsubscribe(sy__router *r, int id)
{
    (void)pthread_mutex_lock(&r->lock);
    sub *s = sy__map_del(&r->ids, (const char *)&id, sizeof id);
    dead *garbage = NULL;
    if (s) {
        unlink_sub(r, s);
        garbage = r->dead;
        r->dead = NULL;
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (!s) return SY_ENOTFOUND;
    sy__grace_wait(&r->grace); /* without the lock: a handler may wait for a thread that subscribes */
    free_dead(r->alloc, garbage);
    return SY_OK;
}

int
sy__router_new(sy__router **out, const sy__alloc *a)
{
    sy__router *r = sy__calloc(a, 1, sizeof *r);
    *out = NULL;
    if (!r) return SY_ENOMEM;
    r->alloc = a;
    r->root = node_new(a, &(sy__word){"", 0, 0});
    if (!r->root) {
        sy__free(a, r);
        return SY_ENOMEM;
    }
    sy__grace_init(&r->grace);
    sy__map_init(&r->ids, a);
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_mutex_init(&r->watch_lock, NULL);
    *out = r;
    return SY_OK;
}

void
sy__router_free(sy__router *r)
{
    if (!r) return;
    size_t at = 0, len;
    const char *key;
    void *s;
    while (sy__map_next(&r->ids, &at, &key, &len, &s)) unlink_sub(r, s);
    free_dead(r->alloc, r->dead);
    sy__free(r->alloc, atomic_load(&r->root->kids));
    sy__free(r->alloc, r->root);
    sy__map_close(&r->ids);
    sy__grace_close(&r->grace);
    (void)pthread_mutex_destroy(&r->lock);
    (void)pthread_mutex_destroy(&r->watch_lock);
    sy__free(r->alloc, r);
}

void
sy__router_watch(sy__router *r, sy__watch *w)
{
    (void)pthread_mutex_lock(&r->watch_lock);
    w->next = r->watches;
    r->watches = w;
    (void)pthread_mutex_unlock(&r->watch_lock);
}

void
sy__router_unwatch(sy__router *r, sy__watch *w)
{
    (void)pthread_mutex_lock(&r->watch_lock);
    for (sy__watch **at = &r->watches; *at; at = &(*at)->next) {
        if (*at != w) continue;
        *at = w->next;
        break;
    }
    (void)pthread_mutex_unlock(&r->watch_lock);
}

const sy__alloc *
sy__router_alloc(const sy__router *r)
{
    return r->alloc;
}
