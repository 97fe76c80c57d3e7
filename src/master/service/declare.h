/* SPDX-License-Identifier: Apache-2.0 */
/* One request to declare or undeclare, object by object: declare.c reads and commits it,
 * feasible.c judges whether it can be. */
#ifndef AXI_MASTER_SERVICE_DECLARE_H
#define AXI_MASTER_SERVICE_DECLARE_H

#include "master/service/internal.h"

#define AXI_DECLARE_MAX 100u /* objects of one request (one transaction), replicas asked for */

enum axi_declare_kind { AXI_DECLARE_SERVICE = 0, AXI_DECLARE_NODE, AXI_DECLARE_POLICY };
enum axi_declare_action {
    AXI_DECLARE_CREATE = 0,
    AXI_DECLARE_CHANGE,
    AXI_DECLARE_UNCHANGED,
    AXI_DECLARE_DELETE,
};

struct axi_declare {
    enum axi_declare_kind kind;
    enum axi_declare_action action;
    char name[32];
    json_t *object, *fields, *nodes; /* owned; may be NULL */
    int code;                        /* 0, or why it is refused */
    char reason[AXI_REASON_BYTES];
    struct axi_service_spec spec;
    struct axi_service_images images;
    struct axi_node_spec node_spec;
    struct axi_policy_spec policy;
    struct axi_service *service;    /* borrowed; NULL = there is none yet */
    struct axi_declared_node *node; /* borrowed */
    bool is_replacing;              /* new replicas are needed */
    bool is_lesser;                 /* judged as degraded ones */
};

/* Sets code, reason and nodes of every service that no arrangement satisfies, and appends to
 * ret_plan (NULL: nowhere) what would move or be placed where. -AXC_ENOMEM. */
AXC_MUST_USE int axi_declare_judge(struct axi_master *m, struct axi_declare *list, size_t count,
                                   json_t *ret_plan);

#endif
