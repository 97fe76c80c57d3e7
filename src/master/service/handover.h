/* SPDX-License-Identifier: Apache-2.0 */
/* Who puts out, of a service of mode single with more than one replica at work: an update proves
 * the new one beside the old one, a drain starts the new one before the old one goes. Both run on
 * the same numbers of jobs, so at a job k that is still ahead the old one falls silent and the new
 * one begins: each job is put out once. Until then the new one is a shadow: its voter compares it,
 * nobody else sees it. Level-triggered: what the records say (axi_record.output_from, output_until)
 * is told to the nodes until their Reports say the same, the new one's first: a message that comes
 * too late makes a job be put out twice, never by nobody. Part of the master's core. */
#ifndef AXI_MASTER_SERVICE_HANDOVER_H
#define AXI_MASTER_SERVICE_HANDOVER_H

#include "master/service/members.h"

/* output_from of a replica that is created now. */
uint64_t axi_handover_first(struct axi_master *m, const struct axi_service *service);
/* One step, at every look at the service. True: it is not over, look again soon. */
bool axi_handover_step(struct axi_master *m, struct axi_service *service);
/* The task still puts out and another replica is to go on with that: it must not go yet. */
bool axi_handover_holds(struct axi_master *m, const struct axi_service *service, uint64_t task);
/* "all", "none", "from job K", "until job K": for people. */
const char *axi_handover_text(const struct axi_record *record, char text[48]);

#endif
