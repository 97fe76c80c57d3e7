/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of rollouts share. Part of the master's core. */
#ifndef AXI_MASTER_SERVICE_ROLLOUT_INTERNAL_H
#define AXI_MASTER_SERVICE_ROLLOUT_INTERNAL_H

#include "master/service/rollout.h"

bool axi_rollout_is_reverting(const struct axi_service *service);
/* Members of other versions that are not going yet. */
uint32_t axi_rollout_count_old(const struct axi_service *service);
/* Members of the declared version that count and live. */
uint32_t axi_rollout_count_updated(struct axi_master *m, const struct axi_service *service);
/* Brings the former declaration back; there is one. 0 or why the store did not take it. */
int axi_rollout_revert(struct axi_master *m, struct axi_service *service, const char *reason);

#endif
