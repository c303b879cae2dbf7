/* schema_fuzz.c: input is a schema and a value, as the JSON array [schema, value]. What a check with defaults gives
 * must be a well-formed value. */
#include "kit/schema.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(sy__value schema, sy__value v)
{
    sy__schema *s = NULL;
    sy__error err;
    sy__vbuf out;
    sy__value done;
    if (sy__schema_new(&s, &sy__alloc_default, schema, &err)) return;
    sy__vbuf_init(&out, &sy__alloc_default);
    int plain = sy__schema_check(s, v, NULL, &err), filled = sy__schema_check(s, v, &out, &err);
    if (plain && !filled) abort();
    if (!filled && (sy__vbuf_done(&out, &done) || !sy__value_check(done.data, done.size))) abort();
    if (filled && out.buf.len) abort();
    sy__vbuf_close(&out);
    sy__schema_free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sy__vbuf b;
    sy__value v, schema, value;
    sy__error err;
    sy__vbuf_init(&b, &sy__alloc_default);
    bool ok = !sy__value_from_json(&b, (const char *)data, size, &err) && !sy__vbuf_done(&b, &v);
    if (ok && sy__value_at(v, 0, &schema) && sy__value_at(v, 1, &value)) check(schema, value);
    sy__vbuf_close(&b);
    return 0;
}
