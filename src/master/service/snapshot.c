/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster as a problem of placement (place/plan.h). Texts are borrowed from the master's own
 * tables: a snapshot is used and freed before anything else is done. */
#include "master/service/hosts.h"
#include "master/service/telemetry.h"

#include <stdlib.h>
#include <string.h>

#define OTHERS_MAX 2u /* of one task: a standby and a migration's target */

struct by_id {
    uint64_t id;
    uint32_t index;
};

struct other { /* what a node holds besides the plan's tasks */
    uint32_t node;
    struct axi_demand_task demand;
};

struct held { /* the arrays of one snapshot */
    struct axi_plan_node *nodes;
    struct axi_plan_task *tasks;
    struct axi_plan_service *services;
    struct axi_demand_task *demands;
    struct other *others;
    struct axi_place_entry *entries; /* AXI_PLATFORMS_MAX per task */
    const char **labels;             /* AXI_SERVICE_LABELS_MAX per node, twice that per service */
    uint64_t *allowed;               /* AXI_SERVICE_NODES_MAX per service */
    struct by_id *by_id;
    size_t known_count; /* of nodes that are */
    size_t node_count, task_count, service_count, other_count;
    struct axi_snapshot snapshot;
};

static int compare_ids(const void *left, const void *right)
{
    const struct by_id *a = left;
    const struct by_id *b = right;

    return a->id < b->id ? -1 : a->id > b->id;
}

static uint32_t index_of(const struct held *h, uint64_t id)
{
    struct by_id key = {.id = id};
    const struct by_id *found =
        id != 0 ? bsearch(&key, h->by_id, h->known_count, sizeof(key), compare_ids) : NULL;

    return found != NULL ? found->index : AXI_PLAN_NONE;
}

/* ---- services ---- */

static uint32_t service_index(struct axi_master *m, const char *name)
{
    for (size_t i = 0; name[0] != '\0' && i < m->declared->service_count; i++) {
        if (strcmp(m->declared->services[i]->spec.name, name) == 0) {
            return (uint32_t)i;
        }
    }
    return AXI_PLAN_NONE;
}

static void add_service(struct axi_master *m, struct held *h, const struct axi_service_spec *spec)
{
    size_t index = h->service_count++;
    const char **labels =
        &h->labels[(h->node_count + 2 * index) * AXI_SERVICE_LABELS_MAX]; /* then prefer */
    uint64_t *allowed = &h->allowed[index * AXI_SERVICE_NODES_MAX];
    struct axi_plan_service *s = &h->services[index];

    *s = (struct axi_plan_service){.name = spec->name,
                                   .diversity = spec->diversity,
                                   .needed = axi_service_needed(spec),
                                   .fail_per_hour_max = spec->failure_per_hour,
                                   .latency_max_ns = spec->latency_max_ns,
                                   .labels = labels,
                                   .label_count = spec->label_count,
                                   .prefer = labels + AXI_SERVICE_LABELS_MAX,
                                   .prefer_count = spec->prefer_count,
                                   .nodes = allowed,
                                   .node_count = spec->node_count,
                                   .survives_node_loss = spec->survives_node_loss};
    for (uint32_t i = 0; i < spec->label_count; i++) {
        labels[i] = spec->labels[i];
    }
    for (uint32_t i = 0; i < spec->prefer_count; i++) {
        labels[AXI_SERVICE_LABELS_MAX + i] = spec->prefer[i];
    }
    for (uint32_t i = 0; i < spec->node_count; i++) {
        const struct axi_node *node = axi_node_lookup(m, spec->nodes[i]);

        allowed[i] = node != NULL ? node->id : axi_phantom_id(spec->nodes[i]);
    }
}

static void add_services(struct axi_master *m, struct held *h,
                         const struct axi_snapshot_options *options)
{
    const struct axi_declared *d = m->declared;

    for (size_t i = 0; i < d->service_count; i++) {
        add_service(m, h, &d->services[i]->spec);
    }
    for (size_t i = 0; i < options->extra_count; i++) { /* one not declared yet, or anew */
        const struct axi_snapshot_extra *extra = &options->extras[i];

        if (extra->spec != NULL && (i == 0 || extra->spec != options->extras[i - 1].spec)) {
            add_service(m, h, extra->spec);
        }
    }
}

/* ---- tasks ---- */

static void add_other(struct held *h, struct axi_master *m, const struct axi_task *task,
                      uint64_t node_id)
{
    uint32_t index = index_of(h, node_id);
    const struct axi_node *node = index != AXI_PLAN_NONE ? m->nodes[index] : NULL;
    int entry = node != NULL ? axi_task_entry(&task->record, node) : -1;

    if (entry >= 0) {
        struct axi_demand_margin margin = {.delta_ns = node->heartbeat.delta_ns,
                                           .latency_ns = node->heartbeat.latency_ns};

        h->others[h->other_count++] =
            (struct other){index, axi_demand_present(task->record.entries[entry].wcet_ns,
                                                     task->record.spec.period_ns,
                                                     task->record.spec.deadline_ns, &margin)};
    }
}

static struct axi_place_entry *entries_of(struct held *h, const struct axi_image_entry *entries,
                                          uint32_t count)
{
    struct axi_place_entry *copy = &h->entries[h->task_count * AXI_PLATFORMS_MAX];

    for (uint32_t i = 0; i < count; i++) {
        copy[i] =
            (struct axi_place_entry){entries[i].platform, entries[i].wcet_ns, entries[i].elf_bytes};
    }
    return copy;
}

static struct axi_place_task what_of(const struct axi_task_spec *spec, uint32_t assurance_min,
                                     const struct axi_place_entry *entries, uint32_t count)
{
    return (struct axi_place_task){.deadline_ns = spec->deadline_ns,
                                   .period_ns = spec->period_ns,
                                   .needs = spec->needs,
                                   .assurance_min = assurance_min,
                                   .state_bytes = spec->state_bytes,
                                   .stack_bytes = spec->stack_bytes,
                                   .entries = entries,
                                   .entry_count = count};
}

/* One that is about to go, or whose successor is being started, counts by its load only. */
static const struct axi_member *constrained_member(struct axi_service *service,
                                                   const struct axi_task *task, uint64_t moving)
{
    const struct axi_member *member =
        service != NULL ? axi_member_find(service, task->record.id) : NULL;

    return member != NULL && (member->role == AXI_MEMBER_ACTIVE || member->role == AXI_MEMBER_NEW ||
                              member->task == moving)
               ? member
               : NULL;
}

static void add_task(struct axi_master *m, struct held *h, const struct axi_task *task,
                     const struct axi_snapshot_options *options)
{
    const struct axi_record *r = &task->record;
    struct axi_service *service = axi_service_find(m, r->service);
    const struct axi_member *member = constrained_member(service, task, options->moving);
    uint32_t node = index_of(h, r->owner != 0 ? r->owner : r->pin);
    bool is_live = r->state <= AXI_TASK_STOPPING && !task->is_gone;
    bool is_movable = r->state == AXI_TASK_RUNNING && task->flow.step == AXI_STEP_IDLE &&
                      !task->is_ephemeral && r->pin != r->owner &&
                      (service != NULL ? service->spec.is_movable && member != NULL : r->pin == 0);

    if (!is_live || node == AXI_PLAN_NONE || r->id == options->without ||
        (options->replacing != NULL && strcmp(options->replacing, r->service) == 0)) {
        return;
    }
    if (r->wants_standby && r->standby != 0 && r->standby != r->owner) {
        add_other(h, m, task, r->standby);
    }
    if (r->migration.phase == AXI_MIGRATION_PREPARING) {
        add_other(h, m, task, r->migration.target);
    }
    if (task->is_ephemeral) {
        add_other(h, m, task, r->owner);
        return;
    }
    struct axi_place_entry *entries = entries_of(h, r->entries, r->entry_count);
    h->tasks[h->task_count++] = (struct axi_plan_task){
        .id = r->id,
        .name = r->name,
        .what = what_of(&r->spec, r->assurance_min, entries, r->entry_count),
        .service = member != NULL ? service_index(m, r->service) : AXI_PLAN_NONE,
        .image = member != NULL ? member->image : 0,
        .criticality = r->spec.criticality,
        .node = node,
        .is_movable = is_movable && !options->keeps_all};
}

/* service: index of its problem's service when it is not declared yet, or is judged anew. */
static void add_extra(struct axi_master *m, struct held *h,
                      const struct axi_snapshot_options *options,
                      const struct axi_snapshot_extra *extra, uint32_t service)
{
    const struct axi_image_info *info = extra->info;
    struct axi_place_entry *entries = entries_of(h, info->entries, info->entry_count);
    uint32_t declared = extra->spec != NULL ? service_index(m, extra->spec->name) : AXI_PLAN_NONE;
    bool is_declared =
        declared != AXI_PLAN_NONE &&
        (options->replacing == NULL || strcmp(options->replacing, extra->spec->name) != 0);
    bool has_own_wcets = extra->spec == NULL || extra->image == AXI_SERVICE_IMAGES_MAX;

    for (uint32_t e = 0; e < info->entry_count && !has_own_wcets; e++) {
        entries[e].wcet_ns = axi_service_wcet_ns(extra->spec, &info->entries[e]);
    }
    h->tasks[h->task_count++] = (struct axi_plan_task){
        .id = extra->task,
        .name = extra->name,
        .what = what_of(&info->spec, extra->assurance_min, entries, info->entry_count),
        .service = extra->spec == NULL ? AXI_PLAN_NONE
                   : is_declared       ? declared
                                       : service,
        .image = extra->image,
        .criticality = extra->spec != NULL ? extra->spec->criticality : info->spec.criticality,
        .node = AXI_PLAN_NONE,
        .is_movable = true};
}

static void add_extras(struct axi_master *m, struct held *h,
                       const struct axi_snapshot_options *options)
{
    uint32_t service = (uint32_t)m->declared->service_count;

    for (size_t i = 0; i < options->extra_count; i++) {
        service += i > 0 && options->extras[i].spec != options->extras[i - 1].spec;
        add_extra(m, h, options, &options->extras[i], service);
    }
}

/* ---- nodes ---- */

static size_t demands_of(const struct held *h, uint32_t index, const struct axi_node *node,
                         struct axi_demand_task *ret_demands)
{
    size_t count = 0;

    for (size_t i = 0; i < h->other_count; i++) {
        if (h->others[i].node == index) {
            ret_demands[count++] = h->others[i].demand;
        }
    }
    if (node->hello.server_budget_ns != 0) {
        ret_demands[count++] =
            (struct axi_demand_task){node->hello.server_budget_ns, node->hello.server_period_ns,
                                     node->hello.server_period_ns};
    }
    return count;
}

static double platform_failures(const struct axi_policy_spec *policy, const char *platform)
{
    for (uint32_t i = 0; i < policy->platform_count; i++) {
        if (strcmp(policy->platforms[i].platform, platform) == 0) {
            return policy->platforms[i].failure_per_hour;
        }
    }
    return 0;
}

static const char *isa_of(const char *platform)
{
    return strstr(platform, "x86_64") != NULL ? "x86_64" : "aarch64";
}

static void add_node(struct axi_master *m, struct held *h, uint32_t index,
                     struct axi_demand_task *demands, size_t count)
{
    const struct axi_node *node = m->nodes[index];
    uint32_t own = (uint32_t)count - (node->hello.server_budget_ns != 0);
    const struct axi_node_spec *spec = axi_node_spec_of(m, node->hello.name);
    const char **labels = &h->labels[index * AXI_SERVICE_LABELS_MAX];
    bool is_open = axi_node_is_open(m, node, NULL);
    struct axi_plan_node *n = &h->nodes[index];

    axi_node_place(node, &n->place);
    n->place.assurance =
        n->place.assurance < spec->assurance ? n->place.assurance : spec->assurance;
    n->place.tasks = demands;
    n->place.task_count = count;
    n->place.free_slots = node->hello.slots > own ? node->hello.slots - own : 0;
    n->isa = isa_of(node->hello.platforms[0]);
    for (uint32_t i = 0; i < spec->label_count; i++) {
        labels[i] = spec->labels[i];
    }
    n->labels = labels;
    n->label_count = spec->label_count;
    n->latency_ns = spec->latency_ns != 0 ? spec->latency_ns : node->heartbeat.latency_ns;
    n->fail_per_hour = spec->failure_per_hour;
    n->wrong_per_hour = spec->wrong_per_hour;
    n->platform_fail_per_hour = platform_failures(axi_policy(m), node->hello.platforms[0]);
    n->predicted_ppm = axi_predicted_ppm(m, node->id);
    n->is_cordoned = !is_open;
    n->closed_why = axi_node_is_cordoned(m, node)   ? "cordoned"
                    : axi_node_is_flapping(m, node) ? "left alone: it was lost too often lately"
                    : axi_partition_is_leaving(m, node->hello.name)
                        ? "a partition that is being ended"
                        : "not of the platform declared for it";
    n->is_leaving = axi_node_is_draining(m, node) || node->is_leaving;
}

/* As it would be when its partition has started and has nothing to do. */
static void add_phantom(struct axi_master *m, struct held *h, uint32_t index,
                        const struct axi_phantom *phantom, struct axi_demand_task *demand)
{
    const struct axi_host_facts *facts = &phantom->host->record.facts;
    const struct axi_node_spec *spec = axi_node_spec_of(m, phantom->name);
    const char **labels = &h->labels[index * AXI_SERVICE_LABELS_MAX];
    bool has_server = facts->server_budget_ns != 0;
    bool is_cordoned = axi_node_name_is_cordoned(m, phantom->name);

    *demand = (struct axi_demand_task){facts->server_budget_ns, facts->server_period_ns,
                                       facts->server_period_ns};
    for (uint32_t i = 0; i < spec->label_count; i++) {
        labels[i] = spec->labels[i];
    }
    h->nodes[index] = (struct axi_plan_node){
        .place = {.id = phantom->id,
                  .name = phantom->name,
                  .platforms = {facts->platform},
                  .platform_count = 1,
                  .services = facts->services,
                  .assurance =
                      facts->assurance < spec->assurance ? facts->assurance : spec->assurance,
                  .capacity_ppm = facts->capacity_ppm,
                  .free_slots = facts->slots,
                  .memory_free_bytes = facts->memory_bytes,
                  .is_ready = true,
                  .tasks = demand,
                  .task_count = has_server},
        .isa = isa_of(facts->platform),
        .labels = labels,
        .label_count = spec->label_count,
        .latency_ns = spec->latency_ns,
        .fail_per_hour = spec->failure_per_hour,
        .wrong_per_hour = spec->wrong_per_hour,
        .platform_fail_per_hour = platform_failures(axi_policy(m), facts->platform),
        .is_cordoned = is_cordoned ||
                       (spec->platform[0] != '\0' && strcmp(spec->platform, facts->platform) != 0),
        .closed_why = is_cordoned ? "cordoned" : "not of the platform declared for it"};
}

/* The plan's tasks take their memory from it themselves. */
static void add_back_memory(struct axi_master *m, struct held *h)
{
    for (size_t i = 0; i < h->task_count; i++) {
        const struct axi_plan_task *task = &h->tasks[i];
        const struct axi_task *known = axi_task_find(m, task->id);
        int entry = known != NULL && task->node != AXI_PLAN_NONE
                        ? axi_task_entry(&known->record, m->nodes[task->node])
                        : -1;

        if (entry >= 0) {
            h->nodes[task->node].place.memory_free_bytes +=
                axi_place_bytes(&task->what, (uint32_t)entry);
        }
    }
}

/* ---- the whole ---- */

static struct held *allocate(struct axi_master *m, const struct axi_snapshot_options *options)
{
    size_t tasks = m->task_count + options->extra_count + 1;
    size_t services = m->declared->service_count + options->extra_count + 1;
    size_t phantoms = options->phantoms != NULL ? options->phantoms->count : 0;
    size_t nodes = m->node_count + phantoms + 1;
    struct held *h = calloc(1, sizeof(*h));

    if (h == NULL) {
        return NULL;
    }
    h->nodes = calloc(nodes, sizeof(*h->nodes));
    h->tasks = calloc(tasks, sizeof(*h->tasks));
    h->services = calloc(services, sizeof(*h->services));
    h->others = calloc(OTHERS_MAX * tasks, sizeof(*h->others));
    h->demands = calloc(OTHERS_MAX * tasks + nodes, sizeof(*h->demands));
    h->entries = calloc(tasks * AXI_PLATFORMS_MAX, sizeof(*h->entries));
    h->labels = calloc((nodes + 2 * services) * AXI_SERVICE_LABELS_MAX, sizeof(*h->labels));
    h->allowed = calloc(services * AXI_SERVICE_NODES_MAX, sizeof(*h->allowed));
    h->by_id = calloc(nodes, sizeof(*h->by_id));
    h->snapshot.memory = h;
    if (h->nodes == NULL || h->tasks == NULL || h->services == NULL || h->others == NULL ||
        h->demands == NULL || h->entries == NULL || h->labels == NULL || h->allowed == NULL ||
        h->by_id == NULL) {
        axi_snapshot_free(&h->snapshot);
        return NULL;
    }
    return h;
}

struct axi_snapshot *axi_snapshot_build(struct axi_master *m,
                                        const struct axi_snapshot_options *options)
{
    struct held *h = allocate(m, options);
    struct axi_demand_task *demands = h != NULL ? h->demands : NULL;

    if (h == NULL) {
        return NULL;
    }
    for (h->known_count = 0; h->known_count < m->node_count; h->known_count++) {
        h->by_id[h->known_count] =
            (struct by_id){m->nodes[h->known_count]->id, (uint32_t)h->known_count};
    }
    h->node_count = h->known_count + (options->phantoms != NULL ? options->phantoms->count : 0);
    qsort(h->by_id, h->known_count, sizeof(*h->by_id), compare_ids);
    add_services(m, h, options);
    for (size_t i = 0; options->ignores_spares && i < h->service_count; i++) {
        h->services[i].survives_node_loss = false;
    }
    for (size_t i = 0; i < m->task_count; i++) {
        add_task(m, h, m->tasks[i], options);
    }
    add_extras(m, h, options);
    for (size_t i = 0; i < m->node_count; i++) {
        size_t count = demands_of(h, (uint32_t)i, m->nodes[i], demands);

        add_node(m, h, (uint32_t)i, demands, count);
        demands += count;
    }
    for (size_t i = h->known_count; i < h->node_count; i++) {
        add_phantom(m, h, (uint32_t)i, &options->phantoms->items[i - h->known_count], demands++);
    }
    add_back_memory(m, h);
    h->snapshot.problem = (struct axi_plan_problem){.nodes = h->nodes,
                                                    .tasks = h->tasks,
                                                    .services = h->services,
                                                    .node_count = h->node_count,
                                                    .task_count = h->task_count,
                                                    .service_count = h->service_count};
    return &h->snapshot;
}

struct axi_snapshot *axi_snapshot_for_move(struct axi_master *m, uint64_t task)
{
    struct axi_snapshot_options options = {.keeps_all = true, .moving = task};

    return axi_snapshot_build(m, &options);
}

struct axi_snapshot *axi_snapshot_make(struct axi_master *m)
{
    struct axi_snapshot_options all = {0};

    return axi_snapshot_build(m, &all);
}

void axi_snapshot_free(struct axi_snapshot *snapshot)
{
    struct held *h = snapshot != NULL ? snapshot->memory : NULL;

    if (h == NULL) {
        return;
    }
    free(h->nodes);
    free(h->tasks);
    free(h->services);
    free(h->others);
    free(h->demands);
    free(h->entries);
    free(h->labels);
    free(h->allowed);
    free(h->by_id);
    free(h);
}

uint32_t axi_snapshot_task(const struct axi_snapshot *snapshot, uint64_t id)
{
    for (size_t i = 0; i < snapshot->problem.task_count; i++) {
        if (snapshot->problem.tasks[i].id == id) {
            return (uint32_t)i;
        }
    }
    return AXI_PLAN_NONE;
}
