/* SPDX-License-Identifier: Apache-2.0 */
#include "place/planner.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define NONE AXI_PLAN_NONE
#define PPM 1000000u

/* ---- who is where ---- */

static void refresh(struct axi_planner_node *node)
{
    const struct axi_place_node *given = &node->given->place;
    uint64_t bytes = node->bytes < UINT64_MAX ? (uint64_t)node->bytes : UINT64_MAX;

    node->place.memory_free_bytes = axi_sub_sat(given->memory_free_bytes, bytes);
    node->place.free_slots =
        given->free_slots > node->member_count ? given->free_slots - node->member_count : 0;
}

/* What does not count in the exact test does not count here. */
static bool counts(const struct axi_demand_task *demand)
{
    return demand->wcet_ns != 0 && demand->period_ns != 0 && demand->deadline_ns != 0;
}

static uint64_t density_of(const struct axi_demand_task *demand)
{
    uint64_t ppm = counts(demand) ? axi_place_density_ppm(demand) : 0;

    return ppm < AXI_DENSITY_MAX_PPM ? ppm : AXI_DENSITY_MAX_PPM;
}

static uint64_t load_floor_of(const struct axi_demand_task *demand)
{
    uint64_t ppm = counts(demand)
                       ? axi_mul_sat(demand->wcet_ns / demand->period_ns, PPM) +
                             (uint64_t)((unsigned __int128)(demand->wcet_ns % demand->period_ns) *
                                        PPM / demand->period_ns)
                       : 0;

    return ppm < AXI_DENSITY_MAX_PPM ? ppm : AXI_DENSITY_MAX_PPM;
}

void axi_planner_put(struct axi_planner *planner, uint32_t task, uint32_t node)
{
    struct axi_planner_task *t = &planner->tasks[task];
    struct axi_planner_node *n = &planner->nodes[node];
    const struct axi_place_task *what = &t->given->what;
    int entry = axi_place_entry_of(what, &n->place);

    t->node = node;
    t->demand = (struct axi_demand_task){0};
    t->bytes = 0;
    if (entry >= 0) {
        t->demand = axi_demand_present(what->entries[entry].wcet_ns, what->period_ns,
                                       what->deadline_ns, &n->place.margin);
        t->bytes = axi_place_bytes(what, (uint32_t)entry);
    }
    t->density_ppm = density_of(&t->demand);
    t->load_floor_ppm = load_floor_of(&t->demand);
    t->previous = NONE;
    t->next = n->first;
    if (n->first != NONE) {
        planner->tasks[n->first].previous = task;
    }
    n->first = task;
    n->member_count++;
    n->density_ppm += t->density_ppm;
    n->load_floor_ppm += t->load_floor_ppm;
    n->bytes += t->bytes;
    refresh(n);
    if (t->given->service != NONE) {
        planner->services[t->given->service].placed_count++;
    }
}

void axi_planner_take(struct axi_planner *planner, uint32_t task)
{
    struct axi_planner_task *t = &planner->tasks[task];
    struct axi_planner_node *n = NULL;

    if (t->node == NONE) {
        return;
    }
    n = &planner->nodes[t->node];
    if (t->next != NONE) {
        planner->tasks[t->next].previous = t->previous;
    }
    if (t->previous != NONE) {
        planner->tasks[t->previous].next = t->next;
    } else {
        n->first = t->next;
    }
    n->member_count--;
    n->density_ppm -= t->density_ppm;
    n->load_floor_ppm -= t->load_floor_ppm;
    n->bytes -= t->bytes;
    n->refused.period_ns = 0;
    refresh(n);
    if (t->given->service != NONE) {
        planner->services[t->given->service].placed_count--;
    }
    t->node = NONE;
}

static void link_spare(struct axi_planner *planner, uint32_t task, uint32_t node)
{
    struct axi_planner_task *t = &planner->tasks[task];

    if (t->spare != NONE) {
        if (t->next_reserved != NONE) {
            planner->tasks[t->next_reserved].previous_reserved = t->previous_reserved;
        }
        if (t->previous_reserved != NONE) {
            planner->tasks[t->previous_reserved].next_reserved = t->next_reserved;
        } else {
            planner->nodes[t->spare].first_reserved = t->next_reserved;
        }
    }
    t->spare = node;
    if (node != NONE) {
        t->previous_reserved = NONE;
        t->next_reserved = planner->nodes[node].first_reserved;
        if (t->next_reserved != NONE) {
            planner->tasks[t->next_reserved].previous_reserved = task;
        }
        planner->nodes[node].first_reserved = task;
    }
}

/* ---- the journal ---- */

static void record(struct axi_planner *planner, uint32_t task, uint32_t old, bool is_spare)
{
    if (planner->journal_count == planner->journal_capacity) {
        size_t capacity = planner->journal_capacity * 2 + 64;
        struct axi_planner_change *grown =
            realloc(planner->journal, capacity * sizeof(struct axi_planner_change));

        if (grown == NULL) {
            planner->is_out_of_memory = true;
            return;
        }
        planner->journal = grown;
        planner->journal_capacity = capacity;
    }
    planner->journal[planner->journal_count++] =
        (struct axi_planner_change){.task = task, .old = old, .is_spare = is_spare};
}

void axi_planner_set_spare(struct axi_planner *planner, uint32_t task, uint32_t node)
{
    if (planner->tasks[task].spare != node) {
        record(planner, task, planner->tasks[task].spare, true);
        link_spare(planner, task, node);
    }
}

void axi_planner_move(struct axi_planner *planner, uint32_t task, uint32_t node)
{
    record(planner, task, planner->tasks[task].node, false);
    axi_planner_take(planner, task);
    axi_planner_set_spare(planner, task, NONE);
    if (node != NONE) {
        axi_planner_put(planner, task, node);
        if (planner->has_spares) {
            axi_spare_settle(planner, task);
        }
    }
}

size_t axi_planner_mark(const struct axi_planner *planner)
{
    return planner->journal_count;
}

void axi_planner_rollback(struct axi_planner *planner, size_t mark)
{
    while (planner->journal_count > mark) {
        const struct axi_planner_change *change = &planner->journal[--planner->journal_count];

        if (change->is_spare) {
            link_spare(planner, change->task, change->old);
            continue;
        }
        axi_planner_take(planner, change->task);
        if (change->old != NONE) {
            axi_planner_put(planner, change->task, change->old);
        }
    }
}

uint32_t axi_planner_gather(struct axi_planner *planner, uint32_t node)
{
    const struct axi_planner_node *n = &planner->nodes[node];
    uint32_t count = (uint32_t)n->place.task_count;

    if (count > 0) {
        memcpy(planner->demands, n->place.tasks, count * sizeof(*planner->demands));
    }
    for (uint32_t t = n->first; t != NONE; t = planner->tasks[t].next) {
        planner->demands[count++] = planner->tasks[t].demand;
    }
    return count;
}

/* ---- the beginning ---- */

struct name {
    const char *text;
    uint32_t node;
};

static int by_text(const void *left, const void *right)
{
    const struct name *a = left;
    const struct name *b = right;

    return strcmp(a->text, b->text);
}

/* Equal names get equal numbers. */
static int number_names(struct axi_planner *planner)
{
    size_t n = planner->problem->node_count;
    struct name *names = calloc(n + 1, sizeof(*names));

    for (int kind = 0; names != NULL && kind < 2; kind++) {
        for (size_t i = 0; i < n; i++) {
            const struct axi_plan_node *given = planner->nodes[i].given;
            const char *text = kind == 0 ? given->place.platforms[0] : given->isa;

            names[i] = (struct name){text != NULL ? text : "", (uint32_t)i};
        }
        qsort(names, n, sizeof(*names), by_text);
        for (size_t i = 0, number = 0; i < n; i++) {
            struct axi_planner_node *node = &planner->nodes[names[i].node];

            number += i > 0 && strcmp(names[i - 1].text, names[i].text) != 0;
            *(kind == 0 ? &node->platform : &node->isa) = (uint32_t)number;
        }
    }
    free(names);
    return names != NULL ? 0 : -AXC_ENOMEM;
}

static void begin_node(struct axi_planner_node *node, const struct axi_plan_node *given)
{
    *node = (struct axi_planner_node){.place = given->place,
                                      .given = given,
                                      .first = NONE,
                                      .first_reserved = NONE,
                                      .risk = axi_failure_risk(given)};
    for (size_t i = 0; i < given->place.task_count; i++) {
        node->density_ppm += density_of(&given->place.tasks[i]);
        node->load_floor_ppm += load_floor_of(&given->place.tasks[i]);
    }
}

static double stake_of(const struct axi_place_task *what)
{
    uint64_t least = PPM;

    for (size_t e = 0; e < what->entry_count; e++) {
        const struct axi_demand_task demand = {what->entries[e].wcet_ns, what->period_ns,
                                               what->deadline_ns};
        uint64_t ppm = counts(&demand) ? axi_place_density_ppm(&demand) : PPM;

        least = ppm < least ? ppm : least;
    }
    return AXI_STAKE_BASE + (double)least / PPM;
}

static void begin_tasks(struct axi_planner *planner)
{
    const struct axi_plan_problem *problem = planner->problem;

    for (size_t i = problem->task_count; i-- > 0;) {
        struct axi_planner_task *t = &planner->tasks[i];
        const struct axi_plan_task *given = &problem->tasks[i];

        *t = (struct axi_planner_task){.given = given,
                                       .node = NONE,
                                       .spare = NONE,
                                       .next_replica = NONE,
                                       .makes_room_for = NONE,
                                       .stake = stake_of(&given->what)};
        if (given->service != NONE) {
            struct axi_planner_service *service = &planner->services[given->service];

            t->next_replica = service->first;
            service->first = (uint32_t)i;
            service->replica_count++;
        }
        if (given->node != NONE) {
            axi_planner_put(planner, (uint32_t)i, given->node);
        }
    }
}

static bool is_in_range(const struct axi_plan_problem *problem)
{
    if (problem->node_count >= NONE || problem->task_count >= NONE) {
        return false;
    }
    for (size_t i = 0; i < problem->task_count; i++) {
        const struct axi_plan_task *task = &problem->tasks[i];

        if ((task->service != NONE && task->service >= problem->service_count) ||
            (task->node != NONE && task->node >= problem->node_count)) {
            return false;
        }
    }
    return true;
}

static int begin(struct axi_planner *planner)
{
    const struct axi_plan_problem *problem = planner->problem;
    size_t most = 0;

    planner->nodes = calloc(problem->node_count + 1, sizeof(*planner->nodes));
    planner->tasks = calloc(problem->task_count + 1, sizeof(*planner->tasks));
    planner->services = calloc(problem->service_count + 1, sizeof(*planner->services));
    planner->options = calloc(problem->node_count + 1, sizeof(*planner->options));
    planner->lost = calloc(problem->node_count + 1, sizeof(*planner->lost));
    for (size_t i = 0; i < problem->node_count; i++) {
        size_t count = problem->nodes[i].place.task_count;

        most = count > most ? count : most;
    }
    planner->demands = calloc(most + problem->task_count + 1, sizeof(*planner->demands));
    if (planner->nodes == NULL || planner->tasks == NULL || planner->services == NULL ||
        planner->options == NULL || planner->lost == NULL || planner->demands == NULL) {
        return -AXC_ENOMEM;
    }
    for (size_t i = 0; i < problem->node_count; i++) {
        begin_node(&planner->nodes[i], &problem->nodes[i]);
    }
    for (size_t i = 0; i < problem->service_count; i++) {
        planner->services[i].first = NONE;
        planner->has_spares = planner->has_spares || problem->services[i].survives_node_loss;
    }
    begin_tasks(planner);
    for (size_t i = 0; i < problem->node_count; i++) {
        struct axi_planner_node *node = &planner->nodes[i];

        node->excess_ppm = (int64_t)axi_sub_sat(node->given->predicted_ppm, node->density_ppm);
    }
    return number_names(planner);
}

int axi_planner_new(const struct axi_plan_problem *problem, struct axi_planner **ret_planner)
{
    struct axi_planner *planner = NULL;
    int rc = 0;

    if (!is_in_range(problem)) {
        return -AXC_EINVALID;
    }
    planner = calloc(1, sizeof(*planner));
    if (planner == NULL) {
        return -AXC_ENOMEM;
    }
    planner->problem = problem;
    rc = begin(planner);
    if (rc != 0) {
        axi_planner_free(planner);
        return rc;
    }
    if (planner->has_spares) {
        axi_spare_prepare(planner);
        planner->journal_count = 0;
    }
    *ret_planner = planner;
    return 0;
}

void axi_planner_free(struct axi_planner *planner)
{
    if (planner == NULL) {
        return;
    }
    free(planner->nodes);
    free(planner->tasks);
    free(planner->services);
    free(planner->options);
    free(planner->lost);
    free(planner->demands);
    free(planner->journal);
    free(planner);
}

int axi_planner_assume(struct axi_planner *planner, size_t task, uint32_t node)
{
    if (task >= planner->problem->task_count ||
        (node != NONE && node >= planner->problem->node_count)) {
        return -AXC_EINVALID;
    }
    axi_planner_move(planner, (uint32_t)task, node);
    planner->journal_count = 0;
    return planner->is_out_of_memory ? -AXC_ENOMEM : 0;
}
