/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a new replica has shown that it works. Part of the master's core. */
#ifndef AXI_MASTER_SERVICE_ROLLOUT_PROOF_H
#define AXI_MASTER_SERVICE_ROLLOUT_PROOF_H

#include "master/service/rollout.h"

enum axi_proof {
    AXI_PROOF_WAIT = 0, /* reason: what is missing */
    AXI_PROOF_READY,
    AXI_PROOF_BAD,  /* reason */
    AXI_PROOF_VOID, /* it cannot go on, and that is not its version's fault: reason */
};

/* service->rollout is there. ret_reason: AXI_REASON_BYTES. */
enum axi_proof axi_rollout_prove(struct axi_master *m, struct axi_service *service,
                                 const struct axi_member *newcomer, char *ret_reason);

/* For a version that runs unproved, all its replicas at once: BAD once one of them crashed, READY
 * when as many as are declared, none degraded, have done their good jobs. */
enum axi_proof axi_rollout_watch(struct axi_master *m, const struct axi_service *service,
                                 char *ret_reason);

/* A member of the new version that counts already went wrong, while the update is not over: true,
 * and why. */
bool axi_rollout_is_spoilt(struct axi_master *m, const struct axi_service *service,
                           char *ret_reason);

#endif
