/* SPDX-License-Identifier: Apache-2.0 */
/* The platforms there are, and what the host's programs know of each board of Axcan OS: the one
 * place besides src/os/board/NAME that names them. Constant; any thread. */
#ifndef AXI_IMAGE_BOARDS_H
#define AXI_IMAGE_BOARDS_H

#include "image/oci.h"

#include <stddef.h>
#include <stdint.h>

#define AXI_BOARD_NAMES "virt, zcu102" /* for messages */

struct axi_board_facts {
    const char *name;
    uint64_t ram;                /* where its memory begins */
    const char *const *qemu;     /* QEMU's arguments for the machine, ending with NULL */
    const char *qemu_nic_option; /* "-device" or "-net" ... */
    const char *qemu_nic_format; /* ... and its value, with one %s for the MAC address */
};

/* By its name, or NULL. */
const struct axi_board_facts *axi_board_find(const char *name);
/* The index-th board, or NULL. */
const struct axi_board_facts *axi_board_at(size_t index);

struct axi_platform_facts {
    const char *name; /* "linux-x86_64", "axcan-virt": what decides which binary fits */
    enum axi_isa isa;
};

/* The index-th platform, or NULL. */
const struct axi_platform_facts *axi_platform_at(size_t index);

#endif
