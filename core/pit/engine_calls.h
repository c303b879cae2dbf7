/*
 * engine_calls.h: what the files of the engine offer each other, by file. Included by engine_impl.h, which has the
 * shapes, says what a scope counts as active, and in which order locks are taken.
 */
#ifndef SY_PIT_ENGINE_CALLS_H
#define SY_PIT_ENGINE_CALLS_H

#include "pit/engine_impl.h"

/* ---- stage.c ---- */
/* The clocks as a stage sees them: monotonic, and the wall's. */
int64_t sy__stage_ns(const sy__stage *s);
int64_t sy__stage_ms(const sy__stage *s);
/* Starts the threads, and ends them after what they do now. The opening thread. SY_ENOMEM, SY_EIO. */
int sy__stages_start(sy__engine *e, sy__error *err);
void sy__stages_stop(sy__engine *e);
/* Runs fn(ud) on the stage's thread soon; false: no memory. Any thread. */
bool sy__stage_post(sy__stage *s, void (*fn)(sy__stage *stage, void *ud), void *ud);
/* Wakes up to `jobs` idle stages. Any thread. */
void sy__stages_wake(sy__engine *e, size_t jobs);

/* ---- pool.c ---- */
/* Of one stage, on its thread but for these two. SY_ENOMEM. */
int sy__pool_new(sy__pool **out, sy__stage *s);
void sy__pool_free(sy__pool *p);
/* Where a task's operations run: as its extension says, or its own option raises it to. */
sy__isolation sy__pool_isolation(const sy__task *t);
/* A warm or new isolate for the extension. *cold_ns > 0 when it had to be made. */
int sy__pool_take(sy__pool *p, sy__extension *ext, sy__isolation isolation, sy__isolate **out, int64_t *cold_ns,
                  sy__error *err);
/* Back to the warm ones; freed after a failure, when not reusable, or when there are enough. */
void sy__pool_give(sy__pool *p, sy__extension *ext, sy__isolate *iso, bool failed);
/* Makes an isolate for later, unless there is one. *ns > 0 when it made one, *bytes: its memory. */
int sy__pool_warm(sy__pool *p, sy__extension *ext, int64_t *ns, size_t *bytes, sy__error *err);
/* Frees what was idle for longer than the cooldown. */
void sy__pool_cool(sy__pool *p, int64_t now_ns);

/* A child of a map or loop: the parent's operation, for one item. */
static inline bool
sy__task_is_item(const sy__task *t)
{
    return t->parent && t->spec == t->parent->spec;
}
/* Whether it calls an operation: the host does the others itself. */
static inline bool
sy__task_calls(const sy__task *t)
{
    return t->spec->verb == SY__VERB_TASK || sy__task_is_item(t);
}

/* ---- task.c (stage thread) ---- */
/* Runs a task whose gates are passed. */
void sy__task_run(sy__stage *s, sy__task *t);
/* Lets go of a task that has not begun because its run stops: it stays pending. */
void sy__task_drop(sy__stage *s, sy__task *t);
/* Ends a task with its outcome and hands on its successors. */
void sy__task_end(sy__stage *s, sy__task *t, sy__task_status status, sy__outcome outcome);
/* Fills the gates and priority of a task's job. */
void sy__task_gates(sy__task *t);
/* "checks/1"; the parent's key and the position for a child. */
void sy__task_key(const sy__task *t, sy__buf *out);
/* Whether it ended with an output that others may use. */
bool sy__task_has_value(const sy__task *t);
/* Frees what hangs at a task, not the task. */
void sy__task_close(sy__task *t);

/* ---- prewarm.c ---- */
/* Makes isolates for the later tasks of a run on another stage. Stage thread. */
void sy__prewarm(sy__stage *s, sy__run *r);

/* ---- chore.c: see chore.h ---- */
int sy__chore_statements(sy__engine *e);

/* Ends it as failed for `why`. */
void sy__task_fail(sy__stage *s, sy__task *t, const sy__error *why);
/* Keeps the error of an attempt. */
void sy__task_note_error(sy__stage *s, sy__task *t, const sy__error *why);
/* Releases its gates, if it has passed them. */
void sy__task_leave(sy__stage *s, sy__task *t);

/* ---- attempt.c (stage thread) ---- */
/* Takes a value as the output of the operation tried now, checked with its schema. SY_ETYPE, SY_ENOMEM. */
int sy__attempt_output(sy__stage *s, sy__task *t, sy__value v, sy__error *err);
/* What follows a failed attempt: another one, a fallback, or the end. */
void sy__attempt_fail(sy__stage *s, sy__task *t, const sy__error *why, bool transient);
/* Calls the task's operation; its input is there. */
void sy__attempt_begin(sy__stage *s, sy__task *t);
/* The same for one whose budgets have admitted it. */
void sy__attempt_go(sy__stage *s, sy__task *t);
/* Writes that the task executes, once, so that others can see it. */
void sy__attempt_show(sy__stage *s, sy__task *t);
/* An attempt in the stage's list; NULL: no memory. */
sy__attempt *sy__attempt_new(sy__stage *s, sy__task *t);
void sy__attempt_free(sy__attempt *a);
/* What the stage runs now, for poison to find; NULL: nothing. */
void sy__attempt_current(sy__stage *s, sy__attempt *a);
/* Arms the attempt's one timer; false: no memory. */
bool sy__attempt_arm(sy__attempt *a, int64_t ns);
/* Cancels whatever this stage does for the run, or for one of its sub-melodies (`within`: the prefix of its keys). */
void sy__task_sweep(sy__stage *s, sy__run *r, const char *within, int why);
/* Whether it is a task of the run, and of that sub-melody or below, but nothing that undoes; `prefix` NULL: any. */
bool sy__task_within(const sy__task *t, const sy__run *r, const char *prefix);

/* ---- retry.c (stage thread) ---- */
/* Schedules the task again after its delay; false: it is not to be tried again. */
bool sy__retry_later(sy__stage *s, sy__task *t, bool transient);
/* Goes on with the next fallback; false: there is none. */
bool sy__retry_fallback(sy__stage *s, sy__task *t);
/* In a run that stops, when another attempt would follow: a parking run leaves it for the resume, any other cancels the
 * task. False: nothing would follow. */
bool sy__retry_stopped(sy__stage *s, sy__task *t, bool transient);
/* What is left of the time for all attempts; INT64_MAX without a limit. */
int64_t sy__retry_left_ns(const sy__stage *s, const sy__task *t);
/* Whether a call or a flow that is to go on in this process has none left. */
bool sy__retry_late(const sy__stage *s, const sy__task *t, sy__error *err);

/* ---- input.c (stage thread) ---- */
/* Fills a template; the value is borrowed from the template or from stage.scratch. */
int sy__input_fill(sy__stage *s, sy__task *t, const sy__template *template, sy__value *out, sy__error *err);
/* `when`: 1 go on, 0 skip, negative: it failed. */
int sy__input_when(sy__stage *s, sy__task *t, sy__error *err);
/* Makes task.input. */
int sy__input_make(sy__stage *s, sy__task *t, sy__error *err);

/* `until_` of a loop over its last output: 1 it is over, 0 go on, negative: it failed. */
int sy__input_until(sy__stage *s, sy__task *t, sy__error *err);

/* ---- each.c (stage thread) ---- */
/* Starts the children of a map over `list`. */
void sy__each_begin(sy__stage *s, sy__task *t, sy__value list);
/* The same over a list that still grows, if it does; else false. */
bool sy__each_begin_early(sy__stage *s, sy__task *t);
/* Its turn came again because there was nothing left to do; false: it is another turn. */
bool sy__each_returns(sy__stage *s, sy__task *t);
/* Maps of the scope that can begin over a list that grows, counted as active. run.lock held. */
sy__job *sy__each_early(sy__scope *c);
/* A child ended, or was dropped because the run stops (`dropped`). Frees it; ends the parent after the last one. */
void sy__each_child_end(sy__stage *s, sy__task *child, bool dropped);
/* The next child of a map instead of one that waits for a person. run.lock held; NULL: none. */
sy__task *sy__each_next(sy__stage *s, sy__task *parent);
void sy__each_free(const sy__alloc *a, sy__each *e);

/* ---- subtask.c ---- */
/* A task below `parent` at `number` from 0, as its row has left it, linked and counted as active. `spec`: the parent's,
 * or what undoes it. run.lock held; NULL: no memory. */
sy__task *sy__subtask_new(sy__stage *s, sy__task *parent, const sy__plan_task *spec, uint32_t number);
/* Unlinks and counts it; it is freed by sy__subtask_free after unlocking. run.lock held. */
void sy__subtask_leave(sy__task *child);
void sy__subtask_free(sy__task *child);
/* Unlinks what waits in a scope that is over, and below it: closed tasks, to be freed by sy__subtasks_free after
 * unlocking. run.lock held. */
sy__task *sy__subtasks_take(const sy__scope *c);
void sy__subtasks_free(sy__task *list);
/* Takes what the child cost into its run. run.lock held. */
void sy__subtask_cost(sy__task *child);
/* A child ended, or was dropped: on to what its parent does about it. Stage thread. */
void sy__subtask_end(sy__stage *s, sy__task *child, bool dropped);

/* ---- loop.c (stage thread) ---- */
/* Begins the next iteration, from where the rows have left it; what follows an iteration's end. */
void sy__loop_begin(sy__stage *s, sy__task *t);
void sy__loop_child_end(sy__stage *s, sy__task *child, bool dropped);
void sy__loop_free(const sy__alloc *a, sy__loop *l);

/* ---- sub.c (stage thread) ---- */
/* Begins the sub-melody of a task, or ends the task when that has ended. */
void sy__sub_begin(sy__stage *s, sy__task *t);
/* Its scope has ended: takes over outputs, or the error. */
void sy__sub_end(sy__stage *s, sy__task *t);

/* ---- ask.c, wait.c ---- */
/* Puts the question; the branch waits for the answer. Stage thread. */
void sy__ask_begin(sy__stage *s, sy__task *t);
/* Nobody answered in time: its default, or a failure. */
void sy__ask_late(sy__stage *s, sy__task *t);
/* `task.asked`, with the question; without memory for it, without. run.lock held. */
void sy__ask_event(sy__stage *s, sy__task *t);
/* Sets a task aside until a person decides. `err` NULL: it is a question. Stage thread. */
void sy__wait_begin(sy__stage *s, sy__task *t, sy__wait why, const sy__error *err);
/* A child or node that waited before a resume waits on. run.lock held. */
void sy__wait_on(sy__stage *s, sy__task *t);
/* Fails the scope of a sub-melody whose time is up; false: it is not. run.lock held. */
bool sy__wait_cut(sy__stage *s, sy__task *t);
/* Whether the time of something that waits is up already. run.lock held. */
bool sy__wait_due(sy__stage *s, sy__run *r);
/* Questions and sub-melodies whose time is up. Stage 0, run.lock not held. */
void sy__wait_tick(sy__stage *s, sy__run *r);
/* A decision for a waiting task of a living run. Stage thread. SY_ENOTFOUND, SY_EUSAGE, SY_ETYPE. */
int sy__wait_decide(sy__stage *s, sy__run *r, sy__decision what, const char *key, sy__value result, sy__error *err);
/* Whether `result` is what the task's operation, or question, would have to give. SY_ETYPE. */
int sy__wait_check(const sy__plan_task *spec, sy__value result, sy__error *err);
const char *sy__wait_name(sy__wait why); /* "effect", …; NULL for none */

/* ---- compensate.c ---- */
/* Starts the next compensation of a scope that failed; false: none is left, or a person must decide first. run.lock
 * held. */
bool sy__undo_next(sy__stage *s, sy__scope *c);
/* Whether something of the scope itself is still to be undone; in one of the sub-melodies below it. run.lock held. */
bool sy__undo_open(const sy__scope *c);
bool sy__undo_below(const sy__scope *c);
/* A compensation ended, or was dropped: the next one. */
void sy__undo_child_end(sy__stage *s, sy__task *child, bool dropped);
void sy__undo_free(sy__scope *c);

/* ---- scope.c ---- */
/* `owner` NULL: the run's own melody. Borrows the plan, takes the dag, also when it fails. SY_ENOMEM. */
int sy__scope_new(sy__scope **out, sy__run *r, sy__task *owner, const sy__plan *plan, sy__dag *dag, sy__value params);
void sy__scope_free(sy__scope *c); /* NULL is legal */
/* One more, one less active task here and above. run.lock held. */
void sy__scope_enter(sy__scope *c);
void sy__scope_leave(sy__scope *c);
/* The same for those that wait for a person. */
void sy__scope_wait(sy__scope *c, int change);
/* … and for flows that are parked. */
void sy__scope_park(sy__scope *c, int change);
/* Whether the task must not begin (any more). Any thread. */
bool sy__task_stopped(const sy__task *t);
/* Whether it ended as cancelled because of that. */
bool sy__task_cut(const sy__task *t);
/* Takes what rows say of its tasks and tells the dag. SY_ENOMEM. */
int sy__scope_restore(sy__scope *c);
/* Starts everything that can start, and writes what was skipped. Stage thread. */
void sy__scope_launch(sy__stage *s, sy__scope *c);
/* Ends the node of a task in the dag, writes those skipped because of it; run.lock held. Returns the tasks that
 * became ready, linked as jobs and counted as active, to be submitted after unlocking. */
sy__job *sy__scope_follow(sy__stage *s, sy__scope *c, uint32_t node, bool has_value);
/* The first failure that ends a scope. run.lock held. */
void sy__scope_fail(sy__scope *c, const sy__error *why, const char *task);
/* Ends the scope, and those above it and the run, when nothing is left to do. run.lock held. */
void sy__scope_settle(sy__stage *s, sy__scope *c);
/* Whether a cancellation came in time to stop anything of it. run.lock held. */
bool sy__scope_cut(const sy__scope *c);
/* Its outputs; false: they are too large, and it has failed for that. run.lock held. */
bool sy__scope_outputs(sy__stage *s, sy__scope *c);
/* Writes as cancelled whatever has not ended. run.lock held. */
void sy__scope_close(sy__stage *s, sy__scope *c);
/* The living task of this path of keys; NULL. run.lock held. */
sy__task *sy__scope_task(sy__scope *c, const char *key);

/* ---- run.c ---- */
/* Counts who holds a run; the last frees it. Any thread. */
sy__run *sy__run_hold(sy__run *r);
void sy__run_release(sy__run *r);
/* Submits jobs: the first becomes the stage's own next task when it has none. `s` may be NULL. */
void sy__run_submit(sy__engine *e, sy__stage *s, sy__job *list);
/* Ends the run when nothing is left to do. run.lock held. */
void sy__run_settle(sy__stage *s, sy__run *r);
/* Stops a run that can no longer be written. Takes no lock of the run; any thread. */
void sy__run_unwritten(sy__run *r, int status);
sy__run *sy__engine_find(sy__engine *e, const char *run); /* held; NULL */
/* Compiles the definition into a run that is not launched yet, held once. SY_EMELODY, SY_EOPERATION …, SY_ENOMEM. */
int sy__run_new(sy__run **out, sy__engine *e, sy__value definition, sy__value params, sy__error *err);
/* Adds it to the engine; a stage thread starts what is ready. */
int sy__run_launch(sy__run *r);
/* The versions of the extensions it calls, {"git":"…"}, in name order. */
void sy__run_code(const sy__run *r, sy__vbuf *out);
/* Cancels (SY_ECANCELLED) or parks (SY_EINTERRUPTED) a run. Any thread that holds it; SY_ENOMEM. */
int sy__engine_stop_run(sy__run *r, int why);
/* Cancels what a scope that has failed still does. Any thread; SY_ENOMEM. */
int sy__engine_stop_scope(const sy__scope *c);
/* Looks on a stage thread whether the run can end now. Any thread. */
void sy__engine_settle_soon(sy__run *r);
/* Stage 0, ten times a second: what others ask of the runs that live here. */
void sy__engine_tick(sy__stage *s);

/* ---- record.c: rows and events ---- */
/* Prepares what is written about runs. SY_ENOMEM. */
int sy__statements_new(sy__engine *e, sy__error *err);
/* The row of a task as it is now. */
void sy__record_task(sy__stage *s, sy__task *t);
/* Only the error of a task whose row is there already: it waits for a person. */
void sy__record_uncertain(sy__stage *s, sy__task *t);
/* Marks the row of `key` as undone. */
void sy__record_compensated(sy__stage *s, sy__run *r, const char *key);
/* An event about a task; `payload`: JSON. Durable as the run is. */
void sy__record_event(sy__stage *s, sy__task *t, const char *type, const char *payload);
/* An event of the kit about a task: its topic is its type, "kit.…". */
void sy__record_kit_event(sy__stage *s, sy__task *t, const char *type, const char *payload);
/* The run's last row (ended or parked), its event and what sums it up, in one transaction. run.lock held. */
void sy__record_run(sy__stage *s, sy__run *r);
/* What the schema says of the output that names the artifacts of an attempt. */
void sy__record_judged(sy__stage *s, sy__attempt *a, bool valid);
/* The same about the run. */
void sy__record_run_event(sy__stage *s, sy__run *r, const char *type, const char *payload);
/* One decision of a member of the Pit. JSON texts; resources may be NULL. */
void sy__record_pit(sy__stage *s, sy__run *r, sy__task *t, int member, const char *context, const char *resources);
/* The arbiter's decision about a task that waits or waited: the row `id`, again where it is there. */
void sy__record_wait(sy__stage *s, sy__task *t, const char *id, const char *context, const char *resources);
/* Counts an immediate decision; written by sy__record_counts. Any thread. */
void sy__record_count(sy__run *r, int member, int64_t n);
void sy__record_counts(sy__stage *s, sy__run *r);
/* The row of an artifact whose content is stored; appends the reference to it. SY_ENOMEM. */
int sy__record_artifact(sy__stage *s, sy__task *t, const char *type, const sy__stored *stored, sy__value metadata,
                        sy__vbuf *ref, sy__error *err);
/* Their words in rows and events. */
const char *sy__outcome_name(sy__outcome outcome);
const char *sy__run_status_name(sy__run_status status);

/* ---- services.c: what a running call may ask ---- */
extern const sy__call_services sy__task_services;

#endif
