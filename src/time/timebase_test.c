/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "time/timebase.h"

#define MS 1000000ull

static struct axc_time_local local(uint64_t ns)
{
    return (struct axc_time_local){ns};
}

static struct axc_time_master master(uint64_t ns)
{
    return (struct axc_time_master){ns};
}

static void master_is_local_before_the_first_sample(void **state)
{
    struct axi_timebase timebase;

    (void)state;
    axi_timebase_init(&timebase);
    assert_int_equal(axi_time_to_master(&timebase, local(12345)).ns, 12345);
    assert_int_equal(axi_time_to_local(&timebase, master(12345)).ns, 12345);
    assert_true(axi_time_bound_ns(&timebase, local(5)) == UINT64_MAX);
}

static void first_sample_sets_the_clock(void **state)
{
    struct axi_timebase timebase;

    (void)state;
    axi_timebase_init(&timebase);
    assert_int_equal(
        axi_timebase_sample(&timebase, local(1000), local(3000), master(1000000000ull)), 0);
    assert_int_equal(axi_time_to_master(&timebase, local(3000)).ns, 1000001000ull);
    assert_int_equal(axi_time_bound_ns(&timebase, local(3000)), 1001);
    /* 100 ppm of one second */
    assert_int_equal(axi_time_bound_ns(&timebase, local(3000 + 1000 * MS)), 1001 + 100000);
}

static void later_samples_slew_and_never_step(void **state)
{
    struct axi_timebase timebase;
    uint64_t last = 0;
    uint64_t now = 1000 * MS;

    (void)state;
    axi_timebase_init(&timebase);
    (void)axi_timebase_sample(&timebase, local(now - 100000), local(now), master(now));
    for (int i = 0; i < 400; i++) {
        uint64_t before = axi_time_to_master(&timebase, local(now)).ns;

        /* the peer is 300 us behind what the first sample said */
        (void)axi_timebase_sample(&timebase, local(now - 100000), local(now), master(now - 300000));
        assert_int_equal(axi_time_to_master(&timebase, local(now)).ns, before);
        for (int step = 0; step < 100; step++) {
            uint64_t t = axi_time_to_master(&timebase, local(now)).ns;

            assert_true(t >= last);
            last = t;
            now += MS / 10;
        }
    }
    assert_in_range(axi_time_to_master(&timebase, local(now)).ns, now - 251000, now - 249000);
}

static void a_large_error_is_reported(void **state)
{
    struct axi_timebase timebase;

    (void)state;
    axi_timebase_init(&timebase);
    (void)axi_timebase_sample(&timebase, local(0), local(1000), master(1000));
    assert_int_equal(
        axi_timebase_sample(&timebase, local(10 * MS), local(10 * MS + 900), master(900 * MS)), 1);
}

static void a_worse_round_trip_is_ignored(void **state)
{
    struct axi_timebase timebase;

    (void)state;
    axi_timebase_init(&timebase);
    (void)axi_timebase_sample(&timebase, local(0), local(1000), master(1000));
    assert_int_equal(axi_timebase_sample(&timebase, local(2000), local(50 * MS), master(900 * MS)),
                     0);
    assert_int_equal(axi_time_to_master(&timebase, local(1000)).ns, 1500);
}

static void conversions_are_inverse(void **state)
{
    struct axi_timebase timebase;

    (void)state;
    axi_timebase_init(&timebase);
    (void)axi_timebase_sample(&timebase, local(0), local(1000), master(7777777));
    (void)axi_timebase_sample(&timebase, local(5 * MS), local(5 * MS + 900), master(17777777));
    for (uint64_t t = 6 * MS; t < 60 * MS; t += 99991) {
        uint64_t m = axi_time_to_master(&timebase, local(t)).ns;
        uint64_t back = axi_time_to_local(&timebase, master(m)).ns;

        assert_true(back <= t && axi_time_to_master(&timebase, local(back)).ns == m);
        back = axi_time_to_local(&timebase, master(m + 1)).ns;
        assert_true(axi_time_to_master(&timebase, local(back)).ns >= m + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(master_is_local_before_the_first_sample),
        cmocka_unit_test(first_sample_sets_the_clock),
        cmocka_unit_test(later_samples_slew_and_never_step),
        cmocka_unit_test(a_large_error_is_reported),
        cmocka_unit_test(a_worse_round_trip_is_ignored),
        cmocka_unit_test(conversions_are_inverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
