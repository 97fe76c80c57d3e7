/* SPDX-License-Identifier: Apache-2.0 */
/* Trains the learned predictor, and judges any predictor. Offline: allocates, takes seconds.
 *
 * The network says median and upper quantile of the value at the horizon; loss: pinball at 0.5 and
 * at the quantile, in units of the range, minimised by Adam on batches in an order drawn by the
 * seed. The same samples and seed give the same weights on one machine. */
#ifndef AXI_PREDICT_TRAIN_H
#define AXI_PREDICT_TRAIN_H

#include "predict/weights.h"
#include "predict/workload.h"

#define AXI_TRAIN_SAMPLES_MAX 2000000u

struct axi_train_set;

struct axi_train_options {
    uint64_t seed;
    uint32_t epochs;  /* 0 = 6 */
    float quantile;   /* 0 = 0.95 */
    const char *name; /* into the file; "" allowed */
};

struct axi_train_set *axi_train_set_new(void); /* NULL: out of memory */
void axi_train_set_free(struct axi_train_set *set);
/* Each sample that has one `horizon` later becomes one to learn from. -AXC_ENOMEM, -AXC_EFULL
 * (beyond AXI_TRAIN_SAMPLES_MAX), -AXC_EINVALID (horizon, range). */
AXC_MUST_USE int axi_train_set_add(struct axi_train_set *set, const double *samples, size_t count,
                                   uint32_t horizon, double floor, double ceiling);
/* Series of the families (bits of enum axi_workload) and blends of them; a fixed set per seed. */
AXC_MUST_USE int axi_train_set_add_simulated(struct axi_train_set *set, uint32_t families,
                                             uint64_t seed);
size_t axi_train_set_count(const struct axi_train_set *set);
/* ret_loss: mean of the last pass, may be NULL. -AXC_EMODEL_EMPTY (no samples), -AXC_ENOMEM,
 * -AXC_EPREDICT_VALUE (it diverged). */
AXC_MUST_USE int axi_train_run(const struct axi_train_set *set,
                               const struct axi_train_options *options,
                               struct axi_predict_weights *ret_weights, double *ret_loss);

/* How a predictor does on a series: means over all samples that had a bound. */
struct axi_judgement {
    double error;    /* mean |value - forecast| */
    double pinball;  /* of the upper bound, at config.quantile */
    double coverage; /* share of values not above their bound */
    double width;    /* mean upper - forecast */
    uint64_t count;
};

/* Adds to *judgement (zero it first); axi_judgement_finish turns the sums into means. */
AXC_MUST_USE int axi_judge(const struct axi_predict_config *config, const double *samples,
                           size_t count, struct axi_judgement *judgement);
void axi_judgement_finish(struct axi_judgement *judgement);

#endif
