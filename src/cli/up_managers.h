/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint managers of `axcan up`. cluster.json gets "managers", like "members", each also
 * with its "listen" and "api" addresses. */
#ifndef AXI_CLI_UP_MANAGERS_H
#define AXI_CLI_UP_MANAGERS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define AXI_UP_MANAGERS_MAX 8u

/* Adds managers until there are `count` (those that are there stay), and starts those that are not
 * alive; the master's addresses stand in the cluster already. lease_ms: 0 = default. ret_started
 * (false before) tells which were started. Says what is wrong; 0 or the exit code. */
AXC_MUST_USE int axi_up_managers_start(json_t *cluster, const char *dir, uint64_t count,
                                       uint64_t lease_ms, uint64_t deadline_ns,
                                       bool ret_started[AXI_UP_MANAGERS_MAX]);
void axi_up_managers_stop(json_t *cluster, const bool started[AXI_UP_MANAGERS_MAX]);

#endif
