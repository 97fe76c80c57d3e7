/* SPDX-License-Identifier: Apache-2.0 */
/* The epoch check at the consumer of a task's outputs (an actuator, another node's input): what
 * comes over a network may be late, twice or out of order, and may come from an instance that
 * another one has superseded. So a value carries a stamp, and the gate lets through what is newer
 * than everything it has seen. Format: docs/formats/stamped-value.md. Freestanding; one context per
 * gate. */
#ifndef AXI_CORE_GATE_H
#define AXI_CORE_GATE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_STAMP_BYTES 44u

/* Whose output a value is. */
struct axi_stamp {
    uint64_t task_id, epoch, job;
    uint32_t place; /* among the outputs of that job, from 0 */
};

/* Of one channel. All zero = nothing seen yet. */
struct axi_gate {
    struct axi_stamp newest;
    bool has_any;
    bool skip_epoch_check; /* tests of the history checker only */
};

/* True: the consumer may use the value. False: it is stale or known, drop it. Within an epoch jobs
 * and places ascend; under a higher epoch a restore may repeat jobs. Another task's value always
 * passes: the channel has a new producer, and ids have no order. */
bool axi_gate_admit(struct axi_gate *gate, const struct axi_stamp *stamp);

/* Stamp and value as one datagram: AXI_STAMP_BYTES + value_bytes. -AXC_EFULL (capacity). */
AXC_MUST_USE int axi_stamp_encode(const struct axi_stamp *stamp, const void *value,
                                  uint32_t value_bytes, uint8_t *buffer, size_t capacity,
                                  size_t *ret_bytes);
/* *ret_value borrows from `bytes`. -AXC_EWIRE_{LENGTH,MAGIC,VERSION,CRC}. */
AXC_MUST_USE int axi_stamp_decode(const uint8_t *bytes, size_t length, struct axi_stamp *ret_stamp,
                                  const uint8_t **ret_value, uint32_t *ret_value_bytes);

#endif
