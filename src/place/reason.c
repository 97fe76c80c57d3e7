/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan says of its choices. */
#include "place/planner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NONE AXI_PLAN_NONE
#define ROOM AXI_PLAN_REASON_BYTES

__attribute__((format(printf, 2, 3))) static void append(char *reason, const char *format, ...)
{
    size_t used = strlen(reason);
    va_list list;

    va_start(list, format);
    (void)vsnprintf(reason + used, ROOM - used, format, list);
    va_end(list);
}

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

static const struct axi_plan_service *service_of(const struct axi_planner *planner, uint32_t task)
{
    return &planner->problem->services[planner->tasks[task].given->service];
}

static void explain_label(const struct axi_plan_service *service, const struct axi_plan_node *node,
                          char *reason)
{
    for (size_t i = 0; i < service->label_count; i++) {
        bool is_there = false;

        for (size_t k = 0; k < node->label_count; k++) {
            is_there = is_there || strcmp(node->labels[k], service->labels[i]) == 0;
        }
        if (!is_there) {
            append(reason, "label %s is missing", service->labels[i]);
            return;
        }
    }
}

static void explain_alike(struct axi_planner *planner, uint32_t task, uint32_t node, char *reason)
{
    const struct axi_planner_node *n = &planner->nodes[node];
    uint32_t first = NONE;
    uint32_t alike = axi_judge_alike(planner, task, node, &first);

    if (first == NONE) {
        return;
    }
    append(reason, "like %s on %s (platform %s, ISA %s, image %u): %u %s shared",
           planner->tasks[first].given->name, planner->nodes[planner->tasks[first].node].place.name,
           n->place.platform_count > 0 ? n->place.platforms[0] : "none",
           n->given->isa != NULL ? n->given->isa : "unknown", planner->tasks[task].given->image,
           alike, alike == 1 ? "trait" : "traits");
}

static void explain_shared(const struct axi_planner *planner, uint32_t task, uint32_t node,
                           char *reason)
{
    for (uint32_t t = planner->services[planner->tasks[task].given->service].first; t != NONE;
         t = planner->tasks[t].next_replica) {
        if (t != task && planner->tasks[t].node == node) {
            append(reason, "%s of the same service is there", planner->tasks[t].given->name);
            return;
        }
    }
}

static void explain_failure(struct axi_planner *planner, uint32_t task, uint32_t node, char *reason)
{
    struct axi_planner_task *t = &planner->tasks[task];
    uint32_t before = t->node;
    double failure = 0;

    t->node = node;
    failure = axi_failure_of(planner, t->given->service);
    t->node = before;
    append(reason, "the service would fail with %.3g an hour, %.3g is allowed", failure,
           service_of(planner, task)->fail_per_hour_max);
}

static void explain_spare(struct axi_planner *planner, uint32_t task, uint32_t node, char *reason)
{
    uint32_t lost = NONE;

    if (axi_spare_judge(planner, task, node, &lost) != 0) {
        append(reason, "if %s were lost, no other node were found for what asks for it there",
               planner->nodes[lost].place.name);
    }
}

/* What place/place.h refuses, in its words. */
static void explain_place(struct axi_planner *planner, uint32_t task, uint32_t node, char *reason)
{
    struct axi_place_node place = planner->nodes[node].place;
    struct axi_place_verdict verdict;

    place.task_count = axi_planner_gather(planner, node);
    place.tasks = planner->demands;
    axi_place_judge(&planner->tasks[task].given->what, &place, &verdict);
    append(reason, "%s", verdict.reason);
}

void axi_reason_refused(struct axi_planner *planner, uint32_t task, uint32_t node, int code,
                        char reason[AXI_PLAN_REASON_BYTES])
{
    const struct axi_plan_node *given = planner->nodes[node].given;

    switch (code) {
    case -AXC_EPLACE_NODE:
        append(reason, "the service names %zu nodes, not this one",
               service_of(planner, task)->node_count);
        break;
    case -AXC_EPLACE_LABEL:
        explain_label(service_of(planner, task), given, reason);
        break;
    case -AXC_EPLACE_LATENCY:
        append(reason, "latency is %.3f ms, %.3f ms are allowed", ms(given->latency_ns),
               ms(service_of(planner, task)->latency_max_ns));
        break;
    case -AXC_EPLACE_SHARED:
        explain_shared(planner, task, node, reason);
        break;
    case -AXC_EPLACE_DIVERSITY:
        explain_alike(planner, task, node, reason);
        break;
    case -AXC_EPLACE_FAILURE:
        explain_failure(planner, task, node, reason);
        break;
    case -AXC_EPLACE_SPARE:
        explain_spare(planner, task, node, reason);
        break;
    case -AXC_EEXIST:
        append(reason, "excluded: tried already");
        break;
    case -AXC_EUNAVAILABLE:
        if (given->is_leaving || given->is_cordoned) {
            append(reason, "%s is %s", given->place.name,
                   given->is_leaving           ? "being drained"
                   : given->closed_why != NULL ? given->closed_why
                                               : "cordoned");
            break;
        }
        explain_place(planner, task, node, reason);
        break;
    default:
        explain_place(planner, task, node, reason);
        break;
    }
}

void axi_reason_tally(struct axi_planner *planner, uint32_t task,
                      const struct axi_planner_tally *tally, char reason[AXI_PLAN_REASON_BYTES])
{
    bool is_told[AXI_TALLY_KINDS] = {false};

    if (tally->kinds == 0) {
        append(reason, "there is no node");
    }
    for (size_t round = 0; round < tally->kinds; round++) {
        size_t kind = axi_tally_next(tally, is_told);
        uint32_t first = tally->of[kind].first;
        int code = tally->of[kind].code;

        is_told[kind] = true;
        append(reason, "%s%u x %s (%s", round > 0 ? "; " : "", tally->of[kind].count,
               code == -AXC_EEXIST ? "EXCLUDED" : axi_error_name(code),
               planner->nodes[first].place.name);
        if (round == 0 && code != -AXC_EEXIST) {
            append(reason, ": ");
            axi_reason_refused(planner, task, first, code, reason);
        }
        append(reason, ")");
    }
}

static void append_load(const struct axi_planner *planner, uint32_t task, uint32_t node,
                        char *reason)
{
    const struct axi_planner_node *n = &planner->nodes[node];
    const struct axi_place_task *what = &planner->tasks[task].given->what;
    int entry = axi_place_entry_of(what, &n->place);
    uint64_t ppm = n->density_ppm + (uint64_t)n->excess_ppm;

    if (planner->tasks[task].node != node && entry >= 0) {
        const struct axi_demand_task demand = axi_demand_present(
            what->entries[entry].wcet_ns, what->period_ns, what->deadline_ns, &n->place.margin);

        ppm += demand.wcet_ns != 0 && demand.period_ns != 0 ? axi_place_density_ppm(&demand) : 0;
    }
    append(reason, "load %.1f %% of %.1f %%", (double)ppm / 1e4,
           (double)n->place.capacity_ppm / 1e4);
}

void axi_reason_chosen(struct axi_planner *planner, uint32_t task, uint32_t node,
                       const struct axi_planner_scan *scan, char reason[AXI_PLAN_REASON_BYTES])
{
    const struct axi_planner_node *n = &planner->nodes[node];
    uint32_t first = NONE;
    uint32_t alike = axi_judge_alike(planner, task, node, &first);

    append_load(planner, task, node, reason);
    if (n->given->latency_ns > 0) {
        append(reason, ", latency %.3f ms", ms(n->given->latency_ns));
    }
    if (alike > 0) {
        append(reason, ", ");
        explain_alike(planner, task, node, reason);
    }
    if (scan == NULL) {
        return;
    }
    append(reason, ", score %.4f", scan->best[0].score);
    if (scan->count > 1) {
        append(reason, "; next %s with %.4f", planner->nodes[scan->best[1].node].place.name,
               scan->best[1].score);
    } else {
        append(reason, "; no other node takes it");
    }
}
