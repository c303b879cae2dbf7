/*
 * heap.h: an intrusive priority queue, smallest key first; no memory of its own.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan, "The Pairing Heap", Algorithmica 1, 1986): push O(1), removing
 * any node O(log n) amortised. The root is a pointer that begins as NULL. One thread at a time, or a lock of the
 * owner's.
 */
#ifndef SY_BASE_HEAP_H
#define SY_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Lies inside what is queued. The key may be changed only while the node is outside of a heap. */
typedef struct sy__heap_node {
    int64_t key;
    struct sy__heap_node *child, *next;
    struct sy__heap_node *prev; /* the left sibling, of a first child its parent, of the root NULL */
} sy__heap_node;

/* The general cases of the two below: into, and out of, a heap that has other nodes. */
void sy__heap_meld(sy__heap_node **root, sy__heap_node *node);
void sy__heap_take_out(sy__heap_node **root, sy__heap_node *node);

static inline void
sy__heap_push(sy__heap_node **root, sy__heap_node *node)
{
    node->child = node->next = node->prev = NULL;
    if (*root)
        sy__heap_meld(root, node);
    else
        *root = node;
}

/* The node must be in the heap of this root. */
static inline void
sy__heap_remove(sy__heap_node **root, sy__heap_node *node)
{
    if (*root == node && !node->child)
        *root = NULL;
    else
        sy__heap_take_out(root, node);
}

#endif
