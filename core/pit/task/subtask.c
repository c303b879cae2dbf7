/* subtask.c: tasks that are not nodes: the children of maps and loops, calls of flows, what undoes a task. */
#include "pit/task/journal.h"
#include "pit/run/past.h"

#include <string.h>

static void
link_child(sy__run *r, sy__task *child)
{
    child->siblings = r->children;
    if (r->children) r->children->siblings_before = child;
    r->children = child;
}

static void
unlink_child(sy__run *r, sy__task *child)
{
    if (child->siblings_before)
        child->siblings_before->siblings = child->siblings;
    else
        r->children = child->siblings;
    if (child->siblings) child->siblings->siblings_before = child->siblings_before;
}

sy__task *
sy__subtask_new(sy__stage *s, sy__task *parent, const sy__plan_task *spec, uint32_t number)
{
    sy__task *child = sy__calloc(s->engine->alloc, 1, sizeof *child);
    if (!child) return NULL;
    child->run = parent->run;
    child->scope = parent->scope;
    child->spec = spec;
    child->parent = parent;
    child->number = number;
    child->undoes = spec == parent->spec->compensate;
    child->created_ms = sy__stage_ms(s);
    sy__past *p = sy__past_of(child);
    if (p)
        sy__past_restore(p, child);
    else
        sy__id_next(&s->ids, child->id);
    sy__task_gates(child);
    link_child(child->run, child);
    sy__scope_enter(child->scope);
    return child;
}

void
sy__subtask_leave(sy__task *child)
{
    unlink_child(child->run, child);
    sy__scope_leave(child->scope);
}

void
sy__subtask_free(sy__task *child)
{
    const sy__alloc *a = child->run->engine->alloc;
    sy__task_close(child);
    sy__plan_task_free(a, child->own_spec);
    sy__free(a, child);
}

sy__task *
sy__subtasks_take(const sy__scope *c)
{
    sy__task *list = NULL;
    for (sy__task *t = c->run->children, *next; t; t = next) {
        next = t->siblings;
        if (strncmp(t->scope->prefix, c->prefix, strlen(c->prefix)) != 0) continue;
        unlink_child(c->run, t);
        t->siblings = list;
        list = t;
    }
    return list;
}

void
sy__subtasks_free(sy__task *list)
{
    while (list) {
        sy__task *next = list->siblings;
        sy__subtask_free(list);
        list = next;
    }
}

void
sy__subtask_cost(sy__task *child)
{
    sy__run *r = child->run;
    r->cpu_ns += child->cpu_ns;
    if (child->peak_bytes > r->peak_bytes) r->peak_bytes = child->peak_bytes;
}

void
sy__subtask_end(sy__stage *s, sy__task *child, bool dropped)
{
    if (dropped && child->started && !child->uncertain && child->run->level != SY__LEVEL_NONE) {
        child->status = SY__TASK_PENDING;
        sy__record_task(s, child);
    }
    if (child->undoes)
        sy__undo_child_end(s, child, dropped);
    else if (!sy__task_is_item(child))
        sy__journal_child_end(s, child, dropped);
    else if (child->parent->spec->verb == SY__VERB_LOOP)
        sy__loop_child_end(s, child, dropped);
    else
        sy__each_child_end(s, child, dropped);
}
