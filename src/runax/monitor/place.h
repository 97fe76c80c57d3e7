/* SPDX-License-Identifier: Apache-2.0 */
/* Where the monitor lives on the host: its cgroups, its CPUs, its place before the OOM killer. */
#ifndef AXI_RUNAX_MONITOR_PLACE_H
#define AXI_RUNAX_MONITOR_PLACE_H

#include "runax/partition.h"
#include "runax/report.h"

#include <stddef.h>

/* linux.cgroupsPath to a path below the hierarchies' roots: "/a/b" as it is, and
 * "slice:prefix:name" (is_systemd) as the directory that systemd would use. -AXC_EBUNDLE: none of
 * both. */
AXC_MUST_USE int axi_cgroup_path(const char *text, bool is_systemd, char *ret_path, size_t size,
                                 struct axi_report *report);

/* Makes the directory in each hierarchy (v1) or in the unified one and moves the calling process
 * there. Succeeds when at least one took it; the report then holds the first refusal, if any. */
AXC_MUST_USE int axi_cgroup_enter(const char *path, struct axi_report *report);

/* Removes the directories where no process is left. */
void axi_cgroup_remove(const char *path);

/* The calling process: only these CPUs, never an isolated one. */
AXC_MUST_USE int axi_place_on(const struct axi_cpuset *cpus, struct axi_report *report);
AXC_MUST_USE int axi_place_oom_score(int score, struct axi_report *report);

#endif
