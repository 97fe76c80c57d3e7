/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's system call filter: futex, mprotect to read-write or none, clock_gettime,
 * rt_sigreturn, exit_group. Anything else raises SIGSYS. */
#ifndef AXI_NODE_SANDBOX_H
#define AXI_NODE_SANDBOX_H

/* For the calling process, for ever. Returns 0 or -AXC_EPERM. */
int axi_sandbox_enter(void);

#endif
