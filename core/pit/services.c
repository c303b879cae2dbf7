/* services.c: what a running call may ask of the engine (ctx of extension.md). Stage thread; ud is the attempt. */
#include "pit/engine_impl.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static int
put_artifact(void *ud, const char *type, const void *bytes, size_t size, sy__value metadata, sy__vbuf *ref,
             sy__error *err)
{
    sy__attempt *a = ud;
    sy__stored stored;
    sy__durability level = a->task->run->level == SY__LEVEL_NONE ? SY__LEVEL_PROCESS : a->task->run->level;
    int status = sy__artifact_put(a->stage->engine->o.artifacts, level, bytes, size, &stored, err);
    if (!status) status = sy__artifacts_flush(a->stage->engine->o.artifacts, err);
    return status ? status : sy__record_artifact(a->stage, a->task, type, &stored, metadata, ref, err);
}

static int
read_artifact(void *ud, const char *hash, sy__buf *out, sy__error *err)
{
    sy__attempt *a = ud;
    return sy__artifact_get(a->stage->engine->o.artifacts, hash, out, err);
}

/* An event type of the extension's own; it must be `area.name`, so that it is never taken for the host's. */
static bool
own_type(const char *type)
{
    bool dot = false;
    for (const char *p = type; *p; p++) {
        bool word = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_';
        if (!word && *p != '.') return false;
        dot = dot || (*p == '.' && p > type && p[1] != '\0');
    }
    return dot;
}

static int
emit_event(void *ud, const char *type, sy__value payload, sy__error *err)
{
    sy__attempt *a = ud;
    if (!own_type(type))
        return sy__error_set(err, SY_EUSAGE, "an event type is area.name in lower case, not `%s`", type);
    sy__buf json;
    sy__buf_init(&json, a->stage->engine->alloc);
    sy__value_to_json(payload, SY__JSON_COMPACT, &json);
    const char *text = sy__buf_cstr(&json);
    sy__attempt_show(a->stage, a->task);
    if (text) sy__record_event(a->stage, a->task, type, text);
    sy__buf_close(&json);
    return text ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for an event");
}

/* Delivered to whoever follows live; not stored. */
static void
publish(sy__attempt *a, const char *type, const char *payload)
{
    char topic[512], id[SY__ID_BYTES];
    sy__buf key;
    sy__buf_init(&key, a->stage->engine->alloc);
    sy__task_key(a->task, &key);
    const char *text = sy__buf_cstr(&key);
    (void)snprintf(topic, sizeof topic, "run.%s.%s.%s", a->task->run->id, text ? text : "", type);
    sy__id_next(&a->stage->ids, id);
    sy__event event = {.id = id,
                       .run = a->task->run->id,
                       .task = a->task->id,
                       .extension = a->task->spec->targets[a->task->target].extension->id,
                       .type = type,
                       .topic = topic,
                       .payload = payload,
                       .context = "{}",
                       .occurred_ms = sy__wall_ms(a->stage->engine->o.clock)};
    sy__router_publish(a->stage->engine->o.router, &event);
    sy__buf_close(&key);
}

/* Closes the map in `b`, publishes it and frees the buffer. */
static void
publish_map(sy__attempt *a, const char *type, sy__vbuf *b)
{
    sy__buf json;
    sy__value v;
    sy__buf_init(&json, a->stage->engine->alloc);
    sy__vbuf_end(b);
    if (sy__vbuf_done(b, &v) == SY_OK) sy__value_to_json(v, SY__JSON_LOSSY, &json);
    const char *payload = sy__buf_cstr(&json);
    if (payload && *payload) publish(a, type, payload);
    sy__vbuf_close(b);
    sy__buf_close(&json);
}

static void
on_progress(void *ud, double done, double total, const char *text)
{
    sy__vbuf b;
    sy__attempt *a = ud;
    sy__vbuf_init(&b, a->stage->engine->alloc);
    sy__vbuf_map(&b);
    sy__vbuf_key(&b, "done", 4);
    sy__vbuf_num(&b, done);
    sy__vbuf_key(&b, "total", 5);
    sy__vbuf_num(&b, total);
    sy__vbuf_key(&b, "text", 4);
    sy__vbuf_cstr(&b, text ? text : "");
    publish_map(a, "task.progress", &b);
}

static void
on_stream(void *ud, const char *bytes, size_t len)
{
    sy__vbuf b;
    sy__attempt *a = ud;
    sy__vbuf_init(&b, a->stage->engine->alloc);
    sy__vbuf_map(&b);
    sy__vbuf_key(&b, "chunk", 5);
    sy__vbuf_str(&b, bytes, len);
    publish_map(a, "task.stream", &b);
}

static void
on_usage(void *ud, double usd, int64_t tokens)
{
    sy__attempt *a = ud;
    if (usd > 0) a->task->usd_micro += (int64_t)(usd * 1e6 + 0.5);
    if (tokens > 0) a->task->tokens += tokens;
}

/* What an extension says is an event of its task, so that `logs` shows it; and a line of the host's log. */
static void
on_log(void *ud, sy__log_level level, const char *text)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    sy__attempt *a = ud;
    sy__buf payload;
    sy__logf(a->stage->engine->o.log, level, a->task->spec->targets[a->task->target].extension->name, "%s", text);
    sy__buf_init(&payload, a->stage->engine->alloc);
    sy__buf_addf(&payload, "{\"level\":\"%s\",\"text\":", names[level]);
    sy__json_string(&payload, text, strlen(text));
    sy__buf_addc(&payload, '}');
    const char *json = sy__buf_cstr(&payload);
    sy__attempt_show(a->stage, a->task);
    if (json) sy__record_event(a->stage, a->task, "task.log", json);
    sy__buf_close(&payload);
}

const sy__call_services sy__task_services = {
    .artifact = put_artifact,
    .artifact_read = read_artifact,
    .emit = emit_event,
    .progress = on_progress,
    .stream = on_stream,
    .usage = on_usage,
    .log = on_log,
};
