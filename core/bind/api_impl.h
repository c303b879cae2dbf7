/*
 * api_impl.h: the host of symphony.h, for the files that make its functions. Caller's thread, but for sy_wakeup and
 * sy_publish, which look at `pid` and `project` only.
 */
#ifndef SY_BIND_API_IMPL_H
#define SY_BIND_API_IMPL_H

#include "host/project.h"

#include <lua.h>
#include <sys/types.h>

struct sy_host {
    sy__alloc alloc;
    pid_t pid;
    int stage_threads;
    char *helper;        /* helper_path of the options, or NULL */
    int watchdog_signal; /* taken; 0: hook mode */
    lua_State *L;
    int session; /* of rpc.embed, in the registry */
    sy__project *project;
    sy__error error;
    sy__buf error_json;
    struct sy__subscription *subscriptions;
};

/* SY_OK when the host was not forked away and its project is open; else keeps why and returns it. */
int sy__api_ready(sy_host *h);
/* Keeps an error for sy_last_error; returns its code. */
int sy__api_keep(sy_host *h, const sy__error *err);
int sy__api_refuse(sy_host *h, int code, const char *text);
/* Frees all subscriptions with the events that nobody took; the project is closed. api_events.c */
void sy__api_drop_subscriptions(sy_host *h);

#endif
