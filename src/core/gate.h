/* SPDX-License-Identifier: Apache-2.0 */
/* The epoch check at the consumer of a task's outputs (an actuator, another task's input): what
 * comes over a network may be late, twice or out of order, and may come from an instance that
 * another one has superseded. The gate lets through what is newer than everything it has seen: a
 * higher epoch, or a higher job of the same epoch. A restore may repeat jobs: under a higher epoch
 * they pass again. Freestanding; one context per gate. */
#ifndef AXI_CORE_GATE_H
#define AXI_CORE_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* Of one task's outputs on one channel. All zero = nothing seen yet. */
struct axi_gate {
    uint64_t epoch; /* highest seen */
    uint64_t next_job;
    bool skip_epoch_check; /* tests of the history checker only */
};

/* True: the consumer may use it. False: it is stale or known, drop it. epoch >= 1. */
static inline bool axi_gate_admit(struct axi_gate *gate, uint64_t epoch, uint64_t job)
{
    if (epoch < gate->epoch && !gate->skip_epoch_check) {
        return false;
    }
    if (epoch == gate->epoch && job < gate->next_job) {
        return false;
    }
    gate->epoch = epoch;
    gate->next_job = job + 1;
    return true;
}

#endif
