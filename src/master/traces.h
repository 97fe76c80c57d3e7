/* SPDX-License-Identifier: Apache-2.0 */
/* Histories of nodes without a disk: what they send (TraceRecords) goes to DIR/NAME.history, as
 * their own file would be (docs/formats/history.md). Host code; one thread. */
#ifndef AXI_MASTER_TRACES_H
#define AXI_MASTER_TRACES_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct axi_traces;

/* The directory is made when missing. -AXC_EIO, -AXC_ENOMEM. */
AXC_MUST_USE int axi_traces_new(const char *dir, struct axi_traces **ret_traces);
void axi_traces_free(struct axi_traces *traces); /* NULL is fine */

/* As struct axi_master_port says of on_traces. A history that cannot be written is said once in the
 * log; its records are dropped, so that the node does not wait for ever. */
uint64_t axi_traces_take(struct axi_traces *traces, const char *node, uint64_t node_id,
                         uint64_t boot_id, uint64_t first, const uint8_t *records, size_t count);

#endif
