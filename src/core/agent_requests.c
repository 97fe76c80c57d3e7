/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the master and the managers. Each is remembered by its id until the table needs the
 * entry: a repeated one is answered again and does nothing twice. What only reads is done again. */
#include "core/agent_internal.h"

#include <string.h>

static struct axi_agent_request *find_request(struct axi_agent *agent, uint64_t id)
{
    for (uint32_t i = 0; i < agent->request_count; i++) {
        if (agent->requests[i].state != AXI_REQUEST_FREE && agent->requests[i].id == id) {
            return &agent->requests[i];
        }
    }
    return NULL;
}

/* A free entry, or the one that was answered longest ago; NULL when all are pending. */
static struct axi_agent_request *take_entry(struct axi_agent *agent)
{
    struct axi_agent_request *oldest = NULL;

    for (uint32_t i = 0; i < agent->request_count; i++) {
        struct axi_agent_request *request = &agent->requests[i];

        if (request->state == AXI_REQUEST_FREE) {
            return request;
        }
        if (request->state == AXI_REQUEST_DONE && (oldest == NULL || request->age < oldest->age)) {
            oldest = request;
        }
    }
    return oldest;
}

static void send_result(struct axi_agent *agent, const struct axi_agent_request *request)
{
    axi_Result result = {
        .request = request->id,
        .code = request->code,
        .task_id = request->task_id,
        .epoch = request->epoch,
        .job = request->job,
    };

    axi_text_set(result.reason, sizeof(result.reason), request->reason);
    axi_agent_answer(agent, request->origin, AXI_WIRE_RESULT, &result);
}

void axi_request_done(struct axi_agent *agent, struct axi_agent_request *request, int code,
                      const char *reason)
{
    request->state = AXI_REQUEST_DONE;
    request->code = code;
    request->age = ++agent->request_age;
    if (code != 0) {
        axi_text_set(request->reason, sizeof(request->reason),
                     reason != NULL && reason[0] != 0 ? reason : axi_error_text(code));
    }
    send_result(agent, request);
}

void axi_requests_done(struct axi_agent *agent, uint32_t slot, uint32_t type, int code,
                       const char *reason)
{
    for (uint32_t i = 0; i < agent->request_count; i++) {
        struct axi_agent_request *request = &agent->requests[i];

        if (request->state == AXI_REQUEST_PENDING && request->slot == slot &&
            (type == 0 || request->type == type)) {
            request->job = agent->instances[slot].next_job;
            axi_request_done(agent, request, code, reason);
        }
    }
}

static void on_load(struct axi_agent *agent, struct axi_agent_request *request,
                    const axi_Load *load)
{
    char reason[AXI_AGENT_REASON_BYTES] = "";
    struct axi_agent_instance *instance = axi_instance_find(agent, load->spec.task_id, load->epoch);
    int r;

    if (request->origin != AXI_ORIGIN_MASTER && !axi_agent_knows_time(agent)) {
        axi_request_done(agent, request, -AXC_EUNAVAILABLE, "this node knows no master time yet");
        return;
    }
    if (instance != NULL && instance->migration == 0) {
        request->slot = instance->slot;
        if (instance->phase == AXI_INSTANCE_READY) {
            axi_request_done(agent, request,
                             instance->sched_state == AXI_SLOT_STANDBY ? 0 : -AXC_EEXIST, NULL);
        }
        return; /* answered with the first request for it */
    }
    r = axi_instance_create(agent, &load->spec, load->epoch, load->request, 0, request->origin,
                            reason, sizeof(reason), &instance);
    if (r < 0) {
        axi_request_done(agent, request, r, reason);
        return;
    }
    request->slot = instance->slot;
    axi_instance_fetch(agent, instance);
}

/* The state a started instance begins with: what came for this request, or nothing (all zero). */
static int take_start_state(struct axi_agent *agent, struct axi_agent_instance *instance,
                            const axi_Start *start)
{
    struct axi_agent_transfer *transfer = axi_agent_find_transfer(agent, start->request);
    struct axi_checkpoint header;
    int r;

    if (!start->has_checkpoint) {
        return 0;
    }
    if (transfer == NULL || transfer->state != AXI_TRANSFER_DONE) {
        return -AXC_ECKPT_NONE;
    }
    r = axi_instance_take_checkpoint(agent, instance, transfer->buffer, transfer->total, 0, 0,
                                     &header);
    if (r == 0 && (header.job > start->first_job ||
                   (header.job < start->first_job && start->resume_step != 0))) {
        r = -AXC_ECKPT_JOB; /* would repeat jobs without saying so */
    }
    axi_transfer_reset(agent, transfer);
    return r;
}

/* Or there was none yet: what is started then would begin to run with the first one, whenever that
 * comes. */
static bool is_lease_over(const struct axi_agent *agent)
{
    return agent->now_ns >= agent->lease_until_ns;
}

static void on_start(struct axi_agent *agent, struct axi_agent_request *request,
                     const axi_Start *start, struct axi_agent_instance *instance)
{
    uint64_t former = instance->epoch;
    int r;

    if (instance->phase == AXI_INSTANCE_READY && instance->sched_state == AXI_SLOT_ACTIVE) {
        axi_request_done(agent, request, 0, NULL);
    } else if (instance->migration != 0) {
        axi_request_done(agent, request, -AXC_EIN_MIGRATION, NULL); /* the Decision starts it */
    } else if (instance->phase != AXI_INSTANCE_READY || instance->sched_state != AXI_SLOT_STANDBY) {
        axi_request_done(agent, request, -AXC_ESTATE, "not in standby");
    } else if (!instance->spec.profile &&
               (is_lease_over(agent) || instance->lapses != agent->lapses)) {
        /* this node was as good as dead since: the task may have been claimed for another one */
        axi_request_done(agent, request, -AXC_ENODE_LEASE, "loaded before the lease lapsed");
    } else if (!instance->is_awaited) {
        instance->epoch = start->epoch; /* the checkpoint may be younger than a standby */
        r = take_start_state(agent, instance, start);
        if (r < 0) {
            instance->epoch = former;
            axi_request_done(agent, request, r, NULL);
            return;
        }
        if (former != start->epoch) {
            instance->standby_epoch = former;
            axi_agent_see_epoch(agent, start->task_id, start->epoch);
        }
        instance->release_ns = start->release_ns;
        instance->first_job = start->first_job;
        instance->resume_step = start->resume_step;
        instance->seed = start->seed;
        instance->is_mapped = start->is_mapped;
        axi_instance_post(agent, instance, AXI_SCHED_ACTIVATE);
    }
}

/* Sends the checkpoint for a Halt or GetCheckpoint; the Result follows the last chunk. Without a
 * free transfer the request stays pending and is tried again at the next tick. */
static void send_checkpoint(struct axi_agent *agent, struct axi_agent_request *request,
                            struct axi_agent_instance *instance)
{
    struct axi_agent_transfer *transfer =
        agent->join == AXI_JOIN_DONE ? axi_agent_take_transfer(agent) : NULL;
    size_t bytes = 0;
    int r;

    if (transfer == NULL) {
        return;
    }
    r = axi_instance_read_checkpoint(agent, instance, transfer->buffer, &bytes);
    if (r == 0) {
        r = axi_transfer_send_buffer(agent, transfer, agent->master, request->id,
                                     request->type == AXI_WIRE_HALT ? AXI_CHUNK_FINAL_CHECKPOINT
                                                                    : AXI_CHUNK_CHECKPOINT,
                                     bytes, 0);
    }
    if (r < 0) {
        axi_request_done(agent, request, r, NULL);
        return;
    }
    request->is_sending = true;
    request->job = instance->next_job;
}

static void answer_halt(struct axi_agent *agent, struct axi_agent_request *request,
                        struct axi_agent_instance *instance)
{
    if (request->wants_checkpoint) {
        send_checkpoint(agent, request, instance);
        return;
    }
    request->job = instance->next_job;
    axi_request_done(agent, request, 0, NULL);
}

/* A fenced one has stopped, but its newest checkpoint may be some jobs old: it is frozen, too. */
static bool is_halted(const struct axi_agent_instance *instance)
{
    return axi_instance_is_stopped(instance) && instance->sched_state != AXI_SLOT_FENCED;
}

void axi_requests_halted(struct axi_agent *agent, uint32_t slot)
{
    for (uint32_t i = 0; i < agent->request_count; i++) {
        struct axi_agent_request *request = &agent->requests[i];

        if (request->state == AXI_REQUEST_PENDING && request->type == AXI_WIRE_HALT &&
            request->slot == slot && !request->is_sending) {
            if (is_halted(&agent->instances[slot])) {
                answer_halt(agent, request, &agent->instances[slot]);
            } else {
                axi_instance_post(agent, &agent->instances[slot], AXI_SCHED_FREEZE);
            }
        }
    }
}

static void on_halt(struct axi_agent *agent, struct axi_agent_request *request,
                    const axi_Halt *halt, struct axi_agent_instance *instance)
{
    request->wants_checkpoint = halt->want_checkpoint;
    if (axi_migration_holds(agent, instance)) {
        axi_request_done(agent, request, -AXC_EIN_MIGRATION, NULL);
    } else if (instance->phase != AXI_INSTANCE_READY || instance->sched_state == AXI_SLOT_STANDBY) {
        axi_request_done(agent, request, -AXC_ESTATE, "not active");
    } else if (is_halted(instance)) {
        answer_halt(agent, request, instance);
    } else {
        axi_instance_post(agent, instance, AXI_SCHED_FREEZE);
    }
}

static void on_remove(struct axi_agent *agent, struct axi_agent_request *request,
                      const axi_Remove *remove)
{
    bool is_greater = false;
    bool is_found = false;

    for (uint32_t i = 0; i < agent->config.slots; i++) {
        struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_FREE || instance->spec.task_id != remove->task_id) {
            continue;
        }
        if (instance->epoch > remove->epoch && !agent->config.skip_epoch_check) {
            is_greater = true;
            continue;
        }
        is_found = true;
        request->slot = i; /* the last one answers: commands of one node are executed in order */
        axi_instance_remove(agent, instance);
    }
    /* What could be dropped at once has answered nobody: look whether anything is left. */
    if (is_found && agent->instances[request->slot].phase != AXI_INSTANCE_FREE) {
        return;
    }
    axi_request_done(agent, request, !is_found && is_greater ? -AXC_EEPOCH_STALE : 0, NULL);
}

/* Once two masters each believe that they lead, only one of them keeps the lease. */
static bool is_from_keeper(const struct axi_agent *agent, const struct axi_agent_request *request)
{
    return agent->lease_until_ns == 0 || request->origin == agent->lease_origin;
}

static void on_set_output(struct axi_agent *agent, struct axi_agent_request *request,
                          const axi_SetOutput *set, struct axi_agent_instance *instance)
{
    struct axi_agent_instance changed = *instance;

    changed.spec.output_from = set->output_from;
    changed.spec.output_until = set->output_until;
    if (!is_from_keeper(agent, request)) {
        axi_request_done(agent, request, -AXC_ENODE_LEASE, "not from who keeps the lease");
    } else if (!axi_instance_post_output(agent, &changed)) {
        axi_request_done(agent, request, -AXC_EBUSY, "the scheduler is behind; again later");
    } else {
        instance->spec = changed.spec;
        if (agent->report_at_ns > agent->now_ns + agent->heartbeat_ns) {
            agent->report_at_ns = agent->now_ns + agent->heartbeat_ns; /* somebody waits for it */
        }
        axi_request_done(agent, request, 0, NULL);
    }
}

static void on_resume(struct axi_agent *agent, struct axi_agent_request *request,
                      struct axi_agent_instance *instance)
{
    uint32_t state = instance->sched_state;

    if (axi_migration_holds(agent, instance) && state != AXI_SLOT_FENCED) {
        axi_request_done(agent, request, -AXC_EIN_MIGRATION, NULL);
    } else if (instance->phase != AXI_INSTANCE_READY) {
        axi_request_done(agent, request, -AXC_ESTATE, NULL);
    } else if (state == AXI_SLOT_ACTIVE) {
        axi_request_done(agent, request, 0, NULL);
    } else if (state != AXI_SLOT_FENCED && state != AXI_SLOT_FROZEN) {
        axi_request_done(agent, request, -AXC_ESTATE, "neither fenced nor frozen");
    } else if (!is_from_keeper(agent, request)) {
        /* said before another one kept the lease, and so perhaps before a claim */
        axi_request_done(agent, request, -AXC_ENODE_LEASE, "not from who keeps the lease");
    } else {
        axi_instance_post(agent, instance, AXI_SCHED_RESUME);
    }
}

static void on_get_checkpoint(struct axi_agent *agent, struct axi_agent_request *request,
                              struct axi_agent_instance *instance)
{
    if (instance->region == NULL) {
        axi_request_done(agent, request, -AXC_ECKPT_NONE, NULL);
        return;
    }
    send_checkpoint(agent, request, instance);
}

void axi_request_sent(struct axi_agent *agent, uint64_t id)
{
    struct axi_agent_request *request = find_request(agent, id);

    if (request != NULL && request->state == AXI_REQUEST_PENDING) {
        request->is_sending = false;
        axi_request_done(agent, request, 0, NULL);
    }
}

void axi_request_unsent(struct axi_agent *agent, uint64_t id)
{
    struct axi_agent_request *request = find_request(agent, id);

    if (request != NULL) {
        request->is_sending = false;
    }
}

/* Checkpoints that found no free transfer. */
void axi_agent_retry_requests(struct axi_agent *agent)
{
    for (uint32_t i = 0; i < agent->request_count; i++) {
        struct axi_agent_request *request = &agent->requests[i];
        struct axi_agent_instance *instance;

        if (request->state != AXI_REQUEST_PENDING || request->is_sending ||
            request->slot >= agent->config.slots) {
            continue;
        }
        instance = &agent->instances[request->slot];
        if (request->type == AXI_WIRE_GET_CHECKPOINT) {
            on_get_checkpoint(agent, request, instance);
        } else if (request->type == AXI_WIRE_HALT && is_halted(instance)) {
            answer_halt(agent, request, instance);
        }
    }
}

struct request_head {
    uint64_t id, task_id, epoch;
};

static struct request_head head_of(uint32_t type, const union axi_wire_message *m)
{
    switch (type) {
    case AXI_WIRE_LOAD:
        return (struct request_head){m->Load.request, m->Load.spec.task_id, m->Load.epoch};
    case AXI_WIRE_START:
        return (struct request_head){m->Start.request, m->Start.task_id, m->Start.epoch};
    case AXI_WIRE_HALT:
        return (struct request_head){m->Halt.request, m->Halt.task_id, m->Halt.epoch};
    case AXI_WIRE_REMOVE:
        return (struct request_head){m->Remove.request, m->Remove.task_id, m->Remove.epoch};
    case AXI_WIRE_RESUME:
        return (struct request_head){m->Resume.request, m->Resume.task_id, m->Resume.epoch};
    case AXI_WIRE_SET_OUTPUT:
        return (struct request_head){m->SetOutput.request, m->SetOutput.task_id,
                                     m->SetOutput.epoch};
    case AXI_WIRE_GET_CHECKPOINT:
        return (struct request_head){m->GetCheckpoint.request, m->GetCheckpoint.task_id,
                                     m->GetCheckpoint.epoch};
    case AXI_WIRE_MIGRATE_IN:
        return (struct request_head){m->MigrateIn.migration, m->MigrateIn.spec.task_id,
                                     m->MigrateIn.epoch};
    case AXI_WIRE_MIGRATE_OUT:
        return (struct request_head){m->MigrateOut.migration, m->MigrateOut.task_id,
                                     m->MigrateOut.epoch};
    case AXI_WIRE_GET_PROFILE:
        return (struct request_head){m->GetProfile.request, m->GetProfile.task_id, 0};
    default:
        return (struct request_head){0};
    }
}

static bool is_read_only(const struct axi_agent_request *request)
{
    return request->type == AXI_WIRE_GET_CHECKPOINT || request->type == AXI_WIRE_GET_PROFILE ||
           (request->type == AXI_WIRE_HALT && request->wants_checkpoint);
}

/* The newest instance of a task. */
static struct axi_agent_instance *find_newest(struct axi_agent *agent, uint64_t task_id)
{
    struct axi_agent_instance *newest = NULL;

    for (uint32_t i = 0; i < agent->config.slots; i++) {
        struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_READY && instance->spec.task_id == task_id &&
            (newest == NULL || instance->epoch > newest->epoch)) {
            newest = instance;
        }
    }
    return newest;
}

static void on_get_profile(struct axi_agent *agent, struct axi_agent_request *request)
{
    struct axi_agent_instance *instance = find_newest(agent, request->task_id);

    if (instance == NULL) {
        axi_request_done(agent, request, -AXC_ENOENT, NULL);
        return;
    }
    request->epoch = instance->epoch;
    axi_request_done(agent, request, axi_agent_send_profile(agent, request->id, instance->slot),
                     NULL);
}

/* The instance that a Start is for: that of its epoch, or the warm standby it names. */
static struct axi_agent_instance *find_started(struct axi_agent *agent, const axi_Start *start)
{
    struct axi_agent_instance *standby;

    if (start->standby_epoch == 0 || start->standby_epoch >= start->epoch) {
        return NULL;
    }
    standby = axi_instance_find(agent, start->task_id, start->standby_epoch);
    return standby != NULL && standby->sched_state == AXI_SLOT_STANDBY ? standby : NULL;
}

/* Requests to one existing instance. */
static void on_instance_request(struct axi_agent *agent, struct axi_agent_request *request,
                                const union axi_wire_message *m)
{
    struct axi_agent_instance *instance =
        axi_instance_find(agent, request->task_id, request->epoch);

    if (instance == NULL && request->type == AXI_WIRE_START) {
        instance = find_started(agent, &m->Start);
    }
    if (instance == NULL && agent->config.skip_epoch_check) {
        instance = find_newest(agent, request->task_id);
    }
    if (instance == NULL) {
        axi_request_done(agent, request, -AXC_ENOENT, "no such instance here");
        return;
    }
    request->slot = instance->slot;
    switch (request->type) {
    case AXI_WIRE_START:
        on_start(agent, request, &m->Start, instance);
        break;
    case AXI_WIRE_HALT:
        on_halt(agent, request, &m->Halt, instance);
        break;
    case AXI_WIRE_RESUME:
        on_resume(agent, request, instance);
        break;
    case AXI_WIRE_SET_OUTPUT:
        on_set_output(agent, request, &m->SetOutput, instance);
        break;
    default:
        on_get_checkpoint(agent, request, instance);
        break;
    }
}

static void execute(struct axi_agent *agent, struct axi_agent_request *request,
                    const union axi_wire_message *m)
{
    switch (request->type) {
    case AXI_WIRE_REMOVE:
        on_remove(agent, request, &m->Remove);
        return;
    case AXI_WIRE_GET_PROFILE:
        on_get_profile(agent, request);
        return;
    case AXI_WIRE_GET_CHECKPOINT:
        on_instance_request(agent, request, m);
        return;
    default:
        break;
    }
    if (request->epoch < axi_agent_epoch_seen(agent, request->task_id) &&
        !agent->config.skip_epoch_check) {
        axi_request_done(agent, request, -AXC_EEPOCH_STALE, NULL);
        return;
    }
    switch (request->type) {
    case AXI_WIRE_LOAD:
        on_load(agent, request, &m->Load);
        break;
    case AXI_WIRE_MIGRATE_IN:
        axi_target_open(agent, request, &m->MigrateIn);
        break;
    case AXI_WIRE_MIGRATE_OUT:
        axi_source_open(agent, request, &m->MigrateOut);
        break;
    default:
        on_instance_request(agent, request, m);
        break;
    }
}

/* An instance that waits for its image from there can only fail: another manager may be quicker
 * with another epoch. */
void axi_requests_link_down(struct axi_agent *agent, uint32_t link)
{
    for (uint32_t i = 0; i < agent->request_count; i++) {
        if (agent->requests[i].origin == link) {
            agent->requests[i].origin = AXI_ORIGIN_NONE;
        }
    }
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_FETCHING && instance->fetch_origin == link) {
            axi_instance_fail(agent, instance, -AXC_EUNAVAILABLE, "the manager is gone");
        }
    }
}

void axi_agent_on_request(struct axi_agent *agent, uint32_t origin, uint32_t type,
                          const union axi_wire_message *m)
{
    struct request_head head = head_of(type, m);
    struct axi_agent_request *request = find_request(agent, head.id);
    struct axi_agent_request refusal = {
        .id = head.id, .task_id = head.task_id, .epoch = head.epoch, .origin = origin};

    if (request != NULL) {
        request->origin = origin; /* asked again, perhaps on another link */
    }
    if (request != NULL && request->state == AXI_REQUEST_PENDING) {
        return;
    }
    if (request != NULL && !(request->code == 0 && is_read_only(request))) {
        send_result(agent, request);
        return;
    }
    if (request == NULL) {
        request = take_entry(agent);
    }
    if (request == NULL || head.id == 0 || head.task_id == 0) {
        axi_request_done(agent, &refusal, request == NULL ? -AXC_EBUSY : -AXC_EINVALID, NULL);
        return;
    }
    *request = (struct axi_agent_request){
        .state = AXI_REQUEST_PENDING,
        .type = type,
        .id = head.id,
        .task_id = head.task_id,
        .epoch = head.epoch,
        .slot = UINT32_MAX,
        .origin = origin,
    };
    execute(agent, request, m);
}
