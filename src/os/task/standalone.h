/* SPDX-License-Identifier: Apache-2.0 */
/* A partition without a network: the tasks packed into the configuration start together, run, and
 * end the machine. What happens is told on the console:
 *
 *   E <task> <sha256>                 of the ELF file that was loaded
 *   T <master_ns> <kind> <task> <job> <release_ns> <response_ns> <exec_ns> <state_crc> <output_crc>
 *     <cause> <detail>                with AXI_BOOT_FLAG_TRACE: one line per trace record
 *   L <task> <level> <job> <text>     a line of a task's log
 *   S <task> <state> released=.. completed=.. missed=.. killed=.. skipped=.. overruns=..
 *     response_max_ns=.. exec_max_ns=.. cause=.. detail=..    at the end, one per task
 *   axcan-os: ...                     everything else
 *
 * Master time is local time: the first release is on a multiple of 10 ms, said by
 * `axcan-os: start <master_ns>`. */
#ifndef AXI_OS_TASK_STANDALONE_H
#define AXI_OS_TASK_STANDALONE_H

#include "core/boot_config.h"
#include "os/task/runtime.h"

/* Where the tasks' WCETs are looked up: the board's platform, e.g. "axcan-virt". */
struct axi_standalone {
    struct axi_runtime *runtime;
    const struct axi_boot_config *config; /* and what it points to: kept */
    const char *platform;
};

/* The server thread's entry (axi_runtime_start); `argument` is a struct axi_standalone. */
void axi_standalone_run(void *argument);

#endif
