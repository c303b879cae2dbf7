/* failing_alloc.h: an allocator for tests that fails one allocation, counted, and knows what was not freed. */
#ifndef SY_SPEC_FAILING_ALLOC_H
#define SY_SPEC_FAILING_ALLOC_H

#include "base/alloc.h"

#include <stdlib.h>

typedef struct failing {
    long left; /* allocations until the one that fails; negative: none fails */
    long live;
    bool failed;
} failing;

static void *
failing_alloc(void *ud, void *ptr, size_t bytes)
{
    failing *f = ud;
    if (bytes == 0) {
        f->live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (f->left >= 0 && f->left-- == 0) {
        f->failed = true;
        return NULL;
    }
    f->live += ptr == NULL;
    return realloc(ptr, bytes);
}

/* Runs `body` with `a` failing at the first, second, … allocation until nothing fails any more. After each
 * round nothing may be left. `body` sees `f.failed` and ends when the round went through. */
#define WITH_EACH_FAILURE(f, a, body)            \
    do {                                         \
        failing f = {0, 0, false};               \
        const sy__alloc a = {failing_alloc, &f}; \
        for (long round_ = 0;; round_++) {       \
            f = (failing){round_, 0, false};     \
            body;                                \
            CHECK_INT(f.live, 0);                \
            if (!f.failed || round_ > 10000) {   \
                CHECK(round_ <= 10000);          \
                break;                           \
            }                                    \
        }                                        \
    } while (0)

#endif
