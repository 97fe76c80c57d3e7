/* SPDX-License-Identifier: Apache-2.0 */
/* The newest durable checkpoint of each task. Checkpoint managers know it, each by itself; they are
 * asked in the background when somebody wants to know, at most once a second. Loop thread. */
#ifndef AXI_MASTER_CHECKPOINT_LIST_H
#define AXI_MASTER_CHECKPOINT_LIST_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

struct axi_checkpoint_list;

/* token: borrowed for the list's life. arrived: a new list is there. */
AXC_MUST_USE int axi_checkpoint_list_new(uv_loop_t *loop, const char *token,
                                         void (*arrived)(void *context), void *context,
                                         struct axi_checkpoint_list **ret_list);
/* Memory goes once the loop has seen the end of a request under way (bounded). NULL is fine. */
void axi_checkpoint_list_free(struct axi_checkpoint_list *list);

/* {"items": [...], "silent": [managers that did not answer]}, a new reference, of the last second;
 * NULL when it is asked for: call again after arrived. managers: axi_master_managers. */
json_t *axi_checkpoint_list_get(struct axi_checkpoint_list *list, const json_t *managers);

/* Puts the rows of one manager's list ("items" of its /v1/checkpoints) into newest, by task: the
 * one with the highest epoch, job and step stays. What is no such row is left out. */
void axi_checkpoint_list_merge(json_t *newest, const json_t *items, const char *manager);

#endif
