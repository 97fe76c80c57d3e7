/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong, drawn by the seed: crashes at crash points and anywhere else, a paused master
 * that comes back beside its successor, partitions, cuts, slow links, a store that fails. */
#include "cluster.h"

static void act(void *context, uint64_t argument);

static void heal_link(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;

    sim_network_partition(cluster->network, (uint32_t)(argument / SIM_HOSTS_MAX),
                          (uint32_t)(argument % SIM_HOSTS_MAX), false);
}

static void partition(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    uint32_t node = SIM_NODE_HOST + (uint32_t)sim_below(clock, cluster->node_count);
    uint32_t peer = sim_chance(clock, 600000)
                        ? cluster->current
                        : SIM_NODE_HOST + (uint32_t)sim_below(clock, cluster->node_count);
    uint64_t lasts = sim_chance(clock, 500000) ? sim_between(clock, 20 * SIM_MS, 600 * SIM_MS)
                                               : sim_between(clock, 600 * SIM_MS, 4 * SIM_S);

    if (peer == node) {
        return;
    }
    cluster->counts.partitions++;
    sim_log(cluster, "faults", "partition host%u-host%u for %llu ms", node, peer,
            (unsigned long long)(lasts / SIM_MS));
    sim_network_partition(cluster->network, node, peer, true);
    sim_at(clock, clock->now_ns + lasts, heal_link, cluster, node * SIM_HOSTS_MAX + peer);
}

static void kill_old(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;
    uint32_t index = (uint32_t)argument % SIM_MASTERS;

    if (!cluster->has_election && cluster->current != index &&
        cluster->masters[index].life == argument / SIM_MASTERS) {
        sim_master_crash(cluster, index, "the old master is killed");
    }
}

static void unpause(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;
    uint32_t index = (uint32_t)argument % SIM_MASTERS;
    struct sim_master *host = &cluster->masters[index];

    if (host->life == argument / SIM_MASTERS && host->is_paused) {
        sim_log(cluster, index == 0 ? "m0" : "m1", "goes on");
        host->is_paused = false;
        sim_network_pause_host(cluster->network, host->host, false);
        sim_master_touch(host);
        sim_at(&cluster->clock,
               cluster->clock.now_ns + sim_between(&cluster->clock, SIM_MS, 1500 * SIM_MS),
               kill_old, cluster, argument);
    }
}

/* The master stops for a while (swapped, stopped, its host frozen); sometimes another one takes its
 * place meanwhile. */
static void pause_master(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    uint32_t index = cluster->current;
    struct sim_master *host = &cluster->masters[index];
    uint64_t lasts = sim_between(clock, 50 * SIM_MS, 1500 * SIM_MS);

    if (host->master == NULL || host->is_paused) {
        return;
    }
    sim_log(cluster, index == 0 ? "m0" : "m1", "is paused for %llu ms",
            (unsigned long long)(lasts / SIM_MS));
    host->is_paused = true;
    sim_network_pause_host(cluster->network, host->host, true);
    sim_at(clock, clock->now_ns + lasts, unpause, cluster, host->life * SIM_MASTERS + index);
    if (!cluster->has_election && sim_chance(clock, 700000) &&
        cluster->masters[1 - index].master == NULL) {
        cluster->counts.failovers++;
        sim_master_boot(cluster, 1 - index);
    }
}

static void go_on(void *context, uint64_t index)
{
    struct sim_cluster *cluster = context;
    uint64_t starved_ns =
        sim_chance(&cluster->clock, 500000) ? sim_below(&cluster->clock, 20 * SIM_MS) : 0;

    sim_node_unpause(&cluster->nodes[index], starved_ns);
}

/* A node stands still, often for longer than its lease: it must not go on with what is another's.
 */
static void pause_node(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    uint64_t index = sim_below(clock, cluster->node_count);

    sim_node_pause(&cluster->nodes[index]);
    sim_at(clock, clock->now_ns + sim_between(clock, 50 * SIM_MS, 2000 * SIM_MS), go_on, cluster,
           index);
}

static void end_store_faults(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;

    (void)argument;
    for (uint32_t i = 0; i < SIM_MASTERS; i++) {
        cluster->masters[i].store.unavailable_ppm = 0;
        cluster->masters[i].store.unknown_ppm = 0;
    }
}

static void disturb_store(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    uint32_t unavailable = sim_chance(clock, 300000) ? 1000000 : (uint32_t)sim_below(clock, 300000);
    uint32_t unknown = (uint32_t)sim_below(clock, 200000);

    for (uint32_t i = 0; i < SIM_MASTERS; i++) {
        cluster->masters[i].store.unavailable_ppm = unavailable;
        cluster->masters[i].store.unknown_ppm = unknown;
    }
    sim_log(cluster, "faults", "store: unavailable %u ppm, unknown %u ppm", unavailable, unknown);
    sim_at(clock, clock->now_ns + sim_between(clock, 50 * SIM_MS, 1200 * SIM_MS), end_store_faults,
           cluster, 0);
}

static void disturb_network(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    struct sim_network_faults faults = {.delay_min_ns = 20 * SIM_US, .timeout_ns = 1500 * SIM_MS};

    faults.delay_max_ns = sim_between(clock, 100 * SIM_US, 3 * SIM_MS);
    faults.slow_ppm = sim_chance(clock, 500000) ? (uint32_t)sim_below(clock, 50000) : 0;
    faults.slow_ns = sim_between(clock, 5 * SIM_MS, 300 * SIM_MS);
    faults.cut_ppm = sim_chance(clock, 400000) ? (uint32_t)sim_below(clock, 8000) : 0;
    faults.split_ppm = (uint32_t)sim_below(clock, 200000);
    sim_network_set_faults(cluster->network, &faults);
}

static void arm_crash_point(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    uint32_t count = 0;

    if (sim_chance(clock, 400000)) {
        struct sim_master *host = &cluster->masters[cluster->current];

        (void)axi_master_crash_points(&count);
        host->crash_at = (uint32_t)sim_below(clock, count);
        host->crash_skip = (uint32_t)sim_below(clock, 3);
    } else {
        struct sim_node *node = &cluster->nodes[sim_below(clock, cluster->node_count)];

        node->crash_at = (uint32_t)sim_below(clock, axi_agent_crash_point_count);
        node->crash_skip = (uint32_t)sim_below(clock, 2);
    }
}

static void strike(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    uint64_t dice = sim_below(clock, 100);

    if (cluster->voter_count > 0 && sim_chance(clock, 250000)) {
        sim_voter_strike(cluster);
    } else if (cluster->manager_count > 0 && sim_chance(clock, 500000)) {
        sim_manager_strike(cluster);
    } else if (dice < 6) {
        pause_node(cluster);
    } else if (dice < 35) {
        arm_crash_point(cluster);
    } else if (dice < 40) {
        sim_node_crash(&cluster->nodes[sim_below(clock, cluster->node_count)], "fault", 0);
    } else if (dice < 45) {
        sim_master_crash(cluster, cluster->current, "fault");
    } else if (dice < 53) {
        pause_master(cluster);
    } else if (dice < 68) {
        partition(cluster);
    } else if (dice < 82) {
        sim_network_cut_some(cluster->network);
    } else if (dice < 90) {
        disturb_network(cluster);
    } else {
        disturb_store(cluster);
    }
}

static void stop(struct sim_cluster *cluster)
{
    const struct sim_network_faults calm = {
        .delay_min_ns = 50 * SIM_US, .delay_max_ns = 500 * SIM_US, .timeout_ns = SIM_S};

    sim_log(cluster, "faults", "end");
    sim_network_heal_all(cluster->network);
    sim_network_set_faults(cluster->network, &calm);
    end_store_faults(cluster, 0);
    for (uint32_t i = 0; i < SIM_MASTERS; i++) {
        struct sim_master *host = &cluster->masters[i];

        host->crash_at = UINT32_MAX;
        if (host->is_paused) {
            unpause(cluster, host->life * SIM_MASTERS + i);
        }
        if (i != cluster->current && !cluster->has_election) {
            sim_master_crash(cluster, i, "the old master is killed");
        }
    }
    sim_manager_faults_end(cluster);
    sim_voter_faults_end(cluster);
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        cluster->nodes[i].crash_at = UINT32_MAX;
        sim_node_unpause(&cluster->nodes[i], 0);
        cluster->nodes[i].machine.overrun_ppm = 0;
        cluster->nodes[i].machine.fault_ppm = 0;
    }
}

static void act(void *context, uint64_t mean_ns)
{
    struct sim_cluster *cluster = context;
    struct sim_clock *clock = &cluster->clock;

    if (clock->now_ns >= cluster->faults_end_ns) {
        stop(cluster);
        return;
    }
    if (clock->now_ns - cluster->start_ns > SIM_S) {
        strike(cluster);
    }
    sim_at(clock, clock->now_ns + sim_between(clock, mean_ns / 4, mean_ns * 7 / 4), act, cluster,
           mean_ns);
}

void sim_faults_start(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    bool are_tasks_good = sim_chance(clock, 700000);

    disturb_network(cluster);
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        cluster->nodes[i].machine.overrun_ppm = are_tasks_good ? 0 : 3000;
        cluster->nodes[i].machine.fault_ppm = are_tasks_good ? 0 : 5000;
    }
    sim_at(clock, clock->now_ns, act, cluster, sim_between(clock, 60 * SIM_MS, 600 * SIM_MS));
}
