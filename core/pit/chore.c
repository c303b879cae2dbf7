/* chore.c: rows and events of what the host does on its own. Everything is queued; a chore's row first. */
#include "pit/chore.h"

#include "pit/record/record_impl.h"
#include "pit/record/statements.h"

#include <stdio.h>
#include <string.h>

struct sy__chore {
    sy__chore *next; /* engine.chores */
    sy__engine *engine;
    pthread_t thread; /* who began it */
    sy__id_source ids;
    sy__db_slot slot;
    int64_t began_ms;
    char id[SY__ID_BYTES];
    char task_type[32], operation[64];
    char *payload;
};

static const char SQL_OF_HASH[] = "INSERT INTO artifact_pit_operation (artifact_id, pit_operation_id)"
                                  " SELECT id, ?1 FROM artifact WHERE content_hash = ?2 ON CONFLICT DO NOTHING";

const char *
sy__chore_id(const sy__chore *c)
{
    return c->id;
}

/* ---- rows ---- */

static void
put_row(sy__chore *c, const char *status, const char *outcome, const char *output, const char *error)
{
    const sy__statements *st = c->engine->statements;
    const char *host = sy__db_host_id(c->engine->o.db);
    char began[SY__STAMP_BYTES], ended[SY__STAMP_BYTES], context[96];
    int64_t now = sy__wall_ms(c->engine->o.clock);
    sy__param none = {.kind = SY__P_NULL};
    sy__stamp(c->began_ms, began);
    sy__stamp(now, ended);
    (void)snprintf(context, sizeof context, "{\"host\":\"%s\"}", host);
    sy__param p[] = {
        sy__p_text(c->id),
        sy__p_text(st->conductor),
        sy__p_text(st->host),
        none,
        sy__p_text(c->task_type),
        sy__p_text(c->payload),
        sy__p_text(status),
        sy__p_text(context),
        sy__p_text(began),
        sy__p_text(began),
        outcome ? sy__p_text(ended) : none,
        sy__p_text(st->kit),
        none,
        sy__p_text(c->operation),
        none,
        none,
        sy__p_text(c->operation),
        sy__p_text(st->host_version),
        sy__p_text(outcome),
        sy__p_integer(1),
        sy__p_text(output),
        none,
        sy__p_text(error),
        sy__p_integer(0),
        sy__p_integer(0),
        sy__p_integer(outcome ? now - c->began_ms : 0),
        sy__p_text(began),
    };
    (void)sy__db_put(c->engine->o.db, SY__LEVEL_FULL, st->task, NULL, p, sizeof p / sizeof *p, &c->slot);
}

void
sy__chore_tell(sy__chore *c, const char *extension_id, const char *type, const char *topic, const char *payload)
{
    char id[SY__ID_BYTES], context[96];
    sy__id_next(&c->ids, id);
    (void)snprintf(context, sizeof context, "{\"host\":\"%s\"}", sy__db_host_id(c->engine->o.db));
    sy__event event = {
        .id = id,
        .task = c->id,
        .extension = extension_id,
        .type = type,
        .topic = topic,
        .payload = payload,
        .context = context,
        .occurred_ms = sy__wall_ms(c->engine->o.clock),
    };
    (void)sy__db_put_event(c->engine->o.db, SY__LEVEL_FULL, &event);
}

void
sy__chore_event(sy__chore *c, const char *type, const char *payload)
{
    char topic[128];
    (void)snprintf(topic, sizeof topic, "%s.%s", c->operation, type);
    sy__chore_tell(c, c->engine->statements->host, type, topic, payload);
}

static void
put_decision(sy__engine *e, sy__durability level, const char *run, const char *id, const char *task, const char *member,
             const char *context, const char *resources)
{
    char at[SY__STAMP_BYTES];
    sy__stamp(sy__wall_ms(e->o.clock), at);
    sy__param p[] = {sy__p_text(id),
                     sy__p_text(task),
                     sy__p_text(member),
                     sy__p_text(context),
                     sy__p_text(resources ? resources : "{}"),
                     sy__p_text(at)};
    (void)sy__db_put(e->o.db, level, e->statements->pit, run, p, 6, NULL);
}

void
sy__chore_decision(sy__chore *c, const char *member, const char *context, const char *resources)
{
    char id[SY__ID_BYTES];
    sy__id_next(&c->ids, id);
    put_decision(c->engine, SY__LEVEL_FULL, NULL, id, c->id, member, context, resources);
}

/* ---- beginning and ending ---- */

static bool
known_type(const char *type)
{
    return strcmp(type, "extension_activation") == 0 || strcmp(type, "resource_allocation") == 0 ||
           strcmp(type, "artifact_processing") == 0;
}

int
sy__chore_begin(sy__chore **out, sy__engine *e, const sy__chore_about *about, sy__error *err)
{
    *out = NULL;
    if (!known_type(about->task_type))
        return sy__error_set(err, SY_EUSAGE, "there is no task type `%s`", about->task_type);
    sy__chore *c = sy__calloc(e->alloc, 1, sizeof *c);
    if (c) c->payload = sy__strdup(e->alloc, about->payload ? about->payload : "{}");
    if (!c || !c->payload) {
        sy__free(e->alloc, c);
        return sy__error_set(err, SY_ENOMEM, "no memory for a task of the host");
    }
    c->engine = e;
    c->thread = pthread_self();
    c->began_ms = sy__wall_ms(e->o.clock);
    (void)snprintf(c->task_type, sizeof c->task_type, "%s", about->task_type);
    (void)snprintf(c->operation, sizeof c->operation, "%s", about->operation);
    sy__id_source_init(&c->ids, e->o.clock);
    sy__id_next(&c->ids, c->id);
    put_row(c, "executing", NULL, NULL, NULL);
    sy__chore_event(c, "task_started", c->payload);
    (void)pthread_mutex_lock(&e->chore_lock);
    c->next = e->chores;
    e->chores = c;
    (void)pthread_mutex_unlock(&e->chore_lock);
    *out = c;
    return SY_OK;
}

static void
forget(sy__chore *c)
{
    (void)pthread_mutex_lock(&c->engine->chore_lock);
    sy__chore **at = &c->engine->chores;
    while (*at && *at != c) at = &(*at)->next;
    if (*at) *at = c->next;
    (void)pthread_mutex_unlock(&c->engine->chore_lock);
    sy__free(c->engine->alloc, c->payload);
    sy__free(c->engine->alloc, c);
}

void
sy__chore_end(sy__chore *c, const char *output, const sy__error *why)
{
    sy__buf error;
    bool failed = why && why->code;
    sy__buf_init(&error, c->engine->alloc);
    if (failed) sy__error_json(why, &error);
    const char *said = failed ? sy__buf_cstr(&error) : NULL;
    put_row(c, failed ? "failed" : "completed", failed ? "error" : "ok", failed ? NULL : output, said);
    sy__chore_event(c, failed ? "error_occurred" : "task.completed", said ? said : output ? output : "{}");
    sy__buf_close(&error);
    forget(c);
}

void
sy__chore_close(sy__engine *e)
{
    sy__error why = {0};
    (void)sy__error_set(&why, SY_ECANCELLED, "the host was closed before it had ended");
    while (e->chores) sy__chore_end(e->chores, NULL, &why);
}

/* ---- decisions of the artifact store and the stale manager ---- */

/* The task that this thread runs now: only a stage's own thread sees its own. */
static const sy__task *
task_here(const sy__engine *e)
{
    for (int i = 0; i < e->stage_count; i++)
        if (e->stages[i].running && pthread_equal(e->stages[i].thread, pthread_self()))
            return e->stages[i].current ? e->stages[i].current->task : NULL;
    return NULL;
}

static sy__chore *
chore_here(sy__engine *e)
{
    (void)pthread_mutex_lock(&e->chore_lock);
    sy__chore *c = e->chores;
    while (c && !pthread_equal(c->thread, pthread_self())) c = c->next;
    (void)pthread_mutex_unlock(&e->chore_lock);
    return c;
}

static void
link_artifacts(sy__engine *e, const char *pit, const char *hash)
{
    sy__param p[] = {sy__p_text(pit), sy__p_text(hash)};
    if (hash) (void)sy__db_put(e->o.db, SY__LEVEL_PROCESS, e->statements->pit_of_hash, NULL, p, 2, NULL);
}

void
sy__chore_pit(void *engine, const sy__pit_record *record)
{
    sy__engine *e = engine;
    const sy__task *t = task_here(e);
    sy__chore *c = t ? NULL : chore_here(e), *own = NULL;
    sy__chore_about about = {"artifact_processing", "host.artifacts", record->context};
    sy__id_source ids;
    char id[SY__ID_BYTES];
    if (t && t->run->level == SY__LEVEL_NONE) return;
    if (!t && !c && sy__chore_begin(&own, e, &about, NULL)) return;
    if (own) c = own;
    sy__id_source_init(&ids, e->o.clock);
    sy__id_next(&ids, id);
    put_decision(e, t ? t->run->level : SY__LEVEL_FULL, t ? t->run->id : NULL, id, t ? t->id : c->id,
                 record->operation_type, record->context, record->resources);
    link_artifacts(e, id, record->hash);
    if (own) sy__chore_end(own, NULL, NULL);
}

int
sy__chore_statements(sy__engine *e)
{
    e->statements->pit_of_hash = sy__db_statement(e->o.db, SQL_OF_HASH);
    return e->statements->pit_of_hash < 0 ? SY_ENOMEM : SY_OK;
}
