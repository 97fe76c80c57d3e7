/* SPDX-License-Identifier: Apache-2.0 */
/* The image of a node that runs Axcan OS behind a user network of QEMU: kernel and configuration.
 * Neither bridge nor privilege is needed; one port of this machine leads to the guest. */
#ifndef AXI_HOST_OS_NODE_H
#define AXI_HOST_OS_NODE_H

#include "core/boot_config.h"
#include "host/os_files.h"

#define AXI_OS_NODE_PORT 7402u        /* of the guest: where other nodes connect */
#define AXI_OS_NODE_GUEST "10.0.2.15" /* QEMU's user network: the guest ... */
#define AXI_OS_NODE_HOST "10.0.2.2"   /* ... and this machine as the guest sees it */

/* As axi_boot_config_init sets them: what such a node tells a master of itself. */
#define AXI_OS_NODE_SLOTS 16u
#define AXI_OS_NODE_SERVER_BUDGET_NS 1000000u
#define AXI_OS_NODE_SERVER_PERIOD_NS 10000000u

struct axi_os_node {
    const char *name;
    const char *board;      /* see axi_os_is_board */
    const char *image;      /* file to write; the identity (MAC) of one that is there stays */
    const char *masters;    /* node ports: HOST:PORT[,...], numeric; 127.x is this machine */
    const char *token_file; /* the cluster's secret */
    const char *address;    /* of this machine, IPv4: where others reach the guest */
    uint16_t port;          /* of it, leads to the guest's AXI_OS_NODE_PORT */
    uint32_t capacity_ppm;
    uint64_t host_channel; /* guest address of the page shared with a monitor; 0 = there is none */
};

/* Packs the image; port and random seed are fresh. Negative with ret_reason (AXI_OS_REASON_BYTES).
 */
AXC_MUST_USE int axi_os_node_make(const struct axi_os_node *node,
                                  struct axi_boot_config *ret_config, char *ret_reason);

#endif
