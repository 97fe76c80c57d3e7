/* SPDX-License-Identifier: Apache-2.0 */
/* The zygote: forks runners on request, so that neither the scheduler nor a process with threads
 * and open files ever forks. Never real-time. It reaps a dead runner only when the node asks for
 * the next one in that slot, so a process id the node still holds is never another process. */
#ifndef AXI_NODE_ZYGOTE_H
#define AXI_NODE_ZYGOTE_H

#include "node/memory.h"
#include "node/runner.h"

#include <stdbool.h>
#include <sys/types.h>

struct axi_zygote {
    pid_t pid;
    int socket; /* node's end */
};

/* Forks the zygote. The calling process must have one thread and hold no secrets yet. -AXC_EIO. */
AXC_MUST_USE int axi_zygote_start(struct axi_zygote *ret_zygote,
                                  const struct axi_node_memory *memory,
                                  const struct axi_runner_options *options);

/* Asks for a fresh runner in the slot; one that still lives there is killed. Never blocks; false:
 * try again later. Any thread. */
bool axi_zygote_request(struct axi_zygote *zygote, uint32_t slot);

/* Ends the zygote, and with it every runner. */
void axi_zygote_stop(struct axi_zygote *zygote);

#endif
