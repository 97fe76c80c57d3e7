/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AXI_RUNAX_JAILHOUSE_CELL_COMMAND_H
#define AXI_RUNAX_JAILHOUSE_CELL_COMMAND_H

#include "runax/report.h"

#include <stdio.h>

/* `runax cell dump|check|diff` with the words behind "cell":
 *   dump [--layout L] FILE           prints everything in the file
 *   check [--layout L] FILE...       each file, and whether the cells can exist together
 *   diff [--layout L] FILE FILE      the lines that differ
 * Without --layout the file must be consistent as exactly one. Returns the exit status: 0; 1 when a
 * check failed or the files differ (diff prints, check reports); -AXC_E otherwise. */
int axi_cell_command(int argc, char *const *argv, FILE *out, struct axi_report *report);

#endif
