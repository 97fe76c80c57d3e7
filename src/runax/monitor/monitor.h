/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor: one process per partition, forked by `runax create` and left to the engine's shim,
 * which learns from it what became of the guest: it ends with the guest's exit code. One thread,
 * one poll loop around the backend (src/runax/hv/hv.h), the console and the control socket. */
#ifndef AXI_RUNAX_MONITOR_MONITOR_H
#define AXI_RUNAX_MONITOR_MONITOR_H

#include "runax/hv/hv.h"

struct axi_monitor_config {
    const struct axi_hv *hv;
    const struct axi_partition *partition;
    const struct axi_platform *platform;
    int folder_fd;     /* state directory */
    int creator_fd;    /* socket: is told "CODE TEXT" when the partition is prepared, or not; until
                          "commit" comes back, its end is the partition's */
    int restore_fd;    /* directory of a checkpoint, or -1 */
    uint32_t grace_ms; /* from asking the guest to end until it is ended */
    void (*say)(void *context, const char *level, const char *text); /* to the engine's log */
    void *context;
};

/* Prepares, then serves until the guest has ended. Standard input and output are the container's.
 */
_Noreturn void axi_monitor_run(const struct axi_monitor_config *config);

#endif
