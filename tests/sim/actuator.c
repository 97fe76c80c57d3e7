/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses what a service's voter puts out: it comes over a network, too, so a gate (core/gate.h)
 * lets nothing through twice. */
#include "cluster.h"

#include <stdlib.h>

struct agreed {
    struct sim_cluster *cluster;
    struct axi_stamp stamp;
    uint32_t service;
};

static bool is_after(const struct axi_stamp *stamp, const struct axi_stamp *last)
{
    return stamp->epoch > last->epoch ||
           (stamp->epoch == last->epoch &&
            (stamp->job > last->job || (stamp->job == last->job && stamp->place > last->place)));
}

static void arrives(void *context, uint64_t argument)
{
    struct agreed *agreed = context;
    struct sim_actuator *actuator = &agreed->cluster->actuators[agreed->service];
    const struct axi_stamp *stamp = &agreed->stamp;

    (void)argument;
    if (agreed->cluster->options.disable_once || axi_gate_admit(&actuator->gate, stamp)) {
        if (actuator->used.task_id == stamp->task_id && !is_after(stamp, &actuator->used)) {
            (void)axi_verdict_violate(agreed->cluster->verdict, AXI_I1, NULL,
                                      "the actuator of %s uses job %llu after job %llu",
                                      agreed->cluster->services[agreed->service].name,
                                      (unsigned long long)stamp->job,
                                      (unsigned long long)actuator->used.job);
        }
        actuator->used = *stamp;
    }
    free(agreed);
}

static void send(struct sim_cluster *cluster, uint32_t service, const struct axi_stamp *stamp)
{
    struct agreed *agreed = malloc(sizeof *agreed);

    if (agreed == NULL) {
        abort();
    }
    *agreed = (struct agreed){cluster, *stamp, service};
    sim_at(&cluster->clock,
           cluster->clock.now_ns + sim_between(&cluster->clock, 20 * SIM_US, 3 * SIM_MS), arrives,
           agreed, 0);
}

void sim_actuator_send(struct sim_cluster *cluster, uint32_t service, const struct axi_stamp *stamp)
{
    send(cluster, service, stamp);
    if (sim_chance(&cluster->clock, cluster->datagrams.twice_ppm)) {
        send(cluster, service, stamp);
    }
}

void sim_actuators_deinit(struct sim_cluster *cluster)
{
    sim_forget(&cluster->clock, arrives, free);
}
