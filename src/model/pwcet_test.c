/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "model/pwcet.h"
#include "support/test.h"

enum { COUNT = 10000 };

static uint64_t samples[COUNT];
static uint64_t state;

static double uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return ((double)(state >> 11) + 0.5) * 0x1p-53;
}

static void draw_exponential(uint64_t seed)
{
    state = seed;
    for (size_t i = 0; i < COUNT; i++) {
        samples[i] = 100000 + (uint64_t)(-5000 * log(uniform()));
    }
}

static void exponential_tail_is_extrapolated(void **unused)
{
    struct axi_pwcet_fit fit;
    struct axi_pmf pmf;
    uint64_t exact = 100000 + (uint64_t)(-5000 * log(1e-9));
    uint64_t bound = 0;

    (void)unused;
    draw_exponential(3);
    assert_int_equal(axi_pwcet_fit_tail(samples, COUNT, 0, true, &fit), 0);
    assert_int_equal(fit.refusal, AXI_PWCET_SUPPORTED);
    assert_true(fabs(fit.shape_fitted) < 0.15);
    bound = axi_pwcet_quantile(&fit, 1e-9);
    assert_in_range(bound, exact - exact / 5, 2 * exact);
    assert_int_equal(axi_pwcet_pmf(samples, COUNT, &fit, 1e-9, &pmf), 0);
    assert_true(fabs(pmf.inf - 1e-9) < 1e-15);
    assert_true(axi_pmf_exceed(&pmf, bound) <= 1.0000001e-9);
    axi_pmf_deinit(&pmf);
}

static void dependent_samples_are_refused(void **unused)
{
    struct axi_pwcet_fit fit;

    (void)unused;
    draw_exponential(5);
    for (size_t i = 1; i < COUNT; i++) {
        samples[i] = samples[i] / 2 + samples[i - 1] / 2;
    }
    assert_int_equal(axi_pwcet_fit_tail(samples, COUNT, 0, true, &fit), 0);
    assert_int_equal(fit.refusal, AXI_PWCET_DEPENDENT);
}

static void too_few_samples_say_how_many_more(void **unused)
{
    struct axi_pwcet_fit fit;

    (void)unused;
    draw_exponential(7);
    assert_int_equal(axi_pwcet_fit_tail(samples, 300, 0, true, &fit), 0);
    assert_int_equal(fit.refusal, AXI_PWCET_TOO_FEW);
    assert_int_equal(fit.more_samples, 700);
}

static void mixture_of_modes_is_no_tail(void **unused)
{
    struct axi_pwcet_fit fit;

    (void)unused;
    draw_exponential(9);
    for (size_t i = 0; i < COUNT; i += 50) {
        samples[i] = 400000 + samples[i] % 1000; /* a second mode far above */
    }
    assert_int_equal(axi_pwcet_fit_tail(samples, COUNT, 0, false, &fit), 0);
    assert_int_not_equal(fit.refusal, AXI_PWCET_SUPPORTED);
}

static void constant_time_has_no_tail(void **unused)
{
    struct axi_pwcet_fit fit;
    struct axi_pmf pmf;

    (void)unused;
    for (size_t i = 0; i < COUNT; i++) {
        samples[i] = 7;
    }
    assert_int_equal(axi_pwcet_fit_tail(samples, COUNT, 0, true, &fit), 0);
    assert_int_not_equal(fit.refusal, AXI_PWCET_SUPPORTED);
    assert_int_equal(axi_pwcet_pmf(samples, COUNT, NULL, 1e-9, &pmf), 0);
    assert_int_equal(pmf.count, 1);
    axi_pmf_deinit(&pmf);
}

static void fault_is_mixed_in(void **unused)
{
    const uint64_t value = 10;
    const double certain = 1;
    struct axi_pmf body;
    struct axi_pmf mixed;

    (void)unused;
    assert_int_equal(axi_pmf_init(&body, &value, &certain, 1, 0), 0);
    assert_int_equal(axi_pwcet_add_fault(&body, 1e-6, 50, &mixed), 0);
    assert_int_equal(mixed.count, 2);
    assert_true(fabs(axi_pmf_exceed(&mixed, 10) - 1e-6) < 1e-20);
    axi_pmf_deinit(&body);
    axi_pmf_deinit(&mixed);
}

static void chi_square_tail_matches_tables(void **unused)
{
    (void)unused;
    assert_true(fabs(axi_chi_square_tail(3.841458820694124, 1) - 0.05) < 1e-12);
    assert_true(fabs(axi_chi_square_tail(37.56623478662507, 20) - 0.01) < 1e-12);
    assert_true(fabs(axi_chi_square_tail(10.850811394182585, 20) - 0.95) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_tail_is_extrapolated),
        cmocka_unit_test(dependent_samples_are_refused),
        cmocka_unit_test(too_few_samples_say_how_many_more),
        cmocka_unit_test(mixture_of_modes_is_no_tail),
        cmocka_unit_test(constant_time_has_no_tail),
        cmocka_unit_test(fault_is_mixed_in),
        cmocka_unit_test(chi_square_tail_matches_tables),
    };

    return cmocka_run_group_tests_name("pwcet", tests, NULL, NULL);
}
