/* SPDX-License-Identifier: Apache-2.0 */
/* Exhaustive reference for small task sets: every combination of execution times is run through the
 * schedule of the synchronous release. Independent of the distribution arithmetic. */
#ifndef AXI_MODEL_ENUMERATE_H
#define AXI_MODEL_ENUMERATE_H

#include "model/response.h"

/* P(first job of task k is late | correct). With abort_others the jobs of other tasks end at their
 * deadlines, otherwise they run to completion. *ret_combinations: schedules run.
 * -AXC_EMODEL_GRID when there are more than max_combinations or more than 64 jobs. */
AXC_MUST_USE int axi_model_enumerate(const struct axi_model *model, size_t k, bool abort_others,
                                     uint64_t max_combinations, double *ret_miss,
                                     uint64_t *ret_combinations);

#endif
