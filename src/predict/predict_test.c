/* SPDX-License-Identifier: Apache-2.0 */
/* Predictors against closed forms; the bound's coverage whatever the series does; bad input. */
#include "predict/internal.h"
#include "predict/train.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

#define FULL 1e6
#define LONG 30000u

static double samples[LONG];

static struct axi_predict_config config_of(enum axi_predict_model model, uint32_t horizon)
{
    return (struct axi_predict_config){.model = model,
                                       .horizon = horizon,
                                       .quantile = 0.95,
                                       .floor = 0,
                                       .ceiling = FULL,
                                       .weights = axi_weights_default()};
}

static struct axi_predict made(enum axi_predict_model model, uint32_t horizon)
{
    struct axi_predict_config config = config_of(model, horizon);
    struct axi_predict p;

    assert_int_equal(axi_predict_init(&p, &config), 0);
    return p;
}

static void naive_models_say_last_and_peak(void **state)
{
    struct axi_predict last = made(AXI_PREDICT_LAST, 3);
    struct axi_predict peak = made(AXI_PREDICT_PEAK, 3);
    static const double values[] = {100, 900, 300, 200, 400};
    static const double peaks[] = {100, 900, 900, 900, 400};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        axi_predict_add(&last, values[i]);
        axi_predict_add(&peak, values[i]);
        assert_true(fabs(axi_predict_get(&last)->mean - values[i]) < 1e-6);
        assert_true(fabs(axi_predict_get(&peak)->mean - peaks[i]) < 1e-6);
    }
}

/* On a line the damped trend settles at gains of its own: slope t of a line of slope s is where
 * level and trend stand still relative to the line. From the recursion, with e = value - level - d
 * t before the sample: t (1 - d) = b a e and s - d t = a e, thus t = s b / (1 - d + b d). */
static void holt_settles_on_a_line_where_its_recursion_says(void **state)
{
    const double a = 0.4;
    const double b = 0.1;
    const double d = 0.93;
    const double slope = 1e-5;
    double trend = slope * b / (1 - d + b * d);
    double level_lag = (slope - d * trend) * (1 - a) / a;
    struct axi_holt holt = {0};

    (void)state;
    for (int i = 0; i < 3000; i++) {
        axi_holt_add(&holt, slope * i);
    }
    assert_true(fabs(holt.trend - trend) < 1e-12);
    assert_true(fabs(slope * 2999 - holt.level - level_lag) < 1e-9);
    assert_true(fabs(axi_holt_ahead(&holt, 2) - holt.level - trend * (d + d * d)) < 1e-12);
}

/* x(t) = 2 cos(w) x(t-1) - x(t-2) is in its span: it learns the sine exactly. */
static void rls_learns_an_autoregressive_series(void **state)
{
    struct axi_predict p = made(AXI_PREDICT_RLS, 5);
    double worst = 0;
    double said[5] = {0};

    (void)state;
    for (int i = 0; i < 4000; i++) {
        double value = FULL * (0.5 + 0.3 * sin(0.21 * i));

        if (i > 3000) {
            worst = fmax(worst, fabs(value - said[i % 5]));
        }
        axi_predict_add(&p, value);
        said[i % 5] = axi_predict_get(&p)->mean;
    }
    assert_true(worst < 0.001 * FULL);
}

/* By the argument of adaptive conformal inference: |rate of misses - target| <= (1 + beyond + gain
 * * horizon) / (gain * samples), where `beyond` is how far below zero the level can go before the
 * bound is the ceiling: ln(range / least spread) / growth. */
static void assert_covers(enum axi_predict_model model, const double *values, size_t count,
                          const char *what)
{
    struct axi_predict p = made(model, 20);
    double bound = (1 + log(1e4) / 20 + 0.005 * 21) / (0.005 * (double)count);
    double missed;

    for (size_t i = 0; i < count; i++) {
        axi_predict_add(&p, values[i]);
    }
    missed = 1 - axi_predict_coverage(&p);
    if (missed > 0.05 + bound) {
        fail_msg("%s on %s: %.4f missed, at most %.4f", axi_predict_model_name(model), what, missed,
                 0.05 + bound);
    }
}

static void bounds_hold_at_the_declared_rate_whatever_comes(void **state)
{
    (void)state;
    for (unsigned model = 0; model < AXI_PREDICT_MODELS; model++) {
        for (unsigned f = 0; f < AXI_WORKLOADS; f++) {
            axi_workload_make((enum axi_workload)f, 77, LONG, samples);
            assert_covers((enum axi_predict_model)model, samples, LONG,
                          axi_workload_name((enum axi_workload)f));
        }
        for (size_t i = 0; i < LONG; i++) { /* its spread grows without end, and jumps at times */
            double wide = FULL * 0.45 * (double)i / LONG;

            samples[i] = FULL / 2 + wide * sin((double)(i * i % 1009)) * (i / 5000 % 2 ? 1 : 0.1);
        }
        assert_covers((enum axi_predict_model)model, samples, LONG, "growing spread");
    }
}

/* Neither does the bound cover by being the ceiling all the time. */
static void bounds_are_not_wider_than_needed(void **state)
{
    (void)state;
    for (unsigned model = 0; model < AXI_PREDICT_MODELS; model++) {
        struct axi_predict p = made((enum axi_predict_model)model, 20);

        axi_workload_make(AXI_WORKLOAD_DIURNAL, 5, LONG, samples);
        for (size_t i = 0; i < LONG; i++) {
            axi_predict_add(&p, samples[i]);
        }
        assert_true(axi_predict_coverage(&p) < 0.97);
    }
}

static void what_was_decided_is_no_surprise(void **state)
{
    for (unsigned model = 0; model < AXI_PREDICT_MODELS; model++) {
        struct axi_predict moved = made((enum axi_predict_model)model, 10);
        struct axi_predict still = moved;

        (void)state;
        for (int i = 0; i < 400; i++) {
            double value = 200000 + 20000 * sin(0.1 * i);

            if (i == 300) {
                axi_predict_shift(&moved, 300000);
            }
            axi_predict_add(&moved, i < 300 ? value : value + 300000);
            axi_predict_add(&still, value);
        }
        if (model != AXI_PREDICT_LEARNED) { /* which knows how high it is */
            assert_int_equal(moved.exceeded, still.exceeded);
            assert_true(fabs(moved.forecast.upper - still.forecast.upper - 300000) < 1);
        }
        axi_predict_shift(&moved, NAN);
        axi_predict_shift(&moved, 1e300);
        assert_true(moved.forecast.upper <= FULL);
    }
}

static void no_bound_before_enough_errors_are_known(void **state)
{
    struct axi_predict p = made(AXI_PREDICT_LAST, 4);

    (void)state;
    assert_false(axi_predict_get(&p)->has_mean);
    for (int i = 0; i < 4 + 18; i++) { /* 19 scores are the fewest for 0.95 */
        axi_predict_add(&p, 1000.0 * i);
        assert_true(axi_predict_get(&p)->has_mean);
        assert_false(axi_predict_get(&p)->is_bounded);
    }
    axi_predict_add(&p, 0);
    assert_true(axi_predict_get(&p)->is_bounded);
}

static void survives_what_is_no_number(void **state)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    static const double wild[] = {-1e300, 1e300, 0, 1e6, 5e-324};

    (void)state;
    for (unsigned model = 0; model < AXI_PREDICT_MODELS; model++) {
        struct axi_predict p = made((enum axi_predict_model)model, 7);
        struct axi_predict before;

        for (size_t i = 0; i < 2000; i++) {
            const struct axi_forecast *f = axi_predict_get(&p);

            axi_predict_add(&p, wild[i * i % 5]);
            assert_true(f->mean >= 0 && f->mean <= FULL && f->upper >= 0 && f->upper <= FULL);
            assert_true(f->spread > 0 && isfinite(f->spread));
            before = p;
            axi_predict_add(&p, bad[i % 3]);
            assert_memory_equal(&before, &p, sizeof(p));
        }
    }
}

static void refuses_a_config_out_of_range(void **state)
{
    struct axi_predict_config good = config_of(AXI_PREDICT_LEARNED, 20);
    struct axi_predict_config bad[9];
    struct axi_predict p;

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        bad[i] = good;
    }
    bad[0].horizon = 0;
    bad[1].horizon = AXI_PREDICT_HORIZON_MAX + 1;
    bad[2].quantile = 0.4;
    bad[3].quantile = NAN;
    bad[4].ceiling = 0;
    bad[5].floor = NAN;
    bad[6].weights = NULL;
    bad[7].model = AXI_PREDICT_MODELS;
    bad[8].ceiling = INFINITY;
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(axi_predict_init(&p, &bad[i]), -AXC_EINVALID);
    }
    assert_int_equal(axi_predict_init(&p, &good), 0);
}

static struct axi_judgement judge(enum axi_predict_model model, enum axi_workload family)
{
    struct axi_predict_config config = config_of(model, 20);
    struct axi_judgement judgement = {0};

    for (uint64_t seed = 0; seed < 6; seed++) {
        axi_workload_make(family, 900000000 + seed, 4000, samples);
        assert_int_equal(axi_judge(&config, samples, 4000, &judgement), 0);
    }
    axi_judgement_finish(&judgement);
    return judgement;
}

/* The condition under which it is the default (docs/orchestration.md). */
static void built_in_weights_win_on_families_they_never_saw(void **state)
{
    static const enum axi_workload unseen[] = {AXI_WORKLOAD_HEAVY, AXI_WORKLOAD_MODES};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct axi_judgement last = judge(AXI_PREDICT_LAST, unseen[i]);
        struct axi_judgement peak = judge(AXI_PREDICT_PEAK, unseen[i]);
        struct axi_judgement learned = judge(AXI_PREDICT_LEARNED, unseen[i]);

        assert_true(learned.pinball < last.pinball && learned.pinball < peak.pinball);
        assert_true(learned.error < last.error && learned.error < peak.error);
        assert_true(learned.coverage > 0.93);
    }
}

static void names_are_unique_and_known(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AXI_PREDICT_MODELS; i++) {
        enum axi_predict_model model;

        assert_int_equal(
            axi_predict_model_of(axi_predict_model_name((enum axi_predict_model)i), &model), 0);
        assert_int_equal(model, i);
    }
    for (unsigned i = 0; i < AXI_WORKLOADS; i++) {
        enum axi_workload family;

        assert_int_equal(axi_workload_of(axi_workload_name((enum axi_workload)i), &family), 0);
        assert_int_equal(family, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(naive_models_say_last_and_peak),
        cmocka_unit_test(holt_settles_on_a_line_where_its_recursion_says),
        cmocka_unit_test(rls_learns_an_autoregressive_series),
        cmocka_unit_test(bounds_hold_at_the_declared_rate_whatever_comes),
        cmocka_unit_test(bounds_are_not_wider_than_needed),
        cmocka_unit_test(what_was_decided_is_no_surprise),
        cmocka_unit_test(no_bound_before_enough_errors_are_known),
        cmocka_unit_test(survives_what_is_no_number),
        cmocka_unit_test(refuses_a_config_out_of_range),
        cmocka_unit_test(built_in_weights_win_on_families_they_never_saw),
        cmocka_unit_test(names_are_unique_and_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
