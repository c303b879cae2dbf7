/*
 * dag.h: the DAG tracker: which task is ready, which can never be.
 *
 * A passive structure: no I/O, no Lua, no lock (the run's mutex guards it). Nodes are numbers from 0 in the
 * order they were added. After sy__dag_seal the edges of a node lie side by side, so one step costs a walk
 * over the successors and nothing else.
 *
 *   hard      the predecessor must end with a value, else the node is skipped
 *   soft      the predecessor must have ended, in any way
 *   optional  not waited for
 */
#ifndef SY_PIT_DAG_H
#define SY_PIT_DAG_H

#include "base/error.h"

typedef enum sy__edge_kind { SY__EDGE_HARD, SY__EDGE_SOFT, SY__EDGE_OPTIONAL } sy__edge_kind;

typedef struct sy__dag sy__dag;

/* A growing list of node numbers; zero it, set alloc, free `at`. */
typedef struct sy__nodes {
    const sy__alloc *alloc;
    uint32_t *at;
    size_t count, cap;
} sy__nodes;
int sy__nodes_add(sy__nodes *n, uint32_t node); /* SY_ENOMEM */
void sy__nodes_close(sy__nodes *n);

enum { SY__JOIN_ALL = 0 };

/* A graph without nodes, of one thread at a time. SY_ENOMEM. */
int sy__dag_new(sy__dag **out, const sy__alloc *a);
void sy__dag_free(sy__dag *d); /* NULL is legal */
/* Adds a node. `join`: SY__JOIN_ALL, or how many predecessors with a value make it ready. SY_ENOMEM. */
int sy__dag_node(sy__dag *d, uint32_t join, uint32_t *node);
/* Adds an edge between existing nodes; the strongest of several between the same two counts for itself. */
int sy__dag_edge(sy__dag *d, uint32_t from, uint32_t to, sy__edge_kind kind);
/* Sorts topologically (Kahn 1962; ties by number). SY_ECYCLE with the nodes of one circle in `circle`. */
int sy__dag_seal(sy__dag *d, sy__nodes *circle);

/* A copy of a sealed dag in which nothing has ended. SY_ENOMEM. */
int sy__dag_copy(sy__dag **out, const sy__dag *model);

/* How many edges it has. */
size_t sy__dag_edges(const sy__dag *d);
/* The edge at `index` below sy__dag_edges; valid after sealing, sorted by origin. */
void sy__dag_edge_at(const sy__dag *d, size_t index, uint32_t *from, uint32_t *to, sy__edge_kind *kind);
/* All nodes in topological order; valid after sealing. */
const uint32_t *sy__dag_order(const sy__dag *d);
/* Whether no hard or soft edge leaves the node. */
bool sy__dag_is_leaf(const sy__dag *d, uint32_t node);
/* Whether the node ended. */
bool sy__dag_ended(const sy__dag *d, uint32_t node);
/* Hard and soft predecessors of a node that have not ended. */
uint32_t sy__dag_waits(const sy__dag *d, uint32_t node);
/* Nodes that have not ended. */
size_t sy__dag_open(const sy__dag *d);

/* Appends the nodes without predecessors. Call once, after sealing. */
int sy__dag_start(sy__dag *d, sy__nodes *ready);
/*
 * A node ended. Appends the nodes that became ready, and those that are skipped because of it (they count as
 * ended without a value already, and so do theirs). Ending a node twice changes nothing.
 */
int sy__dag_end(sy__dag *d, uint32_t node, bool has_value, sy__nodes *ready, sy__nodes *skipped);

#endif
