/* SPDX-License-Identifier: Apache-2.0 */
/* Rebalance: tasks leave a node before it is overloaded, and go home when it is quiet again. The
 * prediction says when to look and ranks what is feasible; whether a node takes a task is decided
 * by axi_plan_judge alone. Part of the master's core: same rules of use.
 *
 * A node is left when its predicted upper quantile was above the policy's `high` for some samples
 * in a row; a move must end below `low` on both sides as far as it can be foreseen. Both nodes of a
 * move then rest for the cooldown, and the task for longer each time it has to move again. */
#ifndef AXI_MASTER_SERVICE_REBALANCE_H
#define AXI_MASTER_SERVICE_REBALANCE_H

#include "master/internal.h"

/* After axi_telemetry_tick: looks when there is a new sample. */
void axi_rebalance_tick(struct axi_master *m);
/* For whoever wants to bring a task home: false when the rebalance would soon send it away again,
 * because of the load foreseen there or since it, or the node, still rests. Always true without
 * rebalance. Says nothing of feasibility. */
bool axi_rebalance_allows(struct axi_master *m, const struct axi_task *task,
                          const struct axi_node *to);

#endif
