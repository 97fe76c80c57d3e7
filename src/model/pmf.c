/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pmf.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int allocate(struct axi_pmf *pmf, size_t count)
{
    memset(pmf, 0, sizeof(*pmf));
    pmf->values = calloc(count + 1, sizeof(*pmf->values));
    pmf->probs = calloc(count + 1, sizeof(*pmf->probs));
    pmf->tails = calloc(count + 1, sizeof(*pmf->tails));
    if (pmf->values == NULL || pmf->probs == NULL || pmf->tails == NULL) {
        axi_pmf_deinit(pmf);
        return -AXC_ENOMEM;
    }
    return 0;
}

/* Sums from the small end of time's tail, positive terms only. */
static void fill_tails(struct axi_pmf *pmf)
{
    double tail = pmf->inf;

    pmf->tails[pmf->count] = tail;
    for (size_t j = pmf->count; j-- > 0;) {
        tail += pmf->probs[j];
        pmf->tails[j] = tail;
    }
}

/* Appends or merges; zero mass is left out. Room is the caller's affair. */
static void append(struct axi_pmf *pmf, uint64_t value, double prob)
{
    if (prob <= 0) {
        return;
    }
    if (pmf->count > 0 && pmf->values[pmf->count - 1] == value) {
        pmf->probs[pmf->count - 1] += prob;
        return;
    }
    pmf->values[pmf->count] = value;
    pmf->probs[pmf->count++] = prob;
}

static int check(const uint64_t *values, const double *probs, size_t count, double inf)
{
    if (count == 0 && inf <= 0) {
        return -AXC_EMODEL_EMPTY;
    }
    if (!(inf >= 0 && inf <= 1)) {
        return -AXC_EMODEL_PROBABILITY;
    }
    for (size_t j = 0; j < count; j++) {
        if (!(probs[j] >= 0 && probs[j] <= 1)) {
            return -AXC_EMODEL_PROBABILITY;
        }
        if (values[j] == 0 || (j > 0 && values[j] <= values[j - 1])) {
            return -AXC_EMODEL_ORDER;
        }
    }
    return 0;
}

int axi_pmf_init(struct axi_pmf *ret_pmf, const uint64_t *values, const double *probs, size_t count,
                 double inf)
{
    struct axi_pmf pmf;
    long double sum = inf;
    int error = check(values, probs, count, inf);

    if (error != 0) {
        return error;
    }
    for (size_t j = 0; j < count; j++) {
        sum += probs[j];
    }
    if (fabsl(sum - 1.0L) > 1e-9L) {
        return -AXC_EMODEL_SUM;
    }
    error = allocate(&pmf, count);
    if (error != 0) {
        return error;
    }
    for (size_t j = 0; j < count; j++) {
        append(&pmf, values[j], probs[j]);
    }
    pmf.inf = inf;
    if (1.0L - sum > (long double)(count + 1) * DBL_EPSILON / 2) {
        pmf.inf += (double)(1.0L - sum);
    }
    fill_tails(&pmf);
    *ret_pmf = pmf;
    return 0;
}

void axi_pmf_deinit(struct axi_pmf *pmf)
{
    free(pmf->values);
    free(pmf->probs);
    free(pmf->tails);
    memset(pmf, 0, sizeof(*pmf));
}

int axi_pmf_copy(struct axi_pmf *ret_pmf, const struct axi_pmf *from)
{
    return axi_pmf_scale(ret_pmf, from, 1, 0);
}

int axi_pmf_mix(struct axi_pmf *ret_pmf, const struct axi_pmf *a, double wa,
                const struct axi_pmf *b, double wb)
{
    struct axi_pmf pmf;
    size_t i = 0;
    size_t j = 0;
    int error = allocate(&pmf, a->count + b->count);

    if (error != 0) {
        return error;
    }
    while (i < a->count || j < b->count) {
        if (j >= b->count || (i < a->count && a->values[i] <= b->values[j])) {
            append(&pmf, a->values[i], wa * a->probs[i]);
            i++;
        } else {
            append(&pmf, b->values[j], wb * b->probs[j]);
            j++;
        }
    }
    pmf.inf = wa * a->inf + wb * b->inf;
    fill_tails(&pmf);
    *ret_pmf = pmf;
    return 0;
}

int axi_pmf_contain(struct axi_pmf *ret_pmf, const struct axi_pmf *from, uint64_t limit)
{
    struct axi_pmf pmf;
    size_t j = 0;
    int error = allocate(&pmf, from->count + 1);

    if (error != 0) {
        return error;
    }
    for (; j < from->count && from->values[j] <= limit; j++) {
        append(&pmf, from->values[j], from->probs[j]);
    }
    append(&pmf, limit, from->tails[j]);
    fill_tails(&pmf);
    *ret_pmf = pmf;
    return 0;
}

int axi_pmf_scale(struct axi_pmf *ret_pmf, const struct axi_pmf *from, uint64_t grid, int round_up)
{
    struct axi_pmf pmf;
    int error = allocate(&pmf, from->count);

    if (error != 0) {
        return error;
    }
    for (size_t j = 0; j < from->count; j++) {
        uint64_t value = from->values[j] / grid;

        append(&pmf, value + (round_up && from->values[j] % grid != 0), from->probs[j]);
    }
    pmf.inf = from->inf;
    fill_tails(&pmf);
    *ret_pmf = pmf;
    return 0;
}

double axi_pmf_exceed(const struct axi_pmf *pmf, uint64_t t)
{
    size_t low = 0;
    size_t high = pmf->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pmf->values[middle] <= t) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return pmf->tails[low];
}

int axi_pmf_budget(const struct axi_pmf *pmf, double epsilon, uint64_t *ret_budget)
{
    if (pmf->count == 0 || pmf->inf > epsilon) {
        return -AXC_EMODEL_UNREACHABLE;
    }
    for (size_t j = 0; j < pmf->count; j++) {
        if (pmf->tails[j + 1] <= epsilon) {
            *ret_budget = pmf->values[j];
            return 0;
        }
    }
    return -AXC_EINTERNAL;
}

double axi_pmf_mean(const struct axi_pmf *pmf)
{
    double mean = 0;

    for (size_t j = 0; j < pmf->count; j++) {
        mean += (double)pmf->values[j] * pmf->probs[j];
    }
    return mean;
}
