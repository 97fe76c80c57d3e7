/* SPDX-License-Identifier: Apache-2.0 */
/* The voters of `axcan up`. cluster.json gets "voters", like "members". */
#ifndef AXI_CLI_UP_VOTERS_H
#define AXI_CLI_UP_VOTERS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define AXI_UP_VOTERS_MAX 8u

struct axi_up_voters {
    uint64_t count;  /* wanted */
    const char *out; /* "[SERVICE=]TARGET" of the agreed values; NULL = nowhere */
    size_t there;    /* before this command */
    bool is_started[AXI_UP_VOTERS_MAX];
};

/* Adds voters until there are `count` (those that are there stay), and starts those that are not
 * alive; the master's addresses stand in the cluster already. Says what is wrong; 0 or the exit
 * code. */
AXC_MUST_USE int axi_up_voters_start(struct axi_up_voters *voters, json_t *cluster, const char *dir,
                                     uint64_t deadline_ns);
/* Ends what was started and forgets what was added. */
void axi_up_voters_undo(struct axi_up_voters *voters, json_t *cluster);

#endif
