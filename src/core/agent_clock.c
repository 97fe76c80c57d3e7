/* SPDX-License-Identifier: Apache-2.0 */
/* Master time on this node: steered by a PTP source while it is locked (or holds over), else by the
 * round trips of heartbeats; the bound of its error that the node declares; and whether what runs
 * here is schedulable under that bound.
 *
 *   heartbeats --first lock--> source --silent for holdover_ns, or unlocked--> heartbeats
 *
 * Either way master time slews; it is set only while no instance could see it. */
#include "core/agent_internal.h"

#include "base/bytes.h"
#include "base/log.h"

#define STEP_NS UINT64_C(1000000)      /* less is slewed away soon enough */
#define LOWER_NS UINT64_C(10000000000) /* a smaller bound must have lasted so long */
#define LADDER_NS UINT64_C(1000)
#define US 1000u

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static uint64_t master_at(const struct axi_agent *agent, uint64_t local_ns)
{
    return axi_time_to_master(agent->config.timebase, (struct axc_time_local){.ns = local_ns}).ns;
}

static bool has_instances(const struct axi_agent *agent)
{
    return axi_agent_free_slots(agent) < agent->config.slots;
}

/* Master time is far from where it should be, or no longer; said once. */
static void set_far(struct axi_agent *agent, bool is_far)
{
    if (is_far && !agent->clock.is_far) {
        agent->clock.jumps++;
        axi_log(AXI_LOG_WARN, "clock-jump", "master time is more than 100 ms away; slewing");
    }
    agent->clock.is_far = is_far;
}

/* ---- who steers ---- */

static void set_steering(struct axi_agent *agent, bool is_steering)
{
    if (agent->clock.is_steering != is_steering) {
        agent->clock.is_steering = is_steering;
        agent->clock.master_offset_ns = 0;
        axi_log(AXI_LOG_INFO, "clock-source", "by=%s", is_steering ? "ptp" : "heartbeats");
    }
}

static void choose(struct axi_agent *agent)
{
    struct axi_agent_clock *clock = &agent->clock;

    if (clock->estimate.state == AXI_SERVO_LOCKED) {
        set_steering(agent, true);
    } else if (clock->estimate.state == AXI_SERVO_UNLOCKED ||
               agent->now_ns - clock->heard_ns > agent->config.holdover_ns) {
        set_steering(agent, false);
    }
}

static void steer(struct axi_agent *agent, struct axc_time_local at)
{
    const struct axi_servo_estimate *from = &agent->clock.estimate;
    const struct axi_timebase_estimate estimate = {
        .master_ns = from->master_ns,
        .drift_ppb = from->rate_ppb,
        .bound_ns = from->bound_ns,
        .growth_ppm = from->growth_ppm,
    };
    int64_t offset_ns = (int64_t)(from->master_ns - master_at(agent, at.ns));
    bool is_set = axi_time_bound_ns(agent->config.timebase, at) != UINT64_MAX;
    bool may_step = magnitude(offset_ns) > STEP_NS && !has_instances(agent);
    int r = axi_timebase_steer(agent->config.timebase, at, &estimate, may_step);

    if (is_set && may_step && from->bound_ns != UINT64_MAX) {
        agent->clock.steps++;
        axi_log(AXI_LOG_WARN, "clock-step", "us=%s%llu", offset_ns < 0 ? "-" : "",
                (unsigned long long)(magnitude(offset_ns) / US));
    }
    set_far(agent, r > 0);
}

void axi_agent_clock(struct axi_agent *agent, struct axc_time_local at,
                     const struct axi_servo_estimate *estimate, uint64_t grandmaster,
                     uint32_t happened)
{
    struct axi_agent_clock *clock = &agent->clock;
    bool is_new_lock =
        estimate->state == AXI_SERVO_LOCKED && clock->estimate.state != AXI_SERVO_LOCKED;

    agent->now_ns = agent->port.now_ns(agent->port.context);
    if (estimate->state != clock->estimate.state) {
        axi_log(AXI_LOG_INFO, "clock-state", "state=%s", axi_servo_state_name(estimate->state));
    }
    clock->estimate = *estimate;
    clock->grandmaster = grandmaster;
    if ((happened & AXI_PTP_UPDATED) != 0) {
        clock->heard_ns = agent->now_ns;
    }
    choose(agent);
    if (clock->is_steering && (happened & (AXI_PTP_UPDATED | AXI_PTP_STATE_CHANGED)) != 0) {
        steer(agent, at);
    }
    clock->delta.is_known &= !is_new_lock;
    axi_agent_clock_tick(agent);
}

void axi_agent_clock_sample(struct axi_agent *agent, uint64_t sent_ns, uint64_t received_ns,
                            uint64_t master_ns)
{
    struct axi_agent_clock *clock = &agent->clock;
    int r;

    clock->trips_ns[clock->trip_count++ % AXI_AGENT_TRIPS] = axi_sub_sat(received_ns, sent_ns);
    if (agent->clock.is_steering) {
        uint64_t half_ns = axi_sub_sat(received_ns, sent_ns) / 2;

        agent->clock.master_offset_ns = (int64_t)(master_at(agent, sent_ns + half_ns) - master_ns);
        return;
    }
    r = axi_timebase_sample(agent->config.timebase, (struct axc_time_local){.ns = sent_ns},
                            (struct axc_time_local){.ns = received_ns},
                            (struct axc_time_master){.ns = master_ns});
    set_far(agent, r > 0);
}

/* ---- what is declared ---- */

/* The next of 1, 2, 5, 10, 20, ... us above the bound and a quarter more. */
static uint64_t round_up(uint64_t bound_ns)
{
    uint64_t wanted_ns = axi_add_sat(bound_ns, bound_ns / 4);
    uint64_t step_ns = LADDER_NS;

    for (uint32_t i = 0; step_ns < wanted_ns; i++) {
        if (step_ns > UINT64_MAX / 5) {
            return UINT64_MAX;
        }
        step_ns = i % 3 == 1 ? step_ns / 2 * 5 : step_ns * 2;
    }
    return step_ns;
}

static uint64_t wanted_delta(const struct axi_agent *agent)
{
    uint64_t least_ns = agent->config.clock_bound_ns;
    uint64_t bound_ns;

    if (!agent->config.has_clock && least_ns == 0) {
        return 0; /* no claim */
    }
    bound_ns =
        axi_time_bound_ns(agent->config.timebase, (struct axc_time_local){.ns = agent->now_ns});
    return bound_ns <= least_ns ? least_ns : round_up(bound_ns);
}

/* A round trip bounds what each of its ways took. */
static uint64_t wanted_latency(const struct axi_agent *agent)
{
    const struct axi_agent_clock *clock = &agent->clock;
    uint32_t count = clock->trip_count < AXI_AGENT_TRIPS ? clock->trip_count : AXI_AGENT_TRIPS;
    uint64_t longest_ns = 0;

    for (uint32_t i = 0; i < count && agent->config.is_latency_measured; i++) {
        longest_ns = clock->trips_ns[i] > longest_ns ? clock->trips_ns[i] : longest_ns;
    }
    return longest_ns <= agent->config.latency_ns ? agent->config.latency_ns : round_up(longest_ns);
}

/* Up at once, down only to what sufficed for a while. */
static void declare(struct axi_agent_declared *declared, uint64_t wanted_ns, uint64_t now_ns)
{
    if (!declared->is_known || wanted_ns >= declared->value_ns ||
        declared->value_ns == UINT64_MAX) {
        declared->value_ns = wanted_ns;
        declared->below_since_ns = 0;
    } else if (declared->below_since_ns == 0) {
        declared->below_since_ns = now_ns;
        declared->below_max_ns = wanted_ns;
    } else {
        declared->below_max_ns =
            wanted_ns > declared->below_max_ns ? wanted_ns : declared->below_max_ns;
        if (now_ns - declared->below_since_ns >= LOWER_NS) {
            declared->value_ns = declared->below_max_ns;
            declared->below_since_ns = 0;
        }
    }
    declared->is_known = true;
}

static void declare_all(struct axi_agent *agent)
{
    struct axi_agent_clock *clock = &agent->clock;
    const struct axi_demand_margin before = clock->margin;

    declare(&clock->delta, wanted_delta(agent), agent->now_ns);
    declare(&clock->latency, wanted_latency(agent), agent->now_ns);
    clock->margin.delta_ns = clock->delta.value_ns;
    clock->margin.latency_ns = clock->latency.value_ns;
    if (clock->margin.delta_ns != before.delta_ns ||
        clock->margin.latency_ns != before.latency_ns) {
        axi_log(AXI_LOG_INFO, "clock-bound", "delta_us=%llu latency_us=%llu",
                (unsigned long long)(clock->margin.delta_ns / US),
                (unsigned long long)(clock->margin.latency_ns / US));
    }
    axi_timebase_set_compensation(agent->config.timebase,
                                  axi_add_sat(clock->margin.delta_ns, clock->margin.latency_ns));
}

void axi_agent_clock_tick(struct axi_agent *agent)
{
    choose(agent);
    declare_all(agent);
    agent->clock.victim = axi_agent_find_victim(agent);
}

void axi_agent_clock_fill(struct axi_agent *agent, axi_Heartbeat *heartbeat)
{
    const struct axi_agent_clock *clock = &agent->clock;

    heartbeat->clock_bound_ns =
        axi_time_bound_ns(agent->config.timebase, (struct axc_time_local){.ns = agent->now_ns});
    heartbeat->has_clock = agent->config.has_clock;
    heartbeat->clock_state = clock->estimate.state;
    heartbeat->clock_offset_ns = clock->estimate.offset_ns;
    heartbeat->grandmaster = clock->grandmaster;
    heartbeat->clock_steps = clock->steps;
    heartbeat->clock_jumps = clock->jumps;
    heartbeat->master_offset_ns = clock->master_offset_ns;
    heartbeat->delta_ns = clock->margin.delta_ns;
    heartbeat->latency_ns = clock->margin.latency_ns;
    heartbeat->victim = clock->victim;
}
