/* SPDX-License-Identifier: Apache-2.0 */
/* The hosts of partitions of `axcan up`. cluster.json gets "hosts", like "members". */
#ifndef AXI_CLI_UP_HOSTS_H
#define AXI_CLI_UP_HOSTS_H

#include "cli/client.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define AXI_UP_HOSTS_MAX 8u
#define AXI_UP_HOST_PARTITIONS "2" /* each can run */

struct axi_up_hosts {
    uint64_t count;    /* wanted */
    const char *board; /* of new ones */
    size_t there;      /* before this command */
    bool is_started[AXI_UP_HOSTS_MAX];
};

/* Adds hosts until there are `count` (those that are there stay), starts those that are not alive
 * and waits until the master knows them. Says what is wrong; 0 or the exit code. */
AXC_MUST_USE int axi_up_hosts_start(struct axi_up_hosts *hosts, json_t *cluster, const char *dir,
                                    struct axi_client *client);
/* Ends what was started and forgets what was added. */
void axi_up_hosts_undo(struct axi_up_hosts *hosts, json_t *cluster);

#endif
