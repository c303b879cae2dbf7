/*
 * pool.c: the pool manager: warm isolates, one set a stage, so that taking one needs no lock.
 *
 * idle → (take) active → (give) warm → … → (cooldown) freed. An isolate serves one extension version with one
 * grant set in one project: the entry is found by the extension's address, which the pool holds. One in a process of
 * its own is a seat like another; there are fewer of them, and of those that wait the oldest make room.
 */
#include "base/bounds.h"
#include "pit/engine_impl.h"

#include <string.h>

enum { WARM_OF_ONE = 8, WARM_CELLS_OF_ONE = 2, COOLDOWN_S = 60 };

typedef struct warm_set {
    sy__extension *extension; /* held */
    sy__engine *engine;
    sy__isolation isolation;
    int active; /* isolates taken and not given back: they refer to this set */
    sy__isolate *isolates[WARM_OF_ONE];
    int count;
    int64_t used_ns;
    struct warm_set *next;
} warm_set;

struct sy__pool {
    sy__stage *stage;
    warm_set *sets;
};

sy__isolation
sy__pool_isolation(const sy__task *t)
{
    bool own = t->spec->own_process || t->spec->targets[t->target].extension->own_process;
    return own ? SY__OWN_PROCESS : SY__IN_PROCESS;
}

int
sy__pool_new(sy__pool **out, sy__stage *s)
{
    *out = sy__calloc(s->engine->alloc, 1, sizeof **out);
    if (!*out) return SY_ENOMEM;
    (*out)->stage = s;
    return SY_OK;
}

static void
drop_isolate(sy__pool *p, sy__isolate *iso)
{
    if (sy__isolate_options_of(iso)->isolation == SY__OWN_PROCESS)
        (void)atomic_fetch_sub(&p->stage->engine->live_cells, 1);
    sy__isolate_free(iso);
    (void)atomic_fetch_sub(&p->stage->engine->live_isolates, 1);
}

static void
drop_set(sy__pool *p, warm_set *set)
{
    for (int i = 0; i < set->count; i++) drop_isolate(p, set->isolates[i]);
    sy__extension_release(set->extension);
    sy__free(p->stage->engine->alloc, set);
}

void
sy__pool_free(sy__pool *p)
{
    if (!p) return;
    while (p->sets) {
        warm_set *set = p->sets;
        p->sets = set->next;
        drop_set(p, set);
    }
    sy__free(p->stage->engine->alloc, p);
}

static warm_set *
set_of(sy__pool *p, sy__extension *ext, sy__isolation isolation)
{
    for (warm_set *set = p->sets; set; set = set->next)
        if (set->extension == ext && set->isolation == isolation) return set;
    warm_set *set = sy__calloc(p->stage->engine->alloc, 1, sizeof *set);
    if (!set) return NULL;
    set->extension = sy__extension_hold(ext);
    set->engine = p->stage->engine;
    set->isolation = isolation;
    set->next = p->sets;
    return p->sets = set;
}

/* An extension's own modules come first, then the standard library's. */
static bool
find_module(void *ud, const char *name, const char **source, size_t *len, const char **chunk_name)
{
    warm_set *set = ud;
    const sy__engine_options *o = &set->engine->o;
    if (sy__extension_module(set->extension, name, source, len, chunk_name)) return true;
    const char *colon = strchr(name, ':'); /* behind the package that asks */
    return o->stdlib && o->stdlib(o->stdlib_ud, colon ? colon + 1 : name, source, len, chunk_name);
}

/* One more process: when there are too many, some that wait are ended first. */
static int
make_room(sy__pool *p, const sy__extension *ext, sy__error *err)
{
    sy__engine *e = p->stage->engine;
    for (warm_set *set = p->sets; set && atomic_load(&e->live_cells) >= SY_MAX_CELLS; set = set->next)
        while (set->isolation == SY__OWN_PROCESS && set->count > 0) drop_isolate(p, set->isolates[--set->count]);
    if (atomic_load(&e->live_cells) < SY_MAX_CELLS) return SY_OK;
    (void)sy__error_set(err, SY_EPROCESS, "%s needs one more process than the %d there are", ext->name, SY_MAX_CELLS);
    sy__error_hint(err, "`max_parallel` says how many tasks run at once");
    return SY_EPROCESS;
}

static int
make_isolate(sy__pool *p, warm_set *set, sy__isolate **out, sy__error *err)
{
    sy__engine *e = p->stage->engine;
    sy__extension *ext = set->extension;
    sy__isolate_options o = {
        .alloc = e->alloc,
        .clock = e->o.clock,
        .log = e->o.log,
        .name = ext->name,
        .profile = SY__PROFILE_EXTENSION,
        .caps = ext->caps,
        .module = find_module,
        .module_ud = set,
        .loop = p->stage->base,
        .spawner = e->o.spawner,
        .http = p->stage->http,
        .vault = e->o.vault,
        .busy = &p->stage->busy,
        .watchdog = &p->stage->watchdog,
        .modules = e->o.modules,
        .foreign = ext->own_process,
        .trusted = e->o.trusted,
        .audit = e->o.audit,
        .isolation = set->isolation,
        .helper = e->o.helper,
    };
    const sy__source *entry = NULL;
    for (size_t i = 0; i < ext->source_count; i++)
        if (strcmp(ext->sources[i].path, ext->entry) == 0) entry = &ext->sources[i];
    if (!entry) return sy__error_set(err, SY_EMANIFEST, "%s has no file `%s`", ext->name, ext->entry);
    int status = set->isolation == SY__OWN_PROCESS ? make_room(p, ext, err) : SY_OK;
    if (!status) status = sy__isolate_new(out, &o, err);
    if (!status) status = sy__isolate_load(*out, entry->text, entry->len, entry->path, 0, err);
    if (status) {
        sy__isolate_free(*out);
        *out = NULL;
        return status;
    }
    if (set->isolation == SY__OWN_PROCESS) (void)atomic_fetch_add(&e->live_cells, 1);
    int live = atomic_fetch_add(&e->live_isolates, 1) + 1, peak = atomic_load(&e->done.peak_isolates);
    while (live > peak && !atomic_compare_exchange_weak(&e->done.peak_isolates, &peak, live)) continue;
    (void)atomic_fetch_add(&e->done.isolates, 1);
    return SY_OK;
}

int
sy__pool_take(sy__pool *p, sy__extension *ext, sy__isolation isolation, sy__isolate **out, int64_t *cold_ns,
              sy__error *err)
{
    warm_set *set = set_of(p, ext, isolation);
    *cold_ns = 0;
    if (!set) return sy__error_set(err, SY_ENOMEM, "no memory for an isolate");
    while (set->count > 0) {
        *out = set->isolates[--set->count];
        if (sy__isolate_reusable(*out)) {
            set->active++;
            return SY_OK;
        }
        drop_isolate(p, *out); /* its process died while it waited */
    }
    int64_t start = sy__mono_ns(p->stage->engine->o.clock);
    int status = make_isolate(p, set, out, err);
    *cold_ns = sy__mono_ns(p->stage->engine->o.clock) - start + 1;
    set->active += !status;
    return status;
}

int
sy__pool_warm(sy__pool *p, sy__extension *ext, int64_t *ns, size_t *bytes, sy__error *err)
{
    warm_set *set = set_of(p, ext, ext->own_process ? SY__OWN_PROCESS : SY__IN_PROCESS);
    *ns = 0;
    if (!set) return sy__error_set(err, SY_ENOMEM, "no memory for an isolate");
    if (set->count > 0 || set->active > 0) return SY_OK;
    int64_t start = sy__mono_ns(p->stage->engine->o.clock);
    int status = make_isolate(p, set, &set->isolates[0], err);
    set->used_ns = sy__mono_ns(p->stage->engine->o.clock);
    if (status) return status;
    set->count = 1;
    *ns = set->used_ns - start + 1;
    *bytes = sy__isolate_bytes(set->isolates[0]);
    return SY_OK;
}

void
sy__pool_give(sy__pool *p, sy__extension *ext, sy__isolate *iso, bool failed)
{
    sy__isolation isolation = sy__isolate_options_of(iso)->isolation;
    warm_set *set = set_of(p, ext, isolation);
    set->active--;
    int most = isolation == SY__OWN_PROCESS ? WARM_CELLS_OF_ONE : WARM_OF_ONE;
    if (failed || !sy__isolate_reusable(iso) || set->count >= most) {
        drop_isolate(p, iso);
        return;
    }
    set->isolates[set->count++] = iso;
    set->used_ns = sy__mono_ns(p->stage->engine->o.clock);
}

void
sy__pool_cool(sy__pool *p, int64_t now_ns)
{
    for (warm_set **at = &p->sets; *at;) {
        warm_set *set = *at;
        if (set->active > 0 || now_ns - set->used_ns < (int64_t)COOLDOWN_S * 1000000000) {
            at = &set->next;
            continue;
        }
        *at = set->next;
        drop_set(p, set);
    }
}
