/* services.c: what a running call may ask of the engine (ctx of extension.md). Stage thread; ud is the attempt. */
#include "pit/budget/budget_task.h"
#include "pit/stream/stream_impl.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* The clock of idle_timeout begins anew. */
static void
touch(sy__attempt *a)
{
    if (a->task->spec->idle_timeout_ms) a->touched_ns = sy__stage_ns(a->stage);
}

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
    touch(a);
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

/* 3 and not 3.0 */
static void
put_number(sy__vbuf *b, double d)
{
    if (d >= -1e15 && d <= 1e15 && d == (double)(int64_t)d)
        sy__vbuf_int(b, (int64_t)d);
    else
        sy__vbuf_num(b, d);
}

/* One line of the stream of progress. */
static int
on_progress(void *ud, double done, double total, const char *text)
{
    sy__attempt *a = ud;
    touch(a);
    sy__vbuf b;
    sy__buf line;
    sy__value v;
    sy__vbuf_init(&b, a->stage->engine->alloc);
    sy__buf_init(&line, a->stage->engine->alloc);
    sy__vbuf_map(&b);
    sy__vbuf_key(&b, "done", 4);
    put_number(&b, done);
    sy__vbuf_key(&b, "total", 5);
    put_number(&b, total);
    sy__vbuf_key(&b, "text", 4);
    sy__vbuf_cstr(&b, text);
    sy__vbuf_end(&b);
    if (sy__vbuf_done(&b, &v) == SY_OK) sy__value_to_json(v, SY__JSON_LOSSY, &line);
    sy__buf_addc(&line, '\n');
    int status = line.failed ? SY_OK : sy__stream_add(a, SY__STREAM_PROGRESS, line.data, line.len);
    sy__vbuf_close(&b);
    sy__buf_close(&line);
    return status;
}

static int
on_stream(void *ud, const char *bytes, size_t len)
{
    touch(ud);
    return sy__stream_add(ud, SY__STREAM_TOKENS, bytes, len);
}

static void
on_usage(void *ud, double usd, int64_t tokens)
{
    sy__attempt *a = ud;
    touch(a);
    int64_t micro = usd > 0 && usd < 9e9 ? (int64_t)(usd * 1e6 + 0.5) : 0;
    sy__run *r = a->task->run;
    a->task->usd_micro += micro;
    a->task->tokens += tokens;
    if (a->task->target < 32) a->task->spent |= 1u << a->task->target;
    (void)pthread_mutex_lock(&r->lock);
    r->usd_micro += micro; /* whatever becomes of the task */
    r->tokens += tokens;
    (void)pthread_mutex_unlock(&r->lock);
    if (a->task->budget) sy__budget_report(a, micro, tokens);
}

/* At level none there are no rows of events: the line is kept in memory. */
static int
keep_line(sy__attempt *a, sy__buf *line)
{
    char head[SY__STAMP_BYTES + 16], at[SY__STAMP_BYTES];
    sy__stamp(sy__stage_ms(a->stage), at);
    int n = snprintf(head, sizeof head, "{\"at\":\"%s\",", at);
    (void)sy__stream_add(a, SY__STREAM_LOG, head, (size_t)n);
    sy__buf_addc(line, '\n');
    return line->failed ? SY_OK : sy__stream_add(a, SY__STREAM_LOG, line->data + 1, line->len - 1);
}

/* What an extension says is an event of its task, so that `logs` shows it; and a line of the host's log. */
static int
on_log(void *ud, sy__log_level level, const char *text)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    sy__attempt *a = ud;
    touch(a);
    sy__engine *e = a->stage->engine;
    sy__buf payload;
    int status = SY_OK;
    sy__logf(e->o.log, level, a->task->spec->targets[a->task->target].extension->name, "%s", text);
    sy__buf_init(&payload, e->alloc);
    sy__buf_addf(&payload, "{\"level\":\"%s\",\"text\":", names[level]);
    sy__json_string(&payload, text, strlen(text));
    sy__buf_addc(&payload, '}');
    const char *json = sy__buf_cstr(&payload);
    sy__attempt_show(a->stage, a->task);
    if (json) sy__record_event(a->stage, a->task, "task.log", json);
    if (json && a->task->run->level == SY__LEVEL_NONE) status = keep_line(a, &payload);
    if (sy__db_full(e->o.db)) status = sy__stream_wait(a);
    sy__buf_close(&payload);
    return status;
}

/* An event of the kit: what the task's extension used, or was refused. */
static void
on_audit(void *ud, const char *capability, const char *what, bool allowed)
{
    sy__attempt *a = ud;
    const sy__target *target = &a->task->spec->targets[a->task->target];
    char type[48];
    sy__buf payload;
    (void)snprintf(type, sizeof type, "kit.capability.%s", capability);
    sy__buf_init(&payload, a->stage->engine->alloc);
    sy__buf_addf(&payload, "{\"extension\":\"%s\",\"operation\":\"%s\",\"task\":\"", target->extension->name,
                 target->name);
    sy__task_key(a->task, &payload);
    sy__buf_addf(&payload, "\",\"allowed\":%s,\"what\":", allowed ? "true" : "false");
    sy__json_string(&payload, what, strlen(what));
    sy__buf_addc(&payload, '}');
    const char *json = sy__buf_cstr(&payload);
    sy__attempt_show(a->stage, a->task);
    if (json) sy__record_kit_event(a->stage, a->task, type, json);
    sy__buf_close(&payload);
}

const sy__call_services sy__task_services = {
    .artifact = put_artifact,
    .artifact_read = read_artifact,
    .emit = emit_event,
    .progress = on_progress,
    .stream = on_stream,
    .log = on_log,
    .no_wait = sy__stream_no_wait,
    .usage = on_usage,
    .audit = on_audit,
};
