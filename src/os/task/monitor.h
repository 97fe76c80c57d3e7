/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor of the partition this machine runs in, by the page they share (core/host_channel.h).
 * From one thread. */
#ifndef AXI_OS_TASK_MONITOR_H
#define AXI_OS_TASK_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

/* address: of a page of this board's memory in which nothing else lies; 0 = there is no monitor.
 * What the monitor wrote first says that it is there. */
void axi_monitor_open(uint64_t address);
bool axi_monitor_is_there(void);

/* Tells it that this machine is alive. True when it asks for an end. */
bool axi_monitor_beat(void);

/* What the partition's exit code will be when the machine switches itself off. */
void axi_monitor_set_exit_code(int code);

#endif
