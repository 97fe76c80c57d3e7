/* SPDX-License-Identifier: Apache-2.0 */
#include "place/make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE AXI_PLAN_NONE
#define STEPS_LEAST 50000u
#define STEPS_EACH 200u

/* ---- moves ---- */

/* It runs somewhere: not nowhere, nor on a node that is down. */
static bool is_running(const struct axi_planner *planner, uint32_t task)
{
    uint32_t node = planner->tasks[task].given->node;

    return node != NONE && planner->nodes[node].place.is_ready;
}

static bool is_moved(const struct axi_planner *planner, uint32_t task)
{
    const struct axi_planner_task *t = &planner->tasks[task];

    return is_running(planner, task) && t->node != NONE && t->node != t->given->node;
}

bool axi_make_may_move(const struct axi_make *make, uint32_t task)
{
    const struct axi_planner_task *t = &make->planner->tasks[task];

    if (t->given->node == NONE) {
        return true;
    }
    return t->given->is_movable &&
           (make->options->moves_max == 0 || !is_running(make->planner, task) ||
            is_moved(make->planner, task) || make->moved < make->options->moves_max);
}

void axi_make_move(struct axi_make *make, uint32_t task, uint32_t node)
{
    make->moved -= is_moved(make->planner, task);
    axi_planner_move(make->planner, task, node);
    make->moved += is_moved(make->planner, task);
}

void axi_make_rollback(struct axi_make *make, size_t mark)
{
    struct axi_planner *planner = make->planner;

    while (axi_planner_mark(planner) > mark) {
        size_t last = axi_planner_mark(planner) - 1;
        uint32_t task = planner->journal[last].task;

        make->moved -= is_moved(planner, task);
        axi_planner_rollback(planner, last);
        make->moved += is_moved(planner, task);
    }
}

bool axi_make_is_over(struct axi_make *make)
{
    const struct axi_plan_options *options = make->options;

    make->is_over = make->is_over || make->planner->is_out_of_memory ||
                    (options->is_over != NULL && options->is_over(options->context));
    return make->is_over;
}

/* ---- what is said ---- */

void axi_make_decide(struct axi_make *make, uint32_t task, const struct axi_planner_scan *scan)
{
    make->decisions[task] = (struct axi_make_decision){
        .won = scan->best[0], .next = scan->best[1], .count = scan->count < 2 ? scan->count : 2};
}

void axi_make_refuse(struct axi_make *make, uint32_t task, const struct axi_planner_scan *scan)
{
    struct axi_plan_choice *choice = &make->choices[task];
    size_t mark = axi_planner_mark(make->planner);

    axi_make_move(make, task, NONE);
    choice->code = axi_tally_code(&scan->tally);
    choice->reason[0] = '\0';
    axi_reason_tally(make->planner, task, &scan->tally, choice->reason);
    axi_make_rollback(make, mark);
}

static void say_chosen(struct axi_make *make, uint32_t task)
{
    const struct axi_planner_task *t = &make->planner->tasks[task];
    const struct axi_make_decision *decision = &make->decisions[task];
    const struct axi_planner_scan scan = {.count = decision->count,
                                          .best = {decision->won, decision->next}};
    bool is_decided = decision->count > 0 && decision->won.node == t->node;
    char *reason = make->choices[task].reason;

    reason[0] = '\0';
    if (t->makes_room_for != NONE) {
        (void)snprintf(reason, AXI_PLAN_REASON_BYTES,
                       "makes room for %s: ", make->planner->tasks[t->makes_room_for].given->name);
    } else if (t->node == t->given->node) {
        (void)snprintf(reason, AXI_PLAN_REASON_BYTES, "stays: ");
    }
    axi_reason_chosen(make->planner, task, t->node, is_decided ? &scan : NULL, reason);
}

/* It should leave, and is still there: perhaps others have left since. */
static void say_staying(struct axi_make *make, uint32_t task)
{
    struct axi_planner *planner = make->planner;
    struct axi_plan_choice *choice = &make->choices[task];
    uint32_t node = planner->tasks[task].node;
    size_t mark = axi_planner_mark(planner);
    char others[AXI_PLAN_REASON_BYTES];
    double score = 0;
    size_t used = 0;

    axi_make_move(make, task, NONE);
    choice->code = axi_judge_full(planner, task, node, &score);
    if (choice->code != 0) {
        (void)snprintf(others, sizeof(others), "%s", choice->reason);
        choice->reason[0] = '\0';
        axi_reason_refused(planner, task, node, choice->code, choice->reason);
        used = strlen(choice->reason);
        if (others[0] == '\0') {
            (void)snprintf(others, sizeof(others), "%u tasks move already",
                           make->options->moves_max);
        }
        (void)snprintf(choice->reason + used, sizeof(choice->reason) - used, "; stays: %s", others);
    }
    axi_make_rollback(make, mark);
    if (choice->code == 0) {
        say_chosen(make, task);
    }
}

static void finish(struct axi_make *make, struct axi_plan *plan)
{
    struct axi_planner *planner = make->planner;

    plan->score = axi_score_total(planner);
    for (uint32_t t = 0; t < planner->problem->task_count; t++) {
        struct axi_plan_choice *choice = &make->choices[t];
        const struct axi_planner_task *task = &planner->tasks[t];

        choice->node = task->node;
        if (task->node != NONE && task->node == task->given->node && make->own_codes[t] != 0) {
            say_staying(make, t);
        } else if (task->node != NONE) {
            choice->code = 0;
            say_chosen(make, t);
            plan->placed += !is_running(planner, t) && task->node != task->given->node;
            plan->moved += is_moved(planner, t);
        }
        if (choice->code != 0) {
            plan->refused++;
            plan->score += AXI_WEIGHT_REFUSED * (1 + (double)task->given->criticality);
        }
    }
}

/* ---- what is to be placed ---- */

static int by_criticality_rising(const void *left, const void *right, void *context)
{
    const struct axi_planner *planner = context;
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    uint32_t x = planner->tasks[a].given->criticality;
    uint32_t y = planner->tasks[b].given->criticality;

    return x != y ? (x > y) - (x < y) : (a > b) - (a < b);
}

static int by_rank(const void *left, const void *right, void *context)
{
    const struct axi_make *make = context;
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    int rank = axi_make_compare_rank(make, a, b);

    return rank != 0 ? rank : (a > b) - (a < b);
}

/* Tasks that no longer fit where they are, the least critical first; each is taken off before the
 * next is judged, so that no more leave than must. They count where they are until they move. */
static void judge_present(struct axi_make *make)
{
    struct axi_planner *planner = make->planner;
    size_t count = 0;
    size_t mark = 0;

    for (uint32_t t = 0; t < planner->problem->task_count; t++) {
        if (planner->tasks[t].node != NONE && planner->tasks[t].given->is_movable) {
            make->order[count++] = t;
        }
    }
    qsort_r(make->order, count, sizeof(*make->order), by_criticality_rising, planner);
    for (size_t i = 0; i < count; i++) { /* those on nodes that are down run nowhere */
        if (!is_running(planner, make->order[i])) {
            axi_planner_move(planner, make->order[i], NONE);
        }
    }
    mark = axi_planner_mark(planner);
    for (size_t i = 0; i < count; i++) {
        uint32_t t = make->order[i];
        uint32_t node = planner->tasks[t].node;
        size_t before = axi_planner_mark(planner);
        double score = 0;

        if (node == NONE) {
            continue;
        }
        axi_planner_move(planner, t, NONE);
        make->own_codes[t] = axi_judge_full(planner, t, node, &score);
        if (make->own_codes[t] == 0) {
            axi_planner_rollback(planner, before);
        }
    }
    axi_planner_rollback(planner, mark);
}

bool axi_make_is_waiting(const struct axi_make *make, uint32_t task)
{
    const struct axi_planner_task *t = &make->planner->tasks[task];

    return t->node == NONE || (make->own_codes[task] != 0 && t->node == t->given->node);
}

void axi_make_pass(struct axi_make *make)
{
    uint32_t count = 0;

    for (uint32_t t = 0; t < make->planner->problem->task_count; t++) {
        if (axi_make_is_waiting(make, t)) {
            make->order[count++] = t;
        }
    }
    qsort_r(make->order, count, sizeof(*make->order), by_rank, make);
    axi_make_greedy(make, count);
}

static void plan_all(struct axi_make *make, uint32_t *beginning, uint32_t *best)
{
    struct axi_planner *planner = make->planner;
    size_t tasks = planner->problem->task_count;
    uint64_t steps = make->options->steps;

    make->steps_left = steps != 0 ? steps : STEPS_LEAST + STEPS_EACH * (uint64_t)tasks;
    judge_present(make);
    for (size_t t = 0; t < tasks; t++) {
        beginning[t] = planner->tasks[t].node;
    }
    planner->steps = 0;
    axi_make_pass(make);
    make->greedy_steps = planner->steps;
    axi_make_rounds(make, beginning, best);
    if (axi_make_improve(make)) { /* there may be room that was not there before */
        axi_make_pass(make);
    }
}

static int begin(struct axi_make *make, size_t tasks)
{
    make->choices = calloc(tasks + 1, sizeof(*make->choices));
    make->decisions = calloc(tasks + 1, sizeof(*make->decisions));
    make->own_codes = calloc(tasks + 1, sizeof(*make->own_codes));
    make->order = calloc(tasks + 1, sizeof(*make->order));
    make->boosts = calloc(tasks + 1, sizeof(*make->boosts));
    return make->choices != NULL && make->decisions != NULL && make->own_codes != NULL &&
                   make->order != NULL && make->boosts != NULL
               ? 0
               : -AXC_ENOMEM;
}

int axi_plan_make(const struct axi_plan_problem *problem, const struct axi_plan_options *options,
                  struct axi_plan *ret_plan)
{
    static const struct axi_plan_options none;
    struct axi_make make = {.options = options != NULL ? options : &none};
    struct axi_plan plan = {0};
    uint32_t *nodes = NULL;
    int rc = axi_planner_new(problem, &make.planner);

    if (rc != 0) {
        return rc;
    }
    rc = begin(&make, problem->task_count);
    nodes = calloc(2 * problem->task_count + 1, sizeof(*nodes));
    rc = nodes == NULL ? -AXC_ENOMEM : rc;
    if (rc == 0) {
        plan_all(&make, nodes, nodes + problem->task_count);
        finish(&make, &plan);
        rc = make.planner->is_out_of_memory ? -AXC_ENOMEM : 0;
    }
    plan.choices = make.choices;
    free(nodes);
    free(make.decisions);
    free(make.own_codes);
    free(make.order);
    free(make.boosts);
    axi_planner_free(make.planner);
    if (rc != 0) {
        axi_plan_clear(&plan);
        return rc;
    }
    *ret_plan = plan;
    return 0;
}

void axi_plan_clear(struct axi_plan *plan)
{
    free(plan->choices);
    *plan = (struct axi_plan){0};
}
