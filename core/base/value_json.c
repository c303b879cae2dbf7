/*
 * value_json.c: values from and to JSON text.
 *
 * Reading goes through jansson, which keeps 64-bit integers, `[]` and `{}`. Writing walks the encoded
 * bytes itself: the form is already sorted and checked, so there is nothing for a library to add.
 */
#include "base/bounds.h"
#include "base/text.h"
#include "base/value.h"

#include <jansson.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char BYTES_KEY[] = "$bytes";

/* {"$bytes":"base64"} back into a string of any bytes; false when `json` is something else. */
static bool
add_bytes(sy__vbuf *out, json_t *json)
{
    json_t *text = json_object_size(json) == 1 ? json_object_get(json, BYTES_KEY) : NULL;
    if (!json_is_string(text)) return false;
    size_t room = json_string_length(text), len;
    unsigned char *bytes = sy__malloc(out->buf.alloc, room);
    bool ok = bytes && sodium_base642bin(bytes, room, json_string_value(text), room, NULL, &len, NULL,
                                         sodium_base64_VARIANT_ORIGINAL) == 0;
    if (ok) sy__vbuf_str(out, (const char *)bytes, len);
    sy__free(out->buf.alloc, bytes);
    return ok;
}

static void
add_json(sy__vbuf *out, json_t *json)
{
    const char *key;
    size_t key_len, index;
    json_t *item;
    switch (json_typeof(json)) {
    case JSON_NULL: sy__vbuf_null(out); break;
    case JSON_TRUE: sy__vbuf_bool(out, true); break;
    case JSON_FALSE: sy__vbuf_bool(out, false); break;
    case JSON_INTEGER: sy__vbuf_int(out, json_integer_value(json)); break;
    case JSON_REAL: sy__vbuf_num(out, json_real_value(json)); break;
    case JSON_STRING: sy__vbuf_str(out, json_string_value(json), json_string_length(json)); break;
    case JSON_ARRAY:
        sy__vbuf_array(out);
        json_array_foreach(json, index, item) add_json(out, item);
        sy__vbuf_end(out);
        break;
    case JSON_OBJECT:
        if (add_bytes(out, json)) break;
        sy__vbuf_map(out);
        json_object_keylen_foreach(json, key, key_len, item)
        {
            sy__vbuf_key(out, key, key_len);
            add_json(out, item);
        }
        sy__vbuf_end(out);
        break;
    }
}

int
sy__value_from_json(sy__vbuf *out, const char *json, size_t len, sy__error *err)
{
    json_error_t why;
    json_t *root = json_loadb(json, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!root) {
        /* an integer of more than 64 bits: read again, every number as a double */
        if (json_error_code(&why) == json_error_numeric_overflow)
            root = json_loadb(
                json, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
        if (!root)
            return sy__error_set(err, SY_EINVAL, "invalid JSON at line %d, column %d: %s", why.line, why.column,
                                 why.text);
    }
    add_json(out, root);
    json_decref(root);
    if (out->error)
        return sy__error_set(err, out->error, "a value too large or nested deeper than %d", SY_MAX_VALUE_DEPTH);
    return SY_OK;
}

static void
put_number(sy__buf *out, double d)
{
    if (!isfinite(d)) {
        sy__buf_adds(out, "null");
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) { /* the shortest that reads back the same */
        (void)snprintf(text, sizeof text, "%.*g", digits, d);
        for (char *p = text; *p; p++)
            if (*p == ',') *p = '.'; /* a locale's decimal comma */
        double back;
        char *end = NULL;
        back = strtod(text, &end);
        if (back == d || digits == 17) break;
    }
    sy__buf_adds(out, text);
    if (!strpbrk(text, ".eE")) sy__buf_adds(out, ".0");
}

static void
put_string(sy__buf *out, sy__value v, int flags)
{
    size_t len;
    const char *s = sy__value_str(v, &len);
    if ((flags & SY__JSON_LOSSY) || sy__utf8_valid(s, len)) {
        sy__json_string(out, s, len);
        return;
    }
    size_t room = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
    sy__buf_addf(out, "{\"%s\":\"", BYTES_KEY);
    char *to = sy__buf_reserve(out, room);
    if (!to) return;
    (void)sodium_bin2base64(to, room, (const unsigned char *)s, len, sodium_base64_VARIANT_ORIGINAL);
    out->len += room - 1;
    sy__buf_adds(out, "\"}");
}

static void
new_line(sy__buf *out, int flags, int depth)
{
    if (!(flags & SY__JSON_PRETTY)) return;
    sy__buf_addc(out, '\n');
    for (int i = 0; i < depth; i++) sy__buf_add(out, "  ", 2);
}

static void
put_value(sy__value v, int flags, int depth, sy__buf *out)
{
    sy__kind kind = sy__value_kind(v);
    switch (kind) {
    case SY__NULL: sy__buf_add(out, "null", 4); return;
    case SY__FALSE: sy__buf_add(out, "false", 5); return;
    case SY__TRUE: sy__buf_add(out, "true", 4); return;
    case SY__INT: sy__buf_addf(out, "%lld", (long long)sy__value_int(v)); return;
    case SY__NUM: put_number(out, sy__value_num(v)); return;
    case SY__STR: put_string(out, v, flags); return;
    case SY__ARRAY:
    case SY__MAP: break;
    }
    sy__value_iter it;
    sy__value_iter_init(&it, v);
    sy__buf_addc(out, kind == SY__MAP ? '{' : '[');
    for (bool first = true; sy__value_iter_next(&it); first = false) {
        if (!first) sy__buf_addc(out, ',');
        new_line(out, flags, depth + 1);
        if (kind == SY__MAP) {
            sy__json_string(out, it.key, it.key_len);
            sy__buf_add(out, ": ", flags & SY__JSON_PRETTY ? 2 : 1);
        }
        put_value(it.value, flags, depth + 1, out);
    }
    if (sy__value_count(v)) new_line(out, flags, depth);
    sy__buf_addc(out, kind == SY__MAP ? '}' : ']');
}

void
sy__value_to_json(sy__value v, int flags, sy__buf *out)
{
    put_value(v, flags, 0, out);
}
