/* SPDX-License-Identifier: Apache-2.0 */
/* What must be true of services: judged from the records as they are committed, and from what the
 * machines run. docs/testing.md has the list. */
#include "cluster.h"
#include "core/demand.h"

#include <stdlib.h>
#include <string.h>

#define TROUBLE_NS (3 * SIM_S) /* so long nobody can be blamed for not knowing of a fault */

#define COMPLAIN(cluster, ...)                                                                     \
    (void)axi_verdict_violate((cluster)->verdict, AXI_I6, NULL, __VA_ARGS__)

/* ---- what runs ---- */

struct sim_where sim_instance_find(struct sim_cluster *cluster, uint64_t task)
{
    struct sim_where where = {0};

    for (uint32_t n = 0; n < cluster->node_count; n++) {
        struct sim_node *node = &cluster->nodes[n];

        for (uint32_t slot = 0; node->agent != NULL && slot < SIM_SLOTS; slot++) {
            struct axi_slot_view view;

            axi_sched_view(node->machine.sched, slot, &view);
            if (view.task_id == task && view.state >= AXI_SLOT_ACTIVE &&
                view.state <= AXI_SLOT_FENCED && (where.node == NULL || !where.is_active)) {
                where = (struct sim_where){node, slot, view.state == AXI_SLOT_ACTIVE};
            }
        }
    }
    return where;
}

/* A node in trouble, or one that lost its trouble a moment ago: what it ran may be thought to run.
 */
static bool is_troubled(const struct sim_cluster *cluster)
{
    for (uint32_t n = 0; n < cluster->node_count; n++) {
        const struct sim_node *node = &cluster->nodes[n];

        if (node->agent == NULL || node->is_paused ||
            (node->troubled_ns != 0 && cluster->clock.now_ns - node->troubled_ns < TROUBLE_NS)) {
            return true;
        }
    }
    return false;
}

/* ---- records ---- */

struct sim_service *sim_service_find(struct sim_cluster *cluster, const char *name)
{
    for (uint32_t i = 0; i < cluster->service_count; i++) {
        if (strcmp(cluster->services[i].name, name) == 0) {
            return &cluster->services[i];
        }
    }
    return NULL;
}

static uint32_t version_of(const struct sim_cluster *cluster, const struct sim_service *s,
                           const json_t *record)
{
    const char *image =
        json_string_value(json_object_get(json_object_get(record, "declared"), "image"));

    for (uint32_t v = 0; image != NULL && v < SIM_VERSIONS; v++) {
        if (strcmp(cluster->images[s->image + v].info.reference, image) == 0) {
            return v;
        }
    }
    return UINT32_MAX;
}

static void read_members(const json_t *record, struct sim_service *next)
{
    const json_t *list = json_object_get(record, "members");
    size_t index = 0;
    const json_t *one = NULL;

    next->member_count = 0;
    json_array_foreach (list, index, one) {
        const char *role = json_string_value(json_object_get(one, "role"));
        const char *id = json_string_value(json_object_get(one, "task"));

        if (role != NULL && id != NULL && next->member_count < SIM_MEMBERS_MAX) {
            next->members[next->member_count++] = (struct sim_member){
                .task = strtoull(id, NULL, 16),
                .number = (uint32_t)json_integer_value(json_object_get(one, "number")),
                .is_active = strcmp(role, "active") == 0,
                .is_counted = strcmp(role, "active") == 0 || strcmp(role, "old") == 0,
                .is_degraded = json_is_true(json_object_get(one, "degraded")),
                .is_going = strcmp(role, "going") == 0};
        }
    }
}

static const struct sim_member *find_member(const struct sim_service *s, uint64_t task)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        if (s->members[i].task == task) {
            return &s->members[i];
        }
    }
    return NULL;
}

/* A replica that counts and runs is given up: enough others must run, unless it is a fault's. */
static void check_minimum(struct sim_cluster *cluster, const struct sim_service *before,
                          const struct sim_service *after)
{
    uint32_t left = 0;
    uint64_t gone = 0;

    if (after->is_deleting || !after->is_declared || is_troubled(cluster)) {
        return;
    }
    for (uint32_t i = 0; i < before->member_count; i++) {
        const struct sim_member *member = &before->members[i];
        const struct sim_member *now = find_member(after, member->task);
        bool is_given_up = member->is_counted && (now == NULL || !now->is_counted);

        if (is_given_up && sim_instance_find(cluster, member->task).is_active) {
            gone = member->task;
        }
    }
    for (uint32_t i = 0; i < after->member_count; i++) {
        left += after->members[i].is_counted &&
                sim_instance_find(cluster, after->members[i].task).node != NULL;
    }
    if (gone != 0 && left < before->minimum) {
        sim_log(cluster, "judge", "%s: %016llx is given up, %u are left", before->name,
                (unsigned long long)gone, left);
        COMPLAIN(cluster, "%s: replica %016llx runs and is given up, %u others run, minimum is %u",
                 before->name, (unsigned long long)gone, left, before->minimum);
    }
}

static void take_grid(struct sim_service *next, uint64_t release_ns)
{
    bool is_known = next->grid_count > 0 && next->grids[next->grid_count - 1] == release_ns;

    if (release_ns != 0 && !is_known && next->grid_count < SIM_GRIDS_MAX) {
        next->grids[next->grid_count++] = release_ns;
    }
}

static void committed(struct sim_cluster *cluster, struct sim_service *s, const json_t *record)
{
    struct sim_service next = *s;

    next.is_declared = record != NULL;
    next.is_deleting = json_is_true(json_object_get(record, "deleting"));
    next.version = version_of(cluster, s, record);
    read_members(record, &next);
    take_grid(&next, (uint64_t)json_integer_value(json_object_get(record, "release_ns")));
    if (next.version != s->version || next.is_declared != s->is_declared) {
        next.declared_ns = cluster->clock.now_ns;
    }
    check_minimum(cluster, s, &next);
    sim_place_committed(cluster, s, &next);
    *s = next;
    sim_votes_members(cluster, s);
}

void sim_services_committed(struct sim_cluster *cluster, const struct axi_store_op *ops,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sim_service *s = strncmp(ops[i].key, "service/", 8) == 0
                                    ? sim_service_find(cluster, ops[i].key + 8)
                                    : NULL;
        json_t *record = NULL;

        if (s == NULL || ops[i].kind == AXI_STORE_CHECK) {
            continue;
        }
        record = ops[i].kind == AXI_STORE_PUT
                     ? json_loadb(ops[i].value, ops[i].value_bytes, 0, NULL)
                     : NULL;
        committed(cluster, s, record);
        json_decref(record);
    }
}

/* ---- the exact test ---- */

static void check_load(void *context, uint64_t boot)
{
    struct sim_node *node = context;
    struct sim_cluster *cluster = node->cluster;
    struct axi_demand_task tasks[SIM_SLOTS];
    uint32_t count = 0;

    if (node->agent == NULL || node->machine.boot != boot) {
        return;
    }
    for (uint32_t slot = 0; slot < SIM_SLOTS; slot++) {
        struct axi_slot_view view;
        uint32_t image;

        axi_sched_view(node->machine.sched, slot, &view);
        image = sim_task_find(cluster, view.task_id);
        if (view.state == AXI_SLOT_ACTIVE && image != UINT32_MAX) {
            const struct axi_task_spec *spec = &cluster->images[image].info.spec;

            tasks[count++] = (struct axi_demand_task){node->machine.runners[slot].wcet_ns,
                                                      spec->period_ns, spec->deadline_ns};
        }
    }
    if (count > 0 && axi_demand_admit(tasks, count - 1, &tasks[count - 1], 1000000, NULL) != 0) {
        COMPLAIN(cluster, "%s runs %u tasks that the exact test refuses", node->name, count);
    }
}

void sim_services_activated(struct sim_node *node, uint64_t task, bool is_first)
{
    sim_calm_activated(node, task);
    sim_place_activated(node, task, is_first);
    sim_at(&node->cluster->clock, node->cluster->clock.now_ns, check_load, node,
           node->machine.boot);
}

/* ---- the end ---- */

static bool is_bad(const struct sim_cluster *cluster, uint64_t task)
{
    uint32_t image = sim_task_find(cluster, task);

    return image != UINT32_MAX && cluster->images[image].defect != SIM_GOOD;
}

/* In a crowded cluster an update may wait for room, and the former version with it; or for a node
 * with a good clock: on others a new replica is not in time for any vote. */
static bool can_be_updated(struct sim_cluster *cluster, const struct sim_service *s)
{
    bool is_easy = !cluster->is_crowded;

    for (uint32_t n = 0; n < cluster->node_count; n++) {
        struct sim_node *node = &cluster->nodes[n];

        is_easy = is_easy && node->agent != NULL &&
                  sim_machine_clock_error(&node->machine) < SIM_CLOCK_OFF_NS;
    }
    return is_easy || sim_place_has_room(cluster, s);
}

static void check_members(struct sim_cluster *cluster, const struct sim_service *s)
{
    const struct sim_node *seen[SIM_MEMBERS_MAX] = {0};
    uint32_t running = 0;

    for (uint32_t i = 0; i < s->member_count; i++) {
        struct sim_where where = sim_instance_find(cluster, s->members[i].task);
        uint32_t image = sim_task_find(cluster, s->members[i].task);

        if (!s->members[i].is_counted || !where.is_active) {
            continue;
        }
        if (image != s->image + s->version && can_be_updated(cluster, s)) {
            COMPLAIN(cluster, "%s: a replica still runs image %u instead of %u", s->name, image,
                     s->image + s->version);
        }
        for (uint32_t k = 0; k < running; k++) {
            if (seen[k] == where.node) {
                COMPLAIN(cluster, "%s: two replicas on %s", s->name, seen[k]->name);
            } else if (s->must_differ && strcmp(seen[k]->platform, where.node->platform) == 0) {
                COMPLAIN(cluster, "%s: two replicas on platform %s", s->name, seen[k]->platform);
            }
        }
        seen[running++] = where.node;
    }
    if (running < s->replicas ? sim_place_has_room(cluster, s)
                              : s->member_count > s->replicas && can_be_updated(cluster, s)) {
        COMPLAIN(cluster, "%s: %u replicas of %u run, its record names %u", s->name, running,
                 s->replicas, s->member_count);
    }
}

/* Nothing of a deleted service, nothing that no record names, nothing bad runs. */
static void check_rest(struct sim_cluster *cluster)
{
    for (uint32_t n = 0; n < cluster->node_count; n++) {
        struct sim_node *node = &cluster->nodes[n];

        for (uint32_t slot = 0; node->agent != NULL && slot < SIM_SLOTS; slot++) {
            struct axi_slot_view view;
            uint32_t image;
            const struct sim_service *s = NULL;

            axi_sched_view(node->machine.sched, slot, &view);
            image = sim_task_find(cluster, view.task_id);
            if (view.state == AXI_SLOT_FREE || image == UINT32_MAX) {
                continue;
            }
            s = &cluster->services[image / SIM_EACH];
            if (is_bad(cluster, view.task_id) && can_be_updated(cluster, s)) {
                COMPLAIN(cluster, "%s: a bad version of %s stays", node->name, s->name);
            }
            if (!s->is_unsure && !s->is_wanted) {
                COMPLAIN(cluster, "%s: something of %s runs, which is deleted", node->name,
                         s->name);
            } else if (find_member(s, view.task_id) == NULL) {
                COMPLAIN(cluster, "%s: a replica of %s runs that its record does not name",
                         node->name, s->name);
            }
        }
    }
}

/* For who reads the log of a seed. */
static void show(struct sim_cluster *cluster)
{
    const struct sim_master *host = sim_listening(cluster);

    for (uint32_t i = 0; host != NULL && i < cluster->service_count; i++) {
        json_t *json = axi_master_service(host->master, cluster->services[i].name);
        char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

        sim_log(cluster, "judge", "%s: %s", cluster->services[i].name, text == NULL ? "" : text);
        free(text);
        json_decref(json);
    }
}

void sim_services_judge(struct sim_cluster *cluster)
{
    if (cluster->options.is_verbose) {
        show(cluster);
    }
    for (uint32_t i = 0; i < cluster->service_count; i++) {
        struct sim_service *s = &cluster->services[i];

        if (!s->is_unsure && s->is_wanted && !s->is_declared) {
            COMPLAIN(cluster, "%s is gone although clients were told that it is declared", s->name);
        }
        if (s->is_declared && s->is_deleting) {
            COMPLAIN(cluster, "%s is still being deleted", s->name);
        } else if (s->is_declared) {
            check_members(cluster, s);
        }
        if (s->is_declared && s->version == SIM_BAD && can_be_updated(cluster, s)) {
            COMPLAIN(cluster, "%s is still declared with its bad version", s->name);
        }
    }
    check_rest(cluster);
    sim_place_judge(cluster);
    sim_calm_judge(cluster);
}
