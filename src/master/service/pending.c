/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that are on their way will define: whoever adds one takes its lines out here. */
#include "master/service/internal.h"

#include <string.h>

/* service/members.c, reconcile.c, drain.c */
struct axi_member *axi_member_find(struct axi_service *service, uint64_t task)
{
    for (uint32_t i = 0; i < service->member_count; i++) {
        if (service->members[i].task == task) {
            return &service->members[i];
        }
    }
    return NULL;
}

uint64_t axi_service_wcet_ns(const struct axi_service_spec *spec,
                             const struct axi_image_entry *entry)
{
    (void)spec;
    return entry->wcet_ns;
}

void axi_service_avoid(struct axi_master *m, struct axi_service *service, uint64_t node,
                       uint64_t pause_ns)
{
    (void)m;
    (void)service;
    (void)node;
    (void)pause_ns;
}

void axi_service_reconcile(struct axi_master *m, struct axi_service *service)
{
    (void)m;
    (void)service;
}

uint64_t axi_drains_tick(struct axi_master *m)
{
    (void)m;
    return UINT64_MAX;
}

/* service/declare.c, describe.c */
int axi_master_apply(struct axi_master *m, const json_t *request, json_t **ret_answer,
                     char *ret_reason)
{
    (void)m;
    (void)request;
    (void)ret_answer;
    return axi_refuse(ret_reason, AXC_EUNAVAILABLE, "not there yet");
}

int axi_master_undeclare(struct axi_master *m, const json_t *request, json_t **ret_answer,
                         char *ret_reason)
{
    return axi_master_apply(m, request, ret_answer, ret_reason);
}

int axi_master_cordon(struct axi_master *m, const char *node, bool is_cordoned, char *ret_reason)
{
    (void)m;
    (void)node;
    (void)is_cordoned;
    return axi_refuse(ret_reason, AXC_EUNAVAILABLE, "not there yet");
}

int axi_master_drain(struct axi_master *m, const char *node, uint64_t deadline_ns, uint64_t *ret_op,
                     char *ret_reason)
{
    (void)deadline_ns;
    (void)ret_op;
    return axi_master_cordon(m, node, true, ret_reason);
}

int axi_master_rollout(struct axi_master *m, const char *service, const char *action,
                       char *ret_reason)
{
    (void)action;
    return axi_master_cordon(m, service, true, ret_reason);
}

int axi_master_rebalance(struct axi_master *m, bool is_dry_run, json_t **ret_answer,
                         char *ret_reason)
{
    (void)ret_answer;
    return axi_master_cordon(m, "", is_dry_run, ret_reason);
}

json_t *axi_master_services(struct axi_master *m)
{
    (void)m;
    return json_array();
}

json_t *axi_master_service(struct axi_master *m, const char *name)
{
    (void)m;
    (void)name;
    return NULL;
}

json_t *axi_master_declared(struct axi_master *m)
{
    (void)m;
    return json_array();
}
