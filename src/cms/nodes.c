/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that connected: greeting, their memory on the same machine, what they say of their load. */
#include "cms/internal.h"

#include <stdio.h>
#include <string.h>

static int judge(struct axi_cms *cms, const axi_ManagerHello *hello, char *ret_reason)
{
    if (!axi_cms_tokens_match(cms->config.token, hello->token)) {
        return axi_refuse(ret_reason, AXC_EWIRE_AUTH, "wrong token");
    }
    if (hello->protocol_min > AXI_WIRE_VERSION || hello->protocol_max < AXI_WIRE_VERSION) {
        return axi_refuse(ret_reason, AXC_EWIRE_VERSION, "this manager speaks protocol %u",
                          AXI_WIRE_VERSION);
    }
    if (hello->node_id == 0 || hello->boot_id == 0) {
        return axi_refuse(ret_reason, AXC_EINVALID, "node_id and boot_id are needed");
    }
    return 0;
}

static void map_regions(struct axi_cms *cms, struct axi_cms_node *node,
                        const axi_ManagerHello *hello)
{
    size_t bytes = 0;
    const uint8_t *memory;

    if (hello->region_path[0] == '\0' || hello->machine_id == 0 || cms->port.map_regions == NULL) {
        return;
    }
    memory = cms->port.map_regions(cms->port.context, node->id, hello->machine_id,
                                   hello->region_path, &bytes);
    if (memory != NULL && axi_region_file_check(memory, bytes, node->id, hello->boot_id) != 0) {
        cms->port.unmap_regions(cms->port.context, memory, bytes);
        axi_cms_event(cms, AXI_WARNING, "regions-foreign", NULL, node,
                      "%s is not that node's memory; reads over the link instead",
                      hello->region_path);
        return;
    }
    node->regions = memory;
    node->regions_bytes = bytes;
}

void axi_cms_node_link_down(struct axi_cms *cms, struct axi_cms_node *node)
{
    node->link = 0;
    node->is_renewal_pending = false;
    axi_cms_fetch_node_down(cms, node);
    if (node->regions != NULL) {
        cms->port.unmap_regions(cms->port.context, node->regions, node->regions_bytes);
        node->regions = NULL;
        node->regions_bytes = 0;
    }
}

void axi_cms_node_hello(struct axi_cms *cms, struct axi_cms_link *link,
                        const axi_ManagerHello *hello)
{
    axi_ManagerReply reply = {.protocol = AXI_WIRE_VERSION, .manager_id = cms->config.manager_id};
    struct axi_cms_node *node;
    int rc = judge(cms, hello, reply.reason);

    node = rc == 0 ? axi_cms_node_get(cms, hello->node_id) : NULL;
    if (rc == 0 && node == NULL) {
        rc = axi_refuse(reply.reason, AXC_ENOMEM, "out of memory");
    }
    axi_copy_text(reply.name, sizeof(reply.name), cms->config.name);
    reply.result = rc;
    if (rc != 0) {
        axi_cms_event(cms, AXI_WARNING, "node-refused", NULL, NULL, "%s (%s): %s", hello->name,
                      link->peer, reply.reason);
        axi_cms_send(cms, link->id, AXI_WIRE_MANAGER_REPLY, &reply);
        axi_cms_link_close(cms, link, rc, reply.reason);
        return;
    }
    if (node->link != 0) { /* the same node came again: the old link is dead */
        struct axi_cms_link *old = axi_cms_link_find(cms, node->link);

        axi_cms_node_link_down(cms, node);
        if (old != NULL) {
            axi_cms_link_close(cms, old, -AXC_ECANCELLED, "replaced by a newer link");
        }
    }
    if (!node->is_registered) { /* the store will say more */
        axi_copy_text(node->name, sizeof(node->name), hello->name);
    }
    node->link = link->id;
    node->boot_id = hello->boot_id;
    node->machine_id = hello->machine_id;
    node->load_ns = 0;
    link->kind = AXI_CMS_LINK_NODE;
    link->owner = node->id;
    map_regions(cms, node, hello);
    axi_cms_send(cms, link->id, AXI_WIRE_MANAGER_REPLY, &reply);
    axi_cms_event(cms, AXI_INFO, "node-linked", NULL, node, "%s from %s",
                  node->regions != NULL ? "same machine" : "network", link->peer);
}

/* ---- load on demand ---- */

/* A question that is answered already, or still young, is not put again. */
void axi_cms_query_nodes(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);

    for (size_t i = 0; i < cms->node_count; i++) {
        struct axi_cms_node *node = cms->nodes[i];
        axi_LoadQuery query;

        if (node->link == 0 || node->is_dead ||
            (node->query_ns != 0 && now - node->query_ns < cms->config.query_ns)) {
            continue;
        }
        query.request = node->query = axi_cms_random(cms);
        node->query_ns = now;
        axi_cms_send(cms, node->link, AXI_WIRE_LOAD_QUERY, &query);
    }
}

void axi_cms_load_reply(struct axi_cms *cms, struct axi_cms_node *node, const axi_LoadReply *reply)
{
    if (reply->request != node->query || node->query == 0) {
        return;
    }
    node->load = *reply;
    node->load_ns = axi_cms_now(cms);
    node->promised_ppm = 0;
    axi_cms_master_time(cms, reply->master_ns, node->query_ns);
    for (size_t i = 0; i < cms->task_count; i++) {
        if (cms->tasks[i]->flow.step == AXI_CMS_STEP_PLACE) {
            axi_cms_drive(cms, cms->tasks[i]);
        }
    }
}
