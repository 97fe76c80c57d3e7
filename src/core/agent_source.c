/* SPDX-License-Identifier: Apache-2.0 */
/* The source's side of a migration: the actions of its states. Until FREEZING the task runs on and
 * a failure costs it nothing. */
#include "core/agent_internal.h"

#include <string.h>

/* An older attempt that has not frozen yet gives way: the master knows best which one counts. */
static int displace(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    struct axi_agent_migration *old = axi_migration_find(agent, instance->migration);

    if (old == NULL || axi_migration_is_final(old)) {
        return 0;
    }
    if (!axi_migration_is_source(old) || old->state >= AXI_M_S_FREEZING) {
        return -AXC_EIN_MIGRATION;
    }
    axi_source_fail_action(agent, old,
                           &(struct axi_migration_input){.code = -AXC_ECANCELLED,
                                                         .reason = "another migration began"});
    return 0;
}

static int check_source(struct axi_agent *agent, struct axi_agent_instance *instance)
{
    struct axi_agent_transfer probe = {.buffer = agent->frame};
    size_t bytes = 0;

    if (instance == NULL) {
        return -AXC_ENOT_OWNER;
    }
    if (instance->phase != AXI_INSTANCE_READY || instance->sched_state != AXI_SLOT_ACTIVE) {
        return -AXC_ESTATE;
    }
    /* The frame buffer is free here and larger than any checkpoint. */
    return axi_instance_read_checkpoint(agent, instance, probe.buffer, &bytes);
}

_Static_assert(AXI_WIRE_FRAME_BYTES_MAX >= AXI_CHECKPOINT_BYTES_MAX, "used as scratch above");

void axi_source_open(struct axi_agent *agent, struct axi_agent_request *request,
                     const axi_MigrateOut *out)
{
    struct axi_agent_instance *instance = axi_instance_find(agent, out->task_id, out->epoch);
    struct axi_agent_migration *m = NULL;
    int r = check_source(agent, instance);

    if (r == 0 && out->new_epoch <= out->epoch) {
        r = -AXC_EEPOCH_STALE;
    }
    if (r == 0) {
        r = displace(agent, instance);
    }
    if (r == 0) {
        m = axi_migration_add(agent, out->migration);
        r = m == NULL ? -AXC_EBUSY : 0;
    }
    if (r < 0) {
        axi_request_done(agent, request, r, NULL);
        return;
    }
    m->task_id = out->task_id;
    m->epoch = out->epoch;
    m->new_epoch = out->new_epoch;
    m->peer_id = out->target_id;
    m->slot = instance->slot;
    m->is_relayed = out->relay;
    m->is_image_sent = out->send_image;
    memcpy(m->token, out->token, sizeof(m->token));
    axi_text_set(m->address, sizeof(m->address), out->target_address);
    instance->migration = m->id;
    request->slot = instance->slot;
    request->job = instance->next_job;
    m->job = instance->next_job;
    axi_migration_enter(agent, m, AXI_M_S_READY);
    axi_request_done(agent, request, 0, NULL);
}

static void fail(struct axi_agent *agent, struct axi_agent_migration *m, int code,
                 const char *reason)
{
    axi_source_fail_action(agent, m, &(struct axi_migration_input){.code = code, .reason = reason});
}

static int send_checkpoint(struct axi_agent *agent, struct axi_agent_migration *m, uint32_t kind)
{
    struct axi_agent_instance *instance = axi_migration_instance(agent, m);
    size_t bytes = 0;
    int r;

    if (instance == NULL) {
        return -AXC_ENOENT;
    }
    axi_transfer_reset(agent, &m->checkpoint);
    r = axi_instance_read_checkpoint(agent, instance, m->checkpoint.buffer, &bytes);
    if (r < 0) {
        return r;
    }
    return axi_transfer_send_buffer(agent, &m->checkpoint, m->is_relayed ? agent->master : m->link,
                                    m->id, kind, bytes, m->is_relayed ? m->peer_id : 0);
}

/* Image first when the target lacks it, then the checkpoint. */
static void start_sending(struct axi_agent *agent, struct axi_agent_migration *m, bool with_image)
{
    struct axi_agent_instance *instance = axi_migration_instance(agent, m);
    int r;

    m->is_image_needed = with_image;
    axi_migration_enter(agent, m, AXI_M_S_SENDING);
    if (with_image && instance != NULL) {
        r = axi_transfer_send_image(agent, &m->image, m->is_relayed ? agent->master : m->link,
                                    m->id, instance->spec.elf_digest,
                                    m->is_relayed ? m->peer_id : 0);
    } else {
        r = send_checkpoint(agent, m, AXI_CHUNK_CHECKPOINT);
    }
    if (r < 0) {
        fail(agent, m, r, NULL);
    }
}

void axi_source_begin_action(struct axi_agent *agent, struct axi_agent_migration *m,
                             const struct axi_migration_input *input)
{
    uint32_t id = AXI_AGENT_LINK_NONE;
    struct axi_agent_link *link;
    int r;

    (void)input;
    if (m->is_relayed) {
        start_sending(agent, m, m->is_image_sent);
        return;
    }
    r = agent->port.connect(agent->port.context, m->address, &id);
    if (r < 0) {
        fail(agent, m, r, "the target's address cannot be used");
        return;
    }
    link = axi_agent_add_link(agent, id, AXI_LINK_PEER_OUT);
    if (link == NULL) {
        agent->port.close(agent->port.context, id);
        fail(agent, m, -AXC_EBUSY, "no free link");
        return;
    }
    link->migration = m->id;
    m->link = id;
    axi_migration_enter(agent, m, AXI_M_S_CONNECTING);
}

void axi_source_hello_action(struct axi_agent *agent, struct axi_agent_migration *m,
                             const struct axi_migration_input *input)
{
    axi_PeerHello hello = {
        .protocol_min = AXI_WIRE_VERSION,
        .protocol_max = AXI_WIRE_VERSION,
        .migration = m->id,
        .task_id = m->task_id,
        .epoch = m->epoch,
        .source_id = agent->config.node_id,
    };

    (void)input;
    memcpy(hello.token, m->token, sizeof(hello.token));
    axi_migration_enter(agent, m, AXI_M_S_HELLO);
    axi_agent_send(agent, m->link, AXI_WIRE_PEER_HELLO, &hello);
}

void axi_source_on_peer_reply(struct axi_agent *agent, struct axi_agent_link *link,
                              const axi_PeerReply *reply)
{
    struct axi_agent_migration *m = axi_migration_find(agent, link->migration);

    if (m == NULL || reply->migration != m->id) {
        axi_agent_close_link(agent, link->id, -AXC_EWIRE_STATE, NULL);
        return;
    }
    axi_migration_event(agent, m, AXI_ON_PEER_REPLY,
                        &(struct axi_migration_input){.code = reply->result,
                                                      .reason = reply->reason,
                                                      .need_image = reply->need_image});
}

void axi_source_reply_action(struct axi_agent *agent, struct axi_agent_migration *m,
                             const struct axi_migration_input *input)
{
    if (input->code != 0) {
        fail(agent, m, input->code, input->reason);
    } else if (input->need_image && !m->is_image_sent) {
        fail(agent, m, -AXC_ENOENT, "the target lacks the image and may not have it from here");
    } else {
        start_sending(agent, m, input->need_image);
    }
}

void axi_source_next_action(struct axi_agent *agent, struct axi_agent_migration *m,
                            const struct axi_migration_input *input)
{
    int r;

    (void)input;
    if (!m->is_image_needed) {
        axi_migration_enter(agent, m, AXI_M_S_SENT);
        return;
    }
    m->is_image_needed = false;
    r = send_checkpoint(agent, m, AXI_CHUNK_CHECKPOINT);
    if (r < 0) {
        fail(agent, m, r, NULL);
    }
}

void axi_source_freeze_action(struct axi_agent *agent, struct axi_agent_migration *m,
                              const struct axi_migration_input *input)
{
    struct axi_agent_instance *instance = axi_migration_instance(agent, m);

    (void)input;
    if (instance == NULL) {
        fail(agent, m, -AXC_ENOENT, NULL);
        return;
    }
    axi_migration_enter(agent, m, AXI_M_S_FREEZING);
    axi_instance_post(agent, instance, AXI_SCHED_FREEZE);
}

void axi_source_frozen_action(struct axi_agent *agent, struct axi_agent_migration *m,
                              const struct axi_migration_input *input)
{
    int r = -AXC_EUNAVAILABLE;

    m->job = input->job;
    m->at_master_ns = input->master_ns;
    axi_migration_enter(agent, m, AXI_M_S_FROZEN);
    if (m->link != AXI_AGENT_LINK_NONE || (m->is_relayed && agent->master != AXI_AGENT_LINK_NONE)) {
        r = send_checkpoint(agent, m, AXI_CHUNK_FINAL_CHECKPOINT);
    }
    if (r < 0) {
        axi_source_cut_action(agent, m, &(struct axi_migration_input){.code = r});
    }
}

void axi_source_sent_action(struct axi_agent *agent, struct axi_agent_migration *m,
                            const struct axi_migration_input *input)
{
    (void)input;
    axi_migration_enter(agent, m, AXI_M_S_IN_DOUBT);
}

/* The final checkpoint did not go out. The copy stays frozen all the same: only the record frees.
 */
void axi_source_cut_action(struct axi_agent *agent, struct axi_agent_migration *m,
                           const struct axi_migration_input *input)
{
    axi_migration_set_failure(m, input->code, input->reason);
    m->link = AXI_AGENT_LINK_NONE;
    axi_migration_enter(agent, m, AXI_M_S_IN_DOUBT);
}

void axi_source_fail_action(struct axi_agent *agent, struct axi_agent_migration *m,
                            const struct axi_migration_input *input)
{
    axi_migration_set_failure(m, input->code, input->reason);
    axi_migration_drop_link(agent, m, m->code);
    axi_migration_enter(agent, m, AXI_M_S_FAILED);
}

/* Committed: the task is the target's. Normally the copy is frozen; were it not, it must stop. */
void axi_source_release_action(struct axi_agent *agent, struct axi_agent_migration *m,
                               const struct axi_migration_input *input)
{
    struct axi_agent_instance *instance = axi_migration_instance(agent, m);

    (void)input;
    axi_migration_drop_link(agent, m, 0);
    axi_agent_see_epoch(agent, m->task_id, m->new_epoch);
    m->code = 0;
    m->told = 0; /* answer the Decision, whatever was told before */
    axi_migration_enter(agent, m, AXI_M_S_RELEASED);
    if (instance == NULL) {
        axi_migration_enter(agent, m, AXI_M_S_GONE);
        return;
    }
    instance->migration = m->id;
    if (instance->sched_state == AXI_SLOT_ACTIVE) {
        axi_instance_post(agent, instance, AXI_SCHED_FREEZE);
    }
}

/* Aborted before the freeze: it never stopped. */
void axi_source_cancel_action(struct axi_agent *agent, struct axi_agent_migration *m,
                              const struct axi_migration_input *input)
{
    axi_migration_set_failure(m, input->code, input->reason);
    axi_migration_drop_link(agent, m, m->code);
    axi_migration_enter(agent, m, AXI_M_S_RESUMED);
}

void axi_source_resume_action(struct axi_agent *agent, struct axi_agent_migration *m,
                              const struct axi_migration_input *input)
{
    struct axi_agent_instance *instance = axi_migration_instance(agent, m);

    axi_migration_set_failure(m, input->code, input->reason);
    axi_migration_drop_link(agent, m, m->code);
    if (instance == NULL) {
        axi_migration_enter(agent, m, AXI_M_S_FAILED);
        return;
    }
    axi_migration_enter(agent, m, AXI_M_S_RESUMING);
    axi_instance_post(agent, instance, AXI_SCHED_RESUME);
}

void axi_source_resumed_action(struct axi_agent *agent, struct axi_agent_migration *m,
                               const struct axi_migration_input *input)
{
    m->at_master_ns = input->master_ns;
    axi_migration_enter(agent, m, AXI_M_S_RESUMED);
}

void axi_source_gone_action(struct axi_agent *agent, struct axi_agent_migration *m,
                            const struct axi_migration_input *input)
{
    (void)input;
    axi_migration_enter(agent, m, AXI_M_S_GONE);
}
