/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemons do alike when they start. What fails is logged as `start-failed` with what it
 * was and why; the error is returned. Before the loop runs. */
#ifndef AXI_NET_STARTUP_H
#define AXI_NET_STARTUP_H

#include "base/error.h"
#include "net/host.h"

#include <stdbool.h>

/* Logs and returns `error` (negative). */
int axi_startup_fail(const char *what, const char *value, int error);

/* Refuses an address that cannot be resolved, and one beyond loopback unless that is allowed. NULL
 * is fine. */
AXC_MUST_USE int axi_startup_address(const char *what, const char *address, int allow_remote);

/* Reads the token and makes the daemon's directory. */
AXC_MUST_USE int axi_startup_private(const char *token_file, const char *dir,
                                     char ret_token[AXI_TOKEN_BYTES]);

/* DIR/NAME. */
AXC_MUST_USE int axi_startup_path(const char *dir, const char *name, char *ret_path, size_t size);

/* "0.0.0.0:PORT" or "[::]:PORT": nobody can be told to connect there. */
bool axi_startup_is_any_host(const char *address);

/* What others are told: an address that is every host's is made the advertised one's host. */
void axi_startup_known(char *to, size_t size, const char *bound, const char *advertise);

/* Holds DIR/lock until the process ends; -AXC_EBUSY when another process does. */
AXC_MUST_USE int axi_startup_lock(const char *dir);

/* axi_startup_address for each of "HOST:PORT[,HOST:PORT...]" (core/masters.h); NULL is fine. */
AXC_MUST_USE int axi_startup_masters(const char *what, const char *list, int allow_remote);

/* Writes "LISTEN API\n" into the file; NULL: nothing to do. */
AXC_MUST_USE int axi_startup_ready(const char *file, const char *listen, const char *api);

#endif
