/* cell_frame.c: frames as bytes. Reading trusts nothing: lengths first, then the whole body, then single fields. */
#include "kit/cell.h"

#include "base/bounds.h"

#include <string.h>

enum { MAX_BODY_BYTES = 1 << 20 };

static void
put_u32(char *to, size_t n)
{
    for (int i = 0; i < 4; i++) to[i] = (char)(unsigned char)(n >> (8 * i));
}

static size_t
get_u32(const char *from)
{
    size_t n = 0;
    for (int i = 0; i < 4; i++) n |= (size_t)(unsigned char)from[i] << (8 * i);
    return n;
}

void
sy__frame_add(sy__buf *out, sy__frame_kind kind, sy__value body, const char *blob, size_t blob_len)
{
    char head[SY__FRAME_HEAD];
    put_u32(head, kind);
    put_u32(head + 4, body.size);
    put_u32(head + 8, blob_len);
    if (blob_len > UINT32_MAX || !sy__buf_reserve(out, sizeof head + body.size + blob_len)) {
        out->failed = true;
        return;
    }
    sy__buf_add(out, head, sizeof head);
    sy__buf_add(out, body.data, body.size);
    sy__buf_add(out, blob, blob_len);
}

long
sy__frame_size(const char *bytes, size_t len, size_t max_blob)
{
    if (len < SY__FRAME_HEAD) return 0;
    size_t kind = get_u32(bytes), body = get_u32(bytes + 4), blob = get_u32(bytes + 8);
    if (kind == 0 || kind >= SY__FRAME_KINDS || body == 0 || body > MAX_BODY_BYTES || blob > max_blob) return SY_EINVAL;
    return (long)(SY__FRAME_HEAD + body + blob);
}

long
sy__frame_read(const char *bytes, size_t len, size_t max_blob, sy__frame *out)
{
    long size = sy__frame_size(bytes, len, max_blob);
    if (size <= 0) return size;
    if (len < (size_t)size) return 0;
    *out = (sy__frame){.kind = (sy__frame_kind)get_u32(bytes), .blob_len = get_u32(bytes + 8)};
    out->body = (sy__value){bytes + SY__FRAME_HEAD, get_u32(bytes + 4)};
    out->blob = bytes + SY__FRAME_HEAD + out->body.size;
    if (!sy__value_check(out->body.data, out->body.size)) return SY_EINVAL;
    sy__kind wanted = out->kind == SY__FROM_VIOLATION ? SY__INT : SY__MAP;
    return sy__value_kind(out->body) == wanted ? size : SY_EINVAL;
}

/* ---- fields ---- */

static bool
field(const sy__frame *f, const char *key, sy__kind kind, sy__value *out)
{
    return sy__value_get(f->body, key, strlen(key), out) && sy__value_kind(*out) == kind;
}

int64_t
sy__frame_int(const sy__frame *f, const char *key, int64_t fallback)
{
    sy__value v;
    return field(f, key, SY__INT, &v) ? sy__value_int(v) : fallback;
}

bool
sy__frame_flag(const sy__frame *f, const char *key)
{
    sy__value v;
    return field(f, key, SY__TRUE, &v);
}

const char *
sy__frame_text(const sy__frame *f, const char *key, size_t *len)
{
    sy__value v;
    *len = 0;
    return field(f, key, SY__STR, &v) ? sy__value_str(v, len) : NULL;
}

bool
sy__frame_copy(const sy__frame *f, const char *key, char *out, size_t size)
{
    size_t len;
    const char *text = sy__frame_text(f, key, &len);
    out[0] = '\0';
    if (!text) return false;
    if (len >= size) len = size - 1;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* ---- errors ---- */

static void
put_text(sy__vbuf *b, const char *key, const char *text)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_cstr(b, text);
}

static void
put_int(sy__vbuf *b, const char *key, int64_t n)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_int(b, n);
}

void
sy__frame_put_error(sy__vbuf *b, const sy__error *err)
{
    put_int(b, "code", err->code);
    put_text(b, "message", err->message);
    put_text(b, "file", err->file);
    put_int(b, "line", err->line);
    put_text(b, "hint", err->hint);
}

/* What code inside an isolate can end with; anything else would be the host's to say. */
static int
code_from_inside(int64_t code)
{
    static const int known[] = {SY_EPERM, SY_ENOTFOUND, SY_ENOMODEL, SY_ENOEDITOR, SY_ETIMEOUT, SY_EPROCESS,  SY_EIO,
                                SY_ETYPE, SY_EDISKFULL, SY_EINVAL,   SY_EMEMORY,   SY_EUSAGE,   SY_EOPERATION};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == code) return known[i];
    return SY_EEXTENSION;
}

bool
sy__frame_get_error(const sy__frame *f, sy__error *err)
{
    char text[SY__ERROR_MESSAGE_BYTES];
    int64_t code = sy__frame_int(f, "code", 0), line = sy__frame_int(f, "line", 0);
    if (code == 0) return false;
    (void)sy__frame_copy(f, "message", text, sizeof text);
    (void)sy__error_set(err, code_from_inside(code), "%s", text);
    if (sy__frame_copy(f, "hint", text, SY__ERROR_HINT_BYTES) && text[0]) sy__error_hint(err, "%s", text);
    if (sy__frame_copy(f, "file", text, SY__ERROR_NAME_BYTES) && text[0])
        sy__error_where(err, text, line > 0 && line < INT32_MAX ? (int)line : 0, NULL);
    return true;
}
