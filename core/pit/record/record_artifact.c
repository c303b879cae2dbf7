/* record_artifact.c: the Pit's decisions, artifacts, and what a judge found of them. */
#include "pit/cache/cache.h"
#include "pit/record/record_impl.h"

#include "base/text.h"

#include <stdio.h>

static const char *const member_names[] = {"pool_allocation", "dag_tracking", "artifact_storage", "arbitration",
                                           "stale_management"};

/* ---- the Pit ---- */

static void
put_pit(sy__stage *s, sy__run *r, const char *id, const char *task_id, int member, const char *context,
        const char *resources, sy__db_slot *slot)
{
    char at[SY__STAMP_BYTES];
    sy__param p[] = {sy__p_text(id),
                     sy__p_text(task_id),
                     sy__p_text(member_names[member]),
                     sy__p_text(context),
                     sy__p_text(resources ? resources : "{}"),
                     sy__p_stamp(sy__wall_ms(s->engine->o.clock), at)};
    sy__record_checked(r, sy__db_put(s->engine->o.db, r->level, s->engine->statements->pit, r->id, p, 6, slot));
}

void
sy__record_pit(sy__stage *s, sy__run *r, sy__task *t, int member, const char *context, const char *resources)
{
    char id[SY__ID_BYTES];
    if (r->level == SY__LEVEL_NONE) return;
    sy__id_next(&s->ids, id);
    put_pit(s, r, id, t ? t->id : r->root_id, member, context, resources, NULL);
}

void
sy__record_wait(sy__stage *s, sy__task *t, const char *id, const char *context, const char *resources)
{
    put_pit(s, t->run, id, t->id, SY__MEMBER_ARBITER, context, resources, NULL);
}

void
sy__record_count(sy__run *r, int member, int64_t n)
{
    (void)atomic_fetch_add_explicit(&r->counts[member].count, n, memory_order_relaxed);
}

/* One row a member for what was immediate since the last call; run.lock held. */
void
sy__record_counts(sy__stage *s, sy__run *r)
{
    for (int i = 0; i < SY__MEMBERS; i++) {
        char context[64], used[96], id[SY__ID_BYTES];
        int64_t n = atomic_exchange_explicit(&r->counts[i].count, 0, memory_order_relaxed);
        (void)atomic_fetch_add_explicit(&s->engine->done.decisions[i], n, memory_order_relaxed);
        if (n == 0 || r->level == SY__LEVEL_NONE) continue;
        (void)snprintf(context, sizeof context, "{\"decision\":\"immediate\",\"count\":%lld}", (long long)n);
        (void)snprintf(used, sizeof used, "{\"cpu_ms\":%.3f,\"peak_bytes\":%zu}", (double)r->cpu_ns / 1e6,
                       r->peak_bytes);
        sy__id_next(&s->ids, id);
        put_pit(s, r, id, r->root_id, i, context, i == SY__MEMBER_POOL ? used : NULL, NULL);
    }
}

/* ---- judged artifacts ---- */

void
sy__record_judged(sy__stage *s, sy__attempt *a, bool valid)
{
    sy__run *r = a->task->run;
    char at[SY__STAMP_BYTES];
    if (r->level == SY__LEVEL_NONE) return;
    for (size_t i = 0; i < a->artifact_count; i++) {
        sy__param p[] = {sy__p_text(a->artifacts[i]), sy__p_text(sy_version()), sy__p_text(valid ? "valid" : "invalid"),
                         sy__p_integer(valid), sy__p_stamp(sy__wall_ms(s->engine->o.clock), at)};
        sy__record_checked(r, sy__db_put(s->engine->o.db, r->level, s->engine->statements->quality, r->id, p, 5, NULL));
    }
}

/* Remembers an artifact until the output that names it is judged. */
static int
remember(sy__stage *s, sy__attempt *a, const char *id)
{
    if ((a->artifact_count & 7) == 0) {
        void *list = sy__realloc(s->engine->alloc, a->artifacts, (a->artifact_count + 8) * sizeof *a->artifacts);
        if (!list) return SY_ENOMEM;
        a->artifacts = list;
    }
    memcpy(a->artifacts[a->artifact_count++], id, SY__ID_BYTES);
    return SY_OK;
}

/* ---- artifacts ---- */

/* {"$artifact":hash,"id","size","type","name"}: what the extension gets; `name` where the metadata has one. */
static void
put_ref(const char *id, const char *type, const sy__stored *stored, sy__value metadata, sy__vbuf *ref)
{
    sy__value name;
    size_t len;
    sy__vbuf_map(ref);
    sy__vbuf_key(ref, "$artifact", 9);
    sy__vbuf_cstr(ref, stored->hash);
    sy__vbuf_key(ref, "id", 2);
    sy__vbuf_cstr(ref, id);
    sy__vbuf_key(ref, "size", 4);
    sy__vbuf_int(ref, stored->size);
    sy__vbuf_key(ref, "type", 4);
    sy__vbuf_cstr(ref, type);
    if (sy__value_get(metadata, "name", 4, &name) && sy__value_str(name, &len)) {
        sy__vbuf_key(ref, "name", 4);
        sy__vbuf_value(ref, name);
    }
    sy__vbuf_end(ref);
}

/* Offsets in stage.text of the task's key (0), the event's payload and the metadata, each ended by a NUL. */
typedef struct artifact_texts {
    size_t payload, metadata;
} artifact_texts;

static artifact_texts
make_texts(sy__stage *s, sy__task *t, const char *id, const char *type, const sy__stored *stored, sy__value metadata)
{
    artifact_texts at;
    sy__buf *b = &s->text;
    sy__buf_reset(b);
    sy__task_key(t, b);
    sy__buf_addc(b, '\0');
    at.payload = b->len;
    sy__buf_adds(b, "{\"key\":\"");
    sy__task_key(t, b);
    sy__buf_addf(b, "\",\"artifact\":\"%s\",\"hash\":\"%s\",\"size\":%lld,\"type\":", id, stored->hash,
                 (long long)stored->size);
    sy__json_string(b, type, strlen(type));
    sy__buf_adds(b, "}");
    sy__buf_addc(b, '\0');
    at.metadata = b->len;
    if (sy__value_kind(metadata) == SY__MAP)
        sy__value_to_json(metadata, SY__JSON_COMPACT, b);
    else
        sy__buf_adds(b, "{}");
    return at;
}

/* The production as a row, and its event's relation to it. */
static int
put_row(sy__stage *s, sy__task *t, const char *id, const char *event_id, const char *type, const sy__stored *stored,
        const char *metadata)
{
    sy__run *r = t->run;
    sy__db *db = s->engine->o.db;
    const sy__statements *st = s->engine->statements;
    char at[SY__STAMP_BYTES];
    sy__param p[] = {
        sy__p_text(id),
        sy__p_text(event_id),
        sy__p_text(t->spec->targets[t->target].extension->id),
        sy__p_text(r->melody_id),
        sy__p_text(type),
        sy__p_text(stored->hash),
        sy__p_text(metadata),
        sy__p_stamp(sy__wall_ms(s->engine->o.clock), at),
        sy__p_text(t->id),
        sy__p_text(r->id),
        sy__p_integer(stored->size),
    };
    sy__param link[] = {sy__p_text(id), sy__p_text(event_id)};
    int status = sy__db_put(db, r->level, st->artifact, r->id, p, sizeof p / sizeof *p, NULL);
    return status ? status : sy__db_put(db, r->level, st->event_artifact, r->id, link, 2, NULL);
}

/* What the store decided: stored, or known already; and the artifact's relation to it. */
static int
put_decision(sy__stage *s, sy__task *t, const char *id, const sy__stored *stored)
{
    char pit_id[SY__ID_BYTES], context[256], used[64];
    sy__run *r = t->run;
    (void)snprintf(context, sizeof context, "{\"decision\":\"%s\",\"hash\":\"%s\",\"size\":%lld,\"stored\":%lld}",
                   sy__cache_restoring(t) ? "cache_hit"
                   : stored->dedup        ? "dedup_hit"
                                          : "store",
                   stored->hash, (long long)stored->size, (long long)stored->stored_size);
    (void)snprintf(used, sizeof used, "{\"bytes\":%lld}", stored->dedup ? 0LL : (long long)stored->stored_size);
    sy__id_next(&s->ids, pit_id);
    put_pit(s, r, pit_id, t->id, SY__MEMBER_ARTIFACT, context, used, NULL);
    sy__param pair[] = {sy__p_text(id), sy__p_text(pit_id)};
    return sy__db_put(s->engine->o.db, r->level, s->engine->statements->pit_artifact, r->id, pair, 2, NULL);
}

int
sy__record_artifact(sy__stage *s, sy__task *t, const char *type, const sy__stored *stored, sy__value metadata,
                    sy__vbuf *ref, sy__error *err)
{
    char id[SY__ID_BYTES], event_id[SY__ID_BYTES];
    sy__id_next(&s->ids, id);
    put_ref(id, type, stored, metadata, ref);
    t->artifacts++;
    if (t->memo) sy__cache_produced(t, id, type, stored, metadata);
    if (t->run->level == SY__LEVEL_NONE) return SY_OK;
    sy__attempt_show(s, t);
    artifact_texts at = make_texts(s, t, id, type, stored, metadata);
    const char *b = sy__buf_cstr(&s->text);
    if (!b) return sy__error_set(err, SY_ENOMEM, "no memory for an artifact's row");
    const char *extension = t->spec->targets[t->target].extension->id;
    sy__record_emit(s, t->run, t, extension, b, "artifact_produced", b + at.payload, event_id);
    int status = put_row(s, t, id, event_id, type, stored, b + at.metadata);
    if (!status) status = put_decision(s, t, id, stored);
    if (!status && t->attempt) status = remember(s, t->attempt, id);
    return status ? sy__error_set(err, status, "the artifact cannot be recorded") : SY_OK;
}
