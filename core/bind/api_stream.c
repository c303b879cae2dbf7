/* api_stream.c: sy_stream of symphony.h. */
#include "bind/api_impl.h"
#include "pit/stream/stream.h"

enum { PIECE_BYTES = 64 << 10 };

static int
read_piece(sy_host *h, const char *run, const char *task, const char *kind, int64_t offset, sy__stream_piece *p,
           sy__error *err)
{
    sy__stream_kind k = run && task && kind ? sy__stream_kind_of(kind) : SY__STREAM_KINDS;
    if (k == SY__STREAM_KINDS) return sy__error_set(err, SY_EUSAGE, "a stream is tokens, progress or log of a task");
    return sy__stream_read(sy__project_engine(h->project), run, task, k, offset, PIECE_BYTES, p, err);
}

int
sy_stream(sy_host *h, const char *run, const char *task, const char *kind, int64_t offset, char **bytes, size_t *size,
          int64_t *next)
{
    sy__error err = {0};
    sy__stream_piece p = {0};
    int status = sy__api_ready(h);
    *bytes = NULL;
    *size = 0;
    *next = offset;
    if (status) return status;
    status = read_piece(h, run, task, kind, offset, &p, &err);
    if (status) return sy__api_keep(h, &err);
    if (p.bytes.len == 0) {
        status = SY_EAGAIN;
    } else {
        *bytes = sy__buf_take(&p.bytes, size);
        *next = p.next;
    }
    sy__buf_close(&p.bytes);
    return status;
}
