/* SPDX-License-Identifier: Apache-2.0 */
/* The masters of `axcan up` besides the first one. cluster.json gets "masters", like "members",
 * each with its "listen" and "api"; the cluster's own "listen" and "api" list those of all masters.
 */
#ifndef AXI_CLI_UP_MASTERS_H
#define AXI_CLI_UP_MASTERS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define AXI_UP_MASTERS_MAX 8u /* the first one too */

struct axi_up_masters {
    uint64_t count; /* wanted, the first one too; 0 = what is there */
    bool is_new;    /* there was no cluster before */
    bool is_started[AXI_UP_MASTERS_MAX];
};

/* The first one (member 0) runs. Adds and starts the others, notes the addresses of all. lease_ms:
 * 0 = default. Says what is wrong; 0 or the exit code. */
AXC_MUST_USE int axi_up_masters_start(struct axi_up_masters *masters, json_t *cluster,
                                      const char *dir, uint64_t lease_ms, uint64_t deadline_ns);
void axi_up_masters_undo(const struct axi_up_masters *masters, json_t *cluster);

#endif
