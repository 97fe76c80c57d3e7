/* SPDX-License-Identifier: Apache-2.0 */
/* What a recorded task asks of nodes, in the words of place/place.h: the same for the master and
 * the checkpoint managers, who place by it. */
#ifndef AXI_CLUSTER_ASKS_H
#define AXI_CLUSTER_ASKS_H

#include "cluster/record.h"
#include "place/place.h"

/* entries: room for AXI_PLATFORMS_MAX; they and the record are borrowed by the result. */
struct axi_place_task axi_record_asks(const struct axi_record *record,
                                      struct axi_place_entry *entries);

/* The load of the task where it runs by that entry, its deadline shortened by the margin. */
struct axi_demand_task axi_record_demand(const struct axi_record *record, uint32_t entry,
                                         const struct axi_demand_margin *margin);

/* Something of it runs at its owner's, or may any time. */
bool axi_record_is_live(const struct axi_record *record);

/* It runs on the node or may any time: as owner, standby or target of a migration. */
bool axi_record_occupies(const struct axi_record *record, uint64_t node);

#endif
