/* SPDX-License-Identifier: Apache-2.0 */
/* An ECU of a local cluster: Axcan OS in QEMU, on a user network, so no privilege is needed. */
#ifndef AXI_CLI_ECU_H
#define AXI_CLI_ECU_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

struct axi_ecu {
    const char *dir;    /* of the cluster: token; image and console go there */
    const char *name;   /* "ecu1" */
    const char *board;  /* axi_os_is_board */
    const char *master; /* "127.0.0.1:port" */
    uint32_t capacity_ppm;
};

/* Packs DIR/NAME.img and makes a member of the cluster (cli/cluster.h) that runs it; its console
 * goes to DIR/NAME.console. 0, or the exit code after having said what is wrong. */
AXC_MUST_USE int axi_ecu_member(const struct axi_ecu *ecu, json_t **ret_member);

#endif
