/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. Values in here are scaled: floor is 0, ceiling is 1. */
#ifndef AXI_PREDICT_INTERNAL_H
#define AXI_PREDICT_INTERNAL_H

#include "predict/predict.h"

#define AXI_PREDICT_TINY 1e-4 /* least spread: a ten-thousandth of the range */

/* The sample `ago` samples before the newest; before the first one: the first. */
double axi_predict_past(const struct axi_predict *p, uint64_t ago);
double axi_predict_peak(const struct axi_predict *p, uint32_t samples);

void axi_holt_add(struct axi_holt *holt, double value);
double axi_holt_ahead(const struct axi_holt *holt, uint32_t horizon);

void axi_rls_init(struct axi_rls *rls);
/* Learns from the newest sample what should have been said `horizon` samples ago. */
void axi_rls_learn(struct axi_predict *p);
double axi_rls_ahead(const struct axi_predict *p);

void axi_conformal_init(struct axi_conformal *conformal, double quantile);
/* False: too few scores for this quantile; *ret_factor is the best that there is then. */
bool axi_conformal_factor(const struct axi_conformal *conformal, double quantile,
                          double *ret_factor);
/* has_missed: the value was above the bound that was given for it (when there was one). */
void axi_conformal_add(struct axi_conformal *conformal, double quantile, double score,
                       bool was_bounded, bool has_missed);

#endif
