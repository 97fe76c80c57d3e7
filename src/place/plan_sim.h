/* SPDX-License-Identifier: Apache-2.0 */
/* Small random clusters, and a judge of whole assignments that shares nothing with the planner but
 * the exact admission test: it looks at the nodes one by one, enumerates the faults of an hour, and
 * searches every way to make up for the loss of a node. Part of tests only. */
#ifndef AXI_PLACE_PLAN_SIM_H
#define AXI_PLACE_PLAN_SIM_H

#include "manifest/spec.h"
#include "place/plan.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

enum { SIM_NODES = 5, SIM_TASKS = 6, SIM_SERVICES = 2, SIM_PLATFORMS = 3 };

struct sim {
    struct axi_plan_node nodes[SIM_NODES];
    struct axi_plan_task tasks[SIM_TASKS];
    struct axi_plan_service services[SIM_SERVICES];
    struct axi_place_entry entries[SIM_TASKS][SIM_PLATFORMS];
    struct axi_demand_task servers[SIM_NODES];
    const char *labels[SIM_NODES][2];
    struct axi_plan_problem problem;
    uint64_t seed;
};

static const char *const sim_platforms[] = {"linux-x86_64", "linux-aarch64", "axcan-virt"};
static const char *const sim_isas[] = {"x86_64", "aarch64", "aarch64"};
static const char *const sim_names[] = {"a", "b", "c", "d", "e", "f"};
static const char *const sim_label[] = {"rack=1"};
static const char *const sim_wish[] = {"fast=yes"};

static inline uint64_t sim_draw(struct sim *sim, uint64_t below)
{
    sim->seed ^= sim->seed << 13;
    sim->seed ^= sim->seed >> 7;
    sim->seed ^= sim->seed << 17;
    return (sim->seed >> 11) % below;
}

static inline void sim_draw_node(struct sim *sim, uint32_t i)
{
    struct axi_plan_node *node = &sim->nodes[i];
    uint64_t platform = sim_draw(sim, SIM_PLATFORMS);

    sim->servers[i] = (struct axi_demand_task){100, 10000, 10000};
    *node = (struct axi_plan_node){
        .place = {.id = 10 + i,
                  .name = sim_names[i],
                  .platforms = {sim_platforms[platform]},
                  .platform_count = 1,
                  .services = 3,
                  .assurance = (uint32_t)sim_draw(sim, 3),
                  .capacity_ppm = 600000 + 100000 * (uint32_t)sim_draw(sim, 5),
                  .free_slots = 1 + (uint32_t)sim_draw(sim, 6),
                  .memory_free_bytes = 100 + 50 * sim_draw(sim, 10),
                  .is_ready = sim_draw(sim, 20) != 0,
                  .tasks = &sim->servers[i],
                  .task_count = sim_draw(sim, 2),
                  .margin = {sim_draw(sim, 100), sim_draw(sim, 100)}},
        .isa = sim_isas[platform],
        .labels = sim->labels[i],
        .latency_ns = sim_draw(sim, 300),
        .fail_per_hour = pow(10, -2 - (double)sim_draw(sim, 4)),
        .wrong_per_hour = (double)sim_draw(sim, 2) * 1e-4,
        .platform_fail_per_hour = 1e-6,
        .predicted_ppm = 100000 * (uint32_t)sim_draw(sim, 9),
        .is_cordoned = sim_draw(sim, 12) == 0};
    if (sim_draw(sim, 4) != 0) {
        sim->labels[i][node->label_count++] = sim_label[0];
    }
    if (sim_draw(sim, 2) == 0) {
        sim->labels[i][node->label_count++] = sim_wish[0];
    }
}

static inline void sim_draw_service(struct sim *sim, uint32_t i)
{
    static const uint32_t traits[] = {0,
                                      0,
                                      AXI_DIVERSE_PLATFORM,
                                      AXI_DIVERSE_PLATFORM | AXI_DIVERSE_REQUIRED,
                                      AXI_DIVERSE_ISA | AXI_DIVERSE_REQUIRED,
                                      AXI_DIVERSE_IMAGE | AXI_DIVERSE_REQUIRED};

    sim->services[i] = (struct axi_plan_service){
        .name = sim_names[i],
        .diversity = traits[sim_draw(sim, 6)],
        .needed = 1 + (uint32_t)sim_draw(sim, 2),
        .fail_per_hour_max = sim_draw(sim, 3) == 0 ? pow(10, -2 - (double)sim_draw(sim, 5)) : 0,
        .latency_max_ns = sim_draw(sim, 3) == 0 ? 200 : 0,
        .labels = sim_label,
        .label_count = sim_draw(sim, 3) == 0,
        .prefer = sim_wish,
        .prefer_count = sim_draw(sim, 2),
        .survives_node_loss = sim_draw(sim, 4) == 0};
}

static inline void sim_draw_task(struct sim *sim, uint32_t i)
{
    uint64_t period = 1000 * (1 + sim_draw(sim, 8));
    uint64_t size = period / 20 + sim_draw(sim, period / 2);

    for (int p = 0; p < SIM_PLATFORMS; p++) {
        sim->entries[i][p] = (struct axi_place_entry){
            sim_platforms[p], sim_draw(sim, 30) == 0 ? 0 : size * (9 + sim_draw(sim, 3)) / 10, 40};
    }
    sim->tasks[i] =
        (struct axi_plan_task){.id = i,
                               .name = sim_names[i],
                               .what = {.deadline_ns = period - sim_draw(sim, period / 2),
                                        .period_ns = period,
                                        .needs = 1 + (uint32_t)sim_draw(sim, 2),
                                        .assurance_min = (uint32_t)sim_draw(sim, 8) / 7,
                                        .state_bytes = (uint32_t)sim_draw(sim, 20),
                                        .entries = sim->entries[i],
                                        .entry_count = 2 + sim_draw(sim, 2)},
                               .service = AXI_PLAN_NONE,
                               .criticality = (uint32_t)sim_draw(sim, 3),
                               .node = AXI_PLAN_NONE,
                               .is_movable = true};
}

/* 2 to 4 nodes, 1 to 6 tasks that are nowhere, the first few of services. */
static inline void sim_make(struct sim *sim, uint64_t seed)
{
    uint32_t task_count = 0;
    uint32_t at = 0;

    memset(sim, 0, sizeof(*sim));
    sim->seed = seed * 0x9e3779b97f4a7c15u + 1;
    (void)sim_draw(sim, 2);
    task_count = 1 + (uint32_t)sim_draw(sim, SIM_TASKS);
    sim->problem = (struct axi_plan_problem){sim->nodes,           sim->tasks, sim->services,
                                             2 + sim_draw(sim, 3), task_count, SIM_SERVICES};
    for (uint32_t i = 0; i < SIM_NODES; i++) {
        sim_draw_node(sim, i);
    }
    for (uint32_t i = 0; i < SIM_TASKS; i++) {
        sim_draw_task(sim, i);
    }
    for (uint32_t s = 0; s < SIM_SERVICES; s++) {
        uint32_t first = at;
        uint32_t replicas = (uint32_t)sim_draw(sim, 4);

        sim_draw_service(sim, s);
        for (; at < task_count && at - first < replicas; at++) {
            sim->tasks[at].what = sim->tasks[first].what;
            sim->tasks[at].criticality = sim->tasks[first].criticality;
            sim->tasks[at].service = s;
            sim->tasks[at].image = at - first;
        }
    }
}

/* ---- the judge; where[t]: a node or AXI_PLAN_NONE ---- */

static inline int sim_entry(const struct sim *sim, uint32_t t, uint32_t n)
{
    for (size_t e = 0; e < sim->tasks[t].what.entry_count; e++) {
        if (strcmp(sim->tasks[t].what.entries[e].platform, sim->nodes[n].place.platforms[0]) == 0) {
            return (int)e;
        }
    }
    return -1;
}

/* Slots, memory, processor; `lost` is not looked at. */
static inline bool sim_node_holds(const struct sim *sim, const uint32_t *where, uint32_t n)
{
    const struct axi_place_node *node = &sim->nodes[n].place;
    struct axi_demand_task list[SIM_TASKS + 1];
    uint32_t count = (uint32_t)node->task_count;
    uint32_t first = count;
    uint64_t bytes = 0;

    memcpy(list, node->tasks, count * sizeof(*list));
    for (uint32_t t = 0; t < sim->problem.task_count; t++) {
        const struct axi_place_task *what = &sim->tasks[t].what;

        if (where[t] == n) {
            int entry = sim_entry(sim, t, n);
            uint64_t lost = node->margin.delta_ns + node->margin.latency_ns;

            list[count++] =
                (struct axi_demand_task){what->entries[entry].wcet_ns, what->period_ns,
                                         what->deadline_ns > lost ? what->deadline_ns - lost : 0};
            bytes += what->entries[entry].elf_bytes + 3 * (uint64_t)what->state_bytes;
        }
    }
    if (count - first > node->free_slots || bytes > node->memory_free_bytes) {
        return false;
    }
    for (uint32_t i = first; i < count; i++) { /* each last, so that each is a candidate */
        const struct axi_demand_task own = list[i];
        int code = 0;

        list[i] = list[count - 1];
        code = axi_demand_admit(list, count - 1, &own, node->capacity_ppm, NULL);
        list[i] = own;
        if (code != 0) {
            return false;
        }
    }
    return true;
}

static inline bool sim_task_may(const struct sim *sim, uint32_t t, uint32_t n)
{
    const struct axi_plan_task *task = &sim->tasks[t];
    const struct axi_plan_node *node = &sim->nodes[n];
    const struct axi_plan_service *service =
        task->service != AXI_PLAN_NONE ? &sim->services[task->service] : NULL;
    bool has_label = node->label_count > 0 && node->labels[0] == sim_label[0];

    if (!node->place.is_ready || node->is_leaving || (node->is_cordoned && task->node != n) ||
        sim_entry(sim, t, n) < 0 || (task->what.needs & ~node->place.services) != 0 ||
        node->place.assurance < task->what.assurance_min) {
        return false;
    }
    return service == NULL ||
           ((service->label_count == 0 || has_label) &&
            (service->latency_max_ns == 0 || node->latency_ns <= service->latency_max_ns));
}

static inline bool sim_pair_may(const struct sim *sim, const uint32_t *where, uint32_t a,
                                uint32_t b)
{
    uint32_t diversity = sim->services[sim->tasks[a].service].diversity;
    const struct axi_plan_node *x = &sim->nodes[where[a]];
    const struct axi_plan_node *y = &sim->nodes[where[b]];

    if (where[a] == where[b]) {
        return false;
    }
    if ((diversity & AXI_DIVERSE_REQUIRED) == 0) {
        return true;
    }
    return !((diversity & AXI_DIVERSE_PLATFORM) != 0 &&
             x->place.platforms[0] == y->place.platforms[0]) &&
           !((diversity & AXI_DIVERSE_ISA) != 0 && strcmp(x->isa, y->isa) == 0) &&
           !((diversity & AXI_DIVERSE_IMAGE) != 0 && sim->tasks[a].image == sim->tasks[b].image);
}

/* All patterns of faults: each platform and each replica's node within the hour. */
static inline double sim_failure(const struct sim *sim, const uint32_t *where, uint32_t service)
{
    uint32_t at[SIM_TASKS];
    uint32_t n = 0;
    double sum = 0;

    for (uint32_t t = 0; t < sim->problem.task_count; t++) {
        if (sim->tasks[t].service == service && where[t] != AXI_PLAN_NONE) {
            at[n++] = where[t];
        }
    }
    for (uint32_t down = 0; down < 1u << (SIM_PLATFORMS + n); down++) {
        double p = 1;
        uint32_t right = 0;

        for (uint32_t k = 0; k < SIM_PLATFORMS; k++) {
            double fault = 1 - exp(-1e-6);

            p *= (down >> k & 1) != 0 ? fault : 1 - fault;
        }
        for (uint32_t i = 0; i < n; i++) {
            const struct axi_plan_node *node = &sim->nodes[at[i]];
            double fault = 1 - exp(-node->fail_per_hour - node->wrong_per_hour);
            bool is_faulty = (down >> (SIM_PLATFORMS + i) & 1) != 0;

            p *= is_faulty ? fault : 1 - fault;
            for (uint32_t k = 0; k < SIM_PLATFORMS; k++) {
                is_faulty = is_faulty ||
                            (node->place.platforms[0] == sim_platforms[k] && (down >> k & 1) != 0);
            }
            right += !is_faulty;
        }
        sum += right < sim->services[service].needed ? p : 0;
    }
    return sum;
}

/* Compared only where rounding cannot decide. */
static inline bool sim_service_holds(const struct sim *sim, const uint32_t *where, uint32_t s)
{
    uint32_t count = 0;
    uint32_t placed = 0;

    for (uint32_t a = 0; a < sim->problem.task_count; a++) {
        if (sim->tasks[a].service != s) {
            continue;
        }
        count++;
        placed += where[a] != AXI_PLAN_NONE;
        for (uint32_t b = 0; b < a; b++) {
            if (sim->tasks[b].service == s && where[a] != AXI_PLAN_NONE &&
                where[b] != AXI_PLAN_NONE && !sim_pair_may(sim, where, a, b)) {
                return false;
            }
        }
    }
    /* Of two that are needed and may agree on a wrong value, see model/replica.h: not drawn. */
    return !(sim->services[s].fail_per_hour_max > 0) || placed < count ||
           count < sim->services[s].needed ||
           sim_failure(sim, where, s) <= sim->services[s].fail_per_hour_max * (1 + 1e-9);
}

static inline bool sim_holds_without_loss(const struct sim *sim, const uint32_t *where)
{
    for (uint32_t t = 0; t < sim->problem.task_count; t++) {
        if (where[t] != AXI_PLAN_NONE && !sim_task_may(sim, t, where[t])) {
            return false;
        }
    }
    for (uint32_t s = 0; s < SIM_SERVICES; s++) {
        if (!sim_service_holds(sim, where, s)) {
            return false;
        }
    }
    for (uint32_t n = 0; n < sim->problem.node_count; n++) {
        if (!sim_node_holds(sim, where, n)) {
            return false;
        }
    }
    return true;
}

static inline bool sim_asks(const struct sim *sim, uint32_t t)
{
    return sim->tasks[t].service != AXI_PLAN_NONE &&
           sim->services[sim->tasks[t].service].survives_node_loss;
}

static inline bool sim_makes_up(const struct sim *sim, uint32_t *where, uint32_t lost, uint32_t t)
{
    if (t == sim->problem.task_count) {
        return sim_holds_without_loss(sim, where);
    }
    if (where[t] != lost || !sim_asks(sim, t)) {
        return sim_makes_up(sim, where, lost, t + 1);
    }
    for (uint32_t n = 0; n < sim->problem.node_count; n++) {
        if (n != lost && sim_task_may(sim, t, n)) {
            where[t] = n;
            bool is_found = sim_makes_up(sim, where, lost, t + 1);

            where[t] = lost;
            if (is_found) {
                return true;
            }
        }
    }
    return false;
}

/* Everything; tasks that are nowhere are left out. */
static inline bool sim_holds(const struct sim *sim, const uint32_t *where)
{
    uint32_t copy[SIM_TASKS];

    if (!sim_holds_without_loss(sim, where)) {
        return false;
    }
    for (uint32_t n = 0; n < sim->problem.node_count; n++) {
        bool has_any = false;

        memcpy(copy, where, sizeof(copy));
        for (uint32_t t = 0; t < sim->problem.task_count; t++) {
            has_any = has_any || (copy[t] == n && sim_asks(sim, t));
            if (copy[t] == n && !sim_asks(sim, t)) {
                copy[t] = AXI_PLAN_NONE; /* gone with the node */
            }
        }
        if (has_any && !sim_makes_up(sim, copy, n, 0)) {
            return false;
        }
    }
    return true;
}

#endif
