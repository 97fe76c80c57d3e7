/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/failover.h"

#define NS_PER_S 1000000000ull

struct axi_failover_bound axi_failover_bound(const struct axi_failover_input *input)
{
    uint64_t bytes = input->image_bytes + input->checkpoint_bytes;
    struct axi_failover_bound bound = {
        .detection_ns = input->lease_window_ns + AXI_RESTORE_POLL_NS,
        .claim_ns = AXI_RESTORE_GRACE_NS + AXI_RESTORE_CLAIM_WAIT_NS + AXI_FAILOVER_STORE_NS,
        .query_ns = AXI_RESTORE_QUERY_NS,
        .transfer_ns = bytes * NS_PER_S / AXI_FAILOVER_BYTES_PER_S,
        .load_ns = 2 * AXI_FAILOVER_REQUEST_NS + AXI_FAILOVER_STORE_NS,
        .release_ns = AXI_RESTORE_START_DELAY_NS + input->period_ns,
    };

    bound.total_ns = bound.detection_ns + bound.claim_ns + bound.query_ns + bound.transfer_ns +
                     bound.load_ns + bound.release_ns;
    return bound;
}
