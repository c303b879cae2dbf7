/*
 * remote.c: the process behind an isolate: started, spoken with, watched, and buried.
 *
 * What comes is taken frame by frame on the isolate's loop. Lines for the log and questions for sources are answered
 * here; the rest wakes the coroutine that waits in remote_serve.c. A frame nobody waits for condemns the cell, as does
 * anything that cannot be understood: it is killed, and the call that runs ends with the reason.
 *
 * A cell counts its own time and stops itself. For one that does not, the host reads the clock of its CPU: when the
 * limit and a grace are used up, it is killed. One that does nothing at all meets the deadline of the call.
 */
#include "kit/remote.h"

#include "io/spawn.h"

#include "symphony.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 << 10,
    READS_A_TURN = 8,
    KEEP_BYTES = 1 << 20,
    GRACE_MS = 150,          /* beyond its own limit of CPU time */
    PROCESS_BYTES = 4 << 20, /* what a process costs before it holds anything */
    MAX_STDERR_LINE = 1024,
};

struct sy__remote {
    sy__isolate *iso;
    const sy__alloc *alloc;
    sy__child *child; /* NULL: someone else is at the other end (sy__remote_attach) */
    int fd;
    struct event_base *own_loop; /* of an isolate that was given none */
    struct event *readable, *writable, *watch;
    sy__buf in, out;
    size_t in_at, out_at;
    sy__vbuf body, blob;
    size_t max_blob;
    sy__frame frame; /* what came for the coroutine */
    bool has_frame;
    bool waiting;    /* the coroutine waits for a frame */
    bool over;       /* the call has ended, as the cell said */
    bool ready;      /* it has confined itself */
    bool loaded;     /* it has the extension's code, or `load_error` says why not */
    bool ended;      /* no further call */
    int ended_by;    /* the code of the call that ended it */
    bool *gone;      /* set when this is freed while frames are handed out */
    sy__error death; /* why it was condemned */
    sy__error load_error;
    clockid_t clock; /* of its CPU time */
    int64_t cpu_from_ns, cpu_used_ns, cpu_limit_ms;
    size_t used_bytes, peak_bytes; /* as it says, at most what it may have */
};

/* ---- time ---- */

static int64_t
cpu_ns(const sy__remote *r)
{
    struct timespec t;
    if (!r->child || clock_gettime(r->clock, &t) != 0) return r->cpu_from_ns + r->cpu_used_ns;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
arm(struct event *event, int64_t ms)
{
    struct timeval t = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    (void)event_add(event, &t);
}

static void
on_watch(evutil_socket_t fd, short what, void *ud)
{
    sy__remote *r = ud;
    (void)fd, (void)what;
    int64_t left_ms = r->cpu_limit_ms + GRACE_MS - (cpu_ns(r) - r->cpu_from_ns) / 1000000;
    if (left_ms > 0)
        arm(r->watch, left_ms);
    else
        sy__remote_condemn(r, SY_ETIMEOUT, "it ran for more than %lld ms and did not stop by itself",
                           (long long)r->cpu_limit_ms);
}

static void
begin_watch(sy__remote *r, int64_t cpu_ms)
{
    r->cpu_used_ns = 0;
    r->cpu_from_ns = cpu_ns(r);
    r->cpu_limit_ms = cpu_ms;
    arm(r->watch, cpu_ms + GRACE_MS);
}

/* ---- sending ---- */

static void
flush(sy__remote *r)
{
    while (r->fd >= 0 && r->out_at < r->out.len) {
        ssize_t n = send(r->fd, r->out.data + r->out_at, r->out.len - r->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            (void)event_add(r->writable, NULL);
            return;
        }
        if (n < 0) break; /* that it has gone away is seen when reading */
        r->out_at += (size_t)n;
    }
    r->out_at = 0;
    if (r->out.cap > KEEP_BYTES)
        sy__buf_close(&r->out);
    else
        sy__buf_reset(&r->out);
}

static void
on_writable(evutil_socket_t fd, short what, void *ud)
{
    (void)fd, (void)what;
    flush(ud);
}

sy__remote_reply
sy__remote_begin(sy__remote *r)
{
    sy__vbuf_reset(&r->body);
    sy__vbuf_reset(&r->blob);
    sy__vbuf_map(&r->body);
    return (sy__remote_reply){.body = &r->body, .blob = &r->blob};
}

void
sy__remote_send(sy__remote *r, sy__frame_kind kind, const char *blob, size_t len)
{
    sy__value body;
    sy__vbuf_end(&r->body);
    bool failed = sy__vbuf_done(&r->body, &body) != SY_OK;
    if (!failed) sy__frame_add(&r->out, kind, body, blob, len);
    if (failed || r->out.failed)
        sy__remote_condemn(r, SY_ENOMEM, "no memory to speak with its process");
    else
        flush(r);
}

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

/* ---- the end ---- */

static void
silence(sy__remote *r)
{
    (void)event_del(r->readable);
    (void)event_del(r->writable);
    (void)event_del(r->watch);
    r->ended = true;
    r->waiting = false;
}

void
sy__remote_condemn(sy__remote *r, int code, const char *format, ...)
{
    char reason[400];
    va_list args;
    if (r->death.code) return;
    va_start(args, format);
    (void)vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    (void)sy__error_set(&r->death, code, "%s: %s", r->iso->options.name, reason);
    silence(r);
    if (r->child) sy__child_kill(r->child, 0);
    sy__isolate *iso = r->iso;
    if (!iso->call) sy__logf(iso->options.log, SY__LOG_WARN, iso->options.name, "%s", r->death.message);
    if (iso->state == SY__PARKED) sy__isolate_cancel(iso, code); /* may free r */
}

static const char *
signal_name(int signum)
{
    const char *name = sigabbrev_np(signum);
    return name ? name : "?";
}

/* It was a program of ours that ended before it was one. */
static void
blame_helper(sy__remote *r, const sy__child_result *result)
{
    const char *helper = r->iso->options.helper;
    sy__remote_condemn(r, SY_EPROCESS, "its process did not start: %s ended with %s %d", helper,
                       result->signal ? "signal" : "exit code", result->signal ? result->signal : result->exit_code);
}

static void
on_exit_of_child(void *ud, sy__child *child)
{
    sy__remote *r = ud;
    sy__child_result result;
    if (r->death.code) return;
    sy__child_result_get(child, &result);
    if (!r->ready)
        blame_helper(r, &result);
    else if (result.signal == SIGSYS)
        sy__remote_condemn(r, SY_EEXTENSION, "it tried a system call that it may not use, and was ended (SIGSYS)");
    else if (result.signal)
        sy__remote_condemn(r, SY_EEXTENSION, "its process was ended by SIG%s", signal_name(result.signal));
    else
        sy__remote_condemn(r, SY_EEXTENSION, "its process ended by itself, with exit code %d", result.exit_code);
}

void
sy__remote_explain(const sy__remote *r, sy__error *err)
{
    if (r->death.code) *err = r->death;
}

/* ---- frames ---- */

static void
on_ready(sy__remote *r, const sy__frame *f)
{
    char version[64];
    (void)sy__frame_copy(f, "version", version, sizeof version);
    r->ready = true;
    if (strcmp(version, sy_version()) != 0)
        sy__remote_condemn(r, SY_EPROCESS, "%s is version %s of Symphony, this is %s", r->iso->options.helper, version,
                           sy_version());
}

/* A call that came meanwhile goes on, or ends, in serve(). */
static void
on_loaded(sy__remote *r, const sy__frame *f)
{
    if (r->loaded) {
        sy__remote_condemn(r, SY_EEXTENSION, "its process loaded what it was not given");
        return;
    }
    r->loaded = true;
    (void)event_del(r->watch);
    if (sy__frame_get_error(f, &r->load_error)) r->ended = true;
    if (!r->waiting) return;
    r->waiting = false;
    r->frame = *f;
    r->has_frame = true;
    sy__isolate_wake(r->iso);
}

static void
on_line(sy__remote *r, const sy__frame *f)
{
    char text[4096];
    size_t len = f->blob_len < sizeof text ? f->blob_len : sizeof text - 1;
    int64_t level = sy__frame_int(f, "level", SY__LOG_INFO);
    memcpy(text, f->blob, len);
    text[len] = '\0';
    if (level < SY__LOG_DEBUG || level > SY__LOG_ERROR) level = SY__LOG_INFO;
    sy__safe_log(r->iso, (sy__log_level)level, text);
}

static void
on_module(sy__remote *r, const sy__frame *f)
{
    const sy__isolate_options *o = &r->iso->options;
    const char *source = NULL, *chunk = NULL;
    size_t len = 0, name_len;
    char name[320];
    const char *asked = sy__frame_text(f, "name", &name_len);
    bool there = asked && name_len < sizeof name && !memchr(asked, '\0', name_len) &&
                 sy__frame_copy(f, "name", name, sizeof name) && sy__safe_full_name(name) && o->module &&
                 o->module(o->module_ud, name, &source, &len, &chunk);
    sy__vbuf *b = sy__remote_begin(r).body;
    sy__vbuf_key(b, "ok", 2);
    sy__vbuf_bool(b, there);
    put_text(b, "chunk", there ? chunk : "");
    sy__remote_send(r, SY__TO_ANSWER, source, there ? len : 0);
}

static void
on_violation(sy__remote *r, const sy__frame *f)
{
    int64_t number = sy__value_int(f->body);
    const char *name = number >= 0 && number < 100000 ? sy__cell_call_name((int)number) : NULL;
    if (name)
        sy__remote_condemn(r, SY_EEXTENSION, "it tried the system call %s, which it may not use, and was ended", name);
    else
        sy__remote_condemn(r, SY_EEXTENSION, "it tried a system call that it may not use, and was ended");
}

static void
hand_over(sy__remote *r, const sy__frame *f)
{
    if (!r->waiting || !r->loaded) {
        sy__remote_condemn(r, SY_EEXTENSION, "its process spoke although nothing was asked");
        return;
    }
    r->waiting = false;
    r->frame = *f;
    r->has_frame = true;
    sy__isolate_wake(r->iso);
}

static void
take(sy__remote *r, const sy__frame *f)
{
    char why[256];
    if (!r->ready && f->kind != SY__FROM_READY && f->kind != SY__FROM_FAILED) {
        sy__remote_condemn(r, SY_EEXTENSION, "its process spoke before it was ready");
        return;
    }
    switch (f->kind) {
    case SY__FROM_READY: on_ready(r, f); break;
    case SY__FROM_FAILED:
        (void)sy__frame_copy(f, "message", why, sizeof why);
        sy__remote_condemn(r, SY_EPROCESS, "its process could not be confined: %s", why);
        break;
    case SY__FROM_LOADED: on_loaded(r, f); break;
    case SY__FROM_LOG: on_line(r, f); break;
    case SY__FROM_MODULE: on_module(r, f); break;
    case SY__FROM_VIOLATION: on_violation(r, f); break;
    case SY__FROM_SERVICE:
    case SY__FROM_INVOKE:
    case SY__FROM_RETURNED:
    case SY__FROM_DONE: hand_over(r, f); break;
    default: sy__remote_condemn(r, SY_EEXTENSION, "its process sent an order"); break;
    }
}

/* Hands out what is there. False: r was freed meanwhile. */
static bool
take_frames(sy__remote *r)
{
    bool gone = false;
    r->gone = &gone;
    while (!r->death.code) {
        sy__frame f;
        long size = sy__frame_read(r->in.data + r->in_at, r->in.len - r->in_at, r->max_blob, &f);
        if (size == 0) break;
        if (size < 0) {
            sy__remote_condemn(r, SY_EEXTENSION, "its process sent what is no message");
        } else {
            r->in_at += (size_t)size;
            take(r, &f);
        }
        if (gone) return false;
    }
    r->gone = NULL;
    return true;
}

static void
shift(sy__remote *r)
{
    size_t left = r->in.len - r->in_at;
    if (left == 0 && r->in.cap > KEEP_BYTES)
        sy__buf_close(&r->in);
    else if (left > 0 && r->in_at > 0)
        memmove(r->in.data, r->in.data + r->in_at, left);
    r->in.len = left;
    r->in_at = 0;
}

/* The rest is told by its exit; nobody who is no child of ours has one. */
static void
on_end_of_stream(sy__remote *r)
{
    (void)event_del(r->readable);
    if (r->child)
        sy__child_kill(r->child, 0);
    else
        sy__remote_condemn(r, SY_EEXTENSION, "its process went away");
}

static void
on_readable(evutil_socket_t fd, short what, void *ud)
{
    sy__remote *r = ud;
    (void)what;
    for (int i = 0; i < READS_A_TURN; i++) {
        char *to = sy__buf_reserve(&r->in, READ_BYTES);
        ssize_t n = to ? recv(fd, to, READ_BYTES, MSG_DONTWAIT) : 0;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (n <= 0) {
            on_end_of_stream(r);
            return;
        }
        r->in.len += (size_t)n;
        if (!take_frames(r)) return;
        shift(r);
        if (r->death.code || n < READ_BYTES) return;
    }
}

const sy__frame *
sy__remote_frame(sy__remote *r)
{
    if (!r->has_frame) return NULL;
    r->has_frame = false;
    return &r->frame;
}

/* The call was cancelled or its time is over: nothing of the cell is wanted any more. */
static void
on_abort(void *ud)
{
    sy__remote *r = ud;
    silence(r);
    if (r->child) sy__child_kill(r->child, 0);
}

int
sy__remote_next(lua_State *L, lua_KFunction k, lua_KContext level)
{
    sy__remote *r = sy__isolate_of(L)->remote;
    r->waiting = true;
    return sy__isolate_park(L, on_abort, r, k, level);
}

/* ---- birth and death ---- */

/* What a cell writes besides its messages: nothing of ours does, so it is for the log, and limited as that is. */
static void
on_output(void *ud, int stream, const char *bytes, size_t len)
{
    sy__remote *r = ud;
    char line[MAX_STDERR_LINE];
    size_t n = len < sizeof line ? len : sizeof line - 1;
    (void)stream;
    memcpy(line, bytes, n);
    while (n > 0 && line[n - 1] == '\n') n--;
    line[n] = '\0';
    sy__safe_log(r->iso, SY__LOG_WARN, line);
}

static int
start_process(sy__remote *r, sy__error *err)
{
    const sy__isolate_options *o = &r->iso->options;
    char zone[256];
    const char *host_zone = getenv("TZ");
    (void)snprintf(zone, sizeof zone, "TZ=%s", host_zone ? host_zone : ":/etc/localtime");
    const char *const argv[] = {o->helper, SY__CELL_MODE, NULL}, *const env[] = {zone, NULL};
    sy__child_options c = {.argv = argv,
                           .env = env,
                           .cwd = "/",
                           .cwd_fd = -1,
                           .socket = &r->fd,
                           .on_output = on_output,
                           .on_exit = on_exit_of_child,
                           .ud = r};
    int rc = sy__child_spawn(&r->child, o->spawner, o->loop, r->alloc, &c, err);
    if (rc == SY_OK && clock_getcpuclockid(sy__child_pid(r->child), &r->clock) != 0)
        rc = sy__error_set(err, SY_EPROCESS, "the clock of a process cannot be read");
    return rc;
}

static int
make_events(sy__remote *r, sy__error *err)
{
    struct event_base *loop = r->iso->options.loop;
    r->readable = event_new(loop, r->fd, EV_READ | EV_PERSIST, on_readable, r);
    r->writable = event_new(loop, r->fd, EV_WRITE, on_writable, r);
    r->watch = evtimer_new(loop, on_watch, r);
    if (r->readable && r->writable && r->watch && event_add(r->readable, NULL) == 0) return SY_OK;
    return sy__error_set(err, SY_ENOMEM, "no memory to watch a process");
}

static int
make(sy__isolate *iso, sy__error *err)
{
    sy__remote *r = sy__calloc(iso->options.alloc, 1, sizeof *r);
    if (!r) return sy__error_set(err, SY_ENOMEM, "no memory for an isolate's process");
    iso->remote = r;
    r->iso = iso;
    r->alloc = iso->options.alloc;
    r->fd = -1;
    r->max_blob = iso->limits.cap_bytes;
    sy__buf_init(&r->in, r->alloc);
    sy__buf_init(&r->out, r->alloc);
    sy__vbuf_init(&r->body, r->alloc);
    sy__vbuf_init(&r->blob, r->alloc);
    if (iso->options.loop) return SY_OK;
    iso->options.loop = r->own_loop = event_base_new();
    return r->own_loop ? SY_OK : sy__error_set(err, SY_ENOMEM, "no memory for a loop");
}

static void
send_start(sy__remote *r)
{
    static const char *const editor[] = {"read", "edit", "ui"};
    const sy__isolate *iso = r->iso;
    sy__vbuf *b = sy__remote_begin(r).body;
    put_text(b, "name", iso->options.name);
    put_int(b, "memory", (int64_t)iso->limits.cap_bytes);
    sy__vbuf_key(b, "trusted", 7);
    sy__vbuf_bool(b, iso->options.trusted);
    sy__vbuf_key(b, "editor", 6);
    sy__vbuf_array(b);
    for (size_t i = 0; i < sizeof editor / sizeof *editor; i++)
        if (sy__caps_editor(iso->caps, editor[i])) sy__vbuf_cstr(b, editor[i]);
    sy__vbuf_end(b);
    sy__remote_send(r, SY__TO_START, NULL, 0);
}

int
sy__remote_new(sy__isolate *iso, sy__error *err)
{
    if (!iso->options.helper || !*iso->options.helper) {
        (void)sy__error_set(err, SY_EPROCESS, "%s must run in a process of its own, and no program for it is known",
                            iso->options.name);
        sy__error_hint(err, "set SYMPHONY_BIN to the program `symphony`, or helper_path where the host is opened");
        return SY_EPROCESS;
    }
    int rc = make(iso, err);
    if (rc == SY_OK) rc = start_process(iso->remote, err);
    if (rc == SY_OK) rc = make_events(iso->remote, err);
    if (rc == SY_OK) send_start(iso->remote);
    return rc;
}

int
sy__remote_attach(sy__isolate *iso, int fd, sy__error *err)
{
    int rc = make(iso, err);
    if (rc)
        (void)close(fd);
    else
        iso->remote->fd = fd;
    if (rc == SY_OK) rc = make_events(iso->remote, err);
    if (rc == SY_OK) send_start(iso->remote);
    return rc;
}

static void
drop_event(struct event *event)
{
    if (event) event_free(event);
}

void
sy__remote_free(sy__remote *r)
{
    if (!r) return;
    if (r->gone) *r->gone = true;
    drop_event(r->readable);
    drop_event(r->writable);
    drop_event(r->watch);
    if (r->fd >= 0) (void)close(r->fd);
    sy__child_free(r->child);
    sy__buf_close(&r->in);
    sy__buf_close(&r->out);
    sy__vbuf_close(&r->body);
    sy__vbuf_close(&r->blob);
    if (r->own_loop) event_base_free(r->own_loop);
    sy__free(r->alloc, r);
}

/* ---- for isolate.c ---- */

int
sy__remote_load(sy__remote *r, const char *source, size_t len, const char *chunk_name, int64_t cpu_ms, sy__error *err)
{
    enum { LOAD_MS = 2000 };
    sy__vbuf *b = sy__remote_begin(r).body;
    put_text(b, "chunk", chunk_name);
    put_int(b, "cpu_ms", cpu_ms > 0 ? cpu_ms : LOAD_MS);
    begin_watch(r, cpu_ms > 0 ? cpu_ms : LOAD_MS);
    r->loaded = false;
    sy__remote_send(r, SY__TO_LOAD, source, len);
    while (r->own_loop && !r->loaded && !r->death.code)
        if (event_base_loop(r->own_loop, EVLOOP_ONCE) != 0) break;
    r->iso->kept = true;
    if (!r->own_loop) return SY_OK;
    const sy__error *why = r->death.code ? &r->death : &r->load_error;
    if (why->code && err) *err = *why;
    return why->code;
}

int
sy__remote_refuses(const sy__remote *r, sy__error *err)
{
    const sy__error *why = r->death.code ? &r->death : &r->load_error;
    if (why->code) {
        if (err) *err = *why;
        return why->code;
    }
    if (!r->ended) return SY_OK;
    int code = r->ended_by ? r->ended_by : SY_ECANCELLED;
    return sy__error_set(err, code, "%s was ended: %s", r->iso->options.name, sy_strerror(code));
}

int
sy__remote_wait(sy__remote *r, sy__call *call)
{
    void (*done)(struct sy__call *, int) = call->done;
    if (!r->own_loop) return SY_EAGAIN;
    call->done = NULL;
    while (r->iso->state == SY__PARKED)
        if (event_base_loop(r->own_loop, EVLOOP_ONCE) != 0) sy__isolate_cancel(r->iso, SY_EINTERNAL);
    call->done = done;
    return call->error.code;
}

bool
sy__remote_pump(sy__remote *r, int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - sy__mono_ns(r->iso->limits.clock);
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    if (!r->waiting || left_ns <= 0 || !event_pending(r->readable, EV_READ, NULL)) return false;
    if (r->out_at < r->out.len) p.events |= POLLOUT;
    if (poll(&p, 1, (int)(left_ns / 1000000) + 1) <= 0) return errno == EINTR;
    if (p.revents & POLLOUT) flush(r);
    if (p.revents & ~POLLOUT) on_readable(r->fd, EV_READ, r);
    return true;
}

void
sy__remote_account(sy__remote *r, sy__call *call)
{
    (void)event_del(r->watch);
    r->cpu_used_ns = cpu_ns(r) - r->cpu_from_ns;
    call->cpu_ns += r->cpu_used_ns;
    call->peak_bytes += r->peak_bytes;
    call->broken = r->load_error.code != SY_OK;
}

bool
sy__remote_reusable(const sy__remote *r)
{
    return !r->ended && !r->death.code && !r->load_error.code;
}

size_t
sy__remote_bytes(const sy__remote *r)
{
    return sizeof *r + r->in.cap + r->out.cap + r->used_bytes + (r->child ? PROCESS_BYTES : 0);
}

bool *
sy__remote_over(sy__remote *r)
{
    return &r->over;
}

static size_t
at_most(int64_t said, size_t most)
{
    return said < 0 ? 0 : (uint64_t)said < most ? (size_t)said : most;
}

void
sy__remote_note(sy__remote *r, const sy__frame *done)
{
    size_t most = r->iso->limits.cap_bytes;
    sy__error why = {0};
    if (sy__frame_flag(done, "ended")) r->ended = true;
    if (sy__frame_get_error(done, &why)) r->ended_by = why.code;
    r->used_bytes = at_most(sy__frame_int(done, "used", 0), most);
    r->peak_bytes = at_most(sy__frame_int(done, "peak", 0), most);
}

void
sy__remote_watch(sy__remote *r, int64_t cpu_ms)
{
    begin_watch(r, cpu_ms);
}

bool
sy__remote_loaded(const sy__remote *r)
{
    return r->loaded;
}
