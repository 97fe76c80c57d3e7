/* SPDX-License-Identifier: Apache-2.0 */
/* All nodes for one task: cheap filters and scores for each; what is dear is asked only of the best
 * until one passes. */
#include "place/planner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE AXI_PLAN_NONE

void axi_tally_add(struct axi_planner_tally *tally, int code, uint32_t node)
{
    size_t at = 0;

    while (at < tally->kinds && tally->of[at].code != code) {
        at++;
    }
    if (at == AXI_TALLY_KINDS) {
        return;
    }
    if (at == tally->kinds) {
        tally->of[at].code = code;
        tally->of[at].first = node;
        tally->of[at].count = 0;
        tally->kinds++;
    }
    tally->of[at].count++;
    tally->of[at].first = node < tally->of[at].first ? node : tally->of[at].first;
}

size_t axi_tally_next(const struct axi_planner_tally *tally, const bool *is_told)
{
    size_t most = tally->kinds;

    for (size_t i = 0; i < tally->kinds; i++) {
        bool is_more =
            most == tally->kinds || tally->of[most].code == -AXC_EEXIST ||
            (tally->of[i].code != -AXC_EEXIST && tally->of[i].count > tally->of[most].count);

        most = (is_told == NULL || !is_told[i]) && is_more ? i : most;
    }
    return most;
}

int axi_tally_code(const struct axi_planner_tally *tally)
{
    size_t most = axi_tally_next(tally, NULL);

    return most < tally->kinds && tally->of[most].code != -AXC_EEXIST ? tally->of[most].code
                                                                      : -AXC_ENO_CANDIDATE;
}

static int by_score(const void *left, const void *right)
{
    const struct axi_planner_option *a = left;
    const struct axi_planner_option *b = right;

    if (a->score != b->score) {
        return a->score < b->score ? -1 : 1;
    }
    return (a->node > b->node) - (a->node < b->node);
}

static bool contains(const uint64_t *ids, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* The best AXI_SCAN_KEPT of the options, in order. */
static void keep_best(const struct axi_planner *planner, size_t count,
                      struct axi_planner_scan *scan)
{
    for (size_t i = 0; i < count; i++) {
        const struct axi_planner_option *option = &planner->options[i];
        uint32_t at = scan->count;

        if (at == AXI_SCAN_KEPT) {
            if (by_score(option, &scan->best[at - 1]) > 0) {
                continue;
            }
            at--;
        } else {
            scan->count++;
        }
        while (at > 0 && by_score(option, &scan->best[at - 1]) < 0) {
            scan->best[at] = scan->best[at - 1];
            at--;
        }
        scan->best[at] = *option;
    }
    scan->frontier = count > scan->count ? scan->best[scan->count - 1].score : INFINITY;
}

static int judge_option(struct axi_planner *planner, uint32_t task,
                        const struct axi_planner_option *option)
{
    return axi_judge_late(planner, task, option->node, option->quick);
}

/* None of the kept ones has passed: the others in order of their scores. */
static void try_others(struct axi_planner *planner, uint32_t task, size_t count,
                       struct axi_planner_scan *scan)
{
    qsort(planner->options, count, sizeof(*planner->options), by_score);
    for (size_t i = AXI_SCAN_KEPT; i < count; i++) {
        int code = judge_option(planner, task, &planner->options[i]);

        if (code != 0) {
            axi_tally_add(&scan->tally, code, planner->options[i].node);
            continue;
        }
        while (i < count && scan->count < AXI_SCAN_KEPT) {
            scan->best[scan->count++] = planner->options[i++];
        }
        scan->frontier = i < count ? scan->best[scan->count - 1].score : INFINITY;
        return;
    }
}

void axi_planner_scan(struct axi_planner *planner, uint32_t task, const uint64_t *excluded,
                      size_t excluded_count, struct axi_planner_scan *ret_scan)
{
    struct axi_planner_scan *scan = ret_scan;
    size_t count = 0;

    *scan = (struct axi_planner_scan){.frontier = INFINITY};
    for (uint32_t i = 0; i < planner->problem->node_count; i++) {
        struct axi_planner_option option = {.node = i};

        if (contains(excluded, excluded_count, planner->nodes[i].place.id)) {
            axi_tally_add(&scan->tally, -AXC_EEXIST, i);
            continue;
        }
        option.quick = axi_judge_quick(planner, task, i, &option.score);
        if (option.quick < 0) {
            axi_tally_add(&scan->tally, option.quick, i);
        } else {
            planner->options[count++] = option;
        }
    }
    keep_best(planner, count, scan);
    while (scan->count > 0) {
        int code = judge_option(planner, task, &scan->best[0]);

        if (code == 0) {
            return;
        }
        axi_tally_add(&scan->tally, code, scan->best[0].node);
        scan->count--;
        memmove(&scan->best[0], &scan->best[1], scan->count * sizeof(scan->best[0]));
    }
    try_others(planner, task, count, scan);
}
