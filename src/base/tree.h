/* An ordered set of sequence numbers in a window of less than 2^31: an AA tree (Andersson 1993),
 * intrusive, of which every operation takes at most 2 log n steps, whatever is asked of it. A node
 * can bear a mark, and the first marked one is found as quickly. */
#ifndef NOD_BASE_TREE_H
#define NOD_BASE_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct nod_tree_node {
    struct nod_tree_node *left, *right;
    uint32_t key;
    uint8_t level; /* 1: a leaf */
    bool marked;
    bool any; /* it, or one below it, is marked */
};

/* The last node whose key is at or before `key`, or NULL. An empty tree is NULL. */
struct nod_tree_node *nod_tree_at(struct nod_tree_node *root, uint32_t key);

/* Both return the new root. The key must not be there yet; the node must. */
struct nod_tree_node *nod_tree_add(struct nod_tree_node *root, struct nod_tree_node *node);
struct nod_tree_node *nod_tree_remove(struct nod_tree_node *root, struct nod_tree_node *node);

void nod_tree_mark(struct nod_tree_node *root, struct nod_tree_node *node, bool marked);
struct nod_tree_node *nod_tree_first_marked(struct nod_tree_node *root);

#endif
