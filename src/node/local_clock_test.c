/* SPDX-License-Identifier: Apache-2.0 */
#include "node/local_clock.h"

#include "support/test.h"

#include <time.h>

static uint64_t boottime(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A timer set for a local time expires at it, never before, and not a microsecond later. */
static void conversions_agree(void **unused)
{
    static const int64_t skews[][2] = {{0, 0},
                                       {INT64_C(5000000000), 50000},
                                       {-1000000, -50000},
                                       {INT64_C(3600000000000), -1000000},
                                       {0, 1000000}};

    (void)unused;
    for (size_t i = 0; i < sizeof(skews) / sizeof(skews[0]); i++) {
        assert_int_equal(axi_local_clock_skew(skews[i][0], skews[i][1]), 0);
        uint64_t before = boottime();
        uint64_t local = axi_local_clock_ns();
        uint64_t after = boottime();
        uint64_t back = axi_local_clock_to_boottime(local);

        assert_in_range(back, before, after + 2);
        assert_true(axi_local_clock_ns() >= local);
    }
    assert_int_equal(axi_local_clock_skew(0, 0), 0);
    assert_int_equal(axi_local_clock_to_boottime(12345), 12345);
}

static void refuses_what_is_no_clock(void **unused)
{
    (void)unused;
    assert_int_equal(axi_local_clock_skew(AXI_SKEW_NS_MAX + 1, 0), -AXC_EINVALID);
    assert_int_equal(axi_local_clock_skew(0, AXI_SKEW_PPB_MAX + 1), -AXC_EINVALID);
    assert_int_equal(axi_local_clock_skew(0, -AXI_SKEW_PPB_MAX - 1), -AXC_EINVALID);
    if (boottime() < (uint64_t)AXI_SKEW_NS_MAX) {
        assert_int_equal(axi_local_clock_skew(-AXI_SKEW_NS_MAX, 0), -AXC_EINVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions_agree),
        cmocka_unit_test(refuses_what_is_no_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
