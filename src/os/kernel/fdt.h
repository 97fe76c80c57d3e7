/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel wants to know of a flattened device tree (Devicetree Specification 0.4, section
 * 5): where RAM is, and where a loader put the configuration blob. */
#ifndef AXI_OS_FDT_H
#define AXI_OS_FDT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct axi_fdt_facts {
    uint64_t ram_base, ram_bytes; /* first range of /memory; 0 bytes: not said */
    uint64_t config_address;      /* /chosen axcan,config (one or two cells); 0: not said */
};

/* Reads at most `room` bytes at `tree` (4-aligned). -AXC_EINVALID: it is none, or is malformed;
 * nothing is changed then. */
AXC_MUST_USE int axi_fdt_read(const void *tree, size_t room, struct axi_fdt_facts *ret_facts);

#endif
