/*
 * players.h: the players of this engine: who may be chosen, and what their calls did; and which extensions a person has
 * paused.
 *
 * An extension with [player], and every instrument, is a player; a model of an instrument is one of its own
 * ("llm:qwen2.5"). A call of anything else costs two comparisons here. Each call of a player is a row of player_call,
 * each change of its state a row of `player` and an event; other processes of the project see it within a second.
 *
 * While a player is suspended a task that has a further fallback goes on to the next one that may be chosen; where
 * there is none it is called all the same, for the melody named it. A paused extension is not called at all.
 */
#ifndef SY_PIT_PLAYERS_H
#define SY_PIT_PLAYERS_H

#include "pit/engine_impl.h"

/* When the engine opens and closes. */
int sy__players_open(sy__engine *e, sy__error *err);
void sy__players_close(sy__engine *e);
/* Reads which extensions are paused. Any thread that may read the database. */
void sy__players_look(sy__engine *e);
/* Whether the call of the task's target may begin. False: the task has been dealt with. Stage thread, before the budget
 * is asked. */
bool sy__players_turn(sy__stage *s, sy__task *t);
/* The call of the task's target ended after `ms` with `code`; `own`: its output broke its own schema. Stage thread. */
void sy__players_ended(sy__stage *s, sy__task *t, int64_t ms, int code, bool own);

#endif
