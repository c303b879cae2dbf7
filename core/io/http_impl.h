/* http_impl.h: what http.c (the loop, beginnings and ends) and http_request.c (what libcurl is told and asks) share. */
#ifndef SY_IO_HTTP_IMPL_H
#define SY_IO_HTTP_IMPL_H

#include "io/curl.h"
#include "io/http.h"

struct event;

enum { SY__METHOD_BYTES = 16, SY__HOST_BYTES = 256 };

struct sy__http {
    const sy__alloc *alloc;
    struct event_base *loop;
    sy__curl curl;
    CURLM *multi; /* NULL: no transfer yet */
    struct event *timer;
};

struct sy__transfer {
    sy__http *http;
    sy__http_request request; /* texts are copies of ours */
    CURL *easy;
    struct curl_slist *headers;
    struct event *tell; /* streamed: on_data is due */
    char method[SY__METHOD_BYTES];
    char *url;
    char host[SY__HOST_BYTES]; /* of `url` */
    int port;
    char origin[SY__HOST_BYTES + 24]; /* scheme, host, port of the first url */
    bool away;                        /* a redirect led to another origin: only harmless headers are sent */
    bool plain;                       /* http and not https */
    bool has_body;
    int redirects;
    int64_t deadline_ns; /* 0: none */
    bool added, paused, ended;
    int status;
    sy__buf head, body;
    sy__scrub incoming; /* the body */
    sy__buf shown_url;  /* of the result, without secrets */
    char detail[CURL_ERROR_SIZE];
    sy__error error; /* code SY_OK: it went well */
};

/* Monotonic. */
int64_t sy__http_now_ns(void);
/* Whether an answer of this status names another place to ask. */
bool sy__http_redirects(int status);
/* Reads t->url and asks the owner whether its host may be asked. SY_EUSAGE, SY_EPERM, SY_ENOMEM. */
int sy__http_check_url(sy__transfer *t, sy__error *err);
/* Tells libcurl what holds for all hops of a transfer, and its callbacks; false: no memory. */
bool sy__http_set_up(sy__transfer *t);
/* Frees the list of headers, wiping those that hold a secret. */
void sy__http_drop_headers(sy__transfer *t);
/* … and what differs from one hop to the next: place, method, headers, the time that is left. */
bool sy__http_set_hop(sy__transfer *t);

#endif
