/* SPDX-License-Identifier: Apache-2.0 */
/* Pure choice: what a partition gets, given what the others have. No files, no side effects.
 * Internal to resource/ and its tests. */
#ifndef AXI_RUNAX_RESOURCE_ALLOCATE_H
#define AXI_RUNAX_RESOURCE_ALLOCATE_H

#include "runax/platform.h"
#include "runax/resource/journal.h"

/* What a hypervisor takes from the machine besides CPUs (struct axi_hv.takes). */
enum axi_takes {
    AXI_TAKES_MEMORY = 0x1,  /* physical memory of the platform's pools */
    AXI_TAKES_DEVICES = 0x2, /* interrupts, devices, remote cores */
    AXI_TAKES_CONSOLE = 0x4, /* its console does not tell partitions apart: one has it */
};

struct axi_allocation {
    const struct axi_platform *platform;
    const struct axi_journal_entry *entries; /* of all partitions, borrowed */
    size_t entry_count;
    uint32_t takes; /* enum axi_takes */
    struct axi_report *report;
};

/* Replaces every AXI_ANY that the hypervisor leaves to us. Leaves `partition` untouched when it
 * fails: -AXC_ERESOURCE_..., the report says what is missing and who has it. */
AXC_MUST_USE int axi_allocate(const struct axi_allocation *allocation,
                              struct axi_partition *partition);

/* Memory: pools, explicit addresses, channels. In allocate_memory.c; called by axi_allocate. */
AXC_MUST_USE int axi_allocate_memory(const struct axi_allocation *allocation,
                                     struct axi_partition *partition);

#endif
