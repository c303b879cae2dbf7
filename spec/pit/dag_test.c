/* dag_test.c: which task is ready, which is skipped, which circle stands in the way. */
#include "pit/plan/dag.h"

#include "test.h"

static sy__nodes ready, skipped;

static void
clear(void)
{
    ready.count = skipped.count = 0;
}

static sy__dag *
dag_of(uint32_t nodes)
{
    sy__dag *d;
    uint32_t n;
    CHECK_INT(sy__dag_new(&d, &sy__alloc_default), SY_OK);
    for (uint32_t i = 0; i < nodes; i++) CHECK_INT(sy__dag_node(d, SY__JOIN_ALL, &n), SY_OK);
    clear();
    return d;
}

static bool
has(const sy__nodes *list, uint32_t node)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i] == node) return true;
    return false;
}

static void
names_one_circle(void)
{
    sy__dag *d = dag_of(4);
    sy__nodes circle = {.alloc = &sy__alloc_default};
    (void)sy__dag_edge(d, 0, 1, SY__EDGE_HARD);
    (void)sy__dag_edge(d, 1, 2, SY__EDGE_SOFT);
    (void)sy__dag_edge(d, 2, 3, SY__EDGE_HARD);
    (void)sy__dag_edge(d, 3, 1, SY__EDGE_OPTIONAL);
    CHECK_INT(sy__dag_seal(d, &circle), SY_ECYCLE);
    CHECK_INT(circle.count, 3);
    CHECK(!has(&circle, 0));
    sy__nodes_close(&circle);
    sy__dag_free(d);
}

static void
a_join_waits_for_all(void)
{
    sy__dag *d = dag_of(4);
    for (uint32_t i = 0; i < 3; i++) (void)sy__dag_edge(d, i, 3, SY__EDGE_HARD);
    CHECK_INT(sy__dag_seal(d, NULL), SY_OK);
    (void)sy__dag_start(d, &ready);
    CHECK_INT(ready.count, 3);
    clear();
    (void)sy__dag_end(d, 0, true, &ready, &skipped);
    (void)sy__dag_end(d, 0, true, &ready, &skipped); /* twice changes nothing */
    (void)sy__dag_end(d, 1, true, &ready, &skipped);
    CHECK_INT(ready.count, 0);
    (void)sy__dag_end(d, 2, true, &ready, &skipped);
    CHECK(ready.count == 1 && ready.at[0] == 3);
    CHECK(sy__dag_is_leaf(d, 3) && !sy__dag_is_leaf(d, 0));
    CHECK_INT(sy__dag_open(d), 1);
    sy__dag_free(d);
}

static void
a_hard_edge_skips_and_a_soft_one_goes_on(void)
{
    sy__dag *d = dag_of(5);
    (void)sy__dag_edge(d, 0, 1, SY__EDGE_HARD);
    (void)sy__dag_edge(d, 1, 2, SY__EDGE_HARD);
    (void)sy__dag_edge(d, 2, 3, SY__EDGE_SOFT);
    (void)sy__dag_edge(d, 0, 4, SY__EDGE_OPTIONAL);
    CHECK_INT(sy__dag_seal(d, NULL), SY_OK);
    (void)sy__dag_start(d, &ready);
    CHECK(has(&ready, 0) && has(&ready, 4) && ready.count == 2);
    clear();
    (void)sy__dag_end(d, 0, false, &ready, &skipped);
    CHECK(skipped.count == 2 && has(&skipped, 1) && has(&skipped, 2));
    CHECK(ready.count == 1 && ready.at[0] == 3);
    CHECK(sy__dag_ended(d, 1) && sy__dag_ended(d, 2) && !sy__dag_ended(d, 3));
    sy__dag_free(d);
}

static void
a_join_of_some_is_ready_early_and_skipped_when_it_cannot_be(void)
{
    sy__dag *d;
    uint32_t n, any;
    (void)sy__dag_new(&d, &sy__alloc_default);
    for (int i = 0; i < 3; i++) (void)sy__dag_node(d, SY__JOIN_ALL, &n);
    (void)sy__dag_node(d, 2, &any);
    for (uint32_t i = 0; i < 3; i++) (void)sy__dag_edge(d, i, any, SY__EDGE_HARD);
    CHECK_INT(sy__dag_seal(d, NULL), SY_OK);
    clear();
    (void)sy__dag_end(d, 0, true, &ready, &skipped);
    (void)sy__dag_end(d, 1, true, &ready, &skipped);
    CHECK(ready.count == 1 && ready.at[0] == any);
    (void)sy__dag_end(d, 2, false, &ready, &skipped);
    CHECK_INT(ready.count, 1);
    CHECK_INT(skipped.count, 0);
    sy__dag_free(d);

    (void)sy__dag_new(&d, &sy__alloc_default);
    for (int i = 0; i < 2; i++) (void)sy__dag_node(d, SY__JOIN_ALL, &n);
    (void)sy__dag_node(d, 2, &any);
    for (uint32_t i = 0; i < 2; i++) (void)sy__dag_edge(d, i, any, SY__EDGE_HARD);
    CHECK_INT(sy__dag_seal(d, NULL), SY_OK);
    clear();
    (void)sy__dag_end(d, 0, false, &ready, &skipped);
    CHECK(skipped.count == 1 && skipped.at[0] == any);
    sy__dag_free(d);
}

/* Random graphs against a plain definition of the three edges, ended in random order. */
static void
agrees_with_the_definition(unsigned seed)
{
    enum { N = 24 };
    static sy__edge_kind kind[N][N];
    static bool edge[N][N];
    bool ended[N] = {false}, valued[N] = {false}, started[N] = {false};
    sy__dag *d = dag_of(N);
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = i + 1; j < N; j++) {
            edge[i][j] = rand_r(&seed) % 6 == 0;
            kind[i][j] = (sy__edge_kind)(rand_r(&seed) % 3);
            if (edge[i][j]) (void)sy__dag_edge(d, i, j, kind[i][j]);
        }
    CHECK_INT(sy__dag_seal(d, NULL), SY_OK);
    (void)sy__dag_start(d, &ready);
    for (size_t at = 0; at < ready.count; at++) {
        size_t pick = at + (size_t)rand_r(&seed) % (ready.count - at);
        uint32_t node = ready.at[pick];
        ready.at[pick] = ready.at[at];
        ready.at[at] = node;
        started[node] = true;
        for (uint32_t i = 0; i < node; i++) {
            if (!edge[i][node] || kind[i][node] == SY__EDGE_OPTIONAL) continue;
            CHECK(ended[i]);
            CHECK(valued[i] || kind[i][node] == SY__EDGE_SOFT);
        }
        valued[node] = rand_r(&seed) % 4 != 0;
        ended[node] = true;
        size_t from = skipped.count;
        (void)sy__dag_end(d, node, valued[node], &ready, &skipped);
        for (; from < skipped.count; from++) ended[skipped.at[from]] = true;
    }
    CHECK_INT(sy__dag_open(d), 0);
    for (uint32_t i = 0; i < N; i++) CHECK(started[i] != has(&skipped, i));
    sy__dag_free(d);
}

int
main(void)
{
    ready.alloc = skipped.alloc = &sy__alloc_default;
    names_one_circle();
    a_join_waits_for_all();
    a_hard_edge_skips_and_a_soft_one_goes_on();
    a_join_of_some_is_ready_early_and_skipped_when_it_cannot_be();
    for (unsigned seed = 1; seed <= 300; seed++) agrees_with_the_definition(seed);
    sy__nodes_close(&ready);
    sy__nodes_close(&skipped);
    TEST_END();
}
