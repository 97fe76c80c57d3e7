/* SPDX-License-Identifier: Apache-2.0 */
/* What would one more task do to this node? For placement: keeps the admitted tasks' results and
 * the prepared distributions, so that asking is much cheaper than analysing the node anew. */
#ifndef AXI_MODEL_NODE_H
#define AXI_MODEL_NODE_H

#include "model/response.h"

struct axi_node_verdict {
    struct axi_response candidate; /* SOUND bound of the candidate */
    double fail;                   /* S6, upper bound */
    double worst_other;            /* largest P(late) bound among the tasks it would disturb */
    size_t worst_index;
};

struct axi_node_model;

/* Copies the tasks. count may be 0 (an empty node). */
AXC_MUST_USE int axi_node_model_new(struct axi_node_model **ret_node,
                                    const struct axi_model_task *tasks, size_t count);
void axi_node_model_free(struct axi_node_model *node);

/* Judges a candidate without admitting it. with_others: also the tasks of the same or a lower
 * priority; those above keep the bounds found before (computed on the first such call). options:
 * NULL or memory, target and poll; the mode is SOUND. */
AXC_MUST_USE int axi_node_model_try(struct axi_node_model *node,
                                    const struct axi_model_task *candidate, bool with_others,
                                    const struct axi_model_options *options,
                                    struct axi_node_verdict *ret_verdict);

/* Admits it for good. */
AXC_MUST_USE int axi_node_model_add(struct axi_node_model *node,
                                    const struct axi_model_task *candidate);

#endif
