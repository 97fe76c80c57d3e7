/* SPDX-License-Identifier: Apache-2.0 */
/* What a manager hears of checkpoints and gets of them. Notices name writes of the regions; the
 * manager fetches them by SlotRead (or reads the memory itself, on the same machine) and tells by
 * Acks what is durable. A manager that is slow costs the node nothing but a bounded send queue:
 * what it did not take in time is overwritten in the region, and counted. */
#include "core/agent_internal.h"

#define READS_PER_PUMP 16u /* of one manager, so that others and timers have their turn */
#define NOTICES_MAX (sizeof(((axi_Notices *)0)->notices) / sizeof(axi_Notice))
#define DATAGRAM_NOTICES 15u

_Static_assert(AXI_WIRE_HEADER_BYTES + 9 + DATAGRAM_NOTICES * (axi_Notice_size + 3) <=
                   AXI_AGENT_NOTIFY_BYTES,
               "fits a datagram");

/* When the checkpoint was taken, master time: known for the last completed job, else about now. */
static uint64_t taken_ns(const struct axi_agent *agent, const struct axi_agent_instance *instance,
                         const struct axi_checkpoint *checkpoint)
{
    if (checkpoint->step == 0 && checkpoint->job == instance->next_job &&
        instance->completed_ns != 0) {
        return instance->completed_ns;
    }
    return axi_time_to_master(agent->config.timebase, (struct axc_time_local){.ns = agent->now_ns})
        .ns;
}

/* Adds a notice of one write; nothing when it is gone or was made under another epoch: what a
 * standby got from its predecessor is no checkpoint of this instance. */
static void add_notice(struct axi_agent *agent, struct axi_agent_manager *manager,
                       const struct axi_agent_instance *instance, uint64_t number)
{
    axi_Notices *notices = &agent->notices;
    struct axi_checkpoint checkpoint;
    int r = axi_region_info(instance->region, number, &checkpoint);

    if (r < 0) {
        manager->overtaken += r == -AXC_ECKPT_TORN;
        return;
    }
    if (checkpoint.epoch != instance->epoch) {
        return;
    }
    manager->notices++;
    notices->notices[notices->notices_count++] = (axi_Notice){
        .task_id = checkpoint.task_id,
        .epoch = checkpoint.epoch,
        .job = checkpoint.job,
        .step = checkpoint.step,
        .bytes = AXI_CHECKPOINT_HEADER_BYTES + checkpoint.state_bytes,
        .state_crc = checkpoint.state_crc,
        .write = number,
        .region_offset = instance->region_offset,
        .taken_master_ns = taken_ns(agent, instance, &checkpoint),
    };
}

static bool has_room(const struct axi_agent *agent, const struct axi_agent_manager *manager)
{
    return manager == &agent->group ||
           agent->port.send_room(agent->port.context, manager->link) >= AXI_WIRE_CONTROL_BYTES_MAX;
}

static void send_datagram(struct axi_agent *agent)
{
    size_t bytes = 0;

    agent->notices.node_id = agent->config.node_id;
    if (axi_wire_encode(AXI_WIRE_NOTICES, &agent->notices, NULL, 0, agent->frame,
                        AXI_AGENT_NOTIFY_BYTES, &bytes) == 0) {
        agent->port.notify(agent->port.context, agent->frame, bytes);
    }
    agent->notices.node_id = 0;
}

static void flush(struct axi_agent *agent, const struct axi_agent_manager *manager)
{
    if (agent->notices.notices_count > 0 && manager == &agent->group) {
        send_datagram(agent);
    } else if (agent->notices.notices_count > 0) {
        axi_agent_send(agent, manager->link, AXI_WIRE_NOTICES, &agent->notices);
    }
    agent->notices.notices_count = 0;
}

/* Every write of one instance that is still in the ring. False: no room, the rest waits. */
static bool notice_instance(struct axi_agent *agent, struct axi_agent_manager *manager,
                            const struct axi_agent_instance *instance)
{
    struct axi_agent_mark *mark = &manager->marks[instance->slot];
    uint64_t newest = axi_region_writes(instance->region);
    size_t most = manager == &agent->group ? DATAGRAM_NOTICES : NOTICES_MAX;

    if (newest > mark->noticed + instance->region->slots) {
        manager->overtaken += newest - instance->region->slots - mark->noticed;
        mark->noticed = newest - instance->region->slots;
    }
    while (mark->noticed < newest) {
        if (agent->notices.notices_count == most) {
            flush(agent, manager);
        }
        if (agent->notices.notices_count == 0 && !has_room(agent, manager)) {
            return false;
        }
        mark->noticed++;
        add_notice(agent, manager, instance, mark->noticed);
    }
    return true;
}

static bool has_checkpoints(const struct axi_agent_instance *instance)
{
    return instance->phase == AXI_INSTANCE_READY && instance->region != NULL &&
           instance->sched_state != AXI_SLOT_STANDBY;
}

void axi_manager_notice(struct axi_agent *agent, struct axi_agent_manager *manager)
{
    agent->notices.notices_count = 0;
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        const struct axi_agent_instance *instance = &agent->instances[i];

        if (has_checkpoints(instance) && !notice_instance(agent, manager, instance)) {
            break;
        }
    }
    flush(agent, manager);
}

void axi_manager_notice_newest(struct axi_agent *agent, struct axi_agent_manager *manager)
{
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        struct axi_agent_mark *mark = &manager->marks[i];

        if (has_checkpoints(&agent->instances[i])) {
            uint64_t newest = axi_region_writes(agent->instances[i].region);

            mark->noticed = mark->noticed < newest ? newest - 1 : newest;
        }
    }
    axi_manager_notice(agent, manager);
}

void axi_managers_on_acks(struct axi_agent *agent, const struct axi_agent_link *link,
                          const axi_Acks *acks)
{
    struct axi_agent_manager *manager = axi_manager_by_link(agent, link->id);

    for (pb_size_t i = 0; i < acks->acks_count; i++) {
        const axi_Ack *ack = &acks->acks[i];
        const struct axi_agent_instance *instance =
            axi_instance_find(agent, ack->task_id, ack->epoch);
        struct axi_agent_mark *mark = instance != NULL ? &manager->marks[instance->slot] : NULL;

        if (mark != NULL && ack->write > mark->acked &&
            (ack->write <= mark->noticed ||
             ack->write <= agent->group.marks[instance->slot].noticed)) {
            mark->acked = ack->write;
            mark->acked_job = ack->job;
        }
    }
}

void axi_managers_forget_slot(struct axi_agent *agent, uint32_t slot)
{
    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        agent->managers[i].marks[slot] = (struct axi_agent_mark){0};
    }
    agent->group.marks[slot] = (struct axi_agent_mark){0};
}

uint64_t axi_managers_durable_job(const struct axi_agent *agent, uint32_t slot)
{
    uint64_t job = 0;

    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        uint64_t acked_job = agent->managers[i].marks[slot].acked_job;

        job = acked_job > job ? acked_job : job;
    }
    return job;
}

void axi_managers_on_read(struct axi_agent *agent, struct axi_agent_link *link,
                          const axi_SlotRead *read)
{
    struct axi_agent_manager *manager = axi_manager_by_link(agent, link->id);

    if (manager->read_count == AXI_AGENT_READS) {
        axi_agent_close_link(agent, link->id, -AXC_EBUSY, "too many unanswered reads");
        return;
    }
    manager->reads[(manager->read_first + manager->read_count) % AXI_AGENT_READS] = *read;
    manager->read_count++;
}

static size_t most_of(const struct axi_agent *agent, const axi_SlotRead *read)
{
    return read->bytes != 0 && read->bytes < agent->config.chunk_bytes ? read->bytes
                                                                       : agent->config.chunk_bytes;
}

/* Copies what was asked for into agent->chunk. */
static size_t read_slot(struct axi_agent *agent, struct axi_agent_manager *manager,
                        const axi_SlotRead *read, axi_SlotData *ret_data)
{
    const struct axi_agent_instance *instance =
        axi_instance_find(agent, read->task_id, read->epoch);
    size_t bytes = 0;
    size_t total = 0;

    *ret_data = (axi_SlotData){.request = read->request, .offset = read->offset};
    if (instance == NULL || instance->region == NULL) {
        ret_data->code = -AXC_ENOENT;
        return 0;
    }
    ret_data->newest = axi_region_writes(instance->region);
    ret_data->code = axi_region_read(instance->region, read->write, read->offset, agent->chunk,
                                     most_of(agent, read), &bytes, &total);
    ret_data->total = (uint32_t)total;
    manager->overtaken += ret_data->code == -AXC_ECKPT_TORN;
    manager->read_bytes += bytes;
    return bytes;
}

/* 1: answered, 0: no room, negative: the link is beyond use. */
static int answer_read(struct axi_agent *agent, struct axi_agent_manager *manager)
{
    const axi_SlotRead *read = &manager->reads[manager->read_first];
    axi_SlotData data;
    size_t count;
    size_t bytes = 0;
    int r;

    if (agent->port.send_room(agent->port.context, manager->link) <
        AXI_WIRE_HEADER_BYTES + axi_SlotData_size + most_of(agent, read)) {
        return 0;
    }
    count = read_slot(agent, manager, read, &data);
    r = axi_wire_encode(AXI_WIRE_SLOT_DATA, &data, agent->chunk, count, agent->frame,
                        AXI_WIRE_FRAME_BYTES_MAX, &bytes);
    if (r == 0) {
        r = agent->port.send(agent->port.context, manager->link, agent->frame, bytes);
    }
    if (r < 0) {
        return r;
    }
    manager->read_first = (manager->read_first + 1) % AXI_AGENT_READS;
    manager->read_count--;
    return 1;
}

static bool pump_one(struct axi_agent *agent, struct axi_agent_manager *manager)
{
    struct axi_agent_link *link = axi_agent_find_link(agent, manager->link);

    for (uint32_t i = 0; i < READS_PER_PUMP && manager->read_count > 0; i++) {
        int r = link != NULL && link->broken == 0 ? answer_read(agent, manager) : 0;

        if (r < 0) {
            link->broken = r;
        }
        if (r <= 0) {
            return false;
        }
    }
    return manager->read_count > 0;
}

bool axi_managers_pump(struct axi_agent *agent)
{
    bool want = false;

    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        if (agent->managers[i].state == AXI_MANAGER_LINKED) {
            want |= pump_one(agent, &agent->managers[i]);
        }
    }
    return want;
}
