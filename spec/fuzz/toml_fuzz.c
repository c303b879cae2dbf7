/* toml_fuzz.c: any bytes as TOML; what is accepted must be a well-formed value, what is not must be said. */
#include "io/toml.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sy__vbuf value, lines;
    sy__value v, l;
    sy__error err;
    sy__error_clear(&err);
    sy__vbuf_init(&value, &sy__alloc_default);
    sy__vbuf_init(&lines, &sy__alloc_default);
    if (sy__toml_parse((const char *)data, size, &value, &lines, &err)) {
        if (!err.code || !err.message[0]) abort();
    } else if (sy__vbuf_done(&value, &v) || sy__vbuf_done(&lines, &l) || !sy__value_check(v.data, v.size) ||
               !sy__value_check(l.data, l.size) || sy__value_kind(v) != SY__MAP) {
        abort();
    }
    sy__vbuf_close(&value);
    sy__vbuf_close(&lines);
    return 0;
}
