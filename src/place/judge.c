/* SPDX-License-Identifier: Apache-2.0 */
/* One task on one node: filters, cheap ones first, and the score. The verdict on the processor is
 * always that of core/demand. Its two bounds here only save running it: a density certainly below
 * the capacity is what it says yes to at once, a load certainly above it what it refuses at once;
 * and what is no lighter than a candidate that it has refused for certain it would refuse, too. */
#include "manifest/spec.h"
#include "place/planner.h"

#include <math.h>
#include <string.h>

#define NONE AXI_PLAN_NONE
#define PPM 1000000u
#define LOAD_MAX 16.0 /* in scores; keeps sums finite */

static const struct axi_plan_service *service_of(const struct axi_planner *planner, uint32_t task)
{
    uint32_t service = planner->tasks[task].given->service;

    return service != NONE ? &planner->problem->services[service] : NULL;
}

static bool has_label(const struct axi_plan_node *node, const char *label)
{
    for (size_t i = 0; i < node->label_count; i++) {
        if (strcmp(node->labels[i], label) == 0) {
            return true;
        }
    }
    return false;
}

size_t axi_plan_preferred(const struct axi_plan_service *service, const struct axi_plan_node *node)
{
    size_t count = 0;

    for (size_t i = 0; i < service->prefer_count; i++) {
        count += has_label(node, service->prefer[i]);
    }
    return count;
}

static bool is_allowed(const struct axi_plan_service *service, uint64_t id)
{
    for (size_t i = 0; i < service->node_count; i++) {
        if (service->nodes[i] == id) {
            return true;
        }
    }
    return service->node_count == 0;
}

static int judge_service(const struct axi_plan_service *service, const struct axi_plan_node *node)
{
    if (!is_allowed(service, node->place.id)) {
        return -AXC_EPLACE_NODE;
    }
    for (size_t i = 0; i < service->label_count; i++) {
        if (!has_label(node, service->labels[i])) {
            return -AXC_EPLACE_LABEL;
        }
    }
    return service->latency_max_ns != 0 && node->latency_ns > service->latency_max_ns
               ? -AXC_EPLACE_LATENCY
               : 0;
}

static uint32_t traits_shared(const struct axi_planner *planner, uint32_t task, uint32_t node,
                              uint32_t other, uint32_t diversity)
{
    const struct axi_planner_node *a = &planner->nodes[node];
    const struct axi_planner_node *b = &planner->nodes[planner->tasks[other].node];
    bool is_same_image = planner->tasks[task].given->image == planner->tasks[other].given->image;

    return ((diversity & AXI_DIVERSE_PLATFORM) != 0 && a->platform == b->platform) +
           ((diversity & AXI_DIVERSE_ISA) != 0 && a->isa == b->isa) +
           ((diversity & AXI_DIVERSE_IMAGE) != 0 && is_same_image);
}

uint32_t axi_judge_alike(const struct axi_planner *planner, uint32_t task, uint32_t node,
                         uint32_t *ret_first)
{
    const struct axi_plan_service *service = service_of(planner, task);
    uint32_t sum = 0;

    *ret_first = NONE;
    if (service == NULL) {
        return 0;
    }
    for (uint32_t t = planner->services[planner->tasks[task].given->service].first; t != NONE;
         t = planner->tasks[t].next_replica) {
        if (t != task && planner->tasks[t].node != NONE) {
            uint32_t shared = traits_shared(planner, task, node, t, service->diversity);

            *ret_first = *ret_first == NONE && shared > 0 ? t : *ret_first;
            sum += shared;
        }
    }
    return sum;
}

static int judge_replicas(const struct axi_planner *planner, uint32_t task, uint32_t node,
                          uint32_t *ret_alike)
{
    const struct axi_plan_service *service = service_of(planner, task);
    uint32_t first = NONE;

    for (uint32_t t = planner->services[planner->tasks[task].given->service].first; t != NONE;
         t = planner->tasks[t].next_replica) {
        if (t != task && planner->tasks[t].node == node) {
            return -AXC_EPLACE_SHARED;
        }
    }
    *ret_alike = axi_judge_alike(planner, task, node, &first);
    return *ret_alike > 0 && (service->diversity & AXI_DIVERSE_REQUIRED) != 0
               ? -AXC_EPLACE_DIVERSITY
               : 0;
}

static struct axi_demand_task candidate_on(const struct axi_place_task *what, uint32_t entry,
                                           const struct axi_place_node *node)
{
    return (struct axi_demand_task){
        .wcet_ns = what->entries[entry].wcet_ns,
        .period_ns = what->period_ns,
        .deadline_ns = axi_demand_compensated_ns(what->deadline_ns, &node->margin)};
}

/* No less work in no more time. */
static bool is_no_lighter(const struct axi_demand_task *a, const struct axi_demand_task *b)
{
    return a->wcet_ns >= b->wcet_ns && a->period_ns <= b->period_ns &&
           a->deadline_ns <= b->deadline_ns;
}

static uint64_t density_on(const struct axi_demand_task *own)
{
    uint64_t ppm = own->wcet_ns != 0 && own->period_ns != 0 && own->deadline_ns != 0
                       ? axi_place_density_ppm(own)
                       : 0;

    return ppm < AXI_DENSITY_MAX_PPM ? ppm : AXI_DENSITY_MAX_PPM;
}

static int judge_bounds(const struct axi_planner_node *node, const struct axi_demand_task *own,
                        uint64_t density_ppm)
{
    unsigned __int128 load = 0;

    if (own->period_ns == 0) {
        return -AXC_EINVALID;
    }
    if (own->wcet_ns == 0) {
        return -AXC_EADMIT_NO_WCET;
    }
    if (own->deadline_ns < own->wcet_ns) {
        return -AXC_EADMIT_DEADLINE;
    }
    if (node->density_ppm + density_ppm < node->place.capacity_ppm) {
        return 0; /* by a whole ppm: rounding plays no part */
    }
    load = (unsigned __int128)own->wcet_ns * PPM / own->period_ns + node->load_floor_ppm;
    if (load > node->place.capacity_ppm ||
        (node->refused.period_ns != 0 && is_no_lighter(own, &node->refused))) {
        return -AXC_EADMIT_LOAD;
    }
    return AXI_UNDECIDED;
}

/* ---- scores ---- */

double axi_score_load(const struct axi_planner_node *node, uint64_t density_ppm)
{
    double capacity = node->place.capacity_ppm > 0 ? (double)node->place.capacity_ppm : 1;
    double load = fmin(LOAD_MAX, ((double)density_ppm + (double)node->excess_ppm) / capacity);

    return AXI_WEIGHT_LOAD * load * load + AXI_WEIGHT_OVER * fmax(0, load - AXI_LOAD_HIGH);
}

static double score_preferences(const struct axi_plan_service *service,
                                const struct axi_planner_node *node)
{
    double score = 0;

    if (service->prefer_count > 0) {
        size_t missing = service->prefer_count - axi_plan_preferred(service, node->given);

        score += AXI_WEIGHT_PREFER * (double)missing / (double)service->prefer_count;
    }
    if (service->fail_per_hour_max > 0 && node->risk > service->fail_per_hour_max) {
        score += AXI_WEIGHT_RISK * fmin(1, log10(node->risk / service->fail_per_hour_max) / 12);
    }
    return score;
}

/* Of the task itself, by stakes; `alike` counts half here when both ends are counted. */
static double score_task(const struct axi_planner *planner, uint32_t task, uint32_t node,
                         double alike)
{
    const struct axi_planner_task *t = &planner->tasks[task];
    const struct axi_planner_node *n = &planner->nodes[node];
    const struct axi_plan_service *service = service_of(planner, task);
    uint64_t limit = service != NULL && service->latency_max_ns != 0 ? service->latency_max_ns
                                                                     : t->given->what.deadline_ns;
    double score = AXI_WEIGHT_ALIKE * alike;

    if (limit > 0 && n->given->latency_ns > 0) {
        score += AXI_WEIGHT_LATENCY * fmin(1, (double)n->given->latency_ns / (double)limit);
    }
    if (service != NULL) {
        score += score_preferences(service, n);
    }
    score *= t->stake;
    if (t->given->node != NONE && t->given->node != node) {
        uint32_t criticality = t->given->criticality < 15 ? t->given->criticality : 15;

        score += AXI_WEIGHT_MOVE * (1 + (double)criticality / 15);
    }
    return score;
}

double axi_score_total(struct axi_planner *planner)
{
    double sum = 0;

    for (size_t i = 0; i < planner->problem->node_count; i++) {
        sum += axi_score_load(&planner->nodes[i], planner->nodes[i].density_ppm);
    }
    for (uint32_t t = 0; t < planner->problem->task_count; t++) {
        uint32_t node = planner->tasks[t].node;
        uint32_t first = NONE;

        if (node != NONE) {
            double alike = axi_judge_alike(planner, t, node, &first);

            sum += score_task(planner, t, node, alike / 2);
        }
    }
    return sum;
}

/* ---- verdicts ---- */

int axi_judge_quick(struct axi_planner *planner, uint32_t task, uint32_t node, double *ret_score)
{
    const struct axi_plan_task *given = planner->tasks[task].given;
    struct axi_planner_node *n = &planner->nodes[node];
    const struct axi_plan_service *service = service_of(planner, task);
    struct axi_demand_task own;
    uint64_t density_ppm = 0;
    uint32_t entry = 0;
    uint32_t alike = 0;
    int code = 0;

    planner->steps++;
    if (n->given->is_leaving || (n->given->is_cordoned && given->node != node)) {
        return -AXC_EUNAVAILABLE;
    }
    code = axi_place_judge_fixed(&given->what, &n->place, &entry);
    if (code == 0 && service != NULL) {
        code = judge_service(service, n->given);
        code = code == 0 ? judge_replicas(planner, task, node, &alike) : code;
    }
    if (code != 0) {
        return code;
    }
    own = candidate_on(&given->what, entry, &n->place);
    density_ppm = density_on(&own);
    code = given->what.ignore_demand ? 0 : judge_bounds(n, &own, density_ppm);
    if (code >= 0) {
        *ret_score = axi_score_load(n, n->density_ppm + density_ppm) -
                     axi_score_load(n, n->density_ppm) + score_task(planner, task, node, alike);
    }
    return code;
}

static int judge_exactly(struct axi_planner *planner, uint32_t task, uint32_t node)
{
    const struct axi_place_task *what = &planner->tasks[task].given->what;
    struct axi_planner_node *n = &planner->nodes[node];
    struct axi_demand_verdict verdict = {0};
    const struct axi_demand_task own =
        candidate_on(what, (uint32_t)axi_place_entry_of(what, &n->place), &n->place);
    uint32_t count = axi_planner_gather(planner, node);
    int code = axi_demand_admit(planner->demands, count, &own, n->place.capacity_ppm, &verdict);
    bool is_certain = verdict.load_sign > 0 || verdict.violation_ns != 0;

    if (code == -AXC_EADMIT_LOAD && is_certain &&
        (n->refused.period_ns == 0 || is_no_lighter(&n->refused, &own))) {
        n->refused = own;
    }
    return code;
}

/* Only with all replicas somewhere is there something to compare with the target. */
static int judge_failure(struct axi_planner *planner, uint32_t task, uint32_t node)
{
    uint32_t number = planner->tasks[task].given->service;
    const struct axi_plan_service *service = service_of(planner, task);
    double failure = 0;

    if (service == NULL || !(service->fail_per_hour_max > 0) ||
        planner->services[number].placed_count + 1 < planner->services[number].replica_count ||
        planner->services[number].replica_count < service->needed) {
        return 0;
    }
    planner->tasks[task].node = node;
    failure = axi_failure_of(planner, number);
    planner->tasks[task].node = NONE;
    return failure <= service->fail_per_hour_max ? 0 : -AXC_EPLACE_FAILURE;
}

static int judge_rest(struct axi_planner *planner, uint32_t task, uint32_t node, int quick)
{
    int code = quick == AXI_UNDECIDED ? judge_exactly(planner, task, node) : 0;

    return code == 0 ? judge_failure(planner, task, node) : code;
}

int axi_judge_late(struct axi_planner *planner, uint32_t task, uint32_t node, int quick)
{
    uint32_t lost = NONE;
    int code = judge_rest(planner, task, node, quick);

    if (code == 0 && planner->has_spares) {
        code = axi_spare_judge(planner, task, node, &lost);
    }
    return code;
}

int axi_judge_bare(struct axi_planner *planner, uint32_t task, uint32_t node)
{
    double score = 0;
    int code = axi_judge_quick(planner, task, node, &score);

    return code < 0 ? code : judge_rest(planner, task, node, code);
}

int axi_judge_full(struct axi_planner *planner, uint32_t task, uint32_t node, double *ret_score)
{
    int code = axi_judge_quick(planner, task, node, ret_score);

    return code < 0 ? code : axi_judge_late(planner, task, node, code);
}
