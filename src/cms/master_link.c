/* SPDX-License-Identifier: Apache-2.0 */
/* The link to the master: joining, its clock, the nodes' lease, status. Nothing here is needed for
 * a restore. */
#include "cms/internal.h"

#include <string.h>

#define MS 1000000ull
#define RETRY_NS (500 * MS)
#define ANSWER_NS (2000 * MS)
#define SILENT_NS (4000 * MS)
#define STATUS_NS (1000 * MS)

#ifndef AXI_VERSION
#define AXI_VERSION "unknown"
#endif

void axi_cms_master_up(struct axi_cms *cms)
{
    const struct axi_cms_config *config = &cms->config;
    axi_ManagerJoin join = {.protocol_min = AXI_WIRE_VERSION,
                            .protocol_max = AXI_WIRE_VERSION,
                            .manager_id = config->manager_id,
                            .boot_id = config->boot_id};

    axi_copy_text(join.token, sizeof(join.token), config->token);
    axi_copy_text(join.name, sizeof(join.name), config->name);
    axi_copy_text(join.address, sizeof(join.address), config->address);
    axi_copy_text(join.api_address, sizeof(join.api_address), config->api_address);
    axi_copy_text(join.version, sizeof(join.version), AXI_VERSION);
    cms->status_ns = axi_cms_now(cms); /* for the round trip of the reply's clock */
    axi_cms_send(cms, cms->master_link, AXI_WIRE_MANAGER_JOIN, &join);
}

/* Another one may be asked soon; when all were, it waits. */
static void fail_attempt(struct axi_cms *cms, int code, const char *leader)
{
    bool is_next_soon = axi_masters_failed(&cms->masters, code, leader);

    cms->master_try_ns = axi_cms_now(cms) + (is_next_soon ? RETRY_NS / 10 : RETRY_NS);
}

void axi_cms_master_down(struct axi_cms *cms)
{
    bool was_joined = cms->has_joined;

    fail_attempt(cms, -AXC_EUNAVAILABLE, NULL);
    cms->master_link = 0;
    cms->has_joined = false;
    if (was_joined) {
        axi_cms_event(cms, AXI_WARNING, "master-lost", NULL, NULL, "goes on without it");
    }
}

static void take_reply(struct axi_cms *cms, const axi_HelloReply *reply)
{
    struct axi_cms_link *link = axi_cms_link_find(cms, cms->master_link);

    if (reply->result == -AXC_ENOT_LEADER) {
        if (link != NULL) {
            axi_cms_link_close(cms, link, reply->result, "not the leader");
        }
        fail_attempt(cms, reply->result, reply->leader);
        return;
    }
    if (reply->result != 0) {
        axi_cms_event(cms, AXI_ERROR, "join-refused", NULL, NULL, "%s", reply->reason);
        if (link != NULL) {
            axi_cms_link_close(cms, link, reply->result, "refused");
        }
        return;
    }
    axi_masters_joined(&cms->masters);
    cms->master_heard_ns = axi_cms_now(cms);
    axi_cms_event(cms, AXI_INFO, "joined-master", NULL, NULL, "as %s at %s", cms->config.name,
                  cms->config.address);
    cms->has_joined = true;
    if (reply->lease_ns != 0) {
        cms->config.lease_ns = reply->lease_ns;
    }
    axi_cms_master_time(cms, reply->master_ns, cms->status_ns);
    cms->status_ns = axi_cms_now(cms);
}

/* The newest checkpoint here of a task: what a new replica of its service begins with. */
struct whole {
    uint64_t epoch_max;
    struct axi_checkpoint_info info;
    bool is_found;
};

static int visit_whole(void *context, const struct axi_checkpoint_info *info)
{
    struct whole *whole = context;
    const struct axi_checkpoint_id *best = &whole->info.id;
    bool is_newer = !whole->is_found || info->id.epoch > best->epoch ||
                    (info->id.epoch == best->epoch && info->id.job > best->job);

    if (info->id.step == 0 && info->id.epoch <= whole->epoch_max && is_newer) {
        whole->info = *info;
        whole->is_found = true;
    }
    return 0;
}

/* The newest that was made between two jobs: a half done job goes on in the same image only, and
 * the master wants a state for another one. */
static int find_whole(struct axi_cms *cms, const axi_GetCheckpoint *get,
                      struct axi_checkpoint_info *ret_info)
{
    struct whole whole = {.epoch_max = get->epoch};
    int rc = axi_checkpoints_list(cms->config.checkpoints, get->task_id, visit_whole, &whole);

    if (rc == 0 && whole.is_found) {
        *ret_info = whole.info;
        return 0;
    }
    return axi_checkpoints_newest(cms->config.checkpoints, get->task_id, get->epoch, ret_info);
}

static void give_checkpoint(struct axi_cms *cms, const axi_GetCheckpoint *get)
{
    axi_Result result = {.request = get->request};
    struct axi_checkpoint_info info;
    size_t bytes = 0;

    result.code = find_whole(cms, get, &info);
    if (result.code == 0) {
        result.code = axi_checkpoints_read(cms->config.checkpoints, &info.id, cms->checkpoint,
                                           AXI_CHECKPOINT_BYTES_MAX, &bytes);
    }
    if (result.code == 0) {
        axi_cms_send_object(cms, cms->master_link, get->request, AXI_CHUNK_CHECKPOINT,
                            cms->checkpoint, bytes);
    }
    axi_cms_send(cms, cms->master_link, AXI_WIRE_RESULT, &result);
}

void axi_cms_master_message(struct axi_cms *cms, uint32_t type,
                            const union axi_wire_message *message)
{
    if (type == AXI_WIRE_HELLO_REPLY) {
        take_reply(cms, &message->HelloReply);
    } else if (type == AXI_WIRE_GET_CHECKPOINT && cms->has_joined) {
        give_checkpoint(cms, &message->GetCheckpoint);
    } else if (type == AXI_WIRE_MANAGER_STATUS_ACK &&
               message->ManagerStatusAck.sequence == cms->status_sequence) {
        const axi_ManagerStatusAck *ack = &message->ManagerStatusAck;
        cms->master_heard_ns = axi_cms_now(cms);
        uint64_t held_ns = ack->reply_master_ns - ack->receive_master_ns;

        axi_cms_master_time(cms, ack->reply_master_ns - held_ns / 2, ack->send_local_ns);
    }
}

static void send_status(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);
    axi_ManagerStatus status = {.stored = cms->stored,
                                .stored_bytes = cms->stored_bytes,
                                .tasks = (uint32_t)cms->task_count,
                                .durable_age_p50_ns = axi_hist_quantile(&cms->ages, 500),
                                .durable_age_p99_ns = axi_hist_quantile(&cms->ages, 990),
                                .store_reachable = !cms->is_store_lost,
                                .restores = cms->restores,
                                .sequence = ++cms->status_sequence,
                                .send_local_ns = now};

    for (size_t i = 0; i < cms->node_count; i++) {
        status.nodes += cms->nodes[i]->link != 0;
    }
    axi_cms_send(cms, cms->master_link, AXI_WIRE_MANAGER_STATUS, &status);
    cms->status_ns = now + STATUS_NS;
}

/* Whoever has no other one to turn to waits for it. */
static bool is_hanging(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);
    bool is_late =
        cms->has_joined ? now - cms->master_heard_ns > SILENT_NS : now >= cms->master_try_ns;

    return is_late && cms->masters.count > 1 && axi_cms_link_find(cms, cms->master_link) != NULL;
}

void axi_cms_master_tick(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);
    uint64_t link = 0;
    const char *address;

    if (cms->has_joined && now >= cms->status_ns) {
        send_status(cms);
    }
    if (is_hanging(cms)) {
        (void)axi_masters_failed(&cms->masters, -AXC_ETIMEOUT, NULL);
        axi_cms_link_close(cms, axi_cms_link_find(cms, cms->master_link), -AXC_ETIMEOUT, "silent");
    }
    if (cms->master_link != 0 || cms->masters.count == 0 || now < cms->master_try_ns ||
        cms->is_crashed) {
        return;
    }
    address = axi_masters_next(&cms->masters);
    cms->master_try_ns = now + RETRY_NS;
    if (cms->port.connect(cms->port.context, address, &link) == 0 &&
        axi_cms_link_add(cms, link, AXI_CMS_LINK_MASTER, 0, address) != NULL) {
        cms->master_link = link;
        cms->master_try_ns = now + ANSWER_NS;
    } else {
        fail_attempt(cms, -AXC_EUNAVAILABLE, NULL);
    }
}
