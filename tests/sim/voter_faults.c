/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong around voters: they die and come back on their address, lose the master, their
 * datagrams; a replica, or all of a node, lies or falls silent. One replica or node at a time. */
#include "cluster.h"

static void heal(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;

    for (uint32_t i = 0; i < SIM_MASTERS; i++) {
        sim_network_partition(cluster->network, (uint32_t)argument, i, false);
    }
}

void sim_voter_cut(struct sim_voter *host, uint64_t lasts_ns)
{
    struct sim_cluster *cluster = host->cluster;

    sim_log(cluster, "faults", "%s loses the masters for %llu ms", host->name,
            (unsigned long long)(lasts_ns / SIM_MS));
    for (uint32_t i = 0; i < SIM_MASTERS; i++) {
        sim_network_partition(cluster->network, host->host, i, true);
    }
    sim_at(&cluster->clock, cluster->clock.now_ns + lasts_ns, heal, cluster, host->host);
}

static void end_lies(void *context, uint64_t generation)
{
    struct sim_cluster *cluster = context;

    if (cluster->liar.generation == generation) {
        sim_log(cluster, "faults", "nobody lies any more");
        cluster->liar.how = SIM_HONEST;
    }
}

void sim_liar_begin(struct sim_cluster *cluster, const struct sim_liar_plan *plan,
                    uint64_t lasts_ns)
{
    uint64_t generation = cluster->liar.generation + 1;

    cluster->liar = *plan;
    cluster->liar.generation = generation;
    sim_log(cluster, "faults", "%s of %s%016llx for %llu ms",
            plan->how == SIM_LIES ? "lies" : "silence", plan->node != NULL ? plan->node->name : "",
            (unsigned long long)plan->task, (unsigned long long)(lasts_ns / SIM_MS));
    sim_at(&cluster->clock, cluster->clock.now_ns + lasts_ns, end_lies, cluster, generation);
}

static void lie(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    const struct sim_service *s = &cluster->services[sim_below(clock, cluster->service_count)];
    struct sim_liar_plan plan = {.how = sim_chance(clock, 600000) ? SIM_LIES : SIM_SILENT};

    if (sim_chance(clock, 300000)) {
        plan.node = &cluster->nodes[sim_below(clock, cluster->node_count)];
    } else if (s->member_count > 0) {
        plan.task = s->members[sim_below(clock, s->member_count)].task;
    } else {
        return;
    }
    sim_liar_begin(cluster, &plan, sim_between(clock, 50 * SIM_MS, 3 * SIM_S));
}

static void disturb_datagrams(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;

    cluster->datagrams = (struct sim_datagrams){
        .lost_ppm = sim_chance(clock, 500000) ? (uint32_t)sim_below(clock, 80000) : 0,
        .twice_ppm = (uint32_t)sim_below(clock, 100000),
        .late_ppm = (uint32_t)sim_below(clock, 50000),
        .damaged_ppm = (uint32_t)sim_below(clock, 10000),
        .late_ns = sim_between(clock, SIM_MS, 400 * SIM_MS),
    };
}

void sim_voter_strike(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    struct sim_voter *host = &cluster->voters[sim_below(clock, cluster->voter_count)];
    uint64_t dice = sim_below(clock, 100);

    if (dice < 20) {
        sim_voter_crash(host, sim_between(clock, 5 * SIM_MS, 2 * SIM_S));
    } else if (dice < 40) {
        sim_voter_cut(host, sim_between(clock, 20 * SIM_MS, 8 * SIM_S));
    } else if (dice < 75) {
        lie(cluster);
    } else {
        disturb_datagrams(cluster);
    }
}

void sim_voter_faults_end(struct sim_cluster *cluster)
{
    cluster->datagrams =
        (struct sim_datagrams){.twice_ppm = 30000, .late_ppm = 20000, .late_ns = 5 * SIM_MS};
    end_lies(cluster, cluster->liar.generation);
}

enum sim_liar sim_votes_liar(const struct sim_cluster *cluster, const struct sim_node *node,
                             uint64_t task)
{
    const struct sim_liar_plan *liar = &cluster->liar;
    bool is_it = liar->node != NULL ? liar->node == node : liar->task == task;

    if (liar->how != SIM_HONEST && liar->second == task) {
        return SIM_SILENT;
    }

    return is_it ? liar->how : SIM_HONEST;
}
