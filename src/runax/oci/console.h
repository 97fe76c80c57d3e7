/* SPDX-License-Identifier: Apache-2.0 */
/* process.terminal: a pseudo terminal whose master goes to the engine. */
#ifndef AXI_RUNAX_OCI_CONSOLE_H
#define AXI_RUNAX_OCI_CONSOLE_H

#include "runax/report.h"

/* Opens a pty, sends its master over the UNIX socket `path` (one byte-string message with the fd,
 * as runc does) and makes the slave standard input, output and error of the calling process. The
 * slave passes bytes on as they are, but for output's newlines. -AXC_ENOENT, -AXC_EIO, ... */
AXC_MUST_USE int axi_console_attach(const char *path, struct axi_report *report);

#endif
