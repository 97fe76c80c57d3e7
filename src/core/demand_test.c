/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "core/demand.h"

static void refuses_a_task_without_wcet(void **state)
{
    const struct axi_demand_task task = {.period_ns = 10, .deadline_ns = 10};

    (void)state;
    assert_int_equal(axi_demand_admit(NULL, 0, &task, 1000000, NULL), -AXC_EADMIT_NO_WCET);
}

static void refuses_a_deadline_below_the_wcet(void **state)
{
    const struct axi_demand_task task = {.wcet_ns = 6, .period_ns = 10, .deadline_ns = 5};

    (void)state;
    assert_int_equal(axi_demand_admit(NULL, 0, &task, 1000000, NULL), -AXC_EADMIT_DEADLINE);
}

static void thirds_fill_the_processor_exactly(void **state)
{
    const struct axi_demand_task third = {.wcet_ns = 1, .period_ns = 3, .deadline_ns = 3};
    const struct axi_demand_task tasks[] = {third, third, third};
    const struct axi_demand_task more = {
        .wcet_ns = 1, .period_ns = 1000000000000, .deadline_ns = 1000000000000};
    struct axi_demand_verdict verdict;

    (void)state;
    assert_int_equal(axi_demand_admit(tasks, 2, &third, 1000000, &verdict), 0);
    assert_int_equal(verdict.density_ppm, 1000000 + 1); /* rounded up */
    assert_int_equal(axi_demand_admit(tasks, 3, &more, 1000000, &verdict), -AXC_EADMIT_LOAD);
}

static void counts_the_deadline_when_it_is_shorter(void **state)
{
    const struct axi_demand_task task = {.wcet_ns = 5, .period_ns = 100, .deadline_ns = 10};
    struct axi_demand_verdict verdict;

    (void)state;
    assert_int_equal(axi_demand_admit(NULL, 0, &task, 500000, &verdict), 0);
    assert_int_equal(verdict.density_ppm, 500000);
    assert_int_equal(axi_demand_admit(NULL, 0, &task, 499999, &verdict), -AXC_EADMIT_LOAD);
}

static void large_numbers_do_not_overflow(void **state)
{
    const struct axi_demand_task task = {
        .wcet_ns = UINT64_MAX, .period_ns = 1, .deadline_ns = UINT64_MAX};
    struct axi_demand_verdict verdict;

    (void)state;
    assert_int_equal(axi_demand_admit(&task, 1, &task, 1000000, &verdict), -AXC_EADMIT_LOAD);
    assert_true(verdict.density_ppm > 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_task_without_wcet),
        cmocka_unit_test(refuses_a_deadline_below_the_wcet),
        cmocka_unit_test(thirds_fill_the_processor_exactly),
        cmocka_unit_test(counts_the_deadline_when_it_is_shorter),
        cmocka_unit_test(large_numbers_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
