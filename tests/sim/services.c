/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that declare services and nodes: apply, update to good and bad versions, conflicting
 * applies, cordon, drain, take back. What must be true then: service_judge.c. */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

enum { ACT_MIN_MS = 300, ACT_MAX_MS = 2500, AFTER_FAULTS_S = 8 };

/* ---- requests ---- */

/* An error tells nothing of what became of it, unless it says that nothing did. */
static bool may_hold(int error)
{
    return error == 0 || error == -AXC_EUNAVAILABLE || error == -AXC_ETIMEOUT;
}

static void apply(struct sim_cluster *cluster, struct sim_service *s, uint32_t version)
{
    struct sim_master *host = sim_listening(cluster);
    char reason[AXI_REASON_BYTES] = "";
    json_t *request = NULL;
    json_t *answer = NULL;
    uint32_t surge = (uint32_t)sim_below(&cluster->clock, 2);
    int error = 0;

    if (host == NULL) {
        return;
    }
    request = json_pack("{s:[o, o], s:b}", "objects", sim_manifest_policy(),
                        sim_manifest_service(cluster, s, version, surge), "dry_run", 0);
    error = axi_master_apply(host->master, request, &answer, reason);
    sim_log(cluster, "client", "apply %s %s surge %u: %d %s", s->name,
            cluster->images[s->image + version].info.reference, surge, error, reason);
    if (may_hold(error)) {
        s->is_unsure = error != 0;
        s->is_wanted = true;
        s->asked_ns = cluster->clock.now_ns;
        cluster->counts.applies++;
        cluster->counts.bad_updates += version == SIM_BAD;
    }
    json_decref(answer);
    json_decref(request);
    sim_master_touch(host);
}

/* All nodes with their labels, as they are to be. Until the answer is clear nobody knows which
 * hold. */
static void apply_nodes(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;
    struct sim_master *host = sim_listening(cluster);
    char reason[AXI_REASON_BYTES] = "";
    json_t *request = NULL;
    json_t *answer = NULL;
    int error = -AXC_EUNAVAILABLE;

    (void)argument;
    cluster->labelled_ns = UINT64_MAX;
    if (host != NULL) {
        request = json_pack("{s:o, s:b}", "objects", sim_manifest_nodes(cluster), "dry_run", 0);
        error = axi_master_apply(host->master, request, &answer, reason);
        json_decref(answer);
        json_decref(request);
        sim_master_touch(host);
    }
    sim_log(cluster, "client", "label nodes, all but n%u: %d %s", cluster->bare_node, error,
            reason);
    cluster->labelled_ns = error == 0 ? cluster->clock.now_ns : UINT64_MAX;
    if (error != 0) {
        sim_at(&cluster->clock, cluster->clock.now_ns + 300 * SIM_MS, apply_nodes, cluster, 0);
    }
}

static void move_label(struct sim_cluster *cluster)
{
    if (cluster->labelled_ns != UINT64_MAX) {
        cluster->bare_node = sim_twin_node(cluster);
        apply_nodes(cluster, 0);
    }
}

static void undeclare(struct sim_cluster *cluster, struct sim_service *s)
{
    struct sim_master *host = sim_listening(cluster);
    char reason[AXI_REASON_BYTES] = "";
    json_t *request = NULL;
    json_t *answer = NULL;
    int error = 0;

    if (host == NULL) {
        return;
    }
    request = json_pack("{s:[{s:s, s:s}], s:b}", "objects", "kind", "Service", "name", s->name,
                        "dry_run", 0);
    if (!cluster->options.disable_removal) {
        error = axi_master_undeclare(host->master, request, &answer, reason);
    }
    sim_log(cluster, "client", "undeclare %s: %d %s", s->name, error, reason);
    if (may_hold(error)) {
        s->is_unsure = error != 0;
        s->is_wanted = false;
        s->asked_ns = cluster->clock.now_ns;
    }
    json_decref(answer);
    json_decref(request);
    sim_master_touch(host);
}

static void uncordon(void *context, uint64_t index)
{
    struct sim_cluster *cluster = context;
    struct sim_master *host = sim_listening(cluster);
    char reason[AXI_REASON_BYTES] = "";
    int error = -AXC_EUNAVAILABLE;

    if (cluster->options.disable_return) {
        return;
    }
    cluster->nodes[index].closed_ns = cluster->clock.now_ns;
    if (host != NULL) {
        error = axi_master_cordon(host->master, cluster->nodes[index].name, false, reason);
        sim_master_touch(host);
    }
    sim_log(cluster, "client", "uncordon n%u: %d %s", (unsigned)index, error, reason);
    if (error != 0) {
        sim_at(&cluster->clock, cluster->clock.now_ns + 500 * SIM_MS, uncordon, cluster, index);
    }
}

/* Out of use for a while, as for maintenance. */
static void close_node(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;
    struct sim_master *host = sim_listening(cluster);
    uint64_t index = sim_below(clock, cluster->node_count);
    bool is_drain = sim_chance(clock, 700000);
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;
    int error = 0;

    if (host == NULL) {
        return;
    }
    error = is_drain
                ? axi_master_drain(host->master, cluster->nodes[index].name, 3 * SIM_S, &op, reason)
                : axi_master_cordon(host->master, cluster->nodes[index].name, true, reason);
    cluster->counts.drains += error == 0;
    cluster->nodes[index].closed_ns = clock->now_ns;
    sim_log(cluster, "client", "%s n%u: %d %s", is_drain ? "drain" : "cordon", (unsigned)index,
            error, reason);
    sim_master_touch(host);
    sim_at(clock, clock->now_ns + sim_between(clock, SIM_S, 6 * SIM_S), uncordon, cluster, index);
}

static void act(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;
    struct sim_clock *clock = &cluster->clock;
    struct sim_service *s = &cluster->services[sim_below(clock, cluster->service_count)];
    uint64_t dice = sim_below(clock, 100);

    (void)argument;
    if (clock->now_ns > cluster->faults_end_ns + AFTER_FAULTS_S * SIM_S) {
        return;
    }
    if (dice < 20) {
        close_node(cluster);
    } else if (dice < 24) {
        move_label(cluster);
    } else if (!s->is_wanted || s->is_unsure) {
        apply(cluster, s, (uint32_t)sim_below(clock, SIM_BAD));
    } else if (dice < 30) {
        undeclare(cluster, s);
    } else if (s->is_declared &&
               !s->is_deleting) { /* a bad one only once there is something to go back to */
        uint32_t version = (uint32_t)sim_below(clock, SIM_VERSIONS);

        apply(cluster, s, version);
        if (sim_chance(clock, 100000)) { /* somebody else, at the same time */
            apply(cluster, s, (uint32_t)sim_below(clock, SIM_BAD));
        }
        cluster->counts.updates++;
    }
    sim_at(clock, clock->now_ns + sim_between(clock, ACT_MIN_MS * SIM_MS, ACT_MAX_MS * SIM_MS), act,
           cluster, 0);
}

static void first_apply(void *context, uint64_t index)
{
    struct sim_cluster *cluster = context;

    apply(cluster, &cluster->services[index], 0);
}

void sim_services_start(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;

    cluster->bare_node = sim_twin_node(cluster);
    sim_at(clock, clock->now_ns + 250 * SIM_MS, apply_nodes, cluster, 0);
    for (uint32_t i = 0; i < cluster->service_count; i++) {
        sim_at(clock, clock->now_ns + sim_between(clock, 300 * SIM_MS, 900 * SIM_MS), first_apply,
               cluster, i);
    }
    sim_at(clock, clock->now_ns + 2 * SIM_S, act, cluster, 0);
}
