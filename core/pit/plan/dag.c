/*
 * dag.c: counters on nodes, edges in one array sorted by origin (compressed sparse rows).
 *
 *   nodes  [0] waits=0        [1] waits=1        [2] waits=2
 *   first   0                  2                  3        3
 *   edges  →1 hard  →2 soft    →2 hard
 */
#include "pit/plan/dag.h"

#include <stdlib.h>
#include <string.h>

typedef struct dag_edge {
    uint32_t from, to;
    sy__edge_kind kind;
} dag_edge;

typedef struct dag_node {
    uint32_t waits;  /* hard and soft predecessors that have not ended */
    uint32_t valued; /* of those that ended, how many satisfied this node */
    uint32_t join;   /* SY__JOIN_ALL or the number needed */
    bool left;       /* ready, skipped or ended: decided */
    bool ended;
    bool leaf;
} dag_node;

struct sy__dag {
    const sy__alloc *alloc;
    dag_node *nodes;
    size_t count, cap;
    dag_edge *edges;
    size_t edge_count, edge_cap;
    uint32_t *first; /* count + 1 offsets into edges, after sealing */
    uint32_t *order;
    size_t open;
};

int
sy__nodes_add(sy__nodes *n, uint32_t node)
{
    if (n->count == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 16;
        uint32_t *at = sy__realloc(n->alloc, n->at, cap * sizeof *at);
        if (!at) return SY_ENOMEM;
        n->at = at;
        n->cap = cap;
    }
    n->at[n->count++] = node;
    return SY_OK;
}

void
sy__nodes_close(sy__nodes *n)
{
    sy__free(n->alloc, n->at);
    *n = (sy__nodes){.alloc = n->alloc};
}

int
sy__dag_new(sy__dag **out, const sy__alloc *a)
{
    *out = sy__calloc(a, 1, sizeof **out);
    if (!*out) return SY_ENOMEM;
    (*out)->alloc = a;
    return SY_OK;
}

void
sy__dag_free(sy__dag *d)
{
    if (!d) return;
    sy__free(d->alloc, d->nodes);
    sy__free(d->alloc, d->edges);
    sy__free(d->alloc, d->first);
    sy__free(d->alloc, d->order);
    sy__free(d->alloc, d);
}

int
sy__dag_node(sy__dag *d, uint32_t join, uint32_t *node)
{
    if (d->count == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 16;
        dag_node *nodes = sy__realloc(d->alloc, d->nodes, cap * sizeof *nodes);
        if (!nodes) return SY_ENOMEM;
        d->nodes = nodes;
        d->cap = cap;
    }
    *node = (uint32_t)d->count;
    d->nodes[d->count++] = (dag_node){.join = join, .leaf = true};
    d->open++;
    return SY_OK;
}

int
sy__dag_edge(sy__dag *d, uint32_t from, uint32_t to, sy__edge_kind kind)
{
    if (d->edge_count == d->edge_cap) {
        size_t cap = d->edge_cap ? d->edge_cap * 2 : 32;
        dag_edge *edges = sy__realloc(d->alloc, d->edges, cap * sizeof *edges);
        if (!edges) return SY_ENOMEM;
        d->edges = edges;
        d->edge_cap = cap;
    }
    d->edges[d->edge_count++] = (dag_edge){from, to, kind};
    if (kind != SY__EDGE_OPTIONAL) {
        d->nodes[to].waits++;
        d->nodes[from].leaf = false;
    }
    return SY_OK;
}

static int
by_origin(const void *a, const void *b)
{
    const dag_edge *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return (x->to > y->to) - (x->to < y->to);
}

/* Follows unsorted predecessors backwards from a node that never became ready: the walk must close. */
static int
find_circle(const sy__dag *d, const uint32_t *waits, sy__nodes *circle)
{
    size_t at = 0;
    while (waits[at] == 0) at++;
    uint32_t *seen = sy__calloc(d->alloc, d->count, sizeof *seen);
    if (!seen) return SY_ENOMEM;
    uint32_t node = (uint32_t)at, step = 0;
    while (!seen[node]) {
        seen[node] = ++step;
        for (size_t i = 0; i < d->edge_count; i++) {
            const dag_edge *e = &d->edges[i];
            if (e->to == node && waits[e->from] > 0) {
                node = e->from;
                break;
            }
        }
    }
    uint32_t from = node;
    int status = SY_OK;
    do {
        if (!status) status = sy__nodes_add(circle, node);
        for (size_t i = 0; i < d->edge_count; i++) {
            if (d->edges[i].to == node && waits[d->edges[i].from] > 0) {
                node = d->edges[i].from;
                break;
            }
        }
    } while (node != from);
    sy__free(d->alloc, seen);
    return status ? status : SY_ECYCLE;
}

/* Fills `order`; an optional edge orders two nodes as well, so it may not close a circle either. */
static int
sort_nodes(sy__dag *d, sy__nodes *circle)
{
    uint32_t *waits = sy__calloc(d->alloc, d->count + 1, sizeof *waits);
    if (!waits) return SY_ENOMEM;
    for (size_t i = 0; i < d->edge_count; i++) waits[d->edges[i].to]++;
    size_t head = 0, tail = 0;
    for (uint32_t i = 0; i < d->count; i++)
        if (waits[i] == 0) d->order[tail++] = i;
    while (head < tail) {
        uint32_t node = d->order[head++];
        for (uint32_t e = d->first[node]; e < d->first[node + 1]; e++)
            if (--waits[d->edges[e].to] == 0) d->order[tail++] = d->edges[e].to;
    }
    int status = tail == d->count ? SY_OK : find_circle(d, waits, circle);
    sy__free(d->alloc, waits);
    return status;
}

int
sy__dag_seal(sy__dag *d, sy__nodes *circle)
{
    d->first = sy__calloc(d->alloc, d->count + 1, sizeof *d->first);
    d->order = sy__calloc(d->alloc, d->count + 1, sizeof *d->order);
    if (!d->first || !d->order) return SY_ENOMEM;
    if (d->edge_count) qsort(d->edges, d->edge_count, sizeof *d->edges, by_origin);
    for (size_t i = 0; i < d->edge_count; i++) d->first[d->edges[i].from + 1]++;
    for (size_t i = 0; i < d->count; i++) d->first[i + 1] += d->first[i];
    return sort_nodes(d, circle);
}

static void *
copy_of(const sy__alloc *a, const void *bytes, size_t size)
{
    void *copy = sy__malloc(a, size ? size : 1);
    return copy && size ? memcpy(copy, bytes, size) : copy;
}

int
sy__dag_copy(sy__dag **out, const sy__dag *model)
{
    const sy__alloc *a = model->alloc;
    sy__dag *d = *out = sy__malloc(a, sizeof *d);
    if (!d) return SY_ENOMEM;
    *d = *model;
    d->cap = d->count;
    d->edge_cap = d->edge_count;
    d->nodes = copy_of(a, model->nodes, model->count * sizeof *model->nodes);
    d->edges = copy_of(a, model->edges, model->edge_count * sizeof *model->edges);
    d->first = copy_of(a, model->first, (model->count + 1) * sizeof *model->first);
    d->order = copy_of(a, model->order, (model->count + 1) * sizeof *model->order);
    if (d->nodes && d->edges && d->first && d->order) return SY_OK;
    sy__dag_free(d);
    *out = NULL;
    return SY_ENOMEM;
}

size_t
sy__dag_edges(const sy__dag *d)
{
    return d->edge_count;
}

void
sy__dag_edge_at(const sy__dag *d, size_t index, uint32_t *from, uint32_t *to, sy__edge_kind *kind)
{
    *from = d->edges[index].from;
    *to = d->edges[index].to;
    *kind = d->edges[index].kind;
}

const uint32_t *
sy__dag_order(const sy__dag *d)
{
    return d->order;
}

bool
sy__dag_is_leaf(const sy__dag *d, uint32_t node)
{
    return d->nodes[node].leaf;
}

bool
sy__dag_ended(const sy__dag *d, uint32_t node)
{
    return d->nodes[node].ended;
}

uint32_t
sy__dag_waits(const sy__dag *d, uint32_t node)
{
    return d->nodes[node].waits;
}

size_t
sy__dag_open(const sy__dag *d)
{
    return d->open;
}

int
sy__dag_start(sy__dag *d, sy__nodes *ready)
{
    for (uint32_t i = 0; i < d->count; i++) {
        dag_node *n = &d->nodes[i];
        if (n->waits > 0 || n->left) continue;
        n->left = true;
        if (sy__nodes_add(ready, i)) return SY_ENOMEM;
    }
    return SY_OK;
}

/* What one ended predecessor decides about a node: 1 ready, -1 skipped, 0 nothing yet. */
static int
decide(dag_node *n, sy__edge_kind kind, bool has_value)
{
    n->waits--;
    bool satisfied = has_value || kind == SY__EDGE_SOFT;
    if (satisfied) n->valued++;
    if (n->left) return 0;
    if (n->join == SY__JOIN_ALL) return !satisfied ? -1 : n->waits == 0 ? 1 : 0;
    if (n->valued >= n->join) return 1;
    return n->valued + n->waits < n->join ? -1 : 0;
}

static void
mark_ended(sy__dag *d, dag_node *n)
{
    n->ended = n->left = true;
    d->open--;
}

static int
leave(sy__dag *d, uint32_t node, bool has_value, sy__nodes *ready, sy__nodes *skipped)
{
    for (uint32_t e = d->first[node]; e < d->first[node + 1]; e++) {
        const dag_edge *edge = &d->edges[e];
        if (edge->kind == SY__EDGE_OPTIONAL) continue;
        dag_node *n = &d->nodes[edge->to];
        int decision = decide(n, edge->kind, has_value);
        if (decision == 0) continue;
        n->left = true;
        if (decision < 0) mark_ended(d, n);
        if (sy__nodes_add(decision > 0 ? ready : skipped, edge->to)) return SY_ENOMEM;
    }
    return SY_OK;
}

int
sy__dag_end(sy__dag *d, uint32_t node, bool has_value, sy__nodes *ready, sy__nodes *skipped)
{
    dag_node *n = &d->nodes[node];
    if (n->ended) return SY_OK;
    mark_ended(d, n);
    size_t next = skipped->count;
    int status = leave(d, node, has_value, ready, skipped);
    while (!status && next < skipped->count) status = leave(d, skipped->at[next++], false, ready, skipped);
    return status;
}
