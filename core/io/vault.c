/* vault.c: values by name, with what their files were like when they were read. */
#include "io/vault.h"

#include "base/thread.h"
#include "io/secret_store.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { EARLIER = 4, RETRY_MS = 5000 /* after a keyring did not answer */ };

typedef struct entry {
    struct entry *next;
    char name[SY__SECRET_NAME_BYTES];
    sy__secret_stamp stamp;
    sy__secret *value; /* NULL: it could not be read, see why */
    sy__secret *earlier[EARLIER];
    int64_t failed_ms;
    sy__error why;
} entry;

struct sy__vault {
    const sy__alloc *alloc;
    pthread_mutex_t lock; /* of all below */
    char *dir;
    entry *entries;
};

int
sy__vault_new(sy__vault **out, const sy__alloc *a, sy__error *err)
{
    sy__vault *v = *out = sy__calloc(a, 1, sizeof *v);
    if (!v) return sy__error_set(err, SY_ENOMEM, "no memory for secrets");
    v->alloc = a;
    (void)pthread_mutex_init(&v->lock, NULL);
    return SY_OK;
}

void
sy__vault_free(sy__vault *v)
{
    if (!v) return;
    while (v->entries) {
        entry *e = v->entries;
        v->entries = e->next;
        sy__secret_release(e->value);
        for (int i = 0; i < EARLIER; i++) sy__secret_release(e->earlier[i]);
        sy__free(v->alloc, e);
    }
    (void)pthread_mutex_destroy(&v->lock);
    sy__free(v->alloc, v->dir);
    sy__free(v->alloc, v);
}

int
sy__vault_open(sy__vault *v, const char *dir)
{
    char *copy = sy__strdup(v->alloc, dir);
    if (!copy) return SY_ENOMEM;
    (void)pthread_mutex_lock(&v->lock);
    sy__free(v->alloc, v->dir);
    v->dir = copy;
    (void)pthread_mutex_unlock(&v->lock);
    return SY_OK;
}

static entry *
entry_of(sy__vault *v, const char *name)
{
    for (entry *e = v->entries; e; e = e->next)
        if (strcmp(e->name, name) == 0) return e;
    entry *e = sy__calloc(v->alloc, 1, sizeof *e);
    if (!e) return NULL;
    (void)snprintf(e->name, sizeof e->name, "%s", name);
    e->next = v->entries;
    return v->entries = e;
}

static void
retire(entry *e)
{
    if (!e->value) return;
    sy__secret_release(e->earlier[EARLIER - 1]);
    memmove(e->earlier + 1, e->earlier, (EARLIER - 1) * sizeof *e->earlier);
    e->earlier[0] = e->value;
    e->value = NULL;
}

static bool
is_current(const entry *e, const sy__secret_stamp *now)
{
    if (e->stamp.inode != now->inode || e->stamp.changed_ns != now->changed_ns) return false;
    return e->value || sy__mono_ms(&sy__clock_system) - e->failed_ms < RETRY_MS;
}

/* Reads the value anew when its file is not as it was. */
static int
refresh(const sy__vault *v, entry *e, sy__error *err)
{
    sy__secret_stamp now = {0};
    if (!v->dir || !sy__secret_stamp_get(v->dir, e->name, &now)) {
        retire(e);
        e->stamp = now;
        return sy__secret_get(v->dir ? v->dir : "", e->name, &e->value, err);
    }
    if (!is_current(e, &now)) {
        retire(e);
        e->stamp = now;
        e->failed_ms = 0;
        sy__error_clear(&e->why);
        if (sy__secret_get(v->dir, e->name, &e->value, &e->why)) e->failed_ms = sy__mono_ms(&sy__clock_system);
    }
    if (e->value) return SY_OK;
    if (err) *err = e->why;
    return e->why.code;
}

int
sy__vault_get(sy__vault *v, const char *name, sy__secret **out, sy__error *err)
{
    *out = NULL;
    (void)pthread_mutex_lock(&v->lock);
    entry *e = sy__secret_name_ok(name) ? entry_of(v, name) : NULL;
    int rc = e ? refresh(v, e, err) : sy__error_set(err, SY_ENOTFOUND, "there is no secret `%.80s`", name);
    if (rc == SY_OK) *out = sy__secret_hold(e->value);
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}

/* Makes entries of all that have a file and are wanted. */
static void
look_up(sy__vault *v, bool (*wanted)(const void *ud, const char *name), const void *ud)
{
    DIR *dir = v->dir ? opendir(v->dir) : NULL;
    for (struct dirent *d; dir && (d = readdir(dir));)
        if (sy__secret_name_ok(d->d_name) && wanted(ud, d->d_name)) (void)entry_of(v, d->d_name);
    if (dir) (void)closedir(dir);
}

static int
add_values(const entry *e, sy__scrubber *s, sy__error *err)
{
    int rc = e->value ? sy__scrubber_add(s, e->value, err) : SY_OK;
    for (int i = 0; !rc && i < EARLIER && e->earlier[i]; i++) rc = sy__scrubber_add(s, e->earlier[i], err);
    return rc;
}

int
sy__vault_scrub(sy__vault *v, bool (*wanted)(const void *ud, const char *name), const void *ud, sy__scrubber *s,
                sy__error *err)
{
    int rc = SY_OK;
    (void)pthread_mutex_lock(&v->lock);
    look_up(v, wanted, ud);
    for (entry *e = v->entries; e && !rc; e = e->next) {
        if (!wanted(ud, e->name)) continue;
        (void)refresh(v, e, NULL);
        rc = add_values(e, s, err);
    }
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}
