/* SPDX-License-Identifier: Apache-2.0 */
/* PTP sources of a seed's nodes: one third of the seeds have none, in the others each node may
 * follow a grandmaster whose clock is the truth. A source locks, errs within its bound, falls
 * silent, comes back or is lost; in every second seed it is bad at times, which moves tasks away.
 * It draws numbers of its own, so that it changes nothing else. */
#include "cluster.h"

#define BASE_BOUND_NS (20 * SIM_US)
#define BAD_BOUND_NS (35 * SIM_MS) /* declared for a while: more than some tasks can bear */
#define GROWTH_PPM 5u
#define RATE_ERROR_PPB 3000
#define LOCK_UPDATES 6u

static uint64_t draw(struct sim_ptp *ptp, uint64_t below)
{
    ptp->random = ptp->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (ptp->random >> 33) % below;
}

void sim_ptp_init(struct sim_node *node)
{
    struct sim_ptp *ptp = &node->ptp;

    ptp->random = node->cluster->seed * 64 + node->machine.index;
    ptp->is_used = node->cluster->seed % 3 != 0 && draw(ptp, 4) != 0;
}

/* The line through what the last update said, as the agent may see it now. */
static void estimate(const struct sim_node *node, uint64_t now, struct axi_servo_estimate *ret)
{
    const struct sim_ptp *ptp = &node->ptp;
    int64_t age = (int64_t)(now - ptp->local_ns);

    *ret = (struct axi_servo_estimate){
        .state = ptp->state,
        .master_ns = ptp->master_ns + (uint64_t)(age + age / 1000 * ptp->rate_ppb / 1000000),
        .rate_ppb = ptp->rate_ppb,
        .bound_ns = ptp->state == AXI_SERVO_UNLOCKED
                        ? UINT64_MAX
                        : (ptp->bad_updates > 0 ? BAD_BOUND_NS : BASE_BOUND_NS) +
                              (uint64_t)age * GROWTH_PPM / 1000000,
        .growth_ppm = GROWTH_PPM,
        .offset_ns = 1,
    };
}

static void update(struct sim_node *node, uint64_t now)
{
    struct sim_ptp *ptp = &node->ptp;

    ptp->local_ns = now;
    ptp->master_ns = node->cluster->clock.now_ns + draw(ptp, BASE_BOUND_NS) - BASE_BOUND_NS / 2;
    ptp->rate_ppb =
        -node->machine.drift_ppb + (int64_t)draw(ptp, 2 * RATE_ERROR_PPB) - RATE_ERROR_PPB;
    ptp->updates++;
}

/* What a servo would be in now. */
static uint32_t next_state(struct sim_node *node)
{
    struct sim_ptp *ptp = &node->ptp;

    if (ptp->silent_updates > 0) {
        ptp->silent_updates--;
        return ptp->silent_updates == 0 && draw(ptp, 4) == 0 ? AXI_SERVO_UNLOCKED
               : ptp->state == AXI_SERVO_LOCKED              ? AXI_SERVO_HOLDOVER
                                                             : ptp->state;
    }
    if (draw(ptp, 50) == 0) {
        ptp->silent_updates = 1 + (uint32_t)draw(ptp, 40);
    }
    if (ptp->bad_updates > 0) {
        ptp->bad_updates--;
    } else if (node->cluster->seed % 2 != 0 && draw(ptp, 20) == 0 &&
               node->cluster->clock.now_ns < node->cluster->faults_end_ns) {
        ptp->bad_updates = 1 + (uint32_t)draw(ptp, 20);
    }
    if (ptp->state == AXI_SERVO_UNLOCKED) {
        ptp->updates = 0;
        return AXI_SERVO_LOCKING;
    }
    return ptp->updates < LOCK_UPDATES ? AXI_SERVO_LOCKING : AXI_SERVO_LOCKED;
}

void sim_ptp_run(struct sim_node *node)
{
    struct sim_ptp *ptp = &node->ptp;
    const struct axc_time_local now = {sim_machine_local_ns(&node->machine)};
    uint32_t former = ptp->state;
    uint32_t happened = 0;
    struct axi_servo_estimate says;
    bool is_heard = ptp->silent_updates == 0;

    ptp->state = next_state(node);
    if (is_heard) {
        update(node, now.ns);
        happened |= AXI_PTP_UPDATED;
    }
    if (ptp->state != former) {
        happened |= AXI_PTP_STATE_CHANGED;
    }
    estimate(node, now.ns, &says);
    if (happened != 0) {
        axi_agent_clock(node->agent, now, &says, is_heard ? 7 : 0, happened);
    }
}

void sim_ptp_boot(struct sim_node *node)
{
    node->ptp.state = AXI_SERVO_UNLOCKED;
    node->ptp.updates = 0;
    node->ptp.silent_updates = 0;
    node->ptp.bad_updates = 0;
}
