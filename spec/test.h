/* test.h: the few macros that the C test programs use. A failed CHECK is printed and counted; the program goes on. */
#ifndef SY_SPEC_TEST_H
#define SY_SPEC_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_failures, test_checks;

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        test_checks++;                                                                    \
        if (!(condition)) {                                                               \
            test_failures++;                                                              \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                                 \
    } while (0)
#define CHECK_INT(got, want)                                                                                    \
    do {                                                                                                        \
        long long got_ = (long long)(got), want_ = (long long)(want);                                           \
        test_checks++;                                                                                          \
        if (got_ != want_) {                                                                                    \
            test_failures++;                                                                                    \
            (void)fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #got, got_, want_); \
        }                                                                                                       \
    } while (0)
#define CHECK_STR(got, want)                                                                          \
    do {                                                                                              \
        const char *got_ = (got), *want_ = (want);                                                    \
        test_checks++;                                                                                \
        if (!got_ || strcmp(got_, want_) != 0) {                                                      \
            test_failures++;                                                                          \
            (void)fprintf(stderr, "%s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #got, \
                          got_ ? got_ : "(null)", want_);                                             \
        }                                                                                             \
    } while (0)
/* The last statement of main: says how many checks held. */
#define TEST_END()                                                          \
    do {                                                                    \
        (void)printf("%d checks, %d failed\n", test_checks, test_failures); \
        return test_failures != 0;                                          \
    } while (0)

#endif
