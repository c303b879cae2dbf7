/*
 * powerloss_disk.c: the record, and images of it.
 *
 * An image is made by doing the operations again in memory. A file is its synced bytes and a list of writes since; a
 * sync of the file applies them. A name (of a file or a folder) lives in the folder that holds it and is on the disk
 * once that folder was synced. Two kinds of file system are drawn by the seed:
 *
 *     strict    names are kept or lost one by one, as POSIX allows; a file's sync says nothing of its name
 *     ordered   names are kept up to one moment and lost after it, and a file's sync keeps all names so far
 *               (what journals do)
 */
#include "powerloss_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, PATHS = 512, KEEP = 0, DROP = 1, TEAR = 2 };

typedef enum kind { MADE_FILE, MADE_FOLDER, WROTE, CUT, SYNCED_FILE, SYNCED_FOLDER, RENAMED, REMOVED } kind;

typedef struct operation {
    kind kind;
    char *path, *to; /* below the root */
    uint64_t at;     /* WROTE: the offset; CUT: the size; SYNCED: the operation it began before */
    size_t size;
    unsigned char *bytes;
} operation;

struct disk {
    pthread_mutex_t lock; /* guards the list */
    char root[PATHS];
    operation *list;
    size_t count, room;
    size_t base; /* operations that stand for what was there at first */
    bool lies;
};

uint64_t
disk_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void *
grown(void *p, size_t bytes)
{
    void *q = realloc(p, bytes ? bytes : 1);
    if (!q) abort();
    return q;
}

/* ---- the record ---- */

/* The path below the root; NULL when it lies elsewhere. */
static const char *
below(const disk *d, const char *path)
{
    size_t n = strlen(d->root);
    return strncmp(path, d->root, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

static void
note(disk *d, operation o, const char *path, const char *to, const void *bytes)
{
    const char *name = below(d, path), *other = to ? below(d, to) : NULL;
    if (!name) name = strcmp(path, d->root) == 0 ? "" : NULL;
    if (!name || (to && !other)) return;
    o.path = strdup(name);
    o.to = other ? strdup(other) : NULL;
    if (bytes) o.bytes = memcpy(grown(NULL, o.size), bytes, o.size);
    (void)pthread_mutex_lock(&d->lock);
    if (d->count == d->room) d->list = grown(d->list, (d->room = d->room * 2 + 64) * sizeof *d->list);
    d->list[d->count++] = o;
    (void)pthread_mutex_unlock(&d->lock);
}

void
disk_made(disk *d, const char *path, bool folder)
{
    note(d, (operation){.kind = folder ? MADE_FOLDER : MADE_FILE}, path, NULL, NULL);
}

void
disk_wrote(disk *d, const char *path, uint64_t at, const void *bytes, size_t size)
{
    note(d, (operation){.kind = WROTE, .at = at, .size = size}, path, NULL, bytes);
}

void
disk_cut_to(disk *d, const char *path, uint64_t size)
{
    note(d, (operation){.kind = CUT, .at = size}, path, NULL, NULL);
}

void
disk_synced(disk *d, const char *path, bool folder, size_t begun)
{
    if (d->lies) return;
    note(d, (operation){.kind = folder ? SYNCED_FOLDER : SYNCED_FILE, .at = begun}, path, NULL, NULL);
}

void
disk_renamed(disk *d, const char *from, const char *to)
{
    note(d, (operation){.kind = RENAMED}, from, to, NULL);
}

void
disk_removed(disk *d, const char *path)
{
    note(d, (operation){.kind = REMOVED}, path, NULL, NULL);
}

size_t
disk_now(disk *d)
{
    (void)pthread_mutex_lock(&d->lock);
    size_t n = d->count;
    (void)pthread_mutex_unlock(&d->lock);
    return n;
}

void
disk_lie(disk *d)
{
    d->lies = true;
}

static void
note_file(disk *d, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) abort();
    unsigned char *bytes = grown(NULL, (size_t)st.st_size);
    if (read(fd, bytes, (size_t)st.st_size) != st.st_size) abort();
    (void)close(fd);
    disk_made(d, path, false);
    disk_wrote(d, path, 0, bytes, (size_t)st.st_size);
    disk_synced(d, path, false, disk_now(d));
    free(bytes);
}

/* What is there already, as operations that were synced. */
static void
note_folder(disk *d, const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) abort();
    for (const struct dirent *e; (e = readdir(dir));) {
        char name[PATHS * 2];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (strstr(e->d_name, "-shm")) continue; /* memory that processes share, not kept */
        (void)snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        if (e->d_type == DT_DIR) {
            disk_made(d, name, true);
            note_folder(d, name);
        } else {
            note_file(d, name);
        }
    }
    (void)closedir(dir);
    disk_synced(d, path, true, disk_now(d));
}

disk *
disk_new(const char *root)
{
    disk *d = calloc(1, sizeof *d);
    if (!d) abort();
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)snprintf(d->root, sizeof d->root, "%s", root);
    note_folder(d, root);
    d->base = d->count;
    return d;
}

void
disk_free(disk *d)
{
    for (size_t i = 0; d && i < d->count; i++) {
        free(d->list[i].path);
        free(d->list[i].to);
        free(d->list[i].bytes);
    }
    if (d) free(d->list);
    free(d);
}

size_t
disk_moment(disk *d, uint64_t *random)
{
    size_t span = d->count - d->base, at = d->base + (size_t)(disk_random(random) % (span + 1));
    if (disk_random(random) % 2) return at;
    for (size_t i = at; i < d->count; i++) {
        kind k = d->list[i].kind;
        if (k == SYNCED_FILE || k == SYNCED_FOLDER || k == RENAMED || k == MADE_FILE)
            return i + disk_random(random) % 2;
    }
    return at;
}

/* ---- files of an image ---- */

typedef struct file {
    unsigned char *bytes; /* on the disk */
    size_t size;
    size_t *since; /* operations that no sync has covered yet */
    size_t waiting;
} file;

/* A name, as the program sees it (live) or as the disk has it. */
typedef struct name {
    char *path;
    int file; /* index; -1: a folder; -2: removed */
} name;

typedef struct names {
    name *list;
    size_t count;
} names;

/* A change of names that no sync has covered yet. */
typedef struct change {
    size_t operation;
    int file;
    bool settled;
} change;

typedef struct image {
    const disk *disk;
    uint64_t random;
    bool ordered;
    file *files;
    size_t file_count;
    names live, kept;
    change *changes;
    size_t change_count;
} image;

static name *
find(names *n, const char *path)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->list[i].path, path) == 0) return &n->list[i];
    return NULL;
}

static void
set(names *n, const char *path, int file_index)
{
    name *old = find(n, path);
    if (old) {
        old->file = file_index;
        return;
    }
    n->list = grown(n->list, (n->count + 1) * sizeof *n->list);
    n->list[n->count++] = (name){.path = strdup(path), .file = file_index};
}

static void
apply_cut(file *f, size_t size)
{
    f->bytes = grown(f->bytes, size);
    if (size > f->size) memset(f->bytes + f->size, 0, size - f->size);
    f->size = size;
}

static void
apply_part(file *f, const operation *o, size_t from, size_t to)
{
    if (o->at + to > f->size) apply_cut(f, o->at + to);
    if (to == from) return;
    memcpy(f->bytes + o->at + from, o->bytes + from, to - from);
}

/* Sector by sector, for a disk writes those whole. */
static void
apply_torn(file *f, const operation *o, uint64_t *random)
{
    for (size_t from = 0, to; from < o->size; from = to) {
        to = from + SECTOR - (o->at + from) % SECTOR;
        if (to > o->size) to = o->size;
        if (disk_random(random) % 2) apply_part(f, o, from, to);
    }
}

static void
apply(image *m, file *f, const operation *o, int fate)
{
    if (fate == DROP) return;
    if (o->kind == CUT)
        apply_cut(f, o->at);
    else if (fate == TEAR)
        apply_torn(f, o, &m->random);
    else
        apply_part(f, o, 0, o->size);
}

/* What was waiting before `end` is on the disk. */
static void
sync_file(image *m, file *f, size_t end)
{
    size_t left = 0;
    for (size_t i = 0; i < f->waiting; i++) {
        if (f->since[i] < end)
            apply(m, f, &m->disk->list[f->since[i]], KEEP);
        else
            f->since[left++] = f->since[i];
    }
    f->waiting = left;
}

/* ---- names of an image ---- */

static bool
same_name(const operation *a, const operation *b)
{
    return strcmp(a->path, b->path) == 0 || (a->to && strcmp(a->to, b->path) == 0) ||
           (b->to && strcmp(a->path, b->to) == 0) || (a->to && b->to && strcmp(a->to, b->to) == 0);
}

/* On the disk now; what the same names were before is not any more. */
static void
settle(image *m, change *c)
{
    const operation *o = &m->disk->list[c->operation];
    for (change *past = m->changes; past < c; past++)
        if (!past->settled && same_name(&m->disk->list[past->operation], o)) past->settled = true;
    if (o->kind == RENAMED) {
        set(&m->kept, o->path, -2);
        set(&m->kept, o->to, c->file);
    } else {
        set(&m->kept, o->path, o->kind == REMOVED ? -2 : c->file);
    }
    c->settled = true;
}

static bool
lies_in(const char *path, const char *folder)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    size_t n = slash ? (size_t)(slash - path) : 0;
    return path && strlen(folder) == n && strncmp(path, folder, n) == 0;
}

/* `folder` NULL: all names that changed before `end`. */
static void
sync_names(image *m, const char *folder, size_t end)
{
    for (size_t i = 0; i < m->change_count; i++) {
        change *c = &m->changes[i];
        const operation *o = &m->disk->list[c->operation];
        if (c->settled || c->operation >= end) continue;
        if (!folder || lies_in(o->path, folder) || lies_in(o->to, folder)) settle(m, c);
    }
}

static void
change_name(image *m, size_t operation_index, int file_index)
{
    m->changes = grown(m->changes, (m->change_count + 1) * sizeof *m->changes);
    m->changes[m->change_count++] = (change){.operation = operation_index, .file = file_index};
}

static void
make(image *m, size_t index, const operation *o)
{
    int at = -1;
    name *there = find(&m->live, o->path);
    if (there && there->file != -2) return;
    if (o->kind == MADE_FILE) {
        m->files = grown(m->files, (m->file_count + 1) * sizeof *m->files);
        m->files[m->file_count] = (file){0};
        at = (int)m->file_count++;
    }
    set(&m->live, o->path, at);
    change_name(m, index, at);
}

static file *
live_file(image *m, const char *path)
{
    const name *n = find(&m->live, path);
    return n && n->file >= 0 ? &m->files[n->file] : NULL;
}

static void
wait_for_sync(file *f, size_t index)
{
    if (!f) return; /* written after its name was removed: it is gone with the process */
    f->since = grown(f->since, (f->waiting + 1) * sizeof *f->since);
    f->since[f->waiting++] = index;
}

static void
do_again(image *m, size_t index)
{
    const operation *o = &m->disk->list[index];
    file *f = live_file(m, o->path);
    switch (o->kind) {
    case MADE_FILE:
    case MADE_FOLDER: make(m, index, o); break;
    case WROTE:
    case CUT: wait_for_sync(f, index); break;
    case SYNCED_FILE:
        if (f) sync_file(m, f, o->at);
        if (m->ordered) sync_names(m, NULL, o->at);
        break;
    case SYNCED_FOLDER: sync_names(m, m->ordered ? NULL : o->path, o->at); break;
    case RENAMED:
        if (!f) break;
        change_name(m, index, (int)(f - m->files));
        set(&m->live, o->to, (int)(f - m->files));
        set(&m->live, o->path, -2);
        break;
    case REMOVED:
        set(&m->live, o->path, -2);
        change_name(m, index, -2);
        break;
    }
}

/* ---- the moment ---- */

/* Whether the power loss is kind, unkind or random to what nobody synced. */
static int
fate(image *m, int mood)
{
    if (mood < 2) return mood;
    return (int)(disk_random(&m->random) % 3);
}

static void
lose_power(image *m)
{
    int mood = (int)(disk_random(&m->random) % 4);
    for (size_t i = 0; i < m->file_count; i++) {
        file *f = &m->files[i];
        for (size_t k = 0; k < f->waiting; k++) apply(m, f, &m->disk->list[f->since[k]], fate(m, mood));
    }
    size_t end = m->change_count ? disk_random(&m->random) % (m->change_count + 1) : 0;
    for (size_t i = 0; i < m->change_count; i++) {
        bool kept = m->ordered ? i < end : fate(m, mood) != DROP;
        if (!m->changes[i].settled && kept) settle(m, &m->changes[i]);
    }
}

static int
by_path(const void *a, const void *b)
{
    return strcmp(((const name *)a)->path, ((const name *)b)->path);
}

/* What lies in a folder that is not there is not there either: making it fails. */
static void
store(const image *m, const name *n, const char *to)
{
    char path[PATHS * 3];
    (void)snprintf(path, sizeof path, "%s/%s", to, n->path);
    if (n->file == -1) (void)mkdir(path, 0700);
    if (n->file < 0) return;
    const file *f = &m->files[n->file];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return;
    if (f->size > 0 && write(fd, f->bytes, f->size) != (ssize_t)f->size) abort();
    (void)close(fd);
}

static void
free_image(image *m)
{
    for (size_t i = 0; i < m->file_count; i++) {
        free(m->files[i].bytes);
        free(m->files[i].since);
    }
    for (size_t i = 0; i < m->live.count; i++) free(m->live.list[i].path);
    for (size_t i = 0; i < m->kept.count; i++) free(m->kept.list[i].path);
    free(m->files);
    free(m->live.list);
    free(m->kept.list);
    free(m->changes);
}

void
disk_image(disk *d, size_t moment, uint64_t seed, const char *to)
{
    image m = {.disk = d, .random = seed};
    m.ordered = disk_random(&m.random) % 2;
    for (size_t i = 0; i < moment; i++) do_again(&m, i);
    lose_power(&m);
    if (m.kept.count) qsort(m.kept.list, m.kept.count, sizeof *m.kept.list, by_path);
    for (size_t i = 0; i < m.kept.count; i++) store(&m, &m.kept.list[i], to);
    free_image(&m);
}
