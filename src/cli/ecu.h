/* SPDX-License-Identifier: Apache-2.0 */
/* A node of a local cluster that runs Axcan OS: an ECU in QEMU, or in a partition under runax. Both
 * are on a user network, so no privilege is needed. */
#ifndef AXI_CLI_ECU_H
#define AXI_CLI_ECU_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A member of the cluster (cli/cluster.h) that is to be prepared before it is started. board: see
 * axi_os_is_board. */
json_t *axi_ecu_member(const char *dir, const char *name, const char *board, uint64_t capacity_ppm,
                       bool is_partition);

/* True for what axi_ecu_member made. */
bool axi_ecu_is_member(const json_t *member);

/* Before each start: packs DIR/NAME.img from the board's kernel and sets the member's argv. The
 * identity (MAC) of an image that is there already stays; port and random seed are fresh. master:
 * "127.0.0.1:port". 0, or the exit code after having said what is wrong. */
AXC_MUST_USE int axi_ecu_prepare(const char *dir, const char *master, json_t *member);

#endif
