/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AXI_CLI_DESCRIBE_SERVICE_H
#define AXI_CLI_DESCRIBE_SERVICE_H

#include "cli/client.h"

#include <jansson.h>

/* Prints what GET /v1/services/NAME said, for people: how it stands, its replicas and why they are
 * where they are: the last events. 0 or an exit code, said. */
int axi_describe_service(struct axi_client *client, const json_t *service);

#endif
