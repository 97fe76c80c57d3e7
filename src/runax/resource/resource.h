/* SPDX-License-Identifier: Apache-2.0 */
/* Who has which part of the machine: one journal per platform, one lock, transactions. `folder` is
 * the journal's directory (default AXI_RESOURCE_FOLDER, always the same for one machine whatever
 * --root is: two engines share the machine). Every call locks, works and unlocks; a caller killed
 * at any point leaves a journal that axi_resource_reconcile makes exact again. */
#ifndef AXI_RUNAX_RESOURCE_H
#define AXI_RUNAX_RESOURCE_H

#include "runax/partition.h"
#include "runax/platform.h"
#include "runax/report.h"

#include <stdio.h>
#include <sys/types.h>

#define AXI_RESOURCE_FOLDER "/run/axcan/resources"

/* Takes everything the request asks for or nothing: replaces each AXI_ANY in `partition` and leaves
 * a journal entry "pending", owned by process `owner` (its start time is noted as well).
 * -AXC_ERESOURCE_CPU/_MEMORY/_IRQ/_DEVICE/_OVERLAP: the report names what is taken by whom.
 * -AXC_EEXIST: this id has an entry. `state_root` is noted for reconcile. */
AXC_MUST_USE int axi_resource_acquire(const char *folder, const struct axi_platform *platform,
                                      const char *state_root, pid_t owner,
                                      struct axi_partition *partition, struct axi_report *report);

/* What acquire would take now, without taking it: `axcan image explain`. */
AXC_MUST_USE int axi_resource_plan(const char *folder, const struct axi_platform *platform,
                                   struct axi_partition *partition, struct axi_report *report);

/* The partition is prepared and verified: the entry now belongs to the monitor `owner`. */
AXC_MUST_USE int axi_resource_confirm(const char *folder, const char *id, pid_t owner,
                                      struct axi_report *report);

/* Gives everything back; no entry: 0. Call after destroy or reclaim succeeded. */
AXC_MUST_USE int axi_resource_release(const char *folder, const char *id,
                                      struct axi_report *report);

/* The partition of an entry, for reclaim. -AXC_ENOENT. */
AXC_MUST_USE int axi_resource_find(const char *folder, const char *id,
                                   struct axi_partition *ret_partition, struct axi_report *report);

/* One JSON object per line and partition: what it has, for whom. Returns their number or -AXC_E. */
AXC_MUST_USE int axi_resource_print(const char *folder, FILE *file, struct axi_report *report);

/* After a crash or reboot: for each entry whose owner is gone, reclaims from its hypervisor and
 * releases. Several may run at once, and beside acquire. Returns the number of entries released;
 * -AXC_E when a hypervisor did not give back its part (the entry stays; the others are done). */
AXC_MUST_USE int axi_resource_reconcile(const char *folder, const struct axi_platform *platform,
                                        struct axi_report *report);

#endif
