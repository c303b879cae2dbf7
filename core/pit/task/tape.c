/*
 * tape.c: outputs played instead of calls. Entries are sought from the one that says most to the one that says least:
 *
 *   task, operation and input  >  task and input  >  task and operation  >  task  >  a pattern of tasks, as listed
 */
#include "pit/task/tape.h"

#include <stdio.h>
#include <string.h>

/* Entries that fit alike, in order. */
typedef struct track {
    char *pattern; /* of keys; NULL: it is found by its name in the map */
    sy__value *entries;
    size_t count, at;
    struct track *next; /* with a pattern */
} track;

typedef struct recording {
    sy__blob *entry;
    struct recording *next;
} recording;

struct sy__tape {
    const sy__alloc *alloc;
    pthread_mutex_t lock;
    sy__blob *entries;
    sy__map by_name; /* "task\noperation\ninput", parts may be empty → track */
    track *patterns, **last_pattern;
    recording *recorded, **last_recorded;
    bool strict, record;
    sy__skip_clock *clock;
};

/* ---- time ---- */

/* A week becomes 0.6 s: whatever waits at the same time still ends in its order. */
enum { FASTER = 1000000 };

int64_t
sy__tape_wait(const sy__engine *e, int64_t ns)
{
    return e->tape && e->tape->clock ? ns / FASTER : ns;
}

void
sy__tape_reach(const sy__engine *e, int64_t due_ns)
{
    if (e->tape && e->tape->clock) sy__skip_clock_advance(e->tape->clock, due_ns - sy__mono_ns(e->o.clock));
}

/* ---- entries ---- */

static sy__value
field(sy__value map, const char *key)
{
    sy__value v = {0};
    return sy__value_get(map, key, strlen(key), &v) ? v : (sy__value){0};
}

static void
put_part(sy__buf *out, sy__value v)
{
    size_t len;
    const char *s = sy__value_str(v, &len);
    sy__buf_addc(out, '\n');
    if (s) sy__buf_add(out, s, len);
}

static void
free_track(sy__tape *tape, track *k)
{
    sy__free(tape->alloc, k->pattern);
    sy__free(tape->alloc, k->entries);
    sy__free(tape->alloc, k);
}

/* The track of an entry's name, made when it is the first. */
static track *
track_of(sy__tape *tape, const char *task, size_t len, const sy__buf *name)
{
    track *k = sy__map_get(&tape->by_name, name->data, name->len);
    if (k) return k;
    k = sy__calloc(tape->alloc, 1, sizeof *k);
    if (!k) return NULL;
    if (memchr(task, '*', len) && !(k->pattern = sy__strndup(tape->alloc, task, len))) {
        sy__free(tape->alloc, k);
        return NULL;
    }
    if (sy__map_put(&tape->by_name, name->data, name->len, k)) {
        free_track(tape, k);
        return NULL;
    }
    if (k->pattern) {
        *tape->last_pattern = k;
        tape->last_pattern = &k->next;
    }
    return k;
}

static int
add_entry(sy__tape *tape, sy__value entry, sy__error *err)
{
    size_t len;
    const char *task = sy__value_str(field(entry, "task"), &len);
    if (!task || (!field(entry, "output").data && sy__value_kind(field(entry, "error")) != SY__MAP))
        return sy__error_set(err, SY_EUSAGE, "an entry of a tape has `task`, and `output` or `error`");
    sy__buf name;
    sy__buf_init(&name, tape->alloc);
    sy__buf_add(&name, task, len);
    put_part(&name, field(entry, "operation"));
    put_part(&name, field(entry, "input"));
    track *k = name.failed ? NULL : track_of(tape, task, len, &name);
    sy__buf_close(&name);
    sy__value *more = k ? sy__realloc(tape->alloc, k->entries, (k->count + 1) * sizeof *more) : NULL;
    if (!more) return sy__error_set(err, SY_ENOMEM, "no memory for a tape");
    k->entries = more;
    k->entries[k->count++] = entry;
    return SY_OK;
}

void
sy__tape_free(sy__tape *tape)
{
    if (!tape) return;
    size_t at = 0, len;
    const char *key;
    void *k;
    while (sy__map_next(&tape->by_name, &at, &key, &len, &k)) free_track(tape, k);
    sy__map_close(&tape->by_name);
    for (recording *r = tape->recorded, *next; r; r = next) {
        next = r->next;
        sy__blob_release(r->entry);
        sy__free(tape->alloc, r);
    }
    sy__blob_release(tape->entries);
    (void)pthread_mutex_destroy(&tape->lock);
    sy__free(tape->alloc, tape);
}

static int
make(sy__tape **out, const sy__alloc *a, const sy__tape_options *o, sy__error *err)
{
    sy__tape *tape = sy__calloc(a, 1, sizeof *tape);
    if (!tape) return sy__error_set(err, SY_ENOMEM, "no memory for a tape");
    tape->alloc = a;
    tape->strict = o->strict;
    tape->record = o->record;
    tape->clock = o->clock;
    tape->last_pattern = &tape->patterns;
    tape->last_recorded = &tape->recorded;
    (void)pthread_mutex_init(&tape->lock, NULL);
    sy__map_init(&tape->by_name, a);
    tape->entries = sy__blob_new(a, o->entries.data ? o->entries : sy__value_null());
    int status = tape->entries ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for a tape");
    sy__value_iter it;
    if (!status) sy__value_iter_init(&it, sy__blob_value(tape->entries));
    while (!status && sy__value_iter_next(&it)) status = add_entry(tape, it.value, err);
    if (status)
        sy__tape_free(tape);
    else
        *out = tape;
    return status;
}

int
sy__tape_set(sy__engine *e, const sy__tape_options *o, sy__error *err)
{
    sy__tape *tape = NULL;
    sy__error_clear(err);
    if (sy__engine_living(e) > 0) return sy__error_set(err, SY_EUSAGE, "a tape is changed while no run lives");
    int status = o ? make(&tape, e->alloc, o, err) : SY_OK;
    if (status) return status;
    sy__tape_free(e->tape);
    e->tape = tape;
    return SY_OK;
}

/* ---- playing ---- */

static bool
part_fits(const char *pattern, size_t pattern_len, const char *part, size_t len)
{
    return (pattern_len == 1 && *pattern == '*') || (pattern_len == len && memcmp(pattern, part, len) == 0);
}

static bool
fits(const char *pattern, const char *key)
{
    for (;;) {
        size_t a = strcspn(pattern, "/"), b = strcspn(key, "/");
        if (!part_fits(pattern, a, key, b)) return false;
        if (!pattern[a] || !key[b]) return pattern[a] == key[b];
        pattern += a + 1;
        key += b + 1;
    }
}

/* The next entry of a track; the last one stays. tape->lock held. */
static sy__value
advance(track *k)
{
    sy__value v = k->entries[k->at];
    if (k->at + 1 < k->count) k->at++;
    return v;
}

static sy__value
by_name(sy__tape *tape, const char *key, const char *operation, const char *input)
{
    sy__buf name;
    sy__buf_init(&name, tape->alloc);
    sy__buf_addf(&name, "%s\n%s\n%s", key, operation, input);
    track *k = name.failed ? NULL : sy__map_get(&tape->by_name, name.data, name.len);
    sy__buf_close(&name);
    return k ? advance(k) : (sy__value){0};
}

static bool
is_for(sy__value entry, const char *name, const char *what)
{
    size_t len;
    const char *s = sy__value_str(field(entry, name), &len);
    return !s || (strlen(what) == len && memcmp(s, what, len) == 0);
}

static sy__value
find(sy__tape *tape, const char *key, const char *operation, const char *input)
{
    const char *const names[][2] = {{operation, input}, {"", input}, {operation, ""}, {"", ""}};
    sy__value v = {0};
    (void)pthread_mutex_lock(&tape->lock);
    for (size_t i = 0; !v.data && i < 4; i++) v = by_name(tape, key, names[i][0], names[i][1]);
    for (track *k = tape->patterns; !v.data && k; k = k->next)
        if (fits(k->pattern, key) && is_for(k->entries[0], "operation", operation) &&
            is_for(k->entries[0], "input", input))
            v = advance(k);
    (void)pthread_mutex_unlock(&tape->lock);
    return v;
}

/* The hash of a value's canonical JSON. */
static void
hash_of(sy__stage *s, sy__value v, char out[SY__HASH_BYTES])
{
    sy__buf_reset(&s->text2);
    sy__value_to_json(v, SY__JSON_COMPACT, &s->text2);
    const char *text = sy__buf_cstr(&s->text2);
    sy__hash_of(text ? text : "", text ? s->text2.len : 0, out);
}

/* The error that an entry stands for. */
static void
read_error(sy__value why, sy__error *err)
{
    char name[64] = "", message[SY__ERROR_MESSAGE_BYTES] = "";
    size_t len;
    const char *s = sy__value_str(field(why, "code"), &len);
    if (s) (void)snprintf(name, sizeof name, "%.*s", (int)len, s);
    s = sy__value_str(field(why, "message"), &len);
    if (s) (void)snprintf(message, sizeof message, "%.*s", (int)(len < 1024 ? len : 1024), s);
    int code = sy__error_code(name);
    (void)sy__error_set(err, code ? code : SY_EEXTENSION, "%s", message[0] ? message : "it failed, says the tape");
}

/* The time that the call took passes; SY_ETIMEOUT when it had less. */
static int
take_time(sy__stage *s, sy__task *t, int64_t ms, sy__error *err)
{
    int64_t limit = t->spec->attempt_timeout_ms ? t->spec->attempt_timeout_ms : INT64_MAX;
    int64_t left = sy__retry_left_ns(s, t), left_ms = left == INT64_MAX ? left : left / 1000000;
    if (left_ms < limit) limit = left_ms;
    int64_t spent = ms < limit ? ms : limit;
    if (s->engine->tape->clock) sy__skip_clock_advance(s->engine->tape->clock, spent * 1000000);
    return ms < limit ? SY_OK : sy__error_set(err, SY_ETIMEOUT, "it took longer than %lld ms", (long long)limit);
}

static void
play_entry(sy__stage *s, sy__task *t, sy__value entry)
{
    sy__error err = {0};
    sy__value why = field(entry, "error");
    t->usd_micro += sy__value_int(field(entry, "usd_micro"));
    t->tokens += sy__value_int(field(entry, "tokens"));
    int status = take_time(s, t, sy__value_int(field(entry, "ms")), &err);
    if (!status && why.data)
        read_error(why, &err);
    else if (!status)
        status = sy__attempt_output(s, t, field(entry, "output"), &err);
    if (status || why.data)
        sy__attempt_fail(s, t, &err, sy__value_bool(field(why, "transient")));
    else
        sy__task_end(s, t, SY__TASK_COMPLETED, t->target ? SY__OUTCOME_FALLBACK : SY__OUTCOME_OK);
}

static void
miss(sy__stage *s, sy__task *t, const char *key)
{
    sy__error err = {0};
    (void)sy__error_set(&err, SY_ENOTFOUND, "`%s` would call %s, and there is no stub and no recording for this input",
                        key, t->spec->targets[t->target].name);
    sy__error_hint(&err, "symphony melody test --record   records what is called");
    sy__task_fail(s, t, &err);
}

bool
sy__tape_play(sy__stage *s, sy__task *t)
{
    sy__tape *tape = s->engine->tape;
    char hash[SY__HASH_BYTES];
    sy__buf key;
    hash_of(s, sy__blob_value(t->input), hash);
    sy__buf_init(&key, s->engine->alloc);
    sy__task_key(t, &key);
    const char *k = sy__buf_cstr(&key);
    sy__value entry = k ? find(tape, k, t->spec->targets[t->target].name, hash) : (sy__value){0};
    if (entry.data)
        play_entry(s, t, entry);
    else if (tape->strict)
        miss(s, t, k ? k : t->spec->key);
    sy__buf_close(&key);
    return entry.data || tape->strict;
}

bool
sy__tape_play_whole(sy__stage *s, sy__task *t)
{
    sy__error err = {0};
    sy__buf key;
    sy__buf_init(&key, s->engine->alloc);
    sy__task_key(t, &key);
    const char *k = sy__buf_cstr(&key);
    sy__value entry = k ? find(s->engine->tape, k, "", "") : (sy__value){0};
    sy__buf_close(&key);
    if (!entry.data) return false;
    t->attempts = 1;
    t->started_ms = sy__stage_ms(s);
    if (field(entry, "error").data) {
        read_error(field(entry, "error"), &err);
        sy__task_fail(s, t, &err);
        return true;
    }
    t->output = sy__blob_new(s->engine->alloc, field(entry, "output"));
    sy__task_end(s, t, SY__TASK_COMPLETED, SY__OUTCOME_OK);
    return true;
}

/* ---- recording ---- */

static void
put_text(sy__vbuf *b, const char *key, const char *text)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_cstr(b, text);
}

static void
put_count(sy__vbuf *b, const char *key, int64_t n)
{
    if (n <= 0) return;
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_int(b, n);
}

static void
put_error(sy__vbuf *b, const sy__error *why, bool transient)
{
    sy__vbuf_key(b, "error", 5);
    sy__vbuf_map(b);
    put_text(b, "code", sy_errname(why->code));
    put_text(b, "message", why->message);
    if (transient) sy__vbuf_key(b, "transient", 9), sy__vbuf_bool(b, true);
    sy__vbuf_end(b);
}

/* What earlier attempts of the task have used. */
static int64_t
used_before(const sy__tape *tape, const sy__task *t, const char *key, const char *what)
{
    int64_t sum = 0;
    for (recording *r = t->attempts > 1 ? tape->recorded : NULL; r; r = r->next)
        if (is_for(sy__blob_value(r->entry), "task", key)) sum += sy__value_int(field(sy__blob_value(r->entry), what));
    return sum;
}

static void
describe(sy__stage *s, const sy__task *t, const sy__error *why, bool transient, sy__vbuf *b)
{
    char hash[SY__HASH_BYTES];
    hash_of(s, sy__blob_value(t->input), hash);
    sy__buf_reset(&s->text2);
    sy__task_key(t, &s->text2);
    const char *key = sy__buf_cstr(&s->text2) ? s->text2.data : t->spec->key;
    sy__vbuf_map(b);
    put_text(b, "task", key);
    put_text(b, "operation", t->spec->targets[t->target].name);
    put_text(b, "input", hash);
    put_count(b, "usd_micro", t->usd_micro - used_before(s->engine->tape, t, key, "usd_micro"));
    put_count(b, "tokens", t->tokens - used_before(s->engine->tape, t, key, "tokens"));
    put_count(b, "ms", sy__stage_ms(s) - t->started_ms);
    if (why) {
        put_error(b, why, transient);
    } else {
        sy__vbuf_key(b, "output", 6);
        sy__vbuf_value(b, sy__blob_value(t->output));
    }
    sy__vbuf_end(b);
}

void
sy__tape_record(sy__stage *s, const sy__task *t, const sy__error *why, bool transient)
{
    sy__tape *tape = s->engine->tape;
    if (!tape->record) return;
    sy__vbuf b;
    sy__value v;
    sy__vbuf_init(&b, tape->alloc);
    (void)pthread_mutex_lock(&tape->lock);
    describe(s, t, why, transient, &b);
    recording *r = sy__calloc(tape->alloc, 1, sizeof *r);
    if (r && sy__vbuf_done(&b, &v) == SY_OK) r->entry = sy__blob_new(tape->alloc, v);
    sy__vbuf_close(&b);
    if (r && r->entry) {
        *tape->last_recorded = r;
        tape->last_recorded = &r->next;
    } else {
        sy__free(tape->alloc, r);
    }
    (void)pthread_mutex_unlock(&tape->lock);
}

void
sy__tape_recorded(sy__engine *e, sy__vbuf *out)
{
    sy__vbuf_array(out);
    if (e->tape) {
        (void)pthread_mutex_lock(&e->tape->lock);
        for (recording *r = e->tape->recorded; r; r = r->next) sy__vbuf_value(out, sy__blob_value(r->entry));
        (void)pthread_mutex_unlock(&e->tape->lock);
    }
    sy__vbuf_end(out);
}
