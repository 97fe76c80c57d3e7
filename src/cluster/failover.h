/* SPDX-License-Identifier: Apache-2.0 */
/* How long a task stands still at most when its node dies and checkpoint managers restore it:
 * computed from what it is made of, term by term. The managers' waits are named here once, for them
 * and for this. Freestanding arithmetic; any thread. */
#ifndef AXI_CLUSTER_FAILOVER_H
#define AXI_CLUSTER_FAILOVER_H

#include <stdint.h>

/* Defaults of a manager (cms/manager.h says what each is for). */
#define AXI_RESTORE_GRACE_NS 20000000ull
#define AXI_RESTORE_CLAIM_WAIT_NS 100000000ull
#define AXI_RESTORE_QUERY_NS 20000000ull
#define AXI_RESTORE_START_DELAY_NS 20000000ull
#define AXI_RESTORE_POLL_NS 10000000ull /* between looks at the store */

/* What the bound assumes of the machines; slower ones have a larger bound. */
#define AXI_FAILOVER_STORE_NS 10000000ull    /* one transaction */
#define AXI_FAILOVER_BYTES_PER_S 12500000ull /* of a link: 100 Mbit/s */
#define AXI_FAILOVER_REQUEST_NS 5000000ull   /* one request and its answer, beside the bytes */

struct axi_failover_input {
    uint64_t lease_window_ns; /* lease x (1 + drift) + margin */
    uint64_t period_ns;
    uint64_t checkpoint_bytes; /* header and state */
    uint64_t image_bytes;      /* largest ELF; the target may not have it */
};

/* From the last renewal of the dead node's lease to the first job's release elsewhere. */
struct axi_failover_bound {
    uint64_t detection_ns; /* lease window and the manager's next look */
    uint64_t claim_ns; /* grace for peers' answers, the wait for a winner that is dead too, swap */
    uint64_t query_ns; /* load of the candidates */
    uint64_t transfer_ns; /* image and checkpoint */
    uint64_t load_ns;     /* Load and Start, and the record between them */
    uint64_t release_ns;  /* start delay and the next point of the release grid */
    uint64_t total_ns;
};

struct axi_failover_bound axi_failover_bound(const struct axi_failover_input *input);

#endif
