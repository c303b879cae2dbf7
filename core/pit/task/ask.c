/* ask.c: a question to a person, as a task. It holds no isolate and no thread; its branch waits, others go on. */
#include "pit/run/past.h"

#include "base/text.h"

#include <stdio.h>

/* {"question": …, "schema": …} as the task's input, so that its row shows what is asked. */
static int
make_question(sy__stage *s, sy__task *t, sy__error *err)
{
    sy__value question, v;
    int status = sy__input_fill(s, t, t->spec->targets[0].input, &question, err);
    if (status) return status;
    sy__vbuf b;
    sy__vbuf_init(&b, s->engine->alloc);
    sy__vbuf_map(&b);
    sy__vbuf_key(&b, "question", 8);
    sy__vbuf_value(&b, question);
    sy__vbuf_key(&b, "schema", 6);
    sy__vbuf_value(&b, t->spec->question_schema.data ? t->spec->question_schema : sy__value_null());
    if (t->spec->answer.data) {
        sy__vbuf_key(&b, "default", 7);
        sy__vbuf_value(&b, t->spec->answer);
    }
    sy__vbuf_end(&b);
    status = sy__vbuf_done(&b, &v);
    sy__blob *input = status ? NULL : sy__blob_new(s->engine->alloc, v);
    sy__vbuf_close(&b);
    if (!input) return sy__error_set(err, status ? status : SY_ENOMEM, "the question is larger than a value may be");
    sy__blob_release(t->input);
    t->input = input;
    return SY_OK;
}

/* ---- its event ---- */

/* Events are kept for long and read often: of a question its first 4 KiB, of what goes with it only what is small. */
enum { TELL_QUESTION = 4 << 10, TELL_BESIDE = 1 << 10 };

static void
tell_question(sy__value question, sy__buf *out)
{
    size_t len;
    const char *text = sy__value_str(question, &len);
    sy__buf_adds(out, ",\"question\":");
    if (text)
        sy__json_string(out, text, len > TELL_QUESTION ? sy__utf8_cut(text, TELL_QUESTION) : len);
    else
        sy__buf_adds(out, "null");
    if (text && len > TELL_QUESTION) sy__buf_adds(out, ",\"cut\":true");
}

static void
tell_beside(sy__value asked, const char *name, sy__buf *out)
{
    sy__value v;
    size_t from = out->len;
    if (!sy__value_get(asked, name, strlen(name), &v) || sy__value_kind(v) == SY__NULL) return;
    sy__buf_addf(out, ",\"%s\":", name);
    size_t value = out->len;
    sy__value_to_json(v, SY__JSON_COMPACT, out);
    if (out->len - value > TELL_BESIDE) out->len = from;
}

void
sy__ask_event(sy__stage *s, sy__task *t)
{
    sy__value asked = sy__blob_value(t->input), question = sy__value_null();
    sy__buf b;
    sy__buf_init(&b, s->engine->alloc);
    sy__buf_adds(&b, "{\"key\":\"");
    sy__task_key(t, &b);
    sy__buf_adds(&b, "\",\"operation\":\"host.ask\",\"status\":\"executing\"");
    (void)sy__value_get(asked, "question", 8, &question);
    tell_question(question, &b);
    tell_beside(asked, "schema", &b);
    tell_beside(asked, "default", &b);
    if (t->spec->timeout_ms) {
        char until[SY__STAMP_BYTES];
        sy__stamp(t->started_ms + t->spec->timeout_ms, until);
        sy__buf_addf(&b, ",\"until\":\"%s\"", until);
    }
    sy__buf_addc(&b, '}');
    sy__record_event(s, t, "task.asked", sy__buf_cstr(&b));
    sy__buf_close(&b);
}

/* ---- asking ---- */

/* Its time was up while no process lived. */
static bool
is_late(sy__stage *s, const sy__task *t)
{
    return t->spec->timeout_ms && t->started_ms && t->started_ms + t->spec->timeout_ms <= sy__stage_ms(s);
}

void
sy__ask_begin(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    bool asked = t->started;
    if (make_question(s, t, &err)) {
        sy__task_fail(s, t, &err);
        return;
    }
    t->attempts = 1;
    if (asked && is_late(s, t)) {
        sy__ask_late(s, t);
        return;
    }
    if (!asked) t->started_ms = sy__stage_ms(s);
    t->status = SY__TASK_EXECUTING;
    sy__attempt_show(s, t);
    sy__wait_begin(s, t, SY__WAIT_ANSWER, NULL);
}

void
sy__ask_late(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    if (t->spec->answer.data && (t->output = sy__blob_new(s->engine->alloc, t->spec->answer))) {
        sy__record_event(s, t, "task.default", NULL);
        sy__task_end(s, t, SY__TASK_COMPLETED, SY__OUTCOME_OK);
        return;
    }
    (void)sy__error_set(&err, SY_ETIMEOUT, "nobody answered within %lld ms", (long long)t->spec->timeout_ms);
    sy__task_fail(s, t, &err);
}
