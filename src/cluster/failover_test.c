/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/failover.h"

#include "support/test.h"

#define MS 1000000ull

static void bound_is_the_sum_of_its_terms(void **state)
{
    const struct axi_failover_input input = {.lease_window_ns = 550 * MS,
                                             .period_ns = 10 * MS,
                                             .checkpoint_bytes = 25000,
                                             .image_bytes = 100000};
    const struct axi_failover_bound bound = axi_failover_bound(&input);

    (void)state;
    assert_int_equal(bound.detection_ns, 560 * MS);
    assert_int_equal(bound.claim_ns, 130 * MS);
    assert_int_equal(bound.query_ns, 20 * MS);
    assert_int_equal(bound.transfer_ns, 10 * MS); /* 1 Mbit at 100 Mbit/s */
    assert_int_equal(bound.load_ns, 20 * MS);
    assert_int_equal(bound.release_ns, 30 * MS);
    assert_int_equal(bound.total_ns, 770 * MS);
}

static void longer_periods_and_leases_only_add(void **state)
{
    struct axi_failover_input input = {.lease_window_ns = 550 * MS, .period_ns = 10 * MS};
    uint64_t small_ns = axi_failover_bound(&input).total_ns;

    (void)state;
    input.period_ns = 1010 * MS;
    input.lease_window_ns = 1550 * MS;
    assert_int_equal(axi_failover_bound(&input).total_ns, small_ns + 2000 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_is_the_sum_of_its_terms),
        cmocka_unit_test(longer_periods_and_leases_only_add),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
