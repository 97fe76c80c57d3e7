/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the qemu backend. */
#ifndef AXI_RUNAX_QEMU_INTERNAL_H
#define AXI_RUNAX_QEMU_INTERNAL_H

#include "core/host_channel.h"
#include "runax/hv/hv.h"
#include "runax/hv/qemu/machine.h"
#include "runax/hv/qemu/qmp.h"

#include <sys/types.h>

#define AXI_QEMU_CALL_TIMEOUT_MS 5000
#define AXI_QEMU_STATE_FILE "hv-qemu.state"

enum axi_qemu_cause { AXI_QEMU_NONE, AXI_QEMU_OFF, AXI_QEMU_RESET, AXI_QEMU_HOST };

struct axi_hv_guest {
    struct axi_partition partition; /* fds inside are not used after prepare */
    const struct axi_platform *platform;
    struct axi_qemu_plan plan;
    struct axi_guest_memory memory; /* [0] is the RAM */
    struct axi_host_channel *channel;
    struct axi_qmp qmp;
    pid_t pid;
    int pidfd, console, log, events;
    int state_fd; /* borrowed from the host */
    enum axi_qemu_cause cause;
    bool is_killed; /* by stop */
    bool is_frozen; /* paused by SIGSTOP */
    struct axi_hv_status status;
};

/* Each virtual CPU on a CPU of the partition; QEMU's other threads stay where the monitor is. */
AXC_MUST_USE int axi_qemu_pin_cpus(struct axi_hv_guest *guest, struct axi_report *report);

/* verify of struct axi_hv. */
AXC_MUST_USE int axi_qemu_verify(struct axi_hv_guest *guest, struct axi_report *report);

/* Writes the machine's state (QEMU's migration stream) to AXI_QEMU_STATE_FILE; the guest is paused.
 */
AXC_MUST_USE int axi_qemu_save(struct axi_hv_guest *guest, int folder_fd,
                               struct axi_report *report);

/* Waits until a migration out or in has ended. */
AXC_MUST_USE int axi_qemu_wait_migration(struct axi_hv_guest *guest, struct axi_report *report);

#endif
