/* SPDX-License-Identifier: Apache-2.0 */
/* The networked bare-metal node: agent, runtime and network in one loop, which is the server
 * thread. The sibling of axcan-node's daemon. */
#ifndef AXI_OS_NODE_NODE_H
#define AXI_OS_NODE_NODE_H

#include "core/boot_config.h"
#include "os/task/runtime.h"

struct axi_node;

/* Once, at boot; everything is borrowed for ever. reset_reason: why the machine was reset, "" when
 * it was simply switched on. -AXC_ENOMEM. */
AXC_MUST_USE int axi_node_new(const struct axi_boot_config *config, struct axi_runtime *runtime,
                              const char *reset_reason, struct axi_node **ret_node);

/* The server thread's entry (argument: the node); does not return. */
void axi_node_main(void *node);

#endif
