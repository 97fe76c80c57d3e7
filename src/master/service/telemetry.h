/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes report of their load, sampled at a fixed cadence, and what is predicted from it
 * (predict/predict.h). Predictions rank nodes that every filter admits and trigger a rebalance
 * early; no filter asks them anything. Volatile: a new master learns anew. Part of the master's
 * core: same rules of use. */
#ifndef AXI_MASTER_SERVICE_TELEMETRY_H
#define AXI_MASTER_SERVICE_TELEMETRY_H

#include "master/internal.h"
#include "predict/predict.h"

/* A heartbeat arrived. */
void axi_telemetry_heartbeat(struct axi_master *m, struct axi_node *node,
                             const axi_Heartbeat *beat);
/* Samples when it is time; local time (ns) of the next sample. */
uint64_t axi_telemetry_tick(struct axi_master *m);
void axi_telemetry_free(struct axi_master *m);

/* Load of the node's tasks within the policy's horizon, upper quantile, ppm of one processor; 0 =
 * not known (too few samples yet, or none of late). */
uint32_t axi_predicted_ppm(struct axi_master *m, uint64_t node);
/* Load of the node's tasks, mean of the last sample, ppm. */
uint32_t axi_measured_ppm(struct axi_master *m, uint64_t node);
/* Samples taken so far: counts up when there is something new to decide on. */
uint64_t axi_telemetry_round(struct axi_master *m);
/* {"load_ppm","predicted_ppm" (null = not known),"mean_ppm","quantile","horizon_ns","model",
 * "samples","coverage","slack_ppm" (predicted admission slack),"latency_ns"}; NULL: nothing known.
 */
json_t *axi_prediction_json(struct axi_master *m, const struct axi_node *node);

#endif
