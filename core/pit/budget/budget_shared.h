/*
 * budget_shared.h: the budgets of the project and of the day, which all processes of a project share.
 *
 * Their accounts are rows, and a reservation is a row that one statement writes only where it fits, so that SQLite's
 * one writer decides. The task waits for that commit as it would for its fence. Charges and reservations carry the
 * host: what a dead host had reserved counts as spent, for nobody knows what it was charged. Only money and tokens.
 * Without such a budget nothing here is called but sy__shared_limited. Stage thread, where nothing else is said.
 */
#ifndef SY_PIT_BUDGET_SHARED_H
#define SY_PIT_BUDGET_SHARED_H

#include "pit/budget/budget_task.h"

/* Prepares statements and accounts; when the engine opens, any thread that may wait for the database. */
int sy__shared_open(sy__engine *e, sy__error *err);
void sy__shared_close(sy__engine *e);
/* Whether there is such a budget at all, and one of this unit. Any thread. */
bool sy__shared_limited(const sy__engine *e);
bool sy__shared_limits(const sy__engine *e, sy__unit unit);
/* Reserves what task.budget.hold needs. True: it may go on. False: it goes on later, waits, or has been dealt with. */
bool sy__shared_admit(sy__stage *s, sy__task *t);
/* Frees the reservation and charges what was used. */
void sy__shared_settle(sy__stage *s, sy__task *t, const sy__amounts *charge);
/* The waiting tasks of a run that stops wait no more. */
void sy__shared_withdraw(sy__stage *s, sy__run *r);
/* Lets those in who fit now. */
void sy__shared_tick(sy__stage *s);

#endif
