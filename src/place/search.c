/* SPDX-License-Identifier: Apache-2.0 */
/* Local search. Room for a refused task: others that are not more critical leave a node for it and
 * find another, by ejection chains of bounded depth (Glover 1996). Improvement: single moves, then
 * swaps of two, while the score falls. Each step is judged fully, so that the state is feasible
 * whenever the search is stopped. */
#include "place/make.h"

#include <math.h>
#include <stdlib.h>

#define NONE AXI_PLAN_NONE
#define DEPTH_MAX 3u
#define TARGETS_MAX 16u
#define BLOCKERS_MAX 24u
#define PAIRED_MAX 8u
#define TOGETHER_MAX 4u /* blockers that leave one node at once */
#define PART_EACH 8u    /* of the steps left for one refused task */
#define GAIN_MIN 1e-9

struct target {
    uint32_t node;
    double load;
    bool is_replica; /* other replicas of the service are in the way, wherever they are */
};

static bool make_room(struct axi_make *make, uint32_t task, uint32_t depth, uint64_t steps_end);

static bool is_spent(struct axi_make *make, uint64_t steps_end)
{
    return make->planner->steps >= steps_end || axi_make_is_over(make);
}

static bool is_by_replicas(int code)
{
    return code == -AXC_EPLACE_SHARED || code == -AXC_EPLACE_DIVERSITY ||
           code == -AXC_EPLACE_FAILURE;
}

static bool is_by_room(int code)
{
    return code == -AXC_EADMIT_LOAD || code == -AXC_EADMIT_MEMORY || code == -AXC_EADMIT_SLOTS ||
           code == -AXC_EPLACE_SPARE;
}

/* Nodes that the task could have if others left, the least loaded first. */
static uint32_t list_targets(struct axi_make *make, uint32_t task, uint32_t most,
                             struct target *targets)
{
    struct axi_planner *planner = make->planner;
    uint32_t count = 0;

    for (uint32_t n = 0; n < planner->problem->node_count; n++) {
        struct axi_planner_node *node = &planner->nodes[n];
        struct target target = {.node = n};
        double score = 0;
        int code = axi_judge_full(planner, task, n, &score);
        uint32_t at = count;

        target.is_replica = is_by_replicas(code);
        if (!target.is_replica && !is_by_room(code)) {
            continue;
        }
        target.load = (double)node->density_ppm / ((double)node->place.capacity_ppm + 1);
        if (at == most) {
            if (target.load >= targets[at - 1].load) {
                continue;
            }
            at--;
        } else {
            count++;
        }
        for (; at > 0 && target.load < targets[at - 1].load; at--) {
            targets[at] = targets[at - 1];
        }
        targets[at] = target;
    }
    return count;
}

/* What runs is disturbed only for what is at least as critical; what is on its way anyway, for
 * anything, since it finds another place. */
static bool may_give_way(const struct axi_make *make, uint32_t task, uint32_t other)
{
    const struct axi_planner_task *t = &make->planner->tasks[other];
    bool is_disturbed = t->node == t->given->node;

    return other != task && t->node != NONE && !t->is_locked &&
           (!is_disturbed ||
            t->given->criticality <= make->planner->tasks[task].given->criticality) &&
           axi_make_may_move(make, other);
}

/* New ones before those that run, the less critical first, the smaller first. */
static bool leaves_before(const struct axi_planner *planner, uint32_t a, uint32_t b)
{
    const struct axi_planner_task *x = &planner->tasks[a];
    const struct axi_planner_task *y = &planner->tasks[b];
    bool x_moves = x->given->node == x->node;
    bool y_moves = y->given->node == y->node;

    if (x_moves != y_moves) {
        return y_moves;
    }
    if (x->given->criticality != y->given->criticality) {
        return x->given->criticality < y->given->criticality;
    }
    return x->density_ppm != y->density_ppm ? x->density_ppm < y->density_ppm : a < b;
}

static void add_blocker(const struct axi_make *make, uint32_t task, uint32_t other,
                        uint32_t *blockers, uint32_t *count)
{
    uint32_t at = *count;

    if (!may_give_way(make, task, other)) {
        return;
    }
    if (at == BLOCKERS_MAX) {
        at--;
        if (!leaves_before(make->planner, other, blockers[at])) {
            return;
        }
    } else {
        ++*count;
    }
    for (; at > 0 && leaves_before(make->planner, other, blockers[at - 1]); at--) {
        blockers[at] = blockers[at - 1];
    }
    blockers[at] = other;
}

static uint32_t list_blockers(const struct axi_make *make, uint32_t task,
                              const struct target *target, uint32_t *blockers)
{
    const struct axi_planner *planner = make->planner;
    uint32_t count = 0;

    if (target->is_replica) {
        for (uint32_t t = planner->services[planner->tasks[task].given->service].first; t != NONE;
             t = planner->tasks[t].next_replica) {
            if (planner->tasks[t].node != target->node) {
                add_blocker(make, task, t, blockers, &count);
            }
        }
    }
    for (uint32_t t = planner->nodes[target->node].first; t != NONE; t = planner->tasks[t].next) {
        add_blocker(make, task, t, blockers, &count);
    }
    return count;
}

static bool is_within_moves(const struct axi_make *make)
{
    return make->options->moves_max == 0 || make->moved <= make->options->moves_max;
}

static bool place_elsewhere(struct axi_make *make, uint32_t task, uint32_t depth,
                            uint64_t steps_end)
{
    struct axi_planner_scan scan;

    axi_planner_scan(make->planner, task, NULL, 0, &scan);
    if (scan.count == 0) {
        return depth < DEPTH_MAX && make_room(make, task, depth + 1, steps_end);
    }
    axi_make_move(make, task, scan.best[0].node);
    axi_make_decide(make, task, &scan);
    return is_within_moves(make);
}

/* The task takes the node; those that left it find others. They do not come back for each other:
 * what is placed in this chain stays. */
static bool exchange(struct axi_make *make, uint32_t task, uint32_t node, const uint32_t *left,
                     uint32_t count, uint32_t depth, uint64_t steps_end)
{
    struct axi_planner *planner = make->planner;
    double score = 0;
    uint32_t placed = 0;

    if (axi_judge_full(planner, task, node, &score) != 0) {
        return false;
    }
    axi_make_move(make, task, node);
    planner->tasks[task].is_locked = true;
    while (placed < count && is_within_moves(make) &&
           place_elsewhere(make, left[placed], depth, steps_end)) {
        planner->tasks[left[placed]].is_locked = true;
        placed++;
    }
    for (uint32_t i = 0; i < placed; i++) {
        planner->tasks[left[i]].is_locked = false;
    }
    planner->tasks[task].is_locked = false;
    return placed == count;
}

static bool try_singles(struct axi_make *make, uint32_t task, uint32_t node,
                        const uint32_t *blockers, uint32_t count, uint32_t depth,
                        uint64_t steps_end)
{
    for (uint32_t i = 0; i < count && !is_spent(make, steps_end); i++) {
        size_t mark = axi_planner_mark(make->planner);

        axi_make_move(make, blockers[i], NONE);
        if (exchange(make, task, node, &blockers[i], 1, depth, steps_end)) {
            return true;
        }
        axi_make_rollback(make, mark);
    }
    return false;
}

/* Two leave, any two; alone they have been tried. */
static bool try_pairs(struct axi_make *make, uint32_t task, uint32_t node, const uint32_t *blockers,
                      uint32_t count, uint32_t depth, uint64_t steps_end)
{
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t k = 0; k < i && !is_spent(make, steps_end); k++) {
            const uint32_t left[2] = {blockers[i], blockers[k]};
            size_t mark = axi_planner_mark(make->planner);

            axi_make_move(make, left[0], NONE);
            axi_make_move(make, left[1], NONE);
            if (exchange(make, task, node, left, 2, depth, steps_end)) {
                return true;
            }
            axi_make_rollback(make, mark);
        }
    }
    return false;
}

/* Several leave, the largest first, until the task fits. */
static bool try_many(struct axi_make *make, uint32_t task, uint32_t node, const uint32_t *blockers,
                     uint32_t count, uint32_t depth, uint64_t steps_end)
{
    size_t mark = axi_planner_mark(make->planner);
    uint32_t left[TOGETHER_MAX];
    double score = 0;

    for (uint32_t i = 0; i < TOGETHER_MAX && i < count && !is_spent(make, steps_end); i++) {
        left[i] = blockers[count - 1 - i];
        axi_make_move(make, left[i], NONE);
        if (i >= 2 && axi_judge_full(make->planner, task, node, &score) == 0) {
            if (exchange(make, task, node, left, i + 1, depth, steps_end)) {
                return true;
            }
            break;
        }
    }
    axi_make_rollback(make, mark);
    return false;
}

/* The task is nowhere. True: it is placed, and so is whatever gave way. */
static bool make_room(struct axi_make *make, uint32_t task, uint32_t depth, uint64_t steps_end)
{
    struct target targets[TARGETS_MAX];
    uint32_t blockers[BLOCKERS_MAX];
    uint32_t most = TARGETS_MAX >> depth;
    uint32_t targets_count = list_targets(make, task, most > 4 ? most : 4, targets);

    for (uint32_t i = 0; i < targets_count && !is_spent(make, steps_end); i++) {
        uint32_t count = list_blockers(make, task, &targets[i], blockers);

        if (try_singles(make, task, targets[i].node, blockers, count, depth, steps_end) ||
            try_pairs(make, task, targets[i].node, blockers,
                      count < PAIRED_MAX ? count : PAIRED_MAX, depth, steps_end) ||
            try_many(make, task, targets[i].node, blockers, count, depth, steps_end)) {
            return true;
        }
    }
    return false;
}

static void charge(struct axi_make *make, uint64_t steps_before)
{
    uint64_t used = make->planner->steps - steps_before;

    make->steps_left = make->steps_left > used ? make->steps_left - used : 0;
}

bool axi_make_room(struct axi_make *make, uint32_t task)
{
    struct axi_planner *planner = make->planner;
    uint64_t before = planner->steps;
    size_t mark = axi_planner_mark(planner);
    bool is_placed = false;

    if (make->steps_left == 0) {
        return false;
    }
    axi_make_move(make, task, NONE);
    is_placed = make_room(make, task, 0, before + make->steps_left / PART_EACH + 1);
    charge(make, before);
    if (!is_placed) {
        axi_make_rollback(make, mark);
        return false;
    }
    for (size_t i = mark; i < axi_planner_mark(planner); i++) {
        const struct axi_planner_change *change = &planner->journal[i];

        if (!change->is_spare && change->task != task) {
            planner->tasks[change->task].makes_room_for = task;
        }
    }
    return true;
}

/* ---- improvement ---- */

static bool may_improve(const struct axi_make *make, uint32_t task)
{
    const struct axi_planner_task *t = &make->planner->tasks[task];
    bool is_new = t->given->node == NONE || t->given->node != t->node;

    return t->node != NONE && (is_new || make->options->is_rebalancing) &&
           axi_make_may_move(make, task);
}

/* Its score where it is; INFINITY when that is refused. The task is nowhere. */
static double score_at(struct axi_make *make, uint32_t task, uint32_t node)
{
    double score = 0;

    return axi_judge_quick(make->planner, task, node, &score) >= 0 ? score : INFINITY;
}

static bool try_move(struct axi_make *make, uint32_t task)
{
    struct axi_planner *planner = make->planner;
    size_t mark = axi_planner_mark(planner);
    uint32_t node = planner->tasks[task].node;
    struct axi_planner_scan scan;
    double here = 0;

    axi_make_move(make, task, NONE);
    here = score_at(make, task, node);
    axi_planner_scan(planner, task, NULL, 0, &scan);
    if (scan.count == 0 || scan.best[0].node == node || scan.best[0].score >= here - GAIN_MIN) {
        axi_make_rollback(make, mark);
        return false;
    }
    axi_make_move(make, task, scan.best[0].node);
    axi_make_decide(make, task, &scan);
    return true;
}

/* Both are nowhere: what it costs to have `a` there and then `b` here. */
static double score_pair(struct axi_make *make, uint32_t a, uint32_t there, uint32_t b,
                         uint32_t here, bool is_judged)
{
    struct axi_planner *planner = make->planner;
    size_t mark = axi_planner_mark(planner);
    double first = 0;
    double second = INFINITY;

    if (is_judged && axi_judge_full(planner, a, there, &first) != 0) {
        return INFINITY;
    }
    first = is_judged ? first : score_at(make, a, there);
    axi_make_move(make, a, there);
    if (!is_judged) {
        second = score_at(make, b, here);
    } else if (axi_judge_full(planner, b, here, &second) != 0) {
        second = INFINITY;
    }
    axi_make_rollback(make, mark);
    return first + second;
}

static bool try_swap(struct axi_make *make, uint32_t a, uint32_t b)
{
    struct axi_planner *planner = make->planner;
    size_t mark = axi_planner_mark(planner);
    uint32_t here = planner->tasks[a].node;
    uint32_t there = planner->tasks[b].node;
    double before = 0;

    axi_make_move(make, a, NONE);
    axi_make_move(make, b, NONE);
    before = score_pair(make, a, here, b, there, false);
    if (score_pair(make, a, there, b, here, true) >= before - GAIN_MIN) {
        axi_make_rollback(make, mark);
        return false;
    }
    axi_make_move(make, a, there);
    axi_make_move(make, b, here);
    if (!is_within_moves(make)) {
        axi_make_rollback(make, mark);
        return false;
    }
    return true;
}

/* With any task of the least loaded of the nodes. */
static bool try_swaps(struct axi_make *make, uint32_t task, uint64_t steps_end)
{
    struct axi_planner *planner = make->planner;
    struct target targets[TARGETS_MAX];
    uint32_t own = planner->tasks[task].node;
    size_t mark = axi_planner_mark(planner);
    uint32_t count = 0;

    axi_make_move(make, task, NONE);
    count = list_targets(make, task, TARGETS_MAX / 2, targets);
    axi_make_rollback(make, mark);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t next = NONE;
        uint32_t tried = 0;

        if (targets[i].node == own) {
            continue;
        }
        for (uint32_t t = planner->nodes[targets[i].node].first; t != NONE && tried < BLOCKERS_MAX;
             t = next, tried++) {
            next = planner->tasks[t].next;
            if (is_spent(make, steps_end)) {
                return false;
            }
            if (t != task && may_improve(make, t) && try_swap(make, task, t)) {
                return true;
            }
            /* A failed swap has put it first in its node's list: the rest is as it was. */
        }
    }
    return false;
}

static int by_load(const void *left, const void *right, void *context)
{
    const struct axi_planner *planner = context;
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    const struct axi_planner_node *x = &planner->nodes[planner->tasks[a].node];
    const struct axi_planner_node *y = &planner->nodes[planner->tasks[b].node];
    double difference = axi_score_load(y, y->density_ppm) - axi_score_load(x, x->density_ppm);

    if (difference != 0) {
        return difference > 0 ? 1 : -1;
    }
    return (a > b) - (a < b);
}

/* Those on the most loaded nodes first. */
static uint32_t list_candidates(struct axi_make *make)
{
    const struct axi_planner *planner = make->planner;
    uint32_t count = 0;

    for (uint32_t t = 0; t < planner->problem->task_count; t++) {
        if (may_improve(make, t)) {
            make->order[count++] = t;
        }
    }
    qsort_r(make->order, count, sizeof(*make->order), by_load, make->planner);
    return count;
}

bool axi_make_improve(struct axi_make *make)
{
    uint64_t before = make->planner->steps;
    uint64_t steps_end = before + make->steps_left;
    bool has_changed = false;
    bool is_better = true;

    while (is_better && !is_spent(make, steps_end)) {
        uint32_t count = list_candidates(make);

        is_better = false;
        for (uint32_t i = 0; i < count && !is_spent(make, steps_end); i++) {
            uint32_t t = make->order[i];

            if (may_improve(make, t) && (try_move(make, t) || try_swaps(make, t, steps_end))) {
                is_better = has_changed = true;
            }
            make->planner->journal_count = 0;
        }
    }
    charge(make, before);
    return has_changed;
}
