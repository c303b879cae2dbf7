/*
 * cache.c: one task's way through the cache.
 *
 *   key ──> results of that key ──> all they read is the same? ──yes──> restored: the task ends as `cached`
 *                                            │no
 *                                            └──> the call runs, its reads are recorded ──> kept, or why not
 *
 * Looking at what was read costs what the files cost; a result is compared with at most SY__CACHE_CANDIDATES states,
 * and no path is looked at twice for one decision.
 */
#include "pit/cache/cache_impl.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- memos ---- */

void
sy__cache_forget(sy__task *t)
{
    struct sy__memo *m = t->memo;
    if (!m) return;
    for (size_t i = 0; i < m->produced_count; i++) {
        sy__free(m->alloc, m->produced[i].type);
        sy__blob_release(m->produced[i].metadata);
    }
    sy__free(m->alloc, m->produced);
    sy__reads_free(m->reads);
    sy__buf_close(&m->parts);
    sy__buf_close(&m->detail);
    sy__free(m->alloc, m);
    t->memo = NULL;
}

static struct sy__memo *
new_memo(sy__stage *s, sy__task *t)
{
    sy__cache_forget(t);
    struct sy__memo *m = sy__calloc(s->engine->alloc, 1, sizeof *m);
    if (!m) return NULL;
    m->alloc = s->engine->alloc;
    sy__buf_init(&m->parts, m->alloc);
    sy__buf_init(&m->detail, m->alloc);
    m->hashes = (sy__hash_memo){sy__cache_file_get, sy__cache_file_put, s};
    return t->memo = m;
}

struct sy__reads *
sy__cache_reads(const sy__task *t)
{
    return t->memo ? t->memo->reads : NULL;
}

bool
sy__cache_restoring(const sy__task *t)
{
    return t->memo && t->memo->restoring;
}

bool
sy__cache_off(sy__value run_options)
{
    sy__value cache;
    return run_options.data && sy__value_get(run_options, "cache", 5, &cache) && sy__value_kind(cache) == SY__FALSE;
}

bool
sy__cache_off_json(const sy__alloc *a, const char *run_options)
{
    sy__vbuf b;
    sy__value v;
    sy__error err = {0};
    sy__vbuf_init(&b, a);
    bool off = sy__value_from_json(&b, run_options, strlen(run_options), &err) == SY_OK &&
               sy__vbuf_done(&b, &v) == SY_OK && sy__cache_off(v);
    sy__vbuf_close(&b);
    return off;
}

/* ---- comparing ---- */

static const char *
kind_name(char kind)
{
    return kind == SY__READ_FILE || kind == SY__READ_STAT ? "file"
           : kind == SY__READ_PROGRAM                     ? "program"
           : kind == SY__READ_EXISTS                      ? "path"
                                                          : "folder";
}

static void
text_at(sy__value list, size_t index, char *out, size_t room)
{
    sy__value v;
    size_t len = 0;
    const char *s = sy__value_at(list, index, &v) ? sy__value_str(v, &len) : NULL;
    (void)snprintf(out, room, "%.*s", s ? (int)len : 0, s ? s : "");
}

/* Whether one recorded read is still the same. SY_OK, SY_EAGAIN: it changed, what it is now in `is`. */
static int
compare(sy__observer *o, sy__value read, char kind[2], char path[4096], char was[SY__DIGEST_BYTES],
        char is[SY__DIGEST_BYTES])
{
    char detail[8192];
    text_at(read, 0, kind, 2);
    text_at(read, 1, path, 4096);
    text_at(read, 2, was, SY__DIGEST_BYTES);
    text_at(read, 3, detail, sizeof detail);
    if (!*kind || !*path || !*was) return SY_EDAMAGED;
    if (sy__observe(o, (sy__read_kind)*kind, path, detail, is)) (void)snprintf(is, SY__DIGEST_BYTES, "unreadable");
    return strcmp(was, is) == 0 ? SY_OK : SY_EAGAIN;
}

static const char *
how(const char *was, const char *is)
{
    return strcmp(was, "absent") == 0 ? "appeared" : strcmp(is, "absent") == 0 ? "is gone" : "changed";
}

/* A file of which bytes and size changed is named once. */
static bool
is_named(const sy__buf *list, const char *path)
{
    sy__buf name;
    sy__buf_init(&name, list->alloc);
    sy__json_string(&name, path, strlen(path));
    bool found = list->len > 0 && !name.failed && memmem(list->data, list->len, name.data, name.len);
    sy__buf_close(&name);
    return found;
}

/* Compares all reads of a result; says what changed in `to` (NULL: nobody asks). SY_OK: all is the same. */
static int
compare_all(const sy__run *r, sy__observer *o, sy__value reads, sy__buf *to)
{
    char kind[2], path[4096], was[SY__DIGEST_BYTES], is[SY__DIGEST_BYTES];
    int shown = 0, result = sy__value_kind(reads) == SY__ARRAY ? SY_OK : SY_EDAMAGED;
    sy__value_iter it;
    sy__value_iter_init(&it, reads);
    while ((result == SY_OK || (to && result == SY_EAGAIN && shown < SY__CACHE_SHOWN)) && sy__value_iter_next(&it)) {
        if (atomic_load_explicit(&r->stopping, memory_order_relaxed)) return SY_ECANCELLED;
        int status = compare(o, it.value, kind, path, was, is);
        if (status != SY_OK) result = status;
        if (status != SY_EAGAIN || !to || is_named(to, path)) continue;
        sy__buf_addf(to, "%s{\"kind\":\"%s\",\"how\":\"%s\",\"path\":", shown++ ? "," : "", kind_name(*kind),
                     how(was, is));
        sy__json_string(to, path, strlen(path));
        sy__buf_addc(to, '}');
    }
    return result;
}

/* The reads of a candidate as a value in `b`. */
static int
parse_reads(sy__stage *s, sy__candidate_result *c, sy__vbuf *b, sy__value *out)
{
    sy__error err = {0};
    char hash[SY__HASH_BYTES];
    int status = sy__cache_inflate(s, &c->reads, &c->reads_len);
    if (!status) status = sy__value_from_json(b, c->reads, c->reads_len, &err);
    if (!status) status = sy__vbuf_done(b, out);
    if (status) return status;
    sy__hash_of(out->data, out->size, hash);
    return strcmp(hash, c->reads_hash) == 0 ? SY_OK : SY_EDAMAGED;
}

/* ---- looking up ---- */

static void
put_source(sy__buf *to, const sy__candidate_result *c)
{
    sy__buf_adds(to, "{\"run\":");
    sy__json_string(to, c->run, strlen(c->run));
    sy__buf_addf(to, ",\"number\":%lld,\"task\":", (long long)c->run_number);
    sy__json_string(to, c->task_key, strlen(c->task_key));
    sy__buf_addc(to, '}');
}

/* Tries one result; the first that does not fit says in `detail` what changed. */
static int
try_one(sy__stage *s, sy__task *t, sy__observer *o, sy__candidate_result *c, bool first)
{
    struct sy__memo *m = t->memo;
    sy__vbuf b;
    sy__value reads;
    sy__buf changed;
    sy__vbuf_init(&b, m->alloc);
    sy__buf_init(&changed, m->alloc);
    int status = parse_reads(s, c, &b, &reads);
    if (!status) status = compare_all(t->run, o, reads, first ? &changed : NULL);
    if (!status) status = sy__cache_restore(s, t, c);
    if (status == SY_OK) {
        sy__buf_reset(&m->detail);
        sy__buf_addf(&m->detail, ",\"reads\":%zu,\"saved_ms\":%lld,\"from\":", sy__value_count(reads),
                     (long long)c->cost_ms);
        put_source(&m->detail, c);
        sy__cache_touch(s, m->key, c);
    } else if (status == SY_EAGAIN && first) {
        sy__buf_addf(&m->detail, ",\"changed\":[%.*s],\"against\":", (int)changed.len, changed.data);
        put_source(&m->detail, c);
    } else if (status != SY_EAGAIN && status != SY_ECANCELLED && status != SY_ENOMEM) {
        sy__logf(s->engine->o.log, SY__LOG_WARN, "cache", "a result of %s is damaged and dropped",
                 t->spec->targets[t->target].name);
        sy__cache_drop(s, m->key, c->reads_hash);
        if (m->detail.len == 0) sy__buf_adds(&m->detail, ",\"damaged\":true");
    }
    sy__buf_close(&changed);
    sy__vbuf_close(&b);
    return status;
}

static void
since_of(sy__stage *s, const sy__task *t, char out[SY__STAMP_BYTES])
{
    out[0] = '\0';
    if (t->spec->cache_ttl_ms > 0) sy__stamp(sy__stage_ms(s) - t->spec->cache_ttl_ms, out);
}

/* SY_OK: the task has the output of an earlier call. */
static int
look_up(sy__stage *s, sy__task *t)
{
    char since[SY__STAMP_BYTES];
    struct sy__memo *m = t->memo;
    sy__candidate_result list[SY__CACHE_CANDIDATES];
    sy__observer o;
    since_of(s, t, since);
    int status = SY_ENOTFOUND, count = sy__cache_find(s, m->key, since, list);
    sy__observer_init(&o, m->alloc, t->spec->targets[t->target].extension->caps, &m->hashes);
    for (int i = 0; i < count && status != SY_OK && status != SY_ECANCELLED; i++)
        status = try_one(s, t, &o, &list[i], i == 0);
    for (int i = 0; i < count; i++) sy__cache_candidate_close(m->alloc, &list[i]);
    sy__observer_close(&o);
    if (count == 0) sy__buf_adds(&m->detail, *since ? ",\"none_since\":true" : ",\"none\":true");
    return status;
}

/* ---- what child processes read ---- */

static void
declare_value(sy__reads *reads, sy__value v)
{
    size_t len;
    char path[4096];
    sy__value inner;
    const char *s = sy__value_str(v, &len);
    if (!s && sy__value_get(v, "path", 4, &inner)) s = sy__value_str(inner, &len);
    if (s && len < sizeof path) {
        memcpy(path, s, len);
        path[len] = '\0';
        sy__reads_declare(reads, path);
        return;
    }
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    while (sy__value_kind(v) == SY__ARRAY && sy__value_iter_next(&it)) declare_value(reads, it.value);
}

/* "$input.a.b": the paths at that place of the input. */
static void
declare_input(sy__reads *reads, sy__value input, const char *path, size_t len)
{
    while (len > 0) {
        const char *dot = memchr(path, '.', len);
        size_t n = dot ? (size_t)(dot - path) : len;
        if (!sy__value_get(input, path, n, &input)) return;
        path += n + (dot != NULL);
        len -= n + (dot != NULL);
    }
    declare_value(reads, input);
}

static void
declare(sy__reads *reads, const sy__operation *op, sy__value input)
{
    static const char prefix[] = "$input.";
    sy__value_iter it;
    if (!op->reads) return;
    sy__value_iter_init(&it, sy__blob_value(op->reads));
    while (sy__value_iter_next(&it)) {
        size_t len;
        const char *s = sy__value_str(it.value, &len);
        if (s && len > sizeof prefix - 1 && memcmp(s, prefix, sizeof prefix - 1) == 0)
            declare_input(reads, input, s + sizeof prefix - 1, len - (sizeof prefix - 1));
        else
            declare_value(reads, it.value);
    }
}

/* ---- the hooks ---- */

static void
record_hit(sy__stage *s, sy__task *t)
{
    sy__buf context;
    if (!t->started && t->run->level != SY__LEVEL_NONE) sy__record_task(s, t);
    sy__buf_init(&context, t->memo->alloc);
    sy__buf_addf(&context, "{\"decision\":\"cache_hit\",\"key\":\"%s\"%.*s}", t->memo->key, (int)t->memo->detail.len,
                 t->memo->detail.data);
    const char *text = sy__buf_cstr(&context);
    if (text) sy__record_pit(s, t->run, t, SY__MEMBER_ARTIFACT, text, "{\"bytes\":0}");
    sy__buf_close(&context);
}

bool
sy__cache_hit(sy__stage *s, sy__task *t)
{
    const sy__target *target = &t->spec->targets[t->target];
    struct sy__memo *m = *target->extension->code_hash ? new_memo(s, t) : NULL;
    if (!m) return false;
    if (sy__cache_key(t, s->engine->o.trusted, m)) {
        sy__cache_forget(t);
        return false;
    }
    if (look_up(s, t) == SY_OK) {
        m->verdict = SY__CACHE_HIT;
        t->attempts--; /* nothing was called */
        record_hit(s, t);
        sy__task_end(s, t, SY__TASK_COMPLETED, t->target ? SY__OUTCOME_FALLBACK : SY__OUTCOME_CACHED);
        return true;
    }
    sy__cache_put_key(s, t, m);
    m->reads = sy__reads_new(m->alloc, target->extension->caps, &m->hashes);
    if (m->reads)
        declare(m->reads, target->operation, sy__blob_value(t->input));
    else
        sy__cache_forget(t);
    return false;
}

void
sy__cache_produced(sy__task *t, const char *id, const char *type, const sy__stored *stored, sy__value metadata)
{
    struct sy__memo *m = t->memo;
    if (!m || !m->reads) return;
    sy__produced *list = sy__realloc(m->alloc, m->produced, (m->produced_count + 1) * sizeof *list);
    if (list) m->produced = list;
    sy__produced one = {.stored = *stored, .type = sy__strdup(m->alloc, type)};
    (void)snprintf(one.id, sizeof one.id, "%s", id);
    one.metadata = sy__blob_new(m->alloc, sy__value_kind(metadata) == SY__MAP ? metadata : sy__value_null());
    if (list && one.type && one.metadata) {
        list[m->produced_count++] = one;
        return;
    }
    sy__free(m->alloc, one.type);
    sy__blob_release(one.metadata);
    sy__reads_spoil(m->reads, "no memory to record what it made");
}

/* JSON must give back the very value. */
static bool
survives(const sy__alloc *a, sy__value v)
{
    sy__buf json;
    sy__vbuf b;
    sy__value back;
    sy__error err = {0};
    sy__buf_init(&json, a);
    sy__vbuf_init(&b, a);
    sy__value_to_json(v, SY__JSON_COMPACT, &json);
    bool same = !json.failed && sy__value_from_json(&b, json.data, json.len, &err) == SY_OK &&
                sy__vbuf_done(&b, &back) == SY_OK && sy__value_equal(v, back);
    sy__vbuf_close(&b);
    sy__buf_close(&json);
    return same;
}

void
sy__cache_store(sy__stage *s, sy__task *t)
{
    struct sy__memo *m = t->memo;
    if (!m->reads) return;
    sy__reads_end(m->reads);
    const char *why = sy__reads_spoiled(m->reads);
    if (!why && !survives(m->alloc, sy__blob_value(t->output))) why = "its output cannot be kept exactly";
    m->kept = !why;
    (void)snprintf(m->not_kept, sizeof m->not_kept, "%s", why ? why : "");
    if (m->kept) sy__cache_put_entry(s, t, m);
    sy__reads_free(m->reads);
    m->reads = NULL;
}

void
sy__cache_context(const sy__task *t, sy__buf *out)
{
    const struct sy__memo *m = t->memo;
    sy__buf_addf(out, ",\"cache\":{\"key\":\"%s\",\"verdict\":\"%s\"", m->key,
                 m->verdict == SY__CACHE_HIT ? "hit" : "miss");
    sy__buf_add(out, m->detail.data, m->detail.len);
    if (m->verdict == SY__CACHE_MISS) sy__buf_adds(out, m->kept ? ",\"kept\":true" : ",\"kept\":false");
    if (m->not_kept[0]) {
        sy__buf_adds(out, ",\"not_kept\":");
        sy__json_string(out, m->not_kept, strlen(m->not_kept));
    }
    sy__buf_addc(out, '}');
}
