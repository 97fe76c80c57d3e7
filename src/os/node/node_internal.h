/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the bare-metal node: node.c (start and loop), agent_port.c (what the agent asks for). */
#ifndef AXI_OS_NODE_NODE_INTERNAL_H
#define AXI_OS_NODE_NODE_INTERNAL_H

#include "core/agent.h"
#include "os/node/clock.h"
#include "os/node/images.h"
#include "os/node/node.h"

#define AXI_NODE_LOAD_WAIT_NS 2000000000ull
#define AXI_NODE_ADDRESS_BYTES 24u /* "255.255.255.255:65535" */

/* A load that waits until the slot's former instance is gone. */
struct axi_node_load {
    bool is_pending;
    uint64_t until_ns;
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES];
    char output_address[sizeof(((axi_TaskSpec *)0)->output_address)];
};

struct axi_node {
    const struct axi_boot_config *config;
    struct axi_runtime *runtime;
    const char *reset_reason;
    char masters[AXI_BOOT_TEXT_BYTES + AXI_BOOT_MASTERS_BYTES]; /* all of them */
    struct axi_agent *agent;     /* NULL until the node has an address */
    struct axi_node_load *loads; /* one per slot */
    struct axi_images images;
    struct axi_node_clock clock;
    uint32_t slots;
    uint32_t pending_loads;
    uint32_t log_slot;      /* next slot to drain */
    uint64_t drops_told;    /* sum of the drops when they were logged last ... */
    uint64_t drops_tell_ns; /* ... and when they may be again */
    bool is_joined;
    uint64_t drain_until_ns; /* 0 = it is not asked to end */
    uint64_t drain_ask_ns;
    char address[AXI_NODE_ADDRESS_BYTES];
};

/* agent_port.c */
void axi_node_fill_port(struct axi_node *node, struct axi_agent_port *ret_port);
void axi_node_retry_loads(struct axi_node *node, uint64_t now_ns);

#endif
