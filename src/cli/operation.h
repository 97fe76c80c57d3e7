/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: start one, show its progress, tell its end by the exit code. */
#ifndef AXI_CLI_OPERATION_H
#define AXI_CLI_OPERATION_H

#include "cli/client.h"

/* POSTs (or DELETEs) and, unless --no-wait, waits for the end. every_step: one line per step on
 * stdout with its time; else progress goes to stderr, and only when that is a terminal. ret_op (may
 * be NULL): the operation that ended, well or not, new reference; NULL with --no-wait or when its
 * end is not known. Returns an exit code, said. */
int axi_operation_run(struct axi_client *client, const char *method, const char *path,
                      const json_t *body, bool every_step, json_t **ret_op);

/* Waits for the end of an operation that began, by its id. */
int axi_operation_wait(struct axi_client *client, const char *id, bool every_step, json_t **ret_op);

#endif
