/* heap.c: the pairing heap: two trees are linked by making the one with the larger key the first child of the other. */
#include "base/heap.h"

static sy__heap_node *
meld(sy__heap_node *a, sy__heap_node *b)
{
    if (!a) return b;
    if (b->key < a->key) {
        sy__heap_node *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next) b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* A list of siblings becomes one tree: pairs from the left, then all of them from the right. */
static sy__heap_node *
join(sy__heap_node *list)
{
    sy__heap_node *pairs = NULL, *root = NULL;
    while (list) {
        sy__heap_node *a = list, *b = a->next;
        list = b ? b->next : NULL;
        a->next = NULL;
        if (b) {
            b->next = NULL;
            a = meld(a, b);
        }
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        sy__heap_node *one = pairs;
        pairs = one->next;
        one->next = NULL;
        root = meld(root, one);
    }
    if (root) root->prev = NULL;
    return root;
}

void
sy__heap_meld(sy__heap_node **root, sy__heap_node *node)
{
    *root = meld(*root, node);
}

void
sy__heap_take_out(sy__heap_node **root, sy__heap_node *node)
{
    if (*root == node) {
        *root = node->child ? join(node->child) : NULL;
        return;
    }
    if (node->prev->child == node)
        node->prev->child = node->next;
    else
        node->prev->next = node->next;
    if (node->next) node->next->prev = node->prev;
    sy__heap_node *rest = join(node->child);
    if (rest) *root = meld(*root, rest);
}
