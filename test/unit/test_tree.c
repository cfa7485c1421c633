/* The ordered set against a sorted array: what is found, what is marked, how deep it grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/seq.h"
#include "base/tree.h"
#include "unit/dice.h"

#define KEYS 700

static struct nod_tree_node nodes[KEYS]; /* of the key base + 3 * i */
static bool here[KEYS], marked[KEYS];

static unsigned depth(const struct nod_tree_node *t)
{
    if (!t) return 0;
    unsigned left = depth(t->left), right = depth(t->right);
    return 1 + (left > right ? left : right);
}

static void check_found(struct nod_tree_node *root, uint32_t base, nod_rng *rng)
{
    uint32_t offset = (uint32_t)nod_rng_below(rng, 3 * KEYS);
    int at = (int)(offset / 3);
    while (at >= 0 && !here[at]) at--;
    assert_ptr_equal(nod_tree_at(root, base + offset), at < 0 ? NULL : &nodes[at]);
    int first = 0;
    while (first < KEYS && !(here[first] && marked[first])) first++;
    assert_ptr_equal(nod_tree_first_marked(root), first == KEYS ? NULL : &nodes[first]);
}

static void run(nod_rng *rng)
{
    uint32_t base = (uint32_t)nod_rng_next(rng); /* some of them wrap */
    struct nod_tree_node *root = NULL;
    unsigned count = 0;
    memset(here, 0, sizeof(here));
    for (int step = 0; step < 4000; step++) {
        uint32_t i = (uint32_t)nod_rng_below(rng, KEYS);
        if (!here[i]) {
            marked[i] = nod_rng_below(rng, 8) == 0;
            nodes[i] = (struct nod_tree_node){.key = base + 3 * i, .marked = marked[i]};
            root = nod_tree_add(root, &nodes[i]);
        } else if (nod_rng_below(rng, 2)) {
            marked[i] = !marked[i];
            nod_tree_mark(root, &nodes[i], marked[i]);
            continue;
        } else {
            root = nod_tree_remove(root, &nodes[i]);
        }
        here[i] = !here[i];
        count = here[i] ? count + 1 : count - 1;
        check_found(root, base, rng);
        if (step % 64 == 0) assert_true(1u << (depth(root) / 2) <= count + 1);
    }
}

static void random_sets(void **state)
{
    (void)state;
    dice_each(__FILE__, 100, run);
}

/* As a sender's: in at one end, out at the other. */
static void queue(void **state)
{
    (void)state;
    struct nod_tree_node *root = NULL;
    for (uint32_t i = 0; i < KEYS; i++) {
        nodes[i] = (struct nod_tree_node){.key = UINT32_MAX - 100 + i};
        root = nod_tree_add(root, &nodes[i]);
    }
    assert_true(depth(root) <= 18);
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_ptr_equal(nod_tree_at(root, UINT32_MAX - 100 + i), &nodes[i]);
        root = nod_tree_remove(root, &nodes[i]);
        assert_true(depth(root) <= 18);
    }
    assert_null(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sets),
        cmocka_unit_test(queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
