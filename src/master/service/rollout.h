/* SPDX-License-Identifier: Apache-2.0 */
/* Updates of a service: members of an older generation give way to new ones, one per round. A round
 * begins beside or instead of an old member (surge 1 or 0), those of one platform after the other,
 * so that what is diverse keeps running and never fewer than the minimum do. The new one is proved
 * (good jobs in a row: agreeing by the voter's counts, else completed without a miss) before it
 * counts and its forerunner goes. Wrong outputs, a crash, misses or silence for too long bring
 * the former declaration back: unproved members go at once (one that alone has the state when its
 * successor has begun with it), proved ones give way in rounds again.
 *
 * Everything is decided in the service's record (its member "rollout") before it is done; only
 * the proof is volatile: another master begins it anew. Part of the master's core. */
#ifndef AXI_MASTER_SERVICE_ROLLOUT_H
#define AXI_MASTER_SERVICE_ROLLOUT_H

#include "master/service/members.h"

/* Volatile: the proof of the newcomer. */
struct axi_rollout {
    uint64_t task;              /* whose; 0 = nobody's */
    uint64_t completed, missed; /* as last looked at */
    uint64_t good_from, missed_from;
    uint64_t retry_ns; /* local: no round begins before */
    bool is_proving;   /* it has caught up with its grid */
    uint64_t good;     /* jobs in a row */
};

/* One step, at every look; it looks at no member that is gone already. True: an update is under
 * way; then nobody else adds members of the new generation, promotes or removes any. */
bool axi_rollout_step(struct axi_master *m, struct axi_service *service);
/* Neither done nor reverted yet. */
bool axi_rollout_is_open(const struct axi_service *service);
/* No update has shown that the declared version works: nothing of the former one was left to be
 * replaced, or it was over while a degraded replica ran. A crash brings the former one back; this
 * one is nothing to go back to. */
bool axi_rollout_is_unproved(const struct axi_service *service);
void axi_rollout_free(struct axi_service *service);

/* {"state": "progressing|reverting|done|reverted", "round", "updated", "replicas", "paused",
 * "unproved", "reason", "task", "good", "good_needed", ...}; NULL: it was never updated. */
json_t *axi_rollout_json(struct axi_master *m, const struct axi_service *service);

#endif
