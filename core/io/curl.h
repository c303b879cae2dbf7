/*
 * curl.h: the functions of libcurl that are used, loaded when the first transfer wants them: linking the library
 * and its thirty dependencies would cost every start of the program 6 ms.
 */
#ifndef SY_IO_CURL_H
#define SY_IO_CURL_H

#include "base/error.h"

#include <curl/curl.h>

/* A member for each function: `name` of curl_NAME. */
#define SY__CURL_FUNCTIONS(X) \
    X(global_init)            \
    X(global_cleanup)         \
    X(easy_init)              \
    X(easy_setopt)            \
    X(easy_getinfo)           \
    X(easy_cleanup)           \
    X(easy_pause)             \
    X(easy_strerror)          \
    X(multi_init)             \
    X(multi_setopt)           \
    X(multi_add_handle)       \
    X(multi_remove_handle)    \
    X(multi_socket_action)    \
    X(multi_assign)           \
    X(multi_info_read)        \
    X(multi_cleanup)          \
    X(slist_append)           \
    X(slist_free_all)         \
    X(url)                    \
    X(url_set)                \
    X(url_get)                \
    X(url_cleanup)            \
    X(free)

typedef struct sy__curl {
    bool loaded; /* all of them */
#define SY__CURL_MEMBER(name) __typeof__(curl_##name) *(name);
    SY__CURL_FUNCTIONS(SY__CURL_MEMBER)
#undef SY__CURL_MEMBER
} sy__curl;

/* Fills `c`; it stays loaded as long as the process lives. SY_EIO names the package that is missing. Any thread. */
int sy__curl_load(sy__curl *c, sy__error *err);

#endif
