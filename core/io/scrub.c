/*
 * scrub.c: a few needles for each secret, searched for at once: a table says which bytes begin one, so that text
 * without such a byte costs a look at each.
 */
#include "io/scrub.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

typedef struct needle {
    const char *bytes; /* in the memory of its secret */
    size_t len;
    size_t of; /* which of the forms */
} needle;

/* The forms of one secret, one behind the other, in sy__secret_memory. */
typedef struct forms {
    char *memory, *next; /* next: where another is written */
    char *spare;         /* room for the value behind two bytes */
    char name[SY__SECRET_NAME_BYTES];
} forms;

struct sy__scrubber {
    const sy__alloc *alloc;
    int refs;
    needle *needles;
    size_t count, form_count;
    forms *forms;
    bool first[256]; /* bytes that begin a needle */
};

int
sy__scrubber_new(sy__scrubber **out, const sy__alloc *a, sy__error *err)
{
    sy__scrubber *s = *out = sy__calloc(a, 1, sizeof *s);
    if (!s) return sy__error_set(err, SY_ENOMEM, "no memory to look for secrets");
    s->alloc = a;
    s->refs = 1;
    return SY_OK;
}

sy__scrubber *
sy__scrubber_hold(sy__scrubber *s)
{
    if (s) s->refs++;
    return s;
}

void
sy__scrubber_release(sy__scrubber *s)
{
    if (!s || --s->refs > 0) return;
    for (size_t i = 0; i < s->form_count; i++) sy__secret_forget(s->forms[i].memory);
    sy__free(s->alloc, s->needles);
    sy__free(s->alloc, s->forms);
    sy__free(s->alloc, s);
}

/* ---- needles ---- */

static bool
is_known(const sy__scrubber *s, const char *bytes, size_t len)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->needles[i].len == len && memcmp(s->needles[i].bytes, bytes, len) == 0) return true;
    return false;
}

/* Adds the form that was written at `next`, but for its first bytes. One that is short enough to come up by chance, or
 * there already, is left out. */
static bool
add_needle(sy__scrubber *s, size_t skip, size_t len)
{
    forms *f = &s->forms[s->form_count - 1];
    const char *bytes = f->next + skip;
    if (len < SY__SECRET_MIN_BYTES || is_known(s, bytes, len)) return true;
    needle *all = sy__realloc(s->alloc, s->needles, (s->count + 1) * sizeof *all);
    if (!all) return false;
    s->needles = all;
    all[s->count++] = (needle){.bytes = bytes, .len = len, .of = s->form_count - 1};
    s->first[(unsigned char)bytes[0]] = true;
    f->next += skip + len;
    return true;
}

static bool
add_plain(sy__scrubber *s, const char *value, size_t len)
{
    memcpy(s->forms[s->form_count - 1].next, value, len);
    return add_needle(s, 0, len);
}

/* Base64 of the value behind `shift` unknown bytes: only the letters that depend on nothing else. */
static bool
add_base64(sy__scrubber *s, const char *value, size_t len, size_t shift, int variant)
{
    const forms *f = &s->forms[s->form_count - 1];
    memset(f->spare, 0, 2);
    memcpy(f->spare + shift, value, len);
    size_t skip = (shift * 8 + 5) / 6, end = (shift + len) * 8 / 6;
    (void)sodium_bin2base64(f->next, sodium_base64_ENCODED_LEN(len + 2, variant), (unsigned char *)f->spare,
                            shift + len, variant);
    return add_needle(s, skip, end - skip);
}

static bool
is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static bool
add_hex(sy__scrubber *s, const char *value, size_t len, const char *digits, bool percent)
{
    char *room = s->forms[s->form_count - 1].next;
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if (percent && is_unreserved(value[i])) {
            room[at++] = value[i];
            continue;
        }
        if (percent) room[at++] = '%';
        room[at++] = digits[c >> 4];
        room[at++] = digits[c & 15];
    }
    return add_needle(s, 0, at);
}

/* As a JSON text has it, with or without \/ . */
static bool
add_json(sy__scrubber *s, const char *value, size_t len, bool slash)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    char *room = s->forms[s->form_count - 1].next;
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        const char *found = c ? strchr(plain, c) : NULL;
        if (found || (slash && c == '/')) {
            room[at++] = '\\';
            room[at++] = found ? letters[found - plain] : '/';
        } else if (c < 0x20) {
            at += (size_t)snprintf(room + at, 7, "\\u%04x", (unsigned)c);
        } else {
            room[at++] = (char)c;
        }
    }
    return add_needle(s, 0, at);
}

static bool
add_forms(sy__scrubber *s, const char *value, size_t len)
{
    bool ok = add_plain(s, value, len) && add_json(s, value, len, false) && add_json(s, value, len, true);
    for (size_t shift = 0; ok && shift < 3; shift++)
        ok = add_base64(s, value, len, shift, sodium_base64_VARIANT_ORIGINAL) &&
             add_base64(s, value, len, shift, sodium_base64_VARIANT_URLSAFE);
    for (int percent = 0; ok && percent < 2; percent++)
        ok = add_hex(s, value, len, "0123456789ABCDEF", percent) && add_hex(s, value, len, "0123456789abcdef", percent);
    return ok;
}

int
sy__scrubber_add(sy__scrubber *s, const sy__secret *secret, sy__error *err)
{
    size_t len;
    const char *value = sy__secret_value(secret, &len);
    size_t room = len + 2 * 6 * len + 6 * (len * 4 / 3 + 8) + 2 * 2 * len + 2 * 3 * len + 64;
    forms *all = sy__realloc(s->alloc, s->forms, (s->form_count + 1) * sizeof *all);
    if (all) s->forms = all;
    char *memory = all ? sy__secret_memory(room + len + 2) : NULL;
    if (memory) {
        forms *f = &all[s->form_count++];
        *f = (forms){.memory = memory, .next = memory, .spare = memory + room};
        (void)snprintf(f->name, sizeof f->name, "%s", sy__secret_name(secret));
        if (add_forms(s, value, len)) return SY_OK;
    }
    return sy__error_set(err, SY_ENOMEM, "no memory to look for secrets");
}

/* ---- searching ---- */

/* The longest needle that lies at `at`; `*more`: it may be another, longer one, when more bytes come. */
static const needle *
find_at(const sy__scrubber *s, const char *at, size_t left, bool *more)
{
    const needle *best = NULL;
    *more = false;
    for (size_t i = 0; i < s->count; i++) {
        const needle *n = &s->needles[i];
        size_t len = n->len < left ? n->len : left;
        if (memcmp(n->bytes, at, len) != 0) continue;
        if (n->len > left)
            *more = true;
        else if (!best || n->len > best->len)
            best = n;
    }
    return best;
}

/* Appends what is certain of the bytes; how many of them are used. */
static size_t
pass(const sy__scrubber *s, const char *bytes, size_t len, bool last, sy__buf *out)
{
    size_t from = 0, at = 0;
    while (at < len) {
        bool more = false;
        const needle *n = s->first[(unsigned char)bytes[at]] ? find_at(s, bytes + at, len - at, &more) : NULL;
        if (more && !last) break;
        if (!n) {
            at++;
            continue;
        }
        sy__buf_add(out, bytes + from, at - from);
        sy__buf_addf(out, "[secret:%s]", s->forms[n->of].name);
        from = at += n->len;
    }
    sy__buf_add(out, bytes + from, at - from);
    return at;
}

/* Forgets the first bytes of what is kept back, and wipes what lay behind the rest. */
static void
drop(sy__buf *held, size_t count)
{
    size_t left = held->len - count;
    if (count == 0) return;
    memmove(held->data, held->data + count, left);
    sodium_memzero(held->data + left, count);
    held->len = left;
}

void
sy__scrub_init(sy__scrub *s, const sy__scrubber *of, const sy__alloc *a)
{
    s->of = of && of->count > 0 ? of : NULL;
    sy__buf_init(&s->held, a);
}

void
sy__scrub_feed(sy__scrub *s, const char *bytes, size_t len, sy__buf *out)
{
    if (!s->of) {
        sy__buf_add(out, bytes, len);
        return;
    }
    size_t used = 0;
    if (s->held.len == 0) used = pass(s->of, bytes, len, false, out);
    sy__buf_add(&s->held, bytes + used, len - used);
    if (s->held.failed) out->failed = true;
    if (used == 0 && s->held.len > 0) drop(&s->held, pass(s->of, s->held.data, s->held.len, false, out));
}

void
sy__scrub_end(sy__scrub *s, sy__buf *out)
{
    if (!s->of || s->held.len == 0) return;
    drop(&s->held, pass(s->of, s->held.data, s->held.len, true, out));
}

void
sy__scrub_restart(sy__scrub *s)
{
    drop(&s->held, s->held.len);
}

void
sy__scrub_close(sy__scrub *s)
{
    if (s->held.data) sodium_memzero(s->held.data, s->held.cap);
    sy__buf_close(&s->held);
}

void
sy__scrub_all(const sy__scrubber *of, const char *bytes, size_t len, sy__buf *out)
{
    if (!of || of->count == 0)
        sy__buf_add(out, bytes, len);
    else
        (void)pass(of, bytes, len, true, out);
}

static void
scrub_field(const sy__scrubber *of, const sy__alloc *a, char *text, size_t room)
{
    sy__buf clean;
    sy__buf_init(&clean, a);
    sy__scrub_all(of, text, strlen(text), &clean);
    (void)snprintf(text, room, "%s", clean.failed ? "no memory to say what went wrong" : sy__buf_cstr(&clean));
    sy__buf_close(&clean);
}

void
sy__scrub_error(const sy__scrubber *of, const sy__alloc *a, sy__error *err)
{
    if (!err || !err->code || !of || of->count == 0) return;
    scrub_field(of, a, err->message, sizeof err->message);
    scrub_field(of, a, err->hint, sizeof err->hint);
}
