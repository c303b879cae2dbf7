/*
 * pattern.h: Lua's patterns (reference manual 6.4.1), matched with a budget.
 *
 * Same results as Lua 5.4's string library, faults of patterns included, but every step costs fuel, so three lazy
 * stars on a long subject end when the caller says so. Classes are ASCII, whatever the C locale is. No allocation:
 * subject and pattern are borrowed for the match. One thread a match.
 */
#ifndef SY_KIT_PATTERN_H
#define SY_KIT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SY__PATTERN_CAPTURES = 32, SY__PATTERN_DEPTH = 200 };

/* Lengths of captures that are no text. */
enum { SY__CAPTURE_OPEN = -1, SY__CAPTURE_POSITION = -2 };

typedef struct sy__match {
    const char *subject, *subject_end;
    const char *pattern, *pattern_end;       /* without a leading anchor */
    int64_t fuel;                            /* steps left before `refuel` is asked */
    bool (*refuel)(void *ud, int64_t *fuel); /* false: stop. NULL: never stop */
    void *ud;
    const char *fault; /* what is wrong with the pattern, as a format for fault_arg (%d); or NULL */
    int fault_arg;
    bool stopped; /* refuel said so */
    int depth;
    int captures;
    struct {
        const char *start;
        ptrdiff_t len;
    } capture[SY__PATTERN_CAPTURES];
} sy__match;

/* Sets subject and pattern; keeps fuel, refuel and ud. */
void sy__match_init(sy__match *m, const char *subject, size_t subject_len, const char *pattern, size_t pattern_len);
/* Matches at `at` exactly: the end of the match, or NULL (look at `fault` and `stopped`). `at` is never NULL. */
const char *sy__match_at(sy__match *m, const char *at) __attribute__((nonnull));
/* The text or position of capture `index` from 0, where capture 0 of a pattern without any is the whole match from
 * `at` to `end`. False sets `fault`. A position has *len SY__CAPTURE_POSITION. */
bool sy__match_capture(sy__match *m, int index, const char *at, const char *end, const char **start, ptrdiff_t *len);
/* Whether the text has no character that is special in patterns. */
bool sy__pattern_plain(const char *pattern, size_t len);
/* The first place of `needle` in `hay`, or NULL; linear time. */
const char *sy__find_plain(const char *hay, size_t hay_len, const char *needle, size_t needle_len);

#endif
