/* SPDX-License-Identifier: Apache-2.0 */
/* What apply, plan and delete share: the request, and what the master says to it. */
#ifndef AXI_CLI_DECLARE_H
#define AXI_CLI_DECLARE_H

#include "cli/client.h"

#include <jansson.h>

/* POSTs {"objects", "dry_run"} to /v1/apply or /v1/undeclare. 0 and the answer; or an exit code
 * after having printed on stderr which object was refused, why, and by which nodes. */
int axi_declare_send(struct axi_client *client, const char *path, const json_t *objects,
                     bool is_dry_run, json_t **ret_answer);

/* One line for each object: "service/brake changed"; with_fields: each difference below it. */
void axi_declare_print_changes(const json_t *changes, bool is_dry_run, bool with_fields);
/* "  update.surge: 1 -> 0" for each of {"path","from","to"}. */
void axi_declare_print_fields(const json_t *fields);
/* "task  from -> to  why" for each move. */
void axi_declare_print_plan(const json_t *plan);

/* Waits until a service is ready (or, gone: until there is none). 0, or an exit code, said. */
int axi_declare_wait_ready(struct axi_client *client, const char *service);
int axi_declare_wait_gone(struct axi_client *client, const char *service);

/* "" when the member is no text. */
const char *axi_declare_text(const json_t *object, const char *key);

#endif
