/*
 * journal_impl.h: what journal.c (flows) and journal_call.c (their calls) share. Stage thread.
 */
#ifndef SY_PIT_JOURNAL_IMPL_H
#define SY_PIT_JOURNAL_IMPL_H

#include "pit/task/journal.h"
#include "pit/run/past.h"

/* A flow under way; belongs to its stage, but for what run.lock guards. */
struct sy__journal {
    sy__attempt *attempt;
    sy__map names;      /* how often a name was given, + 1 */
    uint32_t requests;  /* so far */
    uint32_t rows;      /* requests that a run read back has rows of */
    sy__task *pending;  /* the task whose end it waits for; under run.lock */
    bool parked;        /* it waits, and is not counted as active; under run.lock */
    sy__blob *answer;   /* of the last request */
    sy__error *failure; /* … or why it failed */
    bool failed;
    bool over; /* its attempt has ended */
};

/* A field of a request; no value when it is not there. */
sy__value sy__journal_field(sy__value request, const char *name);
/* Appends the key of the next call: "diff", "diff_2", by what is called in the order of the calls; or the name that the
 * call gives. SY_EUSAGE when that was given before; SY_ENOMEM. */
int sy__journal_name(sy__journal *j, sy__value request, sy__buf *out, sy__error *err);
/* A call as a task below the flow. SY_EOPERATION for an operation that the flow does not name, and as sy__plan_new. */
int sy__journal_spec(sy__task *flow, sy__value request, const char *key, sy__plan_task **out, sy__error *err);
/* Compares call `number` with the row of its key, or with the row at its place (`p` NULL). SY_EMELODY: it diverges. */
int sy__journal_compare(sy__stage *s, sy__task *flow, uint32_t number, const sy__past *p, const sy__plan_task *spec,
                        sy__value input, sy__error *err);

#endif
