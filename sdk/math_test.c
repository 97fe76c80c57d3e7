/* SPDX-License-Identifier: Apache-2.0 */
/* The SDK's functions against the C library's, and their edges. */
#include "axcan/math.h"

#include <math.h>

#include "support/test.h"

struct sweep {
    const char *name;
    double (*ours)(double);
    double (*libc)(double);
    double low;
    double high;
};

static void expect_near(double got, double want)
{
    double scale = fabs(want) > 1e-3 ? fabs(want) : 1e-3;

    if (fabs(got - want) > 6e-16 * scale) {
        print_error("got %.17g, want %.17g\n", got, want);
        fail();
    }
}

static void agrees_with_the_c_library(void **state)
{
    static const struct sweep sweeps[] = {
        {"sin", axc_sin, sin, -50.0, 50.0},   {"cos", axc_cos, cos, -50.0, 50.0},
        {"sin", axc_sin, sin, 1.0e6, 1.04e6}, {"atan", axc_atan, atan, -30.0, 30.0},
        {"exp", axc_exp, exp, -20.0, 20.0},   {"exp", axc_exp, exp, 690.0, 708.9},
        {"log", axc_log, log, 1e-6, 50.0},    {"floor", axc_floor, floor, -9.5, 9.5},
    };

    (void)state;
    for (size_t s = 0; s < sizeof(sweeps) / sizeof(sweeps[0]); s++) {
        const struct sweep *sweep = &sweeps[s];

        for (int i = 0; i <= 20000; i++) {
            double x = sweep->low + (sweep->high - sweep->low) * i / 20000.0;

            expect_near(sweep->ours(x), sweep->libc(x));
        }
    }
}

static void atan2_covers_the_circle(void **state)
{
    (void)state;
    for (int i = -180; i < 180; i++) {
        double a = (i + 0.5) * AXC_PI / 180.0;

        expect_near(axc_atan2(3.0 * sin(a), 3.0 * cos(a)), atan2(3.0 * sin(a), 3.0 * cos(a)));
    }
    assert_true(axc_atan2(0.0, 0.0) == 0.0);
    assert_true(axc_atan2(0.0, -1.0) == AXC_PI);
}

static void edges_saturate(void **state)
{
    (void)state;
    assert_true(axc_exp(1e9) == INFINITY);
    assert_true(axc_exp(-1e9) == 0.0);
    assert_true(axc_exp(0.0) == 1.0);
    assert_true(axc_log(0.0) == -INFINITY);
    assert_true(axc_log(1.0) == 0.0);
    assert_true(axc_sin(1e300) == 0.0);
    assert_true(axc_floor(-0.25) == -1.0);
    assert_true(axc_floor(1e300) == 1e300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_c_library),
        cmocka_unit_test(atan2_covers_the_circle),
        cmocka_unit_test(edges_saturate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
