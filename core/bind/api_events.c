/*
 * api_events.c: the events of symphony.h as JSON: handed to a callback, or kept until they are asked for.
 */
#include "bind/api_impl.h"

#include "base/text.h"

#include <string.h>
#include <unistd.h>

/* Events that wait for sy_next_event; beyond the bound the oldest go. */
enum { POLL_EVENTS = 1024 };

typedef struct polled {
    char *json;
    struct polled *next;
} polled;

typedef struct sy__subscription {
    int id;
    struct sy_host *host;
    sy_event_fn fn; /* NULL: polled */
    void *ud;
    polled *head, *tail;
    int count;
    struct sy__subscription *next;
} subscription;

static void
put_text(sy__buf *b, const char *name, const char *text)
{
    sy__buf_addf(b, "\"%s\":", name);
    if (text)
        sy__json_string(b, text, strlen(text));
    else
        sy__buf_adds(b, "null");
}

/* {seq,id,run,task,extension,event_type,topic,payload,occurred_at} */
static void
put_event(const sy__event *e, sy__buf *b)
{
    char at[SY__STAMP_BYTES];
    const struct {
        const char *name, *text;
    } texts[] = {{"id", e->id},           {"run", e->run},    {"task", e->task}, {"extension", e->extension},
                 {"event_type", e->type}, {"topic", e->topic}};
    sy__stamp(e->occurred_ms, at);
    sy__buf_addf(b, "{\"seq\":%lld,", (long long)e->seq);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put_text(b, texts[i].name, texts[i].text);
        sy__buf_addc(b, ',');
    }
    sy__buf_addf(b, "\"payload\":%s,\"occurred_at\":\"%s\"}", e->payload ? e->payload : "null", at);
}

static void
keep_for_polling(subscription *s, char *json)
{
    polled *p = sy__malloc(&s->host->alloc, sizeof *p);
    if (!p) {
        sy__free(&s->host->alloc, json);
        return;
    }
    *p = (polled){json, NULL};
    if (s->tail)
        s->tail->next = p;
    else
        s->head = p;
    s->tail = p;
    if (++s->count <= POLL_EVENTS) return;
    polled *oldest = s->head;
    s->head = oldest->next;
    s->count--;
    sy__free(&s->host->alloc, oldest->json);
    sy__free(&s->host->alloc, oldest);
}

static void
on_event(void *ud, const sy__event *event)
{
    subscription *s = ud;
    sy__buf b;
    sy__buf_init(&b, &s->host->alloc);
    put_event(event, &b);
    if (s->fn) {
        const char *text = sy__buf_cstr(&b);
        if (text) s->fn(s->ud, text);
    } else {
        char *json = sy__buf_take(&b, NULL);
        if (json) keep_for_polling(s, json);
    }
    sy__buf_close(&b);
}

int
sy_subscribe(sy_host *h, const char *pattern, sy_event_fn fn, void *ud)
{
    sy__error err;
    int status = sy__api_ready(h);
    if (status) return status;
    sy__error_clear(&err);
    subscription *s = sy__calloc(&h->alloc, 1, sizeof *s);
    if (!s) return sy__api_keep(h, (sy__error_set(&err, SY_ENOMEM, "no memory for a subscription"), &err));
    s->host = h;
    s->fn = fn;
    s->ud = ud;
    s->id = sy__project_follow(h->project, pattern, -1, on_event, s, &err);
    if (s->id < 0) {
        sy__free(&h->alloc, s);
        return sy__api_keep(h, &err);
    }
    s->next = h->subscriptions;
    h->subscriptions = s;
    return s->id;
}

/* Its memory stays until sy_close: an event of it may be on its way inside this very step. */
int
sy_unsubscribe(sy_host *h, int id)
{
    int status = sy__api_ready(h);
    return status ? status : sy__project_unfollow(h->project, id);
}

int
sy_next_event(sy_host *h, int id, char **event_json)
{
    int status = sy__api_ready(h);
    subscription *s = h->subscriptions;
    *event_json = NULL;
    while (s && s->id != id) s = s->next;
    if (status) return status;
    if (!s) return sy__api_refuse(h, SY_ENOTFOUND, "the host has no subscription of this number");
    if (!s->head) (void)sy__project_step(h->project, 0);
    polled *p = s->head;
    if (!p) return SY_EAGAIN;
    s->head = p->next;
    if (!s->head) s->tail = NULL;
    s->count--;
    *event_json = p->json;
    sy__free(&h->alloc, p);
    return SY_OK;
}

int
sy_publish(sy_host *h, const char *topic, const char *payload_json)
{
    sy__event event = {.topic = topic, .type = topic, .payload = payload_json};
    if (getpid() != h->pid) return SY_EFORK; /* any thread: h->error belongs to the caller's */
    if (!h->project) return SY_EUSAGE;
    event.occurred_ms = sy__wall_ms(sy__project_clock(h->project));
    if (!sy__topic_pattern_valid(topic) || strpbrk(topic, "*>")) return SY_EUSAGE;
    sy__router_publish(sy__project_router(h->project), &event);
    return SY_OK;
}

static void
free_subscription(subscription *s)
{
    sy_host *h = s->host;
    while (s->head) {
        polled *p = s->head;
        s->head = p->next;
        sy__free(&h->alloc, p->json);
        sy__free(&h->alloc, p);
    }
    sy__free(&h->alloc, s);
}

void
sy__api_drop_subscriptions(sy_host *h)
{
    while (h->subscriptions) {
        subscription *s = h->subscriptions;
        h->subscriptions = s->next;
        free_subscription(s);
    }
}
