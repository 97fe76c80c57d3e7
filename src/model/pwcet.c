/* SPDX-License-Identifier: Apache-2.0 */
/* Hosking and Wallis (1987) for the fit, Ljung and Box (1978), Wald and Wolfowitz (1940) for
 * independence; Kolmogorov-Smirnov and Anderson-Darling distances with their distribution under
 * fitted parameters from a parametric bootstrap. */
#include "model/pwcet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXCESS_MIN = 100, DISTINCT_MIN = 20, EXCESS_MAX = 2000, BOOTSTRAP = 200, BODY_MAX = 128 };

static int compare_u64(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static int compare_double(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static uint64_t *sorted_copy(const uint64_t *samples, size_t count)
{
    uint64_t *copy = malloc((count + 1) * sizeof(*copy));

    if (copy != NULL) {
        memcpy(copy, samples, count * sizeof(*copy));
        qsort(copy, count, sizeof(*copy), compare_u64);
    }
    return copy;
}

/* Two-sided p-value of a standard normal statistic. */
static double normal_p(double z)
{
    return erfc(fabs(z) / sqrt(2));
}

/* Runs above and below the median. */
static double runs_test(const uint64_t *samples, size_t count, uint64_t median)
{
    double above = 0;
    double below = 0;
    double runs = 0;
    int last = -1;

    for (size_t i = 0; i < count; i++) {
        int side = samples[i] > median;

        if (samples[i] == median) {
            continue;
        }
        above += side;
        below += !side;
        runs += side != last;
        last = side;
    }
    double n = above + below;
    double mean = 2 * above * below / n + 1;
    double variance = (mean - 1) * (mean - 2) / (n - 1);

    return n < 20 || !(variance > 0) ? -1 : normal_p((runs - mean) / sqrt(variance));
}

/* Regularised upper incomplete gamma function: series below, continued fraction above. */
double axi_chi_square_tail(double x, double degrees)
{
    double a = degrees / 2;
    double z = x / 2;
    double factor = exp(-z + a * log(z) - lgamma(a));

    if (z <= 0) {
        return 1;
    }
    if (z < a + 1) {
        double term = 1 / a;
        double sum = term;

        for (int n = 1; n < 1000 && term > sum * 1e-16; n++) {
            term *= z / (a + n);
            sum += term;
        }
        return 1 - sum * factor;
    }
    double b = z + 1 - a;
    double c = 1e300;
    double d = 1 / b;
    double h = d;

    for (int n = 1; n < 1000; n++) {
        double numerator = -n * (n - a);
        double delta = 0;

        b += 2;
        d = 1 / (numerator * d + b);
        c = b + numerator / c;
        delta = d * c;
        h *= delta;
        if (fabs(delta - 1) < 1e-15) {
            break;
        }
    }
    return factor * h;
}

static double ljung_box(const uint64_t *samples, size_t count)
{
    size_t lags = count / 5 < 20 ? count / 5 : 20;
    double mean = 0;
    double variance = 0;
    double q = 0;

    for (size_t i = 0; i < count; i++) {
        mean += (double)samples[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        variance += ((double)samples[i] - mean) * ((double)samples[i] - mean);
    }
    if (lags == 0 || !(variance > 0)) {
        return -1;
    }
    for (size_t lag = 1; lag <= lags; lag++) {
        double sum = 0;

        for (size_t i = lag; i < count; i++) {
            sum += ((double)samples[i] - mean) * ((double)samples[i - lag] - mean);
        }
        q += sum / variance * (sum / variance) / (double)(count - lag);
    }
    return axi_chi_square_tail((double)count * ((double)count + 2) * q, (double)lags);
}

/* Probability-weighted moments of ascending excesses. */
static void fit_excesses(const double *excesses, size_t n, double *ret_shape, double *ret_scale)
{
    double a0 = 0;
    double a1 = 0;

    for (size_t i = 0; i < n; i++) {
        a0 += excesses[i] / (double)n;
        a1 += excesses[i] * (double)(n - 1 - i) / ((double)n * (double)(n - 1));
    }
    *ret_shape = 2 - a0 / (a0 - 2 * a1);
    *ret_scale = 2 * a0 * a1 / (a0 - 2 * a1);
}

/* P(excess > x). */
static double tail(double x, double shape, double scale)
{
    double base = 1 + shape * x / scale;

    if (fabs(shape) < 1e-9) {
        return exp(-x / scale);
    }
    return base > 0 ? exp(-log(base) / shape) : 0;
}

static double inverse_tail(double p, double shape, double scale)
{
    return fabs(shape) < 1e-9 ? -scale * log(p) : scale * expm1(-shape * log(p)) / shape;
}

static void distances(const double *excesses, size_t n, double shape, double scale, double *ret_ks,
                      double *ret_ad)
{
    double ks = 0;
    double ad = 0;

    for (size_t i = 0; i < n; i++) {
        double s = fmin(fmax(tail(excesses[i], shape, scale), 1e-12), 1 - 1e-12);
        double mirrored = fmin(fmax(tail(excesses[n - 1 - i], shape, scale), 1e-12), 1 - 1e-12);
        double f = 1 - s;

        ks = fmax(ks, fmax(f - (double)i / (double)n, (double)(i + 1) / (double)n - f));
        ad -= (2 * (double)i + 1) * (log1p(-s) + log(mirrored));
    }
    *ret_ks = ks;
    *ret_ad = ad / (double)n - (double)n;
}

static double uniform(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return ((double)(*state >> 11) + 0.5) * 0x1p-53;
}

/* Share of samples drawn from the fit that lie farther from their own fit. */
static int bootstrap(const double *excesses, size_t n, struct axi_pwcet_fit *fit)
{
    double *drawn = malloc(n * sizeof(*drawn));
    uint64_t state = 0x9e3779b97f4a7c15u;
    double ks = 0;
    double ad = 0;
    int ks_above = 0;
    int ad_above = 0;

    if (drawn == NULL) {
        return -AXC_ENOMEM;
    }
    distances(excesses, n, fit->shape_fitted, fit->scale, &ks, &ad);
    for (int round = 0; round < BOOTSTRAP; round++) {
        double shape = 0;
        double scale = 0;
        double round_ks = 0;
        double round_ad = 0;

        for (size_t i = 0; i < n; i++) {
            drawn[i] = inverse_tail(uniform(&state), fit->shape_fitted, fit->scale);
        }
        qsort(drawn, n, sizeof(*drawn), compare_double);
        fit_excesses(drawn, n, &shape, &scale);
        distances(drawn, n, shape, scale, &round_ks, &round_ad);
        ks_above += round_ks >= ks;
        ad_above += round_ad >= ad;
    }
    free(drawn);
    fit->ks_p = (ks_above + 1.0) / (BOOTSTRAP + 1.0);
    fit->ad_p = (ad_above + 1.0) / (BOOTSTRAP + 1.0);
    return 0;
}

/* Excesses over the 90 % quantile (at most EXCESS_MAX); each measured tick stands for the interval
 * that ends at it, hence the half. */
static int fit_sorted(const uint64_t *sorted, size_t count, struct axi_pwcet_fit *fit)
{
    size_t first = count - count / 10;
    size_t distinct = 0;
    double *excesses = NULL;
    int error = 0;

    if (count - first > EXCESS_MAX) {
        first = count - EXCESS_MAX;
    }
    fit->observed_max = sorted[count - 1];
    fit->threshold = sorted[first > 0 ? first - 1 : 0];
    while (first < count && sorted[first] <= fit->threshold) {
        first++;
    }
    fit->excesses = count - first;
    for (size_t i = first; i < count; i++) {
        distinct += i == first || sorted[i] != sorted[i - 1];
    }
    if (fit->excesses < EXCESS_MIN || distinct < DISTINCT_MIN) {
        fit->refusal = fit->excesses < EXCESS_MIN ? AXI_PWCET_TOO_FEW : AXI_PWCET_DISCRETE;
        fit->more_samples = count < 10 * EXCESS_MIN ? 10 * EXCESS_MIN - count : 0;
        return 0;
    }
    excesses = malloc(fit->excesses * sizeof(*excesses));
    if (excesses == NULL) {
        return -AXC_ENOMEM;
    }
    for (size_t i = 0; i < fit->excesses; i++) {
        excesses[i] = (double)(sorted[first + i] - fit->threshold) - 0.5;
    }
    fit_excesses(excesses, fit->excesses, &fit->shape_fitted, &fit->scale);
    if (fit->shape_fitted > 0.5 || !(fit->scale > 0)) {
        fit->refusal = AXI_PWCET_HEAVY;
    } else {
        error = bootstrap(excesses, fit->excesses, fit);
    }
    fit->shape = fmax(fit->shape_fitted, 0);
    free(excesses);
    if (error == 0 && fit->refusal == AXI_PWCET_SUPPORTED && fmin(fit->ks_p, fit->ad_p) < 0.01) {
        fit->refusal = AXI_PWCET_MISFIT;
    }
    return error;
}

static size_t block_maxima(const uint64_t *samples, size_t count, uint64_t block, uint64_t *maxima)
{
    size_t blocks = block <= 1 ? count : count / block;

    for (size_t b = 0; b < blocks; b++) {
        size_t size = block <= 1 ? 1 : (size_t)block;

        maxima[b] = samples[b * size];
        for (size_t i = 1; i < size; i++) {
            maxima[b] = samples[b * size + i] > maxima[b] ? samples[b * size + i] : maxima[b];
        }
    }
    return blocks;
}

int axi_pwcet_fit_tail(const uint64_t *samples, size_t count, uint64_t block, bool ordered,
                       struct axi_pwcet_fit *ret_fit)
{
    struct axi_pwcet_fit fit = {.runs_p = -1, .ljung_box_p = -1, .ks_p = -1, .ad_p = -1};
    uint64_t *maxima = malloc((count + 1) * sizeof(*maxima));
    uint64_t *sorted = NULL;
    size_t used = 0;
    int error = maxima == NULL ? -AXC_ENOMEM : 0;

    if (error == 0) {
        used = block_maxima(samples, count, block, maxima);
        error = used == 0 ? -AXC_EMODEL_EMPTY : 0;
    }
    if (error == 0) {
        sorted = sorted_copy(maxima, used);
        error = sorted == NULL ? -AXC_ENOMEM : fit_sorted(sorted, used, &fit);
    }
    if (error == 0 && ordered) {
        fit.runs_p = runs_test(maxima, used, sorted[used / 2]);
        fit.ljung_box_p = ljung_box(maxima, used);
        if ((fit.runs_p >= 0 && fit.runs_p < 0.01) ||
            (fit.ljung_box_p >= 0 && fit.ljung_box_p < 0.01)) {
            bool enough = fit.refusal != AXI_PWCET_TOO_FEW && fit.refusal != AXI_PWCET_DISCRETE;

            fit.refusal = enough ? AXI_PWCET_DEPENDENT : fit.refusal;
        }
    }
    fit.samples = used;
    fit.more_samples *= block > 1 ? block : 1;
    free(maxima);
    free(sorted);
    if (error == 0) {
        *ret_fit = fit;
    }
    return error;
}

uint64_t axi_pwcet_quantile(const struct axi_pwcet_fit *fit, double epsilon)
{
    double share = (double)fit->excesses / (double)fit->samples;
    double excess =
        epsilon >= share ? 0 : inverse_tail(epsilon / share, fit->shape, fit->scale) + 0.5;

    if (!(excess < 0x1p62)) {
        return UINT64_MAX;
    }
    return fit->threshold + (uint64_t)ceil(excess);
}

/* Measurements up to `limit`, grouped upwards into about BODY_MAX values. */
static size_t fill_body(const uint64_t *sorted, size_t count, uint64_t limit, uint64_t *values,
                        double *probs)
{
    size_t within = 0;
    size_t used = 0;
    size_t stride = 0;

    while (within < count && sorted[within] <= limit) {
        within++;
    }
    stride = within / BODY_MAX + 1;
    for (size_t i = 0; i < within;) {
        size_t end = i + stride < within ? i + stride : within;

        while (end < within && sorted[end] == sorted[end - 1]) {
            end++;
        }
        values[used] = sorted[end - 1];
        probs[used++] = (double)(end - i) / (double)count;
        i = end;
    }
    return used;
}

int axi_pwcet_pmf(const uint64_t *samples, size_t count, const struct axi_pwcet_fit *fit,
                  double epsilon, struct axi_pmf *ret_pmf)
{
    uint64_t values[BODY_MAX + 512];
    double probs[BODY_MAX + 512];
    uint64_t *sorted = sorted_copy(samples, count);
    size_t used = 0;
    double left = 0;
    double sum = 0;

    if (sorted == NULL || count == 0) {
        free(sorted);
        return count == 0 ? -AXC_EMODEL_EMPTY : -AXC_ENOMEM;
    }
    used = fill_body(sorted, count, fit != NULL ? fit->threshold : UINT64_MAX, values, probs);
    free(sorted);
    for (size_t j = 0; j < used; j++) {
        sum += probs[j];
    }
    left = fit != NULL ? fmax(1 - sum, 0) : 0;
    if (fit != NULL && (double)fit->excesses / (double)fit->samples > left) {
        left = (double)fit->excesses / (double)fit->samples; /* of block maxima: the safe side */
        for (size_t j = 0; j < used; j++) {
            probs[j] *= (1 - left) / sum;
        }
    }
    /* each quarter decade of the tail stands at its upper end */
    while (fit != NULL && left > epsilon && used < sizeof(values) / sizeof(values[0]) - 1) {
        double next = fmax(left * 0.5623413251903491, epsilon);
        uint64_t value = axi_pwcet_quantile(fit, next);

        if (used > 0 && value <= values[used - 1]) {
            probs[used - 1] += left - next;
        } else {
            values[used] = value;
            probs[used++] = left - next;
        }
        left = next;
    }
    return axi_pmf_init(ret_pmf, values, probs, used, left);
}

int axi_pwcet_add_fault(const struct axi_pmf *body, double q, uint64_t fault_ticks,
                        struct axi_pmf *ret_pmf)
{
    const double certain = 1;
    struct axi_pmf fault;
    int error = axi_pmf_init(&fault, &fault_ticks, &certain, 1, 0);

    if (error != 0) {
        return error;
    }
    error = axi_pmf_mix(ret_pmf, body, 1 - q, &fault, q);
    axi_pmf_deinit(&fault);
    return error;
}
