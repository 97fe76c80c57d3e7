/* SPDX-License-Identifier: Apache-2.0 */
#include "history/grid.h"

#include "support/test.h"

#include <stdlib.h>

#define T 10000u
#define R 500000u
#define BOUND 100u

static struct axi_trace a[16], b[16];
static struct axi_check_source sources[2];

static struct axi_trace event(uint8_t kind, uint64_t epoch, uint64_t job, uint64_t master_ns)
{
    return (struct axi_trace){.kind = kind,
                              .task_id = 7,
                              .epoch = epoch,
                              .job = job,
                              .release_ns = R + job * T,
                              .master_ns = master_ns};
}

/* Jobs 0 to 2 on node a under epoch 1, 3 to 5 on node b under epoch 2. */
static void migrate(void)
{
    size_t n = 0;

    a[n++] = event(AXI_TRACE_ACTIVATED, 1, 0, R - 5000);
    for (uint64_t job = 0; job < 3; job++) {
        a[n++] = event(AXI_TRACE_RELEASED, 1, job, R + job * T + 30);
    }
    a[n++] = event(AXI_TRACE_REMOVED, 1, 3, R + 4 * T);
    sources[0] = (struct axi_check_source){"a", a, n, BOUND};
    n = 0;
    b[n++] = event(AXI_TRACE_ACTIVATED, 2, 3, R + 2 * T + 5000);
    for (uint64_t job = 3; job < 6; job++) {
        b[n++] = event(AXI_TRACE_RELEASED, 2, job, R + job * T - 20);
    }
    sources[1] = (struct axi_check_source){"b", b, n, BOUND};
}

static struct axi_grid judge(size_t expected)
{
    struct axi_task_verdict task = {.task_id = 7};
    struct axi_verdict verdict = {.tasks = &task, .task_count = 1};

    assert_int_equal(axi_check_grid(sources, 2, &verdict), 0);
    assert_int_equal(verdict.violation_count, expected);
    for (size_t i = 0; i < expected; i++) {
        assert_int_equal(verdict.violations[i].invariant, AXI_I7);
    }
    free(verdict.violations);
    return task.grid;
}

static void finds_the_grid_across_nodes(void **unused)
{
    (void)unused;
    migrate();
    struct axi_grid grid = judge(0);

    assert_int_equal(grid.period_ns, T);
    assert_int_equal(grid.origin_ns, R);
    assert_int_equal(grid.releases, 6);
    assert_int_equal(grid.nodes, 2);
    assert_int_equal(grid.earliest_ns, -20);
    assert_int_equal(grid.latest_ns, 30);
}

static void a_phase_that_moves_is_a_violation(void **unused)
{
    (void)unused;
    migrate();
    for (size_t i = 1; i < 4; i++) {
        b[i].release_ns += 1;
    }
    (void)judge(1);
    migrate();
    b[2].release_ns -= 1; /* there and back */
    (void)judge(2);
}

static void only_a_stopped_task_may_begin_anew(void **unused)
{
    (void)unused;
    migrate();
    a[4].master_ns = R + 2 * T + 4000; /* gone before the other was activated */
    for (size_t i = 1; i < 4; i++) {
        b[i].release_ns += 7;
        b[i].master_ns += 7;
    }
    (void)judge(0);
    b[3].release_ns += 1;
    (void)judge(1);
}

static void a_restored_task_goes_on_at_a_later_point_of_its_grid(void **unused)
{
    (void)unused;
    migrate(); /* its source is removed too late to have been stopped, and never froze */
    for (size_t i = 1; i < 4; i++) {
        b[i].release_ns += 3 * T;
        b[i].master_ns += 3 * T;
    }
    (void)judge(0);
    for (size_t i = 1; i < 4; i++) {
        b[i].release_ns -= T / 2;
    }
    (void)judge(1);
}

static void a_migrated_task_keeps_its_grid(void **unused)
{
    (void)unused;
    migrate();
    a[sources[0].count] = event(AXI_TRACE_FROZEN, 1, 3, R + 2 * T + 4000);
    sources[0].count++;
    (void)judge(0);
    for (size_t i = 1; i < 4; i++) {
        b[i].release_ns += T;
        b[i].master_ns += T;
    }
    (void)judge(1);
}

static void an_early_release_is_a_violation_beyond_the_clocks_error(void **unused)
{
    (void)unused;
    migrate();
    b[2].master_ns = R + 4 * T - BOUND;
    (void)judge(0);
    b[2].master_ns--;
    assert_int_equal(judge(1).earliest_ns, -(int64_t)BOUND - 1);
}

static void one_release_is_no_grid(void **unused)
{
    (void)unused;
    migrate();
    sources[0].count = 2;
    sources[1].count = 0;
    assert_int_equal(judge(0).period_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_grid_across_nodes),
        cmocka_unit_test(a_phase_that_moves_is_a_violation),
        cmocka_unit_test(only_a_stopped_task_may_begin_anew),
        cmocka_unit_test(a_restored_task_goes_on_at_a_later_point_of_its_grid),
        cmocka_unit_test(a_migrated_task_keeps_its_grid),
        cmocka_unit_test(an_early_release_is_a_violation_beyond_the_clocks_error),
        cmocka_unit_test(one_release_is_no_grid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
