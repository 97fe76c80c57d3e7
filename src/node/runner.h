/* SPDX-License-Identifier: Apache-2.0 */
/* A runner: the sandboxed process in which one task's jobs run. */
#ifndef AXI_NODE_RUNNER_H
#define AXI_NODE_RUNNER_H

#include "node/memory.h"

#include <stdbool.h>
#include <stdint.h>

/* How runners are scheduled. */
struct axi_runner_options {
    int cpu;            /* pinned there; -1: anywhere */
    int fifo_priority;  /* SCHED_FIFO at the start; 0: SCHED_OTHER */
    bool is_unconfined; /* no system call filter */
};

/* In a fresh child of the zygote; never returns. Maps the slot's windows at their fixed addresses,
 * drops everything else, enters the sandbox, reports ALIVE and waits for commands. */
_Noreturn void axi_runner_main(const struct axi_node_memory *memory,
                               const struct axi_runner_options *options, uint32_t slot);

#endif
