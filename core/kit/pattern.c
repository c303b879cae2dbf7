/*
 * pattern.c: a backtracking matcher over the pattern's text.
 *
 *   item  := single [ '*' | '+' | '-' | '?' ] | '(' | ')' | '%b' x y | '%f' set | '%1'…'%9' | '$' at the end
 *   single:= '.' | '%' class | set | any other byte
 *
 * The text is read as matching goes along, as Lua does it, so a fault behind a part that never matches is never
 * met. An item that may match in several ways recurses for what follows it; the rest is a loop. Every test of a
 * byte and every item costs one step of fuel. Once `fault` or `stopped` is set, all levels give up at once.
 */
#include "kit/pattern.h"

#include <string.h>

static const char *match_items(sy__match *m, const char *s, const char *p);

/* ---- giving up ---- */

static const char *
faulty(sy__match *m, const char *what, int arg)
{
    if (!m->fault) {
        m->fault = what;
        m->fault_arg = arg;
    }
    return NULL;
}

static bool
given_up(const sy__match *m)
{
    return m->fault || m->stopped;
}

static bool
burn(sy__match *m)
{
    if (--m->fuel > 0) return true;
    if (m->refuel && !m->refuel(m->ud, &m->fuel)) m->stopped = true;
    if (!m->refuel) m->fuel = INT64_MAX;
    return !m->stopped;
}

/* ---- classes ---- */

static unsigned char
byte_at(const char *s)
{
    return (unsigned char)*s;
}

static bool
between(int c, int low, int high)
{
    return c >= low && c <= high;
}

static bool
is_letter(int c)
{
    return between(c | 32, 'a', 'z') && c < 128;
}

static bool
is_digit(int c)
{
    return between(c, '0', '9');
}

/* Whether `c` is in the class of a lower-case letter; *known tells whether the letter names a class. */
static bool
in_class(int c, int letter, bool *known)
{
    *known = true;
    switch (letter) {
    case 'a': return is_letter(c);
    case 'c': return c < 32 || c == 127;
    case 'd': return is_digit(c);
    case 'g': return between(c, 33, 126);
    case 'l': return between(c, 'a', 'z');
    case 'p': return between(c, 33, 126) && !is_letter(c) && !is_digit(c);
    case 's': return c == ' ' || between(c, '\t', '\r');
    case 'u': return between(c, 'A', 'Z');
    case 'w': return is_letter(c) || is_digit(c);
    case 'x': return is_digit(c) || between(c | 32, 'a', 'f');
    case 'z': return c == 0; /* deprecated, still there */
    default: *known = false; return false;
    }
}

/* `%` and a character: a class, its complement for upper case, or the character itself. */
static bool
matches_escape(int c, int escaped)
{
    bool upper = between(escaped, 'A', 'Z'), known;
    bool in = in_class(c, upper ? escaped | 32 : escaped, &known);
    if (!known) return c == escaped;
    return in != upper;
}

/* A set from its '[' to its ']' (both given). */
static bool
matches_set(int c, const char *open, const char *close)
{
    const char *p = open + 1;
    bool positive = *p != '^';
    if (!positive) p++;
    while (p < close) {
        if (*p == '%') {
            if (matches_escape(c, byte_at(p + 1))) return positive;
            p += 2;
        } else if (p + 2 < close && p[1] == '-') {
            if (between(c, byte_at(p), byte_at(p + 2))) return positive;
            p += 3;
        } else {
            if (byte_at(p) == c) return positive;
            p++;
        }
    }
    return !positive;
}

/* ---- single items ---- */

/* The end of a set whose '[' is before `p`: behind its ']'. The first character may be ']' itself. */
static const char *
set_end(sy__match *m, const char *p)
{
    const char *start = p;
    if (p < m->pattern_end && *p == '^') p++;
    do {
        if (p >= m->pattern_end) return faulty(m, "malformed pattern (missing ']')", 0);
        bool escape = *p++ == '%';
        if (escape && p < m->pattern_end) p++;
    } while (p >= m->pattern_end || *p != ']');
    m->fuel -= (p - start) / 8;
    return p + 1;
}

/* The end of the single item at `p`; NULL with a fault. */
static const char *
single_end(sy__match *m, const char *p)
{
    char c = *p++;
    if (c == '[') return set_end(m, p);
    if (c != '%') return p;
    if (p == m->pattern_end) return faulty(m, "malformed pattern (ends with '%%')", 0);
    return p + 1;
}

static bool
matches_single(sy__match *m, const char *s, const char *p, const char *end)
{
    if (!burn(m) || s >= m->subject_end) return false;
    int c = byte_at(s);
    switch (*p) {
    case '.': return true;
    case '%': return matches_escape(c, byte_at(p + 1));
    case '[': m->fuel -= (end - p) / 8; return matches_set(c, p, end - 1);
    default: return byte_at(p) == c;
    }
}

/* As many as there are, then fewer and fewer. */
static const char *
match_greedy(sy__match *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t n = 0;
    while (matches_single(m, s + n, p, end)) n++;
    for (; n >= 0 && !given_up(m); n--) {
        const char *found = match_items(m, s + n, end + 1);
        if (found) return found;
    }
    return NULL;
}

/* None, then more and more. */
static const char *
match_lazy(sy__match *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *found = match_items(m, s, end + 1);
        if (found || given_up(m)) return found;
        if (!matches_single(m, s, p, end)) return NULL;
    }
}

/* ---- captures ---- */

static const char *
open_capture(sy__match *m, const char *s, const char *p, ptrdiff_t len)
{
    if (m->captures >= SY__PATTERN_CAPTURES) return faulty(m, "too many captures", 0);
    m->capture[m->captures].start = s;
    m->capture[m->captures].len = len;
    m->captures++;
    const char *found = match_items(m, s, p);
    if (!found) m->captures--;
    return found;
}

static const char *
close_capture(sy__match *m, const char *s, const char *p)
{
    int i = m->captures - 1;
    while (i >= 0 && m->capture[i].len != SY__CAPTURE_OPEN) i--;
    if (i < 0) return faulty(m, "invalid pattern capture", 0);
    m->capture[i].len = s - m->capture[i].start;
    const char *found = match_items(m, s, p);
    if (!found) m->capture[i].len = SY__CAPTURE_OPEN;
    return found;
}

/* The same text as a capture had; a position never matches again. */
static const char *
match_back(sy__match *m, const char *s, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->captures || m->capture[i].len == SY__CAPTURE_OPEN)
        return faulty(m, "invalid capture index %%%d", i + 1);
    ptrdiff_t len = m->capture[i].len;
    if (len < 0 || m->subject_end - s < len) return NULL;
    m->fuel -= len / 8;
    return memcmp(m->capture[i].start, s, (size_t)len) == 0 ? s + len : NULL;
}

/* ---- %b and %f ---- */

static const char *
match_balance(sy__match *m, const char *s, const char *p)
{
    if (m->pattern_end - p < 2) return faulty(m, "malformed pattern (missing arguments to '%%b')", 0);
    if (s >= m->subject_end || *s != p[0]) return NULL;
    int64_t open = 1;
    for (s++; s < m->subject_end; s++) {
        if (!burn(m)) return NULL;
        if (*s == p[1]) {
            if (--open == 0) return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* At a border: the byte before is not in the set, this one is; outside of the subject there are zeros. */
static bool
at_frontier(sy__match *m, const char *s, const char *set, const char *end)
{
    m->fuel -= (end - set) / 4;
    int before = s == m->subject ? 0 : byte_at(s - 1);
    int here = s < m->subject_end ? byte_at(s) : 0;
    return !matches_set(before, set, end - 1) && matches_set(here, set, end - 1);
}

static const char *
frontier_end(sy__match *m, const char *p)
{
    if (p >= m->pattern_end || *p != '[') return faulty(m, "missing '[' after '%%f' in pattern", 0);
    return single_end(m, p);
}

/* ---- the loop ---- */

typedef struct cursor {
    const char *s, *p;
    bool done; /* `s` is the answer */
} cursor;

static void
answer(cursor *at, const char *s)
{
    at->s = s;
    at->done = true;
}

/* A single item with its repetition. */
static void
step_single(sy__match *m, cursor *at)
{
    const char *p = at->p, *end = single_end(m, p);
    if (!end) {
        answer(at, NULL);
        return;
    }
    char repeat = end < m->pattern_end ? *end : '\0';
    if (repeat == '*') {
        answer(at, match_greedy(m, at->s, p, end));
    } else if (repeat == '-') {
        answer(at, match_lazy(m, at->s, p, end));
    } else if (!matches_single(m, at->s, p, end)) {
        if (repeat == '?' && !given_up(m))
            at->p = end + 1;
        else
            answer(at, NULL);
    } else if (repeat == '+') {
        answer(at, match_greedy(m, at->s + 1, p, end));
    } else if (repeat == '?') {
        const char *found = match_items(m, at->s + 1, end + 1);
        if (found || given_up(m))
            answer(at, found);
        else
            at->p = end + 1;
    } else {
        at->s++;
        at->p = end;
    }
}

/* Goes on behind an item that took the subject up to `s` (NULL: failed). */
static void
step_to(cursor *at, const char *s, const char *p)
{
    if (!s) answer(at, NULL);
    at->s = s;
    at->p = p;
}

/* `%` and a letter or digit that is more than one byte's class; false: it is not. */
static bool
step_escape(sy__match *m, cursor *at)
{
    const char *p = at->p + 1;
    if (p >= m->pattern_end) return false;
    if (*p == 'b') {
        step_to(at, match_balance(m, at->s, p + 1), p + 3);
    } else if (*p == 'f') {
        const char *set = p + 1, *end = frontier_end(m, set);
        step_to(at, end && at_frontier(m, at->s, set, end) ? at->s : NULL, end);
    } else if (is_digit(byte_at(p))) {
        step_to(at, match_back(m, at->s, *p), p + 1);
    } else {
        return false;
    }
    return true;
}

static void
step(sy__match *m, cursor *at)
{
    const char *p = at->p;
    switch (*p) {
    case '(':
        if (p + 1 < m->pattern_end && p[1] == ')')
            answer(at, open_capture(m, at->s, p + 2, SY__CAPTURE_POSITION));
        else
            answer(at, open_capture(m, at->s, p + 1, SY__CAPTURE_OPEN));
        return;
    case ')': answer(at, close_capture(m, at->s, p + 1)); return;
    case '$':
        if (p + 1 == m->pattern_end) {
            answer(at, at->s == m->subject_end ? at->s : NULL);
            return;
        }
        break;
    case '%':
        if (step_escape(m, at)) return;
        break;
    default: break;
    }
    step_single(m, at);
}

static const char *
match_items(sy__match *m, const char *s, const char *p)
{
    if (m->depth-- == 0) return faulty(m, "pattern too complex", 0);
    cursor at = {.s = s, .p = p};
    while (!at.done && at.p < m->pattern_end) {
        if (!burn(m))
            answer(&at, NULL);
        else
            step(m, &at);
    }
    m->depth++;
    return at.s;
}

/* ---- outside ---- */

void
sy__match_init(sy__match *m, const char *subject, size_t subject_len, const char *pattern, size_t pattern_len)
{
    m->subject = subject;
    m->subject_end = subject + subject_len;
    m->pattern = pattern;
    m->pattern_end = pattern + pattern_len;
    m->fault = NULL;
    m->fault_arg = 0;
    m->stopped = false;
}

const char *
sy__match_at(sy__match *m, const char *at)
{
    m->depth = SY__PATTERN_DEPTH;
    m->captures = 0;
    return match_items(m, at, m->pattern);
}

bool
sy__match_capture(sy__match *m, int index, const char *at, const char *end, const char **start, ptrdiff_t *len)
{
    if (index >= m->captures) {
        if (index > 0) return faulty(m, "invalid capture index %%%d", index + 1) != NULL;
        *start = at;
        *len = end - at;
        return true;
    }
    *start = m->capture[index].start;
    *len = m->capture[index].len;
    if (*len == SY__CAPTURE_OPEN) return faulty(m, "unfinished capture", 0) != NULL;
    return true;
}

bool
sy__pattern_plain(const char *pattern, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (pattern[i] && strchr("^$*+?.([%-", pattern[i])) return false;
    return true;
}

const char *
sy__find_plain(const char *hay, size_t hay_len, const char *needle, size_t needle_len)
{
    if (needle_len == 0) return hay;
    return memmem(hay, hay_len, needle, needle_len); /* two-way in glibc: linear */
}
