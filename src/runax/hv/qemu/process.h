/* SPDX-License-Identifier: Apache-2.0 */
/* The QEMU process of a partition: dies with its monitor, is found again by reclaim. */
#ifndef AXI_RUNAX_QEMU_PROCESS_H
#define AXI_RUNAX_QEMU_PROCESS_H

#include "runax/hv/qemu/machine.h"

#include <sys/types.h>

#define AXI_QEMU_PID_FILE "hv-qemu.pid" /* "PID START\n", START in ticks as /proc has it */

/* Starts argv with fds[i] as its descriptor i (fds 0 and 1 are made /dev/null) and no other one.
 * Killed when the caller's thread ends. Notes the process in state_fd. */
AXC_MUST_USE int axi_qemu_spawn(const struct axi_qemu_command *command, const int *fds,
                                uint32_t fd_count, int state_fd, struct axi_report *report,
                                pid_t *ret_pid, int *ret_pidfd);

/* Kills the process the file in state_fd names, if it is still that one; removes the file. 0 also
 * when there is none. -AXC_EPERM. */
AXC_MUST_USE int axi_qemu_reap(int state_fd, struct axi_report *report);

/* The last line of QEMU's messages that is no warning, for a report. */
void axi_qemu_last_words(int log_fd, char *ret_text, uint32_t size);

#endif
