/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI bundle of a node in a partition: Axcan OS as runax starts it. */
#ifndef AXI_HOST_BUNDLE_H
#define AXI_HOST_BUNDLE_H

#include "core/boot_config.h"
#include "host/os_files.h"

#include <stdint.h>

#define AXI_BUNDLE_MEMORY_BYTES (64ull << 20)

/* Guest address of the page that such a node shares with its monitor: what its configuration's
 * host_channel must be. */
uint64_t axi_bundle_channel(const char *board);

struct axi_bundle {
    const char *dir;        /* made when it is not there */
    const char *board;      /* see axi_os_is_board */
    const char *hypervisor; /* "qemu", "kvm", ...: runax's backend */
    const char *image;      /* of axi_os_node_make; linked into the bundle: same file system */
    const struct axi_boot_config *config; /* what is in the image */
    const char *address;                  /* of this machine, IPv4 ... */
    uint16_t port; /* ... and a port of it that leads to the guest's AXI_OS_NODE_PORT */
};

/* Before each start. Negative with ret_reason (AXI_OS_REASON_BYTES). */
AXC_MUST_USE int axi_bundle_make(const struct axi_bundle *bundle, char *ret_reason);

#endif
