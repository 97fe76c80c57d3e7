/* SPDX-License-Identifier: Apache-2.0 */
/* What the API shows. */
#include "cluster/members.h"
#include "cms/internal.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000000ull

static json_t *ms(uint64_t ns)
{
    return json_real((double)ns / 1e6);
}

static json_t *node_list(struct axi_cms *cms)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cms->node_count; i++) {
        const struct axi_cms_node *node = cms->nodes[i];

        if (node->link != 0 || node->is_registered) {
            json_array_append_new(
                list, json_pack("{s:o, s:s, s:b, s:b, s:b, s:b}", "id", axi_json_id(node->id),
                                "name", node->name, "linked", node->link != 0, "alive",
                                !node->is_dead, "memory", node->regions != NULL, "lease_kept",
                                node->kept_ns != 0 &&
                                    axi_cms_now(cms) - node->kept_ns < cms->config.lease_ns));
        }
    }
    return list;
}

static json_t *peer_list(const struct axi_cms *cms)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cms->peer_count; i++) {
        const struct axi_cms_peer *peer = &cms->peers[i];

        if (peer->id == cms->config.manager_id) {
            continue;
        }
        json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:s, s:b, s:b}", "id",
                                              axi_json_id(peer->id), "name", peer->name, "address",
                                              peer->address, "api", peer->api_address, "present",
                                              peer->is_present, "linked", peer->is_ready));
    }
    return list;
}

static json_t *claim_list(struct axi_cms *cms)
{
    static const char *const names[] = {
#define NAME(step, name, drive) name,
        AXI_CMS_STEP_LIST(NAME)
#undef NAME
    };
    json_t *list = json_array();

    for (size_t i = 0; i < cms->task_count; i++) {
        const struct axi_cms_task *task = cms->tasks[i];
        const struct axi_claim *claim = &task->record.claim;

        if (task->flow.step != AXI_CMS_STEP_IDLE) {
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "task", task->record.name, "step",
                                names[task->flow.step], "manager",
                                claim->manager != 0 ? axi_cms_peer_name(cms, claim->manager) : "",
                                "epoch", (json_int_t)claim->origin.epoch, "job",
                                (json_int_t)claim->origin.job));
        }
    }
    return list;
}

json_t *axi_cms_status(struct axi_cms *cms)
{
    json_t *json =
        json_pack("{s:o, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "id",
                  axi_json_id(cms->config.manager_id), "name", cms->config.name, "address",
                  cms->config.address, "api", cms->config.api_address, "store",
                  cms->is_store_lost || !cms->has_polled ? "unreachable" : "reachable",
                  "master_linked", cms->has_joined, "nodes", node_list(cms), "peers",
                  peer_list(cms), "stored", (json_int_t)cms->stored, "stored_bytes",
                  (json_int_t)cms->stored_bytes, "overtaken", (json_int_t)cms->overtaken,
                  "restores", (json_int_t)cms->restores, "claims", claim_list(cms));

    json_object_set_new(json, "durable_age",
                        json_pack("{s:o, s:o}", "p50_ms", ms(axi_hist_quantile(&cms->ages, 500)),
                                  "p99_ms", ms(axi_hist_quantile(&cms->ages, 990))));
    json_object_set_new(json, "store_members", axi_members_json(cms->store_members));
    return json;
}

struct count {
    uint64_t kept, pinned, stored_bytes;
};

static int visit_count(void *context, const struct axi_checkpoint_info *info)
{
    struct count *count = context;

    count->kept++;
    count->pinned += info->is_pinned;
    count->stored_bytes += info->stored_bytes;
    return 0;
}

static json_t *task_json(struct axi_cms *cms, const struct axi_cms_task *task)
{
    const struct axi_origin *durable = &task->durable;
    const struct axi_origin *noticed = &task->noticed;
    uint64_t behind = noticed->epoch == durable->epoch && noticed->job > durable->job
                          ? noticed->job - durable->job
                          : 0;
    uint64_t age_ns =
        task->undurable_since_ns != 0 ? axi_cms_now(cms) - task->undurable_since_ns : 0;
    struct count count = {0};

    if (axi_checkpoints_list(cms->config.checkpoints, task->record.id, visit_count, &count) != 0) {
        count = (struct count){0};
    }
    return json_pack("{s:o, s:s, s:s, s:I, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:o}", "task",
                     axi_json_id(task->record.id), "name", task->record.name, "node",
                     axi_cms_node_name(cms, task->durable_node), "epoch",
                     (json_int_t)durable->epoch, "job", (json_int_t)durable->job, "step",
                     (int)durable->step, "bytes", (json_int_t)task->durable_bytes, "stored_bytes",
                     (json_int_t)count.stored_bytes, "kept", (json_int_t)count.kept, "pinned",
                     (json_int_t)count.pinned, "age_jobs", (json_int_t)behind, "age_ms",
                     ms(age_ns));
}

json_t *axi_cms_tasks(struct axi_cms *cms)
{
    json_t *list = json_array();

    for (size_t i = 0; i < cms->task_count; i++) {
        if (cms->tasks[i]->durable.epoch != 0) {
            json_array_append_new(list, task_json(cms, cms->tasks[i]));
        }
    }
    return list;
}

struct listing {
    struct axi_cms *cms;
    json_t *list;
};

static int visit_all(void *context, const struct axi_checkpoint_info *info)
{
    struct listing *listing = context;

    json_array_append_new(listing->list,
                          json_pack("{s:s, s:o, s:I, s:I, s:i, s:i, s:i, s:I, s:b}", "node",
                                    axi_cms_node_name(listing->cms, info->id.node_id), "node_id",
                                    axi_json_id(info->id.node_id), "epoch",
                                    (json_int_t)info->id.epoch, "job", (json_int_t)info->id.job,
                                    "step", (int)info->id.step, "bytes", (int)info->bytes,
                                    "stored_bytes", (int)info->stored_bytes, "stored_ns",
                                    (json_int_t)info->stored_ns, "pinned", info->is_pinned));
    return 0;
}

json_t *axi_cms_task(struct axi_cms *cms, const char *name)
{
    struct listing listing = {.cms = cms};
    const struct axi_cms_task *found = NULL;
    char *end = NULL;
    uint64_t id = strtoull(name, &end, 16);

    for (size_t i = 0; i < cms->task_count; i++) {
        const struct axi_cms_task *task = cms->tasks[i];

        if (strcmp(task->record.name, name) == 0 ||
            (found == NULL && *name != '\0' && *end == '\0' && task->record.id == id)) {
            found = task;
        }
    }
    if (found == NULL) {
        return NULL;
    }
    listing.list = json_array();
    if (axi_checkpoints_list(cms->config.checkpoints, found->record.id, visit_all, &listing) != 0) {
        json_decref(listing.list);
        return NULL;
    }
    json_t *json = task_json(cms, found);
    json_object_set_new(json, "checkpoints", listing.list);
    return json;
}
