/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint managers as subcommands see them: each has an API of its own, which answers while
 * the master does not. */
#ifndef AXI_CLI_MANAGERS_H
#define AXI_CLI_MANAGERS_H

#include "cli/client.h"

/* A new array of {"name","api"}: what the master lists, else what the state directory says. May be
 * empty. */
json_t *axi_managers_list(struct axi_client *client);

/* One call to one manager: 0 and a new reference, or -1 (nobody there, or refused: *ret_reason, 200
 * bytes, says why). */
int axi_manager_call(struct axi_client *client, const char *api, const char *method,
                     const char *path, json_t **ret_json, char *ret_reason);

/* The same with bytes. body NULL: none. *ret_bytes from malloc. */
int axi_manager_bytes(struct axi_client *client, const char *api, const char *method,
                      const char *path, const void *body, size_t body_bytes, uint8_t **ret_bytes,
                      size_t *ret_count, char *ret_reason);

/* {"items","now_ns"} for `axcan get managers` and `axcan get checkpoints [TASK]`. 0, or an exit
 * code after having said what is wrong. */
int axi_managers_get(struct axi_client *client, json_t **ret_answer);
int axi_managers_checkpoints(struct axi_client *client, const char *task, json_t **ret_answer);

#endif
