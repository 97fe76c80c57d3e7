/* SPDX-License-Identifier: Apache-2.0 */
/* Links to checkpoint managers: the node connects. What goes over them: agent_notices.c, and
 * requests as on the master link.
 *
 *   IDLE -> CONNECTING -> HELLO -> LINKED     PARKED: linked by another entry already
 *     ^________|___________|_________|         */
#include "core/agent_internal.h"

#include "base/log.h"

#include <string.h>

#define RETRY_FACTOR_MAX 8u
#define AGAIN_NS UINT64_C(100000000)

void axi_managers_init(struct axi_agent *agent)
{
    const struct axi_agent_config *c = &agent->config;

    for (uint32_t i = 0; i < c->managers_max; i++) {
        struct axi_agent_manager *manager = &agent->managers[i];

        manager->marks = agent->marks + (size_t)i * c->slots;
        manager->link = AXI_AGENT_LINK_NONE;
    }
    agent->group.marks = agent->marks + (size_t)c->managers_max * c->slots;
    agent->group.link = AXI_AGENT_LINK_NONE;
    for (uint32_t i = 0; i < c->managers_max && c->managers[i] != NULL; i++) {
        struct axi_agent_manager *manager = &agent->managers[i];

        manager->state = AXI_MANAGER_IDLE;
        manager->is_static = true;
        manager->retry_wait_ns = c->retry_ns;
        axi_text_set(manager->address, sizeof(manager->address), c->managers[i]);
    }
}

struct axi_agent_manager *axi_manager_by_link(struct axi_agent *agent, uint32_t link)
{
    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        if (agent->managers[i].state != AXI_MANAGER_FREE && agent->managers[i].link == link) {
            return &agent->managers[i];
        }
    }
    return NULL;
}

/* Another entry that is linked to the manager with this id. */
static bool is_linked_elsewhere(const struct axi_agent *agent,
                                const struct axi_agent_manager *manager)
{
    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        const struct axi_agent_manager *other = &agent->managers[i];

        if (other != manager && other->state == AXI_MANAGER_LINKED && manager->id != 0 &&
            other->id == manager->id) {
            return true;
        }
    }
    return false;
}

/* ---- the list ---- */

static struct axi_agent_manager *find_listed(struct axi_agent *agent,
                                             const axi_ManagerAddress *listed)
{
    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        struct axi_agent_manager *manager = &agent->managers[i];

        if (manager->state != AXI_MANAGER_FREE &&
            (manager->id == listed->manager_id || strcmp(manager->address, listed->address) == 0)) {
            return manager;
        }
    }
    return NULL;
}

static void set_state_idle(struct axi_agent *agent, struct axi_agent_manager *manager)
{
    manager->state = AXI_MANAGER_IDLE;
    manager->link = AXI_AGENT_LINK_NONE;
    manager->retry_at_ns = agent->now_ns;
    manager->retry_wait_ns = agent->config.retry_ns;
}

/* The manager's address changed, or it is new in this entry. */
static void set_listed(struct axi_agent *agent, struct axi_agent_manager *manager,
                       const axi_ManagerAddress *listed)
{
    uint32_t link = manager->state != AXI_MANAGER_FREE ? manager->link : AXI_AGENT_LINK_NONE;

    manager->id = listed->manager_id;
    if (strcmp(manager->address, listed->address) == 0 || manager->is_static) {
        return;
    }
    axi_text_set(manager->address, sizeof(manager->address), listed->address);
    if (link != AXI_AGENT_LINK_NONE) {
        axi_agent_close_link(agent, link, 0, "the manager moved");
    }
    set_state_idle(agent, manager);
}

static void add_listed(struct axi_agent *agent, const axi_ManagerAddress *listed)
{
    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        struct axi_agent_manager *manager = &agent->managers[i];

        if (manager->state == AXI_MANAGER_FREE) {
            manager->address[0] = 0;
            set_listed(agent, manager, listed);
            return;
        }
    }
    axi_log(AXI_LOG_WARN, "manager-ignored", "address=%s reason=\"no place left\"",
            listed->address);
}

static bool is_listed(const axi_Managers *list, const struct axi_agent_manager *manager)
{
    for (pb_size_t i = 0; i < list->managers_count; i++) {
        if (list->managers[i].manager_id == manager->id) {
            return true;
        }
    }
    return false;
}

void axi_managers_on_list(struct axi_agent *agent, const axi_Managers *list)
{
    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        struct axi_agent_manager *manager = &agent->managers[i];

        if (manager->state == AXI_MANAGER_FREE || manager->is_static || is_listed(list, manager)) {
            continue;
        }
        if (manager->link != AXI_AGENT_LINK_NONE) {
            axi_agent_close_link(agent, manager->link, 0, "no manager of the cluster any more");
        }
        manager->state = AXI_MANAGER_FREE;
    }
    for (pb_size_t i = 0; i < list->managers_count; i++) {
        const axi_ManagerAddress *listed = &list->managers[i];
        struct axi_agent_manager *manager = find_listed(agent, listed);

        if (listed->manager_id == 0 || listed->address[0] == 0) {
            continue;
        }
        if (manager != NULL) {
            set_listed(agent, manager, listed);
        } else {
            add_listed(agent, listed);
        }
    }
}

/* ---- links ---- */

/* Waits twice as long after each failure, up to a bound, and never in step with other nodes. */
static void retry_later(struct axi_agent *agent, struct axi_agent_manager *manager)
{
    uint64_t jitter = agent->port.random64(agent->port.context) % (manager->retry_wait_ns / 4 + 1);

    manager->state = AXI_MANAGER_IDLE;
    manager->link = AXI_AGENT_LINK_NONE;
    manager->retry_at_ns = agent->now_ns + manager->retry_wait_ns + jitter;
    if (manager->retry_wait_ns < agent->config.retry_ns * RETRY_FACTOR_MAX) {
        manager->retry_wait_ns *= 2;
    }
}

static void connect_manager(struct axi_agent *agent, struct axi_agent_manager *manager)
{
    uint32_t id = AXI_AGENT_LINK_NONE;
    int r = agent->port.connect(agent->port.context, manager->address, &id);

    if (r == 0 && axi_agent_add_link(agent, id, AXI_LINK_MANAGER) == NULL) {
        agent->port.close(agent->port.context, id);
        r = -AXC_EFULL;
    }
    if (r < 0) {
        retry_later(agent, manager);
        return;
    }
    manager->link = id;
    manager->state = AXI_MANAGER_CONNECTING;
    manager->since_ns = agent->now_ns;
}

void axi_managers_link_up(struct axi_agent *agent, struct axi_agent_link *link)
{
    const struct axi_agent_config *c = &agent->config;
    struct axi_agent_manager *manager = axi_manager_by_link(agent, link->id);
    axi_ManagerHello hello = {
        .protocol_min = AXI_WIRE_VERSION,
        .protocol_max = AXI_WIRE_VERSION,
        .node_id = c->node_id,
        .boot_id = c->boot_id,
        .machine_id = c->machine_id,
    };

    if (manager == NULL || manager->state != AXI_MANAGER_CONNECTING) {
        return;
    }
    axi_text_set(hello.token, sizeof(hello.token), c->token);
    axi_text_set(hello.name, sizeof(hello.name), c->name);
    axi_text_set(hello.region_path, sizeof(hello.region_path), c->region_path);
    manager->state = AXI_MANAGER_HELLO;
    manager->since_ns = agent->now_ns;
    axi_agent_send(agent, link->id, AXI_WIRE_MANAGER_HELLO, &hello);
}

void axi_managers_link_down(struct axi_agent *agent, uint32_t link, int code)
{
    struct axi_agent_manager *manager = axi_manager_by_link(agent, link);

    axi_requests_link_down(agent, link);
    if (manager == NULL) {
        return;
    }
    if (manager->state == AXI_MANAGER_LINKED) {
        axi_log(AXI_LOG_WARN, "manager-lost", "address=%s error=%s", manager->address,
                axi_error_name(code));
    }
    manager->read_count = 0;
    retry_later(agent, manager);
}

void axi_managers_on_reply(struct axi_agent *agent, struct axi_agent_link *link,
                           const axi_ManagerReply *reply)
{
    struct axi_agent_manager *manager = axi_manager_by_link(agent, link->id);

    if (reply->result != 0 || reply->protocol != AXI_WIRE_VERSION || reply->manager_id == 0) {
        axi_log(AXI_LOG_ERROR, "manager-refused", "address=%s error=%s reason=\"%s\"",
                manager->address, axi_error_name(reply->result), reply->reason);
        axi_agent_close_link(agent, link->id, 0, "refused");
        return;
    }
    manager->id = reply->manager_id;
    if (is_linked_elsewhere(agent, manager)) {
        axi_agent_close_link(agent, link->id, 0, "linked already");
        manager->state = AXI_MANAGER_PARKED;
        return;
    }
    axi_text_set(manager->name, sizeof(manager->name), reply->name);
    manager->state = AXI_MANAGER_LINKED;
    manager->retry_wait_ns = agent->config.retry_ns;
    manager->read_count = 0;
    manager->again_at_ns = 0;
    memset(manager->marks, 0, agent->config.slots * sizeof(*manager->marks));
    axi_log(AXI_LOG_INFO, "manager-linked", "name=%s address=%s", manager->name, manager->address);
}

bool axi_managers_allow(const struct axi_agent *agent, const struct axi_agent_link *link,
                        uint32_t type)
{
    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        const struct axi_agent_manager *manager = &agent->managers[i];

        if (manager->state == AXI_MANAGER_HELLO && manager->link == link->id) {
            return type == AXI_WIRE_MANAGER_REPLY;
        }
        if (manager->state == AXI_MANAGER_LINKED && manager->link == link->id) {
            return type == AXI_WIRE_SLOT_READ || type == AXI_WIRE_ACKS ||
                   type == AXI_WIRE_LOAD_QUERY || type == AXI_WIRE_HEARTBEAT_ACK ||
                   type == AXI_WIRE_LOAD || type == AXI_WIRE_START || type == AXI_WIRE_REMOVE ||
                   type == AXI_WIRE_RESUME || type == AXI_WIRE_CHUNK;
        }
    }
    return false;
}

void axi_managers_on_query(struct axi_agent *agent, const struct axi_agent_link *link,
                           const axi_LoadQuery *query)
{
    axi_LoadReply reply = {.request = query->request};

    axi_agent_refresh_figures(agent);
    reply.cpu_load_ppm = agent->figures.cpu_load_ppm;
    reply.memory_free_bytes = agent->figures.memory_free_bytes;
    reply.free_slots = axi_agent_free_slots(agent);
    reply.density_ppm = axi_agent_density_ppm(agent);
    reply.delta_ns = agent->clock.margin.delta_ns;
    reply.latency_ns = agent->clock.margin.latency_ns;
    if (axi_agent_knows_time(agent)) {
        reply.master_ns =
            axi_time_to_master(agent->config.timebase, (struct axc_time_local){.ns = agent->now_ns})
                .ns;
    }
    reply.lease_left_ns =
        agent->lease_until_ns > agent->now_ns ? agent->lease_until_ns - agent->now_ns : 0;
    axi_agent_send(agent, link->id, AXI_WIRE_LOAD_REPLY, &reply);
}

/* ---- timers ---- */

static bool has_running(const struct axi_agent *agent)
{
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        const struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_READY && (instance->sched_state == AXI_SLOT_ACTIVE ||
                                                      instance->sched_state == AXI_SLOT_FREEZING)) {
            return true;
        }
    }
    return false;
}

static uint64_t tick_manager(struct axi_agent *agent, struct axi_agent_manager *manager)
{
    uint64_t until_ns = manager->since_ns + agent->config.transfer_ns;

    switch (manager->state) {
    case AXI_MANAGER_PARKED:
        if (is_linked_elsewhere(agent, manager)) {
            return UINT64_MAX; /* its end is an event */
        }
        set_state_idle(agent, manager);
        return agent->now_ns;
    case AXI_MANAGER_IDLE:
        if (agent->now_ns < manager->retry_at_ns) {
            return manager->retry_at_ns;
        }
        connect_manager(agent, manager);
        return manager->state == AXI_MANAGER_IDLE ? manager->retry_at_ns
                                                  : agent->now_ns + agent->config.transfer_ns;
    case AXI_MANAGER_CONNECTING:
    case AXI_MANAGER_HELLO:
        if (agent->now_ns < until_ns) {
            return until_ns;
        }
        axi_agent_close_link(agent, manager->link, -AXC_ETIMEOUT, "the manager does not answer");
        return manager->retry_at_ns;
    case AXI_MANAGER_LINKED:
        if (agent->port.notify == NULL) {
            axi_manager_notice(agent, manager);
        } else if (agent->now_ns >= manager->again_at_ns) {
            axi_manager_notice_newest(agent, manager);
            manager->again_at_ns = agent->now_ns + AGAIN_NS;
        }
        return has_running(agent) ? agent->now_ns + agent->config.notice_ns : UINT64_MAX;
    default:
        return UINT64_MAX;
    }
}

uint64_t axi_managers_tick(struct axi_agent *agent)
{
    uint64_t next_ns = UINT64_MAX;
    bool is_linked = false;

    if (agent->join == AXI_JOIN_LEFT) {
        return UINT64_MAX;
    }
    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        uint64_t at_ns = tick_manager(agent, &agent->managers[i]);

        next_ns = at_ns < next_ns ? at_ns : next_ns;
        is_linked |= agent->managers[i].state == AXI_MANAGER_LINKED;
    }
    if (is_linked && agent->port.notify != NULL) {
        axi_manager_notice(agent, &agent->group);
    }
    return next_ns;
}

bool axi_agent_get_manager(const struct axi_agent *agent, uint32_t index,
                           struct axi_agent_manager_status *ret_status)
{
    const struct axi_agent_manager *manager;

    if (index >= agent->config.managers_max || agent->managers[index].state == AXI_MANAGER_FREE) {
        return false;
    }
    manager = &agent->managers[index];
    *ret_status = (struct axi_agent_manager_status){
        .id = manager->id,
        .address = manager->address,
        .name = manager->name,
        .is_linked = manager->state == AXI_MANAGER_LINKED,
        .is_keeper = agent->join != AXI_JOIN_DONE && agent->keeper == index,
        .notices = manager->notices,
        .overtaken = manager->overtaken,
        .read_bytes = manager->read_bytes,
    };
    return true;
}

uint64_t axi_agent_durable_job(const struct axi_agent *agent, uint32_t index, uint64_t task_id,
                               uint64_t epoch)
{
    for (uint32_t i = 0; index < agent->config.managers_max && i < agent->config.slots; i++) {
        const struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_READY && instance->spec.task_id == task_id &&
            instance->epoch == epoch) {
            return agent->managers[index].marks[i].acked_job;
        }
    }
    return 0;
}
