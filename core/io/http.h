/*
 * http.h: an HTTP client on one event loop: any number of transfers at once, connections used again.
 *
 * Everything belongs to the loop's thread, which blocks SIGPIPE as all library threads do: OpenSSL writes to sockets
 * whose other end is gone. Only http and https; certificates are always verified; no proxy, cookie
 * or password is taken from the environment or from files. Who may be asked is the caller's decision, twice: by
 * name before connecting (again for each redirect), and by the address that the name turned out to have.
 */
#ifndef SY_IO_HTTP_H
#define SY_IO_HTTP_H

#include "base/buf.h"
#include "base/error.h"
#include "io/scrub.h"

struct event_base;
typedef struct sy__http sy__http;
typedef struct sy__transfer sy__transfer;

/* Costs next to nothing until the first transfer. `loop` is borrowed. */
int sy__http_new(sy__http **out, const sy__alloc *a, struct event_base *loop, sy__error *err);
/* All transfers have been freed. NULL is legal. */
void sy__http_free(sy__http *h);

typedef struct sy__http_request {
    const char *method;             /* NULL: GET, or POST with a body */
    const char *url;                /* http:// or https://, without user and password */
    const char *const *headers;     /* "Name: value", NULL-terminated; NULL: none */
    const sy__secret_text *secrets; /* headers that end in a secret; only for the first url's scheme, host and port */
    size_t secret_count;
    sy__scrubber *scrub; /* what comes back passes through it, also errors; NULL */
    const char *body;    /* NULL: none; copied, as all texts are */
    size_t body_len;
    int64_t timeout_ms;      /* for all of it; 0: none */
    int follow;              /* redirects that are followed */
    size_t max_header_bytes; /* of one response's head */
    size_t max_body_bytes;   /* of a collected body; of a streamed one what may wait to be taken */
    bool stream;             /* the body is taken in pieces, see sy__transfer_take */
    const char *ca_file;     /* certificates to trust instead of the system's; NULL */
    /* SY_OK, or why not, with its error. `host` as in the URL, IPv6 in brackets; `address` without. Never NULL. */
    int (*allow_host)(void *ud, const char *host, int port, sy__error *err);
    int (*allow_address)(void *ud, const char *host, const char *address, int port, sy__error *err);
    void (*on_data)(void *ud); /* streamed: something to take; may free the transfer */
    void (*on_done)(void *ud); /* once; may free the transfer */
    void *ud;
} sy__http_request;

/* Starts a transfer; its callbacks come from the loop. SY_EUSAGE, SY_EPERM, SY_EIO, SY_ENOMEM. */
int sy__transfer_start(sy__transfer **out, sy__http *h, const sy__http_request *r, sy__error *err);
/* Ends it at once if it goes on, without callbacks, whatever it waits for. NULL is legal. */
void sy__transfer_free(sy__transfer *t);

typedef struct sy__http_response {
    int status;
    const char *head; /* lines "Name: value\n" of the last response; NUL-terminated */
    const char *body; /* what was collected */
    size_t body_len;
    const char *url; /* the last one asked */
} sy__http_response;
/* How it ended; SY_OK: `out` is filled, and valid until the transfer is freed. A status of 404 is no failure. */
int sy__transfer_result(const sy__transfer *t, sy__http_response *out, sy__error *err);
/* Whether it sends a secret unencrypted: for allow_address, which decides where that may be. */
bool sy__transfer_is_bare(const sy__transfer *t);
/* The bytes of a streamed body that have come and were not taken; 0: none now. Valid until sy__transfer_took. */
size_t sy__transfer_take(const sy__transfer *t, const char **bytes);
/* They are used; a transfer that was held back goes on. */
void sy__transfer_took(sy__transfer *t);

#endif
