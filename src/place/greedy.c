/* SPDX-License-Identifier: Apache-2.0 */
/* Decreasing first fit with regret: tasks in order of criticality and utilisation, both falling;
 * among the next few of one rank, first the one that would lose most by its second best node
 * instead of its best (Potvin and Rousseau 1993, for routes). A scan keeps the best few nodes, so
 * that a placement costs one more judgement for each other task of the window, not one more scan.
 */
#include "place/make.h"

#include <math.h>
#include <string.h>

#define NONE AXI_PLAN_NONE
#define WINDOW 8u

struct waiting {
    uint32_t task;
    bool is_scanned;
    struct axi_planner_scan scan;
};

struct window {
    struct axi_make *make;
    uint32_t count;
    struct waiting of[WINDOW];
};

/* Four classes for each power of two of the least density. */
static uint32_t utilisation_class(const struct axi_planner_task *task)
{
    uint64_t ppm = (uint64_t)(task->stake * 1e6);
    uint32_t high = 0;

    while (ppm >= 8) {
        ppm >>= 1;
        high++;
    }
    return high * 4 + (uint32_t)ppm;
}

int axi_make_compare_rank(const struct axi_make *make, uint32_t a, uint32_t b)
{
    const struct axi_planner_task *x = &make->planner->tasks[a];
    const struct axi_planner_task *y = &make->planner->tasks[b];
    uint32_t left = utilisation_class(x);
    uint32_t right = utilisation_class(y);

    if (make->boosts[a] != make->boosts[b]) {
        return make->boosts[a] > make->boosts[b] ? -1 : 1;
    }
    if (x->given->criticality != y->given->criticality) {
        return x->given->criticality > y->given->criticality ? -1 : 1;
    }
    return left != right ? (left > right ? -1 : 1) : 0;
}

static void rescan(struct window *window, struct waiting *waiting)
{
    struct axi_planner *planner = window->make->planner;
    size_t mark = axi_planner_mark(planner);

    axi_planner_move(planner, waiting->task, NONE);
    axi_planner_scan(planner, waiting->task, NULL, 0, &waiting->scan);
    axi_planner_rollback(planner, mark);
    waiting->is_scanned = true;
}

static double regret(const struct waiting *waiting)
{
    const struct axi_planner_scan *scan = &waiting->scan;

    if (scan->count < 2) {
        return INFINITY;
    }
    return scan->best[1].score - scan->best[0].score;
}

/* The most urgent: what only one node takes, or none; then by regret, then the first. */
static uint32_t most_urgent(const struct window *window)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < window->count; i++) {
        if (regret(&window->of[i]) > regret(&window->of[best])) {
            best = i;
        }
    }
    return best;
}

/* The node has a task more: its place among the kept ones is judged again. All others score as
 * before, so the scan stays good while two are left that beat what was not kept. */
static void refresh(struct window *window, struct waiting *waiting, uint32_t node)
{
    struct axi_planner *planner = window->make->planner;
    struct axi_planner_scan *scan = &waiting->scan;
    struct axi_planner_option option = {.node = node};
    uint32_t at = 0;

    while (at < scan->count && scan->best[at].node != node) {
        at++;
    }
    if (at == scan->count) {
        return;
    }
    scan->count--;
    memmove(&scan->best[at], &scan->best[at + 1], (scan->count - at) * sizeof(scan->best[0]));
    option.quick = planner->tasks[waiting->task].node == NONE
                       ? axi_judge_quick(planner, waiting->task, node, &option.score)
                       : -AXC_EBUSY;
    if (option.quick >= 0 && option.score <= scan->frontier) {
        for (at = scan->count; at > 0 && option.score < scan->best[at - 1].score; at--) {
            scan->best[at] = scan->best[at - 1];
        }
        scan->best[at] = option;
        scan->count++;
    }
    waiting->is_scanned = scan->count >= 2 || (scan->count == 1 && isinf(scan->frontier));
}

static void tell(struct window *window, uint32_t task, uint32_t node)
{
    const struct axi_planner *planner = window->make->planner;
    uint32_t service = planner->tasks[task].given->service;

    for (uint32_t i = 0; i < window->count; i++) {
        struct waiting *waiting = &window->of[i];

        if (service != NONE && planner->tasks[waiting->task].given->service == service) {
            waiting->is_scanned = false;
        } else if (waiting->is_scanned) {
            refresh(window, waiting, node);
        }
    }
}

/* True when the best node of the scan still takes the task, fully judged; then it is there. */
static bool place(struct window *window, struct waiting *waiting)
{
    struct axi_make *make = window->make;
    size_t mark = axi_planner_mark(make->planner);
    uint32_t node = waiting->scan.best[0].node;
    double score = 0;

    axi_make_move(make, waiting->task, NONE);
    if (axi_judge_full(make->planner, waiting->task, node, &score) != 0) {
        axi_make_rollback(make, mark);
        return false;
    }
    axi_make_move(make, waiting->task, node);
    axi_make_decide(make, waiting->task, &waiting->scan);
    return true;
}

static void place_one(struct window *window)
{
    struct axi_make *make = window->make;
    struct waiting *waiting = NULL;
    struct waiting done;
    bool is_placed = false;
    bool has_room = false;

    for (uint32_t i = 0; i < window->count; i++) {
        if (!window->of[i].is_scanned) {
            rescan(window, &window->of[i]);
        }
    }
    waiting = &window->of[most_urgent(window)];
    done = *waiting;
    if (!axi_make_may_move(make, done.task)) {
        is_placed = false; /* as many have moved as may */
    } else if (done.scan.count == 0) {
        axi_make_refuse(make, done.task, &done.scan);
        has_room = axi_make_room(make, done.task);
    } else if (place(window, &done)) {
        is_placed = true;
    } else {
        waiting->is_scanned = false; /* the node has filled up since */
        return;
    }
    window->count--;
    memmove(waiting, waiting + 1,
            (size_t)(&window->of[window->count] - waiting) * sizeof(*waiting));
    if (is_placed) {
        tell(window, done.task, done.scan.best[0].node);
    }
    for (uint32_t i = 0; has_room && i < window->count; i++) {
        window->of[i].is_scanned = false;
    }
}

void axi_make_greedy(struct axi_make *make, uint32_t count)
{
    struct window window = {.make = make};
    uint32_t next = 0;

    while (next < count || window.count > 0) {
        while (next < count && window.count < WINDOW &&
               (window.count == 0 ||
                axi_make_compare_rank(make, window.of[0].task, make->order[next]) == 0)) {
            window.of[window.count++] = (struct waiting){.task = make->order[next++]};
        }
        if (window.count > 0) {
            place_one(&window);
        }
        make->planner->journal_count = 0;
    }
}
