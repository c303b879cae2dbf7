/*
 * cell.c: the process in which a hostile extension may run: one isolate, one descriptor, one question at a time.
 *
 * It reads its orders, confines itself, and only then is given the first byte of the extension. There is no loop and no
 * second thread: whatever waits, waits in read(2). When the host goes away there is nothing left to do: it ends.
 */
#include "kit/cell_impl.h"
#include "kit/isolate_impl.h"

#include "symphony.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10, KEEP_BYTES = 1 << 20 };

/* ---- speaking ---- */

sy__vbuf *
sy__cell_body(sy__cell *c)
{
    sy__vbuf_reset(&c->body);
    sy__vbuf_reset(&c->blob);
    sy__vbuf_map(&c->body);
    return &c->body;
}

static void
write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(SY__CELL_FD, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) _exit(0);
        bytes += n;
        len -= (size_t)n;
    }
}

/* Large content is not copied behind its head. */
static void
write_frame(sy__cell *c, sy__frame_kind kind, sy__value body, const char *blob, size_t blob_len)
{
    bool large = blob_len > READ_BYTES;
    sy__buf_reset(&c->out);
    sy__frame_add(&c->out, kind, body, large ? "" : blob, large ? 0 : blob_len);
    if (c->out.failed) _exit(1);
    for (int i = 0; large && i < 4; i++) c->out.data[8 + i] = (char)(unsigned char)(blob_len >> (8 * i));
    write_all(c->out.data, c->out.len);
    if (large) write_all(blob, blob_len);
}

void
sy__cell_send(sy__cell *c, sy__frame_kind kind, const char *blob, size_t blob_len)
{
    sy__value body;
    sy__vbuf_end(&c->body);
    if (sy__vbuf_done(&c->body, &body) != SY_OK) _exit(1);
    write_frame(c, kind, body, blob, blob_len);
}

/* Drops the frame that was taken; a buffer that was needed for a large one is not kept. */
static void
shift(sy__cell *c)
{
    size_t left = c->in.len - c->in_at;
    if (left == 0 && c->in.cap > KEEP_BYTES) {
        sy__buf_close(&c->in);
    } else if (left > 0 && c->in_at > 0) {
        memmove(c->in.data, c->in.data + c->in_at, left);
    }
    c->in.len = left;
    c->in_at = 0;
}

void
sy__cell_receive(sy__cell *c, sy__frame *out)
{
    shift(c);
    for (;;) {
        long size = sy__frame_size(c->in.data, c->in.len, UINT32_MAX);
        if (size > 0 && c->in.len >= (size_t)size) break;
        size_t want = size > 0 ? (size_t)size - c->in.len : 0;
        char *to = size < 0 ? NULL : sy__buf_reserve(&c->in, want > READ_BYTES ? want : READ_BYTES);
        ssize_t n = to ? read(SY__CELL_FD, to, c->in.cap - c->in.len) : 0;
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) _exit(0);
        c->in.len += (size_t)n;
    }
    long size = sy__frame_read(c->in.data, c->in.len, UINT32_MAX, out);
    if (size <= 0) _exit(1);
    c->in_at = (size_t)size;
}

void
sy__cell_ask(sy__cell *c, sy__frame_kind kind, const char *blob, size_t blob_len, sy__frame *answer)
{
    if (c->iso) (void)sy__limits_look(&c->iso->limits); /* from here on the CPU's clock counts, not the wall's */
    sy__cell_send(c, kind, blob, blob_len);
    sy__cell_receive(c, answer);
}

static void
put_int(sy__vbuf *b, const char *key, int64_t n)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_int(b, n);
}

static void
put_text(sy__vbuf *b, const char *key, const char *text)
{
    sy__vbuf_key(b, key, strlen(key));
    sy__vbuf_cstr(b, text);
}

/* Lines that belong to no call. */
static void
on_log(void *ud, sy__log_level level, int64_t wall_ms, const char *area, const char *text)
{
    sy__cell *c = ud;
    (void)wall_ms, (void)area;
    put_int(sy__cell_body(c), "level", level);
    sy__cell_send(c, SY__FROM_LOG, text, strlen(text));
}

/* ---- the orders ---- */

static int
make_caps(sy__cell *c, const sy__frame *f, sy__error *err)
{
    sy__vbuf b;
    sy__value editor, granted;
    sy__vbuf_init(&b, c->alloc);
    sy__vbuf_map(&b);
    if (sy__value_get(f->body, "editor", 6, &editor)) {
        sy__vbuf_key(&b, "editor", 6);
        sy__vbuf_value(&b, editor);
    }
    sy__vbuf_end(&b);
    int rc = sy__vbuf_done(&b, &granted);
    if (rc == SY_OK) rc = sy__caps_new(&c->caps, c->alloc, granted, NULL, err);
    sy__vbuf_close(&b);
    return rc;
}

static int
start(sy__cell *c, const sy__frame *f, const sy__isolate_module *modules, sy__error *err)
{
    sy__isolate_options o = {.alloc = c->alloc,
                             .clock = &sy__clock_system,
                             .log = &c->log,
                             .name = c->name,
                             .profile = SY__PROFILE_EXTENSION,
                             .module = sy__cell_module,
                             .module_ud = c,
                             .modules = modules,
                             .watchdog = &c->watchdog,
                             .cell = c};
    (void)sy__frame_copy(f, "name", c->name, sizeof c->name);
    (void)prctl(PR_SET_NAME, c->name);
    o.memory_bytes = (size_t)sy__frame_int(f, "memory", 64 << 20);
    o.trusted = sy__frame_flag(f, "trusted");
    int rc = make_caps(c, f, err), landlock = 0, signum = sy__watchdog_free_signal();
    if (signum && sy__watchdog_take(signum, err) == SY_OK) (void)sy__watchdog_begin(&c->watchdog, signum);
    o.caps = c->caps;
    if (rc == SY_OK) rc = sy__isolate_new(&c->iso, &o, err);
    if (rc == SY_OK) rc = sy__cell_confine(o.memory_bytes, &landlock, err);
    sy__vbuf *b = sy__cell_body(c);
    if (rc == SY_OK) {
        put_text(b, "version", sy_version());
        put_int(b, "landlock", landlock);
        sy__cell_send(c, SY__FROM_READY, NULL, 0);
    } else {
        put_text(b, "message", err->message);
        sy__cell_send(c, SY__FROM_FAILED, NULL, 0);
    }
    return rc;
}

static void
load(sy__cell *c, const sy__frame *f)
{
    char chunk[SY__ERROR_NAME_BYTES];
    sy__error err = {0};
    (void)sy__frame_copy(f, "chunk", chunk, sizeof chunk);
    int64_t cpu_ms = sy__frame_int(f, "cpu_ms", 0);
    /* The frame's bytes are overwritten as soon as the chunk asks for something. */
    char *source = sy__strndup(c->alloc, f->blob, f->blob_len);
    int rc = source ? sy__isolate_load(c->iso, source, f->blob_len, chunk, cpu_ms, &err)
                    : sy__error_set(&err, SY_EMEMORY, "no memory for the source");
    sy__free(c->alloc, source);
    sy__vbuf *b = sy__cell_body(c);
    if (rc) sy__frame_put_error(b, &err);
    sy__cell_send(c, SY__FROM_LOADED, NULL, 0);
}

static void
tell_end(sy__cell *c, const sy__call *call, int rc)
{
    sy__value output = {0};
    sy__vbuf *b = sy__cell_body(c);
    if (rc)
        sy__frame_put_error(b, &call->error);
    else
        (void)sy__vbuf_done((sy__vbuf *)(uintptr_t)&call->output, &output);
    put_text(b, "own", call->code);
    sy__vbuf_key(b, "transient", 9);
    sy__vbuf_bool(b, call->transient);
    sy__vbuf_key(b, "ended", 5);
    sy__vbuf_bool(b, !sy__isolate_reusable(c->iso));
    put_int(b, "peak", (int64_t)call->peak_bytes);
    put_int(b, "used", (int64_t)sy__isolate_bytes(c->iso));
    sy__cell_send(c, SY__FROM_DONE, output.data, output.size);
}

static void
run(sy__cell *c, const sy__frame *f)
{
    char operation[256], key[256];
    sy__call_services services = {0};
    sy__call call = {.operation = operation, .cpu_ms = sy__frame_int(f, "cpu_ms", 0), .services = &services, .ud = c};
    int64_t left_ns = sy__frame_int(f, "left_ns", 0);
    (void)sy__frame_copy(f, "operation", operation, sizeof operation);
    if (left_ns) call.deadline_ns = sy__mono_ns(&sy__clock_system) + left_ns;
    if (sy__frame_copy(f, "key", key, sizeof key)) call.idempotency_key = key;
    sy__cell_services(&services, sy__frame_int(f, "services", 0));
    call.input = (sy__value){f->blob_len ? f->blob : NULL, f->blob_len};
    /* The input is turned into Lua values before the extension can ask anything: its bytes need no copy. */
    int rc = sy__isolate_call(c->iso, &call);
    tell_end(c, &call, rc);
    sy__call_close(&call);
}

int
sy__cell_main(const sy__isolate_module *modules)
{
    sy__cell c = {.alloc = &sy__alloc_default};
    sy__frame f;
    sy__error err = {0};
    sy__buf_init(&c.in, c.alloc);
    sy__buf_init(&c.out, c.alloc);
    sy__vbuf_init(&c.body, c.alloc);
    sy__vbuf_init(&c.blob, c.alloc);
    sy__log_init(&c.log, &sy__clock_system);
    c.log.sink = on_log;
    c.log.ud = &c;
    sy__cell_prepare();
    sy__cell_receive(&c, &f);
    if (f.kind != SY__TO_START || start(&c, &f, modules, &err) != SY_OK) _exit(1);
    for (;;) {
        sy__cell_receive(&c, &f);
        if (f.kind == SY__TO_LOAD)
            load(&c, &f);
        else if (f.kind == SY__TO_CALL)
            run(&c, &f);
        else
            _exit(1);
    }
}
