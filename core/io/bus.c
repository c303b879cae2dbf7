/*
 * bus.c: a socket, a message out, a message in.
 *
 *     byte 'l', kind, flags, 1 | u32 body bytes | u32 serial | a(yv) fields | padding to 8 | body
 *
 * Signals and other messages that are no answer to the call are passed over.
 */
#include "io/bus.h"

#include "base/clock.h"
#include "io/secret.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BODY_BYTES = 48 << 10, /* of one call: a value and what is said of it */
    HEAD_BYTES = 1024,
    ANSWER_BYTES = 128 << 10,
    FIXED_BYTES = 16,
    CALL = 1,
    RETURN = 2,
    FAILURE = 3,
    NO_START = 2, /* flag: nobody is started to answer */
};

typedef struct part { /* a message or its body while it is written or read */
    char *at;
    size_t len, room; /* reading: how far; how long */
    bool failed;
} part;

struct sy__bus {
    const sy__alloc *alloc;
    int fd;
    int64_t deadline_ms;
    uint32_t serial;
    part body, answer; /* secret's memory */
};

/* ---- writing ---- */

static void
put(part *p, const void *bytes, size_t len)
{
    if (p->failed || p->room - p->len < len) {
        p->failed = true;
        return;
    }
    memcpy(p->at + p->len, bytes, len);
    p->len += len;
}

static void
put_pad(part *p, size_t to)
{
    static const char zeroes[8];
    put(p, zeroes, (to - p->len % to) % to);
}

static void
put_u32(part *p, uint32_t n)
{
    put_pad(p, 4);
    put(p, &n, sizeof n);
}

static void
put_sized(part *p, const char *bytes, size_t len, bool text)
{
    put_u32(p, (uint32_t)len);
    put(p, bytes, len + (text ? 1 : 0));
}

static void
put_signature(part *p, const char *text)
{
    unsigned char len = (unsigned char)strlen(text);
    put(p, &len, 1);
    put(p, text, len + (size_t)1);
}

void
sy__bus_put_u32(sy__bus *b, uint32_t n)
{
    put_u32(&b->body, n);
}

void
sy__bus_put_bool(sy__bus *b, bool on)
{
    put_u32(&b->body, on);
}

void
sy__bus_put_text(sy__bus *b, const char *text)
{
    put_sized(&b->body, text, strlen(text), true);
}

void
sy__bus_put_signature(sy__bus *b, const char *text)
{
    put_signature(&b->body, text);
}

void
sy__bus_put_bytes(sy__bus *b, const char *bytes, size_t len)
{
    put_sized(&b->body, bytes, len, false);
}

void
sy__bus_put_struct(sy__bus *b)
{
    put_pad(&b->body, 8);
}

size_t
sy__bus_put_array(sy__bus *b, bool of_structs)
{
    put_u32(&b->body, 0);
    size_t begun = b->body.len;
    if (of_structs) put_pad(&b->body, 8);
    return begun;
}

void
sy__bus_end_array(sy__bus *b, size_t begun, bool of_structs)
{
    size_t from = of_structs ? (begun + 7) & ~(size_t)7 : begun;
    uint32_t len = (uint32_t)(b->body.len - from);
    if (!b->body.failed) memcpy(b->body.at + begun - sizeof len, &len, sizeof len);
}

/* One field of the head: its number and a text. */
static void
put_field(part *p, char number, const char *type, const char *text)
{
    if (!*text) return;
    put_pad(p, 8);
    put(p, &number, 1);
    put_signature(p, type);
    if (*type == 'g')
        put_signature(p, text);
    else
        put_sized(p, text, strlen(text), true);
}

static void
put_head(part *p, uint32_t serial, uint32_t body_bytes, const sy__bus_target *to, const char *signature)
{
    const char first[4] = {'l', CALL, NO_START, 1};
    put(p, first, sizeof first);
    put_u32(p, body_bytes);
    put_u32(p, serial);
    put_u32(p, 0);
    size_t from = p->len;
    put_field(p, 1, "o", to->path);
    put_field(p, 2, "s", to->interface);
    put_field(p, 3, "s", to->member);
    put_field(p, 6, "s", to->name);
    put_field(p, 8, "g", signature);
    uint32_t len = (uint32_t)(p->len - from);
    if (!p->failed) memcpy(p->at + from - sizeof len, &len, sizeof len);
    put_pad(p, 8);
}

/* ---- reading ---- */

/* Passes over `len` bytes, which it gives; NULL: they are not there. */
static const char *
get(part *p, size_t len)
{
    if (p->failed || p->room - p->len < len) {
        p->failed = true;
        return NULL;
    }
    p->len += len;
    return p->at + p->len - len;
}

static void
get_pad(part *p, size_t to)
{
    (void)get(p, (to - p->len % to) % to);
}

static uint32_t
get_u32(part *p)
{
    uint32_t n = 0;
    get_pad(p, 4);
    const char *at = get(p, sizeof n);
    if (at) memcpy(&n, at, sizeof n);
    return n;
}

/* A text of `len` bytes and its NUL. */
static const char *
get_text(part *p, size_t len)
{
    const char *at = len < ANSWER_BYTES ? get(p, len + 1) : NULL;
    if (at && !at[len] && strlen(at) == len) return at;
    p->failed = true;
    return "";
}

static const char *
get_signature(part *p)
{
    const char *len = get(p, 1);
    return get_text(p, len ? (unsigned char)*len : ANSWER_BYTES);
}

uint32_t
sy__bus_get_u32(sy__bus *b)
{
    return get_u32(&b->answer);
}

const char *
sy__bus_get_text(sy__bus *b)
{
    return get_text(&b->answer, get_u32(&b->answer));
}

const char *
sy__bus_get_signature(sy__bus *b)
{
    return get_signature(&b->answer);
}

const char *
sy__bus_get_bytes(sy__bus *b, size_t *len)
{
    *len = get_u32(&b->answer);
    const char *at = get(&b->answer, *len);
    if (!at) *len = 0;
    return at;
}

void
sy__bus_get_struct(sy__bus *b)
{
    get_pad(&b->answer, 8);
}

size_t
sy__bus_get_array(sy__bus *b)
{
    size_t len = get_u32(&b->answer), from = b->answer.len;
    if (len > b->answer.room - from) b->answer.failed = true;
    return b->answer.failed ? from : from + len;
}

bool
sy__bus_more(const sy__bus *b, size_t end)
{
    return !b->answer.failed && b->answer.len < end;
}

bool
sy__bus_ok(const sy__bus *b)
{
    return !b->answer.failed;
}

/* ---- the socket ---- */

static int
timed_out(sy__error *err)
{
    return sy__error_set(err, SY_ETIMEOUT, "the desktop's keyring did not answer in time");
}

static int
broken(sy__error *err)
{
    return sy__error_set(err, SY_EIO, "the session bus does not speak as it should");
}

static int
wait_for(const sy__bus *b, short what, sy__error *err)
{
    struct pollfd p = {.fd = b->fd, .events = what};
    for (;;) {
        int64_t left = b->deadline_ms - sy__mono_ms(&sy__clock_system);
        if (left <= 0) return timed_out(err);
        int n = poll(&p, 1, (int)left);
        if (n > 0) return SY_OK;
        if (n < 0 && errno != EINTR) return sy__error_errno(err, errno, "the session bus cannot be asked");
    }
}

static int
send_all(const sy__bus *b, const char *bytes, size_t len, sy__error *err)
{
    while (len > 0) {
        ssize_t n = send(b->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        int e = n < 0 && errno == EAGAIN ? wait_for(b, POLLOUT, err) : SY_OK;
        if (e) return e;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return sy__error_errno(err, errno, "the session bus cannot be asked");
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return SY_OK;
}

static int
receive(const sy__bus *b, char *to, size_t len, sy__error *err)
{
    while (len > 0) {
        ssize_t n = recv(b->fd, to, len, MSG_DONTWAIT);
        int e = n < 0 && errno == EAGAIN ? wait_for(b, POLLIN, err) : SY_OK;
        if (e) return e;
        if (n == 0) return broken(err);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return sy__error_errno(err, errno, "the session bus cannot be asked");
        to += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return SY_OK;
}

/* "unix:path=…" or "unix:abstract=…", the first of several. */
static bool
read_address(const char *text, struct sockaddr_un *out, socklen_t *len)
{
    bool abstract = strncmp(text, "unix:abstract=", 14) == 0;
    if (!abstract && strncmp(text, "unix:path=", 10) != 0) return false;
    char *to = out->sun_path + (abstract ? 1 : 0), *end = out->sun_path + sizeof out->sun_path - 1;
    for (const char *at = strchr(text, '=') + 1; *at && *at != ',' && *at != ';'; at++) {
        unsigned byte = (unsigned char)*at;
        if (*at == '%' && sscanf(at + 1, "%2x", &byte) == 1) at += 2;
        if (to == end) return false;
        *to++ = (char)byte;
    }
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)(to - out->sun_path) + (abstract ? 0 : 1));
    return to > out->sun_path + (abstract ? 1 : 0);
}

static bool
find_address(struct sockaddr_un *out, socklen_t *len)
{
    const char *given = getenv("DBUS_SESSION_BUS_ADDRESS"), *folder = getenv("XDG_RUNTIME_DIR");
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    if (given && *given) return read_address(given, out, len);
    if (!folder || !*folder) return false;
    int n = snprintf(out->sun_path, sizeof out->sun_path, "%s/bus", folder);
    *len = sizeof *out;
    return n > 0 && n < (int)sizeof out->sun_path && access(out->sun_path, F_OK) == 0;
}

/* A bus of somebody else must not be told our secrets. */
static int
check_peer(const sy__bus *b, sy__error *err)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(b->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid()) return SY_OK;
    return sy__error_set(err, SY_EPERM, "the session bus belongs to another user");
}

static int
connect_bus(sy__bus *b, sy__error *err)
{
    struct sockaddr_un to;
    socklen_t len;
    if (!find_address(&to, &len)) return sy__error_set(err, SY_ENOTFOUND, "there is no session bus");
    b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (b->fd < 0) return sy__error_errno(err, errno, "the session bus cannot be asked");
    if (connect(b->fd, (struct sockaddr *)&to, len) == 0) return check_peer(b, err);
    if (errno == EAGAIN) return timed_out(err);
    return sy__error_set(err, SY_ENOTFOUND, "there is no session bus: %s", strerror(errno));
}

/* AUTH EXTERNAL with the user's number in hex of its digits. */
static int
sign_in(sy__bus *b, sy__error *err)
{
    char id[16], line[96], answer[256];
    size_t at = 0, len = (size_t)snprintf(line, sizeof line, "%cAUTH EXTERNAL ", 0);
    (void)snprintf(id, sizeof id, "%u", (unsigned)geteuid());
    for (const char *c = id; *c; c++) len += (size_t)snprintf(line + len, sizeof line - len, "%02x", (unsigned)*c);
    len += (size_t)snprintf(line + len, sizeof line - len, "\r\n");
    int e = send_all(b, line, len, err);
    while (!e && at < sizeof answer && (at == 0 || answer[at - 1] != '\n')) e = receive(b, answer + at++, 1, err);
    if (e) return e;
    if (at < 3 || memcmp(answer, "OK ", 3) != 0) return sy__error_set(err, SY_EPERM, "the session bus refuses us");
    return send_all(b, "BEGIN\r\n", 7, err);
}

/* ---- calls ---- */

/* What the fields of a head say. */
typedef struct fields {
    uint32_t serial;  /* of the message it answers; 0: none */
    const char *name; /* of the error; "" */
} fields;

/* One field; false: it is of no type we know. */
static bool
read_field(part *p, fields *out)
{
    get_pad(p, 8);
    const char *number = get(p, 1), *type = get_signature(p);
    if (p->failed) return false;
    if (*type == 'g') return *get_signature(p) || !p->failed;
    if (*type == 'u') {
        uint32_t n = get_u32(p);
        if (*number == 5) out->serial = n;
        return true;
    }
    if (*type != 's' && *type != 'o') return false;
    const char *text = get_text(p, get_u32(p));
    if (*number == 4) out->name = text;
    return true;
}

/* Reads one message into the answer, at its body. */
static int
read_message(sy__bus *b, int *kind, fields *out, sy__error *err)
{
    part *p = &b->answer;
    uint32_t body, field_bytes;
    *out = (fields){.name = ""};
    int e = receive(b, p->at, FIXED_BYTES, err);
    if (e) return e;
    *kind = p->at[1];
    memcpy(&body, p->at + 4, sizeof body);
    memcpy(&field_bytes, p->at + 12, sizeof field_bytes);
    size_t head = (FIXED_BYTES + (size_t)field_bytes + 7) & ~(size_t)7;
    if (p->at[0] != 'l' || field_bytes > ANSWER_BYTES || body > ANSWER_BYTES || head + body > ANSWER_BYTES)
        return broken(err);
    e = receive(b, p->at + FIXED_BYTES, head + body - FIXED_BYTES, err);
    if (e) return e;
    *p = (part){.at = p->at, .len = FIXED_BYTES, .room = FIXED_BYTES + field_bytes};
    while (p->len < p->room)
        if (!read_field(p, out) || p->failed) return broken(err);
    *p = (part){.at = p->at, .len = head, .room = head + body};
    return SY_OK;
}

static int
refused(const sy__bus_target *to, const char *name, sy__error *err)
{
    static const char *const nobody[] = {"ServiceUnknown", "NameHasNoOwner", "UnknownObject", "NoSuchObject"};
    const char *last = strrchr(name, '.');
    for (size_t i = 0; last && i < sizeof nobody / sizeof *nobody; i++)
        if (strcmp(last + 1, nobody[i]) == 0)
            return sy__error_set(err, SY_ENOTFOUND, "no keyring runs on this desktop");
    return sy__error_set(err, SY_EIO, "the desktop's keyring refused %s: %.100s", to->member, name);
}

int
sy__bus_call(sy__bus *b, const sy__bus_target *to, const char *signature, sy__error *err)
{
    char space[HEAD_BYTES];
    part head = {.at = space, .room = sizeof space};
    uint32_t mine = ++b->serial;
    int kind = 0;
    fields got = {0};
    put_head(&head, mine, (uint32_t)b->body.len, to, signature);
    if (head.failed || b->body.failed) return sy__error_set(err, SY_EUSAGE, "this is too long for a keyring");
    int e = send_all(b, head.at, head.len, err);
    if (!e) e = send_all(b, b->body.at, b->body.len, err);
    b->body.len = 0;
    while (!e && (got.serial != mine || (kind != RETURN && kind != FAILURE))) e = read_message(b, &kind, &got, err);
    if (!e && kind == FAILURE) e = refused(to, got.name, err);
    return e;
}

int
sy__bus_open(sy__bus **out, const sy__alloc *a, int64_t deadline_ms, sy__error *err)
{
    static const sy__bus_target hello = {"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                         "Hello"};
    sy__bus *b = *out = sy__calloc(a, 1, sizeof *b);
    if (!b) return sy__error_set(err, SY_ENOMEM, "no memory for the keyring");
    *b = (sy__bus){.alloc = a, .fd = -1, .deadline_ms = deadline_ms};
    int e = connect_bus(b, err);
    b->body = (part){.at = e ? NULL : sy__secret_memory(BODY_BYTES), .room = BODY_BYTES};
    b->answer.at = e ? NULL : sy__secret_memory(ANSWER_BYTES);
    if (!e && (!b->body.at || !b->answer.at)) e = sy__error_set(err, SY_ENOMEM, "no memory for the keyring");
    if (!e) e = sign_in(b, err);
    if (!e) e = sy__bus_call(b, &hello, "", err);
    if (!e) return SY_OK;
    sy__bus_close(b);
    *out = NULL;
    return e;
}

void
sy__bus_close(sy__bus *b)
{
    if (!b) return;
    if (b->fd >= 0) (void)close(b->fd);
    sy__secret_forget(b->body.at);
    sy__secret_forget(b->answer.at);
    sy__free(b->alloc, b);
}
