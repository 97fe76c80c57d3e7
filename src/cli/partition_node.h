/* SPDX-License-Identifier: Apache-2.0 */
/* A node of a local cluster that runs in a partition: Axcan OS under `runax run` (QEMU's backend).
 */
#ifndef AXI_CLI_PARTITION_NODE_H
#define AXI_CLI_PARTITION_NODE_H

#include "core/boot_config.h"

#include <jansson.h>
#include <stdint.h>

/* Before each start: makes DIR/NAME.bundle around the image (linked there) and returns the command
 * line that runs it; port: of 127.0.0.1, leads to the guest. NULL after having said what is wrong.
 */
json_t *axi_partition_node_argv(const char *dir, const char *name, const char *board,
                                const char *image, const struct axi_boot_config *config,
                                uint16_t port);

/* The command line that removes a partition whose `runax run` was killed: what the member's
 * "removal" is to be. NULL: there is no runax. */
json_t *axi_partition_node_removal(const char *dir, const char *name);
/* Runs that; nothing for a member that is no partition. */
void axi_partition_node_remove(const json_t *member);

#endif
