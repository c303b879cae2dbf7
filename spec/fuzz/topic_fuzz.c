/* topic_fuzz.c: a pattern and topics, one a line, against a matcher that is too simple to be wrong. */
#include "router/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both well-formed. Compares word by word, calling itself for the rest. */
static bool
simple_match(const char *p, const char *t)
{
    size_t plen = strcspn(p, "."), tlen = strcspn(t, ".");
    if (plen == 1 && *p == '>') return true;
    bool same = (plen == 1 && *p == '*') || (plen == tlen && memcmp(p, t, plen) == 0);
    if (!same) return false;
    if (p[plen] == '\0' || t[tlen] == '\0') return p[plen] == t[tlen];
    return simple_match(p + plen + 1, t + tlen + 1);
}

static bool
simple_valid(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && text[0] != '.' && text[len - 1] != '.' && !strstr(text, "..");
}

static void
count(void *ud, const sy__event *event)
{
    (void)event;
    ++*(int *)ud;
}

/* The matcher and the tree must both agree with the simple one. */
static void
compare(sy__router *r, const char *pattern, const char *topic, int *hits)
{
    bool want = simple_valid(topic) && simple_match(pattern, topic);
    sy__event e = {.topic = topic};
    *hits = 0;
    sy__router_publish(r, &e);
    if (sy__topic_match(pattern, topic) == want && *hits == want) return;
    (void)fprintf(stderr, "pattern %s, topic %s: expected %d\n", pattern, topic, want);
    abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *rest = text;
    sy__router *r = NULL;
    int hits = 0, id;
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    const char *pattern = strsep(&rest, "\n");
    if (sy__topic_pattern_valid(pattern) && sy__router_new(&r, &sy__alloc_default) == SY_OK &&
        sy__router_subscribe(r, pattern, count, &hits, &id, NULL) == SY_OK) {
        compare(r, pattern, pattern, &hits);
        for (const char *topic; (topic = strsep(&rest, "\n"));) compare(r, pattern, topic, &hits);
        if (sy__router_unsubscribe(r, id)) abort();
    }
    sy__router_free(r);
    free(text);
    return 0;
}
