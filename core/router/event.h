/* event.h: one event, as it is stored, routed and shown (data.md, Events). Its texts are borrowed for the
 * call that hands it over. */
#ifndef SY_ROUTER_EVENT_H
#define SY_ROUTER_EVENT_H

#include <stdint.h>

/* All strings are borrowed, NUL-terminated; NULL where there is none. */
typedef struct sy__event {
    int64_t seq;           /* commit order, from 1; 0: not durable (delivered, never stored) */
    const char *id;        /* UUIDv7 */
    const char *run;       /* pipeline_orchestration.id or NULL */
    const char *task;      /* task.id */
    const char *extension; /* extension.id, the source */
    const char *type;      /* task_started | artifact_produced | error_occurred | resource_allocated | area.name */
    const char *topic;     /* run.RUN.TASK.type, host.…, kit.… */
    const char *payload;   /* JSON */
    const char *context;   /* JSON */
    int64_t occurred_ms;   /* wall clock */
} sy__event;

#endif
