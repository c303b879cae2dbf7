/*
 * artifact_pending.c: between a put and its commit.
 *
 * The writer commits behind our back; until it has, a content can be read from here only, and a second put
 * of it must find it here. Entries wait in the order of their tickets. One notice at a time is outstanding
 * with the database: when it fires, everything up to its ticket is in the table and leaves, and the next
 * notice is asked for the last that still waits. So there is one call a commit group, not one a put.
 */
#include "db/params.h"
#include "pit/artifact/artifact_impl.h"

#include <string.h>
#include <unistd.h>

static size_t
key_len(void)
{
    return SY__HASH_BYTES - 1;
}

sy__pending *
sy__pending_new(sy__artifacts *s, const char *hash, size_t stored_size, const void *bytes)
{
    size_t kept = bytes ? stored_size : 0;
    sy__pending *p = sy__malloc(s->alloc, sizeof *p + kept);
    if (!p) return NULL;
    *p = (sy__pending){.stored_size = (int64_t)stored_size, .in_file = !bytes, .fd = -1};
    memcpy(p->hash, hash, sizeof p->hash);
    if (kept) memcpy(p->bytes, bytes, kept);
    return p;
}

static void
pending_free(sy__artifacts *s, sy__pending *p)
{
    if (!p) return;
    if (p->fd >= 0) (void)close(p->fd);
    if (p->temp) sy__temp_remove(s, p->temp);
    sy__free(s->alloc, p);
}

static void
pending_push(sy__pending_list *l, sy__pending *p)
{
    p->next = NULL;
    if (l->last)
        l->last->next = p;
    else
        l->first = p;
    l->last = p;
    l->count++;
    l->bytes += p->stored_size;
}

static sy__pending *
pop(sy__pending_list *l)
{
    sy__pending *p = l->first;
    if (!p) return NULL;
    l->first = p->next;
    if (!l->first) l->last = NULL;
    l->count--;
    l->bytes -= p->stored_size;
    return p;
}

bool
sy__pending_find(sy__artifacts *s, sy__tool *t, const char *hash, bool content, sy__blob_row *row)
{
    (void)pthread_mutex_lock(&s->lock);
    const sy__pending *p = s->pending.count ? sy__map_get(&s->pending, hash, key_len()) : NULL;
    if (p) {
        *row = (sy__blob_row){.size = p->size,
                              .stored_size = p->stored_size,
                              .encoding = p->encoding,
                              .in_file = p->in_file,
                              .temp = p->temp};
        if (content && !p->in_file) {
            sy__buf_reset(&t->stored);
            sy__buf_add(&t->stored, p->bytes, (size_t)p->stored_size);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return p != NULL;
}

/* ---- waiting for commits: under s->lock ---- */

static void on_commit(void *ud, int status);

static void
ask_notice(sy__artifacts *s)
{
    if (s->noticed || !s->waiting.last) return;
    s->noticed = s->waiting.last->ticket;
    if (sy__db_notify(s->db, s->noticed, false, on_commit, s)) s->noticed = 0; /* the next put asks again */
}

static void
forget(sy__artifacts *s, sy__pending *p)
{
    (void)sy__map_del(&s->pending, p->hash, key_len());
    pending_free(s, p);
}

/* The writer's thread. After a failure nothing is ever committed: all are forgotten. */
static void
on_commit(void *ud, int status)
{
    sy__artifacts *s = ud;
    (void)pthread_mutex_lock(&s->lock);
    while (s->waiting.first && (status || s->waiting.first->ticket <= s->noticed)) forget(s, pop(&s->waiting));
    s->noticed = 0;
    ask_notice(s);
    if (!s->noticed) (void)pthread_cond_broadcast(&s->quiet);
    (void)pthread_mutex_unlock(&s->lock);
}

static void
wait_for_commit(sy__artifacts *s, sy__pending *p)
{
    p->ticket = sy__db_now(s->db);
    pending_push(&s->waiting, p);
    ask_notice(s);
}

/* ---- rows ---- */

/* Both statements take the same parameters. */
static int
put_row(sy__artifacts *s, int statement, sy__durability level, const char *hash, int64_t size, int64_t stored_size,
        sy__encoding how, const void *content)
{
    char now[SY__STAMP_BYTES];
    sy__stamp(sy__artifacts_now(s), now);
    const sy__param params[] = {
        sy__p_text(hash),
        sy__p_integer(size),
        sy__p_integer(stored_size),
        sy__p_text(how == SY__ZSTD ? "zstd" : "raw"),
        sy__p_text(now),
        content ? (sy__param){.kind = SY__P_BLOB, .p = content, .len = (size_t)stored_size}
                : (sy__param){.kind = SY__P_NULL},
    };
    return sy__db_put(s->db, level, statement, NULL, params, sizeof params / sizeof *params, NULL);
}

/* Under s->lock: enters p into the map, unless the same content came in between. */
static int
enter(sy__artifacts *s, sy__pending *p, bool *dedup)
{
    *dedup = sy__map_get(&s->pending, p->hash, key_len()) != NULL;
    return *dedup ? SY_OK : sy__map_put(&s->pending, p->hash, key_len(), p);
}

/* Queues the row and enters p, or frees it. */
static int
put_and_enter(sy__artifacts *s, sy__pending *p, int statement, bool *dedup)
{
    (void)pthread_mutex_lock(&s->lock);
    int rc = enter(s, p, dedup);
    bool entered = rc == SY_OK && !*dedup;
    if (entered)
        rc = put_row(s, statement, p->level, p->hash, p->size, p->stored_size, p->encoding,
                     p->in_file ? NULL : p->bytes);
    if (entered && rc == SY_OK)
        wait_for_commit(s, p);
    else if (entered)
        forget(s, p);
    (void)pthread_mutex_unlock(&s->lock);
    if (!entered) pending_free(s, p);
    return rc;
}

int
sy__pending_put(sy__artifacts *s, sy__pending *p, bool *dedup)
{
    return put_and_enter(s, p, s->store_statement, dedup);
}

int
sy__pending_file(sy__artifacts *s, sy__pending *p, bool *dedup)
{
    (void)pthread_mutex_lock(&s->lock);
    int rc = enter(s, p, dedup);
    bool entered = rc == SY_OK && !*dedup;
    if (entered) pending_push(&s->files, p);
    (void)pthread_mutex_unlock(&s->lock);
    if (!entered) pending_free(s, p);
    return rc;
}

int
sy__pending_flushed(sy__artifacts *s, sy__pending_list *files)
{
    int first = SY_OK;
    (void)pthread_mutex_lock(&s->lock);
    for (sy__pending *p; (p = pop(files));) {
        int rc = p->status;
        if (rc == SY_OK)
            rc = put_row(s, s->store_statement, p->level, p->hash, p->size, p->stored_size, p->encoding, NULL);
        if (rc == SY_OK)
            wait_for_commit(s, p);
        else
            forget(s, p);
        if (first == SY_OK) first = rc;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return first;
}

/* Pending as well: until the touch is committed, gc may delete the row, and readers must not see that. */
int
sy__pending_touch(sy__artifacts *s, const char *hash, const sy__blob_row *row, sy__durability level)
{
    bool dedup;
    sy__pending *p = sy__pending_new(s, hash, (size_t)row->stored_size, NULL);
    if (!p) return SY_ENOMEM;
    p->size = row->size;
    p->encoding = row->encoding;
    p->level = level;
    return put_and_enter(s, p, s->touch_statement, &dedup);
}

void
sy__pending_close(sy__artifacts *s)
{
    (void)pthread_mutex_lock(&s->lock);
    while (s->noticed) (void)pthread_cond_wait(&s->quiet, &s->lock);
    for (sy__pending *p; (p = pop(&s->waiting));) forget(s, p);
    for (sy__pending *p; (p = pop(&s->files));) forget(s, p);
    (void)pthread_mutex_unlock(&s->lock);
}
