/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated sensors and actuators: a thread without real-time rights moves values between files or
 * UDP sockets and the input table, or the output queue that the scheduler fills. */
#ifndef AXI_NODE_CHANNELS_H
#define AXI_NODE_CHANNELS_H

#include "base/error.h"
#include "base/ring.h"
#include "core/gate.h"
#include "core/values.h"
#include "node/runtime.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct axi_channel;

struct axi_channels {
    struct axi_channel *channels;
    uint32_t count;
    struct axi_value_table *inputs; /* borrowed */
    struct axi_ring queue;          /* outputs, scheduler -> thread */
    void *queue_memory;
    _Atomic uint64_t lost; /* outputs that found the queue full */
    int wake_fd, send_fd;  /* send_fd: what goes to a voter */
    pthread_t thread;
    bool has_thread;
    _Atomic bool is_stopping;
};

/* Opens the targets and starts the thread. -AXC_EINVALID (a target cannot be understood), -AXC_EIO,
 * -AXC_ENOMEM. */
AXC_MUST_USE int axi_channels_start(struct axi_channels *channels,
                                    const struct axi_channel_config *configs, uint32_t count,
                                    struct axi_value_table *inputs);
void axi_channels_stop(struct axi_channels *channels);

/* Scheduler context; never blocks. A channel that is not configured swallows the value. */
void axi_channels_output(struct axi_channels *channels, const struct axi_stamp *stamp,
                         const char *name, const void *value, uint32_t bytes);
/* The same, as a stamped value to an address: a task's voter. */
void axi_channels_send(struct axi_channels *channels, const struct axi_stamp *stamp,
                       const struct sockaddr_in *to, const void *value, uint32_t bytes);

#endif
