/*
 * budget_task.h: budgets of runs and tasks: who pays for a call, and what happens when nobody can.
 *
 *     turn ──> estimate ──> reserve in task, subtree, run ──> reserve in project and day ──> call ──> settle
 *                               │ full, others hold some           │ (budget_shared.c)
 *                               └ waits outside of all gates       └ waits, asked for again ten times a second
 *
 * A run without any budget has run.budget == NULL, and costs one test of that pointer. Stage thread, where nothing
 * else is said. Amounts as in budget.h.
 */
#ifndef SY_PIT_BUDGET_TASK_H
#define SY_PIT_BUDGET_TASK_H

#include "pit/engine_impl.h"

/* The run's own account, and what `--budget TASK=…` said of its tasks. */
struct sy__run_budget {
    sy__budget account;
    sy__map tasks;    /* key → sy__budget_limits, owned */
    sy__map spenders; /* operations that used something without having declared that they can; under ledger.lock */
};

/* What a task has to do with budgets; made when its run has any. */
struct sy__task_budget {
    sy__task *task;
    sy__budget account; /* its own; without limits it is not in the chain */
    sy__hold hold;
    char name[SY__ERROR_NAME_BYTES];
    uint32_t estimated;                /* the target, + 1, that hold.need is for */
    int64_t usd_before, tokens_before; /* of the task when its call began */
    sy__amounts used;                  /* by its last call */
    sy__amounts assumed;               /* reserved by calls whose process ended before it could tell */
    const sy__budget *broken;          /* what the running call has been ended for */
    sy__unit unit;
    /* project and day, budget_shared.c */
    char reservation[SY__ID_BYTES]; /* "": none */
    bool shared_held;               /* the row is there */
    bool shared_waits;
    sy__task_budget *shared_next;
    sy__stage *stage;
};

/* ---- budget_past.c: rows of an earlier process; `key` NULL: of the whole run, else of that task and all below ---- */

/* Adds what they were charged, and what they had reserved when their process ended. */
void sy__past_spent(const sy__past_list *l, const char *key, sy__amounts *used);
/* Remembers every operation that used money or tokens in run.budget.spenders. SY_ENOMEM. */
int sy__past_spenders(const sy__past_list *l, sy__run *r);
/* Tasks that wait for a budget are tried again. */
void sy__past_retry_budgets(sy__past_list *l);
/* What a run that failed for its budget has still to do counts as undone again. SY_EUSAGE: it has been undone. */
int sy__past_reopen(sy__past_list *l, sy__error *err);
/* How long at least one of them ran. */
int64_t sy__past_wall_ms(const sy__past_list *l, const char *key);

/* ---- budget_task.c ---- */

/* Reads the "budget" of a run's options, and whether anything in its melody has one. SY_EMELODY, SY_ENOMEM. */
int sy__budget_run(sy__run *r, sy__value options, sy__error *err);
/* The same for one that is read back: its stored options, and the JSON of a budget in place of theirs, or NULL. */
int sy__budget_resume(sy__run *r, const char *options, const char *budget, sy__error *err);
void sy__budget_run_free(sy__run *r);
/* Opens the task's own account, when its turn comes for the first time. */
void sy__budget_open(sy__stage *s, sy__task *t);
void sy__budget_task_free(sy__task *t);
/* Before a call: true: it may go on. Else the task waits, failed, asks or goes on with a fallback. */
bool sy__budget_admit(sy__stage *s, sy__task *t);
/* The admitted call begins: its reservation is written. */
void sy__budget_begin(sy__stage *s, sy__task *t);
/* Cuts the limits of the admitted call to what its budgets have left. */
void sy__budget_limit(const sy__task *t, sy__call *call);
/* The running call says that it has used something, which task.usd_micro and task.tokens hold already. */
void sy__budget_report(sy__attempt *a, int64_t usd_micro, int64_t tokens);
/* The call has ended, however: charges it. */
void sy__budget_settle(sy__stage *s, sy__task *t, int64_t cpu_ns);
/* Whether it was a budget that ended a call with `status`; then the task has been dealt with. */
bool sy__budget_ended(sy__stage *s, sy__task *t, int status);
/* The task leaves its turn without a call: what it holds is free again. */
void sy__budget_leave(sy__stage *s, sy__task *t);
/* Adds "unsettled" to the context of its row: what a resume has to assume as spent. */
void sy__budget_context(const sy__task *t, sy__buf *out);
/* A run stops: those of its tasks that wait for a budget wait no more. */
void sy__budget_withdraw(sy__stage *s, sy__run *r);
/* Stage 0, ten times a second: wall time that is used up, and who waits for project and day. */
void sy__budget_tick(sy__stage *s);

/* ---- what the files of budgets share ---- */

/* What the task has, made when it is not there; NULL: no memory. */
sy__task_budget *sy__budget_of(sy__stage *s, sy__task *t);
/* Fills hold.need and hold.uses for the target that is tried. SY_EBUDGET: it does not say how much it may use. */
int sy__budget_estimate(sy__stage *s, sy__task *t, sy__error *err);
/* Remembers that the task's operation can use money or tokens, because it did. */
void sy__budget_spends(const sy__task *t);
/* Deals with a call that no budget covers: `policy`, and `err` saying which budget. `run`: the run ends for it. */
void sy__budget_breach(sy__stage *s, sy__task *t, sy__on_breach policy, bool run, const sy__error *err);
/* Hands a task that waited back to the arbiter. */
void sy__budget_again(sy__stage *s, sy__task *t);
/* Says why account `at` does not cover the task's call; `used`: what it had used when it was ended for that. */
void sy__budget_describe(sy__stage *s, const sy__task *t, const sy__budget *at, sy__unit unit, const sy__amounts *used,
                         sy__error *err);
/* Writes a decision about the task's reservation; `at` NULL: about no one account. */
void sy__budget_record(sy__stage *s, sy__task *t, const char *decision, const sy__budget *at, sy__unit unit,
                       const sy__amounts *amounts);
/* "0.05 usd", "20000 tokens", "1.5 s of CPU". */
void sy__budget_amount(sy__unit unit, int64_t n, char *out, size_t size);
bool sy__budget_any(const sy__amounts *a);

#endif
