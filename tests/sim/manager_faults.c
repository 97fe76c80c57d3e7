/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong around checkpoint managers: they die at any step of a restore, are paused, lose
 * each other, a node, the master or the store; nodes are cut off for parts and multiples of their
 * lease. */
#include "cluster.h"

static void heal_node(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;

    for (uint32_t host = 0; host < SIM_HOSTS_MAX; host++) {
        sim_network_partition(cluster->network, (uint32_t)argument, host, false);
    }
}

/* A node is cut off from everybody who could keep its lease, or only from the managers. */
static void isolate(struct sim_cluster *cluster)
{
    static const uint64_t lasts_ms[] = {250, 500, 1000, 5000}; /* 0.5, 1, 2, 10 leases */
    struct sim_clock *clock = &cluster->clock;
    uint32_t node = SIM_NODE_HOST + (uint32_t)sim_below(clock, cluster->node_count);
    uint64_t lasts = lasts_ms[sim_below(clock, 4)] * SIM_MS;
    bool is_master_too = sim_chance(clock, 700000);

    sim_log(cluster, "faults", "host%u is cut off for %llu ms%s", node,
            (unsigned long long)(lasts / SIM_MS), is_master_too ? "" : ", from managers only");
    cluster->counts.partitions++;
    for (uint32_t i = 0; i < SIM_MASTERS && is_master_too; i++) {
        sim_network_partition(cluster->network, node, i, true);
    }
    for (uint32_t i = 0; i < cluster->manager_count; i++) {
        sim_network_partition(cluster->network, node, SIM_MANAGER_HOST + i, true);
    }
    sim_at(clock, clock->now_ns + lasts, heal_node, cluster, node);
}

static void heal_link(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;

    sim_network_partition(cluster->network, (uint32_t)(argument / SIM_HOSTS_MAX),
                          (uint32_t)(argument % SIM_HOSTS_MAX), false);
}

/* A manager loses a peer, a node or the master. */
static void partition(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    uint32_t manager = SIM_MANAGER_HOST + (uint32_t)sim_below(clock, cluster->manager_count);
    uint32_t other = SIM_MANAGER_HOST + (uint32_t)sim_below(clock, cluster->manager_count);
    uint32_t node = SIM_NODE_HOST + (uint32_t)sim_below(clock, cluster->node_count);
    uint64_t dice = sim_below(clock, 3);
    uint32_t peer = dice == 0 ? cluster->current : dice == 1 ? node : other;
    uint64_t lasts = sim_between(clock, 20 * SIM_MS, 3 * SIM_S);

    if (peer != manager) {
        cluster->counts.partitions++;
        sim_log(cluster, "faults", "partition host%u-host%u for %llu ms", manager, peer,
                (unsigned long long)(lasts / SIM_MS));
        sim_network_partition(cluster->network, manager, peer, true);
        sim_at(clock, clock->now_ns + lasts, heal_link, cluster, manager * SIM_HOSTS_MAX + peer);
    }
}

static void unpause(void *context, uint64_t life)
{
    struct sim_manager *host = context;

    if (host->life == life && host->is_paused) {
        host->is_paused = false;
        sim_network_pause_host(host->cluster->network, host->host, false);
        sim_manager_touch(host);
    }
}

static void pause(struct sim_manager *host)
{
    struct sim_clock *clock = &host->cluster->clock;

    if (host->cms != NULL && !host->is_paused) {
        sim_log(host->cluster, host->name, "is paused");
        host->is_paused = true;
        sim_network_pause_host(host->cluster->network, host->host, true);
        sim_at(clock, clock->now_ns + sim_between(clock, 20 * SIM_MS, 2 * SIM_S), unpause, host,
               host->life);
    }
}

static void end_store_faults(void *context, uint64_t argument)
{
    struct sim_manager *host = context;

    (void)argument;
    host->store.unavailable_ppm = 0;
    host->store.unknown_ppm = 0;
}

/* The store is out of this manager's sight, or its answers get lost. */
static void disturb_store(struct sim_manager *host)
{
    struct sim_clock *clock = &host->cluster->clock;

    host->store.unavailable_ppm =
        sim_chance(clock, 600000) ? 1000000 : (uint32_t)sim_below(clock, 300000);
    host->store.unknown_ppm = (uint32_t)sim_below(clock, 300000);
    sim_log(host->cluster, "faults", "store of %s: unavailable %u ppm, unknown %u ppm", host->name,
            host->store.unavailable_ppm, host->store.unknown_ppm);
    sim_at(clock, clock->now_ns + sim_between(clock, 50 * SIM_MS, 3 * SIM_S), end_store_faults,
           host, 0);
}

static void strike_one(struct sim_cluster *cluster, struct sim_manager *host)
{
    struct sim_clock *clock = &cluster->clock;
    uint64_t dice = sim_below(clock, 100);
    uint32_t count = 0;

    if (dice < 40) {
        (void)axi_cms_crash_points(&count);
        host->crash_at = (uint32_t)sim_below(clock, count);
        host->crash_skip = (uint32_t)sim_below(clock, 2);
    } else if (dice < 50) {
        sim_manager_crash(host, "fault");
    } else if (dice < 65) {
        partition(cluster);
    } else if (dice < 75) {
        pause(host);
    } else if (dice < 90) {
        disturb_store(host);
    } else {
        for (uint32_t i = 0; i < cluster->manager_count; i++) {
            disturb_store(&cluster->managers[i]);
        }
    }
}

/* Claims on old knowledge: a node dies while every manager sees the store only now and then. */
static void race(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;

    for (uint32_t i = 0; i < cluster->manager_count; i++) {
        disturb_store(&cluster->managers[i]);
        cluster->managers[i].store.unavailable_ppm = (uint32_t)sim_between(clock, 300000, 800000);
    }
    sim_node_crash(&cluster->nodes[sim_below(clock, cluster->node_count)], "fault", 0);
}

void sim_manager_strike(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    uint64_t dice = sim_below(clock, 100);

    if (dice < 15) {
        race(cluster);
    } else if (dice < 35) {
        isolate(cluster);
    } else if (dice < 50) {
        sim_node_crash(&cluster->nodes[sim_below(clock, cluster->node_count)], "fault", 0);
    } else {
        strike_one(cluster, &cluster->managers[sim_below(clock, cluster->manager_count)]);
    }
}

void sim_manager_faults_end(struct sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->manager_count; i++) {
        struct sim_manager *host = &cluster->managers[i];

        host->crash_at = UINT32_MAX;
        end_store_faults(host, 0);
        unpause(host, host->life);
    }
}
