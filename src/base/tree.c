#include "base/tree.h"

#include <stddef.h>

#include "base/seq.h"

static unsigned level(const struct nod_tree_node *t)
{
    return t ? t->level : 0;
}

static bool any(const struct nod_tree_node *t)
{
    return t && t->any;
}

static void update(struct nod_tree_node *t)
{
    t->any = t->marked || any(t->left) || any(t->right);
}

/* No left child on its parent's level: turn it to the right. */
static struct nod_tree_node *skew(struct nod_tree_node *t)
{
    if (!t || level(t->left) != t->level) return t;
    struct nod_tree_node *up = t->left;
    t->left = up->right;
    up->right = t;
    update(t);
    update(up);
    return up;
}

/* No two right children in a row on one level: the middle one rises. */
static struct nod_tree_node *split(struct nod_tree_node *t)
{
    if (!t || !t->right || level(t->right->right) != t->level) return t;
    struct nod_tree_node *up = t->right;
    t->right = up->left;
    up->left = t;
    up->level++;
    update(t);
    update(up);
    return up;
}

struct nod_tree_node *nod_tree_at(struct nod_tree_node *root, uint32_t key)
{
    struct nod_tree_node *found = NULL;
    for (struct nod_tree_node *t = root; t;) {
        if (seq_gt(t->key, key)) {
            t = t->left;
        } else {
            found = t;
            t = t->right;
        }
    }
    return found;
}

struct nod_tree_node *nod_tree_add(struct nod_tree_node *root, struct nod_tree_node *node)
{
    if (!root) {
        node->left = node->right = NULL;
        node->level = 1;
        node->any = node->marked;
        return node;
    }
    if (seq_lt(node->key, root->key))
        root->left = nod_tree_add(root->left, node);
    else
        root->right = nod_tree_add(root->right, node);
    update(root);
    return split(skew(root));
}

static struct nod_tree_node *rebalance(struct nod_tree_node *t)
{
    update(t);
    unsigned left = level(t->left), right = level(t->right);
    unsigned should = (left < right ? left : right) + 1;
    if (should < t->level) {
        t->level = (uint8_t)should;
        if (t->right && should < t->right->level) t->right->level = (uint8_t)should;
    }
    t = skew(t);
    t->right = skew(t->right);
    if (t->right) t->right->right = skew(t->right->right);
    t = split(t);
    t->right = split(t->right);
    update(t);
    return t;
}

static struct nod_tree_node *remove_first(struct nod_tree_node *t, struct nod_tree_node **first)
{
    if (!t->left) {
        *first = t;
        return t->right;
    }
    t->left = remove_first(t->left, first);
    return rebalance(t);
}

struct nod_tree_node *nod_tree_remove(struct nod_tree_node *root, struct nod_tree_node *node)
{
    if (root != node) {
        if (seq_lt(node->key, root->key))
            root->left = nod_tree_remove(root->left, node);
        else
            root->right = nod_tree_remove(root->right, node);
        return rebalance(root);
    }
    if (!node->right) return node->left; /* a leaf: AA trees have no left child without a right */
    struct nod_tree_node *next;
    struct nod_tree_node *right = remove_first(node->right, &next);
    next->left = node->left;
    next->right = right;
    next->level = node->level;
    return rebalance(next);
}

void nod_tree_mark(struct nod_tree_node *root, struct nod_tree_node *node, bool marked)
{
    if (root == node)
        node->marked = marked;
    else
        nod_tree_mark(seq_lt(node->key, root->key) ? root->left : root->right, node, marked);
    update(root);
}

struct nod_tree_node *nod_tree_first_marked(struct nod_tree_node *root)
{
    while (any(root)) {
        if (any(root->left))
            root = root->left;
        else if (root->marked)
            return root;
        else
            root = root->right;
    }
    return NULL;
}
