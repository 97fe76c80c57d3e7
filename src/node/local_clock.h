/* SPDX-License-Identifier: Apache-2.0 */
/* The node's local time: CLOCK_BOOTTIME, which nobody sets and suspend does not stop. Tests make it
 * wrong, so that nodes on one machine have clocks that differ as those of machines do. Any thread
 * and process of the node; wait-free. */
#ifndef AXI_NODE_LOCAL_CLOCK_H
#define AXI_NODE_LOCAL_CLOCK_H

#include "base/error.h"

#include <stdint.h>

#define AXI_SKEW_NS_MAX INT64_C(3600000000000)
#define AXI_SKEW_PPB_MAX INT64_C(1000000)

/* Ahead by offset_ns when the machine started, and faster by rate_ppb since. Before any other
 * thread or process of the node is there. -AXC_EINVALID: beyond the bounds above, or local time
 * would be negative. */
AXC_MUST_USE int axi_local_clock_skew(int64_t offset_ns, int64_t rate_ppb);

uint64_t axi_local_clock_ns(void);

/* The CLOCK_BOOTTIME at which local time is local_ns or just past it. */
uint64_t axi_local_clock_to_boottime(uint64_t local_ns);

#endif
