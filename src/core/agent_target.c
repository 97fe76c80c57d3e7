/* SPDX-License-Identifier: Apache-2.0 */
/* The target's side of a migration: the actions of its states. It releases no job before a Decision
 * says that the record is committed to it. */
#include "core/agent_internal.h"

#include <string.h>

void axi_target_open(struct axi_agent *agent, struct axi_agent_request *request,
                     const axi_MigrateIn *in)
{
    char reason[AXI_AGENT_REASON_BYTES] = "";
    struct axi_agent_instance *instance = NULL;
    struct axi_agent_migration *m = axi_migration_add(agent, in->migration);
    int r;

    if (m == NULL) {
        axi_request_done(agent, request, -AXC_EBUSY, "too many migrations at once");
        return;
    }
    r = axi_instance_create(agent, &in->spec, in->epoch, in->migration, in->migration,
                            in->image_from_master ? AXI_ORIGIN_MASTER : AXI_ORIGIN_NONE, reason,
                            sizeof(reason), &instance);
    if (r < 0) {
        m->id = 0;
        axi_request_done(agent, request, r, reason);
        return;
    }
    m->task_id = in->spec.task_id;
    m->epoch = in->source_epoch;
    m->new_epoch = in->epoch;
    m->peer_id = in->source_id;
    m->release_ns = in->release_ns;
    m->is_image_from_master = in->image_from_master;
    m->slot = instance->slot;
    memcpy(m->token, in->token, sizeof(m->token));
    axi_migration_enter(agent, m, AXI_M_T_RESERVED);
    request->slot = instance->slot;
    axi_request_done(agent, request, 0, NULL);
    axi_instance_fetch(agent, instance);
}

/* Every byte is compared, so that the time says nothing about where they differ. */
static bool is_token_right(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    uint8_t difference = 0;

    for (size_t i = 0; i < bytes; i++) {
        difference |= (uint8_t)(a[i] ^ b[i]);
    }
    return difference == 0;
}

static int check_peer(const struct axi_agent_migration *m, const axi_PeerHello *hello)
{
    if (hello->protocol_min > AXI_WIRE_VERSION || hello->protocol_max < AXI_WIRE_VERSION) {
        return -AXC_EWIRE_VERSION;
    }
    if (m == NULL || axi_migration_is_source(m)) {
        return -AXC_ENOENT;
    }
    if (!is_token_right(m->token, hello->token, sizeof(m->token)) ||
        hello->source_id != m->peer_id) {
        return -AXC_EWIRE_AUTH;
    }
    if (m->state != AXI_M_T_RESERVED && m->state != AXI_M_T_LOADED && m->state != AXI_M_T_STANDBY) {
        return -AXC_ESTATE;
    }
    if (hello->task_id != m->task_id || hello->epoch < m->epoch || hello->epoch >= m->new_epoch) {
        return -AXC_EEPOCH_STALE;
    }
    return 0;
}

void axi_target_on_peer_hello(struct axi_agent *agent, struct axi_agent_link *link,
                              const axi_PeerHello *hello)
{
    struct axi_agent_migration *m = axi_migration_find(agent, hello->migration);
    struct axi_agent_instance *instance = m != NULL ? axi_migration_instance(agent, m) : NULL;
    axi_PeerReply reply = {.migration = hello->migration, .result = check_peer(m, hello)};
    uint32_t former;

    if (reply.result < 0 || instance == NULL) {
        reply.result = reply.result < 0 ? reply.result : -AXC_ENOENT;
        axi_text_set(reply.reason, sizeof(reply.reason), axi_error_text(reply.result));
        axi_agent_send(agent, link->id, AXI_WIRE_PEER_REPLY, &reply);
        axi_agent_close_link(agent, link->id, reply.result, NULL);
        return;
    }
    former = m->link;
    m->link = link->id;
    m->since_ns = agent->now_ns;
    link->migration = m->id;
    if (former != AXI_AGENT_LINK_NONE) {
        axi_agent_close_link(agent, former, -AXC_ECONFLICT, "the source connected again");
    }
    reply.need_image =
        instance->phase == AXI_INSTANCE_FETCHING && instance->fetch_origin == AXI_ORIGIN_NONE;
    axi_agent_send(agent, link->id, AXI_WIRE_PEER_REPLY, &reply);
}

/* Takes the instance back without an event of its own. */
static void drop_instance(struct axi_agent *agent, struct axi_agent_migration *m)
{
    struct axi_agent_instance *instance = axi_migration_instance(agent, m);

    if (instance != NULL && instance->migration == m->id) {
        instance->migration = 0;
        axi_instance_remove(agent, instance);
    }
}

void axi_target_fail_action(struct axi_agent *agent, struct axi_agent_migration *m,
                            const struct axi_migration_input *input)
{
    axi_migration_set_failure(m, input->code < 0 ? input->code : -AXC_ESTATE, input->reason);
    drop_instance(agent, m);
    axi_migration_drop_link(agent, m, m->code);
    axi_migration_enter(agent, m, AXI_M_T_FAILED);
}

void axi_target_abort_action(struct axi_agent *agent, struct axi_agent_migration *m,
                             const struct axi_migration_input *input)
{
    axi_migration_set_failure(m, -AXC_EABORTED, input->reason);
    drop_instance(agent, m);
    axi_migration_drop_link(agent, m, m->code);
    axi_migration_enter(agent, m, AXI_M_T_ABORTED);
}

/* Removed or broken after PREPARED: what owns the task is the record's business. */
void axi_target_lost_action(struct axi_agent *agent, struct axi_agent_migration *m,
                            const struct axi_migration_input *input)
{
    axi_migration_set_failure(m, input->code, input->reason);
    axi_migration_drop_link(agent, m, m->code);
    axi_migration_enter(agent, m, AXI_M_T_FAILED);
}

/* Checks what came and puts it into the region; 0 or the error that fails the migration. */
static int store(struct axi_agent *agent, struct axi_agent_migration *m, uint64_t job_min,
                 struct axi_checkpoint *ret_header)
{
    struct axi_agent_instance *instance = axi_migration_instance(agent, m);
    int r = -AXC_ESTATE;

    if (instance != NULL && instance->phase == AXI_INSTANCE_READY && instance->region != NULL) {
        r = axi_instance_take_checkpoint(agent, instance, m->checkpoint.buffer,
                                         (size_t)m->checkpoint.total, m->epoch, job_min,
                                         ret_header);
    }
    axi_transfer_reset(agent, &m->checkpoint);
    return r;
}

void axi_target_checkpoint_action(struct axi_agent *agent, struct axi_agent_migration *m,
                                  const struct axi_migration_input *input)
{
    struct axi_checkpoint header;
    int r = store(agent, m, 0, &header);

    (void)input;
    if (r < 0) {
        axi_target_fail_action(agent, m, &(struct axi_migration_input){.code = r});
        return;
    }
    m->job = header.job;
    axi_migration_enter(agent, m, AXI_M_T_STANDBY);
}

void axi_target_loaded_action(struct axi_agent *agent, struct axi_agent_migration *m,
                              const struct axi_migration_input *input)
{
    axi_migration_enter(agent, m, AXI_M_T_LOADED);
    if (m->checkpoint.state == AXI_TRANSFER_DONE) { /* it was faster than the load */
        axi_target_checkpoint_action(agent, m, input);
    }
}

/* No job before that of the checkpoint taken while the task ran: a migration repeats nothing. */
void axi_target_final_action(struct axi_agent *agent, struct axi_agent_migration *m,
                             const struct axi_migration_input *input)
{
    struct axi_agent_instance *instance;
    struct axi_checkpoint header;
    int r = store(agent, m, m->job, &header);

    (void)input;
    if (r < 0) {
        axi_target_fail_action(agent, m, &(struct axi_migration_input){.code = r});
        return;
    }
    instance = axi_migration_instance(agent, m);
    instance->first_job = header.job;
    instance->resume_step = header.step;
    m->job = header.job;
    axi_migration_enter(agent, m, AXI_M_T_PREPARED);
}

void axi_target_activate_action(struct axi_agent *agent, struct axi_agent_migration *m,
                                const struct axi_migration_input *input)
{
    struct axi_agent_instance *instance = axi_migration_instance(agent, m);

    if (instance == NULL) {
        axi_target_lost_action(agent, m, &(struct axi_migration_input){.code = -AXC_ENOENT});
        return;
    }
    /* Without a lease it would be fenced at once. It asks again at the next heartbeat, so that what
     * activates it is never an old answer. */
    if (!instance->spec.continue_isolated && agent->now_ns >= agent->lease_until_ns) {
        return;
    }
    instance->release_ns = input->release_ns != 0 ? input->release_ns : m->release_ns;
    axi_migration_enter(agent, m, AXI_M_T_ACTIVATING);
    axi_instance_post(agent, instance, AXI_SCHED_ACTIVATE);
}

void axi_target_activated_action(struct axi_agent *agent, struct axi_agent_migration *m,
                                 const struct axi_migration_input *input)
{
    m->job = input->job;
    m->at_master_ns = input->master_ns;
    axi_migration_drop_link(agent, m, 0);
    axi_migration_enter(agent, m, AXI_M_T_ACTIVE);
}

void axi_target_confirmed_action(struct axi_agent *agent, struct axi_agent_migration *m,
                                 const struct axi_migration_input *input)
{
    m->job = input->job;
    m->at_master_ns = input->master_ns;
    axi_migration_enter(agent, m, AXI_M_T_CONFIRMED);
}
