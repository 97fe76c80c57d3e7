/* SPDX-License-Identifier: Apache-2.0 */
/* The node's PTP slave, when its configuration asks for one: time/ptp_slave.h on Ethernet frames.
 * Syncs are stamped by the network interface's interrupt; one that was found without an interrupt
 * of its own has no stamp and is not used, for the next comes soon. Delay_Reqs are stamped before
 * the device is told. Server thread only. */
#ifndef AXI_OS_NODE_CLOCK_H
#define AXI_OS_NODE_CLOCK_H

#include "core/boot_config.h"
#include "time/ptp_slave.h"

struct axi_node_clock {
    struct axi_ptp_slave slave;
    bool is_on, has_lines;
    uint32_t happened; /* AXI_PTP_* bits not told yet */
    uint64_t unstamped;
};

/* Does nothing when the configuration names no PTP. The network has been started. */
void axi_node_clock_start(struct axi_node_clock *clock, const struct axi_boot_config *config);

/* Timers. Returns what happened since the last call, AXI_PTP_* bits; *ret_next: local time to call
 * again at the latest. */
uint32_t axi_node_clock_poll(struct axi_node_clock *clock, uint64_t *ret_next);

/* The grandmaster's identity, big-endian; 0: none. */
uint64_t axi_node_clock_grandmaster(const struct axi_node_clock *clock);

#endif
