/*
 * value.h: structured values as compact bytes, the one form in which values cross between Lua states,
 * threads, the engine and (through JSON) the database.
 *
 *   null, false, true   tag
 *   integer             tag, int64
 *   number              tag, IEEE double
 *   string              tag, u32 length, bytes (any bytes)
 *   array               tag, u32 payload bytes, u32 count, items
 *   map                 tag, u32 payload bytes, u32 count, entries: u32 key length, key, value
 *
 * All numbers little-endian and unaligned. Map entries are sorted by key bytes and unique, so equal
 * values have equal bytes: hashing and comparing need no further canonical form. A value contains its
 * parts as contiguous slices: taking `diff.files` out of an output, or building an input out of other
 * tasks' outputs, copies bytes and parses nothing.
 *
 * An artifact reference is a map with the key "$artifact" ("sha256:…"). Limits: bounds.h.
 * Values are immutable bytes: any thread may read them. A builder belongs to one thread.
 */
#ifndef SY_BASE_VALUE_H
#define SY_BASE_VALUE_H

#include "base/buf.h"
#include "base/error.h"

typedef enum sy__kind { SY__NULL, SY__FALSE, SY__TRUE, SY__INT, SY__NUM, SY__STR, SY__ARRAY, SY__MAP } sy__kind;

/* A borrowed value: the bytes of exactly one value. data NULL means 'no value'. */
typedef struct sy__value {
    const char *data;
    size_t size;
} sy__value;

/* ---- reading; a value's bytes must be well-formed (built here or passed sy__value_check) ---- */

/* What a value is and holds. No allocation; texts are borrowed from the value. */
sy__kind sy__value_kind(sy__value v);
bool sy__value_bool(sy__value v);                    /* true only for SY__TRUE */
int64_t sy__value_int(sy__value v);                  /* of SY__INT; of SY__NUM truncated; else 0 */
double sy__value_num(sy__value v);                   /* of SY__INT and SY__NUM; else 0 */
const char *sy__value_str(sy__value v, size_t *len); /* of SY__STR, not NUL-terminated; else NULL */
size_t sy__value_count(sy__value v);                 /* items or entries; 0 for the rest */
/* The value under a key of a map. false when it is no map or has no such key. */
bool sy__value_get(sy__value v, const char *key, size_t key_len, sy__value *out);
/* The item of an array at `index` from 0; O(index). false when out of range. */
bool sy__value_at(sy__value v, size_t index, sy__value *out);

/* Walks the items of an array or the entries of a map in order. */
typedef struct sy__value_iter {
    const char *at, *end;
    bool map;
    const char *key; /* of the current entry; NULL in arrays */
    size_t key_len;
    sy__value value; /* the current item */
} sy__value_iter;
void sy__value_iter_init(sy__value_iter *it, sy__value v);
bool sy__value_iter_next(sy__value_iter *it);

/* Whether `data` is exactly one well-formed value within the limits of bounds.h. */
bool sy__value_check(const char *data, size_t size);
/* Equal values have equal bytes. */
bool sy__value_equal(sy__value a, sy__value b);
/* One static null. */
sy__value sy__value_null(void);

/* ---- building ---- */

/* Appends values to a buffer. Containers nest; map keys may come in any order (sorted at the end). */
typedef struct sy__vbuf {
    sy__buf buf;
    sy__buf stack; /* open containers */
    int depth;
    int error; /* SY_OK, or the first SY_E… (SY_ENOMEM, SY_EINVAL: too deep, too large, duplicate key) */
} sy__vbuf;

/* Builds one value, front to back, in memory of `a`. The first error stays in b->error and makes the rest do nothing,
 * so that only sy__vbuf_done is asked. Reset forgets the content and the error, and keeps the memory. */
void sy__vbuf_init(sy__vbuf *b, const sy__alloc *a);
void sy__vbuf_close(sy__vbuf *b);
void sy__vbuf_reset(sy__vbuf *b);
void sy__vbuf_null(sy__vbuf *b);
void sy__vbuf_bool(sy__vbuf *b, bool on);
void sy__vbuf_int(sy__vbuf *b, int64_t i);
void sy__vbuf_num(sy__vbuf *b, double d);
void sy__vbuf_str(sy__vbuf *b, const char *s, size_t len);
void sy__vbuf_cstr(sy__vbuf *b, const char *s);
void sy__vbuf_value(sy__vbuf *b, sy__value v); /* copies; no value becomes null */
void sy__vbuf_array(sy__vbuf *b);              /* opens; close with sy__vbuf_end */
void sy__vbuf_map(sy__vbuf *b);
void sy__vbuf_key(sy__vbuf *b, const char *key, size_t len); /* before each value of a map */
void sy__vbuf_end(sy__vbuf *b);
/* The value built, borrowed from the buffer until it changes; SY_OK or the first error. */
int sy__vbuf_done(sy__vbuf *b, sy__value *out);

/* ---- shared, immutable values ---- */

/* A reference-counted copy. Any thread may hold and release it. */
typedef struct sy__blob sy__blob;
sy__blob *sy__blob_new(const sy__alloc *a, sy__value v); /* NULL: no memory. Count 1 */
sy__blob *sy__blob_hold(sy__blob *b);                    /* NULL is legal */
void sy__blob_release(sy__blob *b);                      /* NULL is legal */
sy__value sy__blob_value(const sy__blob *b);             /* NULL: null */

/* ---- JSON (RFC 8259, through jansson) ---- */

/*
 * Strings that are not UTF-8 cross as {"$bytes":"base64"}, so JSON in the database loses nothing.
 * Integers keep 64 bits; a number without fraction or exponent that needs more becomes a double.
 */
/* Appends one value. SY_EINVAL with line and column in the message; SY_ENOMEM. */
int sy__value_from_json(sy__vbuf *out, const char *json, size_t len, sy__error *err);
enum { SY__JSON_COMPACT = 0, SY__JSON_PRETTY = 1, /* two spaces */ SY__JSON_LOSSY = 2 /* U+FFFD for bad bytes */ };
/* Appends compact or indented JSON; NaN and infinities become null. Keys in byte order. */
void sy__value_to_json(sy__value v, int flags, sy__buf *out);

#endif
