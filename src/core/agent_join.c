/* SPDX-License-Identifier: Apache-2.0 */
/* Joining the master, heartbeats, the lease and who keeps it, master time. */
#include "core/agent_internal.h"

#include "base/bytes.h"
#include "base/log.h"

#define RETRY_FACTOR_MAX 8u
#define RETRY_FIRST_PART 8u /* once joined, the next join is in a hurry: the lease runs */
#define PATIENCE_NS                                                                                \
    UINT64_C(1000000000) /* with a master that says nothing, if there are others                   \
                          */
#define LOG_NS UINT64_C(200000000)
#define SILENT_HEARTBEATS 3u
#define HEARTBEAT_NS_MIN UINT64_C(1000000)
#define KEEPER_NONE UINT32_MAX
#define FIGURES_NS UINT64_C(50000000) /* a load measured over less says nothing */
#define OVERLOADS 3u                  /* heartbeats in a row before the master is asked to help */
#define OFFLOAD_NS UINT64_C(5000000000)

static void connect_master(struct axi_agent *agent)
{
    uint32_t id = AXI_AGENT_LINK_NONE;
    int r;

    agent->has_refused = false;
    r = agent->port.connect(agent->port.context, axi_masters_next(&agent->masters), &id);

    if (r == 0 && axi_agent_add_link(agent, id, AXI_LINK_MASTER) == NULL) {
        agent->port.close(agent->port.context, id);
        r = -AXC_EFULL;
    }
    if (r < 0) {
        axi_agent_join_down(agent, r);
        return;
    }
    agent->master = id;
    agent->join = AXI_JOIN_CONNECTING;
    agent->join_since_ns = agent->now_ns;
}

void axi_agent_join_up(struct axi_agent *agent)
{
    const struct axi_agent_config *c = &agent->config;
    axi_Hello hello = {
        .protocol_min = AXI_WIRE_VERSION,
        .protocol_max = AXI_WIRE_VERSION,
        .features =
            c->features | AXI_FEATURE_HISTOGRAM | (c->trace_records > 0 ? AXI_FEATURE_TRACE : 0),
        .node_id = c->node_id,
        .boot_id = c->boot_id,
        .cores = c->cores,
        .frequency_mhz = c->frequency_mhz,
        .memory_bytes = c->memory_bytes,
        .services = c->services,
        .assurance = c->assurance,
        .capacity_ppm = c->capacity_ppm,
        .slots = c->slots,
        .server_budget_ns = c->server_budget_ns,
        .server_period_ns = c->server_period_ns,
    };

    axi_text_set(hello.token, sizeof(hello.token), c->token);
    axi_text_set(hello.name, sizeof(hello.name), c->name);
    axi_text_set(hello.address, sizeof(hello.address), c->address);
    axi_text_set(hello.version, sizeof(hello.version), c->version);
    axi_text_set(hello.reset_reason, sizeof(hello.reset_reason), c->reset_reason);
    for (uint32_t i = 0; i < AXI_AGENT_PLATFORMS_MAX && c->platforms[i] != NULL; i++) {
        axi_text_set(hello.platforms[i], sizeof(hello.platforms[i]), c->platforms[i]);
        hello.platforms_count++;
    }
    agent->join = AXI_JOIN_HELLO;
    agent->join_since_ns = agent->now_ns;
    axi_agent_send(agent, agent->master, AXI_WIRE_HELLO, &hello);
}

/* Waits twice as long after each failure, up to a bound, and never in step with other nodes. */
void axi_agent_join_down(struct axi_agent *agent, int code)
{
    bool has_refused = agent->has_refused;
    uint64_t wait_ns = agent->retry_wait_ns;
    bool is_next_soon;

    if (agent->join == AXI_JOIN_LEFT) {
        return;
    }
    if (agent->join == AXI_JOIN_DONE) {
        axi_log(AXI_LOG_WARN, "master-lost", "error=%s", axi_error_name(code));
    }
    is_next_soon = axi_masters_failed(&agent->masters, has_refused ? -AXC_ENOT_LEADER : code,
                                      has_refused ? agent->leader : NULL);
    if (agent->masters.count > 1) { /* one of them will lead soon */
        bool is_hurry = is_next_soon && (!has_refused || agent->masters.hint[0] != '\0');
        uint64_t soon_ns =
            agent->config.retry_ns / (is_hurry ? RETRY_FIRST_PART : (has_refused ? 2u : 1u));

        wait_ns = wait_ns < soon_ns ? wait_ns : soon_ns;
    }
    agent->join = AXI_JOIN_IDLE;
    agent->is_master_away = true;
    agent->retry_at_ns =
        agent->now_ns + wait_ns + agent->port.random64(agent->port.context) % (wait_ns / 4 + 1);
    if (!is_next_soon && !has_refused &&
        agent->retry_wait_ns < agent->config.retry_ns * RETRY_FACTOR_MAX) {
        agent->retry_wait_ns *= 2;
    }
}

void axi_agent_on_hello_reply(struct axi_agent *agent, const axi_HelloReply *reply)
{
    agent->join_error = reply->result;
    if (reply->result != 0 || reply->protocol != AXI_WIRE_VERSION) {
        agent->join_error = reply->result != 0 ? reply->result : -AXC_EWIRE_VERSION;
        agent->has_refused = reply->result == -AXC_ENOT_LEADER;
        axi_text_set(agent->leader, sizeof(agent->leader), reply->leader);
        axi_log(agent->join_error == -AXC_ENOT_LEADER ? AXI_LOG_DEBUG : AXI_LOG_ERROR,
                "join-refused", "error=%s reason=\"%s\"", axi_error_name(agent->join_error),
                reply->reason);
        axi_agent_close_link(agent, agent->master, agent->join_error, "join refused");
        return;
    }
    axi_masters_joined(&agent->masters);
    agent->join = AXI_JOIN_DONE;
    agent->is_master_away = false;
    agent->keeper = KEEPER_NONE;
    agent->retry_wait_ns = agent->config.retry_ns / RETRY_FIRST_PART;
    agent->master_ns = reply->master_ns;
    agent->lease_ns = reply->lease_ns;
    if (reply->heartbeat_ns >= HEARTBEAT_NS_MIN) {
        agent->heartbeat_ns = reply->heartbeat_ns;
    }
    axi_log(AXI_LOG_INFO, "joined", "heartbeat_ms=%u", (unsigned)(agent->heartbeat_ns / 1000000u));
    agent->is_histogram_wanted = (reply->features & AXI_FEATURE_HISTOGRAM) != 0;
    /* The order matters: the master knows every instance before it renews a lease. */
    axi_agent_report_all(agent);
    axi_agent_trace_joined(agent, reply->features);
    agent->report_at_ns = agent->now_ns + agent->config.report_ns;
    agent->heartbeat_at_ns = agent->now_ns;
    axi_migrations_rejoin(agent);
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_FETCHING &&
            instance->fetch_origin == AXI_ORIGIN_MASTER) {
            axi_instance_fetch(agent, instance);
        }
    }
}

bool axi_agent_knows_time(struct axi_agent *agent)
{
    return axi_time_bound_ns(agent->config.timebase,
                             (struct axc_time_local){.ns = agent->now_ns}) != UINT64_MAX;
}

void axi_agent_refresh_figures(struct axi_agent *agent)
{
    if (agent->figures_ns == 0 || agent->now_ns >= agent->figures_ns + FIGURES_NS) {
        agent->port.figures(agent->port.context, &agent->figures);
        agent->figures_ns = agent->now_ns;
    }
}

/* Asks for help when the load stays too high, and not again before help could have come. */
static void watch_load(struct axi_agent *agent)
{
    bool is_over = agent->config.offload_ppm != 0 &&
                   agent->figures.cpu_load_ppm > agent->config.offload_ppm &&
                   axi_agent_free_slots(agent) < agent->config.slots;

    agent->overloads = is_over ? agent->overloads + 1 : 0;
    if (agent->overloads >= OVERLOADS && agent->now_ns >= agent->offload_at_ns) {
        axi_agent_request_offload(agent, 0, "the processor is overloaded");
        agent->offload_at_ns = agent->now_ns + OFFLOAD_NS;
    }
}

static void request_offload(struct axi_agent *agent, uint64_t task_id, const char *reason,
                            bool is_leaving)
{
    axi_OffloadRequest request = {.task_id = task_id, .leaving = is_leaving};

    axi_text_set(request.reason, sizeof(request.reason), reason);
    axi_agent_tell_master(agent, AXI_WIRE_OFFLOAD_REQUEST, &request);
}

void axi_agent_request_offload(struct axi_agent *agent, uint64_t task_id, const char *reason)
{
    request_offload(agent, task_id, reason, false);
}

void axi_agent_leave_tasks(struct axi_agent *agent, const char *reason)
{
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        const struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_READY && instance->sched_state == AXI_SLOT_ACTIVE) {
            request_offload(agent, instance->spec.task_id, reason, true);
        }
    }
}

static void send_heartbeat(struct axi_agent *agent)
{
    axi_Heartbeat heartbeat = axi_Heartbeat_init_zero;

    axi_agent_refresh_figures(agent);
    watch_load(agent);
    agent->sequence++;
    agent->sent_ns[agent->sequence % AXI_AGENT_HEARTBEATS] = agent->now_ns;
    heartbeat.sequence = agent->sequence;
    heartbeat.send_local_ns = agent->now_ns;
    heartbeat.cpu_load_ppm = agent->figures.cpu_load_ppm;
    heartbeat.task_load_ppm = agent->figures.task_load_ppm;
    heartbeat.memory_free_bytes = agent->figures.memory_free_bytes;
    heartbeat.free_slots = axi_agent_free_slots(agent);
    heartbeat.density_ppm = axi_agent_density_ppm(agent);
    axi_agent_clock_fill(agent, &heartbeat);
    axi_agent_tell_keeper(agent, AXI_WIRE_HEARTBEAT, &heartbeat);
    agent->heartbeat_at_ns = agent->now_ns + agent->heartbeat_ns;
}

/* A master of many nodes wants to hear less of each as long as it answers. */
static void delay_heartbeat(struct axi_agent *agent, const axi_HeartbeatAck *ack)
{
    if (ack->sequence == agent->sequence && ack->next_ns > agent->heartbeat_ns &&
        ack->next_ns <= ack->lease_ns / 2 &&
        agent->heartbeat_at_ns == ack->send_local_ns + agent->heartbeat_ns) {
        agent->heartbeat_at_ns = ack->send_local_ns + ack->next_ns;
    }
}

/* The lease counts from this node's own send time: whatever the network and the master's store took
 * is already spent. Only the sending that this ack echoes counts, and a lease never shrinks. */
void axi_agent_on_heartbeat_ack(struct axi_agent *agent, uint32_t origin,
                                const axi_HeartbeatAck *ack)
{
    uint64_t sent_ns = agent->sent_ns[ack->sequence % AXI_AGENT_HEARTBEATS];
    uint64_t until_ns;
    uint64_t held_ns;

    if (ack->sequence == 0 || ack->sequence > agent->sequence ||
        agent->sequence - ack->sequence >= AXI_AGENT_HEARTBEATS || ack->send_local_ns != sent_ns) {
        return;
    }
    until_ns = axi_add_sat(sent_ns, ack->lease_ns);
    if (until_ns > agent->lease_until_ns) {
        agent->lapses += agent->now_ns >= agent->lease_until_ns;
        agent->lease_origin = origin;
        agent->lease_until_ns = until_ns;
        agent->port.set_lease(agent->port.context, until_ns);
    }
    agent->keeper_ack_ns = agent->now_ns;
    delay_heartbeat(agent, ack);
    if (ack->sequence <= agent->acknowledged || ack->reply_master_ns < ack->receive_master_ns ||
        ack->receive_master_ns == 0) { /* a manager that does not know master time */
        return;
    }
    agent->acknowledged = ack->sequence;
    /* The time the master held the heartbeat is no part of the round trip. */
    held_ns = ack->reply_master_ns - ack->receive_master_ns;
    if (held_ns > agent->now_ns - sent_ns) {
        held_ns = 0;
    }
    axi_agent_clock_sample(agent, sent_ns, agent->now_ns - held_ns, ack->receive_master_ns);
}

/* A master that hangs, or was succeeded by another, is left in time to get a lease from the next
 * one before this node counts as dead. */
static uint64_t silence_ns(const struct axi_agent *agent)
{
    uint64_t least_ns = agent->heartbeat_ns * SILENT_HEARTBEATS;
    uint64_t wanted_ns = agent->lease_ns / 4 * 3;

    return wanted_ns > least_ns ? wanted_ns : least_ns;
}

static uint64_t tick_joined(struct axi_agent *agent)
{
    uint64_t silent_ns = silence_ns(agent);
    uint64_t trace_ns;
    uint64_t next_ns;

    if (agent->now_ns >= agent->heard_ns + silent_ns) {
        axi_agent_close_link(agent, agent->master, -AXC_ETIMEOUT, "no heartbeat was acknowledged");
        return agent->retry_at_ns;
    }
    if (agent->now_ns >= agent->heartbeat_at_ns) {
        if (agent->now_ns >= agent->report_at_ns) { /* together: the master wakes up once */
            axi_agent_report_all(agent);
            agent->report_at_ns = agent->now_ns + agent->config.report_ns;
        }
        send_heartbeat(agent);
    }
    if (agent->now_ns >= agent->log_at_ns) {
        axi_agent_send_logs(agent);
        agent->log_at_ns = agent->now_ns + LOG_NS;
    }
    trace_ns = axi_agent_send_traces(agent);
    next_ns = agent->heard_ns + silent_ns;
    next_ns = trace_ns < next_ns ? trace_ns : next_ns;
    next_ns = agent->heartbeat_at_ns < next_ns ? agent->heartbeat_at_ns : next_ns;
    return agent->log_at_ns < next_ns ? agent->log_at_ns : next_ns;
}

uint64_t axi_agent_join_tick(struct axi_agent *agent)
{
    uint64_t patience_ns = agent->masters.count > 1 && agent->config.transfer_ns > PATIENCE_NS
                               ? PATIENCE_NS
                               : agent->config.transfer_ns;
    uint64_t until_ns = agent->join_since_ns + patience_ns;

    switch (agent->join) {
    case AXI_JOIN_IDLE:
        if (agent->now_ns < agent->retry_at_ns) {
            return agent->retry_at_ns;
        }
        connect_master(agent);
        return agent->join == AXI_JOIN_IDLE ? agent->retry_at_ns : agent->now_ns + patience_ns;
    case AXI_JOIN_CONNECTING:
    case AXI_JOIN_HELLO:
        if (agent->now_ns < until_ns) {
            return until_ns;
        }
        axi_agent_close_link(agent, agent->master, -AXC_ETIMEOUT, "the master does not answer");
        return agent->retry_at_ns;
    case AXI_JOIN_DONE:
        return tick_joined(agent);
    default:
        return UINT64_MAX;
    }
}

/* The linked manager behind the present keeper, in turn. */
static uint32_t next_keeper(const struct axi_agent *agent)
{
    uint32_t count = agent->config.managers_max;
    uint32_t first = agent->keeper == KEEPER_NONE ? 0 : agent->keeper + 1;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = (first + i) % count;

        if (agent->managers[index].state == AXI_MANAGER_LINKED) {
            return index;
        }
    }
    return KEEPER_NONE;
}

static void change_keeper(struct axi_agent *agent)
{
    uint32_t former = agent->keeper;

    agent->keeper = next_keeper(agent);
    agent->keeper_ack_ns = agent->now_ns;
    if (agent->keeper == KEEPER_NONE) {
        return;
    }
    if (agent->keeper != former) {
        axi_log(AXI_LOG_WARN, "keeper", "manager=%s", agent->managers[agent->keeper].address);
    }
    axi_agent_report_all(agent); /* it knows every instance before it renews a lease */
    agent->heartbeat_at_ns = agent->now_ns;
}

uint64_t axi_agent_keeper_tick(struct axi_agent *agent)
{
    bool is_silent;

    if (!agent->is_master_away || agent->join == AXI_JOIN_LEFT) {
        return UINT64_MAX;
    }
    is_silent = agent->now_ns >= agent->keeper_ack_ns + agent->heartbeat_ns * SILENT_HEARTBEATS;
    if (agent->keeper == KEEPER_NONE || is_silent ||
        agent->managers[agent->keeper].state != AXI_MANAGER_LINKED) {
        change_keeper(agent);
    }
    if (agent->keeper == KEEPER_NONE) {
        return UINT64_MAX; /* a manager's link coming up is an event */
    }
    if (agent->now_ns >= agent->heartbeat_at_ns) {
        send_heartbeat(agent);
    }
    return agent->heartbeat_at_ns;
}

bool axi_agent_has_keeper(const struct axi_agent *agent)
{
    return agent->join == AXI_JOIN_DONE || agent->keeper != KEEPER_NONE;
}

void axi_agent_tell_keeper(struct axi_agent *agent, uint32_t type, const void *message)
{
    if (agent->join == AXI_JOIN_DONE) {
        axi_agent_tell_master(agent, type, message);
    } else if (agent->keeper != KEEPER_NONE) {
        axi_agent_send(agent, agent->managers[agent->keeper].link, type, message);
    }
}
