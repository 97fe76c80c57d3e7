/* SPDX-License-Identifier: Apache-2.0 */
/* Two judges of small task sets that share nothing with the admission test: walking every window,
 * and running EDF tick by tick. Part of tests only. */
#ifndef AXI_CORE_DEMAND_SIM_H
#define AXI_CORE_DEMAND_SIM_H

#include "core/demand.h"

#include <stdbool.h>
#include <stdint.h>

#define DEMAND_SIM_TASKS 5u
#define DEMAND_SIM_COMMON 120u /* common multiple of all periods */
#define DEMAND_SIM_DEADLINE_MAX 60u

struct demand_sim_set {
    struct axi_demand_task tasks[DEMAND_SIM_TASKS];
    uint32_t n;
    uint64_t capacity_ppm;
};

/* Small numbers, so that every boundary is met often: loads of exactly the capacity, D' > T, D' =
 * C, D' < C. `draw` gives any number below its argument. */
static inline void demand_sim_make(struct demand_sim_set *set,
                                   uint64_t (*draw)(void *context, uint64_t below), void *context)
{
    static const uint64_t periods[] = {2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 40, 60};

    set->n = 1 + (uint32_t)draw(context, DEMAND_SIM_TASKS);
    set->capacity_ppm = draw(context, 3) != 0 ? 1000000 : 100000 * (1 + draw(context, 10));
    for (uint32_t i = 0; i < set->n; i++) {
        uint64_t period = periods[draw(context, sizeof(periods) / sizeof(periods[0]))];
        uint64_t most = period / set->n + 1;

        set->tasks[i] = (struct axi_demand_task){
            .wcet_ns = 1 + draw(context, most),
            .period_ns = period,
            .deadline_ns =
                1 + draw(context, draw(context, 4) != 0 ? period : DEMAND_SIM_DEADLINE_MAX)};
    }
}

static inline bool demand_sim_fits(const struct demand_sim_set *set)
{
    uint64_t load = 0;

    for (uint32_t i = 0; i < set->n; i++) {
        const struct axi_demand_task *task = &set->tasks[i];

        load += task->wcet_ns * (DEMAND_SIM_COMMON / task->period_ns);
        if (task->deadline_ns < task->wcet_ns) {
            return false;
        }
    }
    return load * 1000000 <= set->capacity_ppm * DEMAND_SIM_COMMON;
}

/* Demand is load t plus a periodic part: an excess that does not show within a common period after
 * the last first deadline never does. */
static inline bool demand_sim_walk(const struct demand_sim_set *set)
{
    if (!demand_sim_fits(set)) {
        return false;
    }
    for (uint64_t t = 1; t <= DEMAND_SIM_COMMON + DEMAND_SIM_DEADLINE_MAX; t++) {
        uint64_t work = 0;

        for (uint32_t i = 0; i < set->n; i++) {
            const struct axi_demand_task *task = &set->tasks[i];

            if (t >= task->deadline_ns) {
                work += ((t - task->deadline_ns) / task->period_ns + 1) * task->wcet_ns;
            }
        }
        if (work * 1000000 > set->capacity_ppm * t) {
            return false;
        }
    }
    return true;
}

/* Runs all tasks from a synchronous release on a whole processor. False: a deadline is missed. A
 * load above 1 is run until the backlog shows. */
static inline bool demand_sim_run(const struct demand_sim_set *set)
{
    uint64_t job[DEMAND_SIM_TASKS] = {0};
    uint64_t left[DEMAND_SIM_TASKS];
    uint64_t end = demand_sim_fits(set)
                       ? DEMAND_SIM_COMMON
                       : (uint64_t)DEMAND_SIM_COMMON * (2 + DEMAND_SIM_DEADLINE_MAX);

    for (uint32_t i = 0; i < set->n; i++) {
        left[i] = set->tasks[i].wcet_ns;
    }
    for (uint64_t now = 0; now < end; now++) {
        uint64_t earliest = UINT64_MAX;
        uint32_t first = 0;

        for (uint32_t i = 0; i < set->n; i++) {
            uint64_t release = job[i] * set->tasks[i].period_ns;
            uint64_t deadline = release + set->tasks[i].deadline_ns;

            if (release <= now && deadline < earliest) {
                earliest = deadline;
                first = i;
            }
        }
        if (earliest <= now) {
            return false; /* work is left at its deadline */
        }
        if (earliest != UINT64_MAX && --left[first] == 0) {
            job[first]++;
            left[first] = set->tasks[first].wcet_ns;
        }
    }
    return true;
}

enum demand_sim_result { DEMAND_SIM_REFUSED, DEMAND_SIM_ADMITTED, DEMAND_SIM_DISAGREE };

/* All judges on one set. */
static inline enum demand_sim_result demand_sim_compare(const struct demand_sim_set *set)
{
    bool is_admitted = axi_demand_admit(set->tasks, set->n - 1, &set->tasks[set->n - 1],
                                        set->capacity_ppm, NULL) == 0;

    if (is_admitted != demand_sim_walk(set)) {
        return DEMAND_SIM_DISAGREE;
    }
    if (set->capacity_ppm == 1000000 && is_admitted != demand_sim_run(set)) {
        return DEMAND_SIM_DISAGREE;
    }
    return is_admitted ? DEMAND_SIM_ADMITTED : DEMAND_SIM_REFUSED;
}

#endif
