/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated sensors and actuators of a bare-metal node, by UDP: `udp:PORT` (the last datagram) and
 * `node:PORT` (stamped, none that is stale: core/gate.h) come in, `udp:HOST:PORT` and
 * `node:HOST:PORT` go out. Server thread. */
#ifndef AXI_OS_NODE_CHANNELS_H
#define AXI_OS_NODE_CHANNELS_H

#include "base/error.h"
#include "core/boot_config.h"
#include "os/task/runtime.h"

/* Opens what the configuration names; both are borrowed for ever. -AXC_EINVALID: a target cannot be
 * understood, *ret_bad says which channel; -AXC_ENOMEM. Once, after axi_net_start. */
AXC_MUST_USE int axi_channels_start(const struct axi_boot_config *config,
                                    struct axi_runtime *runtime, uint32_t *ret_bad);

/* Sends what tasks put out. */
void axi_channels_poll(void);

#endif
