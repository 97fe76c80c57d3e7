/* SPDX-License-Identifier: Apache-2.0 */
/* The resource table a task gets, as it works inside a runner: everything is written to the slot's
 * shared window or read from the read-only world; only a checkpoint waits for the scheduler. */
#ifndef AXI_NODE_SERVICES_H
#define AXI_NODE_SERVICES_H

#include "node/shared.h"

/* Once, before the first job; the pointers are kept. */
void axi_services_init(struct axi_shm_slot *slot, struct axi_shm_world *world,
                       struct axi_shm_event *event);

const struct axc_services *axi_services_table(void);

/* Tells the node something about this runner's slot and wakes its scheduler. */
void axi_services_report(uint32_t report);
/* LOADED, to the thread that waits at the slot for it. */
void axi_services_report_loaded(void);

#endif
