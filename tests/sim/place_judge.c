/* SPDX-License-Identifier: Apache-2.0 */
/* Where replicas run: on nodes with the labels that their service needs, degraded only while no
 * node takes the full one, and so that the loss of any one node leaves a place for each that asks
 * for it. Judged by what the machines run and by looking at every arrangement there is. */
#include "cluster.h"

#include "core/demand.h"

#include <string.h>

#define LABELS_KNOWN_NS (3 * SIM_S)
#define QUIET_NS (15 * SIM_S)  /* a node is nobody's trouble any more after */
#define MARGIN_NS (5 * SIM_MS) /* what clocks and latencies take off a deadline, at most */

#define COMPLAIN(cluster, ...)                                                                     \
    (void)axi_verdict_violate((cluster)->verdict, AXI_I6, NULL, __VA_ARGS__)

/* ---- labels ---- */

/* Checkpoint managers, who restore the only replica of a service, know no labels (docs/limits.md).
 */
void sim_place_activated(struct sim_node *node, uint64_t task, bool is_first)
{
    struct sim_cluster *cluster = node->cluster;
    uint32_t image = sim_task_find(cluster, task);
    const struct sim_service *s = image == UINT32_MAX ? NULL : &cluster->services[image / SIM_EACH];

    if (s != NULL && (is_first || s->replicas > 1) && s->needs_label &&
        cluster->labelled_ns != UINT64_MAX &&
        cluster->clock.now_ns - cluster->labelled_ns > LABELS_KNOWN_NS &&
        node->machine.index == cluster->bare_node) {
        COMPLAIN(cluster, "%s: %s begins on %s, which lacks its label", s->name,
                 cluster->images[image].info.reference, node->name);
    }
}

static void check_labels(struct sim_cluster *cluster, const struct sim_service *s)
{
    const char *bare = cluster->nodes[cluster->bare_node].name;

    for (uint32_t i = 0; i < s->member_count && s->needs_label; i++) {
        struct sim_where where = sim_instance_find(cluster, s->members[i].task);

        if (where.node == &cluster->nodes[cluster->bare_node] &&
            cluster->labelled_ns != UINT64_MAX) {
            COMPLAIN(cluster, "%s: a replica stays on %s, which lacks its label", s->name, bare);
        }
    }
}

/* ---- what a node could take ---- */

static const struct axi_image_entry *entry_for(const struct sim_image *image,
                                               const struct sim_node *node)
{
    for (uint32_t i = 0; i < image->info.entry_count; i++) {
        if (strcmp(image->info.entries[i].platform, node->platform) == 0) {
            return &image->info.entries[i];
        }
    }
    return NULL;
}

/* One replica that is to be placed. */
struct guest {
    const struct sim_service *s;
    const struct sim_image *image;
    uint32_t node; /* where it is put */
};

static bool takes(const struct sim_node *node, const struct guest *guest)
{
    return entry_for(guest->image, node) != NULL &&
           !(guest->s->needs_label && node->machine.index == node->cluster->bare_node);
}

/* What is active on the node and `guests` that are put there pass the exact test together. */
static bool admits(const struct sim_node *node, const struct guest *guests, uint32_t count,
                   uint64_t margin_ns)
{
    const struct sim_cluster *cluster = node->cluster;
    struct axi_demand_task tasks[SIM_SLOTS + SIM_SERVICES_MAX];
    uint32_t used = 0;

    for (uint32_t slot = 0; slot < SIM_SLOTS; slot++) {
        struct axi_slot_view view;
        uint32_t image;

        axi_sched_view(node->machine.sched, slot, &view);
        image = view.state == AXI_SLOT_FREE ? UINT32_MAX : sim_task_find(cluster, view.task_id);
        if (image != UINT32_MAX) {
            const struct axi_task_spec *spec = &cluster->images[image].info.spec;

            tasks[used++] =
                (struct axi_demand_task){node->machine.runners[slot].wcet_ns, spec->period_ns,
                                         spec->deadline_ns - margin_ns};
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (guests[i].node == node->machine.index) {
            const struct axi_task_spec *spec = &guests[i].image->info.spec;

            tasks[used++] =
                (struct axi_demand_task){entry_for(guests[i].image, node)->wcet_ns, spec->period_ns,
                                         spec->deadline_ns - margin_ns};
        }
    }
    return used == 0 || axi_demand_admit(tasks, used - 1, &tasks[used - 1], 1000000, NULL) == 0;
}

static bool runs_on(struct sim_cluster *cluster, const struct sim_service *s,
                    const struct sim_node *node)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        if (sim_instance_find(cluster, s->members[i].task).node == node) {
            return true;
        }
    }
    return false;
}

/* Nodes that take a full replica as far as platform and labels go: more than it has. */
bool sim_place_has_spare(struct sim_cluster *cluster, const struct sim_service *s)
{
    struct guest full = {.s = s, .image = &cluster->images[s->image]};
    uint32_t count = 0;

    for (uint32_t n = 0; n < cluster->node_count; n++) {
        count += takes(&cluster->nodes[n], &full);
    }
    return count > s->replicas && !s->must_differ;
}

static bool is_alike(struct sim_cluster *cluster, const struct sim_service *s,
                     const struct sim_node *node)
{
    for (uint32_t i = 0; i < s->member_count && s->must_differ; i++) {
        struct sim_where where = sim_instance_find(cluster, s->members[i].task);

        if (where.node != NULL && strcmp(where.node->platform, node->platform) == 0) {
            return true;
        }
    }
    return false;
}

bool sim_place_has_room(struct sim_cluster *cluster, const struct sim_service *s)
{
    uint32_t version = s->version < SIM_VERSIONS ? s->version : 0;
    struct guest full = {.s = s, .image = &cluster->images[s->image + version]};

    for (full.node = 0; full.node < cluster->node_count; full.node++) {
        struct sim_node *node = &cluster->nodes[full.node];

        if (node->agent != NULL && takes(node, &full) && !runs_on(cluster, s, node) &&
            !is_alike(cluster, s, node) &&
            sim_machine_clock_error(&node->machine) < SIM_CLOCK_OFF_NS &&
            admits(node, &full, 1, MARGIN_NS)) {
            return true;
        }
    }
    return false;
}

/* ---- degraded ones ---- */

static bool is_quiet(const struct sim_cluster *cluster, const struct sim_node *node)
{
    uint64_t now = cluster->clock.now_ns;
    bool is_closed = node->closed_ns != 0 && now - node->closed_ns < QUIET_NS;
    bool is_troubled = node->troubled_ns != 0 && now - node->troubled_ns < QUIET_NS;

    return node->agent != NULL && !node->is_paused && !is_closed && !is_troubled &&
           now > cluster->faults_end_ns + QUIET_NS;
}

/* A degraded member is new in the record: no node may have had room for a full one. One with a bad
 * clock has none: what is placed there is silent, and the node is left alone for a while then. */
void sim_place_committed(struct sim_cluster *cluster, const struct sim_service *before,
                         const struct sim_service *after)
{
    struct guest full = {.s = after, .image = &cluster->images[after->image]};
    bool is_avoided = cluster->calm.victim_count > 0; /* where one was at fault, for a while */
    bool may_degrade = after->may_degrade && !cluster->options.disable_degrading;

    for (uint32_t i = 0; i < after->member_count; i++) {
        uint64_t task = after->members[i].task;
        bool is_new = after->members[i].is_degraded;

        for (uint32_t k = 0; k < before->member_count; k++) {
            is_new = is_new && before->members[k].task != task;
        }
        if (is_new && !may_degrade) {
            COMPLAIN(cluster, "%s is degraded, which nobody allowed", after->name);
        }
        for (full.node = 0; is_new && !is_avoided && full.node < cluster->node_count; full.node++) {
            struct sim_node *node = &cluster->nodes[full.node];

            if (is_quiet(cluster, node) &&
                sim_machine_clock_error(&node->machine) < SIM_CLOCK_OFF_NS && takes(node, &full) &&
                !runs_on(cluster, after, node) && admits(node, &full, 1, MARGIN_NS)) {
                COMPLAIN(cluster, "%s is degraded although %s has room for the full one",
                         after->name, node->name);
            }
        }
        cluster->counts.degraded += is_new;
    }
}

/* ---- the loss of a node ---- */

static bool is_possible(struct sim_cluster *cluster, const struct sim_node *lost,
                        struct guest *guests, uint32_t count, uint32_t next)
{
    if (next == count) {
        return true;
    }
    for (uint32_t n = 0; n < cluster->node_count; n++) {
        const struct sim_node *node = &cluster->nodes[n];

        guests[next].node = n;
        if (node != lost && node->agent != NULL && takes(node, &guests[next]) &&
            !runs_on(cluster, guests[next].s, node) && admits(node, guests, next + 1, 0) &&
            is_possible(cluster, lost, guests, count, next + 1)) {
            return true;
        }
    }
    return false;
}

/* Everything runs as declared, and somebody asks for a place after a loss. */
static bool is_as_declared(struct sim_cluster *cluster)
{
    bool is_asked = false;

    for (uint32_t i = 0; i < cluster->service_count; i++) {
        const struct sim_service *s = &cluster->services[i];

        if (!s->is_declared) {
            continue;
        }
        is_asked = is_asked || s->survives;
        if (s->is_deleting || s->member_count != s->replicas) {
            return false;
        }
        for (uint32_t k = 0; k < s->member_count; k++) {
            if (!s->members[k].is_active ||
                !sim_instance_find(cluster, s->members[k].task).is_active) {
                return false;
            }
        }
    }
    return is_asked;
}

bool sim_spare_judge(struct sim_cluster *cluster)
{
    bool is_spared = true;

    if (!is_as_declared(cluster) || cluster->are_spares_used) {
        return false;
    }
    cluster->counts.spares++;
    for (uint32_t n = 0; n < cluster->node_count; n++) {
        struct guest guests[SIM_SERVICES_MAX];
        uint32_t count = 0;

        for (uint32_t i = 0; i < cluster->service_count; i++) {
            const struct sim_service *s = &cluster->services[i];

            if (s->is_declared && s->survives && runs_on(cluster, s, &cluster->nodes[n])) {
                guests[count++] =
                    (struct guest){.s = s, .image = &cluster->images[s->image + s->version]};
            }
        }
        if (!is_possible(cluster, &cluster->nodes[n], guests, count, 0)) {
            COMPLAIN(cluster, "the loss of %s would leave no place for what is to survive it",
                     cluster->nodes[n].name);
            is_spared = false;
        }
    }
    return is_spared;
}

/* A node has been lost for a while: what was to survive that runs elsewhere. */
void sim_spare_used(struct sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->service_count; i++) {
        const struct sim_service *s = &cluster->services[i];
        uint32_t running = 0;

        for (uint32_t k = 0; k < s->member_count; k++) {
            running += s->members[k].is_counted &&
                       sim_instance_find(cluster, s->members[k].task).is_active;
        }
        if (s->is_declared && s->survives && running < s->replicas) {
            COMPLAIN(cluster, "%s: %u of %u replicas run after the loss of a node", s->name,
                     running, s->replicas);
        }
    }
}

/* ---- the end ---- */

void sim_place_judge(struct sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->service_count; i++) {
        if (cluster->services[i].is_declared) {
            check_labels(cluster, &cluster->services[i]);
        }
    }
}
