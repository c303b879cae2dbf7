/*
 * log.h: the structured log. Records go to one sink that the host sets; the library never writes to
 * stdout or stderr by itself. Any thread may log; the sink is called under a lock and must be quick.
 */
#ifndef SY_BASE_LOG_H
#define SY_BASE_LOG_H

#include "base/clock.h"

#include <pthread.h>

typedef enum sy__log_level { SY__LOG_DEBUG, SY__LOG_INFO, SY__LOG_WARN, SY__LOG_ERROR } sy__log_level;

/* `area` is a room or an extension's name; `text` is one line, cut at 4 KiB. */
typedef void (*sy__log_sink)(void *ud, sy__log_level level, int64_t wall_ms, const char *area, const char *text);

typedef struct sy__log {
    sy__log_sink sink; /* NULL: dropped */
    void *ud;
    sy__log_level least; /* records below are dropped */
    const sy__clock *clock;
    pthread_mutex_t lock;
} sy__log;

/* A log that tells the time by a borrowed clock. */
void sy__log_init(sy__log *log, const sy__clock *clock);
/* After the last line; no other thread may write any more. */
void sy__log_close(sy__log *log);
/* log NULL is legal and drops. */
void sy__logf(sy__log *log, sy__log_level level, const char *area, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
