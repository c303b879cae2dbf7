/* log.c: format outside the lock, call the sink inside it. */
#include "base/log.h"

#include <stdio.h>

enum { LINE_BYTES = 4096 };

void
sy__log_init(sy__log *log, const sy__clock *clock)
{
    *log = (sy__log){.least = SY__LOG_INFO, .clock = clock};
    (void)pthread_mutex_init(&log->lock, NULL);
}

void
sy__log_close(sy__log *log)
{
    (void)pthread_mutex_destroy(&log->lock);
}

void
sy__logf(sy__log *log, sy__log_level level, const char *area, const char *format, ...)
{
    if (!log || !log->sink || level < log->least) return;
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *p = line; *p; p++)
        if (*p == '\n') *p = ' ';
    (void)pthread_mutex_lock(&log->lock);
    log->sink(log->ud, level, sy__wall_ms(log->clock), area, line);
    (void)pthread_mutex_unlock(&log->lock);
}
