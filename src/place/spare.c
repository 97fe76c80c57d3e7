/* SPDX-License-Identifier: Apache-2.0 */
/* N-1: when a node is lost, the tasks there whose services ask for it must all find a place in the
 * rest, beside each other. Each of them has a witness of that, its spare: the node where it would
 * go. Spares of tasks of different nodes do not add up, since one node is lost at a time. A task
 * that comes to a node is judged with the spares there; those that it pushes away are searched
 * again.
 *
 * The search is depth first over the lost node's tasks (criticality, then density, falling), each
 * tried at its former spare and then at the nodes in turn; it looks at SEARCH_NODES nodes for each
 * in all and gives up after that. So a spare is proven, but a refusal may be too careful in a
 * cluster that is nearly full. Tasks that have no spare to begin with hinder nobody. */
#include "place/planner.h"

#include <string.h>

#define NONE AXI_PLAN_NONE
#define GROUP_MAX 128u /* tasks of one node that ask; more are refused */
#define SEARCH_NODES 16u
#define SEARCH_MORE 1024u

struct search {
    struct axi_planner *planner;
    uint32_t lost;
    uint32_t count;
    uint64_t budget;
    uint32_t tasks[GROUP_MAX];
    uint32_t found[GROUP_MAX];
};

static bool asks(const struct axi_planner *planner, uint32_t task)
{
    uint32_t service = planner->tasks[task].given->service;

    return service != NONE && planner->problem->services[service].survives_node_loss;
}

static bool goes_before(const struct axi_planner *planner, uint32_t a, uint32_t b)
{
    const struct axi_planner_task *x = &planner->tasks[a];
    const struct axi_planner_task *y = &planner->tasks[b];

    if (x->given->criticality != y->given->criticality) {
        return x->given->criticality > y->given->criticality;
    }
    return x->stake != y->stake ? x->stake > y->stake : a < b;
}

static bool add(struct search *search, uint32_t task)
{
    uint32_t at = search->count;

    if (at == GROUP_MAX) {
        return false;
    }
    while (at > 0 && goes_before(search->planner, task, search->tasks[at - 1])) {
        search->tasks[at] = search->tasks[at - 1];
        at--;
    }
    search->tasks[at] = task;
    search->count++;
    return true;
}

/* What asks on the lost node, and one that would be there. */
static bool collect(struct search *search, uint32_t extra)
{
    const struct axi_planner *planner = search->planner;

    for (uint32_t t = planner->nodes[search->lost].first; t != NONE; t = planner->tasks[t].next) {
        if (asks(planner, t) && !add(search, t)) {
            return false;
        }
    }
    return extra == NONE || add(search, extra);
}

static bool place_rest(struct search *search, uint32_t i);

static bool place_at(struct search *search, uint32_t i, uint32_t node)
{
    struct axi_planner *planner = search->planner;
    uint32_t task = search->tasks[i];
    bool is_placed = false;

    if (node == search->lost || search->budget == 0) {
        return false;
    }
    search->budget--;
    if (axi_judge_bare(planner, task, node) != 0) {
        return false;
    }
    axi_planner_put(planner, task, node);
    search->found[i] = node;
    is_placed = place_rest(search, i + 1);
    axi_planner_take(planner, task);
    return is_placed;
}

static bool place_rest(struct search *search, uint32_t i)
{
    uint32_t n = (uint32_t)search->planner->problem->node_count;
    uint32_t former = NONE;

    if (i == search->count) {
        return true;
    }
    former = search->planner->tasks[search->tasks[i]].spare;
    if (former != NONE && place_at(search, i, former)) {
        return true;
    }
    for (uint32_t k = 1; k < n && search->budget > 0; k++) {
        uint32_t node = (search->lost + k) % n;

        if (node != former && place_at(search, i, node)) {
            return true;
        }
    }
    return false;
}

/* Finds the spares of a node's tasks, and of one that is nowhere but would be there. */
static bool find(struct axi_planner *planner, uint32_t lost, uint32_t extra, struct search *search)
{
    uint32_t here = 0;
    bool is_found = false;

    search->planner = planner;
    search->lost = lost;
    search->count = 0;
    search->budget = SEARCH_NODES * planner->problem->node_count + SEARCH_MORE;
    if (!collect(search, extra)) {
        return false;
    }
    for (here = 0; here < search->count; here++) {
        axi_planner_take(planner, search->tasks[here]);
    }
    is_found = place_rest(search, 0);
    while (here-- > 0) {
        if (search->tasks[here] != extra) {
            axi_planner_put(planner, search->tasks[here], lost);
        }
    }
    return is_found;
}

static void keep(struct axi_planner *planner, const struct search *search)
{
    for (uint32_t i = 0; i < search->count; i++) {
        axi_planner_set_spare(planner, search->tasks[i], search->found[i]);
    }
}

static bool is_whole(const struct axi_planner *planner, uint32_t node)
{
    for (uint32_t t = planner->nodes[node].first; t != NONE; t = planner->tasks[t].next) {
        if (asks(planner, t) && planner->tasks[t].spare == NONE) {
            return false;
        }
    }
    return true;
}

static uint32_t add_lost(struct axi_planner *planner, uint32_t count, uint32_t node)
{
    for (uint32_t i = 0; i < count; i++) {
        if (planner->lost[i] == node) {
            return count;
        }
    }
    planner->lost[count] = node;
    return count + 1;
}

/* Nodes whose tasks have a spare that the task, being on `node`, may be in the way of: spares on
 * that node, and those of its fellow replicas anywhere. */
static uint32_t list_touched(struct axi_planner *planner, uint32_t task, uint32_t node)
{
    uint32_t service = planner->tasks[task].given->service;
    uint32_t count = 0;

    for (uint32_t t = planner->nodes[node].first_reserved; t != NONE;
         t = planner->tasks[t].next_reserved) {
        if (t != task && planner->tasks[t].node != NONE && planner->tasks[t].node != node) {
            count = add_lost(planner, count, planner->tasks[t].node);
        }
    }
    if (service == NONE) {
        return count;
    }
    for (uint32_t t = planner->services[service].first; t != NONE;
         t = planner->tasks[t].next_replica) {
        if (t != task && planner->tasks[t].spare != NONE && planner->tasks[t].node != NONE &&
            planner->tasks[t].node != node) {
            count = add_lost(planner, count, planner->tasks[t].node);
        }
    }
    return count;
}

int axi_spare_judge(struct axi_planner *planner, uint32_t task, uint32_t node, uint32_t *ret_lost)
{
    struct search search;
    uint32_t count = 0;
    int code = 0;

    if (asks(planner, task) && !find(planner, node, task, &search)) {
        *ret_lost = node;
        return -AXC_EPLACE_SPARE;
    }
    count = list_touched(planner, task, node);
    if (count == 0) {
        return 0;
    }
    axi_planner_put(planner, task, node);
    for (uint32_t i = 0; i < count && code == 0; i++) {
        if (is_whole(planner, planner->lost[i]) &&
            !find(planner, planner->lost[i], NONE, &search)) {
            *ret_lost = planner->lost[i];
            code = -AXC_EPLACE_SPARE;
        }
    }
    axi_planner_take(planner, task);
    return code;
}

static void forget(struct axi_planner *planner, uint32_t node)
{
    for (uint32_t t = planner->nodes[node].first; t != NONE; t = planner->tasks[t].next) {
        axi_planner_set_spare(planner, t, NONE);
    }
}

void axi_spare_settle(struct axi_planner *planner, uint32_t task)
{
    uint32_t node = planner->tasks[task].node;
    struct search search;
    uint32_t count = list_touched(planner, task, node);

    if (asks(planner, task) && find(planner, node, NONE, &search)) {
        keep(planner, &search);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t lost = planner->lost[i];

        if (!is_whole(planner, lost)) {
            continue;
        }
        if (find(planner, lost, NONE, &search)) {
            keep(planner, &search);
        } else {
            forget(planner, lost);
        }
    }
}

void axi_spare_prepare(struct axi_planner *planner)
{
    struct search search;

    for (uint32_t i = 0; i < planner->problem->node_count; i++) {
        if (find(planner, i, NONE, &search)) {
            keep(planner, &search);
        }
    }
}
