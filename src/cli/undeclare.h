/* SPDX-License-Identifier: Apache-2.0 */
/* `axcan delete -f FILE` and `axcan delete service|node NAME`. */
#ifndef AXI_CLI_UNDECLARE_H
#define AXI_CLI_UNDECLARE_H

/* argv[0] is the command's name; returns the exit code. */
int axi_undeclare_run(int argc, char **argv);

#endif
