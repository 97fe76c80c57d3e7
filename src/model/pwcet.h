/* SPDX-License-Identifier: Apache-2.0 */
/* Execution-time distribution from measurements: empirical body, generalised Pareto tail above a
 * threshold (peaks over threshold; of block maxima when a block size is given), with tests of what
 * the extrapolation rests on. Everything beyond the largest measurement is an extrapolation. */
#ifndef AXI_MODEL_PWCET_H
#define AXI_MODEL_PWCET_H

#include <stdbool.h>

#include "model/pmf.h"

enum axi_pwcet_refusal {
    AXI_PWCET_SUPPORTED,
    AXI_PWCET_TOO_FEW,   /* fewer than 100 excesses over the threshold */
    AXI_PWCET_DISCRETE,  /* fewer than 20 different values among them */
    AXI_PWCET_DEPENDENT, /* runs or Ljung-Box test rejects independence at 1 % */
    AXI_PWCET_HEAVY,     /* shape above 0.5: no finite variance, no usable bound */
    AXI_PWCET_MISFIT,    /* Kolmogorov-Smirnov or Anderson-Darling rejects the fit at 1 % */
};

struct axi_pwcet_fit {
    enum axi_pwcet_refusal refusal;
    uint64_t more_samples; /* needed when there are too few or they are too alike; 0: unknown */
    uint64_t samples;      /* used: measurements or blocks */
    uint64_t observed_max;
    uint64_t threshold;
    uint64_t excesses;
    double shape_fitted; /* by probability-weighted moments */
    double shape;        /* used: at least 0, as a bounded tail is never assumed */
    double scale;
    double runs_p; /* p-values; -1: not tested (histograms have no order) */
    double ljung_box_p;
    double ks_p; /* parametric bootstrap, fixed seed */
    double ad_p;
};

/* samples: in order of measurement when `ordered`. block: 0 or 1 = single measurements. The fit is
 * also filled when the refusal is not SUPPORTED. -AXC_EMODEL_EMPTY, -AXC_ENOMEM. */
AXC_MUST_USE int axi_pwcet_fit_tail(const uint64_t *samples, size_t count, uint64_t block,
                                    bool ordered, struct axi_pwcet_fit *ret_fit);

/* Time exceeded with at most epsilon according to the fit, rounded up; saturates. */
uint64_t axi_pwcet_quantile(const struct axi_pwcet_fit *fit, double epsilon);

/* Body from the measurements (at most 128 values, rounded up), tail from the fit down to epsilon,
 * the rest at infinity; without `fit` the measurements alone. */
AXC_MUST_USE int axi_pwcet_pmf(const uint64_t *samples, size_t count,
                               const struct axi_pwcet_fit *fit, double epsilon,
                               struct axi_pmf *ret_pmf);

/* (1 - q) * body + q * fault_ticks. */
AXC_MUST_USE int axi_pwcet_add_fault(const struct axi_pmf *body, double q, uint64_t fault_ticks,
                                     struct axi_pmf *ret_pmf);

/* Upper tail of the chi-square distribution. */
double axi_chi_square_tail(double x, double degrees);

#endif
