/* topic.h: topics and patterns as words, for the files of this room. Any thread. */
#ifndef SY_ROUTER_TOPIC_H
#define SY_ROUTER_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SY__TOPIC_WORDS = 32,   /* words of a pattern; a topic may have more, `>` takes the rest */
    SY__TOPIC_BYTES = 1024, /* bytes of a pattern */
};

typedef struct sy__word {
    const char *text; /* borrowed, not NUL-terminated */
    uint32_t len;
    uint32_t hash; /* 0: not computed yet */
} sy__word;

/* The first words of a topic. `more` says that there are words behind the last one listed. */
typedef struct sy__words {
    sy__word list[SY__TOPIC_WORDS + 1];
    int count;
    bool more;
} sy__words;

/* Splits; hashes wait until a node asks for one. false when the text is empty or has an empty word: such a topic
 * matches nothing. */
bool sy__words_split(sy__words *w, const char *text);
bool sy__word_is(const sy__word *w, char c);
/* The word's hash, computed once. */
uint32_t sy__word_hash(sy__word *w);
bool sy__word_equal(const sy__word *a, const sy__word *b);

#endif
